//! Requests: what is asked of a site to carry a decision out.
//!
//! The rule kept here: nothing goes out whose links are not known on the target.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Map, Value};

use crate::identity::{LinkTable, Naming};
use crate::model::{Action, Doc, OpenLink, Side};
use crate::recon::{Body, Decision, RowNames, create_body, update_body};
use crate::state::Resolution;

use super::named::wanted_name;
use super::{Doctype, Forms, OpenLinks, Pair, Pass, Request, Step, Write};

/// Fields that make a site create other documents when they come with a create, and are
/// stored without side effects by an update right after it (docs/frappe.md, "Creates and
/// names").
const HELD_BACK: [(&str, &[&str]); 2] = [
    (
        "Customer",
        &[
            "customer_primary_address",
            "customer_primary_contact",
            "email_id",
            "first_name",
            "last_name",
            "mobile_no",
            "primary_address",
        ],
    ),
    ("Item", &["opening_stock", "standard_rate"]),
];

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
        let from = target.opposite();
        let source = pair.doc(from).context("nothing to carry over")?;
        let translate = |linked: &str, name: &str| links.translate(from, linked, name);
        if decision.action == Action::Create {
            let body = create_body(&doctype.shape, source, held_back(doctype), &translate);
            return Ok(insert(doctype, source, body, target));
        }
        let fields = changed_fields(forms, decision, target);
        let mut write = self.update_for(doctype, pair, source, &fields, links, target)?;
        write.resolution = decision.conflict.map(|_| winner(from));
        Ok(write)
    }

    /// The update that brings some fields of the target to the values of `source`, a document
    /// of the other side.
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
        let body = update_body(&doctype.shape, fields, source, on_target, &known, &translate);
        let request =
            Request::Update { name: on_target.name(), modified: on_target.modified().to_owned() };
        Ok(Write {
            side: target,
            body,
            carried: source.clone(),
            request,
            resolution: None,
            log_as: Action::Update,
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

fn held_back(doctype: &Doctype) -> &'static [&'static str] {
    HELD_BACK
        .iter()
        .find(|(name, _)| *name == doctype.config.doctype)
        .map_or(&[], |(_, fields)| fields)
}

/// The fields that an update sends: what the source changed where the target differs; to
/// settle a conflict, all in which they differ.
fn changed_fields(forms: &Forms, decision: &Decision, target: Side) -> Vec<String> {
    let now = |side: Side| &forms.now[side];
    let differing = now(target.opposite()).differing(now(target));
    match &forms.base {
        Some(base) if decision.conflict.is_none() => {
            let changed = base[target.opposite()].differing(now(target.opposite()));
            differing.into_iter().filter(|field| changed.contains(field)).collect()
        }
        _ => differing,
    }
}

fn insert(doctype: &Doctype, source: &Doc, mut body: Body, target: Side) -> Write {
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

/// Whether a request can go out, or what it waits for.
pub(super) fn ready(
    write: Write,
    action: Action,
    open: OpenLinks,
    among: &BTreeSet<OpenLink>,
) -> Step {
    if !write.body.unmapped.is_empty() {
        return Step::Fail(write.body.unmapped.join("; "));
    }
    let waits = match open {
        OpenLinks::Ignore => None,
        // A new document may go without links to documents that wait as well: a cycle. What
        // failed is not waited for in vain by leaving it out.
        OpenLinks::Cut if action == Action::Create => {
            write.body.open.iter().find(|link| !among.contains(link))
        }
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
    Doc(sent)
}
