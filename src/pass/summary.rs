//! What a run reports: counts a doctype and one line an action. Plain data; `report` prints
//! it.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::model::{Action, ConflictKind, Direction, Side, Sides};
use crate::recon::Decision;
use crate::site::ErrorKind;
use crate::state::{WaitingDocument, Waits};

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// One entry a doctype, in the order of the run.
    pub doctypes: Vec<DoctypeSummary>,
    /// What was done, or in a dry run would be.
    pub actions: Vec<ActionLine>,
    /// Candidates that `--limit` left for another run.
    pub remaining: usize,
    /// What is worth a word about a whole site or doctype, once a run.
    pub warnings: Vec<String>,
    /// The documents of the run's doctypes that wait for an outcome or for a person.
    #[serde(skip)]
    pub waiting: Vec<WaitingDocument>,
    /// The documents that a site told of.
    #[serde(skip)]
    pub told: Vec<Told>,
}

/// A document that a site told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The doctype.
    pub doctype: String,
    /// The side that told of it.
    pub side: Side,
    /// Its name there.
    pub name: String,
    /// Its record; `None` where the side does not have it, or the filters leave it out.
    pub record: Option<i64>,
}

/// The counts of one doctype.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DoctypeSummary {
    /// The doctype.
    pub doctype: String,
    /// How many documents the cloud listed.
    pub cloud_documents: usize,
    /// How many documents the local site listed.
    pub local_documents: usize,
    /// Documents in step on which nothing was done.
    pub unchanged: usize,
    /// Equal already: only the base was written.
    pub adopted: usize,
    /// Created on the cloud.
    pub created_on_cloud: usize,
    /// Created on the local site.
    pub created_on_local: usize,
    /// Updated on the cloud.
    pub updated_on_cloud: usize,
    /// Updated on the local site.
    pub updated_on_local: usize,
    /// Edits of both sides put together.
    pub merged: usize,
    /// Renamed on either side.
    pub renamed: usize,
    /// Pairs of documents of one name that a rule told apart.
    pub told_apart: usize,
    /// Deleted on the cloud.
    pub deleted_on_cloud: usize,
    /// Deleted on the local site.
    pub deleted_on_local: usize,
    /// Conflicts that wait for a person, known ones included.
    pub conflicts: usize,
    /// Documents whose last attempt failed, known ones included.
    pub failed: usize,
    /// Documents left alone although the sides differ, known ones included.
    pub skipped: usize,
    /// Documents that need one with an open conflict: they follow when it is settled.
    pub waiting_for_conflict: usize,
    /// Documents about which a request was sent, and nobody knows yet what came of it.
    pub waiting_for_outcome: usize,
    /// Why the doctype as a whole could not be synced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Which site refused the doctype as a whole, and how.
    #[serde(skip)]
    pub refused: Option<(Side, ErrorKind)>,
    /// What to do about that.
    #[serde(skip)]
    pub refused_hint: Option<String>,
    /// Why the doctype as a whole was left alone: a side looks wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
}

/// Why a doctype as a whole was left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// A side shows older versions than before.
    WentBack {
        /// The side.
        side: Side,
        /// What shows it.
        reason: String,
    },
    /// More documents are gone than may be deleted.
    TooManyGone {
        /// Where they are gone.
        side: Side,
        /// What shows it.
        reason: String,
    },
    /// A side has other documents than those that were known there.
    OtherSite {
        /// The side.
        side: Side,
        /// What shows it.
        reason: String,
    },
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WentBack { reason, .. }
            | Self::TooManyGone { reason, .. }
            | Self::OtherSite { reason, .. } => f.write_str(reason),
        }
    }
}

impl Serialize for Guard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Guard {
    /// What a person may do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::WentBack { side, .. } => format!(
                "find out what happened to the {side} site; then sync-all: --restore-side {side} \
                 brings it back to what {other} holds, --accept-side {side} takes what it has now for right; look \
                 at either with --dry-run first",
                other = side.opposite()
            ),
            Self::TooManyGone { side, .. } => format!(
                "find out who deleted them; if they are to go on {other} as well, run again with \
                 --allow-deletes N (what it lets go counts for the next 24 hours), or sync-all \
                 --accept-side {side} for all of them; --restore-side {side} makes them again on {side}; look at \
                 either with --dry-run first",
                other = side.opposite()
            ),
            Self::OtherSite { side, .. } => format!(
                "check the url of {side}; a site that was set up anew needs a new state: move the \
                 state database away and begin with --new-state; if all of them were replaced on \
                 purpose, --allow-deletes N lets so many go"
            ),
        }
    }
}

/// One document on which something was done or decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionLine {
    /// The doctype.
    pub doctype: String,
    /// The document's own id in the state.
    pub name: String,
    /// Its name on the cloud, where it has one.
    pub cloud_name: Option<String>,
    /// Its name on the local site, where it has one.
    pub local_name: Option<String>,
    /// What was done: `create`, `update`, `adopt`, `conflict`, `noop` ...
    pub action: String,
    /// Which way.
    pub direction: Direction,
    /// Why.
    pub reason: String,
    /// The conflict that was found, whether a rule settled it or not.
    #[serde(skip)]
    pub conflict: Option<ConflictKind>,
    /// `success`, `failed`, `conflict`, `skipped` or `waiting`; in a dry run `planned`.
    pub status: ActionStatus,
    /// The site's words, where it did not go well.
    pub message: Option<String>,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionStatus {
    /// Done.
    Success,
    /// Not done.
    Failed,
    /// Recorded for a person.
    Conflict,
    /// Left alone.
    Skipped,
    /// Left for a next run: an outcome or a person is waited for.
    Waiting,
    /// It would be done.
    Planned,
}

impl DoctypeSummary {
    /// Counts a finished action.
    pub fn count(&mut self, decision: &Decision) {
        let created = decision.action == Action::Create;
        match (decision.action, decision.direction) {
            (Action::Adopt, _) => self.adopted += 1,
            (Action::Merge, _) => self.merged += 1,
            (Action::Rename, _) => self.renamed += 1,
            (Action::Resolve, Direction::Both) => self.told_apart += 1,
            (Action::Delete, Direction::LocalToCloud) => self.deleted_on_cloud += 1,
            (Action::Delete, _) => self.deleted_on_local += 1,
            (Action::Create | Action::Update | Action::Submit | Action::Cancel, direction) => {
                let count = match (created, direction) {
                    (true, Direction::LocalToCloud) => &mut self.created_on_cloud,
                    (true, _) => &mut self.created_on_local,
                    (false, Direction::LocalToCloud) => &mut self.updated_on_cloud,
                    (false, _) => &mut self.updated_on_local,
                };
                *count += 1;
            }
            _ => {}
        }
    }

    /// Counts a document that waits.
    pub fn count_waiting(&mut self, waits: Waits) {
        match waits {
            Waits::Outcome => self.waiting_for_outcome += 1,
            Waits::Conflict(_) => self.waiting_for_conflict += 1,
        }
    }

    /// Why the doctype as a whole was not synced, where it was not.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.error.clone().or_else(|| self.guard.as_ref().map(ToString::to_string))
    }

    /// How many documents were acted on.
    #[must_use]
    pub fn acted_on(&self) -> usize {
        self.adopted
            + self.created_on_cloud
            + self.created_on_local
            + self.updated_on_cloud
            + self.updated_on_local
            + self.merged
            + self.renamed
            + self.deleted_on_cloud
            + self.deleted_on_local
    }

    /// How many documents each side listed.
    pub fn set_documents(&mut self, documents: Sides<usize>) {
        self.cloud_documents = documents.cloud;
        self.local_documents = documents.local;
    }
}
