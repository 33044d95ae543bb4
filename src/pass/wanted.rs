//! Which version a conflict is to end with, by what a person chose.
//!
//! The rule kept here: a choice names only fields that are kept in step, and a version put
//! together holds only links that both sides know.

use serde_json::Value;

use crate::identity::LinkTable;
use crate::model::{DOCSTATUS, Doc, Role, Side, Translation};
use crate::recon::check_entered;

use super::{Choice, Doctype, Forms, Pair, Refusal};

/// The docstatus of a document that nothing can be written to any more.
pub(super) const CANCELLED: i64 = 2;

/// A version that a conflict is to end with.
pub(super) enum Wanted {
    Side(Side),
    /// In the names of the side that is written last.
    Merged(Doc),
}

/// The side to which a version put together goes last, from the other one: the cloud, or the
/// one that has cancelled the document and takes nothing.
pub(super) fn written_last(pair: &Pair) -> Side {
    let is_cancelled = |side| pair.doc(side).is_some_and(|doc| doc.docstatus() == CANCELLED);
    if is_cancelled(Side::Local) && !is_cancelled(Side::Cloud) { Side::Local } else { Side::Cloud }
}

/// Whether a version put together is the last one that a submitted document takes, before it
/// is cancelled like the other side's.
pub(super) fn is_last_edit(pair: &Pair) -> bool {
    let stage = |side| pair.doc(side).map(Doc::docstatus);
    let last = written_last(pair);
    (stage(last.opposite()), stage(last)) == (Some(1), Some(CANCELLED))
}

/// Which version the choice asks for.
pub(super) fn wanted_version(
    doctype: &Doctype,
    pair: &Pair,
    forms: &Forms,
    links: &LinkTable,
    choice: &Choice,
) -> Result<Wanted, Refusal> {
    let (sides, values, rest) = match choice {
        Choice::Take(side) => return Ok(Wanted::Side(*side)),
        Choice::Both => {
            let reason = "these are two versions of one document";
            return Err(Refusal::new(reason, "--take cloud or --take local"));
        }
        Choice::Fields { sides, values, rest } => (sides, values, rest),
    };
    let from = written_last(pair);
    let other = from.opposite();
    let (Some(source), Some(target)) = (pair.doc(from), pair.doc(other)) else {
        let hint = "--take cloud or --take local: one side's version whole";
        return Err(Refusal::new("one side has no document", hint));
    };
    let differing = forms.now.cloud.differing(&forms.now.local);
    check_fields(doctype, sides.keys().chain(values.keys()))?;
    check_entered(&doctype.shape, values)
        .map_err(|reason| Refusal::new(reason, "mend the file named by --with"))?;
    let mut version = source.clone();
    for field in differing.iter().filter(|field| *field != DOCSTATUS) {
        match sides.get(field).or(rest.as_ref()) {
            _ if values.contains_key(field) => {}
            Some(side) if *side == from => {}
            Some(_) => {
                let value = in_names_of(from, doctype, links, field, target)?;
                version.0.insert(field.clone(), value);
            }
            None => {
                let hint =
                    format!("--field {field}=SIDE, or --take SIDE for all that is not named");
                return Err(Refusal::new(format!("nothing was chosen for {field}"), hint));
            }
        }
    }
    version.0.extend(values.clone());
    let ids = |linked: &str, name: &str| links.id(from, linked, name);
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
) -> Result<(), Refusal> {
    for field in fields {
        let column = doctype.shape.columns.get(field);
        if column.is_none_or(|column| column.role != Role::Content) {
            let name = &doctype.config.doctype;
            return Err(Refusal::new(
                format!("{field} is no field of {name} that is synced"),
                "erpsync conflicts show lists the fields that differ",
            ));
        }
    }
    Ok(())
}

/// A field of the other side's document as this one would have it: links under their names
/// there.
fn in_names_of(
    side: Side,
    doctype: &Doctype,
    links: &LinkTable,
    field: &str,
    other: &Doc,
) -> Result<Value, Refusal> {
    let translate = |linked: &str, name: &str| links.translate(side.opposite(), linked, name);
    let known = |_: &str| crate::recon::RowNames::new();
    let body = crate::recon::update_body(
        &doctype.shape,
        &[field.to_owned()],
        other,
        &Doc::default(),
        &known,
        &translate,
    );
    if let Some(link) = body.open.first() {
        let reason = match translate(&link.doctype, &link.name) {
            Translation::Unmapped(reason) => reason,
            _ => format!("links to {} {}, which is not synced yet", link.doctype, link.name),
        };
        return Err(Refusal::new(reason, format!("erpsync sync-doctype \"{}\"", link.doctype)));
    }
    if !body.unmapped.is_empty() {
        let hint = "do as it says, or choose the other side's value";
        return Err(Refusal::new(body.unmapped.join("; "), hint));
    }
    Ok(body.fields.get(field).cloned().unwrap_or(Value::Null))
}
