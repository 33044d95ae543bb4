//! What the status of a document says.
//!
//! What lives here: finding it, and storing it where a submission moves it. What may not: the
//! quantities it is found from (`origins`), outstanding amounts (`payment`).

use serde_json::json;

use super::Turn;
use super::book::{self, Rules, Status};
use crate::doc::Doc;
use crate::site::{Context, Site};

impl Site {
    /// The status that a save of a draft gives the document itself. A new document keeps the one
    /// that was sent, even where it is submitted at once.
    pub(super) fn own_status(
        &self,
        ctx: &Context,
        rules: &Rules,
        doc: &Doc,
        stored: Option<&Doc>,
    ) -> String {
        let sent = doc.text("status");
        match (stored, doc.docstatus()) {
            (None, _) if sent.is_empty() || doc.is_set("amended_from") => "Draft".to_owned(),
            (None, _) => sent,
            (Some(_), 0) => "Draft".to_owned(),
            (Some(_), _) => self.submitted_status(ctx, rules, doc),
        }
    }

    /// The status of a submitted document by what is done of it. Closed and held ones stay so.
    pub(super) fn submitted_status(&self, ctx: &Context, rules: &Rules, doc: &Doc) -> String {
        let current = doc.text("status");
        if matches!(current.as_str(), "Closed" | "On Hold") {
            return current;
        }
        let status = match rules.status {
            Status::Offer => self.offer_status(doc),
            Status::Order { shares, short } => {
                match shares.map(|share| doc.number(share) >= 100.0) {
                    [true, true] => "Completed",
                    [false, true] => short[0],
                    [true, false] => short[1],
                    [false, false] => short[2],
                }
            }
            Status::Billed { partly, .. } => {
                let billed = doc.number("per_billed");
                if billed >= 100.0 || doc.number("grand_total") == 0.0 {
                    "Completed"
                } else if billed > 0.0 {
                    partly
                } else {
                    "To Bill"
                }
            }
            Status::Invoice => self.invoice_status(ctx, doc),
        };
        status.to_owned()
    }

    fn offer_status(&self, doc: &Doc) -> &'static str {
        let ordered: Vec<(f64, f64)> = doc
            .rows("items")
            .iter()
            .map(|row| {
                let sum = self.sum_of(&row.doctype, &row.name(), "ordered_qty");
                (sum, row.number("qty"))
            })
            .collect();
        if ordered.iter().all(|(sum, _)| *sum == 0.0) {
            "Open"
        } else if ordered.iter().all(|(sum, of)| sum >= of) {
            "Ordered"
        } else {
            "Partially Ordered"
        }
    }

    fn invoice_status(&self, ctx: &Context, doc: &Doc) -> &'static str {
        let outstanding = doc.number("outstanding_amount");
        let today = &self.local(ctx.started)[..10];
        if doc.is_set("is_return") {
            "Return"
        } else if outstanding <= 0.0 {
            "Paid"
        } else if doc.text("due_date").as_str() < today {
            "Overdue"
        } else if outstanding < doc.number("grand_total") {
            "Partly Paid"
        } else {
            "Unpaid"
        }
    }

    /// Stores the status of a document just submitted or cancelled.
    ///
    /// An invoice is stated anew in the database alone, so that the answer of its insert is stale;
    /// a save does not move its `modified` again. A delivery note is read again for the answer.
    pub(super) fn restate(&mut self, ctx: &Context, doc: &mut Doc, turn: Turn) {
        let (doctype, name) = (doc.doctype.clone(), doc.name());
        let Some(rules) = book::rules(&doctype) else {
            return;
        };
        if !matches!(rules.status, Status::Billed { .. } | Status::Invoice) {
            return;
        }
        if rules.status == Status::Invoice {
            if turn == Turn::Submit {
                self.restate_invoice(ctx, rules, &doctype, &name);
                if doc.is_new {
                    self.touch(ctx, &doctype, &name);
                }
            }
            return;
        }
        if turn == Turn::Submit {
            let status = self.submitted_status(ctx, rules, doc);
            self.set_columns(&doctype, &name, &[("status", json!(status))]);
        }
        self.touch(ctx, &doctype, &name);
        let Some(stored) = self.load(&doctype, &name) else {
            return;
        };
        if matches!(rules.status, Status::Billed { is_reread: true, .. }) {
            doc.fields = stored.fields;
            doc.tables = stored.tables;
        } else {
            for field in ["status", "modified"] {
                doc.set(field, stored.get(field).clone());
            }
        }
    }
}
