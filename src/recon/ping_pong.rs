//! Whether two sites change each other's copies of a document for ever.
//!
//! Pure. A hook that has a job rewrite what was saved, some time after the answer, does so in the
//! name of who saved it, ours. Where one on each side does so, every run would write the document
//! once more.

use super::decide::Decision;
use crate::model::{ConflictKind, Side};

/// So many runs in turn are enough.
pub const RUNS: usize = 3;

/// A write of an earlier run, or the one that is about to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The side that is written to.
    pub side: Side,
    /// The run.
    pub run: Option<i64>,
    /// Whether our own user had saved the source last, so that no person did.
    pub is_ours: bool,
}

/// Whether the next write goes on with a game of three runs, newest first, in which nobody else
/// took part: each write but the first was made of what a site had rewritten in our user's name.
#[must_use]
pub fn is_ping_pong(next: Turn, earlier: &[Turn]) -> bool {
    let [third, second, first, ..] = *earlier else { return false };
    let turns = [next, third, second, first];
    let is_in_turn =
        turns.windows(2).all(|two| two[0].side != two[1].side && two[0].run != two[1].run);
    is_in_turn && turns[..RUNS].iter().all(|turn| turn.is_ours)
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

    fn turn(side: Side, run: i64, is_ours: bool) -> Turn {
        Turn { side, run: Some(run), is_ours }
    }

    #[test]
    fn three_runs_in_turn_with_nobody_else() {
        use Side::{Cloud, Local};
        let next = turn(Local, 4, true);
        let earlier = [turn(Cloud, 3, true), turn(Local, 2, true), turn(Cloud, 1, false)];
        assert!(is_ping_pong(next, &earlier));
        assert!(!is_ping_pong(next, &earlier[..2]), "two are not enough");
        // Somebody else had a hand in it.
        assert!(!is_ping_pong(Turn { is_ours: false, ..next }, &earlier));
        for at in 0..2 {
            let mut other = earlier;
            other[at].is_ours = false;
            assert!(!is_ping_pong(next, &other), "{at}");
        }
        // Not in turn, or in one run.
        let mut same_side = earlier;
        same_side[1].side = Cloud;
        assert!(!is_ping_pong(next, &same_side));
        let mut one_run = earlier;
        one_run[1].run = Some(3);
        assert!(!is_ping_pong(next, &one_run));
    }
}
