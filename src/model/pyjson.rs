//! The text that Python's `json.dumps(value, sort_keys=True)` prints, byte for byte.
//!
//! A document's hash is the MD5 of this text, so anybody can check one with a line of Python.
//! Nothing here knows what a document is.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// Prints a value as Python's `json.dumps(value, sort_keys=True)` does after
/// `json.loads`: keys sorted by code point, `", "` and `": "`, everything outside ASCII
/// escaped, floats by their shortest form that reads back.
#[must_use]
pub fn dumps(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            // The order of UTF-8 bytes is the order of code points, which is Python's.
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_string(out, key);
                out.push_str(": ");
                write_value(out, &map[key]);
            }
            out.push('}');
        }
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number) {
    let text = number.as_str();
    if !text.contains(['.', 'e', 'E']) {
        out.push_str(if text == "-0" { "0" } else { text });
        return;
    }
    match text.parse::<f64>() {
        Ok(float) => out.push_str(&float_repr(float)),
        Err(_) => out.push_str(text),
    }
}

/// Python's `repr` of a float: the shortest digits that read back, with an exponent below
/// 1e-4 and from 1e16 on.
fn float_repr(float: f64) -> String {
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::dumps;
    use crate::model::md5_hex;

    const VECTORS: &str = include_str!("../../tests/cases/digest.json");

    #[test]
    fn prints_and_hashes_as_python_does() {
        let vectors: Vec<serde_json::Map<_, _>> = serde_json::from_str(VECTORS).unwrap();
        assert!(vectors.len() >= 60, "only {} vectors", vectors.len());
        for vector in &vectors {
            let source = vector["json"].as_str().unwrap();
            let text = dumps(&serde_json::from_str(source).unwrap());
            assert_eq!(text, vector["text"].as_str().unwrap(), "for {source}");
            assert_eq!(md5_hex(text.as_bytes()), vector["md5"].as_str().unwrap());
        }
    }

    #[test]
    fn the_vectors_are_what_python_gives() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/make_digest.py");
        match Command::new("python3").arg(script).output() {
            Ok(output) if output.status.success() => {
                assert_eq!(String::from_utf8(output.stdout).unwrap(), VECTORS);
            }
            Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
            // No Python on this machine: the vectors stand as they were committed.
            Err(_) => {}
        }
    }
}
