//! Refusals: what went wrong, and the bodies that say so.
//!
//! What lives here: the failures a site answers with, worded as Frappe words them, and their two
//! body forms (version 1 and 2 of the API). What may not: deciding whether something fails.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// A message of the site to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The text, HTML.
    pub text: String,
    /// The headline.
    pub title: String,
    /// A colour.
    pub indicator: Option<&'static str>,
    /// The message came with an exception.
    pub raised: bool,
    /// Shown as a passing alert.
    pub alert: bool,
}

impl Message {
    /// A plain message.
    pub fn note(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            title: "Message".into(),
            indicator: None,
            raised: false,
            alert: false,
        }
    }

    /// The message of an exception.
    pub fn thrown(text: impl Into<String>) -> Self {
        Self { indicator: Some("red"), raised: true, ..Self::note(text) }
    }

    /// With another headline.
    #[must_use]
    pub fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// With a colour.
    #[must_use]
    pub fn coloured(mut self, indicator: &'static str) -> Self {
        self.indicator = Some(indicator);
        self
    }

    fn to_json(&self, version: u8, id: &str) -> Value {
        let mut out = Map::new();
        out.insert("message".into(), json!(self.text));
        out.insert("title".into(), json!(self.title));
        if let Some(indicator) = self.indicator {
            out.insert("indicator".into(), json!(indicator));
        }
        if version == 1 {
            if self.raised {
                out.insert("raise_exception".into(), json!(1));
                out.insert("__frappe_exc_id".into(), json!(id));
            }
            if self.alert {
                out.insert("alert".into(), json!(1));
            }
        }
        Value::Object(out)
    }
}

/// The messages as version 1 sends them: a JSON text of a list of JSON texts.
pub fn server_messages(messages: &[Message]) -> Value {
    let texts: Vec<String> = messages
        .iter()
        .enumerate()
        .map(|(at, message)| message.to_json(1, &exception_id(&message.text, at)).to_string())
        .collect();
    Value::String(json!(texts).to_string())
}

/// A stand-in for the id that Frappe gives an exception: 56 hexadecimal digits.
fn exception_id(text: &str, at: usize) -> String {
    let mut id = String::with_capacity(56);
    for part in 0..7 {
        let hash = crc32fast::hash(format!("{at}{part}{text}").as_bytes());
        write!(id, "{hash:08x}").ok();
    }
    id
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The class of the exception.
    pub exc_type: String,
    /// `module.Class: text`, where the answer shows it.
    pub exception: Option<String>,
    /// Messages for the user.
    pub messages: Vec<Message>,
    /// `_error_message` of permission failures.
    pub error_message: Option<String>,
}

/// The outcome of anything that a site may refuse.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    fn shown(status: u16, module: &str, exc_type: &str, text: &str) -> Self {
        let class =
            if module.is_empty() { exc_type.to_owned() } else { format!("{module}.{exc_type}") };
        Self {
            status,
            exc_type: exc_type.into(),
            exception: Some(if text.is_empty() { class } else { format!("{class}: {text}") }),
            messages: Vec::new(),
            error_message: None,
        }
    }

    /// A Frappe exception without a message to the user.
    pub fn silent(status: u16, exc_type: &str, text: &str) -> Self {
        Self::shown(status, "frappe.exceptions", exc_type, text)
    }

    /// A Frappe exception thrown with its text as the message.
    pub fn thrown(status: u16, exc_type: &str, text: &str) -> Self {
        let mut failure = Self::silent(status, exc_type, text);
        failure.messages.push(Message::thrown(text));
        failure
    }

    /// 417 `ValidationError`.
    pub fn validation(text: &str) -> Self {
        Self::thrown(417, "ValidationError", text)
    }

    /// An exception of the database driver or of Python itself: 500 without messages.
    pub fn internal(module: &str, exc_type: &str, text: &str) -> Self {
        Self::shown(500, module, exc_type, text)
    }

    /// With the exception's text in another class name.
    #[must_use]
    pub fn with_message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// A document that is not there.
    pub fn not_found(doctype: &str, name: &str) -> Self {
        Self {
            exception: None,
            ..Self::thrown(404, "DoesNotExistError", &format!("{doctype} {name} not found"))
        }
    }

    /// 404 that names nothing: a wrong path, or a document that a delete did not find.
    pub fn nowhere() -> Self {
        Self {
            status: 404,
            exc_type: "DoesNotExistError".into(),
            exception: None,
            messages: Vec::new(),
            error_message: None,
        }
    }

    /// A doctype that the site does not know, asked for by a single document.
    pub fn no_module(doctype: &str) -> Self {
        let module = doctype.to_lowercase().replace([' ', '-'], "_");
        let mut failure = Self::internal("", "ImportError", "");
        failure.exception = Some(format!("Error: No module named 'frappe.core.doctype.{module}'"));
        failure
    }

    /// Wrong credentials.
    pub fn authentication() -> Self {
        Self::silent(401, "AuthenticationError", "")
    }

    /// 403 without a word.
    pub fn forbidden() -> Self {
        Self::silent(403, "PermissionError", "")
    }

    /// A name that is taken.
    pub fn duplicate(doctype: &str, name: &str) -> Self {
        let text = format!(
            "('{doctype}', '{name}', IntegrityError(1062, \"Duplicate entry '{name}' for key 'PRIMARY'\"))"
        );
        Self::silent(409, "DuplicateEntryError", &text).with_message(
            Message::note(format!("{doctype} <strong>{name}</strong> already exists"))
                .titled("Duplicate Name")
                .coloured("red"),
        )
    }

    /// A value that must be unique and is not.
    pub fn not_unique(
        doctype: &str,
        name: &str,
        fieldname: &str,
        label: &str,
        value: &str,
    ) -> Self {
        let text = format!(
            "('{doctype}', '{name}', IntegrityError(1062, \"Duplicate entry '{value}' for key '{fieldname}'\"))"
        );
        Self::silent(417, "UniqueValidationError", &text)
            .with_message(Message::note(format!("{label} must be unique")))
    }

    /// A name the site does not take.
    pub fn bad_name(text: &str) -> Self {
        Self::thrown(409, "NameError", text)
    }

    /// A field that a query may not use.
    pub fn not_in_query(field: &str) -> Self {
        Self::thrown(417, "DataError", &format!("Field not permitted in query: {field}"))
    }

    /// The document changed since the caller read it.
    pub fn timestamp_mismatch(stored: &str, now: &str) -> Self {
        Self::thrown(
            417,
            "TimestampMismatchError",
            &format!(
                "Error: Document has been modified after you have opened it ({stored}, {now}). Please refresh to get the latest document."
            ),
        )
    }

    /// The document is locked by a queued action; only the newer version says so in words.
    pub fn locked(newer: bool) -> Self {
        if !newer {
            return Self::silent(417, "DocumentLockedError", "");
        }
        let text = "This document is currently locked and queued for execution. Please try again after some time.";
        Self::silent(417, "DocumentLockedError", text)
            .with_message(Message::thrown(text).titled("Document Queued"))
    }

    /// The database chose this transaction as the victim of a deadlock.
    pub fn deadlock() -> Self {
        let mut failure = Self::silent(
            500,
            "QueryDeadlockError",
            "(1213, 'Deadlock found when trying to get lock; try restarting transaction')",
        );
        failure.messages.clear();
        failure
    }

    /// Too many requests.
    pub fn too_many() -> Self {
        Self::silent(429, "TooManyRequestsError", "")
    }

    /// Python's text of the traceback, shortened.
    fn traceback(&self) -> Option<String> {
        self.exception
            .as_ref()
            .map(|exception| format!("Traceback (most recent call last):\n{exception}"))
    }

    /// The body of an answer of version 1.
    pub fn body_v1(&self, earlier: &[Message]) -> Value {
        let mut out = Map::new();
        if let (Some(exception), Some(traceback)) = (&self.exception, self.traceback()) {
            out.insert("exception".into(), json!(exception));
            out.insert("exc".into(), json!(json!([traceback]).to_string()));
        }
        out.insert("exc_type".into(), json!(self.exc_type));
        let messages: Vec<Message> = earlier.iter().chain(&self.messages).cloned().collect();
        if !messages.is_empty() {
            out.insert("_server_messages".into(), server_messages(&messages));
        }
        if let Some(text) = &self.error_message {
            out.insert("_error_message".into(), json!(text));
        }
        Value::Object(out)
    }

    /// The body of an answer of version 2.
    pub fn body_v2(&self) -> Value {
        let mut error = Map::new();
        error.insert("type".into(), json!(self.exc_type));
        if let Some(traceback) = self.traceback() {
            error.insert("exception".into(), json!(traceback));
        }
        if let Some(message) = self.messages.last()
            && let Value::Object(message) = message.to_json(2, "")
        {
            error.extend(message);
        }
        json!({ "errors": [error] })
    }

    /// The text of the failure for `failed_docs`.
    pub fn text(&self) -> String {
        self.traceback().unwrap_or_else(|| {
            let text = self.messages.last().map_or("", |message| &message.text);
            format!(
                "Traceback (most recent call last):\nfrappe.exceptions.{}: {text}",
                self.exc_type
            )
        })
    }
}
