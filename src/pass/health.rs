//! Health: whether a site still answers, as the workers hear it.
//!
//! The rule kept here: once a site is down nothing more is begun there; one slow document is no
//! outage.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::model::{Side, Sides};
use crate::site::{ErrorKind, SiteError};

use super::Outcome;

/// What the workers know of the sites, before the calling thread has stored what they brought:
/// once a site is down no worker begins another write.
pub(super) struct Health {
    is_down: Sides<AtomicBool>,
    /// Writes in a row without an answer.
    unanswered: Sides<AtomicUsize>,
    /// So many are no slow documents: as many as can be in flight, and some more.
    most: Sides<usize>,
}

impl Health {
    pub(super) fn new(most: Sides<usize>) -> Self {
        Self {
            is_down: Sides::from_fn(|_| AtomicBool::new(false)),
            unanswered: Sides::from_fn(|_| AtomicUsize::new(0)),
            most,
        }
    }

    pub(super) fn is_down(&self, side: Side) -> bool {
        self.is_down[side].load(Ordering::SeqCst)
    }

    /// Takes note of an outcome.
    pub(super) fn heard(&self, side: Side, outcome: &Outcome) {
        let unanswered = match outcome {
            Outcome::Failed(error) if ends_the_run(error) => self.most[side],
            Outcome::Failed(error) if error.kind == ErrorKind::Unanswered => {
                self.unanswered[side].fetch_add(1, Ordering::SeqCst) + 1
            }
            _ => {
                self.unanswered[side].store(0, Ordering::SeqCst);
                0
            }
        };
        if unanswered >= self.most[side] {
            self.is_down[side].store(true, Ordering::SeqCst);
        }
    }
}

/// The site as a whole is out of order. A single write without an answer may be a slow
/// document: it fails alone.
pub(super) fn ends_the_run(error: &SiteError) -> bool {
    error.is_outage() && error.kind != ErrorKind::Unanswered
}
