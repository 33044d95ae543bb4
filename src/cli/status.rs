//! `erpsync status`: how things stand, by the state alone.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde_json::{Value, json};

use super::log::table as log_table;
use super::reading::give;
use super::session::{load_config, now, open_state};
use super::{Exit, Global};
use crate::config::Config;
use crate::report::{Cell, DoctypeStatus, Report, Rows, Status, StoppedDoctype, render_status};
use crate::state::{
    FailedDocument, LogFilter, RecordStatus, Run, State, StateResult, WaitingDocument, Waits, stamp,
};

/// How many operations are shown.
const RECENT: usize = 10;

/// How many runs are looked at for what stopped a doctype.
const LOOKED_BACK: usize = 200;

/// Arguments of `erpsync status`.
#[derive(Debug, Args)]
pub struct StatusArgs {}

/// Shows totals, the last run, what waits and what failed. As CSV: a row a doctype.
pub(super) fn cmd_status(
    global: &Global,
    _args: &StatusArgs,
    report: &Report,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let state = open_state(&config)?;
    let status = Status {
        doctypes: doctypes(&state)?,
        last_run: state.recent_runs(1)?.pop(),
        stopped: stopped(&config, &state)?,
        failed: state.failed_documents()?,
        waiting: state.waiting_documents(None)?,
        pending_webhooks: state.pending_webhooks()?,
        recent: state.log(&LogFilter { limit: Some(RECENT), ..LogFilter::default() })?,
    };
    let rows = || table(&status.doctypes);
    give(
        global,
        report,
        rows,
        || render_status(&status, now()),
        |objects| document(&status, &objects),
    )
}

fn doctypes(state: &State) -> StateResult<Vec<DoctypeStatus>> {
    let mut found: BTreeMap<String, DoctypeStatus> = BTreeMap::new();
    let open = state.open_conflicts()?;
    for total in state.totals()? {
        let one = found.entry(total.doctype.clone()).or_insert_with(|| DoctypeStatus {
            open_conflicts: open.get(&total.doctype).copied().unwrap_or(0),
            doctype: total.doctype,
            counts: [0; RecordStatus::ALL.len()],
        });
        let counts = one.counts.iter_mut().zip(RecordStatus::ALL);
        for (count, _) in counts.filter(|(_, status)| *status == total.status) {
            *count = total.count;
        }
    }
    Ok(found.into_values().collect())
}

/// The doctypes that the last run over them was stopped at. A run over some documents only
/// clears nothing.
fn stopped(config: &Config, state: &State) -> StateResult<Vec<StoppedDoctype>> {
    let mut unheard: BTreeSet<&str> =
        config.doctypes.iter().map(|one| one.doctype.as_str()).collect();
    let mut found = Vec::new();
    for run in state.recent_runs(LOOKED_BACK)? {
        for entry in run.summary.iter().filter_map(Value::as_array).flatten() {
            let text = |key: &str| entry[key].as_str();
            let message = text("guard").or_else(|| text("error"));
            let has_listed = ["cloud_documents", "local_documents"]
                .iter()
                .any(|key| entry[*key].as_u64().unwrap_or(0) > 0);
            let Some(doctype) = text("doctype").filter(|_| message.is_some() || has_listed) else {
                continue;
            };
            if unheard.remove(doctype) {
                found.extend(message.map(|message| StoppedDoctype {
                    doctype: doctype.to_owned(),
                    run: run.id,
                    is_guarded: text("guard").is_some(),
                    message: message.to_owned(),
                }));
            }
        }
        if unheard.is_empty() {
            break;
        }
    }
    Ok(found)
}

fn table(doctypes: &[DoctypeStatus]) -> Rows {
    let mut columns = vec!["doctype"];
    columns.extend(RecordStatus::ALL.map(RecordStatus::as_str));
    columns.push("open_conflicts");
    let cells = |one: &DoctypeStatus| {
        let mut cells = vec![Cell::of(one.doctype.clone())];
        cells.extend(one.counts.iter().map(|count| Cell::of(*count)));
        cells.push(Cell::of(one.open_conflicts));
        cells
    };
    Rows { columns, rows: doctypes.iter().map(cells).collect() }
}

fn document(status: &Status, doctypes: &[Value]) -> Value {
    json!({
        "open_conflicts": status.doctypes.iter().map(|one| one.open_conflicts).sum::<usize>(),
        "doctypes": doctypes,
        "last_run": status.last_run.as_ref().map(run),
        "stopped": status.stopped.iter().map(stop).collect::<Vec<_>>(),
        "failed": status.failed.iter().map(failed).collect::<Vec<_>>(),
        "waiting": status.waiting.iter().map(waiting).collect::<Vec<_>>(),
        "pending_webhooks": status.pending_webhooks,
        "recent": log_table(&status.recent).objects(),
    })
}

fn stop(stopped: &StoppedDoctype) -> Value {
    json!({
        "doctype": stopped.doctype,
        "run_id": stopped.run,
        "kind": if stopped.is_guarded { "guard" } else { "error" },
        "message": stopped.message,
    })
}

fn run(run: &Run) -> Value {
    json!({
        "run_id": run.id,
        "command": run.command,
        "started_at": stamp(run.started_at),
        "finished_at": run.finished_at.map(stamp),
        "exit_code": run.exit_code,
        "requests": {"cloud": run.requests.cloud, "local": run.requests.local},
    })
}

/// A document that waits, as JSON.
pub(super) fn waiting(waiting: &WaitingDocument) -> Value {
    let (waits_for, conflict) = match waiting.waits {
        Waits::Outcome => ("outcome", None),
        Waits::Conflict(id) => ("conflict", Some(id)),
    };
    json!({
        "doctype": waiting.doctype,
        "name": waiting.docname,
        "waits_for": waits_for,
        "conflict": conflict,
        "message": waiting.reason,
    })
}

fn failed(failed: &FailedDocument) -> Value {
    json!({
        "doctype": failed.doctype,
        "name": failed.docname,
        "status": failed.status.as_str(),
        "message": failed.message,
        "retry_count": failed.retry_count,
        "next_retry": failed.next_retry.map(stamp),
    })
}
