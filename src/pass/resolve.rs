//! Resolve: settles one recorded conflict as a person decided.
//!
//! The rules kept here: both documents are read again first, and where one is no longer what
//! the person saw, nothing is written (invariants 3 and 5); a conflict is marked as settled
//! only by the closing of the write that settles it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::{Map, Value};

use crate::config::DoctypeConfig;
use crate::identity::LinkTable;
use crate::model::{Action, ConflictKind, DOCSTATUS, Direction, Doc, Side, Sides};
use crate::recon::{Decision, Observed, Place, field_of, unshared, what_stays};
use crate::state::{Conflict, LogStatus, RecordStatus, Resolution};

use super::apart::is_about_identity;
use super::close::agreed;
use super::links::docs_of;
use super::refusals::{
    against_docstatus, against_the_rule, changed_side, leaves_both, not_let_go, unsent_links,
};
use super::requests::{fields_to_send, winner};
use super::wanted::{CANCELLED, Wanted, wanted_version, written_last};
use super::{
    ActionStatus, Aside, AsideReason, Doctype, Forms, Operation, Pair, Pass, Refusal, Step,
    WholeForms, Write,
};

/// What a person decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// One side's version, whole.
    Take(Side),
    /// Two documents: each is created on the other side.
    Both,
    /// Field by field: the side to take a field from, and values of the person's own. Fields
    /// that are not named are taken from `rest`.
    Fields {
        /// The side to take each named field from.
        sides: BTreeMap<String, Side>,
        /// Values in place of either.
        values: Map<String, Value>,
        /// The side to take the other fields from; without it all that differ must be named.
        rest: Option<Side>,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Settled, and written.
    Settled,
    /// It had settled itself.
    Superseded,
    /// Not settled. Nothing was written.
    Refused(Refusal),
    /// A write failed, for this reason.
    Failed(String),
}

impl Pass<'_> {
    /// Settles a conflict.
    ///
    /// # Errors
    /// A site that is down, or an unusable state.
    pub fn resolve(
        &mut self,
        config: &DoctypeConfig,
        conflict: &Conflict,
        choice: &Choice,
    ) -> anyhow::Result<Resolved> {
        self.check_interrupted()?;
        let config = self.effective(config);
        self.counts(&config.doctype);
        self.settle(&config)?;
        if self.state.conflict(conflict.id)?.is_some_and(|now| now.resolution.is_some()) {
            let reason = "an earlier request about it came to nothing, and it is looked at anew";
            let hint = "erpsync sync-all, then erpsync conflicts";
            return Ok(Resolved::Refused(Refusal::new(reason, hint)));
        }
        let doctype = self.load_doctype(config)?;
        self.named.entry(conflict.doctype.clone()).or_default().push(conflict.record);
        let Look { pair, links, forms, decision } = self.look(&doctype, conflict)?;
        if is_about_identity(conflict.kind)
            && decision.conflict.is_none_or(is_about_identity)
            && !is_moot(&decision)
            && !is_called_one(conflict, &pair, choice)
        {
            return self.tell_apart(&doctype, conflict, &pair, choice);
        }
        let is_gone = pair.now.iter().any(|(_, now)| matches!(now, Observed::Absent));
        let is_against_deletion = [conflict.kind, decision.conflict.unwrap_or(conflict.kind)]
            .contains(&ConflictKind::EditDelete);
        if is_gone && is_against_deletion && !decision.skipped {
            return self.resolve_gone(&doctype, conflict, &pair, forms, &links, choice);
        }
        if let Some(refusal) = self.cannot(conflict, &pair, &decision)? {
            return Ok(Resolved::Refused(refusal));
        }
        if decision.conflict.is_none() {
            return self.moot(&doctype, &pair, &forms, &decision);
        }
        if let Some(side) = changed_side(&doctype, conflict, &pair) {
            self.refresh(pair, forms, decision)?;
            return Ok(Resolved::Refused(Refusal::changed(conflict, side)));
        }
        let wanted = match wanted_version(&doctype, &pair, &forms, &links, choice) {
            Err(refusal) => return Ok(Resolved::Refused(refusal)),
            Ok(wanted) => wanted,
        };
        if let Some(refusal) = against_docstatus(&pair, &forms, &decision, &wanted) {
            return Ok(Resolved::Refused(refusal));
        }
        if let Some(side) = leaves_both(&doctype, &pair, &wanted) {
            return self.leave_both(&doctype, &pair, &forms, side);
        }
        if let Some(refusal) = against_the_rule(&doctype, &pair, &wanted) {
            return Ok(Resolved::Refused(refusal));
        }
        let look = Look { pair, links, forms, decision };
        match wanted {
            Wanted::Side(side) => self.take(&doctype, conflict, look, side),
            Wanted::Merged(version) => self.write_merged(&doctype, conflict, look, &version),
        }
    }

    /// The sides agree by themselves: only the state is written. Where one is back at its
    /// base, what follows is an ordinary update, and not what the person saw.
    fn moot(
        &mut self,
        doctype: &Doctype,
        pair: &Pair,
        forms: &Forms,
        decision: &Decision,
    ) -> anyhow::Result<Resolved> {
        if !is_moot(decision) {
            return Ok(Resolved::Refused(Refusal::by_the_next_sync(format!(
                "there is no conflict any more: {}; the next sync carries it over",
                decision.reason
            ))));
        }
        let now = self.now();
        let mut closing = agreed(doctype, pair, forms).context("nothing to agree on")?;
        closing.log = Some(self.entry(decision, LogStatus::Success, None));
        self.state.close(&[closing], now)?;
        self.report(&pair.record, decision, ActionStatus::Success, None);
        Ok(Resolved::Superseded)
    }

    /// By a one-way rule nothing is written to the one side, and nothing can be to the other,
    /// which is further on: both stand as they are, until one of them changes again.
    fn leave_both(
        &mut self,
        doctype: &Doctype,
        pair: &Pair,
        forms: &Forms,
        side: Side,
    ) -> anyhow::Result<Resolved> {
        let now = self.now();
        let reason = format!("a person left both as they are: {side} is further on");
        let decision = Decision { action: Action::Resolve, ..Decision::skip(reason) };
        let mut closing = agreed(doctype, pair, forms).context("nothing to leave")?;
        closing.status = RecordStatus::Skipped;
        closing.reason = Some(decision.reason.clone());
        closing.resolution = Some(winner(side));
        closing.log = Some(self.entry(&decision, LogStatus::Success, None));
        self.state.close(&[closing], now)?;
        self.report(&pair.record, &decision, ActionStatus::Skipped, None);
        Ok(Resolved::Settled)
    }

    /// A new conflict in place of one that has been settled by half: both versions that the
    /// person saw stay in the old record.
    fn renew(
        &mut self,
        conflict: &Conflict,
        pair: Pair,
        forms: Forms,
        decision: Decision,
    ) -> anyhow::Result<()> {
        let now = self.now();
        self.state.supersede_conflict(conflict.record, now)?;
        let kind = decision.conflict.or(Some(conflict.kind));
        self.refresh(pair, forms, Decision { conflict: kind, ..decision })
    }

    /// Shows both versions as they are now.
    pub(super) fn refresh(
        &mut self,
        pair: Pair,
        forms: Forms,
        decision: Decision,
    ) -> anyhow::Result<()> {
        let decision =
            Decision { action: Action::Conflict, direction: Direction::None, ..decision };
        self.record_conflict(&Operation { pair, forms, decision, step: Step::Record })
    }

    /// One side's version is written to the other.
    fn take(
        &mut self,
        doctype: &Doctype,
        conflict: &Conflict,
        look: Look,
        side: Side,
    ) -> anyhow::Result<Resolved> {
        let Look { pair, links, forms, .. } = &look;
        let source = pair.doc(side).context("nothing to take")?;
        let fields = forms.differing();
        let write = self.update_for(doctype, pair, source, &fields, links, side.opposite())?;
        let mut reason = format!("a person took {side}'s version");
        if source.docstatus() == CANCELLED {
            let stays = what_stays(&beyond_reach(forms));
            if !stays.is_empty() {
                reason = format!("{reason}, cancelled on {side}{stays}");
            }
        }
        self.send_steps(doctype, conflict, look, write, winner(side), &reason)
    }

    /// A version that neither side has: written to the one site first, then carried to the
    /// other like any edit made there. A cancelled document takes nothing any more.
    fn write_merged(
        &mut self,
        doctype: &Doctype,
        conflict: &Conflict,
        look: Look,
        version: &Doc,
    ) -> anyhow::Result<Resolved> {
        let Look { pair, links, forms, .. } = &look;
        let from = written_last(pair);
        let target = from.opposite();
        let ids = |linked: &str, name: &str| links.id(from, linked, name);
        let wanted = doctype.shape.sync_form(version, &ids);
        let for_target = wanted.differing(&forms.now[target]);
        let source = pair.doc(from).context("nothing to merge with")?;
        let mut write = self.update_for(doctype, pair, version, &for_target, links, target)?;
        let stage = write.carried.docstatus();
        write.carried = source.clone();
        write.carried.0.insert(DOCSTATUS.to_owned(), stage.into());
        if source.docstatus() != CANCELLED {
            let value = |field: &String| source.0.get(field).cloned().unwrap_or(Value::Null);
            let for_source = wanted.differing(&forms.now[from]).into_iter();
            write.owed = for_source.map(|field| (field.clone(), value(&field))).collect();
        }
        let reason = "a person put the versions together";
        self.send_steps(doctype, conflict, look, write, Resolution::Merge, reason)
    }

    /// Reads the conflict's document again on both sides, and decides about it anew.
    fn look(&mut self, doctype: &Doctype, conflict: &Conflict) -> anyhow::Result<Look> {
        let pairs = self.fetch(doctype, &[conflict.record])?;
        let mut links = self.known_links(doctype, docs_of(&pairs))?;
        self.add_naming(doctype, &pairs, &mut links)?;
        let pair = pairs.into_iter().next().context("the conflict's document is not known")?;
        let (forms, decision) = self.judge(doctype, &pair, &links)?;
        Ok(Look { pair, links, forms, decision })
    }

    /// Sends the write that settles the conflict, and what follows on it: the other half of a
    /// version put together, a submission, a cancellation. Only the last one settles it.
    fn send_steps(
        &mut self,
        doctype: &Doctype,
        conflict: &Conflict,
        mut look: Look,
        mut write: Write,
        resolution: Resolution,
        reason: &str,
    ) -> anyhow::Result<Resolved> {
        for step in 0..STEPS {
            let shown = (step == 0).then_some(conflict.kind);
            write.resolution = (!write.is_half()).then_some(resolution);
            let Look { pair, forms, .. } = look;
            match self.send_resolution(doctype, conflict, shown, pair, forms, write, reason)? {
                Sent::Done(resolved) => return Ok(resolved),
                Sent::Half => {}
            }
            look = self.look(doctype, conflict)?;
            let Some(next) = self.next_step(doctype, &look)? else {
                self.renew(conflict, look.pair, look.forms, look.decision)?;
                return Ok(Resolved::Refused(edited_meanwhile(conflict)));
            };
            write = next;
        }
        Ok(Resolved::Refused(Refusal::by_the_next_sync("only half of it was written")))
    }

    /// What is to follow on one half of a settlement, where nobody has edited since.
    fn next_step(&self, doctype: &Doctype, look: &Look) -> anyhow::Result<Option<Write>> {
        let Look { pair, links, forms, decision } = look;
        let Some(target) = decision.direction.target() else { return Ok(None) };
        let fields = match decision.action {
            _ if decision.conflict.is_some() => return Ok(None),
            Action::Update => forms.now.cloud.differing(&forms.now.local),
            Action::Submit | Action::Cancel => fields_to_send(forms, decision, target),
            _ => return Ok(None),
        };
        let source = pair.doc(target.opposite()).context("nothing to carry over")?;
        self.update_for(doctype, pair, source, &fields, links, target).map(Some)
    }

    /// Sends the write under journal and lock. `shown` is the conflict whose versions are
    /// recorded with it: what the person saw, not what a first half has written.
    #[allow(clippy::too_many_arguments, reason = "a write, and all that is stored with it")]
    fn send_resolution(
        &mut self,
        doctype: &Doctype,
        conflict: &Conflict,
        shown: Option<ConflictKind>,
        pair: Pair,
        forms: Forms,
        write: Write,
        reason: &str,
    ) -> anyhow::Result<Sent> {
        if let Some(refusal) = unsent_links(&write) {
            return Ok(Sent::Done(Resolved::Refused(refusal)));
        }
        let decision = Decision {
            action: if write.is_half() { Action::Resolve } else { Action::Update },
            direction: Direction::to(write.side),
            conflict: shown,
            skipped: false,
            reason: reason.to_owned(),
        };
        let write = Write { log_as: Action::Resolve, ..write };
        let step = Step::Send(write.clone());
        let operation = Operation { pair, forms, decision, step };
        self.send_decided(doctype, conflict, operation, write)
    }

    /// Sends the write of an operation that settles the conflict, or half of it.
    pub(super) fn send_decided(
        &mut self,
        doctype: &Doctype,
        conflict: &Conflict,
        operation: Operation,
        write: Write,
    ) -> anyhow::Result<Sent> {
        let pair = operation.pair.clone();
        let is_half = write.is_half();
        let aside = self.write(doctype, vec![(operation, write)])?;
        if let Some((side, message)) = aside.iter().find_map(held_by) {
            return Ok(Sent::Done(Resolved::Refused(not_let_go(&pair, side, message))));
        }
        let now = self.state.conflict(conflict.id)?;
        if now.is_some_and(|conflict| conflict.resolution.is_some()) {
            return Ok(Sent::Done(Resolved::Settled));
        }
        Ok(match self.failure_of(&pair) {
            Some(message) => Sent::Done(Resolved::Failed(message)),
            None if is_half && aside.is_empty() => Sent::Half,
            None => Sent::Done(Resolved::Refused(edited_meanwhile(conflict))),
        })
    }

    /// What this run says about a failure of a document.
    fn failure_of(&self, pair: &Pair) -> Option<String> {
        let line =
            self.summary.actions.iter().rev().find(|line| {
                line.doctype == pair.record.doctype && line.name == pair.record.docname
            })?;
        let message = line.message.as_ref().unwrap_or(&line.reason);
        (line.status == ActionStatus::Failed).then(|| match line.direction.target() {
            Some(side) => format!("{side}: {message}"),
            None => message.clone(),
        })
    }
}

/// Somebody wrote between our look and our request.
fn edited_meanwhile(conflict: &Conflict) -> Refusal {
    Refusal::look_again(conflict, "edited while it was being settled")
}

/// Whether nothing is left to be settled.
fn is_moot(decision: &Decision) -> bool {
    !decision.skipped && matches!(decision.action, Action::Noop | Action::Adopt)
}

/// Whether a person says that a request whose outcome nobody knows has made the other one: then
/// they are versions of one document.
fn is_called_one(conflict: &Conflict, pair: &Pair, choice: &Choice) -> bool {
    let is_on_both = Side::BOTH.into_iter().all(|side| pair.doc(side).is_some());
    conflict.kind == ConflictKind::UnknownOutcome && is_on_both && *choice != Choice::Both
}

/// Which side does not cancel or delete a document, and why.
fn held_by(aside: &Aside) -> Option<(Side, &str)> {
    match &aside.reason {
        AsideReason::Held(side, message) => Some((*side, message)),
        _ => None,
    }
}

/// A conflict's document as it is now.
struct Look {
    pair: Pair,
    links: LinkTable,
    forms: Forms,
    decision: Decision,
}

/// What came of a write.
pub(super) enum Sent {
    /// Written; the other half is to follow.
    Half,
    Done(Resolved),
}

/// How many requests a settlement takes at the most: a draft is edited, submitted, cancelled.
const STEPS: usize = 3;

/// What each side has changed where no update reaches.
fn beyond_reach(forms: &Forms) -> Sides<BTreeSet<Place>> {
    let Some(WholeForms { now, base: Some(base) }) = &forms.whole else {
        return Sides::default();
    };
    let open = forms.now.cloud.differing(&forms.now.local);
    Sides::from_fn(|side| {
        let mut changed = unshared(base.as_ref(), now.as_ref(), side);
        changed.retain(|place| !open.iter().any(|field| field == field_of(place)));
        changed
    })
}
