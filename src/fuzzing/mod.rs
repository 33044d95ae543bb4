//! What must hold whatever others write: for each place where their text comes in or goes out,
//! one function over any bytes, which panics where it does not hold.
//!
//! Built for tests and for the fuzzer (`tests/fuzz`, whose cargo command sets `cfg(fuzzing)`),
//! and no part of the program. The tests run the same functions over the inputs that were kept
//! (`tests/fuzz/corpus`), and the properties beside the code call what they are made of. The rule
//! kept here: no clock, no network, no environment and no file but what a folder that does not exist
//! has, so that an input that breaks something breaks it again.

mod config;
mod csv;
mod form;
mod messages;
mod path;
mod queue;
mod terminal;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::site::http::is_storable;

pub use self::config::config;
pub use self::csv::csv;
pub use self::form::form;
pub use self::messages::messages;
pub use self::path::path;
pub use self::queue::queue;
pub use self::terminal::terminal;

#[cfg(test)]
pub(crate) use self::config::is_refused_or_read;
#[cfg(test)]
pub(crate) use self::csv::are_kept;
#[cfg(test)]
pub(crate) use self::form::{Given, mirrored};
#[cfg(test)]
pub(crate) use self::messages::is_tame;
#[cfg(test)]
pub(crate) use self::queue::{is_judged, limits, signed_line};

/// What must hold of any bytes: it panics where it does not.
pub type Target = fn(&[u8]);

/// Every target by its name: that of its corpus and of its program in `tests/fuzz`.
pub const TARGETS: [(&str, Target); 7] = [
    ("config", config),
    ("csv", csv),
    ("form", form),
    ("messages", messages),
    ("path", path),
    ("queue", queue),
    ("terminal", terminal),
];

/// Splits an input into the texts that it is made of. The sign is one that no text needs: the
/// control characters that do harm are others.
const SEPARATOR: char = '\u{1e}';

/// The texts of an input; what is not UTF-8 is read as a site's answer is.
fn texts(data: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(data).split(SEPARATOR).map(str::to_owned).collect()
}

/// What a text says in JSON, as far as an answer may say it, or the text itself.
fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).ok().filter(is_storable).unwrap_or_else(|| text.into())
}
