//! What the journal holds of a write, and what closes it: plain values, no database in them.

use jiff::Timestamp;

use super::types::{LogEntry, NewConflict};
use super::words::{RecordStatus, Resolution};
use crate::model::{Action, Direction, Doc, Side, Sides};

/// A request that was ended without effect, or whose effect is to be decided anew.
#[derive(Debug, Clone)]
pub struct VoidRequest {
    /// The side that was written to.
    pub side: Side,
    /// Why it was ended.
    pub outcome: String,
}

/// A write to a site that was closed.
#[derive(Debug, Clone)]
pub struct PastWrite {
    /// The side that was written to.
    pub side: Side,
    /// The run.
    pub run: Option<i64>,
    /// The source as read for it.
    pub source: Doc,
}

/// A write to a site that is about to be requested.
#[derive(Debug, Clone)]
pub struct NewIntent {
    /// The record.
    pub record: i64,
    /// The run.
    pub run: Option<i64>,
    /// The side that is written to.
    pub side: Side,
    /// What is done there.
    pub action: Action,
    /// The target's name; `None` where the site is to give it.
    pub target_name: Option<String>,
    /// The target's `modified` before the write; `None` for a create.
    pub target_modified: Option<String>,
    /// The target as read before the write; `None` for a create.
    pub target: Option<Doc>,
    /// The source as read for this write: its base, once the write is closed.
    pub source: Doc,
    /// The fields sent.
    pub sent: Doc,
    /// The digest of the form under which it was decided.
    pub form_digest: String,
    /// Fields held out of this write, to be sent afterwards.
    pub omitted: Vec<String>,
    /// How the open conflict is settled by this write.
    pub resolution: Option<Resolution>,
    /// Why it is done.
    pub reason: String,
    /// The target site's own time.
    pub site_time: Option<Timestamp>,
    /// Both versions, where one is about to be overwritten; stored in the same transaction.
    pub conflict: Option<NewConflict>,
}

/// A document that a request of ours has made on a site, or submitted there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its doctype.
    pub doctype: String,
    /// Its name there.
    pub name: String,
    /// When, by the site's own stamp; empty where nobody knows.
    pub stamp: String,
}

/// A write to a site that was requested and is not closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// The intent's number.
    pub id: i64,
    /// The record.
    pub record: i64,
    /// The run that made it.
    pub run: Option<i64>,
    /// The doctype.
    pub doctype: String,
    /// The side written to.
    pub side: Side,
    /// What was to be done there.
    pub action: Action,
    /// The target's name; `None` where the site was to give it.
    pub target_name: Option<String>,
    /// The target's `modified` before the write.
    pub target_modified: Option<String>,
    /// The target as read before the write.
    pub target: Option<Doc>,
    /// The source as read for this write.
    pub source: Doc,
    /// The fields sent.
    pub sent: Doc,
    /// The digest of the form under which it was decided; none of those made before 0.2.
    pub form_digest: Option<String>,
    /// Fields held out.
    pub omitted: Vec<String>,
    /// How the open conflict is settled by it.
    pub resolution: Option<Resolution>,
    /// Why.
    pub reason: String,
    /// The target site's own time before the request.
    pub site_time: Option<Timestamp>,
    /// The site's answer, where one was received.
    pub answer: Option<Doc>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One side of a document that is in step.
#[derive(Debug, Clone)]
pub struct SideState {
    /// Its name there.
    pub name: String,
    /// Its `creation` there.
    pub creation: String,
    /// `modified` of the base.
    pub modified: String,
    /// `modified` when last looked at; `None` asks for a new look at the next pass.
    pub seen: Option<String>,
    /// The hash of the base's sync form.
    pub hash: String,
    /// The base: the whole document.
    pub content: Doc,
}

/// Which row on one side is which row on the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowName {
    /// The table field of the parent.
    pub table: String,
    /// The row's place, from 0.
    pub position: u32,
    /// The row's name on each side.
    pub names: Sides<Option<String>>,
}

/// Two sides that agree: everything that is stored when an action is done.
#[derive(Debug, Clone)]
pub struct Closing {
    /// The record.
    pub record: i64,
    /// Both sides as they stand, from which the next change is told.
    pub sides: Sides<SideState>,
    /// The digest of what shaped the hashes.
    pub form_digest: String,
    /// Usually [`RecordStatus::Synced`]; [`RecordStatus::Pending`] where more is to be sent.
    pub status: RecordStatus,
    /// Which way the content went.
    pub direction: Direction,
    /// Why the status is what it is.
    pub reason: Option<String>,
    /// The log row; none where nothing happened.
    pub log: Option<LogEntry>,
    /// The row names; they replace those known. Without it those stay.
    pub rows: Option<Vec<RowName>>,
    /// The intent that this closes.
    pub intent: Option<i64>,
    /// How an open conflict is settled; without it, it is superseded.
    pub resolution: Option<Resolution>,
}
