//! What can go wrong with a request, sorted by what a caller does about it.

use std::time::Duration;

use crate::model::Side;

/// A request that did not succeed, with Frappe's own words and no secret in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct SiteError {
    /// What a caller branches on.
    pub kind: ErrorKind,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Frappe's exception type, e.g. `MandatoryError`; empty where it gave none.
    pub exc_type: String,
    /// What happened, in Frappe's own words without HTML, or the network's.
    pub message: String,
    /// How long the site asked us to wait (`Retry-After`).
    pub retry_after: Option<Duration>,
}

/// The classes of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request never reached the site: no name, no route, connection refused.
    Unreachable,
    /// Sent, but no (whole) answer came: the request may have had its effect.
    Unanswered,
    /// 502, 503, 504, a failure that is not Frappe's, or a site without its database: the
    /// request may have had its effect.
    Unavailable,
    /// 429: refused before anything was done.
    TooMany,
    /// A deadlock or a lock wait that ran out: rolled back, may be sent again.
    Deadlock,
    /// `DocumentLockedError`: the site's queue holds the document.
    Locked,
    /// 401: the key or secret is wrong.
    Unauthorized,
    /// 403: our user may not do this.
    Forbidden,
    /// 404 that names the document: it does not exist for our user.
    NotFound,
    /// 404 of another kind: a wrong path, an unknown doctype in a listing, or the deletion of
    /// a document that is not there (the site says no more than for a wrong path).
    NoSuchPath,
    /// `TimestampMismatchError`: the document changed since it was read.
    Stale,
    /// 409 `DuplicateEntryError`: a document of this name exists; or, as the message says,
    /// one with another value that must be unique (a Lead's address), or a row of this name.
    Duplicate,
    /// Frappe refused the request for a reason that asking again cannot change.
    Refused,
    /// The same, of a create that the site stores for good before it is through: the document
    /// may be there.
    PerhapsStored,
    /// 413: the request was too large.
    TooLarge,
    /// The answer was longer than `max_response_bytes`.
    AnswerTooLarge,
    /// A redirect, which is never followed.
    Redirect,
    /// An answer that is not what the API gives: not JSON, or without the expected key.
    Malformed,
}

/// What a site refuses a new document for before it stores anything of it.
const CHECKED_BEFORE_STORING: [&str; 4] = [
    "InvalidEmailAddressError",
    "InvalidPhoneNumberError",
    "LinkValidationError",
    "MandatoryError",
];

impl SiteError {
    /// An error without an answer of the site's behind it.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            exc_type: String::new(),
            message: message.into(),
            retry_after: None,
        }
    }

    /// The same error, saying how often the request was sent where that was more than once.
    #[must_use]
    pub fn after(mut self, attempts: u32) -> Self {
        if attempts > 1 {
            self.message = format!("{} (after {attempts} attempts)", self.message);
        }
        self
    }

    /// Whether the same read may be sent again with some hope.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unreachable
                | ErrorKind::Unanswered
                | ErrorKind::Unavailable
                | ErrorKind::TooMany
                | ErrorKind::Deadlock
                | ErrorKind::Locked
        )
    }

    /// Whether the request certainly had no effect on the site: it never got there, it was
    /// refused at the door, or Frappe answered with an exception and rolled back. Of the
    /// answers of a site that is out of order only Frappe's own 503 (maintenance, read-only
    /// mode) says so: a proxy's does not, and neither does an exception about a database
    /// that went away, perhaps during the commit.
    #[must_use]
    pub fn had_no_effect(&self) -> bool {
        match self.kind {
            ErrorKind::Unanswered
            | ErrorKind::PerhapsStored
            | ErrorKind::AnswerTooLarge
            | ErrorKind::Malformed => false,
            ErrorKind::Unavailable => self.status == Some(503) && !self.exc_type.is_empty(),
            _ => true,
        }
    }

    /// The same error, of a create that the site stores for good before it is through.
    #[must_use]
    pub fn of_committed_midway(mut self) -> Self {
        let is_first = CHECKED_BEFORE_STORING.contains(&self.exc_type.as_str());
        if matches!(self.kind, ErrorKind::Refused | ErrorKind::Deadlock) && !is_first {
            self.kind = ErrorKind::PerhapsStored;
        }
        self
    }

    /// Whether it is the site, not the document, that is out of order, so that asking for the
    /// next document is no use.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unreachable
                | ErrorKind::Unanswered
                | ErrorKind::Unavailable
                | ErrorKind::TooMany
                | ErrorKind::Unauthorized
                | ErrorKind::Redirect
        )
    }
}

impl ErrorKind {
    /// Whether a site that refuses a doctype like this does not have it.
    #[must_use]
    pub fn is_no_such_doctype(self) -> bool {
        matches!(self, Self::NoSuchPath | Self::NotFound)
    }

    /// What to do about a doctype that this side refuses as a whole.
    #[must_use]
    pub fn doctype_hint(self, side: Side) -> String {
        match self {
            _ if self.is_no_such_doctype() => {
                format!("take it out of the configuration, or add the doctype to the {side} site")
            }
            _ => self.hint(side),
        }
    }

    /// What to do about it, where it came from this side.
    #[must_use]
    pub fn hint(self, side: Side) -> String {
        match self {
            Self::Unauthorized => {
                format!("check api_key and api_secret of [{side}], and that its user is enabled")
            }
            Self::Forbidden => format!(
                "give the user of [{side}] a role with the rights that it needs; erpsync doctor names them"
            ),
            Self::Unreachable => {
                format!(
                    "check url of [{side}], and that the site is up; nothing is lost, run again later"
                )
            }
            Self::Unanswered => format!(
                "raise timeout_seconds of [{side}] if the site is only slow; nothing is lost, run again later"
            ),
            Self::TooMany => {
                format!("lower concurrency of [{side}]; nothing is lost, run again later")
            }
            Self::Malformed | Self::NoSuchPath => {
                format!("check url of [{side}]: it must lead to a Frappe site")
            }
            Self::AnswerTooLarge => {
                format!("raise max_response_bytes of [{side}], or lower page_size and batch_size")
            }
            Self::Redirect => format!("set url of [{side}] to the address named"),
            _ => format!("look at the log of the {side} site; nothing is lost, run again later"),
        }
    }
}
