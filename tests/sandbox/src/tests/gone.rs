//! Absent, hidden, deleted: what each looks like, and what a deletion leaves.

use serde_json::{Value, json};

use super::Bench;
use crate::Flavour;
use crate::sites::WEAK_USER;

const BOTH: [Flavour; 2] = [Flavour::V15_55, Flavour::V15_105];

/// Two customers, one of which the weak user may not see; documents of two owners.
fn bench(flavour: Flavour) -> Bench {
    let mut bench = Bench::new(flavour);
    for (name, group) in [("one", "Commercial"), ("two", "Government")] {
        let limits = json!([{"company": "Bench Co", "credit_limit": 5}]);
        let body = json!({"customer_name": name, "customer_group": group, "credit_limits": limits});
        bench.ok("POST", "/api/resource/Customer", body);
    }
    bench.ok("POST", "/api/resource/FP Prompt", json!({"name": "theirs", "t": "x"}));
    bench.ok("POST", "/api/resource/Probe", json!({"title": "no right"}));
    bench.ok("POST", "/api/resource/Note", json!({"title": "private"}));
    let now = bench.now;
    bench.site.restrict_user(WEAK_USER, "Customer Group", "Commercial", now).unwrap();
    bench
}

/// Status and error of a GET by the weak user, and whether a message names the document.
fn look(bench: &mut Bench, user: &str, path: &str) -> (u16, String, bool) {
    let (status, answer) = bench.ask_as(user, "GET", path, None);
    let kind = answer["exc_type"].as_str().unwrap_or_default().to_owned();
    (status, kind, answer.get("_server_messages").is_some())
}

#[test]
fn who_may_see_one_document_sees_no_other() {
    for flavour in BOTH {
        let mut bench = bench(flavour);
        bench.ok("POST", "/api/resource/Customer", json!({"customer_name": "three"}));
        let now = bench.now;
        bench.site.restrict_user(WEAK_USER, "Customer", "one", now).unwrap();
        for (name, status) in [("one", 200), ("three", 403), ("zzz", 404)] {
            let path = format!("/api/resource/Customer/{name}");
            assert_eq!(look(&mut bench, WEAK_USER, &path).0, status, "{flavour:?} {name}");
        }
        let (_, listed) = bench.ask_as(WEAK_USER, "GET", "/api/resource/Customer", None);
        assert_eq!(listed["data"], json!([{"name": "one"}]), "a list says the same");
    }
}

#[test]
fn the_table_of_what_is_not_found() {
    let (absent, hidden) = ("DoesNotExistError".to_owned(), "PermissionError".to_owned());
    for flavour in BOTH {
        let mut bench = bench(flavour);
        let private = bench.site.names("Note").remove(0);
        let without_right = match flavour {
            Flavour::V15_55 => (404, absent.clone(), true),
            Flavour::V15_105 => (403, hidden.clone(), true),
        };
        let user = WEAK_USER;
        for (path, expected) in [
            ("/api/resource/Customer/zzz", (404, absent.clone(), true)),
            ("/api/resource/FP Prompt/zzz", (404, absent.clone(), true)),
            ("/api/resource/Customer/two", (403, hidden.clone(), true)),
            ("/api/v2/document/Customer/one", (200, String::new(), false)),
            ("/api/resource/FP Prompt/theirs", (403, hidden.clone(), true)),
            (&format!("/api/resource/Note/{private}"), (403, hidden.clone(), true)),
            ("/api/resource/Probe/no right", (403, hidden.clone(), true)),
            ("/api/resource/Probe/zzz", without_right.clone()),
            ("/api/wrong/path", (404, absent.clone(), false)),
            ("/api/resource/Nothing/zzz", (500, "ImportError".to_owned(), false)),
        ] {
            assert_eq!(look(&mut bench, user, path), expected, "{flavour:?} {path}");
        }
        assert_eq!(look(&mut bench, "nobody", "/api/resource/Probe/zzz").0, without_right.0);
        assert_eq!(
            bench.ask_as(user, "GET", "/x/api/resource/Customer/one", None),
            (404, Value::Null)
        );
    }
}

#[test]
fn a_user_permission_hides_from_lists_counts_writes_but_not_from_rows() {
    for flavour in BOTH {
        let mut bench = bench(flavour);
        let (_, list) = bench.ask_as(WEAK_USER, "GET", "/api/resource/Customer", None);
        assert_eq!(list, json!({"data": [{"name": "one"}]}));
        let path = "/api/method/frappe.client.get_count?doctype=Customer";
        let (_, count) = bench.ask_as(WEAK_USER, "GET", path, None);
        let expected = if flavour == Flavour::V15_55 { 2 } else { 1 };
        assert_eq!(count, json!({"message": expected}), "{flavour:?}");
        let rows = "/api/resource/Customer Credit Limit?parent=Customer&fields=[\"parent\"]&order_by=parent asc";
        let (_, rows) = bench.ask_as(WEAK_USER, "GET", rows, None);
        assert_eq!(rows, json!({"data": [{"parent": "one"}, {"parent": "two"}]}), "{flavour:?}");
        for (method, body) in [("PUT", Some(json!({"website": "x"}))), ("DELETE", None)] {
            let path = "/api/resource/Customer/two";
            assert_eq!(bench.ask_as(WEAK_USER, method, path, body.as_ref()).0, 403);
        }
    }
}

#[test]
fn who_may_create_makes_a_second_one_of_what_is_hidden_and_nothing_in_a_forbidden_group() {
    let mut bench = bench(Flavour::V15_105);
    let now = bench.now;
    let roles = json!({"roles": [{"role": "Sales User"}]});
    bench.site.edit_as("Administrator", "User", WEAK_USER, &roles, now).unwrap();
    let path = "/api/resource/Customer";
    let body = json!({"customer_name": "two"});
    let (status, answer) = bench.ask_as(WEAK_USER, "POST", path, Some(&body));
    assert_eq!((status, &answer["data"]["name"]), (200, &json!("two - 1")));
    let body = json!({"customer_name": "three", "customer_group": "Government"});
    let (status, answer) = bench.ask_as(WEAK_USER, "POST", path, Some(&body));
    assert_eq!((status, &answer["exc_type"]), (403, &json!("PermissionError")));
}

#[test]
fn a_deleted_customer_takes_its_contact_and_address_along() {
    let mut bench = Bench::new(Flavour::V15_55);
    let body = json!({"customer_name": "C", "email_id": "c@example.com", "address_line1": "1", "city": "X",
        "country": "Germany"});
    bench.ok("POST", "/api/resource/Customer", body);
    // One that belongs to somebody else too stays.
    let links = json!([{"link_doctype": "Customer", "link_name": "C"}, {"link_doctype": "Supplier", "link_name": "S"}]);
    bench.ok("POST", "/api/resource/Supplier", json!({"supplier_name": "S"}));
    bench.ok("POST", "/api/resource/Contact", json!({"first_name": "Shared", "links": links}));
    let refused = bench.refused("DELETE", "/api/resource/Customer/C", json!(null));
    assert_eq!(refused, (417, "LinkExistsError".into()));
    assert_eq!(bench.site.count_of("Contact"), 2, "a refused deletion takes nothing along");
    bench.ok("DELETE", "/api/resource/Contact/Shared-C", json!(null));
    bench.ok("DELETE", "/api/resource/Customer/C", json!(null));
    assert_eq!((bench.site.count_of("Contact"), bench.site.count_of("Address")), (0, 0));
    let copies = bench.site.all_docs("Deleted Document");
    let mut gone: Vec<_> =
        copies.iter().map(|copy| copy["deleted_name"].as_str().unwrap()).collect();
    gone.sort_unstable();
    assert_eq!(gone, ["C", "C-Billing", "C-C", "Shared-C"]);
}

#[test]
fn a_deleted_item_takes_its_prices_along_without_a_trace() {
    let mut bench = Bench::new(Flavour::V15_55);
    let item = json!({"item_code": "I", "item_group": "Products", "stock_uom": "Nos", "standard_rate": 9.5});
    bench.ok("POST", "/api/resource/Item", item);
    assert_eq!(bench.site.count_of("Item Price"), 1);
    bench.ok("DELETE", "/api/resource/Item/I", json!(null));
    assert_eq!(bench.site.count_of("Item Price"), 0);
    let copies = bench.site.all_docs("Deleted Document");
    assert_eq!(copies.iter().map(|copy| &copy["deleted_doctype"]).collect::<Vec<_>>(), ["Item"]);
}

#[test]
fn a_copy_is_whole_marked_when_restored_and_read_by_a_system_manager_only() {
    let mut bench = Bench::new(Flavour::V15_105);
    let before = bench.ok(
        "POST",
        "/api/resource/Probe",
        json!({"title": "D", "rows": [{"item": "x", "qty": 2}]}),
    );
    bench.ok("DELETE", "/api/resource/Probe/d", json!(null));
    let path = "/api/resource/Deleted Document?fields=[\"*\"]";
    assert_eq!(bench.ask_as(WEAK_USER, "GET", path, None).0, 403);
    let copy = bench.ok("GET", path, json!(null))[0].clone();
    let data: Value = serde_json::from_str(copy["data"].as_str().unwrap()).unwrap();
    assert_eq!((&data["creation"], &data["txt"]), (&before["creation"], &Value::Null));
    assert_eq!((&data["rows"][0]["item"], &data["rows"][0]["qty"]), (&json!("x"), &json!(2.0)));
    assert_eq!((&copy["restored"], &copy["new_name"]), (&json!(0), &Value::Null));
    let restore = "/api/method/frappe.core.doctype.deleted_document.deleted_document.restore";
    bench.ok("POST", restore, json!({"name": copy["name"]}));
    let copy = bench.ok("GET", path, json!(null))[0].clone();
    assert_eq!((&copy["restored"], &copy["new_name"]), (&json!(1), &json!("D")));
    let again = bench.ok("GET", "/api/resource/Probe/D", json!(null));
    assert_ne!(again["creation"], before["creation"]);
}
