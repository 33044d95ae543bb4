//! The canonical forms of a document, and their hash.
//!
//! Two forms, never mixed: the *sync form* is what is hashed and compared for change, the
//! *identity form* answers whether two documents are the same one. The rule kept here: a form
//! depends on a document's content only, not on how the site happened to print it.

use std::collections::BTreeSet;

use md5::{Digest, Md5};
use serde_json::{Map, Value};

use super::doc::{DOCSTATUS, Doc, name_text};
use super::pyjson;
use super::relation::ROWS;
use super::schema::FieldKind;
use super::shape::{Column, Columns, Role, Shape, Stamped};
use super::side_effects;

/// Gives a linked document's own id (`docname` in the state) for its name on the side that
/// the document was read from, and a child row's for its name under [`ROWS`]; names that the
/// state does not know stand for themselves.
pub type LinkIds<'a> = dyn Fn(&str, &str) -> Option<String> + 'a;

/// A document's content in one form, whichever way it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Form(pub Map<String, Value>);

impl Form {
    /// The text that is hashed: what Python's `json.dumps(form, sort_keys=True)` prints.
    #[must_use]
    pub fn text(&self) -> String {
        pyjson::dumps(&Value::Object(self.0.clone()))
    }

    /// The MD5 of [`Form::text`], in hex.
    #[must_use]
    pub fn hash(&self) -> String {
        md5_hex(self.text().as_bytes())
    }

    /// 0 draft, 1 submitted, 2 cancelled.
    #[must_use]
    pub fn docstatus(&self) -> i64 {
        self.0.get(DOCSTATUS).and_then(Value::as_i64).unwrap_or(0)
    }

    /// The fields in which this form and another differ, in order.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let mut fields: Vec<String> = self
            .0
            .keys()
            .chain(other.0.keys())
            .filter(|field| self.0.get(*field) != other.0.get(*field))
            .cloned()
            .collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

/// MD5 in hex, as Python's `hashlib.md5(data).hexdigest()`.
#[must_use]
pub fn md5_hex(data: &[u8]) -> String {
    use std::fmt::Write as _;
    Md5::digest(data).iter().fold(String::with_capacity(32), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Shape {
    /// The form that is hashed and compared for change. Of a submitted document only its
    /// `docstatus` and the fields that may still be edited count.
    #[must_use]
    pub fn sync_form(&self, doc: &Doc, links: &LinkIds<'_>) -> Form {
        let is_draft = doc.docstatus() == 0;
        self.content_form(doc, links, &|column| is_draft || column.on_submit)
    }

    /// The sync form as if everything could still be edited: what a submission carries over,
    /// and in which it shows what users change of a submitted document by other ways.
    #[must_use]
    pub fn whole_form(&self, doc: &Doc, links: &LinkIds<'_>) -> Form {
        let mut form = self.content_form(doc, links, &|_| true);
        if doc.docstatus() == 1
            && self.columns.contains_key(side_effects::STATUS)
            && let Some(status) = doc.text(side_effects::STATUS)
            && side_effects::is_set_by_people(status)
        {
            form.0.insert(side_effects::STATUS.to_owned(), status.into());
        }
        form
    }

    fn content_form(
        &self,
        doc: &Doc,
        links: &LinkIds<'_>,
        is_open: &dyn Fn(&Column) -> bool,
    ) -> Form {
        let counts = |column: &Column| column.role == Role::Content && is_open(column);
        let mut form = form_of(&self.columns, &doc.0, &counts, links);
        if doc.docstatus() != 0 {
            form.insert(DOCSTATUS.to_owned(), doc.docstatus().into());
        }
        Form(form)
    }

    /// The form that tells documents apart: everything that a person can enter.
    #[must_use]
    pub fn identity_form(&self, doc: &Doc, links: &LinkIds<'_>) -> Form {
        let counts = |column: &Column| column.role != Role::Derived;
        Form(form_of(&self.columns, &doc.0, &counts, links))
    }

    /// Every link that the document holds, as (doctype, name), rows included.
    #[must_use]
    pub fn links(&self, doc: &Doc) -> Vec<(String, String)> {
        let mut links = Vec::new();
        collect_links(&self.columns, &doc.0, &mut links);
        links.sort_unstable();
        links.dedup();
        links
    }

    /// Every text in the document's rows that may be the name of another row.
    #[must_use]
    pub fn row_references(&self, doc: &Doc) -> BTreeSet<String> {
        row_texts(&self.columns, doc).filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }
}

/// The texts of the rows that may be names of rows.
fn row_texts<'d>(columns: &'d Columns, doc: &'d Doc) -> impl Iterator<Item = &'d str> {
    columns.iter().flat_map(|(table, column)| {
        let fields = column.rows.iter().filter(|(_, inner)| inner.kind == FieldKind::RowName);
        fields.flat_map(|(field, _)| {
            doc.rows(table).filter_map(move |row| row.get(field).and_then(Value::as_str))
        })
    })
}

fn form_of(
    columns: &Columns,
    doc: &Map<String, Value>,
    counts: &dyn Fn(&Column) -> bool,
    links: &LinkIds<'_>,
) -> Map<String, Value> {
    columns
        .iter()
        .filter(|(name, column)| {
            counts(column) && *name != "set_posting_time" && !is_stamped(column, doc)
        })
        .filter_map(|(name, column)| {
            let value = canonical(column, doc.get(name)?, doc, counts, links)?;
            Some((name.clone(), value))
        })
        .collect()
}

/// Whether the site sets the field of this document or row by itself.
fn is_stamped(column: &Column, doc: &Map<String, Value>) -> bool {
    let is_set = |flag: &str| doc.get(flag).and_then(number) == Some(1.0);
    let is_draft = || doc.get(DOCSTATUS).and_then(number).unwrap_or(0.0) == 0.0;
    match &column.stamped {
        None => false,
        Some(Stamped::WhileLinked(link)) => doc
            .get(link)
            .is_some_and(|name| canonical_scalar(&FieldKind::Text, name).is_some_and(|n| n != "")),
        Some(Stamped::WhileUnset(flag)) => !is_set(flag),
        Some(Stamped::WhileDraft(flag)) => is_draft() && !is_set(flag),
    }
}

/// A field's value in its one form; `None` is absent. An empty text, a null and a numeric 0
/// are absent: a site turns each into the other as it likes (BEHAVIOUR.md 2).
fn canonical(
    column: &Column,
    value: &Value,
    doc: &Map<String, Value>,
    counts: &dyn Fn(&Column) -> bool,
    links: &LinkIds<'_>,
) -> Option<Value> {
    match &column.kind {
        FieldKind::Table(_) => {
            let rows: Vec<Value> = value
                .as_array()?
                .iter()
                .filter_map(Value::as_object)
                .map(|row| Value::Object(form_of(&column.rows, row, counts, links)))
                .collect();
            (!rows.is_empty()).then_some(Value::Array(rows))
        }
        FieldKind::Link(doctype) => link_id(doctype, value, links),
        FieldKind::RowName => link_id(ROWS, value, links),
        FieldKind::DynamicLink(field) => {
            let doctype = doc.get(field).and_then(Value::as_str).unwrap_or_default();
            link_id(doctype, value, links)
        }
        kind => canonical_scalar(kind, value),
    }
}

fn link_id(doctype: &str, value: &Value, links: &LinkIds<'_>) -> Option<Value> {
    let Value::String(name) = canonical_scalar(&FieldKind::Text, value)? else { return None };
    Some(Value::String(links(doctype, &name).unwrap_or(name)))
}

/// A value that is no table and no link in its one form.
#[must_use]
pub fn canonical_scalar(kind: &FieldKind, value: &Value) -> Option<Value> {
    match kind {
        FieldKind::Int => canonical_int(value),
        FieldKind::Float => canonical_float(value),
        FieldKind::Date => canonical_text(value, |text| text.get(..10).unwrap_or(text).to_owned()),
        FieldKind::Datetime => canonical_text(value, canonical_datetime),
        FieldKind::Time => {
            canonical_text(value, |text| canonical_time(text).unwrap_or_else(|| text.to_owned()))
        }
        FieldKind::Password => None,
        _ => canonical_text(value, str::to_owned),
    }
}

fn canonical_text(value: &Value, form: impl Fn(&str) -> String) -> Option<Value> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => form(text),
        Value::Bool(flag) => i64::from(*flag).to_string(),
        other => form(&pyjson::dumps(other)),
    };
    // A value of nothing but asterisks is the mask of a password.
    let hidden = text.bytes().all(|byte| byte == b'*');
    (!hidden).then_some(Value::String(text))
}

fn canonical_int(value: &Value) -> Option<Value> {
    match value {
        Value::Number(whole) if !whole.as_str().contains(['.', 'e', 'E']) => {
            (!whole.as_str().trim_start_matches('-').bytes().all(|digit| digit == b'0'))
                .then(|| value.clone())
        }
        _ => match number(value) {
            Some(0.0) => None,
            #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => {
                Some(Value::from(float as i64))
            }
            Some(float) => Some(Value::from(float)),
            None => canonical_text(value, str::to_owned),
        },
    }
}

/// A site stores nine decimals and gives them at the next read (BEHAVIOUR.md 2).
fn canonical_float(value: &Value) -> Option<Value> {
    match number(value) {
        Some(float) => {
            let rounded = format!("{float:.9}").parse().unwrap_or(float);
            (rounded != 0.0).then(|| Value::from(rounded))
        }
        None => canonical_text(value, str::to_owned),
    }
}

/// The number that a value is or spells; what no number can be is `None`.
fn number(value: &Value) -> Option<f64> {
    let parsed = match value {
        Value::Number(number) => number.as_str().parse().ok(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        _ => None,
    };
    parsed.filter(|float: &f64| float.is_finite())
}

fn canonical_datetime(text: &str) -> String {
    let text = text.trim();
    // "Tuesday" and "2026-02-03T" are no time, and must not become another text each time.
    let parts = text.split_once([' ', 'T']);
    match parts.filter(|(date, time)| !date.is_empty() && !time.is_empty()) {
        Some((date, time)) => {
            let time = canonical_time(time).unwrap_or_else(|| time.to_owned());
            format!("{date} {time}")
        }
        None if text.len() == 10 => format!("{text} 00:00:00"),
        None => text.to_owned(),
    }
}

/// `HH:MM:SS[.ffffff]`, padded, without trailing zeros: a read gives `4:05:06` or
/// `15:04:1.5` for what was sent as `04:05:06` or `15:04:01.500000` (BEHAVIOUR.md 2).
fn canonical_time(text: &str) -> Option<String> {
    let mut parts = text.trim().splitn(3, ':');
    let hours: u32 = parts.next()?.parse().ok()?;
    let minutes: u32 = parts.next()?.parse().ok()?;
    let (seconds, fraction) = match parts.next() {
        None => ("0", ""),
        Some(rest) => rest.split_once('.').unwrap_or((rest, "")),
    };
    let seconds: u32 = seconds.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{hours:02}:{minutes:02}:{seconds:02}{dot}{fraction}"))
}

fn collect_links(columns: &Columns, doc: &Map<String, Value>, links: &mut Vec<(String, String)>) {
    for (field, column) in columns {
        let Some(value) = doc.get(field) else { continue };
        let doctype = match &column.kind {
            FieldKind::Link(doctype) => doctype.as_str(),
            FieldKind::DynamicLink(field) => {
                doc.get(field).and_then(Value::as_str).unwrap_or_default()
            }
            FieldKind::Table(_) => {
                for row in value.as_array().into_iter().flatten().filter_map(Value::as_object) {
                    collect_links(&column.rows, row, links);
                }
                continue;
            }
            _ => continue,
        };
        let name = if value.is_null() { String::new() } else { name_text(value) };
        if !name.is_empty() && !doctype.is_empty() {
            links.push((doctype.to_owned(), name));
        }
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
