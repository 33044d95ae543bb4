//! Writes: journal, request, answer, re-read, close.
//!
//! The rules kept here: an intent is committed before its request goes out and an answer as
//! it arrives (invariant 7); an update carries the `modified` that was read (3); what a
//! re-read shows becomes the base only where it is what the site answered (1).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::identity::LinkTable;
use crate::model::{Action, Direction, Doc, FieldKind, Side, Sides};
use crate::recon::Decision;
use crate::site::{ErrorKind, ServerClock, Site, SiteError, bulk};
use crate::state::{Closing, LogStatus, NewIntent, RecordStatus, Resolution, SideState};

use super::close::{hash_of, row_names, side_state};
use super::plan::sent_fields;
use super::{
    ActionStatus, Aside, AsideReason, Doctype, Operation, Outcome, Pass, Request, Stop, Write,
};

/// A write that the site has answered, ready to be read again and closed.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub record: i64,
    pub intent: i64,
    pub side: Side,
    pub action: Action,
    pub reason: String,
    /// The source as read, less what was left out: the source's new base.
    pub source: Doc,
    /// The site's answer.
    pub answer: Doc,
    /// The fields sent.
    pub sent: Doc,
    /// Whether fields are still to follow.
    pub has_more: bool,
    pub resolution: Option<Resolution>,
    /// What the log calls it.
    pub log_as: Action,
    /// Fields that are still to be carried back, as the target's base is to hold them.
    pub owed: Map<String, Value>,
}

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

    /// A new document must have got the name that it was to get. One that did not is a second
    /// copy: it is taken back.
    fn named_right(
        &mut self,
        doctype: &Doctype,
        operation: &Operation,
        write: &Write,
        intent: i64,
        answer: Doc,
    ) -> anyhow::Result<Option<Done>> {
        if let Request::Insert { name } = &write.request
            && answer.name() != *name
        {
            self.take_back(doctype, operation.pair.record.id, write.side, name, &answer, intent)?;
            return Ok(None);
        }
        let Operation { pair, decision, .. } = operation;
        Ok(Some(Done {
            record: pair.record.id,
            intent,
            side: write.side,
            action: decision.action,
            reason: decision.reason.clone(),
            source: write.carried.clone(),
            answer,
            sent: sent_fields(write),
            has_more: !write.body.omitted.is_empty(),
            resolution: write.resolution,
            log_as: write.log_as,
            owed: write.owed.clone(),
        }))
    }

    /// Deletes the copy that a site has just made for us under another name than asked for.
    pub(super) fn take_back(
        &mut self,
        doctype: &Doctype,
        record: i64,
        side: Side,
        name: &str,
        answer: &Doc,
        intent: i64,
    ) -> anyhow::Result<()> {
        let copy = answer.name();
        let now = self.now();
        let site = self.sites[side];
        let deleted = site.delete(&doctype.config.doctype, &copy).or_else(|error| {
            // An earlier try may have done it without an answer.
            let is_gone = error.kind == ErrorKind::NoSuchPath
                && site
                    .get(&doctype.config.doctype, &copy)
                    .is_err_and(|error| error.kind == ErrorKind::NotFound);
            if is_gone { Ok(()) } else { Err(error) }
        });
        let outcome = match deleted {
            Ok(()) => {
                self.state.void_intent(intent, "the copy was taken back", now)?;
                "the copy was taken back".to_owned()
            }
            Err(error) => format!("taking the copy back failed and is tried again: {error}"),
        };
        let message = format!(
            "{side} named the copy {copy:?} because a document {name:?} is there that our user does \
             not see; {outcome}"
        );
        let records = self.state.load_records(&[record])?;
        let decision = Decision::skip(format!("new on {}", side.opposite()));
        for record in &records {
            self.fail_record(record, &decision, &message)?;
        }
        Ok(())
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

    /// Reads what was written again, in bulk, and closes it.
    pub(super) fn finish_writes(
        &mut self,
        doctype: &Doctype,
        done: Vec<Done>,
    ) -> anyhow::Result<Vec<Aside>> {
        if done.is_empty() {
            return Ok(Vec::new());
        }
        let read = self.read_again(doctype, &done)?;
        let docs: Vec<(Side, &Doc)> = done
            .iter()
            .flat_map(|done| [(done.side, &done.answer), (done.side.opposite(), &done.source)])
            .chain(read.iter().flat_map(|(side, docs)| docs.values().map(move |doc| (side, doc))))
            .collect();
        let links = self.known_links(doctype, docs.into_iter())?;
        let mut aside = Vec::new();
        let mut closings = Vec::new();
        for done in &done {
            let reread = read[done.side].get(&done.answer.name());
            let (closing, message) = Self::closing(doctype, &links, done, reread);
            closings.push((closing, message));
            if done.has_more {
                aside.push(Aside { candidate: done.record, reason: AsideReason::Rest });
            }
        }
        self.close_writes(done, closings)?;
        Ok(aside)
    }

    fn read_again(
        &self,
        doctype: &Doctype,
        done: &[Done],
    ) -> anyhow::Result<Sides<BTreeMap<String, Doc>>> {
        let mut items = Vec::new();
        for side in Side::BOTH {
            let names: Vec<String> = done
                .iter()
                .filter(|done| done.side == side)
                .map(|done| done.answer.name())
                .collect();
            let batches = names.chunks(self.config.batch_size.max(1));
            items.extend(batches.map(|batch| (side, batch.to_vec())));
        }
        self.read_names(doctype, items)
    }

    /// What is stored for a write, and what is said of it.
    fn closing(
        doctype: &Doctype,
        links: &LinkTable,
        done: &Done,
        reread: Option<&Doc>,
    ) -> (Closing, Option<String>) {
        let from = done.side.opposite();
        let hash = |side, doc| hash_of(doctype, links, side, doc);
        let answer_hash = hash(done.side, &done.answer);
        // Somebody who wrote since our write shows in the re-read, by another `modified` and
        // another content. Then the answer is the base, and what came later is an edit.
        let ours = reread.filter(|doc| {
            doc.modified() == done.answer.modified() || hash(done.side, doc) == answer_hash
        });
        let target = match ours {
            Some(doc) => side_state(doc, hash(done.side, doc), Some(doc.modified().to_owned())),
            None => side_state(&done.answer, answer_hash, None),
        };
        let rewritten = rewritten(doctype, &done.sent, &target.content);
        let target = less_owed(doctype, links, done, target);
        let seen = Some(done.source.modified().to_owned());
        let source = side_state(&done.source, hash(from, &done.source), seen);
        let message = (!rewritten.is_empty())
            .then(|| format!("{} stored other values for: {}", done.side, rewritten.join(", ")));
        let sides = match done.side {
            Side::Cloud => Sides::new(target, source),
            Side::Local => Sides::new(source, target),
        };
        let status = if !done.owed.is_empty() {
            RecordStatus::Conflict
        } else if done.has_more || ours.is_none() {
            RecordStatus::Pending
        } else {
            RecordStatus::Synced
        };
        let closing = Closing {
            record: done.record,
            form_digest: doctype.shape.digest().to_owned(),
            status,
            direction: Direction::to(done.side),
            reason: done.has_more.then(|| "some fields are still to follow".to_owned()),
            log: None,
            // After one half of a settlement the rows still owed stand in both bases: what is
            // known of them stays.
            rows: done.owed.is_empty().then(|| {
                row_names(&doctype.shape.columns, &sides.cloud.content, &sides.local.content)
            }),
            sides,
            intent: Some(done.intent),
            resolution: done.resolution,
        };
        (closing, message)
    }

    fn close_writes(
        &mut self,
        done: Vec<Done>,
        closings: Vec<(Closing, Option<String>)>,
    ) -> anyhow::Result<()> {
        let mut stored = Vec::with_capacity(closings.len());
        let mut lines = Vec::with_capacity(closings.len());
        for (done, (mut closing, message)) in done.into_iter().zip(closings) {
            let decision = Decision {
                action: done.action,
                direction: closing.direction,
                conflict: None,
                skipped: false,
                reason: done.reason,
            };
            let named = Decision { action: done.log_as, ..decision.clone() };
            let mut entry = self.entry(&named, LogStatus::Success, message.as_deref());
            entry.changes = Some(changes(&done.sent));
            closing.log = Some(entry);
            lines.push((closing.record, decision, message));
            stored.push(closing);
        }
        let now = self.now();
        self.state.close(&stored, now)?;
        let ids: Vec<i64> = lines.iter().map(|(record, ..)| *record).collect();
        for (record, (_, decision, message)) in self.state.load_records(&ids)?.iter().zip(lines) {
            self.report(record, &decision, ActionStatus::Success, message.as_deref());
        }
        Ok(())
    }
}

/// The target's side of a closing, less what is still to be carried back to the source: of
/// those fields its base holds other values, so that they count as changed (invariant 1).
fn less_owed(
    doctype: &Doctype,
    links: &LinkTable,
    done: &Done,
    mut target: SideState,
) -> SideState {
    if !done.owed.is_empty() {
        target.content.0.extend(done.owed.clone());
        target.hash = hash_of(doctype, links, done.side, &target.content);
        target.seen = None;
    }
    target
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

/// The scalar fields in which the site stored something else than was sent.
fn rewritten(doctype: &Doctype, sent: &Doc, stored: &Doc) -> Vec<String> {
    let canonical = |kind: &FieldKind, doc: &Doc, field: &str| {
        doc.get(field).and_then(|value| crate::model::canonical_scalar(kind, value))
    };
    doctype
        .shape
        .columns
        .iter()
        .filter(|(field, column)| {
            !matches!(column.kind, FieldKind::Table(_))
                && field.as_str() != "set_posting_time"
                && sent.0.contains_key(*field)
                && canonical(&column.kind, sent, field) != canonical(&column.kind, stored, field)
        })
        .map(|(field, _)| field.clone())
        .collect()
}

/// The names of the fields sent, for the log.
fn changes(sent: &Doc) -> Value {
    let fields: Vec<&String> = sent.0.keys().filter(|field| *field != "modified").collect();
    serde_json::json!({ "fields": fields })
}
