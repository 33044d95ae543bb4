//! Judge: what is to be decided about a pair, and what it is decided from.
//!
//! The rule kept here: a base is compared in today's form, whatever form it was hashed in, so
//! that a change of configuration or metadata never looks like an edit (invariant 6).

use std::borrow::Cow;

use crate::identity::LinkTable;
use crate::model::{
    Action, Collisions, ConflictKind, Deletes, Direction, Doc, FieldKind, Form, Meeting, Policy,
    Side, Sides, canonical_scalar,
};
use crate::recon::{
    Decision, Observed, RUNS, Renaming, Rules, SiteClock, Situation, Standing, Turn, Version,
    brought_back, decide, is_ping_pong, ping_pong,
};
use crate::state::UNANSWERED;

use super::merges::is_unsaved;
use super::settle::EDITED;
use super::wrong_side::standing_of;
use super::{Doctype, Forms, Pair, Pass, Rule, WholeForms};

impl Pass<'_> {
    pub(super) fn judge(
        &mut self,
        doctype: &Doctype,
        pair: &Pair,
        links: &LinkTable,
    ) -> anyhow::Result<(Forms, Decision)> {
        let forms = forms(doctype, pair, links);
        if pair.record.is_syncing {
            return Ok((forms, Decision::skip(UNANSWERED)));
        }
        if self.awaited_with(pair).is_some() {
            let reason = "may be what an earlier request made whose outcome is waited for";
            return Ok((forms, Decision::skip(reason)));
        }
        let is_there = Side::BOTH.into_iter().all(|side| pair.doc(side).is_some());
        let renaming =
            if is_there { self.renaming(doctype, &pair.record)? } else { Renaming::None };
        if let Renaming::Carry(target) = renaming {
            return Ok((forms, Self::owed_rename(pair, target)));
        }
        self.tell_of_names(&pair.record, &renaming)?;
        let told = Told { new_fields: self.new_fields(doctype, pair)?, undone: self.undone(pair)? };
        let meeting = self.meeting_of(doctype, pair, links)?;
        let is_barred =
            meeting == Meeting::TwoDocuments && self.are_amendments_of_one(doctype, pair)?;
        let collisions = if is_barred { Collisions::Manual } else { doctype.config.collisions };
        let judged = |clocks| judge_with(doctype, pair, &forms, meeting, collisions, &told, clocks);
        let mut decision = judged(None);
        if decision.conflict.is_some() && doctype.config.policy == Policy::LatestTimestamp {
            let clocks = self.clocks()?;
            decision = judged(Some(&clocks));
        }
        if let Renaming::Keep(reason)
        | Renaming::Apart(reason)
        | Renaming::Withheld(reason)
        | Renaming::Refused(reason) = renaming
            && decision.action != Action::Noop
        {
            decision.reason = format!("{}; {reason}", decision.reason);
        }
        let decision = self.told_of_merges(doctype, pair, &forms, decision)?;
        let decision = if let Some(standing) = standing_of(pair) {
            brought_back(standing, decision)
        } else if is_rewritten(doctype, pair, &decision) {
            Decision {
                action: Action::Conflict,
                direction: Direction::None,
                reason: REWRITTEN.to_owned(),
                ..decision
            }
        } else if self.plays_ping_pong(pair, &decision)? {
            ping_pong()
        } else {
            decision
        };
        Ok((forms, decision))
    }

    /// Whether a plain update would only go on with what the sites do to each other's copies.
    fn plays_ping_pong(&self, pair: &Pair, decision: &Decision) -> anyhow::Result<bool> {
        let is_plain = decision.action == Action::Update && decision.conflict.is_none();
        let Some(target) = decision.direction.target().filter(|_| is_plain) else {
            return Ok(false);
        };
        let Some(source) = pair.doc(target.opposite()) else { return Ok(false) };
        let turn = |side: Side, run, source: &Doc| Turn {
            side,
            run,
            is_ours: source.text("modified_by") == Some(self.users[side.opposite()].as_str()),
        };
        let next = turn(target, self.run, source);
        if !next.is_ours {
            return Ok(false);
        }
        let past = self.state.past_writes(pair.record.id, RUNS)?;
        let earlier: Vec<Turn> =
            past.iter().map(|write| turn(write.side, write.run, &write.source)).collect();
        Ok(is_ping_pong(next, &earlier))
    }

    /// The side that was saved by somebody after an update was sent there whose answer was lost,
    /// where nothing was sent since.
    fn undone(&self, pair: &Pair) -> anyhow::Result<Option<Side>> {
        if pair.record.bases.is_none() {
            return Ok(None);
        }
        let last = self.state.last_void(pair.record.id)?;
        Ok(last.filter(|last| last.outcome == EDITED).map(|last| last.side))
    }

    /// The fields that count today and did not when the bases were written.
    fn new_fields(&self, doctype: &Doctype, pair: &Pair) -> anyhow::Result<Vec<String>> {
        let Some(digest) = &pair.record.form_digest else { return Ok(Vec::new()) };
        if is_of_today(doctype, digest) {
            return Ok(Vec::new());
        }
        let Some(known) = self.state.shape_fields(digest)? else { return Ok(Vec::new()) };
        let mut fields = doctype.shape.content_fields();
        fields.retain(|field| !known.contains(field));
        Ok(fields)
    }
}

/// Whether a base was hashed under today's shape.
fn is_of_today(doctype: &Doctype, form_digest: &str) -> bool {
    form_digest == doctype.shape.digest() || !doctype.rules.keeps(Rule::FormDigest)
}

/// Both sides' forms, and the bases' in today's form. A base whose hash was made under
/// today's shape and that is equal now needs no second look.
fn forms(doctype: &Doctype, pair: &Pair, links: &LinkTable) -> Forms {
    let form_of = |side: Side, doc: &Doc| {
        doctype.shape.sync_form(doc, &|linked, name| links.id(side, linked, name))
    };
    let now = Sides::from_fn(|side| {
        compared(pair, side).map(|doc| form_of(side, &doc)).unwrap_or_default()
    });
    let digest = pair.record.form_digest.as_deref();
    let is_todays = digest.is_some_and(|digest| is_of_today(doctype, digest));
    let base = pair.record.bases.as_ref().map(|bases| {
        Sides::from_fn(|side| match &pair.record.hashes[side] {
            Some(hash) if is_todays && now[side].hash() == *hash => now[side].clone(),
            _ => doctype.shape.sync_form(&bases[side].content, &|linked, name| {
                links.id_at(side, linked, name, pair.record.last_synced)
            }),
        })
    });
    let docs = pair.record.bases.iter().flat_map(|bases| [&bases.cloud, &bases.local]);
    let docs = docs.map(|base| &base.content);
    let is_draft = |doc: &Doc| doc.docstatus() == 0;
    let are_drafts = docs.chain(Side::BOTH.iter().filter_map(|side| pair.doc(*side))).all(is_draft);
    let whole = (!are_drafts).then(|| whole_forms(doctype, pair, links));
    let forms = Forms { now, base, whole };
    match standing_of(pair) {
        Some(Standing::AsRestored(side)) => since(forms, side),
        Some(Standing::Missing(side)) => since(forms, side.opposite()),
        Some(Standing::EditedSince(_)) | None => forms,
    }
}

/// The forms as if both sides had last agreed on what this one shows now.
fn since(mut forms: Forms, side: Side) -> Forms {
    let agreed = |now: &Sides<Form>| Some(Sides::new(now[side].clone(), now[side].clone()));
    if let Some(whole) = &mut forms.whole {
        whole.base = agreed(&whole.now);
    }
    forms.base = agreed(&forms.now);
    forms
}

/// A side's document as it is compared. A copy says that its posting time was entered where
/// the original says that the site gave it: without a common base that is no difference, and the
/// time counts on neither.
pub(super) fn compared(pair: &Pair, side: Side) -> Option<Cow<'_, Doc>> {
    const FLAG: &str = "set_posting_time";
    let doc = pair.doc(side)?;
    let is_unset = |doc: &Doc| {
        doc.get(FLAG).is_some_and(|flag| canonical_scalar(&FieldKind::Int, flag).is_none())
    };
    if pair.record.bases.is_some() || !pair.doc(side.opposite()).is_some_and(is_unset) {
        return Some(Cow::Borrowed(doc));
    }
    let mut doc = doc.clone();
    doc.0.insert(FLAG.to_owned(), 0.into());
    Some(Cow::Owned(doc))
}

fn whole_forms(doctype: &Doctype, pair: &Pair, links: &LinkTable) -> WholeForms {
    let form_of = |side: Side, doc: &Doc| {
        doctype.shape.whole_form(doc, &|linked, name| links.id(side, linked, name))
    };
    let then = pair.record.last_synced;
    let base_of = |side: Side, doc: &Doc| {
        doctype.shape.whole_form(doc, &|linked, name| links.id_at(side, linked, name, then))
    };
    let now = |side: Side| compared(pair, side).map(|doc| form_of(side, &doc)).unwrap_or_default();
    let bases = pair.record.bases.as_ref();
    WholeForms {
        now: Sides::from_fn(now),
        base: bases.map(|bases| Sides::from_fn(|side| base_of(side, &bases[side].content))),
    }
}

/// What the state alone tells of a document.
struct Told {
    new_fields: Vec<String>,
    undone: Option<Side>,
}

fn judge_with(
    doctype: &Doctype,
    pair: &Pair,
    forms: &Forms,
    meeting: Meeting,
    collisions: Collisions,
    told: &Told,
    clocks: Option<&Sides<Option<SiteClock>>>,
) -> Decision {
    let version = |side: Side, doc: &Doc| Version {
        form: forms.now[side].clone(),
        whole: forms.whole.as_ref().map(|whole| whole.now[side].clone()),
        saved: clocks
            .and_then(|clocks| clocks[side].as_ref())
            .and_then(|clock| clock.moment(doc.modified())),
    };
    let now = Sides::from_fn(|side| match &pair.now[side] {
        Observed::Present(doc) => Observed::Present(version(side, doc)),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason.clone()),
    });
    decide(&Situation {
        base: forms.base.as_ref().map(Sides::as_ref),
        whole_base: forms.whole.as_ref().and_then(|whole| Some(whole.base.as_ref()?.as_ref())),
        now,
        meeting,
        new_fields: told.new_fields.clone(),
        undone: told.undone,
        rules: Rules {
            policy: doctype.config.policy,
            first_meeting: doctype.config.first_meeting,
            collisions,
            deletes: match standing_of(pair) {
                Some(Standing::Missing(_)) => Deletes::Recreate,
                _ => doctype.config.deletes,
            },
            direction: doctype.config.direction,
            submitted: doctype.config.submitted,
        },
    })
}

/// Why no policy settles an edit against what a site has rewritten.
const REWRITTEN: &str = "both changed, one without being saved, as links are when what they point \
    to is merged; a person decides";

/// Whether an edit stands against what the other site itself has rewritten: a document that was
/// changed and not saved since both sides agreed. Neither may overwrite the other.
fn is_rewritten(doctype: &Doctype, pair: &Pair, decision: &Decision) -> bool {
    decision.conflict == Some(ConflictKind::EditEdit)
        && decision.action == Action::Update
        && doctype.config.direction == Direction::Both
        && Side::BOTH.into_iter().any(|side| is_unsaved(pair, side))
}

/// What is never done, whatever was decided: a submitted document is not deleted.
pub(super) fn restrained(pair: &Pair, decision: Decision) -> Decision {
    let is_submitted = |side: &Side| pair.doc(*side).is_some_and(|doc| doc.docstatus() == 1);
    if decision.action == Action::Delete && Side::BOTH.iter().any(is_submitted) {
        let reason = decision.reason;
        return Decision::skip(format!("{reason}; a submitted document is never deleted"));
    }
    decision
}

pub(super) fn is_write(decision: &Decision) -> bool {
    use Action::{Cancel, Create, Submit, Update};
    matches!(decision.action, Create | Update | Submit | Cancel)
}

/// Whether both sides are as their bases are.
pub(super) fn is_unchanged(forms: &Forms, pair: &Pair) -> bool {
    let is_there = Side::BOTH.into_iter().all(|side| pair.doc(side).is_some());
    let whole = forms.whole.as_ref();
    is_there
        && forms.base.as_ref().is_some_and(|base| *base == forms.now)
        && whole.is_none_or(|whole| whole.base.as_ref() == Some(&whole.now))
}
