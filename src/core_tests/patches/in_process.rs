//! Two model sites in process that answer at once, with a log of what is sent to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::core_tests::in_process::{Call, Kind, Wire};
use crate::model::{Doc, Side, Sides};
use crate::site::SiteResult;

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

impl Wire for Shared {
    fn send(&self, side: Side, call: &Call<'_>) -> SiteResult<Value> {
        assert_ne!(
            call.kind,
            Kind::Delete,
            "{side} is asked to delete {} {}",
            call.doctype,
            call.name
        );
        let mut both = self.lock();
        let place = (side, call.request.path.clone());
        if let Some(known) = both.metas.get(&place) {
            return Ok(known.clone());
        }
        if let Some(fields) = call.fields {
            let method = if call.kind == Kind::Create { "POST" } else { "PUT" };
            let given = fields.get("name").and_then(Value::as_str).unwrap_or_default();
            let name = if call.kind == Kind::Create { given } else { call.name };
            let before = both.read(side, call.doctype, name);
            let (doctype, name) = (call.doctype.to_owned(), name.to_owned());
            both.log.push(Sent { method, doctype, name, body: fields.clone(), before });
        }
        let now = both.tick();
        let response = both.sites[side].handle(&call.request, now);
        let value = call.read(&response)?;
        if place.1.ends_with("/meta") {
            both.metas.insert(place, value.clone());
        }
        Ok(value)
    }

    fn clock(&self, _: Side) -> (Timestamp, Timestamp) {
        let now = self.lock().now;
        (now, now)
    }

    fn requests(&self, _: Side) -> u64 {
        0
    }
}
