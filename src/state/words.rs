//! Values that are stored as a word: the statuses and resolutions of the state, and how the
//! model's words are read back.
//!
//! The words are part of the interface (CLI.md, "State database"). Reading an unknown word is
//! an error, never a default.

use super::error::{StateError, StateResult};
use crate::model::words::words;
use crate::model::{Action, ConflictKind, Direction, Side};

/// A value that is stored as a word; reading an unknown word is an error, never a default.
pub(super) trait Word: Sized {
    fn word(text: &str) -> StateResult<Self>;
}

fn unreadable(what: &str, text: &str) -> StateError {
    StateError::Unreadable(format!("'{text}' is no {what}"))
}

/// Reads stored words by the enum's own `parse`.
macro_rules! stored {
    ($($name:ident as $what:literal),+ $(,)?) => {
        $(impl Word for $name {
            fn word(text: &str) -> StateResult<Self> {
                Self::parse(text).ok_or_else(|| unreadable($what, text))
            }
        })+
    };
}

stored!(
    Action as "action",
    ConflictKind as "kind of conflict",
    Direction as "direction",
    LogStatus as "status of a log row",
    RecordStatus as "status",
    Resolution as "resolution",
    Side as "side",
);

/// What is to be done about a document (`sync_status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordStatus {
    /// Something has changed, or was never compared: the next pass takes it up.
    Pending,
    /// In step when last looked at.
    Synced,
    /// Waits for a person.
    Conflict,
    /// The last attempt failed; tried again at `next_retry`.
    Error,
    /// Failed too often; tried again once a day or on change.
    Failed,
    /// Left alone, for the reason given and under the scope given.
    Skipped,
    /// Deleted on both sides. The row stays, so that links still translate.
    Gone,
}

words!(
    RecordStatus,
    7,
    Pending = "pending",
    Synced = "synced",
    Conflict = "conflict",
    Error = "error",
    Failed = "failed",
    Skipped = "skipped",
    Gone = "gone"
);

/// How a logged action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogStatus {
    /// Done.
    Success,
    /// Not done.
    Failed,
    /// Recorded for a decision.
    Conflict,
}

words!(LogStatus, 3, Success = "success", Failed = "failed", Conflict = "conflict");

/// How a conflict was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// The cloud's version was taken.
    CloudWins,
    /// The local version was taken.
    LocalWins,
    /// A merged version was written to both.
    Merge,
    /// Two documents: each was created on the other side.
    Both,
    /// It closed by itself: the sides became equal, or one returned to its base.
    Superseded,
}

words!(
    Resolution,
    5,
    CloudWins = "cloud_wins",
    LocalWins = "local_wins",
    Merge = "merge",
    Both = "both",
    Superseded = "superseded"
);
