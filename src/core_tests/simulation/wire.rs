//! The way from the pass to the models: faults, kills and users' edits fall on requests here.
//! What may be repeated is repeated as the client over HTTP does it, on the virtual clock.

use std::panic::resume_unwind;
use std::time::Duration;

use frappe_sandbox::faults::{Action, Match, Refusal};
use frappe_sandbox::{Delivery, sites::FULL_USER};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::both::{Both, Killed, Shared, known, name_of};
use super::doctypes::DOCTYPES;
use super::history::{Act, Does, Fault, On, What};
use super::ledger::Known;
use super::matrix;
use super::promises::Promise;
use crate::core_tests::in_process::{Call, Kind, Wire};
use crate::model::Side;
use crate::site::http::{Repetition, RetryPolicy};
use crate::site::{ErrorKind, SiteError, SiteResult};

/// As `sync.toml` has it where it says nothing.
const RETRY: RetryPolicy = RetryPolicy { max_attempts: 3, backoff: Duration::from_secs(5) };

impl Wire for Shared {
    fn send(&self, side: Side, call: &Call<'_>) -> SiteResult<Value> {
        let repeat = if call.kind.is_write() { Repetition::Write } else { Repetition::Read };
        let mut attempt = 1;
        loop {
            let error = match send_once(self, side, call) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(pause) = RETRY.pause(attempt, &error, repeat, 0.5) else {
                return Err(error.after(attempt));
            };
            self.lock().wait(SignedDuration::try_from(pause).unwrap());
            attempt += 1;
        }
    }

    fn clock(&self, side: Side) -> (Timestamp, Timestamp) {
        let both = self.lock();
        (both.now, both.sites[side].own_time(both.now))
    }

    fn requests(&self, side: Side) -> u64 {
        self.lock().requests[side]
    }
}

fn send_once(shared: &Shared, side: Side, call: &Call<'_>) -> SiteResult<Value> {
    let mut both = shared.lock();
    both.requests[side] += 1;
    both.run.last = Some(call.kind);
    let pause = 5 + i64::try_from(both.requests.cloud % 7).unwrap();
    both.wait(SignedDuration::from_millis(pause));
    let kind = call.kind;
    let is_on = |on: On| match on {
        On::Request => true,
        On::Write => kind.is_write(),
        On::Kind(wanted) => wanted == kind,
        On::Commit | On::CommitAfter(_) => false,
    };
    let fired = both.fired(is_on, |_| true);
    let subject = both.subject(side, call);
    let fault = both.before(side, call, &fired, subject.as_ref());
    let is_killed = |after: bool| {
        fired.iter().any(|what| matches!(what, What::Kill { after: is } if *is == after))
    };
    if is_killed(false) {
        both.count(matrix::KILL_BEFORE, kind.word());
        kill(both, &format!("killed before {}", line(side, call)));
    }
    if kind == Kind::List {
        both.listed(side, call);
    }
    let had = (kind == Kind::Delete).then(|| both.doc(side, call.doctype, call.name)).flatten();
    let result = both.exchange(side, call, fault);
    if kind.is_write() {
        both.written(side, call, &result, had.as_ref());
    }
    for what in &fired {
        if let What::User { act, after: true, of_subject } = what {
            both.user(side, call, act, subject.as_ref().filter(|_| *of_subject), true);
        }
    }
    if is_killed(true) {
        both.count(matrix::KILL_AFTER, kind.word());
        kill(both, &format!("killed after {}", line(side, call)));
    }
    result
}

fn kill(mut both: std::sync::MutexGuard<'_, Both>, what: &str) -> ! {
    both.tell(what);
    drop(both);
    resume_unwind(Box::new(Killed))
}

fn line(side: Side, call: &Call<'_>) -> String {
    format!("{} {} to {side}", call.request.method, call.request.decoded_path())
}

impl Both {
    /// The document of users that a request is about.
    fn subject(&self, side: Side, call: &Call<'_>) -> Option<Known> {
        if !call.kind.is_write() {
            return None;
        }
        let own = call.fields.and_then(|fields| known(call.doctype, &fields.clone().into()));
        own.or_else(|| known(call.doctype, &self.doc(side, call.doctype, call.name)?))
    }

    /// What happens before a request arrives; gives the fault that falls on it.
    fn before(
        &mut self,
        side: Side,
        call: &Call<'_>,
        fired: &[What],
        subject: Option<&Known>,
    ) -> Option<Fault> {
        let mut fault = None;
        for what in fired {
            match what {
                What::User { act, after: false, of_subject } => {
                    self.user(side, call, act, subject.filter(|_| *of_subject), false);
                }
                What::Fault(one) => fault = Some(*one),
                What::Deny if !call.doctype.is_empty() => {
                    self.count(matrix::DENIED, call.kind.word());
                    self.tell(&format!("{side} lets us do nothing with {} now", call.doctype));
                    self.run.denied = Some((side, call.doctype.to_owned()));
                }
                What::Hide => self.hide(side, call),
                What::ClockJump { seconds } => {
                    self.count(matrix::CLOCK_JUMP, call.kind.word());
                    self.tell(&format!("the clock of {side} jumps by {seconds} seconds"));
                    self.sites[side].clock_offset_ms += seconds * 1000;
                }
                _ => {}
            }
        }
        fault
    }

    /// From here on our user sees only one document of this doctype, and what links to no other.
    fn hide(&mut self, side: Side, call: &Call<'_>) {
        if DOCTYPES.iter().all(|facts| facts.name != call.doctype) {
            return;
        }
        let docs = self.docs(side, call.doctype);
        let Some(shown) = docs.last().map(name_of) else { return };
        self.count(matrix::HIDDEN, call.kind.word());
        self.tell(&format!("{side} shows us only {} {shown} now", call.doctype));
        let at = self.sites[side].own_time(self.now);
        let restriction = self.sites[side].restrict_user(FULL_USER, call.doctype, &shown, at);
        self.run.hidden.push((side, restriction.unwrap()));
    }

    /// Our user sees and may do everything again.
    pub fn restore_rights(&mut self) {
        self.run.denied = None;
        for (side, restriction) in std::mem::take(&mut self.run.hidden) {
            let at = self.sites[side].own_time(self.now);
            let site = &mut self.sites[side];
            site.delete_as("Administrator", "User Permission", &restriction, at).unwrap();
        }
    }

    /// A user is at work while a request is under way.
    fn user(
        &mut self,
        side: Side,
        call: &Call<'_>,
        act: &Act,
        subject: Option<&Known>,
        after: bool,
    ) {
        if !self.act_on(act, subject) {
            return;
        }
        let is_target = act.side == side;
        let event = match (subject, after) {
            (Some(_), false) if is_target => matrix::TARGET_BEFORE_WRITE,
            (Some(_), false) => matrix::SOURCE_BEFORE_WRITE,
            (Some(_), true) if is_target => matrix::TARGET_AFTER_WRITE,
            (Some(_), true) => matrix::SOURCE_AFTER_WRITE,
            (None, _) if call.kind == Kind::List && act.does == Does::Rename => {
                matrix::RENAME_IN_LISTING
            }
            _ => return,
        };
        self.count(event, call.kind.word());
    }

    /// Whether a listing is one of sums, or of the days that they do not agree on.
    fn listed(&mut self, side: Side, call: &Call<'_>) {
        let query: Value = serde_json::from_slice(&call.request.body).unwrap();
        if query["group_by"] == "date(modified)" {
            self.count(matrix::SUMMED, "");
        }
        let filters = query["filters"].as_array().into_iter().flatten();
        let mut days = filters.filter(|filter| filter[0] == "modified" && filter[1] == "<");
        let Some(end) = days.next().and_then(|filter| filter[2].as_str()) else { return };
        self.count(matrix::DAY_LISTED, "");
        if *end <= *self.sites[side].local(self.now) {
            self.count(matrix::EARLIER_DAY_LISTED, "");
        }
    }

    /// Tells of a write, and looks at whether it might be made.
    fn written(
        &mut self,
        side: Side,
        call: &Call<'_>,
        result: &SiteResult<Value>,
        had: Option<&Value>,
    ) {
        self.run.writes += 1;
        let outcome = match result {
            Ok(answer) => answer["name"].as_str().unwrap_or("done").to_owned(),
            Err(error) => format!("{:?}, {error}", error.kind),
        };
        let body = String::from_utf8_lossy(&call.request.body).into_owned();
        self.tell(&format!("erpsync: {} {body} -> {outcome}", line(side, call)));
        let Some(known) = had.and_then(|doc| known(call.doctype, doc)) else { return };
        let is_gone = self.doc(side, call.doctype, call.name).is_none();
        let is_meant = self.ledger.deleted.contains(&(side.opposite(), known.clone()));
        // A second copy of its own it may take back.
        let is_copy = had.is_some_and(|doc| doc["owner"] == FULL_USER)
            && self
                .docs(side, call.doctype)
                .iter()
                .any(|doc| name_of(doc) != call.name && call.name.starts_with(&name_of(doc)));
        // A deletion has no lock: somebody was quicker than it.
        let looked_at = self.run.looked_at.get(&(side, call.name.to_owned()));
        let is_another = had.is_some_and(|doc| looked_at != Some(&doc["creation"]));
        if is_gone && !is_meant && !is_copy && !is_another {
            let (doctype, mark) = known;
            let what = format!("{doctype} {mark} was deleted on {side}, which nobody meant");
            self.broken.push(Promise::NothingDeleted.broken(what));
        }
    }

    /// Carries a request out, or not, as the fault has it.
    fn exchange(&mut self, side: Side, call: &Call<'_>, fault: Option<Fault>) -> SiteResult<Value> {
        let place = (side, call.request.path.clone());
        if fault.is_none()
            && let Some(known) = self.metas.get(&place)
        {
            return Ok(known.clone());
        }
        let action = match fault {
            None => self.denial(side, call).map(Action::Refuse),
            Some(fault) => match self.misfortune(side, call, fault)? {
                None => None,
                some => some,
            },
        };
        let now = self.now;
        let site = &mut self.sites[side];
        if let Some(action) = action {
            site.faults.once(Match::any(), action);
        }
        let delivery = site.exchange(&call.request, now);
        site.log.clear();
        let Delivery::Answer(response) = delivery else { return Err(unanswered()) };
        let value = call.read(&response)?;
        if call.kind == Kind::Look {
            let looked_at = (side, call.name.to_owned());
            self.run.looked_at.insert(looked_at, value["creation"].clone());
        }
        if place.1.ends_with("/meta") {
            self.metas.insert(place, value.clone());
        }
        Ok(value)
    }

    fn denial(&self, side: Side, call: &Call<'_>) -> Option<Refusal> {
        let (denied_on, doctype) = self.run.denied.as_ref()?;
        (*denied_on == side && doctype == call.doctype).then_some(Refusal::Forbidden)
    }

    /// What the model does to a request on which a fault falls.
    fn misfortune(
        &mut self,
        side: Side,
        call: &Call<'_>,
        fault: Fault,
    ) -> SiteResult<Option<Action>> {
        let kind = call.kind;
        self.tell(&format!("{fault:?} on {}", line(side, call)));
        let refuse = |refusal| Some(Action::Refuse(refusal));
        let (event, action) = match fault {
            Fault::Refusal => (matrix::REFUSAL, refuse(Refusal::Internal)),
            Fault::ProxyError => (matrix::PROXY_BEFORE, refuse(Refusal::Unavailable)),
            Fault::Cut => (matrix::CUT_BEFORE, Some(Action::Cut)),
            Fault::TooMany => (matrix::TOO_MANY, refuse(Refusal::TooMany(3))),
            Fault::Deadlock => (matrix::DEADLOCK, refuse(Refusal::Deadlock)),
            Fault::Locked => (matrix::LOCKED, refuse(Refusal::Locked)),
            Fault::Unauthorized => (matrix::UNAUTHORIZED, refuse(Refusal::Unauthorized)),
            Fault::CutAfter => (matrix::CUT_AFTER, Some(Action::CutAfter)),
            Fault::ProxyErrorAfter => {
                (matrix::PROXY_AFTER, Some(Action::RefuseAfter(Refusal::GatewayTimeout)))
            }
            Fault::Unreachable => (matrix::UNREACHABLE, None),
            Fault::Late(_) => (matrix::LATE, None),
        };
        self.count(event, kind.word());
        if event == matrix::CUT_AFTER && kind == Kind::Create && self.has_hooks {
            self.count(matrix::LOST_POST_WITH_HOOKS, "");
        }
        match fault {
            Fault::Unreachable => Err(SiteError::new(ErrorKind::Unreachable, "connection refused")),
            Fault::Late(time) => {
                if kind.is_write() {
                    self.come_late(time, side, call.request.clone());
                }
                Err(unanswered())
            }
            _ => Ok(action),
        }
    }
}

fn unanswered() -> SiteError {
    SiteError::new(ErrorKind::Unanswered, "no answer came")
}
