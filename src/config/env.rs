//! Environment variables: the process's own, and those of `.env` beside the configuration.
//!
//! The only place that reads either. The rules kept here: nothing is ever written to the
//! process environment, the process environment wins over `.env`, and a variable that is set
//! but empty is as good as unset.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::{Problem, Report};
use super::source;

/// Where variables come from.
pub trait Environment {
    /// The value of a variable; `None` where it is not set or not Unicode.
    fn var(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// An environment in memory.
impl Environment for BTreeMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// The variables that one configuration can name, and those that it did.
pub(super) struct Variables<'a> {
    process: &'a dyn Environment,
    dotenv_path: PathBuf,
    dotenv: OnceCell<Option<BTreeMap<String, String>>>,
    used: RefCell<BTreeSet<String>>,
}

/// What a look-up came to.
pub(super) enum Variable {
    /// The value, which is not empty.
    Set(String),
    /// Set, but empty: as good as unset.
    Empty,
    /// Not set.
    Unset,
    /// `.env` cannot be read, which has been reported.
    Unknown,
}

impl<'a> Variables<'a> {
    pub(super) fn new(process: &'a dyn Environment, folder: &Path) -> Self {
        Self {
            process,
            dotenv_path: folder.join(".env"),
            dotenv: OnceCell::new(),
            used: RefCell::default(),
        }
    }

    /// Looks a variable up and notes that the configuration uses it. `.env` is read only when
    /// the process does not have the variable.
    pub(super) fn look_up(&self, name: &str, report: &Report) -> Variable {
        self.used.borrow_mut().insert(name.to_owned());
        let own = self.process.var(name);
        if let Some(value) = own.as_ref().filter(|value| !value.is_empty()) {
            return Variable::Set(value.clone());
        }
        let Some(dotenv) = self.dotenv.get_or_init(|| read_dotenv(&self.dotenv_path, report))
        else {
            return Variable::Unknown;
        };
        match (dotenv.get(name), own) {
            (Some(value), _) if !value.is_empty() => {
                source::warn_if_world_readable(&self.dotenv_path, "holds secrets", report);
                Variable::Set(value.clone())
            }
            (None, None) => Variable::Unset,
            _ => Variable::Empty,
        }
    }

    /// The names of all variables that were looked up.
    pub(super) fn used(self) -> BTreeSet<String> {
        self.used.into_inner()
    }
}

/// Reads `.env`; a missing one is empty. A line that cannot be read is reported by its number
/// only, since it may hold a secret.
fn read_dotenv(path: &Path, report: &Report) -> Option<BTreeMap<String, String>> {
    let file = source::shown(path);
    let problem = |line, message: &str, hint: Option<&str>| {
        let (message, hint) = (message.to_owned(), hint.map(str::to_owned));
        report.push(Problem { file: file.clone(), line, key: String::new(), message, hint });
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Some(BTreeMap::new()),
        Err(error) => {
            problem(None, &format!("cannot be read: {}", source::io_reason(&error)), None);
            return None;
        }
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        problem(Some(source::bad_utf8_line(bytes)), "is not UTF-8 text", None);
        return None;
    };
    let mut variables = BTreeMap::new();
    for entry in dotenvy::from_read_iter(text.as_bytes()) {
        match entry {
            Ok((name, value)) => variables.insert(name, value),
            Err(error) => {
                let line = match &error {
                    dotenvy::Error::LineParse(line, _) => text
                        .find(line.trim_end())
                        .map(|offset| text[..offset].matches('\n').count() + 1),
                    _ => None,
                };
                let hint = "put a value with blanks or special characters in single quotes";
                problem(line, "is not NAME=value", Some(hint));
                return None;
            }
        };
    }
    Some(variables)
}

/// Whether the user asked all programs for no colours (`NO_COLOR`).
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
