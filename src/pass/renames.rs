//! Renames: what goes to the other side, and what is stored when it has its new name.
//!
//! The rule kept here: a rename is carried by itself, before the edits of either side, and what
//! both sides hold alike after it belongs to their bases; an edit that only one of them holds
//! stays an edit (invariant 1).

use serde_json::{Map, Value};

use crate::identity::{LinkTable, has_natural_name};
use crate::model::{Action, Direction, Doc, Form, Side, Sides};
use crate::recon::{Body, Decision, Names, Renaming, renaming};
use crate::site::{ErrorKind, Site};
use crate::state::{Closing, Intent, LogStatus, Record, RecordStatus, SideState};

use super::close::hash_of;
use super::fetch::{is_same, read_names};
use super::links::docs_of;
use super::requests::sent_fields;
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
    /// Whether that name is one on the way to another.
    pub is_passing: bool,
    pub reason: String,
}

impl Renamed {
    pub(super) fn of(operation: &Operation, write: &Write, intent: i64, answer: &Doc) -> Self {
        Self {
            record: operation.pair.record.id,
            intent,
            side: write.side,
            new: answer.name(),
            is_passing: is_on_the_way(&sent_fields(write), &write.carried),
            reason: operation.decision.reason.clone(),
        }
    }

    /// A rename of an earlier run that turned out to have happened.
    pub(super) fn found(intent: &Intent) -> Self {
        Self {
            record: intent.record,
            intent: intent.id,
            side: intent.side,
            new: intent.answer.as_ref().unwrap_or(&intent.sent).name(),
            is_passing: is_on_the_way(&intent.sent, &intent.source),
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

/// The request that gives a document another name: that of the other side, or one on the way
/// to it.
pub(super) fn rename(pair: &Pair, target: Side, new: String) -> Option<Write> {
    let source = pair.doc(target.opposite())?;
    let doc = pair.doc(target)?.clone();
    Some(Write {
        side: target,
        body: Body::default(),
        carried: source.clone(),
        request: Request::Rename { doc, new },
        resolution: None,
        log_as: Action::Rename,
        owed: Map::new(),
    })
}

impl Pass<'_> {
    /// The same as far as the document alone tells.
    pub(super) fn renaming_alone(
        &self,
        doctype: &Doctype,
        record: &Record,
    ) -> anyhow::Result<Renaming> {
        let (Some(cloud), Some(local)) = (&record.names.cloud, &record.names.local) else {
            return Ok(Renaming::None);
        };
        let Some(bases) = &record.bases else { return Ok(Renaming::None) };
        let mut base = Sides::from_fn(|side| bases[side].content.name());
        // A side that went back has its former name again: that is no rename.
        for side in Side::BOTH.into_iter().filter(|side| record.restored[*side].is_some()) {
            let now = if side == Side::Cloud { cloud } else { local };
            if base.cloud == base.local {
                base[side.opposite()].clone_from(now);
            }
            base[side].clone_from(now);
        }
        let old: Vec<&Doc> = bases.iter().map(|(_, base)| &base.content).collect();
        let mut passing = None;
        for side in Side::BOTH {
            if record.names[side].as_ref() != Some(&base[side]) && self.is_passing(record, side)? {
                passing = Some(side);
            }
        }
        let found = renaming(&Names {
            base: Sides::new(&base.cloud, &base.local),
            now: Sides::new(cloud, local),
            is_natural: has_natural_name(doctype.config.names, &doctype.naming, &old),
            may_rename: Sides::from_fn(|side| doctype.schemas[side].allow_rename),
            direction: doctype.config.direction,
            passing,
        });
        Ok(match (found, self.refused_for_good(record.id)) {
            (Renaming::Carry(side), Some(message)) if passing.is_none() => {
                Renaming::Refused(format!("{side}: {message}"))
            }
            (found, _) => found,
        })
    }

    /// Why a site does not rename a document, where it was asked often enough.
    pub(super) fn refused_for_good(&self, record: i64) -> Option<String> {
        let (tries, message) = self.not_renamed.get(&record)?;
        (*tries >= MAX_TRIES).then(|| message.clone())
    }

    /// The decision to carry a document's new name to a side.
    pub(super) fn owed_rename(pair: &Pair, target: Side) -> Decision {
        let source = target.opposite();
        let new = pair.doc(source).map(Doc::name).unwrap_or_default();
        Decision {
            action: Action::Rename,
            direction: Direction::to(target),
            conflict: None,
            skipped: false,
            reason: format!("renamed on {source} to {new}"),
        }
    }

    /// A site did not let us rename a document: it is tried once more, then each side keeps
    /// its name.
    pub(super) fn was_not_renamed(&mut self, record: i64, message: String) -> Aside {
        let tries = self.not_renamed.get(&record).map_or(0, |(tries, _)| *tries);
        self.not_renamed.insert(record, (tries + 1, message));
        Aside { candidate: record, reason: AsideReason::Moved }
    }

    /// Says of a document that is not given its new name why it is not, and what would help.
    pub(super) fn tell_of_names(
        &mut self,
        record: &Record,
        renaming: &Renaming,
    ) -> anyhow::Result<()> {
        match renaming {
            Renaming::Refused(reason) => {
                let help = "rename one of the two by hand, or free the name: the next run with \
                     --full tries again";
                self.owe_rename(record, reason, help)
            }
            Renaming::Withheld(reason) => {
                let help = "a run with --full that carries both ways does it";
                self.owe_rename(record, reason, help)
            }
            Renaming::Apart(reason) => {
                self.warn_of_names(record, reason, "rename one of the two by hand");
                Ok(())
            }
            Renaming::None | Renaming::Carry(_) | Renaming::Keep(_) => Ok(()),
        }
    }

    fn warn_of_names(&mut self, record: &Record, reason: &str, help: &str) {
        let name = |side: Side| record.names[side].as_deref().unwrap_or("-");
        let (cloud, local) = (name(Side::Cloud), name(Side::Local));
        let doctype = &record.doctype;
        let warning = format!(
            "{doctype}: what is called {cloud} on cloud stays {local} on local: {reason}; {help}"
        );
        if !self.summary.warnings.contains(&warning) {
            self.summary.warnings.push(warning);
        }
    }

    /// A document could not be given its new name: that is told, and stays owed.
    fn owe_rename(&mut self, record: &Record, reason: &str, help: &str) -> anyhow::Result<()> {
        let Some(bases) = record.bases.as_ref().filter(|_| !self.owing.contains_key(&record.id))
        else {
            return Ok(());
        };
        self.owing.insert(record.id, Sides::from_fn(|side| bases[side].content.name()));
        self.warn_of_names(record, reason, help);
        let refused = Decision { action: Action::Rename, ..Decision::skip(reason) };
        let (entry, now) = (self.entry(&refused, LogStatus::Failed, None), self.now());
        Ok(self.state.add_log(record.id, &entry, now)?)
    }

    /// Leaves in the bases the names on which both sides last agreed: so a rename that was
    /// refused is tried again when the document is next looked at.
    pub(super) fn keep_owing(&self, closing: &mut Closing) {
        let Some(names) = self.owing.get(&closing.record) else { return };
        for side in Side::BOTH {
            let name = names[side].clone().into();
            closing.sides[side].content.0.insert("name".to_owned(), name);
        }
    }

    /// Stores renames that have happened; the documents' edits follow.
    pub(super) fn finish_renames(
        &mut self,
        doctype: &Doctype,
        renamed: Vec<Renamed>,
    ) -> anyhow::Result<Vec<Aside>> {
        let mut aside = Vec::new();
        for one in renamed {
            let mut records = self.state.load_records(&[one.record])?;
            let Some(mut record) = records.pop() else { continue };
            if self.is_known_as_another(doctype, &one)? {
                let why = "its new name is known as another document's";
                self.state.void_intent(one.intent, why, self.now())?;
                self.leave_for_next_run(&record, why);
                continue;
            }
            record.names[one.side] = Some(one.new.clone());
            let asked = Sides::from_fn(|side| {
                record.names[side].iter().map(|name| (name.clone(), None)).collect()
            });
            let found = read_names(&self.workers, self.sites, doctype, self.batches(&asked))?;
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
            self.owing.remove(&one.record);
            if !one.is_passing {
                self.report(&pair.record, &carried(&one), ActionStatus::Success, None);
            }
            aside.push(Aside { candidate: one.record, reason: AsideReason::Renamed });
        }
        Ok(aside)
    }

    /// Whether the state knows another document under the new name.
    fn is_known_as_another(&self, doctype: &Doctype, one: &Renamed) -> anyhow::Result<bool> {
        let holder = self.state.record_by_name(&doctype.config.doctype, one.side, &one.new)?;
        Ok(holder.is_some_and(|holder| holder.id != one.record))
    }

    /// The bases under their new names, with what both sides hold alike now. A name for the time
    /// being is nothing that both sides agree on: it does not go into the bases.
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
            if !one.is_passing {
                content.0.insert("name".to_owned(), name.clone().into());
            }
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

/// Whether a rename goes to another name than the source has.
fn is_on_the_way(sent: &Doc, source: &Doc) -> bool {
    sent.name() != source.name()
}

fn carried(one: &Renamed) -> Decision {
    let Renamed { new, reason, .. } = one;
    let reason = if one.is_passing {
        format!("{reason}; as {new} for the time being, until that name is free")
    } else {
        reason.clone()
    };
    Decision {
        action: Action::Rename,
        direction: Direction::to(one.side),
        conflict: None,
        skipped: false,
        reason,
    }
}
