//! Random documents and edits.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::fields_of;
use super::site::child_of;
use crate::model::Doc;

/// Few cases with much in each: all properties together run in a few seconds.
pub fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A document or row of a doctype as a user sends it, rows included.
pub fn body(doctype: &str) -> BoxedStrategy<Map<String, Value>> {
    let fields: Vec<_> = fields_of(doctype)
        .into_iter()
        .map(|(name, (kind, _))| {
            let value = match child_of(&kind) {
                Some(child) => {
                    prop::collection::vec(body(child), 0..4).prop_map(|rows| json!(rows)).boxed()
                }
                None => value(&kind),
            };
            (Just(name), value)
        })
        .collect();
    fields.prop_map(|fields| consistent(fields.into_iter().collect())).boxed()
}

/// Some of a doctype's own fields with new values.
fn some_fields(doctype: &str) -> BoxedStrategy<Map<String, Value>> {
    let fields: Vec<_> = fields_of(doctype)
        .into_iter()
        .filter(|(_, (kind, _))| child_of(kind).is_none())
        .map(|(name, (kind, _))| (Just(name), prop::option::weighted(0.2, value(&kind))))
        .collect();
    let fields = fields.prop_map(|fields: Vec<(String, Option<Value>)>| {
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    });
    fields.boxed()
}

/// A dynamic link needs a doctype.
fn consistent(mut fields: Map<String, Value>) -> Map<String, Value> {
    for (link, named_by) in [("party", "party_type"), ("ref", "ref_type")] {
        if fields.get(named_by).is_some_and(|doctype| doctype.is_null() || doctype == "") {
            fields.insert(link.to_owned(), Value::Null);
        }
    }
    fields
}

fn value(kind: &str) -> BoxedStrategy<Value> {
    let texts = |texts: &'static [&'static str]| {
        prop_oneof![1 => Just(Value::Null), 3 => select(texts).prop_map(Value::from)].boxed()
    };
    match kind {
        "Check" => (0..2).prop_map(Value::from).boxed(),
        "Int" => (-2..4).prop_map(Value::from).boxed(),
        "Float" | "Currency" | "Percent" => {
            select(vec![0.0, 1.5, 10.0, -2.0, 0.333_333_333, 1e9]).prop_map(Value::from).boxed()
        }
        "Rating" | "Duration" => {
            select(vec![Value::Null, json!(0), json!(0.6), json!(3661)]).boxed()
        }
        "Date" => texts(&["2026-02-03", "1999-12-31"]),
        "Datetime" => texts(&["2026-02-03 04:05:06", "2026-02-03 04:05:06.120000"]),
        "Time" => texts(&["00:00:00", "04:05:06", "15:04:01.878000", "23:59:59"]),
        "JSON" => texts(&["{\"a\": 1}", "[]"]),
        "Password" => texts(&["*****", "********"]),
        "Link to DocType" => texts(&["Customer", "Supplier"]),
        _ if kind.contains("Link") => texts(&["A", "B", "C"]),
        _ => texts(&["", "Pune", "Agra", "0", " two\r\nlines ", "Ärger 漢字 😀"]),
    }
}

/// What a user does to a table: which row comes next.
#[derive(Debug, Clone)]
enum RowEdit {
    /// One of the rows that are there, with some new values.
    Old(Index, Map<String, Value>),
    /// One of them once more.
    Again(Index),
    /// A new one.
    New(Map<String, Value>),
}

/// An edit of a document by a user.
#[derive(Debug, Clone)]
pub struct Edit {
    fields: Map<String, Value>,
    tables: Vec<(String, Option<Vec<RowEdit>>)>,
}

/// A random edit of a doctype's documents.
pub fn edit(doctype: &str) -> BoxedStrategy<Edit> {
    let tables: Vec<_> = fields_of(doctype)
        .into_iter()
        .filter_map(|(name, (kind, _))| Some((name, child_of(&kind)?.to_owned())))
        .map(|(name, child)| {
            let old = (any::<Index>(), prop_oneof![Just(Map::new()), some_fields(&child)])
                .prop_map(|(index, fields)| RowEdit::Old(index, fields));
            let again = any::<Index>().prop_map(RowEdit::Again);
            let new = body(&child).prop_map(RowEdit::New);
            let row = prop_oneof![8 => old, 1 => again, 2 => new];
            (Just(name), prop::option::of(prop::collection::vec(row, 0..5)))
        })
        .collect();
    (some_fields(doctype), tables).prop_map(|(fields, tables)| Edit { fields, tables }).boxed()
}

impl Edit {
    /// The body that the user's form sends: own rows under their own names, moved, edited,
    /// removed or new.
    pub fn body(&self, doc: &Doc) -> Map<String, Value> {
        let with_types = |fields: &Map<String, Value>, whole: &Map<String, Value>| {
            let mut all = whole.clone();
            all.extend(fields.clone());
            consistent(all)
        };
        let mut body = self.fields.clone();
        for (field, value) in with_types(&self.fields, &doc.0) {
            if ["party", "party_type"].contains(&field.as_str()) {
                body.insert(field, value);
            }
        }
        for (table, rows) in &self.tables {
            let Some(rows) = rows else { continue };
            let all: Vec<_> = doc.rows(table).collect();
            let mut left = all.clone();
            let mut new = Vec::new();
            for row in rows {
                match row {
                    RowEdit::New(row) => new.push(row.clone()),
                    RowEdit::Again(index) if !all.is_empty() => {
                        let mut row = (*index.get(&all)).clone();
                        row.retain(|field, _| !["name", "creation", "owner"].contains(&&**field));
                        new.push(row);
                    }
                    RowEdit::Again(_) => {}
                    RowEdit::Old(_, _) if left.is_empty() => {}
                    RowEdit::Old(index, fields) => {
                        let row = left.remove(index.index(left.len()));
                        new.push(with_types(fields, row));
                    }
                }
            }
            body.insert(table.clone(), json!(new));
        }
        // Set once: a site refuses it.
        for fixed in ["batch", "naming_series"] {
            body.remove(fixed);
        }
        body
    }
}
