//! Direct access for tests: looking at a site and editing it as another user, without requests.
//!
//! What lives here: these helpers. What may not: anything a request needs.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::site::{Context, Site};
use crate::table::Store;

/// What a site held at some time.
pub struct Backup(Store);

impl Site {
    /// A document as a GET shows it, nulls left out.
    pub fn get_doc(&self, doctype: &str, name: &str) -> Option<Value> {
        let doc = self.load(doctype, name)?;
        Some(self.shown(&doc, false))
    }

    /// All documents of a doctype as GETs show them, by name.
    pub fn all_docs(&self, doctype: &str) -> Vec<Value> {
        let names: Vec<String> = self.documents(doctype).iter().map(Doc::name).collect();
        names.iter().filter_map(|name| self.get_doc(doctype, name)).collect()
    }

    /// The names of all documents of a doctype.
    pub fn names(&self, doctype: &str) -> Vec<String> {
        self.documents(doctype).iter().map(Doc::name).collect()
    }

    /// The number of documents of a doctype.
    pub fn count_of(&self, doctype: &str) -> usize {
        self.store.table(doctype).map_or(0, crate::table::Table::len)
    }

    fn as_user<T>(
        &mut self,
        user: &str,
        now: Timestamp,
        action: impl FnOnce(&mut Self, &mut Context) -> Outcome<T>,
    ) -> Outcome<T> {
        self.store.commit();
        let mark = self.store.mark();
        let mut ctx = Context::internal(user, now);
        let result = action(self, &mut ctx);
        if result.is_err() {
            self.store.rollback(mark);
            self.drop_webhooks();
        }
        self.queue_webhooks(now);
        result
    }

    /// Creates a document as a user; gives its name.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn insert_as(
        &mut self,
        user: &str,
        doctype: &str,
        values: &Value,
        now: Timestamp,
    ) -> Outcome<String> {
        let values = object(values)?;
        self.as_user(user, now, |site, ctx| Ok(site.create(ctx, doctype, &values)?.name()))
    }

    /// Edits a document as a user.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn edit_as(
        &mut self,
        user: &str,
        doctype: &str,
        name: &str,
        values: &Value,
        now: Timestamp,
    ) -> Outcome<()> {
        let values = object(values)?;
        self.as_user(user, now, |site, ctx| site.update(ctx, doctype, name, &values).map(|_| ()))
    }

    /// Sets one field of a document as a user.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn set_value_as(
        &mut self,
        user: &str,
        doctype: &str,
        name: &str,
        field: &str,
        value: Value,
        now: Timestamp,
    ) -> Outcome<()> {
        let values = Value::Object(Map::from_iter([(field.to_owned(), value)]));
        self.edit_as(user, doctype, name, &values, now)
    }

    /// Sets one column of a document without saving it: `modified` stays, no rule is asked.
    ///
    /// # Errors
    /// When the document or the column is not there, or the value does not fit.
    pub fn poke(&mut self, doctype: &str, name: &str, column: &str, value: &Value) -> Outcome<()> {
        let absent = || Failure::not_found(doctype, name);
        let table = self.store.table(doctype).ok_or_else(absent)?;
        let key = table.key(name);
        table.get(&key).ok_or_else(absent)?;
        let at = table.position(column).ok_or_else(absent)?;
        let cell = table.columns()[at].kind.store(value).map_err(Failure::validation)?;
        self.store.set_cell(doctype, &key, column, cell);
        Ok(())
    }

    /// Everything that the site holds now.
    pub fn backup(&self) -> Backup {
        Backup(self.store.clone())
    }

    /// Brings the site back to what it held then, as an administrator does.
    pub fn restore_backup(&mut self, backup: &Backup) {
        self.store = backup.0.clone();
    }

    /// Deletes a document as a user.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn delete_as(
        &mut self,
        user: &str,
        doctype: &str,
        name: &str,
        now: Timestamp,
    ) -> Outcome<()> {
        self.as_user(user, now, |site, ctx| site.delete(ctx, doctype, name))
    }

    /// Renames a document as a user.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn rename_as(
        &mut self,
        user: &str,
        doctype: &str,
        old: &str,
        new: &str,
        now: Timestamp,
    ) -> Outcome<()> {
        self.as_user(user, now, |site, ctx| site.rename(ctx, doctype, old, new, false).map(|_| ()))
    }

    /// Merges a document into another one as a user.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn merge_as(
        &mut self,
        user: &str,
        doctype: &str,
        old: &str,
        into: &str,
        now: Timestamp,
    ) -> Outcome<()> {
        self.as_user(user, now, |site, ctx| site.rename(ctx, doctype, old, into, true).map(|_| ()))
    }

    /// Adds a custom field; `values` are those of a Custom Field document without `dt`.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn add_custom_field(
        &mut self,
        doctype: &str,
        values: &Value,
        now: Timestamp,
    ) -> Outcome<String> {
        let mut values = object(values)?;
        values.insert("dt".into(), json!(doctype));
        self.insert_as("Administrator", "Custom Field", &Value::Object(values), now)
    }

    /// Sets a property of a field, or of the doctype where `field` is empty.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn set_property(
        &mut self,
        doctype: &str,
        field: &str,
        property: &str,
        value: &str,
        now: Timestamp,
    ) -> Outcome<String> {
        let kind = if field.is_empty() { "DocType" } else { "DocField" };
        let values = json!({
            "doctype_or_field": kind, "doc_type": doctype, "field_name": field,
            "property": property, "value": value,
        });
        self.insert_as("Administrator", "Property Setter", &values, now)
    }

    /// Restricts a user to documents that link to one value.
    ///
    /// # Errors
    /// What a request would be refused with.
    pub fn restrict_user(
        &mut self,
        user: &str,
        allow: &str,
        value: &str,
        now: Timestamp,
    ) -> Outcome<String> {
        let values = json!({ "user": user, "allow": allow, "for_value": value });
        self.insert_as("Administrator", "User Permission", &values, now)
    }

    /// Sets the last number that a naming series has given out.
    pub fn set_series(&mut self, prefix: &str, last: u64) {
        self.store.set_series(prefix, last);
    }
}

fn object(values: &Value) -> Outcome<Map<String, Value>> {
    values.as_object().cloned().ok_or_else(|| Failure::validation("not an object"))
}
