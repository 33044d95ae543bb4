//! A doctype's effective metadata, reduced to what a sync needs to know.
//!
//! The rule kept here: nothing is read from metadata but what [`reduced`] keeps, so metadata
//! out of the cache and metadata just read always give the same [`Schema`].

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::form::md5_hex;

/// What is kept of a doctype itself, besides its fields.
const DOCTYPE_KEYS: [&str; 9] = [
    "name",
    "autoname",
    "title_field",
    "is_submittable",
    "issingle",
    "istable",
    "is_virtual",
    "is_tree",
    "allow_rename",
];

/// What is kept of each field.
const FIELD_KEYS: [&str; 10] = [
    "fieldname",
    "fieldtype",
    "options",
    "read_only",
    "set_only_once",
    "allow_on_submit",
    "is_virtual",
    "reqd",
    "fetch_from",
    "fetch_if_empty",
];

/// The effective metadata of one doctype on one site: custom fields and property setters are
/// already applied (`GET /api/v2/doctype/X/meta`, BEHAVIOUR.md 11).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "Frappe's own independent flags")]
pub struct Schema {
    /// The doctype that this describes.
    pub doctype: String,
    /// The naming rule as Frappe writes it, e.g. `field:item_code`; empty where the
    /// doctype's own code decides.
    pub autoname: String,
    /// The field that is shown as the document's title.
    pub title_field: Option<String>,
    /// Whether documents can be submitted.
    pub is_submittable: bool,
    /// Whether there is only one document, kept outside the doctype's table.
    pub is_single: bool,
    /// Whether this is a child table.
    pub is_table: bool,
    /// Whether there is no table at all.
    pub is_virtual: bool,
    /// Whether documents form a tree (`lft`, `rgt`, `old_parent`).
    pub is_tree: bool,
    /// Whether documents can be renamed.
    pub allow_rename: bool,
    /// The fields that hold values, by name. Layout fields are left out.
    pub fields: BTreeMap<String, Field>,
    /// The child doctypes' metadata, by the name of the table field.
    pub tables: BTreeMap<String, Schema>,
}

/// One field of a doctype.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "Frappe's own independent flags")]
pub struct Field {
    /// What kind of value it holds.
    pub kind: FieldKind,
    /// Computed or set by the site, not entered by a person.
    pub read_only: bool,
    /// Refused when changed after the first save.
    pub set_only_once: bool,
    /// May be edited after the document was submitted.
    pub allow_on_submit: bool,
    /// Not stored: computed at every read of a single document.
    pub is_virtual: bool,
    /// Must have a value.
    pub required: bool,
    /// The link whose target gives the value at every save (`fetch_from`); none where the
    /// value is fetched into an empty field only.
    pub fetched_by: Option<String>,
    /// Its text is the address of a file on the site.
    pub is_file: bool,
}

/// What a field's values are, and so how they are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// Whole numbers, and the 0 or 1 of a check box.
    Int,
    /// Decimal numbers; a site stores nine decimals (BEHAVIOUR.md 2).
    Float,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD HH:MM:SS[.ffffff]`.
    Datetime,
    /// `HH:MM:SS[.ffffff]`.
    Time,
    /// Text of any length.
    Text,
    /// JSON as text; a site's database refuses what is no JSON, an empty text too.
    Json,
    /// The name of a document of this doctype.
    Link(String),
    /// The name of a document of the doctype that the named field holds.
    DynamicLink(String),
    /// A short text in a child row. It may be the name of a row of some document, as an
    /// invoice's `so_detail` is, and the metadata does not say whether (COPYING.md 1).
    RowName,
    /// Rows of this child doctype.
    Table(String),
    /// Never readable: a site answers a mask.
    Password,
}

impl FieldKind {
    /// The kind for a field type and its options; `None` for fields that hold no value
    /// (section breaks, buttons, headings).
    #[must_use]
    pub fn from_meta(fieldtype: &str, options: &str) -> Option<Self> {
        Some(match fieldtype {
            "Section Break" | "Column Break" | "Tab Break" | "Fold" | "Heading" | "HTML"
            | "Button" | "Image" => return None,
            "Int" | "Long Int" | "Check" => Self::Int,
            "Float" | "Currency" | "Percent" | "Duration" | "Rating" => Self::Float,
            "Date" => Self::Date,
            "Datetime" => Self::Datetime,
            "Time" => Self::Time,
            "JSON" => Self::Json,
            "Link" => Self::Link(options.to_owned()),
            "Dynamic Link" => Self::DynamicLink(options.to_owned()),
            "Table" | "Table MultiSelect" => Self::Table(options.to_owned()),
            "Password" => Self::Password,
            _ => Self::Text,
        })
    }
}

impl Schema {
    /// Reads one doctype's metadata as Frappe gives it. `tables` is left empty: the child
    /// doctypes are documents of their own (see [`Schema::child_doctypes`]).
    #[must_use]
    pub fn from_meta(meta: &Map<String, Value>) -> Self {
        let meta = &reduced(meta);
        let text = |key: &str| meta.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_table = flag(meta, "istable");
        let fields = meta
            .get("fields")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .filter_map(|field| field_from_meta(field, is_table))
            .collect();
        Self {
            doctype: text("name"),
            autoname: text("autoname"),
            title_field: Some(text("title_field")).filter(|field| !field.is_empty()),
            is_submittable: flag(meta, "is_submittable"),
            is_single: flag(meta, "issingle"),
            is_table,
            is_virtual: flag(meta, "is_virtual"),
            is_tree: flag(meta, "is_tree"),
            allow_rename: flag(meta, "allow_rename"),
            fields,
            tables: BTreeMap::new(),
        }
    }

    /// Puts a doctype and its child doctypes together; `None` where it is not among `metas`.
    /// A table field whose child doctype is not among them has no entry in `tables`.
    #[must_use]
    pub fn assemble(doctype: &str, metas: &BTreeMap<String, Map<String, Value>>) -> Option<Self> {
        let mut schema = Self::from_meta(metas.get(doctype)?);
        schema.tables = schema
            .child_doctypes()
            .filter_map(|(field, child)| Some((field, Self::from_meta(metas.get(child)?))))
            .map(|(field, child)| (field.to_owned(), child))
            .collect();
        Some(schema)
    }

    /// The table fields and the child doctypes that they hold, in field order by name.
    pub fn child_doctypes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().filter_map(|(name, field)| match &field.kind {
            FieldKind::Table(child) if !field.is_virtual => Some((name.as_str(), child.as_str())),
            _ => None,
        })
    }
}

/// Metadata less everything that nobody here reads: layout, captions, scripts, rights.
#[must_use]
pub fn reduced(meta: &Map<String, Value>) -> Map<String, Value> {
    let kept = |from: &Map<String, Value>, keys: &[&str]| -> Map<String, Value> {
        let there = |key: &&str| from.get(*key).map(|value| ((*key).to_owned(), value.clone()));
        keys.iter().filter_map(there).filter(|(_, value)| !value.is_null()).collect()
    };
    let mut out = kept(meta, &DOCTYPE_KEYS);
    if let Some(fields) = meta.get("fields").and_then(Value::as_array) {
        let fields = fields
            .iter()
            .filter_map(Value::as_object)
            .map(|field| kept(field, &FIELD_KEYS))
            .filter(|field| field_from_meta(field, false).is_some());
        out.insert("fields".to_owned(), fields.map(Value::Object).collect());
    }
    out
}

/// Stands for what [`reduced`] keeps: metadata that another version of this program reduced
/// may lack what this one reads.
#[must_use]
pub fn reduction() -> String {
    md5_hex(format!("{DOCTYPE_KEYS:?} {FIELD_KEYS:?}").as_bytes())
}

fn field_from_meta(field: &Map<String, Value>, in_row: bool) -> Option<(String, Field)> {
    let text = |key: &str| field.get(key).and_then(Value::as_str).unwrap_or_default();
    let kind = match text("fieldtype") {
        "Data" if in_row => FieldKind::RowName,
        fieldtype => FieldKind::from_meta(fieldtype, text("options"))?,
    };
    let name = text("fieldname");
    (!name.is_empty()).then(|| {
        (
            name.to_owned(),
            Field {
                kind,
                read_only: flag(field, "read_only"),
                set_only_once: flag(field, "set_only_once"),
                allow_on_submit: flag(field, "allow_on_submit"),
                is_virtual: flag(field, "is_virtual"),
                required: flag(field, "reqd"),
                fetched_by: text("fetch_from")
                    .split_once('.')
                    .filter(|_| !flag(field, "fetch_if_empty"))
                    .map(|(link, _)| link.to_owned()),
                is_file: matches!(text("fieldtype"), "Attach" | "Attach Image"),
            },
        )
    })
}

/// Frappe's flags are 0 or 1, now and then `true` or a string.
fn flag(meta: &Map<String, Value>, key: &str) -> bool {
    match meta.get(key) {
        Some(Value::Number(number)) => number.as_f64().is_some_and(|n| n != 0.0),
        Some(Value::Bool(set)) => *set,
        Some(Value::String(text)) => text == "1",
        _ => false,
    }
}
