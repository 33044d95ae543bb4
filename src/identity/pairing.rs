//! Which new document of the one side is which of the other, whatever they are called.
//!
//! The rule kept here: a document is one other at the most. A stronger proof goes before a
//! weaker one, and what would fit several by its fields fits none.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::{Doc, FieldKind, LinkIds, Shape, Sides, canonical_scalar, name_text};

/// Doctypes whose documents are told by their fields although the site names them: a second
/// one with the same is refused (docs/frappe.md, "Creates and names").
const TOLD_BY_FIELDS: [(&str, &[&str]); 1] = [(
    "Item Price",
    &[
        "item_code",
        "price_list",
        "uom",
        "currency",
        "valid_from",
        "valid_upto",
        "customer",
        "supplier",
    ],
)];

/// Why two documents are taken for one; the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Both have the same `creation`, and on neither side has another one: the sites are
    /// copies of one another.
    Creation,
    /// The rows of the one carry the `creation` of the other: it is its copy.
    Rows,
    /// The fields that identify a document are equal, and on neither side in a second one.
    Fields,
    /// All that a person can enter is equal, and one of them was made by our user.
    Content,
}

/// That a document of the cloud and one of the local site are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The two names.
    pub names: Sides<String>,
    /// Why.
    pub proof: Proof,
}

/// The claims that hold together. Of claims of one kind the first counts, but claims by
/// fields that share a document are worth nothing.
#[must_use]
pub fn settle_claims(mut claims: Vec<Claim>) -> Vec<Claim> {
    let mut once = BTreeSet::new();
    claims.retain(|claim| {
        once.insert((claim.proof, claim.names.cloud.clone(), claim.names.local.clone()))
    });
    let mut counts: Sides<BTreeMap<String, usize>> = Sides::default();
    for claim in claims.iter().filter(|claim| claim.proof == Proof::Fields) {
        for (side, name) in claim.names.iter() {
            *counts[side].entry(name.clone()).or_default() += 1;
        }
    }
    let is_alone = |claim: &Claim| {
        claim.names.iter().all(|(side, name)| counts[side].get(name).is_none_or(|count| *count < 2))
    };
    claims.retain(|claim| claim.proof != Proof::Fields || is_alone(claim));
    claims.sort_by_key(|claim| claim.proof);
    let mut taken: Sides<BTreeSet<String>> = Sides::default();
    claims.retain(|claim| {
        let is_free = claim.names.iter().all(|(side, name)| !taken[side].contains(name));
        if is_free {
            taken.cloud.insert(claim.names.cloud.clone());
            taken.local.insert(claim.names.local.clone());
        }
        is_free
    });
    claims
}

/// The fields that identify a document of this doctype: what is configured, or what is known
/// of it. Fields that the sites do not share are left out.
#[must_use]
pub fn telling_fields(shape: &Shape, configured: &[String]) -> Vec<String> {
    let built_in = TOLD_BY_FIELDS.iter().find(|(doctype, _)| *doctype == shape.doctype);
    let fields: Vec<String> = match built_in {
        Some((_, fields)) if configured.is_empty() => {
            fields.iter().map(|field| (*field).to_owned()).collect()
        }
        _ => configured.to_vec(),
    };
    let is_scalar = |field: &String| {
        let column = shape.columns.get(field);
        column.is_some_and(|column| !matches!(column.kind, FieldKind::Table(_)))
    };
    fields.into_iter().filter(is_scalar).collect()
}

/// What the telling fields of a document hold, in one spelling; `None` where the document
/// cannot be told by them: the first is empty, or, where a person chose them, any is.
#[must_use]
pub fn told_by(
    shape: &Shape,
    fields: &[String],
    all_filled: bool,
    doc: &Doc,
    links: &LinkIds<'_>,
) -> Option<String> {
    let value = |field: &String| -> Option<Value> {
        let column = shape.columns.get(field)?;
        let value = doc.get(field)?;
        let linked = match &column.kind {
            FieldKind::Link(doctype) => doctype.as_str(),
            FieldKind::DynamicLink(named_by) => doc.text(named_by).unwrap_or_default(),
            kind => return canonical_scalar(kind, value),
        };
        let name = name_text(value);
        (!name.is_empty()).then(|| links(linked, &name).unwrap_or(name).into())
    };
    let values: Vec<Option<Value>> = fields.iter().map(value).collect();
    let is_told = values.first().is_some_and(Option::is_some)
        && (!all_filled || values.iter().all(Option::is_some));
    is_told.then(|| {
        Value::Array(values.into_iter().map(Option::unwrap_or_default).collect()).to_string()
    })
}

#[cfg(test)]
#[path = "pairing_tests.rs"]
mod tests;
