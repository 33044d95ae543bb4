//! What is sent: the body of a create, and the patch of an update.
//!
//! The rules kept here: an update holds only what the source changed; a child table is sent
//! whole, under the target's own row names, so that no row is lost (BEHAVIOUR.md 4); system
//! fields, masks of the source's passwords and links that nobody can translate are never sent.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::rows::{RowNames, match_rows, row_name};
use crate::model::{
    Column, Columns, Doc, FieldKind, Form, OpenLink, Role, SYSTEM_FIELDS, Shape, Side, Sides,
    Translation, canonical_scalar, name_text,
};

/// Translates a link: doctype and name on the source's side.
pub type Translate<'a> = dyn Fn(&str, &str) -> Translation + 'a;

/// The body of a request, and what could not be put into it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Body {
    /// The fields to send.
    pub fields: Map<String, Value>,
    /// Links whose targets are still to be written. Their fields are not in the body.
    pub open: BTreeSet<OpenLink>,
    /// Links that cannot be carried over, with the reason.
    pub unmapped: Vec<String>,
    /// Fields of the source that the body leaves out and that are to follow, as `field` or
    /// `table.field`.
    pub omitted: BTreeSet<String>,
}

/// The body of a create: all fields that the target has too, with every empty value spelled
/// out, since a missing one lets the target's default in (COPYING.md 1). New rows carry
/// the source document's `creation`: it says for ever whose copy they are. Fields named in
/// `held_back` are left out, to follow in an update.
#[must_use]
pub fn create_body(
    shape: &Shape,
    source: &Doc,
    held_back: &[&str],
    translate: &Translate<'_>,
) -> Body {
    let mut body = Body::default();
    for (field, column) in &shape.columns {
        if held_back.contains(&field.as_str()) {
            if has_content(&column.kind, source.0.get(field)) {
                body.omitted.insert(field.clone());
            }
            continue;
        }
        let value = match &column.kind {
            FieldKind::Table(_) => {
                let rows = source.rows(field).map(|row| {
                    let mut new = new_row(&mut body, field, &column.rows, row, translate);
                    new.insert("creation".to_owned(), source.creation().into());
                    Value::Object(new)
                });
                Some(Value::Array(rows.collect()))
            }
            _ if field == "set_posting_time" => Some(1.into()),
            _ => body
                .carry(field, column, &source.0, translate)
                .map(|value| spelled_out(&column.kind, value)),
        };
        if let Some(value) = value {
            body.fields.insert(field.clone(), value);
        }
    }
    body
}

/// The fields that an update of `target` sends: what the source changed since its own base
/// where the target differs now; without a base, all in which they differ.
#[must_use]
pub fn changed_fields(base: Option<&Sides<Form>>, now: &Sides<Form>, target: Side) -> Vec<String> {
    let source = target.opposite();
    let mut fields = now[source].differing(&now[target]);
    if let Some(base) = base {
        let changed = base[source].differing(&now[source]);
        fields.retain(|field| changed.contains(field));
    }
    fields
}

/// The patch of an update: the source's values of `fields`. `known` gives the pairs of row
/// names of a table. The lock (`modified`) is the caller's to add.
#[must_use]
pub fn update_body(
    shape: &Shape,
    fields: &[String],
    source: &Doc,
    target: &Doc,
    known: &dyn Fn(&str) -> RowNames,
    translate: &Translate<'_>,
) -> Body {
    let mut body = Body::default();
    for field in with_companions(shape, fields) {
        let Some(column) = shape.columns.get(field).filter(|column| column.role == Role::Content)
        else {
            continue;
        };
        let value = match &column.kind {
            FieldKind::Table(_) => Some(patched_rows(
                &mut body,
                field,
                column,
                source,
                target,
                &known(field),
                translate,
            )),
            _ if field == "set_posting_time" => Some(1.into()),
            _ => body.carry(field, column, &source.0, translate),
        };
        if let Some(value) = value {
            body.fields.insert(field.to_owned(), value);
        }
    }
    body
}

/// The fields to send, with those that must not go apart: posting date and time, which a site
/// replaces by now without `set_posting_time` (COPYING.md 1), and a dynamic link, which means
/// another document under another doctype.
fn with_companions<'a>(shape: &'a Shape, fields: &'a [String]) -> BTreeSet<&'a str> {
    const POSTING: [&str; 3] = ["posting_date", "posting_time", "set_posting_time"];
    let mut all: BTreeSet<&str> = fields.iter().map(String::as_str).collect();
    if shape.columns.contains_key("set_posting_time") && POSTING.iter().any(|f| all.contains(f)) {
        all.extend(POSTING);
    }
    for (field, column) in &shape.columns {
        if let FieldKind::DynamicLink(named_by) = &column.kind
            && all.contains(named_by.as_str())
        {
            all.insert(field);
        }
    }
    all
}

impl Body {
    /// The value of a scalar field as the target is to get it, `null` where it is empty;
    /// `None` where it stays out. On an update `null` clears a field of any type
    /// (BEHAVIOUR.md 4).
    fn carry(
        &mut self,
        path: &str,
        column: &Column,
        source: &Map<String, Value>,
        translate: &Translate<'_>,
    ) -> Option<Value> {
        let field = path.rsplit('.').next().unwrap_or(path);
        let value = source.get(field).filter(|value| is_filled(value));
        let Some(value) = value else { return Some(Value::Null) };
        let Some(doctype) = linked_doctype(&column.kind, source) else {
            return (!is_mask(value)).then(|| value.clone());
        };
        match translate(doctype, &name_text(value)) {
            Translation::Name(name) => return Some(name.into()),
            Translation::Open(link) => {
                self.open.insert(link);
            }
            Translation::Unmapped(reason) => self.unmapped.push(format!("{path}: {reason}")),
        }
        self.omitted.insert(path.to_owned());
        None
    }
}

/// The doctype that a field of this document or row links to.
fn linked_doctype<'a>(kind: &'a FieldKind, source: &'a Map<String, Value>) -> Option<&'a str> {
    match kind {
        FieldKind::Link(doctype) => Some(doctype),
        FieldKind::DynamicLink(named_by) => {
            Some(source.get(named_by).and_then(Value::as_str).unwrap_or_default())
        }
        _ => None,
    }
}

/// Whether there is anything to follow: a 0 is nothing (every Item has an opening stock of 0).
fn has_content(kind: &FieldKind, value: Option<&Value>) -> bool {
    match (kind, value) {
        (_, None) => false,
        (FieldKind::Table(_), Some(rows)) => rows.as_array().is_some_and(|rows| !rows.is_empty()),
        (kind, Some(value)) => canonical_scalar(kind, value).is_some(),
    }
}

pub(super) fn is_filled(value: &Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

/// Passwords come as a mask of asterisks (BEHAVIOUR.md 2).
fn is_mask(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte == b'*'))
}

/// An empty value as a new document or row must have it, so that no default slips in. An
/// empty text is safe for texts, links and dates only: a site writes it as it stands into the
/// columns of durations, ratings and JSON, and its database refuses it. Empty JSON therefore
/// stays `null`.
fn spelled_out(kind: &FieldKind, value: Value) -> Value {
    match kind {
        _ if !value.is_null() => value,
        FieldKind::Int | FieldKind::Float => 0.into(),
        FieldKind::Json => Value::Null,
        _ => "".into(),
    }
}

/// A row that the target does not have yet: all fields that both sides have.
fn new_row(
    body: &mut Body,
    table: &str,
    columns: &Columns,
    source: &Map<String, Value>,
    translate: &Translate<'_>,
) -> Map<String, Value> {
    columns
        .iter()
        .filter_map(|(field, column)| {
            let value = body.carry(&format!("{table}.{field}"), column, source, translate)?;
            Some((field.clone(), spelled_out(&column.kind, value)))
        })
        .collect()
}

/// The whole table as the target is to have it: the source's rows in the source's order,
/// each laid over the target's own row where there is one.
fn patched_rows(
    body: &mut Body,
    table: &str,
    column: &Column,
    source: &Doc,
    target: &Doc,
    known: &RowNames,
    translate: &Translate<'_>,
) -> Value {
    let source_rows: Vec<_> = source.rows(table).collect();
    let target_rows: Vec<_> = target.rows(table).filter(|row| row_name(row).is_some()).collect();
    let same = |a: &Map<String, Value>, b: &Map<String, Value>| {
        column.rows.iter().filter(|(_, inner)| inner.role == Role::Content).all(|(field, inner)| {
            let value = |row: &Map<String, Value>| {
                canonical_scalar(&inner.kind, row.get(field).unwrap_or(&Value::Null))
            };
            value(a) == value(b)
        })
    };
    let renamed: Vec<_> =
        source_rows.iter().map(|row| with_target_names(&column.rows, row, translate)).collect();
    let pairs = match_rows(&renamed.iter().collect::<Vec<_>>(), &target_rows, known, &same);
    let rows = source_rows.iter().zip(pairs).map(|(row, pair)| {
        let patched = match pair {
            Some(j) => laid_over(body, table, &column.rows, row, target_rows[j], translate),
            None => new_row(body, table, &column.rows, row, translate),
        };
        Value::Object(patched)
    });
    Value::Array(rows.collect())
}

/// A source row with its links under their names on the target, to be compared with the
/// target's rows; a link that cannot be carried over stands as it is.
fn with_target_names(
    columns: &Columns,
    source: &Map<String, Value>,
    translate: &Translate<'_>,
) -> Map<String, Value> {
    let mut row = source.clone();
    for (field, column) in columns {
        let Some(doctype) = linked_doctype(&column.kind, source) else { continue };
        let Some(name) = source.get(field).filter(|value| is_filled(value)) else { continue };
        if let Translation::Name(name) = translate(doctype, &name_text(name)) {
            row.insert(field.clone(), name.into());
        }
    }
    row
}

/// The target's row as read, with the source's content over it. A row is replaced whole
/// (BEHAVIOUR.md 4), so what the target keeps for itself must go along, the mask of its own
/// password too: a site leaves the password alone that comes as a mask, and removes one that
/// does not come.
fn laid_over(
    body: &mut Body,
    table: &str,
    columns: &Columns,
    source: &Map<String, Value>,
    target: &Map<String, Value>,
    translate: &Translate<'_>,
) -> Map<String, Value> {
    // `creation` and `owner` go along: a row sent without them would get today's.
    let kept = |field: &str| ["name", "creation", "owner"].contains(&field);
    let place = |field: &str| ["parent", "parenttype", "parentfield", "docstatus"].contains(&field);
    let mut row: Map<String, Value> = target
        .iter()
        .filter(|(field, _)| {
            kept(field)
                || !(SYSTEM_FIELDS.contains(&field.as_str())
                    || place(field)
                    || field.starts_with('_'))
        })
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    for (field, column) in columns.iter().filter(|(_, column)| column.role == Role::Content) {
        if let Some(value) = body.carry(&format!("{table}.{field}"), column, source, translate) {
            row.insert(field.clone(), value);
        }
    }
    row
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
