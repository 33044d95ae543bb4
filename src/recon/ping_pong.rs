//! Whether two sites change each other's copies of a document for ever.
//!
//! Pure. A hook, a server script or a scheduled job that rewrites what it is sent, some time after
//! the answer, looks like a person who edits. Where one on each side does so, every run would write
//! the document once more.

use super::decide::Decision;
use crate::model::{ConflictKind, Side};

/// So many runs in turn are enough.
pub const RUNS: usize = 3;

/// A write of an earlier run, or the one that is about to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn<'a> {
    /// The side that is written to.
    pub side: Side,
    /// The run.
    pub run: Option<i64>,
    /// Whether our own user had saved the source last, so that no person did.
    pub is_ours: bool,
    /// The hash of what the source had.
    pub hash: &'a str,
}

/// Whether the next write goes on with a game of three runs, newest first, in which nobody else
/// took part: each was made of what a site had rewritten in our user's name, or the source has
/// come back to just what it was the last time that it was carried over.
#[must_use]
pub fn is_ping_pong(next: &Turn<'_>, earlier: &[Turn<'_>]) -> bool {
    let [third, second, first, ..] = earlier else { return false };
    let turns = [next, third, second, first];
    let is_in_turn =
        turns.windows(2).all(|two| two[0].side != two[1].side && two[0].run != two[1].run);
    let are_ours = [next, third, second].iter().all(|turn| turn.is_ours);
    is_in_turn && (are_ours || next.hash == second.hash)
}

/// What is decided then.
#[must_use]
pub fn ping_pong() -> Decision {
    Decision::recorded(
        ConflictKind::PingPong,
        "written in three runs in turn to both sides, and rewritten by the sites each time: look for \
         the hook, script or job that does it; a person decides",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(side: Side, run: i64, is_ours: bool, hash: &str) -> Turn<'_> {
        Turn { side, run: Some(run), is_ours, hash }
    }

    #[test]
    fn three_runs_in_turn_with_nobody_else() {
        use Side::{Cloud, Local};
        let next = turn(Local, 4, true, "d");
        let earlier =
            [turn(Cloud, 3, true, "c"), turn(Local, 2, true, "b"), turn(Cloud, 1, false, "a")];
        assert!(is_ping_pong(&next, &earlier));
        assert!(!is_ping_pong(&next, &earlier[..2]), "two are not enough");
        // Somebody else had a hand in it, with content of his own.
        for at in 0..2 {
            let mut other = earlier;
            other[at].is_ours = false;
            assert!(!is_ping_pong(&next, &other), "{at}");
        }
        let person = Turn { is_ours: false, ..next };
        assert!(!is_ping_pong(&person, &earlier));
        // Whoever it is, he does the same again.
        assert!(is_ping_pong(&Turn { hash: "b", ..person }, &earlier));
        // Not in turn, or in one run.
        let mut same_side = earlier;
        same_side[1].side = Cloud;
        assert!(!is_ping_pong(&next, &same_side));
        let mut one_run = earlier;
        one_run[1].run = Some(3);
        assert!(!is_ping_pong(&next, &one_run));
    }
}
