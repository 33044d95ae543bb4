//! What happens around a document that is stored or deleted.
//!
//! What lives here: documents made on the side, trees, rows saved by themselves, doctypes posted as
//! documents. What may not: what a document looks like before it is stored (`controllers`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::collate;
use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::meta::DocType;
use crate::save::InsertOptions;
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
            "Custom Field" => self.rebuild_meta(&doc.text("dt")),
            "Property Setter" => self.rebuild_meta(&doc.text("doc_type")),
            "Comment" => self.note_comment(doc),
            "Customer" if stored.is_none() => {
                self.make_address(ctx, doc)?;
                self.make_contact(ctx, doc)?;
            }
            "Item" if stored.is_none() => self.after_new_item(ctx, doc)?,
            _ => self.settle_voucher(ctx, doc, stored)?,
        }
        let is_child_row = meta.istable && stored.is_some();
        if is_child_row {
            self.touch_parent(ctx, doc);
        }
        if meta.parent_field.is_some() {
            let moved = stored.is_none_or(|stored| {
                let field = meta.parent_field.as_deref().unwrap_or_default();
                stored.get(field) != doc.get(field)
            });
            if moved {
                self.rebuild_tree(meta);
                for field in ["lft", "rgt"] {
                    let value = self.value_of(&meta.name, &doc.name(), field);
                    doc.set(field, value);
                }
            }
        }
        for later in self.hooks.later(&doc.doctype) {
            self.schedule_change(ctx, doc, later);
        }
        Ok(())
    }

    /// A new item with a rate gets a price, one with stock is put into the warehouse; a later save
    /// does neither.
    fn after_new_item(&mut self, ctx: &mut Context, doc: &Doc) -> Outcome<()> {
        if doc.number("standard_rate") != 0.0 {
            let mut price = Doc::new("Item Price");
            price.set("item_code", doc.name());
            price.set("price_list", "Standard Selling");
            price.set("price_list_rate", doc.get("standard_rate").clone());
            self.insert(ctx, price, &InsertOptions::default())?;
        }
        if doc.number("opening_stock") != 0.0 {
            self.enter_opening_stock(ctx, doc)?;
        }
        Ok(())
    }

    /// Before a document is deleted: what belongs to it alone goes with it.
    pub(crate) fn on_trash(&mut self, ctx: &mut Context, doc: &Doc) -> Outcome<()> {
        let name = doc.name();
        match doc.doctype.as_str() {
            "Customer" | "Supplier" => {
                for doctype in ["Contact", "Address"] {
                    for other in self.documents(doctype) {
                        let links = self.load_rows("Dynamic Link", doctype, &other.name(), "links");
                        let only = links.len() == 1
                            && links[0].text("link_doctype") == doc.doctype
                            && collate::same(&links[0].text("link_name"), &name);
                        if only {
                            for field in ["customer_primary_contact", "customer_primary_address"] {
                                if doc.text(field) == other.name()
                                    && let Some(key) =
                                        self.store.table(&doc.doctype).map(|table| table.key(&name))
                                {
                                    self.store.set_cell(&doc.doctype, &key, field, Cell::Null);
                                }
                            }
                            self.delete(ctx, doctype, &other.name())?;
                        }
                    }
                }
            }
            "Item" => {
                for price in self.documents("Item Price") {
                    if collate::same(&price.text("item_code"), &name) {
                        self.erase(&price);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// After a document was deleted.
    pub(crate) fn after_delete(&mut self, doc: &Doc) {
        match doc.doctype.as_str() {
            "Custom Field" => self.rebuild_meta(&doc.text("dt")),
            "Property Setter" => self.rebuild_meta(&doc.text("doc_type")),
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

    /// A customer made with the lines of an address gets an address.
    fn make_address(&mut self, ctx: &mut Context, doc: &mut Doc) -> Outcome<()> {
        let given = |field: &str| doc.extra.get(field).map(value::to_text);
        let Some(line) = given("address_line1").filter(|line| !line.is_empty()) else {
            return Ok(());
        };
        let (city, country) = (given("city"), given("country"));
        let mut address = Doc::new("Address");
        address.set("address_title", doc.get("customer_name").clone());
        address.set("address_type", "Billing");
        address.set("address_line1", line.as_str());
        address.set("city", city.clone().unwrap_or_default());
        address.set("country", country.unwrap_or_default());
        address.tables.insert("links".into(), vec![link_to(doc)]);
        let address = self.insert(ctx, address, &InsertOptions::default())?;
        let stamp = self.stamp(ctx.started);
        doc.set("customer_primary_address", address.name());
        let shown = format!("{line}<br>\n{}, ", city.unwrap_or_default());
        doc.set("primary_address", shown);
        doc.set("modified", stamp);
        self.write_row(doc)
    }

    /// A customer made with a telephone number or an email address gets a contact.
    fn make_contact(&mut self, ctx: &mut Context, doc: &mut Doc) -> Outcome<()> {
        if !doc.is_set("email_id") && !doc.is_set("mobile_no") {
            return Ok(());
        }
        let mut contact = Doc::new("Contact");
        contact.set("first_name", doc.get("customer_name").clone());
        contact.tables.insert("links".into(), vec![link_to(doc)]);
        for (field, table, child, source, mark) in [
            ("email_id", "email_ids", "Contact Email", "email_id", "is_primary"),
            ("mobile_no", "phone_nos", "Contact Phone", "phone", "is_primary_mobile_no"),
        ] {
            if doc.is_set(field) {
                let mut row = Doc::new(child);
                row.set(source, doc.get(field).clone());
                row.set(mark, 1);
                contact.tables.insert(table.into(), vec![row]);
            }
        }
        for row in contact.all_rows_mut() {
            row.set("idx", 1);
        }
        let contact = self.insert(ctx, contact, &InsertOptions::default())?;
        let stamp = self.stamp(ctx.started);
        doc.set("customer_primary_contact", contact.name());
        doc.set("modified", stamp);
        self.write_row(doc)
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

    /// Numbers the nodes of a tree anew; no `modified` moves.
    pub(crate) fn rebuild_tree(&mut self, meta: &DocType) {
        let Some(parent_field) = meta.parent_field.as_deref() else {
            return;
        };
        let mut children: BTreeMap<collate::SortKey, Vec<(i64, String)>> = BTreeMap::new();
        for doc in self.documents(&meta.name) {
            let order = match value::to_int(doc.get("lft")) {
                0 => i64::MAX,
                lft => lft,
            };
            let parent = collate::key(&doc.text(parent_field));
            children.entry(parent).or_default().push((order, doc.name()));
        }
        for nodes in children.values_mut() {
            nodes.sort();
        }
        let mut at = 0;
        let mut numbers = Vec::new();
        number_nodes(&children, &collate::key(""), &mut at, &mut numbers);
        for (name, lft, rgt) in numbers {
            let Some(key) = self.store.table(&meta.name).map(|table| table.key(&name)) else {
                continue;
            };
            for (column, number) in [("lft", lft), ("rgt", rgt)] {
                let old = self.store.table(&meta.name).and_then(|table| {
                    let row = table.get(&key)?;
                    table.cell(row, column).map(Cell::as_int)
                });
                if old != Some(number) {
                    self.store.set_cell(&meta.name, &key, column, Cell::Int(number));
                }
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

fn number_nodes(
    children: &BTreeMap<collate::SortKey, Vec<(i64, String)>>,
    parent: &collate::SortKey,
    at: &mut i64,
    numbers: &mut Vec<(String, i64, i64)>,
) {
    for (_, name) in children.get(parent).into_iter().flatten() {
        *at += 1;
        let lft = *at;
        let slot = numbers.len();
        numbers.push((name.clone(), lft, 0));
        number_nodes(children, &collate::key(name), at, numbers);
        *at += 1;
        numbers[slot].2 = *at;
    }
}

/// The row that links a contact or an address to a customer.
fn link_to(customer: &Doc) -> Doc {
    let mut link = Doc::new("Dynamic Link");
    for (field, value) in [
        ("link_doctype", "Customer".to_owned()),
        ("link_name", customer.name()),
        ("link_title", customer.text("customer_name")),
    ] {
        link.set(field, value);
    }
    link.set("idx", 1);
    link
}
