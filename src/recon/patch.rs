//! What is sent: the body of a create, and the patch of an update.
//!
//! The rules kept here: an update holds only what the source changed; a child table is sent
//! whole, under the target's own row names, so that no row is lost (BEHAVIOUR.md 4); system
//! fields, masks of the source's passwords and links that nobody can translate are never sent.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::rows::{RowNames, match_rows, row_name};
use crate::model::side_effects::{STATUS, is_filled_if_sent, is_set_by_people};
use crate::model::{
    Column, Columns, DOCSTATUS, Doc, FieldKind, Form, OpenLink, ROWS, Role, SYSTEM_FIELDS, Shape,
    Side, Sides, Translation, canonical_scalar, is_counted_name, name_text,
};

/// Translates a link: doctype and name on the source's side. Names of child rows stand under
/// [`ROWS`]; one that is not known is no row's, and goes as it stands.
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
    let unnamed = own_rows(shape, source, &|_| Some(RowNames::new()));
    let mut writer = Writer { body: Body::default(), unnamed, translate };
    for (field, column) in &shape.columns {
        if held_back.contains(&field.as_str()) {
            if has_content(&column.kind, source.0.get(field)) {
                writer.body.omitted.insert(field.clone());
            }
            continue;
        }
        if is_filled_if_sent(&shape.doctype, field)
            && !has_content(&column.kind, source.0.get(field))
        {
            continue;
        }
        let value = match &column.kind {
            FieldKind::Table(_) => {
                let rows = source.rows(field).map(|row| {
                    let mut new = writer.new_row(field, column, row);
                    new.insert("creation".to_owned(), source.creation().into());
                    Value::Object(new)
                });
                Some(Value::Array(rows.collect()))
            }
            _ if field == "set_posting_time" => Some(1.into()),
            _ => {
                writer.carry(field, column, &source.0).map(|value| spelled_out(&column.kind, value))
            }
        };
        if let Some(value) = value {
            writer.body.fields.insert(field.clone(), value);
        }
    }
    if source.docstatus() != 0 {
        writer.body.submit_like(source);
    }
    writer.body
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
    let unnamed = own_rows(shape, source, &|table| match known(table) {
        // Its rows are not told apart yet: none of them is new to the target.
        none if none.is_empty() && target.rows(table).next().is_some() => None,
        known => Some(known),
    });
    let mut writer = Writer { body: Body::default(), unnamed, translate };
    for field in with_companions(shape, fields, source, target) {
        let Some(column) = shape.columns.get(field).filter(|column| is_open(column, target)) else {
            continue;
        };
        let value = match &column.kind {
            FieldKind::Table(_) => {
                Some(writer.patched_rows(field, column, source, target, &known(field)))
            }
            _ if field == "set_posting_time" => Some(1.into()),
            _ => writer.carry(field, column, &source.0),
        };
        if let Some(value) = value {
            writer.body.fields.insert(field.to_owned(), value);
        }
    }
    writer.body
}

/// The submission of a draft: the patch and the source's posting date and time in one with
/// it, or a site takes its own (COPYING.md 1).
#[must_use]
pub fn submit_body(
    shape: &Shape,
    fields: &[String],
    source: &Doc,
    target: &Doc,
    known: &dyn Fn(&str) -> RowNames,
    translate: &Translate<'_>,
) -> Body {
    let mut fields = fields.to_vec();
    fields.push("set_posting_time".to_owned());
    let mut body = update_body(shape, &fields, source, target, known, translate);
    body.submit_like(source);
    body
}

/// The cancellation of a submitted document: nothing goes with it.
#[must_use]
pub fn cancel_body() -> Body {
    let fields = Map::from_iter([(DOCSTATUS.to_owned(), 2.into())]);
    Body { fields, ..Body::default() }
}

/// What goes over of a document before it is cancelled: the patch alone, where there is one.
#[must_use]
pub fn before_cancelling(mut patch: Body) -> Body {
    if patch.fields.is_empty() && patch.open.is_empty() && patch.unmapped.is_empty() {
        return cancel_body();
    }
    patch.omitted.insert(DOCSTATUS.to_owned());
    patch
}

impl Body {
    /// Submits in the same request; where something is still to follow, with that.
    fn submit_like(&mut self, source: &Doc) {
        let is_whole = self.omitted.is_empty();
        if is_whole {
            self.fields.insert(DOCSTATUS.to_owned(), 1.into());
        }
        // A cancellation comes next.
        if !is_whole || source.docstatus() == 2 {
            self.omitted.insert(DOCSTATUS.to_owned());
        }
        // That users closed it does not go with it: it is a change of theirs all the same.
        if source.docstatus() == 1 && source.text(STATUS).is_some_and(is_set_by_people) {
            self.omitted.insert(STATUS.to_owned());
        }
    }
}

/// Whether an update of this document may change the field: of a submitted one a site takes
/// nothing else.
fn is_open(column: &Column, target: &Doc) -> bool {
    column.role == Role::Content && (target.docstatus() == 0 || column.on_submit)
}

/// The names of the source's own rows that the target has no name for yet.
fn own_rows(
    shape: &Shape,
    source: &Doc,
    known: &dyn Fn(&str) -> Option<RowNames>,
) -> BTreeSet<String> {
    let tables = shape.columns.iter().filter(|(_, column)| !column.rows.is_empty());
    tables
        .filter_map(|(table, _)| Some((table, known(table)?)))
        .flat_map(|(table, known)| {
            let names = source.rows(table).filter_map(row_name);
            names.filter(move |name| !known.contains_key(name) && !is_counted_name(name))
        })
        .collect()
}

/// The fields to send, with those that must not go apart: posting date and time, which a site
/// replaces by now without `set_posting_time` (COPYING.md 1), and a dynamic link, which means
/// another document under another doctype.
fn with_companions<'a>(
    shape: &'a Shape,
    fields: &'a [String],
    source: &Doc,
    target: &Doc,
) -> BTreeSet<&'a str> {
    const POSTING: [&str; 3] = ["posting_date", "posting_time", "set_posting_time"];
    let mut all: BTreeSet<&str> = fields.iter().map(String::as_str).collect();
    if shape.columns.contains_key("set_posting_time") && POSTING.iter().any(|f| all.contains(f)) {
        all.extend(POSTING);
    }
    for (field, column) in &shape.columns {
        let FieldKind::DynamicLink(named_by) = &column.kind else { continue };
        let is_linked = source.get(field).is_some_and(is_filled);
        if all.contains(named_by.as_str()) {
            all.insert(field);
        } else if all.contains(field.as_str())
            && is_linked
            && source.get(named_by) != target.get(named_by)
        {
            all.insert(named_by);
        }
    }
    all
}

/// Puts a body together.
struct Writer<'a> {
    body: Body,
    /// Rows of the source itself to which a reference can only follow.
    unnamed: BTreeSet<String>,
    translate: &'a Translate<'a>,
}

impl Writer<'_> {
    /// The value of a scalar field as the target is to get it, `null` where it is empty;
    /// `None` where it stays out. On an update `null` clears a field of any type
    /// (BEHAVIOUR.md 4).
    fn carry(&mut self, path: &str, column: &Column, source: &Map<String, Value>) -> Option<Value> {
        let field = path.rsplit('.').next().unwrap_or(path);
        let value = source.get(field).filter(|value| is_filled(value));
        let Some(value) = value else { return Some(Value::Null) };
        if is_mask(value) {
            return None;
        }
        let Some(doctype) = linked_doctype(&column.kind, source) else {
            return Some(value.clone());
        };
        match self.translated(doctype, &name_text(value)) {
            Translation::Name(name) => return Some(name.into()),
            Translation::Open(link) => {
                self.body.open.insert(link);
            }
            Translation::Later => {}
            Translation::Unmapped(reason) => self.body.unmapped.push(format!("{path}: {reason}")),
        }
        self.body.omitted.insert(path.to_owned());
        None
    }

    fn translated(&self, doctype: &str, name: &str) -> Translation {
        if doctype == ROWS && self.unnamed.contains(name) {
            return Translation::Later;
        }
        (self.translate)(doctype, name)
    }

    /// A row that the target does not have yet: all fields that both sides have.
    fn new_row(
        &mut self,
        table: &str,
        column: &Column,
        source: &Map<String, Value>,
    ) -> Map<String, Value> {
        let doctype = match &column.kind {
            FieldKind::Table(doctype) => doctype.as_str(),
            _ => "",
        };
        column
            .rows
            .iter()
            .filter(|(field, column)| {
                !is_filled_if_sent(doctype, field) || has_content(&column.kind, source.get(*field))
            })
            .filter_map(|(field, column)| {
                let value = self.carry(&format!("{table}.{field}"), column, source)?;
                Some((field.clone(), spelled_out(&column.kind, value)))
            })
            .collect()
    }

    /// The whole table as the target is to have it: the source's rows in the source's order,
    /// each laid over the target's own row where there is one.
    fn patched_rows(
        &mut self,
        table: &str,
        column: &Column,
        source: &Doc,
        target: &Doc,
        known: &RowNames,
    ) -> Value {
        let source_rows: Vec<_> = source.rows(table).collect();
        // A name that is sent twice is stored once, and the other row is lost.
        let mut names = BTreeSet::new();
        let target_rows: Vec<_> = target
            .rows(table)
            .filter(|row| row_name(row).is_some_and(|name| names.insert(name)))
            .collect();
        let same = |a: &Map<String, Value>, b: &Map<String, Value>| {
            column.rows.iter().filter(|(_, inner)| inner.role == Role::Content).all(
                |(field, inner)| {
                    let value = |row: &Map<String, Value>| {
                        canonical_scalar(&inner.kind, row.get(field).unwrap_or(&Value::Null))
                    };
                    value(a) == value(b)
                },
            )
        };
        let renamed: Vec<_> =
            source_rows.iter().map(|row| self.with_target_names(&column.rows, row)).collect();
        let pairs = match_rows(&renamed.iter().collect::<Vec<_>>(), &target_rows, known, &same);
        let rows = source_rows.iter().zip(pairs).map(|(row, pair)| {
            let patched = match pair {
                Some(j) => {
                    let open = |inner: &Column| is_open(inner, target);
                    self.laid_over(table, &column.rows, row, target_rows[j], &open)
                }
                None => self.new_row(table, column, row),
            };
            Value::Object(patched)
        });
        Value::Array(rows.collect())
    }

    /// A source row with its links under their names on the target, to be compared with the
    /// target's rows; a link that cannot be carried over stands as it is.
    fn with_target_names(
        &self,
        columns: &Columns,
        source: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut row = source.clone();
        for (field, column) in columns {
            let Some(doctype) = linked_doctype(&column.kind, source) else { continue };
            let Some(name) = source.get(field).filter(|value| is_filled(value)) else { continue };
            if let Translation::Name(name) = self.translated(doctype, &name_text(name)) {
                row.insert(field.clone(), name.into());
            }
        }
        row
    }

    /// The target's row as read, with the source's content over it. A row is replaced whole
    /// (BEHAVIOUR.md 4), so what the target keeps for itself must go along, the mask of its own
    /// password too: a site leaves the password alone that comes as a mask, and removes one
    /// that does not come.
    fn laid_over(
        &mut self,
        table: &str,
        columns: &Columns,
        source: &Map<String, Value>,
        target: &Map<String, Value>,
        is_open: &dyn Fn(&Column) -> bool,
    ) -> Map<String, Value> {
        // `creation` and `owner` go along: a row sent without them would get today's.
        let kept = |field: &str| ["name", "creation", "owner"].contains(&field);
        let place =
            |field: &str| ["parent", "parenttype", "parentfield", "docstatus"].contains(&field);
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
        for (field, column) in columns.iter().filter(|(_, column)| is_open(column)) {
            if let Some(value) = self.carry(&format!("{table}.{field}"), column, source) {
                row.insert(field.clone(), value);
            }
        }
        row
    }
}

/// The doctype that a field of this document or row links to.
pub(super) fn linked_doctype<'a>(
    kind: &'a FieldKind,
    source: &'a Map<String, Value>,
) -> Option<&'a str> {
    match kind {
        FieldKind::Link(doctype) => Some(doctype),
        FieldKind::RowName => Some(ROWS),
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
pub(super) fn is_mask(value: &Value) -> bool {
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

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
