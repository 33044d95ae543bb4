//! Deliveries of webhooks: what a line of a queue file says, and whether its sender may say it.
//!
//! `signature` and `line` are pure; `file` reads lines. The rule kept here: nothing of a
//! delivery is looked at before its signature is found right, and what is found wrong is an
//! answer ([`Rejection`]), never an error, so that one line cannot stop the others. Nothing
//! here knows the state, the sites, the configuration or what is printed.

mod file;
mod line;
mod signature;

pub use file::{Lines, RawLine, Text};
pub use line::{Delivery, Limits, Rejection, is_whole, read_line};
pub use signature::{digest_hex, is_signed};

/// The most of a rejected line that is kept, in bytes.
pub const KEPT_BYTES: usize = 4096;

/// The beginning of a line as text, for whoever looks at why it was rejected.
#[must_use]
pub fn kept(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(KEPT_BYTES)]);
    // What is not UTF-8 takes more room as text.
    let end = (0..=text.len().min(KEPT_BYTES)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests;
