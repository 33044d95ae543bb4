//! What a run is asked to do, and why it may end early.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::DoctypeConfig;
use crate::model::{Direction, Side};
use crate::site::SiteError;

use super::{Rules, doctype};

/// What the command line asked for.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent options of the command line")]
pub struct Options {
    /// A direction for this run in place of the doctypes' rules.
    pub direction: Option<Direction>,
    /// Look at every document.
    pub full: bool,
    /// Act on so many documents at the most.
    pub limit: Option<usize>,
    /// Decide everything, write nothing.
    pub dry_run: bool,
    /// Take up failed documents although their time has not come.
    pub retry_failed: bool,
    /// Let so many documents of a doctype be deleted on a side, whatever the cap says.
    pub allow_deletes: Option<u64>,
    /// A side that looks wrong and is to be brought back to what the other one holds.
    pub restore_side: Option<Side>,
    /// A side that looks wrong and is right as it is.
    pub accept_side: Option<Side>,
    /// Count what went well, and keep no line of it: nobody is told.
    pub counts_only: bool,
    /// The rules that the pass keeps to.
    pub rules: Rules,
}

/// What a run goes through of one doctype.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The doctype and its rules.
    pub config: DoctypeConfig,
    /// Only these documents, by any of their names.
    pub names: Vec<String>,
    /// Only these documents, each by the name that this side gives it: a site told of them.
    /// Neither `names` nor these: all of them.
    pub told: Vec<(Side, String)>,
}

impl Scope {
    /// All documents of a doctype.
    #[must_use]
    pub fn whole(config: DoctypeConfig) -> Self {
        Self::named(config, Vec::new())
    }

    /// Whether all documents of the doctype are meant.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.names.is_empty() && self.told.is_empty()
    }

    /// Some documents of a doctype, by any of their names.
    #[must_use]
    pub fn named(config: DoctypeConfig, names: Vec<String>) -> Self {
        Self { config, names, told: Vec::new() }
    }
}

/// What a pass takes from the world around it.
pub struct Surroundings<'a> {
    /// The time.
    pub now: &'a dyn Fn() -> Timestamp,
    /// Waits.
    pub pause: &'a dyn Fn(Duration),
    /// Whether somebody asked the run to stop.
    pub is_interrupted: &'a dyn Fn() -> bool,
    /// Is told how far the pass is.
    pub watcher: &'a dyn Watcher,
}

/// Is told how far a pass is.
pub trait Watcher {
    /// A doctype is listed.
    fn listing(&self, doctype: &str);
    /// So many documents of a doctype are to be looked at.
    fn working(&self, doctype: &str, documents: usize);
    /// So many more of them have been looked at.
    fn advance(&self, documents: usize);
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Somebody asked for it.
    #[error("interrupted; the state is consistent and the next run carries on")]
    Interrupted,
    /// A site is down or does not let us in.
    #[error("{side}: {error}")]
    Site {
        /// The site.
        side: Side,
        /// What it said.
        error: SiteError,
    },
}

/// Turns a site's refusal into the reason why a run ends, unless it is about one doctype
/// only: then the others go on.
pub(super) fn at(side: Side) -> impl Fn(SiteError) -> anyhow::Error {
    move |error| Stop::Site { side, error }.into()
}

/// Whether an error is about one doctype only, so that the others may go on.
pub fn is_about_the_doctype(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Site { error, .. }) => !error.is_outage(),
        Some(Stop::Interrupted) => false,
        None => error.is::<doctype::Unsyncable>(),
    }
}
