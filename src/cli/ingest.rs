//! `erpsync ingest-webhooks`: takes in a queue file, and syncs the documents that it tells of.
//!
//! The rules kept here: the whole file is stored before anything is worked on; a delivery is
//! a hint which document to look at, and nothing of its content is ever written; it is done
//! with only when its document was looked at.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::input::Input;
use super::run::Run;
use super::session::{load_config, now};
use super::sync::SyncOptions;
use super::{Exit, Global};
use crate::config::{Config, WebhooksConfig};
use crate::model::{Side, Sides};
use crate::pass::{Scope, Stop, Summary};
use crate::report::Report;
use crate::state::{DeliveryEnd, QueueLine, QueuedDocument, RecordStatus, Stored, Verdict};
use crate::webhook::{Delivery, Limits, RawLine, Rejection, Text, is_whole, kept, read_line};

/// So many lines, or so many bytes of them, are stored at once.
const BATCH_LINES: usize = 1000;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// So many rejected lines are named.
const NAMED_LINES: usize = 20;

/// How long to wait for a line before what came in is stored and signals are looked at.
const PATIENCE: Duration = Duration::from_millis(100);

/// Arguments of `erpsync ingest-webhooks`.
#[derive(Debug, Args)]
pub struct IngestArgs {
    /// The queue file, one delivery a line; - is standard input. Without it the deliveries
    /// are taken up that still wait
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub options: SyncOptions,
}

/// What came of the lines.
#[derive(Debug, Default)]
struct Counts {
    lines: usize,
    accepted: usize,
    rejected: usize,
    ignored: usize,
    skipped: usize,
    documents: usize,
    pending: usize,
}

/// Stores the file's lines, then looks at every document that a waiting delivery tells of.
pub(super) fn cmd_ingest_webhooks(
    global: &Global,
    args: &IngestArgs,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    args.options.check(false)?;
    let config = load_config(global, report)?;
    let webhooks = config.webhooks()?;
    let input = args.file.as_deref().map(Input::open).transpose()?;
    let file = input.as_ref().map_or(String::new(), |input| format!(" {}", input.name));
    let mut run = Run::begin(&config, &args.options, &format!("ingest-webhooks{file}"), report)?;
    let mut counts = Counts::default();
    let (summary, result) = match input {
        None => drain(&mut run, &config, args, &mut counts),
        Some(input) => {
            let mut intake = Intake::new(&config, webhooks, report, &input);
            let stored = intake.take_in(&mut run, input);
            counts = intake.finish();
            match stored {
                Ok(()) => drain(&mut run, &config, args, &mut counts),
                Err(error) => (Summary::default(), Err(error)),
            }
        }
    };
    counts.pending = run.state.pending_webhooks()?;
    report.data(&render(&counts, args.file.is_some()));
    run.more.insert("queue".to_owned(), counts.to_json());
    let exit = match &result {
        Ok(()) if args.options.dry_run && !args.options.exit_code => Exit::Done,
        Ok(()) => match Exit::of(&summary, args.options.dry_run) {
            Exit::Guarded => Exit::Guarded,
            _ if counts.rejected > 0 => Exit::Failed,
            exit => exit,
        },
        Err(error) => Exit::of_error(error),
    };
    Ok(run.finish(summary, result.err(), exit))
}

/// Looks at the documents that waiting deliveries tell of, each once.
fn drain(
    run: &mut Run<'_>,
    config: &Config,
    args: &IngestArgs,
    counts: &mut Counts,
) -> (Summary, anyhow::Result<()>) {
    let documents = match run.state.begin_deliveries(run.id) {
        Ok(documents) => documents,
        Err(error) => return (Summary::default(), Err(error.into())),
    };
    let mut told = BTreeMap::<&str, Vec<(Side, String)>>::new();
    let mut ends = Vec::new();
    for document in &documents {
        if config.doctypes.iter().any(|known| known.doctype == document.doctype) {
            let names = told.entry(&document.doctype).or_default();
            names.push((document.source, document.name.clone()));
        } else {
            counts.ignored += document.rows.len();
            ends.push((document, DeliveryEnd::Ignored(not_configured(&document.doctype))));
        }
    }
    let scopes: Vec<Scope> = config
        .doctypes
        .iter()
        .filter_map(|known| {
            let told = told.remove(known.doctype.as_str())?;
            Some(Scope { config: known.clone(), names: Vec::new(), told })
        })
        .collect();
    counts.documents = scopes.iter().map(|scope| scope.told.len()).sum();
    let (summary, result) =
        if scopes.is_empty() { (Summary::default(), Ok(())) } else { run.pass(&scopes) };
    let finished = if result.is_ok() && !args.options.dry_run {
        Results::new(run, &summary).ends(&documents)
    } else {
        Ok(Vec::new())
    };
    let stored = finished.and_then(|finished| {
        ends.extend(finished);
        Ok(run.state.finish_deliveries(&ends, config.retry.max_attempts, now())?)
    });
    (summary, result.and(stored))
}

/// What a pass made of the documents that it was told of.
struct Results<'a, 'b> {
    run: &'a Run<'b>,
    summary: &'a Summary,
    /// The records by side, doctype and name; none where the side does not have it.
    told: BTreeMap<(Side, &'a str, &'a str), Option<i64>>,
}

impl<'a, 'b> Results<'a, 'b> {
    fn new(run: &'a Run<'b>, summary: &'a Summary) -> Self {
        let told = summary.told.iter();
        let told = told.map(|one| ((one.side, &*one.doctype, &*one.name), one.record)).collect();
        Self { run, summary, told }
    }

    /// What came of each document, where it was looked at.
    fn ends<'d>(
        &self,
        documents: &'d [QueuedDocument],
    ) -> anyhow::Result<Vec<(&'d QueuedDocument, DeliveryEnd)>> {
        let acted: HashSet<(Side, &str, &str)> = self.acted_on();
        let mut ends = Vec::new();
        for document in documents {
            let key = (document.source, &*document.doctype, &*document.name);
            // Which of the others a limit left over is not told.
            if self.summary.remaining > 0 && !acted.contains(&key) {
                continue;
            }
            if let Some(end) = self.end(document)? {
                ends.push((document, end));
            }
        }
        Ok(ends)
    }

    fn acted_on(&self) -> HashSet<(Side, &'a str, &'a str)> {
        let lines = self.summary.actions.iter();
        lines
            .flat_map(|line| {
                let names = Sides::new(&line.cloud_name, &line.local_name);
                Side::BOTH
                    .map(|side| names[side].as_deref().map(|name| (side, &*line.doctype, name)))
            })
            .flatten()
            .collect()
    }

    /// `None` where the deliveries still wait.
    fn end(&self, document: &QueuedDocument) -> anyhow::Result<Option<DeliveryEnd>> {
        let mut doctypes = self.summary.doctypes.iter();
        let counts = doctypes.find(|counts| counts.doctype == document.doctype);
        if let Some(problem) = counts.and_then(|counts| counts.error.as_ref()) {
            return Ok(Some(DeliveryEnd::Failed(problem.clone())));
        }
        // Whether the document was looked at before the guard fell, nobody can say.
        if counts.is_some_and(|counts| counts.guard.is_some()) {
            return Ok(None);
        }
        let key = (document.source, &*document.doctype, &*document.name);
        let Some(record) = self.told.get(&key) else { return Ok(None) };
        let Some(record) = record else {
            let reason =
                format!("{} does not have it, or the filters leave it out", document.source);
            return Ok(Some(DeliveryEnd::Processed(Some(reason))));
        };
        let Some((status, why)) = self.run.state.standing(*record)? else {
            return Ok(Some(DeliveryEnd::Processed(None)));
        };
        Ok(match status {
            RecordStatus::Pending => None,
            RecordStatus::Error | RecordStatus::Failed => {
                Some(DeliveryEnd::Failed(why.unwrap_or_default()))
            }
            RecordStatus::Conflict => {
                let why = "a conflict waits for a person".to_owned();
                Some(DeliveryEnd::Processed(Some(why)))
            }
            RecordStatus::Skipped => Some(DeliveryEnd::Processed(why)),
            RecordStatus::Synced | RecordStatus::Gone => Some(DeliveryEnd::Processed(None)),
        })
    }
}

/// Lines on their way into the queue.
struct Intake<'a> {
    config: &'a Config,
    limits: Limits<'a>,
    report: &'a Report,
    name: String,
    may_grow: bool,
    batch: Vec<(usize, QueueLine)>,
    bytes: usize,
    /// The digests of this file's lines.
    seen: HashSet<String>,
    counts: Counts,
}

impl<'a> Intake<'a> {
    fn new(
        config: &'a Config,
        webhooks: &'a WebhooksConfig,
        report: &'a Report,
        input: &Input,
    ) -> Self {
        let secrets = Sides::from_fn(|side| webhooks.secrets[side].expose().as_bytes());
        Self {
            config,
            limits: Limits { secrets, max_body_bytes: webhooks.max_body_bytes },
            report,
            name: input.name.clone(),
            may_grow: input.may_grow,
            batch: Vec::new(),
            bytes: 0,
            seen: HashSet::new(),
            counts: Counts::default(),
        }
    }

    /// Stores every line of the input.
    fn take_in(&mut self, run: &mut Run<'_>, input: Input) -> anyhow::Result<()> {
        let lines = input.lines(self.limits.max_line_bytes());
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(Ok(line)) => {
                    self.add(&line);
                    if self.batch.len() >= BATCH_LINES || self.bytes >= BATCH_BYTES {
                        self.store(run)?;
                    }
                }
                Ok(Err(error)) => {
                    self.store(run)?;
                    return Err(error).with_context(|| format!("cannot read {}", self.name));
                }
                Err(RecvTimeoutError::Timeout) => self.store(run)?,
                Err(RecvTimeoutError::Disconnected) => return self.store(run),
            }
            if run.is_interrupted() {
                self.store(run)?;
                return Err(Stop::Interrupted.into());
            }
        }
    }

    fn add(&mut self, line: &RawLine) {
        if self.may_grow && !line.is_ended && !is_whole(line.bytes()) {
            self.report.note(&format!(
                "{}:{}: the last line is not finished; it is left for the next run",
                self.name, line.number
            ));
            return;
        }
        self.counts.lines += 1;
        let digest = line.digest();
        if !self.seen.insert(digest.clone()) {
            self.counts.skipped += 1;
            return;
        }
        let judged = match &line.text {
            Text::Whole(text) => read_line(text, &self.limits),
            Text::TooLong { .. } => Err(Rejection::LongLine(self.limits.max_line_bytes())),
        };
        let queued = match judged {
            Ok(delivery) => self.queued(digest, delivery),
            Err(reason) => rejected(digest, line, &reason),
        };
        self.bytes += queued.payload.len();
        self.batch.push((line.number, queued));
    }

    fn queued(&self, digest: String, delivery: Delivery) -> QueueLine {
        let mut doctypes = self.config.doctypes.iter();
        let verdict = if doctypes.any(|known| known.doctype == delivery.doctype) {
            Verdict::Wanted
        } else {
            Verdict::Ignored(not_configured(&delivery.doctype))
        };
        QueueLine {
            digest,
            source: Some(delivery.source),
            doctype: delivery.doctype,
            docname: delivery.name,
            action: delivery.action,
            payload: delivery.body,
            received_at: delivery.received_at,
            signature: Some(delivery.signature),
            verdict,
        }
    }

    /// Stores what was read, and counts it.
    fn store(&mut self, run: &mut Run<'_>) -> anyhow::Result<()> {
        self.bytes = 0;
        let (numbers, lines): (Vec<usize>, Vec<QueueLine>) = self.batch.drain(..).unzip();
        if lines.is_empty() {
            return Ok(());
        }
        let stored = run.state.store_lines(&lines, run.id, now())?;
        for ((number, line), stored) in numbers.into_iter().zip(lines).zip(stored) {
            match (stored, line.verdict) {
                (Stored::Done, _) => self.counts.skipped += 1,
                (Stored::Waiting, _) | (Stored::AsJudged, Verdict::Wanted) => {
                    self.counts.accepted += 1;
                }
                (Stored::AsJudged, Verdict::Ignored(_)) => self.counts.ignored += 1,
                (Stored::AsJudged, Verdict::Rejected(reason)) => {
                    self.counts.rejected += 1;
                    if self.counts.rejected <= NAMED_LINES {
                        self.report.error(&format!("{}:{number}: {reason}", self.name));
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Counts {
        let more = self.counts.rejected.saturating_sub(NAMED_LINES);
        if more > 0 {
            self.report.error(&format!("{}: {more} more lines rejected", self.name));
        }
        self.counts
    }
}

fn rejected(digest: String, line: &RawLine, reason: &Rejection) -> QueueLine {
    QueueLine {
        digest,
        source: None,
        doctype: String::new(),
        docname: String::new(),
        action: String::new(),
        payload: kept(line.bytes()),
        received_at: None,
        signature: None,
        verdict: Verdict::Rejected(reason.to_string()),
    }
}

fn not_configured(doctype: &str) -> String {
    format!("{doctype} is not configured")
}

impl Counts {
    fn to_json(&self) -> Value {
        json!({
            "lines": self.lines,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "ignored": self.ignored,
            "skipped": self.skipped,
            "pending": self.pending,
            "documents": self.documents,
        })
    }
}

/// The queue in one line.
fn render(counts: &Counts, has_file: bool) -> String {
    let plural = |count: usize, noun: &str| {
        if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
    };
    let mut parts = Vec::new();
    if has_file {
        parts.push(plural(counts.lines, "line"));
        parts.push(format!("{} accepted", counts.accepted));
    }
    let others = [
        (counts.rejected, "rejected"),
        (counts.ignored, "ignored (doctype not configured)"),
        (counts.skipped, "skipped (came in before)"),
    ];
    parts.extend(
        others
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}")),
    );
    parts.push(plural(counts.documents, "document"));
    parts.push(format!("{} pending", counts.pending));
    format!("queue: {}\n", parts.join(", "))
}
