//! What erpsync remembers between runs: one `SQLite` database beside the configuration.
//!
//! This is the only place that names rusqlite; nothing of it shows in a signature. Nothing
//! here decides what is to be done about a document, talks to a site or reads a clock: every
//! time is handed in. What is kept here of the invariants in `ARCHITECTURE.md`:
//!
//! - 1, *a base never holds an edit that was not carried*: bases are written by
//!   [`State::close`] alone, both sides in one transaction with the log row and the end of
//!   the intent. Every other method may move `seen` and the status, and never a base; only
//!   [`State::begin_anew`] takes both away, of a document that neither side has any more.
//! - 4, *identity is the document*: a name and a `creation` on each side; a living record is
//!   unique by its name on either side, and [`State::absorb_listing`] compares both.
//! - 5, *both versions are stored before one is overwritten*: [`State::begin_intents`] stores
//!   the conflict in the transaction that allows the write; at most one conflict a document
//!   is open.
//! - 7, *a run can be killed at any instant*: every public method is one transaction,
//!   `synchronous = FULL` but for the beginning and the end of a run; what was requested from a
//!   site is in the journal before, and at most one intent a document is open. `seen` moves only
//!   together with `pending`.
//!
//! Files: `open` and `pair` (whose database is it), `lock`, `migrations`, `listing` (what the
//! sites list against what is known) with `searches`, `seen` (listings of some days), `sums`
//! (what was seen, by day), `pairing` (which documents are one), `gone`, `restored` (a side
//! that went back), `records`, `waiting` (what waits for an outcome or for a person), `journal`
//! (intents and their closing), `packed` (how a base is stored), `conflicts`, `metadata` (a
//! cache), `queue` (deliveries of webhooks), `log` (the audit trail, runs and totals).

#[cfg(test)]
pub(crate) mod commits;
mod conflicts;
mod error;
mod gone;
mod intents;
mod journal;
mod listing;
mod lock;
mod log;
mod metadata;
mod migrations;
mod names;
mod open;
mod packed;
mod pair;
mod pairing;
mod queue;
mod records;
mod restored;
mod searches;
mod seen;
mod sums;
mod time;
mod types;
mod waiting;
mod words;

#[cfg(test)]
mod tests;

use rusqlite::{Connection, Row, Statement, Transaction, TransactionBehavior};
use serde::{Serialize, de::DeserializeOwned};

use crate::model::Side;

pub use error::{StateError, StateResult};
pub use gone::{Anew, Forgetting, Unlisted};
pub use intents::{Closing, Intent, Made, NewIntent, PastWrite, RowName, SideState, VoidRequest};
pub use lock::RunLock;
pub use metadata::Metadata;
pub use queue::{DeliveryEnd, QueueLine, QueuedDocument, Stored, Verdict};
pub use time::stamp;
pub use types::{
    Absorbed, Base, CandidateQuery, Conflict, ConflictFilter, FailedDocument, Failure, KnownName,
    LastSeen, Listed, ListingTimes, LogEntry, LogFilter, LogRow, NamedDocument, NewConflict,
    Origin, Pair, Record, Renamed, Run, StatusChange, StatusTotal, SteppedBack, Strangers, United,
    WholeListing,
};
pub use waiting::{UNANSWERED, WaitingDocument, Waits};
pub use words::{LogStatus, RecordStatus, Resolution};

/// An open state database.
#[derive(Debug)]
pub struct State {
    connection: Connection,
    /// The doctype of the listing that is being collected.
    listing: Option<String>,
}

impl State {
    /// Runs `work` in one transaction: all of it is stored, or nothing.
    fn write<T>(&mut self, work: impl FnOnce(&Transaction) -> StateResult<T>) -> StateResult<T> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        #[cfg(test)]
        commits::tell(commits::Moment::Before);
        transaction.commit()?;
        #[cfg(test)]
        commits::tell(commits::Moment::After);
        Ok(result)
    }

    /// The same for what no request depends on. It does not wait for the disk: a power cut may
    /// take it back, but never without everything that was committed after it.
    fn write_at_leisure<T>(
        &mut self,
        work: impl FnOnce(&Transaction) -> StateResult<T>,
    ) -> StateResult<T> {
        self.connection.pragma_update(None, "synchronous", "normal")?;
        let result = self.write(work);
        self.connection.pragma_update(None, "synchronous", "full")?;
        result
    }
}

/// All rows of a query, each read by `read`.
fn collect<T>(
    statement: &mut Statement,
    params: impl rusqlite::Params,
    mut read: impl FnMut(&Row) -> StateResult<T>,
) -> StateResult<Vec<T>> {
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// A number that counts something.
fn count(row: &Row, column: usize) -> rusqlite::Result<usize> {
    let number: i64 = row.get(column)?;
    Ok(usize::try_from(number).unwrap_or(0))
}

/// SQL for one side: `{s}` is its word, `{o}` the other side's.
fn for_side(side: Side, sql: &str) -> String {
    sql.replace("{s}", side.as_str()).replace("{o}", side.opposite().as_str())
}

fn to_json(value: &impl Serialize) -> StateResult<String> {
    serde_json::to_string(value).map_err(|error| StateError::Failed(Box::new(error)))
}

fn from_json<T: DeserializeOwned>(text: &str) -> StateResult<T> {
    serde_json::from_str(text).map_err(|error| StateError::Unreadable(format!("JSON: {error}")))
}

fn from_json_some<T: DeserializeOwned>(text: Option<String>) -> StateResult<Option<T>> {
    text.map(|text| from_json(&text)).transpose()
}
