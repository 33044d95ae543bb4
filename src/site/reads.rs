//! Sites for tests that answer some reads and nothing else.

use serde_json::{Map, Value};

use super::{ListQuery, ServerClock, Site, SiteResult};
use crate::model::Doc;

/// What such a site answers; what it is not made for ends the test.
pub trait Reads: Send + Sync {
    fn listed(&self, query: &ListQuery) -> SiteResult<Vec<Doc>>;

    fn read(&self, doctype: &str, name: &str) -> SiteResult<Doc> {
        unreachable!("{doctype} {name} is read")
    }

    fn described(&self, doctype: &str) -> SiteResult<Map<String, Value>> {
        unreachable!("the metadata of {doctype} is read")
    }

    fn described_to_the_desk(&self, doctype: &str) -> SiteResult<Vec<Map<String, Value>>> {
        unreachable!("the metadata of {doctype} is read as the desk does")
    }
}

impl<T: Reads> Site for T {
    fn list(&self, query: &ListQuery) -> SiteResult<Vec<Doc>> {
        self.listed(query)
    }

    fn get(&self, doctype: &str, name: &str) -> SiteResult<Doc> {
        self.read(doctype, name)
    }

    fn meta(&self, doctype: &str) -> SiteResult<Map<String, Value>> {
        self.described(doctype)
    }

    fn form_meta(&self, doctype: &str) -> SiteResult<Vec<Map<String, Value>>> {
        self.described_to_the_desk(doctype)
    }

    fn insert(&self, _: &str, _: &Map<String, Value>) -> SiteResult<Doc> {
        unreachable!()
    }

    fn update(&self, _: &str, _: &str, _: &Map<String, Value>) -> SiteResult<Doc> {
        unreachable!()
    }

    fn delete(&self, _: &str, _: &str) -> SiteResult<()> {
        unreachable!()
    }

    fn rename(&self, _: &str, _: &str, _: &str) -> SiteResult<String> {
        unreachable!()
    }

    fn user(&self) -> SiteResult<String> {
        unreachable!()
    }

    fn time_zone(&self) -> SiteResult<String> {
        unreachable!()
    }

    fn clock(&self) -> Option<ServerClock> {
        None
    }

    fn requests(&self) -> u64 {
        0
    }
}
