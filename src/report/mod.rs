//! What a person or a program gets to see: the only place that prints.
//!
//! The rules kept here: data goes to standard output and everything else to standard error;
//! `--json` gives one document on standard output and nothing else there; colour and progress
//! bars appear on a terminal only; what sites and files say is data, and a control character
//! in it is shown, never obeyed. A closed pipe (`| head`) is no error.

mod conflict;
mod csv;
pub mod dialogue;
mod doctor;
mod progress;
mod status;
mod table;
mod text;
mod words;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use serde_json::Value;

pub use conflict::{render_conflict, render_conflicts, render_waiting};
#[cfg(any(test, fuzzing))]
pub(crate) use csv::as_shown;
pub use csv::{Cell, Rows, render_csv, write_private};
pub use doctor::render_findings;
pub use progress::Progress;
pub use status::{DoctypeStatus, Status, StoppedDoctype, render_status};
#[cfg(any(test, fuzzing))]
pub(crate) use text::escape_json;
pub use text::{escape, render_actions, render_log, render_names, render_summary};
pub use words::Page;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The form of the log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line of text each.
    Text,
    /// A JSON object each.
    Json,
}

/// How much is said, and where.
#[allow(clippy::struct_excessive_bools, reason = "independent options of the command line")]
pub struct Report {
    /// One JSON document instead of text.
    pub json: bool,
    /// Only errors.
    pub quiet: bool,
    /// 0: summaries, 1: every action, 2: every request.
    pub verbosity: u8,
    /// Whether a progress bar may be shown.
    pub progress: bool,
    color: bool,
    /// How text on standard output is laid out.
    pub page: Page,
    log: Option<(Mutex<File>, LogFormat)>,
}

impl Report {
    /// A report with colours as asked for.
    #[must_use]
    pub fn new(json: bool, quiet: bool, verbosity: u8, progress: bool, color: Color) -> Self {
        let is_colored = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal,
        };
        let width = terminal_size::terminal_size_of(io::stdout());
        let page = Page {
            width: width.map(|(width, _)| usize::from(width.0).max(40)),
            color: is_colored(io::stdout().is_terminal()),
        };
        let color = is_colored(io::stderr().is_terminal());
        let progress = progress && !quiet && io::stderr().is_terminal();
        Self { json, quiet, verbosity, progress, color, page, log: None }
    }

    /// Writes a line of every request and action to a file too.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn log_to(mut self, path: &Path, format: LogFormat) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(path)
            .with_context(|| format!("cannot open log file {}", path.display()))?;
        self.log = Some((Mutex::new(file), format));
        Ok(self)
    }

    /// Whether anybody is told of each single action.
    #[must_use]
    pub fn tells_actions(&self) -> bool {
        self.json || self.verbosity > 0 || self.log.is_some()
    }

    /// Data, as text.
    pub fn data(&self, text: &str) {
        if !self.json && !self.quiet {
            write_all(&mut io::stdout().lock(), text);
        }
    }

    /// Data that is shown even when only errors are: what the command was run for.
    pub fn answer(&self, text: &str) {
        if !self.json {
            write_all(&mut io::stdout().lock(), text);
        }
    }

    /// CSV on standard output: byte for byte, but on a terminal nothing in it is obeyed.
    pub fn csv(&self, text: &str) {
        let shown = if io::stdout().is_terminal() { &csv::as_shown(text) } else { text };
        write_all(&mut io::stdout().lock(), shown);
    }

    /// These bytes and nothing else, so that they can be piped; a line of their own on a
    /// terminal.
    pub fn exact(&self, text: &str) {
        let end = if io::stdout().is_terminal() { "\n" } else { "" };
        write_all(&mut io::stdout().lock(), &format!("{text}{end}"));
    }

    /// Data, as the one JSON document.
    pub fn json(&self, value: &Value) {
        if self.json {
            write_all(&mut io::stdout().lock(), &format!("{}\n", text::escape_json(value)));
        }
    }

    /// Whether a person is there to be asked.
    pub fn can_ask(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// A remark, on standard error.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            write_all(&mut io::stderr().lock(), &format!("{}\n", escape(text)));
        }
    }

    /// A warning, on standard error.
    pub fn warning(&self, text: &str) {
        if !self.quiet {
            self.labelled("warning", "33", text);
        }
    }

    /// An error, on standard error.
    pub fn error(&self, text: &str) {
        self.labelled("error", "31", text);
    }

    /// What to do about an error.
    pub fn hint(&self, text: &str) {
        self.labelled("hint", "36", text);
    }

    fn labelled(&self, label: &str, color: &str, text: &str) {
        let text = escape(text);
        let line = if self.color {
            format!("\u{1b}[1;{color}m{label}:\u{1b}[0m {text}\n")
        } else {
            format!("{label}: {text}\n")
        };
        write_all(&mut io::stderr().lock(), &line);
    }

    /// A line for the log file, and for standard error from the given verbosity on.
    pub fn trace(&self, verbosity: u8, text: &str, fields: &Value) {
        if self.verbosity >= verbosity && !self.quiet {
            write_all(&mut io::stderr().lock(), &format!("{}\n", escape(text)));
        }
        if let Some((file, format)) = &self.log {
            let at = jiff::Timestamp::now();
            let line = match format {
                LogFormat::Text => format!("{at:.3} {}\n", escape(text)),
                LogFormat::Json => {
                    let mut line = fields.clone();
                    line["at"] = format!("{at:.3}").into();
                    format!("{}\n", text::escape_json(&line))
                }
            };
            write_all(&mut *file.lock().unwrap_or_else(PoisonError::into_inner), &line);
        }
    }
}

/// Writes and flushes. There is nobody to tell about a failure: a closed pipe means that the
/// reader has seen enough.
fn write_all(out: &mut dyn Write, text: &str) {
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
