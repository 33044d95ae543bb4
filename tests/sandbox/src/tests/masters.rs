//! Parties, items, trees and desk documents: what no contract case shows.

use serde_json::{Value, json};

use super::Bench;
use crate::Flavour;
use crate::sites::WEAK_USER;

fn bench() -> Bench {
    Bench::new(Flavour::V15_105)
}

fn make(bench: &mut Bench, doctype: &str, body: Value) -> Value {
    bench.ok("POST", &format!("/api/resource/{doctype}"), body)
}

fn read(bench: &mut Bench, doctype: &str, name: &str) -> Value {
    bench.ok("GET", &format!("/api/resource/{doctype}/{name}"), json!(null))
}

fn territory(bench: &mut Bench, name: &str, parent: &str) -> Value {
    make(
        bench,
        "Territory",
        json!({"territory_name": name, "parent_territory": parent, "is_group": 1}),
    )
}

#[test]
fn a_link_through_which_values_are_fetched_is_not_checked() {
    let mut bench = bench();
    let body = json!({"customer_name": "A", "customer_primary_contact": "nobody"});
    let customer = make(&mut bench, "Customer", body);
    assert_eq!(customer["customer_primary_contact"], "nobody");
    let body = json!({"customer_name": "B", "customer_primary_address": "nowhere"});
    let refused = bench.refused("POST", "/api/resource/Customer", body);
    assert_eq!(refused, (417, "LinkValidationError".to_owned()));
    // An order sees to its customer by itself, and a price to its item.
    let order = json!({"customer": "nobody", "company": "Bench Co", "delivery_date": "2026-12-24",
        "items": [{"item_code": "X", "qty": 1, "rate": 1}]});
    assert_eq!(bench.refused("POST", "/api/resource/Sales Order", order).0, 417);
    let price = json!({"item_code": "X", "price_list": "Standard Selling", "price_list_rate": 1});
    let refused = bench.refused("POST", "/api/resource/Item Price", price);
    assert_eq!(refused, (417, "ValidationError".to_owned()));
}

#[test]
fn a_customer_that_can_be_reached_gets_a_contact_whenever_it_is_saved() {
    let mut bench = bench();
    make(&mut bench, "Customer", json!({"customer_name": "Acme"}));
    let saved =
        bench.ok("PUT", "/api/resource/Customer/Acme", json!({"email_id": "a@example.com"}));
    assert_eq!(saved["customer_primary_contact"], "Acme-Acme");
    let contact = read(&mut bench, "Contact", "Acme-Acme");
    assert_eq!(contact["company_name"], "Acme");
    bench.ok("PUT", "/api/resource/Customer/Acme", json!({"website": "x"}));
    assert_eq!(bench.site.documents("Contact").len(), 1);
}

#[test]
fn what_is_fetched_through_the_primary_contact_follows_it() {
    let mut bench = bench();
    make(&mut bench, "Customer", json!({"customer_name": "Acme", "email_id": "a@example.com"}));
    let contact = read(&mut bench, "Contact", "Acme-Acme");
    let rows = json!([{"name": contact["email_ids"][0]["name"], "email_id": "b@example.com", "is_primary": 1}]);
    bench.ok("PUT", "/api/resource/Contact/Acme-Acme", json!({"email_ids": rows}));
    let stale = read(&mut bench, "Customer", "Acme");
    assert_eq!(stale["email_id"], "a@example.com");
    let saved = bench.ok("PUT", "/api/resource/Customer/Acme", json!({"website": "x"}));
    assert_eq!(saved["email_id"], "b@example.com");
}

#[test]
fn a_lead_shares_its_address_with_nobody_and_keeps_its_contacts_numbers() {
    let mut bench = bench();
    let body =
        json!({"first_name": "Leo", "email_id": "l@example.com", "mobile_no": "+1 212 5550105"});
    let lead = make(&mut bench, "Lead", body);
    let name = lead["name"].as_str().unwrap().to_owned();
    assert_eq!(lead.get("phone"), None);
    let stored = read(&mut bench, "Lead", &name);
    assert_eq!(stored["phone"], "+1 212 5550105");
    assert_ne!(stored["modified"], lead["modified"]);
    let mut again = json!({"first_name": "Lea", "email_id": "l@example.com"});
    for left in [1, 2] {
        let refused = bench.refused("POST", "/api/resource/Lead", again.clone());
        assert_eq!(refused, (409, "DuplicateEntryError".to_owned()));
        let contacts = bench.site.documents("Contact").len();
        assert_eq!(contacts, left, "only a contact with a number outlives its lead");
        again["phone"] = json!("+1 212 5550106");
    }
    make(&mut bench, "Lead", json!({"first_name": "Leo"}));
}

#[test]
fn second_posts_are_refused_or_not_as_recorded() {
    let mut bench = bench();
    let employee = json!({"first_name": "Eve", "gender": "Female", "date_of_birth": "1990-01-01",
        "date_of_joining": "2020-01-01", "company": "Bench Co"});
    make(&mut bench, "Customer", json!({"customer_name": "Acme"}));
    for (doctype, body, second) in [
        ("Supplier", json!({"supplier_name": "T"}), 409),
        ("Territory", json!({"territory_name": "T"}), 409),
        ("Project", json!({"project_name": "T", "company": "Bench Co"}), 417),
        ("Note", json!({"title": "T"}), 200),
        ("Employee", employee, 200),
        (
            "Opportunity",
            json!({"opportunity_from": "Customer", "party_name": "Acme", "company": "Bench Co"}),
            200,
        ),
    ] {
        make(&mut bench, doctype, body.clone());
        let (status, _) = bench.ask("POST", &format!("/api/resource/{doctype}"), Some(&body));
        assert_eq!(status, second, "{doctype}");
    }
    assert_eq!(read(&mut bench, "Territory", "T")["parent_territory"], "All Territories");
}

#[test]
fn a_price_follows_its_item_without_moving() {
    let mut bench = bench();
    let body =
        json!({"item_code": "X", "item_group": "Products", "stock_uom": "Nos", "standard_rate": 5});
    make(&mut bench, "Item", body);
    let before = bench.site.documents("Item Price").remove(0);
    bench.ok("PUT", "/api/resource/Item/X", json!({"item_name": "Other"}));
    let after = bench.site.documents("Item Price").remove(0);
    assert_eq!(after.text("item_name"), "Other");
    assert_eq!(after.text("modified"), before.text("modified"));
}

#[test]
fn a_moved_node_comes_last_and_never_below_itself() {
    let mut bench = bench();
    territory(&mut bench, "North", "All Territories");
    territory(&mut bench, "Inner", "North");
    let moved =
        bench.ok("PUT", "/api/resource/Territory/India", json!({"parent_territory": "North"}));
    let inner = read(&mut bench, "Territory", "Inner");
    assert!(moved["lft"].as_i64() > inner["rgt"].as_i64());
    assert_eq!(moved["old_parent"], "North");
    let below = json!({"parent_territory": "Inner"});
    let refused = bench.refused("PUT", "/api/resource/Territory/North", below);
    assert_eq!(refused, (417, "NestedSetRecursionError".to_owned()));
    let refused = bench.refused("DELETE", "/api/resource/Territory/North", json!(null));
    assert_eq!(refused, (417, "NestedSetChildExistsError".to_owned()));
}

#[test]
fn a_place_that_is_sent_with_the_old_parent_is_believed() {
    let mut bench = bench();
    let body = json!({"territory_name": "Odd", "parent_territory": "All Territories",
        "old_parent": "All Territories", "lft": 77, "rgt": 78});
    let odd = make(&mut bench, "Territory", body);
    assert_eq!((&odd["lft"], &odd["rgt"]), (&json!(77), &json!(78)));
    let body = json!({"territory_name": "Even", "parent_territory": "All Territories", "lft": 77, "rgt": 78});
    assert_ne!(make(&mut bench, "Territory", body)["lft"], json!(77));
}

#[test]
fn a_task_leaves_comments_and_assignees_and_moves_nothing() {
    let mut bench = bench();
    let customer = make(&mut bench, "Customer", json!({"customer_name": "Acme"}));
    let body = json!({"description": "call", "allocated_to": WEAK_USER, "reference_type": "Customer",
        "reference_name": "Acme"});
    let task = make(&mut bench, "ToDo", body);
    let assigned = |bench: &Bench| bench.site.value_of("Customer", "Acme", "_assign");
    assert_eq!(assigned(&bench), json!(format!("[\"{WEAK_USER}\"]")));
    let path = format!("/api/resource/ToDo/{}", task["name"].as_str().unwrap());
    bench.ok("PUT", &path, json!({"priority": "High"}));
    bench.ok("PUT", &path, json!({"status": "Closed"}));
    let kinds: Vec<String> =
        bench.site.documents("Comment").iter().map(|it| it.text("comment_type")).collect();
    assert_eq!(kinds.len(), 2);
    assert!(kinds.contains(&"Assigned".to_owned()));
    assert!(kinds.contains(&"Assignment Completed".to_owned()));
    assert_eq!(assigned(&bench), json!(""));
    assert_eq!(read(&mut bench, "Customer", "Acme")["modified"], customer["modified"]);
}

#[test]
fn an_event_keeps_one_communication_for_each_participant() {
    let mut bench = bench();
    make(&mut bench, "Customer", json!({"customer_name": "Acme", "email_id": "a@example.com"}));
    let body = json!({"subject": "Meet", "starts_on": "2026-12-01 10:00:00", "event_type": "Public",
        "event_participants": [
            {"reference_doctype": "Customer", "reference_docname": "Acme"},
            {"reference_doctype": "Item Group", "reference_docname": "Products"}]});
    let event = make(&mut bench, "Event", body);
    assert_eq!(event["event_participants"][0]["email"], "a@example.com");
    let path = format!("/api/resource/Event/{}", event["name"].as_str().unwrap());
    bench.ok("PUT", &path, json!({"subject": "Later"}));
    let kept = bench.site.documents("Communication");
    assert_eq!(kept.len(), 1, "groups of items have no timeline, and a save adds none");
    assert_eq!(kept[0].text("subject"), "Later");
    bench.ok("DELETE", &path, json!(null));
    assert_eq!(bench.site.documents("Communication").len(), 0);
}

#[test]
fn a_private_event_is_its_owners() {
    let mut bench = bench();
    let body =
        json!({"subject": "Mine", "starts_on": "2026-12-01 10:00:00", "event_type": "Private"});
    let (status, answer) = bench.ask_as(WEAK_USER, "POST", "/api/resource/Event", Some(&body));
    assert_eq!(status, 200);
    let path = format!("/api/resource/Event/{}", answer["data"]["name"].as_str().unwrap());
    assert_eq!(bench.refused("GET", &path, json!(null)), (403, "PermissionError".to_owned()));
    assert_eq!(bench.ok("GET", "/api/resource/Event", json!(null)), json!([]));
    assert_eq!(bench.ask_as(WEAK_USER, "GET", &path, None).0, 200);
}
