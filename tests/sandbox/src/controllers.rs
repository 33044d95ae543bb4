//! What some doctypes do by themselves.
//!
//! What lives here: names made from fields, derived values of masters and of Frappe's own
//! doctypes. What may not: rules that hold for every doctype; documents that are submitted
//! (`erpnext`).

use serde_json::Value;

use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
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
            "Address" if doc.is_set("address_title") => Some(self.address_name(doc)),
            "Contact" => Some(self.contact_name(doc)),
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
            "Webhook" => self.check_webhook(doc)?,
            "DocType" if stored.is_none() => self.begin_doctype(ctx, doc)?,
            "Contact" => self.complete_contact(doc),
            "Address" => self.title_links(doc),
            "Lead" => self.complete_lead(ctx, doc)?,
            "Item" => self.complete_item(ctx, doc, stored.is_none())?,
            "Item Price" => self.check_price(doc)?,
            "Note" | "Event" | "Opportunity" | "Employee" => self.complete_desk_document(doc),
            _ => self.prepare_voucher(ctx, doc, stored)?,
        }
        if stored.is_none() {
            self.find_parent_node(meta, doc);
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
