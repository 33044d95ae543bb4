//! A document in the fields that are kept in step, less what hooks make of them, written
//! without any code of erpsync's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::doctypes::facts;
use super::ledger::is_system;
use crate::model::Side;

/// What links stand as: the state's own id for the name of a side.
pub type Ids<'a> = BTreeMap<(Side, &'a str, &'a str), &'a str>;

pub fn plain(
    doctype: &str,
    doc: &Value,
    side: Side,
    private: &[&str],
    ids: &Ids<'_>,
) -> BTreeMap<String, Value> {
    let facts = facts(doctype);
    let link = facts.link.into_iter();
    let links: BTreeMap<&str, &str> = link.chain([("rows.area", "Area")]).collect();
    let shown = |field: &str, value: &Value| match (links.get(field), value.as_str()) {
        (Some(linked), Some(name)) if !name.is_empty() => {
            json!(ids.get(&(side, *linked, name)).unwrap_or(&name))
        }
        _ => value_of(value),
    };
    let is_shown = |field: &str| !private.contains(&field);
    let mut plain = BTreeMap::new();
    let own = facts.texts.iter().chain(facts.numbers).chain([&facts.mark]);
    for field in own.chain(facts.link.iter().map(|(field, _)| field)) {
        plain.insert((*field).to_owned(), shown(field, &doc[*field]));
    }
    if facts.has_rows {
        let rows = doc["rows"].as_array().into_iter().flatten().map(|row| {
            let fields = row.as_object().unwrap().iter();
            let kept = fields.filter_map(|(field, value)| {
                let path = format!("rows.{field}");
                (!is_system(field) && is_shown(&path)).then(|| (field.clone(), shown(&path, value)))
            });
            Value::Object(kept.filter(|(_, value)| !value.is_null()).collect())
        });
        plain.insert("rows".to_owned(), Value::Array(rows.collect()));
    }
    plain.insert("docstatus".to_owned(), doc["docstatus"].clone());
    plain.retain(|field, value| is_shown(field) && !value.is_null());
    plain
}

/// Empty is null however it is spelled; what a hook fills in or rounds off does not count.
fn value_of(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() || text == "filled in" => Value::Null,
        Value::String(text) => json!(text.to_lowercase()),
        Value::Number(number) => match number.as_f64().map(f64::trunc) {
            Some(0.0) | None => Value::Null,
            Some(number) => json!(number),
        },
        other => other.clone(),
    }
}
