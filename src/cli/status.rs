//! `erpsync status`: how things stand, by the state alone.

use clap::Args;
use serde_json::{Value, json};

use super::log::row as log_row;
use super::session::{load_config, open_state};
use super::{Exit, Global};
use crate::report::{Report, Status, render_status};
use crate::state::{ConflictFilter, LogFilter, stamp};

/// How many operations are shown.
const RECENT: usize = 10;

/// Arguments of `erpsync status`.
#[derive(Debug, Args)]
pub struct StatusArgs {}

/// Shows totals, the last run, what waits and what failed.
pub(super) fn cmd_status(
    global: &Global,
    _args: &StatusArgs,
    report: &Report,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let state = open_state(&config)?;
    let open = state.conflicts(&ConflictFilter { doctype: None, open_only: true })?;
    let status = Status {
        totals: state.totals()?,
        runs: state.recent_runs(1)?,
        open_conflicts: open.len(),
        failed: state.failed_documents()?,
        pending_webhooks: state.pending_webhooks()?,
        recent: state.log(&LogFilter { limit: Some(RECENT), ..LogFilter::default() })?,
    };
    report.data(&render_status(&status));
    report.json(&document(&status));
    Ok(Exit::Done)
}

fn document(status: &Status) -> Value {
    let last = status.runs.first().map(|run| {
        json!({
            "run_id": run.id,
            "command": run.command,
            "started_at": stamp(run.started_at),
            "finished_at": run.finished_at.map(stamp),
            "exit_code": run.exit_code,
            "requests": {"cloud": run.requests.cloud, "local": run.requests.local},
        })
    });
    let totals: Vec<Value> = status
        .totals
        .iter()
        .map(|total| {
            json!({
                "doctype": total.doctype,
                "status": total.status.as_str(),
                "count": total.count,
            })
        })
        .collect();
    let failed: Vec<Value> = status
        .failed
        .iter()
        .map(|failed| {
            json!({
                "doctype": failed.doctype,
                "name": failed.docname,
                "status": failed.status.as_str(),
                "message": failed.message,
                "retry_count": failed.retry_count,
                "next_retry": failed.next_retry.map(stamp),
            })
        })
        .collect();
    json!({
        "totals": totals,
        "last_run": last,
        "open_conflicts": status.open_conflicts,
        "failed": failed,
        "pending_webhooks": status.pending_webhooks,
        "recent": status.recent.iter().map(log_row).collect::<Vec<_>>(),
    })
}
