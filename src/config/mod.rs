//! The configuration: `sync.toml`, `.env` and the environment, read, checked and typed.
//!
//! This is the only place that reads the environment. Nothing is contacted and nothing is
//! written here, and nothing is printed: warnings are handed on as texts. The rules kept: a
//! [`Config`] that exists is valid as a whole; every mistake in the file is an error that
//! names file, line, key and what is allowed; no key is accepted and then ignored; no secret
//! is in any text that can be shown.
//!
//! A file is read in three steps: `source` and `tree` make a tree of values with their lines
//! (with `${...}` replaced from `env`), the section readers (`site`, `sync`, `doctype`,
//! `outside`) make typed values of it, and `not_yet` refuses what this version does not do.

mod doctype;
mod env;
mod error;
mod fields;
mod filters;
mod not_yet;
mod outside;
mod refused;
mod section;
mod site;
mod source;
mod sync;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use doctype::DoctypeConfig;
pub use env::{Environment, ProcessEnvironment, no_color};
pub use error::{ConfigError, Problem, closest};
pub use outside::{AlertsConfig, MetricsConfig, WebhooksConfig};
pub use refused::refusal;
pub use site::SiteConfig;
pub use sync::RetryConfig;

use crate::model::Sides;
use env::Variables;
use error::{Report, quoted};
use not_yet::NotYet;
use section::Section;

/// The commented configuration that `erpsync init` writes. It loads as it is once the four
/// variables that it names are set.
pub const EXAMPLE: &str = include_str!("../../sync.toml.example");

/// The name of the state database where none is configured.
const DEFAULT_STATE: &str = "sync_state.db";

/// A valid configuration, all defaults resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that this was read from, absolute.
    pub file: PathBuf,
    /// The state database, absolute.
    pub state_path: PathBuf,
    /// The two sites; never the same one.
    pub sides: Sides<SiteConfig>,
    /// The configured doctypes in their order; at least one, none twice.
    pub doctypes: Vec<DoctypeConfig>,
    /// The rules for a doctype that is not configured.
    defaults: DoctypeConfig,
    /// Documents per batch, at least 1.
    pub batch_size: usize,
    /// The pause between two batches.
    pub batch_pause: Duration,
    /// Rows per listing request, at least 1.
    pub page_size: usize,
    /// At least this often a pass lists everything.
    pub list_every: Duration,
    /// At least this often a pass fetches and hashes everything.
    pub full_every: Duration,
    /// How long after a create without an answer its absence counts as proof that it did not
    /// happen.
    pub settle_after: Duration,
    /// How often and how fast a failed request is sent again.
    pub retry: RetryConfig,
    /// Webhooks, where configured.
    pub webhooks: Option<WebhooksConfig>,
    /// Alerts, where configured.
    pub alerts: Option<AlertsConfig>,
    /// Metrics, where configured.
    pub metrics: Option<MetricsConfig>,
    /// The names of the environment variables that the file uses. Child processes do not get
    /// them.
    pub variables: BTreeSet<String>,
    /// What is worth a word, but stops nothing; each one sentence with its file.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads and checks the file at `path`, with `.env` beside it; `env` wins over `.env`.
    ///
    /// # Errors
    /// Everything that is wrong with it, as far as it can be found in one go.
    pub fn load(path: &Path, env: &dyn Environment) -> Result<Self, ConfigError> {
        load(path, env, not_yet::NOT_YET)
    }

    /// The same of a text as if it were the file at `path`.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_text(
        text: &str,
        path: &Path,
        env: &dyn Environment,
    ) -> Result<Self, ConfigError> {
        load_text(text, path, env, not_yet::NOT_YET)
    }

    /// Where the state of a configuration belongs that is not filled in yet, as after
    /// `erpsync init`: `[state] path` where it can be read, else the usual name beside it.
    #[must_use]
    pub fn state_path_of(path: &Path) -> PathBuf {
        let named = source::read_config(path)
            .ok()
            .and_then(|text| text.parse::<toml::Table>().ok())
            .and_then(|table| Some(table.get("state")?.get("path")?.as_str()?.to_owned()))
            .filter(|named| !named.is_empty() && !named.contains("${"));
        let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = file.parent().unwrap_or(Path::new("/"));
        folder.join(named.unwrap_or_else(|| DEFAULT_STATE.to_owned()))
    }

    /// `[webhooks]`.
    ///
    /// # Errors
    /// The section is not there.
    pub fn webhooks(&self) -> Result<&WebhooksConfig, ConfigError> {
        self.webhooks.as_ref().ok_or_else(|| {
            let (line, key) = (None, "webhooks".to_owned());
            let hint = "give `secret`, the text that the sites' Webhooks sign with, under it";
            let file = source::shown(&self.file);
            let (message, hint) = ("the section is missing".to_owned(), Some(hint.to_owned()));
            ConfigError::new(Problem { file, line, key, message, hint })
        })
    }

    /// `exclude_fields` of `[sync]`: each is meant for any doctype that has it.
    #[must_use]
    pub fn excluded_everywhere(&self) -> &[String] {
        &self.defaults.exclude_fields
    }

    /// The rules for a doctype: its own where it is configured, otherwise `[sync]`'s.
    ///
    /// # Errors
    /// The doctype must not be synced, or is configured in another spelling.
    pub fn doctype(&self, name: &str) -> Result<DoctypeConfig, ConfigError> {
        if let Some(found) = self.doctypes.iter().find(|config| config.doctype == name) {
            return Ok(found.clone());
        }
        let problem = |message: String, hint: Option<String>| {
            let (file, key) = (String::new(), String::new());
            ConfigError::new(Problem { file, line: None, key, message, hint })
        };
        let shown = quoted(name);
        if let Some(reason) = refusal(name) {
            return Err(problem(format!("{shown} must not be synced: {reason}"), None));
        }
        if name.trim().is_empty() || name.trim() != name || name.contains(char::is_control) {
            return Err(problem(format!("{shown} is not the name of a doctype"), None));
        }
        let other = self.doctypes.iter().find(|config| doctype::same(&config.doctype, name));
        if let Some(other) = other {
            let hint = format!("did you mean {}?", quoted(&other.doctype));
            return Err(problem(format!("{shown} is configured in another spelling"), Some(hint)));
        }
        Ok(DoctypeConfig { doctype: name.to_owned(), ..self.defaults.clone() })
    }
}

/// Reads a configuration and refuses what `not_yet` lists.
fn load(path: &Path, env: &dyn Environment, not_yet: &[NotYet]) -> Result<Config, ConfigError> {
    load_text(&source::read_config(path)?, path, env, not_yet)
}

/// The same of a text as if it were the file at `path`.
fn load_text(
    text: &str,
    path: &Path,
    env: &dyn Environment,
    not_yet: &[NotYet],
) -> Result<Config, ConfigError> {
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = file.parent().unwrap_or(Path::new("/"));
    let report = Report::new(&source::shown(path));
    let variables = Variables::new(env, folder);
    let entries = tree::parse(text, folder, &variables, &report)?;
    let root = Section::root(&entries, &report);
    if site::has_literal_secret(&root) {
        source::warn_if_world_readable(path, "holds an API key or secret", &report);
    }
    let config = read(&root, &file, folder);
    root.finish();
    not_yet::refuse(&entries, not_yet, &report);
    let warnings = report.finish()?;
    let variables = variables.used();
    config.map(|config| Config { variables, warnings, ..config }).ok_or_else(|| {
        // Cannot happen: what is missing was reported. An error is better than a panic.
        let (file, message) = (source::shown(path), "cannot be used".to_owned());
        ConfigError::new(Problem { file, line: None, key: String::new(), message, hint: None })
    })
}

/// Reads all sections; `None` where something needed is missing, which has been reported.
fn read(root: &Section<'_>, file: &Path, folder: &Path) -> Option<Config> {
    let state_path = read_state(root, file, folder);
    let sides = site::read(root, folder);
    let sync = sync::read(root);
    let webhooks = outside::read_webhooks(root);
    let alerts = outside::read_alerts(root);
    let metrics = outside::read_metrics(root, folder);
    let (sync, sides, state_path) = (sync?, sides?, state_path?);
    Some(Config {
        file: file.to_owned(),
        state_path,
        sides,
        doctypes: sync.doctypes,
        defaults: sync.defaults,
        batch_size: sync.batch_size,
        batch_pause: sync.batch_pause,
        page_size: sync.page_size,
        list_every: sync.list_every,
        full_every: sync.full_every,
        settle_after: sync.settle_after,
        retry: sync.retry,
        webhooks,
        alerts,
        metrics,
        variables: BTreeSet::new(),
        warnings: Vec::new(),
    })
}

fn read_state(root: &Section<'_>, file: &Path, folder: &Path) -> Option<PathBuf> {
    if root.get("state").is_none() {
        return Some(folder.join(DEFAULT_STATE));
    }
    let section = root.section("state")?;
    let report = section.report();
    let node = section.get("path");
    let path = match node {
        Some(node) => folder.join(&section::text_of(node, report)?.text),
        None => folder.join(DEFAULT_STATE),
    };
    section.finish();
    let problem = if path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/') {
        Some("is a directory, not a file")
    } else if path == file {
        Some("is this configuration file")
    } else {
        None
    };
    match (problem, node) {
        (Some(problem), Some(node)) => {
            report.bad_hint(node, problem, "e.g. path = \"sync_state.db\"");
            None
        }
        _ => Some(path),
    }
}
