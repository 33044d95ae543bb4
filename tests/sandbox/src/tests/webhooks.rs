//! Webhooks: what is sent, when, and what is not.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Bench;
use crate::request::Request;
use crate::sites::FULL_USER;
use crate::webhooks::signature;
use crate::{Flavour, WebhookCall};

const TEMPLATE: &str = "{\"name\":{{ doc.name|tojson }},\"modified\":\"{{ doc.modified }}\"}";

fn bench(hooks: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::new(Flavour::V15_55);
    for (doctype, event) in hooks {
        let body = json!({
            "name": format!("{doctype} {event}"), "webhook_doctype": doctype, "webhook_docevent": event,
            "request_url": format!("http://receiver/{event}"), "request_structure": "JSON",
            "webhook_json": TEMPLATE, "enable_security": 1, "webhook_secret": "s3cr3t",
        });
        bench.ok("POST", "/api/resource/Webhook", body);
    }
    bench
}

fn later(bench: &Bench, seconds: i64) -> Timestamp {
    bench.now.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// `event name` of every call that is due.
fn sent(bench: &mut Bench) -> Vec<String> {
    let calls = bench.site.due_webhooks(bench.now);
    calls.iter().map(|call| format!("{} {}", event(call), call.document)).collect()
}

fn event(call: &WebhookCall) -> &str {
    call.url.rsplit('/').next().unwrap()
}

fn rename(bench: &mut Bench, doctype: &str, old: &str, new: &str, merge: u8) {
    let body = json!({"doctype": doctype, "old_name": old, "new_name": new, "merge": merge});
    bench.ok("POST", "/api/method/frappe.client.rename_doc", body);
}

#[test]
fn a_secret_is_kept_though_the_document_shows_a_mask() {
    let mut bench = bench(&[("Customer", "after_insert")]);
    let path = "/api/resource/Webhook/Customer after_insert";
    assert_eq!(bench.ok("GET", path, json!(null))["webhook_secret"], "******");
    bench.ok("PUT", path, json!({"timeout": 7}));
    bench.ok("POST", "/api/resource/Customer", json!({"customer_name": "Ü"}));
    let call = bench.site.due_webhooks(bench.now).remove(0);
    let modified = bench.ok("GET", "/api/resource/Customer/Ü", json!(null))["modified"].clone();
    let expected =
        format!("{{\"name\": \"\\u00dc\", \"modified\": \"{}\"}}", modified.as_str().unwrap());
    assert_eq!(String::from_utf8(call.body.clone()).unwrap(), expected);
    let sent = call.headers.iter().find(|(name, _)| name == "X-Frappe-Webhook-Signature");
    assert_eq!(sent.unwrap().1, signature("s3cr3t", &call.body));
}

#[test]
fn inserts_updates_and_deletions_have_their_events() {
    let events = ["after_insert", "on_update", "on_change", "on_trash"];
    let mut bench = bench(&events.map(|event| ("Customer", event)));
    bench.ok("POST", "/api/resource/Customer", json!({"customer_name": "A"}));
    assert_eq!(sent(&mut bench), ["after_insert A", "on_update A"]);
    bench.ok("PUT", "/api/resource/Customer/A", json!({}));
    assert_eq!(sent(&mut bench), ["on_update A", "on_change A"]);
    bench.site.edit_as("clerk", "Customer", "A", &json!({"website": "x"}), bench.now).unwrap();
    assert_eq!(sent(&mut bench), ["on_update A", "on_change A"]);
    let tag = json!({"tag": "t", "dt": "Customer", "dn": "A"});
    bench.ok("POST", "/api/method/frappe.desk.doctype.tag.tag.add_tag", tag);
    assert_eq!(sent(&mut bench), [""; 0]);
    bench.ok("DELETE", "/api/resource/Customer/A", json!(null));
    assert_eq!(sent(&mut bench), ["on_trash A", "on_change A"]);
}

#[test]
fn submitting_tells_and_an_update_after_it_only_as_a_change() {
    let events = ["on_update", "on_submit", "on_update_after_submit", "on_change", "on_cancel"];
    let mut bench = bench(&events.map(|event| ("N Submit", event)));
    bench.ok("POST", "/api/resource/N Submit", json!({"name": "S", "title": "t"}));
    assert_eq!(sent(&mut bench), ["on_update S"]);
    let path = "/api/resource/N Submit/S";
    bench.ok("PUT", path, json!({"docstatus": 1}));
    assert_eq!(sent(&mut bench), ["on_update S", "on_submit S", "on_change S"]);
    bench.ok("PUT", path, json!({"allowed": "k"}));
    assert_eq!(sent(&mut bench), ["on_change S"]);
    bench.ok("PUT", path, json!({"docstatus": 2}));
    assert_eq!(sent(&mut bench), ["on_cancel S", "on_change S"]);
    let at_once = json!({"name": "T", "title": "t", "docstatus": 1});
    bench.ok("POST", "/api/resource/N Submit", at_once);
    assert_eq!(sent(&mut bench), ["on_update T", "on_submit T"]);
}

#[test]
fn a_rename_tells_only_where_the_name_is_written_into_a_field() {
    let mut bench = bench(&[
        ("Customer", "on_change"),
        ("Item", "on_change"),
        ("Probe", "on_change"),
        ("Customer", "on_trash"),
    ]);
    let item = json!({"item_code": "I", "item_group": "Products", "stock_uom": "Nos"});
    bench.ok("POST", "/api/resource/Item", item);
    bench.ok("POST", "/api/resource/Probe", json!({"title": "P"}));
    bench.ok("POST", "/api/resource/Customer", json!({"customer_name": "C"}));
    bench.ok("POST", "/api/resource/Customer", json!({"customer_name": "D"}));
    rename(&mut bench, "Item", "I", "I2", 0);
    rename(&mut bench, "Probe", "P", "P2", 0);
    assert_eq!(sent(&mut bench), [""; 0]);
    rename(&mut bench, "Customer", "C", "C2", 0);
    assert_eq!(sent(&mut bench), ["on_change C2"]);
    rename(&mut bench, "Customer", "C2", "D", 1);
    assert_eq!(sent(&mut bench), ["on_change D", "on_trash C2", "on_change C2"]);
}

#[test]
fn what_is_rolled_back_tells_nothing() {
    let mut bench = bench(&[("Probe", "after_insert")]);
    bench.ok("POST", "/api/resource/Probe", json!({"title": "P"}));
    assert_eq!(sent(&mut bench), ["after_insert P"]);
    let docs =
        json!({"docs": [{"doctype": "Probe", "title": "Q"}, {"doctype": "Probe", "title": "P"}]});
    let refused = bench.refused("POST", "/api/method/frappe.client.insert_many", docs);
    assert_eq!(refused.0, 409);
    assert_eq!(sent(&mut bench), [""; 0]);
    // Nor does it tell together with a later one.
    bench.ok("POST", "/api/resource/Probe", json!({"title": "R"}));
    assert_eq!(sent(&mut bench), ["after_insert R"]);
    let twice = json!({"title": "R"});
    bench.site.insert_as(FULL_USER, "Probe", &twice, bench.now).unwrap_err();
    assert_eq!(sent(&mut bench), [""; 0]);
}

#[test]
fn a_deletion_that_fails_half_way_tells_nothing_of_what_went_along() {
    let mut bench = bench(&[("Contact", "on_trash")]);
    let customer = json!({"customer_name": "C", "email_id": "c@example.com"});
    bench.ok("POST", "/api/resource/Customer", customer);
    bench.ok("POST", "/api/resource/Probe", json!({"title": "P", "cust": "C"}));
    assert_eq!(bench.refused("DELETE", "/api/resource/Customer/C", json!(null)).0, 417);
    bench.site.delete_as(FULL_USER, "Customer", "C", bench.now).unwrap_err();
    bench.ok("PUT", "/api/resource/Probe/P", json!({}));
    assert_eq!(sent(&mut bench), [""; 0]);
    bench.ok("DELETE", "/api/resource/Probe/P", json!(null));
    bench.ok("DELETE", "/api/resource/Customer/C", json!(null));
    assert_eq!(sent(&mut bench), ["on_trash C-C"]);
}

#[test]
fn nothing_is_sent_before_the_commit() {
    let mut bench = bench(&[("Probe", "after_insert")]);
    let user = bench.site.user(FULL_USER).cloned().unwrap();
    let request = Request::new("POST", "/api/resource/Probe")
        .token(&user.api_key, &user.api_secret)
        .json(&json!({"title": "P"}));
    let mut pending = bench.site.arrive(request, bench.now);
    bench.site.begin(&mut pending, bench.now);
    assert_eq!(bench.site.due_webhooks(later(&bench, 60)), []);
    let end = later(&bench, 2);
    bench.site.commit(&mut pending, end);
    assert_eq!(bench.site.due_webhooks(later(&bench, 1)), []);
    assert_eq!(bench.site.due_webhooks(end).len(), 1);
}

#[test]
fn a_body_is_a_template_or_fields_and_not_both() {
    let mut bench = bench(&[("Probe", "after_insert")]);
    let path = "/api/resource/Webhook/Probe after_insert";
    let rows = json!([{"fieldname": "txt", "key": "t"}]);
    let json_only = bench.ok("PUT", path, json!({"webhook_data": rows}));
    assert_eq!(json_only["webhook_data"], json!([]));
    let form = json!({"webhook_data": rows, "request_structure": "Form URL-Encoded"});
    assert_eq!(bench.ok("PUT", path, form).get("webhook_json"), None);
    bench.ok("POST", "/api/resource/Probe", json!({"title": "P", "txt": "ä"}));
    let call = bench.site.due_webhooks(bench.now).remove(0);
    assert_eq!(String::from_utf8(call.body).unwrap(), "{\"t\": \"\\u00e4\"}");
}

/// A contact with a telephone number commits as soon as it is stored.
#[test]
fn what_a_commit_in_the_middle_of_a_request_kept_stays_and_is_told_of() {
    let mut bench = bench(&[("Customer", "after_insert"), ("Customer", "on_update")]);
    let mut body = json!({"customer_name": "C", "mobile_no": "+49 1"});
    let customer = bench.ok("POST", "/api/resource/Customer", body.clone());
    let calls = bench.site.due_webhooks(bench.now);
    let stamps: Vec<Value> = calls
        .iter()
        .map(|call| serde_json::from_slice::<Value>(&call.body).unwrap()["modified"].clone())
        .collect();
    assert_ne!(customer["creation"], customer["modified"]);
    assert_eq!(stamps, [customer["creation"].clone(), customer["modified"].clone()]);

    body["customer_name"] = json!("Half");
    body["address_line1"] = json!("1 Road");
    body["country"] = json!("Nowhere");
    assert_eq!(bench.refused("POST", "/api/resource/Customer", body).0, 417);
    assert_eq!(sent(&mut bench), ["after_insert Half"]);
    let half = bench.ok("GET", "/api/resource/Customer/Half", json!(null));
    assert_eq!(half.get("customer_primary_contact"), None);
    bench.ok("GET", "/api/resource/Contact/Half-Half", json!(null));

    // An email address does not commit.
    let mail = json!({
        "customer_name": "Mail", "email_id": "a@example.com", "address_line1": "1 Road", "country": "Nowhere",
    });
    assert_eq!(bench.refused("POST", "/api/resource/Customer", mail).0, 417);
    assert_eq!(bench.refused("GET", "/api/resource/Customer/Mail", json!(null)).0, 404);
    assert_eq!(sent(&mut bench), [""; 0]);
}

#[test]
fn a_document_is_told_of_once_a_request_with_its_last_content() {
    let mut bench = bench(&[("Probe", "on_update")]);
    bench.ok("POST", "/api/resource/Probe", json!({"title": "P"}));
    sent(&mut bench);
    let docs = json!({"docs": [
        {"doctype": "Probe", "docname": "P", "txt": "1"}, {"doctype": "Probe", "docname": "P", "txt": "2"},
    ]});
    bench.ok("POST", "/api/method/frappe.client.bulk_update", docs);
    let calls = bench.site.due_webhooks(bench.now);
    assert_eq!(calls.len(), 1);
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    let stored = bench.ok("GET", "/api/resource/Probe/P", json!(null));
    assert_eq!((&body["modified"], &stored["txt"]), (&stored["modified"], &json!("2")));
}

#[test]
fn a_refusing_receiver_is_asked_three_times() {
    let mut bench = bench(&[("Probe", "after_insert")]);
    bench.ok("POST", "/api/resource/Probe", json!({"title": "P"}));
    let begun = bench.now;
    for seconds in [0, 1, 5] {
        let at = begun.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        let before = at.checked_sub(SignedDuration::from_millis(1)).unwrap();
        assert_eq!(bench.site.due_webhooks(before), []);
        let call = bench.site.due_webhooks(at).remove(0);
        bench.site.webhook_answered(call, (seconds != 1).then_some(500), "no", at);
    }
    assert_eq!(bench.site.due_webhooks(later(&bench, 3600)), []);
    let logs = bench.site.all_docs("Webhook Request Log");
    assert_eq!(logs.len(), 3);
    assert!(logs.iter().all(|log| log["error"].is_string() && log["reference_document"] == "P"));
}

#[test]
fn an_accepted_call_is_logged_and_not_repeated() {
    let mut bench = bench(&[("Probe", "after_insert")]);
    bench.ok("POST", "/api/resource/Probe", json!({"title": "P"}));
    let call = bench.site.due_webhooks(bench.now).remove(0);
    bench.site.webhook_answered(call, Some(204), "", bench.now);
    assert_eq!(bench.site.due_webhooks(later(&bench, 3600)), []);
    let log = bench.site.all_docs("Webhook Request Log").remove(0);
    assert_eq!((&log["webhook"], &log["user"]), (&json!("Probe after_insert"), &json!(FULL_USER)));
    assert_eq!(log.get("error"), None);
    // The log keeps nobody from deleting the webhook.
    bench.ok("DELETE", "/api/resource/Webhook/Probe after_insert", json!(null));
}

#[test]
fn a_webhook_that_is_off_or_deleted_sends_nothing() {
    let mut bench = bench(&[("Probe", "after_insert"), ("Probe", "on_update")]);
    bench.ok("PUT", "/api/resource/Webhook/Probe on_update", json!({"enabled": 0}));
    bench.ok("POST", "/api/resource/Probe", json!({"title": "P"}));
    bench.ok("DELETE", "/api/resource/Webhook/Probe after_insert", json!(null));
    assert_eq!(sent(&mut bench), [""; 0]);
}

#[test]
fn the_sandbox_evaluates_no_condition_and_says_so() {
    let mut bench = bench(&[("Probe", "after_insert")]);
    let body = json!({"condition": "doc.chk == 1"});
    let refused = bench.refused("PUT", "/api/resource/Webhook/Probe after_insert", body);
    assert_eq!(refused, (417, "ValidationError".into()));
}
