//! Writes: journal, request, answer.
//!
//! The rules kept here: an intent is committed before its request goes out and an answer as
//! it arrives (invariant 7); an update carries the `modified` that was read (3).

use crate::model::{Doc, Side, Sides};
use crate::site::{ErrorKind, ServerClock, Site, SiteError, bulk};
use crate::state::NewIntent;

use super::requests::sent_fields;
use super::{Aside, AsideReason, Doctype, Operation, Outcome, Pass, Request, Stop, Write};

impl Pass<'_> {
    /// Sends a wave of writes and closes those that the sites answered.
    pub(super) fn write(
        &mut self,
        doctype: &Doctype,
        writes: Vec<(Operation, Write)>,
    ) -> anyhow::Result<Vec<Aside>> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let intents = self.begin(&writes)?;
        let (outcomes, outage) = self.send(doctype, &writes, &intents)?;
        let mut aside = Vec::new();
        let mut done = Vec::new();
        for (((operation, write), intent), outcome) in writes.into_iter().zip(intents).zip(outcomes)
        {
            match outcome {
                Some(Outcome::Written(answer)) => {
                    done.extend(self.named_right(doctype, &operation, &write, intent, answer)?);
                }
                other => aside.extend(self.not_written(&operation, intent, other)?),
            }
        }
        aside.extend(self.finish_writes(doctype, done)?);
        outage.map_or(Ok(aside), |stop| Err(stop.into()))
    }

    /// Commits the intents, with both versions of what is about to be overwritten.
    fn begin(&mut self, writes: &[(Operation, Write)]) -> anyhow::Result<Vec<i64>> {
        let now = self.now();
        let new: Vec<NewIntent> =
            writes.iter().map(|(operation, write)| self.intent(operation, write)).collect();
        Ok(self.state.begin_intents(&new, now)?)
    }

    fn intent(&self, operation: &Operation, write: &Write) -> NewIntent {
        let Operation { pair, decision, .. } = operation;
        let (target_name, target_modified) = match &write.request {
            Request::Insert { name } => (name.clone(), None),
            Request::Update { name, modified } => (name.clone(), Some(modified.clone())),
        };
        NewIntent {
            record: pair.record.id,
            run: self.run,
            side: write.side,
            action: decision.action,
            target_name: Some(target_name),
            target_modified,
            target: pair.doc(write.side).cloned(),
            source: write.carried.clone(),
            sent: sent_fields(write),
            omitted: write.body.omitted.iter().chain(write.owed.keys()).cloned().collect(),
            resolution: write.resolution,
            reason: decision.reason.clone(),
            site_time: self.site_time(write.side),
            conflict: self.conflict_of(operation),
        }
    }

    /// The site's own time now, by its last answer.
    fn site_time(&self, side: Side) -> Option<jiff::Timestamp> {
        let ServerClock { date, received } = self.sites[side].clock()?;
        date.checked_add(self.now().duration_since(received)).ok()
    }

    /// Sends the requests. An answer is committed as it arrives; once a site turns out to be
    /// down nothing more is begun, and what was not begun has no outcome.
    fn send(
        &mut self,
        doctype: &Doctype,
        writes: &[(Operation, Write)],
        intents: &[i64],
    ) -> anyhow::Result<(Vec<Option<Outcome>>, Option<Stop>)> {
        let sites = self.sites;
        let max_attempts = self.config.retry.max_attempts;
        let mut outcomes: Vec<Option<Outcome>> = writes.iter().map(|_| None).collect();
        let mut outage = None;
        let items = writes.iter().map(|(operation, write)| (write.side, (operation, write)));
        let state = &mut *self.state;
        let result = self.workers.run(
            items.collect(),
            |_, (operation, write)| send_one(sites, doctype, operation, write, max_attempts),
            |i, outcome| {
                if let Outcome::Written(answer) = &outcome {
                    state.answer_intent(intents[i], answer)?;
                }
                let stop = match &outcome {
                    Outcome::Failed(error) if ends_the_run(error) => Some(error.clone()),
                    _ => None,
                };
                outcomes[i] = Some(outcome);
                match stop {
                    Some(error) => Err(Stop::Site { side: writes[i].1.side, error }.into()),
                    None => Ok(()),
                }
            },
        );
        if let Err(error) = result {
            outage = Some(error.downcast::<Stop>()?);
        }
        Ok((outcomes, outage))
    }

    /// A write that did not happen, or of which nobody knows whether it did.
    fn not_written(
        &mut self,
        operation: &Operation,
        intent: i64,
        outcome: Option<Outcome>,
    ) -> anyhow::Result<Option<Aside>> {
        let now = self.now();
        let candidate = operation.pair.record.id;
        match outcome {
            None => {
                self.state.void_intent(intent, "not sent: the site is down", now)?;
                Ok(None)
            }
            Some(Outcome::Moved) => {
                self.state.void_intent(intent, "edited since it was read", now)?;
                Ok(Some(Aside { candidate, reason: AsideReason::Moved }))
            }
            Some(Outcome::Taken(message)) => {
                self.state.void_intent(intent, &message, now)?;
                Ok(Some(Aside { candidate, reason: AsideReason::Taken(message) }))
            }
            Some(Outcome::Failed(error)) => {
                let mut message = error.message.clone();
                if error.had_no_effect() {
                    self.state.void_intent(intent, &message, now)?;
                } else {
                    message.push_str("; the next run finds out what came of it");
                }
                self.fail(&operation.pair, &operation.decision, &message)?;
                Ok(None)
            }
            Some(Outcome::Written(_)) => Ok(None),
        }
    }
}

/// The site as a whole is out of order. A single write without an answer may be a slow
/// document: it fails alone.
fn ends_the_run(error: &SiteError) -> bool {
    error.is_outage() && error.kind != ErrorKind::Unanswered
}

/// Sends one write. Runs on a worker.
fn send_one(
    sites: Sides<&dyn Site>,
    doctype: &Doctype,
    operation: &Operation,
    write: &Write,
    max_attempts: u32,
) -> Outcome {
    let site = sites[write.side];
    let name = &doctype.config.doctype;
    match &write.request {
        Request::Insert { .. } => match site.insert(name, &write.body.fields) {
            Ok(answer) => Outcome::Written(answer),
            Err(error) if error.kind == ErrorKind::Duplicate => Outcome::Taken(error.message),
            Err(error) => Outcome::Failed(error),
        },
        Request::Update { name: target, modified } => {
            let mut lock = modified.clone();
            for _ in 0..max_attempts.max(1) {
                let mut body = write.body.fields.clone();
                body.insert("modified".to_owned(), lock.clone().into());
                match site.update(name, target, &body) {
                    Ok(answer) => return Outcome::Written(answer),
                    Err(error) if error.kind != ErrorKind::Stale => return Outcome::Failed(error),
                    Err(_) => match only_touched(sites, doctype, operation, write.side) {
                        Ok(Some(modified)) => lock = modified,
                        Ok(None) => return Outcome::Moved,
                        Err(error) => return Outcome::Failed(error),
                    },
                }
            }
            Outcome::Moved
        }
    }
}

/// After a timestamp mismatch: reads both documents again. Where only `modified` moved, the
/// new lock; where content moved, `None`.
fn only_touched(
    sites: Sides<&dyn Site>,
    doctype: &Doctype,
    operation: &Operation,
    target: Side,
) -> Result<Option<String>, SiteError> {
    let mut lock = None;
    for side in Side::BOTH {
        let Some(before) = operation.pair.doc(side) else { return Ok(None) };
        let docs = bulk::fetch_docs(sites[side], &doctype.schemas[side], &[before.name()])?;
        let Some(now) = docs.iter().find(|doc| doc.name() == before.name()) else {
            return Ok(None);
        };
        let form = |doc: &Doc| doctype.shape.sync_form(doc, &|_, _| None);
        if form(now) != form(before) || now.creation() != before.creation() {
            return Ok(None);
        }
        if side == target {
            lock = Some(now.modified().to_owned());
        }
    }
    Ok(lock)
}
