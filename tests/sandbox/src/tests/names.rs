//! Naming rules, look-ups and renames.

use serde_json::json;

use super::Bench;
use crate::Flavour;

#[test]
fn every_naming_rule_names_as_recorded() {
    let mut bench = Bench::new(Flavour::V15_55);
    let mut name = |doctype: &str, body| {
        let doc = bench.ok("POST", &format!("/api/resource/{doctype}"), body);
        doc["name"].clone()
    };
    assert_eq!(name("Probe", json!({"title": "T1", "name": "MY"})), "T1");
    for expected in ["NS-2026-0001", "NS-2026-0002"] {
        assert_eq!(name("N Series", json!({"title": "t", "name": "MY"})), expected);
    }
    let both = json!({"title": "t", "name": "MY", "__newname": "NEW"});
    assert_eq!(name("N Prompt", both), "NEW");
    assert_eq!(name("N Format", json!({"title": "T1"})), "FMT-T1-0001");
    assert_eq!(name("N Format", json!({"title": "T2"})), "FMT-T2-0001");
    assert_eq!(name("N Expr", json!({"title": "t"})), "EXP-0001");
    assert_eq!(name("N Auto", json!({"title": "t"})), json!(1));
    assert_eq!(name("N Auto", json!({"title": "t"})), json!(2));
    let hash = name("N Hash", json!({"title": "t", "name": "MY"}));
    assert_eq!(hash.as_str().unwrap().len(), 10);
    assert_eq!(name("Customer", json!({"customer_name": "abc"})), "abc");
    assert_eq!(name("Customer", json!({"customer_name": "ABC"})), "ABC - 1");
    let address = json!({"address_title": "A", "address_type": "Billing", "address_line1": "1",
        "city": "c", "country": "Germany"});
    assert_eq!(name("Address", address.clone()), "A-Billing");
    assert_eq!(name("Address", address), "A-Billing-1");
}

#[test]
fn the_newer_version_keeps_names_given_by_v2() {
    for (flavour, kept) in [(Flavour::V15_55, false), (Flavour::V15_105, true)] {
        let mut bench = Bench::new(flavour);
        let body = json!({"title": "t", "name": "GIVEN"});
        let doc = bench.ok("POST", "/api/v2/document/N Series", body.clone());
        assert_eq!(doc["name"] == "GIVEN", kept);
        if kept {
            assert_eq!(bench.ask("POST", "/api/v2/document/N Series", Some(&body)).0, 409);
        }
    }
}

#[test]
fn a_name_ahead_of_the_series_blocks_it() {
    let mut bench = Bench::new(Flavour::V15_105);
    let ahead = json!({"title": "t", "name": "NS-2026-0001"});
    bench.ok("POST", "/api/v2/document/N Series", ahead);
    for _ in 0..2 {
        let refused = bench.refused("POST", "/api/resource/N Series", json!({"title": "t"}));
        assert_eq!(refused, (409, "DuplicateEntryError".into()));
    }
}

#[test]
fn duplicates_and_bad_names_are_refused() {
    let mut bench = Bench::new(Flavour::V15_55);
    bench.ok("POST", "/api/resource/N Prompt", json!({"title": "t", "name": "Ärger x"}));
    for (name, kind) in [
        ("arger X ", "DuplicateEntryError"),
        ("<x>", "NameError"),
        ("N Prompt", "NameError"),
        ("New N Prompt 1", "NameError"),
    ] {
        let body = json!({"title": "t", "name": name});
        let refused = bench.refused("POST", "/api/resource/N Prompt", body);
        assert_eq!(refused, (409, kind.into()), "{name}");
    }
    let doc = bench.ok("GET", "/api/resource/N Prompt/ARGER%20X", json!(null));
    assert_eq!(doc["name"], "Ärger x");
}

#[test]
fn a_rename_rewrites_links_and_moves_no_stamp() {
    let mut bench = Bench::new(Flavour::V15_55);
    bench.ok("POST", "/api/resource/Probe", json!({"title": "RN1", "rows": [{"item": "x"}]}));
    let linker = json!({"title": "LK", "dl_type": "Probe", "dl": "RN1"});
    let before = bench.ok("POST", "/api/resource/Probe", linker);
    let body = json!({"doctype": "Probe", "old_name": "RN1", "new_name": "RN2"});
    bench.ok("POST", "/api/method/frappe.client.rename_doc", body);
    let after = bench.ok("GET", "/api/resource/Probe/LK", json!(null));
    assert_eq!((&after["dl"], &after["modified"]), (&json!("RN2"), &before["modified"]));
    let renamed = bench.ok("GET", "/api/resource/Probe/RN2", json!(null));
    assert_eq!(renamed["title"], "RN2");
    assert_eq!(renamed["rows"][0]["parent"], "RN2");
    assert_eq!(renamed["modified"], renamed["creation"]);
    assert_eq!(bench.ask("GET", "/api/resource/Probe/RN1", None).0, 404);
    assert_eq!(bench.site.count_of("Deleted Document"), 0);
}
