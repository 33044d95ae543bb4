//! Needed: what is deleted on one side while the other has begun to link to it.
//!
//! The side that still has it does not let go of it, and the other one does not take what links to
//! it. The rule kept here: neither waits for the other for ever. The deletion is left to a person,
//! as one against an edit is, and what links to the document waits with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Action, ConflictKind, Side};
use crate::recon::{Decision, Fate};
use crate::state::Record;

use super::links::docs_of;
use super::{Aside, AsideReason, Candidate, Doctype, Operation, Pass, Step, Waiting};

/// The documents that are linked to by what waits for them, with who that is.
type Needed = BTreeMap<Candidate, BTreeSet<String>>;

impl Pass<'_> {
    /// Whether this run has found that a side does not have a document any more.
    pub(super) fn is_found_gone(&self, record: Candidate, side: Side) -> bool {
        self.fates.get(&(record, side)) == Some(&Fate::Gone)
    }

    /// Leaves to a person the deletions that a side refuses, of documents that something waits
    /// for there which the other side can only have with them.
    pub(super) fn ask_about_needed(&mut self, waiting: &mut [Waiting]) -> anyhow::Result<()> {
        let needed = self.still_needed(waiting)?;
        if needed.is_empty() {
            return Ok(());
        }
        for (doctype, aside) in waiting {
            let mut rest = Vec::with_capacity(aside.len());
            for one in aside.drain(..) {
                let is_asked = match (&one.reason, needed.get(&one.candidate)) {
                    (AsideReason::Held(side, _), Some(by)) => {
                        self.ask_about(doctype, one.candidate, *side, by)?
                    }
                    _ => false,
                };
                if !is_asked {
                    rest.push(one);
                }
            }
            *aside = rest;
        }
        Ok(())
    }

    fn still_needed(&self, waiting: &[Waiting]) -> anyhow::Result<Needed> {
        let mut needed = Needed::new();
        for one in waiting.iter().flat_map(|(_, aside)| aside) {
            let Aside { candidate, reason: AsideReason::Waits(link, Some(from)) } = one else {
                continue;
            };
            let linked = self.state.record_by_name(&link.doctype, *from, &link.name)?;
            let linked = linked.filter(|one| self.is_found_gone(one.id, from.opposite()));
            if let Some(linked) = linked {
                for by in self.state.load_records(&[*candidate])? {
                    let by = format!("{} {}", by.doctype, by.docname);
                    needed.entry(linked.id).or_default().insert(by);
                }
            }
        }
        Ok(needed)
    }

    /// Records the conflict about a deletion; `false` where it is none by now.
    fn ask_about(
        &mut self,
        doctype: &Doctype,
        candidate: Candidate,
        there: Side,
        by: &BTreeSet<String>,
    ) -> anyhow::Result<bool> {
        let pairs = self.fetch(doctype, &[candidate])?;
        let links = self.known_links(doctype, docs_of(&pairs))?;
        for pair in pairs {
            let (forms, decision) = self.judge(doctype, &pair, &links)?;
            if decision.action != Action::Delete {
                return Ok(false);
            }
            let by = by.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let gone = there.opposite();
            let reason = format!(
                "deleted on {gone}, and on {there} something links to it that {gone} does not have \
                 yet: {by}; a person decides"
            );
            let decision = Decision::recorded(ConflictKind::EditDelete, reason);
            self.record_conflict(&Operation { pair, forms, decision, step: Step::Record })?;
        }
        Ok(true)
    }

    /// What is said of a document that a side does not cancel or delete because of another one.
    pub(super) fn is_held(&self, record: &Record, side: Side, message: String) -> String {
        if self.is_merged(record) {
            return self.held_by_a_merge(record, message);
        }
        let other = side.opposite();
        let way_out = if self.is_found_gone(record.id, other) {
            format!("it is deleted on {other}: take the links to it out on {side}")
        } else {
            format!("it is cancelled on {other}: cancel on {side} what links to it")
        };
        format!("{side}: {message}; {way_out}")
    }
}
