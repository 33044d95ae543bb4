//! What goes into the state and comes out of it: plain values, no database in them.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use super::words::{LogStatus, RecordStatus, Resolution};
use crate::model::{Action, ConflictKind, Direction, Doc, Side, Sides};

/// The two sites that a state belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The urls, without a trailing slash.
    pub urls: Sides<String>,
    /// The users that the keys belong to.
    pub users: Sides<String>,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cloud {} (user {}) and local {} (user {})",
            self.urls.cloud, self.users.cloud, self.urls.local, self.users.local
        )
    }
}

/// What both sides last agreed on, as it stands on one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// `modified` of that version, the site's own text.
    pub modified: String,
    /// The whole document.
    pub content: Doc,
}

/// What a document is called and when it was last saved, as far as that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSeen {
    /// Its name on each side, where it has one there.
    pub names: Sides<Option<String>>,
    /// The `modified` that each side had when last looked at.
    pub seen: Sides<Option<String>>,
}

/// What the state knows about one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The record's number.
    pub id: i64,
    /// The doctype.
    pub doctype: String,
    /// The name where the document was first seen.
    pub docname: String,
    /// Its name on each side, where it has one there.
    pub names: Sides<Option<String>>,
    /// Its `creation` on each side.
    pub creations: Sides<Option<String>>,
    /// The `modified` that each side had when last looked at; `None` asks for a new look.
    pub seen: Sides<Option<String>>,
    /// What both sides last agreed on.
    pub bases: Option<Sides<Base>>,
    /// The hash of each base's sync form, valid under `form_digest`.
    pub hashes: Sides<Option<String>>,
    /// The digest of what shaped the hashes.
    pub form_digest: Option<String>,
    /// What is to be done.
    pub status: RecordStatus,
    /// Whether a write to a site is open in the journal.
    pub is_syncing: bool,
    /// How many runs in a row tried and failed.
    pub retry_count: u32,
    /// When to try again.
    pub next_retry: Option<Timestamp>,
    /// Why the status is what it is.
    pub reason: Option<String>,
    /// The last failure, in the site's own words.
    pub error_message: Option<String>,
    /// What a decision to skip was made under.
    pub scope_digest: Option<String>,
    /// When both sides were last in step.
    pub last_synced: Option<Timestamp>,
    /// Whether a person said that it is a document of its own.
    pub is_apart: bool,
    /// Whether more than an equal name shows that both sides' documents are one.
    pub is_proven: bool,
    /// The record that it waits for, while it is pending: one in conflict, or one whose request
    /// has no answer.
    pub waits_for: Option<i64>,
    /// The version of a side that a person said is to be brought back to what the other side
    /// holds: its `modified` there, empty where no version of that side may be overwritten.
    pub restored: Sides<Option<String>>,
    /// The kind of its open conflict.
    pub conflict: Option<ConflictKind>,
}

/// A document as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// The site's own text.
    pub creation: String,
    /// The site's own text.
    pub modified: String,
    /// Whether the rules take the document up where the state does not know it yet.
    pub taken_up: bool,
}

/// How it turned out which document one of the other side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Both were there, and new.
    Met,
    /// A request of the record has made it; its intent is still open.
    Written,
}

/// What became of the records when two documents came into one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct United {
    /// The record that is no more.
    pub dissolved: Option<i64>,
    /// The records of documents that lost what they were taken for.
    pub left: Vec<i64>,
}

/// What a listing of both sides changed in the state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absorbed {
    /// Documents that have another name than before.
    pub renamed: Vec<Renamed>,
    /// Documents whose name now belongs to another document (another `creation`).
    pub replaced: Vec<(i64, Side)>,
    /// Living documents that have a name on a side and were not listed there, whether that
    /// is news or not. Not listed is not deleted.
    pub missing: Vec<(i64, Side)>,
}

/// A document whose stamp went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SteppedBack {
    /// Where.
    pub side: Side,
    /// Its name there.
    pub name: String,
    /// The stamp when it was last seen.
    pub seen: String,
    /// The stamp now.
    pub modified: String,
}

/// A side that lists documents and none of those that are known there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strangers {
    /// How many are known.
    pub known: usize,
    /// How many it lists.
    pub listed: usize,
    /// One that it lists, with the name of a known one where there is such.
    pub name: String,
    /// The `creation` of that.
    pub creation: String,
    /// The `creation` of the known document of that name.
    pub before: Option<String>,
}

/// A known `creation` under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The record.
    pub record: i64,
    /// Where it was renamed.
    pub side: Side,
    /// The name until now.
    pub old: String,
    /// The name from now on.
    pub new: String,
}

/// Which documents a pass takes up.
#[derive(Debug, Clone)]
pub struct CandidateQuery<'a> {
    /// The time of the pass.
    pub now: Timestamp,
    /// Everything that is not gone.
    pub full: bool,
    /// Failed documents although their retry is not due.
    pub retry_failed: bool,
    /// Today's scope: what was skipped under another is taken up.
    pub scope_digest: &'a str,
}

/// A known name, for the translation of links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownName {
    /// The record.
    pub record: i64,
    /// Its own id in the state: what a link to it stands as in the sync form.
    pub docname: String,
    /// Its name on the other side.
    pub other: Option<String>,
    /// Whether the two were ever in step: without it `other` is only an equal name.
    pub has_base: bool,
    /// Whether the other side has deleted it, and a person is to decide about that.
    pub is_gone: bool,
}

/// A row of the audit trail that is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// The run.
    pub run: Option<i64>,
    /// What was done.
    pub action: Action,
    /// Which way.
    pub direction: Direction,
    /// How it ended.
    pub status: LogStatus,
    /// Why, or what went wrong.
    pub message: Option<String>,
    /// Details.
    pub changes: Option<Value>,
}

/// A row of the audit trail.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRow {
    /// The row's number.
    pub id: i64,
    /// When.
    pub timestamp: Timestamp,
    /// The doctype.
    pub doctype: String,
    /// The document's name in the state.
    pub docname: String,
    /// The record.
    pub record: Option<i64>,
    /// What was done and how it ended.
    pub entry: LogEntry,
}

/// Which rows of the audit trail; newest first.
#[derive(Debug, Clone, Default)]
pub struct LogFilter<'a> {
    /// Only this doctype.
    pub doctype: Option<&'a str>,
    /// Only this document, by any of its names.
    pub name: Option<&'a str>,
    /// Only this run.
    pub run: Option<i64>,
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// A change of what is to be done about a record, without any write to a site.
#[derive(Debug, Clone)]
pub struct StatusChange<'a> {
    /// The record.
    pub record: i64,
    /// The new status.
    pub status: RecordStatus,
    /// Why.
    pub reason: &'a str,
    /// For a skip: what the decision was made under.
    pub scope_digest: Option<&'a str>,
    /// A log row, where it is worth one.
    pub log: Option<LogEntry>,
}

/// An attempt that failed.
#[derive(Debug, Clone)]
pub struct Failure<'a> {
    /// The record.
    pub record: i64,
    /// The site's own words.
    pub message: &'a str,
    /// When to try again.
    pub next_retry: Option<Timestamp>,
    /// Whether it now counts as `failed`.
    pub give_up: bool,
    /// The log row.
    pub log: Option<LogEntry>,
}

/// A conflict to be recorded.
#[derive(Debug, Clone)]
pub struct NewConflict {
    /// The record.
    pub record: i64,
    /// Why the two versions cannot be settled here.
    pub kind: ConflictKind,
    /// The fields that collide.
    pub fields: Vec<String>,
    /// Both whole documents; `Value::Null` where a side has none.
    pub data: Sides<Value>,
    /// `modified` of each, or the time of detection where a side has no document.
    pub modified: Sides<String>,
    /// Why, in words.
    pub reason: String,
    /// Written where the conflict is new or its content changed.
    pub log: Option<LogEntry>,
}

/// A conflict as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The conflict's number.
    pub id: i64,
    /// The record.
    pub record: i64,
    /// The doctype.
    pub doctype: String,
    /// The document's name in the state.
    pub docname: String,
    /// Its name on each side today.
    pub names: Sides<Option<String>>,
    /// Why.
    pub kind: ConflictKind,
    /// The fields that collide.
    pub fields: Vec<String>,
    /// Both whole documents; `Value::Null` where a side has none.
    pub data: Sides<Value>,
    /// `modified` of each.
    pub modified: Sides<String>,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// Why the request was given up of which nobody knows what came of it.
    pub given_up: Option<String>,
    /// How it was settled, where it is.
    pub resolution: Option<Resolution>,
    /// When it was settled.
    pub resolved_at: Option<Timestamp>,
}

impl Conflict {
    /// Who saved a side's version last, where the document says so.
    #[must_use]
    pub fn modified_by(&self, side: Side) -> Option<&str> {
        self.data[side].get("modified_by").and_then(Value::as_str)
    }
}

/// Which conflicts; oldest first.
#[derive(Debug, Clone, Default)]
pub struct ConflictFilter<'a> {
    /// Only this doctype.
    pub doctype: Option<&'a str>,
    /// Only those not settled.
    pub open_only: bool,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The run's number.
    pub id: i64,
    /// The command.
    pub command: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs or where it was killed.
    pub finished_at: Option<Timestamp>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// How many requests it sent to each side.
    pub requests: Sides<u64>,
    /// What it reported.
    pub summary: Option<Value>,
}

/// How many documents of a doctype have a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusTotal {
    /// The doctype.
    pub doctype: String,
    /// The status.
    pub status: RecordStatus,
    /// How many.
    pub count: usize,
}

/// A document whose last attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedDocument {
    /// The record.
    pub record: i64,
    /// The doctype.
    pub doctype: String,
    /// The document's name in the state.
    pub docname: String,
    /// Error (tried again soon) or failed.
    pub status: RecordStatus,
    /// The site's own words.
    pub message: Option<String>,
    /// How many runs in a row failed.
    pub retry_count: u32,
    /// When it is tried again.
    pub next_retry: Option<Timestamp>,
}

/// What one document is called on each side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedDocument {
    /// The record.
    pub record: i64,
    /// The document's name in the state.
    pub docname: String,
    /// Its name on each side.
    pub names: Sides<Option<String>>,
    /// Its `creation` on each side.
    pub creations: Sides<Option<String>>,
    /// What is to be done about it.
    pub status: RecordStatus,
}

/// When a doctype was last gone through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListingTimes {
    /// When every document was last listed.
    pub listed: Option<Timestamp>,
    /// When every document was last fetched and hashed.
    pub full: Option<Timestamp>,
    /// When a site last refused to add up its documents.
    pub refused: Option<Timestamp>,
    /// What `listed` is about, as it was given.
    pub scope: String,
}

/// A listing of every document of a doctype on both sides.
#[derive(Debug, Clone, Copy)]
pub struct WholeListing<'a> {
    /// What the listing is about.
    pub scope: &'a str,
    /// Whether everything is fetched and hashed as well.
    pub full: bool,
    /// Whether it was made because a site refused to add up.
    pub are_sums_refused: bool,
}
