//! Words that both the identity of documents and their reconciliation use.

use super::side::Side;

/// What two documents that meet without a common base are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// Two versions of one document.
    SameDocument,
    /// Two documents that happen to have one name.
    TwoDocuments,
    /// One document: a site made the one on this side by itself while it carried out a
    /// request of ours.
    BornOn(Side),
    /// The one document there is is a second copy of one that is known already.
    SecondCopy,
    /// A request was to make the other one, and nobody knows whether it did.
    Unclear,
}

/// Stands in a link for the doctype where the name is that of a child row, whatever document
/// the row is in. No doctype may have a `*` in its name.
pub const ROWS: &str = "*row";

/// What becomes of a link on the way to the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Translation {
    /// The linked document has this name there.
    Name(String),
    /// The linked document is still to be written there.
    Open(OpenLink),
    /// It is a row of the very document that is to be written, and has no name there yet.
    Later,
    /// The link cannot be carried over, for this reason.
    Unmapped(String),
}

/// A link whose target is not on the other side yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenLink {
    /// The doctype linked to.
    pub doctype: String,
    /// The name on the source's side.
    pub name: String,
}

/// Whether a text may be a child row's name: those made at random have ten lower-case letters
/// and digits. All digits is a telephone number much sooner than a name.
#[must_use]
pub fn may_be_row_name(text: &str) -> bool {
    text.len() == 10
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// Whether a row's name is a counter's, which every table of that kind gives: a text that
/// equals it means nothing. Names made at random have ten letters and digits, now and then
/// only digits.
#[must_use]
pub fn is_counted_name(row: &str) -> bool {
    row.len() < 10 && row.bytes().all(|byte| byte.is_ascii_digit())
}
