//! A model site behind the trait `Site`, without a socket, with a log of what is sent.
//!
//! The requests are those that the client over HTTP sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use frappe_sandbox::Request;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::model::{Doc, Side, Sides};
use crate::site::{ErrorKind, ListQuery, RateLimit, ServerClock, Site, SiteError, SiteResult};

/// A write, beside the document as it stood when it arrived.
#[derive(Debug, Clone)]
pub struct Sent {
    pub method: &'static str,
    pub doctype: String,
    pub name: String,
    pub body: Map<String, Value>,
    pub before: Option<Doc>,
}

/// Both sites, their clock, and the log.
pub struct Both {
    pub sites: Sides<frappe_sandbox::Site>,
    pub now: Timestamp,
    pub log: Vec<Sent>,
    /// Metadata as answered once: making it takes long.
    metas: BTreeMap<(Side, String), Value>,
}

/// A handle on them.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Both>>);

impl Shared {
    pub fn new(sites: Sides<frappe_sandbox::Site>, now: Timestamp) -> Self {
        let both = Both { sites, now, log: Vec::new(), metas: BTreeMap::new() };
        Self(Arc::new(Mutex::new(both)))
    }

    pub fn lock(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Both {
    /// The time, which passes.
    pub fn tick(&mut self) -> Timestamp {
        self.now = self.now.checked_add(SignedDuration::from_millis(5)).unwrap();
        self.now
    }

    /// A document as a bulk read gives it: nulls spelled out, rows included.
    pub fn read(&self, side: Side, doctype: &str, name: &str) -> Option<Doc> {
        let doc = self.sites[side].load(doctype, name)?.to_json(true);
        Some(serde_json::from_value(doc).unwrap())
    }
}

/// One of the sites as the pass sees it.
pub struct InProcess {
    pub side: Side,
    pub shared: Shared,
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl InProcess {
    /// Sends a request and reads the value under `key` of the answer.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: &str,
    ) -> SiteResult<Value> {
        let mut request = Request::new(method, path)
            .token(&format!("{}fullkey", self.side), &format!("{}fullsecret", self.side));
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut both = self.shared.lock();
        let now = both.tick();
        let response = both.sites[self.side].handle(&request, now);
        let mut answer = response.to_json();
        if response.status < 300 {
            return Ok(answer[key].take());
        }
        let exc_type = answer["exc_type"].as_str().unwrap_or_default().to_owned();
        let kind = match (response.status, exc_type.as_str()) {
            (_, "TimestampMismatchError") => ErrorKind::Stale,
            (404, _) => ErrorKind::NotFound,
            (409, "DuplicateEntryError") => ErrorKind::Duplicate,
            _ => ErrorKind::Refused,
        };
        Err(SiteError::new(kind, format!("{method} {path}: {answer}")))
    }

    fn write(
        &self,
        method: &'static str,
        doctype: &str,
        name: &str,
        body: &Map<String, Value>,
    ) -> SiteResult<Doc> {
        let mut path = format!("/api/resource/{}", encode(doctype));
        if method == "PUT" {
            path = format!("{path}/{}", encode(name));
        }
        {
            let mut both = self.shared.lock();
            let before = both.read(self.side, doctype, name);
            both.log.push(Sent {
                method,
                doctype: doctype.to_owned(),
                name: name.to_owned(),
                body: body.clone(),
                before,
            });
        }
        let answer = self.ask(method, &path, Some(&Value::Object(body.clone())), "data")?;
        Ok(serde_json::from_value(answer).unwrap())
    }
}

impl Site for InProcess {
    fn list(&self, query: &ListQuery) -> SiteResult<Vec<Doc>> {
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
        let path = "/api/method/frappe.client.get_list";
        Ok(serde_json::from_value(self.ask("POST", path, Some(&body), "message")?).unwrap())
    }

    fn get(&self, doctype: &str, name: &str) -> SiteResult<Doc> {
        let (doctype, name) = (encode(doctype), encode(name));
        let path = format!("/api/method/frappe.client.get?doctype={doctype}&name={name}");
        Ok(serde_json::from_value(self.ask("GET", &path, None, "message")?).unwrap())
    }

    fn insert(&self, doctype: &str, body: &Map<String, Value>) -> SiteResult<Doc> {
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        self.write("POST", doctype, name, body)
    }

    fn update(&self, doctype: &str, name: &str, body: &Map<String, Value>) -> SiteResult<Doc> {
        self.write("PUT", doctype, name, body)
    }

    fn delete(&self, doctype: &str, name: &str) -> SiteResult<()> {
        panic!("{} is asked to delete {doctype} {name}", self.side)
    }

    fn rename(&self, doctype: &str, old: &str, new: &str) -> SiteResult<String> {
        panic!("{} is asked to rename {doctype} {old} to {new}", self.side)
    }

    fn meta(&self, doctype: &str) -> SiteResult<Map<String, Value>> {
        let key = (self.side, doctype.to_owned());
        let known = self.shared.lock().metas.get(&key).cloned();
        let meta = if let Some(meta) = known {
            meta
        } else {
            let path = format!("/api/v2/doctype/{}/meta", encode(doctype));
            let meta = self.ask("GET", &path, None, "data")?;
            self.shared.lock().metas.insert(key, meta.clone());
            meta
        };
        Ok(meta.as_object().unwrap().clone())
    }

    fn form_meta(&self, doctype: &str) -> SiteResult<Vec<Map<String, Value>>> {
        panic!("{} is asked for the form of {doctype}", self.side)
    }

    fn has_right(&self, doctype: &str, right: &str) -> SiteResult<bool> {
        panic!("{} is asked for the right to {right} {doctype}", self.side)
    }

    fn versions(&self) -> SiteResult<BTreeMap<String, String>> {
        panic!("{} is asked for its versions", self.side)
    }

    fn user(&self) -> SiteResult<String> {
        Ok(frappe_sandbox::sites::FULL_USER.to_owned())
    }

    fn time_zone(&self) -> SiteResult<String> {
        Ok(self.shared.lock().sites[self.side].zone_name().to_owned())
    }

    fn clock(&self) -> Option<ServerClock> {
        let now = self.shared.lock().now;
        Some(ServerClock { date: now, received: now })
    }

    fn rate_limit(&self) -> Option<RateLimit> {
        None
    }

    fn requests(&self) -> u64 {
        0
    }
}
