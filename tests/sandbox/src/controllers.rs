//! What some doctypes do by themselves.
//!
//! What lives here: names made from fields, derived values of masters and of Frappe's own
//! doctypes. What may not: rules that hold for every doctype; documents that are submitted
//! (`erpnext`).

use serde_json::{Value, json};

use crate::collate;
use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::meta::DocType;
use crate::site::{Context, Site};

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
            "Account" | "Cost Center" | "Warehouse" => {
                let label = doc.doctype.to_lowercase().replace(' ', "_");
                Some(self.of_company(doc, &doc.text(&format!("{label}_name"))))
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
                && fields.iter().all(|field| collate::same(&other.text(field), &doc.text(field)))
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
                        &[("uom", doc.get("stock_uom").clone()), ("conversion_factor", json!(1))],
                    );
                }
            }
            _ => self.prepare_voucher(ctx, doc, stored)?,
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

    /// Adds a row that the site itself makes.
    pub(crate) fn add_row(
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
}
