//! The way from the pass to the model sites: everything is counted, and one of the things that
//! happen ends the run, just before its effect or just after it.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::core_tests::in_process::{Call, Kind, Wire};
use crate::model::{Side, Sides};
use crate::site::SiteResult;
use crate::state::commits::Moment;

/// What a killed run unwinds with.
pub struct Killed;

/// Something in the course of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    Request(Side, Kind),
    Commit,
}

impl Event {
    /// Whether a site or the state is another one after it.
    pub fn has_effect(self) -> bool {
        match self {
            Self::Request(_, kind) => kind.is_write(),
            Self::Commit => true,
        }
    }

    pub fn word(self) -> String {
        match self {
            Self::Request(side, kind) => format!("{} on {side}", kind.word()),
            Self::Commit => "commit".to_owned(),
        }
    }
}

/// Where a run is killed: at its n-th event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub nth: usize,
    pub moment: Moment,
}

/// Both sites, their clock, and what has happened in the run.
pub struct Both {
    pub sites: Sides<frappe_sandbox::Site>,
    pub now: Timestamp,
    pub events: Vec<Event>,
    pub kill_at: Option<Point>,
}

/// A question about a site itself: the side, the path and the body.
type Question = (Side, String, Vec<u8>);

/// What the sites have answered: it stays the same all the time, and making it takes long.
static ASKED: Mutex<BTreeMap<Question, Value>> = Mutex::new(BTreeMap::new());

/// A handle on them.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Both>>);

impl Shared {
    pub fn new(sites: Sides<frappe_sandbox::Site>, now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Both { sites, now, events: Vec::new(), kill_at: None })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn at_commit(&self, moment: Moment) {
        let mut both = self.lock();
        if moment == Moment::Before {
            both.events.push(Event::Commit);
        }
        let is_end = both.is_end(moment);
        drop(both);
        if is_end {
            resume_unwind(Box::new(Killed));
        }
    }
}

impl Both {
    pub fn wait(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
        let now = self.now;
        for site in [&mut self.sites.cloud, &mut self.sites.local] {
            site.tick(now);
        }
    }

    /// Whether the run ends at this moment of the last event.
    fn is_end(&self, moment: Moment) -> bool {
        self.kill_at == Some(Point { nth: self.events.len() - 1, moment })
    }

    fn answer(&mut self, side: Side, call: &Call<'_>) -> SiteResult<Value> {
        let asked = || (side, call.request.path.clone(), call.request.body.clone());
        let is_asked = call.kind == Kind::Ask;
        if is_asked && let Some(known) = ASKED.lock().unwrap().get(&asked()) {
            return Ok(known.clone());
        }
        let response = self.sites[side].handle(&call.request, self.now);
        self.sites[side].log.clear();
        let value = call.read(&response)?;
        if is_asked {
            ASKED.lock().unwrap().insert(asked(), value.clone());
        }
        Ok(value)
    }
}

impl Wire for Shared {
    fn send(&self, side: Side, call: &Call<'_>) -> SiteResult<Value> {
        let mut both = self.lock();
        both.wait(SignedDuration::from_millis(7));
        both.events.push(Event::Request(side, call.kind));
        let mut is_end = both.is_end(Moment::Before);
        if !is_end {
            let answer = both.answer(side, call);
            is_end = both.is_end(Moment::After);
            if !is_end {
                return answer;
            }
        }
        drop(both);
        resume_unwind(Box::new(Killed));
    }

    fn clock(&self, side: Side) -> (Timestamp, Timestamp) {
        let both = self.lock();
        (both.now, both.sites[side].own_time(both.now))
    }

    fn requests(&self, _: Side) -> u64 {
        0
    }
}
