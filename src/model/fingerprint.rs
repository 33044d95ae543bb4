//! What the documents of a doctype add up to, day by day of their `modified`: the same sums over
//! what a site has and over what the state has seen there say which days are to be listed.
//!
//! The rule kept here: a day agrees only where the number of documents and the sums over their
//! names, over their stamps and over both together all do. Whatever happened to a document since
//! it was seen, whether it was saved, created, renamed or deleted, or committed late under an
//! older stamp, changes one of the four on some day; the last one tells of names that two
//! documents have exchanged.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};

use super::stamp::Day;

/// How many characters of a stamp are its day.
const DAY: usize = "2026-11-22".len();

/// The most stretches of days that are listed one by one. More of them are joined over the days
/// between, which costs rows that are known already instead of requests.
const MOST_STRETCHES: usize = 8;

/// The sums over the documents of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DaySums {
    /// How many there are.
    pub count: usize,
    /// The sum over the CRC-32 of their names.
    pub names: u128,
    /// The sum over the CRC-32 of their `modified`, in 26 characters.
    pub stamps: u128,
    /// The sum over the CRC-32 of their names, each times the microseconds of its stamp.
    pub pairs: u128,
}

/// The sums of each day that has documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<String, DaySums>);

/// Days that follow one another, of which at least the first and the last do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The first day, `2026-11-22`.
    pub first: String,
    /// The last day.
    pub last: String,
}

impl Stretch {
    /// Every day, and whatever stands in the place of one.
    #[must_use]
    pub fn of_all_days() -> Self {
        Self { first: String::new(), last: String::new() }
    }
}

impl From<&RangeInclusive<Day>> for Stretch {
    fn from(days: &RangeInclusive<Day>) -> Self {
        Self { first: days.start().to_string(), last: days.end().to_string() }
    }
}

impl Fingerprint {
    /// Adds a document as it was seen. A stamp with no fraction is summed by the site as if it
    /// had one of zeros.
    pub fn add(&mut self, name: &str, modified: &str) {
        let Some(day) = modified.get(..DAY) else { return };
        let sums = match self.0.get_mut(day) {
            Some(sums) => sums,
            None => self.0.entry(day.to_owned()).or_default(),
        };
        sums.count += 1;
        let name = u128::from(crc32fast::hash(name.as_bytes()));
        sums.names += name;
        sums.stamps += u128::from(crc32_of_stamp(modified));
        sums.pairs += name * microseconds(modified);
    }

    /// How many documents there are on all days together.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.values().map(|sums| sums.count).sum()
    }

    /// How many there are on the days of a stretch.
    #[must_use]
    pub fn count_within(&self, stretch: &Stretch) -> usize {
        let days = self.0.range::<str, _>((
            Bound::Included(stretch.first.as_str()),
            Bound::Included(stretch.last.as_str()),
        ));
        days.map(|(_, sums)| sums.count).sum()
    }

    /// The sums of a day; of one without documents they are all 0.
    #[must_use]
    pub fn of_day(&self, day: &str) -> DaySums {
        self.0.get(day).copied().unwrap_or_default()
    }

    /// Sets what a site says of a day.
    pub fn set(&mut self, day: String, sums: DaySums) {
        self.0.insert(day, sums);
    }

    /// The days on which this and `other` do not agree, joined to at most eight stretches.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<Stretch> {
        let nothing = DaySums::default();
        let days: BTreeMap<&str, (usize, bool)> = self
            .0
            .keys()
            .chain(other.0.keys())
            .map(|day| {
                let ours = self.0.get(day).unwrap_or(&nothing);
                let theirs = other.0.get(day).unwrap_or(&nothing);
                (day.as_str(), (ours.count.max(theirs.count), ours.agrees(theirs)))
            })
            .collect();
        stretches(&days)
    }
}

impl DaySums {
    /// A site gives its sums as floating-point numbers, so that is how they are compared.
    #[allow(clippy::cast_precision_loss, reason = "the site's sums lose as much")]
    fn agrees(&self, other: &Self) -> bool {
        let is_same = |a: u128, b: u128| (a as f64).to_bits() == (b as f64).to_bits();
        self.count == other.count
            && is_same(self.names, other.names)
            && is_same(self.stamps, other.stamps)
            && is_same(self.pairs, other.pairs)
    }
}

/// The days that do not agree, in stretches. Of too many the closest are joined, closeness being
/// the number of documents between them, which are listed in vain.
fn stretches(days: &BTreeMap<&str, (usize, bool)>) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    let (mut gaps, mut gap) = (Vec::new(), 0);
    let mut is_open = false;
    for (day, (count, agrees)) in days {
        if *agrees {
            gap += count;
            is_open = false;
            continue;
        }
        match found.last_mut() {
            Some(last) if is_open => (*day).clone_into(&mut last.last),
            last => {
                if last.is_some() {
                    gaps.push(gap);
                }
                found.push(Stretch { first: (*day).to_owned(), last: (*day).to_owned() });
            }
        }
        (gap, is_open) = (0, true);
    }
    while found.len() > MOST_STRETCHES {
        let smallest = (0..gaps.len()).min_by_key(|i| gaps[*i]).unwrap_or_default();
        gaps.remove(smallest);
        let next = found.remove(smallest + 1);
        found[smallest].last = next.last;
    }
    found
}

/// How many characters of a stamp come before its fraction; one that is zero is left out.
const SECONDS: usize = "2026-11-22 10:00:00".len();

fn microseconds(modified: &str) -> u128 {
    modified.get(SECONDS + 1..).and_then(|fraction| fraction.parse().ok()).unwrap_or(0)
}

fn crc32_of_stamp(modified: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(modified.as_bytes());
    if modified.len() == SECONDS {
        hasher.update(b".000000");
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name and a stamp.
    type Document<'a> = (&'a str, &'a str);

    /// The first and the last day of a stretch.
    type Days<'a> = (&'a str, &'a str);

    fn of(documents: &[Document<'_>]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for (name, modified) in documents {
            fingerprint.add(name, modified);
        }
        fingerprint
    }

    fn days(stretches: &[Stretch]) -> Vec<Days<'_>> {
        stretches.iter().map(|one| (one.first.as_str(), one.last.as_str())).collect()
    }

    #[test]
    fn sums_are_those_that_a_site_gave() {
        // Three notes of 43-crc-of-modified: two stamps of one day, one of them without a fraction.
        let seen = of(&[
            ("5q1rf7v8s0", "2026-11-01 00:00:00"),
            ("b34srptcd2", "2026-11-01 10:00:00.120000"),
            ("45ucpnhttg", "2026-11-22 16:23:24.833065"),
        ]);
        assert_eq!(seen.0["2026-11-01"].stamps, 174_611_277);
        assert_eq!(seen.0["2026-11-22"].stamps, 1_581_769_460);
        assert_eq!(seen.0["2026-11-01"].count, 2);
        let name = u128::from(crc32fast::hash(b"b34srptcd2"));
        assert_eq!(seen.0["2026-11-01"].pairs, name * 120_000, "the other one's fraction is zero");
    }

    #[test]
    fn whatever_happened_shows_on_some_day() {
        let before = [
            ("A", "2026-11-01 10:00:00.000001"),
            ("B", "2026-11-01 11:00:00.000001"),
            ("C", "2026-11-03 11:00:00.000001"),
        ];
        let seen = of(&before);
        assert!(seen.differing(&of(&before)).is_empty());
        let (first, third) = (("2026-11-01", "2026-11-01"), ("2026-11-03", "2026-11-03"));
        let cases: [(&str, Vec<Document<'_>>, Vec<Days<'_>>); 6] = [
            ("renamed", vec![("A2", before[0].1), before[1], before[2]], vec![first]),
            ("deleted", vec![before[0], before[2]], vec![first]),
            ("deleted, the last of its day", vec![before[0], before[1]], vec![third]),
            ("new", vec![before[0], before[1], before[2], ("D", before[2].1)], vec![third]),
            (
                "saved late under an older stamp",
                vec![("A", "2026-11-01 09:59:59.000001"), before[1], before[2]],
                vec![first],
            ),
            (
                "saved today",
                vec![("A", "2026-11-05 00:00:00.000000"), before[1], before[2]],
                vec![first, ("2026-11-05", "2026-11-05")],
            ),
        ];
        for (what, now, expected) in cases {
            assert_eq!(days(&seen.differing(&of(&now))), expected, "{what}");
            assert_eq!(days(&of(&now).differing(&seen)), expected, "{what}, the other way");
        }
    }

    #[test]
    fn names_exchanged_within_a_day_show() {
        let (first, second) = ("2026-11-01 10:00:00.000001", "2026-11-01 11:00:00.000002");
        let (seen, now) = (of(&[("A", first), ("B", second)]), of(&[("B", first), ("A", second)]));
        assert_eq!(days(&seen.differing(&now)), [("2026-11-01", "2026-11-01")]);
        // Not where the stamps have one fraction: then only a whole listing tells.
        let (first, second) = (&first[..SECONDS], &second[..SECONDS]);
        let (seen, now) = (of(&[("A", first), ("B", second)]), of(&[("B", first), ("A", second)]));
        assert!(seen.differing(&now).is_empty());
    }

    #[test]
    fn documents_are_counted_by_stretch() {
        let seen = of(&[
            ("A", "2026-11-01 10:00:00.000001"),
            ("B", "2026-11-02 10:00:00.000001"),
            ("C", "2026-11-03 10:00:00.000001"),
        ]);
        let stretch = |first: &str, last: &str| Stretch {
            first: format!("2026-11-{first}"),
            last: format!("2026-11-{last}"),
        };
        assert_eq!(seen.count(), 3);
        assert_eq!(seen.count_within(&stretch("01", "02")), 2);
        assert_eq!(seen.count_within(&stretch("03", "09")), 1);
        assert_eq!(seen.count_within(&stretch("04", "09")), 0);
    }

    #[test]
    fn days_that_follow_one_another_are_one_stretch() {
        let seen = of(&[("C", "2026-11-03 11:00:00.000001")]);
        let now = of(&[
            ("A", "2026-11-01 10:00:00.000001"),
            ("B", "2026-11-02 10:00:00.000001"),
            ("C", "2026-11-03 11:00:00.000001"),
            ("D", "2026-11-04 11:00:00.000001"),
        ]);
        let expected = [("2026-11-01", "2026-11-02"), ("2026-11-04", "2026-11-04")];
        assert_eq!(days(&seen.differing(&now)), expected);
    }

    #[test]
    fn many_stretches_are_joined_where_little_is_between() {
        let mut seen = Fingerprint::default();
        let mut now = Fingerprint::default();
        let sums = |count| DaySums { count, ..DaySums::default() };
        for day in 1..=28 {
            let count = if day == 4 { 1 } else { 10 };
            seen.set(format!("2026-11-{day:02}"), sums(count));
            // Every third day differs: 3, 6, 9 ... 27.
            now.set(format!("2026-11-{day:02}"), sums(count + usize::from(day % 3 == 0)));
        }
        let found = seen.differing(&now);
        assert_eq!(found.len(), MOST_STRETCHES);
        assert_eq!(days(&found)[..2], [("2026-11-03", "2026-11-06"), ("2026-11-09", "2026-11-09")]);
    }

    #[test]
    fn sums_beyond_the_exact_numbers_of_a_site_still_agree() {
        let mut ours = Fingerprint::default();
        let mut theirs = Fingerprint::default();
        let sums = |names| DaySums { count: 1, names, ..DaySums::default() };
        ours.set("2026-11-01".to_owned(), sums((1 << 53) + 1));
        theirs.set("2026-11-01".to_owned(), sums(1 << 53));
        assert!(ours.differing(&theirs).is_empty());
    }
}
