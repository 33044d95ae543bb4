//! Which version a conflict is to end with, by what a person chose.
//!
//! The rule kept here: a choice names only fields that are kept in step, and a version put
//! together holds only links that both sides know.

use serde_json::Value;

use crate::identity::LinkTable;
use crate::model::{Doc, Role, Side, Translation};
use crate::recon::check_entered;

use super::{Choice, Doctype, Forms, Pair};

/// A version that a conflict is to end with.
pub(super) enum Wanted {
    Side(Side),
    /// In the cloud's names.
    Merged(Doc),
}

/// Which version the choice asks for.
pub(super) fn wanted_version(
    doctype: &Doctype,
    pair: &Pair,
    forms: &Forms,
    links: &LinkTable,
    choice: &Choice,
) -> Result<Wanted, String> {
    let (sides, values, rest) = match choice {
        Choice::Take(side) => return Ok(Wanted::Side(*side)),
        Choice::Both => {
            let reason = "these are two versions of one document: take cloud or local";
            return Err(reason.to_owned());
        }
        Choice::Fields { sides, values, rest } => (sides, values, rest),
    };
    let (Some(cloud), Some(local)) = (pair.doc(Side::Cloud), pair.doc(Side::Local)) else {
        return Err("one side has no document".to_owned());
    };
    let differing = forms.now.cloud.differing(&forms.now.local);
    check_fields(doctype, sides.keys().chain(values.keys()))?;
    check_entered(&doctype.shape, values)?;
    let mut version = cloud.clone();
    for field in &differing {
        match sides.get(field).or(rest.as_ref()) {
            _ if values.contains_key(field) => {}
            Some(Side::Cloud) => {}
            Some(Side::Local) => {
                let value = in_cloud_names(doctype, links, field, local)?;
                version.0.insert(field.clone(), value);
            }
            None => return Err(format!("nothing was chosen for {field}")),
        }
    }
    version.0.extend(values.clone());
    let ids = |linked: &str, name: &str| links.id(Side::Cloud, linked, name);
    let wanted = doctype.shape.sync_form(&version, &ids);
    Ok(if wanted == forms.now.cloud {
        Wanted::Side(Side::Cloud)
    } else if wanted == forms.now.local {
        Wanted::Side(Side::Local)
    } else {
        Wanted::Merged(version)
    })
}

/// Only fields that are kept in step can be chosen.
fn check_fields<'f>(
    doctype: &Doctype,
    fields: impl Iterator<Item = &'f String>,
) -> Result<(), String> {
    for field in fields {
        let column = doctype.shape.columns.get(field);
        if column.is_none_or(|column| column.role != Role::Content) {
            return Err(format!(
                "{field} is no field of {} that is synced",
                doctype.config.doctype
            ));
        }
    }
    Ok(())
}

/// A field of the local document as the cloud would have it: links under their names there.
fn in_cloud_names(
    doctype: &Doctype,
    links: &LinkTable,
    field: &str,
    local: &Doc,
) -> Result<Value, String> {
    let translate = |linked: &str, name: &str| links.translate(Side::Local, linked, name);
    let known = |_: &str| crate::recon::RowNames::new();
    let body = crate::recon::update_body(
        &doctype.shape,
        &[field.to_owned()],
        local,
        &Doc::default(),
        &known,
        &translate,
    );
    if let Some(link) = body.open.first() {
        return Err(match links.translate(Side::Local, &link.doctype, &link.name) {
            Translation::Unmapped(reason) => reason,
            _ => format!("links to {} {}, which is not synced yet", link.doctype, link.name),
        });
    }
    if !body.unmapped.is_empty() {
        return Err(body.unmapped.join("; "));
    }
    Ok(body.fields.get(field).cloned().unwrap_or(Value::Null))
}
