//! What an answer means: status, headers and body to a value or a [`SiteError`]. Pure.
//!
//! No request is made here and no address is known. The rule kept here: an answer that says
//! less than "the document you asked for does not exist" is never [`ErrorKind::NotFound`],
//! and every message is Frappe's own, made plain by [`text`].

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use serde_json::{Map, Value};

use super::text;
use crate::site::{ErrorKind, RateLimit, SiteError, SiteResult};

/// An answer as it came.
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, unpacked.
    pub body: &'a [u8],
}

/// What was asked for, as far as the answer has to be judged by it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The key of a good answer that holds the value; `None` where any JSON object will do
    /// (`frappe.client.delete` answers `{}`).
    pub key: Option<&'a str>,
    /// Doctype and name, where one document was asked for.
    pub document: Option<(&'a str, &'a str)>,
}

/// What an answer's body says about an error.
#[derive(Default)]
struct Complaint {
    exc_type: String,
    /// The `exception` text, which holds the database's error numbers.
    exception: String,
    /// The messages that Frappe shows to a user, made plain.
    messages: Vec<String>,
    /// `_error_message`, made plain.
    error_message: String,
}

/// Reads an answer that came without a client, as [`read`] reads it: of a model in process.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_plain(
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
    asked: (&str, Option<(&str, &str)>),
) -> SiteResult<Value> {
    use reqwest::header::{HeaderName, HeaderValue};
    let header = |(name, value): &(String, String)| {
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    let headers: HeaderMap = headers.iter().map(header).collect();
    let (key, document) = asked;
    read(&Answer { status, headers: &headers, body }, Asked { key: Some(key), document })
}

/// Reads an answer: the value under `asked.key`, or the error.
///
/// # Errors
/// Every class of [`ErrorKind`] that an answer can show; see [`kind_of`] for the rules.
pub fn read(answer: &Answer<'_>, asked: Asked<'_>) -> SiteResult<Value> {
    match answer.status {
        200..=299 => value(answer, asked.key),
        300..=399 => Err(redirect(answer)),
        _ => Err(error(answer, asked)),
    }
}

/// The site's clock, from the `Date` header (seconds; BEHAVIOUR.md 7).
#[must_use]
pub fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

/// The site's limit on requests: times in microseconds, the next window in seconds
/// (recordings, file 09).
#[must_use]
pub fn rate_limit(headers: &HeaderMap) -> Option<RateLimit> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    Some(RateLimit {
        limit: Duration::from_micros(number("X-RateLimit-Limit")?),
        remaining: Duration::from_micros(number("X-RateLimit-Remaining")?),
        reset: Duration::from_secs(number("X-RateLimit-Reset").unwrap_or_default()),
    })
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

fn value(answer: &Answer<'_>, key: Option<&str>) -> SiteResult<Value> {
    let malformed = |message: String| SiteError {
        status: Some(answer.status),
        ..SiteError::new(ErrorKind::Malformed, message)
    };
    // serde_json refuses nesting deeper than 128 levels; that limit stays.
    let parsed: Value = serde_json::from_slice(answer.body).map_err(|error| {
        let what = content_type(answer.headers);
        let error = text::single_line(&error.to_string());
        malformed(format!("the answer is not JSON ({what}: {error}); is this a Frappe site?"))
    })?;
    if !is_storable(&parsed) {
        return Err(malformed(format!("the answer has a key {NUMBER_KEY:?}, which no site has")));
    }
    match (parsed, key) {
        (Value::Object(_), None) => Ok(Value::Null),
        (Value::Object(mut object), Some(key)) => object
            .remove(key)
            .ok_or_else(|| malformed(format!("the answer has no {key:?}; is this a Frappe site?"))),
        _ => Err(malformed("the answer is not a JSON object; is this a Frappe site?".to_owned())),
    }
}

/// Under this key the JSON reader keeps numbers as they are spelled.
const NUMBER_KEY: &str = "$serde_json::private::Number";

/// Whether the value is read back as it is written. An object with that key comes through the
/// reader where another key stands before it, and what is written has it first: the state would
/// hold a document that nobody can read any more.
pub fn is_storable(value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            map.iter().all(|(key, value)| key != NUMBER_KEY && is_storable(value))
        }
        Value::Array(items) => items.iter().all(is_storable),
        _ => true,
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    text::single_line(given.unwrap_or("no content type"))
}

/// A redirect, named by the place it points to; the client turns it into the address to
/// configure.
fn redirect(answer: &Answer<'_>) -> SiteError {
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    SiteError {
        status: Some(answer.status),
        ..SiteError::new(ErrorKind::Redirect, text::single_line(location.unwrap_or_default()))
    }
}

fn error(answer: &Answer<'_>, asked: Asked<'_>) -> SiteError {
    let complaint = serde_json::from_slice::<Value>(answer.body)
        .ok()
        .and_then(|body| body.as_object().map(Complaint::from_body))
        .unwrap_or_default();
    let kind = kind_of(answer.status, &complaint, asked.document);
    let message = complaint.message(kind, answer);
    let retry_after = retry_after(answer.headers);
    let status = Some(answer.status);
    SiteError { kind, status, exc_type: complaint.exc_type, message, retry_after }
}

/// `Retry-After` in seconds (recordings, file 09) or as a date, which counts from the
/// answer's own `Date`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let given = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = given.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(given)?.duration_since(date(headers)?);
    Some(Duration::try_from(wait).unwrap_or_default())
}

/// The class of a failure. The exception type goes before the status where it says more.
fn kind_of(status: u16, complaint: &Complaint, document: Option<(&str, &str)>) -> ErrorKind {
    match complaint.exc_type.as_str() {
        "TimestampMismatchError" => return ErrorKind::Stale,
        // Recordings, file 38.
        "DocumentLockedError" => return ErrorKind::Locked,
        "QueryDeadlockError" | "QueryTimeoutError" => return ErrorKind::Deadlock,
        _ => {}
    }
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => missing(complaint, document),
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::TooMany,
        _ if complaint.speaks_of_a_mismatch() => ErrorKind::Stale,
        // A `NameError` is 409 too (recordings, file 03: '<' in a name).
        409 if complaint.exc_type == "DuplicateEntryError" => ErrorKind::Duplicate,
        408 | 502..=504 => ErrorKind::Unavailable,
        // MariaDB: 1213 deadlock, 1205 lock wait timeout.
        500.. if complaint.has_database_error(&[1213, 1205]) => ErrorKind::Deadlock,
        500.. if complaint.has_database_error(&DATABASE_GONE) => ErrorKind::Unavailable,
        500.. if complaint.exc_type.is_empty() => ErrorKind::Unavailable,
        _ => ErrorKind::Refused,
    }
}

/// `MariaDB`: too many connections, shutting down, cannot connect, server has gone away, lost
/// connection. The site is out of order, not the document.
const DATABASE_GONE: [u16; 7] = [1040, 1053, 2002, 2003, 2006, 2013, 2055];

/// A 404 says "the document does not exist" only where a message names the document. A wrong
/// path below /api has no message (BEHAVIOUR.md 2), a listing of an unknown doctype says
/// "`DocType` X not found" (file 02), and a PUT may miss another document than the one in its
/// path ("Probe Child spjp3g6b6t not found", file 04).
fn missing(complaint: &Complaint, document: Option<(&str, &str)>) -> ErrorKind {
    if complaint.messages.is_empty() {
        return ErrorKind::NoSuchPath;
    }
    if let Some((doctype, name)) = document {
        let sentence = text::plain(&format!("{doctype} {name} not found")).to_lowercase();
        // Under another language than English the sentence is not known, but it has the name.
        let name = text::plain(name).to_lowercase();
        let named = |message: &String| {
            let message = message.to_lowercase();
            message == sentence || (!message.ends_with(" not found") && has_words(&message, &name))
        };
        if complaint.messages.iter().any(named) {
            return ErrorKind::NotFound;
        }
    }
    let unknown_doctype =
        |message: &String| message.starts_with("DocType ") && message.ends_with(" not found");
    if document.is_none() || complaint.messages.iter().any(unknown_doctype) {
        return ErrorKind::NoSuchPath;
    }
    ErrorKind::Refused
}

/// Whether `words` stand in `text` with no letter or digit next to them.
fn has_words(text: &str, words: &str) -> bool {
    let apart = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    !words.is_empty()
        && text.match_indices(words).any(|(at, _)| {
            apart(text[..at].chars().next_back()) && apart(text[at + words.len()..].chars().next())
        })
}

impl Complaint {
    fn from_body(body: &Map<String, Value>) -> Self {
        let of = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let exception = of("exception");
        let mut complaint = Self {
            exc_type: identifier(of("exc_type")),
            exception: exception.to_owned(),
            messages: server_messages(of("_server_messages")),
            error_message: text::plain(of("_error_message")),
        };
        // The second API has another form: {"errors": [{"type", "message"}]}.
        let errors = body.get("errors").and_then(Value::as_array);
        for error in errors.into_iter().flatten().filter_map(Value::as_object) {
            let of = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
            if complaint.exc_type.is_empty() {
                complaint.exc_type = identifier(of("type"));
            }
            if complaint.exception.is_empty() {
                // A whole traceback; its last line is the exception.
                let last = of("exception").trim_end().lines().next_back();
                last.unwrap_or_default().clone_into(&mut complaint.exception);
            }
            push_new(&mut complaint.messages, text::plain(of("message")));
        }
        if complaint.exc_type.is_empty() {
            complaint.exc_type = exception_class(&complaint.exception);
        }
        complaint
    }

    /// Frappe's own words; where it has none, ours for the kind of error.
    fn message(&self, kind: ErrorKind, answer: &Answer<'_>) -> String {
        let after_colon =
            self.exception.split_once(':').map(|(_, rest)| text::plain(rest)).unwrap_or_default();
        if !self.messages.is_empty() {
            return text::single_line(&self.messages.join("; "));
        }
        if let Some(said) =
            [after_colon, self.error_message.clone()].into_iter().find(|said| !said.is_empty())
        {
            return said;
        }
        let ours = match kind {
            ErrorKind::Unauthorized => "the site refuses our API key or secret",
            ErrorKind::Forbidden => "our user may not do this",
            ErrorKind::TooMany => "the site refuses more requests for now",
            ErrorKind::Locked => "the document is locked by a job of the site's",
            ErrorKind::NoSuchPath => "the site knows no such path",
            ErrorKind::TooLarge => "the request is too large for the site",
            ErrorKind::Unavailable => "the site is out of order",
            _ => "the site refuses the request",
        };
        let detail = if self.exc_type.is_empty() {
            status_line(answer.status)
        } else {
            format!("{} {}", answer.status, self.exc_type)
        };
        format!("{ours} ({detail})")
    }

    /// The three fragments of older sites, which gave no exception type.
    fn speaks_of_a_mismatch(&self) -> bool {
        let fragments = [
            "timestamp mismatch",
            "document has been modified",
            "has been modified after you have opened it",
        ];
        let said = self.messages.iter().chain([&self.exception, &self.error_message]);
        said.map(|text| text.to_lowercase())
            .any(|text| fragments.iter().any(|fragment| text.contains(fragment)))
    }

    /// Whether the exception is the database's with one of these numbers, which stand first
    /// in its parentheses: `pymysql.err.OperationalError: (1213, 'Deadlock found ...')`.
    fn has_database_error(&self, numbers: &[u16]) -> bool {
        let number = self.exception.split_once(": (").and_then(|(_, rest)| rest.split_once(','));
        number
            .and_then(|(number, _)| number.trim().parse().ok())
            .is_some_and(|number: u16| numbers.contains(&number))
    }
}

/// `_server_messages` is a JSON text holding a list of JSON texts, each with a `message`
/// (BEHAVIOUR.md 2).
fn server_messages(packed: &str) -> Vec<String> {
    let mut messages = Vec::new();
    let Ok(list) = serde_json::from_str::<Vec<Value>>(packed) else {
        push_new(&mut messages, text::plain(packed));
        return messages;
    };
    for item in list {
        let unpacked = match &item {
            Value::String(inner) => {
                serde_json::from_str(inner).unwrap_or_else(|_| Value::String(inner.clone()))
            }
            other => other.clone(),
        };
        let message = match &unpacked {
            Value::Object(object) => object.get("message").and_then(Value::as_str),
            other => other.as_str(),
        };
        push_new(&mut messages, text::plain(message.unwrap_or_default()));
    }
    messages
}

/// The most messages of one answer that are read. So many fill any message that is shown, and each
/// is compared with the others.
const MOST_MESSAGES: usize = 100;

fn push_new(messages: &mut Vec<String>, message: String) {
    if !message.is_empty() && messages.len() < MOST_MESSAGES && !messages.contains(&message) {
        messages.push(message);
    }
}

/// The class in `frappe.exceptions.MandatoryError: ...`, where that is what the text is.
fn exception_class(exception: &str) -> String {
    let path = exception.split(':').next().unwrap_or_default();
    let is_path = path.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    if is_path { identifier(path.rsplit('.').next().unwrap_or_default()) } else { String::new() }
}

/// A Python identifier of sane length, or nothing.
fn identifier(text: &str) -> String {
    let fits = text.len() <= 80 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fits { text.to_owned() } else { String::new() }
}

fn status_line(status: u16) -> String {
    let reason = reqwest::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    reason.map_or_else(|| format!("HTTP {status}"), |reason| format!("HTTP {status} {reason}"))
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
