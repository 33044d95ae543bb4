//! Doctypes: what a kind of document consists of and how it behaves.
//!
//! What lives here: the definition of a doctype and its fields, read from the compact files under
//! `doctypes/` or from a posted `DocType` document, and its JSON forms. What may not: documents.

use std::sync::Arc;

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
                Some(("label", text)) => text.clone_into(&mut field.label),
                _ => field.flags.push(part.to_owned()),
            }
        }
        field
    }

    /// Reads a `DocField` or `Custom Field` document.
    pub fn from_document(document: &Map<String, Value>) -> Self {
        let text = |key: &str| {
            document
                .get(key)
                .map(value::to_text)
                .filter(|text| !text.is_empty())
        };
        let fieldname = text("fieldname").unwrap_or_default();
        let mut field = Self {
            label: text("label").unwrap_or_else(|| label_of(&fieldname)),
            fieldname,
            fieldtype: text("fieldtype").unwrap_or_else(|| "Data".into()),
            options: text("options"),
            default: text("default"),
            fetch_from: text("fetch_from"),
            ..Self::default()
        };
        for flag in FIELD_FLAGS {
            if document
                .get(flag)
                .is_some_and(|value| value::to_int(value) != 0)
            {
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
        Kind::of_fieldtype(&self.fieldtype)
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
const FIELD_ZEROS: [(&str, u8); 26] = [
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
    ("length", 0),
    ("hide_border", 0),
    ("hide_days", 0),
    ("hide_seconds", 0),
    ("non_negative", 0),
    ("sort_options", 0),
    ("show_on_timeline", 0),
    ("make_attachment_public", 0),
];

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
        Self {
            role: role.to_owned(),
            rights: rights.collect(),
            if_owner: letters.contains('o'),
        }
    }

    /// Reads a `DocPerm` document.
    pub fn from_document(document: &Map<String, Value>) -> Self {
        let set = |key: &str| {
            document
                .get(key)
                .is_some_and(|value| value::to_int(value) != 0)
        };
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
            items
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect()
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
            permissions: list("permissions")
                .into_iter()
                .map(Permission::from_spec)
                .collect(),
        };
        doctype.complete();
        if doctype.permissions.is_empty() && !doctype.istable {
            let rights = if doctype.is_submittable {
                "rwcdsx"
            } else {
                "rwcd"
            };
            doctype.permissions = vec![Permission::from_spec(&format!("System Manager:{rights}"))];
        }
        doctype
    }

    /// Reads a posted `DocType` document.
    pub fn from_document(document: &Map<String, Value>) -> Self {
        let text = |key: &str| {
            document
                .get(key)
                .map(value::to_text)
                .filter(|text| !text.is_empty())
        };
        let set = |key: &str| {
            document
                .get(key)
                .is_some_and(|value| value::to_int(value) != 0)
        };
        let rows = |key: &str| -> Vec<&Map<String, Value>> {
            let items = document.get(key).and_then(Value::as_array);
            items
                .into_iter()
                .flatten()
                .filter_map(Value::as_object)
                .collect()
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
                && document
                    .get("allow_rename")
                    .is_none_or(|value| value::to_int(value) != 0),
            track_changes: set("track_changes"),
            custom: set("custom"),
            parent_field: text("nsm_parent_field"),
            fields: rows("fields")
                .into_iter()
                .map(Field::from_document)
                .collect(),
            permissions: rows("permissions")
                .into_iter()
                .map(Permission::from_document)
                .collect(),
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
            && let Some(field) = self
                .fields
                .iter_mut()
                .find(|field| field.fieldname == named_by)
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
        self.fields
            .iter()
            .find(|field| field.fieldname == fieldname)
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
            (
                "allow_import",
                json!(u8::from(!self.istable && !self.issingle)),
            ),
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

fn label_of(fieldname: &str) -> String {
    let words = fieldname.split('_').filter(|word| !word.is_empty());
    let words: Vec<String> = words
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_uppercase().chain(letters).collect()
            })
        })
        .collect();
    words.join(" ")
}
