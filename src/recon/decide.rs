//! The decision: what is to be done about one document, given its base and what both sides
//! show now.
//!
//! The rules kept here: an edit survives a deletion (invariant 5); absence counts only where
//! it was observed, never where it is merely not known (invariant 2); two documents are never
//! taken for one (invariant 4). Every decision carries its reason.

use super::changes::agree;
use super::clock::{Moment, Newest, newest};
use super::docstatus::by_docstatus;
use crate::model::{
    Action, Collisions, ConflictKind, Deletes, Direction, FirstMeeting, Form, Meeting, Policy,
    Side, Sides, Submitted,
};

/// What one side shows of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed<T> {
    /// It is there.
    Present(T),
    /// It is certainly not there. Another document may have its name now: that is a document
    /// of its own.
    Absent,
    /// Nobody can say, for this reason: hidden by permissions, not listed, not readable.
    Unknown(String),
}

/// One side's version of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its sync form.
    pub form: Form,
    /// The same with what can no longer be edited, where it is submitted.
    pub whole: Option<Form>,
    /// When it was saved, where that is known.
    pub saved: Option<Moment>,
}

impl Version {
    /// Everything that a person entered.
    pub(super) fn whole(&self) -> &Form {
        self.whole.as_ref().unwrap_or(&self.form)
    }
}

/// One side against its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// As both sides last agreed.
    Unchanged,
    /// Edited since.
    Modified,
    /// Gone since.
    Deleted,
}

/// The configuration's say in a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Who wins a conflict.
    pub policy: Policy,
    /// Whether the policy may decide a first meeting.
    pub first_meeting: FirstMeeting,
    /// What happens to two new documents of one counted name.
    pub collisions: Collisions,
    /// What a deletion does.
    pub deletes: Deletes,
    /// Which way changes may be carried.
    pub direction: Direction,
    /// What happens to submitted documents.
    pub submitted: Submitted,
}

/// Everything that a decision depends on.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// What both sides last agreed on, in today's form.
    pub base: Option<Sides<&'a Form>>,
    /// The same with what can no longer be edited, where a document is submitted.
    pub whole_base: Option<Sides<&'a Form>>,
    /// What the sides show now.
    pub now: Sides<Observed<Version>>,
    /// What the documents are to each other, where there is no base.
    pub meeting: Meeting,
    /// Fields that count since the bases were written and did not before.
    pub new_fields: Vec<String>,
    /// The side of which nobody knows whether an update reached it before it was saved by
    /// somebody: what stands there may be what that person put back.
    pub undone: Option<Side>,
    /// The configuration.
    pub rules: Rules,
}

/// What is to be done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// Which way.
    pub direction: Direction,
    /// The conflict that this settles, or that is left to a person. Both versions are stored
    /// before anything is written.
    pub conflict: Option<ConflictKind>,
    /// Whether the document is left alone although the sides differ.
    pub skipped: bool,
    /// Why, in words for the log.
    pub reason: String,
}

impl Decision {
    pub(super) fn new(action: Action, direction: Direction, reason: impl Into<String>) -> Self {
        Self { action, direction, conflict: None, skipped: false, reason: reason.into() }
    }

    fn noop(reason: impl Into<String>) -> Self {
        Self::new(Action::Noop, Direction::None, reason)
    }

    /// Leaves the document alone although there is something to do.
    #[must_use]
    pub fn skip(reason: impl Into<String>) -> Self {
        Self { skipped: true, ..Self::noop(reason) }
    }

    pub(super) fn of(self, kind: ConflictKind) -> Self {
        Self { conflict: Some(kind), ..self }
    }

    /// Leaves the document to a person.
    #[must_use]
    pub fn recorded(kind: ConflictKind, reason: impl Into<String>) -> Self {
        Self::new(Action::Conflict, Direction::None, reason).of(kind)
    }
}

/// One side against its base; `None` where nobody can say.
#[must_use]
pub fn classify(base: &Form, now: &Observed<Version>) -> Option<Change> {
    match now {
        Observed::Present(version) if version.form == *base => Some(Change::Unchanged),
        Observed::Present(_) => Some(Change::Modified),
        Observed::Absent => Some(Change::Deleted),
        Observed::Unknown(_) => None,
    }
}

/// Decides about one document. A pure function, and the only place where it is decided.
#[must_use]
pub fn decide(situation: &Situation<'_>) -> Decision {
    for (side, observed) in situation.now.iter() {
        if let Observed::Unknown(reason) = observed {
            return Decision::skip(format!("{side}: {reason}"));
        }
    }
    if let Some(decision) = by_docstatus(situation) {
        return decision;
    }
    match &situation.base {
        None => without_base(situation),
        Some(base) => {
            let change = |side: Side| classify(base[side], &situation.now[side]);
            match (change(Side::Cloud), change(Side::Local)) {
                (Some(cloud), Some(local)) => with_base(situation, Sides::new(cloud, local)),
                _ => Decision::skip("not known on one side"),
            }
        }
    }
}

fn without_base(situation: &Situation<'_>) -> Decision {
    match (version(&situation.now.cloud), version(&situation.now.local)) {
        (None, None) => Decision::new(Action::Forget, Direction::None, "on neither side"),
        (Some(_), None) => create(situation, Side::Local),
        (None, Some(_)) => create(situation, Side::Cloud),
        (Some(cloud), Some(local)) => match situation.meeting {
            Meeting::SameDocument | Meeting::BornOn(_) if cloud.form == local.form => {
                Decision::new(Action::Adopt, Direction::None, "equal on both sides")
            }
            // Where the rule lets nothing be written to the side that made it, it is a first
            // meeting like any other: the one direction settles it.
            Meeting::BornOn(side) if may_write(situation.rules.direction, side) => {
                let reason = format!("made on {side} by the site itself during a request of ours");
                Decision::new(Action::Update, Direction::to(side), reason)
                    .of(ConflictKind::FirstMeeting)
            }
            Meeting::SameDocument | Meeting::BornOn(_) => {
                let manual = situation.rules.first_meeting == FirstMeeting::Manual;
                settle(situation, ConflictKind::FirstMeeting, "first meeting, different", manual)
            }
            Meeting::TwoDocuments if situation.rules.collisions == Collisions::Both => {
                let what = match situation.rules.direction.target() {
                    None => "each is created on the other side".to_owned(),
                    Some(target) => format!("that of {} is created on {target}", target.opposite()),
                };
                let reason = format!("two documents have this name; {what}");
                Decision::new(Action::Resolve, Direction::Both, reason).of(ConflictKind::Collision)
            }
            Meeting::TwoDocuments | Meeting::SecondCopy => {
                Decision::recorded(ConflictKind::Collision, "two documents have this name")
            }
            // Never a collision: what settles that by rule would double the document.
            Meeting::Unclear => {
                let what = "nobody knows whether an earlier request has made the other one";
                Decision::recorded(ConflictKind::UnknownOutcome, what)
            }
        },
    }
}

pub(super) fn version(observed: &Observed<Version>) -> Option<&Version> {
    match observed {
        Observed::Present(version) => Some(version),
        Observed::Absent | Observed::Unknown(_) => None,
    }
}

fn create(situation: &Situation<'_>, target: Side) -> Decision {
    let source = target.opposite();
    // Whichever way things are carried: nobody has entered it, erpsync has made it once too often.
    if situation.meeting == Meeting::SecondCopy {
        let what = "a second copy of a document that is known already";
        return Decision::recorded(ConflictKind::Duplicate, what);
    }
    // Nor does it matter here: a run in one direction forgets nothing.
    if situation.meeting == Meeting::Unclear {
        let what = "nobody knows whether an earlier request has made it";
        return Decision::recorded(ConflictKind::UnknownOutcome, what);
    }
    if !may_write(situation.rules.direction, target) {
        return Decision::skip(format!("only on {source}, and {source} is never carried over"));
    }
    Decision::new(Action::Create, Direction::to(target), format!("new on {source}"))
}

/// Whether the rule lets changes be written to a side.
pub(super) fn may_write(rule: Direction, target: Side) -> bool {
    rule == Direction::Both || rule.target() == Some(target)
}

fn with_base(situation: &Situation<'_>, change: Sides<Change>) -> Decision {
    use Change::{Deleted, Modified, Unchanged};
    if differ_in_new_fields(situation) {
        return new_field(situation, change);
    }
    match (change.cloud, change.local) {
        (Unchanged, Unchanged) => Decision::noop("in step"),
        (Deleted, Deleted) => {
            Decision::new(Action::Forget, Direction::None, "deleted on both sides")
        }
        (Modified, Unchanged) => update(situation, Side::Local),
        (Unchanged, Modified) => update(situation, Side::Cloud),
        (Modified, Modified) => both_modified(situation),
        (Unchanged, Deleted) => deleted(situation, Side::Local),
        (Deleted, Unchanged) => deleted(situation, Side::Cloud),
        (Modified, Deleted) => edited_and_deleted(Side::Local),
        (Deleted, Modified) => edited_and_deleted(Side::Cloud),
    }
}

/// Whether the sides differ in a field that was not compared until now.
pub(super) fn differ_in_new_fields(situation: &Situation<'_>) -> bool {
    let (Observed::Present(cloud), Observed::Present(local)) =
        (&situation.now.cloud, &situation.now.local)
    else {
        return false;
    };
    // A field of rows shows as its table.
    let top = |field: &String| field.split('.').next().unwrap_or_default().to_owned();
    let new: Vec<String> = situation.new_fields.iter().map(top).collect();
    cloud.form.differing(&local.form).iter().any(|field| new.contains(field))
}

/// The rules settle it; but where one side alone was edited, the edit survives.
fn new_field(situation: &Situation<'_>, change: Sides<Change>) -> Decision {
    let what = "a field that counts now differs";
    let direction = situation.rules.direction;
    let edited = match (change.cloud, change.local) {
        (Change::Modified, Change::Unchanged) => Some(Side::Cloud),
        (Change::Unchanged, Change::Modified) => Some(Side::Local),
        _ => None,
    };
    match edited {
        Some(source)
            if situation.rules.policy != Policy::Manual
                && may_write(direction, source.opposite()) =>
        {
            let to = Direction::to(source.opposite());
            Decision::new(Action::Update, to, format!("{what}; {source} changed"))
                .of(ConflictKind::NewField)
        }
        _ => settle(situation, ConflictKind::NewField, what, false),
    }
}

fn update(situation: &Situation<'_>, target: Side) -> Decision {
    let source = target.opposite();
    if are_equal(situation) {
        return Decision::new(Action::Adopt, Direction::None, "equal on both sides again");
    }
    if !may_write(situation.rules.direction, target) {
        return Decision::skip(format!("{source} changed, and {source} is never carried over"));
    }
    if situation.undone == Some(target) {
        let what = format!("{source} changed, and {target} may have been changed back since");
        return settle(situation, ConflictKind::EditEdit, &what, false);
    }
    Decision::new(Action::Update, Direction::to(target), format!("{source} changed"))
}

/// Whether the sides have whatever either of them changed.
fn are_equal(situation: &Situation<'_>) -> bool {
    match (version(&situation.now.cloud), version(&situation.now.local), situation.base) {
        (Some(cloud), Some(local), Some(base)) => agree(base, Sides::new(&cloud.form, &local.form)),
        _ => false,
    }
}

fn both_modified(situation: &Situation<'_>) -> Decision {
    if are_equal(situation) {
        return Decision::new(Action::Adopt, Direction::None, "both changed in the same way");
    }
    settle(situation, ConflictKind::EditEdit, "both changed", false)
}

/// Settles a conflict by the rules, or leaves it to a person.
pub(super) fn settle(
    situation: &Situation<'_>,
    kind: ConflictKind,
    what: &str,
    manual: bool,
) -> Decision {
    if let Some(target) = situation.rules.direction.target() {
        let reason = format!("{what}; only {} is carried over", target.opposite());
        return Decision::new(Action::Update, Direction::to(target), reason).of(kind);
    }
    let (winner, why) = match situation.rules.policy {
        _ if manual => return Decision::recorded(kind, format!("{what}; a person decides")),
        Policy::Manual | Policy::Merge => {
            return Decision::recorded(kind, format!("{what}; a person decides"));
        }
        Policy::CloudWins => (Side::Cloud, "cloud wins".to_owned()),
        Policy::LocalWins => (Side::Local, "local wins".to_owned()),
        Policy::LatestTimestamp => latest(situation),
    };
    let reason = format!("{what}; {why}");
    Decision::new(Action::Update, Direction::to(winner.opposite()), reason).of(kind)
}

/// The side that was saved last; the local one where that cannot be told.
fn latest(situation: &Situation<'_>) -> (Side, String) {
    let saved = |side: Side| version(&situation.now[side]).and_then(|version| version.saved);
    match newest(saved(Side::Cloud), saved(Side::Local)) {
        Newest::Cloud => (Side::Cloud, "cloud was saved last".to_owned()),
        Newest::Local => (Side::Local, "local was saved last".to_owned()),
        Newest::Tie => (Side::Local, "saved at the same instant, so local wins".to_owned()),
        Newest::Unclear => {
            (Side::Local, "the clocks do not tell which was last, so local wins".to_owned())
        }
    }
}

/// Unchanged on the one side, gone on the other.
fn deleted(situation: &Situation<'_>, gone: Side) -> Decision {
    let there = gone.opposite();
    match situation.rules.deletes {
        Deletes::Keep => Decision::skip(format!("deleted on {gone}; {there} keeps it")),
        Deletes::Propagate if may_write(situation.rules.direction, there) => {
            Decision::new(Action::Delete, Direction::to(there), format!("deleted on {gone}"))
        }
        Deletes::Recreate if may_write(situation.rules.direction, gone) => {
            Decision::new(Action::Create, Direction::to(gone), format!("deleted on {gone}"))
        }
        _ => Decision::skip(format!("deleted on {gone}, and nothing is carried that way")),
    }
}

fn edited_and_deleted(gone: Side) -> Decision {
    let edited = gone.opposite();
    Decision::recorded(
        ConflictKind::EditDelete,
        format!("{edited} changed what {gone} deleted; a person decides"),
    )
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
