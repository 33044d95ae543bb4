//! The rules that a configuration sets for a doctype, as the pure core needs them.
//!
//! Only the words and what they mean stand here; which of them is in force for a doctype is
//! the configuration's business, and what follows from it is the decision's. Every rule has
//! one word, the same in the configuration, the state and the output.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::words;

/// What settles a conflict (`conflict_resolution`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The later edit wins; within the clocks' uncertainty, local.
    LatestTimestamp,
    /// The cloud's version wins.
    CloudWins,
    /// The local version wins.
    LocalWins,
    /// Nothing is written; a person decides.
    Manual,
    /// Fields that only one side changed are taken from that side; where both changed the
    /// same field, a person decides.
    Merge,
}

words!(
    Policy,
    5,
    LatestTimestamp = "latest_timestamp",
    CloudWins = "cloud_wins",
    LocalWins = "local_wins",
    Manual = "manual",
    Merge = "merge"
);

/// What happens to two different versions of one document that were never in step
/// (`first_meeting`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstMeeting {
    /// The doctype's [`Policy`] decides.
    Policy,
    /// A person decides, whatever the policy.
    Manual,
}

words!(FirstMeeting, 2, Policy = "policy", Manual = "manual");

/// What happens to two new documents to which the sites gave the same name (`collisions`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collisions {
    /// A person decides.
    Manual,
    /// Each is created on the other side.
    Both,
}

words!(Collisions, 2, Manual = "manual", Both = "both");

/// What a deletion on one side means for the other (`deletes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletes {
    /// The document is deleted on the other side too.
    Propagate,
    /// The other side keeps its document, and nothing is written.
    Keep,
    /// The document is created again where it was deleted.
    Recreate,
}

words!(Deletes, 3, Propagate = "propagate", Keep = "keep", Recreate = "recreate");

/// What happens to submitted documents (`submitted`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Submitted {
    /// Submissions, cancellations and amendments are repeated on the other side.
    Mirror,
    /// Submitted and cancelled documents are left alone.
    Skip,
}

words!(Submitted, 2, Mirror = "mirror", Skip = "skip");

/// What an equal name on both sides means (`names`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamesRule {
    /// The doctype's metadata and the documents themselves tell.
    Auto,
    /// The same name is the same document.
    Natural,
    /// Each site counts for itself; an equal name says nothing.
    Server,
}

words!(NamesRule, 3, Auto = "auto", Natural = "natural", Server = "server");

/// How many deletions of one doctype are carried to one side within 24 hours (`max_deletes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxDeletes {
    /// This many documents.
    Count(u64),
    /// This many percent (1 to 100) of the documents that are known.
    Percent(u8),
}

impl MaxDeletes {
    /// A share never caps at less than this many documents: a tenth of a small doctype would
    /// stop every single deletion.
    pub const LEAST_SHARE: u64 = 5;

    /// The cap in documents for a doctype of which `known` documents are known. A share is
    /// rounded up.
    #[must_use]
    pub fn cap(self, known: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                known.saturating_mul(u64::from(percent)).div_ceil(100).max(Self::LEAST_SHARE)
            }
        }
    }
}

impl fmt::Display for MaxDeletes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_and_are_the_stored_words() {
        for policy in Policy::ALL {
            assert_eq!(Policy::parse(policy.as_str()), Some(policy));
            assert_eq!(serde_json::to_value(policy).unwrap(), policy.as_str());
        }
        for rule in Deletes::ALL {
            assert_eq!(Deletes::parse(rule.as_str()), Some(rule));
        }
        assert_eq!(Policy::parse("newest"), None);
        assert_eq!(NamesRule::Server.to_string(), "server");
        assert_eq!(Submitted::parse("skip"), Some(Submitted::Skip));
        assert_eq!(FirstMeeting::parse("manual"), Some(FirstMeeting::Manual));
    }

    #[test]
    fn a_share_rounds_up_and_never_falls_below_five() {
        assert_eq!(MaxDeletes::Percent(10).cap(1001), 101);
        assert_eq!(MaxDeletes::Percent(10).cap(20), 5);
        assert_eq!(MaxDeletes::Percent(100).cap(u64::MAX), u64::MAX.div_ceil(100));
        assert_eq!(MaxDeletes::Count(2).cap(1_000_000), 2);
        assert_eq!(MaxDeletes::Percent(10).to_string(), "10%");
    }
}
