//! A document in memory, between the request and the tables.
//!
//! What lives here: the document, its rows, and the forms it is answered in. What may not: rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::value;

/// Field values by name.
pub type Fields = Map<String, Value>;

/// A document or a row of one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Doc {
    /// The doctype.
    pub doctype: String,
    /// Values of everything that has a column.
    pub fields: Fields,
    /// Rows by table field.
    pub tables: BTreeMap<String, Vec<Doc>>,
    /// Not in the database yet.
    pub is_new: bool,
    /// Answered with `__unsaved`.
    pub unsaved: bool,
    /// Keys of the body that are no fields (`__newname`); never stored.
    pub extra: Fields,
}

/// Columns every document has.
pub const SYSTEM_FIELDS: [&str; 7] =
    ["name", "owner", "creation", "modified", "modified_by", "docstatus", "idx"];

impl Doc {
    /// An empty document.
    pub fn new(doctype: &str) -> Self {
        Self { doctype: doctype.to_owned(), ..Self::default() }
    }

    /// A value, null when absent.
    pub fn get(&self, field: &str) -> &Value {
        self.fields.get(field).unwrap_or(&Value::Null)
    }

    /// A value as text.
    pub fn text(&self, field: &str) -> String {
        value::to_text(self.get(field))
    }

    /// A value as a number.
    pub fn number(&self, field: &str) -> f64 {
        value::to_float(self.get(field))
    }

    /// True when the value counts as true.
    pub fn is_set(&self, field: &str) -> bool {
        value::is_truthy(self.get(field))
    }

    /// Sets a value.
    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.fields.insert(field.to_owned(), value.into());
    }

    /// The name as text.
    pub fn name(&self) -> String {
        self.text("name")
    }

    /// Draft (0), submitted (1) or cancelled (2).
    pub fn docstatus(&self) -> i64 {
        value::to_int(self.get("docstatus"))
    }

    /// The rows of a table field.
    pub fn rows(&self, table: &str) -> &[Doc] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// All rows of all tables.
    pub fn all_rows(&self) -> impl Iterator<Item = &Doc> {
        self.tables.values().flatten()
    }

    /// All rows of all tables, to change them.
    pub fn all_rows_mut(&mut self) -> impl Iterator<Item = &mut Doc> {
        self.tables.values_mut().flatten()
    }

    /// The document as an answer shows it; nulls are spelled out or left out.
    pub fn to_json(&self, with_nulls: bool) -> Value {
        let mut out = Map::new();
        for (field, value) in &self.fields {
            if field.starts_with('_') {
                if matches!(field.as_str(), "_user_tags" | "_liked_by") && !value.is_null() {
                    out.insert(field.clone(), value.clone());
                }
            } else if with_nulls || !value.is_null() {
                out.insert(field.clone(), value.clone());
            }
        }
        out.insert("doctype".into(), json!(self.doctype));
        if self.unsaved {
            out.insert("__unsaved".into(), json!(1));
        }
        for (table, rows) in &self.tables {
            let rows = rows.iter().map(|row| row.to_json(with_nulls)).collect();
            out.insert(table.clone(), Value::Array(rows));
        }
        Value::Object(out)
    }
}

/// JSON text with sorted keys, one blank of indent and ASCII only, as Frappe archives documents.
pub fn archive_text(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut writer = serde_json::Serializer::with_formatter(&mut out, formatter);
    if serde::Serialize::serialize(value, &mut writer).is_err() {
        return String::new();
    }
    ascii(&String::from_utf8(out).unwrap_or_default())
}

/// JSON text with everything outside ASCII escaped, as Python writes it.
pub fn ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            ascii.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(ascii, "\\u{unit:04x}").ok();
            }
        }
    }
    ascii
}
