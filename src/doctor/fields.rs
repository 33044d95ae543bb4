//! Fields: on one side only, mandatory on one side only, links to what is not synced, files.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{DoctypeConfig, refusal};
use crate::identity::Naming;
use crate::model::{Columns, Field, FieldKind, Role, Schema, Side};
use crate::pass::{Doctype, render_one_sided};
use crate::site::bulk::Rules;

use super::Finding;

/// What is to be said of a doctype's fields. `rules` are those of what it links to.
pub fn judge(
    doctype: &Doctype,
    configured: &[DoctypeConfig],
    rules: Option<&BTreeMap<String, Rules>>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(one_sided(doctype));
    findings.extend(mandatory(doctype));
    findings.extend(links(&targets_of(doctype, configured), rules));
    findings.extend(files(doctype));
    findings
}

fn one_sided(doctype: &Doctype) -> Option<Finding> {
    Some(Finding::warn(
        "one_sided",
        format!("{}: left alone on both sides", render_one_sided(&doctype.shape.one_sided)?),
        "add the fields on the other side to have them synced",
    ))
}

/// Fields that a side to be written to wants filled, and the other side does not.
fn mandatory(doctype: &Doctype) -> Vec<Finding> {
    let direction = doctype.config.direction;
    let sides =
        Side::BOTH.into_iter().filter(|side| direction.target().is_none_or(|to| to == *side));
    sides.filter_map(|side| mandatory_on(doctype, side)).collect()
}

fn mandatory_on(doctype: &Doctype, side: Side) -> Option<Finding> {
    let other = side.opposite();
    let here = required("", &doctype.schemas[side]);
    let there = required("", &doctype.schemas[other]);
    let only: Vec<String> = here.difference(&there).cloned().collect();
    (!only.is_empty()).then(|| {
        Finding::warn(
            "mandatory",
            format!(
                "{} must be filled here and not on {other}: documents of {other} without it are \
                 refused, and so is every change of one",
                only.join(", ")
            ),
            format!("make it mandatory on {other} too and fill it there, or let it be empty here"),
        )
        .on(side)
    })
}

fn required(table: &str, schema: &Schema) -> BTreeSet<String> {
    let own = schema.fields.iter().filter(|(_, field)| field.required && !field.is_virtual);
    let mut names: BTreeSet<String> = own.map(|(name, _)| qualified(table, name)).collect();
    for (name, rows) in &schema.tables {
        names.extend(required(name, rows));
    }
    names
}

fn qualified(table: &str, field: &str) -> String {
    if table.is_empty() { field.to_owned() } else { format!("{table}.{field}") }
}

/// Doctypes that are linked to and are not configured.
pub fn link_targets(doctypes: &[&Doctype], configured: &[DoctypeConfig]) -> BTreeSet<String> {
    doctypes.iter().flat_map(|doctype| targets_of(doctype, configured)).collect()
}

fn targets_of(doctype: &Doctype, configured: &[DoctypeConfig]) -> BTreeSet<String> {
    let mut targets = BTreeSet::new();
    collect_targets(&doctype.shape.columns, &mut targets);
    targets.retain(|target| configured.iter().all(|other| other.doctype != *target));
    targets.remove(&doctype.config.doctype);
    targets
}

fn collect_targets(columns: &Columns, targets: &mut BTreeSet<String>) {
    for column in columns.values().filter(|column| column.role != Role::Derived) {
        match &column.kind {
            FieldKind::Link(target) => {
                targets.insert(target.clone());
            }
            _ => collect_targets(&column.rows, targets),
        }
    }
}

/// A link to what is not synced goes as it stands where its name means the same on both sides;
/// else the document that links has to fail.
fn links(targets: &BTreeSet<String>, rules: Option<&BTreeMap<String, Rules>>) -> Vec<Finding> {
    let list = |names: &[&str]| names.join(", ");
    let natural = |target: &&str| {
        let rules = rules.and_then(|rules| rules.get(*target)).cloned().unwrap_or_default();
        let (autoname, title_field) = (rules.autoname, rules.title_field);
        Naming { doctype: (*target).to_owned(), autoname, title_field }.is_natural()
    };
    let targets = targets.iter().map(String::as_str);
    let (same, counted): (Vec<&str>, Vec<&str>) = targets.partition(|target| natural(target));
    let mut findings = Vec::new();
    if !same.is_empty() {
        let what = format!("links to what is not synced go by name: {}", list(&same));
        let what = format!("{what}; the other side must have it under the same name");
        findings.push(Finding::ok("links", what));
    }
    let (closed, open): (Vec<&str>, Vec<&str>) =
        counted.into_iter().partition(|target| refusal(target).is_some());
    if !open.is_empty() {
        let what =
            format!("links to {}, which are not synced and whose names prove nothing", list(&open));
        findings.push(Finding::warn(
            "links",
            format!("{what}: documents that link to one fail, unless the sites are clones"),
            "add them to doctypes, or the fields that link to exclude_fields",
        ));
    }
    if !closed.is_empty() {
        let what = format!("links to {}, which cannot be synced", list(&closed));
        findings.push(Finding::warn("links", what, "add the fields that link to exclude_fields"));
    }
    findings
}

fn files(doctype: &Doctype) -> Option<Finding> {
    let mut names = BTreeSet::new();
    for side in Side::BOTH {
        let schema = &doctype.schemas[side];
        names.extend(file_fields("", schema));
        for (table, rows) in &schema.tables {
            names.extend(file_fields(table, rows));
        }
    }
    names.retain(|name| counts(&doctype.shape.columns, name));
    let names: Vec<String> = names.into_iter().collect();
    (!names.is_empty()).then(|| {
        Finding::warn(
            "files",
            format!("{}: the address of the file is synced, the file is not", names.join(", ")),
            "copy the files yourself, or add the fields to exclude_fields",
        )
    })
}

fn file_fields<'a>(table: &'a str, schema: &'a Schema) -> impl Iterator<Item = String> + 'a {
    let is_file = |(_, field): &(&String, &Field)| field.is_file;
    schema.fields.iter().filter(is_file).map(move |(name, _)| qualified(table, name))
}

/// Whether a field is sent at all.
fn counts(columns: &Columns, path: &str) -> bool {
    match path.split_once('.') {
        None => columns.get(path).is_some_and(|column| column.role != Role::Derived),
        Some((table, field)) => {
            columns.get(table).is_some_and(|column| counts(&column.rows, field))
        }
    }
}
