//! Exit codes, and what an error is worth.

use super::UsageError;
use crate::config::ConfigError;
use crate::model::Side;
use crate::pass::{Ambiguous, Stop, Summary};
use crate::site::ErrorKind;
use crate::state::StateError;

/// How the program ends. The codes are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything in scope is in step.
    Done,
    /// A site is down, credentials are refused, the state is missing or unusable.
    Fatal,
    /// The command line or the configuration is wrong; nothing was contacted.
    Usage,
    /// Done, and conflicts wait for a person.
    Conflicts,
    /// Done, and some documents failed.
    Failed,
    /// Another run is at work on this state.
    Locked,
    /// A guard stopped a doctype that looks wrong.
    Guarded,
    /// A dry run found something to do.
    Different,
    /// Interrupted; the next run carries on.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Fatal => 1,
            Self::Usage => 2,
            Self::Conflicts => 3,
            Self::Failed => 4,
            Self::Locked => 5,
            Self::Guarded => 6,
            Self::Different => 7,
            Self::Interrupted => 130,
        }
    }

    /// What a finished run is worth. Where several apply, the gravest counts: a site that lets
    /// our user do nothing, a guard, then failures and requests of which nobody knows what came of them,
    /// then conflicts and what waits for them, then differences.
    #[must_use]
    pub fn of(summary: &Summary, tells_differences: bool) -> Self {
        let any =
            |is: &dyn Fn(&crate::pass::DoctypeSummary) -> bool| summary.doctypes.iter().any(is);
        if Side::BOTH.into_iter().any(|side| is_forbidden(summary, side)) {
            Self::Fatal
        } else if any(&|counts| counts.guard.is_some()) {
            Self::Guarded
        } else if any(&|counts| {
            counts.failed > 0 || counts.waiting_for_outcome > 0 || counts.error.is_some()
        }) {
            Self::Failed
        } else if any(&|counts| counts.conflicts > 0 || counts.waiting_for_conflict > 0) {
            Self::Conflicts
        } else if tells_differences && any(&|counts| counts.acted_on() > 0) {
            Self::Different
        } else {
            Self::Done
        }
    }

    /// What an error is worth.
    #[must_use]
    pub fn of_error(error: &anyhow::Error) -> Self {
        if let Some(Stop::Interrupted) = error.downcast_ref::<Stop>() {
            return Self::Interrupted;
        }
        match error.downcast_ref::<StateError>() {
            Some(StateError::Locked { .. }) => return Self::Locked,
            Some(StateError::OtherPair { .. }) => return Self::Usage,
            Some(_) => return Self::Fatal,
            None => {}
        }
        let is_usage =
            error.is::<ConfigError>() || error.is::<Ambiguous>() || error.is::<UsageError>();
        if is_usage { Self::Usage } else { Self::Fatal }
    }
}

/// Whether a site refused our user every doctype of the run.
fn is_forbidden(summary: &Summary, side: Side) -> bool {
    let refused = Some((side, ErrorKind::Forbidden));
    !summary.doctypes.is_empty() && summary.doctypes.iter().all(|counts| counts.refused == refused)
}
