//! The texts. Each function makes a string of plain values; nothing here prints.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::table::columns;
use crate::model::{Direction, Side};
use crate::pass::{ActionLine, ActionStatus, DoctypeSummary, Summary};
use crate::state::{Conflict, FailedDocument, LogRow, Run, StatusTotal, stamp};

/// Text with its control characters shown, so that nothing in it can drive a terminal. Line
/// ends and tabs within a text become visible too.
#[must_use]
pub fn escape(text: &str) -> String {
    let is_shown = |c: char| !c.is_control() && !is_reordering(c);
    if text.chars().all(is_shown) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| if is_shown(c) { vec![c] } else { c.escape_default().collect() })
        .collect()
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

fn counted(counts: &DoctypeSummary, dry_run: bool) -> String {
    if let Some(problem) = counts.error.as_ref().or(counts.guard.as_ref()) {
        return format!("left alone: {}", escape(problem));
    }
    let parts = [
        (counts.adopted, "equal already"),
        (counts.created_on_cloud, "created on cloud"),
        (counts.created_on_local, "created on local"),
        (counts.updated_on_cloud, "updated on cloud"),
        (counts.updated_on_local, "updated on local"),
        (counts.merged, "merged"),
        (counts.renamed, "renamed"),
        (counts.deleted_on_cloud, "deleted on cloud"),
        (counts.deleted_on_local, "deleted on local"),
        (counts.conflicts, if counts.conflicts == 1 { "conflict" } else { "conflicts" }),
        (counts.failed, "failed"),
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

/// The list of conflicts.
#[must_use]
pub fn render_conflicts(conflicts: &[Conflict]) -> String {
    let mut text = format!("Unresolved Conflicts: {}\n", conflicts.len());
    for conflict in conflicts {
        let name = format!("{}/{}", escape(&conflict.doctype), escape(&conflict.docname));
        let _ = writeln!(text, "\n{}. {name}", conflict.id);
        for (side, word) in [(Side::Cloud, "Cloud"), (Side::Local, "Local")] {
            let modified = escape(&conflict.modified[side]);
            let by = conflict.modified_by(side).map(escape);
            let by = by.map(|user| format!(" by {user}")).unwrap_or_default();
            let _ = writeln!(text, "   {word} modified: {modified}{by}");
        }
        let _ = writeln!(text, "   Kind: {}", conflict.kind.as_str());
        if !conflict.fields.is_empty() {
            let _ = writeln!(text, "   Fields: {}", escape(&conflict.fields.join(", ")));
        }
    }
    text
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

/// Everything that `status` shows.
#[derive(Debug)]
pub struct Status {
    /// Documents by doctype and status.
    pub totals: Vec<StatusTotal>,
    /// The last runs, newest first.
    pub runs: Vec<Run>,
    /// Conflicts that wait for a person.
    pub open_conflicts: usize,
    /// Documents whose last attempt failed.
    pub failed: Vec<FailedDocument>,
    /// Webhook deliveries not processed yet.
    pub pending_webhooks: usize,
    /// The last operations, newest first.
    pub recent: Vec<LogRow>,
}

/// The state of things.
#[must_use]
pub fn render_status(status: &Status) -> String {
    let mut text = String::from("Documents\n");
    let mut rows = Vec::new();
    for total in &status.totals {
        rows.push(vec![
            format!("  {}", escape(&total.doctype)),
            total.status.as_str().to_owned(),
            total.count.to_string(),
        ]);
    }
    text.push_str(&if rows.is_empty() { "  none yet\n".to_owned() } else { columns(&rows) });
    text.push_str("\nLast run\n");
    let last = status.runs.first().map_or_else(|| "none yet".to_owned(), render_run);
    let _ = writeln!(text, "  {last}");
    let _ = writeln!(text, "\nOpen conflicts: {}", status.open_conflicts);
    let _ = writeln!(text, "Pending webhooks: {}", status.pending_webhooks);
    let _ = writeln!(text, "Failed documents: {}", status.failed.len());
    let failed: Vec<Vec<String>> = status.failed.iter().map(failed_row).collect();
    text.push_str(&columns(&failed));
    if !status.recent.is_empty() {
        text.push_str("\nRecent operations\n");
        for line in render_log(&status.recent).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn render_run(run: &Run) -> String {
    let until = match (run.finished_at, run.exit_code) {
        (Some(at), Some(code)) => format!("finished {}, exit code {code}", stamp(at)),
        _ => "not finished".to_owned(),
    };
    let requests =
        format!("requests: {} to cloud, {} to local", run.requests.cloud, run.requests.local);
    let command = escape(&run.command);
    format!("run {}, {command}; {requests}\n  started {}, {until}", run.id, stamp(run.started_at))
}

fn failed_row(failed: &FailedDocument) -> Vec<String> {
    let retry = |at: Timestamp| format!("next try {}", stamp(at));
    vec![
        format!("  {}/{}", escape(&failed.doctype), escape(&failed.docname)),
        format!("{} x{}", failed.status.as_str(), failed.retry_count),
        failed.next_retry.map(retry).unwrap_or_default(),
        escape(failed.message.as_deref().unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_site_says_reaches_the_terminal_as_a_command() {
        assert_eq!(escape("plain Ärger 漢字"), "plain Ärger 漢字");
        assert_eq!(escape("a\u{1b}[2Jb\nc\u{7}"), "a\\u{1b}[2Jb\\nc\\u{7}");
        assert_eq!(escape("x\u{202e}y"), "x\\u{202e}y");
    }
}
