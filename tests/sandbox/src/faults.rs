//! Misbehaviour on order: hooks that change documents, and faults at chosen requests.
//!
//! What lives here: the orders and how they are matched to requests. What may not: carrying them
//! out (`exchange` does) and sockets.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::doc::Doc;
use crate::site::Site;

type DocHook = Box<dyn Fn(&mut Doc) + Send>;
type SiteAction = Box<dyn FnOnce(&mut Site, Timestamp) + Send>;

/// Something to be done at an instant.
pub struct Scheduled {
    pub(crate) due: Timestamp,
    pub(crate) action: SiteAction,
}

/// Hooks that change documents.
#[derive(Default)]
pub struct Hooks {
    before_save: Vec<(String, DocHook)>,
    later: Vec<LaterChange>,
}

/// A change that the site makes by itself some time after a save.
#[derive(Debug, Clone)]
pub(crate) struct LaterChange {
    pub doctype: String,
    pub after: Duration,
    pub field: String,
    pub value: serde_json::Value,
}

impl Hooks {
    /// Changes every document of a doctype right before it is stored.
    pub fn before_save(&mut self, doctype: &str, hook: impl Fn(&mut Doc) + Send + 'static) {
        self.before_save.push((doctype.to_owned(), Box::new(hook)));
    }

    /// Stores a text field of a doctype in capitals.
    pub fn upper_case(&mut self, doctype: &str, field: &str) {
        let field = field.to_owned();
        self.before_save(doctype, move |doc| {
            let text = doc.text(&field).to_uppercase();
            if !text.is_empty() {
                doc.set(&field, text);
            }
        });
    }

    /// Fills an empty field of a doctype.
    pub fn fill(&mut self, doctype: &str, field: &str, value: serde_json::Value) {
        let field = field.to_owned();
        self.before_save(doctype, move |doc| {
            if !doc.is_set(&field) {
                doc.set(&field, value.clone());
            }
        });
    }

    /// Rounds a number of a doctype to so many places.
    pub fn round(&mut self, doctype: &str, field: &str, places: usize) {
        let field = field.to_owned();
        self.before_save(doctype, move |doc| {
            let text = format!("{:.places$}", doc.number(&field));
            doc.set(&field, crate::value::float(text.parse().unwrap_or(0.0)));
        });
    }

    /// Sets a field of a doctype by itself, some time after each save by somebody else.
    pub fn change_later(
        &mut self,
        doctype: &str,
        after: Duration,
        field: &str,
        value: serde_json::Value,
    ) {
        self.later.push(LaterChange {
            doctype: doctype.to_owned(),
            after,
            field: field.to_owned(),
            value,
        });
    }

    /// Removes all hooks.
    pub fn clear(&mut self) {
        self.before_save.clear();
        self.later.clear();
    }

    pub(crate) fn run(&self, doc: &mut Doc) {
        for (doctype, hook) in &self.before_save {
            if *doctype == doc.doctype {
                hook(doc);
            }
        }
    }

    pub(crate) fn later(&self, doctype: &str) -> Vec<LaterChange> {
        let matching = self.later.iter().filter(|later| later.doctype == doctype);
        matching.cloned().collect()
    }
}

/// A refusal that a fault answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 500 with a Python exception.
    Internal,
    /// 502 from a proxy, HTML.
    BadGateway,
    /// 503 from a proxy, HTML.
    Unavailable,
    /// 504 from a proxy, HTML.
    GatewayTimeout,
    /// 429 with this many seconds in `Retry-After`.
    TooMany(u32),
    /// A deadlock, rolled back.
    Deadlock,
    /// The document is locked by a queued action.
    Locked,
    /// The credentials are refused.
    Unauthorized,
    /// The right is missing.
    Forbidden,
    /// There is no such path, as in a version that does not have it.
    NoSuchPath,
}

/// What happens to a matched request.
pub enum Action {
    /// Refuse it; nothing is done.
    Refuse(Refusal),
    /// Do it, then answer with the refusal.
    RefuseAfter(Refusal),
    /// Close the connection; nothing is done.
    Cut,
    /// Do it, then close the connection without an answer.
    CutAfter,
    /// Never answer within the time; with `commit`, do it when the time is over.
    Stall {
        /// How long the connection stays open.
        time: Duration,
        /// The request is carried out in the end.
        commit: bool,
    },
    /// Answer late: wait before the work begins.
    Delay(Duration),
    /// Answer late: the save takes this long, between its stamp and its being visible.
    SlowSave(Duration),
    /// Run this just before the request.
    Before(SiteAction),
    /// Run this just after the request, before it is answered.
    After(SiteAction),
}

impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refuse(_) => "Refuse",
            Self::RefuseAfter(_) => "RefuseAfter",
            Self::Cut => "Cut",
            Self::CutAfter => "CutAfter",
            Self::Stall { .. } => "Stall",
            Self::Delay(_) => "Delay",
            Self::SlowSave(_) => "SlowSave",
            Self::Before(_) => "Before",
            Self::After(_) => "After",
        })
    }
}

/// Which requests a fault waits for.
#[derive(Debug, Clone, Default)]
pub struct Match {
    method: String,
    path: String,
    skip: usize,
    writes_only: bool,
}

impl Match {
    /// Any request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests of a method whose decoded path (with query and, for method calls, the body)
    /// contains a text. An empty text matches everything.
    pub fn on(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    /// Any request that is meant to change something.
    pub fn writes() -> Self {
        Self { writes_only: true, ..Self::default() }
    }

    /// Not the first one that matches but the k-th (from 1).
    #[must_use]
    pub fn nth(mut self, k: usize) -> Self {
        self.skip = k.saturating_sub(1);
        self
    }

    fn accepts(&self, method: &str, text: &str, is_write: bool) -> bool {
        (self.method.is_empty() || self.method.eq_ignore_ascii_case(method))
            && (!self.writes_only || is_write)
            && text.contains(&self.path)
    }
}

enum Order {
    Once(Match, Option<Action>),
    Always(Match, Box<dyn Fn() -> Action + Send>),
}

/// The faults on order.
#[derive(Default)]
pub struct Faults {
    orders: Vec<Order>,
}

impl Faults {
    /// Does this once, to the request that matches.
    pub fn once(&mut self, which: Match, action: Action) {
        self.orders.push(Order::Once(which, Some(action)));
    }

    /// Does this to every request that matches from the k-th on.
    pub fn always(&mut self, which: Match, action: impl Fn() -> Action + Send + 'static) {
        self.orders.push(Order::Always(which, Box::new(action)));
    }

    /// Refuses once, before anything is done.
    pub fn refuse(&mut self, which: Match, refusal: Refusal) {
        self.once(which, Action::Refuse(refusal));
    }

    /// Runs something just before the request that matches.
    pub fn before(
        &mut self,
        which: Match,
        action: impl FnOnce(&mut Site, Timestamp) + Send + 'static,
    ) {
        self.once(which, Action::Before(Box::new(action)));
    }

    /// Runs something just after the request that matches, before its answer is sent.
    pub fn after(
        &mut self,
        which: Match,
        action: impl FnOnce(&mut Site, Timestamp) + Send + 'static,
    ) {
        self.once(which, Action::After(Box::new(action)));
    }

    /// Removes all orders.
    pub fn clear(&mut self) {
        self.orders.clear();
    }

    /// How many orders are still waiting to be carried out once.
    pub fn waiting(&self) -> usize {
        let waits = |order: &&Order| matches!(order, Order::Once(_, Some(_)));
        self.orders.iter().filter(waits).count()
    }

    /// The actions that fall on a request.
    pub(crate) fn take(&mut self, method: &str, text: &str, is_write: bool) -> Vec<Action> {
        let mut actions = Vec::new();
        for order in &mut self.orders {
            let (Order::Once(which, _) | Order::Always(which, _)) = order;
            if !which.accepts(method, text, is_write) {
                continue;
            }
            if which.skip > 0 {
                which.skip -= 1;
                continue;
            }
            match order {
                Order::Once(_, action) => actions.extend(action.take()),
                Order::Always(_, make) => actions.push(make()),
            }
        }
        self.orders.retain(|order| !matches!(order, Order::Once(_, None)));
        actions
    }
}
