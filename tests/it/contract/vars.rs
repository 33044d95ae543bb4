//! Variables: what a server makes up, saved from one answer and used in later requests.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::same;

/// The variables and kept lists of one run of a case file.
#[derive(Debug, Default)]
pub struct Vars {
    values: BTreeMap<String, Value>,
    pub kept: BTreeMap<String, Vec<Value>>,
}

impl Vars {
    pub fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    fn look_up(&self, inner: &str) -> Option<Value> {
        let (name, filter) = inner.split_once('|').map_or((inner, None), |(n, f)| (n, Some(f)));
        let mut value = self.find(name)?.clone();
        if name == "each" || name.starts_with("each.") {
            value = self.expand(&value);
        }
        let Some(filter) = filter else {
            return Some(value);
        };
        let text = plain(&value);
        let cut = |n: usize| text.chars().take(n).collect::<String>();
        Some(Value::String(match filter {
            "date" => cut(10),
            "hour" => cut(13),
            "seconds" => cut(19),
            "T" => text.replacen(' ', "T", 1),
            "shown" => shown(&text),
            "hex" => format!("{:010x}", text.parse::<u64>().ok()?),
            _ => return None,
        }))
    }

    /// A variable, or what stands in it at a dotted path.
    fn find(&self, name: &str) -> Option<&Value> {
        self.values.get(name).or_else(|| {
            let (variable, path) = name.split_once('.')?;
            at(self.values.get(variable)?, path)
        })
    }

    /// Replaces every `${name}` in a text; `encode` says how.
    fn replace(&self, text: &str, encode: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let Some(length) = rest[start..].find('}') else {
                break;
            };
            let inner = &rest[start + 2..start + length];
            out.push_str(&rest[..start]);
            match self.look_up(inner) {
                Some(value) => out.push_str(&encode(&plain(&value))),
                None => out.push_str(&rest[start..=start + length]),
            }
            rest = &rest[start + length + 1..];
        }
        out + rest
    }

    /// A text with its variables replaced.
    pub fn text(&self, text: &str) -> String {
        self.replace(text, str::to_owned)
    }

    /// A path with its variables replaced, percent-encoded.
    pub fn path(&self, text: &str) -> String {
        self.replace(text, |v| utf8_percent_encode(v, NON_ALPHANUMERIC).to_string())
    }

    /// A value with variables replaced and the abbreviations written out: `{"$times": [text, n]}`,
    /// `{"$each": n, "of": ...}` with `${n}`, `{"$join": [lists]}`, `{"$copy": document, "without": [fields], "swap":
    /// [[ours, theirs]]}`, the body that creates a copy elsewhere, and `{"$carry": {"from": rows, "onto":
    /// rows, "rows": [[i, k]], "set": [fields]}}`, rows under the names of other rows.
    pub fn expand(&self, value: &Value) -> Value {
        match value {
            Value::String(s) => self.expand_text(s),
            Value::Array(list) => Value::Array(list.iter().map(|v| self.expand(v)).collect()),
            Value::Object(map) => self.expand_object(map),
            other => other.clone(),
        }
    }

    fn expand_text(&self, text: &str) -> Value {
        let whole = text.strip_prefix("${").and_then(|t| t.strip_suffix('}'));
        whole
            .filter(|inner| !inner.contains("${"))
            .and_then(|inner| self.look_up(inner))
            .unwrap_or_else(|| Value::String(self.text(text)))
    }

    fn expand_object(&self, map: &Map<String, Value>) -> Value {
        if let Some(Value::Array(parts)) = map.get("$times") {
            let text = parts[0].as_str().unwrap_or_default();
            return Value::String(
                text.repeat(parts[1].as_u64().unwrap_or(0).try_into().unwrap_or(0)),
            );
        }
        if let Some(source) = map.get("$copy") {
            let swap = map.get("swap").map(|pairs| self.expand(pairs)).unwrap_or_default();
            let copy = same::copy_of(&self.expand(source), &self.expand_in(map, "without"));
            return same::swapped(copy, &swap);
        }
        if let Some(how) = map.get("$carry") {
            return same::carried(&self.expand(how));
        }
        if let Some(Value::Array(lists)) = map.get("$join") {
            let lists = lists.iter().map(|list| self.expand(list));
            let joined = lists.flat_map(|list| list.as_array().cloned().unwrap_or_default());
            return Value::Array(joined.collect());
        }
        if let (Some(times), Some(of)) = (map.get("$each").and_then(Value::as_u64), map.get("of")) {
            return Value::Array((0..times).map(|n| self.with("n", n.into()).expand(of)).collect());
        }
        Value::Object(map.iter().map(|(k, v)| (k.clone(), self.expand(v))).collect())
    }

    fn expand_in(&self, map: &Map<String, Value>, key: &str) -> Vec<String> {
        let list = map.get(key).map(|value| self.expand(value)).unwrap_or_default();
        list.as_array().into_iter().flatten().map(plain).collect()
    }

    fn with(&self, name: &str, value: Value) -> Self {
        let mut values = self.values.clone();
        values.insert(name.to_owned(), value);
        Self { values, kept: BTreeMap::new() }
    }
}

/// A value as a text, without quotes.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What stands at a dotted path (`data.rows.0.name`).
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |here, part| match part.parse::<usize>() {
        Ok(index) if here.is_array() => here.get(index),
        _ => here.get(part),
    })
}

/// A time as a GET shows it: the hour unpadded, the fraction without trailing zeros, and seconds
/// with a fraction unpadded too.
fn shown(time: &str) -> String {
    let parts: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = parts[..] else {
        return time.to_owned();
    };
    let hour = hour.trim_start_matches('0');
    let hour = if hour.is_empty() { "0" } else { hour };
    let Some((whole, fraction)) = second.split_once('.') else {
        return format!("{hour}:{minute}:{second}");
    };
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        return format!("{hour}:{minute}:{whole}");
    }
    let whole = whole.trim_start_matches('0');
    format!("{hour}:{minute}:{}.{fraction}", if whole.is_empty() { "0" } else { whole })
}
