//! Passage: how a document comes to its new name where another one still has that name.
//!
//! The rules kept here: a site is asked for a rename only where the name is free as far as the
//! state knows; where names go round, one document goes through a name for the time being. That
//! name is in the journal and in the map, never in a base, so that whatever happens on the way
//! the next run goes on from there (invariant 7).

use anyhow::Context as _;

use crate::model::{Doc, Side};
use crate::recon::{Decision, Renaming};
use crate::state::{Record, RecordStatus};

use super::renames::rename;
use super::{Doctype, Pair, Pass, Step};

/// So much of a name is kept in one for the time being; a site takes 140 characters.
const MOST_KEPT: usize = 100;

/// What stands in the way of a new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InTheWay {
    /// Nothing.
    Nothing,
    /// A document that is about to be renamed, or to go.
    ForNow,
    /// The document itself: the names go round, and it is the one that makes room.
    Round,
    /// A document that keeps the name.
    ForGood,
}

impl Pass<'_> {
    /// What is to be done about the names of a document that was in step.
    pub(super) fn renaming(&self, doctype: &Doctype, record: &Record) -> anyhow::Result<Renaming> {
        let renaming = self.renaming_alone(doctype, record)?;
        if let Renaming::Carry(side) = renaming
            && !self.is_passing(record, side)?
            && self.in_the_way(doctype, record, side)? == InTheWay::ForGood
        {
            let reason = "the new name is another document's there; each side keeps its own";
            return Ok(Renaming::Keep(format!("{side}: {reason}")));
        }
        Ok(renaming)
    }

    /// The request that brings a document to its new name, or nearer to it.
    pub(super) fn rename_step(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        decision: &Decision,
    ) -> anyhow::Result<Step> {
        let side = decision.direction.target().context("a rename without a target")?;
        let new = pair.doc(side.opposite()).map(Doc::name).context("nothing to rename after")?;
        let old = pair.doc(side).map(Doc::name).context("nothing to rename")?;
        if let Some(message) = self.refused_for_good(pair.record.id) {
            return Ok(Step::Fail(stuck(&new, &message)));
        }
        let send = |new| rename(pair, side, new).map(Step::Send).context("nothing to rename");
        Ok(match self.in_the_way(doctype, &pair.record, side)? {
            InTheWay::Nothing => send(new)?,
            InTheWay::ForNow if self.options.dry_run => send(new)?,
            InTheWay::ForNow => Step::NameTaken,
            InTheWay::Round => send(passing_name(&old, pair.record.id))?,
            InTheWay::ForGood => {
                Step::Fail(stuck(&new, "that name is another document's, which keeps it"))
            }
        })
    }

    /// Whether a document has its name on a side only for the time being.
    pub(super) fn is_passing(&self, record: &Record, side: Side) -> anyhow::Result<bool> {
        let Some(name) = &record.names[side] else { return Ok(false) };
        Ok(self.state.is_passing_name(record.id, side, name)?)
    }

    /// Follows who has the name that a document is to get, and what that one is to be called.
    fn in_the_way(
        &self,
        doctype: &Doctype,
        record: &Record,
        side: Side,
    ) -> anyhow::Result<InTheWay> {
        let mut row = vec![record.id];
        let mut wanted = record.names[side.opposite()].clone().unwrap_or_default();
        loop {
            let holder = self.state.record_by_name(&doctype.config.doctype, side, &wanted)?;
            let Some(holder) = holder else {
                let is_free = row.len() == 1;
                return Ok(if is_free { InTheWay::Nothing } else { InTheWay::ForNow });
            };
            if holder.id == record.id && row.iter().all(|other| record.id <= *other) {
                return Ok(InTheWay::Round);
            }
            if row.contains(&holder.id) || holder.is_syncing || is_to_go(&holder, side) {
                return Ok(InTheWay::ForNow);
            }
            if self.renaming_alone(doctype, &holder)? != Renaming::Carry(side) {
                return Ok(InTheWay::ForGood);
            }
            row.push(holder.id);
            wanted = holder.names[side.opposite()].clone().unwrap_or_default();
        }
    }
}

/// Whether a document is gone on the one side and about to go on this one as well.
fn is_to_go(holder: &Record, side: Side) -> bool {
    holder.bases.is_some()
        && holder.names[side.opposite()].is_none()
        && holder.status == RecordStatus::Pending
}

/// What is said of a document that does not come to its own name any more.
fn stuck(new: &str, why: &str) -> String {
    format!(
        "has a name for the time being, on the way to {new}: {why}; where that stays so, rename it \
         by hand, or the other one"
    )
}

/// A name that nobody else has.
fn passing_name(old: &str, record: i64) -> String {
    let kept: String = old.chars().take(MOST_KEPT).collect();
    format!("{kept} (being renamed, {record})")
}
