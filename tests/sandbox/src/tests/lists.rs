//! Lists and fingerprints.

use serde_json::{Value, json};

use super::Bench;
use crate::Flavour;

fn bench(flavour: Flavour) -> Bench {
    let mut bench = Bench::new(flavour);
    for (name, rows) in [("b", 1), ("A", 2), ("ärger", 0), ("_x", 0), ("1", 0)] {
        let rows: Vec<Value> = (0..rows).map(|_| json!({"a": "1"})).collect();
        bench.ok("POST", "/api/resource/FP Prompt", json!({"name": name, "t": name, "rows": rows}));
    }
    bench
}

fn list(bench: &mut Bench, query: &str) -> Value {
    bench.ok("GET", &format!("/api/resource/FP Prompt?{query}"), json!(null))
}

#[test]
fn fingerprints_are_sums_of_zlibs_crc32() {
    let mut bench = bench(Flavour::V15_105);
    let query = "fields=[\"date(modified) as d\",\"count(name) as n\",\"sum(crc32(modified)) as m\",\"sum(crc32(name)) as h\",\"bit_xor(crc32(name)) as x\"]&group_by=date(modified)&order_by=d asc&limit_page_length=0";
    let days = list(&mut bench, query);
    let docs = bench.site.all_docs("FP Prompt");
    let sum = |field: &str| -> u64 {
        let texts = docs.iter().map(|doc| doc[field].as_str().unwrap().to_owned());
        texts.map(|text| u64::from(crc32fast::hash(text.as_bytes()))).sum()
    };
    assert_eq!(days.as_array().unwrap().len(), 1);
    assert_eq!(days[0]["d"], "2026-11-22");
    assert_eq!(days[0]["n"], json!(5));
    assert_eq!(days[0]["h"].to_string(), format!("{}.0", sum("name")));
    assert_eq!(days[0]["m"].to_string(), format!("{}.0", sum("modified")));
    assert!(days[0]["x"].is_u64());
    let known = crc32fast::hash(b"123456789");
    assert_eq!(known, 0xCBF4_3926);
}

#[test]
fn sums_that_are_remembered_are_those_of_now() {
    let mut bench = bench(Flavour::V15_55);
    let count = |bench: &mut Bench| {
        list(bench, "fields=[\"count(name) as n\"]&group_by=date(modified)")[0]["n"].as_u64()
    };
    assert_eq!((count(&mut bench), count(&mut bench)), (Some(5), Some(5)));
    let (before, backup) = (bench.site.twin(), bench.site.backup());
    bench.ok("DELETE", "/api/resource/FP Prompt/b", json!(null));
    assert_eq!(count(&mut bench), Some(4));
    bench.site.restore_backup(&backup);
    assert_eq!(count(&mut bench), Some(5));
    bench.ok("DELETE", "/api/resource/FP Prompt/A", json!(null));
    assert_eq!(count(&mut bench), Some(4));
    bench.site = before;
    assert_eq!(count(&mut bench), Some(5));
}

#[test]
fn the_versions_differ_in_what_they_refuse() {
    for (flavour, status) in [(Flavour::V15_55, 200), (Flavour::V15_105, 417)] {
        let mut bench = bench(flavour);
        let path = "/api/resource/FP Prompt?fields=[\"sum(crc32(concat(name,modified))) as h\"]";
        assert_eq!(bench.ask("GET", path, None).0, status);
    }
}

#[test]
fn names_sort_and_compare_by_collation() {
    let mut bench = bench(Flavour::V15_55);
    let names = list(&mut bench, "order_by=name asc");
    let expected =
        json!([{"name": "_x"}, {"name": "1"}, {"name": "A"}, {"name": "ärger"}, {"name": "b"}]);
    assert_eq!(names, expected);
    let after =
        list(&mut bench, "order_by=name asc&limit_page_length=2&filters=[[\"name\",\">\",\"a\"]]");
    assert_eq!(after, json!([{"name": "ärger"}, {"name": "b"}]));
    let found = list(&mut bench, "filters=[[\"name\",\"in\",[\"ARGER\",\"B \"]]]");
    assert_eq!(found, json!([{"name": "ärger"}, {"name": "b"}]));
}

#[test]
fn a_filter_on_rows_repeats_documents() {
    let mut bench = bench(Flavour::V15_55);
    let filter = "filters=[[\"FP Child\",\"a\",\"=\",\"1\"]]";
    assert_eq!(list(&mut bench, filter).as_array().unwrap().len(), 3);
    let grouped = list(&mut bench, &format!("{filter}&group_by=name"));
    assert_eq!(grouped, json!([{"name": "A"}, {"name": "b"}]));
    let path = format!(
        "/api/resource/FP Prompt?{filter}&fields=[\"date(modified) as d\",\"count(name) as n\"]&group_by=date(modified)"
    );
    assert_eq!(bench.refused("GET", &path, json!(null)), (500, "OperationalError".into()));
}

#[test]
fn pages_limits_and_rows_of_many_parents() {
    let mut bench = bench(Flavour::V15_55);
    for number in 0..25 {
        bench.ok(
            "POST",
            "/api/resource/N Prompt",
            json!({"name": format!("p{number:02}"), "title": "t"}),
        );
    }
    let mut size = |query: &str| {
        let rows = bench.ok("GET", &format!("/api/resource/N Prompt?{query}"), json!(null));
        rows.as_array().unwrap().len()
    };
    assert_eq!(size(""), 20);
    assert_eq!(size("limit_page_length=0"), 25);
    assert_eq!(size("limit=3&limit_page_length=5"), 5);
    assert_eq!(size("limit_start=22&limit_page_length=10"), 3);
    let body = json!({"doctype": "FP Child", "parent": "FP Prompt", "fields": ["*"],
        "filters": [["parenttype", "=", "FP Prompt"], ["parent", "in", ["a", "B"]]],
        "order_by": "parent asc, idx asc", "limit_page_length": 0});
    let rows = bench.ok("POST", "/api/method/frappe.client.get_list", body);
    let parents: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| row["parent"].clone()).collect();
    assert_eq!(parents, [json!("A"), json!("A"), json!("b")]);
    assert_eq!(bench.refused("GET", "/api/resource/FP Child", json!(null)).0, 403);
    let unknown = "/api/resource/FP Prompt?fields=[\"nope\"]";
    assert_eq!(bench.refused("GET", unknown, json!(null)), (417, "DataError".into()));
    let long = format!("/api/resource/FP Prompt?x={}", "y".repeat(4100));
    assert_eq!(bench.ask("GET", &long, None).0, 400);
}

#[test]
fn a_stamp_without_a_fraction_is_shown_short_and_summed_long() {
    let mut bench = bench(Flavour::V15_105);
    bench.site.poke("FP Prompt", "A", "modified", &json!("2026-11-01 00:00:00")).unwrap();
    let rows = list(
        &mut bench,
        "fields=[\"modified\",\"crc32(modified) as c\"]&filters=[[\"name\",\"=\",\"A\"]]",
    );
    assert_eq!(rows[0]["modified"], "2026-11-01 00:00:00");
    assert_eq!(rows[0]["c"], json!(crc32fast::hash(b"2026-11-01 00:00:00.000000")));
}
