//! The life of a request: it arrives, work begins, the work is committed, it is answered.
//!
//! What lives here: that life, the log of it, and carrying out faults. What may not: waiting. The
//! owner of the site decides when each step happens; a caller that has no use for that calls
//! [`Site::exchange`] or [`Site::handle`].

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::doc::Doc;
use crate::failure::Failure;
use crate::faults::{Action, LaterChange, Refusal, Scheduled};
use crate::log::Entry;
use crate::request::{Request, Response};
use crate::site::{Context, Site};

/// What comes back to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// An answer.
    Answer(Response),
    /// The connection is closed without an answer.
    Cut,
    /// Nothing comes for this long, then the connection is closed.
    Stall(Duration),
}

/// A request under way.
#[derive(Debug)]
pub struct Pending {
    request: Request,
    id: usize,
    actions: Vec<Action>,
    started: Timestamp,
    save_time: Duration,
    outcome: Option<Delivery>,
}

impl Pending {
    /// How long to wait before the work begins.
    pub fn delay(&self) -> Duration {
        let delays = self.actions.iter().map(|action| match action {
            Action::Delay(time) => *time,
            _ => Duration::ZERO,
        });
        delays.sum()
    }

    /// How long the work takes, between `begin` and `commit`.
    pub fn save_time(&self) -> Duration {
        let slow = self.actions.iter().map(|action| match action {
            Action::SlowSave(time) => *time,
            _ => Duration::ZERO,
        });
        self.save_time + slow.sum::<Duration>()
    }

    /// The time of a stall, and whether the work is done when it is over.
    pub fn stall(&self) -> Option<(Duration, bool)> {
        self.actions.iter().find_map(|action| match action {
            Action::Stall { time, commit } => Some((*time, *commit)),
            _ => None,
        })
    }
}

impl Site {
    /// A request arrives: it is logged, and the faults that fall on it are chosen.
    pub fn arrive(&mut self, request: Request, now: Timestamp) -> Pending {
        self.tick(now);
        let is_write = is_write(&request);
        let (doctype, name) = subject(&request);
        self.log.record(&request, is_write);
        let id = self.log.open(Entry {
            method: request.method.clone(),
            path: request.path.clone(),
            status: 0,
            doctype,
            name,
            user: self.authenticate(&request).unwrap_or_default(),
            started: now,
            ended: None,
            in_flight: 0,
            is_write,
            sent: request.path.len() + request.body.len(),
            answered: 0,
        });
        let text = fault_text(&request);
        let actions = self.faults.take(&request.method, &text, is_write);
        let save_time = if is_write { self.save_time } else { Duration::ZERO };
        Pending { request, id, actions, started: now, save_time, outcome: None }
    }

    /// The work begins: what is saved will carry this instant.
    pub fn begin(&mut self, pending: &mut Pending, now: Timestamp) {
        self.tick(now);
        pending.started = now;
        let mut actions = Vec::new();
        for action in std::mem::take(&mut pending.actions) {
            match action {
                Action::Before(run) => run(self, self.own_time(now)),
                other => actions.push(other),
            }
        }
        pending.actions = actions;
    }

    /// The work is done and becomes visible.
    pub fn commit(&mut self, pending: &mut Pending, now: Timestamp) {
        self.tick(now);
        let started = self.own_time(pending.started);
        let mut outcome = None;
        for action in &pending.actions {
            match action {
                Action::Refuse(refusal) => {
                    outcome = Some(Delivery::Answer(refusal_response(*refusal, started)));
                }
                Action::Cut => outcome = Some(Delivery::Cut),
                Action::Stall { time, commit: false } => outcome = Some(Delivery::Stall(*time)),
                _ => {}
            }
        }
        if outcome.is_none() {
            let response = self.respond(&pending.request, started);
            self.queue_webhooks(self.own_time(now));
            outcome = Some(Delivery::Answer(response));
            for action in std::mem::take(&mut pending.actions) {
                match action {
                    Action::RefuseAfter(refusal) => {
                        let response = refusal_response(refusal, started);
                        outcome = Some(Delivery::Answer(response));
                    }
                    Action::CutAfter => outcome = Some(Delivery::Cut),
                    Action::Stall { time, .. } => outcome = Some(Delivery::Stall(time)),
                    Action::After(run) => run(self, self.own_time(now)),
                    _ => {}
                }
            }
        }
        pending.outcome = outcome;
    }

    /// The answer leaves.
    pub fn finish(&mut self, pending: Pending, now: Timestamp) -> Delivery {
        let outcome = pending.outcome.unwrap_or(Delivery::Cut);
        let answer = match &outcome {
            Delivery::Answer(response) => Some(response),
            _ => None,
        };
        self.log.close(pending.id, answer, now);
        outcome
    }

    /// A whole exchange at one instant.
    pub fn exchange(&mut self, request: &Request, now: Timestamp) -> Delivery {
        let mut pending = self.arrive(request.clone(), now);
        self.begin(&mut pending, now);
        self.commit(&mut pending, now);
        self.finish(pending, now)
    }

    /// A whole exchange at one instant; a cut or stalled connection is a status of 0.
    pub fn handle(&mut self, request: &Request, now: Timestamp) -> Response {
        match self.exchange(request, now) {
            Delivery::Answer(response) => response,
            Delivery::Cut | Delivery::Stall(_) => Response::default(),
        }
    }

    /// Does what was scheduled up to this instant.
    pub fn tick(&mut self, now: Timestamp) {
        loop {
            let next = self
                .scheduled
                .iter()
                .enumerate()
                .filter(|(_, scheduled)| scheduled.due <= now)
                .min_by_key(|(_, scheduled)| scheduled.due)
                .map(|(at, _)| at);
            let Some(at) = next else {
                return;
            };
            let scheduled = self.scheduled.remove(at);
            let time = self.own_time(scheduled.due);
            (scheduled.action)(self, time);
        }
    }

    /// Schedules something for an instant; it happens when the site is next asked after it.
    pub fn at(
        &mut self,
        due: Timestamp,
        action: impl FnOnce(&mut Self, Timestamp) + Send + 'static,
    ) {
        self.scheduled.push(Scheduled { due, action: Box::new(action) });
    }

    pub(crate) fn schedule_change(&mut self, ctx: &Context, doc: &Doc, later: LaterChange) {
        // The site's own change calls for no further one.
        if ctx.user == "Administrator" {
            return;
        }
        let (doctype, name) = (doc.doctype.clone(), doc.name());
        let due = ctx
            .started
            .checked_add(SignedDuration::try_from(later.after).unwrap_or_default())
            .unwrap_or(ctx.started);
        self.at(due, move |site, now| {
            site.set_value_as("Administrator", &doctype, &name, &later.field, later.value, now)
                .ok();
        });
    }
}

/// The decoded path with its query; for method calls the body too.
fn fault_text(request: &Request) -> String {
    let path = request.path.replace('+', " ");
    let mut text = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
    if text.contains("/method/") {
        text.push(' ');
        text.push_str(&String::from_utf8_lossy(&request.body));
    }
    text
}

fn is_write(request: &Request) -> bool {
    if matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
        return false;
    }
    let path = request.path.split('?').next().unwrap_or_default();
    match path.split_once("/method/") {
        None => true,
        Some((_, method)) => {
            let last = method.rsplit('.').next().unwrap_or_default();
            !(last.starts_with("get")
                || matches!(last, "ping" | "validate_link" | "has_permission"))
        }
    }
}

/// The doctype and the name a request is about, as far as it tells.
fn subject(request: &Request) -> (String, String) {
    let path = request.decoded_path();
    for prefix in ["/api/resource/", "/api/v2/document/"] {
        if let Some(rest) = path.strip_prefix(prefix) {
            let (doctype, name) = rest.split_once('/').unwrap_or((rest, ""));
            return (doctype.to_owned(), name.to_owned());
        }
    }
    let parameters = request.parameters().unwrap_or_default();
    let doc = parameters.parsed("doc").unwrap_or_default();
    let text = |key: &str| {
        let inner = doc.get(key).map(crate::value::to_text);
        parameters.text(key).or(inner).unwrap_or_default()
    };
    let name = match text("name") {
        name if name.is_empty() => text("old_name"),
        name => name,
    };
    (text("doctype"), name)
}

fn refusal_response(refusal: Refusal, now: Timestamp) -> Response {
    let page = |status: u16, title: &str| {
        let body = format!(
            "<html>\n<head><title>{status} {title}</title></head>\n<body>\n<center><h1>{status} {title}</h1></center>\n<hr><center>nginx</center>\n</body>\n</html>\n"
        );
        Response::text(status, "text/html", &body).with_site_headers(now, false)
    };
    let failure = |failure: &Failure| {
        Response::json(failure.status, &failure.body_v1(&[])).with_site_headers(now, true)
    };
    match refusal {
        Refusal::BadGateway => page(502, "Bad Gateway"),
        Refusal::Unavailable => page(503, "Service Temporarily Unavailable"),
        Refusal::GatewayTimeout => page(504, "Gateway Time-out"),
        Refusal::Internal => failure(&Failure::internal("", "RuntimeError", "ordered")),
        Refusal::Deadlock => failure(&Failure::deadlock()),
        Refusal::Locked => failure(&Failure::locked(true)),
        Refusal::Unauthorized => failure(&Failure::authentication()),
        Refusal::Forbidden => failure(&Failure::forbidden()),
        Refusal::NoSuchPath => failure(&Failure::nowhere()),
        Refusal::TooMany(seconds) => {
            let mut response = failure(&Failure::too_many());
            response.headers.push(("Retry-After".into(), seconds.to_string()));
            response
        }
    }
}
