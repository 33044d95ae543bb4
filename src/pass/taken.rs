//! Taken: new documents whose name another one still has on the other side.
//!
//! The rule kept here: such a document is never made under another name, and never passed over
//! in silence. It comes as soon as its name is free; until then it is said what it waits for, and
//! a dry run says the same as a run.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use crate::identity::has_natural_name;
use crate::model::Side;
use crate::recon::Decision;
use crate::state::{Record, RecordStatus};

use super::{ActionStatus, Candidate, Doctype, Operation, Pair, Pass, Request, Step, Write};

/// What becomes of the document that has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// It goes, or gets another name, in this run.
    Leaves,
    /// A person decides about it.
    Waits,
    /// It was to go, and that was not done yet.
    IsLate,
    /// It keeps the name.
    Stays,
}

/// What a dry run has seen so far.
#[derive(Debug, Default)]
pub(super) struct Foreseen {
    holders: BTreeMap<Candidate, Holder>,
    /// New documents whose names are taken, with what would be done with them.
    taken: Vec<(Record, Decision)>,
    /// By doctype, how many of those that were looked at stood in each status before.
    before: BTreeMap<(String, RecordStatus), usize>,
}

impl Foreseen {
    /// Takes note of what would be done. `true` where that depends on another document.
    pub fn note(&mut self, operation: &Operation) -> bool {
        let record = &operation.pair.record;
        let is_first = self.holders.insert(record.id, holder_by_step(&operation.step)).is_none();
        if is_first && !matches!(operation.step, Step::Keep) {
            *self.before.entry((record.doctype.clone(), record.status)).or_default() += 1;
        }
        let is_taken = matches!(operation.step, Step::NameTaken);
        if is_taken {
            self.taken.push((record.clone(), operation.decision.clone()));
        }
        is_taken
    }

    /// How many of a doctype were looked at that stood in a status before.
    pub fn stood(&self, doctype: &str, status: RecordStatus) -> usize {
        self.before.get(&(doctype.to_owned(), status)).copied().unwrap_or(0)
    }
}

impl Pass<'_> {
    /// Whether the name that a new document is to have is still another document's: one that
    /// is to be deleted, or that waits for a person.
    pub(super) fn is_name_taken(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        decision: &Decision,
    ) -> anyhow::Result<bool> {
        let target = decision.direction.target().context("a write without a target")?;
        let source = pair.doc(target.opposite()).context("nothing to carry over")?;
        if !has_natural_name(doctype.config.names, &doctype.naming, &[source]) {
            return Ok(false);
        }
        Ok(self.holder_of_name(&pair.record, target)?.is_some())
    }

    /// The other document that has on a side the name that a record has on the other one.
    fn holder_of_name(&self, record: &Record, target: Side) -> anyhow::Result<Option<Record>> {
        let Some(name) = &record.names[target.opposite()] else { return Ok(None) };
        let holder = self.state.record_by_name(&record.doctype, target, name)?;
        Ok(holder.filter(|holder| holder.id != record.id))
    }

    /// At the end of a run: the name is still taken, by a document that no person is to decide
    /// about. `stuck` is what else was not written.
    pub(super) fn name_is_still_taken(
        &mut self,
        record: &Record,
        target: Option<Side>,
        stuck: &BTreeSet<Candidate>,
    ) -> anyhow::Result<()> {
        // Where both sides have it, it is to be renamed.
        let targets = target.map_or(Side::BOTH.to_vec(), |target| vec![target]);
        let mut held = Vec::new();
        for side in targets {
            held.extend(self.holder_of_name(record, side)?.map(|holder| (side, holder)));
        }
        let stays = |(_, holder): &&(Side, Record)| {
            let (is_stuck, holds) = (stuck.contains(&holder.id), holder_by_status(holder));
            // One that is stuck with its own new name leaves this one by and by.
            if is_stuck { target.is_some() } else { holds == Holder::Stays }
        };
        if let Some((side, _)) = held.iter().find(stays) {
            return self.fail_record(record, &cannot_be_written(record), &stays_taken(*side));
        }
        let message = target.map_or_else(
            || "its new name is still another document's on the other side".to_owned(),
            still_taken,
        );
        self.leave_for_next_run(record, &message);
        Ok(())
    }

    /// At the end of a dry run: what would become of the documents whose names are taken.
    pub(super) fn foretell_taken(&mut self) -> anyhow::Result<()> {
        let taken = std::mem::take(&mut self.foreseen.taken);
        let holders = std::mem::take(&mut self.foreseen.holders);
        for (record, decision) in taken {
            let target = decision.direction.target().context("a write without a target")?;
            let Some(holder) = self.holder_of_name(&record, target)? else { continue };
            let foreseen = holders.get(&holder.id).copied();
            match foreseen.unwrap_or_else(|| holder_by_status(&holder)) {
                Holder::Leaves => self.report(&record, &decision, ActionStatus::Planned, None),
                Holder::Waits => {
                    let text = match self.cause(&holder)? {
                        Some(cause) => cause.text,
                        None => waits_for(&holder),
                    };
                    self.counts(&record.doctype).waiting_for_conflict += 1;
                    self.report(&record, &Decision::skip(text), ActionStatus::Waiting, None);
                }
                Holder::IsLate => self.leave_for_next_run(&record, &still_taken(target)),
                Holder::Stays => {
                    self.counts(&record.doctype).failed += 1;
                    let (decision, message) = (cannot_be_written(&record), stays_taken(target));
                    self.report(&record, &decision, ActionStatus::Failed, Some(&message));
                }
            }
        }
        Ok(())
    }
}

/// What is said of a document that cannot be written at all for now.
pub(super) fn cannot_be_written(record: &Record) -> Decision {
    Decision::skip(format!("{} cannot be written", record.doctype))
}

fn holder_by_status(holder: &Record) -> Holder {
    match holder.status {
        RecordStatus::Conflict => Holder::Waits,
        RecordStatus::Skipped | RecordStatus::Synced => Holder::Stays,
        _ => Holder::IsLate,
    }
}

fn holder_by_step(step: &Step) -> Holder {
    match step {
        Step::Forget
        | Step::Send(Write { request: Request::Delete { .. } | Request::Rename { .. }, .. }) => {
            Holder::Leaves
        }
        Step::Record | Step::Keep => Holder::Waits,
        Step::Fail(_) | Step::Wait(_) | Step::Held(_) | Step::Last => Holder::IsLate,
        Step::Agree | Step::Part | Step::Skip | Step::NameTaken | Step::Send(_) => Holder::Stays,
    }
}

/// What is said of a document whose name becomes free by and by.
fn still_taken(place: Side) -> String {
    format!("its name is still another document's on {place}: the next run looks again")
}

/// What is said of a document whose name does not become free.
fn stays_taken(place: Side) -> String {
    format!("its name is still another document's on {place}, which stays: rename one of them")
}

/// What is said where the conflict about the other document is not recorded yet.
fn waits_for(holder: &Record) -> String {
    format!("waits for {} {}, a conflict that the run records", holder.doctype, holder.docname)
}
