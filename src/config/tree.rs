//! The configuration file as a tree of values that know their line and dotted key.
//!
//! TOML is parsed and `${...}` replaced here, nowhere else. The rules kept: every string goes
//! through the replacement once (what was put in is not looked at again), and where it fails
//! the value becomes `Failed`, so that one mistake gives one message.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::env::{Variable, Variables};
use super::error::{ConfigError, Problem, Report, quoted};
use super::source;

/// The longest file that `${file:...}` puts in, in bytes.
const MAX_INCLUDED_BYTES: u64 = 64 * 1024;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    /// The line of the key, or of the element in an array, from 1.
    pub(super) line: usize,
    /// The dotted key.
    pub(super) key: String,
    /// The value.
    pub(super) value: Value,
}

/// A table's entries in the order of their lines.
pub(super) type Entries = Vec<(String, Node)>;

/// What stands in the file.
#[derive(Debug)]
pub(super) enum Value {
    Text(Text),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Date(String),
    Array(Vec<Node>),
    Table(Entries),
    /// A text in which `${...}` could not be replaced; that has been reported.
    Failed,
}

/// A string of the file.
#[derive(Debug)]
pub(super) struct Text {
    /// With `${...}` replaced: may hold a secret.
    pub(super) text: String,
    /// As it stands in the file, where something was replaced: may be shown.
    raw: Option<String>,
}

impl Text {
    /// The text as it stands in the file.
    pub(super) fn raw(&self) -> &str {
        self.raw.as_deref().unwrap_or(&self.text)
    }

    /// Whether nothing was replaced in it.
    pub(super) const fn is_literal(&self) -> bool {
        self.raw.is_none()
    }
}

impl Node {
    /// The table's entries, where this is a table.
    pub(super) fn entries(&self) -> Option<&[(String, Self)]> {
        match &self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The word for what this is: `text`, `a whole number` ...
    pub(super) const fn type_word(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Bool(_) => "true or false",
            Value::Date(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
            Value::Failed => "unknown",
        }
    }
}

/// Appends a key to a dotted key, in quotation marks where it needs them.
pub(super) fn dotted(path: &str, key: &str) -> String {
    let bare =
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let key = if bare { key.to_owned() } else { quoted(key) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Parses the text of a configuration file.
pub(super) fn parse(
    text: &str,
    folder: &Path,
    variables: &Variables<'_>,
    report: &Report,
) -> Result<Entries, ConfigError> {
    let lines = Lines::of(text);
    let document = DeTable::parse(text).map_err(|error| {
        ConfigError::new(Problem {
            file: report.file().to_owned(),
            line: error.span().map(|span| lines.at(span.start)),
            key: String::new(),
            message: format!("is not TOML: {}", error.message()),
            hint: None,
        })
    })?;
    let builder = Builder { lines, folder: folder.to_owned(), variables, report };
    Ok(builder.entries(document.get_ref(), ""))
}

struct Builder<'a> {
    lines: Lines,
    folder: PathBuf,
    variables: &'a Variables<'a>,
    report: &'a Report,
}

impl Builder<'_> {
    fn entries(&self, table: &DeTable<'_>, path: &str) -> Entries {
        let mut entries: Entries = table
            .iter()
            .map(|(key, value)| {
                let line = self.lines.at(key.span().start);
                let name = key.get_ref().to_string();
                let node = self.node(value.get_ref(), line, dotted(path, &name));
                (name, node)
            })
            .collect();
        entries.sort_by_key(|(_, node)| node.line);
        entries
    }

    fn node(&self, value: &DeValue<'_>, line: usize, key: String) -> Node {
        let value = match value {
            DeValue::String(text) => return self.text(text, line, key),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(
                    |_| self.fail(line, &key, "the number is too large".to_owned(), None),
                    Value::Integer,
                ),
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Float(number),
                _ => self.fail(line, &key, "is not a finite number".to_owned(), None),
            },
            DeValue::Boolean(set) => Value::Bool(*set),
            DeValue::Datetime(date) => Value::Date(date.to_string()),
            DeValue::Array(elements) => Value::Array(
                elements
                    .iter()
                    .map(|element| {
                        let line = self.lines.at(element.span().start);
                        self.node(element.get_ref(), line, key.clone())
                    })
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.entries(table, &key)),
        };
        Node { line, key, value }
    }

    fn text(&self, raw: &str, line: usize, key: String) -> Node {
        let value = match self.replace(raw) {
            Ok(None) => Value::Text(Text { text: raw.to_owned(), raw: None }),
            Ok(Some(text)) => Value::Text(Text { text, raw: Some(raw.to_owned()) }),
            Err(Unreplaced::Known) => Value::Failed,
            Err(Unreplaced::Because(message, hint)) => self.fail(line, &key, message, hint),
        };
        Node { line, key, value }
    }

    fn fail(&self, line: usize, key: &str, message: String, hint: Option<String>) -> Value {
        self.report.add(Some(line), key, message, hint);
        Value::Failed
    }

    /// The text with every `${...}` replaced; `None` where there is none.
    fn replace(&self, raw: &str) -> Result<Option<String>, Unreplaced> {
        if !raw.contains("${") {
            return Ok(None);
        }
        let mut text = String::new();
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else {
                return Err(Unreplaced::because("${ is not closed with }"));
            };
            text.push_str(before);
            text.push_str(&match name.strip_prefix("file:") {
                Some(path) => self.included(path)?,
                None => self.variable(name)?,
            });
            rest = behind;
        }
        text.push_str(rest);
        Ok(Some(text))
    }

    fn variable(&self, name: &str) -> Result<String, Unreplaced> {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Unreplaced::Because(
                format!("{} is not the name of a variable", quoted(&format!("${{{name}}}"))),
                Some("write ${NAME} for a variable, ${file:PATH} for a file's content".to_owned()),
            ));
        }
        let hint = Some(format!("export {name}, or write {name}=... into .env beside this file"));
        match self.variables.look_up(name, self.report) {
            Variable::Set(value) => Ok(value),
            Variable::Unknown => Err(Unreplaced::Known),
            Variable::Unset => {
                Err(Unreplaced::Because(format!("the variable {name} is not set"), hint))
            }
            Variable::Empty => {
                Err(Unreplaced::Because(format!("the variable {name} is set, but empty"), hint))
            }
        }
    }

    fn included(&self, name: &str) -> Result<String, Unreplaced> {
        let file = quoted(name);
        if name.is_empty() {
            return Err(Unreplaced::because("${file:} names no file"));
        }
        let path = self.folder.join(name);
        let cannot = |why: &str| Unreplaced::Because(format!("the file {file} {why}"), None);
        let unreadable = |error: &std::io::Error| {
            cannot(&format!("cannot be read: {}", source::io_reason(error)))
        };
        // Bounded by what is read, not by the size that is told: a device has none.
        let mut bytes = Vec::new();
        fs::File::open(&path)
            .and_then(|file| file.take(MAX_INCLUDED_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| unreadable(&error))?;
        if bytes.len() as u64 > MAX_INCLUDED_BYTES {
            return Err(cannot("is longer than 64 KiB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| cannot("is not UTF-8 text"))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(cannot("is empty"));
        }
        source::warn_if_world_readable(&path, "is used as a value", self.report);
        Ok(text.to_owned())
    }
}

/// Why a `${...}` could not be replaced.
enum Unreplaced {
    /// It has been reported already.
    Known,
    /// A message and a hint.
    Because(String, Option<String>),
}

impl Unreplaced {
    fn because(message: &str) -> Self {
        Self::Because(message.to_owned(), None)
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(offset, _)| offset).collect())
    }

    /// The line, from 1, of a byte offset.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|newline| *newline < offset) + 1
    }
}
