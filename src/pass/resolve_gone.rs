//! Resolve: an edit on one side against a deletion on the other.
//!
//! The rule kept here: both choices are made with the care of a pass. The deletion is believed
//! only on the evidence that any deletion needs, and what is deleted is what the person saw. What
//! was cancelled is not left posted where it is made anew.

use anyhow::Context as _;

use crate::identity::LinkTable;
use crate::model::{Action, ConflictKind, Direction, Side};
use crate::recon::Decision;
use crate::state::{Conflict, Forgetting, LogStatus};

use super::refusals::{against_direction, is_as_shown, must_be_cancelled, unsent_links};
use super::requests::winner;
use super::resolve::Sent;
use super::{ActionStatus, Choice, Doctype, Forms, Operation, Pair, Pass, Refusal, Resolved, Step};

impl Pass<'_> {
    /// Carries the deletion to the side that was edited, or makes the document anew where it
    /// was deleted.
    pub(super) fn resolve_gone(
        &mut self,
        doctype: &Doctype,
        conflict: &Conflict,
        pair: &Pair,
        forms: Forms,
        links: &LinkTable,
        choice: &Choice,
    ) -> anyhow::Result<Resolved> {
        let refused = |refusal: Refusal| Ok(Resolved::Refused(refusal));
        let Choice::Take(taken) = choice else {
            let hint = "--take cloud or --take local: one side's version whole";
            return refused(Refusal::new("one side has no document", hint));
        };
        let Some(there) = Side::BOTH.into_iter().find(|side| pair.doc(*side).is_some()) else {
            return if conflict.data[*taken].is_null() {
                self.gone_on_both(conflict, pair, *taken)
            } else {
                self.make_anew(doctype, conflict, pair, *taken)
            };
        };
        let is_deletion = *taken != there;
        let target = if is_deletion { there } else { there.opposite() };
        let decision = Decision {
            action: if is_deletion { Action::Delete } else { Action::Create },
            direction: Direction::to(target),
            conflict: Some(ConflictKind::EditDelete),
            skipped: false,
            reason: if is_deletion {
                format!("a person took the deletion on {taken}")
            } else {
                format!("a person took {taken}'s version")
            },
        };
        let is_shown_gone = conflict.data[there.opposite()].is_null();
        if !is_shown_gone || !is_as_shown(doctype, conflict, pair, there) {
            self.refresh(pair.clone(), forms, decision)?;
            let changed = if is_shown_gone { there } else { there.opposite() };
            return refused(Refusal::changed(conflict, changed));
        }
        if let Some(rule) = doctype.config.direction.target().filter(|rule| *rule != target) {
            return refused(against_direction(doctype, rule));
        }
        if let Some(refusal) = must_be_cancelled(pair, there, *taken).filter(|_| is_deletion) {
            return refused(refusal);
        }
        if !is_deletion && self.is_name_taken(doctype, pair, &decision)? {
            let reason = format!("its name is another document's on {target} now");
            let hint = format!(
                "give one of the two another name, erpsync sync-all, then --take {taken} again"
            );
            return refused(Refusal::new(reason, hint));
        }
        let mut write = self.write_for(doctype, pair, &forms, &decision, links, target)?;
        write.resolution = Some(winner(*taken));
        write.log_as = Action::Resolve;
        if let Some(refusal) = unsent_links(&write) {
            return refused(refusal);
        }
        // A cancellation, above all.
        let has_more = !write.body.omitted.is_empty();
        let step = Step::Send(write.clone());
        let operation = Operation { pair: pair.clone(), forms, decision, step };
        match self.send_decided(doctype, conflict, operation, write)? {
            Sent::Done(Resolved::Settled) if has_more => {
                let waits = format!("it is on {target} again, and not yet as it is on {taken}");
                self.carry_on(doctype, conflict, &waits)
            }
            Sent::Done(resolved) => Ok(resolved),
            Sent::Half => Ok(Resolved::Settled),
        }
    }

    /// Neither side has the document any more. Its last version stays in the record.
    fn gone_on_both(
        &mut self,
        conflict: &Conflict,
        pair: &Pair,
        taken: Side,
    ) -> anyhow::Result<Resolved> {
        let decision = Decision {
            action: Action::Forget,
            direction: Direction::None,
            conflict: None,
            skipped: false,
            reason: format!("a person took the deletion on {taken}"),
        };
        let named = Decision { action: Action::Resolve, ..decision.clone() };
        let forgetting = Forgetting {
            record: conflict.record,
            reason: decision.reason.clone(),
            intent: None,
            resolution: Some(winner(taken)),
            log: Some(self.entry(&named, LogStatus::Success, None)),
            conflict: None,
        };
        let now = self.now();
        self.state.forget(&[forgetting], now).context("the document cannot be forgotten")?;
        self.report(&pair.record, &decision, ActionStatus::Success, None);
        Ok(Resolved::Settled)
    }
}
