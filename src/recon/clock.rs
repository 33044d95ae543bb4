//! Which of two saves was later, across time zones and clocks that disagree.
//!
//! A site stamps `modified` in its own zone, without an offset (BEHAVIOUR.md 7). The rule kept
//! here: stamps of two sites are compared as instants only, and where they cannot be told
//! apart that is said. Zones and clock readings are arguments.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// What is known of one site's clock.
#[derive(Debug, Clone)]
pub struct SiteClock {
    /// The zone of the site's stamps.
    pub zone: TimeZone,
    /// How far the site's clock is ahead of ours.
    pub skew: Skew,
}

/// How far a clock is ahead of ours, and how well that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// Added to our time it gives the site's.
    pub ahead: SignedDuration,
    /// The true skew is not farther than this from `ahead`.
    pub uncertainty: SignedDuration,
}

impl Skew {
    /// A clock that agrees with ours.
    pub const NONE: Self = Self { ahead: SignedDuration::ZERO, uncertainty: SignedDuration::ZERO };

    /// The skew that an answer's `Date` header shows, which has whole seconds. What the
    /// header cannot tell from zero is taken as zero: two good clocks are compared to the
    /// microsecond.
    #[must_use]
    pub fn from_date_header(date: Timestamp, received: Timestamp) -> Self {
        let behind = received.duration_since(date);
        let tolerance = SignedDuration::from_secs(2);
        if behind >= SignedDuration::from_secs(-1) && behind <= tolerance {
            return Self::NONE;
        }
        // The header was cut to the second: on average the site was half a second further.
        let ahead = SignedDuration::from_millis(500) - behind;
        Self { ahead, uncertainty: SignedDuration::from_secs(2) }
    }
}

/// An instant that is known to lie between two others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// It was not before this.
    pub earliest: Timestamp,
    /// It was not after this.
    pub latest: Timestamp,
}

impl SiteClock {
    /// The instant of a stamp of this site. `None` where the text is no stamp. In the hour
    /// when a clock is set back a stamp means two instants; the moment spans both.
    #[must_use]
    pub fn moment(&self, stamp: &str) -> Option<Moment> {
        let local: DateTime = stamp.trim().parse().ok()?;
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        let earlier = ambiguous.earlier().ok()?;
        let later = ambiguous.later().ok()?;
        let early = earlier.checked_sub(self.skew.ahead + self.skew.uncertainty).ok()?;
        let late = later.checked_sub(self.skew.ahead - self.skew.uncertainty).ok()?;
        Some(Moment { earliest: early.min(late), latest: early.max(late) })
    }
}

/// A stamp that is not after any that a site gave from `since` on. Both instants are the
/// site's own; a clock that was set back in between counts. Without a known zone the
/// westernmost is taken.
#[must_use]
pub fn earliest_stamp(zone: Option<&TimeZone>, since: Timestamp, now: Timestamp) -> DateTime {
    let farthest_west = Offset::constant(-12);
    let offset = zone.map_or(farthest_west, |zone| zone.to_offset(since).min(zone.to_offset(now)));
    offset.to_datetime(since)
}

/// The outcome of comparing the last saves of two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newest {
    /// The cloud's version was saved later.
    Cloud,
    /// The local version was saved later.
    Local,
    /// Both were saved at the same instant.
    Tie,
    /// The clocks do not tell.
    Unclear,
}

/// Compares two saves.
#[must_use]
pub fn newest(cloud: Option<Moment>, local: Option<Moment>) -> Newest {
    match (cloud, local) {
        (Some(cloud), Some(local)) if cloud == local && cloud.earliest == cloud.latest => {
            Newest::Tie
        }
        (Some(cloud), Some(local)) if cloud.earliest > local.latest => Newest::Cloud,
        (Some(cloud), Some(local)) if local.earliest > cloud.latest => Newest::Local,
        _ => Newest::Unclear,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_stamp_since_then_is_before_the_earliest() {
        let new_york = TimeZone::get("America/New_York").unwrap();
        let stamp = |zone: Option<&TimeZone>, since: &str, now: &str| {
            earliest_stamp(zone, since.parse().unwrap(), now.parse().unwrap()).to_string()
        };
        let (before, after) = ("2026-11-01T05:50:00Z", "2026-11-01T06:10:00Z");
        assert_eq!(stamp(Some(&new_york), before, before), "2026-11-01T01:50:00");
        // The clock is set back from two to one: what is made then is stamped 01:10.
        assert_eq!(stamp(Some(&new_york), before, after), "2026-11-01T00:50:00");
        assert_eq!(stamp(None, before, after), "2026-10-31T17:50:00");
    }

    use super::*;

    fn clock(zone: &str) -> SiteClock {
        SiteClock { zone: TimeZone::get(zone).unwrap(), skew: Skew::NONE }
    }

    #[test]
    fn stamps_of_two_zones_are_compared_as_instants() {
        let kolkata = clock("Asia/Kolkata").moment("2026-11-22 15:07:49.146933");
        let new_york = clock("America/New_York").moment("2026-11-22 04:37:49.146932");
        assert_eq!(newest(kolkata, new_york), Newest::Cloud);
        let same = clock("America/New_York").moment("2026-11-22 04:37:49.146933");
        assert_eq!(newest(kolkata, same), Newest::Tie);
    }

    #[test]
    fn the_hour_set_back_means_two_instants() {
        // 01:30 came twice in New York on 1 November 2026: at 05:30 and at 06:30 UTC.
        let new_york = clock("America/New_York").moment("2026-11-01 01:30:00");
        let between = clock("UTC").moment("2026-11-01 06:00:00");
        assert_eq!(newest(between, new_york), Newest::Unclear);
        let after = clock("UTC").moment("2026-11-01 06:30:01");
        assert_eq!(newest(after, new_york), Newest::Cloud);
    }

    #[test]
    fn a_clock_that_is_ahead_does_not_win() {
        let received: Timestamp = "2026-11-22T10:00:00.400Z".parse().unwrap();
        let ahead: Timestamp = "2026-11-22T10:05:00Z".parse().unwrap();
        let cloud = SiteClock { skew: Skew::from_date_header(ahead, received), ..clock("UTC") };
        let by_cloud = cloud.moment("2026-11-22 10:04:00");
        let by_local = clock("UTC").moment("2026-11-22 10:00:00");
        assert_eq!(newest(by_cloud, by_local), Newest::Local);
        assert_eq!(newest(cloud.moment("2026-11-22 10:05:01"), by_local), Newest::Unclear);
    }

    #[test]
    fn a_skew_that_the_header_cannot_show_is_none() {
        let date: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let received: Timestamp = "2026-11-22T10:00:01.300Z".parse().unwrap();
        assert_eq!(Skew::from_date_header(date, received), Skew::NONE);
    }

    #[test]
    fn what_is_no_stamp_tells_nothing() {
        assert_eq!(clock("UTC").moment(""), None);
        assert_eq!(newest(None, clock("UTC").moment("2026-11-22 10:00:00")), Newest::Unclear);
    }
}
