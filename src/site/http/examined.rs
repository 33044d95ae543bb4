//! What `erpsync doctor` asks besides: rights, versions, limits.
//!
//! The rule kept here: one method a request, and nothing that a pass needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde_json::Value;

use super::client::Method;
use super::{Call, HttpSite, malformed, path};
use crate::site::{Examined, RateLimit, SiteResult};

impl Examined for HttpSite {
    /// An empty name asks for the right on the doctype, whatever documents there are.
    fn has_right(&self, doctype: &str, right: &str) -> SiteResult<bool> {
        let path = path::method("frappe.client.has_permission");
        let call = Call::read(Method::Get, path, doctype, "message").query(&[
            ("doctype", doctype),
            ("docname", ""),
            ("perm_type", right),
        ]);
        match self.call(&call)?.get("has_permission") {
            Some(Value::Bool(has)) => Ok(*has),
            _ => Err(malformed("the answer says nothing of a right")),
        }
    }

    fn rights_on(&self, doctype: &str, name: &str) -> SiteResult<BTreeSet<String>> {
        let path = path::method("frappe.client.get_doc_permissions");
        let call = Call::read(Method::Get, path, doctype, "message")
            .query(&[("doctype", doctype), ("docname", name)]);
        let answer = self.call(&call)?;
        let Some(Value::Object(rights)) = answer.get("permissions") else {
            return Err(malformed("the answer says nothing of rights"));
        };
        let is_held = |held: &Value| held.as_i64().is_some_and(|held| held != 0);
        let held = rights.iter().filter(|(_, held)| is_held(held));
        Ok(held.map(|(right, _)| right.clone()).collect())
    }

    fn versions(&self) -> SiteResult<BTreeMap<String, String>> {
        let path = path::method("frappe.utils.change_log.get_versions");
        let Value::Object(apps) = self.call(&Call::read(Method::Get, path, "", "message"))? else {
            return Err(malformed("the versions are no object"));
        };
        let version = |app: &Value| Some(app.get("version")?.as_str()?.to_owned());
        let named = |(name, app): (&String, &Value)| Some((name.clone(), version(app)?));
        Ok(apps.iter().filter_map(named).collect())
    }

    fn rate_limit(&self) -> Option<RateLimit> {
        *self.rate_limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
