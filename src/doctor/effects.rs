//! What a receiving site does by itself when a document is saved.

use std::collections::BTreeSet;

use crate::config::DoctypeConfig;
use crate::model::side_effects::{self, Product};
use crate::model::{Side, Sides};
use crate::pass::Doctype;
use crate::site::{ErrorKind, SiteResult};

use super::Finding;
use super::read::{Acting, KINDS};
use super::usage::{Used, is_used};

/// So many are named where there may be many.
const MOST_NAMED: usize = 5;

/// The kinds of which nobody can say whether there are any. A site without such a doctype has
/// none.
pub fn unread(acts: &[SiteResult<Acting>]) -> Vec<Finding> {
    let is_closed = |acts: &SiteResult<Acting>| match acts {
        Ok(_) => false,
        Err(error) => !matches!(error.kind, ErrorKind::NoSuchPath | ErrorKind::NotFound),
    };
    let closed: Vec<&str> = KINDS
        .iter()
        .zip(acts)
        .filter(|(_, acts)| is_closed(acts))
        .map(|(kind, _)| kind.doctype)
        .collect();
    if closed.is_empty() {
        return Vec::new();
    }
    let hint = "look on the site what happens there when a document is saved";
    let hint = if closed == ["Server Script"] {
        format!("give our user the role Script Manager, or {hint}")
    } else {
        hint.to_owned()
    };
    let what = format!("whether it has any {} cannot be read", closed.join(" or "));
    vec![Finding::warn("effects", what, hint)]
}

/// What acts on the documents of a doctype, on each side that is written to.
pub fn judge(doctype: &Doctype, acts: &Sides<Vec<SiteResult<Acting>>>) -> Vec<Finding> {
    let direction = doctype.config.direction;
    let receives = |side: &Side| direction.target().is_none_or(|target| target == *side);
    let sides = Side::BOTH.into_iter().filter(receives);
    sides.flat_map(|side| on_side(&doctype.config.doctype, &acts[side], side)).collect()
}

fn on_side(doctype: &str, acts: &[SiteResult<Acting>], side: Side) -> Vec<Finding> {
    let acting = KINDS
        .iter()
        .zip(acts)
        .filter_map(|(kind, acts)| Some((kind.doctype, acts.as_ref().ok()?.get(doctype)?)));
    acting
        .map(|(kind, names)| {
            let hint = match kind {
                "Workflow" => "a workflow may refuse what it is sent: give our user its roles",
                "Server Script" => "see that they do not change what they are sent",
                _ => {
                    "they tell of our writes as of people's: leave our user out in their condition"
                }
            };
            Finding::warn("effects", named(kind, names), hint).on(side)
        })
        .collect()
}

/// The fields whose values make a site make other documents.
pub fn making_fields(doctype: &Doctype) -> BTreeSet<String> {
    let fields = products(doctype).flat_map(|product| product.fields);
    let known = |field: &&&str| doctype.shape.columns.contains_key(**field);
    fields.filter(known).map(|field| (*field).to_owned()).collect()
}

fn products(doctype: &Doctype) -> impl Iterator<Item = &'static Product> {
    side_effects::makes(&doctype.config.doctype).iter()
}

/// The documents that a site makes beside those of a doctype, whether they are synced or not.
pub fn made(doctype: &Doctype, configured: &[DoctypeConfig], used: &Used) -> Vec<Finding> {
    let products = products(doctype).filter(|product| {
        let fields = product.fields;
        fields.is_empty() || fields.iter().any(|field| is_used(used, field))
    });
    products.map(|product| made_beside(product, configured)).collect()
}

/// What a field brings about is left out of our creates (`side_effects::follow`), so only the site
/// on which a person entered it makes one.
fn made_beside(product: &Product, configured: &[DoctypeConfig]) -> Finding {
    let made = product.doctype;
    let is_synced = configured.iter().any(|other| other.doctype == made);
    let each = product.fields.is_empty();
    let makes = if each {
        format!("each site makes documents of {made} of its own for these")
    } else {
        let fields = product.fields.join(" or ");
        format!("a site makes documents of {made} by itself for those with {fields}")
    };
    let hint = || format!("add {made} to doctypes");
    match (is_synced, each) {
        (true, true) => Finding::ok("effects", format!("{makes}; they are taken for one")),
        (true, false) => Finding::ok("effects", format!("{makes}; they are synced as all others")),
        (false, true) => {
            let what = format!("{makes}, and changes of one do not reach the other");
            Finding::warn("effects", what, hint())
        }
        (false, false) => {
            Finding::warn("effects", format!("{makes}, and the other site gets none"), hint())
        }
    }
}

fn named(kind: &str, names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{kind} acts on every save: {shown}{more}")
}
