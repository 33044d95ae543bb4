//! Unit tests of the model.

mod buying;
mod chain;
mod clocks;
mod gone;
mod http;
mod interleaving;
mod lists;
mod masters;
mod names;
mod renames;
mod rows;
mod saves;
mod webhooks;

use jiff::Timestamp;
use serde_json::Value;

use crate::request::Request;
use crate::sites::FULL_USER;
use crate::{Flavour, Site};

/// A site with a client that always asks as the full user.
pub(crate) struct Bench {
    pub site: Site,
    pub now: Timestamp,
}

impl Bench {
    pub fn new(flavour: Flavour) -> Self {
        Self {
            site: Site::new("cloud", flavour, "Asia/Kolkata", 7).unwrap(),
            now: "2026-11-22T09:30:00Z".parse().unwrap(),
        }
    }

    pub fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.ask_as(FULL_USER, method, path, body)
    }

    pub fn ask_as(
        &mut self,
        user: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        self.now = self.now.checked_add(jiff::SignedDuration::from_millis(10)).unwrap();
        let mut request = Request::new(method, &path.replace(' ', "%20"));
        if let Some(user) = self.site.user(user).cloned() {
            request = request.token(&user.api_key, &user.api_secret);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = self.site.handle(&request, self.now);
        (response.status, response.to_json())
    }

    pub fn ok(&mut self, method: &str, path: &str, body: Value) -> Value {
        let body = Some(body).filter(|body| !body.is_null());
        let (status, answer) = self.ask(method, path, body.as_ref());
        assert!(matches!(status, 200 | 202), "{method} {path}: {status} {answer}");
        let inner = answer.get("data").or_else(|| answer.get("message"));
        inner.cloned().unwrap_or(Value::Null)
    }

    pub fn refused(&mut self, method: &str, path: &str, body: Value) -> (u16, String) {
        let body = Some(body).filter(|body| !body.is_null());
        let (status, answer) = self.ask(method, path, body.as_ref());
        let kind = answer.get("exc_type").and_then(Value::as_str).unwrap_or_default();
        (status, kind.to_owned())
    }
}
