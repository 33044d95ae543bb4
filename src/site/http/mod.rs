//! A site over the network: Frappe's REST API with a token. The only place that names
//! reqwest.
//!
//! Which request is sent for what stands here; how it is sent in `client`, what the answer
//! means in `answer`, when it is sent again in `retry`. Nothing here decides anything about
//! documents. The rules kept here: a write is repeated only when it certainly had no effect,
//! there are never more than `concurrency` requests in flight, and a name that an address
//! cannot carry is refused or asked for in another way, never guessed.

mod answer;
mod call;
mod client;
mod examined;
mod gate;
pub(crate) mod path;
mod retry;
mod stamps;
mod text;

#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use self::answer::{Answer, Asked};
use self::call::Call;
use self::client::{Connection, Method, Received, redirect_target};
use self::gate::Gate;
use self::retry::Repeat;
use self::stamps::Listing;
use super::{ErrorKind, ListQuery, RateLimit, ServerClock, Site, SiteError, SiteResult, Stamps};
use crate::model::{Doc, Side, side_effects};
use crate::secret::Secret;

pub use self::retry::RetryPolicy;

#[cfg(any(test, fuzzing))]
pub(crate) use self::answer::{is_storable, read_plain};
#[cfg(test)]
pub(crate) use self::retry::Repeat as Repetition;
#[cfg(any(test, fuzzing))]
pub(crate) use self::stamps::agrees;
#[cfg(any(test, fuzzing))]
pub(crate) use self::text::{MAX_MESSAGE, single_line};

/// How often a pause looks whether the run was interrupted.
const WAKE: Duration = Duration::from_millis(50);

/// What one request was and what came of it; holds no body, no query and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestNote {
    /// The site.
    pub side: Side,
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// The path, percent-encoded, without the query.
    pub path: String,
    /// The doctype asked for, where the path does not say it; may be empty.
    pub doctype: String,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// How long it took.
    pub ms: u64,
    /// 1 for the first sending.
    pub attempt: u32,
    /// The class of error, where it was one.
    pub error: Option<ErrorKind>,
}

/// Called after every request, from the thread that sent it.
pub type RequestObserver = Arc<dyn Fn(&RequestNote) + Send + Sync>;

/// Everything that is needed to speak to one site.
#[derive(Clone)]
pub struct HttpConfig {
    /// Which site, for messages.
    pub side: Side,
    /// Where the site is, e.g. `https://erp.example.com`.
    pub url: String,
    /// The key of our user.
    pub api_key: Secret,
    /// Its secret.
    pub api_secret: Secret,
    /// The most time for one request and its whole answer.
    pub timeout: Duration,
    /// The most bytes of an answer, unpacked.
    pub max_response_bytes: u64,
    /// More headers for every request, e.g. `Host`.
    pub headers: Vec<(String, String)>,
    /// Certificates to trust besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// When requests are repeated.
    pub retry: RetryPolicy,
    /// The most requests in flight.
    pub concurrency: usize,
    /// Set when the run is to end: no more pauses, no more repeats.
    pub interrupted: Arc<AtomicBool>,
    /// Told of every request.
    pub on_request: Option<RequestObserver>,
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header values and the address may hold credentials.
        f.debug_struct("HttpConfig")
            .field("side", &self.side)
            .field("timeout", &self.timeout)
            .field("concurrency", &self.concurrency)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// Makes a value of an answer.
type Reader<T> = fn(&Answer<'_>, Asked<'_>) -> SiteResult<T>;

/// A site behind an address.
pub struct HttpSite {
    side: Side,
    connection: Connection,
    gate: Gate,
    retry: RetryPolicy,
    interrupted: Arc<AtomicBool>,
    on_request: Option<RequestObserver>,
    requests: AtomicU64,
    writes: AtomicU64,
    clock: Mutex<Option<ServerClock>>,
    rate_limit: Mutex<Option<RateLimit>>,
}

impl fmt::Debug for HttpSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSite")
            .field("side", &self.side)
            .field("url", &self.connection.base())
            .finish_non_exhaustive()
    }
}

impl HttpSite {
    /// Checks the configuration and sets the client up. Nothing is sent.
    ///
    /// # Errors
    /// A wrong address, header, key or certificate file, with the side and the key named and
    /// no secret shown.
    pub fn new(config: HttpConfig) -> anyhow::Result<Self> {
        let connection = Connection::new(&config).with_context(|| format!("[{}]", config.side))?;
        Ok(Self {
            side: config.side,
            connection,
            gate: Gate::new(config.concurrency),
            retry: config.retry,
            interrupted: config.interrupted,
            on_request: config.on_request,
            requests: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            clock: Mutex::new(None),
            rate_limit: Mutex::new(None),
        })
    }

    /// The side that this site is.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// How many of the requests were creates, updates and deletes, repeats included.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Sends a request as often as the policy allows.
    fn call(&self, call: &Call<'_>) -> SiteResult<Value> {
        self.call_for(call, answer::read)
    }

    /// The same for what `read` makes of the answer.
    fn call_for<T>(&self, call: &Call<'_>, read: Reader<T>) -> SiteResult<T> {
        let mut attempt = 1;
        loop {
            let error = match self.send_once(call, attempt, read) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let pause = self.retry.pause(attempt, &error, call.repeat, rand::random::<f64>());
            if !pause.is_some_and(|pause| self.sleep(pause)) {
                return Err(error.after(attempt));
            }
            attempt += 1;
        }
    }

    /// Sends a request once and reads the answer.
    fn send_once<T>(&self, call: &Call<'_>, attempt: u32, read: Reader<T>) -> SiteResult<T> {
        let place = self.gate.enter();
        self.requests.fetch_add(1, Ordering::Relaxed);
        if call.repeat == Repeat::Write {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        let separator = if call.query.is_empty() { "" } else { "?" };
        let target = format!("{}{separator}{}", call.path, call.query);
        let start = Instant::now();
        let received = self.connection.send(call.method, &target, call.body.as_deref());
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        drop(place);
        let status = received.as_ref().map_or_else(|error| error.status, |r| Some(r.status));
        let result = received.and_then(|received| self.judge(call, &target, &received, read));
        let result = match result {
            Err(error) if call.is_committed_midway => Err(error.of_committed_midway()),
            result => result,
        };
        if let Some(observer) = &self.on_request {
            observer(&RequestNote {
                side: self.side,
                method: call.method.as_str(),
                path: call.path.clone(),
                doctype: call.doctype.to_owned(),
                status,
                ms,
                attempt,
                error: result.as_ref().err().map(|error| error.kind),
            });
        }
        result
    }

    fn judge<T>(
        &self,
        call: &Call<'_>,
        target: &str,
        received: &Received,
        read: Reader<T>,
    ) -> SiteResult<T> {
        if let Some(date) = answer::date(&received.headers) {
            let clock = ServerClock { date, received: received.at };
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock);
        }
        if let Some(limit) = answer::rate_limit(&received.headers) {
            *self.rate_limit.lock().unwrap_or_else(PoisonError::into_inner) = Some(limit);
        }
        if received.cut && (200..300).contains(&received.status) {
            return Err(SiteError {
                status: Some(received.status),
                ..SiteError::new(
                    ErrorKind::AnswerTooLarge,
                    format!(
                        "the answer is longer than max_response_bytes of [{}] allows",
                        self.side
                    ),
                )
            });
        }
        let answer =
            Answer { status: received.status, headers: &received.headers, body: &received.body };
        read(&answer, call.asked).map_err(|mut error| {
            if error.kind == ErrorKind::Redirect {
                error.message = self.redirected(target, &error.message);
            }
            error
        })
    }

    fn redirected(&self, target: &str, location: &str) -> String {
        let base = self.connection.base();
        match redirect_target(base, target, location) {
            Some(to) if to != base => {
                format!("{base} redirects to {to}: set that as the url of [{}]", self.side)
            }
            _ => format!("{base} redirects every request elsewhere: is this a Frappe site?"),
        }
    }

    /// Waits; false where the run was interrupted.
    fn sleep(&self, pause: Duration) -> bool {
        let start = Instant::now();
        while !self.interrupted.load(Ordering::Relaxed) {
            let left = pause.saturating_sub(start.elapsed());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(WAKE));
        }
        false
    }
}

impl Site for HttpSite {
    fn list(&self, query: &ListQuery) -> SiteResult<Vec<Doc>> {
        documents(self.call(&listing(query)?)?)
    }

    fn list_stamps(&self, query: &ListQuery) -> SiteResult<Vec<Stamps>> {
        match self.call_for(&listing(query)?, stamps::read)? {
            Listing::Rows(rows) => Ok(rows),
            Listing::Other(value) => Ok(documents(value)?.into_iter().map(Stamps::from).collect()),
        }
    }

    /// `GET /api/method/frappe.client.get` with the name as a parameter: reaches every name
    /// (recordings, files 02 and 18) and fits a request line at every length of name.
    fn get(&self, doctype: &str, name: &str) -> SiteResult<Doc> {
        refuse_empty(name)?;
        let call = Call::read(Method::Get, path::method("frappe.client.get"), doctype, "message")
            .query(&[("doctype", doctype), ("name", name)])
            .about(name);
        self.call(&call).and_then(document)
    }

    fn insert(&self, doctype: &str, body: &Map<String, Value>) -> SiteResult<Doc> {
        let path = path::resource(doctype, None);
        let call = Call::write(Method::Post, path, doctype, Some("data")).body(body)?.about("");
        let is_committed_midway = side_effects::is_committed_midway(doctype, body);
        self.call(&Call { is_committed_midway, ..call }).and_then(document)
    }

    /// # Errors
    /// Besides the site's own: [`ErrorKind::Refused`] for a name that an address cannot
    /// carry. No other request on record updates such a document in part and under its lock
    /// and rolls back whole (`frappe.client.save` takes whole documents, `set_value` is on
    /// record without a lock, `bulk_update` has no savepoint: COPYING.md 12).
    fn update(&self, doctype: &str, name: &str, body: &Map<String, Value>) -> SiteResult<Doc> {
        if !path::reachable(name) {
            let name = text::single_line(name);
            return Err(SiteError::new(
                ErrorKind::Refused,
                format!("no address reaches the name {name:?}: rename the document to update it"),
            ));
        }
        let path = path::resource(doctype, Some(name));
        let call = Call::write(Method::Put, path, doctype, Some("data")).body(body)?.about(name);
        self.call(&call).and_then(document)
    }

    /// `DELETE`, or `frappe.client.delete` for a name that an address cannot carry
    /// (BEHAVIOUR.md 5).
    ///
    /// # Errors
    /// A document that is not there is [`ErrorKind::NoSuchPath`]: the site answers as for
    /// a wrong path (recordings, file 05).
    fn delete(&self, doctype: &str, name: &str) -> SiteResult<()> {
        refuse_empty(name)?;
        let call = if path::reachable(name) {
            let path = path::resource(doctype, Some(name));
            Call::write(Method::Delete, path, doctype, Some("data"))
        } else {
            let path = path::method("frappe.client.delete");
            let body = json!({ "doctype": doctype, "name": name });
            Call::write(Method::Post, path, doctype, None).body(&body)?
        };
        self.call(&call.about(name)).map(drop)
    }

    fn rename(&self, doctype: &str, old: &str, new: &str) -> SiteResult<String> {
        refuse_empty(old)?;
        refuse_empty(new)?;
        let path = path::method("frappe.client.rename_doc");
        let body = json!({ "doctype": doctype, "old_name": old, "new_name": new });
        let call = Call::write(Method::Post, path, doctype, Some("message")).body(&body)?;
        match self.call(&call.about(old))? {
            Value::String(name) if !name.is_empty() => Ok(name),
            _ => Err(malformed("the site names no new name")),
        }
    }

    fn meta(&self, doctype: &str) -> SiteResult<Map<String, Value>> {
        match self.call(&Call::read(Method::Get, path::meta(doctype), doctype, "data"))? {
            Value::Object(meta) => Ok(meta),
            _ => Err(malformed("the metadata is no object")),
        }
    }

    fn form_meta(&self, doctype: &str) -> SiteResult<Vec<Map<String, Value>>> {
        let path = path::method("frappe.desk.form.load.getdoctype");
        let call = Call::read(Method::Get, path, doctype, "docs").query(&[("doctype", doctype)]);
        match self.call(&call)? {
            Value::Array(docs) => docs.into_iter().map(|doc| Ok(document(doc)?.0)).collect(),
            _ => Err(malformed("the metadata is no list")),
        }
    }

    fn user(&self) -> SiteResult<String> {
        let path = path::method("frappe.auth.get_logged_user");
        match self.call(&Call::read(Method::Get, path, "", "message"))? {
            Value::String(user) if !user.is_empty() => Ok(user),
            _ => Err(malformed("the site names no user")),
        }
    }

    /// From System Settings: `frappe.client.get_time_zone` gives the caller's own zone
    /// (recordings, file 19).
    fn time_zone(&self) -> SiteResult<String> {
        let path = path::method("frappe.client.get_value");
        let call = Call::read(Method::Get, path, "System Settings", "message")
            .query(&[("doctype", "System Settings"), ("fieldname", "time_zone")]);
        let settings = self.call(&call)?;
        match settings.get("time_zone") {
            Some(Value::String(zone)) if !zone.is_empty() => Ok(zone.clone()),
            _ => Err(malformed("System Settings name no time zone")),
        }
    }

    fn clock(&self) -> Option<ServerClock> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

fn listing(query: &ListQuery) -> SiteResult<Call<'_>> {
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
    let path = path::method("frappe.client.get_list");
    Call::read(Method::Post, path, &query.doctype, "message").body(&body)
}

fn documents(value: Value) -> SiteResult<Vec<Doc>> {
    match value {
        Value::Array(rows) => rows.into_iter().map(document).collect(),
        _ => Err(malformed("the listing is no list")),
    }
}

fn document(value: Value) -> SiteResult<Doc> {
    match value {
        Value::Object(fields) => Ok(Doc(fields)),
        _ => Err(malformed("the document is no object")),
    }
}

fn malformed(message: &str) -> SiteError {
    SiteError::new(ErrorKind::Malformed, message)
}

/// An empty name would ask for something else than a document.
fn refuse_empty(name: &str) -> SiteResult<()> {
    if name.is_empty() {
        return Err(SiteError::new(ErrorKind::Refused, "a document without a name"));
    }
    Ok(())
}
