//! `erpsync sync-doctype` and `erpsync sync-all`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::session::{connect, interruption, load_config, now, pause};
use super::{Exit, Global, doctype_hint, tell};
use crate::config::{Config, DoctypeConfig};
use crate::model::{Direction, Side, Sides};
use crate::pass::{ActionStatus, Options, Pass, Stop, Summary, Surroundings};
use crate::report::{Progress, Report, render_actions, render_summary};
use crate::site::Site;
use crate::state::{RunLock, State, StateError, stamp};

/// Options of every syncing command.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools, reason = "independent flags of the command line")]
pub struct SyncOptions {
    /// Decide everything, write nothing, print each action with its reason
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: exit 7 when there is something to do
    #[arg(long, requires = "dry_run")]
    pub exit_code: bool,
    /// Carry changes this way only, in place of the doctypes' rules
    #[arg(long, value_name = "DIRECTION", value_parser = direction)]
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
    /// Create a missing state database
    #[arg(long)]
    pub new_state: bool,
}

/// Arguments of `erpsync sync-doctype`.
#[derive(Debug, Args)]
pub struct SyncDoctypeArgs {
    /// The doctype, e.g. "Sales Invoice"
    pub doctype: String,
    /// Only this document; may be given several times
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

/// One pass over one doctype.
pub(super) fn cmd_sync_doctype(
    global: &Global,
    args: &SyncDoctypeArgs,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let doctype = config.doctype(&args.doctype)?;
    let command = format!("sync-doctype {}", args.doctype);
    sync(&config, &[doctype], &args.options, args.names.clone(), &command, report)
}

/// One pass over every configured doctype.
pub(super) fn cmd_sync_all(
    global: &Global,
    args: &SyncAllArgs,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let doctypes = config.doctypes.clone();
    sync(&config, &doctypes, &args.options, Vec::new(), "sync-all", report)
}

fn sync(
    config: &Config,
    doctypes: &[DoctypeConfig],
    args: &SyncOptions,
    names: Vec<String>,
    command: &str,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    let interrupted = interruption()?;
    let started = now();
    let _lock = RunLock::acquire(&config.state_path, started)?;
    let mut state = open(config, args)?;
    state.check_urls(&Sides::from_fn(|side| config.sides[side].url.clone()))?;
    let sites = connect(config, report, &interrupted)?;
    let options = Options {
        direction: args.direction,
        full: args.full,
        limit: args.limit,
        dry_run: args.dry_run,
        retry_failed: args.retry_failed,
        names,
    };
    let run = if args.dry_run { None } else { Some(state.start_run(command, started)?) };
    let progress = Progress::new(report.progress && !report.json);
    let around = Surroundings {
        now: &now,
        pause: &|length| pause(&interrupted, length),
        is_interrupted: &|| interrupted.load(Ordering::Relaxed),
        watcher: &progress,
    };
    let sides = Sides::new(&sites.cloud as &dyn Site, &sites.local as &dyn Site);
    let (summary, result) = pass(sides, &mut state, config, &options, around, run, doctypes);
    progress.finish();
    // A request that was given up because somebody asked the run to stop is no outage.
    let result = result.map_err(|error| {
        let is_asked_to_stop = interrupted.load(Ordering::Relaxed) && error.is::<Stop>();
        if is_asked_to_stop { Stop::Interrupted.into() } else { error }
    });
    let requests = Sides::from_fn(|side: Side| sides[side].requests());
    let exit = match &result {
        Ok(()) if args.dry_run && !args.exit_code => Exit::Done,
        Ok(()) => Exit::of(&summary, args.dry_run),
        Err(error) => Exit::of_error(error),
    };
    let mut document = Document { run, dry_run: args.dry_run, started, exit, requests, summary };
    let mut error = result.err();
    if let Some(run) = run {
        let counts = json!(document.summary.doctypes);
        let code = i32::from(exit.code());
        if let Err(unstored) = state.finish_run(run, code, requests, &counts, now())
            && error.is_none()
        {
            document.exit = Exit::Fatal;
            error = Some(unstored.into());
        }
    }
    document.show(report, error.as_ref());
    Ok(document.exit)
}

/// Opens the state; a dry run works on a copy.
fn open(config: &Config, args: &SyncOptions) -> anyhow::Result<State> {
    let path = &config.state_path;
    let opened = if args.dry_run { State::open_copy(path) } else { State::open(path) };
    match opened {
        Err(StateError::Missing { .. }) if args.new_state && args.dry_run => {
            Ok(State::in_memory()?)
        }
        Err(StateError::Missing { .. }) if args.new_state => Ok(State::create(path)?),
        opened => Ok(opened?),
    }
}

/// Runs the pass. What was done until an error is reported all the same.
fn pass<'a>(
    sites: Sides<&'a dyn Site>,
    state: &'a mut State,
    config: &'a Config,
    options: &'a Options,
    around: Surroundings<'a>,
    run: Option<i64>,
    doctypes: &[DoctypeConfig],
) -> (Summary, anyhow::Result<()>) {
    let mut pass = match Pass::new(sites, state, config, options, around, run) {
        Ok(pass) => pass,
        Err(error) => return (Summary::default(), Err(error)),
    };
    let result = pass.run(doctypes);
    match pass.summary() {
        Ok(summary) => (summary, result),
        Err(error) => (Summary::default(), result.and(Err(error))),
    }
}

/// What to do about a name that neither side has.
const CHECK_NAME: &str = "check the name: that of either side will do";
/// What to do about a document that failed.
const TRIED_AGAIN: &str = "put right what is named; failed documents are tried again by \
     themselves (erpsync status says when), or now with --retry-failed";

/// What a run reports.
struct Document {
    run: Option<i64>,
    dry_run: bool,
    started: Timestamp,
    exit: Exit,
    requests: Sides<u64>,
    summary: Summary,
}

impl Document {
    fn show(&self, report: &Report, error: Option<&anyhow::Error>) {
        for line in &self.summary.actions {
            let text = render_actions(std::slice::from_ref(line));
            report.trace(3, text.trim_end(), &json!(line));
        }
        if self.dry_run || report.verbosity > 0 {
            report.data(&render_actions(&self.summary.actions));
        }
        self.show_failures(report);
        for counts in &self.summary.doctypes {
            if let Some(problem) = counts.error.as_ref().or(counts.guard.as_ref()) {
                report.error(&format!("{}: {problem}", counts.doctype));
            }
            if let Some((side, kind)) = counts.refused {
                report.hint(&doctype_hint(side, kind));
            }
            if counts.guard.is_some() {
                report.hint(
                    "find out what happened to that site; to go on with it as it is, move the \
                     state database away and begin anew with --new-state",
                );
            }
        }
        report.data(&render_summary(&self.summary, self.dry_run));
        if let Some(error) = error {
            match error.downcast_ref::<Stop>() {
                Some(Stop::Interrupted) => report.note(&error.to_string()),
                _ => tell(report, error),
            }
        }
        report.json(&self.to_json(error));
    }

    /// The documents that failed in this run, and what to do about them.
    fn show_failures(&self, report: &Report) {
        let mut hints = [(false, CHECK_NAME), (false, TRIED_AGAIN)];
        for failed in self.summary.actions.iter().filter(|line| line.status == ActionStatus::Failed)
        {
            let message = failed.message.as_deref().unwrap_or(&failed.reason);
            let side = failed.direction.target().map(|side| format!("{side}: "));
            let side = side.unwrap_or_default();
            report.error(&format!("{} {}: {side}{message}", failed.doctype, failed.name));
            let is_known = failed.cloud_name.is_some() || failed.local_name.is_some();
            hints[usize::from(is_known)].0 = true;
        }
        for (_, hint) in hints.iter().filter(|(applies, _)| *applies) {
            report.hint(hint);
        }
    }

    fn to_json(&self, error: Option<&anyhow::Error>) -> Value {
        let mut document = json!({
            "run_id": self.run,
            "dry_run": self.dry_run,
            "started_at": stamp(self.started),
            "finished_at": stamp(now()),
            "exit_code": self.exit.code(),
            "requests": {"cloud": self.requests.cloud, "local": self.requests.local},
            "remaining": self.summary.remaining,
            "doctypes": self.summary.doctypes,
            "actions": self.summary.actions,
        });
        if let Some(error) = error {
            document["error"] = format!("{error:#}").into();
        }
        document
    }
}
