//! `erpsync hash`: a document's hash, or the text that is hashed.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::session::{connect, interruption, load_config, now};
use super::{Exit, Global};
use crate::model::{Side, Sides};
use crate::pass::{Options, Pass, Surroundings};
use crate::report::{Progress, Report};
use crate::site::Site;
use crate::state::{State, StateError};

/// Arguments of `erpsync hash`.
#[derive(Debug, Args)]
pub struct HashArgs {
    /// The doctype
    pub doctype: String,
    /// The document, by any of its names; cloud:X is the one that is called X there
    pub name: String,
    /// The side that is asked
    #[arg(long, value_name = "cloud|local", value_parser = side)]
    pub side: Side,
    /// Print the exact text that is hashed
    #[arg(long)]
    pub text: bool,
}

pub(super) fn side(text: &str) -> Result<Side, String> {
    Side::parse(text).ok_or_else(|| "allowed: cloud, local".to_owned())
}

/// Prints the hash of a document as it stands on a side now.
pub(super) fn cmd_hash(
    global: &Global,
    args: &HashArgs,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let doctype = config.doctype(&args.doctype)?;
    let interrupted = interruption()?;
    let mut state = match State::open_copy(&config.state_path) {
        Err(StateError::Missing { .. }) => State::in_memory()?,
        opened => opened?,
    };
    let clients = connect(&config, report, &interrupted)?;
    let sites = Sides::new(&clients.cloud as &dyn Site, &clients.local as &dyn Site);
    let options = Options { dry_run: true, ..Options::default() };
    let around = Surroundings {
        now: &now,
        pause: &|_| {},
        is_interrupted: &|| false,
        watcher: &Progress::new(false),
    };
    let mut pass = Pass::new(sites, &mut state, &config, &options, around, None, &[])?;
    let Some(form) = pass.sync_form(&doctype, &args.name, args.side)? else {
        let error = format!("{} has no {} {}", args.side, args.doctype, args.name);
        report.error(&error);
        report.hint("check the name: that of either side will do");
        report.json(&json!({ "exit_code": Exit::Failed.code(), "error": error }));
        return Ok(Exit::Failed);
    };
    let (text, hash) = (form.text(), form.hash());
    if report.json {
        report.json(&json!({
            "doctype": args.doctype,
            "name": args.name,
            "side": args.side,
            "hash": hash,
            "text": text,
        }));
    } else if args.text {
        report.exact(&text);
    } else {
        report.answer(&format!("{hash}\n"));
    }
    Ok(Exit::Done)
}
