//! Locks, docstatus, checks, deletion, permissions.

use serde_json::{Value, json};

use super::Bench;
use crate::Flavour;
use crate::sites::WEAK_USER;

#[test]
fn any_other_modified_than_the_stored_one_is_refused() {
    let mut bench = Bench::new(Flavour::V15_55);
    let doc = bench.ok("POST", "/api/resource/Probe", json!({"title": "U1"}));
    let stored = doc["modified"].as_str().unwrap().to_owned();
    for stale in [json!(&stored[..19]), json!("2030-01-01 00:00:00.000000"), json!(null)] {
        let body = json!({"txt": "x", "modified": stale});
        let refused = bench.refused("PUT", "/api/resource/Probe/U1", body);
        assert_eq!(refused, (417, "TimestampMismatchError".into()));
    }
    let doc = bench.ok("PUT", "/api/resource/Probe/U1", json!({"modified": stored}));
    assert_ne!(doc["modified"], json!(stored));
    let blind = bench.ok("PUT", "/api/resource/Probe/U1", json!({"txt": "y"}));
    assert_eq!(blind["txt"], "y");
}

#[test]
fn an_answer_is_not_what_a_later_get_gives() {
    let mut bench = Bench::new(Flavour::V15_55);
    let body = json!({"title": "F", "tm": "04:05:06", "dur": 3661, "f": 1_234_567.123_456_789_2});
    let answer = bench.ok("POST", "/api/resource/Probe", body);
    let read = bench.ok("GET", "/api/resource/Probe/F", json!(null));
    let pair = |field: &str| (answer[field].to_string(), read[field].to_string());
    assert_eq!(pair("tm"), ("\"04:05:06\"".into(), "\"4:05:06\"".into()));
    assert_eq!(pair("dur"), ("3661".into(), "3661.0".into()));
    assert_eq!(pair("rating"), ("0".into(), "0.0".into()));
    assert_eq!(pair("f"), ("1234567.1234567892".into(), "1234567.123456789".into()));
    assert_eq!(read.get("txt"), None);
}

#[test]
fn docstatus_goes_only_forward() {
    let mut bench = Bench::new(Flavour::V15_55);
    bench.ok("POST", "/api/resource/N Submit", json!({"name": "S", "title": "t", "allowed": "a"}));
    let path = "/api/resource/N Submit/S";
    let steps: [(Value, &str); 9] = [
        (json!({"docstatus": 2}), "DocstatusTransitionError"),
        (json!({"docstatus": 1}), ""),
        (json!({"title": "t2"}), "UpdateAfterSubmitError"),
        (json!({"allowed": "b"}), ""),
        (json!({"rows": [{"item": "B"}]}), "DoesNotExistError"),
        (json!({"docstatus": 0}), "DocstatusTransitionError"),
        (json!({"docstatus": 2}), ""),
        (json!({"title": "t3"}), "ValidationError"),
        (json!({"docstatus": 1}), "ValidationError"),
    ];
    for (body, kind) in steps {
        assert_eq!(bench.refused("PUT", path, body.clone()).1, kind, "{body}");
    }
    let amended = json!({"title": "t", "amended_from": "S"});
    let amended = bench.ok("POST", "/api/resource/N Submit", amended);
    assert_eq!(amended["name"], "S-1");
}

#[test]
fn checks_refuse_with_frappes_words() {
    let mut bench = Bench::new(Flavour::V15_55);
    let long = "y".repeat(200);
    for (body, kind, text) in [
        (
            json!({"title": "a", "cust": "Nobody"}),
            "LinkValidationError",
            "Could not find Cust: Nobody",
        ),
        (json!({"i": 1}), "ValidationError", "Title is required"),
        (json!({"title": "a", "sel": "Three"}), "ValidationError", " Sel cannot be \"Three\""),
        (json!({"title": "a", "setonce": long}), "CharacterLengthExceededError", "Probe a: "),
        (json!({"title": "a", "d": "not a date"}), "OperationalError", "(1292, "),
    ] {
        let (status, answer) = bench.ask("POST", "/api/resource/Probe", Some(&body));
        assert!(status >= 400);
        assert_eq!(answer["exc_type"], kind);
        assert!(answer["exception"].as_str().unwrap().contains(text), "{answer}");
    }
    assert_eq!(bench.site.count_of("Probe"), 0);
}

#[test]
fn a_failed_request_leaves_nothing() {
    let mut bench = Bench::new(Flavour::V15_55);
    bench.ok("POST", "/api/resource/N Prompt", json!({"name": "B", "title": "t"}));
    let docs = json!({"docs": [
        {"doctype": "N Prompt", "title": "t", "name": "A"},
        {"doctype": "N Prompt", "title": "t", "name": "B"},
    ]});
    let refused = bench.refused("POST", "/api/method/frappe.client.insert_many", docs);
    assert_eq!(refused.0, 409);
    assert_eq!(bench.site.names("N Prompt"), ["B"]);
}

#[test]
fn deletions_leave_a_copy_and_respect_links() {
    let mut bench = Bench::new(Flavour::V15_55);
    bench.ok("POST", "/api/resource/Customer", json!({"customer_name": "zeta"}));
    bench.ok("POST", "/api/resource/Probe", json!({"title": "D", "cust": "ZETA"}));
    let refused = bench.refused("DELETE", "/api/resource/Customer/zeta", json!(null));
    assert_eq!(refused, (417, "LinkExistsError".into()));
    bench.ok("DELETE", "/api/resource/Probe/d", json!(null));
    assert_eq!(bench.refused("DELETE", "/api/resource/Probe/D", json!(null)).0, 404);
    let copies = bench.site.all_docs("Deleted Document");
    assert_eq!(copies[0]["deleted_name"], "D");
    let data: Value = serde_json::from_str(copies[0]["data"].as_str().unwrap()).unwrap();
    assert_eq!(data["cust"], "zeta");
}

#[test]
fn absence_and_rights() {
    for (flavour, status) in [(Flavour::V15_55, 404), (Flavour::V15_105, 403)] {
        let mut bench = Bench::new(flavour);
        let ask = |bench: &mut Bench, path: &str| bench.ask_as(WEAK_USER, "GET", path, None);
        assert_eq!(ask(&mut bench, "/api/resource/Probe/none").0, status);
        assert_eq!(ask(&mut bench, "/api/resource/Customer/none").0, 404);
        assert_eq!(ask(&mut bench, "/api/resource/Probe").0, 403);
        let (status, body) = ask(&mut bench, "/api/nope");
        assert_eq!((status, body), (404, json!({"exc_type": "DoesNotExistError"})));
        assert_eq!(bench.ask("GET", "/api/resource/NoSuchDT/x", None).0, 500);
        assert_eq!(bench.ask("GET", "/api/resource/NoSuchDT", None).0, 404);
    }
}

#[test]
fn user_permissions_hide_documents() {
    let mut bench = Bench::new(Flavour::V15_105);
    for (name, group) in [("one", "Commercial"), ("two", "Government")] {
        let body = json!({"customer_name": name, "customer_group": group});
        bench.ok("POST", "/api/resource/Customer", body);
    }
    let now = bench.now;
    bench.site.restrict_user(WEAK_USER, "Customer Group", "Commercial", now).unwrap();
    let (_, list) = bench.ask_as(WEAK_USER, "GET", "/api/resource/Customer", None);
    assert_eq!(list, json!({"data": [{"name": "one"}]}));
    let (status, body) = bench.ask_as(WEAK_USER, "GET", "/api/resource/Customer/two", None);
    assert_eq!((status, &body["exc_type"]), (403, &json!("PermissionError")));
}

#[test]
fn custom_fields_and_property_setters_work_at_once() {
    let mut bench = Bench::new(Flavour::V15_55);
    bench.ok("POST", "/api/resource/Customer", json!({"customer_name": "old"}));
    let field = json!({"dt": "Customer", "fieldname": "custom_def", "fieldtype": "Data",
        "default": "B", "insert_after": "customer_name"});
    bench.ok("POST", "/api/resource/Custom Field", field);
    let old = bench.ok("GET", "/api/resource/Customer/old", json!(null));
    assert_eq!((&old["custom_def"], &old["modified"]), (&json!("B"), &old["creation"]));
    let has = |meta: &Value| {
        let fields = meta["fields"].as_array().unwrap();
        fields.iter().any(|field| field["fieldname"] == "custom_def")
    };
    assert!(has(&bench.ok("GET", "/api/v2/doctype/Customer/meta", json!(null))));
    assert!(!has(&bench.ok("GET", "/api/resource/DocType/Customer", json!(null))));
    let now = bench.now;
    bench.site.set_property("Customer", "tax_id", "reqd", "1", now).unwrap();
    let refused = bench.refused("PUT", "/api/resource/Customer/old", json!({"website": "x"}));
    assert_eq!(refused, (417, "MandatoryError".into()));
}

#[test]
fn the_rate_limit_counts_server_time() {
    let mut bench = Bench::new(Flavour::V15_55);
    bench.site.rate = Some(crate::rate::RateLimit::new(30_000, 60, 10_000));
    for expected in [200, 200, 200, 429] {
        assert_eq!(bench.ask("GET", "/api/method/ping", None).0, expected);
    }
}
