//! Times as the state writes them: UTC, `YYYY-MM-DDTHH:MM:SS.mmmZ`.
//!
//! All of one width, so that their order as text is their order in time. No clock is read
//! here: every instant is handed in.

use jiff::Timestamp;

use super::error::{StateError, StateResult};

/// Writes an instant; what is finer than a millisecond is dropped.
#[must_use]
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Reads what [`stamp`] wrote.
pub(super) fn parse(text: &str) -> StateResult<Timestamp> {
    text.parse().map_err(|_| StateError::Unreadable(format!("'{text}' is not a UTC time")))
}

/// Reads an optional time.
pub(super) fn parse_some(text: Option<String>) -> StateResult<Option<Timestamp>> {
    text.map(|text| parse(&text)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_has_milliseconds_and_reads_back() {
        let at: Timestamp = "2025-11-18T10:30:00.1239Z".parse().unwrap();
        assert_eq!(stamp(at), "2025-11-18T10:30:00.123Z");
        assert_eq!(stamp("2025-11-18T10:30:00Z".parse().unwrap()), "2025-11-18T10:30:00.000Z");
        assert_eq!(stamp(parse(&stamp(at)).unwrap()), stamp(at));
        assert!(parse("18.11.2025").is_err());
    }
}
