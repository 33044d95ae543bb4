//! `erpsync names`: what documents are called on each side.

use clap::Args;
use serde_json::json;

use super::reading::give;
use super::session::{load_config, open_state};
use super::{Exit, Global};
use crate::report::{Cell, Report, Rows, render_names};
use crate::state::NamedDocument;

/// Arguments of `erpsync names`.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// The doctype, e.g. "Sales Invoice"
    pub doctype: String,
    /// Only this document, by any of its names; cloud:X is the one that is called X there
    pub name: Option<String>,
}

/// Shows what the state knows; no site is asked.
pub(super) fn cmd_names(
    global: &Global,
    args: &NamesArgs,
    report: &Report,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let state = open_state(&config)?;
    let names = state.names(&args.doctype, args.name.as_deref())?;
    if names.is_empty() {
        let name = args.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        report.note(&format!("no {}{name} is known yet", args.doctype));
    }
    let rows = || table(&args.doctype, &names);
    give(global, report, rows, || render_names(&names), |objects| json!({ "names": objects }))
}

fn table(doctype: &str, names: &[NamedDocument]) -> Rows {
    let cells = |one: &NamedDocument| {
        vec![
            Cell::of(doctype),
            Cell::of(one.docname.clone()),
            Cell::of(one.names.cloud.clone()),
            Cell::of(one.names.local.clone()),
            Cell::of(one.creations.cloud.clone()),
            Cell::of(one.creations.local.clone()),
            Cell::of(one.status.as_str()),
        ]
    };
    Rows {
        columns: vec![
            "doctype",
            "docname",
            "cloud_name",
            "local_name",
            "cloud_creation",
            "local_creation",
            "status",
        ],
        rows: names.iter().map(cells).collect(),
    }
}
