//! Both sites' clocks: the zone of their stamps, and how far each is ahead of ours.
//!
//! The rule kept here: what is not known of a clock is said, and then nobody is taken to have
//! been the last.

use anyhow::Context as _;
use jiff::tz::TimeZone;

use crate::model::{Side, Sides};
use crate::recon::{SiteClock, Skew};

use super::{Pass, at};

impl Pass<'_> {
    /// Both sites' clocks, read when the first conflict needs them.
    pub(super) fn clocks(&mut self) -> anyhow::Result<Sides<Option<SiteClock>>> {
        if self.clocks.is_none() {
            let mut clocks = Sides::default();
            for side in Side::BOTH {
                clocks[side] = self.clock(side)?;
            }
            self.clocks = Some(clocks);
        }
        self.clocks.clone().context("no clocks")
    }

    fn clock(&mut self, side: Side) -> anyhow::Result<Option<SiteClock>> {
        let name = match &self.config.sides[side].time_zone {
            Some(configured) => configured.clone(),
            None => match self.sites[side].time_zone() {
                Ok(zone) => zone,
                Err(error) if error.is_outage() => return Err(at(side)(error)),
                Err(error) => return Ok(self.no_clock(side, &error.to_string())),
            },
        };
        let Ok(zone) = TimeZone::get(&name) else {
            return Ok(self.no_clock(side, &format!("{name} is no time zone known here")));
        };
        let skew = self.sites[side]
            .clock()
            .map_or(Skew::NONE, |clock| Skew::from_date_header(clock.date, clock.received));
        Ok(Some(SiteClock { zone, skew }))
    }

    /// Says that a side's stamps mean nothing to us.
    fn no_clock(&mut self, side: Side, why: &str) -> Option<SiteClock> {
        self.summary.warnings.push(format!(
            "{side}: its time zone is not known ({why}), so nobody can say whose edit was the \
             last, and local wins: set time_zone of [{side}], or let its user read System Settings"
        ));
        None
    }
}
