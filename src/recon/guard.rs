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
}
