//! The documents of a listing in a few bytes each: of a whole one all are kept until it is known
//! which days are as they were seen.
//!
//! The rule kept here: what comes out is to the letter what went in.

use std::ops::RangeInclusive;

use crate::model::{Day, Stamp};
use crate::site::Stamps;
use crate::state::Listed;

/// Documents that the rules take up.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The names of the usual ones, one after the other.
    names: String,
    usual: Vec<Line>,
    /// Those with a stamp that is none, which are rare.
    odd: Vec<Listed>,
}

#[derive(Debug)]
struct Line {
    /// Where its name ends, and the next one begins.
    end: usize,
    creation: Stamp,
    modified: Stamp,
}

impl Lines {
    pub(super) fn push(&mut self, one: Stamps) {
        match (Stamp::of(&one.creation), Stamp::of(&one.modified)) {
            (Some(creation), Some(modified)) => self.push_usual(&one.name(), creation, modified),
            _ => self.odd.push(listed(one, true)),
        }
    }

    fn push_usual(&mut self, name: &str, creation: Stamp, modified: Stamp) {
        self.names.push_str(name);
        self.usual.push(Line { end: self.names.len(), creation, modified });
    }

    pub(super) fn len(&self) -> usize {
        self.usual.len() + self.odd.len()
    }

    /// Those that were saved on these days, which stand in their order.
    pub(super) fn within(self, days: &[RangeInclusive<Day>]) -> Self {
        let is_within = |modified: Stamp| {
            let day = modified.day();
            let next = days.partition_point(|span| *span.end() < day);
            days.get(next).is_some_and(|span| span.contains(&day))
        };
        let mut within = Self::default();
        for (name, line) in self.named().filter(|(_, line)| is_within(line.modified)) {
            within.push_usual(name, line.creation, line.modified);
        }
        within.odd = self.odd;
        within.odd.retain(|one| Stamp::of(&one.modified).is_some_and(is_within));
        within
    }

    /// All of them, as the state takes them.
    pub(super) fn listed(&self) -> impl Iterator<Item = Listed> {
        let usual = self.named().map(|(name, line)| Listed {
            name: name.to_owned(),
            creation: line.creation.to_string(),
            modified: line.modified.to_string(),
            taken_up: true,
        });
        usual.chain(self.odd.iter().cloned())
    }

    fn named(&self) -> impl Iterator<Item = (&str, &Line)> {
        let mut start = 0;
        self.usual.iter().map(move |line| {
            let name = &self.names[start..line.end];
            start = line.end;
            (name, line)
        })
    }
}

impl Extend<Stamps> for Lines {
    fn extend<T: IntoIterator<Item = Stamps>>(&mut self, documents: T) {
        for one in documents {
            self.push(one);
        }
    }
}

/// A document of a listing, as the state takes it.
pub(super) fn listed(one: Stamps, taken_up: bool) -> Listed {
    let name = one.name().into_owned();
    let Stamps { creation, modified, .. } = one;
    Listed { name, creation, modified, taken_up }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const STAMP: &str = "2026-11-22 10:00:00.123456";

    fn stamps(name: Value, creation: &str, modified: &str) -> Stamps {
        Stamps { name, creation: creation.to_owned(), modified: modified.to_owned() }
    }

    fn some() -> Vec<Stamps> {
        vec![
            stamps(json!("Ärger 😀"), STAMP, "2026-11-01 10:00:00"),
            stamps(json!(""), STAMP, STAMP),
            stamps(json!(7), "2026-11-22 10:00:00", "2026-11-02 00:00:00"),
            stamps(json!("no creation"), "", "2026-11-02 23:59:59.999999"),
            stamps(Value::Null, STAMP, "2026-11-03 00:00:00"),
            stamps(json!("no stamp"), STAMP, "yesterday"),
            stamps(json!("last"), STAMP, "2026-11-09 10:00:00"),
        ]
    }

    fn lines() -> Lines {
        let mut lines = Lines::default();
        lines.extend(some());
        lines
    }

    fn in_order(listed: impl Iterator<Item = Listed>) -> Vec<Listed> {
        let mut listed: Vec<Listed> = listed.collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        listed
    }

    #[test]
    fn what_comes_out_is_what_went_in() {
        let expected = in_order(some().into_iter().map(|one| listed(one, true)));
        assert_eq!(in_order(lines().listed()), expected);
        assert_eq!(lines().len(), expected.len());
    }

    #[test]
    fn some_days_are_those_days_only() {
        let day = |day: &str| Stamp::of(&format!("{day} 00:00:00")).unwrap().day();
        let within = |days: &[(&str, &str)]| {
            let spans: Vec<_> = days.iter().map(|(a, b)| day(a)..=day(b)).collect();
            let names = lines().within(&spans).listed().map(|one| one.name).collect::<Vec<_>>();
            names.join("|")
        };
        assert_eq!(within(&[]), "");
        assert_eq!(within(&[("2026-11-02", "2026-11-02")]), "7|no creation");
        let apart = [("2026-11-01", "2026-11-01"), ("2026-11-04", "2026-11-10")];
        assert_eq!(within(&apart), "Ärger 😀|last");
        assert_eq!(within(&[("2026-11-02", "2026-11-22")]), "|7||last|no creation");
    }
}
