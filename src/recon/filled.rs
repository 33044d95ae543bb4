//! What the desk's forms fill in: read-only fields that go along with an edit of a draft.
//!
//! A form sets them when a person chooses a unit, a contact or a customer, and sends them with the
//! save; a site does not work them out again for a request that leaves them out (the factor of
//! another unit stays the old one, and so does the stock that it moves: docs/frappe.md). They are
//! no content all the same: that one of them differs is never an edit, and nothing is sent for its
//! sake alone. The rule kept here: only what the source changed since its own base goes, so that
//! what each site works out for itself stays its own.

use serde_json::{Map, Value};

use super::patch::{Body, Translate, is_filled, linked_doctype};
use super::rows::row_name;
use crate::model::side_effects::STATUS;
use crate::model::{
    Column, Columns, Doc, FieldKind, ROWS, Role, Shape, Translation, canonical_scalar, name_text,
};

/// Adds to the update of a draft the read-only fields that the source changed since `before`, its
/// base. A link that nobody can translate stays out.
#[must_use]
pub fn with_what_forms_fill(
    shape: &Shape,
    mut body: Body,
    source: &Doc,
    before: &Doc,
    translate: &Translate<'_>,
) -> Body {
    if body.fields.is_empty() {
        return body;
    }
    for (table, column) in &shape.columns {
        let Some(Value::Array(rows)) = body.fields.get_mut(table) else { continue };
        // The body has the source's rows, in their order.
        for (sent, row) in rows.iter_mut().zip(source.rows(table)) {
            let former = before.rows(table).find(|former| row_name(former) == row_name(row));
            if let (Value::Object(sent), Some(former)) = (sent, former) {
                sent.extend(filled(&column.rows, row, former, translate));
            }
        }
    }
    body.fields.extend(filled(&shape.columns, &source.0, &before.0, translate));
    body
}

/// The read-only fields of a document or row that differ from what they were. What became of the
/// document is not among them: each site says that by itself.
fn filled(
    columns: &Columns,
    now: &Map<String, Value>,
    before: &Map<String, Value>,
    translate: &Translate<'_>,
) -> Vec<(String, Value)> {
    let is_filled_by_forms = |field: &str, column: &Column| {
        column.role == Role::Derived
            && ![STATUS, "naming_series"].contains(&field)
            && !matches!(column.kind, FieldKind::Table(_))
    };
    let scalar = |column: &Column, fields: &Map<String, Value>, field: &str| {
        canonical_scalar(&column.kind, fields.get(field).unwrap_or(&Value::Null))
    };
    columns
        .iter()
        .filter(|(field, column)| is_filled_by_forms(field, column))
        .filter(|(field, column)| scalar(column, now, field) != scalar(column, before, field))
        .filter_map(|(field, column)| {
            let value = now.get(field).filter(|value| is_filled(value));
            let linked = linked_doctype(&column.kind, now);
            let value = match (value, linked) {
                (Some(value), Some(doctype)) => match translate(doctype, &name_text(value)) {
                    // A row's name that comes back as it was is not known there.
                    Translation::Name(name) if doctype != ROWS || *value != name => name.into(),
                    _ => return None,
                },
                (value, _) => value.cloned().unwrap_or(Value::Null),
            };
            Some((field.clone(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Schema, Sides};

    fn shape() -> Shape {
        let note = json!({"name": "Note", "is_submittable": 1, "fields": [
            {"fieldname": "contact", "fieldtype": "Data"},
            {"fieldname": "mobile", "fieldtype": "Data", "read_only": 1},
            {"fieldname": "group", "fieldtype": "Link", "options": "Group", "read_only": 1},
            {"fieldname": "own", "fieldtype": "Float", "read_only": 1},
            {"fieldname": "items", "fieldtype": "Table", "options": "Row"}]});
        let row = json!({"name": "Row", "istable": 1, "fields": [
            {"fieldname": "uom", "fieldtype": "Data"},
            {"fieldname": "factor", "fieldtype": "Float", "read_only": 1},
            {"fieldname": "stock", "fieldtype": "Float", "read_only": 1}]});
        let metas = [("Note", note), ("Row", row)]
            .map(|(name, meta)| (name.to_owned(), meta.as_object().cloned().unwrap()));
        let schema = Schema::assemble("Note", &metas.into()).unwrap();
        Shape::new(Sides::new(&schema, &schema), &[], &[])
    }

    fn doc(value: Value) -> Doc {
        serde_json::from_value(value).unwrap()
    }

    fn body(fields: Value) -> Body {
        Body { fields: serde_json::from_value(fields).unwrap(), ..Body::default() }
    }

    #[test]
    fn what_a_form_has_filled_goes_with_the_edit() {
        let same = |_: &str, name: &str| Translation::Name(format!("{name} there"));
        let before = doc(json!({"contact": "A", "mobile": "1", "group": "G", "own": 5,
            "items": [{"name": "r1", "uom": "Nos", "factor": 1, "stock": 7}]}));
        let source = doc(json!({"contact": "B", "mobile": "2", "group": "H", "own": 5.0,
            "items": [{"name": "r1", "uom": "Box", "factor": 10, "stock": 7},
                {"name": "r2", "uom": "Box", "factor": 10}]}));
        let patch = body(json!({"contact": "B", "items": [
            {"name": "t1", "uom": "Box", "factor": 1, "stock": 3}, {"uom": "Box", "factor": 10}]}));
        let sent = with_what_forms_fill(&shape(), patch, &source, &before, &same).fields;
        // What the source did not change stays the target's own.
        let expected = json!({"contact": "B", "mobile": "2", "group": "H there", "items": [
            {"name": "t1", "uom": "Box", "factor": 10, "stock": 3}, {"uom": "Box", "factor": 10}]});
        assert_eq!(Value::Object(sent), expected);
    }

    #[test]
    fn nothing_is_sent_for_its_sake_alone() {
        let open = |_: &str, name: &str| Translation::Unmapped(name.to_owned());
        let (before, source) = (doc(json!({"mobile": "1"})), doc(json!({"mobile": "2"})));
        let none = with_what_forms_fill(&shape(), Body::default(), &source, &before, &open);
        assert_eq!(none, Body::default());
        let (before, source) = (doc(json!({"group": "G"})), doc(json!({"group": "H"})));
        let patch = body(json!({"contact": "B"}));
        let sent = with_what_forms_fill(&shape(), patch.clone(), &source, &before, &open);
        assert_eq!(sent, patch, "a link that cannot be carried over stays out");
    }
}
