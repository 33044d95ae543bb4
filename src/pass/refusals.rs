//! Refusals: why a person's choice does not settle a conflict, and what would.
//!
//! The rules kept here: nobody is left with a refusal alone, each says what to do; and what is
//! said of a side is what was seen there.

use crate::model::{Action, ConflictKind, Direction, Doc, Side};
use crate::recon::{Decision, Observed, differ_beyond, way};
use crate::state::Conflict;

use super::judge::restrained;
use super::wanted::{CANCELLED, Wanted, is_last_edit, written_last};
use super::{Doctype, Forms, Pair, Pass, Rule, Write};

/// Why a conflict was not settled. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The cause.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

impl Refusal {
    /// A refusal with what helps.
    pub fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: hint.into() }
    }

    /// Somebody was faster: what the person saw is not what is there.
    pub(super) fn look_again(conflict: &Conflict, reason: impl Into<String>) -> Self {
        Self::new(reason, format!("erpsync conflicts show {}, then decide again", conflict.id))
    }

    /// A side's document is another version by now.
    pub(super) fn changed(conflict: &Conflict, side: Side) -> Self {
        let reason = format!(
            "{side}'s document is no longer what the conflict shows; it is shown as it is now, \
             nothing was written"
        );
        Self::look_again(conflict, reason)
    }

    /// What the next sync does by itself.
    pub(super) fn by_the_next_sync(reason: impl Into<String>) -> Self {
        Self::new(reason, "erpsync sync-all")
    }
}

impl Pass<'_> {
    /// Why a conflict cannot be settled as things stand, whatever is chosen.
    pub(super) fn cannot(
        &self,
        conflict: &Conflict,
        pair: &Pair,
        decision: &Decision,
    ) -> anyhow::Result<Option<Refusal>> {
        if let Some((side, reason)) = unknown(pair) {
            return Ok(Some(unreadable(side, reason)));
        }
        let restrained = restrained(pair, decision.clone());
        if restrained.skipped {
            return Ok(Some(Refusal::by_the_next_sync(restrained.reason)));
        }
        if decision.action == Action::Rename {
            let hint = format!(
                "erpsync sync-all carries the new name over; the conflict stays: then erpsync \
                 resolve {} again",
                conflict.id
            );
            return Ok(Some(Refusal::new(decision.reason.clone(), hint)));
        }
        if decision.conflict == Some(ConflictKind::Collision) {
            let reason = "these are two documents of one name by now";
            return Ok(Some(Refusal::look_again(conflict, reason)));
        }
        let absent = Side::BOTH.into_iter().find(|side| pair.doc(*side).is_none());
        match absent.filter(|_| decision.conflict.is_some()) {
            Some(side) => Ok(Some(self.missing(conflict, pair, side)?)),
            None => Ok(None),
        }
    }

    /// A side does not show the document of a conflict: why, as far as it is known.
    pub(super) fn missing(
        &self,
        conflict: &Conflict,
        pair: &Pair,
        side: Side,
    ) -> anyhow::Result<Refusal> {
        if let Some((side, reason)) = unknown(pair) {
            return Ok(unreadable(side, reason));
        }
        let names = &pair.record.names;
        let holder = match names[side].as_ref().or(names[side.opposite()].as_ref()) {
            Some(name) => self.state.record_by_name(&pair.record.doctype, side, name)?,
            None => None,
        };
        let reason = match holder.filter(|holder| holder.id != pair.record.id) {
            Some(other) => format!(
                "the document of this name on {side} is another one: {} {}",
                other.doctype, other.docname
            ),
            None => format!("{side} does not have the document any more"),
        };
        let hint = format!("erpsync sync-all, then erpsync conflicts show {}", conflict.id);
        Ok(Refusal::new(reason, hint))
    }
}

/// The side of which nobody can say whether the document is there, and why.
fn unknown(pair: &Pair) -> Option<(Side, &str)> {
    pair.now.iter().find_map(|(side, now)| match now {
        Observed::Unknown(reason) => Some((side, reason.as_str())),
        Observed::Present(_) | Observed::Absent => None,
    })
}

fn unreadable(side: Side, reason: &str) -> Refusal {
    let hint = format!(
        "erpsync sync-all looks at it again, then try again; our user must be able to read it on {side}"
    );
    Refusal::new(format!("{side}: {reason}"), hint)
}

/// The side whose document is no longer what the conflict shows.
pub(super) fn changed_side(doctype: &Doctype, conflict: &Conflict, pair: &Pair) -> Option<Side> {
    Side::BOTH.into_iter().find(|side| !is_as_shown(doctype, conflict, pair, *side))
}

/// Whether a side's document is what the conflict shows.
pub(super) fn is_as_shown(doctype: &Doctype, conflict: &Conflict, pair: &Pair, side: Side) -> bool {
    if !doctype.rules.keeps(Rule::SecondLook) {
        return true;
    }
    let shown = conflict.data[side].as_object().map(|doc| Doc(doc.clone()));
    let form = |doc: &Doc| doctype.identity_form(doc, &|_, _| None);
    match (shown, pair.doc(side)) {
        (Some(shown), Some(now)) => {
            form(&shown) == form(now)
                && shown.creation() == now.creation()
                && shown.docstatus() == now.docstatus()
        }
        _ => false,
    }
}

/// Why a side does not cancel or delete a document: another one needs it there.
pub(super) fn not_let_go(pair: &Pair, side: Side, message: &str) -> Refusal {
    let other = side.opposite();
    let hint = if pair.doc(other).is_none() {
        format!(
            "take the links to it out on {side}, then --take {other} again; or --take {side}, \
             which makes it anew on {other}"
        )
    } else {
        format!("cancel on {side} what links to it, then --take {other} again")
    };
    Refusal::new(format!("{side}: {message}"), hint)
}

/// Links that keep a write from being sent.
pub(super) fn unsent_links(write: &Write) -> Option<Refusal> {
    if !write.body.unmapped.is_empty() {
        let hint = "do as it says, or put the field into exclude_fields";
        return Some(Refusal::new(write.body.unmapped.join("; "), hint));
    }
    let link = write.body.open.first()?;
    let reason = format!("links to {} {}, which is not synced yet", link.doctype, link.name);
    Some(Refusal::new(reason, format!("erpsync sync-doctype \"{}\" first", link.doctype)))
}

/// Why a submitted or cancelled document cannot take what was chosen.
pub(super) fn against_docstatus(
    pair: &Pair,
    forms: &Forms,
    decision: &Decision,
    wanted: &Wanted,
) -> Option<Refusal> {
    if decision.conflict == Some(ConflictKind::CannotMirror) {
        let hint = "once it is done, erpsync sync-all closes the conflict";
        return Some(Refusal::new(&decision.reason, hint));
    }
    let stage = |side| pair.doc(side).map_or(0, Doc::docstatus);
    let are_submitted = Side::BOTH.into_iter().all(|side| stage(side) == 1);
    let whole = forms.whole.as_ref().filter(|_| are_submitted && pair.record.bases.is_none());
    if whole.is_some_and(|whole| differ_beyond(whole.now.as_ref(), forms.now.as_ref())) {
        return Some(Refusal::new(
            "both are submitted and differ where no update reaches",
            "make them alike by hand, or cancel one and amend it; then erpsync sync-all",
        ));
    }
    match wanted {
        Wanted::Side(side) if is_behind(pair, *side) => {
            let ahead = side.opposite();
            Some(Refusal::new(
                format!(
                    "{ahead} is further on than {side}: no document goes back from submitted or \
                     cancelled"
                ),
                format!("--take {ahead}, or amend the document on {ahead} once it is cancelled"),
            ))
        }
        Wanted::Merged(_) if stage(Side::Cloud) != stage(Side::Local) && !is_last_edit(pair) => {
            let ahead =
                if stage(Side::Cloud) > stage(Side::Local) { Side::Cloud } else { Side::Local };
            let reason = format!("{ahead} is further on than {}", ahead.opposite());
            Some(Refusal::new(reason, format!("take one version as a whole: --take {ahead}")))
        }
        _ => None,
    }
}

/// Whether a side's version cannot be written to the other one, which is further on.
pub(super) fn is_behind(pair: &Pair, side: Side) -> bool {
    let stage = |side| pair.doc(side).map_or(0, Doc::docstatus);
    way(stage(side.opposite()), stage(side)).is_none()
}

/// Whether the choice is to leave both as they are: the version of the side to which a one-way
/// rule carries, and which is further on than the other, so that nothing can be carried there.
pub(super) fn leaves_both(doctype: &Doctype, pair: &Pair, wanted: &Wanted) -> Option<Side> {
    match (doctype.config.direction.target(), wanted) {
        (Some(target), Wanted::Side(side)) if target == *side => {
            is_behind(pair, side.opposite()).then_some(*side)
        }
        _ => None,
    }
}

/// Why a one-way rule forbids what was chosen.
pub(super) fn against_the_rule(doctype: &Doctype, pair: &Pair, wanted: &Wanted) -> Option<Refusal> {
    let target = doctype.config.direction.target()?;
    let writes_elsewhere = match wanted {
        Wanted::Side(side) => side.opposite() != target,
        Wanted::Merged(_) => !is_last_edit(pair) || written_last(pair) == target,
    };
    writes_elsewhere.then(|| against_direction(doctype, target))
}

/// Nothing is written to the other side.
pub(super) fn against_direction(doctype: &Doctype, target: Side) -> Refusal {
    let name = &doctype.config.doctype;
    let source = target.opposite();
    let rule = Direction::to(target);
    Refusal::new(
        format!("by its rule {name} is carried to {target} only"),
        format!("--take {source}, or change direction = \"{rule}\" of {name} in sync.toml"),
    )
}

/// Why what was submitted cannot be deleted by a person's word either.
pub(super) fn must_be_cancelled(pair: &Pair, on: Side, taken: Side) -> Option<Refusal> {
    let is_submitted = pair.doc(on).is_some_and(|doc| (1..CANCELLED).contains(&doc.docstatus()));
    is_submitted.then(|| {
        Refusal::new(
            format!("it is submitted on {on}, and a submitted document is never deleted"),
            format!(
                "cancel it on {on} by hand, erpsync sync-all, then --take {taken} deletes it there; \
                 if you delete it there too, the conflict closes by itself"
            ),
        )
    })
}
