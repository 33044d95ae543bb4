//! How things stand, as text. The time is handed in, so that the text is a function of it.

use std::fmt::Write as _;

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr as _;

use super::escape;
use super::table::columns;
use super::text::render_log;
use crate::state::{FailedDocument, LogRow, RecordStatus, Run, WaitingDocument, stamp};

/// Everything that `status` shows.
#[derive(Debug)]
pub struct Status {
    /// The doctypes of which documents are known, in their order.
    pub doctypes: Vec<DoctypeStatus>,
    /// The last run.
    pub last_run: Option<Run>,
    /// Doctypes that the last run over them could not sync as a whole.
    pub stopped: Vec<StoppedDoctype>,
    /// Documents whose last attempt failed.
    pub failed: Vec<FailedDocument>,
    /// Documents that wait for an outcome or for a person.
    pub waiting: Vec<WaitingDocument>,
    /// Webhook deliveries not processed yet.
    pub pending_webhooks: usize,
    /// The last operations, newest first.
    pub recent: Vec<LogRow>,
}

/// One doctype's documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctypeStatus {
    /// The doctype.
    pub doctype: String,
    /// How many documents have each status, in the order of [`RecordStatus::ALL`].
    pub counts: [usize; RecordStatus::ALL.len()],
    /// How many conflicts wait for a person.
    pub open_conflicts: usize,
}

/// A doctype that was stopped as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedDoctype {
    /// The doctype.
    pub doctype: String,
    /// The run that was stopped.
    pub run: i64,
    /// Whether a guard fell; else a side refused the doctype.
    pub is_guarded: bool,
    /// Why.
    pub message: String,
}

/// The state of things at a time.
#[must_use]
pub fn render_status(status: &Status, now: Timestamp) -> String {
    let mut text = String::from("Documents\n");
    text.push_str(&totals(&status.doctypes));
    let last = status.last_run.as_ref();
    let last = last.map_or_else(|| "  none yet\n".to_owned(), |run| render_run(run, now));
    // Writing to a string cannot fail.
    let _ = write!(text, "\nLast run\n{last}");
    let open: usize = status.doctypes.iter().map(|one| one.open_conflicts).sum();
    let _ = writeln!(text, "\nOpen conflicts: {open}");
    let rows = status.doctypes.iter().filter(|one| one.open_conflicts > 0);
    let rows: Vec<_> = rows
        .map(|one| vec![format!("  {}", escape(&one.doctype)), one.open_conflicts.to_string()])
        .collect();
    text.push_str(&columns(&rows));
    if !status.stopped.is_empty() {
        let _ = writeln!(text, "Stopped doctypes: {}", status.stopped.len());
        text.push_str(&columns(&status.stopped.iter().map(stopped_row).collect::<Vec<_>>()));
    }
    let _ = writeln!(text, "Failed documents: {}", status.failed.len());
    let failed: Vec<_> = status.failed.iter().map(|failed| failed_row(failed, now)).collect();
    text.push_str(&columns(&failed));
    if !status.waiting.is_empty() {
        let _ = writeln!(text, "Waiting documents: {}", status.waiting.len());
        let waiting: Vec<_> = status.waiting.iter().map(waiting_row).collect();
        text.push_str(&columns(&waiting));
    }
    let _ = writeln!(text, "Pending webhooks: {}", status.pending_webhooks);
    if !status.recent.is_empty() {
        text.push_str("\nRecent operations\n");
        for line in render_log(&status.recent).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// A row a doctype, a column a status.
fn totals(doctypes: &[DoctypeStatus]) -> String {
    if doctypes.is_empty() {
        return "  none yet\n".to_owned();
    }
    let names: Vec<String> = doctypes.iter().map(|one| escape(&one.doctype)).collect();
    let first = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let widths: Vec<usize> = RecordStatus::ALL
        .iter()
        .enumerate()
        .map(|(i, status)| {
            let counts = doctypes.iter().map(|one| one.counts[i].to_string().len());
            counts.max().unwrap_or(0).max(status.as_str().len())
        })
        .collect();
    let mut text = format!("  {:first$}", "");
    for (status, width) in RecordStatus::ALL.iter().zip(&widths) {
        let _ = write!(text, "  {:>width$}", status.as_str());
    }
    text.push('\n');
    for (one, name) in doctypes.iter().zip(&names) {
        let _ = write!(text, "  {name}{:gap$}", "", gap = first - name.width());
        for (count, width) in one.counts.iter().zip(&widths) {
            // What there is none of is not to catch the eye.
            let count = if *count == 0 { "-".to_owned() } else { count.to_string() };
            let _ = write!(text, "  {count:>width$}");
        }
        text.push('\n');
    }
    text
}

fn render_run(run: &Run, now: Timestamp) -> String {
    let until = match (run.finished_at, run.exit_code) {
        (Some(at), Some(code)) => format!("finished {}, exit code {code}", when(at, now)),
        _ => "not finished: it is at work, or it was killed".to_owned(),
    };
    let began = format!("started {}", when(run.started_at, now));
    let command = escape(&run.command);
    let (cloud, local) = (run.requests.cloud, run.requests.local);
    let requests = format!("requests: {cloud} to cloud, {local} to local");
    format!("  run {}: {command}\n  {began}\n  {until}\n  {requests}\n", run.id)
}

fn stopped_row(stopped: &StoppedDoctype) -> Vec<String> {
    let name = format!("  {}", escape(&stopped.doctype));
    vec![name, format!("run {}", stopped.run), escape(&stopped.message)]
}

fn failed_row(failed: &FailedDocument, now: Timestamp) -> Vec<String> {
    let retry = match failed.next_retry {
        Some(at) if at <= now => format!("next try with the next run (due {})", stamp(at)),
        Some(at) => format!("next try {}", when(at, now)),
        None => String::new(),
    };
    vec![
        format!("  {}/{}", escape(&failed.doctype), escape(&failed.docname)),
        format!("{} x{}", failed.status, failed.retry_count),
        retry,
        escape(failed.message.as_deref().unwrap_or_default()),
    ]
}

fn waiting_row(waiting: &WaitingDocument) -> Vec<String> {
    let name = format!("  {}/{}", escape(&waiting.doctype), escape(&waiting.docname));
    vec![name, escape(&waiting.reason)]
}

/// A time, from now on and by the clock.
fn when(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let rounded = |unit: u64| (seconds.unsigned_abs() + unit / 2) / unit;
    let length = match seconds.unsigned_abs() {
        0..60 => format!("{} s", rounded(1)),
        60..3600 => format!("{} min", rounded(60)),
        3600..172_800 => format!("{} h", rounded(3600)),
        _ => format!("{} days", rounded(86_400)),
    };
    let relative = match seconds {
        1.. => format!("in {length}"),
        -59..=0 => "just now".to_owned(),
        _ => format!("{length} ago"),
    };
    format!("{relative} ({})", stamp(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_now_on_and_by_the_clock() {
        let now: Timestamp = "2025-11-18T10:30:00Z".parse().unwrap();
        let said = |text: &str| when(text.parse().unwrap(), now);
        assert_eq!(said("2025-11-18T10:30:00Z"), "just now (2025-11-18T10:30:00.000Z)");
        assert_eq!(said("2025-11-18T10:34:50Z"), "in 5 min (2025-11-18T10:34:50.000Z)");
        assert_eq!(said("2025-11-18T07:30:00Z"), "3 h ago (2025-11-18T07:30:00.000Z)");
        assert_eq!(said("2025-11-21T10:30:00Z"), "in 3 days (2025-11-21T10:30:00.000Z)");
    }
}
