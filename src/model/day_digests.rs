//! Whether the documents of a day are those that were seen: what a whole listing is compared by
//! before anything of it is taken over.
//!
//! The rule kept here: a day agrees only where it has the very same documents, each under the same
//! name, of the same `creation` and the same `modified`. The sums of a site (`fingerprint`) may
//! agree by chance, which is why everything is listed once in a while; these may not: they are sums
//! of 64-bit hashes under a key of the moment, over all three, and nobody can choose documents
//! that fit.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::ops::RangeInclusive;

use super::stamp::{Day, Stamp};

/// Some documents, day by day of their `modified`, whatever the order in which they came.
#[derive(Debug)]
pub struct DayDigests {
    key: RandomState,
    days: BTreeMap<Day, Digest>,
    has_undated: bool,
}

/// The documents of a day.
#[derive(Debug, Default, PartialEq, Eq)]
struct Digest {
    count: u64,
    /// The sum of their hashes.
    sum: u64,
}

impl DayDigests {
    /// No documents yet. Only what has the same key can be compared.
    #[must_use]
    pub fn new(key: &RandomState) -> Self {
        Self { key: key.clone(), days: BTreeMap::new(), has_undated: false }
    }

    /// Adds a document.
    pub fn add(&mut self, name: &str, creation: &str, modified: &str) {
        let Some(stamp) = Stamp::of(modified) else {
            self.has_undated = true;
            return;
        };
        let digest = self.days.entry(stamp.day()).or_default();
        digest.count += 1;
        let hash = self.key.hash_one((name, creation, modified));
        digest.sum = digest.sum.wrapping_add(hash);
    }

    /// The days on which this and `other` have not the same documents, those that follow one another
    /// in one span. `None` where a document has no day: then nothing is known of any.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Option<Vec<RangeInclusive<Day>>> {
        if self.has_undated || other.has_undated {
            return None;
        }
        let days: BTreeSet<Day> = self.days.keys().chain(other.days.keys()).copied().collect();
        let mut spans: Vec<RangeInclusive<Day>> = Vec::new();
        let mut is_open = false;
        for day in days {
            let differs = self.days.get(&day) != other.days.get(&day);
            match spans.last_mut() {
                Some(span) if differs && is_open => *span = *span.start()..=day,
                _ if differs => spans.push(day..=day),
                _ => {}
            }
            is_open = differs;
        }
        Some(spans)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Name, creation, modified.
    type Document<'a> = (&'a str, &'a str, &'a str);

    const FIRST: &str = "2026-11-01 10:00:00";
    const LATER: &str = "2026-11-01 11:00:00";
    const THIRD: &str = "2026-11-03 11:00:00.000001";

    fn spans(ours: &[Document<'_>], theirs: &[Document<'_>]) -> Option<Vec<String>> {
        let key = RandomState::new();
        let of = |documents: &[Document<'_>]| {
            let mut days = DayDigests::new(&key);
            for (name, creation, modified) in documents {
                days.add(name, creation, modified);
            }
            days
        };
        let shown = |span: &RangeInclusive<Day>| format!("{} to {}", span.start(), span.end());
        let spans = of(ours).differing(&of(theirs));
        spans.map(|spans| spans.iter().map(shown).collect())
    }

    #[test]
    fn the_same_documents_agree_in_any_order() {
        let documents = [("A", "c", FIRST), ("B", "c", LATER), ("C", "", THIRD)];
        let turned = [documents[2], documents[0], documents[1]];
        assert_eq!(spans(&documents, &turned), Some(vec![]));
        assert_eq!(spans(&[], &[]), Some(vec![]));
    }

    #[test]
    fn whatever_happened_to_a_document_shows_on_its_days() {
        let before = [("A", "c1", FIRST), ("B", "c2", LATER), ("C", "c3", THIRD)];
        let [a, b, c] = before;
        let (first, third) = ("2026-11-01 to 2026-11-01", "2026-11-03 to 2026-11-03");
        let cases: [(&str, Vec<Document<'_>>, Vec<&str>); 10] = [
            ("renamed", vec![("A2", a.1, a.2), b, c], vec![first]),
            ("replaced under its name", vec![("A", "c9", a.2), b, c], vec![first]),
            (
                "saved within its second",
                vec![("A", a.1, "2026-11-01 10:00:00.000000"), b, c],
                vec![first],
            ),
            ("deleted", vec![a, c], vec![first]),
            ("deleted, the last of its day", vec![a, b], vec![third]),
            ("new", vec![a, b, c, ("D", "c4", c.2)], vec![third]),
            ("twice", vec![a, b, c, c], vec![third]),
            ("names exchanged", vec![("B", a.1, a.2), ("A", b.1, b.2), c], vec![first]),
            ("stamps exchanged", vec![("A", a.1, b.2), ("B", b.1, a.2), c], vec![first]),
            ("moved to another day", vec![("A", a.1, c.2), b, c], vec!["2026-11-01 to 2026-11-03"]),
        ];
        for (what, now, expected) in cases {
            let expected = Some(expected.into_iter().map(str::to_owned).collect());
            assert_eq!(spans(&before, &now), expected, "{what}");
            assert_eq!(spans(&now, &before), expected, "{what}, the other way");
        }
    }

    #[test]
    fn where_one_value_ends_and_the_next_begins_counts() {
        let day = Some(vec!["2026-11-01 to 2026-11-01".to_owned()]);
        assert_eq!(spans(&[("AB", "c", FIRST)], &[("A", "Bc", FIRST)]), day);
    }

    #[test]
    fn a_day_that_agrees_ends_a_span() {
        let agrees = ("B", "c", "2026-11-02 10:00:00");
        let ours =
            [("A", "c", FIRST), agrees, ("C", "c", THIRD), ("D", "c", "2026-11-09 10:00:00")];
        let expected = ["2026-11-01 to 2026-11-01", "2026-11-03 to 2026-11-09"];
        assert_eq!(spans(&ours, &[agrees]), Some(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn of_documents_without_a_day_nothing_is_known() {
        let undated = [("A", "c", FIRST), ("B", "c", "")];
        assert_eq!(spans(&undated, &undated), None);
        assert_eq!(spans(&undated, &undated[..1]), None);
        assert_eq!(spans(&undated[..1], &undated), None);
    }

    type Owned = (String, String, String);

    fn documents() -> impl Strategy<Value = Vec<Owned>> {
        let document = ("[ab]{0,2}", "[ab]{0,2}", "2026-11-0[1-4] 10:00:0[01]");
        proptest::collection::vec(document, 0..6)
    }

    proptest! {
        /// Compared with sorting: a day differs where its documents do.
        #[test]
        fn days_differ_where_their_documents_do(ours in documents(), theirs in documents()) {
            let borrowed = |all: &[Owned]| -> Vec<Owned> { all.to_vec() };
            let of_day = |all: &[Owned], day: &str| {
                let mut some = borrowed(all);
                some.retain(|(_, _, modified)| modified.starts_with(day));
                some.sort();
                some
            };
            let key = RandomState::new();
            let [a, b] = [&ours, &theirs].map(|all| {
                let mut days = DayDigests::new(&key);
                for (name, creation, modified) in all {
                    days.add(name, creation, modified);
                }
                days
            });
            let spans = a.differing(&b).unwrap();
            for number in 1..=4 {
                let day = format!("2026-11-0{number}");
                let (ours, theirs) = (of_day(&ours, &day), of_day(&theirs, &day));
                let stamp = Stamp::of(&format!("{day} 00:00:00")).unwrap().day();
                let differs = spans.iter().any(|span| span.contains(&stamp));
                // Between two days that differ there may be one without documents.
                if !ours.is_empty() || !theirs.is_empty() {
                    prop_assert_eq!(differs, ours != theirs, "{}", day);
                }
            }
        }
    }
}
