//! Which fields are in use: a warning about a field that nobody fills is noise.
//!
//! One request for the documents and one for each child doctype in question tells it of all
//! their fields: the greatest value of each. The rule kept here: what could not be asked counts as
//! used.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::model::{Doc, Side, Sides};
use crate::pass::Doctype;
use crate::site::ListQuery;

/// The column of the answer that has a document's name.
const LAST: &str = "last_name_of_all";

/// What is asked of one side about the documents of a doctype.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// The doctype.
    pub doctype: String,
    filters: Vec<Value>,
    /// Fields of the documents themselves.
    own: BTreeSet<String>,
    /// Fields of their rows, by child doctype.
    rows: BTreeMap<String, BTreeSet<String>>,
}

impl Question {
    /// Asks of a side whether these fields, as `field` or `table.field`, are used. A side that
    /// nothing comes from is asked for a document's name only.
    pub fn new(doctype: &Doctype, side: Side, fields: &BTreeSet<String>) -> Self {
        let schema = &doctype.schemas[side];
        let name = doctype.config.doctype.clone();
        let filters = filters_of(doctype);
        let mut question = Self { doctype: name, filters, ..Self::default() };
        if doctype.config.direction.target() == Some(side) {
            return question;
        }
        for path in fields {
            let Some((table, field)) = path.split_once('.') else {
                question.own.insert(path.clone());
                continue;
            };
            if let Some(rows) = schema.tables.get(table) {
                let of_rows = question.rows.entry(rows.doctype.clone()).or_default();
                of_rows.insert(field.to_owned());
            }
        }
        question
    }

    /// Asks for the documents' own fields, and for the name of one of them.
    pub fn of_documents(&self) -> ListQuery {
        let mut fields = vec![format!("max(name) as {LAST}")];
        fields.extend(self.own.iter().map(|field| greatest(field)));
        ListQuery {
            doctype: self.doctype.clone(),
            fields,
            filters: self.filters.clone(),
            order_by: format!("{LAST} asc"),
            limit: 1,
            ..ListQuery::default()
        }
    }

    /// Asks for the fields of the rows, a request for each child doctype: by table, as several may
    /// hold rows of one child doctype.
    pub fn of_rows(&self) -> impl Iterator<Item = ListQuery> {
        self.rows.iter().map(|(child, fields)| {
            let table = ["parentfield".to_owned()];
            ListQuery {
                doctype: child.clone(),
                parent: Some(self.doctype.clone()),
                fields: table
                    .into_iter()
                    .chain(fields.iter().map(|field| greatest(field)))
                    .collect(),
                filters: vec![json!(["parenttype", "=", self.doctype])],
                order_by: "parentfield asc".to_owned(),
                group_by: Some("parentfield".to_owned()),
                limit: 0,
            }
        })
    }
}

fn greatest(field: &str) -> String {
    format!("max({field}) as {field}")
}

/// The configured filters; none where one of them is on rows, which a sum does not go with.
fn filters_of(doctype: &Doctype) -> Vec<Value> {
    let filters = &doctype.config.filters;
    let on_rows = |filter: &Value| match filter.as_array().map(Vec::as_slice) {
        Some([of, _, _, _]) => *of != doctype.config.doctype.as_str(),
        _ => false,
    };
    if filters.iter().any(on_rows) { Vec::new() } else { filters.clone() }
}

/// The name of one of the documents, where there are any.
pub fn name_in(rows: &[Doc]) -> Option<String> {
    let name = rows.first()?.get(LAST).filter(|name| !name.is_null())?;
    Some(crate::model::name_text(name)).filter(|name| !name.is_empty())
}

/// The fields that have a value in an answer to [`Question::of_documents`] or
/// [`Question::of_rows`].
pub fn filled_in(rows: &[Doc]) -> BTreeSet<String> {
    let is_filled = |(field, value): &(&String, &Value)| {
        let is_value = match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Number(number) => number.as_f64() != Some(0.0),
            _ => true,
        };
        is_value && !["parentfield", LAST].contains(&field.as_str())
    };
    let of_row = |row: &Doc| -> Vec<String> {
        let table = row.text("parentfield");
        let path = |field: &String| table.map_or(field.clone(), |table| format!("{table}.{field}"));
        row.0.iter().filter(is_filled).map(|(field, _)| path(field)).collect()
    };
    rows.iter().flat_map(of_row).collect()
}

/// The fields that are used on each side; `None` where it could not be asked.
pub type Used = Sides<Option<BTreeSet<String>>>;

/// Whether documents that are synced use a field, as far as is known.
pub fn is_used(used: &Used, path: &str) -> bool {
    used.iter().any(|(_, fields)| fields.as_ref().is_none_or(|fields| fields.contains(path)))
}
