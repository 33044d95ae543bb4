//! Method calls of `ERPNext` that change a submitted document without allow-on-submit, and
//! submission by the queue.
//!
//! What lives here: those methods. What may not: `frappe.client` (`methods`), the desk's (`desk`).

use serde_json::{Map, Value};

use super::book;
use super::totals;
use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::methods::no_such_method;
use crate::request::Parameters;
use crate::route::Reply;
use crate::site::{Context, Site};
use crate::value;

/// A Journal Entry with more rows is submitted by the queue.
const QUEUED_ROWS: usize = 100;

impl Site {
    pub(crate) fn call_erpnext(
        &mut self,
        ctx: &mut Context,
        method: &str,
        parameters: &Parameters,
    ) -> Outcome<Reply> {
        let text = |key: &str| parameters.text(key).unwrap_or_default();
        match method {
            "erpnext.controllers.accounts_controller.update_child_qty_rate" => {
                let items = parameters.parsed("trans_items").unwrap_or_default();
                self.update_items(
                    ctx,
                    &text("parent_doctype"),
                    &text("parent_doctype_name"),
                    &items,
                )
            }
            "erpnext.selling.doctype.sales_order.sales_order.update_status" => {
                self.update_status(ctx, "Sales Order", &text("name"), &text("status"))
            }
            "erpnext.buying.doctype.purchase_order.purchase_order.update_status" => {
                self.update_status(ctx, "Purchase Order", &text("name"), &text("status"))
            }
            other => Err(no_such_method(other)),
        }
    }

    fn submitted(&self, ctx: &Context, doctype: &str, name: &str) -> Outcome<Doc> {
        let meta = self.known(doctype)?;
        let doc = self.found(doctype, name)?;
        self.check_permission(ctx, &meta, &doc, "write", true)?;
        Ok(doc)
    }

    /// "Update Items": quantities, rates and rows of a submitted order. Rows keep their names, rows
    /// that are not given go.
    fn update_items(
        &mut self,
        ctx: &Context,
        doctype: &str,
        name: &str,
        items: &Value,
    ) -> Outcome<Reply> {
        let mut doc = self.submitted(ctx, doctype, name)?;
        let Some(rules) = book::rules(doctype) else {
            return Err(Failure::validation("Not permitted"));
        };
        let before = doc.tables.remove("items").unwrap_or_default();
        for item in items.as_array().into_iter().flatten().filter_map(Value::as_object) {
            let named = item.get("docname").map(value::to_text).unwrap_or_default();
            if let Some(row) = before.iter().find(|row| row.name() == named) {
                let mut row = row.clone();
                row.set("idx", doc.rows("items").len() + 1);
                doc.tables.entry("items".into()).or_default().push(row);
            } else {
                self.add_row(ctx, &mut doc, "items", rules.rows, &[]);
            }
            if let Some(row) = doc.tables.get_mut("items").and_then(|rows| rows.last_mut()) {
                overlay(row, item);
            }
        }
        self.fill_rows(rules, &mut doc);
        totals::total(&mut doc);
        self.fill_schedule(ctx, rules, &mut doc);
        self.write_anew(ctx, &mut doc)?;
        self.restate_shares(ctx, doctype, name);
        Ok(Reply::Nothing)
    }

    /// Writes a document and its rows with a new stamp, no rule asked.
    fn write_anew(&mut self, ctx: &Context, doc: &mut Doc) -> Outcome<()> {
        let meta = self.known(&doc.doctype)?;
        let stamp = self.stamp(ctx.started);
        doc.set("modified", stamp.as_str());
        doc.set("modified_by", ctx.user.as_str());
        for row in doc.all_rows_mut() {
            row.set("modified", stamp.as_str());
            row.set("modified_by", ctx.user.as_str());
        }
        self.write_row(doc)?;
        self.store_rows(&meta, doc)
    }

    /// Closes, holds or opens an order.
    fn update_status(
        &mut self,
        ctx: &Context,
        doctype: &str,
        name: &str,
        status: &str,
    ) -> Outcome<Reply> {
        let mut doc = self.submitted(ctx, doctype, name)?;
        let mut wanted = status.to_owned();
        if let ("Draft", Some(rules)) = (status, book::rules(doctype)) {
            doc.set("status", "");
            wanted = self.submitted_status(ctx, rules, &doc);
        }
        self.set_columns(doctype, name, &[("status", Value::from(wanted))]);
        self.touch(ctx, doctype, name);
        Ok(Reply::Nothing)
    }

    /// True when a submission by `frappe.client.submit` is left to the queue.
    pub(crate) fn is_queued(doc: &Doc) -> bool {
        doc.doctype == "Journal Entry" && doc.rows("accounts").len() > QUEUED_ROWS
    }

    /// Leaves the submission of a document to the queue: until the worker is through it is locked.
    pub(crate) fn queue_submission(&mut self, ctx: &Context, doc: &Doc) -> Outcome<()> {
        let (doctype, name, user) = (doc.doctype.clone(), doc.name(), ctx.user.clone());
        self.check_unlocked(&doctype, &name)?;
        self.set_locked(&doctype, &name, true);
        let Some(due) = self.worker_delay.and_then(|delay| ctx.started.checked_add(delay).ok())
        else {
            return Ok(());
        };
        self.at(due, move |site, now| {
            site.set_locked(&doctype, &name, false);
            site.set_value_as(&user, &doctype, &name, "docstatus", Value::from(1), now).ok();
        });
        Ok(())
    }
}

fn overlay(row: &mut Doc, item: &Map<String, Value>) {
    for field in ["item_code", "qty", "rate", "delivery_date", "schedule_date", "uom"] {
        if let Some(value) = item.get(field) {
            row.set(field, value.clone());
        }
    }
    if let Some(factor) = item.get("conversion_factor") {
        row.set("conversion_factor", factor.clone());
    }
}
