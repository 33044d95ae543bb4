//! What a pass would do, for `erpsync doctor`: the pass itself as a dry run over some documents.

use crate::config::DoctypeConfig;

use super::{Doctype, Pass, Scope, Summary};

/// What a first look at a doctype would come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preview {
    /// How many documents have one name on both sides and were never in step.
    pub met: usize,
    /// What would be done, as far as it was looked at.
    pub summary: Summary,
}

impl Pass<'_> {
    /// A doctype's rules and both sites' metadata of it.
    ///
    /// # Errors
    /// A site that is down or refuses, or a doctype that cannot be synced.
    pub fn describe(&mut self, config: &DoctypeConfig) -> anyhow::Result<Doctype> {
        // All of them are asked for at once what their metadata adds up to.
        self.ahead = self.config.doctypes.iter().map(|other| other.doctype.clone()).collect();
        self.load_doctype(config.clone())
    }

    /// What a pass would do to the first `limit` documents of a doctype that it acts on; the
    /// others are left in `remaining`. Only for a pass that is a dry run.
    ///
    /// # Errors
    /// Those of [`Pass::run`].
    pub fn preview(&mut self, config: &DoctypeConfig, limit: usize) -> anyhow::Result<Preview> {
        self.left = Some(limit);
        self.taken_up.clear();
        self.summary = Summary::default();
        self.run(&[Scope::whole(config.clone())])?;
        let met = self.state.never_in_step(&config.doctype)?;
        Ok(Preview { met, summary: std::mem::take(&mut self.summary) })
    }
}
