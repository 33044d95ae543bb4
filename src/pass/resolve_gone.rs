//! Resolve: an edit on one side against a deletion on the other.
//!
//! The rule kept here: both choices are made with the care of a pass. The deletion is believed
//! only on the evidence that any deletion needs, and what is deleted is what the person saw.

use anyhow::Context as _;

use crate::identity::LinkTable;
use crate::model::{Action, ConflictKind, Direction, Side};
use crate::recon::Decision;
use crate::state::{Conflict, Forgetting, LogStatus};

use super::judge::restrained;
use super::requests::winner;
use super::resolve::{Sent, is_as_shown, unsent_links};
use super::{ActionStatus, Choice, Doctype, Forms, Operation, Pair, Pass, Resolved, Step};

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
        let refused = |reason: &str| Ok(Resolved::Refused(reason.to_owned()));
        let Choice::Take(taken) = choice else {
            return refused("one side has no document: take one side's version whole");
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
            return refused(&format!(
                "{changed}'s document is no longer what the conflict shows; it is shown as it is \
                 now, nothing was written"
            ));
        }
        if doctype.config.direction.target().is_some_and(|rule| rule != target) {
            let name = &doctype.config.doctype;
            return refused(&format!(
                "by its rule {name} is carried to {} only",
                target.opposite()
            ));
        }
        let restrained = restrained(pair, decision.clone());
        if restrained.skipped {
            return Ok(Resolved::Refused(restrained.reason));
        }
        if !is_deletion && self.is_name_taken(doctype, pair, &decision)? {
            return refused(&format!("its name is another document's on {target} now"));
        }
        let mut write = self.write_for(doctype, pair, &forms, &decision, links, target)?;
        write.resolution = Some(winner(*taken));
        write.log_as = Action::Resolve;
        if let Some(reason) = unsent_links(&write) {
            return Ok(Resolved::Refused(reason));
        }
        let step = Step::Send(write.clone());
        let operation = Operation { pair: pair.clone(), forms, decision, step };
        match self.send_decided(doctype, conflict, operation, write)? {
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
