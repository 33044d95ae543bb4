//! Fields of doctypes.
//!
//! What lives here: a field's definition, read from a compact text or a document. What may not:
//! doctypes and documents.

use serde_json::{Map, Value, json};

use crate::value::{self, Kind};

/// One field of a doctype.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// The name in documents.
    pub fieldname: String,
    /// The caption.
    pub label: String,
    /// The type, as Frappe calls it.
    pub fieldtype: String,
    /// Linked doctype, child doctype or choices, by type.
    pub options: Option<String>,
    /// What a new document gets.
    pub default: Option<String>,
    /// `link.field` to copy from.
    pub fetch_from: Option<String>,
    /// How many characters or digits it may have, 0 for the usual.
    pub length: i64,
    /// Flags that are set: `reqd`, `read_only`, `hidden`, `no_copy`, `unique`, `set_only_once`,
    /// `allow_on_submit`, `is_virtual`, `fetch_if_empty`, `in_list_view`.
    pub flags: Vec<String>,
    /// It comes from a Custom Field.
    pub is_custom: bool,
}

impl Field {
    /// Reads the compact form `fieldname|Fieldtype|flag|key=value`.
    pub fn from_spec(spec: &str) -> Self {
        let mut parts = spec.split('|');
        let fieldname = parts.next().unwrap_or_default().to_owned();
        let mut field = Self {
            label: label_of(&fieldname),
            fieldname,
            fieldtype: parts.next().unwrap_or("Data").to_owned(),
            ..Self::default()
        };
        for part in parts {
            match part.split_once('=') {
                Some(("options", text)) => field.options = Some(text.to_owned()),
                Some(("default", text)) => field.default = Some(text.to_owned()),
                Some(("fetch_from", text)) => field.fetch_from = Some(text.to_owned()),
                Some(("length", text)) => field.length = text.parse().unwrap_or(0),
                Some(("label", text)) => text.clone_into(&mut field.label),
                _ => field.flags.push(part.to_owned()),
            }
        }
        field
    }

    /// Reads a `DocField` or `Custom Field` document.
    pub fn from_document(document: &Map<String, Value>) -> Self {
        let text =
            |key: &str| document.get(key).map(value::to_text).filter(|text| !text.is_empty());
        let fieldname = text("fieldname").unwrap_or_default();
        let mut field = Self {
            label: text("label").unwrap_or_else(|| label_of(&fieldname)),
            fieldname,
            fieldtype: text("fieldtype").unwrap_or_else(|| "Data".into()),
            options: text("options"),
            default: text("default"),
            fetch_from: text("fetch_from"),
            length: document.get("length").map_or(0, value::to_int),
            ..Self::default()
        };
        for flag in FIELD_FLAGS {
            if document.get(flag).is_some_and(|value| value::to_int(value) != 0) {
                field.flags.push(flag.to_owned());
            }
        }
        field
    }

    /// True when a flag is set.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|set| set == flag)
    }

    /// Sets a property by name, as a Property Setter does.
    pub fn set_property(&mut self, property: &str, value: &str) {
        match property {
            "options" => self.options = Some(value.to_owned()),
            "default" => self.default = Some(value.to_owned()),
            "label" => value.clone_into(&mut self.label),
            "fieldtype" => value.clone_into(&mut self.fieldtype),
            "fetch_from" => self.fetch_from = Some(value.to_owned()),
            flag => {
                self.flags.retain(|set| set != flag);
                if !matches!(value, "0" | "") {
                    self.flags.push(flag.to_owned());
                }
            }
        }
    }

    /// The child doctype of a table field.
    pub fn table(&self) -> Option<&str> {
        matches!(self.fieldtype.as_str(), "Table" | "Table MultiSelect")
            .then_some(self.options.as_deref())
            .flatten()
    }

    /// The column kind, if the field has a column.
    pub fn kind(&self) -> Option<Kind> {
        if self.has("is_virtual") {
            return None;
        }
        match Kind::of_fieldtype(&self.fieldtype) {
            Some(Kind::Int) if self.fieldtype == "Int" && self.length > 11 => Some(Kind::BigInt),
            kind => kind,
        }
    }

    /// The values of the field as a document, nulls left out.
    pub fn to_document(&self) -> Map<String, Value> {
        let mut out = Map::new();
        for (key, text) in [
            ("fieldname", Some(&self.fieldname)),
            ("label", Some(&self.label)),
            ("fieldtype", Some(&self.fieldtype)),
            ("options", self.options.as_ref()),
            ("default", self.default.as_ref()),
            ("fetch_from", self.fetch_from.as_ref()),
        ] {
            if let Some(text) = text {
                out.insert(key.into(), json!(text));
            }
        }
        for flag in FIELD_FLAGS {
            out.insert(flag.into(), json!(u8::from(self.has(flag))));
        }
        out.insert("length".into(), json!(self.length));
        for (key, number) in FIELD_ZEROS {
            out.entry(key).or_insert_with(|| json!(number));
        }
        out
    }
}

/// Flags that the site obeys or that a client reads.
pub const FIELD_FLAGS: [&str; 12] = [
    "reqd",
    "read_only",
    "hidden",
    "no_copy",
    "unique",
    "set_only_once",
    "allow_on_submit",
    "is_virtual",
    "fetch_if_empty",
    "in_list_view",
    "search_index",
    "translatable",
];

/// Further number properties of a field, all zero here.
const FIELD_ZEROS: [(&str, u8); 25] = [
    ("show_dashboard", 0),
    ("allow_in_quick_entry", 0),
    ("print_hide", 0),
    ("report_hide", 0),
    ("bold", 0),
    ("in_global_search", 0),
    ("collapsible", 0),
    ("show_preview_popup", 0),
    ("permlevel", 0),
    ("ignore_user_permissions", 0),
    ("columns", 0),
    ("in_filter", 0),
    ("remember_last_selected_value", 0),
    ("ignore_xss_filter", 0),
    ("print_hide_if_no_value", 0),
    ("allow_bulk_edit", 0),
    ("in_standard_filter", 0),
    ("in_preview", 0),
    ("hide_border", 0),
    ("hide_days", 0),
    ("hide_seconds", 0),
    ("non_negative", 0),
    ("sort_options", 0),
    ("show_on_timeline", 0),
    ("make_attachment_public", 0),
];

fn label_of(fieldname: &str) -> String {
    let words = fieldname.split('_').filter(|word| !word.is_empty());
    let words: Vec<String> = words
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect();
    words.join(" ")
}
