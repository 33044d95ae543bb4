//! Execute: does what was planned, and says what came of it.
//!
//! Writes go through `write`; here is everything that only changes the state.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::model::{Action, ConflictKind, Direction, Side, Sides};
use crate::recon::{Decision, Observed, Renaming};
use crate::state::{
    Closing, Failure, LogEntry, LogStatus, NewConflict, Record, RecordStatus, StatusChange, stamp,
};

use super::close::agreed;
use super::judge::is_unchanged;
use super::write::Writes;
use super::{ActionLine, ActionStatus, Aside, AsideReason, Doctype, Operation, Pair, Pass, Step};

/// When a failed document is tried again, by how often it failed before; then once a day.
const RETRY_AFTER: [SignedDuration; 4] = [
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(3),
    SignedDuration::from_hours(12),
];

impl Pass<'_> {
    /// Does a wave of operations; what is to be looked at again comes back.
    pub(super) fn execute(
        &mut self,
        doctype: &Doctype,
        operations: Vec<Operation>,
    ) -> anyhow::Result<Vec<Aside>> {
        let (mut aside, writes) = self.do_here(doctype, operations)?;
        aside.extend(self.write(doctype, writes)?);
        Ok(aside)
    }

    /// Does what only changes the state; what is to be looked at again comes back, and what is to
    /// be written.
    pub(super) fn do_here(
        &mut self,
        doctype: &Doctype,
        operations: Vec<Operation>,
    ) -> anyhow::Result<(Vec<Aside>, Writes)> {
        if self.options.dry_run {
            for operation in &operations {
                if !self.foreseen.note(operation) {
                    self.report_planned(operation);
                }
            }
            return Ok(Default::default());
        }
        let mut aside = Vec::new();
        let mut writes = Vec::new();
        let mut closings = Vec::new();
        for operation in operations {
            match operation.step.clone() {
                Step::Agree => closings.extend(self.agree(doctype, &operation)?),
                Step::Record => self.record_conflict(&operation)?,
                Step::Part => aside.extend(self.settle_collision(doctype, &operation)?),
                Step::Skip => self.skip(doctype, &operation)?,
                Step::Forget => self.forget(&operation)?,
                Step::Keep if operation.pair.record.status == RecordStatus::Conflict => {}
                Step::Keep => self.keep_in_conflict(operation.pair.record.id)?,
                Step::NameTaken => aside.push(Aside {
                    candidate: operation.pair.record.id,
                    reason: AsideReason::NameTaken,
                }),
                Step::Held(side) => aside.push(Aside {
                    candidate: operation.pair.record.id,
                    reason: AsideReason::Held(
                        side,
                        operation.pair.record.reason.clone().unwrap_or_default(),
                    ),
                }),
                Step::Fail(message) => self.fail(&operation.pair, &operation.decision, &message)?,
                Step::Wait(link) => aside.push(Aside {
                    candidate: operation.pair.record.id,
                    reason: AsideReason::Waits(
                        link,
                        operation.decision.direction.target().map(Side::opposite),
                    ),
                }),
                Step::Last => aside
                    .push(Aside { candidate: operation.pair.record.id, reason: AsideReason::Last }),
                Step::Send(write) => writes.push((operation, write)),
            }
        }
        let now = self.now();
        self.state.close(&closings, now)?;
        Ok((aside, writes))
    }

    /// Both sides agree: the base is written, or only what was seen.
    fn agree(
        &mut self,
        doctype: &Doctype,
        operation: &Operation,
    ) -> anyhow::Result<Option<Closing>> {
        let Operation { pair, forms, decision, .. } = operation;
        let Some(mut closing) = agreed(doctype, pair, forms) else { return Ok(None) };
        self.keep_owing(&mut closing);
        if is_unchanged(forms, pair) {
            if let Renaming::Keep(reason) | Renaming::Apart(reason) =
                self.renaming(doctype, &pair.record)?
            {
                let kept = Decision { action: Action::Rename, ..Decision::skip(reason) };
                closing.log = Some(self.entry(&kept, LogStatus::Success, None));
            }
            return Ok(Some(closing));
        }
        let adopted =
            Decision { action: Action::Adopt, direction: Direction::None, ..decision.clone() };
        closing.log = Some(self.entry(&adopted, LogStatus::Success, None));
        self.report(&pair.record, &adopted, ActionStatus::Success, None);
        Ok(Some(closing))
    }

    pub(super) fn record_conflict(&mut self, operation: &Operation) -> anyhow::Result<()> {
        let Some(mut conflict) = conflict_of(operation, self.now()) else { return Ok(()) };
        conflict.log = Some(self.entry(&operation.decision, LogStatus::Conflict, None));
        let now = self.now();
        self.state.save_conflicts(&[conflict], now)?;
        let record = &operation.pair.record;
        self.report(record, &operation.decision, ActionStatus::Conflict, None);
        Ok(())
    }

    /// Leaves a document alone. The log tells it once, not at every pass.
    fn skip(&mut self, doctype: &Doctype, operation: &Operation) -> anyhow::Result<()> {
        let Operation { pair, decision, .. } = operation;
        let record = &pair.record;
        let now = self.now();
        // The settling, or the failure, has said so.
        if record.is_syncing {
            return Ok(());
        }
        if let Some(awaited) = self.awaited_with(pair) {
            return self.wait_with(record, awaited, &decision.reason);
        }
        let is_news = record.status != RecordStatus::Skipped
            && record.reason.as_deref() != Some(decision.reason.as_str());
        let change = StatusChange {
            record: record.id,
            status: RecordStatus::Skipped,
            reason: &decision.reason,
            scope_digest: Some(&doctype.scope),
            log: is_news.then(|| self.entry(decision, LogStatus::Success, None)),
        };
        self.state.set_status(&[change], now)?;
        let unknown = pair.now.iter().filter(|(_, now)| matches!(now, Observed::Unknown(_)));
        let unknown: Vec<(i64, Side)> = unknown.map(|(side, _)| (record.id, side)).collect();
        self.state.clear_seen(&unknown, now)?;
        // What is left alone is nothing that waits for a person any more.
        if unknown.is_empty() {
            self.state.supersede_conflict(record.id, now)?;
        }
        self.report(record, decision, ActionStatus::Skipped, None);
        Ok(())
    }

    /// A document that could not be done.
    pub(super) fn fail(
        &mut self,
        pair: &Pair,
        decision: &Decision,
        message: &str,
    ) -> anyhow::Result<()> {
        self.fail_record(&pair.record, decision, message)
    }

    pub(super) fn fail_record(
        &mut self,
        record: &Record,
        decision: &Decision,
        message: &str,
    ) -> anyhow::Result<()> {
        let now = self.now();
        let give_up = record.retry_count + 1 >= self.config.retry.max_attempts;
        let side = decision.direction.target();
        let told = side.map_or_else(|| message.to_owned(), |side| format!("{side}: {message}"));
        let failure = Failure {
            record: record.id,
            message: &told,
            next_retry: Some(next_retry(record.retry_count, give_up, now)),
            give_up,
            log: Some(self.entry(decision, LogStatus::Failed, Some(message))),
        };
        self.state.record_failures(&[failure], now)?;
        self.report(record, decision, ActionStatus::Failed, Some(message));
        Ok(())
    }

    /// A row of the log.
    pub(super) fn entry(
        &self,
        decision: &Decision,
        status: LogStatus,
        message: Option<&str>,
    ) -> LogEntry {
        let action = match decision.action {
            Action::Noop => Action::Sync,
            action => action,
        };
        let message = match message {
            Some(message) => format!("{}: {message}", decision.reason),
            None => decision.reason.clone(),
        };
        LogEntry {
            run: self.run,
            action,
            direction: decision.direction,
            status,
            message: Some(message),
            changes: None,
        }
    }

    /// A line of the report, and its count.
    pub(super) fn report(
        &mut self,
        record: &Record,
        decision: &Decision,
        status: ActionStatus,
        message: Option<&str>,
    ) {
        if matches!(status, ActionStatus::Success | ActionStatus::Planned) {
            self.counts(&record.doctype).count(decision);
        }
        if self.options.counts_only && status == ActionStatus::Success {
            return;
        }
        self.summary.actions.push(ActionLine {
            doctype: record.doctype.clone(),
            name: record.docname.clone(),
            cloud_name: record.names.cloud.clone(),
            local_name: record.names.local.clone(),
            action: decision.action.as_str().to_owned(),
            direction: decision.direction,
            reason: decision.reason.clone(),
            conflict: decision.conflict,
            status,
            message: message.map(str::to_owned),
        });
    }

    /// A name asked for that neither side has.
    pub(super) fn report_missing(&mut self, doctype: &str, name: &str) {
        self.counts(doctype).failed += 1;
        self.summary.actions.push(ActionLine {
            doctype: doctype.to_owned(),
            name: name.to_owned(),
            cloud_name: None,
            local_name: None,
            action: Action::Noop.as_str().to_owned(),
            direction: Direction::None,
            reason: "asked for by name".to_owned(),
            conflict: None,
            status: ActionStatus::Failed,
            message: Some(format!("neither side has {doctype} {name}")),
        });
    }

    fn report_planned(&mut self, operation: &Operation) {
        let Operation { pair, forms, decision, step } = operation;
        let (status, message) = match step {
            Step::Agree if is_unchanged(forms, pair) => {
                self.counts(&pair.record.doctype).unchanged += 1;
                return;
            }
            // Its conflict is counted with the open ones.
            Step::Keep => return,
            Step::Fail(message) => (ActionStatus::Failed, Some(message.clone())),
            Step::Record => (ActionStatus::Conflict, None),
            Step::Skip => (ActionStatus::Skipped, None),
            Step::Agree
            | Step::Part
            | Step::Send(_)
            | Step::Wait(_)
            | Step::NameTaken
            | Step::Held(_)
            | Step::Last
            | Step::Forget => (ActionStatus::Planned, None),
        };
        let counts = self.counts(&pair.record.doctype);
        match status {
            ActionStatus::Failed => counts.failed += 1,
            ActionStatus::Conflict => counts.conflicts += 1,
            ActionStatus::Skipped => counts.skipped += 1,
            ActionStatus::Waiting | ActionStatus::Success | ActionStatus::Planned => {}
        }
        self.report(&pair.record, decision, status, message.as_deref());
    }
}

/// Both versions of a conflict, to be stored.
pub(super) fn conflict_of(operation: &Operation, now: Timestamp) -> Option<NewConflict> {
    let Operation { pair, forms, decision, .. } = operation;
    let kind: ConflictKind = decision.conflict?;
    let detected = stamp(now);
    Some(NewConflict {
        record: pair.record.id,
        kind,
        fields: forms.named_for(kind),
        data: Sides::from_fn(|side| {
            pair.doc(side).map_or(Value::Null, |doc| Value::Object(doc.0.clone()))
        }),
        modified: Sides::from_fn(|side| {
            pair.doc(side).map_or_else(|| detected.clone(), |doc| doc.modified().to_owned())
        }),
        reason: decision.reason.clone(),
        log: None,
    })
}

fn next_retry(failed_before: u32, give_up: bool, now: Timestamp) -> Timestamp {
    let nth = usize::try_from(failed_before).unwrap_or(usize::MAX);
    let pause = match RETRY_AFTER.get(nth) {
        Some(pause) if !give_up => *pause,
        _ => SignedDuration::from_hours(24),
    };
    now.checked_add(pause).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_documents_are_tried_ever_less_often() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let minutes =
            |failed, give_up| next_retry(failed, give_up, now).duration_since(now).as_secs() / 60;
        let schedule: Vec<i64> = (0..6).map(|failed| minutes(failed, false)).collect();
        assert_eq!(schedule, [5, 30, 180, 720, 1440, 1440]);
        assert_eq!(minutes(2, true), 1440);
    }
}
