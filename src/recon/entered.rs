//! Values that a person entered for a document, before they are sent.
//!
//! The rule kept here: what a site would turn into something else without a word, a word into
//! 0 or a table into nothing (docs/frappe.md, "Creates and names"), is refused instead.

use serde_json::{Map, Value};

use crate::model::{Columns, FieldKind, Role, Shape, canonical_scalar};

/// Checks values by the kinds of their fields; tables are lists of rows.
///
/// # Errors
/// Which field is wrong, and how.
pub fn check_entered(shape: &Shape, values: &Map<String, Value>) -> Result<(), String> {
    values.iter().try_for_each(|(field, value)| match shape.columns.get(field) {
        Some(column) if matches!(column.kind, FieldKind::Table(_)) => {
            check_rows(field, &column.rows, value)
        }
        Some(column) => check_scalar(field, &column.kind, value),
        None => Err(format!("{field} is no field of {}", shape.doctype)),
    })
}

fn check_rows(table: &str, columns: &Columns, value: &Value) -> Result<(), String> {
    let rows =
        value.as_array().ok_or_else(|| format!("{table} is a table: give a list of rows"))?;
    for (row, number) in rows.iter().zip(1..) {
        let place = format!("{table}, row {number}");
        let row = row.as_object().ok_or_else(|| format!("{place}: give an object of fields"))?;
        for (field, value) in row {
            if field == "name" && value.is_string() {
                continue;
            }
            let column = columns.get(field).filter(|column| column.role == Role::Content);
            let column =
                column.ok_or_else(|| format!("{place}: {field} is no field that is synced"))?;
            check_scalar(&format!("{place}, {field}"), &column.kind, value)?;
        }
    }
    Ok(())
}

fn check_scalar(field: &str, kind: &FieldKind, value: &Value) -> Result<(), String> {
    let text = match value {
        Value::Null => return Ok(()),
        Value::String(text) if text.is_empty() => return Ok(()),
        Value::Array(_) | Value::Object(_) => return Err(format!("{field}: give a single value")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.bytes().all(|byte| byte == b'*') {
        return Err(format!("{field}: asterisks alone stand for a password"));
    }
    let is_number = text.trim().parse::<f64>().is_ok_and(f64::is_finite);
    let (is_right, wanted) = match kind {
        FieldKind::Int => {
            let is_flag = value.is_boolean();
            (is_flag || text.trim().parse::<i64>().is_ok(), "a whole number")
        }
        FieldKind::Float => (is_number, "a number"),
        FieldKind::Date => (text.parse::<jiff::civil::Date>().is_ok(), "a date, as 2026-11-22"),
        FieldKind::Datetime => {
            (text.parse::<jiff::civil::DateTime>().is_ok(), "a time, as 2026-11-22 10:30:00")
        }
        FieldKind::Time => (text.parse::<jiff::civil::Time>().is_ok(), "a time, as 10:30:00"),
        kind => (value.is_string() && canonical_scalar(kind, value).is_some(), "a text"),
    };
    if is_right { Ok(()) } else { Err(format!("{field}: {text:?} is not {wanted}")) }
}
