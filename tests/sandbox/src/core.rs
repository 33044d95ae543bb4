//! What some of Frappe's own doctypes do by themselves.
//!
//! What lives here: checking and completing a posted doctype, files. What may not: rules
//! that hold for every doctype, and `ERPNext`'s doctypes (`controllers`).

use serde_json::Value;

use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::meta::DocType;
use crate::query::md5;
use crate::site::Site;
use crate::value;

/// The types that a field may have; the newer version has "Long Int" too.
const FIELD_TYPES: [&str; 43] = [
    "Autocomplete",
    "Attach",
    "Attach Image",
    "Barcode",
    "Button",
    "Check",
    "Code",
    "Color",
    "Column Break",
    "Currency",
    "Data",
    "Date",
    "Datetime",
    "Duration",
    "Dynamic Link",
    "Float",
    "Fold",
    "Geolocation",
    "Heading",
    "HTML",
    "HTML Editor",
    "Icon",
    "Image",
    "Int",
    "JSON",
    "Link",
    "Long Text",
    "Markdown Editor",
    "Password",
    "Percent",
    "Phone",
    "Read Only",
    "Rating",
    "Section Break",
    "Select",
    "Signature",
    "Small Text",
    "Tab Break",
    "Table",
    "Table MultiSelect",
    "Text",
    "Text Editor",
    "Time",
];

/// Refuses a field of a type that there is not.
pub fn check_fieldtype(fieldtype: &str, row: usize, is_newer: bool) -> Outcome<()> {
    if fieldtype.is_empty()
        || FIELD_TYPES.contains(&fieldtype)
        || is_newer && fieldtype == "Long Int"
    {
        return Ok(());
    }
    let choices: Vec<String> = FIELD_TYPES.iter().map(|choice| format!("\"{choice}\"")).collect();
    Err(Failure::validation(&format!(
        "Row #{row}: Type cannot be \"{fieldtype}\". It should be one of {}",
        choices.join(", ")
    )))
}

impl Site {
    /// Completes the document of a new doctype: what its naming rule and its kind bring along.
    pub(crate) fn complete_doctype(doc: &mut Doc) {
        let Value::Object(document) = doc.to_json(false) else {
            return;
        };
        let complete = DocType::from_document(&document);
        doc.set("allow_rename", u8::from(complete.allow_rename));
        if !doc.is_set("naming_rule") {
            doc.set("naming_rule", "");
        }
        let rows = doc.tables.entry("fields".into()).or_default();
        let template = rows.first().cloned();
        for (at, field) in complete.fields.iter().enumerate() {
            if let Some(row) = rows.get_mut(at) {
                row.set("unique", u8::from(field.has("unique")));
            } else if let Some(mut row) = template.clone() {
                row.fields.retain(|key, _| {
                    crate::doc::SYSTEM_FIELDS.contains(&key.as_str()) || key.starts_with("parent")
                });
                row.fields.extend(field.to_document());
                row.set("name", Value::Null);
                row.set("idx", at + 1);
                row.unsaved = false;
                rows.push(row);
            }
        }
    }

    /// Takes the content of a new file away and keeps what is known of it.
    pub(crate) fn take_content(doc: &mut Doc) {
        let content = doc.text("content");
        let name = doc.text("file_name");
        doc.fields.remove("content");
        let kind = name.rsplit_once('.').map(|(_, kind)| kind.to_uppercase());
        doc.set("file_type", kind.unwrap_or_default());
        doc.set("file_size", content.len());
        doc.set("content_hash", md5::hex(content.as_bytes()));
        doc.set("folder", if doc.is_set("attached_to_name") { "Home/Attachments" } else { "Home" });
        let folder =
            if value::is_truthy(doc.get("is_private")) { "/private/files" } else { "/files" };
        doc.set("file_url", format!("{folder}/{name}"));
    }
}
