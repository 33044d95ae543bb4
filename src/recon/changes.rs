//! What the sides changed and do not agree on, place by place.
//!
//! The rule kept here: only what was changed since the base counts. Where a site has always
//! shown something else than the other, that is no difference of today.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::{Form, Side, Sides};

/// Where a value stands: `field`, `table row 2 field`, or a row itself: `table row 2`.
pub type Place = String;

/// The places that `side` changed since its base and in which it differs from the other side.
#[must_use]
pub fn unshared(base: Sides<&Form>, now: Sides<&Form>, side: Side) -> BTreeSet<Place> {
    let (before, after) = (places(base[side]), places(now[side]));
    let other = places(now[side.opposite()]);
    let all: BTreeSet<&Place> = before.keys().chain(after.keys()).collect();
    all.into_iter()
        .filter(|place| {
            let value = after.get(*place);
            before.get(*place) != value && other.get(*place) != value
        })
        .cloned()
        .collect()
}

/// The values that `side` changed into others since its base and in which it differs from the
/// other side: where, before and after.
#[must_use]
pub fn replaced<'f>(
    base: Sides<&'f Form>,
    now: Sides<&'f Form>,
    side: Side,
) -> Vec<(Place, &'f Value, &'f Value)> {
    let (before, after) = (places(base[side]), places(now[side]));
    let changed = unshared(base, now, side).into_iter();
    changed
        .filter_map(|place| {
            let (before, after) = (*before.get(&place)?, *after.get(&place)?);
            Some((place, before, after))
        })
        .collect()
}

/// The field, or the table, of a place.
#[must_use]
pub fn field_of(place: &str) -> &str {
    place.split(' ').next().unwrap_or(place)
}

/// Whether a place is one of this row's fields.
#[must_use]
pub fn is_inside(place: &str, row: &str) -> bool {
    place.strip_prefix(row).is_some_and(|field| field.starts_with(' '))
}

/// Whether the sides have whatever either of them changed since its base.
#[must_use]
pub fn agree(base: Sides<&Form>, now: Sides<&Form>) -> bool {
    Side::BOTH.into_iter().all(|side| unshared(base, now, side).is_empty())
}

/// The places of `whole` that are not places of `part`.
#[must_use]
pub fn beyond(whole: &Form, part: &Form) -> BTreeSet<Place> {
    let part = places(part);
    places(whole).into_keys().filter(|place| !part.contains_key(place)).collect()
}

/// Whether two documents differ in what is of the whole but not of the form: of submitted
/// ones, where no update reaches.
#[must_use]
pub fn differ_beyond(whole: Sides<&Form>, form: Sides<&Form>) -> bool {
    let shown = whole.map(|_, whole| places(whole));
    let closed = Sides::from_fn(|side| beyond(whole[side], form[side]));
    closed.cloud.union(&closed.local).any(|place| shown.cloud.get(place) != shown.local.get(place))
}

/// Stands at the place of a row itself: a row without any value is one all the same.
static ROW: Value = Value::Null;

/// Every value of a form by its place.
fn places(form: &Form) -> BTreeMap<Place, &Value> {
    let mut places = BTreeMap::new();
    for (field, value) in &form.0 {
        let Some(rows) = value.as_array() else {
            places.insert(field.clone(), value);
            continue;
        };
        for (row, number) in rows.iter().zip(1..) {
            places.insert(format!("{field} row {number}"), &ROW);
            for (inner, value) in row.as_object().into_iter().flatten() {
                places.insert(format!("{field} row {number} {inner}"), value);
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(value: &Value) -> Form {
        Form(value.as_object().unwrap().clone())
    }

    #[test]
    fn a_row_without_any_value_is_a_row() {
        let one = form(&json!({"notes": [{}]}));
        let two = form(&json!({"notes": [{}, {}]}));
        let (base, now) = (Sides::new(&one, &one), Sides::new(&two, &one));
        assert!(!agree(base, now));
        assert_eq!(
            unshared(base, now, Side::Cloud).into_iter().collect::<Vec<_>>(),
            ["notes row 2"]
        );
        assert_eq!(field_of("notes row 2"), "notes");
        assert_eq!(field_of("city"), "city");
    }
}
