//! What some doctypes do by themselves.
//!
//! What lives here: names made from fields, derived values, documents made on the side, trees. It
//! is a small likeness of what `ERPNext` does. What may not: rules that hold for every doctype.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::collate;
use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::meta::DocType;
use crate::save::InsertOptions;
use crate::site::{Context, Site};
use crate::value::{self, Cell};

impl Site {
    /// A name that the doctype's own code gives.
    pub(crate) fn controlled_name(
        &mut self,
        ctx: &mut Context,
        doc: &mut Doc,
    ) -> Outcome<Option<String>> {
        Ok(match doc.doctype.as_str() {
            "Customer" if doc.is_set("customer_name") => Some(self.customer_name(ctx, doc)),
            "Customer" if self.is_newer() => {
                return Err(Failure::internal(
                    "",
                    "AttributeError",
                    "'NoneType' object has no attribute 'strip'",
                ));
            }
            "Supplier" if doc.is_set("supplier_name") => Some(doc.text("supplier_name")),
            "Address" if doc.is_set("address_title") => {
                let name = format!("{}-{}", doc.text("address_title"), doc.text("address_type"));
                Some(self.numbered("Address", &name))
            }
            "Contact" => {
                let mut parts = vec![doc.text("first_name"), doc.text("last_name")];
                parts.retain(|part| !part.is_empty());
                let mut name = parts.join(" ");
                if let Some(link) = doc.rows("links").first() {
                    name = format!("{name}-{}", link.text("link_name").trim());
                }
                Some(self.numbered("Contact", &name))
            }
            "Custom Field" => Some(format!("{}-{}", doc.text("dt"), doc.text("fieldname"))),
            "Property Setter" => {
                let field = match doc.text("field_name") {
                    field if field.is_empty() => "main".to_owned(),
                    field => field,
                };
                let (doctype, property) = (doc.text("doc_type"), doc.text("property"));
                Some(format!("{doctype}-{field}-{property}"))
            }
            _ => None,
        })
    }

    fn customer_name(&mut self, ctx: &mut Context, doc: &mut Doc) -> String {
        let mut asked = doc.text("customer_name");
        if self.is_newer() {
            asked = asked.trim().to_owned();
            doc.set("customer_name", asked.as_str());
        }
        if !self.exists("Customer", &asked) {
            return asked;
        }
        let prefix = collate::key(&format!("{asked} - "));
        let prefix = &prefix[..prefix.len().saturating_sub(2)];
        let used = self.documents("Customer");
        let highest = used
            .iter()
            .map(Doc::name)
            .filter(|name| collate::key(name).starts_with(prefix))
            .filter_map(|name| name.rsplit_once(" - ")?.1.parse::<u32>().ok())
            .max()
            .unwrap_or(0);
        let name = format!("{asked} - {}", highest + 1);
        ctx.messages.push(
            Message::note(format!(
                "Changed customer name to '{name}' as '{asked}' already exists."
            ))
            .titled("Note")
            .coloured("yellow"),
        );
        name
    }

    /// The name itself, or the first of `name-1`, `name-2` ... that is free.
    fn numbered(&self, doctype: &str, name: &str) -> String {
        if !self.exists(doctype, name) {
            return name.to_owned();
        }
        let mut count = 1;
        while self.exists(doctype, &format!("{name}-{count}")) {
            count += 1;
        }
        format!("{name}-{count}")
    }

    /// Before a new document is named.
    pub(crate) fn before_naming(&mut self, _ctx: &mut Context, doc: &mut Doc) -> Outcome<()> {
        if doc.doctype == "Item Price" && self.has_same_price(doc) {
            let text = "Item Price appears multiple times based on Price List, Supplier/Customer, Currency, Item, Batch, UOM, Qty, and Dates.";
            let mut failure = Failure::thrown(417, "ItemPriceDuplicateItem", text);
            failure.exception = Some(format!(
                "erpnext.stock.doctype.item_price.item_price.ItemPriceDuplicateItem: {text}"
            ));
            return Err(failure);
        }
        Ok(())
    }

    fn has_same_price(&self, doc: &Doc) -> bool {
        let fields = ["item_code", "price_list", "uom", "currency", "valid_from"];
        self.documents("Item Price").iter().any(|other| {
            other.name() != doc.name()
                && fields
                    .iter()
                    .all(|field| collate::same(&other.text(field), &doc.text(field)))
        })
    }

    /// Before the checks of a save.
    pub(crate) fn before_save(
        &mut self,
        ctx: &mut Context,
        meta: &DocType,
        doc: &mut Doc,
        stored: Option<&Doc>,
    ) -> Outcome<()> {
        match doc.doctype.as_str() {
            "File" if stored.is_none() => Self::take_content(doc),
            "DocType" if stored.is_none() => self.begin_doctype(ctx, doc)?,
            "Contact" => {
                let mut parts = vec![doc.text("first_name"), doc.text("last_name")];
                parts.retain(|part| !part.is_empty());
                doc.set("full_name", parts.join(" "));
                for (field, table, mark, source) in [
                    ("email_id", "email_ids", "is_primary", "email_id"),
                    ("mobile_no", "phone_nos", "is_primary_mobile_no", "phone"),
                    ("phone", "phone_nos", "is_primary_phone", "phone"),
                ] {
                    let primary = doc.rows(table).iter().find(|row| row.is_set(mark));
                    let text = primary.map(|row| row.text(source)).unwrap_or_default();
                    doc.set(field, text);
                }
            }
            "Item" => {
                if !doc.is_set("item_name") {
                    doc.set("item_name", doc.get("item_code").clone());
                }
                if !doc.is_set("description") {
                    doc.set("description", doc.get("item_name").clone());
                }
                if doc.rows("uoms").is_empty() {
                    self.add_row(
                        ctx,
                        doc,
                        "uoms",
                        "UOM Conversion Detail",
                        &[
                            ("uom", doc.get("stock_uom").clone()),
                            ("conversion_factor", json!(1)),
                        ],
                    );
                }
            }
            "Sales Invoice" | "Sales Order" if doc.docstatus() < 2 => {
                if stored.is_none_or(|stored| stored.docstatus() == 0) {
                    self.reckon(ctx, doc);
                }
                let status = match (doc.docstatus(), doc.doctype.as_str()) {
                    (0, _) => "Draft",
                    (_, "Sales Invoice") => "Unpaid",
                    _ => "To Deliver and Bill",
                };
                doc.set("status", status);
            }
            "Sales Invoice" | "Sales Order" => doc.set("status", "Cancelled"),
            _ => {}
        }
        if let Some(parent_field) = &meta.parent_field {
            let parent = doc.get(parent_field).clone();
            doc.set("old_parent", parent);
            if let Some(stored) = stored {
                for field in ["lft", "rgt"] {
                    doc.set(field, stored.get(field).clone());
                }
            }
        }
        Ok(())
    }

    fn add_row(
        &mut self,
        ctx: &Context,
        doc: &mut Doc,
        table: &str,
        child: &str,
        values: &[(&str, Value)],
    ) {
        let stamp = self.stamp(ctx.started);
        let name = self.free_hash(child);
        let mut row = Doc::new(child);
        row.is_new = true;
        for (field, value) in values {
            row.set(field, value.clone());
        }
        row.set("name", name);
        row.set("idx", doc.rows(table).len() + 1);
        row.set("docstatus", doc.docstatus());
        for (field, text) in [
            ("parent", doc.name().as_str()),
            ("parenttype", doc.doctype.as_str()),
            ("parentfield", table),
            ("owner", ctx.user.as_str()),
            ("modified_by", ctx.user.as_str()),
            ("creation", stamp.as_str()),
            ("modified", stamp.as_str()),
        ] {
            row.set(field, text);
        }
        doc.tables.entry(table.to_owned()).or_default().push(row);
    }

    /// Amounts, totals and the posting time of a sales document.
    fn reckon(&mut self, ctx: &Context, doc: &mut Doc) {
        if doc.doctype == "Sales Invoice" && !doc.is_set("set_posting_time") {
            let now = self.local(ctx.started);
            doc.set("posting_date", &now[..10]);
            doc.set("posting_time", &now[11..]);
        }
        let (mut total, mut total_qty) = (0.0, 0.0);
        for row in doc.tables.get_mut("items").into_iter().flatten() {
            let item = row.text("item_code");
            for (field, source) in [
                ("item_name", "item_name"),
                ("description", "description"),
                ("uom", "stock_uom"),
            ] {
                if !row.is_set(field) {
                    let value = self.value_of("Item", &item, source);
                    row.set(field, value);
                }
            }
            let amount = cents(row.number("qty") * row.number("rate"));
            row.set("amount", value::float(amount));
            total += amount;
            total_qty += row.number("qty");
        }
        let mut taxes = 0.0;
        for row in doc.tables.get_mut("taxes").into_iter().flatten() {
            let amount = cents(total * row.number("rate") / 100.0);
            row.set("tax_amount", value::float(amount));
            taxes += amount;
        }
        for (field, number) in [
            ("total_qty", total_qty),
            ("total", cents(total)),
            ("total_taxes_and_charges", cents(taxes)),
            ("grand_total", cents(total + taxes)),
        ] {
            doc.set(field, value::float(number));
        }
        if doc.doctype == "Sales Invoice" {
            let total = doc.get("grand_total").clone();
            doc.set("outstanding_amount", total);
        }
        if !doc.is_set("title") {
            doc.set("title", doc.get("customer_name").clone());
        }
    }

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
            "Item" if stored.is_none() && doc.number("standard_rate") != 0.0 => {
                let mut price = Doc::new("Item Price");
                price.set("item_code", doc.name());
                price.set("price_list", "Standard Selling");
                price.set("price_list_rate", doc.get("standard_rate").clone());
                self.insert(ctx, price, &InsertOptions::default())?;
            }
            _ => {}
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
            (
                "email_id",
                "email_ids",
                "Contact Email",
                "email_id",
                "is_primary",
            ),
            (
                "mobile_no",
                "phone_nos",
                "Contact Phone",
                "phone",
                "is_primary_mobile_no",
            ),
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
                self.store
                    .set_cell(doctype, &key, "modified", Cell::text(&stamp));
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
            children
                .entry(parent)
                .or_default()
                .push((order, doc.name()));
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
                    self.store
                        .set_cell(&meta.name, &key, column, Cell::Int(number));
                }
            }
        }
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

    fn begin_doctype(&mut self, _ctx: &Context, doc: &mut Doc) -> Outcome<()> {
        // The definition of a removed doctype stays behind, its name is free again.
        if self.exists("DocType", &doc.name()) {
            return Err(Failure::duplicate("DocType", &doc.name()));
        }
        for row in doc.tables.get_mut("fields").into_iter().flatten() {
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

fn cents(number: f64) -> f64 {
    format!("{number:.2}").parse().unwrap_or(number)
}
