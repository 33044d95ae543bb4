//! What `ERPNext`'s own documents do by themselves.
//!
//! What lives here: the order in which it happens, before a document is stored ([`Site::prepare_voucher`])
//! and after ([`Site::settle_voucher`]), and small helpers. What may not: rules that hold for every
//! doctype (`save`, `validate`).
//!
//! * `book` the doctypes made of items, as data; `totals` rows, amounts, schedule; `words` money
//! * `origins` rows made from rows of other documents; `status` what a status says
//! * `ledger` entries of the three ledgers and stock; `selling`, `buying`, `stock`, `payment` what each
//!   doctype enters
//! * `parties`, `items`, `desk_documents` masters, people and appointments
//! * `methods` what users change after submission, submission by the queue

mod book;
mod buying;
mod desk_documents;
mod items;
mod ledger;
mod methods;
mod origins;
mod parties;
mod payment;
mod selling;
mod status;
mod stock;
mod totals;
mod words;

use serde_json::Value;

use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::site::{Context, Site};
use crate::value;

pub(crate) use ledger::LEDGERS;

/// What a save means for the ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// A draft, saved.
    Draft,
    /// A draft, or a new document, becomes valid.
    Submit,
    /// A submitted document is edited.
    Edit,
    /// A submitted document is taken back.
    Cancel,
}

impl Turn {
    fn of(doc: &Doc, stored: Option<&Doc>) -> Self {
        match (stored.map_or(0, Doc::docstatus), doc.docstatus()) {
            (0, 0) => Self::Draft,
            (0, _) => Self::Submit,
            (_, 1) => Self::Edit,
            _ => Self::Cancel,
        }
    }
}

impl Site {
    /// Before the checks of a save: what the document works out of itself, and what it refuses.
    pub(crate) fn prepare_voucher(
        &mut self,
        ctx: &mut Context,
        doc: &mut Doc,
        stored: Option<&Doc>,
    ) -> Outcome<()> {
        let turn = Turn::of(doc, stored);
        match (turn, doc.doctype.as_str()) {
            (Turn::Cancel, _) => self.before_cancel(ctx, doc),
            (Turn::Edit, _) => Ok(()),
            (_, "Payment Entry") => self.prepare_payment(ctx, doc),
            (_, "Journal Entry") => self.prepare_journal(doc),
            (_, "Stock Entry") => {
                self.prepare_stock_entry(ctx, doc);
                Ok(())
            }
            _ => self.prepare_items(ctx, doc, stored),
        }
    }

    fn prepare_items(
        &mut self,
        ctx: &mut Context,
        doc: &mut Doc,
        stored: Option<&Doc>,
    ) -> Outcome<()> {
        let Some(rules) = book::rules(&doc.doctype) else {
            return Ok(());
        };
        // The older version looks at the date that was sent or stored, so that a draft whose due date
        // passes is refused one save later.
        if !self.is_newer() {
            Self::check_due(rules, doc)?;
        }
        if rules.is_posted {
            self.set_posting_now(ctx, doc);
        }
        if self.is_newer() {
            Self::check_due(rules, doc)?;
        }
        self.check_delivery_dates(doc, stored)?;
        self.fill_head(rules, doc);
        self.fill_purchase_rows(doc);
        self.fill_rows(rules, doc);
        self.check_whole(doc)?;
        self.check_origins(rules, doc)?;
        self.make_missing_prices(ctx, rules.party, doc)?;
        totals::total(doc);
        Self::complete_purchase(doc);
        // The older version does not work it out for what is submitted at once, or has been a draft.
        if doc.docstatus() == 0 || (doc.is_new && self.is_newer()) {
            let total = doc.get("grand_total").clone();
            doc.set("outstanding_amount", total);
        }
        self.fill_schedule(ctx, rules, doc);
        let status = self.own_status(ctx, rules, doc, stored);
        doc.set("status", status);
        Ok(())
    }

    /// Posting date and time are now, unless the document says that they are its own.
    fn set_posting_now(&self, ctx: &Context, doc: &mut Doc) {
        if !doc.is_set("set_posting_time") {
            let now = self.local(ctx.started);
            doc.set("posting_date", &now[..10]);
            doc.set("posting_time", &now[11..]);
        }
    }

    fn before_cancel(&mut self, ctx: &mut Context, doc: &mut Doc) -> Outcome<()> {
        if doc.doctype == "Delivery Note" {
            let billed = self.rows_with("Sales Invoice Item", "delivery_note", &doc.name());
            if let Some(row) = billed.iter().find(|row| row.docstatus() == 1) {
                return Err(Failure::validation(&format!(
                    "Sales Invoice {} has already been submitted",
                    row.text("parent")
                )));
            }
        }
        if doc.fields.contains_key("status") {
            doc.set("status", "Cancelled");
        }
        if matches!(doc.doctype.as_str(), "Sales Invoice" | "Purchase Invoice") {
            let unlinked = self.unlink_payments(ctx, doc);
            if !unlinked.is_empty() {
                let text = format!("Payment Entries {} are un-linked", unlinked.join(", "));
                ctx.messages.push(Message::note(text));
            }
        }
        Ok(())
    }

    /// After a document was stored: what it moves elsewhere, its ledger entries, its status.
    pub(crate) fn settle_voucher(
        &mut self,
        ctx: &mut Context,
        doc: &mut Doc,
        stored: Option<&Doc>,
    ) -> Outcome<()> {
        let turn = Turn::of(doc, stored);
        if !matches!(turn, Turn::Submit | Turn::Cancel) {
            return Ok(());
        }
        if let Some(rules) = book::rules(&doc.doctype) {
            self.move_origins(ctx, rules, doc, turn)?;
        }
        match turn {
            Turn::Submit => self.enter_ledgers(ctx, doc)?,
            _ => self.reverse_ledgers(ctx, doc),
        }
        match doc.doctype.as_str() {
            "Sales Invoice" => self.count_monthly_sales(ctx, doc),
            "Payment Entry" => self.show_outstanding(ctx, doc),
            _ => {}
        }
        self.restate(ctx, doc, turn);
        if Self::is_purchase(doc) {
            self.settle_purchase(ctx, doc, turn);
        }
        Ok(())
    }

    /// Sets columns of a stored document without saving it; `modified` stays.
    pub(crate) fn set_columns(&mut self, doctype: &str, name: &str, values: &[(&str, Value)]) {
        for (column, value) in values {
            let Some(table) = self.store.table(doctype) else {
                return;
            };
            let (key, at) = (table.key(name), table.position(column));
            let Some(cell) = at.and_then(|at| table.columns()[at].kind.store(value).ok()) else {
                continue;
            };
            self.store.set_cell(doctype, &key, column, cell);
        }
    }

    /// Moves the `modified` of a stored document or row; gives the stamp.
    pub(crate) fn touch(&mut self, ctx: &Context, doctype: &str, name: &str) -> String {
        let stamp = self.stamp(ctx.started);
        let values = [
            ("modified", Value::from(stamp.as_str())),
            ("modified_by", Value::from(ctx.user.as_str())),
        ];
        self.set_columns(doctype, name, &values);
        stamp
    }

    /// The rows of a child doctype whose field has a value.
    pub(crate) fn rows_with(&self, child: &str, field: &str, wanted: &str) -> Vec<Doc> {
        let Some(table) = self.store.table(child) else {
            return Vec::new();
        };
        let Some(at) = table.position(field) else {
            return Vec::new();
        };
        let found = table.rows().filter(|(_, row)| row[at].as_str() == wanted);
        found.map(|(_, row)| Self::doc_of_row(child, table, row)).collect()
    }

    /// The name of an account, a warehouse or a cost center in the company of a document.
    pub(crate) fn of_company(&self, doc: &Doc, name: &str) -> String {
        let abbr = self.value_of("Company", &doc.text("company"), "abbr");
        format!("{name} - {}", value::to_text(&abbr))
    }
}

/// A refusal of `ERPNext`'s own: 417 with the exception's class and its module.
fn refusal(module: &str, class: &str, text: &str, title: &str) -> Failure {
    let mut failure = Failure::silent(417, class, text);
    failure.exception = Some(format!("erpnext.{module}.{class}: {text}"));
    failure.with_message(Message::thrown(text).titled(title))
}
