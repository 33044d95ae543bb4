//! The findings of `erpsync doctor`, a line each.

use super::escape;
use super::table::columns;
use crate::doctor::{Finding, Level};

/// A line a check: how bad, where, what was checked and found, and what to do. `least` leaves out what is better.
#[must_use]
pub fn render_findings(findings: &[Finding], least: Level) -> String {
    let rows: Vec<Vec<String>> = findings
        .iter()
        .filter(|finding| finding.level >= least)
        .map(|finding| {
            let hint = finding.hint.as_ref().map(|hint| format!(" -> {}", escape(hint)));
            let what = format!("{}{}", escape(&finding.what), hint.unwrap_or_default());
            let what = match finding.doctypes.as_slice() {
                [] => what,
                doctypes => format!("{}: {what}", escape(&doctypes.join(", "))),
            };
            vec![
                word(finding.level).to_owned(),
                place(finding),
                finding.check.replace('_', " "),
                what,
            ]
        })
        .collect();
    columns(&rows)
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Fail => "FAIL",
    }
}

fn place(finding: &Finding) -> String {
    match (&finding.doctype, finding.side) {
        (Some(doctype), Some(side)) => format!("{} ({side})", escape(doctype)),
        (Some(doctype), None) => escape(doctype),
        (None, Some(side)) => side.to_string(),
        (None, None) => "both".to_owned(),
    }
}
