//! Deletions: the last look, the request, and what is stored afterwards.
//!
//! The rules kept here: a deletion has no lock, so the document is read once more just before
//! it, and what a site kept of it is compared with what was read: an edit that slipped in
//! between waits for a person (invariant 5). What was deleted stays in the log, whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::{Action, ConflictKind, Direction, Doc, Side, Sides};
use crate::recon::Decision;
use crate::site::{ErrorKind, ListQuery, Site};
use crate::state::{
    Forgetting, Intent, LogStatus, NewConflict, Record, RecordStatus, Resolution, stamp,
};

use super::{ActionStatus, Doctype, Operation, Outcome, Pass, Write, at};

/// A document that a site has deleted for us.
#[derive(Debug, Clone)]
pub(super) struct Deleted {
    pub record: i64,
    pub intent: i64,
    pub side: Side,
    /// The document as it was read before.
    pub doc: Doc,
    pub reason: String,
    pub resolution: Option<Resolution>,
    pub log_as: Action,
}

impl Deleted {
    pub(super) fn of(operation: &Operation, write: &Write, intent: i64) -> Self {
        Self {
            record: operation.pair.record.id,
            intent,
            side: write.side,
            doc: operation.pair.doc(write.side).cloned().unwrap_or_default(),
            reason: operation.decision.reason.clone(),
            resolution: write.resolution,
            log_as: write.log_as,
        }
    }

    /// A deletion of an earlier run that turned out to have happened.
    pub(super) fn found(intent: Intent) -> Self {
        let is_resolved = intent.resolution.is_some();
        Self {
            record: intent.record,
            intent: intent.id,
            side: intent.side,
            doc: intent.target.unwrap_or_default(),
            reason: format!("{} (found to have happened)", intent.reason),
            resolution: intent.resolution,
            log_as: if is_resolved { Action::Resolve } else { Action::Delete },
        }
    }
}

/// Deletes a document that is still as it was read. Runs on a worker.
pub(super) fn delete_one(site: &dyn Site, doctype: &str, doc: &Doc) -> Outcome {
    let name = doc.name();
    match site.get(doctype, &name) {
        Ok(now) if now.modified() == doc.modified() && now.creation() == doc.creation() => {}
        Ok(_) => return Outcome::Moved,
        Err(error) if error.kind == ErrorKind::NotFound => return Outcome::Moved,
        Err(error) => return Outcome::Failed(error),
    }
    match site.delete(doctype, &name) {
        Ok(()) => Outcome::Written(Doc::default()),
        // Gone in the meantime: decided anew.
        Err(error) if error.kind == ErrorKind::NoSuchPath => Outcome::Moved,
        Err(error) => Outcome::Failed(error),
    }
}

impl Pass<'_> {
    /// Stores deletions that have happened.
    pub(super) fn finish_deletes(
        &mut self,
        doctype: &Doctype,
        deleted: Vec<Deleted>,
    ) -> anyhow::Result<()> {
        if deleted.is_empty() {
            return Ok(());
        }
        let archived = Sides::new(
            self.archived(doctype, Side::Cloud, &deleted)?,
            self.archived(doctype, Side::Local, &deleted)?,
        );
        let mut gone = Vec::with_capacity(deleted.len());
        let mut lines = Vec::with_capacity(deleted.len());
        for one in deleted {
            let decision = Decision {
                action: Action::Delete,
                direction: Direction::to(one.side),
                conflict: None,
                skipped: false,
                reason: one.reason.clone(),
            };
            let archive = archived[one.side].get(&one.doc.name());
            let slipped_in = archive.filter(|kept| is_another_version(doctype, &one.doc, kept));
            let conflict = slipped_in.map(|kept| self.slipped_in(&one, kept));
            let message = conflict.as_ref().map(|conflict| conflict.reason.clone());
            let named = Decision { action: one.log_as, ..decision.clone() };
            let mut log = self.entry(&named, LogStatus::Success, message.as_deref());
            // As it was when it went: with what was edited last, if only in a field that is not
            // kept in step.
            let last = archive.filter(|kept| kept.creation() == one.doc.creation());
            log.changes = Some(json!({ "deleted": last.unwrap_or(&one.doc).0 }));
            gone.push(Forgetting {
                record: one.record,
                reason: message.clone().unwrap_or(one.reason),
                intent: Some(one.intent),
                resolution: one.resolution,
                log: Some(log),
                conflict,
            });
            lines.push((one.record, decision, message));
        }
        let now = self.now();
        self.state.forget(&gone, now)?;
        let ids: Vec<i64> = lines.iter().map(|(record, ..)| *record).collect();
        for (record, (_, decision, message)) in self.state.load_records(&ids)?.iter().zip(lines) {
            self.report(record, &decision, ActionStatus::Success, message.as_deref());
        }
        Ok(())
    }

    /// What a site kept of documents that it has deleted; nothing where our user may not see
    /// it.
    fn archived(
        &self,
        doctype: &Doctype,
        side: Side,
        deleted: &[Deleted],
    ) -> anyhow::Result<BTreeMap<String, Doc>> {
        let of_side = deleted.iter().filter(|one| one.side == side);
        let names: Vec<String> = of_side.map(|one| one.doc.name()).collect();
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let listed = self.sites[side].list(&ListQuery {
            doctype: "Deleted Document".to_owned(),
            fields: ["deleted_name", "owner", "data"].map(str::to_owned).to_vec(),
            filters: vec![
                json!(["deleted_doctype", "=", doctype.config.doctype]),
                json!(["deleted_name", "in", names]),
            ],
            order_by: "creation asc".to_owned(),
            ..ListQuery::default()
        });
        let listed = match listed {
            Err(error) if error.is_outage() => return Err(at(side)(error)),
            result => result.unwrap_or_default(),
        };
        let mut kept = BTreeMap::new();
        for one in deleted.iter().filter(|one| one.side == side) {
            let name = one.doc.name();
            let of_name = listed.iter().filter(|row| row.text("deleted_name") == Some(&name));
            let docs: Vec<(bool, Doc)> = of_name
                .filter_map(|row| {
                    let is_ours = row.text("owner") == Some(self.users[side].as_str());
                    Some((is_ours, serde_json::from_str(row.text("data")?).ok()?))
                })
                .collect();
            kept.extend(deleted_last(&one.doc, docs).map(|doc| (name, doc)));
        }
        Ok(kept)
    }

    /// The version that was deleted although nobody had read it.
    fn slipped_in(&self, one: &Deleted, kept: &Doc) -> NewConflict {
        let detected = stamp(self.now());
        let mut data = Sides::new(Value::Null, Value::Null);
        let mut modified = Sides::new(detected.clone(), detected);
        data[one.side] = Value::Object(kept.0.clone());
        kept.modified().clone_into(&mut modified[one.side]);
        NewConflict {
            record: one.record,
            kind: ConflictKind::EditDelete,
            fields: Vec::new(),
            data,
            modified,
            reason: if kept.creation() == one.doc.creation() {
                format!(
                    "edited on {} just before it was deleted; what was written is kept here",
                    one.side
                )
            } else {
                format!(
                    "another document had its name on {} by the time it was deleted; that one is \
                     kept here",
                    one.side
                )
            },
            log: None,
        }
    }

    /// Whether a document that neither side has any more is not to be forgotten: its last
    /// version waits for a person, whatever has made the record one to be looked at.
    pub(super) fn is_kept(&self, record: &Record) -> anyhow::Result<bool> {
        // In conflict still: nothing on the sites has moved since.
        Ok(record.status == RecordStatus::Conflict
            || self.state.keeps_what_was_deleted(record.id)?)
    }

    /// Forgets a document that neither side has any more.
    pub(super) fn forget(&mut self, operation: &Operation) -> anyhow::Result<()> {
        let Operation { pair, decision, .. } = operation;
        let record = &pair.record;
        let forgetting = Forgetting {
            record: record.id,
            reason: decision.reason.clone(),
            intent: None,
            resolution: None,
            log: Some(self.entry(decision, LogStatus::Success, None)),
            conflict: None,
        };
        let now = self.now();
        self.state.forget(&[forgetting], now)?;
        self.report(record, decision, ActionStatus::Success, None);
        Ok(())
    }
}

/// Of several deletions under one name, each with whether our user made it, the one that is
/// meant: our last, which is no namesake's of older days, or else the document's own.
fn deleted_last(read: &Doc, deleted: Vec<(bool, Doc)>) -> Option<Doc> {
    let is_of_now = |doc: &Doc| doc.creation() >= read.creation();
    let ours = deleted.iter().rposition(|(is_ours, doc)| *is_ours && is_of_now(doc));
    let own = || deleted.iter().rposition(|(_, doc)| doc.creation() == read.creation());
    let at = ours.or_else(own)?;
    deleted.into_iter().nth(at).map(|(_, doc)| doc)
}

/// Whether what was deleted is not what was read: another content, or another document that had
/// taken the name.
fn is_another_version(doctype: &Doctype, read: &Doc, kept: &Doc) -> bool {
    let form = |doc: &Doc| doctype.identity_form(doc, &|_, _| None);
    kept.creation() != read.creation()
        || (kept.modified() != read.modified() && form(kept) != form(read))
}
