//! The key `filters`: which documents of a doctype are taken up.
//!
//! The rule kept: what is accepted here is accepted by a site's listing, so that a typing
//! error in a filter is found before anything is contacted.

use serde_json::{Number, Value as Json};

use super::error::{Report, quoted};
use super::tree::{Node, Value};

/// The operators of Frappe's listings, and the values that they take.
const OPERATORS: [(&str, Takes); 17] = [
    ("=", Takes::One),
    ("!=", Takes::One),
    (">", Takes::One),
    ("<", Takes::One),
    (">=", Takes::One),
    ("<=", Takes::One),
    ("like", Takes::Text),
    ("not like", Takes::Text),
    ("in", Takes::List),
    ("not in", Takes::List),
    ("between", Takes::Two),
    ("is", Takes::SetOrNot),
    ("descendants of", Takes::Text),
    ("descendants of (inclusive)", Takes::Text),
    ("not descendants of", Takes::Text),
    ("ancestors of", Takes::Text),
    ("not ancestors of", Takes::Text),
];

const SHAPE: &str = "[field, operator, value] or [doctype, field, operator, value]";

/// The value that an operator takes.
#[derive(Clone, Copy)]
enum Takes {
    /// A text, number, date, or true / false.
    One,
    /// A text.
    Text,
    /// A list that is not empty.
    List,
    /// A list of two.
    Two,
    /// "set" or "not set".
    SetOrNot,
}

impl Takes {
    const fn wanted(self) -> &'static str {
        match self {
            Self::One => "a text, a number, a date, or true / false",
            Self::Text => "a text",
            Self::List => "a list that is not empty, e.g. [\"A\", \"B\"]",
            Self::Two => "a list of two, e.g. [\"2025-01-01\", \"2025-12-31\"]",
            Self::SetOrNot => "\"set\" or \"not set\"",
        }
    }

    fn accepts(self, value: &Json) -> bool {
        match self {
            Self::One => value.is_string() || value.is_number(),
            Self::Text => value.is_string(),
            Self::List => value.as_array().is_some_and(|list| !list.is_empty()),
            Self::Two => value.as_array().is_some_and(|list| list.len() == 2),
            Self::SetOrNot => matches!(value.as_str(), Some("set" | "not set")),
        }
    }
}

/// Reads the list of filters, each as a site takes it: a JSON list of three or four.
pub(super) fn read(node: &Node, report: &Report) -> Vec<Json> {
    let Value::Array(filters) = &node.value else {
        report.bad(node, format!("must be a list of {SHAPE}, not {}", node.type_word()));
        return Vec::new();
    };
    if filters.first().is_some_and(|first| matches!(first.value, Value::Text(_))) {
        let hint = "put it into another pair of brackets: [[\"company\", \"=\", \"ACME\"]]";
        report.bad_hint(node, format!("must be a list of {SHAPE}"), hint);
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        match read_one(filter) {
            Ok(Some(filter)) => found.push(filter),
            Ok(None) => {}
            Err(message) => report.bad(filter, format!("filter {}: {message}", index + 1)),
        }
    }
    found
}

/// Reads one filter; `None` where a part of it has been reported already.
fn read_one(filter: &Node) -> Result<Option<Json>, String> {
    let Value::Array(parts) = &filter.value else {
        return Err(format!("must be {SHAPE}, not {}", filter.type_word()));
    };
    if parts.iter().any(|part| matches!(part.value, Value::Failed)) {
        return Ok(None);
    }
    let (doctype, field, operator, value) = match parts.as_slice() {
        [field, operator, value] => (None, field, operator, value),
        [doctype, field, operator, value] => (Some(doctype), field, operator, value),
        _ => return Err(format!("has {} parts; it must be {SHAPE}", parts.len())),
    };
    let mut made = Vec::new();
    if let Some(doctype) = doctype {
        match &doctype.value {
            Value::Text(text) if !text.text.trim().is_empty() => made.push(Json::from(&*text.text)),
            _ => return Err("the doctype must be a text that is not empty".to_owned()),
        }
    }
    match &field.value {
        Value::Text(text) if super::fields::is_field(&text.text) => {
            made.push(Json::from(&*text.text));
        }
        Value::Text(text) => return Err(format!("{} is not a field's name", quoted(text.raw()))),
        _ => return Err(format!("the field must be text, not {}", field.type_word())),
    }
    let (word, takes) = read_operator(operator)?;
    made.push(Json::from(word));
    let value = json(value).filter(|value| takes.accepts(value));
    made.push(value.ok_or_else(|| format!("\"{word}\" takes {}", takes.wanted()))?);
    Ok(Some(Json::Array(made)))
}

fn read_operator(node: &Node) -> Result<(&'static str, Takes), String> {
    let Value::Text(text) = &node.value else {
        return Err(format!("the operator must be text, not {}", node.type_word()));
    };
    let lower = text.text.to_lowercase();
    OPERATORS.iter().find(|(word, _)| *word == lower).copied().ok_or_else(|| {
        let known: Vec<&str> = OPERATORS.iter().map(|(word, _)| *word).collect();
        let shown = quoted(text.raw());
        format!("{shown} is not an operator; allowed: {}", known.join(", "))
    })
}

/// A value as JSON. A site keeps true and false as 1 and 0, and a date as text.
fn json(node: &Node) -> Option<Json> {
    Some(match &node.value {
        Value::Text(text) => Json::from(&*text.text),
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) => Json::Number(Number::from_f64(*number)?),
        Value::Bool(set) => Json::from(u8::from(*set)),
        Value::Date(date) => Json::from(date.replace('T', " ")),
        Value::Array(elements) => {
            let scalar = |element| json(element).filter(|value| !value.is_array());
            Json::Array(elements.iter().map(scalar).collect::<Option<_>>()?)
        }
        Value::Table(_) | Value::Failed => return None,
    })
}
