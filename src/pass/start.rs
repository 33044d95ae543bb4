//! Start: what both sites are asked before anything else, all of it at once: who we are, and what
//! the documents of the doctypes add up to. A pass without news is over with that.
//!
//! The rule kept here: sums that were asked for at the start serve as long as this run has
//! written nothing. What a write brings about elsewhere on a site shows in sums that are asked
//! for after it.

use std::collections::BTreeMap;

use crate::config::DoctypeConfig;
use crate::model::{Fingerprint, Side};
use crate::site::{Site, SiteResult, sums};

use super::{Pass, Scope, at};

/// What a site says of the sums of some doctypes.
pub(super) type Sums = BTreeMap<String, SiteResult<Fingerprint>>;

/// What a site is asked.
enum Question {
    User,
    Sums(DoctypeConfig),
}

/// What it answers.
enum Answer {
    User(SiteResult<String>),
    Sums(String, SiteResult<Fingerprint>),
}

impl Pass<'_> {
    /// Asks both sites who we are, and what the doctypes add up to that may be compared by that.
    pub(super) fn ask_at_the_start(&mut self, scopes: &[Scope]) -> anyhow::Result<()> {
        let mut questions = Vec::from(Side::BOTH.map(|side| (side, Question::User)));
        for config in self.to_be_summed(scopes)? {
            questions.extend(Side::BOTH.map(|side| (side, Question::Sums(config.clone()))));
        }
        let sites = self.sites;
        let (users, sums) = (&mut self.users, &mut self.sums);
        let sides: Vec<Side> = questions.iter().map(|(side, _)| *side).collect();
        self.workers.run(
            questions,
            |side, question| answer(sites[side], question),
            |i, answer| {
                let side = sides[i];
                match answer {
                    Answer::User(user) => users[side] = user.map_err(at(side))?,
                    // A site that did not answer is asked again in its turn.
                    Answer::Sums(_, Err(error)) if error.is_outage() => {}
                    Answer::Sums(doctype, answered) => {
                        sums[side].insert(doctype, answered);
                    }
                }
                Ok(())
            },
        )
    }

    /// The doctypes of which sums say where to look.
    fn to_be_summed(&self, scopes: &[Scope]) -> anyhow::Result<Vec<DoctypeConfig>> {
        let mut summed = Vec::new();
        for scope in scopes.iter().filter(|scope| scope.is_whole()) {
            let is_full = self.options.full || self.full_is_due(&scope.config)?;
            if !is_full && self.may_list_days(&scope.config)? {
                summed.push(scope.config.clone());
            }
        }
        Ok(summed)
    }
}

fn answer(site: &dyn Site, question: Question) -> Answer {
    match question {
        Question::User => Answer::User(site.user()),
        Question::Sums(config) => {
            let sums = sums::fetch_fingerprint(site, &config.doctype, &config.filters);
            Answer::Sums(config.doctype, sums)
        }
    }
}
