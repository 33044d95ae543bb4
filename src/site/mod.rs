//! A Frappe site, as the pass sees it: the requests that it may make and what can come back.
//!
//! The trait has one method a request and no logic, so that the sandbox's model can stand
//! behind it in process. `http` is its implementation over the network and the only place
//! that names reqwest.

pub mod bulk;
mod error;
pub mod http;
pub mod metadata;
#[cfg(test)]
pub(crate) mod reads;
mod stamps;
pub mod sums;

pub use error::{ErrorKind, SiteError};
pub use stamps::Stamps;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::model::Doc;

/// The answer of every request.
pub type SiteResult<T> = Result<T, SiteError>;

/// A listing, sent as `POST /api/method/frappe.client.get_list`: a long URL is refused
/// (BEHAVIOUR.md 1), a body is not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListQuery {
    /// The doctype that is listed.
    pub doctype: String,
    /// The parent doctype, needed where `doctype` is a child table (BEHAVIOUR.md 6).
    pub parent: Option<String>,
    /// Fields, or `["*"]` for all columns of the table.
    pub fields: Vec<String>,
    /// Conditions, each `[field, operator, value]`; all must hold.
    pub filters: Vec<Value>,
    /// Always to be given: without it a site has no order (BEHAVIOUR.md 1).
    pub order_by: String,
    /// Groups, for aggregates and for filters on child tables.
    pub group_by: Option<String>,
    /// The most rows wanted; 0 is all.
    pub limit: usize,
}

/// The requests that erpsync makes. An implementation repeats what may be repeated and
/// reports what came of it; it never decides anything about documents.
pub trait Site: Send + Sync {
    /// Rows of a listing.
    fn list(&self, query: &ListQuery) -> SiteResult<Vec<Doc>>;

    /// The same of a listing of [`Stamps::FIELDS`].
    fn list_stamps(&self, query: &ListQuery) -> SiteResult<Vec<Stamps>> {
        Ok(self.list(query)?.into_iter().map(Stamps::from).collect())
    }

    /// One document with its child rows (`frappe.client.get`, which reaches every name). The
    /// site compares names its own way: `ABC` may bring `abc` (BEHAVIOUR.md 2).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] only where the answer names this document as missing.
    fn get(&self, doctype: &str, name: &str) -> SiteResult<Doc>;

    /// Creates a document and gives the site's answer, which is not always what a later read
    /// gives (BEHAVIOUR.md 2).
    fn insert(&self, doctype: &str, body: &Map<String, Value>) -> SiteResult<Doc>;

    /// Updates the named fields of a document. `body` carries `modified` as the lock.
    ///
    /// # Errors
    /// Among others [`ErrorKind::Stale`] where the lock does not hold, and
    /// [`ErrorKind::Refused`], unsent, for a name that no address reaches (`tail/`, `..`).
    fn update(&self, doctype: &str, name: &str, body: &Map<String, Value>) -> SiteResult<Doc>;

    /// Deletes a document.
    ///
    /// # Errors
    /// Where it is not there: [`ErrorKind::NoSuchPath`], because a site answers no more than
    /// for a wrong path (BEHAVIOUR.md 5); a [`Site::get`] tells.
    fn delete(&self, doctype: &str, name: &str) -> SiteResult<()>;

    /// Renames a document and gives its new name; links to it follow on the site. `creation`
    /// stays, `modified` of most doctypes too (COPYING.md 5).
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] where the doctype does not allow it, or the name is taken.
    fn rename(&self, doctype: &str, old: &str, new: &str) -> SiteResult<String>;

    /// A doctype's effective metadata as Frappe gives it (`GET /api/v2/doctype/X/meta`).
    fn meta(&self, doctype: &str) -> SiteResult<Map<String, Value>>;

    /// The same as the desk asks for it, child doctypes included, the doctype itself first: a
    /// much longer answer, which older versions and weak users get too (BEHAVIOUR.md 11).
    fn form_meta(&self, doctype: &str) -> SiteResult<Vec<Map<String, Value>>>;

    /// The user that our key belongs to.
    fn user(&self) -> SiteResult<String>;

    /// The site's time zone from System Settings, as an IANA name (BEHAVIOUR.md 7).
    fn time_zone(&self) -> SiteResult<String>;

    /// The site's clock as its last answer showed it, or `None` before the first answer.
    fn clock(&self) -> Option<ServerClock>;

    /// How many requests have been sent so far, repeats included.
    fn requests(&self) -> u64;
}

/// What can be asked of a site besides: not needed to sync, but to say beforehand whether it
/// will go well.
pub trait Examined: Site {
    /// Whether our user has a right (`read`, `create`, `submit` ...) on a doctype, on some of
    /// its documents at least.
    fn has_right(&self, doctype: &str, right: &str) -> SiteResult<bool>;

    /// The rights that our user has on one document, all in one answer. More than one of them
    /// belong to the doctype, `create` among them.
    fn rights_on(&self, doctype: &str, name: &str) -> SiteResult<BTreeSet<String>>;

    /// The versions of the applications on the site, by name.
    fn versions(&self) -> SiteResult<BTreeMap<String, String>>;

    /// What the last answer said of the site's limit on requests; `None` where it has none.
    fn rate_limit(&self) -> Option<RateLimit>;
}

/// How far a site's clock is from ours, seen in an answer's `Date` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerClock {
    /// The site's instant, to the second.
    pub date: Timestamp,
    /// Our own instant when the answer arrived.
    pub received: Timestamp,
}

/// A site's limit on the time that it works for requests, within a window of its own
/// (BEHAVIOUR.md 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The time that a window allows.
    pub limit: Duration,
    /// What is left of it.
    pub remaining: Duration,
    /// When the next window begins, from now.
    pub reset: Duration,
}
