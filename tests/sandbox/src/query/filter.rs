//! Conditions of a list.
//!
//! What lives here: reading filters and testing rows. What may not: joining tables, permissions.

use std::collections::HashSet;

use serde_json::Value;

use super::eval::{Place, Tuple, cell_of};
use crate::collate::{self, SortKey};
use crate::failure::{Failure, Outcome};
use crate::value::{self, Cell, Kind};

/// A filter as sent.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub doctype: Option<String>,
    pub field: String,
    pub operator: String,
    pub value: Value,
}

/// A filter whose column has been found.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub place: Place,
    pub test: Test,
    /// Null counts as the empty value of its type.
    pub null_is_empty: bool,
}

/// What a value must be.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Compare(Compare, Operand),
    In(HashSet<Operand>, bool),
    Like(String, bool),
    Set(bool),
    Between(Operand, Operand),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Operand {
    /// A number in billionths, so that it can be ordered and hashed.
    Number(i128),
    /// A text by its sort key, or a stamp by its canonical text.
    Bytes(SortKey),
}

/// Reads filters: a list of lists or objects, an object, or a JSON text of these.
pub(crate) fn read(filters: &Value) -> Outcome<Vec<Filter>> {
    let filters = crate::request::parse_if_text(filters);
    let mut out = Vec::new();
    match &filters {
        Value::Object(items) => {
            for (field, value) in items {
                out.push(of_pair(field, value));
            }
        }
        Value::Array(items) => {
            let is_flat = items.len() >= 3 && items.first().is_some_and(Value::is_string);
            if is_flat
                && items
                    .iter()
                    .all(|item| !item.is_array() || items.len() <= 4)
            {
                out.push(of_list(items)?);
                return Ok(out);
            }
            for item in items {
                match item {
                    Value::Array(parts) => out.push(of_list(parts)?),
                    Value::Object(pairs) => {
                        for (field, value) in pairs {
                            out.push(of_pair(field, value));
                        }
                    }
                    Value::String(text) => {
                        let letter = text.chars().next().map(String::from).unwrap_or_default();
                        return Err(Failure::not_found("DocType", &letter));
                    }
                    _ => {}
                }
            }
        }
        Value::String(name) if !name.is_empty() => {
            out.push(of_pair("name", &Value::String(name.clone())));
        }
        _ => {}
    }
    Ok(out)
}

fn of_pair(field: &str, value: &Value) -> Filter {
    let (operator, value) = match value {
        Value::Array(parts) if parts.len() == 2 => {
            (value::to_text(&parts[0]).to_lowercase(), parts[1].clone())
        }
        other => ("=".to_owned(), other.clone()),
    };
    Filter {
        doctype: None,
        field: field.to_owned(),
        operator,
        value,
    }
}

fn of_list(parts: &[Value]) -> Outcome<Filter> {
    if let Some(nested) = parts.first().filter(|part| !part.is_string()) {
        let letter = value::to_text(nested).chars().next().unwrap_or('[');
        return Err(Failure::not_found("DocType", &letter.to_string()));
    }
    let text = |at: usize| parts.get(at).map(value::to_text).unwrap_or_default();
    let (doctype, field, operator, value) = match parts.len() {
        2 => (None, text(0), "=".to_owned(), parts[1].clone()),
        3 => (None, text(0), text(1), parts[2].clone()),
        4 | 5 => (Some(text(0)), text(1), text(2), parts[3].clone()),
        _ => {
            let shown = Value::Array(parts.to_vec());
            return Err(Failure::validation(&format!(
                "Filter must have 4 values (doctype, fieldname, operator, value): {shown}"
            )));
        }
    };
    Ok(Filter {
        doctype,
        field,
        operator: operator.trim().to_lowercase(),
        value,
    })
}

impl Filter {
    /// The condition on a column.
    pub fn on(&self, place: Place) -> Outcome<Condition> {
        let kind = place.kind;
        let list = || -> Vec<Value> {
            match &self.value {
                Value::Array(items) => items.clone(),
                Value::String(text) => text
                    .split(',')
                    .map(|part| Value::String(part.trim().to_owned()))
                    .collect(),
                other => vec![other.clone()],
            }
        };
        let operand = |value: &Value| Operand::of(value, kind);
        let mut null_is_empty = true;
        let test = match self.operator.as_str() {
            "=" | "!=" | "<" | "<=" | ">" | ">=" => {
                let compare = match self.operator.as_str() {
                    "=" => Compare::Equal,
                    "!=" => Compare::NotEqual,
                    "<" => Compare::Less,
                    "<=" => Compare::LessOrEqual,
                    ">" => Compare::Greater,
                    _ => Compare::GreaterOrEqual,
                };
                null_is_empty = compare != Compare::Equal || !value::is_truthy(&self.value);
                Test::Compare(compare, operand(&self.value))
            }
            "in" | "not in" => {
                let items = list();
                let is_not = self.operator == "not in";
                null_is_empty = is_not || items.iter().any(|item| !value::is_truthy(item));
                Test::In(items.iter().map(operand).collect(), is_not)
            }
            "like" | "not like" => {
                let is_not = self.operator == "not like";
                null_is_empty = is_not;
                Test::Like(value::to_text(&self.value), is_not)
            }
            "is" => {
                let wanted = value::to_text(&self.value).to_lowercase();
                Test::Set(wanted != "not set")
            }
            "between" => {
                null_is_empty = false;
                let items = list();
                let bound = |at: usize, end: &str| {
                    let mut item = items.get(at).cloned().unwrap_or(Value::Null);
                    if kind == Kind::Datetime
                        && let Value::String(text) = &item
                        && text.trim().len() <= 10
                    {
                        item = Value::String(format!("{} {end}", text.trim()));
                    }
                    operand(&item)
                };
                Test::Between(bound(0, "00:00:00"), bound(1, "23:59:59.999999"))
            }
            other => {
                return Err(Failure::validation(&format!(
                    "Operator must be one of =, !=, >, <, >=, <=, like, not like, in, not in, is, between: {other}"
                )));
            }
        };
        Ok(Condition {
            place,
            test,
            null_is_empty: null_is_empty && !place.is_name,
        })
    }
}

#[allow(clippy::cast_possible_truncation)]
fn billionths(number: f64) -> i128 {
    (number * 1e9).round() as i128
}

impl Operand {
    /// A sent value as an operand for a column.
    pub fn of(value: &Value, kind: Kind) -> Self {
        let stamp = |text: Option<String>| {
            let text = text.unwrap_or_else(|| value::to_text(value));
            Self::Bytes(text.into_bytes().into())
        };
        match kind {
            Kind::Int | Kind::BigInt => {
                Self::Number(i128::from(value::to_int(value)) * 1_000_000_000)
            }
            Kind::Decimal | Kind::Duration | Kind::Rating => {
                Self::Number(billionths(value::to_float(value)))
            }
            Kind::Date => stamp(value::parse_date(&value::to_text(value))),
            Kind::Datetime => stamp(value::parse_datetime(&value::to_text(value))),
            Kind::Time => stamp(value::parse_time(&value::to_text(value))),
            Kind::Text => Self::Bytes(collate::key(&value::to_text(value))),
        }
    }

    fn of_cell(cell: &Cell, kind: Kind) -> Option<Self> {
        Some(match cell {
            Cell::Null => return None,
            Cell::Int(number) => Self::Number(i128::from(*number) * 1_000_000_000),
            Cell::Float(number) => Self::Number(billionths(*number)),
            Cell::Text(text) if kind == Kind::Text => Self::Bytes(collate::key(text)),
            Cell::Text(text) => Self::Bytes(text.as_bytes().into()),
        })
    }

    fn empty(kind: Kind) -> Self {
        match kind {
            kind if kind.is_numeric() => Self::Number(0),
            Kind::Text => Self::Bytes(collate::key("")),
            _ => Self::Bytes(Box::from(&b"0001-01-01 00:00:00.000000"[..])),
        }
    }
}

impl Condition {
    /// True when a row fits.
    pub fn fits(&self, tuple: &Tuple<'_>) -> bool {
        let kind = self.place.kind;
        let cell = cell_of(self.place, tuple).unwrap_or(&Cell::Null);
        match &self.test {
            Test::Set(wanted) => {
                let is_set = match cell {
                    Cell::Null => false,
                    Cell::Text(text) => !text.is_empty(),
                    Cell::Int(_) | Cell::Float(_) => true,
                };
                return is_set == *wanted;
            }
            Test::Like(pattern, is_not) => {
                if cell.is_null() && !self.null_is_empty {
                    return false;
                }
                let text = value::to_text(&kind.show(cell));
                return collate::like(&text, pattern) != *is_not;
            }
            _ => {}
        }
        let found = if self.place.is_name && self.place.source == 0 && kind == Kind::Text {
            Operand::Bytes(tuple.key.clone())
        } else {
            match Operand::of_cell(cell, kind) {
                Some(found) => found,
                None if self.null_is_empty => Operand::empty(kind),
                None => return false,
            }
        };
        match &self.test {
            Test::Compare(compare, wanted) => match compare {
                Compare::Equal => found == *wanted,
                Compare::NotEqual => found != *wanted,
                Compare::Less => found < *wanted,
                Compare::LessOrEqual => found <= *wanted,
                Compare::Greater => found > *wanted,
                Compare::GreaterOrEqual => found >= *wanted,
            },
            Test::In(wanted, is_not) => wanted.contains(&found) != *is_not,
            Test::Between(low, high) => found >= *low && found <= *high,
            Test::Set(_) | Test::Like(..) => false,
        }
    }
}
