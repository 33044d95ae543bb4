//! Reading documents out of the tables.
//!
//! What lives here: loading, no rule and no right asked. What may not: writing.

use serde_json::Value;

use crate::doc::{Doc, SYSTEM_FIELDS};
use crate::failure::{Failure, Outcome};
use crate::meta::DocType;
use crate::site::Site;
use crate::table::{Row, Table};

impl Site {
    /// The same as [`Site::load`], or the refusal of a single read.
    pub(crate) fn found(&self, doctype: &str, name: &str) -> Outcome<Doc> {
        self.load(doctype, name).ok_or_else(|| Failure::not_found(doctype, name))
    }

    /// Reads a document with its rows; names are compared as the database does.
    pub fn load(&self, doctype: &str, name: &str) -> Option<Doc> {
        let meta = self.meta(doctype)?;
        if meta.issingle {
            return Some(self.load_single(&meta));
        }
        let table = self.store.table(doctype)?;
        let row = table.get(&table.key(name))?;
        let mut doc = Self::doc_of_row(doctype, table, row);
        // A removed custom field leaves its column behind; only lists show it.
        doc.fields.retain(|column, _| {
            column.starts_with('_') || is_own_column(column) || meta.field(column).is_some()
        });
        let name = doc.name();
        for (field, child) in meta.tables() {
            let rows = self.load_rows(child, doctype, &name, &field.fieldname);
            doc.tables.insert(field.fieldname.clone(), rows);
        }
        Some(doc)
    }

    fn load_single(&self, meta: &DocType) -> Doc {
        let mut doc = Doc::new(&meta.name);
        doc.set("name", meta.name.as_str());
        doc.set("docstatus", 0);
        doc.set("idx", 0);
        for field in &meta.fields {
            if let Some(kind) = field.kind() {
                let empty =
                    if kind.is_zero_when_empty() { kind.show(&kind.zero()) } else { Value::Null };
                doc.set(&field.fieldname, empty);
            }
        }
        if let Some(values) = self.store.single(&meta.name) {
            doc.fields.extend(values.clone());
        }
        doc
    }

    /// The rows of one table field of a document, by `idx`.
    pub(crate) fn load_rows(
        &self,
        child: &str,
        parenttype: &str,
        parent: &str,
        parentfield: &str,
    ) -> Vec<Doc> {
        let Some(table) = self.store.table(child) else {
            return Vec::new();
        };
        let mut rows: Vec<Doc> = table
            .children_of(parent)
            .iter()
            .filter_map(|key| table.get(key))
            .map(|row| Self::doc_of_row(child, table, row))
            .filter(|row| {
                row.get("parenttype") == parenttype && row.get("parentfield") == parentfield
            })
            .collect();
        rows.sort_by_key(|row| crate::value::to_int(row.get("idx")));
        // A row posted by itself is stored without an index, and shown by its place.
        for (before, row) in rows.iter_mut().enumerate() {
            if !row.is_set("idx") {
                row.set("idx", before + 1);
            }
        }
        rows
    }

    pub(crate) fn doc_of_row(doctype: &str, table: &Table, row: &Row) -> Doc {
        let mut doc = Doc::new(doctype);
        for (column, cell) in table.columns().iter().zip(row) {
            doc.fields.insert(column.name.clone(), column.kind.show(cell));
        }
        doc
    }

    /// All documents of a doctype without their rows, in the order of their names.
    pub fn documents(&self, doctype: &str) -> Vec<Doc> {
        let Some(table) = self.store.table(doctype) else {
            return Vec::new();
        };
        table.rows().map(|(_, row)| Self::doc_of_row(doctype, table, row)).collect()
    }

    /// The stored spelling of a name, if the document exists.
    pub fn stored_name(&self, doctype: &str, name: &str) -> Option<Value> {
        let table = self.store.table(doctype)?;
        let row = table.get(&table.key(name))?;
        Some(table.show(row, "name"))
    }

    /// True when the document exists.
    pub fn exists(&self, doctype: &str, name: &str) -> bool {
        self.stored_name(doctype, name).is_some()
    }

    /// One value of a stored document.
    pub fn value_of(&self, doctype: &str, name: &str, field: &str) -> Value {
        if self.meta(doctype).is_some_and(|meta| meta.issingle) {
            return self
                .store
                .single(doctype)
                .and_then(|values| values.get(field).cloned())
                .unwrap_or(Value::Null);
        }
        let Some(table) = self.store.table(doctype) else {
            return Value::Null;
        };
        table.get(&table.key(name)).map_or(Value::Null, |row| table.show(row, field))
    }
}

fn is_own_column(column: &str) -> bool {
    SYSTEM_FIELDS.contains(&column) || matches!(column, "parent" | "parenttype" | "parentfield")
}
