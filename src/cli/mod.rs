//! The command line: one file a subcommand, each with its arguments and its `cmd_` function.
//!
//! Nothing here decides anything about documents or prints by itself: a command opens what it
//! needs, runs the pass or asks the state, and hands plain values to `report`.

mod conflicts;
mod doctor;
mod exit;
mod hash;
mod ingest;
mod init;
mod input;
mod log;
mod names;
mod reading;
mod resolve;
mod run;
mod session;
mod status;
mod sync;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

#[cfg(any(test, fuzzing))]
pub(crate) use conflicts::table as conflict_rows;
pub use exit::Exit;

use crate::config::{ConfigError, no_color};
use crate::pass::{Ambiguous, Stop};
use crate::report::{Color, LogFormat, Report};
use crate::state::StateError;

/// Commands and options of later versions: refused, never accepted and ignored.
const LATER: &[&str] = &["listen", "verify", "completions", "man", "--live"];

/// Keeps two Frappe/ERPNext sites in step, both ways, over their REST API.
#[derive(Debug, Parser)]
#[command(name = "erpsync", version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The configuration file
    #[arg(
        long,
        global = true,
        env = "ERPSYNC_CONFIG",
        hide_env_values = true,
        default_value = "sync.toml",
        value_name = "FILE"
    )]
    pub config: PathBuf,
    /// Print one JSON document on standard output and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// Write the rows as CSV to this file, - is standard output (conflicts, status, log, names)
    #[arg(long, global = true, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more: every action (-v), every request (-vv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Also write every action and request to this file
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// The form of the log file: text or json
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub log_format: LogFormat,
    /// Show no progress bar
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// When to use colours: auto (on a terminal), always or never
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        hide_possible_values = true
    )]
    pub color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented sync.toml and create the state database
    Init(init::InitArgs),
    /// Check everything before the first write; writes nothing
    Doctor(doctor::DoctorArgs),
    /// Bring one doctype into step
    SyncDoctype(sync::SyncDoctypeArgs),
    /// Bring every configured doctype into step
    SyncAll(sync::SyncAllArgs),
    /// Take in a queue file of webhook deliveries, and sync the documents that they tell of
    IngestWebhooks(ingest::IngestArgs),
    /// List the conflicts that wait for a person, or show one of them
    Conflicts(conflicts::ConflictsArgs),
    /// Settle conflicts on both sites
    Resolve(resolve::ResolveArgs),
    /// Show how things stand
    Status(status::StatusArgs),
    /// Show the audit trail, newest first
    Log(log::LogArgs),
    /// Show what documents are called on each side
    Names(names::NamesArgs),
    /// Print a document's hash, or the text that is hashed
    Hash(hash::HashArgs),
}

/// Runs the program with these arguments and gives its exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, wants_json).code(),
    };
    let global = cli.global.clone();
    let color = if no_color() && global.color == Color::Auto { Color::Never } else { global.color };
    let report = Report::new(global.json, global.quiet, global.verbose, !global.no_progress, color);
    let report = match &global.log_file {
        None => report,
        Some(path) => match report.log_to(path, global.log_format) {
            Ok(report) => report,
            Err(error) => {
                let plain = Report::new(global.json, false, 0, false, global.color);
                tell(&plain, &error);
                plain.json(&failure(&error, Exit::Usage));
                return Exit::Usage.code();
            }
        },
    };
    let report = Arc::new(report);
    let failed = |error: anyhow::Error| {
        tell(&report, &error);
        let exit = Exit::of_error(&error);
        report.json(&failure(&error, exit));
        exit
    };
    if let Err(error) = reading::check_csv(&global, &cli.command) {
        return failed(error.into()).code();
    }
    let result = match cli.command {
        Command::Init(args) => init::cmd_init(&global, &args, &report),
        Command::Doctor(args) => doctor::cmd_doctor(&global, &args, &report),
        Command::SyncDoctype(args) => sync::cmd_sync_doctype(&global, &args, &report),
        Command::SyncAll(args) => sync::cmd_sync_all(&global, &args, &report),
        Command::IngestWebhooks(args) => ingest::cmd_ingest_webhooks(&global, &args, &report),
        Command::Conflicts(args) => conflicts::cmd_conflicts(&global, &args, &report),
        Command::Resolve(args) => resolve::cmd_resolve(&global, &args, &report),
        Command::Status(args) => status::cmd_status(&global, &args, &report),
        Command::Log(args) => log::cmd_log(&global, &args, &report),
        Command::Names(args) => names::cmd_names(&global, &args, &report),
        Command::Hash(args) => hash::cmd_hash(&global, &args, &report),
    };
    result.unwrap_or_else(failed).code()
}

/// A command line that makes no sense, although each of its words does.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    message: String,
    hint: Option<String>,
}

impl UsageError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// A command line that clap refuses, and `--help` and `--version`.
fn usage(error: &clap::Error, wants_json: bool) -> Exit {
    let report = Report::new(wants_json, false, 0, false, Color::Auto);
    let wants_text = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let rejected =
        [clap::error::ContextKind::InvalidSubcommand, clap::error::ContextKind::InvalidArg]
            .into_iter()
            .find_map(|kind| match error.get(kind) {
                Some(clap::error::ContextValue::String(text)) => Some(text.clone()),
                _ => None,
            });
    let word =
        rejected.as_deref().and_then(|text| text.split([' ', '=']).next()).unwrap_or_default();
    if !wants_text && LATER.contains(&word) {
        let problem = format!("{word}: not in this version");
        report.error(&problem);
        report.hint("erpsync --help lists what is");
        report.json(&failure(&anyhow::Error::msg(problem), Exit::Usage));
        return Exit::Usage;
    }
    // There is nobody to tell about a closed pipe.
    let _ = error.print();
    if wants_text {
        return Exit::Done;
    }
    let text = error.to_string();
    let problem = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    report.json(&failure(&anyhow::Error::msg(problem.to_owned()), Exit::Usage));
    Exit::Usage
}

/// The JSON document of a command that could not do its work.
fn failure(error: &anyhow::Error, exit: Exit) -> Value {
    json!({ "exit_code": exit.code(), "error": format!("{error:#}") })
}

/// Says what went wrong and what to do about it.
fn tell(report: &Report, error: &anyhow::Error) {
    if let Some(config) = error.downcast_ref::<ConfigError>() {
        for problem in config.problems() {
            report.error(&problem.to_string());
            if let Some(hint) = &problem.hint {
                report.hint(hint);
            }
        }
        return;
    }
    report.error(&format!("{error:#}"));
    let hint = match (error.downcast_ref::<StateError>(), error.downcast_ref::<Stop>()) {
        (Some(state), _) => state.hint().map(str::to_owned),
        (_, Some(Stop::Site { side, error })) => Some(error.kind.hint(*side)),
        _ => error
            .downcast_ref::<Ambiguous>()
            .map(Ambiguous::hint)
            .or_else(|| error.downcast_ref::<UsageError>().and_then(|usage| usage.hint.clone())),
    };
    if let Some(hint) = hint {
        report.hint(&hint);
    }
}
