//! Creating and updating documents.
//!
//! What lives here: the order of steps of an insert and a save, optimistic locking, docstatus.
//! What may not: the single checks (`validate`), names (`naming`), what a doctype does by itself
//! (`controllers`).

use serde_json::{Map, Value, json};

use crate::doc::{Doc, SYSTEM_FIELDS};
use crate::failure::{Failure, Message, Outcome};
use crate::meta::DocType;
use crate::site::{Context, Site};
use crate::value::{self, Kind};

/// What a save is, by the stored and the new docstatus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Save,
    Submit,
    UpdateAfterSubmit,
    Cancel,
}

/// How an insert treats names.
#[derive(Debug, Clone, Default)]
pub(crate) struct InsertOptions {
    /// A name that wins over every rule; row names are kept with it.
    pub name: Option<Value>,
}

impl Site {
    /// Creates a document from a body and gives back what the answer shows.
    pub(crate) fn create(
        &mut self,
        ctx: &mut Context,
        doctype: &str,
        values: &Map<String, Value>,
    ) -> Outcome<Doc> {
        let meta = self.known(doctype)?;
        let doc = self.doc_from_body(&meta, values);
        self.insert(ctx, doc, &InsertOptions::default())
    }

    /// Reads a body into a document: what has no field is dropped.
    pub(crate) fn doc_from_body(&self, meta: &DocType, values: &Map<String, Value>) -> Doc {
        let mut doc = Doc::new(&meta.name);
        self.apply_body(meta, &mut doc, values);
        doc
    }

    pub(crate) fn apply_body(&self, meta: &DocType, doc: &mut Doc, values: &Map<String, Value>) {
        for (key, value) in values {
            if key.starts_with("__") {
                doc.extra.insert(key.clone(), value.clone());
            } else if SYSTEM_FIELDS.contains(&key.as_str())
                || (meta.istable && matches!(key.as_str(), "parent" | "parenttype" | "parentfield"))
            {
                doc.fields.insert(key.clone(), value.clone());
            } else if let Some(field) = meta.field(key) {
                if let Some(child) = field.table() {
                    let rows = self.rows_from_body(child, value);
                    doc.tables.insert(key.clone(), rows);
                } else if field.kind().is_some() {
                    doc.fields.insert(key.clone(), value.clone());
                }
            } else {
                doc.extra.insert(key.clone(), value.clone());
            }
        }
    }

    fn rows_from_body(&self, child: &str, value: &Value) -> Vec<Doc> {
        let (Some(meta), Some(items)) = (self.meta(child), value.as_array()) else {
            return Vec::new();
        };
        let mut rows = Vec::with_capacity(items.len());
        for item in items.iter().filter_map(Value::as_object) {
            let mut row = self.doc_from_body(&meta, item);
            let asked = |key: &str| row.extra.get(key).is_some_and(value::is_truthy);
            row.is_new = !row.is_set("name") || asked("__islocal");
            row.unsaved = row.is_new || asked("__unsaved");
            if !row.is_set("idx") {
                row.set("idx", rows.len() + 1);
            }
            rows.push(row);
        }
        rows
    }

    /// Creates a document: defaults, checks, name, rows; submits it when its docstatus says so.
    pub(crate) fn insert(
        &mut self,
        ctx: &mut Context,
        mut doc: Doc,
        options: &InsertOptions,
    ) -> Outcome<Doc> {
        let meta = self.known(&doc.doctype)?;
        let stamp = self.stamp(ctx.started);
        if self.is_newer() {
            self.check_doctype_access(ctx, &meta, "create")?;
        }
        self.set_defaults(ctx, &meta, &mut doc);
        doc.is_new = true;
        for field in ["creation", "modified"] {
            doc.set(field, stamp.as_str());
        }
        for field in ["owner", "modified_by"] {
            doc.set(field, ctx.user.as_str());
        }
        self.check_new_docstatus(ctx, &meta, &doc)?;
        self.check_links(&meta, &mut doc)?;
        self.check_permission(ctx, &meta, &doc, "create", true)?;
        self.before_naming(ctx, &mut doc)?;
        self.set_new_name(ctx, &meta, &mut doc, options.name.clone())?;
        Self::place_rows(ctx, &meta, &mut doc, &stamp);
        for table in doc.tables.values_mut() {
            for row in table {
                if !row.is_set("name") || options.name.is_none() {
                    row.fields.remove("name");
                }
                row.is_new = true;
            }
        }
        self.name_rows(&mut doc);
        self.before_save(ctx, &meta, &mut doc, None)?;
        self.validate(&meta, &mut doc, None)?;
        self.hooks.run(&mut doc);
        self.store_new(&meta, &doc)?;
        self.store_rows(&meta, &doc)?;
        if doc.doctype == "Contact" && !doc.rows("phone_nos").is_empty() {
            self.commit_midway();
        }
        self.announce(ctx, &doc, &["after_insert"]);
        self.after_save(ctx, &meta, &mut doc, None)?;
        self.announce_saved_insert(ctx, &doc);
        Ok(doc)
    }

    /// A submitted document may be created only where submitting is allowed.
    fn check_new_docstatus(&self, ctx: &Context, meta: &DocType, doc: &Doc) -> Outcome<()> {
        match doc.docstatus() {
            0 => Ok(()),
            1 if meta.is_submittable => self.check_permission(ctx, meta, doc, "submit", true),
            1 if self.is_newer() => {
                let mut failure = Failure::forbidden()
                    .with_message(Message::note("Document Type is not submittable"));
                failure.exception = None;
                failure.error_message = Some(format!("No permission for {}", meta.name));
                Err(failure)
            }
            1 => {
                let (doctype, name) = (&meta.name, doc.name());
                let text = format!(
                    "User <strong>{}</strong> does not have access to this document: {doctype} - {name}",
                    ctx.user
                );
                let mut failure = Failure::forbidden().with_message(Message::note(text));
                failure.error_message = Some(format!(
                    "You need the 'submit' permission on <strong>{doctype}</strong> {name} to perform this action."
                ));
                Err(failure)
            }
            other => Err(transition_failure(0, other)),
        }
    }

    fn store_new(&mut self, meta: &DocType, doc: &Doc) -> Outcome<()> {
        if meta.issingle {
            self.store_single(meta, doc);
            return Ok(());
        }
        let name = doc.name();
        if name.chars().count() > 140 {
            return Err(Failure::internal(
                "pymysql.err",
                "DataError",
                "(1406, \"Data too long for column 'name' at row 1\")",
            ));
        }
        if self.exists(&meta.name, &name) {
            return Err(Failure::duplicate(&meta.name, &name));
        }
        self.check_unique(meta, doc)?;
        self.write_row(doc)
    }

    pub(crate) fn store_single(&mut self, meta: &DocType, doc: &Doc) {
        let mut values = self.store.single(&meta.name).cloned().unwrap_or_default();
        for (field, value) in &doc.fields {
            if !matches!(field.as_str(), "name" | "owner" | "creation") && !value.is_null() {
                values.insert(field.clone(), value.clone());
            }
        }
        self.store.put_single(&meta.name, values);
    }

    /// Updates a document with the fields of a body, as a PUT does.
    pub(crate) fn update(
        &mut self,
        ctx: &mut Context,
        doctype: &str,
        name: &str,
        values: &Map<String, Value>,
    ) -> Outcome<Doc> {
        let meta = self.known(doctype)?;
        if self.is_newer() {
            self.check_doctype_access(ctx, &meta, "write")?;
        }
        let stored = self.found(doctype, name)?;
        let mut doc = stored;
        doc.extra.clear();
        self.apply_body(&meta, &mut doc, values);
        if doc.extra.get("__islocal").is_some_and(value::is_truthy) {
            return self.insert(ctx, doc, &InsertOptions::default());
        }
        self.save(ctx, doc)
    }

    /// Saves a document that exists: lock, checks, rows, docstatus.
    pub(crate) fn save(&mut self, ctx: &mut Context, mut doc: Doc) -> Outcome<Doc> {
        let meta = self.known(&doc.doctype)?;
        let name = doc.name();
        let stored = self.found(&doc.doctype, &name)?;
        self.check_permission(ctx, &meta, &stored, "write", true)?;
        self.check_unlocked(&meta.name, &name)?;
        let sent = doc.text("modified");
        let stamp = self.stamp(ctx.started);
        doc.set("modified", stamp.as_str());
        doc.set("modified_by", ctx.user.as_str());
        let known = stored.text("modified");
        if !meta.issingle && sent != known {
            return Err(Failure::timestamp_mismatch(&known, &stamp));
        }
        doc.set("name", stored.get("name").clone());
        doc.set("owner", stored.get("owner").clone());
        if meta.issingle && !doc.is_set("owner") {
            doc.set("owner", ctx.user.as_str());
        }
        let step = self.step(ctx, &meta, &stored, &doc)?;
        Self::place_rows(ctx, &meta, &mut doc, &stamp);
        self.name_rows(&mut doc);
        if step != Step::Cancel {
            self.check_links(&meta, &mut doc)?;
        }
        self.before_save(ctx, &meta, &mut doc, Some(&stored))?;
        if step == Step::Cancel {
            cast(&meta, &mut doc);
            self.check_no_back_links(ctx, &doc)?;
        } else {
            self.validate(&meta, &mut doc, Some(&stored))?;
        }
        if step == Step::UpdateAfterSubmit {
            self.check_update_after_submit(&meta, &doc, &stored)?;
        }
        self.hooks.run(&mut doc);
        if meta.issingle {
            self.store_single(&meta, &doc);
        } else {
            self.check_unique(&meta, &doc)?;
            self.write_row(&doc)?;
        }
        self.store_rows(&meta, &doc)?;
        self.after_save(ctx, &meta, &mut doc, Some(&stored))?;
        self.announce(ctx, &doc, step.events());
        Ok(doc)
    }

    fn step(&self, ctx: &Context, meta: &DocType, stored: &Doc, doc: &Doc) -> Outcome<Step> {
        match (stored.docstatus(), doc.docstatus()) {
            (0, 0) => Ok(Step::Save),
            (0, 1) if meta.is_submittable => {
                self.check_permission(ctx, meta, stored, "submit", true)?;
                Ok(Step::Submit)
            }
            (0, 1) => self.check_new_docstatus(ctx, meta, doc).map(|()| Step::Submit),
            (1, 1) => Ok(Step::UpdateAfterSubmit),
            (1, 2) => {
                self.check_permission(ctx, meta, stored, "cancel", true)?;
                Ok(Step::Cancel)
            }
            (2, _) => {
                Err(Failure::silent(417, "ValidationError", "Cannot edit cancelled document"))
            }
            (from, to) => Err(transition_failure(from, to)),
        }
    }

    /// Gives the rows what they take from their parent.
    fn place_rows(ctx: &Context, meta: &DocType, doc: &mut Doc, stamp: &str) {
        for (field, _) in meta.tables() {
            doc.tables.entry(field.fieldname.clone()).or_default();
        }
        let (name, owner) = (doc.name(), doc.get("owner").clone());
        let (creation, docstatus) = (doc.get("creation").clone(), doc.get("docstatus").clone());
        for (table, rows) in &mut doc.tables {
            for row in rows {
                row.set("parent", name.as_str());
                row.set("parenttype", meta.name.as_str());
                row.set("parentfield", table.as_str());
                row.set("docstatus", docstatus.clone());
                row.set("modified", stamp);
                row.set("modified_by", ctx.user.as_str());
                if !row.is_set("owner") {
                    row.set("owner", owner.clone());
                }
                if !row.is_set("creation") {
                    row.set("creation", creation.clone());
                }
            }
        }
    }

    /// Names the rows that have none; fills the parent's name in.
    fn name_rows(&mut self, doc: &mut Doc) {
        let parent = doc.name();
        let tables = std::mem::take(&mut doc.tables);
        for (table, mut rows) in tables {
            for row in &mut rows {
                row.set("parent", parent.as_str());
                if !row.is_set("name") {
                    let autoincrement =
                        self.meta(&row.doctype).is_some_and(|meta| meta.is_autoincrement());
                    if autoincrement {
                        let next = self.store.next_in_series(&format!("#{}", row.doctype));
                        row.set("name", next);
                    } else {
                        let name = self.free_hash(&row.doctype);
                        row.set("name", name);
                    }
                }
            }
            doc.tables.insert(table, rows);
        }
    }

    /// Writes the rows: what is not named any more goes, new rows come, rows given by name are
    /// written as they are given, wherever they were; a name nobody has is written nowhere.
    pub(crate) fn store_rows(&mut self, meta: &DocType, doc: &Doc) -> Outcome<()> {
        let parent = doc.name();
        let tables: Vec<(String, String)> = meta
            .tables()
            .map(|(field, child)| (field.fieldname.clone(), child.to_owned()))
            .collect();
        for (fieldname, child) in tables {
            let rows = doc.rows(&fieldname);
            let Some(table) = self.store.table(&child) else {
                continue;
            };
            let kept: Vec<_> =
                rows.iter().filter(|row| !row.is_new).map(|row| table.key(&row.name())).collect();
            let gone: Vec<_> = self
                .load_rows(&child, &meta.name, &parent, &fieldname)
                .iter()
                .map(|row| table.key(&row.name()))
                .filter(|key| !kept.contains(key))
                .collect();
            for key in gone {
                self.store.remove(&child, &key);
            }
            for row in rows {
                let exists = self.exists(&child, &row.name());
                if row.is_new && exists {
                    return Err(Failure::duplicate(&child, &row.name()));
                }
                if row.is_new || exists {
                    self.write_row(row)?;
                }
            }
        }
        Ok(())
    }

    /// Fills in what a new document gets by itself.
    fn set_defaults(&self, ctx: &Context, meta: &DocType, doc: &mut Doc) {
        let now = self.local(ctx.started);
        for field in &meta.fields {
            let Some(kind) = field.kind() else {
                continue;
            };
            if !doc.get(&field.fieldname).is_null() {
                continue;
            }
            let default = match (kind, field.default.as_deref()) {
                (Kind::Date, Some("Today" | "today")) => json!(now[..10]),
                (Kind::Datetime, Some("Now" | "now")) => json!(now),
                (Kind::Time, _) => json!(&now[11..]),
                (_, Some("__user")) => json!(ctx.user),
                (Kind::Int | Kind::BigInt, Some(text)) => json!(value::to_int(&json!(text))),
                (Kind::Decimal | Kind::Rating, Some(text)) => {
                    value::float(value::to_float(&json!(text)))
                }
                (_, Some(text)) => json!(text),
                (_, None) if field.fieldtype == "Select" => match &field.options {
                    Some(options) => json!(options.split('\n').next().unwrap_or_default()),
                    None => continue,
                },
                _ => continue,
            };
            doc.fields.insert(field.fieldname.clone(), default);
        }
        for rows in doc.tables.values_mut() {
            for row in rows {
                if let Some(meta) = self.meta(&row.doctype) {
                    self.set_defaults(ctx, &meta, row);
                }
            }
        }
    }
}

fn transition_failure(from: i64, to: i64) -> Failure {
    let word = |docstatus| match docstatus {
        0 => "0 (Draft)",
        1 => "1 (Submitted)",
        _ => "2 (Cancelled)",
    };
    Failure::silent(
        417,
        "DocstatusTransitionError",
        &format!("Cannot change docstatus from {} to {}", word(from), word(to)),
    )
}

/// Forces the values of a document and its rows into the types of their fields, as an answer
/// shows them, and spells out every column.
pub(crate) fn cast(meta: &DocType, doc: &mut Doc) {
    for field in ["docstatus", "idx"] {
        let number = value::to_int(doc.get(field));
        doc.set(field, number);
    }
    for field in &meta.fields {
        let Some(kind) = field.kind() else {
            continue;
        };
        let old = doc.get(&field.fieldname);
        let new = match kind {
            Kind::Int | Kind::BigInt => json!(value::to_int(old)),
            Kind::Decimal => value::float(value::to_float(old)),
            Kind::Rating => match value::to_float(old).clamp(0.0, 1.0) {
                0.0 => json!(0),
                rating => value::float(rating),
            },
            Kind::Text if old.is_object() || old.is_array() => json!(old.to_string()),
            _ => old.clone(),
        };
        doc.fields.insert(field.fieldname.clone(), new);
    }
}
