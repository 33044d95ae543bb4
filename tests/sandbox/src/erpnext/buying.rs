//! Orders, receipts and invoices of suppliers.
//!
//! What lives here: what they work out besides totals, their entries, receipts that are billed through
//! their order, and the last rate at which an item was bought. What may not: writing entries (`ledger`).

use std::collections::BTreeSet;

use serde_json::json;

use super::ledger::{Entries, Line, settled};
use super::{Turn, book, totals};
use crate::collate;
use crate::doc::Doc;
use crate::site::{Context, Site};
use crate::value;

/// The documents whose submission says what an item was bought for: doctype, rows, date.
const PURCHASES: [(&str, &str, &str); 2] = [
    ("Purchase Order", "Purchase Order Item", "transaction_date"),
    ("Purchase Receipt", "Purchase Receipt Item", "posting_date"),
];

impl Site {
    /// What rows take from the head and from their items, before what rows of all documents take.
    pub(super) fn fill_purchase_rows(&self, doc: &mut Doc) {
        let due = doc.get("schedule_date").clone();
        let received = self.of_company(doc, "Stock Received But Not Billed");
        let doctype = doc.doctype.clone();
        for row in doc.tables.get_mut("items").into_iter().flatten() {
            match doctype.as_str() {
                "Purchase Order" => {
                    if !row.is_set("schedule_date") {
                        row.set("schedule_date", due.clone());
                    }
                    if row.is_new {
                        let last =
                            self.value_of("Item", &row.text("item_code"), "last_purchase_rate");
                        row.set("last_purchase_rate", last);
                    }
                }
                "Purchase Receipt" => {
                    // Worked out before the quantity is filled in: a receipt made without it shows
                    // none until it is saved again.
                    let factor = match row.number("conversion_factor") {
                        0.0 => 1.0,
                        factor => factor,
                    };
                    let received = row.number("received_qty") * factor;
                    row.set("received_stock_qty", value::float(received));
                    if !row.is_set("received_qty") {
                        row.set("received_qty", row.get("qty").clone());
                    }
                }
                // What is kept in stock was received before, and waits there for its invoice.
                "Purchase Invoice"
                    if !row.is_set("expense_account")
                        && self.is_stocked(&row.text("item_code")) =>
                {
                    row.set("expense_account", received.as_str());
                }
                _ => {}
            }
        }
    }

    /// What follows from the amounts.
    pub(super) fn complete_purchase(doc: &mut Doc) {
        if matches!(doc.doctype.as_str(), "Purchase Receipt" | "Purchase Invoice") {
            for row in doc.tables.get_mut("items").into_iter().flatten() {
                let rate = row.get("net_rate").clone();
                row.set("valuation_rate", rate);
            }
        }
        let is_invoice = doc.doctype == "Purchase Invoice";
        if is_invoice && doc.docstatus() == 1 && !doc.is_set("remarks") {
            let bill = doc.text("bill_no");
            let remarks = if bill.is_empty() {
                "No Remarks".to_owned()
            } else {
                format!("Against Supplier Invoice {bill}")
            };
            doc.set("remarks", remarks);
        }
    }

    /// Items that come in, at what they cost.
    pub(super) fn receipt_entries(&self, doc: &Doc) -> Entries {
        let accounts = ["Stock In Hand", "Stock Received But Not Billed"];
        let bought = |row: &Doc| (row.number("stock_qty"), Some(row.number("net_rate")));
        self.stock_of_rows(doc, accounts, bought)
    }

    /// What the supplier is owed and what it was spent on; the items too where stock is updated.
    pub(super) fn purchase_entries(&self, doc: &Doc) -> Entries {
        let mut entries =
            if doc.is_set("update_stock") { self.receipt_entries(doc) } else { Entries::default() };
        entries.lines.push(Line {
            account: doc.text("credit_to"),
            amount: -doc.number("grand_total"),
            party: Some(("Supplier".into(), doc.text("supplier"))),
            against: Some(settled(doc)),
        });
        let mut spent: Vec<(String, f64)> = Vec::new();
        for row in doc.rows("items") {
            let account = row.text("expense_account");
            match spent.iter_mut().find(|(known, _)| *known == account) {
                Some((_, amount)) => *amount += row.number("net_amount"),
                None => spent.push((account, row.number("net_amount"))),
            }
        }
        for (account, amount) in spent {
            entries.lines.push(Line { account, amount, party: None, against: None });
        }
        entries
    }

    /// After a purchase was submitted or cancelled.
    pub(super) fn settle_purchase(&mut self, ctx: &Context, doc: &Doc, turn: Turn) {
        self.note_purchase_rates(ctx, doc, turn);
        let field = match doc.doctype.as_str() {
            "Purchase Receipt" => "purchase_order_item",
            "Purchase Invoice" if doc.is_set("update_billed_amount_in_purchase_receipt") => {
                "po_detail"
            }
            _ => return,
        };
        let ordered: BTreeSet<String> = doc
            .rows("items")
            .iter()
            .map(|row| row.text(field))
            .filter(|it| !it.is_empty())
            .collect();
        for order_row in ordered {
            self.bill_receipts(ctx, &order_row);
        }
    }

    /// An invoice that names the order only bills the order's receipts, the oldest first.
    fn bill_receipts(&mut self, ctx: &Context, order_row: &str) {
        let mut receipts =
            self.rows_with("Purchase Receipt Item", "purchase_order_item", order_row);
        receipts.retain(|row| row.docstatus() == 1);
        receipts.sort_by_key(|row| (row.text("creation"), row.text("idx")));
        let billed = |rows: &[Doc]| -> f64 {
            let counted = rows.iter().filter(|row| row.docstatus() == 1);
            counted.map(|row| row.number("amount")).sum()
        };
        let mut through_order = self.rows_with("Purchase Invoice Item", "po_detail", order_row);
        through_order.retain(|row| !row.is_set("pr_detail"));
        let mut left = billed(&through_order);
        let mut moved = BTreeSet::new();
        for row in receipts {
            let own = billed(&self.rows_with("Purchase Invoice Item", "pr_detail", &row.name()));
            let share = left.min(row.number("amount") - own).max(0.0);
            left -= share;
            let sum = totals::cents(own + share);
            if (sum - row.number("billed_amt")).abs() >= 0.005 {
                let values = [("billed_amt", value::float(sum))];
                self.set_columns("Purchase Receipt Item", &row.name(), &values);
                self.touch(ctx, "Purchase Receipt Item", &row.name());
                moved.insert(row.text("parent"));
            }
        }
        for name in moved {
            self.restate_receipt(ctx, &name);
        }
    }

    fn restate_receipt(&mut self, ctx: &Context, name: &str) {
        let (Some(rules), Some(mut doc)) =
            (book::rules("Purchase Receipt"), self.load("Purchase Receipt", name))
        else {
            return;
        };
        let sum = |field: &str| doc.rows("items").iter().map(|row| row.number(field)).sum::<f64>();
        let whole = sum("amount");
        let share = if whole > 0.0 { sum("billed_amt") / whole * 100.0 } else { 0.0 };
        doc.set("per_billed", value::float(totals::cents(share)));
        let status = self.submitted_status(ctx, rules, &doc);
        let values = [("per_billed", doc.get("per_billed").clone()), ("status", json!(status))];
        self.set_columns("Purchase Receipt", name, &values);
        self.touch(ctx, "Purchase Receipt", name);
    }

    /// An item shows the rate of its latest purchase; its `modified` moves with every purchase.
    fn note_purchase_rates(&mut self, ctx: &Context, doc: &Doc, turn: Turn) {
        let date =
            if doc.doctype == "Purchase Order" { "transaction_date" } else { "posting_date" };
        for row in doc.rows("items") {
            let item = row.text("item_code");
            if item.is_empty() {
                continue;
            }
            let other = self.latest_purchase(&item, &doc.name());
            let rate = match other {
                Some((latest, rate)) if turn == Turn::Cancel || latest > doc.text(date) => rate,
                None if turn == Turn::Cancel => 0.0,
                _ => rate_of(row),
            };
            let values = [("last_purchase_rate", value::float(rate))];
            self.set_columns("Item", &item, &values);
            self.touch(ctx, "Item", &item);
        }
    }

    /// Date and rate of the latest submitted purchase of an item, `but` for one document.
    fn latest_purchase(&self, item: &str, but: &str) -> Option<(String, f64)> {
        let mut found = Vec::new();
        for (doctype, rows, date) in PURCHASES {
            for row in self.rows_with(rows, "item_code", item) {
                let parent = row.text("parent");
                if row.docstatus() == 1 && !collate::same(&parent, but) {
                    let day = value::to_text(&self.value_of(doctype, &parent, date));
                    found.push((day, row.text("creation"), rate_of(&row)));
                }
            }
        }
        found.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        found.pop().map(|(day, _, rate)| (day, rate))
    }

    /// True of documents of buying.
    pub(super) fn is_purchase(doc: &Doc) -> bool {
        matches!(doc.doctype.as_str(), "Purchase Order" | "Purchase Receipt" | "Purchase Invoice")
    }
}

fn rate_of(row: &Doc) -> f64 {
    match row.number("conversion_factor") {
        0.0 => row.number("base_net_rate"),
        factor => row.number("base_net_rate") / factor,
    }
}
