//! Rules from the configuration, as the pure core understands them.

use serde::{Deserialize, Serialize};

/// How a conflict is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The version saved last wins; on a tie the local one.
    LatestTimestamp,
    /// The cloud's version wins.
    CloudWins,
    /// The local version wins.
    LocalWins,
    /// Nobody wins: the conflict waits for a person.
    Manual,
    /// Both edits are kept where no field collides.
    Merge,
}

/// What happens when two versions of one document meet without a common base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstMeeting {
    /// The conflict policy decides.
    Policy,
    /// A person decides.
    Manual,
}

/// What becomes of a document that was deleted on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletes {
    /// It is deleted on the other side too.
    Propagate,
    /// The other side keeps it.
    Keep,
    /// It is made again where it was deleted.
    Recreate,
}

/// What happens to submitted documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Submitted {
    /// Submitted, cancelled and amended on the other side too.
    Mirror,
    /// Left alone.
    Skip,
}

/// What an equal name on both sides means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamesRule {
    /// The doctype's naming rule and the title tell.
    Auto,
    /// The same name is the same document.
    Natural,
    /// Each site counts for itself: an equal name says nothing.
    Server,
}
