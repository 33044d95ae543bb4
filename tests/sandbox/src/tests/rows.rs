//! The rules of child tables, every way of losing rows included.

use serde_json::{Value, json};

use super::Bench;
use crate::Flavour;

fn made() -> (Bench, Vec<String>) {
    let mut bench = Bench::new(Flavour::V15_55);
    let rows = json!([{"item": "A", "qty": 1, "note": "n1"}, {"item": "B", "qty": 2}]);
    let doc = bench.ok("POST", "/api/resource/Probe", json!({"title": "U1", "rows": rows}));
    let names = doc["rows"].as_array().unwrap().iter();
    let names = names.map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    (bench, names)
}

#[allow(clippy::needless_pass_by_value)] // The callers read better.
fn put(bench: &mut Bench, rows: Value) -> Value {
    bench.ok("PUT", "/api/resource/Probe/U1", json!({ "rows": rows }));
    let doc = bench.ok("GET", "/api/resource/Probe/U1", json!(null));
    doc["rows"].clone()
}

#[test]
fn rows_with_foreign_names_vanish() {
    let (mut bench, _) = made();
    let rows = json!([{"name": "foreign001", "item": "A"}]);
    let answer = bench.ok("PUT", "/api/resource/Probe/U1", json!({ "rows": rows }));
    assert_eq!(answer["rows"][0]["item"], "A");
    let doc = bench.ok("GET", "/api/resource/Probe/U1", json!(null));
    assert_eq!(doc["rows"], json!([]));
}

#[test]
fn a_row_of_another_document_moves() {
    let (mut bench, _) = made();
    let other = json!({"title": "U2", "rows": [{"item": "Z"}]});
    let other = bench.ok("POST", "/api/resource/Probe", other);
    let rows = put(&mut bench, json!([{"name": other["rows"][0]["name"], "item": "stolen"}]));
    assert_eq!(rows[0]["item"], "stolen");
    let other = bench.ok("GET", "/api/resource/Probe/U2", json!(null));
    assert_eq!(other["rows"], json!([]));
}

#[test]
fn the_same_name_twice_stores_one() {
    let (mut bench, names) = made();
    let row = json!({"name": names[0], "item": "A"});
    assert_eq!(put(&mut bench, json!([row, row])).as_array().unwrap().len(), 1);
}

#[test]
fn rows_given_by_name_are_replaced_as_whole_rows() {
    let (mut bench, names) = made();
    let rows = put(&mut bench, json!([{"name": names[0], "qty": 11}]));
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["qty"].to_string(), "11.0");
    assert_eq!(rows[0].get("note"), None);
}

#[test]
fn empty_and_null_delete_and_absence_keeps() {
    let (mut bench, names) = made();
    bench.ok("PUT", "/api/resource/Probe/U1", json!({"txt": "x"}));
    let doc = bench.ok("GET", "/api/resource/Probe/U1", json!(null));
    assert_eq!(doc["rows"][1]["name"], json!(names[1]));
    assert_eq!(put(&mut bench, json!(null)), json!([]));
    put(&mut bench, json!([{"item": "Q"}]));
    assert_eq!(put(&mut bench, json!([])), json!([]));
}

#[test]
fn a_given_idx_wins_over_the_order() {
    let (mut bench, names) = made();
    let rows = put(
        &mut bench,
        json!([
            {"name": names[0], "item": "A", "idx": 2},
            {"name": names[1], "item": "B", "idx": 1},
        ]),
    );
    assert_eq!(rows[0]["item"], "B");
    let rows = put(
        &mut bench,
        json!([
            {"name": names[0], "item": "A"},
            {"name": names[1], "item": "B"},
        ]),
    );
    assert_eq!(rows[0]["item"], "A");
}

#[test]
fn islocal_keeps_the_name_and_the_creation_sent_is_stored() {
    let (mut bench, _) = made();
    let stamp = "2020-01-01 00:00:00.123457";
    let row = json!({"name": "mine1", "__islocal": 1, "item": "A", "creation": stamp});
    let rows = put(&mut bench, json!([row]));
    assert_eq!(rows[0]["name"], "mine1");
    assert_eq!(rows[0]["creation"], stamp);
    put(&mut bench, json!([row]));
    bench.ok("POST", "/api/resource/Probe", json!({"title": "U2"}));
    let body = json!({ "rows": [row] });
    let refused = bench.refused("PUT", "/api/resource/Probe/U2", body);
    assert_eq!(refused, (409, "DuplicateEntryError".into()));
    let filters = format!("[[\"Probe Child\",\"creation\",\"=\",\"{stamp}\"]]");
    let found = bench.ok("GET", &format!("/api/resource/Probe?filters={filters}"), json!(null));
    assert_eq!(found, json!([{"name": "U1"}]));
}
