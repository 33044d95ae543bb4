//! A model site behind the trait `Site`, without a socket: the requests that the client over
//! HTTP sends, their answers read by its rules, one attempt each. Between them happens what
//! the history says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use erpsync::model::{Doc, Side, Sides};
use erpsync::site::http::RawAnswer;
use erpsync::site::{ErrorKind, ListQuery, ServerClock, Site, SiteError, SiteResult};
use frappe_sandbox::faults::{Action, Match, Refusal};
use frappe_sandbox::{Delivery, Request};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Tally;
use super::history::{Act, Event, Fault, On, What};
use super::users::Ledger;

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a killed run unwinds with.
pub struct Killed;

/// Both sites, the clock, and what is to happen.
pub struct Core {
    pub sites: Sides<frappe_sandbox::Site>,
    pub now: Timestamp,
    pub ledger: Ledger,
    /// What is still to happen in this run.
    pub events: Vec<Event>,
    /// Requests whose callers gave up, to be carried out at their time.
    late: Vec<(Timestamp, Side, Request)>,
    pub requests: Sides<u64>,
    /// Requests that change something, of this run.
    pub writes: usize,
    pub story: Vec<String>,
    pub tally: Tally,
    /// The writes of this run have begun.
    writing: bool,
    /// Metadata as answered once: it stays the same, and making it takes most of the time.
    metas: BTreeMap<(Side, String), Value>,
}

/// A handle on them.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Core>>);

impl Shared {
    pub fn new(sites: Sides<frappe_sandbox::Site>, now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Core {
            sites,
            now,
            ledger: Ledger::default(),
            events: Vec::new(),
            late: Vec::new(),
            requests: Sides::default(),
            writes: 0,
            story: Vec::new(),
            tally: Tally::new(),
            writing: false,
            metas: BTreeMap::new(),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Core> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time, as a run asks for it.
    pub fn time(&self) -> Timestamp {
        let mut core = self.lock();
        for event in core.fired(&[On::Commit]) {
            if let What::Kill { .. } = event {
                core.happened("kill before a commit", "killed before a commit");
                drop(core);
                std::panic::resume_unwind(Box::new(Killed));
            }
        }
        core.now
    }
}

impl Core {
    pub fn tell(&mut self, what: &str) {
        let line = format!("  {} {what}", self.now.strftime("%d %H:%M:%S"));
        self.story.push(line);
    }

    pub fn count(&mut self, kind: &str) {
        *self.tally.entry(kind.to_owned()).or_default() += 1;
    }

    fn happened(&mut self, kind: &str, what: &str) {
        self.count(kind);
        self.tell(what);
    }

    pub fn begin_run(&mut self, events: Vec<Event>) {
        self.events = events;
        self.writes = 0;
        self.writing = false;
    }

    /// Time passes; what was late comes in.
    pub fn wait(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.late).into_iter().partition(|l| l.0 <= now);
        self.late = later;
        let due: Vec<(Timestamp, Side, Request)> = due;
        for (at, side, request) in due {
            let response = self.sites[side].handle(&request, at);
            let what = format!(
                "{side} carries out a late {} {}: {}",
                request.method,
                request.decoded_path(),
                response.status
            );
            self.tell(&what);
        }
    }

    fn fired(&mut self, moments: &[On]) -> Vec<What> {
        let mut fired = Vec::new();
        self.events.retain_mut(|event| {
            if !moments.contains(&event.on) {
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

    fn user(&mut self, act: &Act, subject: Option<(&str, &str)>) {
        let mut act = act.clone();
        if let Some((doctype, name)) = subject
            && let Some(known) =
                super::history::DOCTYPES.into_iter().find(|known| *known == doctype)
        {
            act.doctype = known;
            name.clone_into(&mut act.name);
        }
        self.act(&act);
    }
}

/// A request as the client makes it.
struct Call<'a> {
    request: Request,
    key: Option<&'a str>,
    document: Option<(&'a str, &'a str)>,
    /// Doctype and name, of a write.
    writes: Option<(&'a str, String)>,
}

/// One of the sites as the pass sees it.
pub struct InProcess {
    pub side: Side,
    pub shared: Shared,
}

impl InProcess {
    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path)
            .token(&format!("{}fullkey", self.side), &format!("{}fullsecret", self.side))
    }

    fn read(&self, path: &str, key: &'static str) -> SiteResult<Value> {
        let request = self.request("GET", path);
        self.call(Call { request, key: Some(key), document: None, writes: None })
    }

    fn call(&self, call: Call<'_>) -> SiteResult<Value> {
        let mut core = self.shared.lock();
        core.requests[self.side] += 1;
        let pause =
            SignedDuration::from_millis(5 + i64::try_from(core.requests.cloud % 7).unwrap());
        core.wait(pause);
        let is_write = call.writes.is_some();
        let moments: &[On] = if is_write { &[On::Request, On::Write] } else { &[On::Request] };
        let fired = core.fired(moments);
        let subject = call.writes.as_ref().map(|(doctype, name)| (*doctype, name.as_str()));
        let mut fault = None;
        for what in &fired {
            match what {
                What::User { act, after: false, of_subject } => {
                    self.count_edit(&mut core, act.side, subject, *of_subject, false);
                    core.user(act, subject.filter(|_| *of_subject));
                }
                What::Kill { after: false } => {
                    core.happened("kill before a request", &killed(self.side, "before", &call));
                    drop(core);
                    std::panic::resume_unwind(Box::new(Killed));
                }
                What::Fault(one) => fault = Some(*one),
                _ => {}
            }
        }
        let result = self.exchange(&mut core, &call, fault);
        if is_write {
            core.writing = true;
            core.writes += 1;
            let outcome = match &result {
                Ok(_) => "done".to_owned(),
                Err(error) => format!("{:?}, {error}", error.kind),
            };
            let body = String::from_utf8_lossy(&call.request.body).into_owned();
            let what = format!(
                "erpsync to {}: {} {} {body} -> {outcome}",
                self.side,
                call.request.method,
                call.request.decoded_path()
            );
            core.tell(&what);
        }
        for what in &fired {
            if let What::User { act, after: true, of_subject } = what {
                self.count_edit(&mut core, act.side, subject, *of_subject, true);
                core.user(act, subject.filter(|_| *of_subject));
            }
        }
        if fired.iter().any(|what| matches!(what, What::Kill { after: true })) {
            let kind = if is_write { "kill after a write" } else { "kill after a read" };
            core.happened(kind, &killed(self.side, "after", &call));
            drop(core);
            std::panic::resume_unwind(Box::new(Killed));
        }
        result
    }

    fn count_edit(
        &self,
        core: &mut Core,
        by: Side,
        subject: Option<(&str, &str)>,
        of_subject: bool,
        after: bool,
    ) {
        let whose = if by == self.side { "of the target" } else { "of the source" };
        match (subject, after) {
            (None, _) if !core.writing => core.count("edit between list and write"),
            (None, _) => {}
            (Some(_), false) if of_subject => {
                core.count(&format!("edit between read and write, {whose}"));
            }
            (Some(_), true) if of_subject => {
                core.count(&format!("edit between write and re-read, {whose}"));
            }
            _ => {}
        }
    }

    /// Carries a request out, or not, as the fault has it.
    fn exchange(
        &self,
        core: &mut Core,
        call: &Call<'_>,
        fault: Option<Fault>,
    ) -> SiteResult<Value> {
        let unanswered = || SiteError::new(ErrorKind::Unanswered, "no answer came");
        if let Some(fault) = fault {
            core.tell(&format!("fault on {} {}: {fault:?}", self.side, call.request.path));
        }
        let refuse = |refusal| Some(Action::Refuse(refusal));
        let (kind, action) = match fault {
            None => ("", None),
            Some(Fault::Refusal) => ("no effect: a refusal", refuse(Refusal::Internal)),
            Some(Fault::ProxyError) => ("no effect: a proxy's error", refuse(Refusal::Unavailable)),
            Some(Fault::Cut) => ("no effect: cut", Some(Action::Cut)),
            Some(Fault::TooMany) => ("no effect: 429", refuse(Refusal::TooMany(3))),
            Some(Fault::Deadlock) => ("no effect: deadlock", refuse(Refusal::Deadlock)),
            Some(Fault::Locked) => ("no effect: locked", refuse(Refusal::Locked)),
            Some(Fault::Unauthorized) => ("no effect: 401", refuse(Refusal::Unauthorized)),
            Some(Fault::CutAfter) => ("after the effect: cut", Some(Action::CutAfter)),
            Some(Fault::ProxyErrorAfter) => (
                "after the effect: a proxy's error",
                Some(Action::RefuseAfter(Refusal::GatewayTimeout)),
            ),
            Some(Fault::Unreachable) => {
                core.count("fault, no effect: unreachable");
                return Err(SiteError::new(ErrorKind::Unreachable, "connection refused"));
            }
            Some(Fault::Late(time)) => {
                if call.writes.is_some() {
                    core.count("fault before a late effect");
                    let due = core.now.checked_add(time).unwrap();
                    core.late.push((due, self.side, call.request.clone()));
                }
                return Err(unanswered());
            }
        };
        if let Some(rest) = kind.strip_prefix("after") {
            if call.writes.is_some() {
                core.count(&format!("fault after{rest}"));
            }
        } else if !kind.is_empty() {
            core.count(&format!("fault, {kind}"));
        }
        let now = core.now;
        let meta = (self.side, call.request.path.clone());
        if action.is_none()
            && let Some(known) = core.metas.get(&meta)
        {
            return Ok(known.clone());
        }
        let site = &mut core.sites[self.side];
        if let Some(action) = action {
            site.faults.once(Match::any(), action);
        }
        let delivery = site.exchange(&call.request, now);
        site.log.clear();
        let Delivery::Answer(response) = delivery else { return Err(unanswered()) };
        let answer =
            RawAnswer { status: response.status, headers: &response.headers, body: &response.body };
        let result = answer.read(call.key, call.document);
        if let Ok(value) = &result
            && meta.1.ends_with("/meta")
        {
            core.metas.insert(meta, value.clone());
        }
        result
    }
}

fn killed(side: Side, when: &str, call: &Call<'_>) -> String {
    format!("killed {when} {} {} to {side}", call.request.method, call.request.decoded_path())
}

fn resource(doctype: &str, name: Option<&str>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    match name {
        Some(name) => format!("/api/resource/{}/{}", encode(doctype), encode(name)),
        None => format!("/api/resource/{}", encode(doctype)),
    }
}

fn document(value: Value) -> SiteResult<Doc> {
    match value {
        Value::Object(fields) => Ok(Doc(fields)),
        _ => Err(SiteError::new(ErrorKind::Malformed, "no object")),
    }
}

impl Site for InProcess {
    fn list(&self, query: &ListQuery) -> SiteResult<Vec<Doc>> {
        let mut body = json!({
            "doctype": query.doctype,
            "fields": query.fields,
            "filters": query.filters,
            "order_by": query.order_by,
            "limit_page_length": query.limit,
        });
        for (key, value) in [("parent", &query.parent), ("group_by", &query.group_by)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        let request = self.request("POST", "/api/method/frappe.client.get_list").json(&body);
        let call = Call { request, key: Some("message"), document: None, writes: None };
        match self.call(call)? {
            Value::Array(rows) => rows.into_iter().map(document).collect(),
            _ => Err(SiteError::new(ErrorKind::Malformed, "no list")),
        }
    }

    fn get(&self, doctype: &str, name: &str) -> SiteResult<Doc> {
        let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
        let path = format!(
            "/api/method/frappe.client.get?doctype={}&name={}",
            encode(doctype),
            encode(name)
        );
        let request = self.request("GET", &path);
        let document_asked = Some((doctype, name));
        self.call(Call { request, key: Some("message"), document: document_asked, writes: None })
            .and_then(document)
    }

    fn insert(&self, doctype: &str, body: &Map<String, Value>) -> SiteResult<Doc> {
        let request = self.request("POST", &resource(doctype, None)).json(&json!(body));
        let naming =
            ["name", "title", "brand", "customer_group_name", "customer_name", "item_code"];
        let name = naming.iter().find_map(|field| body.get(*field)?.as_str());
        let writes = Some((doctype, name.unwrap_or_default().to_owned()));
        self.call(Call { request, key: Some("data"), document: Some((doctype, "")), writes })
            .and_then(document)
    }

    fn update(&self, doctype: &str, name: &str, body: &Map<String, Value>) -> SiteResult<Doc> {
        let request = self.request("PUT", &resource(doctype, Some(name))).json(&json!(body));
        let writes = Some((doctype, name.to_owned()));
        self.call(Call { request, key: Some("data"), document: Some((doctype, name)), writes })
            .and_then(document)
    }

    fn delete(&self, doctype: &str, name: &str) -> SiteResult<()> {
        self.shared.lock().count("a deletion by erpsync");
        let request = self.request("DELETE", &resource(doctype, Some(name)));
        let writes = Some((doctype, name.to_owned()));
        self.call(Call { request, key: Some("data"), document: Some((doctype, name)), writes })
            .map(drop)
    }

    fn meta(&self, doctype: &str) -> SiteResult<Map<String, Value>> {
        let doctype = utf8_percent_encode(doctype, RESERVED).to_string();
        match self.read(&format!("/api/v2/doctype/{doctype}/meta"), "data")? {
            Value::Object(meta) => Ok(meta),
            _ => Err(SiteError::new(ErrorKind::Malformed, "no object")),
        }
    }

    fn user(&self) -> SiteResult<String> {
        let user = self.read("/api/method/frappe.auth.get_logged_user", "message")?;
        Ok(user.as_str().unwrap_or_default().to_owned())
    }

    fn time_zone(&self) -> SiteResult<String> {
        let path = "/api/method/frappe.client.get_value?doctype=System%20Settings&\
                    fieldname=time_zone";
        let settings = self.read(path, "message")?;
        Ok(settings["time_zone"].as_str().unwrap_or_default().to_owned())
    }

    fn clock(&self) -> Option<ServerClock> {
        let core = self.shared.lock();
        let own = core.sites[self.side].own_time(core.now);
        // The header has whole seconds.
        let date = Timestamp::from_second(own.as_second()).ok()?;
        Some(ServerClock { date, received: core.now })
    }

    fn requests(&self) -> u64 {
        self.shared.lock().requests[self.side]
    }
}
