//! One line of a queue file: a delivery, or the reason why it is none.
//!
//! The rule kept here: the body is parsed only after its signature was found right. A
//! delivery says which document to look at and nothing more, so its fields are not read.

use serde_json::{Map, Value};

use super::signature::is_signed;
use crate::model::{Side, Sides};

/// The longest action that is kept, in characters.
const ACTION_LENGTH: usize = 50;

/// A delivery whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The site that sent it.
    pub source: Side,
    /// When it came in, in the receiver's own words.
    pub received_at: Option<String>,
    /// The signature as received.
    pub signature: String,
    /// The doctype of the document.
    pub doctype: String,
    /// Its name on the site that sent the delivery.
    pub name: String,
    /// What happened, in the sender's words; empty where it does not say.
    pub action: String,
    /// The exact text that was signed.
    pub body: String,
}

/// Why a line is no delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The line is longer than anything that could be taken.
    #[error("the line is longer than {0} bytes")]
    LongLine(usize),
    /// The line is not text.
    #[error("not UTF-8")]
    NotUtf8,
    /// The line is not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The line is JSON of another form.
    #[error("not a JSON object")]
    NotObject,
    /// It does not say which site sent it.
    #[error("no source; allowed: cloud, local")]
    NoSource,
    /// No site of ours sent it.
    #[error("unknown source; allowed: cloud, local")]
    UnknownSource,
    /// It has no body, or not as text.
    #[error("no body: the text that was signed")]
    NoBody,
    /// The body is longer than is configured.
    #[error("the body has {0} bytes, more than max_body_bytes allows")]
    LongBody(usize),
    /// It is not signed.
    #[error("no signature")]
    NoSignature,
    /// The signature is not the one that the source's secret gives.
    #[error("wrong signature for a delivery of {0}")]
    WrongSignature(Side),
    /// The body is signed and is no JSON.
    #[error("the body is not JSON: {0}")]
    BodyNotJson(String),
    /// The body is signed and is JSON of another form.
    #[error("the body is not a JSON object")]
    BodyNotObject,
    /// The body does not say of which doctype it is.
    #[error("the body gives no doctype")]
    NoDoctype,
    /// The body does not say which document it is about.
    #[error("the body gives no name")]
    NoName,
}

/// What a line is judged by.
#[derive(Debug, Clone)]
pub struct Limits<'a> {
    /// The secret that each site signs with.
    pub secrets: Sides<&'a [u8]>,
    /// The longest body, in bytes.
    pub max_body_bytes: usize,
}

impl Limits<'_> {
    /// The longest line that can hold a body of the longest length: every byte of it may be
    /// written as `\u00XX`, and there are the other keys.
    #[must_use]
    pub const fn max_line_bytes(&self) -> usize {
        self.max_body_bytes.saturating_mul(6).saturating_add(64 * 1024)
    }
}

/// Reads a line.
///
/// # Errors
/// The reason why it is no delivery of ours.
pub fn read_line(line: &[u8], limits: &Limits<'_>) -> Result<Delivery, Rejection> {
    let text = std::str::from_utf8(line).map_err(|_| Rejection::NotUtf8)?;
    let Value::Object(line) = parse(text).map_err(Rejection::NotJson)? else {
        return Err(Rejection::NotObject);
    };
    let source = match line.get("source") {
        None | Some(Value::Null) => return Err(Rejection::NoSource),
        Some(source) => source.as_str().and_then(Side::parse).ok_or(Rejection::UnknownSource)?,
    };
    let body = line.get("body").and_then(Value::as_str).ok_or(Rejection::NoBody)?;
    if body.len() > limits.max_body_bytes {
        return Err(Rejection::LongBody(body.len()));
    }
    let signature = line.get("signature").and_then(Value::as_str).unwrap_or_default();
    if signature.is_empty() {
        return Err(Rejection::NoSignature);
    }
    if !is_signed(limits.secrets[source], body.as_bytes(), signature) {
        return Err(Rejection::WrongSignature(source));
    }
    let Value::Object(content) = parse(body).map_err(Rejection::BodyNotJson)? else {
        return Err(Rejection::BodyNotObject);
    };
    let (doctype, name) = document_of(&content)?;
    Ok(Delivery {
        source,
        received_at: text_of(&line, "received_at"),
        signature: signature.to_owned(),
        doctype,
        name,
        action: action_of(&content),
        body: body.to_owned(),
    })
}

/// Whether the line is a whole JSON text. The beginning of an object never is, so this tells
/// a line that is still being written from one that is wrong.
#[must_use]
pub fn is_whole(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Doctype and name as the body gives them, or its `doc`.
fn document_of(body: &Map<String, Value>) -> Result<(String, String), Rejection> {
    let none = Map::new();
    let doc = body.get("doc").and_then(Value::as_object).unwrap_or(&none);
    let places = [body, doc];
    let whole =
        places.into_iter().find_map(|place| Some((text_of(place, "doctype")?, name_of(place)?)));
    if let Some(found) = whole {
        return Ok(found);
    }
    let doctype = places.into_iter().find_map(|place| text_of(place, "doctype"));
    let name = places.into_iter().find_map(name_of);
    Ok((doctype.ok_or(Rejection::NoDoctype)?, name.ok_or(Rejection::NoName)?))
}

/// A document's name; some doctypes count theirs.
fn name_of(place: &Map<String, Value>) -> Option<String> {
    match place.get("name")? {
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => text_of(place, "name"),
    }
}

fn text_of(place: &Map<String, Value>, key: &str) -> Option<String> {
    place.get(key)?.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

fn action_of(body: &Map<String, Value>) -> String {
    let action = text_of(body, "action").or_else(|| text_of(body, "event")).unwrap_or_default();
    action.chars().take(ACTION_LENGTH).collect()
}
