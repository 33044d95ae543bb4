//! What happens around a document that is stored or deleted.
//!
//! What lives here: documents made on the side, rows saved by themselves, doctypes posted as
//! documents. What may not: what a document looks like before it is stored (`controllers`).

use serde_json::{Value, json};

use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::meta::DocType;
use crate::site::{Context, Site};
use crate::value::{self, Cell};

impl Site {
    /// After a document was stored.
    pub(crate) fn after_save(
        &mut self,
        ctx: &mut Context,
        meta: &DocType,
        doc: &mut Doc,
        stored: Option<&Doc>,
    ) -> Outcome<()> {
        match doc.doctype.as_str() {
            "DocType" if stored.is_none() => self.finish_doctype(ctx, doc),
            "System Settings" => self.take_settings(doc)?,
            "Webhook" => self.keep_secret(doc),
            "Custom Field" => self.rebuild_meta(&doc.text("dt")),
            "Property Setter" => self.rebuild_meta(&doc.text("doc_type")),
            "Comment" => self.note_comment(doc),
            "Customer" => {
                self.make_contact(ctx, doc)?;
                if stored.is_none() {
                    self.make_address(ctx, doc)?;
                }
            }
            "Contact" => self.tell_lead(ctx, doc),
            "Lead" if stored.is_none() => self.link_contact_of_lead(ctx, doc)?,
            "Item" if stored.is_none() => self.after_new_item(ctx, doc)?,
            "Item" => self.retitle_prices(doc),
            "ToDo" => self.note_assignment(ctx, doc, stored)?,
            "Event" => self.keep_communications(ctx, doc)?,
            _ => self.settle_voucher(ctx, doc, stored)?,
        }
        let is_child_row = meta.istable && stored.is_some();
        if is_child_row {
            self.touch_parent(ctx, doc);
        }
        self.place_node(meta, doc)?;
        for later in self.hooks.later(&doc.doctype) {
            self.schedule_change(ctx, doc, later);
        }
        Ok(())
    }

    /// Before a document is deleted: what belongs to it alone goes with it.
    pub(crate) fn on_trash(&mut self, ctx: &mut Context, doc: &Doc) -> Outcome<()> {
        let name = doc.name();
        self.check_no_child_nodes(doc)?;
        match doc.doctype.as_str() {
            "Customer" | "Supplier" | "Lead" => self.delete_contacts(ctx, doc)?,
            "Item" => {
                for price in self.prices_of(&name) {
                    self.erase(&price);
                }
            }
            "Event" => self.delete_communications(ctx, doc)?,
            _ => {}
        }
        Ok(())
    }

    /// After a document was deleted.
    pub(crate) fn after_delete(&mut self, doc: &Doc) {
        match doc.doctype.as_str() {
            "Custom Field" => self.rebuild_meta(&doc.text("dt")),
            "Property Setter" => self.rebuild_meta(&doc.text("doc_type")),
            "ToDo" => self.list_assignees(&doc.text("reference_type"), &doc.text("reference_name")),
            _ => {}
        }
    }

    fn note_comment(&mut self, doc: &Doc) {
        let (doctype, name) = (doc.text("reference_doctype"), doc.text("reference_name"));
        if doc.text("comment_type") != "Comment" || !self.exists(&doctype, &name) {
            return;
        }
        let text = value::to_text(&self.value_of(&doctype, &name, "_comments"));
        let comment = format!(
            "{{\"comment\": {}, \"by\": {}, \"name\": {}}}",
            json!(doc.text("content")),
            json!(doc.text("owner")),
            json!(doc.name())
        );
        let text = match text.strip_suffix(']') {
            Some(earlier) if earlier.len() > 1 => format!("{earlier}, {comment}]"),
            _ => format!("[{comment}]"),
        };
        self.set_hidden(&doctype, &name, "_comments", &text);
    }

    /// Sets a column of a document without saving it.
    pub(crate) fn set_hidden(&mut self, doctype: &str, name: &str, column: &str, text: &str) {
        if let Some(key) = self.store.table(doctype).map(|table| table.key(name)) {
            self.store.set_cell(doctype, &key, column, Cell::text(text));
        }
    }

    /// A row that is saved by itself moves the `modified` of its parent.
    fn touch_parent(&mut self, ctx: &Context, doc: &Doc) {
        let (doctype, name) = (doc.text("parenttype"), doc.text("parent"));
        if !self.exists(&doctype, &name) {
            return;
        }
        let stamp = self.stamp(ctx.started);
        let keys = [(doctype.as_str(), name), (doc.doctype.as_str(), doc.name())];
        for (doctype, name) in keys {
            if let Some(key) = self.store.table(doctype).map(|table| table.key(&name)) {
                self.store.set_cell(doctype, &key, "modified", Cell::text(&stamp));
                let user = Cell::text(&ctx.user);
                self.store.set_cell(doctype, &key, "modified_by", user);
            }
        }
    }

    pub(crate) fn begin_doctype(&mut self, _ctx: &Context, doc: &mut Doc) -> Outcome<()> {
        // The definition of a removed doctype stays behind, its name is free again.
        if self.exists("DocType", &doc.name()) {
            return Err(Failure::duplicate("DocType", &doc.name()));
        }
        for (at, row) in doc.tables.get_mut("fields").into_iter().flatten().enumerate() {
            crate::core::check_fieldtype(&row.text("fieldtype"), at + 1, self.is_newer())?;
            if !row.is_set("label") {
                let label = row.text("fieldname");
                row.set("label", label);
            }
        }
        Self::complete_doctype(doc);
        Ok(())
    }

    fn finish_doctype(&mut self, ctx: &Context, doc: &Doc) {
        let Value::Object(document) = doc.to_json(false) else {
            return;
        };
        let doctype = DocType::from_document(&document);
        self.base.insert(doctype.name.clone(), doctype.clone());
        let described = self.store.mark();
        self.register(doctype, ctx.started);
        // `register` describes the doctype; the posted document already does.
        self.store.rollback(described);
    }
}
