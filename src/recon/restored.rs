//! What becomes of one document of a side that a person brings back to what the other one holds.
//!
//! Pure. The rules kept here: only the very version that the side was brought back to is written
//! over, with both versions kept; what was saved there since waits for a person.

use super::decide::{Decision, Observed};
use crate::model::{Action, ConflictKind, Doc, Side};

/// What a side that went back shows of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The version that it was brought back to.
    AsRestored(Side),
    /// Nothing: the backup did not have it.
    Missing(Side),
    /// A version that was saved there since.
    EditedSince(Side),
}

/// What a side shows of a document of which a person said that this `version` (its `modified`; empty
/// for none) is to be brought back.
#[must_use]
pub fn standing(side: Side, version: &str, now: &Observed<Doc>) -> Option<Standing> {
    match now {
        Observed::Present(doc) if doc.modified() == version => Some(Standing::AsRestored(side)),
        Observed::Present(_) => Some(Standing::EditedSince(side)),
        Observed::Absent => Some(Standing::Missing(side)),
        Observed::Unknown(_) => None,
    }
}

/// What is done in place of what was decided.
#[must_use]
pub fn brought_back(standing: Standing, decision: Decision) -> Decision {
    let is_update = matches!(decision.action, Action::Update | Action::Submit | Action::Cancel);
    match standing {
        Standing::AsRestored(side) if is_update && decision.direction.target() == Some(side) => {
            Decision {
                conflict: decision.conflict.or(Some(ConflictKind::EditEdit)),
                reason: format!(
                    "{side} went back to an older version; {}'s is written again",
                    side.opposite()
                ),
                ..decision
            }
        }
        Standing::Missing(side) if decision.action == Action::Create => {
            Decision { reason: format!("missing on {side} since it went back"), ..decision }
        }
        Standing::EditedSince(side) if is_update || decision.action == Action::Merge => {
            Decision::recorded(
                ConflictKind::EditEdit,
                format!(
                    "edited on {side} after it went back to an older version; a person decides"
                ),
            )
        }
        _ => decision,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Direction;

    fn update(direction: Direction) -> Decision {
        Decision::new(Action::Update, direction, "cloud changed")
    }

    #[test]
    fn only_the_very_version_is_written_over() {
        let doc: Doc = serde_json::from_value(json!({"modified": "m1"})).unwrap();
        let now = Observed::Present(doc);
        let on = |version| standing(Side::Local, version, &now);
        assert_eq!(on("m1"), Some(Standing::AsRestored(Side::Local)));
        assert_eq!(on("m0"), Some(Standing::EditedSince(Side::Local)));
        assert_eq!(on(""), Some(Standing::EditedSince(Side::Local)));
        let gone = standing(Side::Local, "", &Observed::Absent);
        assert_eq!(gone, Some(Standing::Missing(Side::Local)));
        assert_eq!(standing(Side::Local, "", &Observed::Unknown(String::new())), None);
    }

    #[test]
    fn both_versions_are_kept_and_later_edits_wait() {
        let restored = Standing::AsRestored(Side::Local);
        let back = brought_back(restored, update(Direction::CloudToLocal));
        assert_eq!(back.conflict, Some(ConflictKind::EditEdit));
        assert_eq!(back.action, Action::Update);
        // Nothing that an old version says is ever carried over by it.
        let other = update(Direction::LocalToCloud);
        assert_eq!(brought_back(restored, other.clone()), other);
        let edited = brought_back(Standing::EditedSince(Side::Local), other);
        assert_eq!((edited.action, edited.direction), (Action::Conflict, Direction::None));
        let noop = Decision::new(Action::Noop, Direction::None, "in step");
        assert_eq!(brought_back(Standing::EditedSince(Side::Local), noop.clone()), noop);
    }
}
