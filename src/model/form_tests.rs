//! Walks `tests/cases/form.json`: documents as sites print them, and their one form.

use serde_json::{Map, Value};

use crate::core_tests::{Case, Names, cases, doc, read, schema};
use crate::model::{Doc, FieldKind, Form, Shape, Sides};

const CASES: &str = include_str!("../../tests/cases/form.json");

/// The shape of a case: the doctype of both sites, less the fields that only one has.
fn shape(case: &Case) -> Shape {
    let name: String = read(case, "doctype");
    let mut schemas = Sides::from_fn(|_| schema(if name.is_empty() { "Order" } else { &name }));
    let without: Vec<String> = read(case, "not_on_local");
    for path in without {
        match path.split_once('.') {
            None => drop(schemas.local.fields.remove(&path)),
            Some((table, field)) => {
                schemas.local.tables.get_mut(table).unwrap().fields.remove(field);
            }
        }
    }
    let (exclude, include): (Vec<String>, Vec<String>) =
        (read(case, "exclude"), read(case, "include"));
    Shape::new(schemas.as_ref(), &exclude, &include)
}

fn expected(case: &Case, key: &str) -> Option<Form> {
    case.get(key).map(|form| Form(form.as_object().unwrap().clone()))
}

/// The documents of a case that must (or must not) have its form.
fn docs(case: &Case, key: &str) -> Vec<Doc> {
    let docs: Vec<Value> = read(case, key);
    docs.iter().map(doc).collect()
}

#[test]
fn a_document_has_one_form_however_it_was_read() {
    for case in cases(CASES) {
        let shape = shape(&case);
        let ids = Names(read(&case, "known_as"));
        let id = |doctype: &str, name: &str| ids.0.get(doctype)?.get(name).cloned();
        let form = expected(&case, "form").unwrap();
        let docs_read = docs(&case, "read");
        assert!(!docs_read.is_empty(), "{}", case["description"]);
        for doc in &docs_read {
            let sync = shape.sync_form(doc, &id);
            assert_eq!(sync.text(), form.text(), "{} {doc:?}", case["description"]);
            assert_eq!(sync.hash(), form.hash());
            if let Some(whole) = expected(&case, "whole") {
                let found = shape.whole_form(doc, &id);
                assert_eq!(found.text(), whole.text(), "whole: {}", case["description"]);
            }
            if let Some(identity) = expected(&case, "identity") {
                let found = shape.identity_form(doc, &id);
                assert_eq!(found.text(), identity.text(), "identity: {}", case["description"]);
            }
        }
        for other in docs(&case, "but_not") {
            let found = shape.sync_form(&other, &id);
            assert_ne!(found.hash(), form.hash(), "{} {other:?}", case["description"]);
        }
    }
}

#[test]
fn the_digest_changes_with_the_scope_and_only_then() {
    let digest = |case: Value| shape(case.as_object().unwrap()).digest().to_owned();
    let plain = digest(serde_json::json!({}));
    for same in [
        serde_json::json!({"exclude": ["no_such_field", "no_table.qty", "items.no_such_field"]}),
        serde_json::json!({"include": ["city", "items.qty"]}),
        serde_json::json!({"exclude": ["outlook", "secret", "name", "modified"]}),
    ] {
        assert_eq!(digest(same.clone()), plain, "{same}");
    }
    let mut seen = vec![plain];
    for other in [
        serde_json::json!({"exclude": ["qty"]}),
        serde_json::json!({"exclude": ["items.qty"]}),
        serde_json::json!({"exclude": ["shelf"]}),
        serde_json::json!({"exclude": ["items.shelf"]}),
        serde_json::json!({"exclude": ["items"]}),
        serde_json::json!({"include": ["status"]}),
        serde_json::json!({"include": ["items.amount"]}),
        serde_json::json!({"not_on_local": ["city"]}),
        serde_json::json!({"not_on_local": ["items.note"]}),
        serde_json::json!({"doctype": "Invoice"}),
    ] {
        let found = digest(other.clone());
        assert!(!seen.contains(&found), "{other}");
        seen.push(found);
    }
}

#[test]
fn a_field_of_two_types_is_compared_in_what_both_can_hold() {
    let other = |field: &str, kind: FieldKind| {
        let mut schemas = Sides::from_fn(|_| schema("Order"));
        schemas.local.fields.get_mut(field).unwrap().kind = kind;
        Shape::new(schemas.as_ref(), &[], &[]).columns.get(field).map(|column| column.kind.clone())
    };
    assert_eq!(other("qty", FieldKind::Float), Some(FieldKind::Float));
    assert_eq!(other("due", FieldKind::Datetime), Some(FieldKind::Date));
    assert_eq!(other("extra", FieldKind::Text), Some(FieldKind::Json));
    assert_eq!(other("qty", FieldKind::Text), Some(FieldKind::Text));
    assert_eq!(other("city", FieldKind::Password), None);
    assert_eq!(other("items", FieldKind::Text), None);
}

#[test]
fn a_field_that_only_one_side_has_is_named() {
    let case = serde_json::json!({"not_on_local": ["city", "items.note"]});
    let shape = shape(case.as_object().unwrap());
    assert_eq!(shape.one_sided.cloud, ["city", "items.note"]);
    assert_eq!(shape.one_sided.local, Vec::<String>::new());
}

#[test]
fn a_link_that_is_a_number_is_a_link() {
    let case = serde_json::json!({"doctype": "Call"});
    let call = doc(&serde_json::json!({"earlier": 7}));
    let links = shape(case.as_object().unwrap()).links(&call);
    assert_eq!(links, [("Call".to_owned(), "7".to_owned())]);
}

#[test]
fn the_links_of_a_document_are_found_in_its_rows_too() {
    let order = doc(&serde_json::json!({
        "customer": "ACME", "party_type": "Supplier", "party": "Bolts Ltd",
        "items": [
            {"item": "BOLT", "ref_type": "Order", "ref": "O-1"},
            {"item": "BOLT", "ref_type": "", "ref": "left alone"},
            {"item": null}
        ],
        "labels": [{"label": "Red"}], "city": "Pune"
    }));
    let links = shape(&Map::new()).links(&order);
    let links: Vec<(&str, &str)> =
        links.iter().map(|(doctype, name)| (doctype.as_str(), name.as_str())).collect();
    let expected = [
        ("Customer", "ACME"),
        ("DocType", "Order"),
        ("DocType", "Supplier"),
        ("Item", "BOLT"),
        ("Label", "Red"),
        ("Order", "O-1"),
        ("Supplier", "Bolts Ltd"),
    ];
    assert_eq!(links, expected);
}
