//! The comparison of what two sites hold, read without erpsync.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// A document's fields, less what every site keeps for itself.
pub type Fields = BTreeMap<String, Value>;

pub fn differences_of(
    doctype: &str,
    cloud: &BTreeMap<String, Fields>,
    local: &BTreeMap<String, Fields>,
) -> Vec<String> {
    let names: BTreeSet<&String> = cloud.keys().chain(local.keys()).collect();
    let mut differences = Vec::new();
    for name in names {
        let what = format!("{doctype} {name}");
        match (cloud.get(name), local.get(name)) {
            (Some(cloud), Some(local)) => differences.extend(differing_fields(&what, cloud, local)),
            (Some(_), None) => differences.push(format!("{what}: only on cloud")),
            _ => differences.push(format!("{what}: only on local")),
        }
    }
    differences
}

fn differing_fields(what: &str, cloud: &Fields, local: &Fields) -> Vec<String> {
    let fields: BTreeSet<&String> = cloud.keys().chain(local.keys()).collect();
    let shown = |side: &Fields, field| side.get(field).unwrap_or(&Value::Null).to_string();
    fields
        .into_iter()
        .filter(|field| cloud.get(*field) != local.get(*field))
        .map(|field| (field, shown(cloud, field), shown(local, field)))
        .map(|(field, cloud, local)| format!("{what}, {field}: {cloud} on cloud, {local} on local"))
        .collect()
}

/// Leaves out when and by whom a document was saved, where it stands in its site's tree, from
/// which series its site would name it, and the names of its rows. Empty is empty, however a
/// site writes it.
pub fn comparable(document: &Map<String, Value>, is_row: bool) -> Fields {
    const SYSTEM: [&str; 7] =
        ["creation", "modified", "modified_by", "owner", "doctype", "idx", "docstatus"];
    const OWN: [&str; 4] = ["lft", "rgt", "old_parent", "naming_series"];
    const OF_ROWS: [&str; 4] = ["name", "parent", "parenttype", "parentfield"];
    document
        .iter()
        .filter(|(field, _)| !SYSTEM.contains(&field.as_str()) && !OWN.contains(&field.as_str()))
        .filter(|(field, _)| !(is_row && OF_ROWS.contains(&field.as_str())))
        .filter(|(field, value)| !field.starts_with('_') && !value.is_null() && *value != "")
        .map(|(field, value)| {
            let rows = value.as_array().map(|rows| {
                rows.iter().filter_map(Value::as_object).map(|row| json!(comparable(row, true)))
            });
            (field.clone(), rows.map_or_else(|| value.clone(), Iterator::collect))
        })
        .collect()
}
