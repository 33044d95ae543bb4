//! Start: what both sites are asked before anything else, of all doctypes at the same time: who we
//! are, and what the documents of a doctype add up to, or all of them where everything is to be
//! listed again. A pass without news is over with that.
//!
//! The rule kept here: what was asked for at the start serves as long as this run has written and
//! settled nothing. What a write brings about elsewhere on a site shows in what is asked for after
//! it, and what settling has read of a document is later than a listing from before.

use std::collections::BTreeMap;
use std::hash::RandomState;

use crate::config::DoctypeConfig;
use crate::model::{DayDigests, Fingerprint, Side, Sides};
use crate::site::bulk::Pages;
use crate::site::{Site, SiteResult, sums};

use super::listing::{Everything, list_by_day};
use super::{Pass, Scope, at};

/// What the sites have said before any doctype's turn.
#[derive(Default)]
pub(super) struct Opening {
    /// Who we are.
    users: Sides<String>,
    /// What the documents of doctypes add up to.
    sums: Sides<BTreeMap<String, SiteResult<Fingerprint>>>,
    /// All documents of doctypes.
    everything: Sides<BTreeMap<String, Everything>>,
    /// What the state had seen of these by then.
    seen: BTreeMap<String, Sides<DayDigests>>,
}

impl Opening {
    /// Drops it all: it may not be so any more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// What a doctype adds up to on a side.
    pub(super) fn take_sums(
        &mut self,
        side: Side,
        doctype: &str,
    ) -> Option<SiteResult<Fingerprint>> {
        self.sums[side].remove(doctype)
    }

    /// All documents of a doctype and what was seen of it, where both sides have given them.
    pub(super) fn take_everything(
        &mut self,
        doctype: &str,
    ) -> Option<(Sides<Everything>, Sides<DayDigests>)> {
        let cloud = self.everything.cloud.remove(doctype);
        let local = self.everything.local.remove(doctype);
        let both = cloud.zip(local).map(|(cloud, local)| Sides::new(cloud, local));
        both.zip(self.seen.remove(doctype))
    }

    fn note(&mut self, side: Side, answer: Answer) -> anyhow::Result<()> {
        match answer {
            Answer::User(user) => self.users[side] = user.map_err(at(side))?,
            // A site that did not answer is asked again in its turn.
            Answer::Sums(_, Err(error)) if error.is_outage() => {}
            Answer::Sums(doctype, answered) => {
                self.sums[side].insert(doctype, answered);
            }
            // What is wrong is said in its turn.
            Answer::Everything(_, Err(_)) => {}
            Answer::Everything(doctype, Ok(everything)) => {
                self.everything[side].insert(doctype, everything);
            }
        }
        Ok(())
    }
}

/// What a site is asked.
#[derive(Clone)]
enum Question {
    User,
    Sums(DoctypeConfig),
    Everything(String),
}

/// What it answers.
enum Answer {
    User(SiteResult<String>),
    Sums(String, SiteResult<Fingerprint>),
    Everything(String, SiteResult<Everything>),
}

impl Pass<'_> {
    /// Asks both sites who we are, what the doctypes add up to that may be compared by that, and
    /// for all documents of those that are to be listed whole. What was seen of these is read
    /// meanwhile.
    pub(super) fn ask_at_the_start(&mut self, scopes: &[Scope]) -> anyhow::Result<()> {
        let (mut questions, mut listed) = (vec![Question::User], Vec::new());
        for scope in scopes.iter().filter(|scope| scope.is_whole()) {
            let question = self.question_about(&scope.config)?;
            if let Some(Question::Everything(doctype)) = &question {
                listed.push(doctype.clone());
            }
            questions.extend(question);
        }
        if !listed.is_empty() {
            self.around.watcher.listing(&listed.join(", "));
        }
        let questions: Vec<(Side, Question)> = questions
            .into_iter()
            .flat_map(|one| Side::BOTH.map(|side| (side, one.clone())))
            .collect();
        let sides: Vec<Side> = questions.iter().map(|(side, _)| *side).collect();
        let (sites, key, pages) = (self.sites, &self.key, Pages::of(self.config.page_size));
        let mut opening = Opening::default();
        let ask = || {
            let answer = |side, question| answer(sites[side], question, pages, key);
            self.workers.run(questions, answer, |i, answer| opening.note(sides[i], answer))
        };
        if listed.is_empty() {
            ask()?;
        } else {
            let (asked, seen) = self.workers.beside(ask, || self.seen_of(&listed));
            asked?;
            opening.seen = seen?;
        }
        self.users = std::mem::take(&mut opening.users);
        self.opening = opening;
        Ok(())
    }

    fn seen_of(&self, doctypes: &[String]) -> anyhow::Result<BTreeMap<String, Sides<DayDigests>>> {
        let seen = doctypes.iter().map(|doctype| Ok((doctype.clone(), self.seen_by_day(doctype)?)));
        seen.collect()
    }

    /// What both sites are asked of a doctype at once. Nothing where a pass is to look at every
    /// document, or knows none: then the listing is the least of it.
    fn question_about(&self, config: &DoctypeConfig) -> anyhow::Result<Option<Question>> {
        if self.options.full || self.full_is_due(config)? {
            return Ok(None);
        }
        if self.may_list_days(config)? {
            return Ok(Some(Question::Sums(config.clone())));
        }
        let is_compared = self.may_compare(config)?;
        Ok(is_compared.then(|| Question::Everything(config.doctype.clone())))
    }
}

fn answer(site: &dyn Site, question: Question, pages: Pages, key: &RandomState) -> Answer {
    match question {
        Question::User => Answer::User(site.user()),
        Question::Sums(config) => {
            let sums = sums::fetch_fingerprint(site, &config.doctype, &config.filters);
            Answer::Sums(config.doctype, sums)
        }
        Question::Everything(doctype) => {
            let everything = list_by_day(site, &doctype, pages, key);
            Answer::Everything(doctype, everything)
        }
    }
}
