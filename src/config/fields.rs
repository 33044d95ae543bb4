//! Lists of field names: `exclude_fields`, `include_fields`, `match_on`, `child_keys`.
//!
//! Whether a field exists only a site can say; the rule kept here is that what is accepted
//! could be the name of a field.

use std::collections::BTreeMap;

use super::error::quoted;
use super::section::{Section, texts_of, wrong_type};
use super::tree::{Node, Text, Value};
use crate::model::SYSTEM_FIELDS;

/// Whether a text could be a field's name: letters, digits and underscores.
pub(super) fn is_field(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a text could be a field's name, or `table.field`.
fn is_field_or_row_field(text: &str) -> bool {
    let (table, field) = text.split_once('.').unwrap_or(("table", text));
    is_field(table) && is_field(field)
}

/// `exclude_fields`: fields, or `table.field`. System fields may stand there; they are left
/// out anyway.
pub(super) fn read_excluded(section: &Section<'_>) -> Option<Vec<String>> {
    let list = section.texts("exclude_fields")?;
    Some(checked(section, list, is_field_or_row_field, "a field or table.field"))
}

/// `include_fields`: fields or `table.field`, none of them a system field or left out.
pub(super) fn read_included(section: &Section<'_>, left_out: &[String]) -> Vec<String> {
    let given = section.texts("include_fields").unwrap_or_default();
    let mut good = Vec::new();
    for (node, text) in given {
        let field = text.text.rsplit('.').next().unwrap_or_default();
        if SYSTEM_FIELDS.contains(&field) {
            let message = format!("{} is a field that a site keeps for itself", quoted(text.raw()));
            section.report().bad(node, message);
        } else if left_out.contains(&text.text) {
            let message = format!("{} is in exclude_fields too", quoted(text.raw()));
            let hint = "a doctype's own exclude_fields takes the place of the one in [sync]";
            section.report().bad_hint(node, message, hint);
        } else {
            good.push((node, text));
        }
    }
    checked(section, good, is_field_or_row_field, "a field or table.field")
}

/// `match_on`: fields of the document itself.
pub(super) fn read_match_on(section: &Section<'_>) -> Vec<String> {
    let list = section.texts("match_on").unwrap_or_default();
    checked(section, list, is_field, "a field")
}

/// `child_keys`: for each table, the fields that identify a row.
pub(super) fn read_child_keys(section: &Section<'_>) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::new();
    let Some(tables) = section.section("child_keys") else { return keys };
    let report = section.report();
    for (table, node) in tables.entries() {
        if !is_field(table) {
            report.bad(node, format!("{} cannot be the name of a table field", quoted(table)));
        }
        match &node.value {
            Value::Array(fields) if !fields.is_empty() => {
                let list = texts_of(node, report).unwrap_or_default();
                keys.insert(table.clone(), checked(section, list, is_field, "a field"));
            }
            _ => wrong_type(node, "a list of fields that is not empty", report),
        }
    }
    keys
}

/// The texts that `is_good` accepts, each once; the others are reported.
fn checked(
    section: &Section<'_>,
    list: Vec<(&Node, &Text)>,
    is_good: impl Fn(&str) -> bool,
    wanted: &str,
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (node, text) in list {
        if !is_good(&text.text) {
            let message = format!("{} is not the name of {wanted}", quoted(text.raw()));
            let hint = "the name of a field as its form shows it to developers: letters, \
                        digits and underscores, e.g. \"customer_name\"";
            section.report().bad_hint(node, message, hint);
        } else if !found.contains(&text.text) {
            found.push(text.text.clone());
        }
    }
    found
}
