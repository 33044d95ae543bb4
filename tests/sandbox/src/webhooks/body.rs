//! The body of a webhook: its template rendered, in the JSON that Python writes.
//!
//! What lives here: both, purely. What may not: the site.

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::doc::{Doc, ascii};
use crate::value;

/// The body of a webhook about a document; an error is what Frappe would log.
pub(super) fn render(webhook: &Doc, doc: &Doc) -> Result<String, String> {
    let rows = webhook.rows("webhook_data");
    if rows.is_empty() {
        let text = fill(&webhook.text("webhook_json"), doc)?;
        let text = if text.is_empty() { "{}".to_owned() } else { text };
        return dumps(&text).map_err(|error| format!("JSONDecodeError: {error}"));
    }
    let shown = doc.to_json(true);
    let pairs = rows.iter().map(|row| {
        let value = shown.get(row.text("fieldname")).unwrap_or(&Value::Null);
        format!("{}:{value}", json!(row.text("key")))
    });
    let text = format!("{{{}}}", pairs.collect::<Vec<_>>().join(","));
    dumps(&text).map_err(|error| error.to_string())
}

/// Fills `{{ doc.field }}` and `{{ doc.field|tojson }}` in; Frappe allows no calls.
fn fill(template: &str, doc: &Doc) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once("{{") {
        let (inner, after) = tail.split_once("}}").ok_or("TemplateSyntaxError")?;
        out.push_str(before);
        out.push_str(&evaluate(inner.trim(), doc)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn evaluate(expression: &str, doc: &Doc) -> Result<String, String> {
    let refused = || format!("SecurityError: {expression} is not allowed");
    let (path, filter) = expression.split_once('|').unwrap_or((expression, ""));
    let field = path.trim().strip_prefix("doc.").ok_or_else(refused)?;
    if !field.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Err(refused());
    }
    let shown = doc.to_json(true);
    let value = shown.get(field).unwrap_or(&Value::Null);
    match (filter.trim(), value) {
        ("tojson", value) => Ok(value.to_string()),
        ("", Value::Null) => Ok("None".to_owned()),
        ("", value) => Ok(value::to_text(value)),
        _ => Err(refused()),
    }
}

/// JSON as Python's `json.dumps` writes it: keys in the order given, a blank after commas and
/// colons, ASCII only.
fn dumps(text: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str::<IgnoredAny>(text)?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' { string_length(rest) } else { first.len_utf8() };
        let (token, after) = rest.split_at(length);
        match first {
            '"' => {
                let inner: String = serde_json::from_str(token)?;
                out.push_str(&ascii(&json!(inner).to_string()));
            }
            ',' | ':' => {
                out.push(first);
                out.push(' ');
            }
            blank if blank.is_ascii_whitespace() => {}
            other => out.push(other),
        }
        rest = after;
    }
    Ok(out)
}

/// The length of the string, quotes included, that a text begins with.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_python_writes_it() {
        let text =
            "{\"b\":\"Ünï \\\"x\\\", {y: 1}\",  \"a\" : [1.50,null],\"\u{1F600}\":\"\\u00e9\"}";
        let expected = "{\"b\": \"\\u00dcn\\u00ef \\\"x\\\", {y: 1}\", \"a\": [1.50, null], \"\\ud83d\\ude00\": \"\\u00e9\"}";
        assert_eq!(dumps(text).unwrap(), expected);
        assert!(dumps("{\"a\": }").is_err());
    }

    #[test]
    fn a_template_has_fields_and_no_calls() {
        let mut doc = Doc::new("Customer");
        doc.set("name", "A \"quoted\" ü");
        doc.set("docstatus", 0);
        let text =
            "{\"n\":{{ doc.name|tojson }},\"t\":\"{{doc.doctype}}\",\"s\":{{ doc.docstatus }}}";
        let filled = fill(text, &doc).unwrap();
        assert_eq!(filled, "{\"n\":\"A \\\"quoted\\\" ü\",\"t\":\"Customer\",\"s\":0}");
        assert_eq!(fill("{{ doc.nothing }}", &doc).unwrap(), "None");
        assert!(fill("{{ doc.as_json() }}", &doc).unwrap_err().contains("not allowed"));
    }
}
