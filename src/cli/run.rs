//! One run of a command that writes: the lock, the state, both sites, the pass and the report.
//!
//! The rule kept here: one run at a time works on a state, and what was done is recorded and
//! reported however the run ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::session::{connect, interruption, now, pause};
use super::status::waiting;
use super::sync::SyncOptions;
use super::{Exit, tell};
use crate::config::Config;
use crate::model::{Side, Sides};
use crate::pass::{ActionStatus, Ambiguous, Options, Pass, Scope, Stop, Summary, Surroundings};
use crate::report::{Progress, Report, render_actions, render_summary};
use crate::site::Site;
use crate::site::http::HttpSite;
use crate::state::{RunLock, State, StateError, Waits, stamp};

/// A run that has begun.
pub(super) struct Run<'a> {
    config: &'a Config,
    report: Arc<Report>,
    /// The state; in a dry run a copy of it.
    pub state: State,
    sites: Sides<HttpSite>,
    options: Options,
    started: Timestamp,
    /// The run's number; a dry run has none.
    pub id: Option<i64>,
    interrupted: Arc<AtomicBool>,
    /// More fields for the JSON document.
    pub more: Map<String, Value>,
    _lock: RunLock,
}

impl<'a> Run<'a> {
    /// Takes the lock, opens the state and records the run. Nothing is contacted yet.
    pub(super) fn begin(
        config: &'a Config,
        args: &SyncOptions,
        command: &str,
        report: &Arc<Report>,
    ) -> anyhow::Result<Self> {
        let interrupted = interruption()?;
        let started = now();
        let lock = RunLock::acquire(&config.state_path, started)?;
        let mut state = open(config, args)?;
        state.check_urls(&Sides::from_fn(|side| config.sides[side].url.clone()))?;
        let sites = connect(config, report, &interrupted)?;
        let id = if args.dry_run { None } else { Some(state.start_run(command, started)?) };
        let options = Options {
            direction: args.direction,
            full: args.full,
            limit: args.limit,
            dry_run: args.dry_run,
            retry_failed: args.retry_failed,
            allow_deletes: args.allow_deletes,
            restore_side: args.restore_side,
            accept_side: args.accept_side,
            ..Options::default()
        };
        let report = Arc::clone(report);
        let more = Map::new();
        Ok(Self {
            config,
            report,
            state,
            sites,
            options,
            started,
            id,
            interrupted,
            more,
            _lock: lock,
        })
    }

    /// Keeps no line of what went well, where nobody is told of it.
    pub(super) fn count_what_went_well(&mut self) {
        self.options.counts_only = !self.options.dry_run && !self.report.tells_actions();
    }

    /// Whether somebody asked the run to stop.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Runs a pass. What was done until an error is in the summary all the same.
    pub(super) fn pass(&mut self, scopes: &[Scope]) -> (Summary, anyhow::Result<()>) {
        let progress = Progress::new(self.report.progress && !self.report.json);
        let outcome = self.with_pass(&progress, scopes, |pass| pass.run(scopes));
        progress.finish();
        outcome
    }

    /// Prepares a pass over the two sites, to go through the scopes, and does something with it.
    pub(super) fn with_pass(
        &mut self,
        progress: &Progress,
        scopes: &[Scope],
        work: impl FnOnce(&mut Pass<'_>) -> anyhow::Result<()>,
    ) -> (Summary, anyhow::Result<()>) {
        let interrupted = Arc::clone(&self.interrupted);
        let around = Surroundings {
            now: &now,
            pause: &|length| pause(&interrupted, length),
            is_interrupted: &|| interrupted.load(Ordering::Relaxed),
            watcher: progress,
        };
        let sides = Sides::new(&self.sites.cloud as &dyn Site, &self.sites.local as &dyn Site);
        let (state, options) = (&mut self.state, &self.options);
        let prepared = Pass::new(sides, state, self.config, options, around, self.id, scopes);
        // A request that was given up because somebody asked the run to stop is no outage.
        let or_asked_to_stop = |error: anyhow::Error| {
            let is_asked_to_stop = interrupted.load(Ordering::Relaxed) && error.is::<Stop>();
            if is_asked_to_stop { Stop::Interrupted.into() } else { error }
        };
        let mut pass = match prepared {
            Ok(pass) => pass,
            Err(error) => return (Summary::default(), Err(or_asked_to_stop(error))),
        };
        let result = work(&mut pass).map_err(or_asked_to_stop);
        match pass.summary() {
            Ok(summary) => (summary, result),
            Err(error) => (Summary::default(), result.and(Err(error))),
        }
    }

    /// Records and reports how the run ended.
    pub(super) fn finish(
        mut self,
        summary: Summary,
        error: Option<anyhow::Error>,
        exit: Exit,
    ) -> Exit {
        let requests = Sides::from_fn(|side: Side| self.sites[side].requests());
        let mut document = Document {
            run: self.id,
            dry_run: self.options.dry_run,
            started: self.started,
            exit,
            requests,
            summary,
            more: std::mem::take(&mut self.more),
        };
        let report = Arc::clone(&self.report);
        let unstored = self.record(exit, &json!(document.summary.doctypes)).err();
        if error.is_none() && unstored.is_some() {
            document.exit = Exit::Fatal;
        }
        document.show(&report, error.or(unstored).as_ref());
        document.exit
    }

    /// Records how the run ended.
    pub(super) fn record(mut self, exit: Exit, summary: &Value) -> anyhow::Result<()> {
        let Some(run) = self.id else { return Ok(()) };
        let requests = Sides::from_fn(|side: Side| self.sites[side].requests());
        self.state.finish_run(run, i32::from(exit.code()), requests, summary, now())?;
        Ok(())
    }
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

/// What to do about a name that neither side has.
const CHECK_NAME: &str = "check the name: that of either side will do";
/// What to do about a document that failed.
const TRIED_AGAIN: &str = "put right what is named; failed documents are tried again by \
     themselves (erpsync status says when), or now with --retry-failed";

/// What becomes of a request that nobody has answered.
const FOUND_OUT: &str = "the next runs look what came of it; after settle_after it is sent again, \
     or waits for you as a conflict";

/// What a run reports.
struct Document {
    run: Option<i64>,
    dry_run: bool,
    started: Timestamp,
    exit: Exit,
    requests: Sides<u64>,
    summary: Summary,
    /// What the command itself has to say, beside what every run says.
    more: Map<String, Value>,
}

impl Document {
    fn show(&self, report: &Report, error: Option<&anyhow::Error>) {
        // Nothing was done: what a pass has to say would only hide what is to be entered.
        match error.filter(|error| error.is::<Ambiguous>()) {
            Some(error) => tell(report, error),
            None => self.show_pass(report, error),
        }
        report.json(&self.to_json(error));
    }

    fn show_pass(&self, report: &Report, error: Option<&anyhow::Error>) {
        for line in &self.summary.actions {
            let text = render_actions(std::slice::from_ref(line));
            report.trace(3, text.trim_end(), &json!(line));
        }
        if self.dry_run || report.verbosity > 0 {
            report.data(&render_actions(&self.summary.actions));
        }
        for warning in &self.summary.warnings {
            report.warning(warning);
            report.trace(u8::MAX, &format!("warning: {warning}"), &json!({ "warning": warning }));
        }
        show_problems(report, &self.summary);
        report.data(&render_summary(&self.summary, self.dry_run));
        if let Some(error) = error {
            match error.downcast_ref::<Stop>() {
                Some(Stop::Interrupted) => report.note(&error.to_string()),
                _ => tell(report, error),
            }
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
            "waiting": self.summary.waiting.iter().map(waiting).collect::<Vec<_>>(),
            "warnings": self.summary.warnings,
        });
        if let Some(fields) = document.as_object_mut() {
            fields.extend(self.more.clone());
        }
        if let Some(error) = error {
            document["error"] = format!("{error:#}").into();
        }
        document
    }
}

/// What did not go well, each with what to do about it.
pub(super) fn show_problems(report: &Report, summary: &Summary) {
    show_failures(report, summary);
    show_unanswered(report, summary);
    for counts in &summary.doctypes {
        if let Some(problem) = counts.problem() {
            report.error(&format!("{}: {problem}", counts.doctype));
        }
        if let Some(hint) = &counts.refused_hint {
            report.hint(hint);
        }
        if let Some(guard) = &counts.guard {
            report.hint(&guard.hint());
        }
    }
}

/// The documents that failed in this run, and what to do about them.
fn show_failures(report: &Report, summary: &Summary) {
    let mut hints = [(false, CHECK_NAME), (false, TRIED_AGAIN)];
    for failed in summary.actions.iter().filter(|line| line.status == ActionStatus::Failed) {
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

/// The documents about which a request was sent that nobody has answered.
fn show_unanswered(report: &Report, summary: &Summary) {
    let mut any = false;
    for one in summary.waiting.iter().filter(|one| one.waits == Waits::Outcome) {
        report.error(&format!("{} {}: {}", one.doctype, one.docname, one.reason));
        any = true;
    }
    if any {
        report.hint(FOUND_OUT);
    }
}
