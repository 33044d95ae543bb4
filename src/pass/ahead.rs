//! Ahead: reads the documents of the next wave while this one is decided and written.
//!
//! The rule kept here: what was read ahead is taken for what a read of the moment would show only
//! where nothing that this run did in between can have changed it. So nothing is read ahead of
//! renames and deletions, which change other documents without moving their `modified`, nor
//! used where the state has seen a later `modified` since. What somebody else changes in
//! between an update finds out by the `modified` that it carries, as ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{Side, Sides};
use crate::state::Record;

use super::fetch::{Found, read_names};
use super::{Candidate, Doctype, Operation, Pass, Phase, Request, Step};

/// What was read ahead.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The names asked for.
    asked: Sides<BTreeSet<String>>,
    /// What there was of them.
    found: Sides<Found>,
}

impl Ahead {
    /// What was read is used where it is still what was last seen.
    pub(super) fn take(mut self, records: &[Record]) -> (Sides<BTreeSet<String>>, Sides<Found>) {
        for record in records {
            for side in Side::BOTH {
                let Some(name) = &record.names[side] else { continue };
                let read = self.found[side].get(name);
                let is_outdated =
                    read.is_some_and(|doc| record.seen[side].as_deref() > Some(doc.modified()));
                if is_outdated {
                    self.found[side].remove(name);
                    self.asked[side].remove(name);
                }
            }
        }
        (self.asked, self.found)
    }
}

impl Pass<'_> {
    /// Does `work` while the documents of the next wave are read, as many at once as the sites'
    /// workers have time for. What cannot be read now is read in its turn. `work` says whether
    /// what it did may have changed them.
    pub(super) fn while_reading<R>(
        &mut self,
        doctype: &Doctype,
        next: &[Candidate],
        work: impl FnOnce(&mut Self) -> anyhow::Result<(R, bool)>,
    ) -> anyhow::Result<R> {
        let asked = self.names_of(next)?;
        if asked.iter().all(|(_, names)| names.is_empty()) {
            return work(self).map(|(done, _)| done);
        }
        let batches = self.batches(&asked);
        let (workers, sites) = (Arc::clone(&self.workers), self.sites);
        let read = || read_names(&workers, sites, doctype, batches);
        let (read, done) = workers.beside(read, || work(self));
        let (done, may_have_changed) = done?;
        if let Some(Ok(found)) = read
            && !may_have_changed
        {
            self.read_ahead = Ahead { asked, found };
        }
        Ok(done)
    }

    /// Whether the next wave may be read before this one is done: not where few documents are
    /// to be acted on, or where a pause between them is asked for.
    pub(super) fn may_read_ahead(&self) -> bool {
        self.phase == Phase::Main && self.left.is_none() && self.config.batch_pause.is_zero()
    }

    /// What some documents are called on both sides. One that a side is not known to have is
    /// asked for under its name on the other.
    fn names_of(&self, candidates: &[Candidate]) -> anyhow::Result<Sides<BTreeSet<String>>> {
        let living: Vec<Candidate> =
            candidates.iter().filter(|id| !self.joined.contains(id)).copied().collect();
        let mut asked = Sides::<BTreeSet<String>>::default();
        for names in self.state.names_of(&living)? {
            for side in Side::BOTH {
                let here_or_there = names[side].as_ref().or(names[side.opposite()].as_ref());
                asked[side].extend(here_or_there.cloned());
            }
        }
        Ok(asked)
    }
}

/// Whether an operation changes other documents than its own.
pub(super) fn moves_others(operation: &Operation) -> bool {
    let write = match &operation.step {
        Step::Send(write) => &write.request,
        Step::Part => return true,
        _ => return false,
    };
    matches!(write, Request::Rename { .. } | Request::Delete { .. })
}
