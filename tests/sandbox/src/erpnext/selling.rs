//! What the documents of selling enter into the ledgers.
//!
//! What lives here: the lines of delivery notes and sales invoices, and what a company counts of
//! its sales. What may not: writing entries (`ledger`).

use super::ledger::{Entries, Line, settled};
use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::site::{Context, Site};
use crate::value;

impl Site {
    /// The newer version stumbles over a new row of an order without a date of its own, where the
    /// document is saved again and other rows have theirs.
    pub(super) fn check_delivery_dates(&self, doc: &Doc, stored: Option<&Doc>) -> Outcome<()> {
        if doc.doctype != "Sales Order" || stored.is_none() || !self.is_newer() {
            return Ok(());
        }
        let dated: Vec<bool> =
            doc.rows("items").iter().map(|row| row.is_set("delivery_date")).collect();
        let types = match dated.iter().position(|is_dated| !is_dated) {
            Some(_) if !dated.contains(&true) => return Ok(()),
            Some(0) => "'str' and 'datetime.date'",
            Some(_) => "'datetime.date' and 'str'",
            None => return Ok(()),
        };
        let text = format!("'>' not supported between instances of {types}");
        Err(Failure::internal("", "TypeError", &text))
    }

    /// Items that go out, at what the stock is worth.
    pub(super) fn delivery_entries(&self, doc: &Doc) -> Entries {
        let accounts = ["Stock In Hand", "Cost of Goods Sold"];
        self.stock_of_rows(doc, accounts, |row| (-row.number("stock_qty"), None))
    }

    /// What the customer owes, the income and the taxes; the items too where stock is updated.
    pub(super) fn sale_entries(&self, doc: &Doc) -> Entries {
        let mut entries = if doc.is_set("update_stock") {
            self.delivery_entries(doc)
        } else {
            Entries::default()
        };
        entries.lines.push(Line {
            account: doc.text("debit_to"),
            amount: doc.number("grand_total"),
            party: Some(("Customer".into(), doc.text("customer"))),
            against: Some(settled(doc)),
        });
        let income = (self.of_company(doc, "Sales"), doc.number("net_total"));
        let taxes = doc.rows("taxes").iter();
        let taxes = taxes.map(|row| (row.text("account_head"), row.number("tax_amount")));
        for (account, amount) in std::iter::once(income).chain(taxes) {
            entries.lines.push(Line { account, amount: -amount, party: None, against: None });
        }
        entries
    }

    /// Counts the sales of the month on the company. Only the older version moves its `modified`.
    pub(super) fn count_monthly_sales(&mut self, ctx: &Context, doc: &Doc) {
        let (company, month) = (doc.text("company"), self.local(ctx.started)[..7].to_owned());
        let invoices = self.rows_with("Sales Invoice", "company", &company);
        let sold: f64 = invoices
            .iter()
            .filter(|invoice| {
                invoice.docstatus() == 1 && invoice.text("posting_date").starts_with(&month)
            })
            .map(|invoice| invoice.number("base_grand_total"))
            .sum();
        self.set_columns("Company", &company, &[("total_monthly_sales", value::float(sold))]);
        if !self.is_newer() {
            self.touch(ctx, "Company", &company);
        }
    }
}
