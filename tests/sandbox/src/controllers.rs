//! What some doctypes do by themselves.
//!
//! What lives here: names made from fields, derived values, documents made on the side, trees. It
//! is a small likeness of what `ERPNext` does. What may not: rules that hold for every doctype.

use serde_json::Value;

use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::meta::DocType;
use crate::site::{Context, Site};
use crate::value;

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
            "Address" if doc.is_set("address_title") => Some(self.address_name(doc)),
            "Contact" => Some(self.contact_name(doc)),
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

    /// Before a new document is named.
    pub(crate) fn before_naming(&mut self, ctx: &mut Context, doc: &mut Doc) -> Outcome<()> {
        match doc.doctype.as_str() {
            "Lead" => self.make_contact_of_lead(ctx, doc),
            _ => Ok(()),
        }
    }

    /// Before the checks of a save.
    pub(crate) fn before_save(
        &mut self,
        ctx: &mut Context,
        meta: &DocType,
        doc: &mut Doc,
        stored: Option<&Doc>,
    ) -> Outcome<()> {
        self.check_party(meta, doc)?;
        match doc.doctype.as_str() {
            "File" if stored.is_none() => Self::take_content(doc),
            "DocType" if stored.is_none() => self.begin_doctype(ctx, doc)?,
            "Contact" => self.complete_contact(doc),
            "Address" => self.title_links(doc),
            "Lead" => self.complete_lead(ctx, doc)?,
            "Item" => self.complete_item(ctx, doc, stored.is_none())?,
            "Item Price" => self.check_price(doc)?,
            "Note" | "Event" | "Opportunity" | "Employee" => self.complete_desk_document(doc),
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
        if stored.is_none() {
            self.find_parent_node(meta, doc);
        }
        Ok(())
    }

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
            for (field, source) in
                [("item_name", "item_name"), ("description", "description"), ("uom", "stock_uom")]
            {
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
}

fn cents(number: f64) -> f64 {
    format!("{number:.2}").parse().unwrap_or(number)
}
