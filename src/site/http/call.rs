//! One request of the trait's, before it is sent: address, body, and what is to be known of it to
//! judge its answer.

use serde::Serialize;

use super::answer::Asked;
use super::client::Method;
use super::path;
use super::retry::Repeat;
use crate::site::{ErrorKind, SiteError, SiteResult};

/// One request as the trait's methods describe it.
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// The path, percent-encoded.
    pub path: String,
    /// What follows a question mark; may be empty.
    pub query: String,
    /// The body, JSON.
    pub body: Option<Vec<u8>>,
    /// Where the answer has what is asked for.
    pub asked: Asked<'a>,
    /// The doctype that it is about; may be empty.
    pub doctype: &'a str,
    /// When it may be sent again.
    pub repeat: Repeat,
    /// Whether the site stores it for good before it is through.
    pub is_committed_midway: bool,
}

impl<'a> Call<'a> {
    /// A request that reads the value under `key`.
    pub fn read(method: Method, path: String, doctype: &'a str, key: &'a str) -> Self {
        let asked = Asked { key: Some(key), document: None };
        Self {
            method,
            path,
            query: String::new(),
            body: None,
            asked,
            doctype,
            repeat: Repeat::Read,
            is_committed_midway: false,
        }
    }

    /// A request that changes something and answers with the value under `key`.
    pub fn write(method: Method, path: String, doctype: &'a str, key: Option<&'a str>) -> Self {
        let asked = Asked { key, document: None };
        Self { asked, repeat: Repeat::Write, ..Self::read(method, path, doctype, "") }
    }

    /// With these parameters.
    pub fn query(mut self, parameters: &[(&str, &str)]) -> Self {
        self.query = path::query(parameters);
        self
    }

    /// With this body.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] where it cannot be written as JSON.
    pub fn body(mut self, body: &impl Serialize) -> SiteResult<Self> {
        self.body = Some(serde_json::to_vec(body).map_err(|error| {
            SiteError::new(ErrorKind::Refused, format!("the request cannot be written: {error}"))
        })?);
        Ok(self)
    }

    /// Names the document that a 404 has to name to be about it; a new one has no name yet.
    pub fn about(mut self, name: &'a str) -> Self {
        self.asked.document = Some((self.doctype, name));
        self
    }
}
