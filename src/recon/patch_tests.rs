//! Walks `tests/cases/patch.json`: what is sent, letter by letter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Body, RowNames, changed_fields, create_body, update_body};
use crate::core_tests::{Case, Names, cases, doc, read, shape};
use crate::model::{Doc, Form, OpenLink, Shape, Side, Sides, Translation};

const CASES: &str = include_str!("../../tests/cases/patch.json");

/// `ACME` is called the same on the target where a case does not say otherwise; `open` is
/// still to be written there, and of `unmapped` nobody knows.
fn translated(names: &Names, doctype: &str, name: &str) -> Translation {
    assert!(!doctype.is_empty() && !name.is_empty(), "asked for {doctype:?} {name:?}");
    match names.0.get(doctype).and_then(|names| names.get(name)).map(String::as_str) {
        Some("open") => {
            Translation::Open(OpenLink { doctype: doctype.to_owned(), name: name.to_owned() })
        }
        Some("unmapped") => Translation::Unmapped(format!("{doctype} {name}")),
        Some(there) => Translation::Name(there.to_owned()),
        None => Translation::Name(name.to_owned()),
    }
}

/// What the source changed since the base where the target differs now; without a base, all
/// in which they differ.
fn changed(shape: &Shape, case: &Case, source: &Doc, target: &Doc, names: &Names) -> Vec<String> {
    let form = |doc: &Doc, is_source: bool| {
        shape.sync_form(doc, &|doctype, name| names.id(is_source, doctype, name))
    };
    let now = Sides::new(form(source, true), form(target, false));
    let base = case.get("base").map(|base| Sides::new(form(&doc(base), true), Form::default()));
    changed_fields(base.as_ref(), &now, Side::Local)
}

fn body(case: &Case) -> Body {
    let name: String = read(case, "doctype");
    let (exclude, include): (Vec<String>, Vec<String>) =
        (read(case, "exclude"), read(case, "include"));
    let shape = shape(if name.is_empty() { "Order" } else { &name }, &exclude, &include);
    let names = Names(read(case, "called_there"));
    let translate = |doctype: &str, name: &str| translated(&names, doctype, name);
    let source = doc(&case["source"]);
    let Some(target) = case.get("target") else {
        let held_back: Vec<String> = read(case, "held_back");
        let held_back: Vec<&str> = held_back.iter().map(String::as_str).collect();
        return create_body(&shape, &source, &held_back, &translate);
    };
    let target = doc(target);
    let rows: BTreeMap<String, RowNames> = read(case, "known_rows");
    let known = |table: &str| rows.get(table).cloned().unwrap_or_default();
    let fields = changed(&shape, case, &source, &target, &names);
    update_body(&shape, &fields, &source, &target, &known, &translate)
}

/// The sent body; a create's must be as expected in the fields that the case names, and hold
/// nothing but empty values besides.
fn check(case: &Case, body: &Body) {
    let what = &case["description"];
    let expected = case["body"].as_object().unwrap();
    let mut sent = body.fields.clone();
    if !case.contains_key("target") && case.get("whole_body").is_none() {
        sent.retain(|field, value| expected.contains_key(field) || !is_blank(value));
    }
    assert_eq!(Value::Object(sent), Value::Object(expected.clone()), "{what}");
    let open: BTreeSet<String> =
        body.open.iter().map(|link| format!("{} {}", link.doctype, link.name)).collect();
    assert_eq!(open, read(case, "waits_for"), "{what}");
    assert_eq!(body.unmapped, read::<Vec<String>>(case, "unmapped"), "{what}");
    assert_eq!(body.omitted, read(case, "left_out"), "{what}");
}

fn is_blank(value: &Value) -> bool {
    matches!(value, Value::Null) || *value == 0 || *value == "" || *value == Value::Array(vec![])
}

#[test]
fn what_is_sent_is_what_the_case_says() {
    for case in cases(CASES) {
        check(&case, &body(&case));
    }
}

#[test]
fn a_site_s_own_field_is_not_sent_whoever_asks_for_it() {
    let shape = shape("Order", &["shelf".to_owned()], &[]);
    let source =
        doc(&json!({"status": "Closed", "batch": "B", "naming_series": "X", "shelf": "S"}));
    let fields = ["status", "batch", "naming_series", "shelf", "secret"].map(str::to_owned);
    let translate = |_: &str, _: &str| Translation::Unmapped(String::new());
    let body =
        update_body(&shape, &fields, &source, &Doc::default(), &|_| RowNames::new(), &translate);
    assert_eq!(body, Body::default());
}

#[test]
fn what_counts_as_filled_even_if_empty_is_left_out_of_a_create() {
    let mut shape = shape("Order", &[], &[]);
    shape.doctype = "ToDo".to_owned();
    let assignee = shape.columns["customer"].clone();
    shape.columns.insert("allocated_to".to_owned(), assignee);
    let same = |_: &str, name: &str| Translation::Name(name.to_owned());
    let sent = |source: Value| create_body(&shape, &doc(&source), &[], &same).fields;
    let free = sent(json!({"allocated_to": null}));
    assert_eq!((free.get("allocated_to"), free.get("customer")), (None, Some(&json!(""))));
    assert_eq!(sent(json!({"allocated_to": "a@example.com"}))["allocated_to"], "a@example.com");
}

/// With an empty batch a site prices the row anew.
#[test]
fn an_empty_batch_is_in_no_new_row() {
    let mut shape = shape("Order", &[], &[]);
    let batch = shape.columns["customer"].clone();
    shape.columns.get_mut("items").unwrap().rows.insert("batch_no".to_owned(), batch);
    let same = |_: &str, name: &str| Translation::Name(name.to_owned());
    let source = doc(&json!({"items": [{"item": "A"}, {"item": "B", "batch_no": "B-1"}]}));
    let known = |_: &str| RowNames::new();
    let created = create_body(&shape, &source, &[], &same).fields;
    let fields = ["items".to_owned()];
    let updated = update_body(&shape, &fields, &source, &Doc::default(), &known, &same).fields;
    for body in [created, updated] {
        assert_eq!(body["items"][0].get("batch_no"), None, "{body:?}");
        assert_eq!(body["items"][1]["batch_no"], "B-1");
    }
}
