//! Renames and merges: what follows, what moves, what is refused.

use serde_json::{Value, json};

use super::Bench;
use crate::Flavour;
use crate::sites::WEAK_USER;

const RENAME: &str = "/api/method/frappe.client.rename_doc";

fn bench() -> Bench {
    Bench::new(Flavour::V15_105)
}

fn body(doctype: &str, old: &str, new: &str, merge: u8) -> Value {
    json!({"doctype": doctype, "old_name": old, "new_name": new, "merge": merge})
}

fn get(bench: &mut Bench, doctype: &str, name: &str) -> Value {
    bench.ok("GET", &format!("/api/resource/{doctype}/{name}"), json!(null))
}

fn refusal(bench: &mut Bench, body: &Value) -> String {
    let (status, answer) = bench.ask("POST", RENAME, Some(body));
    format!("{status} {}", answer["exception"].as_str().unwrap_or_default())
}

fn customer(bench: &mut Bench, name: &str) -> Value {
    bench.ok("POST", "/api/resource/Customer", json!({"customer_name": name}))
}

#[test]
fn some_doctypes_move_their_stamp_and_others_do_not() {
    let mut bench = bench();
    customer(&mut bench, "C");
    bench.ok("POST", "/api/resource/Supplier", json!({"supplier_name": "C"}));
    let item = json!({"item_code": "C", "item_group": "Products", "stock_uom": "Nos"});
    bench.ok("POST", "/api/resource/Item", item);
    let address = json!({"address_title": "C", "address_type": "Billing", "address_line1": "1",
        "city": "c", "country": "Germany"});
    bench.ok("POST", "/api/resource/Address", address);
    bench.ok("POST", "/api/resource/Probe", json!({"title": "C"}));
    for (doctype, old, field, carries, moves) in [
        ("Customer", "C", "customer_name", true, true),
        ("Supplier", "C", "supplier_name", true, true),
        ("Item", "C", "item_code", true, true),
        ("Address", "C-Billing", "address_title", false, false),
        ("Probe", "C", "title", true, false),
    ] {
        let before = get(&mut bench, doctype, old);
        let renamed = bench.ok("POST", RENAME, body(doctype, old, "New", 0));
        assert_eq!(renamed, "New");
        let after = get(&mut bench, doctype, "New");
        assert_eq!(after["creation"], before["creation"], "{doctype}");
        assert_eq!(after["modified"] != before["modified"], moves, "{doctype}");
        assert_eq!(after[field] == "New", carries, "{doctype}");
    }
    assert_eq!(get(&mut bench, "Item", "New")["item_name"], "New");
    assert_eq!(bench.site.count_of("Deleted Document"), 0);
}

#[test]
fn every_kind_of_link_follows_and_no_stamp_of_a_referrer_moves() {
    let mut bench = bench();
    customer(&mut bench, "C");
    let contact =
        json!({"first_name": "F", "links": [{"link_doctype": "Customer", "link_name": "C"}]});
    let contact = bench.ok("POST", "/api/resource/Contact", contact);
    let probe = json!({"title": "P", "cust": "C", "dl_type": "Customer", "dl": "C", "tags": [{"customer": "C"}]});
    let probe = bench.ok("POST", "/api/resource/Probe", probe);
    let group = json!({"territory_name": "T", "parent_territory": "India"});
    let leaf = bench.ok("POST", "/api/resource/Territory", group);
    bench.ok("POST", RENAME, body("Customer", "C", "D", 0));
    bench.ok("POST", RENAME, body("Territory", "India", "Bharat", 0));
    let found = get(&mut bench, "Probe", "P");
    let links = [&found["cust"], &found["dl"], &found["tags"][0]["customer"]];
    assert_eq!(links, [&json!("D"); 3]);
    assert_eq!(found["modified"], probe["modified"]);
    assert_eq!(found["tags"][0]["modified"], probe["tags"][0]["modified"]);
    let found = get(&mut bench, "Contact", "F-C");
    assert_eq!(
        (&found["links"][0]["link_name"], &found["modified"]),
        (&json!("D"), &contact["modified"])
    );
    let found = get(&mut bench, "Territory", "T");
    assert_eq!(
        (&found["parent_territory"], &found["old_parent"]),
        (&json!("Bharat"), &json!("Bharat"))
    );
    assert_eq!((&found["modified"], &found["lft"]), (&leaf["modified"], &leaf["lft"]));
}

#[test]
fn a_document_that_links_to_itself_follows_too() {
    let mut bench = bench();
    bench.ok("POST", "/api/resource/Probe", json!({"title": "P"}));
    bench.ok("PUT", "/api/resource/Probe/P", json!({"dl_type": "Probe", "dl": "P"}));
    bench.ok("POST", RENAME, body("Probe", "P", "Q", 0));
    assert_eq!(get(&mut bench, "Probe", "Q")["dl"], "Q");
}

#[test]
fn a_plain_link_to_itself_follows_and_keeps_nobody_from_deleting() {
    let mut bench = bench();
    let rights = json!({"role": "System Manager", "read": 1, "write": 1, "create": 1, "delete": 1});
    let field = json!({"fieldname": "up", "label": "Up", "fieldtype": "Link", "options": "Node"});
    let doctype = json!({"name": "Node", "module": "Custom", "custom": 1, "autoname": "prompt",
        "fields": [field], "permissions": [rights]});
    bench.ok("POST", "/api/resource/DocType", doctype);
    bench.ok("POST", "/api/resource/Node", json!({"name": "A"}));
    bench.ok("PUT", "/api/resource/Node/A", json!({"up": "A"}));
    bench.ok("POST", RENAME, body("Node", "A", "B", 0));
    assert_eq!(get(&mut bench, "Node", "B")["up"], "B");
    bench.ok("DELETE", "/api/resource/Node/B", json!(null));
}

#[test]
fn a_merge_leaves_a_copy_of_the_one_that_went() {
    let mut bench = bench();
    let kept = customer(&mut bench, "Kept");
    let gone = json!({"customer_name": "Gone", "email_id": "g@example.com", "credit_limits": [{"company": "Bench Co"}]});
    bench.ok("POST", "/api/resource/Customer", gone);
    let price = json!({"title": "P", "cust": "Gone"});
    bench.ok("POST", "/api/resource/Probe", price);
    bench.ok("POST", RENAME, body("Customer", "Gone", "Kept", 1));
    assert_eq!(bench.ask("GET", "/api/resource/Customer/Gone", None).0, 404);
    let left = get(&mut bench, "Customer", "Kept");
    assert_eq!(left["creation"], kept["creation"]);
    assert_ne!(left["modified"], kept["modified"]);
    assert_eq!(get(&mut bench, "Probe", "P")["cust"], "Kept");
    // Its contact is the other's now; only the customer itself was deleted.
    assert_eq!(get(&mut bench, "Contact", "Gone-Gone")["links"][0]["link_name"], "Kept");
    let copies = bench.site.all_docs("Deleted Document");
    assert_eq!(copies.len(), 1);
    let data: Value = serde_json::from_str(copies[0]["data"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&copies[0]["deleted_name"], &data["email_id"]),
        (&json!("Gone"), &json!("g@example.com"))
    );
    assert_eq!(data["credit_limits"][0]["company"], "Bench Co");
    let comments = bench.site.all_docs("Comment");
    assert_eq!(comments[0]["content"], "merged <strong>Gone</strong> into <strong>Kept</strong>");
}

#[test]
fn merging_tree_nodes_moves_the_children_and_numbers_the_tree_anew() {
    let mut bench = bench();
    for (name, parent) in [("G1", "All Territories"), ("G2", "All Territories"), ("L", "G1")] {
        let body = json!({"territory_name": name, "parent_territory": parent, "is_group": 1});
        bench.ok("POST", "/api/resource/Territory", body);
    }
    bench.ok("POST", RENAME, body("Territory", "G1", "G2", 1));
    let (leaf, group) = (get(&mut bench, "Territory", "L"), get(&mut bench, "Territory", "G2"));
    assert_eq!(leaf["parent_territory"], "G2");
    let number = |doc: &Value, field: &str| doc[field].as_i64().unwrap();
    assert!(number(&group, "lft") < number(&leaf, "lft"));
    assert!(number(&leaf, "rgt") < number(&group, "rgt"));
}

#[test]
fn refusals_have_frappes_words() {
    let mut bench = bench();
    customer(&mut bench, "abc");
    customer(&mut bench, "other");
    let before = get(&mut bench, "Customer", "other");
    for (asked, expected) in [
        (body("Customer", "none", "x", 0), "404 "),
        (
            body("Customer", "abc", "abc", 0),
            "417 frappe.exceptions.ValidationError: No changes made because old and new name are the same.",
        ),
        (
            body("Customer", "other", "abc", 0),
            "417 frappe.exceptions.ValidationError: Another Customer with name abc exists, select another name",
        ),
        (
            body("Customer", "other", "none", 1),
            "417 frappe.exceptions.ValidationError: Customer none does not exist, select a new target to merge",
        ),
        (
            body("Customer", "other", "a<b", 0),
            "409 frappe.exceptions.NameError: Name cannot contain special characters like '<', '>'",
        ),
        // Another's name in another spelling is not seen before the database refuses it.
        (
            body("Customer", "other", "ABC", 0),
            "500 pymysql.err.IntegrityError: (1062, \"Duplicate entry 'ABC' for key 'PRIMARY'\")",
        ),
    ] {
        assert_eq!(refusal(&mut bench, &asked), expected, "{asked}");
        assert_eq!(get(&mut bench, "Customer", "other"), before, "{asked}");
    }
    let asked = body("Customer", "other", "x", 0);
    let (status, answer) = bench.ask_as(WEAK_USER, "POST", RENAME, Some(&asked));
    assert_eq!((status, &answer["exc_type"]), (417, &json!("ValidationError")));
    assert!(answer["exception"].as_str().unwrap().contains("You need write permission on"));
    assert_eq!(bench.site.count_of("Comment"), 0);
}

#[test]
fn a_spelling_can_be_mended() {
    let mut bench = bench();
    let before =
        bench.ok("POST", "/api/resource/Probe", json!({"title": "abc", "rows": [{"item": "x"}]}));
    bench.ok("POST", "/api/resource/Probe", json!({"title": "P", "dl_type": "Probe", "dl": "abc"}));
    bench.ok("POST", RENAME, body("Probe", "abc", "ÀBC", 0));
    let after = get(&mut bench, "Probe", "abc");
    assert_eq!((&after["name"], &after["title"]), (&json!("ÀBC"), &json!("ÀBC")));
    assert_eq!(
        (&after["creation"], &after["rows"][0]["parent"]),
        (&before["creation"], &json!("ÀBC"))
    );
    assert_eq!(get(&mut bench, "Probe", "P")["dl"], "ÀBC");
}

#[test]
fn a_property_setter_allows_a_rename() {
    let mut bench = bench();
    let order = json!({"title": "t", "naming_series": "NS-.####"});
    let name = bench.ok("POST", "/api/resource/N Auto", order)["name"].to_string();
    let asked = body("N Auto", &name, "77", 0);
    let refused = "417 frappe.exceptions.ValidationError: N Auto not allowed to be renamed";
    assert_eq!(refusal(&mut bench, &asked), refused);
    let now = bench.now;
    let setter = bench.site.set_property("N Auto", "", "allow_rename", "1", now).unwrap();
    bench.ok("POST", RENAME, asked.clone());
    bench.ok("DELETE", &format!("/api/resource/Property Setter/{setter}"), json!(null));
    assert_eq!(refusal(&mut bench, &body("N Auto", "77", "78", 0)), refused);
}
