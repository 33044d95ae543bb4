//! What is decided where a document is submitted or cancelled on a side.
//!
//! The rules kept here: a document only goes on, from draft to submitted to cancelled, and
//! never back, whatever a policy says; what users changed of a submitted document and no update
//! can carry is a conflict that says so, never a write that the site refuses again and again;
//! a cancellation gives way to an edit of the other side, and goes over after those of its own;
//! and no first meeting submits or cancels anything.

use std::collections::BTreeSet;

use super::changes::{Place, beyond, is_inside, unshared};
use super::decide::{
    Decision, Situation, Version, differ_in_new_fields, may_write, settle, version,
};
use crate::model::{
    Action, ConflictKind, DOCSTATUS, Deletes, Direction, Form, Meeting, Side, Sides, Submitted,
};

const DRAFT: i64 = 0;
const SUBMITTED: i64 = 1;
const CANCELLED: i64 = 2;

/// How a document of one docstatus is brought to another: nothing leads back.
#[must_use]
pub fn way(from: i64, to: i64) -> Option<Action> {
    match (from, to) {
        (from, to) if from == to => Some(Action::Update),
        // One that was cancelled meanwhile is submitted first: an amendment needs it, and its
        // entries in the ledgers are part of the books.
        (DRAFT, SUBMITTED | CANCELLED) => Some(Action::Submit),
        (SUBMITTED, CANCELLED) => Some(Action::Cancel),
        _ => None,
    }
}

/// The decision where docstatus makes one; `None` leaves it to the ordinary rules.
pub(super) fn by_docstatus(situation: &Situation<'_>) -> Option<Decision> {
    let versions = Sides::from_fn(|side| version(&situation.now[side]));
    let forms = versions.iter().filter_map(|(_, version)| version.map(|version| &version.form));
    let bases = situation.base.iter().flat_map(|base| [base.cloud, base.local]);
    if forms.chain(bases).all(|form| form.docstatus() == DRAFT) {
        return None;
    }
    if situation.rules.submitted == Submitted::Skip {
        return Some(Decision::skip("submitted documents are left alone by the rule"));
    }
    match (versions.cloud, versions.local) {
        (Some(cloud), Some(local)) => both_there(situation, Sides::new(cloud, local)),
        (Some(there), None) => one_there(situation, Side::Cloud, there),
        (None, Some(there)) => one_there(situation, Side::Local, there),
        (None, None) => None,
    }
}

/// One side has it.
fn one_there(situation: &Situation<'_>, there: Side, version: &Version) -> Option<Decision> {
    let gone = there.opposite();
    let stage = version.form.docstatus();
    let is_new = situation.base.is_none();
    if stage == CANCELLED && (is_new || situation.rules.deletes == Deletes::Recreate) {
        let reason = format!("cancelled on {there}, and {gone} does not have it");
        return Some(Decision::skip(reason));
    }
    let would_delete = !is_new
        && situation.rules.deletes == Deletes::Propagate
        && may_write(situation.rules.direction, there);
    (stage == SUBMITTED && would_delete).then(|| {
        let reason = format!("deleted on {gone}; submitted on {there}, where it cannot be deleted");
        Decision::recorded(ConflictKind::EditDelete, reason)
    })
}

fn both_there(situation: &Situation<'_>, versions: Sides<&Version>) -> Option<Decision> {
    let stage = versions.map(|_, version| version.form.docstatus());
    let is_first = situation.base.is_none();
    let are_one = matches!(situation.meeting, Meeting::SameDocument | Meeting::BornOn(_));
    if is_first && !are_one {
        return None;
    }
    let nothing = Form::default();
    let nowhere = Sides::new(&nothing, &nothing);
    let base = situation.base.unwrap_or(nowhere);
    let back = Side::BOTH.into_iter().find(|side| stage[*side] < base[*side].docstatus());
    if let Some(side) = back {
        let reason = format!("{side} shows it as less than the submitted document that it was");
        return Some(Decision::recorded(ConflictKind::CannotMirror, reason));
    }
    let whole = versions.map(|_, version| version.whole());
    let changes =
        Sides::from_fn(|side| unshared(situation.whole_base.unwrap_or(base), whole, side));
    match (stage.cloud, stage.local) {
        (CANCELLED, CANCELLED) => {
            let in_step = Side::BOTH.into_iter().all(|side| *base[side] == versions[side].form);
            let action = if in_step { Action::Noop } else { Action::Adopt };
            let reason = format!("cancelled on both sides{}", what_stays(&changes));
            Some(Decision::new(action, Direction::None, reason))
        }
        (SUBMITTED, SUBMITTED) => {
            out_of_reach(situation, &changes, versions).or_else(|| caught_up(situation, versions))
        }
        (cloud, local) if cloud == local => None,
        _ if is_first => Some(Decision::recorded(
            ConflictKind::FirstMeeting,
            "first meeting, and one side is further on: a person decides whether the other follows",
        )),
        (cloud, local) => {
            let ahead = if cloud > local { Side::Cloud } else { Side::Local };
            Some(go_on(situation, ahead, versions, base, &changes))
        }
    }
}

/// Names what each side edited before it was cancelled: no site takes an edit any more, so each
/// keeps its own.
pub fn what_stays(changes: &Sides<BTreeSet<Place>>) -> String {
    let mut told = String::new();
    for (side, places) in changes.iter() {
        let edited: Vec<&Place> = places.iter().filter(|place| *place != DOCSTATUS).collect();
        if !edited.is_empty() {
            told =
                format!("{told}; {side} alone has its edit of {} before that", shortened(&edited));
        }
    }
    told
}

/// What differs between two submitted documents and can be edited in neither.
fn out_of_reach(
    situation: &Situation<'_>,
    changes: &Sides<BTreeSet<Place>>,
    versions: Sides<&Version>,
) -> Option<Decision> {
    let closed = closed_places(versions);
    let closed: Sides<Vec<&Place>> = Sides::from_fn(|side| {
        changes[side].iter().filter(|place| is_closed(&closed, place)).collect()
    });
    let changed: Vec<String> = closed
        .iter()
        .filter(|(_, places)| !places.is_empty())
        .map(|(side, places)| format!("{side} changed {}", shortened(places)))
        .collect();
    if changed.is_empty() {
        return None;
    }
    if let (Some(target), Some(base)) = (situation.rules.direction.target(), situation.base) {
        let source = target.opposite();
        if closed[source].is_empty() && base[source].docstatus() == SUBMITTED {
            // The target's own change is left alone; what the source changed goes over.
            let reason = format!("{}, and {target} is never carried over", changed.join("; "));
            return changes[source].is_empty().then(|| Decision::skip(reason));
        }
    }
    if situation.base.is_none() {
        let reason = "first meeting, submitted on both sides, different where no update reaches";
        return Some(Decision::recorded(ConflictKind::FirstMeeting, reason));
    }
    let reason = format!(
        "{}; no update can carry that to a submitted document: do the same on the other side \
         (\"Update Items\", for example), or cancel and amend; it closes by itself once both are \
         alike",
        changed.join("; ")
    );
    Some(Decision::recorded(ConflictKind::CannotMirror, reason))
}

/// The places that can no longer be edited.
fn closed_places(versions: Sides<&Version>) -> BTreeSet<Place> {
    let closed = versions.map(|_, version| beyond(version.whole(), &version.form));
    closed.iter().flat_map(|(_, places)| places.clone()).collect()
}

/// Whether no update reaches a place. A row is out of reach with any of its fields.
fn is_closed(closed: &BTreeSet<Place>, place: &Place) -> bool {
    closed.iter().any(|closed| closed == place || is_inside(closed, place))
}

/// Both sides show the same new content where no update reaches, and nothing else is new.
fn caught_up(situation: &Situation<'_>, versions: Sides<&Version>) -> Option<Decision> {
    let (base, whole_base) = (situation.base?, situation.whole_base?);
    let on_any = |news: &dyn Fn(Side) -> bool| Side::BOTH.into_iter().any(news);
    let is_news = on_any(&|side| whole_base[side] != versions[side].whole());
    let may_be_edited = on_any(&|side| *base[side] != versions[side].form);
    (is_news && !may_be_edited).then(|| {
        Decision::new(Action::Adopt, Direction::None, "changed in the same way on both sides")
    })
}

/// Whether any of these changes is one that a submitted document takes.
fn has_open_edits(changes: &BTreeSet<Place>, versions: Sides<&Version>) -> bool {
    let closed = closed_places(versions);
    changes.iter().any(|place| place != DOCSTATUS && !is_closed(&closed, place))
}

/// The first few places, in words.
fn shortened(places: &[&Place]) -> String {
    const SHOWN: usize = 5;
    // A row that came or went says it all.
    let is_said = |place: &Place| places.iter().any(|row| is_inside(place, row));
    let places: Vec<&str> =
        places.iter().filter(|place| !is_said(place)).map(|place| place.as_str()).collect();
    let shown = &places[..places.len().min(SHOWN)];
    let more = places.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

/// One side is further on: the other follows, unless it holds an edit of its own.
fn go_on(
    situation: &Situation<'_>,
    ahead: Side,
    versions: Sides<&Version>,
    base: Sides<&Form>,
    changes: &Sides<BTreeSet<Place>>,
) -> Decision {
    let behind = ahead.opposite();
    let stage = versions.map(|_, version| version.form.docstatus());
    let word = if stage[ahead] == SUBMITTED { "submitted" } else { "cancelled" };
    let what = format!("{word} on {ahead}");
    let is_edited = changes[behind].iter().any(|place| place != DOCSTATUS);
    let is_edited = is_edited || stage[behind] > base[behind].docstatus();
    let action = way(stage[behind], stage[ahead]).unwrap_or(Action::Conflict);
    if !is_edited && !may_write(situation.rules.direction, behind) {
        return Decision::skip(format!("{what}, and {ahead} is never carried over"));
    }
    if !is_edited && action == Action::Cancel && has_open_edits(&changes[ahead], versions) {
        // Afterwards neither side takes it any more.
        let reason = format!("edited on {ahead} before it was cancelled there");
        return Decision::new(Action::Update, Direction::to(behind), reason);
    }
    let has_news = differ_in_new_fields(situation);
    if !is_edited && action == Action::Cancel {
        let apart = if has_news { "; each keeps its own in a field that counts now" } else { "" };
        let reason = format!("{what}{}{apart}", what_stays(changes));
        return Decision::new(action, Direction::to(behind), reason);
    }
    if !is_edited && !has_news {
        return Decision::new(action, Direction::to(behind), what);
    }
    // What the side behind alone holds would be written over by the submission.
    let (kind, what) = if is_edited {
        (ConflictKind::EditEdit, format!("{what}, edited on {behind}"))
    } else {
        (ConflictKind::NewField, format!("{what}, and a field that counts now differs"))
    };
    if word == "cancelled" {
        return Decision::recorded(kind, format!("{what}; a person decides"));
    }
    let settled = settle(situation, kind, &what, false);
    match settled.direction.target() {
        Some(target) if target == behind => Decision { action, ..settled },
        Some(_) => Decision::recorded(
            kind,
            format!("{what}; a draft cannot take the place of what is submitted; a person decides"),
        ),
        None => settled,
    }
}
