//! A document as a site gave it: field names and JSON values, child rows included.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Fields that Frappe keeps for itself on every document and row. They are never part of a
/// canonical form and never sent as content.
pub const SYSTEM_FIELDS: [&str; 7] =
    ["name", "modified", "modified_by", "creation", "owner", "idx", "doctype"];

/// 0 draft, 1 submitted, 2 cancelled: never content, but sent all the same.
pub const DOCSTATUS: &str = "docstatus";

/// Which document: a doctype and a name on one side.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocKey {
    /// The doctype, e.g. `Sales Invoice`.
    pub doctype: String,
    /// The name, e.g. `ACC-SINV-2026-00001`.
    pub name: String,
}

/// A document (or a child row) as read from a site.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Doc(pub Map<String, Value>);

impl Doc {
    /// The value of a field; a missing key and `null` are both `None`.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// The value of a field as text, where it is text.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.get(field).and_then(Value::as_str)
    }

    /// The name. Autoincrement doctypes have integers for names (COPYING.md 7); here they are
    /// text.
    #[must_use]
    pub fn name(&self) -> String {
        self.get("name").map(name_text).unwrap_or_default()
    }

    /// The stamp of the last save, the site's own text, or "" where the site keeps none.
    #[must_use]
    pub fn modified(&self) -> &str {
        self.text("modified").unwrap_or_default()
    }

    /// The stamp of the document's creation, the site's own text: with the doctype and the
    /// name it says which document this is.
    #[must_use]
    pub fn creation(&self) -> &str {
        self.text("creation").unwrap_or_default()
    }

    /// 0 draft, 1 submitted, 2 cancelled.
    #[must_use]
    pub fn docstatus(&self) -> i64 {
        self.get(DOCSTATUS).and_then(Value::as_i64).unwrap_or(0)
    }

    /// The rows of a child table, in their order; none where the field is no table.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = &Map<String, Value>> {
        self.get(table).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
    }
}

/// A name as text, whether the site gave a string or an integer.
#[must_use]
pub fn name_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
