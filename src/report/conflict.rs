//! Conflicts as text: the list, and one of them field by field.
//!
//! The rule kept here: what is shown is what was recorded. Nothing is hidden because it is
//! long: a long text is compared word by word, and only what did not change is left out.

use std::fmt::Write as _;

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::escape;
use super::words::{Mark, Page, Piece, fill, painted, word_changes};
use crate::model::{ConflictKind, Side, Sides};
use crate::recon::{Content, Difference, Differences, RowChange, RowDifference, Values};
use crate::state::{Conflict, WaitingDocument, stamp};

/// From this length on a text is compared word by word.
const LONG: usize = 60;
/// Up to this length a long text is shown whole, where it is not compared with another.
const SHOWN_WHOLE: usize = 400;

/// The list of conflicts, oldest first; settled ones say how they were settled.
#[must_use]
pub fn render_conflicts(conflicts: &[Conflict]) -> String {
    let open = conflicts.iter().filter(|conflict| conflict.resolution.is_none()).count();
    let mut text = format!("Unresolved Conflicts: {open}\n");
    if open < conflicts.len() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "Resolved Conflicts: {}", conflicts.len() - open);
    }
    for conflict in conflicts {
        let _ = writeln!(text, "\n{}. {}", conflict.id, label(conflict));
        for (side, word) in [(Side::Cloud, "Cloud"), (Side::Local, "Local")] {
            let _ = match saved_at(conflict, side) {
                Ok(at) => writeln!(text, "   {word} modified: {at}"),
                Err(none) => writeln!(text, "   {word}: {none}"),
            };
        }
        let by: Vec<String> = Side::BOTH
            .into_iter()
            .filter_map(|side| Some(format!("{} ({side})", escape(conflict.modified_by(side)?))))
            .collect();
        if !by.is_empty() {
            let _ = writeln!(text, "   Modified by: {}", by.join(", "));
        }
        let _ = writeln!(text, "   Kind: {}", conflict.kind);
        if !conflict.fields.is_empty() {
            let _ = writeln!(text, "   Fields: {}", escape(&conflict.fields.join(", ")));
        }
        if let Some(settled) = settled(conflict) {
            let _ = writeln!(text, "   Resolved: {settled}");
        }
    }
    text
}

/// The documents that follow when a conflict is settled, where there are any.
#[must_use]
pub fn render_waiting(waiting: &[WaitingDocument]) -> String {
    if waiting.is_empty() {
        return String::new();
    }
    let name =
        |one: &WaitingDocument| format!("  {}/{}\n", escape(&one.doctype), escape(&one.docname));
    let names: String = waiting.iter().map(name).collect();
    format!("\nwaiting for it: {}\n{names}", waiting.len())
}

fn label(conflict: &Conflict) -> String {
    format!("{}/{}", escape(&conflict.doctype), escape(&conflict.docname))
}

/// When a side's version was saved, or that there is none.
fn saved_at(conflict: &Conflict, side: Side) -> Result<String, String> {
    let at = escape(&conflict.modified[side]);
    if conflict.data[side].is_null() {
        return Err(format!("no document (looked for at {at})"));
    }
    Ok(at)
}

/// When a side's version was saved and by whom, or that there is none.
fn version(conflict: &Conflict, side: Side) -> Result<String, String> {
    let at = saved_at(conflict, side)?;
    let by = conflict.modified_by(side).map(escape);
    Ok(by.map_or_else(|| at.clone(), |user| format!("{at} by {user}")))
}

fn settled(conflict: &Conflict) -> Option<String> {
    let at = conflict.resolved_at.map(|at| format!(" at {}", stamp(at))).unwrap_or_default();
    conflict.resolution.map(|resolution| format!("{resolution}{at}"))
}

const fn meaning(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::EditEdit => "both sides were edited",
        ConflictKind::EditDelete => "one side was edited, the other deleted",
        ConflictKind::FirstMeeting => "two versions that were never in step",
        ConflictKind::Collision => "two documents of one name",
        ConflictKind::Duplicate => "a second copy of a known document",
        ConflictKind::UnknownOutcome => "nobody knows what came of a request",
        ConflictKind::NewField => "a field that counts now differs",
        ConflictKind::CannotMirror => "the other site does not let the change through",
        ConflictKind::PingPong => "the sites keep changing each other's copies",
    }
}

/// One conflict, field by field. `base_modified` says of which versions the base is.
#[must_use]
pub fn render_conflict(
    conflict: &Conflict,
    base_modified: Option<Sides<&str>>,
    differences: &Differences,
    page: Page,
) -> String {
    let title = format!("Conflict {}: {}", conflict.id, label(conflict));
    let mut text = format!("{}\n", painted(&title, Mark::Bold, page));
    let mut head = |name: &str, value: &str| {
        let value = fill(&[Piece::new(Mark::Plain, value)], 11, 11, page);
        let _ = writeln!(text, "  {name:<9}{value}");
    };
    head("Kind:", &format!("{} ({})", conflict.kind, meaning(conflict.kind)));
    if let Some(reason) = &conflict.given_up {
        head("Why:", &escape(reason));
    }
    for (side, word) in [(Side::Cloud, "Cloud:"), (Side::Local, "Local:")] {
        // Of two that were told apart, one has a record of its own.
        let shown = || conflict.data[side].get("name").and_then(Value::as_str);
        let name = conflict.names[side].as_deref().or_else(shown).unwrap_or("no name");
        let saved = |saved| format!("{}, modified {saved}", escape(name));
        head(word, &version(conflict, side).map_or_else(|none| none, saved));
    }
    let base = match (base_modified, conflict.resolution) {
        (_, Some(_)) => "not kept, the conflict is settled".to_owned(),
        (None, None) => "none, the two were never in step".to_owned(),
        (Some(at), None) => {
            format!("cloud modified {}, local modified {}", escape(at.cloud), escape(at.local))
        }
    };
    head("Base:", &base);
    head("Found:", &stamp(conflict.created_at));
    if let Some(settled) = settled(conflict) {
        head("Settled:", &settled);
    }
    let gone = Side::BOTH.into_iter().find(|side| conflict.data[*side].is_null());
    for difference in &differences.fields {
        text.push('\n');
        push_difference(&mut text, difference, Layout { page, gone });
    }
    if !differences.others.is_empty() {
        let names = format!("Different too, and not compared: {}", differences.others.join(", "));
        let _ = writeln!(text, "\n{}", fill(&[Piece::new(Mark::Faint, names)], 0, 2, page));
    }
    text
}

/// How differences are laid out.
#[derive(Clone, Copy)]
struct Layout {
    page: Page,
    /// The side that has no document: it has no values to show.
    gone: Option<Side>,
}

fn push_difference(text: &mut String, difference: &Difference, layout: Layout) {
    let who = match difference.changed {
        None => "",
        Some(Sides { cloud: true, local: true }) => " (both changed)",
        Some(Sides { cloud: true, local: false }) => " (cloud changed)",
        Some(Sides { cloud: false, local: true }) => " (local changed)",
        Some(Sides { cloud: false, local: false }) => " (differs as it did before)",
    };
    let _ = writeln!(text, "{}{who}", painted(&escape(&difference.field), Mark::Bold, layout.page));
    match &difference.content {
        Content::Value(values) => push_values(text, values, 2, layout),
        Content::Rows(rows) if rows.is_empty() => text.push_str("  the rows are equal here\n"),
        Content::Rows(rows) => rows.iter().for_each(|row| push_row(text, row, layout)),
    }
}

fn push_row(text: &mut String, row: &RowDifference, layout: Layout) {
    let place = match (row.places.cloud, row.places.local) {
        (Some(cloud), Some(local)) if cloud != local => {
            format!("row {cloud} on cloud, {local} on local")
        }
        (Some(cloud), None) if matches!(row.change, RowChange::Removed(_)) => {
            format!("row {cloud} on cloud")
        }
        (None, Some(local)) if matches!(row.change, RowChange::Removed(_)) => {
            format!("row {local} on local")
        }
        (Some(place), _) | (None, Some(place)) => format!("row {place}"),
        (None, None) => "a row".to_owned(),
    };
    let (what, mark) = match row.change {
        RowChange::Added(side) => (format!(": added on {side}"), Mark::Added),
        RowChange::Removed(side) => (format!(": removed on {side}"), Mark::Removed),
        RowChange::Only(side) => (format!(": only on {side}"), Mark::Added),
        RowChange::Moved => (": moved".to_owned(), Mark::Plain),
        RowChange::Changed => (String::new(), Mark::Plain),
    };
    let _ = writeln!(text, "  {}", painted(&format!("{place}{what}"), mark, layout.page));
    for (field, values) in &row.fields {
        let only = [Side::Cloud, Side::Local]
            .into_iter()
            .find(|side| row.places[*side].is_some() && row.places[side.opposite()].is_none());
        if let Some(side) = only {
            push_lone_value(text, field, values, side, layout.page);
        } else {
            let _ = writeln!(text, "    {}", escape(field));
            push_values(text, values, 6, layout);
        }
    }
}

/// A value of a row that only one side has.
fn push_lone_value(text: &mut String, field: &str, values: &Values, side: Side, page: Page) {
    let now = &values.now[side];
    let base = values.base.as_ref().map(|base| &base[side]).filter(|base| *base != now);
    let pieces = match base {
        Some(base) => word_changes(&plain(base), &plain(now)),
        None => vec![shown(now)],
    };
    let name = escape(field);
    let column = 4 + name.width() + 2;
    let _ = writeln!(text, "    {name}: {}", fill(&pieces, column, 6, page));
}

/// Base, cloud and local, a line each.
fn push_values(text: &mut String, values: &Values, indent: usize, layout: Layout) {
    let mut lines = if is_long(values) { long_lines(values) } else { short_lines(values) };
    lines.retain(|(name, _)| layout.gone.is_none_or(|side| side.as_str() != *name));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, pieces) in lines {
        let column = indent + width + 2;
        let value = fill(&pieces, column, column, layout.page);
        let _ = writeln!(text, "{:indent$}{name:<width$}  {value}", "");
    }
}

type Line = (&'static str, Vec<Piece>);

fn all(values: &Values) -> impl Iterator<Item = (Side, &Value)> {
    values.base.iter().flat_map(Sides::iter).chain(values.now.iter())
}

fn is_long(values: &Values) -> bool {
    all(values).any(|(_, value)| {
        let text = plain(value);
        text.contains('\n') || text.width() > LONG
    })
}

fn short_lines(values: &Values) -> Vec<Line> {
    let mut lines = base_lines(values, |value| vec![shown(value)]);
    lines.extend(values.now.iter().map(|(side, value)| (side.as_str(), vec![shown(value)])));
    lines
}

/// The base: one line where it is the same on both sides.
fn base_lines(values: &Values, show: impl Fn(&Value) -> Vec<Piece>) -> Vec<Line> {
    match &values.base {
        None => Vec::new(),
        Some(base) if base.cloud == base.local => vec![("base", show(&base.cloud))],
        Some(base) => {
            vec![("base on cloud", show(&base.cloud)), ("base on local", show(&base.local))]
        }
    }
}

/// Each side against its base; without a base, the sides against each other.
fn long_lines(values: &Values) -> Vec<Line> {
    let abridged = |value: &Value| {
        let length = plain(value).chars().count();
        if length > SHOWN_WHOLE {
            vec![Piece::new(Mark::Faint, format!("({length} characters)"))]
        } else {
            vec![shown(value)]
        }
    };
    let against = |old: &Value, new: &Value, same: &str| match (plain(old), plain(new)) {
        (old, new) if old == new => vec![Piece::new(Mark::Faint, same)],
        (_, new) if new.is_empty() => vec![shown(&Value::Null)],
        (old, new) => word_changes(&old, &new),
    };
    let mut lines = base_lines(values, abridged);
    let now = &values.now;
    if let Some(base) = &values.base {
        for (side, value) in now.iter() {
            lines.push((side.as_str(), against(&base[side], value, "(as base)")));
        }
    } else {
        lines.push(("cloud", abridged(&now.cloud)));
        lines.push(("local", against(&now.cloud, &now.local, "(as cloud)")));
    }
    lines
}

/// A value as one piece; an empty one is told from a text.
fn shown(value: &Value) -> Piece {
    let text = plain(value);
    if text.is_empty() {
        Piece::new(Mark::Faint, "(empty)")
    } else if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        // Blanks at an end may be all that differs.
        Piece::new(Mark::Plain, format!("\"{text}\""))
    } else {
        Piece::new(Mark::Plain, text)
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
