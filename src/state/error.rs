//! What can go wrong with the state database, sorted by what a caller does about it.
//!
//! Every message names the file or the row and the cause; `hint` gives the next step. No
//! message carries the content of a document.

use std::path::PathBuf;

use jiff::Timestamp;

use super::types::Pair;
use crate::model::Side;

/// The answer of everything in this module.
pub type StateResult<T> = Result<T, StateError>;

/// Why the state database could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no such file.
    #[error("there is no state database at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file that was to be created is there already.
    #[error("{} exists already; a state database is never overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A write-ahead log or journal of a database that is no longer there.
    #[error("{} is left over from a state database that is no longer there", path.display())]
    Leftover {
        /// The leftover file.
        path: PathBuf,
    },
    /// Not a `SQLite` file at all.
    #[error("{} is not a SQLite database: {detail}", path.display())]
    NotSqlite {
        /// The file.
        path: PathBuf,
        /// What is in its place.
        detail: String,
    },
    /// A `SQLite` database of another program.
    #[error("{} is a database, but not one of erpsync's", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("the state database {} is damaged: {detail}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What `SQLite` says.
        detail: String,
    },
    /// Written by a newer erpsync.
    #[error(
        "the state database {} has schema version {found}; this erpsync knows versions up to {known}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that it says it has.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The file or its directory cannot be written.
    #[error("the state database {} cannot be written: {detail}", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// Which of the two, and why.
        detail: String,
    },
    /// The state of another pair of sites, or of the same pair exchanged.
    #[error("{}", other_pair(known, given))]
    OtherPair {
        /// The pair that the state belongs to.
        known: Box<Pair>,
        /// The pair that is configured.
        given: Box<Pair>,
    },
    /// Another run works on this state.
    #[error("{}", locked(path, *pid, *since))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds the lock, where it could be read.
        pid: Option<u32>,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// Another program holds the database itself.
    #[error("the state database is in use by another program")]
    Busy,
    /// The file system refused.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// A value in the database that this program would not have written.
    #[error("the state database holds a value that cannot be read: {0}")]
    Unreadable(String),
    /// What both sides last agreed on of a document is not what this program stored.
    #[error("the base of {document} on {side} (record {record}) cannot be read: {detail}")]
    DamagedBase {
        /// The record's number.
        record: i64,
        /// The doctype, and the name where the document was first seen.
        document: String,
        /// Whose version it is.
        side: Side,
        /// What is wrong with it.
        detail: String,
    },
    /// A record that does not exist.
    #[error("the state has no record {0}")]
    NoRecord(i64),
    /// An intent that does not exist, is closed, or belongs to another record.
    #[error("the journal has no open intent {0} for this record")]
    NoIntent(i64),
    /// A listing was absorbed or added to without having been begun.
    #[error("no listing was begun")]
    NoListing,
    /// A rule of the schema forbids what was to be stored (two living records of one name, a
    /// second open intent ...).
    #[error("the state refuses what was to be stored: {0}")]
    Rule(String),
    /// Anything else that `SQLite` reports.
    #[error("the state database failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StateError {
    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Missing { .. } => {
                "run `erpsync init`, or give --new-state; where a state existed before, restore it from a backup"
            }
            Self::Exists { .. } => "move the file away first, if you are sure it is not needed",
            Self::Leftover { .. } => {
                "put the database back beside it, or move the leftover file away"
            }
            Self::NotSqlite { .. } | Self::Foreign { .. } => {
                "check `path` under [state] in the configuration"
            }
            Self::Corrupt { .. } => "restore the file from a backup; it was left as it is",
            Self::DamagedBase { .. } => "restore the state database from a backup",
            Self::Newer { .. } => "use the erpsync that wrote it, or a newer one",
            Self::ReadOnly { .. } => {
                "make the file and its directory writable for the user that runs erpsync"
            }
            Self::OtherPair { .. } => {
                "check the configuration; where the same sites or users have new names, run `erpsync init --rebind`; for other sites name another state under [state] path"
            }
            Self::Locked { .. } => "wait for the other run to end",
            Self::Io { .. } => "check that the folder is there and that you may write to it",
            Self::Busy => "close the other program and run again",
            _ => return None,
        })
    }
}

impl From<rusqlite::Error> for StateError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(Code::ConstraintViolation) => Self::Rule(error.to_string()),
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Busy,
            _ => Self::Failed(Box::new(error)),
        }
    }
}

fn other_pair(known: &Pair, given: &Pair) -> String {
    let exchanged = known.urls.cloud == given.urls.local && known.urls.local == given.urls.cloud;
    let note = if exchanged { "; cloud and local are exchanged" } else { "" };
    format!("the state belongs to {known}, but the configuration gives {given}{note}")
}

fn locked(path: &std::path::Path, pid: Option<u32>, since: Option<Timestamp>) -> String {
    let who = pid.map_or_else(|| "another run".to_owned(), |pid| format!("process {pid}"));
    let when = since.map_or_else(String::new, |at| format!(" since {}", super::time::stamp(at)));
    format!("{who} holds {}{when}", path.display())
}
