//! Apart: settles conflicts about which document is which. Each document of such a conflict
//! becomes one of its own, and is created on the other side like any new one.
//!
//! The rules kept here: neither of two documents is ever written over the other (invariant
//! 4); what a person decided is stored before anything is sent, so that the next run carries
//! it on (7).

use crate::identity::has_natural_name;
use crate::model::{ConflictKind, Doc, Side, Sides, name_text};
use crate::state::{Conflict, Listed, LogStatus, NewConflict, Record, Resolution};

use super::execute::conflict_of;
use super::requests::winner;
use super::scan::listed_as;
use super::{
    ActionStatus, Aside, AsideReason, Choice, Doctype, OpenLinks, Operation, Pair, Pass, Refusal,
    Resolved,
};

/// Whether a conflict is about which document is which, not about versions of one.
#[must_use]
pub fn is_about_identity(kind: ConflictKind) -> bool {
    matches!(kind, ConflictKind::Collision | ConflictKind::Duplicate | ConflictKind::UnknownOutcome)
}

impl Pass<'_> {
    /// Settles such a conflict: both documents, or the one that there is, are their own.
    pub(super) fn tell_apart(
        &mut self,
        doctype: &Doctype,
        conflict: &Conflict,
        pair: &Pair,
        choice: &Choice,
    ) -> anyhow::Result<Resolved> {
        if self.are_amendments_of_one(doctype, pair)? {
            return Ok(Resolved::Refused(Refusal::new(
                "both sides have amended one document, and no site has two amendments of one name",
                "delete one of the two (cancel it first where it is submitted); erpsync sync-all \
                 carries the other one over then",
            )));
        }
        if let Some(refusal) = not_to_be_told_apart(doctype, conflict, pair, choice) {
            return Ok(Resolved::Refused(refusal));
        }
        // Told apart before, and one of them could not be created: it is tried again.
        let is_again = pair.record.is_apart && conflict.kind == ConflictKind::Collision;
        let is_shown = |side: Side| conflict.data[side].is_object() && !is_again;
        let missing = |side: &Side| is_shown(*side) && pair.doc(*side).is_none();
        if let Some(side) = Side::BOTH.into_iter().find(missing) {
            return Ok(Resolved::Refused(self.missing(conflict, pair, side)?));
        }
        let now = self.now();
        let leaves = leaves(doctype, pair);
        let called_two = (leaves.is_some() && conflict.kind == ConflictKind::UnknownOutcome)
            .then(|| collision_of(conflict));
        let leaves = leaves.as_ref().map(|(side, documents)| (*side, documents));
        let record = pair.record.id;
        let mut records = self.state.tell_apart(record, leaves, called_two.as_ref(), now)?;
        if is_again {
            records.extend(self.its_namesake(conflict, pair)?);
        }
        if called_two.is_some() {
            self.awaited.retain(|_, of| *of != record);
        }
        let named = self.named.entry(conflict.doctype.clone()).or_default();
        named.extend(records.iter().filter(|record| **record != pair.record.id));
        let aside = self.rounds(doctype, &records, OpenLinks::Wait)?;
        for record in self.state.load_records(&records)? {
            if let Some(message) = record.error_message {
                return Ok(Resolved::Failed(format!(
                    "{message}; put that right, or delete one of the two, then erpsync sync-all \
                     --retry-failed"
                )));
            }
        }
        let settled = self.state.conflict(conflict.id)?;
        Ok(if settled.is_some_and(|conflict| conflict.resolution.is_some()) && aside.is_empty() {
            Resolved::Settled
        } else {
            let reason = "each is a document of its own now; what one of them waits for is not \
                 there yet, the next sync creates it";
            Resolved::Refused(Refusal::by_the_next_sync(reason))
        })
    }

    /// The other document of a collision, once it has a record of its own.
    fn its_namesake(&self, conflict: &Conflict, pair: &Pair) -> anyhow::Result<Option<i64>> {
        for side in Side::BOTH.into_iter().filter(|side| pair.doc(*side).is_none()) {
            let name = conflict.data[side].get("name").map(name_text).unwrap_or_default();
            let other = self.state.record_by_name(&conflict.doctype, side, &name)?;
            if let Some(other) = other.filter(|other| other.is_apart) {
                return Ok(Some(other.id));
            }
        }
        Ok(None)
    }

    /// The same by rule (`collisions`), in the run that finds the two. Both versions are stored
    /// with it; the two documents are looked at again.
    pub(super) fn settle_collision(
        &mut self,
        doctype: &Doctype,
        operation: &Operation,
    ) -> anyhow::Result<Vec<Aside>> {
        let Operation { pair, decision, .. } = operation;
        let Some(mut conflict) = conflict_of(operation, self.now()) else { return Ok(Vec::new()) };
        conflict.log = Some(self.entry(decision, LogStatus::Success, None));
        let now = self.now();
        let leaves = leaves(doctype, pair);
        let leaves = leaves.as_ref().map(|(side, documents)| (*side, documents));
        let records = self.state.tell_apart(pair.record.id, leaves, Some(&conflict), now)?;
        if let Some(named) = self.named.get_mut(&doctype.config.doctype) {
            named.extend(records.iter().filter(|record| **record != pair.record.id));
        }
        self.report(&pair.record, decision, ActionStatus::Success, None);
        let again = |candidate| Aside { candidate, reason: AsideReason::Rest };
        Ok(records.into_iter().map(again).collect())
    }
}

/// The side whose document leaves the record that both were in, and both as they were read. The
/// conflict stays with the one that is certainly carried over.
fn leaves(doctype: &Doctype, pair: &Pair) -> Option<(Side, Sides<Listed>)> {
    let document = |side: Side| Some(listed_as(pair.doc(side)?, true));
    let documents = Sides::new(document(Side::Cloud)?, document(Side::Local)?);
    Some((doctype.config.direction.target().unwrap_or(Side::Local), documents))
}

/// What a conflict about an unknown outcome is once a person has said that they are two.
fn collision_of(conflict: &Conflict) -> NewConflict {
    NewConflict {
        record: conflict.record,
        kind: ConflictKind::Collision,
        fields: conflict.fields.clone(),
        data: conflict.data.clone(),
        modified: conflict.modified.clone(),
        reason: "a person says that these are two documents".to_owned(),
        log: None,
    }
}

/// Why the choice does not settle such a conflict, and what would.
fn not_to_be_told_apart(
    doctype: &Doctype,
    conflict: &Conflict,
    pair: &Pair,
    choice: &Choice,
) -> Option<Refusal> {
    let docs: Vec<(Side, &Doc)> =
        Side::BOTH.into_iter().filter_map(|side| Some((side, pair.doc(side)?))).collect();
    let here = docs.first().map_or(Side::Cloud, |(side, _)| *side);
    let other = here.opposite();
    match (conflict.kind, choice) {
        (ConflictKind::UnknownOutcome, Choice::Take(side)) if *side == here => {}
        (ConflictKind::UnknownOutcome, Choice::Both) if docs.len() == 2 => {}
        (ConflictKind::UnknownOutcome, _) => {
            return Some(Refusal::new(
                format!("nobody knows whether an earlier request has made it on {other}"),
                format!(
                    "look on {other} whether the document is there. Where it is, delete it; then \
                     --take {here} creates it anew"
                ),
            ));
        }
        (_, Choice::Both) => {}
        (ConflictKind::Duplicate, _) => {
            return Some(Refusal::new(
                format!("{here} has this document twice"),
                format!(
                    "delete the copy there, or --take both keeps both and creates it on {other} too"
                ),
            ));
        }
        _ => {
            return Some(Refusal::new(
                "these are two documents of one name, and neither may overwrite the other",
                "--take both creates each on the other side; if they are one after all, make them \
                 equal on both sites",
            ));
        }
    }
    let all: Vec<&Doc> = docs.iter().map(|(_, doc)| *doc).collect();
    let is_its_own =
        all.len() == 2 && has_natural_name(doctype.config.names, &doctype.naming, &all);
    is_its_own.then(|| {
        Refusal::new(
            "the name is the document's own, and no site has two of one name",
            "rename one of the two, then erpsync sync-all",
        )
    })
}

/// How the creation of a document of its own settles the conflict that it was in.
pub(super) fn settled_by_create(record: &Record, from: Side) -> Option<Resolution> {
    match record.conflict {
        _ if !record.is_apart => None,
        Some(ConflictKind::UnknownOutcome) => Some(winner(from)),
        Some(_) => Some(Resolution::Both),
        None => None,
    }
}
