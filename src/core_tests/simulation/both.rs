//! Both sites, the clock, what is still to happen, and what has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use frappe_sandbox::Request;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::doctypes::{DOCTYPES, facts};
use super::history::{Event, On, What};
use super::ledger::{Known, Ledger, numbers};
use super::matrix::{self, Tally};
use super::promises::{Breach, Promise};
use crate::core_tests::in_process::Kind;
use crate::model::{Side, Sides};
use crate::state::commits::Moment;

/// What a killed run unwinds with.
pub struct Killed;

pub struct Both {
    pub sites: Sides<frappe_sandbox::Site>,
    pub now: Timestamp,
    pub ledger: Ledger,
    /// The history as it went, line by line.
    pub story: Vec<String>,
    pub tally: Tally,
    /// Promises that were broken while something was done.
    pub broken: Vec<Breach>,
    /// What webhooks have told of since somebody listened.
    pub told: Vec<(Side, &'static str, String)>,
    pub has_hooks: bool,
    pub run: Run,
    /// Requests whose callers gave up, to be carried out at their time.
    late: Vec<(Timestamp, Side, Request)>,
    /// Metadata as answered once: it stays the same, and making it takes most of the time.
    pub metas: BTreeMap<(Side, String), Value>,
    pub requests: Sides<u64>,
}

/// The run that is going on.
#[derive(Debug, Default)]
pub struct Run {
    pub events: Vec<Event>,
    /// Requests that change something.
    pub writes: usize,
    /// The last request.
    pub last: Option<Kind>,
    /// What our user may not touch any more.
    pub denied: Option<(Side, String)>,
    /// The restrictions that hide documents from our user, by their names.
    pub hidden: Vec<(Side, String)>,
    /// The documents that were looked at one by one, by name: their `creation`.
    pub looked_at: BTreeMap<(Side, String), Value>,
}

/// A handle on them.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Both>>);

impl Shared {
    pub fn new(sites: Sides<frappe_sandbox::Site>, now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Both {
            sites,
            now,
            ledger: Ledger::default(),
            story: Vec::new(),
            tally: Tally::new(),
            broken: Vec::new(),
            told: Vec::new(),
            has_hooks: false,
            run: Run::default(),
            late: Vec::new(),
            metas: BTreeMap::new(),
            requests: Sides::default(),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the run if that is to happen at this commit.
    pub fn at_commit(&self, moment: Moment) {
        let mut both = self.lock();
        let is_after = moment == Moment::After;
        let is_kill = |what: &What| matches!(what, What::Kill { after } if *after == is_after);
        let last = both.run.last.unwrap_or(Kind::Ask);
        let is_on = |on: On| on == On::Commit || on == On::CommitAfter(last);
        if both.fired(is_on, is_kill).is_empty() {
            return;
        }
        let (event, what) = match moment {
            Moment::Before => (matrix::KILL_BEFORE_COMMIT, "killed before a commit"),
            Moment::After => (matrix::KILL_AFTER_COMMIT, "killed after a commit"),
        };
        both.count(event, last.word());
        both.tell(what);
        drop(both);
        std::panic::resume_unwind(Box::new(Killed));
    }
}

impl Both {
    pub fn tell(&mut self, what: &str) {
        let line = format!("  {} {what}", self.now.strftime("%d %H:%M:%S"));
        self.story.push(line);
    }

    pub fn count(&mut self, event: &'static str, kind: &'static str) {
        *self.tally.entry((event, kind)).or_default() += 1;
    }

    /// Time passes; what was late comes in.
    pub fn wait(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
        let now = self.now;
        for site in [&mut self.sites.cloud, &mut self.sites.local] {
            site.tick(now);
        }
        let late = std::mem::take(&mut self.late);
        let (due, later): (Vec<_>, Vec<_>) = late.into_iter().partition(|late| late.0 <= now);
        self.late = later;
        for (at, side, request) in due {
            let answer = self.sites[side].handle(&request, at);
            let (method, path) = (&request.method, request.decoded_path());
            let what = format!("{side} carries out a late {method} {path}: {}", answer.status);
            self.tell(&what);
        }
    }

    pub fn come_late(&mut self, after: SignedDuration, side: Side, request: Request) {
        let due = self.now.checked_add(after).unwrap();
        self.late.push((due, side, request));
    }

    /// Whether a document may still be made by a request that nobody waits for.
    pub fn has_late_creates(&self) -> bool {
        self.late.iter().any(|(_, _, request)| request.method == "POST")
    }

    /// The events whose moment has come: `is_on` says which moments this is, `applies` which
    /// of the events are meant.
    pub fn fired(
        &mut self,
        is_on: impl Fn(On) -> bool,
        applies: impl Fn(&What) -> bool,
    ) -> Vec<What> {
        let mut fired = Vec::new();
        self.run.events.retain_mut(|event| {
            if !is_on(event.on) || !applies(&event.what) {
                return true;
            }
            if event.nth == 0 {
                fired.push(event.what.clone());
                return false;
            }
            event.nth -= 1;
            true
        });
        fired
    }

    pub fn doc(&self, side: Side, doctype: &str, name: &str) -> Option<Value> {
        self.sites[side].get_doc(doctype, name)
    }

    /// The document of a side with this mark.
    pub fn marked(&self, side: Side, doctype: &str, mark: &str) -> Option<Value> {
        let mut docs = self.sites[side].all_docs(doctype).into_iter();
        docs.find(|doc| mark_in(doctype, doc).as_deref() == Some(mark))
    }

    /// The documents of users that a side has: those with a mark, by name.
    pub fn docs(&self, side: Side, doctype: &str) -> Vec<Value> {
        let mut docs = self.sites[side].all_docs(doctype);
        docs.retain(|doc| mark_in(doctype, doc).is_some());
        docs
    }

    /// A person has spoken about a conflict that did not show these numbers.
    pub fn look_for(&mut self, unseen: &BTreeSet<u32>) {
        let all = Side::BOTH.into_iter().flat_map(|side| self.all(side));
        let there: BTreeSet<u32> = all.flat_map(|(_, doc)| numbers(&doc)).collect();
        let overwritten: Vec<&u32> = unseen.difference(&there).collect();
        if !overwritten.is_empty() {
            let what = format!("{overwritten:?} overwritten by who had not seen it");
            self.broken.push(Promise::OnlyWhatWasShown.broken(what));
        }
    }

    /// Every document of users on a side.
    pub fn all(&self, side: Side) -> Vec<(&'static str, Value)> {
        let of = |doctype| self.docs(side, doctype).into_iter().map(move |doc| (doctype, doc));
        DOCTYPES.iter().flat_map(|facts| of(facts.name)).collect()
    }
}

/// How the tests know a document.
pub fn known(doctype: &str, doc: &Value) -> Option<Known> {
    Some((doctype.to_owned(), mark_in(doctype, doc)?))
}

fn mark_in(doctype: &str, doc: &Value) -> Option<String> {
    match &doc[facts(doctype).mark] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()).filter(|number| number != "0"),
        _ => None,
    }
}

pub fn name_of(doc: &Value) -> String {
    doc["name"].as_str().unwrap_or_default().to_owned()
}
