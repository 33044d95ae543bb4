//! What the two recorded versions of a document differ in, for a person who has to decide.
//!
//! No site is asked, so there is no metadata here. The rule kept: a field that was recorded as
//! differing is always shown, whatever it looks like; what else differs in the raw documents
//! (read-only, excluded, one-sided fields) is named and not shown.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::rows::{RowNames, match_rows, row_name};
use crate::model::{FieldKind, SYSTEM_FIELDS, Side, Sides, canonical_scalar};

type Fields = Map<String, Value>;

/// The recorded versions, and what is known about them.
pub struct Recorded<'a> {
    /// The fields that were recorded as differing; none: all that differ.
    pub fields: &'a [String],
    /// The fields that count, as `field` or `table.field`, where that is known.
    pub counted: Option<&'a [String]>,
    /// What both sides last agreed on, as it stood on each.
    pub base: Option<Sides<&'a Fields>>,
    /// The recorded versions; `None` where a side has no document.
    pub now: Sides<Option<&'a Fields>>,
    /// The known pairs of row names of a table, cloud to local.
    pub row_names: &'a dyn Fn(&str) -> RowNames,
}

/// What two versions differ in.
#[derive(Debug, Clone, PartialEq)]
pub struct Differences {
    /// The fields that have to be decided.
    pub fields: Vec<Difference>,
    /// Fields that differ too and are not compared.
    pub others: Vec<String>,
}

/// A field in which two versions differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The field.
    pub field: String,
    /// Which side changed it since both agreed; `None` where they never did.
    pub changed: Option<Sides<bool>>,
    /// How it differs.
    pub content: Content,
}

/// How a field differs.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A value.
    Value(Values),
    /// A table, row by row; rows that are equal are left out.
    Rows(Vec<RowDifference>),
}

/// A value in each version; `Value::Null` where it is empty or missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// What both sides last agreed on.
    pub base: Option<Sides<Value>>,
    /// The recorded versions.
    pub now: Sides<Value>,
}

/// A row in which two versions of a table differ.
#[derive(Debug, Clone, PartialEq)]
pub struct RowDifference {
    /// Its place on each side, from 1.
    pub places: Sides<Option<usize>>,
    /// What became of it.
    pub change: RowChange,
    /// The fields that differ; of a row that only one side has, all that have a value.
    pub fields: Vec<(String, Values)>,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowChange {
    /// A side added it.
    Added(Side),
    /// A side removed it.
    Removed(Side),
    /// Only this side has it, and nobody knows since when.
    Only(Side),
    /// Both have it, with different values.
    Changed,
    /// Both have it, at different places among the rows that both have.
    Moved,
}

/// Compares two recorded versions.
#[must_use]
pub fn differences(recorded: &Recorded<'_>) -> Differences {
    let differing = differing_fields(recorded);
    let shown: &[String] = if recorded.fields.is_empty() { &differing } else { recorded.fields };
    let mut fields: Vec<Difference> =
        shown.iter().map(|field| difference(recorded, field)).collect();
    if let Some(there) = only_side(recorded) {
        // Where one side deleted the document, what counts is what the other changed in it.
        let is_edit = |one: &Difference| one.changed.is_none_or(|changed| changed[there]);
        if fields.iter().any(is_edit) {
            fields.retain(is_edit);
        }
    }
    let others = match only_side(recorded) {
        Some(_) => Vec::new(),
        None => differing.iter().filter(|field| !shown.contains(field)).cloned().collect(),
    };
    Differences { fields, others }
}

/// The side that has a document where the other has none.
fn only_side(recorded: &Recorded<'_>) -> Option<Side> {
    Side::BOTH
        .into_iter()
        .find(|side| recorded.now[*side].is_some() && recorded.now[side.opposite()].is_none())
}

fn differing_fields(recorded: &Recorded<'_>) -> Vec<String> {
    let names: BTreeSet<&String> = recorded
        .now
        .iter()
        .filter_map(|(_, now)| *now)
        .flat_map(Map::keys)
        .filter(|field| {
            !is_system(field) && !["lft", "rgt", "old_parent"].contains(&field.as_str())
        })
        .collect();
    let value = |side: Side, field: &str| recorded.now[side].and_then(|now| now.get(field));
    names
        .into_iter()
        .filter(|field| {
            !is_same_content(recorded, field, value(Side::Cloud, field), value(Side::Local, field))
        })
        .cloned()
        .collect()
}

fn difference(recorded: &Recorded<'_>, field: &str) -> Difference {
    let of = |fields: &Fields| fields.get(field).cloned().unwrap_or_default();
    let now = recorded.now.map(|_, now| now.map(of).unwrap_or_default());
    let base = recorded.base.map(|bases| bases.map(|_, base| of(base)));
    let changed = base.as_ref().map(|base| {
        Sides::from_fn(|side| {
            recorded.now[side].is_some()
                && !is_same_content(recorded, field, Some(&base[side]), Some(&now[side]))
        })
    });
    let is_table = now.iter().chain(base.iter().flat_map(Sides::iter)).any(|(_, v)| is_rows(v));
    let content = if is_table {
        Content::Rows(row_differences(recorded, field, &now, base.as_ref()))
    } else {
        Content::Value(Values { base, now })
    };
    Difference { field: field.to_owned(), changed, content }
}

fn row_differences(
    recorded: &Recorded<'_>,
    table: &str,
    now: &Sides<Value>,
    base: Option<&Sides<Value>>,
) -> Vec<RowDifference> {
    let inner = Inner::new(recorded.counted, table);
    let rows = now.as_ref().map(|_, value| rows_of(value));
    let bases = base.map(|base| base.as_ref().map(|_, value| rows_of(value)));
    let known = (recorded.row_names)(table);
    let pairs = match_rows(&rows.cloud, &rows.local, &known, &|a, b| inner.is_same(a, b));
    let moved = moved_rows(&pairs);
    let table = Table { inner, rows: &rows, bases: bases.as_ref() };
    let mut found = Vec::new();
    for (i, pair) in pairs.iter().enumerate() {
        match pair {
            Some(j) => found.extend(table.both(i, *j, moved[i])),
            None => found.push(table.alone(Side::Cloud, i)),
        }
    }
    let unmatched = (0..rows.local.len()).filter(|j| !pairs.contains(&Some(*j)));
    found.extend(unmatched.map(|j| table.alone(Side::Local, j)));
    match only_side(recorded) {
        Some(there) if base.is_some() => table.edits(there, found),
        _ => found,
    }
}

/// A table's rows on both sides, now and when they agreed.
struct Table<'a> {
    inner: Inner<'a>,
    rows: &'a Sides<Vec<&'a Fields>>,
    bases: Option<&'a Sides<Vec<&'a Fields>>>,
}

impl Table<'_> {
    fn both(&self, i: usize, j: usize, moved: bool) -> Option<RowDifference> {
        let pair = Sides::new(self.rows.cloud[i], self.rows.local[j]);
        let bases = Sides::from_fn(|side| self.base_of(side, pair[side]));
        let fields: Vec<_> = self
            .inner
            .fields(&[pair.cloud, pair.local])
            .into_iter()
            .filter(|field| !is_same(pair.cloud.get(field), pair.local.get(field)))
            .map(|field| {
                let of = |row: &Fields| row.get(&field).cloned().unwrap_or_default();
                let base = bases.cloud.zip(bases.local).map(|(c, l)| Sides::new(of(c), of(l)));
                let now = pair.map(|_, row| of(row));
                (field, Values { base, now })
            })
            .collect();
        let change = if fields.is_empty() { RowChange::Moved } else { RowChange::Changed };
        let is_shown = moved || !fields.is_empty();
        let places = Sides::new(Some(i + 1), Some(j + 1));
        is_shown.then_some(RowDifference { places, change, fields })
    }

    /// A row that only this side has.
    fn alone(&self, side: Side, place: usize) -> RowDifference {
        let row = self.rows[side][place];
        let base = self.base_of(side, row);
        let change = match (self.bases, base) {
            (None, _) => RowChange::Only(side),
            (Some(_), None) => RowChange::Added(side),
            (Some(_), Some(_)) => RowChange::Removed(side.opposite()),
        };
        let only = |value: Option<&Value>| {
            let mut values = Sides::default();
            values[side] = value.cloned().unwrap_or_default();
            values
        };
        let fields = self
            .inner
            .fields(&[row])
            .into_iter()
            .filter(|field| !is_same(row.get(field), None))
            .map(|field| {
                let base = base.map(|base| only(base.get(&field)));
                let now = only(row.get(&field));
                (field, Values { base, now })
            })
            .collect();
        let mut places = Sides::default();
        places[side] = Some(place + 1);
        RowDifference { places, change, fields }
    }

    /// Of the rows of a document that the other side deleted: what this side did to them.
    fn edits(&self, there: Side, mut rows: Vec<RowDifference>) -> Vec<RowDifference> {
        for row in rows.iter_mut().filter(|row| row.change != RowChange::Added(there)) {
            row.change = RowChange::Changed;
            row.fields.retain(|(_, values)| {
                let base = values.base.as_ref().map(|base| &base[there]);
                !is_same(base, Some(&values.now[there]))
            });
        }
        rows.retain(|row| row.change == RowChange::Added(there) || !row.fields.is_empty());
        let now = &self.rows[there];
        let bases = self.bases.map(|bases| bases[there].as_slice()).unwrap_or_default();
        let is_left = |base: &&&Fields| now.iter().any(|row| row_name(row) == row_name(base));
        rows.extend(bases.iter().filter(|base| !is_left(base)).map(|base| {
            let fields = self.inner.fields(&[base]).into_iter();
            let fields = fields.filter(|field| !is_same(base.get(field), None)).map(|field| {
                let value = base.get(&field).cloned().unwrap_or_default();
                let base = Some(Sides::new(value.clone(), value));
                (field, Values { base, now: Sides::default() })
            });
            RowDifference {
                places: Sides::default(),
                change: RowChange::Removed(there),
                fields: fields.collect(),
            }
        }));
        rows
    }

    /// A row keeps its name on its side for as long as it lives.
    fn base_of(&self, side: Side, row: &Fields) -> Option<&Fields> {
        let name = row_name(row)?;
        self.bases?[side].iter().find(|base| row_name(base).as_ref() == Some(&name)).copied()
    }
}

/// For each source row whether it has another place among the matched rows than its partner.
fn moved_rows(pairs: &[Option<usize>]) -> Vec<bool> {
    let matched: Vec<usize> = pairs.iter().flatten().copied().collect();
    let mut sorted = matched.clone();
    sorted.sort_unstable();
    let mut places = matched.iter().zip(&sorted);
    pairs
        .iter()
        .map(|pair| {
            pair.is_some() && places.next().is_some_and(|(place, expected)| place != expected)
        })
        .collect()
}

/// Which fields of a table's rows count.
struct Inner<'a>(Option<Vec<&'a str>>);

impl<'a> Inner<'a> {
    fn new(counted: Option<&'a [String]>, table: &str) -> Self {
        let of_table = |field: &'a String| {
            field.split_once('.').filter(|(parent, _)| *parent == table).map(|(_, inner)| inner)
        };
        let fields: Option<Vec<&str>> =
            counted.map(|counted| counted.iter().filter_map(of_table).collect());
        // A table that counts only since today is not in the list: everything of it is shown.
        Self(fields.filter(|fields| !fields.is_empty()))
    }

    fn fields(&self, rows: &[&Fields]) -> Vec<String> {
        let names: BTreeSet<&String> = rows.iter().flat_map(|row| row.keys()).collect();
        let counts = |field: &str| match &self.0 {
            Some(counted) => counted.contains(&field),
            None => !is_system(field) && !is_place(field),
        };
        names.into_iter().filter(|field| counts(field)).cloned().collect()
    }

    fn is_same(&self, a: &Fields, b: &Fields) -> bool {
        self.fields(&[a, b]).iter().all(|field| is_same(a.get(field), b.get(field)))
    }
}

fn is_system(field: &str) -> bool {
    SYSTEM_FIELDS.contains(&field) || field.starts_with('_')
}

fn is_place(field: &str) -> bool {
    ["parent", "parenttype", "parentfield", "docstatus"].contains(&field)
}

fn is_rows(value: &Value) -> bool {
    value.as_array().is_some_and(|rows| !rows.is_empty() && rows.iter().all(Value::is_object))
}

fn rows_of(value: &Value) -> Vec<&Fields> {
    value.as_array().into_iter().flatten().filter_map(Value::as_object).collect()
}

/// Whether two values of a field of the document are the same, tables by their rows.
fn is_same_content(
    recorded: &Recorded<'_>,
    field: &str,
    a: Option<&Value>,
    b: Option<&Value>,
) -> bool {
    if !a.is_some_and(is_rows) && !b.is_some_and(is_rows) {
        return is_same(a, b);
    }
    let inner = Inner::new(recorded.counted, field);
    let (a, b) = (a.map(rows_of).unwrap_or_default(), b.map(rows_of).unwrap_or_default());
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| inner.is_same(a, b))
}

/// Whether two values mean the same, as far as that can be told without the field's type.
fn is_same(a: Option<&Value>, b: Option<&Value>) -> bool {
    let (a, b) = (a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
    let is_number = |value: &Value| value.is_number() || value.is_boolean();
    if is_number(a) || is_number(b) {
        let number = |value| canonical_scalar(&FieldKind::Float, value);
        return number(a) == number(b);
    }
    canonical(a) == canonical(b)
}

fn canonical(value: &Value) -> Option<Value> {
    match value {
        Value::Array(items) if items.is_empty() => None,
        Value::String(text) => canonical_scalar(&kind_of(text), value),
        Value::Array(_) | Value::Object(_) => Some(value.clone()),
        _ => None,
    }
}

/// Times come with and without zeros (BEHAVIOUR.md 2).
fn kind_of(text: &str) -> FieldKind {
    let bytes = text.as_bytes();
    let is_clock = |bytes: &[u8]| {
        bytes.contains(&b':')
            && bytes.iter().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'))
    };
    let is_day = |bytes: &[u8]| bytes.iter().all(|b| b.is_ascii_digit() || *b == b'-');
    if is_clock(bytes) {
        FieldKind::Time
    } else if bytes.len() > 11
        && bytes[10] == b' '
        && is_day(&bytes[..10])
        && is_clock(&bytes[11..])
    {
        FieldKind::Datetime
    } else {
        FieldKind::Text
    }
}

#[cfg(test)]
#[path = "differences_tests.rs"]
mod tests;
