//! What is sent, applied as a site applies it, brings the sides into step, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Names;
use super::random::{Edit, body, config, edit};
use super::site::Site;
use crate::model::{
    Action, Collisions, Deletes, Direction, Doc, FirstMeeting, Form, Meeting, Policy, Shape, Side,
    Sides, Submitted, Translation,
};
use crate::recon::{
    Decision, Observed, RowNames, Rules, Situation, Version, changed_fields, create_body, decide,
    update_body,
};

/// Linked documents have other names on the target, names of other documents even.
static NAMES: LazyLock<Names> = LazyLock::new(|| {
    serde_json::from_value(json!({
        "Customer": {"A": "B", "B": "C", "C": "A"},
        "Supplier": {"A": "S-1", "B": "B", "C": "A"},
        "Item": {"A": "B", "B": "A", "C": "C"},
        "Label": {"A": "a", "B": "b", "C": "c"},
        "DocType": {"Customer": "Customer", "Supplier": "Supplier"}
    }))
    .map(Names)
    .unwrap()
});

static SHAPE: LazyLock<Shape> =
    LazyLock::new(|| super::shape("Order", &["shelf".to_owned(), "items.shelf".to_owned()], &[]));

fn translate(doctype: &str, name: &str) -> Translation {
    // No text in these rows names a row.
    let known = NAMES.0.get(doctype).map_or(name, |names| &names[name]);
    Translation::Name(known.to_owned())
}

fn form(doc: &Doc, is_source: bool) -> Form {
    SHAPE.sync_form(doc, &|doctype, name| NAMES.id(is_source, doctype, name))
}

/// The source is the cloud.
fn decision(base: &Sides<Form>, now: &Sides<Form>) -> Decision {
    let version =
        |form: &Form| Observed::Present(Version { form: form.clone(), whole: None, saved: None });
    decide(&Situation {
        base: Some(base.as_ref()),
        whole_base: None,
        now: Sides::new(version(&now.cloud), version(&now.local)),
        new_fields: Vec::new(),
        undone: None,
        meeting: Meeting::SameDocument,
        rules: Rules {
            policy: Policy::Manual,
            first_meeting: FirstMeeting::Manual,
            collisions: Collisions::Manual,
            deletes: Deletes::Keep,
            direction: Direction::Both,
            submitted: Submitted::Mirror,
        },
    })
}

/// What the target's rows hold for the target alone: never lost by an update.
fn private(row: &Map<String, Value>) -> Vec<Option<Value>> {
    ["shelf", "amount", "pin", "lot", "creation"].map(|field| row.get(field).cloned()).to_vec()
}

/// The target's users fill in what is theirs.
fn with_private_values(mut doc: Doc) -> Doc {
    doc.0.insert("shelf".to_owned(), "target".into());
    doc.0.insert("status".to_owned(), "Target".into());
    let rows = doc.0.get_mut("items").and_then(Value::as_array_mut).unwrap();
    for (row, mask) in rows.iter_mut().zip(["*", "**", "***", "****"]) {
        row["shelf"] = format!("shelf {mask}").into();
        row["amount"] = json!(7.0);
        row["pin"] = mask.into();
    }
    doc
}

fn row_names(doc: &Doc, table: &str) -> Vec<String> {
    doc.rows(table).map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

/// No name of a foreign row, none twice, no place of a row.
fn check_rows(body: &Map<String, Value>, target: &Doc) -> Result<(), TestCaseError> {
    for table in ["items", "labels"] {
        let own: BTreeSet<String> = row_names(target, table).into_iter().collect();
        let mut sent = BTreeSet::new();
        for row in Doc(body.clone()).rows(table) {
            if let Some(name) = row.get("name") {
                let name = name.as_str().unwrap().to_owned();
                prop_assert!(own.contains(&name), "{name} is not the target's");
                prop_assert!(sent.insert(name), "a row name is sent twice");
            }
            for field in ["idx", "parent", "parentfield", "parenttype", "modified", "docstatus"] {
                prop_assert!(!row.contains_key(field), "{field} is sent");
            }
        }
    }
    Ok(())
}

fn known_rows(source: &Doc, target: &Doc, known: &[bool]) -> BTreeMap<String, RowNames> {
    let tables = ["items", "labels"].map(|table| {
        let pairs = row_names(source, table).into_iter().zip(row_names(target, table));
        let known = pairs.zip(known).filter(|(_, known)| **known).map(|(pair, _)| pair);
        (table.to_owned(), known.collect())
    });
    tables.into_iter().collect()
}

/// One edit on the source is carried over; returns nothing, but everything must hold.
fn carry_over(
    first: &Map<String, Value>,
    edit: &Edit,
    known: &[bool],
) -> Result<(), TestCaseError> {
    let (mut cloud, mut local) = (Site::new("s"), Site::new("t"));
    let source = cloud.insert("Order", first);
    let create = create_body(&SHAPE, &source, &[], &translate);
    prop_assert!(create.open.is_empty() && create.unmapped.is_empty() && create.omitted.is_empty());
    let copy = local.insert("Order", &create.fields);
    prop_assert_eq!(form(&copy, false).text(), form(&source, true).text());
    for row in copy.rows("items").chain(copy.rows("labels")) {
        prop_assert_eq!(&row["creation"], "created on s");
    }

    let base = Sides::new(form(&source, true), form(&copy, false));
    let target = with_private_values(copy);
    prop_assert_eq!(decision(&base, &base).action, Action::Noop);
    let edited = cloud.update("Order", &source, &edit.body(&source));
    let now = Sides::new(form(&edited, true), form(&target, false));
    let decided = decision(&base, &now);
    if now.cloud == base.cloud {
        prop_assert_eq!(decided.action, Action::Noop);
        return Ok(());
    }
    prop_assert_eq!(decided.action, Action::Update);
    prop_assert_eq!(decided.direction.target(), Some(Side::Local));

    let known = known_rows(&source, &target, known);
    let fields = changed_fields(Some(&base), &now, Side::Local);
    let patch =
        update_body(&SHAPE, &fields, &edited, &target, &|table| known[table].clone(), &translate);
    check_rows(&patch.fields, &target)?;
    let updated = local.update("Order", &target, &patch.fields);
    let after = Sides::new(now.cloud.clone(), form(&updated, false));
    prop_assert_eq!(after.local.text(), after.cloud.text(), "{:?}", patch.fields);
    prop_assert_eq!(decision(&after, &after).action, Action::Noop);
    for field in ["shelf", "status"] {
        prop_assert_eq!(&updated.0[field], &target.0[field]);
    }
    for (here, there) in &known["items"] {
        let find =
            |doc: &Doc, name: &str| doc.rows("items").find(|row| row["name"] == name).map(private);
        if find(&edited, here).is_some() {
            prop_assert_eq!(find(&updated, there), find(&target, there));
        }
    }
    Ok(())
}

/// Both sides are edited, and what the source changed is carried over: what only the target
/// changed stays.
fn merge_over(
    first: &Map<String, Value>,
    on_source: &Edit,
    on_target: &Edit,
) -> Result<(), TestCaseError> {
    let (mut cloud, mut local) = (Site::new("s"), Site::new("t"));
    let source = cloud.insert("Order", first);
    let copy = local.insert("Order", &create_body(&SHAPE, &source, &[], &translate).fields);
    let base = Sides::new(form(&source, true), form(&copy, false));
    let known = known_rows(&source, &copy, &[true; 4]);
    let edited = cloud.update("Order", &source, &on_source.body(&source));
    let target = local.update("Order", &copy, &on_target.body(&copy));
    let now = Sides::new(form(&edited, true), form(&target, false));

    let fields = changed_fields(Some(&base), &now, Side::Local);
    let patch =
        update_body(&SHAPE, &fields, &edited, &target, &|table| known[table].clone(), &translate);
    check_rows(&patch.fields, &target)?;
    let after = form(&local.update("Order", &target, &patch.fields), false);
    let changed = base.cloud.differing(&now.cloud);
    for field in SHAPE.columns.keys() {
        // Under another doctype the same name is another document: the two go together.
        let is_sent = |field: &str| fields.iter().any(|sent| sent == field);
        let is_carried = match field.as_str() {
            "party" => is_sent("party") || is_sent("party_type"),
            "party_type" if now.cloud.0.contains_key("party") => {
                is_sent("party") || is_sent("party_type")
            }
            field => changed.iter().any(|changed| changed == field),
        };
        let wanted = if is_carried { &now.cloud } else { &now.local };
        prop_assert_eq!(after.0.get(field), wanted.0.get(field), "{}: {:?}", field, patch.fields);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn what_only_the_target_changed_stays(
        first in body("Order"),
        on_source in edit("Order"),
        on_target in edit("Order"),
    ) {
        merge_over(&first, &on_source, &on_target)?;
    }

    #[test]
    fn planning_after_applying_gives_nothing(
        first in body("Order"),
        edit in edit("Order"),
        known in prop_oneof![
            2 => Just(vec![true; 4]),
            1 => Just(vec![false; 4]),
            2 => prop::collection::vec(any::<bool>(), 4),
        ],
    ) {
        carry_over(&first, &edit, &known)?;
    }

    /// A conflict settled for one side, or a first meeting: whatever stands on the target,
    /// afterwards it is the source's version.
    #[test]
    fn settling_for_one_side_makes_both_equal(first in body("Order"), other in body("Order")) {
        let source = Site::new("s").insert("Order", &first);
        let mut local = Site::new("t");
        let target = with_private_values(local.insert("Order", &other));
        let fields = form(&source, true).differing(&form(&target, false));
        let patch = update_body(
            &SHAPE, &fields, &source, &target, &|_| RowNames::new(), &translate,
        );
        check_rows(&patch.fields, &target)?;
        let updated = local.update("Order", &target, &patch.fields);
        prop_assert_eq!(form(&updated, false).text(), form(&source, true).text());
        prop_assert_eq!(&updated.0["shelf"], &target.0["shelf"]);
        let theirs = |doc: &Doc| doc.rows("items").filter(|row| row["pin"] != Value::Null).count();
        let (here, there) = (source.rows("items").count(), target.rows("items").count());
        prop_assert_eq!(theirs(&updated), here.min(there), "rows lost what only the target keeps");
    }
}
