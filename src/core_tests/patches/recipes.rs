//! The requests by which a site loses data without a word (BEHAVIOUR.md 4): how each is
//! recognised, and what it does where it is sent.

use std::collections::BTreeSet;

use frappe_sandbox::Flavour;
use serde_json::{Map, Value, json};

use super::in_process::{Sent, Shared};
use super::world::sites;
use crate::core_tests::in_process::InProcess;
use crate::model::{Doc, Side, name_text};
use crate::site::Site as _;

/// What a site fills in by itself, and what would move a row elsewhere.
const PLACE: [&str; 8] = [
    "idx",
    "modified",
    "modified_by",
    "docstatus",
    "parent",
    "parentfield",
    "parenttype",
    "doctype",
];

/// What is wrong with a request, judged by the document as it stood when it arrived. `private`
/// names the fields of rows that are each site's own.
pub fn recipes_in(sent: &Sent, private: &[&str]) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    if sent.method == "PUT" && !sent.body.get("modified").is_some_and(Value::is_string) {
        found.insert("no lock");
    }
    if ["idx", "docstatus", "creation", "owner"].iter().any(|field| sent.body.contains_key(*field))
    {
        found.insert("a field of the site's own");
    }
    let nothing = Doc::default();
    let before = sent.before.as_ref().unwrap_or(&nothing);
    for (table, value) in &sent.body {
        let is_table = value.is_array() || before.get(table).is_some_and(Value::is_array);
        match value.as_array() {
            Some(rows) => rows_lost_in(rows, table, before, private, &mut found),
            None if is_table => drop(found.insert("table null")),
            None => {}
        }
    }
    found
}

fn rows_lost_in(
    rows: &[Value],
    table: &str,
    before: &Doc,
    private: &[&str],
    found: &mut BTreeSet<&'static str>,
) {
    let mut names = BTreeSet::new();
    for row in rows {
        let row = row.as_object().unwrap();
        if PLACE.iter().any(|field| row.contains_key(*field)) {
            found.insert("place of a row");
        }
        let Some(name) = row.get("name") else { continue };
        if !names.insert(name_text(name)) {
            found.insert("row name twice");
        }
        let Some(own) = before.rows(table).find(|own| own["name"] == *name) else {
            found.insert("foreign row name");
            continue;
        };
        for (field, value) in own.iter().filter(|(field, _)| !PLACE.contains(&field.as_str())) {
            match row.get(field) {
                None => drop(found.insert("row field left out")),
                Some(sent) if private.contains(&field.as_str()) && sent != value => {
                    found.insert("row field overwritten");
                }
                Some(_) => {}
            }
        }
    }
}

/// A site with two documents, and somebody who asks it directly.
struct Desk {
    shared: Shared,
    site: InProcess<Shared>,
}

impl Desk {
    fn new(flavour: Flavour) -> Self {
        let shared = Shared::new(sites(flavour), "2026-11-22T09:30:00Z".parse().unwrap());
        let desk = Self { site: InProcess { side: Side::Local, wire: shared.clone() }, shared };
        let row = |note: &str| json!({"note": note, "shelf": "S 1", "local_only": "ours"});
        for (name, rows) in
            [("D-1", json!([row("one"), row("two")])), ("D-2", json!([row("of another")]))]
        {
            let body = json!({"name": name, "items": rows});
            desk.site.insert("Order", body.as_object().unwrap()).unwrap();
        }
        desk
    }

    fn doc(&self, name: &str) -> Doc {
        self.shared.lock().read(Side::Local, "Order", name).unwrap()
    }

    /// The rows as a right patch has them.
    fn rows(&self, name: &str) -> Vec<Map<String, Value>> {
        let mut rows: Vec<_> = self.doc(name).rows("items").cloned().collect();
        for row in &mut rows {
            row.retain(|field, _| !PLACE.contains(&field.as_str()));
        }
        rows
    }

    fn notes(&self, name: &str) -> Vec<String> {
        let doc = self.doc(name);
        doc.rows("items").map(|row| row["note"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Sends items for D-1, which the site takes; gives what is wrong with the request.
    fn put(&self, items: &Value) -> BTreeSet<&'static str> {
        let body = json!({"items": items, "modified": self.doc("D-1").modified()});
        self.put_body(&body)
    }

    fn put_body(&self, body: &Value) -> BTreeSet<&'static str> {
        self.shared.lock().log.clear();
        self.site.update("Order", "D-1", body.as_object().unwrap()).unwrap();
        recipes_in(&self.shared.lock().log[0], &["shelf", "local_only"])
    }
}

fn on_both(test: impl Fn(&Desk)) {
    for flavour in [Flavour::V15_55, Flavour::V15_105] {
        test(&Desk::new(flavour));
    }
}

fn only(recipe: &'static str) -> BTreeSet<&'static str> {
    BTreeSet::from([recipe])
}

#[test]
fn whole_rows_under_their_own_names_lose_nothing() {
    on_both(|desk| {
        let mut rows = desk.rows("D-1");
        rows.reverse();
        rows.push(json!({"note": "three"}).as_object().unwrap().clone());
        let before = desk.doc("D-1");
        assert_eq!(desk.put(&json!(rows)), BTreeSet::new());
        assert_eq!(desk.notes("D-1"), ["two", "one", "three"]);
        let kept = |doc: &Doc, i: usize| {
            let row = doc.rows("items").nth(i).unwrap().clone();
            ["name", "shelf", "local_only", "creation"].map(|field| row[field].clone())
        };
        let after = desk.doc("D-1");
        assert_eq!((kept(&after, 0), kept(&after, 1)), (kept(&before, 1), kept(&before, 0)));
    });
}

#[test]
fn a_foreign_row_name_loses_the_rows() {
    on_both(|desk| {
        let mut rows = desk.rows("D-1");
        for row in &mut rows {
            row["name"] = format!("cloud{}", row["name"].as_str().unwrap()).into();
        }
        assert_eq!(desk.put(&json!(rows)), only("foreign row name"));
        assert_eq!(desk.notes("D-1"), [""; 0]);
    });
}

#[test]
fn a_row_name_of_another_document_takes_its_row_away() {
    on_both(|desk| {
        let mut rows = desk.rows("D-1");
        rows.extend(desk.rows("D-2"));
        assert_eq!(desk.put(&json!(rows)), only("foreign row name"));
        assert_eq!(desk.notes("D-1"), ["one", "two", "of another"]);
        assert_eq!(desk.notes("D-2"), [""; 0]);
    });
}

#[test]
fn the_same_row_name_twice_is_stored_once() {
    on_both(|desk| {
        let rows = desk.rows("D-1");
        assert_eq!(desk.put(&json!([rows[0], rows[0], rows[1]])), only("row name twice"));
        assert_eq!(desk.notes("D-1").len(), 2);
    });
}

#[test]
fn null_empties_a_table() {
    on_both(|desk| {
        assert_eq!(desk.put(&Value::Null), only("table null"));
        assert_eq!(desk.notes("D-1"), [""; 0]);
    });
}

/// What becomes of a field of the first row when it is sent as `value`.
fn sent_as(field: &str, value: Option<&str>, recipe: &'static str) {
    on_both(|desk| {
        let mut rows = desk.rows("D-1");
        assert_ne!(rows[0][field], Value::Null);
        rows[0].remove(field);
        if let Some(value) = value {
            rows[0].insert(field.to_owned(), value.into());
        }
        assert_eq!(desk.put(&json!(rows)), only(recipe));
        assert_eq!(desk.rows("D-1")[0][field], json!(value));
    });
}

#[test]
fn a_row_field_of_the_target_alone_is_emptied_where_it_is_left_out() {
    sent_as("local_only", None, "row field left out");
}

#[test]
fn an_excluded_row_field_is_emptied_or_overwritten() {
    sent_as("shelf", None, "row field left out");
    sent_as("shelf", Some("the source's"), "row field overwritten");
}

#[test]
fn without_a_lock_the_edit_in_between_is_overwritten() {
    on_both(|desk| {
        let body = json!({"items": desk.rows("D-1")});
        let edit = json!({"items": [{"note": "entered meanwhile"}]});
        assert_eq!(desk.put_body(&edit), only("no lock"));
        desk.put_body(&body);
        assert!(!desk.notes("D-1").contains(&"entered meanwhile".to_owned()));
    });
}

#[test]
fn an_idx_wins_over_the_order() {
    on_both(|desk| {
        let mut rows = desk.rows("D-1");
        rows.reverse();
        for (row, idx) in rows.iter_mut().zip([2, 1]) {
            row.insert("idx".to_owned(), idx.into());
        }
        assert_eq!(desk.put(&json!(rows)), only("place of a row"));
        assert_eq!(desk.notes("D-1"), ["one", "two"]);
    });
}
