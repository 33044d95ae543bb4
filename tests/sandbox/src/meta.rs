//! Doctypes: what a kind of document consists of and how it behaves.
//!
//! What lives here: the definition of a doctype and its permissions, read from the compact files under
//! `doctypes/` or from a posted `DocType` document, and its JSON forms. What may not: documents.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::field::Field;
use crate::value;

/// What a role may do with the documents of a doctype.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The role.
    pub role: String,
    /// Rights: `read`, `write`, `create`, `delete`, `submit`, `cancel`.
    pub rights: Vec<String>,
    /// Only for documents that the user owns.
    pub if_owner: bool,
}

impl Permission {
    /// Reads the compact form `Role:rwcdsx`, with `o` for the owner only.
    pub fn from_spec(spec: &str) -> Self {
        let (role, letters) = spec.split_once(':').unwrap_or((spec, "r"));
        let rights = letters.chars().filter_map(right_of).map(str::to_owned);
        Self { role: role.to_owned(), rights: rights.collect(), if_owner: letters.contains('o') }
    }

    /// Reads a `DocPerm` document.
    pub fn from_document(document: &Map<String, Value>) -> Self {
        let set = |key: &str| document.get(key).is_some_and(|value| value::to_int(value) != 0);
        Self {
            role: document.get("role").map(value::to_text).unwrap_or_default(),
            rights: "rwcdsx"
                .chars()
                .filter_map(right_of)
                .filter(|right| set(right))
                .map(str::to_owned)
                .collect(),
            if_owner: set("if_owner"),
        }
    }

    /// The rule as a document.
    pub fn to_document(&self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("role".into(), json!(self.role));
        out.insert("permlevel".into(), json!(0));
        out.insert("if_owner".into(), json!(u8::from(self.if_owner)));
        for right in "rwcdsx".chars().filter_map(right_of) {
            let set = self.rights.iter().any(|held| held == right);
            out.insert(right.into(), json!(u8::from(set)));
        }
        out
    }
}

fn right_of(letter: char) -> Option<&'static str> {
    Some(match letter {
        'r' => "read",
        'w' => "write",
        'c' => "create",
        'd' => "delete",
        's' => "submit",
        'x' => "cancel",
        _ => return None,
    })
}

/// A doctype.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // These are the flags of a doctype, as Frappe has them.
pub struct DocType {
    /// Its name.
    pub name: String,
    /// The module it belongs to.
    pub module: String,
    /// The naming rule as Frappe writes it: `field:x`, `prompt`, `naming_series:`, `hash`,
    /// `format:...`, an expression, `autoincrement` or nothing.
    pub autoname: Option<String>,
    /// The naming rule's caption.
    pub naming_rule: Option<String>,
    /// The field that serves as a title.
    pub title_field: Option<String>,
    /// Rows of a parent.
    pub istable: bool,
    /// One document only.
    pub issingle: bool,
    /// Has a draft, a submitted and a cancelled state.
    pub is_submittable: bool,
    /// A nested set.
    pub is_tree: bool,
    /// Without a table.
    pub is_virtual: bool,
    /// Documents may be renamed.
    pub allow_rename: bool,
    /// Versions are kept.
    pub track_changes: bool,
    /// Made by a user.
    pub custom: bool,
    /// The field that holds the parent node of a tree.
    pub parent_field: Option<String>,
    /// The fields in order.
    pub fields: Vec<Field>,
    /// Who may do what.
    pub permissions: Vec<Permission>,
}

/// A doctype as the site works with it: custom fields and property setters applied.
pub type Meta = Arc<DocType>;

impl DocType {
    /// Reads a definition in the compact form of the files under `doctypes/`.
    pub fn from_spec(spec: &Value) -> Self {
        let text = |key: &str| spec.get(key).and_then(Value::as_str).map(str::to_owned);
        let set = |key: &str| spec.get(key).is_some_and(value::is_truthy);
        let list = |key: &str| -> Vec<&str> {
            let items = spec.get(key).and_then(Value::as_array);
            items.into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let autoname = text("autoname");
        let mut doctype = Self {
            name: text("name").unwrap_or_default(),
            module: text("module").unwrap_or_else(|| "Custom".into()),
            naming_rule: match spec.get("naming_rule") {
                Some(rule) => rule.as_str().map(str::to_owned),
                None => rule_of(autoname.as_deref()),
            },
            autoname,
            title_field: text("title_field"),
            istable: set("istable"),
            issingle: set("issingle"),
            is_submittable: set("is_submittable"),
            is_tree: set("is_tree"),
            is_virtual: set("is_virtual"),
            allow_rename: set("allow_rename"),
            track_changes: set("track_changes"),
            custom: set("custom"),
            parent_field: text("parent_field"),
            fields: list("fields").into_iter().map(Field::from_spec).collect(),
            permissions: list("permissions").into_iter().map(Permission::from_spec).collect(),
        };
        doctype.complete();
        if doctype.permissions.is_empty() && !doctype.istable {
            let rights = if doctype.is_submittable { "rwcdsx" } else { "rwcd" };
            doctype.permissions = vec![Permission::from_spec(&format!("System Manager:{rights}"))];
        }
        doctype
    }

    /// Reads a posted `DocType` document.
    pub fn from_document(document: &Map<String, Value>) -> Self {
        let text =
            |key: &str| document.get(key).map(value::to_text).filter(|text| !text.is_empty());
        let set = |key: &str| document.get(key).is_some_and(|value| value::to_int(value) != 0);
        let rows = |key: &str| -> Vec<&Map<String, Value>> {
            let items = document.get(key).and_then(Value::as_array);
            items.into_iter().flatten().filter_map(Value::as_object).collect()
        };
        let mut doctype = Self {
            name: text("name").unwrap_or_default(),
            module: text("module").unwrap_or_else(|| "Custom".into()),
            autoname: text("autoname"),
            naming_rule: text("naming_rule"),
            title_field: text("title_field"),
            istable: set("istable"),
            issingle: set("issingle"),
            is_submittable: set("is_submittable"),
            is_tree: set("is_tree"),
            is_virtual: set("is_virtual"),
            allow_rename: text("autoname").as_deref() != Some("autoincrement")
                && document.get("allow_rename").is_none_or(|value| value::to_int(value) != 0),
            track_changes: set("track_changes"),
            custom: set("custom"),
            parent_field: text("nsm_parent_field"),
            fields: rows("fields").into_iter().map(Field::from_document).collect(),
            permissions: rows("permissions").into_iter().map(Permission::from_document).collect(),
        };
        doctype.complete();
        doctype
    }

    /// Adds what Frappe adds by itself: the field of amendments, the fields of a tree, and that
    /// the field a document is named by is unique.
    fn complete(&mut self) {
        if self.is_submittable && !self.istable && self.field("amended_from").is_none() {
            let spec = format!("amended_from|Link|read_only|no_copy|options={}", self.name);
            self.fields.push(Field::from_spec(&spec));
        }
        if let Some(named_by) = self.named_by().map(str::to_owned)
            && let Some(field) = self.fields.iter_mut().find(|field| field.fieldname == named_by)
            && !field.has("unique")
        {
            field.flags.push("unique".into());
        }
    }

    /// The field of a `field:` rule.
    pub fn named_by(&self) -> Option<&str> {
        self.autoname.as_deref()?.strip_prefix("field:")
    }

    /// True when names are integers.
    pub fn is_autoincrement(&self) -> bool {
        self.autoname.as_deref() == Some("autoincrement")
    }

    /// A field by name.
    pub fn field(&self, fieldname: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.fieldname == fieldname)
    }

    /// The table fields with their child doctypes.
    pub fn tables(&self) -> impl Iterator<Item = (&Field, &str)> {
        self.fields
            .iter()
            .filter(|field| !field.has("is_virtual"))
            .filter_map(|field| Some((field, field.table()?)))
    }

    /// The header of the doctype as a document, without nulls.
    pub fn header(&self, newer: bool) -> Map<String, Value> {
        let mut out = Map::new();
        for (key, text) in [
            ("name", Some(&self.name)),
            ("module", Some(&self.module)),
            ("autoname", self.autoname.as_ref()),
            ("naming_rule", self.naming_rule.as_ref()),
            ("title_field", self.title_field.as_ref()),
            ("nsm_parent_field", self.parent_field.as_ref()),
        ] {
            if let Some(text) = text {
                out.insert(key.into(), json!(text));
            }
        }
        for (key, set) in [
            ("istable", self.istable),
            ("issingle", self.issingle),
            ("is_submittable", self.is_submittable),
            ("is_tree", self.is_tree),
            ("is_virtual", self.is_virtual),
            ("allow_rename", self.allow_rename),
            ("track_changes", self.track_changes),
            ("custom", self.custom),
        ] {
            out.insert(key.into(), json!(u8::from(set)));
        }
        for (key, value) in [
            ("editable_grid", json!(1)),
            ("sort_field", json!("modified")),
            ("sort_order", json!("DESC")),
            ("read_only", json!(0)),
            ("in_create", json!(0)),
            ("allow_copy", json!(0)),
            ("allow_import", json!(u8::from(!self.istable && !self.issingle))),
            ("track_seen", json!(0)),
            ("document_type", json!("")),
            ("engine", json!("InnoDB")),
            ("quick_entry", json!(0)),
            ("queue_in_background", json!(0)),
            ("translated_doctype", json!(0)),
        ] {
            out.insert(key.into(), value);
        }
        if newer {
            for (key, value) in [
                ("grid_page_length", json!(50)),
                ("rows_threshold_for_grid_search", json!(20)),
                ("protect_attached_files", json!(0)),
                ("row_format", json!("Dynamic")),
            ] {
                out.insert(key.into(), value);
            }
        }
        out
    }
}

fn rule_of(autoname: Option<&str>) -> Option<String> {
    let rule = match autoname? {
        "prompt" => "Set by user",
        "hash" => "Random",
        "autoincrement" => "Autoincrement",
        "naming_series:" => "By \"Naming Series\" field",
        text if text.starts_with("field:") => "By fieldname",
        text if text.starts_with("format:") => "Expression",
        _ => "Expression (old style)",
    };
    Some(rule.to_owned())
}
