//! Requests: what is asked of a site to carry a decision out.
//!
//! The rule kept here: nothing goes out whose links are not known on the target.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Map, Value};

use crate::identity::{LinkTable, Naming, is_named_after_its_original};
use crate::model::side_effects::follow;
use crate::model::{Action, DOCSTATUS, Doc, OpenLink, Side, Sides, Submitted};
use crate::recon::{
    Body, Decision, RowNames, before_cancelling, changed_fields, create_body, submit_body,
    update_body, way, with_what_forms_fill,
};
use crate::state::{Base, Record, RecordStatus, Resolution};

use super::apart::settled_by_create;
use super::named::wanted_name;
use super::{Doctype, Forms, OpenLinks, Pair, Pass, Request, Step, Write};

/// The link of an amendment to its original.
const AMENDED_FROM: &str = "amended_from";

impl Pass<'_> {
    /// The request that carries the decision out.
    pub(super) fn write_for(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        forms: &Forms,
        decision: &Decision,
        links: &LinkTable,
        target: Side,
    ) -> anyhow::Result<Write> {
        if decision.action == Action::Delete {
            let doc = pair.doc(target).context("nothing to delete")?;
            return Ok(delete(doc, decision, target));
        }
        let from = target.opposite();
        let source = pair.doc(from).context("nothing to carry over")?;
        let translate = |linked: &str, name: &str| links.translate(from, linked, name);
        if decision.action == Action::Create {
            let source = &self.without_lost_original(doctype, source, from)?;
            let body =
                create_body(&doctype.shape, source, follow(&doctype.config.doctype), &translate);
            let resolution = settled_by_create(&pair.record, from);
            return Ok(Write { resolution, ..insert(doctype, source, body, target) });
        }
        let fields = fields_to_send(forms, decision, target);
        let mut write = self.update_for(doctype, pair, source, &fields, links, target)?;
        write.resolution = decision.conflict.map(|_| winner(from));
        Ok(write)
    }

    /// An amendment as the target can have it: without its original, where that was cancelled
    /// before the other side ever had it.
    fn without_lost_original(
        &self,
        doctype: &Doctype,
        source: &Doc,
        from: Side,
    ) -> anyhow::Result<Doc> {
        let mut source = source.clone();
        let original = self.original(doctype, &source, from)?;
        if original.is_some_and(|original| {
            original.status == RecordStatus::Skipped && original.bases.is_none()
        }) {
            source.0.remove(AMENDED_FROM);
        }
        Ok(source)
    }

    /// Whether both sides have amended one document by themselves: each site has but one name for
    /// that, so neither amendment can be created beside the other.
    pub(super) fn are_amendments_of_one(
        &self,
        doctype: &Doctype,
        pair: &Pair,
    ) -> anyhow::Result<bool> {
        let mut originals = Vec::new();
        for side in Side::BOTH {
            let doc = pair.doc(side).filter(|doc| is_named_after_its_original(doc));
            let Some(doc) = doc else { return Ok(false) };
            originals.extend(self.original(doctype, doc, side)?.map(|original| original.id));
        }
        Ok(matches!(originals.as_slice(), [cloud, local] if cloud == local))
    }

    /// The document that this one amends.
    fn original(
        &self,
        doctype: &Doctype,
        source: &Doc,
        from: Side,
    ) -> anyhow::Result<Option<Record>> {
        let Some(name) = source.text(AMENDED_FROM).filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        Ok(self.state.record_by_name(&doctype.config.doctype, from, name)?)
    }

    /// The document that an amendment amends, where the target has not cancelled it yet: until
    /// then it refuses the amendment.
    pub(super) fn uncancelled_original(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        target: Side,
    ) -> anyhow::Result<Option<OpenLink>> {
        let from = target.opposite();
        let Some(source) = pair.doc(from) else { return Ok(None) };
        let original = self.original(doctype, source, from)?;
        let waits = original.as_ref().and_then(|original| original.bases.as_ref());
        Ok(waits.filter(|bases| bases[target].content.docstatus() != 2).map(|_| OpenLink {
            doctype: doctype.config.doctype.clone(),
            name: source.text(AMENDED_FROM).unwrap_or_default().to_owned(),
        }))
    }

    /// An amendment is left alone with its original: the other side has not cancelled that, and
    /// refuses the amendment until then.
    pub(super) fn beside_its_original(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        decision: Decision,
    ) -> anyhow::Result<Decision> {
        let target = decision.direction.target().filter(|_| decision.action == Action::Create);
        let Some(target) = target.filter(|_| doctype.config.submitted == Submitted::Skip) else {
            return Ok(decision);
        };
        let original = self.uncancelled_original(doctype, pair, target)?;
        Ok(original.map_or(decision, |original| {
            Decision::skip(format!(
                "amends {}, and submitted documents are left alone by the rule",
                original.name
            ))
        }))
    }

    /// The update that brings some fields of the target to the values of `source`, a document
    /// of the other side, and the target to its docstatus. What was edited goes before a
    /// cancellation, which then follows.
    pub(super) fn update_for(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        source: &Doc,
        fields: &[String],
        links: &LinkTable,
        target: Side,
    ) -> anyhow::Result<Write> {
        let from = target.opposite();
        let on_target = pair.doc(target).context("nothing to update")?;
        let translate = |linked: &str, name: &str| links.translate(from, linked, name);
        let rows = self.state.row_names(pair.record.id)?;
        let known = |table: &str| -> RowNames {
            rows.iter()
                .filter(|row| row.table == table)
                .filter_map(|row| Some((row.names[from].clone()?, row.names[target].clone()?)))
                .collect()
        };
        let shape = &doctype.shape;
        let way = way(on_target.docstatus(), source.docstatus())
            .context("a document never goes back to an earlier docstatus")?;
        let is_draft = doctype.schemas[target].is_submittable && on_target.docstatus() == 0;
        let before = pair.record.bases.as_ref().map(|bases| &bases[from].content);
        let filled = |body: Body| match before.filter(|_| is_draft) {
            Some(before) => with_what_forms_fill(shape, body, source, before, &translate),
            None => body,
        };
        let patch = || {
            let body = update_body(shape, fields, source, on_target, &known, &translate);
            whole_tables(filled(body))
        };
        let body = match way {
            Action::Submit => {
                filled(submit_body(shape, fields, source, on_target, &known, &translate))
            }
            Action::Cancel => before_cancelling(patch()),
            _ => patch(),
        };
        let mut carried = as_carried(source, pair.record.bases.as_ref(), from, &body.omitted);
        let moves = body.fields.get(DOCSTATUS);
        if body.omitted.contains(DOCSTATUS) {
            // It follows: until then the source counts as what the target is.
            let stage = moves.cloned().unwrap_or_else(|| on_target.docstatus().into());
            carried.0.insert(DOCSTATUS.to_owned(), stage);
        }
        let log_as = if moves.is_some() { way } else { Action::Update };
        let request =
            Request::Update { name: on_target.name(), modified: on_target.modified().to_owned() };
        Ok(Write {
            side: target,
            carried,
            body,
            request,
            resolution: None,
            log_as,
            owed: Map::new(),
        })
    }
}

/// Who wins where a conflict is settled by writing this side's version to the other.
pub(super) fn winner(side: Side) -> Resolution {
    match side {
        Side::Cloud => Resolution::CloudWins,
        Side::Local => Resolution::LocalWins,
    }
}

/// What the decision sends to the target. A conflict is settled for one side as a whole; with
/// a submission goes what a submitted document no longer takes; with a cancellation nothing.
pub(super) fn fields_to_send(forms: &Forms, decision: &Decision, target: Side) -> Vec<String> {
    if decision.action == Action::Cancel {
        return Vec::new();
    }
    let whole = forms.whole.as_ref().filter(|_| decision.action == Action::Submit);
    let (now, base) = match whole {
        Some(whole) => (&whole.now, &whole.base),
        None => (&forms.now, &forms.base),
    };
    changed_fields(base.as_ref().filter(|_| decision.conflict.is_none()), now, target)
}

/// The request that deletes a document; taking the side of the deletion settles a conflict.
fn delete(doc: &Doc, decision: &Decision, target: Side) -> Write {
    Write {
        side: target,
        body: Body::default(),
        carried: Doc::default(),
        request: Request::Delete { doc: doc.clone() },
        resolution: decision.conflict.map(|_| winner(target.opposite())),
        log_as: Action::Delete,
        owed: Map::new(),
    }
}

pub(super) fn insert(doctype: &Doctype, source: &Doc, mut body: Body, target: Side) -> Write {
    // Nowhere else: a name inside a site's own series blocks the series.
    if Naming::of(&doctype.schemas[target]).is_prompted() {
        body.fields.insert("name".to_owned(), source.name().into());
    }
    let name = wanted_name(doctype, source);
    let carried = without(source, &body.omitted);
    Write {
        side: target,
        body,
        carried,
        request: Request::Insert { name },
        resolution: None,
        log_as: Action::Create,
        owed: Map::new(),
    }
}

/// The document less some fields, `field` or `table.field`.
fn without(doc: &Doc, omitted: &BTreeSet<String>) -> Doc {
    let mut doc = doc.clone();
    for path in omitted {
        match path.split_once('.') {
            None => drop(doc.0.remove(path)),
            Some((table, field)) => {
                let rows = doc.0.get_mut(table).and_then(Value::as_array_mut);
                for row in rows.into_iter().flatten().filter_map(Value::as_object_mut) {
                    row.remove(field);
                }
            }
        }
    }
    doc
}

/// A table in which a link cannot be carried over is left out whole: sent without the link it
/// would be sent again at every look.
fn whole_tables(mut body: Body) -> Body {
    if body.unmapped.is_empty() && body.open.is_empty() {
        return body;
    }
    let torn: Vec<String> = body
        .omitted
        .iter()
        .filter_map(|path| path.split_once('.').map(|(table, _)| table.to_owned()))
        .collect();
    for table in torn {
        body.fields.remove(&table);
        body.omitted.insert(table);
    }
    body
}

/// What of the source an update carries over. A field that is left out stands as in its base,
/// so that it counts as changed for as long as it is (invariant 1).
fn as_carried(
    source: &Doc,
    bases: Option<&Sides<Base>>,
    from: Side,
    omitted: &BTreeSet<String>,
) -> Doc {
    let mut carried = without(source, omitted);
    let Some(base) = bases.map(|bases| &bases[from].content) else { return carried };
    for field in omitted.iter().filter(|field| !field.contains('.')) {
        if let Some(value) = base.0.get(field) {
            carried.0.insert(field.clone(), value.clone());
        }
    }
    carried
}

/// Whether a request can go out, or what it waits for. A new document goes whole. Of an update
/// the rest goes without the links that nobody can carry over: those fail by themselves then.
pub(super) fn ready(
    write: Write,
    action: Action,
    open: OpenLinks,
    among: &BTreeSet<OpenLink>,
) -> Step {
    let has_rest = action == Action::Update && !write.body.fields.is_empty();
    if !write.body.unmapped.is_empty() && !has_rest {
        return Step::Fail(write.body.unmapped.join("; "));
    }
    let is_amendment = write.body.omitted.contains(AMENDED_FROM);
    let waits = match open {
        OpenLinks::Ignore => None,
        // A new document may go without links to documents that wait as well: a cycle. What
        // failed is not waited for in vain by leaving it out.
        OpenLinks::Cut if action == Action::Create && !is_amendment => {
            write.body.open.iter().find(|link| !among.contains(link))
        }
        OpenLinks::Cut if has_rest => None,
        OpenLinks::Wait | OpenLinks::Cut => write.body.open.first(),
    };
    match waits {
        Some(link) => Step::Wait(link.clone()),
        // Nothing that the target would take: the difference is in what is never sent.
        None if action == Action::Update && write.body.fields.is_empty() => Step::Agree,
        None => Step::Send(write),
    }
}

/// The fields of a body as a document, for the journal.
pub(super) fn sent_fields(write: &Write) -> Doc {
    let mut sent: Map<String, Value> = write.body.fields.clone();
    if let Request::Update { modified, .. } = &write.request {
        sent.insert("modified".to_owned(), modified.clone().into());
    }
    if let Request::Rename { new, .. } = &write.request {
        sent.insert("name".to_owned(), new.clone().into());
    }
    Doc(sent)
}
