//! Patterns: an answer against what a case expects of it.
//!
//! An object is matched by the keys that are given, a list element by element, a number by its
//! exact text (10 is not 10.0). A text beginning with `$` stands for what a server makes up; an
//! object whose keys begin with `$` says something about a list or a document.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::vars::plain;

/// What patterns refer to.
pub struct Context {
    pub bases: BTreeMap<String, Value>,
    /// On a real site a counter goes on from where it was.
    pub live: bool,
    /// The answer's Date header.
    pub date: Option<Timestamp>,
}

type Found = Vec<String>;

fn differs(at: &str, expected: &Value, found: &Value) -> Found {
    vec![format!("{at}: expected {}, found {}", short(expected), short(found))]
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let cut: String = text.chars().take(300).collect();
    if cut.len() < text.len() { cut + "..." } else { cut }
}

impl Context {
    /// All differences between a pattern and an answer.
    pub fn compare(&self, at: &str, pattern: &Value, found: &Value) -> Found {
        match pattern {
            Value::String(p) if p.starts_with('$') && !p.starts_with("$ ") => {
                if self.text_matches(p, found) { Vec::new() } else { differs(at, pattern, found) }
            }
            Value::Array(patterns) => match found.as_array() {
                Some(list) => self.compare_list(at, patterns, list),
                None => differs(at, pattern, found),
            },
            Value::Object(map) => self.compare_object(at, map, found),
            Value::Number(n) if n.is_f64() => {
                let same = found.is_f64() && n.as_f64() == found.as_f64();
                if same { Vec::new() } else { differs(at, pattern, found) }
            }
            other if other == found => Vec::new(),
            other => differs(at, other, found),
        }
    }

    fn compare_list(&self, at: &str, patterns: &[Value], list: &[Value]) -> Found {
        let mut out: Found = patterns
            .iter()
            .zip(list)
            .enumerate()
            .flat_map(|(i, (p, f))| self.compare(&format!("{at}.{i}"), p, f))
            .collect();
        if patterns.len() != list.len() {
            out.insert(
                0,
                format!("{at}: expected {} elements, found {}", patterns.len(), list.len()),
            );
        }
        out
    }

    fn compare_object(&self, at: &str, map: &Map<String, Value>, found: &Value) -> Found {
        if let Some(common) = map.get("$rows") {
            return self.compare(at, &spread(common, &map["of"]), found);
        }
        if let Some(base) = map.get("$like") {
            return self.compare_like(at, &plain(base), map, found);
        }
        let mut out = Found::new();
        for (key, pattern) in map.iter().filter(|(k, _)| k.starts_with('$')) {
            out.extend(self.say(at, key, pattern, found));
        }
        let named: Vec<_> = map.iter().filter(|(k, _)| !k.starts_with('$')).collect();
        if !named.is_empty() && !found.is_object() {
            return differs(at, &Value::Object(map.clone()), found);
        }
        for (key, pattern) in named {
            out.extend(self.compare_key(at, key, pattern, found));
        }
        out
    }

    fn compare_key(&self, at: &str, key: &str, pattern: &Value, found: &Value) -> Found {
        let here = format!("{at}.{key}");
        match (found.get(key), pattern.as_str() == Some("$absent")) {
            (None, true) => Vec::new(),
            (None, false) => vec![format!("{here}: missing, expected {}", short(pattern))],
            (Some(value), true) => {
                vec![format!("{here}: expected to be absent, found {}", short(value))]
            }
            (Some(value), false) => self.compare(&here, pattern, value),
        }
    }

    /// A document said by what it has besides a base: no key more, no key less.
    fn compare_like(&self, at: &str, base: &str, map: &Map<String, Value>, found: &Value) -> Found {
        let Some(Value::Object(base)) = self.bases.get(base) else {
            return vec![format!("{at}: there is no base {base:?}")];
        };
        let mut whole = base.clone();
        whole
            .extend(map.iter().filter(|(k, _)| *k != "$like").map(|(k, v)| (k.clone(), v.clone())));
        let mut out = self.compare_object(at, &whole, found);
        for (key, value) in
            found.as_object().into_iter().flatten().filter(|(k, _)| !whole.contains_key(*k))
        {
            out.push(format!("{at}.{key}: not expected, found {}", short(value)));
        }
        out
    }

    /// The keys with a `$`.
    fn say(&self, at: &str, key: &str, pattern: &Value, found: &Value) -> Found {
        let empty = Vec::new();
        let wanted = pattern.as_array().unwrap_or(&empty);
        let list = found.as_array().unwrap_or(&empty);
        let has = |p: &Value| list.iter().any(|f| self.compare(at, p, f).is_empty());
        match key {
            "$only" => only(at, wanted, found),
            "$any_order" => self.any_order(at, wanted, list),
            "$contains" => missing(at, "no element is like", wanted.iter().filter(|p| !has(p))),
            "$without" => missing(at, "an element is like", wanted.iter().filter(|p| has(p))),
            "$every" => list
                .iter()
                .enumerate()
                .flat_map(|(i, f)| self.compare(&format!("{at}.{i}"), pattern, f))
                .collect(),
            "$len" if Some(list.len() as u64) == pattern.as_u64() => Vec::new(),
            "$has" if plain(found).contains(&plain(pattern)) => Vec::new(),
            "$json" => match serde_json::from_str(&plain(found)) {
                Ok(inner) => self.compare(at, pattern, &inner),
                Err(_) => differs(at, pattern, found),
            },
            _ => vec![format!("{at}: {key} {} is not true of {}", short(pattern), short(found))],
        }
    }

    fn any_order(&self, at: &str, wanted: &[Value], list: &[Value]) -> Found {
        let mut left: Vec<&Value> = list.iter().collect();
        let mut out = Found::new();
        for pattern in wanted {
            match left.iter().position(|f| self.compare(at, pattern, f).is_empty()) {
                Some(i) => drop(left.remove(i)),
                None => out.push(format!("{at}: no element is like {}", short(pattern))),
            }
        }
        out.extend(left.iter().map(|f| format!("{at}: not expected: {}", short(f))));
        out
    }

    fn text_matches(&self, pattern: &str, found: &Value) -> bool {
        if let Some(rest) = pattern.strip_prefix("$counter:") {
            return counter_matches(rest, &plain(found), self.live);
        }
        let text = found.as_str();
        let (what, argument) = pattern.split_once(':').unwrap_or((pattern, ""));
        match what {
            "$any" => true,
            "$int" => found.is_i64() || found.is_u64(),
            "$text" => text.is_some(),
            "$stamp" => text.is_some_and(is_stamp),
            "$date" => {
                text.is_some_and(|t| t.len() == 10 && t.parse::<jiff::civil::Date>().is_ok())
            }
            "$time" => text.is_some_and(is_time),
            "$hash" => text.is_some_and(|t| {
                t.len() == 10 && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            }),
            "$zone" => text.is_some_and(|t| t.contains('/') && TimeZone::get(t).is_ok()),
            "$now" => self.is_now(argument, text),
            "$today" => {
                self.civil_now(argument).map(|now| now.date().to_string()).as_deref() == text
            }
            _ => false,
        }
    }

    fn civil_now(&self, zone: &str) -> Option<DateTime> {
        Some(self.date?.to_zoned(TimeZone::get(zone).ok()?).datetime())
    }

    /// A naive stamp in a zone, within five seconds of the Date header.
    fn is_now(&self, zone: &str, text: Option<&str>) -> bool {
        let (Some(now), Some(stamp)) =
            (self.civil_now(zone), text.and_then(|t| t.parse::<DateTime>().ok()))
        else {
            return false;
        };
        now.duration_since(stamp).as_secs().abs() <= 5
    }
}

fn only(at: &str, wanted: &[Value], found: &Value) -> Found {
    let keys = found.as_object().into_iter().flat_map(Map::keys);
    let more: Vec<_> = keys.filter(|k| !wanted.iter().any(|w| w.as_str() == Some(k))).collect();
    let less = wanted.iter().filter(|w| found.get(plain(w)).is_none());
    let mut out: Found = more.iter().map(|k| format!("{at}.{k}: not expected")).collect();
    out.extend(less.map(|k| format!("{at}.{}: missing", plain(k))));
    out
}

fn missing<'a>(at: &str, what: &str, patterns: impl Iterator<Item = &'a Value>) -> Found {
    patterns.map(|p| format!("{at}: {what} {}", short(p))).collect()
}

/// `{"$rows": common, "of": rows}` written out: the common part in every row.
fn spread(common: &Value, of: &Value) -> Value {
    match of {
        Value::Array(rows) => Value::Array(rows.iter().map(|row| joined(common, row)).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(k, v)| (k.clone(), spread(common, v))).collect())
        }
        other => other.clone(),
    }
}

fn joined(common: &Value, row: &Value) -> Value {
    let mut whole = common.as_object().cloned().unwrap_or_default();
    whole.extend(row.as_object().cloned().unwrap_or_default());
    Value::Object(whole)
}

/// A made-up name: exact on a new site, by its shape on a real one; YYYY is any year.
fn counter_matches(pattern: &str, found: &str, live: bool) -> bool {
    let alike =
        |p: char, f: char| p == f || (p == 'Y' || live && p.is_ascii_digit()) && f.is_ascii_digit();
    if live && pattern.bytes().all(|b| b.is_ascii_digit()) {
        return found.bytes().all(|b| b.is_ascii_digit());
    }
    pattern.chars().count() == found.chars().count()
        && pattern.chars().zip(found.chars()).all(|(p, f)| alike(p, f))
}

fn is_stamp(text: &str) -> bool {
    let exact = text.len() == 26 || text.len() == 19;
    exact && text.as_bytes()[10] == b' ' && text.parse::<DateTime>().is_ok()
}

fn is_time(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 3 && parts.iter().all(|p| p.parse::<f64>().is_ok())
}
