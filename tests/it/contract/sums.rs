//! What aggregates must say, computed from a listing of the same documents.

use md5::{Digest, Md5};
use serde_json::{Map, Number, Value, json};

use super::vars::plain;

/// zlib's CRC-32.
fn crc32(text: &str) -> u32 {
    !text.bytes().fold(!0_u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |c, _| {
                if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 }
            },
        )
    })
}

/// A field of a row as the database's string functions see it: a stamp has 26 characters there.
fn text_of(row: &Value, field: &str) -> Option<String> {
    let mut whole = String::new();
    for part in field.split('+') {
        let value = row.get(part).filter(|v| !v.is_null())?;
        let text = plain(value);
        whole += &text;
        if matches!(part, "modified" | "creation") && text.len() == 19 {
            whole += ".000000";
        }
    }
    Some(whole)
}

fn micros(text: &str) -> Option<i128> {
    let stamp: jiff::civil::DateTime = text.parse().ok()?;
    Some(i128::from(stamp.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond()))
}

fn float(text: &str) -> Value {
    text.parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

/// A sum as Frappe gives it: a float, or null over nothing.
fn sum(values: impl Iterator<Item = Option<i128>>) -> Value {
    let values: Vec<i128> = values.flatten().collect();
    if values.is_empty() { Value::Null } else { float(&values.iter().sum::<i128>().to_string()) }
}

fn millionths(total: i128) -> Value {
    float(&format!("{}.{:06}", total / 1_000_000, total % 1_000_000))
}

/// One aggregate (`sum_crc32 name`) over rows.
fn aggregate(how: &str, rows: &[&Value]) -> Value {
    let (what, field) = how.split_once(' ').unwrap_or((how, ""));
    let texts = || rows.iter().map(|r| text_of(r, field));
    match what {
        "count" => json!(rows.len()),
        "max" => texts().flatten().max().map_or(Value::Null, Value::String),
        "min" => texts().flatten().min().map_or(Value::Null, Value::String),
        "sum_crc32" => sum(texts().map(|t| Some(i128::from(crc32(&t?))))),
        "xor_crc32" => json!(texts().flatten().fold(0, |x, t| x ^ crc32(&t))),
        "sum_length" => sum(texts().map(|t| i128::try_from(t?.len()).ok())),
        "sum_crc32_us" => sum(rows.iter().map(|row| {
            let micros = micros(&text_of(row, "modified")?)? % 1_000_000;
            Some(i128::from(crc32(&text_of(row, field)?)) * micros)
        })),
        "sum_us" => sum(texts().map(|t| Some(micros(&t?)? % 1_000_000))),
        "sum_unix" => millionths(texts().filter_map(|t| micros(&t?)).sum()),
        "avg" => average(&texts().filter_map(|t| t?.parse().ok()).collect::<Vec<f64>>()),
        "date" => texts_head(rows, 10).map_or(Value::Null, Value::String),
        "hour" => texts_head(rows, 13)
            .and_then(|t| t[11..].parse::<u8>().ok())
            .map_or(Value::Null, |h| json!(h)),
        _ => Value::String(format!("there is no aggregate {what}")),
    }
}

fn average(values: &[f64]) -> Value {
    let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
    float(&format!("{:.4}", values.iter().sum::<f64>() / f64::from(count)))
}

fn texts_head(rows: &[&Value], length: usize) -> Option<String> {
    text_of(rows.first()?, "modified").map(|t| t.chars().take(length).collect())
}

/// The rows that meet every condition `[field, operator, value]`.
pub fn chosen<'a>(rows: &'a [Value], conditions: Option<&Value>) -> Vec<&'a Value> {
    let none = Vec::new();
    let conditions = conditions.and_then(Value::as_array).unwrap_or(&none);
    rows.iter().filter(|row| conditions.iter().all(|c| meets(row, c))).collect()
}

fn meets(row: &Value, condition: &Value) -> bool {
    let (field, operator, wanted) = (plain(&condition[0]), plain(&condition[1]), &condition[2]);
    let Some(found) = text_of(row, &field) else {
        return false;
    };
    let text = plain(wanted);
    match operator.as_str() {
        "=" => found == text,
        ">" => found > text,
        ">=" => found >= text,
        "<" => found < text,
        "<=" => found <= text,
        "like" => found.contains(&text),
        "in" => wanted.as_array().is_some_and(|list| list.iter().any(|v| plain(v) == found)),
        _ => false,
    }
}

/// The rows an aggregate with `group_by` must give: `{rows, where, by, out}`.
pub fn fold(rule: &Value, rows: &[Value]) -> Vec<Value> {
    let rows = chosen(rows, rule.get("where"));
    let one = |group: &[&Value]| -> Value {
        let out = rule.get("out").and_then(Value::as_object);
        Value::Object(
            out.into_iter()
                .flatten()
                .map(|(k, how)| (k.clone(), aggregate(&plain(how), group)))
                .collect::<Map<_, _>>(),
        )
    };
    let Some(by) = rule.get("by").and_then(Value::as_array) else {
        return vec![one(&rows)];
    };
    let length = if by.len() > 1 { 13 } else { 10 };
    let mut groups: std::collections::BTreeMap<Option<String>, Vec<&Value>> =
        std::collections::BTreeMap::new();
    for row in rows {
        groups.entry(texts_head(&[row], length)).or_default().push(row);
    }
    groups.values().map(|group| one(group)).collect()
}

/// One text a row: a field, or its MD5.
pub fn texts(how: &str, rows: &[&Value]) -> Vec<String> {
    let (what, field) = how.split_once(' ').unwrap_or(("", how));
    let plain = rows.iter().filter_map(|r| text_of(r, field));
    let hex = |t: String| {
        let digits = Md5::digest(t.as_bytes());
        digits
            .iter()
            .flat_map(|b| [b >> 4, b & 15])
            .filter_map(|d| char::from_digit(d.into(), 16))
            .collect()
    };
    if what == "md5" { plain.map(hex).collect() } else { plain.collect() }
}

/// The sums a real site gave over three documents (recording 43).
#[test]
fn the_sums_are_those_of_a_real_site() {
    let rows: Vec<Value> =
        ["2026-11-01 00:00:00", "2026-11-01 10:00:00.120000", "2026-11-22 16:23:22.897349"]
            .map(|stamp| json!({"modified": stamp}))
            .into();
    let rule = json!({"by": ["d"], "out": {"d": "date", "n": "count", "c": "sum_crc32 modified", "x": "xor_crc32 modified"}});
    let expected = [
        json!({"d": "2026-11-01", "n": 2, "c": 174_611_277.0, "x": 140_991_277}),
        json!({"d": "2026-11-22", "n": 1, "c": 1_681_716_341.0, "x": 1_681_716_341}),
    ];
    assert_eq!(fold(&rule, &rows), expected);
}
