//! Names and stamps of many documents, read straight out of an answer: a whole listing is little
//! else, and through a tree of values and a map for each row it would cost ten times as much.
//!
//! The rule kept here: what is read is what the general reader (`answer`) makes of the same body.
//! Whatever has not exactly the usual form is left to that reader, errors and all.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::answer::{self, Answer, Asked};
use crate::site::{SiteResult, Stamps};

/// A listing as far as it is read.
#[derive(Debug, PartialEq)]
pub enum Listing {
    /// Its rows.
    Rows(Vec<Stamps>),
    /// What the answer holds instead.
    Other(Value),
}

/// Reads the answer of a listing of names and stamps.
///
/// # Errors
/// Those of [`answer::read`].
pub fn read(answer: &Answer<'_>, asked: Asked<'_>) -> SiteResult<Listing> {
    if (200..300).contains(&answer.status)
        && let Some(rows) = rows(answer.body)
    {
        return Ok(Listing::Rows(rows));
    }
    answer::read(answer, asked).map(Listing::Other)
}

/// The rows, where every one has the three fields, each of its type, and there is nothing else.
fn rows(body: &[u8]) -> Option<Vec<Stamps>> {
    let Object(Body { message }) = serde_json::from_slice(body).ok()?;
    let stamps = |Object(row): Object<Row>| Stamps {
        name: row.name.0,
        modified: row.modified,
        creation: row.creation,
    };
    Some(message.into_iter().map(stamps).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    message: Vec<Object<Row>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: Name,
    modified: String,
    creation: String,
}

/// What is written as an object: serde takes the list of a struct's values for the struct as well.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// A text, or an integer that fits into 64 bits.
struct Name(Value);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor).map(Self)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an integer")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }
}

/// What is read here is what the general reader makes of the same answer.
#[cfg(any(test, fuzzing))]
pub(crate) fn agrees(body: &[u8]) {
    use crate::model::Doc;
    let Some(rows) = rows(body) else { return };
    let read = super::read_plain(200, &[], body, ("message", None)).expect("rows are an answer");
    let Value::Array(read) = read else { panic!("rows are a list") };
    let stamps = |row: Value| match row {
        Value::Object(fields) => Stamps::from(Doc(fields)),
        other => panic!("{other} is a row"),
    };
    assert_eq!(rows, read.into_iter().map(stamps).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const STAMP: &str = "2026-11-22 10:00:00.123456";

    /// A listing with this row among others.
    fn with_row(row: &str) -> String {
        let usual = json!({"name": "A", "modified": STAMP, "creation": STAMP});
        format!("{{\"message\": [{usual}, {row}, {usual}]}}")
    }

    fn is_read(body: &str) -> bool {
        agrees(body.as_bytes());
        rows(body.as_bytes()).is_some()
    }

    #[test]
    fn usual_rows_are_read_straight_away() {
        assert_eq!(rows(b" {\"message\" : [ ] } "), Some(vec![]));
        for name in [
            "\"A\"",
            "\"\"",
            "\"a\\u0042\\n\\\"\"",
            "\"\\ud83d\\ude00 Ärger\"",
            "7",
            "0",
            "-12",
            "18446744073709551615",
        ] {
            let fields = [
                format!("\"name\": {name}"),
                format!("\"modified\":\"{STAMP}\""),
                "\"creation\": \"\"".to_owned(),
            ];
            for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
                let row = order.map(|at| fields[at].as_str()).join(",\n");
                assert!(is_read(&with_row(&format!("{{{row}}}"))), "{row}");
            }
        }
        let body = with_row("{\"creation\": \"c\", \"name\": 7, \"modified\": \"m\"}");
        let expected =
            Stamps { name: json!(7), modified: "m".to_owned(), creation: "c".to_owned() };
        assert_eq!(rows(body.as_bytes()).unwrap()[1], expected);
    }

    #[test]
    fn everything_else_is_left_to_the_general_reader() {
        let number = "{\"$serde_json::private::Number\": \"7\"}";
        let stamps = format!("\"modified\": \"{STAMP}\", \"creation\": \"{STAMP}\"");
        let with_name = |name: &str| format!("{{\"name\": {name}, {stamps}}}");
        let names = [
            "null",
            "true",
            "7.0",
            "1e3",
            "18446744073709551616",
            "[]",
            "{}",
            number,
            "\"\\ud800\"",
        ];
        let rows = names.map(with_name).into_iter().chain([
            format!("{{{stamps}}}"),
            format!("{{\"name\": \"A\", {stamps}, \"idx\": 1}}"),
            format!("{{\"name\": \"A\", \"name\": \"B\", {stamps}}}"),
            format!("{{\"name\": \"A\", {stamps}, \"\\u0024serde_json::private::Number\": \"5\"}}"),
            format!("{{\"name\": \"A\", \"modified\": null, \"creation\": \"{STAMP}\"}}"),
            format!("{{\"name\": \"A\", \"modified\": 5, \"creation\": \"{STAMP}\"}}"),
            format!("{{\"name\": \"A\", \"modified\": {number}, \"creation\": \"{STAMP}\"}}"),
            format!("{{\"name\": \"A\", \"modified\": \"{STAMP}\"}}"),
            format!("[\"A\", \"{STAMP}\", \"{STAMP}\"]"),
            "null".to_owned(),
            "\"A\"".to_owned(),
            number.to_owned(),
        ]);
        let usual = with_name("\"A\"");
        let bodies = [
            String::new(),
            "{}".to_owned(),
            "[[]]".to_owned(),
            format!("[[{usual}]]"),
            "{\"message\": null}".to_owned(),
            "{\"message\": {}}".to_owned(),
            format!("{{\"message\": {usual}}}"),
            "{\"message\": [], \"exc\": \"x\"}".to_owned(),
            "{\"message\": [], \"message\": []}".to_owned(),
            "{\"data\": []}".to_owned(),
            format!("{{\"message\": [{usual}]}}x"),
            format!("{{\"message\": [{usual}"),
        ];
        for body in rows.map(|row| with_row(&row)).chain(bodies) {
            assert!(!is_read(&body), "{body}");
        }
        assert!(super::rows(b"{\"message\": [{\"name\": \"\xff\"}]}").is_none());
    }

    #[test]
    fn an_error_is_never_a_listing() {
        let headers = reqwest::header::HeaderMap::new();
        let body = with_row("{\"name\": 7, \"modified\": \"m\", \"creation\": \"c\"}");
        let asked = Asked { key: Some("message"), document: None };
        let read =
            |status| read(&Answer { status, headers: &headers, body: body.as_bytes() }, asked);
        assert!(matches!(read(200), Ok(Listing::Rows(rows)) if rows.len() == 3));
        for status in [199, 301, 403, 500] {
            let general =
                answer::read(&Answer { status, headers: &headers, body: body.as_bytes() }, asked);
            assert_eq!(read(status).unwrap_err().message, general.unwrap_err().message);
        }
    }

    /// A value as a site or somebody hostile may put it.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => any::<String>().prop_map(|text| Value::from(text).to_string()),
            4 => any::<i64>().prop_map(|number| number.to_string()),
            1 => any::<f64>().prop_map(|number| number.to_string()),
            1 => Just("null".to_owned()),
            1 => Just("{\"$serde_json::private::Number\": \"1\"}".to_owned()),
            1 => Just("[\"A\", \"B\", \"C\"]".to_owned()),
            1 => "[ -~]{0,9}",
        ]
    }

    fn key() -> impl Strategy<Value = String> {
        let usual = proptest::sample::select(Stamps::FIELDS.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            20 => usual,
            1 => Just("\\u006eame".to_owned()),
            1 => Just("idx".to_owned()),
        ]
    }

    fn row() -> impl Strategy<Value = String> {
        let stamps = |(name, modified): (String, String)| {
            format!("{{\"name\": {name}, \"modified\": {modified}, \"creation\": \"{STAMP}\"}}")
        };
        let fields = proptest::collection::vec((key(), value()), 0..5).prop_map(|fields| {
            let fields = fields.iter().map(|(key, value)| format!("\"{key}\": {value}"));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        });
        prop_oneof![4 => (value(), value()).prop_map(stamps), 1 => fields, 1 => value()]
    }

    proptest! {
        #[test]
        fn both_readers_agree(rows in proptest::collection::vec(row(), 0..4), cut in 0..200_usize) {
            let body = format!("{{\"message\": [{}]}}", rows.join(", "));
            agrees(body.as_bytes());
            agrees(&body.as_bytes()[..body.len().saturating_sub(cut)]);
        }

        #[test]
        fn both_readers_agree_on_any_bytes(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            agrees(&body);
            agrees(&[b"{\"message\": [", body.as_slice(), b"]}"].concat());
        }
    }
}
