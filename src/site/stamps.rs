//! A line of a listing: which document there is, when it was made and when it was last saved.

use std::borrow::Cow;

use serde_json::Value;

use crate::model::{Doc, name_text};

/// A document as a listing shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamps {
    /// The name as the site gave it, text or an integer: the next page is what comes after this
    /// very value. Null where there is none.
    pub name: Value,
    /// As [`Doc::modified`] gives it.
    pub modified: String,
    /// As [`Doc::creation`] gives it.
    pub creation: String,
}

impl Stamps {
    /// The fields that a listing asks for.
    pub const FIELDS: [&'static str; 3] = ["name", "modified", "creation"];

    /// The name as text, as [`Doc::name`] gives it.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        match &self.name {
            Value::Null => Cow::Borrowed(""),
            Value::String(text) => Cow::Borrowed(text),
            other => Cow::Owned(name_text(other)),
        }
    }
}

impl From<Doc> for Stamps {
    fn from(mut doc: Doc) -> Self {
        let mut text = |field| match doc.0.remove(field) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let (modified, creation) = (text("modified"), text("creation"));
        Self { name: doc.0.remove("name").unwrap_or_default(), modified, creation }
    }
}
