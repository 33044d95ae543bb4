//! Walks `tests/cases/rows.json`: which row of one side is which row of the other.

use serde_json::{Map, Value, json};

use super::{RowNames, match_rows, removed_rows};
use crate::core_tests::{cases, read};
use crate::model::Doc;

const CASES: &str = include_str!("../../tests/cases/rows.json");

/// Equal in everything but the name.
fn is_equal(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.get("note") == b.get("note")
}

#[test]
fn every_row_finds_its_own() {
    for case in cases(CASES) {
        let (source, target): (Vec<Map<_, _>>, Vec<Map<_, _>>) =
            (read(&case, "source"), read(&case, "target"));
        let known: RowNames = read(&case, "known");
        let (source, target): (Vec<_>, Vec<_>) = (source.iter().collect(), target.iter().collect());
        let pairs: Vec<Option<&Value>> = match_rows(&source, &target, &known, &is_equal)
            .into_iter()
            .map(|pair| pair.map(|j| &target[j]["name"]))
            .collect();
        let expected: Vec<Option<&Value>> = case["pairs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| Some(name).filter(|name| !name.is_null()))
            .collect();
        assert_eq!(pairs, expected, "{}", case["description"]);
    }
}

fn doc(fields: Value) -> Doc {
    serde_json::from_value(fields).unwrap()
}

#[test]
fn a_table_is_replaced_whole_and_what_it_is_sent_without_is_removed() {
    let target = doc(json!({
        "items": [{"name": "a", "shelf": "7"}, {"name": "b", "shelf": "8", "pin": "***"}],
        "notes": [{"name": 1, "note": "x"}, {"name": 2, "note": "y"}],
        "labels": [{"name": "l"}],
        "text": "z",
    }));
    let sent = doc(json!({"items": [{"name": "a"}, {"qty": 2}], "notes": [], "text": null}));
    let removed = json!({
        "items": [{"name": "b", "shelf": "8"}],
        "notes": [{"name": 1, "note": "x"}, {"name": 2, "note": "y"}],
    });
    assert_eq!(Value::Object(removed_rows(&sent, &target)), removed);
    let kept = doc(json!({"notes": [{"name": 2}, {"name": "1"}]}));
    assert!(removed_rows(&kept, &target).is_empty(), "a row's name may be a number");
}
