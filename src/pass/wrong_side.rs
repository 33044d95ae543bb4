//! A side that looks wrong: what stops a doctype, and what a person may say about it.
//!
//! The rules kept here: a doctype that looks wrong on a side is left alone in both directions until a
//! person says which side is right (`--restore-side`, `--accept-side`); and where another site
//! seems to answer, neither is enough: the address is wrong, or the state is.

use std::collections::BTreeSet;

use crate::config::DoctypeConfig;
use crate::model::{Policy, Side};
use crate::recon::{Standing, standing, went_back};
use crate::state::{SteppedBack, Strangers};

use super::{Candidate, Guard, Pair, Pass};

/// Of fewer known documents than these all may have been replaced by hand.
const FEWEST: usize = 3;

impl Pass<'_> {
    /// Whether a person said something about this side.
    pub(super) fn is_spoken_for(&self, side: Side) -> bool {
        self.is_brought_back(side) || self.is_right(side)
    }

    /// Whether a person said that this side is to be brought back to what the other one holds.
    pub(super) fn is_brought_back(&self, side: Side) -> bool {
        self.options.restore_side == Some(side)
    }

    /// Whether a person said that what this side holds is right.
    pub(super) fn is_right(&self, side: Side) -> bool {
        self.options.accept_side == Some(side)
    }

    /// Whether the listing at hand shows another site, or older versions of documents than
    /// before as a restored backup does. The doctype is then left alone in both directions.
    pub(super) fn looks_wrong(&self) -> anyhow::Result<Option<Guard>> {
        for side in Side::BOTH {
            let Some(strangers) = self.state.strangers_only(side)? else { continue };
            let allowed = self.options.allow_deletes.unwrap_or(0);
            if strangers.known >= FEWEST && (strangers.known as u64) > allowed {
                let reason = looks_like_another(side, &strangers);
                return Ok(Some(Guard::OtherSite { side, reason }));
            }
        }
        let mut older = self.state.stepped_back()?;
        older
            .retain(|step| !self.is_spoken_for(step.side) && went_back(&step.seen, &step.modified));
        Ok(looks_restored(&older))
    }

    /// Stores what a person said about the sides with the documents of the listing at hand.
    pub(super) fn take_the_persons_word(&mut self, config: &DoctypeConfig) -> anyhow::Result<()> {
        let now = self.now();
        for side in Side::BOTH {
            if self.is_right(side) {
                if self.state.stepped_back()?.iter().any(|step| step.side == side) {
                    self.accepted.insert(config.doctype.clone());
                }
                self.state.take_as_right(side, now)?;
            }
            if self.is_brought_back(side) {
                let gone = self.certainly_gone();
                let is_elsewhere = |record| !gone.contains(&(record, side.opposite()));
                let gone: BTreeSet<Candidate> = gone
                    .iter()
                    .filter(|(record, on)| *on == side && is_elsewhere(*record))
                    .map(|(record, _)| *record)
                    .collect();
                self.state.mark_restored(side, &gone, now)?;
            }
        }
        Ok(())
    }

    /// The rules of a doctype whose older versions a person calls right: their stamps say
    /// nothing about whose edit came last.
    pub(super) fn under_the_persons_word(&self, config: DoctypeConfig) -> DoctypeConfig {
        if self.accepted.contains(&config.doctype) && config.policy == Policy::LatestTimestamp {
            return DoctypeConfig { policy: Policy::Manual, ..config };
        }
        config
    }
}

/// What a side that is brought back shows of a pair.
pub(super) fn standing_of(pair: &Pair) -> Option<Standing> {
    Side::BOTH.into_iter().find_map(|side| {
        let version = pair.record.restored[side].as_deref()?;
        standing(side, version, &pair.now[side])
    })
}

/// What is said of a side whose documents are older than they were.
pub(super) fn looks_restored(older: &[SteppedBack]) -> Option<Guard> {
    let first = older.first()?;
    let known = match older.len() {
        1 => format!("a known document on {} is older than when it was", first.side),
        count => format!("{count} known documents on {} are older than when they were", first.side),
    };
    let reason = format!(
        "{known} last seen, {} by {} instead of {}: a restored backup? Nothing was done in either \
         direction",
        first.name, first.modified, first.seen
    );
    Some(Guard::WentBack { side: first.side, reason })
}

/// What is said of a side that has none of its documents and others in their place.
fn looks_like_another(side: Side, strangers: &Strangers) -> String {
    let Strangers { known, listed, name, creation, before } = strangers;
    let example = match before {
        Some(before) => format!("{name} was created {creation} there, not {before}"),
        None => format!("{name}, for example, was never seen there"),
    };
    format!(
        "none of the {known} known documents is on {side} any more, and it has {listed} others \
         ({example}): another site behind the url? Nothing was done in either direction"
    )
}
