//! Reads again what was written, and closes it.
//!
//! The rule kept here: what a re-read shows becomes the base only where it is what the site
//! answered (invariant 1).

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::identity::LinkTable;
use crate::model::{Action, Direction, Doc, FieldKind, Role, Side, Sides, canonical_scalar};
use crate::recon::Decision;
use crate::site::bulk::Asked;
use crate::state::{Closing, LogStatus, RecordStatus, Resolution, SideState};

use super::anew::is_anew;
use super::close::{hash_of, row_names, side_state};
use super::fetch::{Found, read_names};
use super::named::is_second_copy;
use super::write::Item;
use super::{ActionStatus, Aside, AsideReason, Doctype, Outcome, Pass, Request, Rule};

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
    /// The rows that the target had and that were not sent, by table: they are gone there.
    pub removed: Map<String, Value>,
    /// The form under which it was decided.
    pub form_digest: String,
    /// Whether fields are still to follow.
    pub has_more: bool,
    pub resolution: Option<Resolution>,
    /// What the log calls it.
    pub log_as: Action,
    /// Fields that are still to be carried back, as the target's base is to hold them.
    pub owed: Map<String, Value>,
    /// The name that the request gave, where somebody has given the document another one since:
    /// that is still to be carried back.
    pub was_named: Option<String>,
}

/// What has been written and not been read again yet: the last one of a batch has it read.
pub(super) struct Unread {
    batch_size: usize,
    asked: Sides<Mutex<Asked>>,
}

impl Unread {
    pub(super) fn new(batch_size: usize) -> Self {
        Self { batch_size, asked: Sides::default() }
    }

    /// Notes a document that was written; gives the batch that it completes.
    pub(super) fn note(
        &self,
        &Item { doctype, operation, write, .. }: &Item<'_>,
        outcome: &Outcome,
    ) -> Option<Asked> {
        let Outcome::Written(answer) = outcome else { return None };
        let is_kept = match &write.request {
            Request::Update { .. } => true,
            Request::Insert { name } => {
                let wanted = name.as_ref();
                !is_anew(operation.decision.action, write.side, write.resolution)
                    && !wanted.is_some_and(|name| is_second_copy(doctype, name, &answer.name()))
            }
            Request::Delete { .. } | Request::Rename { .. } => false,
        };
        if !is_kept {
            return None;
        }
        let mut asked = self.asked[write.side].lock().unwrap_or_else(PoisonError::into_inner);
        asked.extend([of_answer(write.log_as, answer)]);
        (asked.len() >= self.batch_size).then(|| std::mem::take(&mut *asked))
    }
}

impl Pass<'_> {
    /// Reads what was written again, in bulk, and closes it. `read` is what of it was read
    /// already since.
    pub(super) fn finish_writes(
        &mut self,
        doctype: &Doctype,
        done: Vec<Done>,
        read: Sides<Found>,
    ) -> anyhow::Result<Vec<Aside>> {
        for one in &done {
            // It is there now, whatever was found before.
            self.fates.remove(&(one.record, one.side));
        }
        let (anew, done): (Vec<Done>, Vec<Done>) =
            done.into_iter().partition(|one| is_anew(one.action, one.side, one.resolution));
        let mut aside = Vec::new();
        for one in anew {
            aside.push(self.finish_anew(one)?);
        }
        if done.is_empty() {
            return Ok(aside);
        }
        let mut read = self.read_again(doctype, &done, read)?;
        let docs: Vec<(Side, &Doc)> = done
            .iter()
            .flat_map(|done| [(done.side, &done.answer), (done.side.opposite(), &done.source)])
            .chain(read.iter().flat_map(|(side, docs)| docs.values().map(move |doc| (side, doc))))
            .collect();
        let links = self.known_links(doctype, docs.into_iter())?;
        let mut closed = Vec::with_capacity(done.len());
        for done in done {
            let reread = read[done.side].remove(&done.answer.name());
            if done.has_more {
                aside.push(Aside { candidate: done.record, reason: AsideReason::Rest });
            }
            let mut one = closed_by(doctype, &links, done, reread);
            self.keep_owing(&mut one.closing);
            closed.push(one);
        }
        self.close_writes(closed)?;
        Ok(aside)
    }

    fn read_again(
        &self,
        doctype: &Doctype,
        done: &[Done],
        mut read: Sides<Found>,
    ) -> anyhow::Result<Sides<Found>> {
        let asked = Sides::from_fn(|side| {
            let here = done.iter().filter(|done| done.side == side);
            let asked = here.map(|done| of_answer(done.log_as, &done.answer));
            asked.filter(|(name, _)| !read[side].contains_key(name)).collect()
        });
        let rest = read_names(&self.workers, self.sites, doctype, self.batches(&asked))?;
        for (side, docs) in [(Side::Cloud, rest.cloud), (Side::Local, rest.local)] {
            read[side].extend(docs);
        }
        Ok(read)
    }

    fn close_writes(&mut self, closed: Vec<Closed>) -> anyhow::Result<()> {
        let mut stored = Vec::with_capacity(closed.len());
        let mut lines = Vec::with_capacity(closed.len());
        for Closed { mut closing, decision, log_as, message, changes } in closed {
            let named = Decision { action: log_as, ..decision.clone() };
            let mut entry = self.entry(&named, LogStatus::Success, message.as_deref());
            entry.changes = Some(changes);
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

/// A write that is ready to be closed.
struct Closed {
    closing: Closing,
    /// As what it is reported.
    decision: Decision,
    /// What the log calls it.
    log_as: Action,
    /// What the site made of it that was not sent.
    message: Option<String>,
    changes: Value,
}

/// What is stored for a write, and what is said of it.
fn closed_by(doctype: &Doctype, links: &LinkTable, done: Done, reread: Option<Doc>) -> Closed {
    let side = done.side;
    let hash = |side, doc: &Doc| hash_of(doctype, links, side, doc);
    let ours = reread.filter(|doc| is_as_answered(doctype, doc, &done.answer));
    let is_ours = ours.is_some();
    let stored = ours.unwrap_or(done.answer);
    let seen = is_ours.then(|| stored.modified().to_owned());
    let mut target = side_state(stored, String::new(), seen);
    target.hash = hash(side, &target.content);
    if let Some(name) = done.was_named {
        target.content.0.insert("name".to_owned(), name.into());
    }
    let rewritten = rewritten(doctype, &done.sent, &target.content);
    let is_half = done.action == Action::Resolve;
    if is_half {
        target = less_owed(doctype, links, side, &done.owed, target);
    }
    let seen = Some(done.source.modified().to_owned());
    let source_hash = hash(side.opposite(), &done.source);
    let source = side_state(done.source, source_hash, seen);
    let mut sides = match side {
        Side::Cloud => Sides::new(target, source),
        Side::Local => Sides::new(source, target),
    };
    if done.form_digest != doctype.shape.digest() {
        // Hashes of today's form are none under that of the request: the bases are put
        // through the form again at the next look.
        sides = sides.map(|_, side| SideState { hash: String::new(), ..side });
    }
    let status = if is_half {
        RecordStatus::Conflict
    } else if done.has_more || !is_ours {
        RecordStatus::Pending
    } else {
        RecordStatus::Synced
    };
    let direction = Direction::to(side);
    let closing = Closing {
        record: done.record,
        form_digest: done.form_digest,
        status,
        direction,
        reason: done.has_more.then(|| "some fields are still to follow".to_owned()),
        log: None,
        // After one half of a settlement the rows still owed stand in both bases: what is
        // known of them stays.
        rows: done
            .owed
            .is_empty()
            .then(|| row_names(&doctype.shape.columns, &sides.cloud.content, &sides.local.content)),
        sides,
        intent: Some(done.intent),
        resolution: done.resolution,
    };
    let message = (!rewritten.is_empty())
        .then(|| format!("{side} stored other values for: {}", rewritten.join(", ")));
    let (action, reason) = (done.action, done.reason);
    Closed {
        closing,
        decision: Decision { action, direction, conflict: None, skipped: false, reason },
        log_as: done.log_as,
        message,
        changes: changes(&done.sent, done.removed),
    }
}

/// Whether a re-read shows what the site answered. Somebody who wrote since our write shows in it,
/// by another `modified` and another content, also where no update reaches it any more. Then the
/// answer is the base, and what came later is an edit.
fn is_as_answered(doctype: &Doctype, reread: &Doc, answer: &Doc) -> bool {
    let content = |doc: &Doc| doctype.shape.whole_form(doc, &|_, _| None);
    reread.modified() == answer.modified()
        || content(reread) == content(answer)
        || !doctype.rules.keeps(Rule::Reread)
}

/// The name of what was written and the `modified` that the write has left behind, by its answer.
/// That of an insert that submits can be an earlier one (BEHAVIOUR.md 4), and to find that out
/// takes reading everything twice.
fn of_answer(what: Action, answer: &Doc) -> (String, Option<String>) {
    let is_final = what != Action::Create || answer.docstatus() == 0;
    (answer.name(), is_final.then(|| answer.modified().to_owned()))
}

/// The target's side of a closing, less what is still to be carried back to the source: of
/// those fields its base holds other values, so that they count as changed (invariant 1), and
/// the next run looks at it whatever becomes of this one.
fn less_owed(
    doctype: &Doctype,
    links: &LinkTable,
    side: Side,
    owed: &Map<String, Value>,
    mut target: SideState,
) -> SideState {
    target.content.0.extend(owed.clone());
    target.hash = hash_of(doctype, links, side, &target.content);
    target.seen = None;
    target
}

/// The fields in which the site stored something else than was sent, those of rows as
/// `table.field`; a table of which it stored other rows as a whole.
fn rewritten(doctype: &Doctype, sent: &Doc, stored: &Doc) -> Vec<String> {
    let mut fields = BTreeSet::new();
    for (field, column) in &doctype.shape.columns {
        if !sent.0.contains_key(field) || field == "set_posting_time" {
            continue;
        }
        if !matches!(column.kind, FieldKind::Table(_)) {
            if is_rewritten(&column.kind, field, &sent.0, &stored.0) {
                fields.insert(field.clone());
            }
            continue;
        }
        if sent.rows(field).count() != stored.rows(field).count() {
            fields.insert(field.clone());
            continue;
        }
        for (sent, stored) in sent.rows(field).zip(stored.rows(field)) {
            let content = column.rows.iter().filter(|(_, inner)| inner.role == Role::Content);
            let differing = content
                .filter(|(inner, _)| sent.contains_key(*inner))
                .filter(|(inner, column)| is_rewritten(&column.kind, inner, sent, stored));
            fields.extend(differing.map(|(inner, _)| format!("{field}.{inner}")));
        }
    }
    fields.into_iter().collect()
}

fn is_rewritten(
    kind: &FieldKind,
    field: &str,
    sent: &Map<String, Value>,
    stored: &Map<String, Value>,
) -> bool {
    let canonical = |fields: &Map<String, Value>| canonical_scalar(kind, fields.get(field)?);
    canonical(sent) != canonical(stored)
}

/// The names of the fields sent, for the log, and whole what is gone with them: what the target
/// alone held in a row is nowhere else (invariant 5).
pub(super) fn changes(sent: &Doc, removed: Map<String, Value>) -> Value {
    let fields: Vec<&String> = sent.0.keys().filter(|field| *field != "modified").collect();
    let mut changes = json!({ "fields": fields });
    if !removed.is_empty() {
        changes["removed"] = Value::Object(removed);
    }
    changes
}
