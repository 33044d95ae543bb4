//! Merges: what is said where two documents became one on a site and submitted ones link to
//! the one that went.
//!
//! A merge rewrites links in submitted documents too, which no update can repeat; and while they
//! link to it, the other site does not delete the one that went. The rule kept here: only what
//! can be nothing else is called a merge: a link to another document that nobody has saved, or
//! whose former target is gone there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::{ConflictKind, Doc, FieldKind, Shape, Side};
use crate::recon::{Decision, Fate, field_of, replaced};
use crate::state::Record;

use super::{Doctype, Forms, Pair, Pass};

/// The merges that a run has met, by doctype and id of the document that went.
pub(super) type Merges = BTreeMap<(String, String), Merge>;

/// A document that was merged into another one.
pub(super) struct Merge {
    side: Side,
    survivor: String,
    /// The submitted documents that link to it on the other side.
    referrers: BTreeSet<String>,
}

/// A link that a merge has rewritten.
struct Rewritten {
    side: Side,
    field: String,
    doctype: String,
    gone: String,
    survivor: String,
}

impl Pass<'_> {
    /// Says of what no update can carry that it is a merge, where it is one.
    pub(super) fn told_of_merges(
        &mut self,
        doctype: &Doctype,
        pair: &Pair,
        forms: &Forms,
        decision: Decision,
    ) -> anyhow::Result<Decision> {
        if decision.conflict != Some(ConflictKind::CannotMirror) {
            return Ok(decision);
        }
        let mut said = BTreeSet::new();
        let mut fields = BTreeSet::new();
        for one in self.rewritten_links(doctype, pair, forms)? {
            let Rewritten { side, field, doctype, gone, survivor } = one;
            said.insert(format!(
                "merged on {side}: {doctype} {gone} into {survivor}; do the same merge on {}",
                side.opposite()
            ));
            fields.insert(field);
            let merge = Merge { side, survivor, referrers: BTreeSet::new() };
            let merge = self.merges.entry((doctype, gone)).or_insert(merge);
            merge.referrers.insert(pair.label());
        }
        if said.is_empty() {
            return Ok(decision);
        }
        let said = said.into_iter().collect::<Vec<_>>().join("; ");
        let is_all = forms.colliding().iter().all(|field| fields.contains(field));
        let reason = if is_all {
            format!(
                "{said}; no update can carry it to a submitted document; it closes by itself then"
            )
        } else {
            format!("{said}; {}", decision.reason)
        };
        Ok(Decision { reason, ..decision })
    }

    /// Whether the run has met submitted documents that follow the merge of this one.
    pub(super) fn is_merged(&self, record: &Record) -> bool {
        self.merges.contains_key(&(record.doctype.clone(), record.docname.clone()))
    }

    /// What is said where a site does not delete a document because others link to it: that it
    /// was merged on the other side, where that is why.
    pub(super) fn held_by_a_merge(&self, record: &Record, message: String) -> String {
        let key = (record.doctype.clone(), record.docname.clone());
        let Some(Merge { side, survivor, referrers }) = self.merges.get(&key) else {
            return message;
        };
        let referrers = referrers.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        format!(
            "merged on {side}: {} {} into {survivor}; do the same merge on {}: submitted documents \
             link to it there, which no update can change ({referrers})",
            record.doctype,
            record.docname,
            side.opposite()
        )
    }

    fn rewritten_links(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        forms: &Forms,
    ) -> anyhow::Result<Vec<Rewritten>> {
        let whole = forms.whole.as_ref();
        let Some((whole, base)) = whole.and_then(|whole| Some((whole, whole.base.as_ref()?)))
        else {
            return Ok(Vec::new());
        };
        let mut rewritten = Vec::new();
        for side in Side::BOTH {
            for (place, before, after) in replaced(base.as_ref(), whole.now.as_ref(), side) {
                let (Value::String(gone), Value::String(survivor)) = (before, after) else {
                    continue;
                };
                let Some(doc) = pair.doc(side) else { continue };
                let Some(linked) = linked_doctype(&doctype.shape, doc, &place) else { continue };
                if is_unsaved(pair, side) || self.is_gone(side, linked, gone)? {
                    rewritten.push(Rewritten {
                        side,
                        field: field_of(&place).to_owned(),
                        doctype: linked.to_owned(),
                        gone: gone.clone(),
                        survivor: survivor.clone(),
                    });
                }
            }
        }
        Ok(rewritten)
    }

    /// Whether this run has found that a side does not have the document any more.
    fn is_gone(&self, side: Side, doctype: &str, name: &str) -> anyhow::Result<bool> {
        let record = self.state.record_by_name(doctype, side, name)?;
        Ok(record.is_some_and(|record| self.fates.get(&(record.id, side)) == Some(&Fate::Gone)))
    }
}

/// Whether a side's document was changed without being saved.
pub(super) fn is_unsaved(pair: &Pair, side: Side) -> bool {
    let base = pair.record.bases.as_ref().map(|bases| &bases[side].modified);
    pair.doc(side).is_some_and(|doc| base.is_some_and(|base| doc.modified() == base))
}

/// The doctype that the field at a place links to, where it is a link: `field`, or
/// `table row 2 field`. Dynamic links of rows are left out.
fn linked_doctype<'d>(shape: &'d Shape, doc: &'d Doc, place: &str) -> Option<&'d str> {
    let column = shape.columns.get(field_of(place))?;
    let column = match &column.kind {
        FieldKind::Table(_) => column.rows.get(place.rsplit(' ').next()?)?,
        _ => column,
    };
    match &column.kind {
        FieldKind::Link(doctype) => Some(doctype),
        FieldKind::DynamicLink(named_by) => doc.text(named_by),
        _ => None,
    }
}
