//! Fields: on one side only, mandatory on one side only, links to what is not synced, files.
//!
//! The rule kept here: of links and files only those are told that some document uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{DoctypeConfig, refusal};
use crate::identity::Naming;
use crate::model::{Columns, Field, FieldKind, Role, Schema, Side, Sides};
use crate::pass::{Doctype, render_one_sided};
use crate::site::bulk::Rules;

use super::Finding;
use super::usage::{Used, is_used};

/// What is to be said of a doctype's fields; `links` are those to what is not configured.
pub fn judge(doctype: &Doctype, links: &Links, used: &Used) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(one_sided(doctype));
    findings.extend(mandatory(doctype));
    findings.extend(links.judge(used));
    findings.extend(files(doctype, used));
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
    let links = doctypes.iter().flat_map(|doctype| links_of(doctype, configured));
    links.map(|(_, target)| target).collect()
}

/// The fields that link to what is not configured, each with its target.
fn links_of(doctype: &Doctype, configured: &[DoctypeConfig]) -> BTreeMap<String, String> {
    let mut links = BTreeMap::new();
    collect_links("", &doctype.shape.columns, &mut links);
    links.retain(|_, target| {
        *target != doctype.config.doctype && configured.iter().all(|other| other.doctype != *target)
    });
    links
}

fn collect_links(table: &str, columns: &Columns, links: &mut BTreeMap<String, String>) {
    for (name, column) in columns.iter().filter(|(_, column)| column.role != Role::Derived) {
        match &column.kind {
            FieldKind::Link(target) => {
                links.insert(qualified(table, name), target.clone());
            }
            _ => collect_links(name, &column.rows, links),
        }
    }
}

/// Links to what is not synced. One goes as it stands where a name means the same on both sides;
/// else the document that links has to fail.
#[derive(Debug, Default)]
pub struct Links {
    /// Doctypes whose names mean the same on both sides.
    same: BTreeSet<String>,
    /// Fields that link to doctypes that could be synced, with these.
    open: BTreeMap<String, String>,
    /// Fields that link to doctypes that never can, with these.
    closed: BTreeMap<String, String>,
}

impl Links {
    /// The links of a doctype. `rules` are those of what it links to, as each side lets our user
    /// read them; the weaker count, as in a run.
    pub fn of(
        doctype: &Doctype,
        configured: &[DoctypeConfig],
        rules: &Sides<BTreeMap<String, Rules>>,
    ) -> Self {
        let is_natural = |target: &str| {
            let naming = rules.as_ref().map(|_, rules| {
                let Rules { autoname, title_field, .. } =
                    rules.get(target).cloned().unwrap_or_default();
                Naming { doctype: target.to_owned(), autoname, title_field }
            });
            Naming::weaker(naming.cloud, naming.local).is_natural()
        };
        let mut links = Self::default();
        for (field, target) in links_of(doctype, configured) {
            if is_natural(&target) {
                links.same.insert(target);
            } else if refusal(&target).is_some() {
                links.closed.insert(field, target);
            } else {
                links.open.insert(field, target);
            }
        }
        links
    }

    /// The fields of which it matters whether they are used.
    pub fn fields(&self) -> impl Iterator<Item = &String> {
        self.open.keys().chain(self.closed.keys())
    }

    fn judge(&self, used: &Used) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.same.is_empty() {
            let same: Vec<&str> = self.same.iter().map(String::as_str).collect();
            let what = format!("links to what is not synced go by name: {}", same.join(", "));
            let what = format!("{what}; the other side must have it under the same name");
            findings.push(Finding::ok("links", what));
        }
        if let Some(open) = in_use(&self.open, used) {
            let what =
                format!("links to {open}, which are not synced and whose names prove nothing");
            findings.push(Finding::warn(
                "links",
                format!("{what}: documents that link to one fail, unless the sites are clones"),
                "add them to doctypes, or the fields that link to exclude_fields",
            ));
        }
        if let Some(closed) = in_use(&self.closed, used) {
            let what = format!("links to {closed}, which cannot be synced");
            let hint = "add the fields that link to exclude_fields";
            findings.push(Finding::warn("links", what, hint));
        }
        findings
    }
}

/// The targets of the links that are used, each with the fields.
fn in_use(links: &BTreeMap<String, String>, used: &Used) -> Option<String> {
    let mut fields: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (field, target) in links.iter().filter(|(field, _)| is_used(used, field)) {
        fields.entry(target).or_default().push(field);
    }
    let said: Vec<String> =
        fields.iter().map(|(target, fields)| format!("{target} ({})", fields.join(", "))).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// The fields of a doctype that hold addresses of files, as far as they are sent.
pub fn file_fields(doctype: &Doctype) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for side in Side::BOTH {
        let schema = &doctype.schemas[side];
        names.extend(files_in("", schema));
        for (table, rows) in &schema.tables {
            names.extend(files_in(table, rows));
        }
    }
    names.retain(|name| counts(&doctype.shape.columns, name));
    names
}

fn files(doctype: &Doctype, used: &Used) -> Option<Finding> {
    let names: Vec<String> =
        file_fields(doctype).into_iter().filter(|name| is_used(used, name)).collect();
    (!names.is_empty()).then(|| {
        Finding::warn(
            "files",
            format!("{}: the address of the file is synced, the file is not", names.join(", ")),
            "copy the files yourself, or add the fields to exclude_fields",
        )
    })
}

fn files_in<'a>(table: &'a str, schema: &'a Schema) -> impl Iterator<Item = String> + 'a {
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
