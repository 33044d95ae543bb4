//! Values that are stored as a word: statuses, actions, kinds.
//!
//! The words are part of the interface (CLI.md, "State database"). Reading an unknown word is
//! an error, never a default.

use std::fmt;

use super::error::{StateError, StateResult};
use crate::model::{Direction, Side};

/// An enum that is stored as a word.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// The word in the database and in output.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Reads the word that `as_str` gives.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Word for $name {
            fn word(text: &str) -> StateResult<Self> {
                Self::parse(text).ok_or_else(|| unreadable(stringify!($name), text))
            }
        }
    };
}

/// A value that is stored as a word; reading an unknown word is an error, never a default.
pub(super) trait Word: Sized {
    fn word(text: &str) -> StateResult<Self>;
}

fn unreadable(what: &str, text: &str) -> StateError {
    StateError::Unreadable(format!("'{text}' is no {what}"))
}

impl Word for Side {
    fn word(text: &str) -> StateResult<Self> {
        Self::parse(text).ok_or_else(|| unreadable("side", text))
    }
}

impl Word for Direction {
    fn word(text: &str) -> StateResult<Self> {
        [Self::CloudToLocal, Self::LocalToCloud, Self::Both, Self::None]
            .into_iter()
            .find(|direction| direction.as_str() == text)
            .ok_or_else(|| unreadable("direction", text))
    }
}

words! {
    /// What is to be done about a document (`sync_status`).
    RecordStatus {
        /// Something has changed, or was never compared: the next pass takes it up.
        Pending = "pending",
        /// In step when last looked at.
        Synced = "synced",
        /// Waits for a person.
        Conflict = "conflict",
        /// The last attempt failed; tried again at `next_retry`.
        Error = "error",
        /// Failed too often; tried again once a day or on change.
        Failed = "failed",
        /// Left alone, for the reason given and under the scope given.
        Skipped = "skipped",
        /// Deleted on both sides. The row stays, so that links still translate.
        Gone = "gone",
    }
}

words! {
    /// What was done (`sync_logs.action`, `journal.action`).
    Action {
        /// A pass that did nothing else worth a word.
        Sync = "sync",
        /// Created on the other side.
        Create = "create",
        /// Updated on the other side.
        Update = "update",
        /// Deleted on the other side.
        Delete = "delete",
        /// Changes of both sides put together.
        Merge = "merge",
        /// Submitted on the other side.
        Submit = "submit",
        /// Cancelled on the other side.
        Cancel = "cancel",
        /// Renamed on the other side.
        Rename = "rename",
        /// Equal already: only the base was written.
        Adopt = "adopt",
        /// Gone on both sides.
        Forget = "forget",
        /// A conflict was recorded.
        Conflict = "conflict",
        /// A conflict was settled.
        Resolve = "resolve",
    }
}

words! {
    /// How a logged action ended.
    LogStatus {
        /// Done.
        Success = "success",
        /// Not done.
        Failed = "failed",
        /// Recorded for a decision.
        Conflict = "conflict",
    }
}

words! {
    /// Why a document is in conflict.
    ConflictKind {
        /// Both sides changed the document.
        EditEdit = "edit_edit",
        /// One side changed what the other deleted.
        EditDelete = "edit_delete",
        /// One document on both sides, without a common base.
        FirstMeeting = "first_meeting",
        /// Two documents of the same name.
        Collision = "collision",
        /// A new document that equals one that is mapped already.
        Duplicate = "duplicate",
        /// A request whose effect cannot be told.
        UnknownOutcome = "unknown_outcome",
        /// A field newly in scope differs.
        NewField = "new_field",
        /// A change that the other site does not accept over REST.
        CannotMirror = "cannot_mirror",
        /// The sites rewrite each other's values.
        PingPong = "ping_pong",
    }
}

words! {
    /// How a conflict was settled.
    Resolution {
        /// The cloud's version was taken.
        CloudWins = "cloud_wins",
        /// The local version was taken.
        LocalWins = "local_wins",
        /// A merged version was written to both.
        Merge = "merge",
        /// Two documents: each was created on the other side.
        Both = "both",
        /// It closed by itself: the sides became equal, or one returned to its base.
        Superseded = "superseded",
    }
}
