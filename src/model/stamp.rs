//! The stamps of a site in eight bytes, and their days.
//!
//! The rule kept here: the text comes out to the letter, and stamps compare as their texts do. A
//! text that is no stamp has none; a stamp that no calendar has may be one.

use std::fmt;

/// A stamp as a site writes it: `2026-11-22 10:00:00`, with six digits of a fraction or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(u64);

/// The day of a stamp; shown as `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(u64);

/// Where the numbers of a stamp begin and end, and how many values each may have. Of a fraction
/// there is one more: that there is none.
const NUMBERS: [(usize, usize, u64); 6] =
    [(0, 4, 10_000), (5, 7, 13), (8, 10, 32), (11, 13, 24), (14, 16, 60), (17, 19, 60)];
const FRACTIONS: u64 = 1_000_001;

/// What stands between the numbers.
const SIGNS: [(usize, u8); 5] = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')];

/// How many characters come before the fraction.
const SECONDS: usize = "2026-11-22 10:00:00".len();

/// So many stamps has a day.
const OF_A_DAY: u64 = 24 * 60 * 60 * FRACTIONS;

impl Stamp {
    /// The stamp that a text is.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let (seconds, fraction) = match text.get(SECONDS..)? {
            [] => (text, 0),
            [b'.', digits @ ..] if digits.len() == 6 => (text, 1 + number(digits)?),
            _ => return None,
        };
        if SIGNS.iter().any(|(at, sign)| seconds[*at] != *sign) {
            return None;
        }
        let mut packed = 0;
        for (start, end, values) in NUMBERS {
            let number = number(&seconds[start..end])?;
            if number >= values {
                return None;
            }
            packed = packed * values + number;
        }
        Some(Self(packed * FRACTIONS + fraction))
    }

    /// The day.
    #[must_use]
    pub fn day(self) -> Day {
        Day(self.0 / OF_A_DAY)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, fraction) = (self.0 % OF_A_DAY / FRACTIONS, self.0 % FRACTIONS);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{} {hour:02}:{minute:02}:{second:02}", self.day())?;
        match fraction.checked_sub(1) {
            Some(fraction) => write!(f, ".{fraction:06}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.0 / (13 * 32), self.0 / 32 % 13, self.0 % 32);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A number of decimal digits only.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |so_far, digit| {
        digit.is_ascii_digit().then(|| so_far * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stamps_are_those_that_sites_write() {
        for good in
            ["2026-11-22 10:00:00", "2026-11-22 23:59:59.999999", "0000-00-00 00:00:00.000000"]
        {
            assert_eq!(Stamp::of(good).map(|stamp| stamp.to_string()).as_deref(), Some(good));
        }
        for bad in [
            "",
            "2026-11-22",
            "2026-11-22T10:00:00",
            "2026-11-22 10:00:0",
            "2026-11-22 10:00:00.",
            "2026-11-22 10:00:00.12345",
            "2026-11-22 10:00:00.1234567",
            "2026-11-22 10:00:00.12345x",
            "2026-11-22 10:00:00Z",
            "2026-13-22 10:00:00",
            "2026-11-32 10:00:00",
            "2026-11-22 24:00:00",
            "2026-11-22 10:60:00",
            "2026-11-22 10:00:60",
            "+026-11-22 10:00:00",
            " 2026-11-22 10:00:00",
            "2026-11-22 10:00:00 ",
            "２026-11-22 10:00:00",
        ] {
            assert_eq!(Stamp::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_greatest_stamp_fits() {
        let last = "9999-12-31 23:59:59.999999";
        assert_eq!(Stamp::of(last).unwrap().to_string(), last);
        assert_eq!(Stamp::of(last).unwrap().day().to_string(), "9999-12-31");
    }

    fn text() -> impl Strategy<Value = String> {
        let day = "(000[0-9]|[12]0[0-9]{2}|9999)-(0[0-9]|1[0-2])-([0-2][0-9]|3[01])";
        let time = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{6})?";
        let pattern = format!("{day} {time}");
        proptest::string::string_regex(&pattern).unwrap()
    }

    proptest! {
        #[test]
        fn a_text_comes_out_as_it_went_in(text in text()) {
            let stamp = Stamp::of(&text).unwrap();
            prop_assert_eq!(stamp.day().to_string(), &text[..10]);
            prop_assert_eq!(stamp.to_string(), text);
        }

        #[test]
        fn stamps_compare_as_their_texts(a in text(), b in text()) {
            let of = |text: &str| Stamp::of(text).unwrap();
            prop_assert_eq!(of(&a).cmp(&of(&b)), a.cmp(&b));
            prop_assert_eq!(of(&a).day().cmp(&of(&b).day()), a[..10].cmp(&b[..10]));
        }

        #[test]
        fn any_text_comes_out_or_is_no_stamp(text in "[0-9:. -]{19,26}") {
            if let Some(stamp) = Stamp::of(&text) {
                prop_assert_eq!(stamp.to_string(), text);
            }
        }
    }
}
