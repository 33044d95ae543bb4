//! `erpsync log`: the audit trail.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::reading::give;
use super::session::{load_config, now, open_state};
use super::{Exit, Global};
use crate::report::{Cell, Report, Rows, render_log};
use crate::state::{LogFilter, LogRow, stamp};

/// Arguments of `erpsync log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Only this doctype
    #[arg(long)]
    pub doctype: Option<String>,
    /// Only this document, by any of its names; cloud:X is the one that is called X there
    #[arg(long)]
    pub name: Option<String>,
    /// Only this run
    #[arg(long, value_name = "ID")]
    pub run: Option<i64>,
    /// Only from then on: 2026-11-22, 2026-11-22T10:00:00Z, or how long ago, as 24h
    #[arg(long, value_name = "T", value_parser = since)]
    pub since: Option<Timestamp>,
    /// So many rows at the most
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

fn since(text: &str) -> Result<Timestamp, String> {
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let ago = || now().checked_sub(text.parse::<SignedDuration>().ok()?).ok();
    text.parse()
        .ok()
        .or_else(|| day().map(|day| day.timestamp()))
        .or_else(ago)
        .ok_or_else(|| "give a day, a time in UTC, or how long ago, as 24h".to_owned())
}

/// Shows the audit trail, newest first.
pub(super) fn cmd_log(global: &Global, args: &LogArgs, report: &Report) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let state = open_state(&config)?;
    let rows = state.log(&LogFilter {
        doctype: args.doctype.as_deref(),
        name: args.name.as_deref(),
        run: args.run,
        since: args.since,
        limit: Some(args.limit),
    })?;
    if rows.len() == args.limit && args.limit > 0 {
        report.note(&format!("the newest {}; --limit N shows more", args.limit));
    }
    if rows.is_empty() {
        report.note("nothing is logged that fits");
    }
    let text = || render_log(&rows);
    give(global, report, || table(&rows), text, |objects| json!({ "log": objects }))
}

/// Rows of the audit trail.
pub(super) fn table(rows: &[LogRow]) -> Rows {
    let cells = |row: &LogRow| {
        let changes = row.entry.changes.clone();
        vec![
            Cell::of(row.id),
            Cell::of(stamp(row.timestamp)),
            Cell::of(row.entry.run),
            Cell::of(row.doctype.clone()),
            Cell::of(row.docname.clone()),
            Cell::of(row.entry.action.as_str()),
            Cell::of(row.entry.direction.as_str()),
            Cell::of(row.entry.status.as_str()),
            Cell::of(row.entry.message.clone()),
            changes.map_or(Cell::of(Value::Null), Cell::Json),
        ]
    };
    Rows {
        columns: vec![
            "id",
            "timestamp",
            "run",
            "doctype",
            "docname",
            "action",
            "direction",
            "status",
            "message",
            "changes",
        ],
        rows: rows.iter().map(cells).collect(),
    }
}
