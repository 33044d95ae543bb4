//! What a Frappe site does to one document that it is sent (BEHAVIOUR.md 2 to 4), as far as
//! the pure core is concerned: strict where a site loses data or refuses.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fields_of;
use crate::model::Doc;

/// One site: it gives names to rows.
pub struct Site {
    prefix: &'static str,
    next: u32,
}

impl Site {
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, next: 0 }
    }

    fn row_name(&mut self) -> String {
        self.next += 1;
        format!("{}{}", self.prefix, self.next)
    }

    /// POST: what is missing or null gets its default; rows get new names.
    pub fn insert(&mut self, doctype: &str, body: &Map<String, Value>) -> Doc {
        let mut doc = Doc(stored(doctype, body));
        for (field, (kind, _)) in fields_of(doctype) {
            if let Some(child) = child_of(&kind) {
                let rows = rows_in(body.get(&field));
                let rows: Vec<_> = rows.iter().map(|row| self.new_row(child, row)).collect();
                doc.0.insert(field, json!(rows));
            }
        }
        doc.0.insert("name".to_owned(), "D-1".into());
        doc.0.insert("creation".to_owned(), format!("created on {}", self.prefix).into());
        doc
    }

    fn new_row(&mut self, doctype: &str, body: &Map<String, Value>) -> Map<String, Value> {
        let mut row = stored(doctype, body);
        row.insert("name".to_owned(), self.row_name().into());
        row.insert("creation".to_owned(), body.get("creation").cloned().unwrap_or_default());
        row
    }

    /// PUT: partial for the document; a table that is given is the whole new list.
    pub fn update(&mut self, doctype: &str, doc: &Doc, body: &Map<String, Value>) -> Doc {
        let mut updated = doc.clone();
        let fields = fields_of(doctype);
        for (field, value) in body {
            let Some((kind, _)) = fields.get(field) else { continue };
            let value = match child_of(kind) {
                None => store(kind, value),
                Some(child) => {
                    let own: BTreeMap<String, Map<String, Value>> =
                        doc.rows(field).map(|row| (name_of(row), row.clone())).collect();
                    json!(self.replaced(child, own, &rows_in(Some(value))))
                }
            };
            updated.0.insert(field.clone(), value);
        }
        updated
    }

    /// The rows of a table after an update: its own rows are replaced as whole rows, rows
    /// without a name are new, rows of a foreign name are lost, and a name that comes twice
    /// is stored once.
    fn replaced(
        &mut self,
        doctype: &str,
        mut own: BTreeMap<String, Map<String, Value>>,
        sent: &[Map<String, Value>],
    ) -> Vec<Map<String, Value>> {
        let mut rows = Vec::new();
        for row in sent {
            if !row.contains_key("name") {
                rows.push(self.new_row(doctype, row));
                continue;
            }
            let Some(old) = own.remove(&name_of(row)) else { continue };
            let mut whole = Map::new();
            for (field, (kind, _)) in fields_of(doctype) {
                let value = store(&kind, row.get(&field).unwrap_or(&Value::Null));
                whole.insert(field, value);
            }
            for field in ["name", "creation"] {
                whole.insert(field.to_owned(), old.get(field).cloned().unwrap_or_default());
            }
            rows.push(whole);
        }
        rows
    }
}

/// The fields of a new document or row, its tables left out.
fn stored(doctype: &str, body: &Map<String, Value>) -> Map<String, Value> {
    let fields = fields_of(doctype).into_iter().filter(|(_, (kind, _))| child_of(kind).is_none());
    fields
        .map(|(field, (kind, default))| {
            let sent = body.get(&field).filter(|value| !value.is_null()).cloned();
            let value = store(&kind, &sent.or(default.map(Value::from)).unwrap_or_default());
            (field, value)
        })
        .collect()
}

fn name_of(row: &Map<String, Value>) -> String {
    row["name"].as_str().unwrap().to_owned()
}

fn rows_in(value: Option<&Value>) -> Vec<Map<String, Value>> {
    let rows = value.filter(|rows| !rows.is_null());
    rows.map_or_else(Vec::new, |rows| serde_json::from_value(rows.clone()).unwrap())
}

/// The child doctype of a table's kind.
pub fn child_of(kind: &str) -> Option<&str> {
    kind.strip_prefix("Table MultiSelect of ").or_else(|| kind.strip_prefix("Table of "))
}

/// A value as the next read gives it.
fn store(kind: &str, value: &Value) -> Value {
    let is_empty = value.is_null() || *value == "";
    let number = || -> f64 { value.to_string().trim_matches('"').parse().unwrap() };
    match kind {
        "Int" | "Check" if is_empty => json!(0),
        #[allow(clippy::cast_possible_truncation, reason = "the tests' numbers are small")]
        "Int" | "Check" => json!(number() as i64),
        "Float" | "Currency" | "Percent" if is_empty => json!(0.0),
        "Duration" | "Rating" | "JSON" => {
            assert!(*value != "", "the database refuses an empty text for {kind}");
            match value {
                Value::Null => Value::Null,
                _ if kind == "JSON" => value.clone(),
                _ => json!(number()),
            }
        }
        "Float" | "Currency" | "Percent" => json!(number()),
        "Date" | "Datetime" | "Time" if is_empty => Value::Null,
        "Time" => unpadded(value.as_str().unwrap()).into(),
        _ => value.clone(),
    }
}

/// `04:05:06.500000` as a read prints it: `4:05:6.5`.
fn unpadded(time: &str) -> String {
    let short = |part: &str| part.parse::<u32>().unwrap().to_string();
    let mut parts: Vec<String> = time.split(':').map(str::to_owned).collect();
    parts[0] = short(&parts[0]);
    if let Some((seconds, fraction)) = parts[2].clone().split_once('.') {
        parts[2] = format!("{}.{}", short(seconds), fraction.trim_end_matches('0'));
    }
    parts.join(":")
}
