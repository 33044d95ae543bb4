//! Which child row of one side is which row of the other.
//!
//! The rule kept here: a row keeps its own name on each side. A row name that the target
//! document does not own is never sent: a site answers 200 and loses the rows
//! (BEHAVIOUR.md 4).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::patch::{is_filled, is_mask};
use crate::model::{Doc, name_text};

/// Known pairs of row names of one table: the source's name to the target's.
pub type RowNames = BTreeMap<String, String>;

/// Whether a source row and a target row have the same content.
pub type SameContent<'a> = dyn Fn(&Map<String, Value>, &Map<String, Value>) -> bool + 'a;

/// Finds for each source row the target row that it is, as an index into `target`.
///
/// Known names come first, then rows of equal content, in order. Where no name of the table
/// is known (a first meeting), rows left over are paired in their order.
#[must_use]
pub fn match_rows(
    source: &[&Map<String, Value>],
    target: &[&Map<String, Value>],
    known: &RowNames,
    is_equal: &SameContent<'_>,
) -> Vec<Option<usize>> {
    let mut pairs = vec![None; source.len()];
    let mut free = vec![true; target.len()];
    let mut take = |pairs: &mut Vec<Option<usize>>, i: usize, fits: &dyn Fn(usize) -> bool| {
        if pairs[i].is_none()
            && let Some(found) = (0..target.len()).find(|&j| free[j] && fits(j))
        {
            free[found] = false;
            pairs[i] = Some(found);
        }
    };
    for (i, row) in source.iter().enumerate() {
        if let Some(name) = row_name(row).and_then(|name| known.get(&name)) {
            take(&mut pairs, i, &|j| row_name(target[j]).as_ref() == Some(name));
        }
    }
    for (i, row) in source.iter().enumerate() {
        take(&mut pairs, i, &|j| is_equal(row, target[j]));
    }
    if known.is_empty() {
        for i in 0..source.len() {
            take(&mut pairs, i, &|_| true);
        }
    }
    pairs
}

/// The rows of the target that a request removes, by table: a table is replaced whole, and what
/// it is sent without is gone with all that the target alone holds in it. Masks of passwords
/// tell nothing and stay out.
#[must_use]
pub fn removed_rows(sent: &Doc, target: &Doc) -> Map<String, Value> {
    let tables = sent.0.iter().filter(|(_, value)| value.is_array());
    let removed = tables.map(|(table, _)| {
        let kept: BTreeSet<String> = sent.rows(table).filter_map(row_name).collect();
        let is_removed =
            |row: &&Map<String, Value>| row_name(row).is_none_or(|name| !kept.contains(&name));
        let rows = target.rows(table).filter(is_removed).map(|row| {
            let shown = row.iter().filter(|(_, value)| !is_mask(value));
            shown.map(|(field, value)| (field.clone(), value.clone())).collect()
        });
        (table.clone(), Value::Array(rows.map(Value::Object).collect()))
    });
    removed.filter(|(_, rows)| rows.as_array().is_some_and(|rows| !rows.is_empty())).collect()
}

/// A row's own name as text. Rows of autoincrement doctypes (the notes of a Lead) have
/// integers for names.
#[must_use]
pub fn row_name(row: &Map<String, Value>) -> Option<String> {
    row.get("name").filter(|name| is_filled(name)).map(name_text)
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
