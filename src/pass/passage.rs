//! Passage: how a document comes to its new name where another one still has that name.
//!
//! The rules kept here: a site is asked for a rename only where the name is free as far as the
//! state knows; where names go round, one document goes through a name for the time being. That
//! name is in the journal and in the map, never in a base, so that whatever happens on the way
//! the next run goes on from there (invariant 7).

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::identity::fold_name;
use crate::model::{Doc, Side, Sides};
use crate::recon::{Decision, Renaming};
use crate::state::{Record, RecordStatus};

use super::renames::rename;
use super::{Doctype, Pair, Pass, Step};

/// So much of a name is kept in one for the time being; a site takes 140 characters.
const MOST_KEPT: usize = 100;

/// Records by their names as a site looks them up.
pub(super) type Spellings = Sides<BTreeMap<String, Vec<i64>>>;

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
            return Ok(Renaming::Refused(format!("{side}: {reason}")));
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
        let mut last = record.clone();
        loop {
            let Some(holder) = self.holder(&last, side)? else {
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
            last = holder;
        }
    }

    /// The other document that has, on a side, the name that this one is to get there: to a
    /// site `a` and `A` are one name.
    fn holder(&self, record: &Record, side: Side) -> anyhow::Result<Option<Record>> {
        let wanted = record.names[side.opposite()].as_deref().unwrap_or_default();
        let holder = self.state.record_by_name(&record.doctype, side, wanted)?;
        let Some(spellings) = self.spellings.get(&record.doctype).filter(|_| holder.is_none())
        else {
            return Ok(holder);
        };
        let folded = fold_name(wanted);
        let known = spellings[side].get(&folded).map(Vec::as_slice).unwrap_or_default();
        let now = self.state.living_records(known)?;
        Ok(now.into_iter().find(|other| {
            let name = other.names[side].as_deref();
            other.id != record.id && name.is_some_and(|name| fold_name(name) == folded)
        }))
    }

    /// Notes how the names of the doctype's documents that have work left look to a site.
    /// What is renamed later in the run is looked up as it is called then.
    pub(super) fn note_spellings(&mut self, doctype: &str) -> anyhow::Result<()> {
        let mut spellings = Spellings::default();
        for (record, names) in self.state.names_in_work(doctype)? {
            for (side, name) in names.iter() {
                let Some(name) = name else { continue };
                spellings[side].entry(fold_name(name)).or_default().push(record);
            }
        }
        self.spellings.insert(doctype.to_owned(), spellings);
        Ok(())
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
