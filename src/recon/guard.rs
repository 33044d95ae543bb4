//! Signs that a side is not what it was: a restored backup, an emptied doctype.
//!
//! The rule kept here: what looks wrong on the whole is not believed document by document.

use jiff::SignedDuration;
use jiff::civil::DateTime;

/// How far a document's `modified` may go back before the site is taken for a restored
/// backup. A change of the site's time zone or of daylight saving stays below it.
const GRACE: SignedDuration = SignedDuration::from_hours(2);

/// Whether a site's stamp of one and the same document went back by more than two hours.
/// Stamps that cannot be read say nothing.
#[must_use]
pub fn went_back(seen: &str, now: &str) -> bool {
    let (Ok(seen), Ok(now)) = (seen.parse::<DateTime>(), now.parse::<DateTime>()) else {
        return false;
    };
    seen.duration_since(now) > GRACE
}

/// The most documents that may be deleted on a side within a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cap {
    /// So many.
    Count(u64),
    /// So many of a hundred known documents.
    Percent(f64),
}

impl Cap {
    /// A share of few documents would allow nothing at all: it never counts as less.
    const SMALLEST_SHARE: u64 = 5;

    /// How many deletions the cap allows where `known` documents are known. A share rounds
    /// up.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of documents are far below 2^52, and shares are not negative"
    )]
    pub fn allowed(self, known: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let share = (known as f64 * percent / 100.0).ceil().max(0.0) as u64;
                share.max(Self::SMALLEST_SHARE)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_two_hours_older_is_a_restored_backup() {
        let seen = "2026-11-22 12:00:00.000000";
        assert!(went_back(seen, "2026-11-22 09:59:59.999999"));
        assert!(!went_back(seen, "2026-11-22 10:00:00.000000"));
        assert!(!went_back(seen, "2026-11-23 10:00:00"));
        assert!(!went_back(seen, "nonsense"));
    }

    #[test]
    fn a_share_rounds_up_and_is_never_below_five() {
        assert_eq!(Cap::Percent(10.0).allowed(101), 11);
        assert_eq!(Cap::Percent(10.0).allowed(3), 5);
        assert_eq!(Cap::Count(0).allowed(1000), 0);
    }
}
