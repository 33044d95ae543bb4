//! Reading typed values out of one table of the file.
//!
//! Every getter reports what is wrong and then answers `None`, so that a caller goes on with
//! a default and all mistakes are found in one go. The rule kept: a key that nobody asked for
//! is unknown, and unknown keys are refused.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::{Report, closest, quoted};
use super::tree::{Entries, Node, Text, Value, dotted};

/// The most seconds that any time setting may hold: a day.
const MAX_SECONDS: f64 = 86_400.0;
/// The most days that any interval may hold.
const MAX_DAYS: u64 = 3_650;

const DOCTYPE_SECTION: &str = "[doctypes.\"NAME\"]";

/// Keys that are often written into the wrong section, and where they belong.
const HOMES: [(&str, &str); 19] = [
    ("direction", DOCTYPE_SECTION),
    ("include_fields", DOCTYPE_SECTION),
    ("filters", DOCTYPE_SECTION),
    ("submitted", DOCTYPE_SECTION),
    ("names", DOCTYPE_SECTION),
    ("match_on", DOCTYPE_SECTION),
    ("child_keys", DOCTYPE_SECTION),
    ("doctypes", "[sync]"),
    ("batch_size", "[sync]"),
    ("batch_pause_seconds", "[sync]"),
    ("page_size", "[sync]"),
    ("list_every", "[sync]"),
    ("full_every", "[sync]"),
    ("settle_after", "[sync]"),
    ("conflict_resolution", "[sync]"),
    ("max_attempts", "[sync.retry]"),
    ("backoff_seconds", "[sync.retry]"),
    ("timeout_seconds", "[cloud] and [local]"),
    ("concurrency", "[cloud] and [local]"),
];

/// One table, and which of its keys have been asked for.
pub(super) struct Section<'a> {
    entries: &'a [(String, Node)],
    path: String,
    line: Option<usize>,
    known: RefCell<Vec<&'static str>>,
    report: &'a Report,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(entries: &'a Entries, report: &'a Report) -> Self {
        Self { entries, path: String::new(), line: None, known: RefCell::default(), report }
    }

    /// The table at `node`.
    pub(super) fn at(node: &'a Node, report: &'a Report) -> Option<Self> {
        let Some(entries) = node.entries() else {
            wrong_type(node, "a table", report);
            return None;
        };
        let (path, line) = (node.key.clone(), Some(node.line));
        Some(Self { entries, path, line, known: RefCell::default(), report })
    }

    /// Where problems of this section go.
    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    /// The dotted key of a key in this section.
    pub(super) fn key(&self, name: &str) -> String {
        dotted(&self.path, name)
    }

    /// The line of a key; the section's own where the key is not there.
    pub(super) fn line_of(&self, name: &'static str) -> Option<usize> {
        self.find(name).map(|node| node.line).or(self.line)
    }

    fn find(&self, name: &'static str) -> Option<&'a Node> {
        self.known.borrow_mut().push(name);
        self.entries.iter().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    /// A value, where it is there and could be read.
    pub(super) fn get(&self, name: &'static str) -> Option<&'a Node> {
        self.find(name).filter(|node| !matches!(node.value, Value::Failed))
    }

    /// A value that must be there.
    pub(super) fn required(&self, name: &'static str, hint: &str) -> Option<&'a Node> {
        if let Some(node) = self.find(name) {
            return Some(node).filter(|node| !matches!(node.value, Value::Failed));
        }
        let message = "is missing".to_owned();
        self.report.add(self.line, &self.key(name), message, Some(hint.to_owned()));
        None
    }

    /// A table in this table.
    pub(super) fn section(&self, name: &'static str) -> Option<Section<'a>> {
        Section::at(self.get(name)?, self.report)
    }

    /// All entries of a table whose keys the user chooses.
    pub(super) fn entries(&self) -> &'a [(String, Node)] {
        self.entries
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &'static str) -> Option<&'a Text> {
        text_of(self.get(name)?, self.report)
    }

    /// One of the listed words, as what it stands for.
    pub(super) fn choice<T: Copy, const N: usize>(
        &self,
        name: &'static str,
        options: [(&str, T); N],
    ) -> Option<T> {
        let node = self.get(name)?;
        let words: Vec<&str> = options.iter().map(|(word, _)| *word).collect();
        let Value::Text(text) = &node.value else {
            wrong_type(node, &format!("one of {}", words.join(", ")), self.report);
            return None;
        };
        let found = options.iter().find(|(word, _)| *word == text.text).map(|(_, value)| *value);
        if found.is_none() {
            let message =
                format!("{} is not allowed; allowed: {}", quoted(text.raw()), words.join(", "));
            match closest(text.raw(), words) {
                Some(word) => {
                    self.report.bad_hint(node, message, &format!("did you mean {}?", quoted(word)));
                }
                None => self.report.bad(node, message),
            }
        }
        found
    }

    /// A whole number within `range`.
    pub(super) fn whole(&self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let allowed = || format!("a whole number from {} to {}", range.start(), range.end());
        let node = self.get(name)?;
        let Value::Integer(number) = node.value else {
            wrong_type(node, &allowed(), self.report);
            return None;
        };
        let found = u32::try_from(number).ok().filter(|number| range.contains(number));
        if found.is_none() {
            self.report.bad(node, format!("{number} is not allowed; allowed: {}", allowed()));
        }
        found
    }

    /// A number of seconds, fractions allowed, more than nothing or at least nothing.
    pub(super) fn seconds(&self, name: &'static str, zero: bool) -> Option<Duration> {
        let allowed = if zero { "0 to 86400 seconds" } else { "more than 0, up to 86400 seconds" };
        let node = self.get(name)?;
        let seconds = match node.value {
            Value::Integer(number) => i32::try_from(number).map_or(f64::MAX, f64::from),
            Value::Float(number) => number,
            _ => {
                wrong_type(node, &format!("a number: {allowed}"), self.report);
                return None;
            }
        };
        let in_range = seconds <= MAX_SECONDS && (seconds > 0.0 || (zero && seconds >= 0.0));
        if !in_range {
            let shown = match node.value {
                Value::Integer(number) => number.to_string(),
                _ => seconds.to_string(),
            };
            self.report.bad(node, format!("{shown} is not allowed; allowed: {allowed}"));
            return None;
        }
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// An interval such as "24h".
    pub(super) fn interval(&self, name: &'static str) -> Option<Duration> {
        const ALLOWED: &str = "a whole number above 0 with s, m, h or d, e.g. \"30s\", \"10m\", \
                               \"24h\", \"7d\" (at most 3650d)";
        let node = self.get(name)?;
        let Value::Text(text) = &node.value else {
            wrong_type(node, ALLOWED, self.report);
            return None;
        };
        let found = parse_interval(&text.text);
        if found.is_none() {
            let shown = quoted(text.raw());
            self.report.bad(node, format!("{shown} is not allowed; allowed: {ALLOWED}"));
        }
        found
    }

    /// A list of texts, none of them empty; each with its place.
    pub(super) fn texts(&self, name: &'static str) -> Option<Vec<(&'a Node, &'a Text)>> {
        texts_of(self.get(name)?, self.report)
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.into_inner();
        for (name, node) in self.entries {
            if known.contains(&name.as_str()) {
                continue;
            }
            let mut sorted: Vec<&str> = known.clone();
            sorted.sort_unstable();
            sorted.dedup();
            let message = format!("is not a known key; known here: {}", sorted.join(", "));
            let home = HOMES.iter().find(|(key, _)| key == name).map(|(_, home)| *home);
            let meant = closest(name, sorted);
            let hint = match (home, meant) {
                (Some(home), _) => Some(format!("{name} belongs in {home}")),
                (None, Some(meant)) => Some(format!("did you mean {}?", quoted(meant))),
                (None, None) => None,
            };
            self.report.add(Some(node.line), &node.key, message, hint);
        }
    }
}

/// The text at `node`, which must not be empty.
pub(super) fn text_of<'a>(node: &'a Node, report: &Report) -> Option<&'a Text> {
    match &node.value {
        Value::Text(text) if text.text.trim().is_empty() => {
            report.bad(node, "must not be empty");
            None
        }
        Value::Text(text) => Some(text),
        Value::Failed => None,
        _ => {
            wrong_type(node, "text in quotation marks", report);
            None
        }
    }
}

/// The texts in the list at `node`. `None` where one of them is none.
pub(super) fn texts_of<'a>(node: &'a Node, report: &Report) -> Option<Vec<(&'a Node, &'a Text)>> {
    let Value::Array(elements) = &node.value else {
        wrong_type(node, "a list of texts, e.g. [\"one\", \"two\"]", report);
        return None;
    };
    let found: Vec<_> = elements
        .iter()
        .filter_map(|element| text_of(element, report).map(|text| (element, text)))
        .collect();
    (found.len() == elements.len()).then_some(found)
}

/// Reports a value of the wrong type, without showing it.
pub(super) fn wrong_type(node: &Node, wanted: &str, report: &Report) {
    if !matches!(node.value, Value::Failed) {
        report.bad(node, format!("must be {wanted}, not {}", node.type_word()));
    }
}

/// Reads "30s", "10m", "24h", "7d".
fn parse_interval(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    let unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds <= MAX_DAYS * 86_400)?;
    Some(Duration::from_secs(seconds))
}
