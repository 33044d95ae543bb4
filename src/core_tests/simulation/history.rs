//! What happens in a history: steps that can be played, each of which can be left out.

use jiff::SignedDuration;

use super::dice::Dice;
use crate::core_tests::in_process::Kind;
use crate::model::{Direction, Side};

#[derive(Debug, Clone)]
pub enum Step {
    User(Act),
    Wait(SignedDuration),
    Rules(Rules),
    Run(Plan),
    /// A person settles an open conflict, chosen by a number; perhaps somebody edits its
    /// document just before.
    Resolve {
        nth: usize,
        take: Side,
        edited_before: Option<Act>,
    },
    Backup(Backup),
}

/// What becomes of copies of sites and states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    /// Everything is copied.
    Make,
    /// A site is put back to its copy.
    RestoreSite(Side),
    /// The state is put back to its copy.
    RestoreState,
    /// From now on the other one of two states is used.
    OtherState,
}

/// What is configured.
#[derive(Debug, Clone)]
pub struct Rules {
    pub doctypes: Vec<&'static str>,
    pub policy: &'static str,
    pub first_meeting: &'static str,
    pub collisions: &'static str,
    pub deletes: &'static str,
    /// As `sync.toml` writes it.
    pub max_deletes: &'static str,
    /// A field that is private to each side, of every doctype that has it.
    pub exclude: Option<&'static str>,
    pub one_way: Option<(&'static str, &'static str)>,
    /// What becomes of submitted documents.
    pub submitted: &'static str,
    /// Only the documents of this doctype that hold a text are taken up.
    pub filtered: Option<&'static str>,
    pub batch: usize,
    pub page: usize,
    /// How long sums may stand for a listing.
    pub list_every: &'static str,
}

/// One run of erpsync, and what happens while it runs.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub full: bool,
    pub limit: Option<usize>,
    pub direction: Option<Direction>,
    pub retry_failed: bool,
    pub allow_deletes: Option<u64>,
    /// Only the documents that webhooks told of since the last such run.
    pub told: bool,
    pub events: Vec<Event>,
}

/// Something that happens at the n-th (from 0) moment of a kind.
#[derive(Debug, Clone)]
pub struct Event {
    pub on: On,
    pub nth: usize,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Any request.
    Request,
    /// Any request that changes something.
    Write,
    /// A request of this kind.
    Kind(Kind),
    /// A commit of the state.
    Commit,
    /// A commit of the state right after a request of this kind.
    CommitAfter(Kind),
}

#[derive(Debug, Clone)]
pub enum What {
    /// A user is at work, before or after the request; on the document that it is about, or
    /// on any.
    User {
        act: Act,
        after: bool,
        of_subject: bool,
    },
    Fault(Fault),
    Kill {
        after: bool,
    },
    /// From here on the site lets our user do nothing with this doctype.
    Deny,
    /// From here on the site hides the documents of this doctype from our user, but for one.
    Hide,
    /// The site's clock is put right, or wrong.
    ClockJump {
        seconds: i64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Refusal,
    ProxyError,
    Cut,
    Unreachable,
    TooMany,
    Deadlock,
    Locked,
    Unauthorized,
    CutAfter,
    ProxyErrorAfter,
    /// No answer; the request is carried out some time later.
    Late(SignedDuration),
}

/// What a user does. Which document it is about is worked out when it is done, so that a step
/// means something whatever was left out before it.
#[derive(Debug, Clone)]
pub struct Act {
    pub side: Side,
    pub doctype: &'static str,
    pub does: Does,
    /// Chooses documents, fields, rows and links.
    pub dice: Dice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Insert,
    /// The same document twice, as two users enter it, or on both sides.
    InsertTwin,
    /// A document that is submitted and cancelled at once.
    InsertCancelled,
    Edit,
    /// An edit whose save took long: it shows now, with a stamp of some seconds ago.
    EditLate,
    Rows,
    Touch,
    Link,
    Delete,
    Rename,
    Merge,
    /// Deletes or renames a document and gives its name to a new one.
    ReuseName,
    Submit,
    Cancel,
    Amend,
}

/// How many parts of a history can be left out.
pub fn parts(steps: &[Step]) -> usize {
    steps.iter().map(|step| 1 + events(step)).sum()
}

fn events(step: &Step) -> usize {
    if let Step::Run(plan) = step { plan.events.len() } else { 0 }
}

/// The history less one part: a step, or an event in a run. The first step says what is
/// configured and stays.
pub fn without(steps: &[Step], part: usize) -> Vec<Step> {
    let mut shorter = steps.to_vec();
    let mut left = part;
    for at in 0..shorter.len() {
        let inside = events(&shorter[at]);
        if left == 0 {
            if at > 0 {
                shorter.remove(at);
            }
            return shorter;
        }
        if let Step::Run(plan) = &mut shorter[at]
            && left <= inside
        {
            plan.events.remove(left - 1);
            return shorter;
        }
        left -= 1 + inside;
    }
    shorter
}
