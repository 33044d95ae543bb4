//! Two sites' versions of one document: the copy that is sent, and whether they say the same.

use serde_json::{Map, Value};

/// What each site gives a document or a row of its own.
const OWN: [&str; 11] = [
    "name",
    "owner",
    "creation",
    "modified",
    "modified_by",
    "idx",
    "doctype",
    "parent",
    "parenttype",
    "parentfield",
    "__unsaved",
];

/// The body that creates a copy: no field that the site gives, no null, none of `without`
/// (`table.field` is a field of the rows).
pub fn copy_of(document: &Value, without: &[String]) -> Value {
    Value::Object(stripped(document, "", without))
}

fn stripped(document: &Value, table: &str, without: &[String]) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, value) in document.as_object().into_iter().flatten() {
        let path = if table.is_empty() { key.clone() } else { format!("{table}.{key}") };
        let is_own = OWN.contains(&key.as_str()) || !table.is_empty() && key == "docstatus";
        if is_own || value.is_null() || without.contains(&path) {
            continue;
        }
        let value = match value {
            Value::Array(rows) => {
                rows.iter().map(|row| Value::Object(stripped(row, key, without))).collect()
            }
            other => other.clone(),
        };
        out.insert(key.clone(), value);
    }
    out
}

/// The document with every value that is the first of a pair replaced by the second: the names of
/// documents and rows on the other side.
pub fn swapped(value: Value, pairs: &Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(k, v)| (k, swapped(v, pairs))).collect())
        }
        Value::Array(list) => list.into_iter().map(|v| swapped(v, pairs)).collect(),
        other => {
            let mut known = pairs.as_array().into_iter().flatten();
            known.find(|pair| pair[0] == other).map_or(other, |pair| pair[1].clone())
        }
    }
}

/// The rows of one version under the names of the rows of another: `rows` has a pair of positions for
/// each, null where there is none; a row that is not there is left out; `set` is laid over them.
pub fn carried(how: &Value) -> Value {
    let part = |rows: &str, at: &Value| how[rows].get(usize::try_from(at.as_u64()?).ok()?).cloned();
    let row = |(i, pair): (usize, &Value)| {
        let from = part("from", &pair[0]);
        if from.is_none() && !pair[0].is_null() {
            return None;
        }
        let mut out = from.map(|row| stripped(&row, "rows", &[])).unwrap_or_default();
        if let Some(target) = part("onto", &pair[1]) {
            out.insert("name".to_owned(), target["name"].clone());
        }
        out.extend(how["set"][i].as_object().cloned().unwrap_or_default());
        Some(Value::Object(out))
    };
    how["rows"].as_array().into_iter().flatten().enumerate().filter_map(row).collect()
}

/// Every field in which two versions differ, apart from `but`; empty and absent are the same.
pub fn differences(wanted: &Value, found: &Value, but: &[String]) -> Vec<String> {
    let flat = |document: &Value| {
        let mut out = Vec::new();
        flatten("", &copy_of(document, but), &mut out);
        out
    };
    let (wanted, found) = (flat(wanted), flat(found));
    let missing = wanted.iter().filter(|pair| !found.contains(pair));
    let more = found.iter().filter(|pair| !wanted.contains(pair));
    let missing = missing.map(|(at, value)| format!("{at}: the other side has {value}"));
    missing.chain(more.map(|(at, value)| format!("{at}: only here: {value}"))).collect()
}

fn flatten(at: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| flatten(&format!("{at}.{key}"), value, out));
        }
        Value::Array(rows) => {
            let rows = rows.iter().enumerate();
            rows.for_each(|(i, row)| flatten(&format!("{at}.{i}"), row, out));
        }
        Value::String(text) if text.is_empty() => {}
        other => out.push((at.to_owned(), other.to_string())),
    }
}
