//! Lost: looks for what a create made whose answer nobody received, where the site gave the
//! name, or a user has given it another one since.
//!
//! The rule kept here: a document is ours only where nothing else can be (invariant 3): among
//! those that our user made since the request, and that the state does not know, the one whose
//! rows carry the source's `creation`, or, without rows, the only one that holds what was sent.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::config::DoctypeConfig;
use crate::identity::row_creations;
use crate::model::{Action, ConflictKind, Direction, Doc, Side, Sides};
use crate::recon::{Decision, earliest_stamp};
use crate::site::{ListQuery, bulk};
use crate::state::{Intent, Listed, LogStatus, NewConflict, Origin, Record, stamp};

use super::reread::Done;
use super::settle::{Verdict, holds};
use super::waiting::Cause;
use super::{ActionStatus, Candidate, Doctype, Pair, Pass, at};

/// How far a site's clock may be behind what its last answer said.
const SLACK: SignedDuration = SignedDuration::from_mins(1);

impl Pass<'_> {
    /// Looks for the document that a create was to make under a name of the site's own.
    pub(super) fn find_lost(
        &mut self,
        doctype: &Doctype,
        intent: &Intent,
        settled: &[Done],
    ) -> anyhow::Result<Verdict> {
        let mut strangers = self.made_since(doctype, intent)?;
        let (shape, source) = (&doctype.shape, &intent.source);
        // Other rules may have kept its rows back.
        let has_rows = !row_creations(shape, &intent.sent).is_empty();
        // What carries rows is the copy of the document whose they are.
        let is_copy = |doc: &Doc| {
            row_creations(shape, doc).iter().any(|creation| creation == source.creation())
        };
        // Those that a user has entered since say nothing.
        let is_another = |doc: &Doc| {
            let rows = row_creations(shape, doc);
            has_rows && rows.is_empty() || rows.iter().any(|creation| creation != doc.creation())
        };
        strangers.retain(|doc| {
            let is_taken =
                |done: &Done| done.side == intent.side && done.answer.name() == doc.name();
            (is_copy(doc) || !is_another(doc)) && !settled.iter().any(is_taken)
        });
        let is_ours =
            |doc: &&Doc| if has_rows { is_copy(doc) } else { holds(doctype, &intent.sent, doc) };
        let ours: Vec<&Doc> = strangers.iter().filter(is_ours).collect();
        Ok(match ours.as_slice() {
            [one] => Verdict::Happened((*one).clone()),
            [] if !self.is_late(intent) => Verdict::Open,
            [] if strangers.is_empty() => Verdict::DidNot("not there after the time to settle"),
            _ => unclear(intent, &strangers),
        })
    }

    /// Looks for what a create made under a name that it does not have any more: a user has
    /// renamed it since. One without rows tells nobody whose copy it is, whatever it holds: a
    /// hook may have written it anew before the user did.
    pub(super) fn find_renamed(
        &mut self,
        doctype: &Doctype,
        intent: &Intent,
        settled: &[Done],
    ) -> anyhow::Result<Option<Verdict>> {
        let open = self.state.open_intents(Some(&doctype.config.doctype))?;
        let is_anothers = |doc: &Doc| {
            let answer = |done: &Done| done.side == intent.side && done.answer.name() == doc.name();
            let target = |other: &Intent| other.target_name.as_ref() == Some(&doc.name());
            settled.iter().any(answer)
                || open.iter().any(|other| other.side == intent.side && target(other))
        };
        let mut strangers = self.made_since(doctype, intent)?;
        strangers.retain(|doc| !is_anothers(doc));
        let has_rows = !row_creations(&doctype.shape, &intent.sent).is_empty();
        let mut alike = Vec::new();
        for doc in &strangers {
            let is_unmarked = !has_rows && row_creations(&doctype.shape, doc).is_empty();
            if is_unmarked && !self.meets_another(doctype, intent, doc)? {
                alike.push(doc.clone());
            }
        }
        let ours: Vec<&Doc> =
            strangers.iter().filter(|doc| self.is_our_copy(doctype, intent, doc)).collect();
        Ok(match ours.as_slice() {
            [one] => Some(Verdict::Happened((*one).clone())),
            [] => (!alike.is_empty()).then(|| unclear(intent, &alike)),
            _ => Some(unclear(intent, &strangers)),
        })
    }

    /// Whether a document of the side written to has the name of another one of the source's
    /// side that is new there as well: the two meet by it.
    fn meets_another(&self, doctype: &Doctype, intent: &Intent, doc: &Doc) -> anyhow::Result<bool> {
        let (name, from) = (&doctype.config.doctype, intent.side.opposite());
        let namesake = self.state.record_by_name(name, from, &doc.name())?;
        Ok(namesake.is_some_and(|namesake| {
            namesake.id != intent.record
                && namesake.bases.is_none()
                && namesake.names[intent.side].is_none()
        }))
    }

    /// The documents that our user made on the side written to since the request, and that
    /// are not known as another document's.
    fn made_since(&mut self, doctype: &Doctype, intent: &Intent) -> anyhow::Result<Vec<Doc>> {
        let side = intent.side;
        let clock = self.clocks()?[side].clone();
        let zone = clock.as_ref().map(|clock| &clock.zone);
        // Without an answer there was no clock to read.
        let since =
            intent.site_time.unwrap_or(minus(intent.created_at, SignedDuration::from_hours(24)));
        let earliest = earliest_stamp(zone, minus(since, SLACK), self.now());
        let name = &doctype.config.doctype;
        let listed = self.sites[side]
            .list(&ListQuery {
                doctype: name.clone(),
                fields: vec!["name".to_owned()],
                filters: vec![
                    json!(["owner", "=", self.users[side]]),
                    json!(["creation", ">=", earliest.strftime("%Y-%m-%d %H:%M:%S").to_string()]),
                ],
                order_by: "name asc".to_owned(),
                ..ListQuery::default()
            })
            .map_err(at(side))?;
        let mut names: Vec<String> = listed.iter().map(Doc::name).collect();
        let known = self.state.known_names(name, side, &names)?;
        names.retain(|name| known.get(name).is_none_or(|known| !known.has_base));
        bulk::fetch_docs(self.sites[side], &doctype.schemas[side], &names).map_err(at(side))
    }

    /// What turns up beside a request of which nobody can say what came of it waits with it for
    /// a person.
    pub(super) fn hold_strangers(&mut self, config: &DoctypeConfig) -> anyhow::Result<()> {
        for (side, of) in self.state.in_doubt(&config.doctype)? {
            self.awaited.entry((config.doctype.clone(), side)).or_insert(of);
        }
        Ok(())
    }

    /// Remembers that a document may still turn up on the side that was written to.
    pub(super) fn waits_for_outcome(&mut self, intent: &Intent) {
        if intent.action == Action::Create && intent.target_name.is_none() {
            self.awaited.insert((intent.doctype.clone(), intent.side), intent.record);
        }
    }

    /// The same of a create whose answer was lost just now, where the site was to give the name:
    /// what turns up in this run may be what it made.
    pub(super) fn may_have_made(&mut self, record: &Record, side: Side) {
        self.awaited.insert((record.doctype.clone(), side), record.id);
    }

    /// The document that was to be carried over by a request whose outcome is waited for, where
    /// this new one may be what that request made: it is not to be carried over in its turn as
    /// if a user had made it.
    pub(super) fn awaited_with(&self, pair: &Pair) -> Option<Candidate> {
        let doctype = &pair.record.doctype;
        let of = |side: Side| {
            pair.doc(side).filter(|doc| self.is_awaited(side, doc, doctype))?;
            self.awaited.get(&(doctype.clone(), side)).copied()
        };
        // One that waits for a person itself says so.
        let may_wait = pair.record.bases.is_none()
            && pair.record.conflict != Some(ConflictKind::UnknownOutcome);
        Side::BOTH.into_iter().find_map(of).filter(|_| may_wait)
    }

    /// Leaves such a document until it is known what came of the request.
    pub(super) fn wait_with(
        &mut self,
        record: &Record,
        awaited: Candidate,
        reason: &str,
    ) -> anyhow::Result<()> {
        for of in self.state.load_records(&[awaited])? {
            let cause = self.cause(&of)?.map_or_else(
                || Cause { record: awaited, text: reason.to_owned() },
                |cause| Cause { text: format!("{reason}; {}", cause.text), ..cause },
            );
            self.wait(record, &cause)?;
        }
        Ok(())
    }

    /// The same of a document of a side that is known to be new.
    pub(super) fn is_awaited(&self, side: Side, doc: &Doc, doctype: &str) -> bool {
        doc.text("owner") == Some(self.users[side].as_str())
            && self.awaited.contains_key(&(doctype.to_owned(), side))
    }

    /// Puts a document that turned out to be ours into the record that it belongs to: a
    /// listing may have taken it for a new one. `false`, and nothing is changed, where its name
    /// stands for another document that is in step: then a person has to say what it is.
    pub(super) fn take_in(&mut self, intent: &Intent, doc: &Doc) -> anyhow::Result<bool> {
        let now = self.now();
        let listed = Listed {
            name: doc.name(),
            creation: doc.creation().to_owned(),
            modified: doc.modified().to_owned(),
            taken_up: true,
        };
        let united = self.state.unite(intent.record, intent.side, &listed, Origin::Written, now)?;
        let is_taken_in = united.is_some();
        self.joined.extend(united.and_then(|united| united.dissolved));
        Ok(is_taken_in)
    }

    /// Leaves a request to a person of which nobody will be able to say what came of it.
    pub(super) fn give_up_on(&mut self, intent: &Intent, reason: String) -> anyhow::Result<()> {
        let now = self.now();
        let source = intent.side.opposite();
        let shown = Sides::from_fn(|side| {
            if side == source {
                let modified = intent.source.modified().to_owned();
                (Value::Object(intent.source.0.clone()), modified)
            } else {
                (Value::Null, stamp(now))
            }
        });
        let decision = Decision {
            action: Action::Conflict,
            direction: Direction::None,
            conflict: Some(ConflictKind::UnknownOutcome),
            skipped: false,
            reason: reason.clone(),
        };
        let conflict = NewConflict {
            record: intent.record,
            kind: ConflictKind::UnknownOutcome,
            fields: Vec::new(),
            data: Sides::from_fn(|side| shown[side].0.clone()),
            modified: Sides::from_fn(|side| shown[side].1.clone()),
            reason,
            log: Some(self.entry(&decision, LogStatus::Conflict, None)),
        };
        self.state.give_up_intent(intent.id, &conflict, now)?;
        // A person is to see what has its name on the other side as well: it is looked at.
        self.state.clear_seen(&[(intent.record, source)], now)?;
        for record in self.state.load_records(&[intent.record])? {
            self.report(&record, &decision, ActionStatus::Conflict, None);
        }
        Ok(())
    }
}

fn minus(instant: Timestamp, length: SignedDuration) -> Timestamp {
    instant.checked_sub(length).unwrap_or(instant)
}

/// Nobody can say which of some documents a create has made, or whether one of them.
pub(super) fn unclear(intent: &Intent, strangers: &[Doc]) -> Verdict {
    let names: Vec<String> = strangers.iter().map(Doc::name).collect();
    Verdict::Unclear(format!(
        "the answer to a create was lost, and {} has documents that may be what it made: {}",
        intent.side,
        names.join(", ")
    ))
}
