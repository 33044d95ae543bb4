//! The texts. Each function makes a string of plain values; nothing here prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::table::columns;
use crate::model::Direction;
use crate::pass::{ActionLine, ActionStatus, DoctypeSummary, Summary};
use crate::state::{LogRow, NamedDocument, WaitingDocument, Waits, stamp};

/// Text with its control characters shown, so that nothing in it can drive a terminal. Line
/// ends and tabs within a text become visible too.
#[must_use]
pub fn escape(text: &str) -> String {
    if text.chars().all(is_shown) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| if is_shown(c) { vec![c] } else { c.escape_default().collect() })
        .collect()
}

/// JSON in which what could still drive a terminal is spelled out; it means the same.
pub(crate) fn escape_json(value: &Value) -> String {
    value.to_string().chars().fold(String::new(), |mut escaped, c| {
        if is_shown(c) {
            escaped.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        }
        escaped
    })
}

/// Whether a character is harmless as it is.
pub(super) fn is_shown(c: char) -> bool {
    !c.is_control() && !is_reordering(c)
}

/// Marks that change the direction of the text around them.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What a run did, a line a doctype.
#[must_use]
pub fn render_summary(summary: &Summary, dry_run: bool) -> String {
    let mut text = String::new();
    for counts in &summary.doctypes {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", escape(&counts.doctype), counted(counts, dry_run));
    }
    if summary.remaining > 0 {
        let _ = writeln!(text, "{} left for another run by --limit", summary.remaining);
    }
    let conflicts: usize = summary.doctypes.iter().map(|counts| counts.conflicts).sum();
    if conflicts > 0 && !dry_run {
        let (noun, verb) =
            if conflicts == 1 { ("conflict", "waits") } else { ("conflicts", "wait") };
        let _ = writeln!(text, "{conflicts} {noun} {verb} for a person: erpsync conflicts");
    }
    for (conflict, waiting) in waiting_for_conflicts(&summary.waiting) {
        let (noun, verb) = if waiting == 1 { ("document", "waits") } else { ("documents", "wait") };
        let _ = writeln!(
            text,
            "{waiting} {noun} {verb} for conflict {conflict}: erpsync conflicts show {conflict}"
        );
    }
    let of_this_run =
        summary.actions.iter().filter(|line| line.status == ActionStatus::Failed).count();
    let failed: usize = summary.doctypes.iter().map(|counts| counts.failed).sum();
    if failed > of_this_run && !dry_run {
        let earlier = failed - of_this_run;
        let (noun, verb) = if earlier == 1 { ("document", "waits") } else { ("documents", "wait") };
        let _ = writeln!(text, "{earlier} failed {noun} {verb} for another try: erpsync status");
    }
    text
}

/// How many documents wait for which conflict.
fn waiting_for_conflicts(waiting: &[WaitingDocument]) -> BTreeMap<i64, usize> {
    let mut conflicts = BTreeMap::new();
    for one in waiting {
        if let Waits::Conflict(id) = one.waits {
            *conflicts.entry(id).or_default() += 1;
        }
    }
    conflicts
}

fn counted(counts: &DoctypeSummary, dry_run: bool) -> String {
    if let Some(problem) = counts.problem() {
        return format!("left alone: {}", escape(&problem));
    }
    let parts = [
        (counts.adopted, "equal already"),
        (counts.created_on_cloud, "created on cloud"),
        (counts.created_on_local, "created on local"),
        (counts.updated_on_cloud, "updated on cloud"),
        (counts.updated_on_local, "updated on local"),
        (counts.merged, "merged"),
        (counts.renamed, "renamed"),
        (counts.told_apart, "told apart"),
        (counts.deleted_on_cloud, "deleted on cloud"),
        (counts.deleted_on_local, "deleted on local"),
        (counts.conflicts, if counts.conflicts == 1 { "conflict" } else { "conflicts" }),
        (counts.failed, "failed"),
        (counts.waiting_for_outcome, "waiting for an outcome"),
        (counts.waiting_for_conflict, "waiting for a conflict"),
        (counts.skipped, "left alone"),
        (counts.unchanged, "unchanged"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    // A run over named documents lists nothing, and neither did one that ended before.
    let has_listed = counts.cloud_documents + counts.local_documents > 0 || said.is_empty();
    let listed = if has_listed {
        format!("{} on cloud, {} on local; ", counts.cloud_documents, counts.local_documents)
    } else {
        String::new()
    };
    let what = if said.is_empty() { "nothing to do".to_owned() } else { said.join(", ") };
    let would = if dry_run { "dry run: " } else { "" };
    format!("{listed}{would}{what}")
}

/// Every action with its reason.
#[must_use]
pub fn render_actions(actions: &[ActionLine]) -> String {
    let rows: Vec<Vec<String>> = actions
        .iter()
        .map(|line| {
            let mut reason = escape(&line.reason);
            if let Some(message) = &line.message {
                let _ = write!(reason, ": {}", escape(message));
            }
            vec![
                action_word(line),
                arrow(line.direction).to_owned(),
                format!("{}/{}", escape(&line.doctype), escape(&line.name)),
                reason,
            ]
        })
        .collect();
    columns(&rows)
}

fn action_word(line: &ActionLine) -> String {
    match line.status {
        ActionStatus::Success | ActionStatus::Planned | ActionStatus::Conflict => {
            line.action.clone()
        }
        ActionStatus::Failed => "FAILED".to_owned(),
        ActionStatus::Skipped => "skip".to_owned(),
        ActionStatus::Waiting => "wait".to_owned(),
    }
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::CloudToLocal => "cloud -> local",
        Direction::LocalToCloud => "local -> cloud",
        Direction::Both => "cloud <-> local",
        Direction::None => "-",
    }
}

/// The audit trail, newest first.
#[must_use]
pub fn render_log(rows: &[LogRow]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                stamp(row.timestamp),
                row.entry.status.as_str().to_owned(),
                row.entry.action.as_str().to_owned(),
                arrow(row.entry.direction).to_owned(),
                format!("{}/{}", escape(&row.doctype), escape(&row.docname)),
                escape(row.entry.message.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    columns(&rows)
}

/// What documents are called on each side.
#[must_use]
pub fn render_names(names: &[NamedDocument]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let header =
        ["DOCUMENT", "ON CLOUD", "ON LOCAL", "STATUS", "CREATED (CLOUD)", "CREATED (LOCAL)"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(names.iter().map(|one| {
        let said = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), escape);
        vec![
            escape(&one.docname),
            said(&one.names.cloud),
            said(&one.names.local),
            one.status.to_string(),
            said(&one.creations.cloud),
            said(&one.creations.local),
        ]
    }));
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_site_says_reaches_the_terminal_as_a_command() {
        assert_eq!(escape("plain Ärger 漢字"), "plain Ärger 漢字");
        assert_eq!(escape("a\u{1b}[2Jb\nc\u{7}"), "a\\u{1b}[2Jb\\nc\\u{7}");
        assert_eq!(escape("x\u{202e}y"), "x\\u{202e}y");
        let value = Value::String("\u{1b}\u{7f}\u{9b}\u{202e}\"\n漢😀".to_owned());
        let json = escape_json(&value);
        assert_eq!(json, r#""\u001b\u007f\u009b\u202e\"\n漢😀""#);
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
    }
}
