//! Signs that a side is not what it was: a restored backup, an emptied doctype.
//!
//! The rule kept here: what looks wrong on the whole is not believed document by document.

use jiff::SignedDuration;
use jiff::civil::DateTime;

use crate::model::MaxDeletes;

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

/// How many more documents of a doctype may be deleted on one side: the cap less what the runs
/// of the last 24 hours deleted there. `known` are the documents that are left; those deleted
/// count for a share as well, or it would shrink with every run. `lifted` is the person's own
/// number for this run.
#[must_use]
pub fn deletes_left(max: MaxDeletes, known: u64, deleted: u64, lifted: Option<u64>) -> u64 {
    let left = max.cap(known.saturating_add(deleted)).saturating_sub(deleted);
    lifted.map_or(left, |lifted| left.max(lifted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_counts_what_was_deleted_today() {
        let tenth = MaxDeletes::Percent(10);
        assert_eq!(deletes_left(tenth, 100, 0, None), 10);
        assert_eq!(deletes_left(tenth, 96, 4, None), 6);
        assert_eq!(deletes_left(tenth, 90, 10, None), 0);
        assert_eq!(deletes_left(tenth, 90, 10, Some(3)), 3);
        assert_eq!(deletes_left(tenth, 100, 0, Some(3)), 10);
        // Rounded up, and never below five.
        assert_eq!(deletes_left(tenth, 101, 0, None), 11);
        assert_eq!(deletes_left(tenth, 3, 0, None), 5);
        assert_eq!(deletes_left(MaxDeletes::Count(2), 1_000, 1, None), 1);
        assert_eq!(deletes_left(MaxDeletes::Count(2), 1_000, 7, None), 0);
    }

    #[test]
    fn a_stamp_two_hours_older_is_a_restored_backup() {
        let seen = "2026-11-22 12:00:00.000000";
        assert!(went_back(seen, "2026-11-22 09:59:59.999999"));
        assert!(!went_back(seen, "2026-11-22 10:00:00.000000"));
        assert!(!went_back(seen, "2026-11-23 10:00:00"));
        assert!(!went_back(seen, "nonsense"));
    }
}
