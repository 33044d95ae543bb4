//! Walks `tests/cases/rows.json`: which row of one side is which row of the other.

use serde_json::{Map, Value};

use super::{RowNames, match_rows};
use crate::core_tests::{cases, read};

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
