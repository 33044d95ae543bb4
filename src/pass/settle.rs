//! Settle: finds out what came of requests whose answers an earlier run did not store.
//!
//! The rule kept here: nothing is sent twice on a guess (invariant 3). A request is taken as
//! done only where the target shows it, as not done only where it cannot come any more; what
//! is neither stays open, and its document is left alone.

use serde_json::{Map, Value};

use crate::config::DoctypeConfig;
use crate::identity::row_creations;
use crate::model::{Action, DOCSTATUS, Direction, Doc, Side, Sides};
use crate::recon::{Decision, Fate, removed_rows};
use crate::site::{Site, SiteError, bulk};
use crate::state::{Intent, LogEntry, LogStatus, Unlisted};

use super::anew::is_anew;
use super::delete::Deleted;
use super::lost::unclear;
use super::named::is_second_copy;
use super::renames::Renamed;
use super::reread::{Done, changes};
use super::{Doctype, Pass, Rule, at};

/// Why an update did not happen, as far as anybody can tell.
pub(super) const EDITED: &str = "the target was edited by somebody else";

/// What became of a request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It happened: the target, as it stands now.
    Happened(Doc),
    /// It did not happen, and it will not.
    DidNot(&'static str),
    /// Nobody can say yet.
    Open,
    /// Nobody will be able to say, for this reason.
    Unclear(String),
}

impl Pass<'_> {
    /// Settles the open intents of a doctype.
    pub(super) fn settle(&mut self, config: &DoctypeConfig) -> anyhow::Result<()> {
        let intents = self.state.open_intents(Some(&config.doctype))?;
        if !intents.is_empty() && !self.options.dry_run {
            self.settle_all(config, intents)?;
        }
        self.hold_strangers(config)
    }

    fn settle_all(
        &mut self,
        config: &DoctypeConfig,
        mut intents: Vec<Intent>,
    ) -> anyhow::Result<()> {
        self.opening.forget();
        // What a site has answered with is nobody else's copy.
        intents.sort_by_key(|intent| intent.answer.is_none());
        let doctype = self.load_doctype(config.clone())?;
        let mut done: Vec<Done> = Vec::new();
        let (mut deleted, mut renamed) = (Vec::new(), Vec::new());
        self.settled.extend(intents.iter().map(|intent| intent.record));
        for intent in intents {
            match (intent.action, intent.answer.is_some()) {
                _ if !self.keeps(Rule::Journal) => {
                    self.state.void_intent(intent.id, "forgotten", self.now())?;
                }
                (Action::Delete, true) => deleted.push(Deleted::found(intent)),
                (Action::Delete, false) => deleted.extend(self.settle_delete(&doctype, intent)?),
                (Action::Rename, true) => renamed.push(Renamed::found(&intent)),
                (Action::Rename, false) => renamed.extend(self.settle_rename(&doctype, &intent)?),
                _ => {
                    let found = self.settle_one(&doctype, intent, &done)?;
                    done.extend(found);
                }
            }
        }
        self.finish_writes(&doctype, done, Sides::default())?;
        self.finish_deletes(&doctype, deleted)?;
        self.finish_renames(&doctype, renamed)?;
        Ok(())
    }

    /// `settled` are those that this settling has found already.
    fn settle_one(
        &mut self,
        doctype: &Doctype,
        intent: Intent,
        settled: &[Done],
    ) -> anyhow::Result<Option<Done>> {
        if let Some(answer) = intent.answer.clone() {
            return self.settle_answered(doctype, intent, answer);
        }
        let verdict = match (intent.action, &intent.target_name) {
            (Action::Create, None) => self.find_lost(doctype, &intent, settled)?,
            (Action::Create, Some(name)) => self.find_created(doctype, &intent, name, settled)?,
            _ => {
                find_updated(self.sites[intent.side], doctype, &intent).map_err(at(intent.side))?
            }
        };
        let now = self.now();
        match verdict {
            Verdict::Happened(target) => {
                let answer = as_we_left_it(doctype, &intent, target);
                self.made_ours(doctype, intent, answer)
            }
            Verdict::DidNot(why) => {
                let log = self.may_have_removed(&intent, why);
                self.state.void_logged(intent.id, why, log.as_ref(), now)?;
                if is_anew(intent.action, intent.side, intent.resolution) {
                    self.keep_in_conflict(intent.record)?;
                } else if intent.action != Action::Create && intent.resolution.is_some()
                    || intent.action == Action::Resolve
                {
                    // What was to be settled is looked at anew, and may be another conflict
                    // by now. Both versions stay in the old one.
                    self.state.supersede_conflict(intent.record, now)?;
                }
                Ok(None)
            }
            // The version that the conflict keeps is not to be shown over.
            Verdict::Unclear(reason) if is_anew(intent.action, intent.side, intent.resolution) => {
                self.state.void_intent(intent.id, &reason, now)?;
                self.keep_in_conflict(intent.record).map(|()| None)
            }
            Verdict::Unclear(reason) => self.give_up_on(&intent, reason).map(|()| None),
            Verdict::Open => {
                self.waits_for_outcome(&intent);
                self.wait_for_outcome(intent.record)?;
                Ok(None)
            }
        }
    }

    /// What is logged of an update that is decided anew: it may have removed rows before
    /// somebody edited the target, or still do so, and nobody else would have kept them.
    fn may_have_removed(&self, intent: &Intent, why: &str) -> Option<LogEntry> {
        let removed = removed_by(intent);
        if removed.is_empty() {
            return None;
        }
        let decision = Decision {
            action: intent.action,
            direction: Direction::to(intent.side),
            conflict: None,
            skipped: false,
            reason: format!("{}: decided anew, its answer was lost", intent.reason),
        };
        let mut entry = self.entry(&decision, LogStatus::Failed, Some(why));
        entry.changes = Some(changes(&intent.sent, removed));
        Some(entry)
    }

    /// Whether a rename has happened: the very same document has the new name.
    fn settle_rename(
        &mut self,
        doctype: &Doctype,
        intent: &Intent,
    ) -> anyhow::Result<Option<Renamed>> {
        let (side, now) = (intent.side, self.now());
        let name = intent.sent.name();
        let found = read_one(self.sites[side], doctype, side, &name).map_err(at(side))?;
        let creation = intent.target.as_ref().map(Doc::creation);
        if found.is_some_and(|doc| Some(doc.creation()) == creation) {
            return Ok(Some(Renamed::found(intent)));
        }
        self.state.void_intent(intent.id, "the document does not have the new name", now)?;
        Ok(None)
    }

    /// Whether a deletion has happened: only where all the evidence says so. It has no lock: should
    /// it come late, it takes with it what was entered since, and only as long as its intent is
    /// open is that looked for.
    fn settle_delete(
        &mut self,
        doctype: &Doctype,
        intent: Intent,
    ) -> anyhow::Result<Option<Deleted>> {
        let side = intent.side;
        let name = intent.target_name.clone().unwrap_or_default();
        let creation = intent.target.as_ref().map(|doc| doc.creation().to_owned());
        let found = read_one(self.sites[side], doctype, side, &name).map_err(at(side))?;
        let found = found.filter(|doc| Some(doc.creation()) == creation.as_deref());
        let (is_open, why) = if let Some(doc) = found {
            let is_edited = Some(doc.modified()) != intent.target_modified.as_deref();
            (is_edited, "the document is still there")
        } else {
            let asked = Unlisted { record: intent.record, side, name, creation };
            self.ask(&doctype.config.doctype, &[asked], Sides::new(u64::MAX, u64::MAX))?;
            if self.fates.get(&(intent.record, side)) == Some(&Fate::Gone) {
                return Ok(Some(Deleted::found(intent)));
            }
            (true, "nobody can say whether it happened")
        };
        if is_open && !self.is_late(&intent) {
            self.wait_for_outcome(intent.record)?;
        } else {
            let now = self.now();
            self.state.void_intent(intent.id, why, now)?;
        }
        Ok(None)
    }

    fn settle_answered(
        &mut self,
        doctype: &Doctype,
        intent: Intent,
        answer: Doc,
    ) -> anyhow::Result<Option<Done>> {
        match (&intent.target_name, intent.action) {
            (Some(name), Action::Create) if is_second_copy(doctype, name, &answer.name()) => {
                let name = name.clone();
                if !self.is_as_answered(doctype, intent.side, &answer)? {
                    let why = "the copy was edited and stays";
                    self.state.void_intent(intent.id, why, self.now())?;
                    return Ok(None);
                }
                self.take_back(doctype, intent.record, intent.side, &name, &answer, intent.id)?;
                Ok(None)
            }
            (_, Action::Create) => self.made_ours(doctype, intent, answer),
            _ => Ok(Some(done(doctype, intent, answer))),
        }
    }

    /// A request that turned out to have happened, with the document as it left it.
    fn made_ours(
        &mut self,
        doctype: &Doctype,
        intent: Intent,
        answer: Doc,
    ) -> anyhow::Result<Option<Done>> {
        let is_taken_in = self.take_in(&intent, &answer)?;
        if is_taken_in || intent.action != Action::Create {
            return Ok(Some(done(doctype, intent, answer)));
        }
        let (name, side) = (answer.name(), intent.side);
        let reason =
            format!("what was made of it, {name:?} on {side}, is known as another document's");
        self.give_up_on(&intent, reason).map(|()| None)
    }

    /// Whether a request that was sent cannot come any more.
    pub(super) fn is_late(&self, intent: &Intent) -> bool {
        let since = self.now().duration_since(intent.created_at).unsigned_abs();
        since >= self.config.settle_after || !self.keeps(Rule::Patience)
    }

    /// Looks for the document that a create was to make under a known name.
    fn find_created(
        &mut self,
        doctype: &Doctype,
        intent: &Intent,
        name: &str,
        settled: &[Done],
    ) -> anyhow::Result<Verdict> {
        let site = self.sites[intent.side];
        let found = read_one(site, doctype, intent.side, name).map_err(at(intent.side))?;
        if let Some(doc) = found.as_ref().filter(|doc| self.is_our_copy(doctype, intent, doc))
            && !self.is_anothers_copy(doctype, intent, doc)?
        {
            return Ok(Verdict::Happened(doc.clone()));
        }
        if let Some(verdict) = self.find_renamed(doctype, intent, settled)? {
            return Ok(verdict);
        }
        Ok(match found {
            Some(doc) if self.is_left_behind(doctype, intent, &doc)? => unclear(intent, &[doc]),
            Some(_) => Verdict::DidNot("another document has this name"),
            // The site itself refuses a second document of this name: it may be sent again.
            None if doctype.naming.is_unique() => Verdict::DidNot("not there"),
            None if self.is_late(intent) => Verdict::DidNot("not there after the time to settle"),
            None => Verdict::Open,
        })
    }

    /// Whether what has the name may be what was made, as a hook wrote it anew, and will not
    /// meet its original any more, because that has another name by now.
    fn is_left_behind(
        &self,
        doctype: &Doctype,
        intent: &Intent,
        doc: &Doc,
    ) -> anyhow::Result<bool> {
        let is_marked = |doc: &Doc| !row_creations(&doctype.shape, doc).is_empty();
        let is_ours = doc.text("owner") == Some(self.users[intent.side].as_str());
        if !is_ours || is_marked(&intent.sent) || is_marked(doc) {
            return Ok(false);
        }
        let known = self.state.record_by_name(&doctype.config.doctype, intent.side, &doc.name())?;
        if known.is_some_and(|known| known.bases.is_some()) {
            return Ok(false);
        }
        let (side, source) = (intent.side.opposite(), &intent.source);
        let found = read_one(self.sites[side], doctype, side, &source.name()).map_err(at(side))?;
        Ok(found.is_none_or(|found| found.creation() != source.creation()))
    }

    /// Whether a document is known as the copy of another one that is called and entered alike.
    fn is_anothers_copy(
        &self,
        doctype: &Doctype,
        intent: &Intent,
        doc: &Doc,
    ) -> anyhow::Result<bool> {
        let known = self.state.record_by_name(&doctype.config.doctype, intent.side, &doc.name())?;
        Ok(known.is_some_and(|known| {
            known.id != intent.record
                && known.names[intent.side.opposite()].is_some()
                && known.creations[intent.side].as_deref() == Some(doc.creation())
        }))
    }

    /// Whether a document is the one that the intent was to make: ours, and its rows carry
    /// the source's `creation`, or, without rows, it holds everything that was sent.
    pub(super) fn is_our_copy(&self, doctype: &Doctype, intent: &Intent, doc: &Doc) -> bool {
        if doc.text("owner") != Some(self.users[intent.side].as_str()) {
            return false;
        }
        let rows = row_creations(&doctype.shape, doc);
        if rows.is_empty() {
            return holds(doctype, &intent.sent, doc);
        }
        rows.iter().any(|creation| creation == intent.source.creation())
    }
}

/// Whether an update has reached the target.
fn find_updated(site: &dyn Site, doctype: &Doctype, intent: &Intent) -> Result<Verdict, SiteError> {
    let Some(name) = &intent.target_name else { return Ok(Verdict::DidNot("no target")) };
    let Some(doc) = read_one(site, doctype, intent.side, name)? else {
        return Ok(Verdict::DidNot("the target is not found"));
    };
    if Some(doc.modified()) == intent.target_modified.as_deref() {
        // The request carried that `modified`: should it still come, the decision made anew
        // is refused as stale, or it is.
        return Ok(Verdict::DidNot("the target is as it was"));
    }
    if holds(doctype, &intent.sent, &doc) {
        return Ok(Verdict::Happened(doc));
    }
    Ok(Verdict::DidNot(EDITED))
}

/// Whether a document holds every field that was sent.
pub(super) fn holds(doctype: &Doctype, sent: &Doc, doc: &Doc) -> bool {
    let mut wanted = doc.clone();
    for (field, value) in &sent.0 {
        wanted.0.insert(field.clone(), value.clone());
    }
    let form = |doc: &Doc| doctype.identity_form(doc, &|_, _| None);
    // It may have gone on since: submitted by us and cancelled by a user.
    form(&wanted) == form(doc) && doc.docstatus() >= sent.docstatus()
}

/// What our request left behind, of a target as it stands now: the target as it was, with what
/// was sent over it. What differs from that somebody has edited since, whoever `modified_by`
/// names (people may share our login): it is an edit, and never goes into a base (invariant 1).
/// What each site works out by itself is in no form, and stays as it is.
fn as_we_left_it(doctype: &Doctype, intent: &Intent, now: Doc) -> Doc {
    let is_untouched = intent.action == Action::Create && now.modified() == now.creation();
    if is_untouched {
        return now;
    }
    let ours = written_over(doctype, intent, &now);
    let form = |doc: &Doc| doctype.shape.whole_form(doc, &|_, _| None);
    let edited = form(&now).differing(&form(&ours));
    if edited.is_empty() {
        return now;
    }
    let mut left = now;
    for field in edited {
        match ours.0.get(&field) {
            Some(value) => drop(left.0.insert(field, value.clone())),
            None => drop(left.0.remove(&field)),
        }
    }
    let stamp = intent.target_modified.clone().unwrap_or_else(|| left.creation().to_owned());
    left.0.insert("modified".to_owned(), stamp.into());
    left
}

/// A document with each of its fields as it was before the request, or as that has set it.
fn written_over(doctype: &Doctype, intent: &Intent, now: &Doc) -> Doc {
    let mut ours = now.clone();
    let docstatus = DOCSTATUS.to_owned();
    for field in doctype.shape.columns.keys().chain([&docstatus]) {
        let before = || intent.target.as_ref()?.0.get(field);
        match intent.sent.0.get(field).or_else(before) {
            Some(value) => drop(ours.0.insert(field.clone(), value.clone())),
            None => drop(ours.0.remove(field)),
        }
    }
    ours
}

fn read_one(
    site: &dyn Site,
    doctype: &Doctype,
    side: Side,
    name: &str,
) -> Result<Option<Doc>, SiteError> {
    let docs = bulk::fetch_docs(site, &doctype.schemas[side], &[name.to_owned()])?;
    Ok(docs.into_iter().find(|doc| doc.name() == name))
}

/// The rows that a request removes from its target, of an update.
fn removed_by(intent: &Intent) -> Map<String, Value> {
    let target = intent.target.as_ref().filter(|_| intent.action != Action::Create);
    target.map(|target| removed_rows(&intent.sent, target)).unwrap_or_default()
}

fn done(doctype: &Doctype, intent: Intent, answer: Doc) -> Done {
    // Of one half of a settlement, the fields left out are owed to the source; a submission or
    // a cancellation follows from there.
    let is_half = intent.action == Action::Resolve;
    let left_out = |field: &String| {
        (field.clone(), intent.source.0.get(field).cloned().unwrap_or(Value::Null))
    };
    let fields = intent.omitted.iter().filter(|field| is_half && *field != DOCSTATUS);
    let owed: Map<String, Value> = fields.map(left_out).collect();
    let removed = removed_by(&intent);
    let was_named =
        intent.target_name.filter(|name| intent.action == Action::Create && *name != answer.name());
    Done {
        record: intent.record,
        intent: intent.id,
        side: intent.side,
        action: intent.action,
        reason: format!("{} (found to have happened)", intent.reason),
        removed,
        source: intent.source,
        answer,
        sent: intent.sent,
        form_digest: intent.form_digest.unwrap_or_else(|| doctype.shape.digest().to_owned()),
        has_more: !is_half && !intent.omitted.is_empty() || was_named.is_some(),
        resolution: intent.resolution,
        log_as: intent.action,
        owed,
        was_named,
    }
}
