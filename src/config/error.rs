//! What is wrong with a configuration, in words: file, line, key, and what to do.
//!
//! Only texts are made here. The rule kept: a text names the key and what is allowed, and
//! never shows a value that could be a secret; everything that a file says is shown with its
//! control characters escaped.

use std::cell::RefCell;
use std::fmt;

use super::tree::Node;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user named it; empty where it is about a word of the command line.
    pub file: String,
    /// The line in it, from 1, where one can be named.
    pub line: Option<usize>,
    /// The dotted key, e.g. `sync.batch_size`; empty where it is about the whole file.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub message: String,
    /// What to do, where that is not plain from the message.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}:", self.file)?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)
    }
}

/// A configuration that cannot be used: everything that is wrong with it, in the order of
/// its lines. Always exit code 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn new(first: Problem) -> Self {
        Self { problems: vec![first] }
    }

    /// A word of the command line that does not fit.
    pub(crate) fn usage(message: String, hint: &str) -> Self {
        let (file, key) = (String::new(), String::new());
        Self::new(Problem { file, line: None, key, message, hint: Some(hint.to_owned()) })
    }

    /// Everything that is wrong, at least one thing.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What to do about the first problem that has a hint.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.problems.iter().find_map(|problem| problem.hint.clone())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Where problems and warnings are collected while a file is read.
#[derive(Debug)]
pub(super) struct Report {
    file: String,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
}

impl Report {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), problems: RefCell::default(), warnings: RefCell::default() }
    }

    /// A problem with a value.
    pub(super) fn bad(&self, node: &Node, message: impl Into<String>) {
        self.add(Some(node.line), &node.key, message.into(), None);
    }

    /// A problem with a value, and what to do about it.
    pub(super) fn bad_hint(&self, node: &Node, message: impl Into<String>, hint: &str) {
        self.add(Some(node.line), &node.key, message.into(), Some(hint.to_owned()));
    }

    /// A problem at a place that need not be a value.
    pub(super) fn add(
        &self,
        line: Option<usize>,
        key: &str,
        message: String,
        hint: Option<String>,
    ) {
        let problem = Problem { file: self.file.clone(), line, key: key.to_owned(), message, hint };
        self.push(problem);
    }

    /// A problem in any file.
    pub(super) fn push(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Something that is worth a word, but stops nothing.
    pub(super) fn warn(&self, node: &Node, message: &str) {
        let text = format!("{}:{}: {}: {message}", self.file, node.line, node.key);
        self.warn_text(text);
    }

    /// A warning about a whole file.
    pub(super) fn warn_text(&self, text: String) {
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.problems.borrow().len()
    }

    /// The file as the user named it.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Drops the problems at `key` and below it: they are beside the point.
    pub(super) fn forget(&self, key: &str) {
        self.problems.borrow_mut().retain(|problem| {
            problem
                .key
                .strip_prefix(key)
                .is_none_or(|rest| !(rest.is_empty() || rest.starts_with('.')))
        });
    }

    /// The warnings, or the problems where there are any.
    pub(super) fn finish(self) -> Result<Vec<String>, ConfigError> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        if problems.is_empty() {
            Ok(self.warnings.into_inner())
        } else {
            Err(ConfigError { problems })
        }
    }
}

/// A text from a file in quotation marks, its control characters escaped.
pub(super) fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| {
            let plain = !c.is_control() && c != '"';
            let escape = (!plain).then(|| c.escape_default());
            plain.then_some(c).into_iter().chain(escape.into_iter().flatten())
        })
        .collect();
    format!("\"{escaped}\"")
}

/// The known word that `given` was probably meant to be.
#[must_use]
pub fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&given, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
