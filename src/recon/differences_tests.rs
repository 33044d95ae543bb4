use serde_json::{Value, json};

use super::*;

fn compare(fields: &[&str], base: Option<&Value>, cloud: &Value, local: &Value) -> Differences {
    let fields: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
    let base = base.and_then(Value::as_object).map(|base| Sides::new(base, base));
    differences(&Recorded {
        fields: &fields,
        counted: None,
        base,
        now: Sides::new(cloud.as_object(), local.as_object()),
        row_names: &|_| RowNames::new(),
    })
}

fn names(found: &Differences) -> Vec<&str> {
    found.fields.iter().map(|one| one.field.as_str()).collect()
}

fn rows(found: &Differences) -> Vec<(RowChange, Vec<&str>)> {
    let Content::Rows(rows) = &found.fields[0].content else { panic!("{found:?}") };
    rows.iter()
        .map(|row| (row.change, row.fields.iter().map(|(field, _)| field.as_str()).collect()))
        .collect()
}

#[test]
fn system_fields_and_what_a_site_only_prints_otherwise_are_no_difference() {
    let cloud = json!({"name": "A", "modified": "m1", "owner": "x", "_user_tags": "t", "lft": 1,
        "empty": null, "zero": 0, "n": 1.50, "t": "4:05:06", "at": "2025-11-18 10:30:00.000000",
        "text": "007", "rows": []});
    let local = json!({"name": "B", "modified": "m2", "owner": "y", "_user_tags": "", "lft": 9,
        "empty": "", "zero": null, "n": "1.5", "t": "04:05:06", "at": "2025-11-18 10:30:00",
        "text": "7"});
    assert_eq!(names(&compare(&[], None, &cloud, &local)), ["text"]);
}

#[test]
fn a_recorded_field_is_shown_even_where_it_looks_equal() {
    let (cloud, local) = (json!({"customer": "C-1", "ro": 1}), json!({"customer": "C-1", "ro": 2}));
    let found = compare(&["customer"], None, &cloud, &local);
    assert_eq!(names(&found), ["customer"]);
    assert_eq!(found.others, ["ro"]);
}

#[test]
fn who_changed_a_field_is_told_from_the_base() {
    let base = json!({"a": 1, "b": 1, "c": 1});
    let (cloud, local) = (json!({"a": 2, "b": 2, "c": 1}), json!({"a": 3, "b": 1, "c": 3}));
    let found = compare(&["a", "b", "c"], Some(&base), &cloud, &local);
    let changed: Vec<_> = found.fields.iter().map(|one| one.changed.unwrap()).collect();
    assert_eq!(changed, [Sides::new(true, true), Sides::new(true, false), Sides::new(false, true)]);
    assert_eq!(compare(&["a"], None, &cloud, &local).fields[0].changed, None);
}

#[test]
fn of_a_document_that_one_side_deleted_only_the_edits_are_shown() {
    let base = json!({"a": 1, "b": 1});
    let found = compare(&["a", "b"], Some(&base), &json!({"a": 2, "b": 1}), &Value::Null);
    assert_eq!(names(&found), ["a"]);
    assert!(found.others.is_empty());
}

#[test]
fn rows_are_matched_by_name_and_told_apart_from_added_and_removed_ones() {
    let row = |name: &str, item: &str, qty: i64| {
        json!({"name": name, "item": item, "qty": qty,
        "idx": 1, "parent": "P"})
    };
    let base = Sides::new(
        json!({"rows": [row("c1", "A", 1), row("c2", "B", 2), row("c3", "C", 3)]}),
        json!({"rows": [row("l1", "A", 1), row("l2", "B", 2), row("l3", "C", 3)]}),
    );
    let cloud = json!({"rows": [row("c1", "A", 5), row("c3", "C", 3), row("c9", "N", 9)]});
    let local = json!({"rows": [row("l2", "B", 7), row("l1", "A", 6), row("l3", "C", 3)]});
    let known = |_: &str| {
        [("c1", "l1"), ("c2", "l2"), ("c3", "l3")]
            .map(|(c, l)| (c.to_owned(), l.to_owned()))
            .into_iter()
            .collect::<RowNames>()
    };
    let found = differences(&Recorded {
        fields: &["rows".to_owned()],
        counted: Some(&["rows.item".to_owned(), "rows.qty".to_owned()]),
        base: Some(base.as_ref().map(|_, base| base.as_object().unwrap())),
        now: Sides::new(cloud.as_object(), local.as_object()),
        row_names: &known,
    });
    assert_eq!(
        rows(&found),
        [
            (RowChange::Changed, vec!["qty"]),
            (RowChange::Added(Side::Cloud), vec!["item", "qty"]),
            (RowChange::Removed(Side::Cloud), vec!["item", "qty"]),
        ]
    );
    let Content::Rows(found) = &found.fields[0].content else { unreachable!() };
    assert_eq!(found[0].places, Sides::new(Some(1), Some(2)));
    assert_eq!(found[2].fields[1].1.base.as_ref().unwrap().local, json!(2));
}

/// Rows of autoincrement doctypes.
#[test]
fn rows_with_integers_for_names_are_told_apart_too() {
    let row = |name: i64, note: &str| json!({"name": name, "note": note});
    let base = Sides::new(
        json!({"rows": [row(1, "A"), row(2, "B")]}),
        json!({"rows": [row(71, "A"), row(72, "B")]}),
    );
    let cloud = json!({"rows": [row(2, "B")]});
    let found = differences(&Recorded {
        fields: &["rows".to_owned()],
        counted: None,
        base: Some(base.as_ref().map(|_, base| base.as_object().unwrap())),
        now: Sides::new(cloud.as_object(), base.local.as_object()),
        row_names: &|_| [("1", "71"), ("2", "72")].map(|(c, l)| (c.into(), l.into())).into(),
    });
    assert_eq!(rows(&found), [(RowChange::Removed(Side::Cloud), vec!["note"])]);
    let Content::Rows(found) = &found.fields[0].content else { unreachable!() };
    assert_eq!(found[0].fields[0].1.base.as_ref().unwrap().local, json!("A"));
}

#[test]
fn a_changed_order_is_a_difference_and_an_inserted_row_is_none_for_those_behind_it() {
    let rows_named = |items: &[&str]| {
        let rows: Vec<Value> = items.iter().map(|item| json!({"item": item})).collect();
        json!({"rows": rows})
    };
    let found = compare(&[], None, &rows_named(&["A", "B"]), &rows_named(&["B", "A"]));
    assert_eq!(rows(&found), [(RowChange::Moved, vec![]), (RowChange::Moved, vec![])]);
    let base = rows_named(&["A"]);
    let found = compare(&[], Some(&base), &rows_named(&["N", "A"]), &base);
    assert_eq!(rows(&found), [(RowChange::Added(Side::Cloud), vec!["item"])]);
}
