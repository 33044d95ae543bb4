//! Anew: what a person wrote just before a deletion, made again.
//!
//! A document that was edited between the last look and the deletion is gone on both sides, and
//! the edit is kept in a conflict. Taking that version creates it where it was written; from
//! there it is carried over like any new document. The rule kept here: the version that is kept
//! stays in the open conflict until a site has it again (invariant 5).

use anyhow::Context as _;
use serde_json::Value;

use crate::model::side_effects::follow;
use crate::model::{Action, DOCSTATUS, Direction, Doc, Side, Translation};
use crate::recon::{Decision, create_body};
use crate::state::{Anew, Conflict, LogStatus, RecordStatus, Resolution, StatusChange};

use super::refusals::{Refusal, unsent_links};
use super::requests::{insert, winner};
use super::reread::Done;
use super::wanted::CANCELLED;
use super::{
    ActionStatus, Aside, AsideReason, Doctype, Forms, OpenLinks, Operation, Pair, Pass, Phase,
    Resolved, Step,
};

/// Whether a write makes a document anew: the version of the very side that is written to.
pub(super) fn is_anew(action: Action, side: Side, resolution: Option<Resolution>) -> bool {
    action == Action::Create && resolution == Some(winner(side))
}

impl Pass<'_> {
    /// Creates the version that a conflict keeps of a side's document there, then carries it
    /// over.
    pub(super) fn make_anew(
        &mut self,
        doctype: &Doctype,
        conflict: &Conflict,
        pair: &Pair,
        side: Side,
    ) -> anyhow::Result<Resolved> {
        if doctype.config.direction.target() == Some(side) {
            let other = side.opposite();
            let reason =
                format!("by its rule {} is carried to {side} only", doctype.config.doctype);
            let hint = format!(
                "enter it anew on {other} from the record (erpsync conflicts show {} --json), then \
                 --take {other}",
                conflict.id
            );
            return Ok(Resolved::Refused(Refusal::new(reason, hint)));
        }
        if conflict.data[side].get(DOCSTATUS).and_then(Value::as_i64) == Some(CANCELLED) {
            let reason = "it was cancelled before it was deleted, and is not made anew";
            let hint = format!("--take {}: it stays in the record and the log", side.opposite());
            return Ok(Resolved::Refused(Refusal::new(reason, hint)));
        }
        if let Some(not_sent) = self.send_kept(doctype, conflict, pair, side)? {
            return Ok(not_sent);
        }
        let other = side.opposite();
        let waits = format!("it is on {side} again; what it waits for on {other} is not there yet");
        self.carry_on(doctype, conflict, &waits)
    }

    /// Does at once what is to follow on a document that a settlement has made; `waits` is said
    /// where that is left to the next run.
    pub(super) fn carry_on(
        &mut self,
        doctype: &Doctype,
        conflict: &Conflict,
        waits: &str,
    ) -> anyhow::Result<Resolved> {
        // Nothing else is in hand: what comes last in a run comes now.
        self.phase = Phase::Last;
        let aside = self.rounds(doctype, &[conflict.record], OpenLinks::Wait)?;
        if let Some(message) = self.error_of(conflict.record)? {
            return Ok(Resolved::Failed(message));
        }
        if self.state.is_in_conflict(conflict.record)? {
            let reason = "edited since it was made; that is a conflict of its own";
            return Ok(Resolved::Refused(Refusal::new(reason, "erpsync conflicts shows it")));
        }
        Ok(if aside.is_empty() {
            Resolved::Settled
        } else {
            Resolved::Refused(Refusal::by_the_next_sync(waits))
        })
    }

    /// Sends the version that is kept to its side. `Some`: why that side does not have it now.
    fn send_kept(
        &mut self,
        doctype: &Doctype,
        conflict: &Conflict,
        pair: &Pair,
        side: Side,
    ) -> anyhow::Result<Option<Resolved>> {
        let kept = conflict.data[side].as_object().context("no version is kept")?;
        let kept = Doc(kept.clone());
        // It goes back to where it was: its links have that side's names.
        let same = |_: &str, name: &str| Translation::Name(name.to_owned());
        let body = create_body(&doctype.shape, &kept, follow(&doctype.config.doctype), &same);
        let mut write = insert(doctype, &kept, body, side);
        write.resolution = Some(winner(side));
        write.log_as = Action::Resolve;
        if let Some(reason) = unsent_links(&write) {
            return Ok(Some(Resolved::Refused(reason)));
        }
        let decision = Decision {
            action: Action::Create,
            direction: Direction::to(side),
            conflict: None,
            skipped: false,
            reason: format!("a person took {side}'s version"),
        };
        let step = Step::Send(write.clone());
        let (pair, forms) = (pair.clone(), Forms::default());
        let operation = Operation { pair, forms, decision, step };
        let aside = self.write(doctype, vec![(operation, write)])?;
        if !self.state.is_in_conflict(conflict.record)? {
            return Ok(None);
        }
        let taken = aside.into_iter().find_map(|aside| match aside.reason {
            AsideReason::Taken(message) => Some(message),
            _ => None,
        });
        let resolved = if let Some(message) = taken {
            let hint = format!(
                "rename the document that has its name on {side} now, or change the value that is \
                 named; then --take {side}"
            );
            Resolved::Refused(Refusal::new(format!("{side}: {message}"), hint))
        } else {
            let message = self.error_of(conflict.record)?;
            Resolved::Failed(message.unwrap_or_else(|| format!("{side}: not written")))
        };
        self.keep_in_conflict(conflict.record)?;
        Ok(Some(resolved))
    }

    /// What is kept waits on: nothing came of making the document anew, or nobody knows yet; or
    /// the record was only looked at again.
    pub(super) fn keep_in_conflict(&mut self, record: i64) -> anyhow::Result<()> {
        let change = StatusChange {
            record,
            status: RecordStatus::Conflict,
            reason: "edited just before it was deleted; what was written is kept",
            scope_digest: None,
            log: None,
        };
        let now = self.now();
        Ok(self.state.set_status(&[change], now)?)
    }

    /// Stores that a site has a document again.
    pub(super) fn finish_anew(&mut self, done: Done) -> anyhow::Result<Aside> {
        let decision = Decision {
            action: done.action,
            direction: Direction::to(done.side),
            conflict: None,
            skipped: false,
            reason: done.reason,
        };
        let named = Decision { action: Action::Resolve, ..decision.clone() };
        let anew = Anew {
            record: done.record,
            side: done.side,
            name: done.answer.name(),
            creation: done.answer.creation().to_owned(),
            intent: done.intent,
            resolution: winner(done.side),
            reason: decision.reason.clone(),
            log: Some(self.entry(&named, LogStatus::Success, None)),
        };
        let now = self.now();
        self.state.begin_anew(&anew, now)?;
        for record in self.state.load_records(&[anew.record])? {
            self.report(&record, &decision, ActionStatus::Success, None);
        }
        Ok(Aside { candidate: anew.record, reason: AsideReason::Rest })
    }

    fn error_of(&self, record: i64) -> anyhow::Result<Option<String>> {
        let records = self.state.load_records(&[record])?;
        Ok(records.into_iter().find_map(|record| record.error_message))
    }
}
