//! Renames: what goes to the other side, and what is stored when it has its new name.
//!
//! The rule kept here: a rename is carried by itself, before the edits of either side, and what
//! both sides hold alike after it belongs to their bases; an edit that only one of them holds
//! stays an edit (invariant 1).

use std::collections::VecDeque;

use serde_json::{Map, Value};

use crate::identity::{LinkTable, has_natural_name};
use crate::model::{Action, Direction, Doc, Form, Side, Sides};
use crate::recon::{Body, Decision, Names, Renaming, renaming};
use crate::site::{ErrorKind, Site};
use crate::state::{Closing, Intent, LogStatus, Record, RecordStatus, SideState};

use super::close::hash_of;
use super::fetch::is_same;
use super::links::docs_of;
use super::{
    ActionStatus, Aside, AsideReason, Doctype, Operation, Outcome, Pair, Pass, Request, Write,
};

/// How often a site is asked to rename a document in one run: its new name may be another's
/// that is about to be renamed as well.
const MAX_TRIES: u32 = 2;

/// A document that a site has renamed for us.
#[derive(Debug, Clone)]
pub(super) struct Renamed {
    pub record: i64,
    pub intent: i64,
    pub side: Side,
    pub new: String,
    pub reason: String,
}

impl Renamed {
    pub(super) fn of(operation: &Operation, write: &Write, intent: i64, answer: &Doc) -> Self {
        Self {
            record: operation.pair.record.id,
            intent,
            side: write.side,
            new: answer.name(),
            reason: operation.decision.reason.clone(),
        }
    }

    /// A rename of an earlier run that turned out to have happened.
    pub(super) fn found(intent: &Intent) -> Self {
        Self {
            record: intent.record,
            intent: intent.id,
            side: intent.side,
            new: intent.sent.name(),
            reason: format!("{} (found to have happened)", intent.reason),
        }
    }
}

/// Renames a document where its name is still its own: a site renames whatever has the name.
/// Runs on a worker.
pub(super) fn rename_one(site: &dyn Site, doctype: &str, doc: &Doc, new: &str) -> Outcome {
    let old = doc.name();
    match site.get(doctype, &old) {
        Ok(now) if now.creation() == doc.creation() => {}
        Ok(_) => return Outcome::Moved,
        Err(error) if error.kind == ErrorKind::NotFound => return Outcome::Moved,
        Err(error) => return Outcome::Failed(error),
    }
    match site.rename(doctype, &old, new) {
        Ok(name) => Outcome::Written(Doc(Map::from_iter([("name".to_owned(), name.into())]))),
        Err(error) => match error.kind {
            ErrorKind::Refused | ErrorKind::Forbidden | ErrorKind::Duplicate => {
                Outcome::NotRenamed(error.message)
            }
            _ => Outcome::Failed(error),
        },
    }
}

/// The request that gives a document its name of the other side.
pub(super) fn rename(pair: &Pair, target: Side) -> Option<Write> {
    let source = pair.doc(target.opposite())?;
    let doc = pair.doc(target)?.clone();
    Some(Write {
        side: target,
        body: Body::default(),
        carried: source.clone(),
        request: Request::Rename { doc, new: source.name() },
        resolution: None,
        log_as: Action::Rename,
        owed: Map::new(),
    })
}

impl Pass<'_> {
    /// What is to be done about the names of a document that was in step.
    pub(super) fn renaming(&self, doctype: &Doctype, pair: &Pair) -> Renaming {
        let (Some(cloud), Some(local)) = (pair.doc(Side::Cloud), pair.doc(Side::Local)) else {
            return Renaming::None;
        };
        let Some(bases) = &pair.record.bases else { return Renaming::None };
        let base = Sides::from_fn(|side| bases[side].content.name());
        let now = Sides::new(cloud.name(), local.name());
        let old: Vec<&Doc> = bases.iter().map(|(_, base)| &base.content).collect();
        let found = renaming(&Names {
            base: Sides::new(&base.cloud, &base.local),
            now: Sides::new(&now.cloud, &now.local),
            is_natural: has_natural_name(doctype.config.names, &doctype.naming, &old),
            may_rename: Sides::from_fn(|side| doctype.schemas[side].allow_rename),
            direction: doctype.config.direction,
        });
        match (found, self.not_renamed.get(&pair.record.id)) {
            (Renaming::Carry(side), Some((tries, message))) if *tries >= MAX_TRIES => {
                Renaming::Keep(format!("{side}: {message}"))
            }
            (found, _) => found,
        }
    }

    /// The decision to carry a rename, where there is one to carry.
    pub(super) fn owed_rename(&self, doctype: &Doctype, pair: &Pair) -> Option<Decision> {
        let Renaming::Carry(target) = self.renaming(doctype, pair) else { return None };
        let source = target.opposite();
        let new = pair.doc(source).map(Doc::name).unwrap_or_default();
        Some(Decision {
            action: Action::Rename,
            direction: Direction::to(target),
            conflict: None,
            skipped: false,
            reason: format!("renamed on {source} to {new}"),
        })
    }

    /// A site did not let us rename a document: it is tried once more, then each side keeps
    /// its name.
    pub(super) fn was_not_renamed(&mut self, record: i64, message: String) -> Aside {
        let tries = self.not_renamed.get(&record).map_or(0, |(tries, _)| *tries);
        self.not_renamed.insert(record, (tries + 1, message));
        Aside { candidate: record, reason: AsideReason::Moved }
    }

    /// Stores renames that have happened; the documents' edits follow.
    pub(super) fn finish_renames(
        &mut self,
        doctype: &Doctype,
        renamed: Vec<Renamed>,
    ) -> anyhow::Result<Vec<Aside>> {
        let mut aside = Vec::new();
        let mut open = VecDeque::from(renamed);
        let mut put_off = 0;
        while let Some(one) = open.pop_front() {
            // A name that was handed on: first the document that had it lets go of it.
            if put_off < open.len() && self.is_name_of_one(doctype, &one, &open)? {
                open.push_back(one);
                put_off += 1;
                continue;
            }
            put_off = 0;
            let mut records = self.state.load_records(&[one.record])?;
            let Some(mut record) = records.pop() else { continue };
            record.names[one.side] = Some(one.new.clone());
            let batches = record
                .names
                .iter()
                .filter_map(|(side, name)| name.clone().map(|name| (side, vec![name])));
            let found = self.read_names(doctype, batches.collect())?;
            let now = Sides::from_fn(|side| {
                let name = record.names[side].as_ref()?;
                found[side].get(name).cloned()
            });
            if now[one.side].as_ref().is_some_and(|doc| !is_same(&record, one.side, doc)) {
                let why = "what has the new name is another document";
                self.state.void_intent(one.intent, why, self.now())?;
                self.leave_for_next_run(&record, why);
                continue;
            }
            let pair = Pair {
                record,
                now: now.map(|_, doc| match doc {
                    Some(doc) => crate::recon::Observed::Present(doc),
                    None => crate::recon::Observed::Absent,
                }),
            };
            let links = self.known_links(doctype, docs_of(std::slice::from_ref(&pair)))?;
            let Some(closing) = self.renamed_closing(doctype, &links, &pair, &one)? else {
                continue;
            };
            let at = self.now();
            self.state.close(&[closing], at)?;
            let decision = carried(&one);
            self.report(&pair.record, &decision, ActionStatus::Success, None);
            aside.push(Aside { candidate: one.record, reason: AsideReason::Rest });
        }
        Ok(aside)
    }

    /// Whether a new name is, as far as the state knows, that of one of these documents.
    fn is_name_of_one(
        &self,
        doctype: &Doctype,
        one: &Renamed,
        others: &VecDeque<Renamed>,
    ) -> anyhow::Result<bool> {
        let holder = self.state.record_by_name(&doctype.config.doctype, one.side, &one.new)?;
        let is_held = |holder: Record| {
            let is_holder = |other: &Renamed| other.side == one.side && other.record == holder.id;
            holder.id != one.record && others.iter().any(is_holder)
        };
        Ok(holder.is_some_and(is_held))
    }

    /// The bases under their new names, with what both sides hold alike now.
    fn renamed_closing(
        &self,
        doctype: &Doctype,
        links: &LinkTable,
        pair: &Pair,
        one: &Renamed,
    ) -> anyhow::Result<Option<Closing>> {
        let Some(bases) = &pair.record.bases else { return Ok(None) };
        // Of a submitted document the sync form lacks what can no longer be edited.
        let form = |side: Side| match pair.doc(side) {
            Some(doc) => doctype.shape.whole_form(doc, &|to, name| links.id(side, to, name)),
            None => Form::default(),
        };
        let forms = Sides::from_fn(form);
        let differing = forms.cloud.differing(&forms.local);
        let side_state = |side: Side| {
            let mut content = bases[side].content.clone();
            let name = pair.record.names[side].clone().unwrap_or_default();
            content.0.insert("name".to_owned(), name.clone().into());
            if let (Some(now), Some(_)) = (pair.doc(side), pair.doc(side.opposite())) {
                let alike = doctype.shape.columns.keys().filter(|field| !differing.contains(field));
                for field in alike {
                    let value = now.0.get(field).cloned().unwrap_or(Value::Null);
                    content.0.insert(field.clone(), value);
                }
            }
            SideState {
                name,
                creation: pair.record.creations[side].clone().unwrap_or_default(),
                modified: bases[side].modified.clone(),
                seen: pair.doc(side).map(|doc| doc.modified().to_owned()),
                hash: hash_of(doctype, links, side, &content),
                content,
            }
        };
        let is_open = self.state.is_in_conflict(pair.record.id)?;
        let digest = pair.record.form_digest.clone();
        Ok(Some(Closing {
            record: one.record,
            sides: Sides::from_fn(side_state),
            form_digest: digest.unwrap_or_else(|| doctype.shape.digest().to_owned()),
            status: if is_open { RecordStatus::Conflict } else { RecordStatus::Pending },
            direction: Direction::to(one.side),
            reason: pair.record.reason.clone(),
            log: Some(self.entry(&carried(one), LogStatus::Success, None)),
            rows: None,
            intent: Some(one.intent),
            resolution: None,
        }))
    }
}

fn carried(one: &Renamed) -> Decision {
    Decision {
        action: Action::Rename,
        direction: Direction::to(one.side),
        conflict: None,
        skipped: false,
        reason: one.reason.clone(),
    }
}
