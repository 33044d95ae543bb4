//! The site: its users, doctypes, data and clockwork.
//!
//! What lives here: the state of a site and the small helpers everything else is built on. What
//! may not: sockets, threads, a clock of its own; request handling (`route`) and document rules
//! (`save`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::Zone;
use crate::collate::SortKey;
use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::faults::{Faults, Hooks, Scheduled};
use crate::field::Field;
use crate::log::RequestLog;
use crate::meta::{DocType, Meta};
use crate::query::sums::Sums;
use crate::rate::RateLimit;
use crate::table::{HIDDEN_COLUMNS, Row, Store, Table};
use crate::value::{Cell, Kind};
use crate::webhooks::Outbox;

/// Which Frappe the site behaves like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flavour {
    /// Frappe 15.55.
    #[default]
    V15_55,
    /// Frappe 15.105.
    V15_105,
}

impl std::str::FromStr for Flavour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "15.55" => Ok(Self::V15_55),
            "15.105" => Ok(Self::V15_105),
            other => Err(format!("unknown flavour {other}: 15.55 or 15.105")),
        }
    }
}

/// A user who may log in by token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The email address, which is the user's name.
    pub email: String,
    /// The API key.
    pub api_key: String,
    /// The API secret.
    pub api_secret: String,
}

/// What a request carries along while it is worked on.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who asks.
    pub user: String,
    /// When the work began; the stamps of everything that is saved.
    pub started: Timestamp,
    /// The host the caller used, for links in messages.
    pub host: String,
    /// Messages gathered so far.
    pub messages: Vec<Message>,
    /// Skip every permission check.
    pub ignore_permissions: bool,
}

impl Context {
    /// The context of an action that no request started.
    pub fn internal(user: &str, started: Timestamp) -> Self {
        Self {
            user: user.to_owned(),
            started,
            host: "127.0.0.1".into(),
            messages: Vec::new(),
            ignore_permissions: true,
        }
    }
}

/// A model of one Frappe site.
pub struct Site {
    /// A short name, used in texts of the database.
    pub name: String,
    /// The version it models.
    pub flavour: Flavour,
    /// Hooks that change documents.
    pub hooks: Hooks,
    /// Misbehaviour on order.
    pub faults: Faults,
    /// Every request so far.
    pub log: RequestLog,
    /// How long a save takes: `modified` is its start, it is visible at its end.
    pub save_time: Duration,
    /// How far the site's clock is off, in milliseconds.
    pub clock_offset_ms: i64,
    /// The rate limit, if one is set.
    pub rate: Option<RateLimit>,
    /// How long the queue's worker takes; without one what is queued stays locked.
    pub worker_delay: Option<Duration>,
    pub(crate) users: Vec<User>,
    pub(crate) store: Store,
    pub(crate) scheduled: Vec<Scheduled>,
    pub(crate) locked: HashSet<(String, SortKey)>,
    pub(crate) base: BTreeMap<String, DocType>,
    metas: HashMap<String, Meta>,
    pub(crate) zone: Zone,
    pub(crate) webhooks: Outbox,
    pub(crate) issued: BTreeSet<i64>,
    pub(crate) sums: Sums,
    random: u64,
}

impl Site {
    /// An empty site without any doctype; see [`crate::sites`] for furnished ones.
    ///
    /// # Errors
    /// When the time zone is unknown.
    pub fn bare(name: &str, flavour: Flavour, zone: &str, seed: u64) -> Result<Self, jiff::Error> {
        Ok(Self {
            name: name.to_owned(),
            flavour,
            hooks: Hooks::default(),
            faults: Faults::default(),
            log: RequestLog::default(),
            save_time: Duration::ZERO,
            clock_offset_ms: 0,
            rate: None,
            worker_delay: Some(Duration::from_secs(2)),
            users: Vec::new(),
            store: Store::default(),
            scheduled: Vec::new(),
            locked: HashSet::new(),
            base: BTreeMap::new(),
            metas: HashMap::new(),
            zone: Zone::new(zone)?,
            webhooks: Outbox::default(),
            issued: BTreeSet::new(),
            sums: Sums::default(),
            random: seed ^ 0x9E37_79B9_7F4A_7C15,
        })
    }

    /// Another site with the same data, users and clock; without hooks, faults, anything
    /// scheduled, and without a log.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self {
            name: self.name.clone(),
            flavour: self.flavour,
            hooks: Hooks::default(),
            faults: Faults::default(),
            log: RequestLog::default(),
            save_time: self.save_time,
            clock_offset_ms: self.clock_offset_ms,
            rate: None,
            worker_delay: self.worker_delay,
            users: self.users.clone(),
            store: self.store.clone(),
            scheduled: Vec::new(),
            locked: self.locked.clone(),
            base: self.base.clone(),
            metas: self.metas.clone(),
            zone: self.zone.clone(),
            webhooks: self.webhooks.clone(),
            issued: self.issued.clone(),
            sums: Sums::default(),
            random: self.random,
        }
    }

    /// True for the newer of the two versions.
    pub fn is_newer(&self) -> bool {
        self.flavour == Flavour::V15_105
    }

    /// The next pseudo-random number (splitmix64).
    pub fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A random name: ten characters of base 32.
    pub fn hash(&mut self) -> String {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        let mut bits = self.random();
        let mut out = String::with_capacity(10);
        for _ in 0..10 {
            out.push(char::from(LETTERS[usize::try_from(bits & 31).unwrap_or(0)]));
            bits >>= 5;
        }
        out
    }

    /// The effective definition of a doctype.
    pub fn meta(&self, doctype: &str) -> Option<Meta> {
        self.metas.get(doctype).cloned()
    }

    /// The effective definition of a doctype, or the refusal of a single read.
    pub(crate) fn known(&self, doctype: &str) -> Outcome<Meta> {
        self.meta(doctype).ok_or_else(|| Failure::no_module(doctype))
    }

    /// Adds a doctype: its table, its definition, and the documents that describe it.
    ///
    /// Fields marked `newer` exist in the newer version only; those marked `open_before` may be
    /// changed after submission in the older one only.
    pub fn register(&mut self, mut doctype: DocType, at: Timestamp) {
        let newer = self.is_newer();
        doctype.fields.retain(|field| newer || !field.has("newer"));
        for field in doctype.fields.iter_mut().filter(|field| !newer && field.has("open_before")) {
            field.flags.push("allow_on_submit".into());
        }
        let stamp = self.stamp(at);
        self.base.insert(doctype.name.clone(), doctype.clone());
        self.metas.insert(doctype.name.clone(), Arc::new(doctype.clone()));
        if !doctype.issingle && !doctype.is_virtual {
            self.store.create_table(
                &doctype.name,
                Table::new(doctype.istable, doctype.is_autoincrement()),
            );
        }
        self.refresh_columns(&doctype);
        if self.store.table("DocType").is_some() {
            self.describe(&doctype, &stamp);
        }
    }

    /// Writes the documents that describe a doctype.
    pub(crate) fn describe(&mut self, doctype: &DocType, stamp: &str) {
        let newer = self.is_newer();
        let stamped = |doc: &mut Doc, name: String| {
            doc.set("name", name);
            for (field, value) in [
                ("owner", "Administrator"),
                ("modified_by", "Administrator"),
                ("creation", stamp),
                ("modified", stamp),
            ] {
                doc.set(field, value);
            }
        };
        let mut header = Doc::new("DocType");
        header.fields = doctype.header(newer);
        stamped(&mut header, doctype.name.clone());
        self.write_row(&header).ok();
        let fields = doctype.fields.iter().map(|field| ("DocField", "fields", field.to_document()));
        let permissions =
            doctype.permissions.iter().map(|rule| ("DocPerm", "permissions", rule.to_document()));
        let rows: Vec<_> = fields.chain(permissions).collect();
        let mut counts = BTreeMap::new();
        for (child, table, values) in rows {
            let idx: &mut u32 = counts.entry(table).or_default();
            *idx += 1;
            let mut row = Doc::new(child);
            row.fields = values;
            row.set("idx", *idx);
            row.set("parent", doctype.name.as_str());
            row.set("parenttype", "DocType");
            row.set("parentfield", table);
            let name = self.hash();
            stamped(&mut row, name);
            self.write_row(&row).ok();
        }
    }

    /// Brings the columns of a table up to the definition of its doctype.
    fn refresh_columns(&mut self, doctype: &DocType) {
        let Some(table) = self.store.table_mut(&doctype.name) else {
            return;
        };
        for field in &doctype.fields {
            if let Some(kind) = field.kind() {
                table.add_column(&field.fieldname, kind, column_default(field, kind));
            }
        }
        if !doctype.istable {
            for column in HIDDEN_COLUMNS {
                table.add_column(column, Kind::Text, Cell::Null);
            }
        }
    }

    /// Works out a doctype anew from its definition, custom fields and property setters.
    pub(crate) fn rebuild_meta(&mut self, doctype: &str) {
        let Some(mut meta) = self.base.get(doctype).cloned() else {
            return;
        };
        for custom in self.documents("Custom Field") {
            if custom.text("dt") != doctype {
                continue;
            }
            let mut field = Field::from_document(&custom.fields);
            field.is_custom = true;
            let after = custom.text("insert_after");
            let at = meta
                .fields
                .iter()
                .position(|field| field.fieldname == after)
                .map_or(meta.fields.len(), |at| at + 1);
            meta.fields.insert(at, field);
        }
        for setter in self.documents("Property Setter") {
            if setter.text("doc_type") != doctype {
                continue;
            }
            let (property, value) = (setter.text("property"), setter.text("value"));
            if setter.text("doctype_or_field") == "DocField" {
                let fieldname = setter.text("field_name");
                if let Some(field) =
                    meta.fields.iter_mut().find(|field| field.fieldname == fieldname)
                {
                    field.set_property(&property, &value);
                }
            } else {
                let set = !matches!(value.as_str(), "0" | "");
                match property.as_str() {
                    "allow_rename" => meta.allow_rename = set,
                    "autoname" => meta.autoname = Some(value),
                    "title_field" => meta.title_field = Some(value),
                    "track_changes" => meta.track_changes = set,
                    _ => {}
                }
            }
        }
        self.refresh_columns(&meta);
        self.metas.insert(doctype.to_owned(), Arc::new(meta));
    }

    /// Writes a document's own row, without its children and without any rule.
    pub(crate) fn write_row(&mut self, doc: &Doc) -> Outcome<()> {
        let Some(table) = self.store.table(&doc.doctype) else {
            return Ok(());
        };
        let mut row = Row::with_capacity(table.columns().len());
        for column in table.columns() {
            let value = doc.get(&column.name);
            if column.kind == Kind::Int && crate::value::to_int(value).abs() > 2_147_483_647 {
                let text =
                    format!("(1264, \"Out of range value for column '{}' at row 1\")", column.name);
                return Err(Failure::internal("pymysql.err", "DataError", &text));
            }
            row.push(column.kind.store(value).map_err(|word| {
                let text = format!(
                    "(1292, \"Incorrect {word} value: '{}' for column `{}`.`tab{}`.`{}` at row 1\")",
                    crate::value::to_text(value),
                    self.database(),
                    doc.doctype,
                    column.name
                );
                Failure::internal("pymysql.err", "OperationalError", &text)
            })?);
        }
        let key = table.key(&doc.name());
        self.store.put(&doc.doctype, &key, row);
        Ok(())
    }

    fn database(&self) -> String {
        let suffix = if self.is_newer() { "105_site" } else { "_site" };
        format!("{}{suffix}", self.name)
    }

    /// Locks a document as a queued action does, or unlocks it.
    pub fn set_locked(&mut self, doctype: &str, name: &str, locked: bool) {
        let entry = (doctype.to_owned(), crate::collate::key(name));
        if locked {
            self.locked.insert(entry);
        } else {
            self.locked.remove(&entry);
        }
    }

    /// Refuses to touch a document that waits in the queue.
    pub(crate) fn check_unlocked(&self, doctype: &str, name: &str) -> Outcome<()> {
        let entry = (doctype.to_owned(), crate::collate::key(name));
        if self.locked.contains(&entry) { Err(Failure::locked(self.is_newer())) } else { Ok(()) }
    }

    /// The doctypes of the site.
    pub fn doctypes(&self) -> impl Iterator<Item = &DocType> {
        self.base.values()
    }

    /// Adds a user who may log in, with roles.
    pub fn add_user(&mut self, user: User, roles: &[&str], at: Timestamp) {
        let mut ctx = Context::internal("Administrator", at);
        let rows: Vec<Value> = roles.iter().map(|role| json!({ "role": role })).collect();
        let first = user.email.split('@').next().unwrap_or_default().to_owned();
        let values = json!({
            "email": user.email,
            "first_name": first,
            "full_name": first,
            "enabled": 1,
            "time_zone": self.zone_name(),
            "api_key": user.api_key,
            "roles": rows,
        });
        if let Value::Object(values) = values {
            self.create(&mut ctx, "User", &values).ok();
        }
        self.store.commit();
        self.users.push(user);
    }
}

fn column_default(field: &Field, kind: Kind) -> Cell {
    field
        .default
        .as_ref()
        .and_then(|default| kind.store(&Value::String(default.clone())).ok())
        .unwrap_or(Cell::Null)
}
