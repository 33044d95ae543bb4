//! What only real sites need: emptying them before a case file, and tidying up at the end.

use serde_json::{Map, Value, json};

use super::case::Ground;
use super::client::{Client, Site};
use super::world::{delete, get, name_of, post, put, resource, send};

/// What a document leaves behind: doctype, and the field that says of which doctype it is. A site's
/// background worker takes them away when the document is deleted; a site without one keeps them.
const IN_THE_WAY: [(&str, &str); 3] =
    [("DocShare", "share_doctype"), ("User Permission", "allow"), ("ToDo", "reference_type")];

/// What does not disturb a further run. Versions and Deleted Documents stay.
const TRACES: [(&str, &str); 5] = [
    ("Comment", "reference_doctype"),
    ("File", "attached_to_doctype"),
    ("Tag Link", "document_type"),
    ("Custom Field", "dt"),
    ("Property Setter", "doc_type"),
];

/// Deletes what earlier cases left. A document that is linked can go only after those that link to
/// it, so there are several rounds.
pub fn empty(client: &Client, site: &Site, ground: &Ground) {
    for (doctype, field) in IN_THE_WAY {
        clear(client, site, ground, doctype, field);
    }
    for single in ground.doctypes.iter().filter(|d| !d["issingle"].is_null()).map(name_of) {
        send(client, site, &delete(&resource(&single, &single)));
    }
    let mut left = Vec::new();
    for _ in 0..3 {
        let plain = ground.doctypes.iter().rev();
        let plain = plain.filter(|d| d["istable"].is_null() && d["issingle"].is_null());
        left = plain.flat_map(|doctype| empty_one(client, site, doctype)).collect();
        if left.is_empty() {
            return;
        }
    }
    panic!("{}: could not be deleted: {}", site.url, left.join(", "));
}

/// Deletes all documents of a doctype; what could not be deleted.
fn empty_one(client: &Client, site: &Site, doctype: &Value) -> Vec<String> {
    let name = name_of(doctype);
    let rows = list(client, site, &name, &json!({}));
    for row in rows.iter().filter(|row| row["docstatus"] == 1) {
        let named = json!({"doctype": name, "name": row["name"]});
        send(client, site, &post("/api/method/frappe.client.cancel", named));
    }
    if rows.is_empty() {
        return Vec::new();
    }
    delete_all(client, site, &name, &rows);
    let gone = |row: &Value| {
        // It may link to itself.
        let unlinked = json!({"doctype": name, "name": row["name"], "fieldname": links(doctype)});
        send(client, site, &post("/api/method/frappe.client.set_value", unlinked));
        let named = json!({"doctype": name, "name": row["name"]});
        send(client, site, &post("/api/method/frappe.client.delete", named)).0 == 200
    };
    let left = list(client, site, &name, &json!({}));
    left.iter().filter(|row| !gone(row)).map(|row| format!("{name} {}", row["name"])).collect()
}

/// Deletes documents as far as it can be done; more than ten at once would wait for a worker.
fn delete_all(client: &Client, site: &Site, doctype: &str, rows: &[Value]) {
    for some in rows.chunks(10) {
        let names: Value = some.iter().map(|row| row["name"].clone()).collect();
        let items = json!({"doctype": doctype, "items": names.to_string()});
        send(client, site, &post("/api/method/frappe.desk.reportview.delete_items", items));
    }
}

/// The fields of a doctype that link, all null.
fn links(doctype: &Value) -> Value {
    let fields = doctype["fields"].as_array().into_iter().flatten();
    let links = fields.filter(|f| f["fieldtype"] == "Link" || f["fieldtype"] == "Dynamic Link");
    Value::Object(links.map(|f| (name_of_field(f), Value::Null)).collect::<Map<_, _>>())
}

fn name_of_field(field: &Value) -> String {
    field["fieldname"].as_str().unwrap_or_default().to_owned()
}

pub fn list(client: &Client, site: &Site, doctype: &str, filters: &Value) -> Vec<Value> {
    let listing = json!({
        "doctype": doctype, "fields": ["name", "docstatus"], "filters": filters, "limit_page_length": 0
    });
    let (_, answer) = send(client, site, &post("/api/method/frappe.client.get_list", listing));
    answer["message"].as_array().cloned().unwrap_or_default()
}

/// Deletes the documents of a doctype that belong to one of ours.
fn clear(client: &Client, site: &Site, ground: &Ground, doctype: &str, field: &str) {
    let ours: Vec<String> = ground.doctypes.iter().map(name_of).collect();
    let rows = list(client, site, doctype, &json!({field: ["in", ours]}));
    delete_all(client, site, doctype, &rows);
}

/// Takes away what a run made: documents, their traces, fields, doctypes, the role.
pub fn tidy(client: &Client, site: &Site, ground: &Ground) {
    empty(client, site, ground);
    for (doctype, field) in TRACES {
        clear(client, site, ground, doctype, field);
    }
    for doctype in ground.doctypes.iter().rev() {
        send(client, site, &delete(&resource("DocType", &name_of(doctype))));
    }
    give_roles(client, site, ground, &[]);
    for role in &ground.roles {
        send(client, site, &delete(&resource("Role", role)));
    }
}

/// Of the roles that the cases made the weak user gets these and no others; what else the user is
/// stays.
pub fn give_roles(client: &Client, site: &Site, ground: &Ground, roles: &[String]) {
    let asks = super::case::Case {
        user: Some("weak".to_owned()),
        ..get("/api/method/frappe.auth.get_logged_user")
    };
    let (_, answer) = send(client, site, &asks);
    let path = resource("User", answer["message"].as_str().unwrap_or_default());
    let (_, answer) = send(client, site, &get(&path));
    let has: Vec<String> = answer["data"]["roles"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row["role"].as_str().map(str::to_owned))
        .collect();
    let mut wanted: Vec<String> =
        has.iter().filter(|r| !ground.roles.contains(r)).cloned().collect();
    wanted.extend(roles.iter().cloned());
    if has == wanted {
        return;
    }
    let rows: Vec<Value> = wanted.iter().map(|role| json!({"role": role})).collect();
    let (status, answer) = send(client, site, &put(&path, json!({"roles": rows})));
    assert_eq!(status, 200, "{}: the roles of the weak user: {answer}", site.url);
}
