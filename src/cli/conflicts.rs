//! `erpsync conflicts`: what waits for a person.

use clap::Args;
use serde_json::{Value, json};

use super::session::{load_config, open_state};
use super::{Exit, Global};
use crate::report::{Report, render_conflicts};
use crate::state::{Conflict, ConflictFilter, stamp};

/// Arguments of `erpsync conflicts`.
#[derive(Debug, Args)]
pub struct ConflictsArgs {}

/// Lists the open conflicts.
pub(super) fn cmd_conflicts(
    global: &Global,
    _args: &ConflictsArgs,
    report: &Report,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let state = open_state(&config)?;
    let conflicts = state.conflicts(&ConflictFilter { doctype: None, open_only: true })?;
    report.data(&render_conflicts(&conflicts));
    let rows: Vec<Value> = conflicts.iter().map(row).collect();
    report.json(&json!({ "conflicts": rows }));
    Ok(Exit::Done)
}

fn row(conflict: &Conflict) -> Value {
    json!({
        "id": conflict.id,
        "doctype": conflict.doctype,
        "docname": conflict.docname,
        "cloud_name": conflict.names.cloud,
        "local_name": conflict.names.local,
        "kind": conflict.kind.as_str(),
        "fields": conflict.fields,
        "cloud_modified": conflict.modified.cloud,
        "local_modified": conflict.modified.local,
        "cloud_modified_by": conflict.modified_by(crate::model::Side::Cloud),
        "local_modified_by": conflict.modified_by(crate::model::Side::Local),
        "created_at": stamp(conflict.created_at),
        "resolved": conflict.resolution.is_some(),
        "resolution": conflict.resolution.map(crate::state::Resolution::as_str),
        "resolved_at": conflict.resolved_at.map(stamp),
        "cloud_data": conflict.data.cloud,
        "local_data": conflict.data.local,
    })
}
