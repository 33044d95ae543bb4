//! `erpsync sync-doctype` and `erpsync sync-all`.

use std::sync::Arc;

use clap::Args;

use super::hash::side;
use super::run::Run;
use super::session::load_config;
use super::{Exit, Global, UsageError};
use crate::config::Config;
use crate::model::{Direction, Side};
use crate::pass::Scope;
use crate::report::Report;

/// Options of every syncing command.
#[derive(Debug, Clone, Default, Args)]
#[allow(clippy::struct_excessive_bools, reason = "independent flags of the command line")]
pub struct SyncOptions {
    /// Decide everything, write nothing, print each action with its reason
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: exit 7 when there is something to do
    #[arg(long, requires = "dry_run")]
    pub exit_code: bool,
    /// Which way to carry changes, in place of the doctypes' rules
    #[arg(
        long,
        value_name = "DIRECTION",
        value_parser = direction,
        help = "Which way to carry changes, in place of the doctypes' rules: auto (both ways), \
                cloud_to_local or local_to_cloud"
    )]
    pub direction: Option<Direction>,
    /// List, fetch and hash every document
    #[arg(long)]
    pub full: bool,
    /// Act on so many documents at the most
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Take up failed documents now
    #[arg(long)]
    pub retry_failed: bool,
    /// Let so many documents of each doctype be deleted on each side, whatever the cap in sync.toml says
    #[arg(long, value_name = "N")]
    pub allow_deletes: Option<u64>,
    /// A side that looks wrong is brought back to what the other one holds
    #[arg(
        long,
        value_name = "cloud|local",
        value_parser = side,
        help = "Bring a side that looks wrong back to what the other one holds; what \
                was edited there since waits as a conflict"
    )]
    pub restore_side: Option<Side>,
    /// A side that looks wrong is right as it is
    #[arg(
        long,
        value_name = "cloud|local",
        value_parser = side,
        help = "Take what a side that looks wrong holds now for right: older versions \
                and deletions there go to the other side"
    )]
    pub accept_side: Option<Side>,
    /// Create a missing state database
    #[arg(long)]
    pub new_state: bool,
}

/// Arguments of `erpsync sync-doctype`.
#[derive(Debug, Args)]
pub struct SyncDoctypeArgs {
    /// The doctype, e.g. "Sales Invoice"
    pub doctype: String,
    /// Only this document, by any of its names (cloud:X is the one that is called X there); may be
    /// given several times
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub options: SyncOptions,
}

/// Arguments of `erpsync sync-all`.
#[derive(Debug, Args)]
pub struct SyncAllArgs {
    #[command(flatten)]
    pub options: SyncOptions,
}

fn direction(text: &str) -> Result<Direction, String> {
    match text.replace('-', "_").as_str() {
        "auto" => Ok(Direction::Both),
        "cloud_to_local" => Ok(Direction::CloudToLocal),
        "local_to_cloud" => Ok(Direction::LocalToCloud),
        _ => Err("allowed: auto, cloud_to_local, local_to_cloud".to_owned()),
    }
}

impl SyncOptions {
    /// Refuses what no run can do. A word about a side is one about whole doctypes: said of some
    /// documents it would hide from the next run what the others show.
    pub(super) fn check(&self, is_whole: bool) -> Result<(), UsageError> {
        match (self.restore_side, self.accept_side) {
            (None, None) => Ok(()),
            _ if !is_whole => Err(UsageError::new(
                "--restore-side and --accept-side are about whole doctypes, not about some documents",
            )
            .with_hint("say it with sync-all, or with sync-doctype without --name; --dry-run shows it")),
            (Some(restored), Some(accepted)) if restored == accepted => {
                Err(UsageError::new(format!(
                    "--restore-side {restored} --accept-side {accepted}: a side is either brought back \
                     or right as it is"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// One pass over one doctype.
pub(super) fn cmd_sync_doctype(
    global: &Global,
    args: &SyncDoctypeArgs,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let doctype = config.doctype(&args.doctype)?;
    let command = format!("sync-doctype {}", args.doctype);
    let scope = Scope::named(doctype, args.names.clone());
    sync(&config, &[scope], &args.options, &command, report)
}

/// One pass over every configured doctype.
pub(super) fn cmd_sync_all(
    global: &Global,
    args: &SyncAllArgs,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let scopes: Vec<Scope> = config.doctypes.iter().cloned().map(Scope::whole).collect();
    sync(&config, &scopes, &args.options, "sync-all", report)
}

fn sync(
    config: &Config,
    scopes: &[Scope],
    args: &SyncOptions,
    command: &str,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    args.check(scopes.iter().all(Scope::is_whole))?;
    let mut run = Run::begin(config, args, command, report)?;
    run.count_what_went_well();
    let (summary, result) = run.pass(scopes);
    let exit = match &result {
        Ok(()) if args.dry_run && !args.exit_code => Exit::Done,
        Ok(()) => Exit::of(&summary, args.dry_run),
        Err(error) => Exit::of_error(error),
    };
    Ok(run.finish(summary, result.err(), exit))
}
