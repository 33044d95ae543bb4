//! The site's clock: its zone, its stamps, and how far it is off.
//!
//! What lives here: what time it is on the site, and how it writes that down. What may not: a
//! clock of its own; every instant is passed in.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::site::Site;

/// What `get_time_zone` says to a caller who has no zone: the one that was set when the site was
/// installed, whatever System Settings said later (recording 19).
const ZONE_AT_INSTALL: &str = "Asia/Kolkata";

/// The zone of a site.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    rules: TimeZone,
    name: String,
    /// The default of users who have none of their own.
    default: String,
}

impl Zone {
    pub(crate) fn new(name: &str) -> Result<Self, jiff::Error> {
        let default = ZONE_AT_INSTALL.to_owned();
        Ok(Self { rules: TimeZone::get(name)?, name: name.to_owned(), default })
    }
}

impl Site {
    /// The time zone of the site.
    pub fn zone_name(&self) -> &str {
        &self.zone.name
    }

    /// Puts the site into another zone, as saving System Settings does. Stamps that are stored
    /// stay as they are.
    ///
    /// # Errors
    /// When the time zone is unknown.
    pub fn set_zone(&mut self, name: &str) -> Result<(), jiff::Error> {
        self.zone = Zone { default: name.to_owned(), ..Zone::new(name)? };
        let mut settings = self.store.single("System Settings").cloned().unwrap_or_default();
        settings.insert("time_zone".into(), json!(name));
        self.store.put_single("System Settings", settings);
        Ok(())
    }

    /// System Settings were saved: the zone may be another one.
    pub(crate) fn take_settings(&mut self, settings: &Doc) -> Outcome<()> {
        let name = settings.text("time_zone");
        if name == self.zone.name {
            return Ok(());
        }
        self.set_zone(&name).map_err(|error| Failure::validation(&error.to_string()))
    }

    /// The zone that a user is told: the user's own, or a default; not the site's.
    pub(crate) fn zone_told(&self, user: &str) -> String {
        match self.value_of("User", user, "time_zone") {
            Value::String(own) if !own.is_empty() => own,
            _ => self.zone.default.clone(),
        }
    }

    /// Sets the site's clock: at the instant `now` it shows `shown`. Stamps and the Date header
    /// follow, as on a server whose clock is wrong.
    pub fn set_clock(&mut self, now: Timestamp, shown: Timestamp) {
        self.clock_offset_ms = shown.as_millisecond() - now.as_millisecond();
    }

    /// An instant by the site's own, perhaps wrong, clock.
    pub fn own_time(&self, now: Timestamp) -> Timestamp {
        now.checked_add(SignedDuration::from_millis(self.clock_offset_ms)).unwrap_or(now)
    }

    /// A stamp in the site's own zone. No two are of the same instant; but when the clock is set
    /// back, an hour's texts come twice.
    pub fn stamp(&mut self, at: Timestamp) -> String {
        let mut micros = at.as_microsecond();
        while !self.issued.insert(micros) {
            micros += 1;
        }
        if self.issued.len() > 20_000 {
            let middle = self.issued.iter().nth(10_000).copied().unwrap_or(0);
            self.issued = self.issued.split_off(&middle);
        }
        self.local(Timestamp::from_microsecond(micros).unwrap_or(at))
    }

    /// An instant as the site writes it: naive, 26 characters.
    pub fn local(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.rules.clone()).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
    }
}
