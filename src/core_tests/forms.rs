//! What holds for the canonical forms of all documents.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::random::{body, config};
use super::site::{Site, child_of};
use super::{fields_of, shape};
use crate::model::{Doc, Form, SYSTEM_FIELDS, Shape};

const UNTRANSLATED: &dyn Fn(&str, &str) -> Option<String> = &|_, _| None;

static SHAPE: LazyLock<Shape> = LazyLock::new(|| shape("Order", &[], &[]));

fn form(doc: &Doc) -> Form {
    SHAPE.sync_form(doc, UNTRANSLATED)
}

/// The same content as another answer might print it; `how` says which way for each value.
fn respelled(doctype: &str, doc: &Map<String, Value>, how: &mut dyn FnMut() -> u8) -> Doc {
    let mut out = doc.clone();
    for (field, (kind, _)) in fields_of(doctype) {
        let Some(value) = doc.get(&field) else { continue };
        if let Some(child) = child_of(&kind) {
            let rows = value
                .as_array()
                .unwrap()
                .iter()
                .map(|row| Value::from(respelled(child, row.as_object().unwrap(), how).0));
            out.insert(field, rows.collect());
            continue;
        }
        match spelled(&kind, value, how()) {
            Some(value) => out.insert(field, value),
            None => out.remove(&field),
        };
    }
    Doc(out)
}

fn spelled(kind: &str, value: &Value, how: u8) -> Option<Value> {
    let number = value.as_f64();
    if value.is_null() || *value == "" || number == Some(0.0) {
        let zero = ["Int", "Check", "Float", "Currency", "Percent", "Rating", "Duration"];
        return match how % 4 {
            0 => None,
            1 => Some(Value::Null),
            2 if zero.contains(&kind) => Some(json!(0)),
            3 if zero.contains(&kind) => Some(json!(-0.0)),
            _ => Some("".into()),
        };
    }
    let text = value.as_str().unwrap_or_default();
    Some(match (kind, how % 3) {
        (_, 0) => value.clone(),
        #[allow(clippy::cast_possible_truncation, reason = "compared with what it was")]
        ("Float" | "Currency" | "Duration" | "Percent", 1)
            if number.is_some_and(|number| number.fract() == 0.0) =>
        {
            json!(number? as i64)
        }
        ("Float" | "Currency" | "Duration" | "Percent" | "Rating" | "Int", 1) => {
            json!(number?)
        }
        ("Float" | "Currency" | "Percent", 2) => json!(format!("{:.9}", number?)),
        ("Time", 1) => {
            text.split(':').map(|part| format!("{part:0>2}")).collect::<Vec<_>>().join(":").into()
        }
        ("Datetime", 1) => text.replace(' ', "T").into(),
        ("Time" | "Datetime", 2) if !text.contains('.') => format!("{text}.000000").into(),
        ("Date", _) => format!("{text} 00:00:00").into(),
        _ => value.clone(),
    })
}

fn check_no_system_field(form: &Map<String, Value>) -> Result<(), TestCaseError> {
    for (field, value) in form {
        prop_assert!(!SYSTEM_FIELDS.contains(&field.as_str()), "{field}");
        prop_assert!(!field.starts_with('_') && !field.starts_with("parent"), "{field}");
        for row in value.as_array().into_iter().flatten() {
            check_no_system_field(row.as_object().unwrap())?;
        }
    }
    Ok(())
}

fn with_system_fields(doc: &Doc, stamp: &str) -> Doc {
    let mut doc = doc.clone();
    let add = |map: &mut Map<String, Value>| {
        for field in SYSTEM_FIELDS {
            map.insert(field.to_owned(), format!("{field} {stamp}").into());
        }
        for field in ["parent", "parenttype", "parentfield", "_user_tags", "__unsaved"] {
            map.insert(field.to_owned(), stamp.into());
        }
        map.insert("idx".to_owned(), json!(stamp.len()));
    };
    add(&mut doc.0);
    for value in doc.0.values_mut() {
        for row in value.as_array_mut().into_iter().flatten() {
            add(row.as_object_mut().unwrap());
        }
    }
    doc
}

/// Names of fields as a configuration lists them; some do not exist.
fn some_paths() -> impl Strategy<Value = Vec<String>> {
    let paths = [
        "city",
        "qty",
        "items",
        "items.qty",
        "items.amount",
        "status",
        "batch",
        "labels.label",
        "nowhere",
        "items.nowhere",
        "outlook",
        "secret",
        "labels",
        "name",
    ];
    subsequence(paths.map(str::to_owned).to_vec(), 0..5)
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn a_form_is_its_own_form(doc in body("Order")) {
        let once = form(&Site::new("s").insert("Order", &doc));
        prop_assert_eq!(form(&Doc(once.0.clone())).text(), once.text());
    }

    #[test]
    fn a_form_depends_on_content_only(
        doc in body("Order"),
        how in prop::collection::vec(any::<u8>(), 32),
    ) {
        let doc = Site::new("s").insert("Order", &doc);
        let mut next = how.iter().copied().cycle();
        let other = respelled("Order", &doc.0, &mut || next.next().unwrap());
        prop_assert_eq!(form(&other).text(), form(&doc).text());
        let other = with_system_fields(&other, "of another read");
        prop_assert_eq!(form(&other).hash(), form(&doc).hash());
        check_no_system_field(&form(&other).0)?;
    }

    #[test]
    fn a_rename_elsewhere_changes_no_hash(doc in body("Order")) {
        let doc = Site::new("s").insert("Order", &doc);
        let before = SHAPE.sync_form(&doc, &|doctype, name| Some(format!("{doctype} {name}")));
        let renamed = serde_json::to_string(&doc).unwrap().replace("\"A\"", "\"Renamed\"");
        let renamed: Doc = serde_json::from_str(&renamed).unwrap();
        let after = SHAPE.sync_form(&renamed, &|doctype, name| {
            Some(format!("{doctype} {}", if name == "Renamed" { "A" } else { name }))
        });
        prop_assert_eq!(after.hash(), before.hash());
    }

    #[test]
    fn differing_looks_the_same_from_both_sides(a in body("Order"), b in body("Order")) {
        let (a, b) = (form(&Doc(a)), form(&Doc(b)));
        prop_assert_eq!(a.differing(&b), b.differing(&a));
        prop_assert_eq!(a.differing(&b).is_empty(), a.hash() == b.hash());
        prop_assert!(a.differing(&a).is_empty());
    }

    #[test]
    fn the_digest_stands_for_the_scope(
        one in (some_paths(), some_paths()),
        other in (some_paths(), some_paths()),
    ) {
        let (a, b) = (shape("Order", &one.0, &one.1), shape("Order", &other.0, &other.1));
        prop_assert_eq!(a.digest() == b.digest(), a.columns == b.columns);
    }
}

/// Any JSON at all, nested as deep as a site may answer.
fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(Value::from),
        select(vec!["1e999999", "-0.0", "123456789012345678901234567890", "1E-400"])
            .prop_map(|number| serde_json::from_str(number).unwrap()),
        any::<String>().prop_map(Value::from),
        select(super::hostile("texts")).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}

/// A document with these values in its fields, whatever their types are.
fn with_values(values: &[Value]) -> Doc {
    let fields = fields_of("Order");
    let mut doc: Map<String, Value> =
        fields.keys().cloned().zip(values.iter().cycle().cloned()).collect();
    doc.insert("docstatus".to_owned(), values[0].clone());
    doc.insert("name".to_owned(), values[values.len() - 1].clone());
    Doc(doc)
}

/// The forms of a document of which nothing holds that its metadata says: no panic, the same each
/// time, and text that can be hashed.
fn is_formed(doc: &Doc) -> Result<(), TestCaseError> {
    let all = [
        SHAPE.sync_form(doc, UNTRANSLATED),
        SHAPE.whole_form(doc, UNTRANSLATED),
        SHAPE.identity_form(doc, UNTRANSLATED),
    ];
    for form in &all {
        prop_assert_eq!(form.hash().len(), 32);
    }
    prop_assert_eq!(&SHAPE.sync_form(&doc.clone(), UNTRANSLATED), &all[0]);
    let _ = (SHAPE.links(doc), doc.name(), doc.modified(), doc.docstatus());
    Ok(())
}

#[test]
fn hostile_documents() {
    for text in super::hostile("texts") {
        is_formed(&with_values(&[Value::from(text.clone())])).unwrap();
        is_formed(&with_values(&[json!([text]), json!({ "name": text }), json!(1)])).unwrap();
    }
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    is_formed(&with_values(&[deep, json!("x".repeat(2_000_000))])).unwrap();
}

proptest! {
    #[test]
    fn any_document(values in proptest::collection::vec(anything(), 1..30)) {
        is_formed(&with_values(&values))?;
    }
}
