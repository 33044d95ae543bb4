//! Payments, journal entries, and what they leave to be paid.
//!
//! What lives here: Payment Entry and Journal Entry, their lines, the outstanding amounts of
//! invoices. What may not: writing entries (`ledger`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::book::{self, Rules, Status};
use super::ledger::{Entries, Line};
use super::totals::cents;
use super::words::in_words;
use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::site::{Context, Site};
use crate::value;

impl Site {
    /// What a payment works out of its party and its references. It stamps itself once more while
    /// it is saved.
    pub(super) fn prepare_payment(&mut self, ctx: &Context, doc: &mut Doc) -> Outcome<()> {
        let (kind, party) = (doc.text("party_type"), doc.text("party"));
        if !doc.is_set("party_name") {
            let field = format!("{}_name", kind.to_lowercase());
            let name = self.value_of(&kind, &party, &field);
            doc.set("party_name", name);
        }
        let title = doc.get("party_name").clone();
        doc.set("title", title);
        let allocated = self.fill_references(doc)?;
        for field in ["source_exchange_rate", "target_exchange_rate"] {
            if !doc.is_set(field) {
                doc.set(field, 1);
            }
        }
        let paid = doc.number("paid_amount");
        for (field, number) in [
            ("base_paid_amount", paid),
            ("base_received_amount", doc.number("received_amount")),
            ("total_allocated_amount", allocated),
            ("base_total_allocated_amount", allocated),
            ("unallocated_amount", paid - allocated),
            ("difference_amount", 0.0),
        ] {
            doc.set(field, value::float(cents(number)));
        }
        let currency = self.value_of("Company", &doc.text("company"), "default_currency");
        let currency = value::to_text(&currency);
        for field in ["in_words", "base_in_words"] {
            doc.set(field, in_words(&currency, paid));
        }
        if !doc.is_set("custom_remarks") {
            let remarks = remarks(&currency, doc);
            doc.set("remarks", remarks);
        }
        doc.set("status", if doc.docstatus() == 1 { "Submitted" } else { "Draft" });
        let stamp = self.stamp(ctx.started);
        doc.set("modified", stamp);
        Ok(())
    }

    /// What the references take from their documents; gives what is allocated.
    fn fill_references(&self, doc: &mut Doc) -> Outcome<f64> {
        let mut allocated = 0.0;
        for row in doc.tables.get_mut("references").into_iter().flatten() {
            let (kind, name) = (row.text("reference_doctype"), row.text("reference_name"));
            let of = |field: &str| self.value_of(&kind, &name, field);
            if value::to_int(&of("docstatus")) != 1 {
                return Err(Failure::validation(&format!("{kind} {name} must be submitted")));
            }
            let share = row.number("allocated_amount");
            let open = value::to_float(&of("outstanding_amount"));
            if share > open && book::rules(&kind).is_some_and(|it| it.status == Status::Invoice) {
                return Err(Failure::validation(&format!(
                    "Row #{}: Allocated Amount cannot be greater than outstanding amount.",
                    row.text("idx")
                )));
            }
            for (field, value) in [
                ("due_date", of("due_date")),
                ("total_amount", of("grand_total")),
                ("outstanding_amount", value::float(open)),
                ("account", if kind == "Sales Invoice" { of("debit_to") } else { of("credit_to") }),
                ("exchange_rate", json!(1)),
            ] {
                row.set(field, value);
            }
            allocated += share;
        }
        Ok(cents(allocated))
    }

    /// A line for each reference, one for what is not allocated, one for the money.
    pub(super) fn payment_entries(doc: &Doc) -> Entries {
        let received = doc.text("payment_type") == "Receive";
        let (party_account, money_account) =
            if received { ("paid_from", "paid_to") } else { ("paid_to", "paid_from") };
        let sign = if received { -1.0 } else { 1.0 };
        let party = Some((doc.text("party_type"), doc.text("party")));
        let line = |amount: f64, against: Option<(String, String)>| Line {
            account: doc.text(party_account),
            amount: sign * amount,
            party: party.clone(),
            against,
        };
        let mut lines: Vec<Line> = doc
            .rows("references")
            .iter()
            .map(|row| {
                let against = (row.text("reference_doctype"), row.text("reference_name"));
                line(row.number("allocated_amount"), Some(against))
            })
            .collect();
        if doc.number("unallocated_amount") != 0.0 {
            lines.push(line(doc.number("unallocated_amount"), None));
        }
        lines.push(Line {
            account: doc.text(money_account),
            amount: -sign * doc.number("paid_amount"),
            party: None,
            against: None,
        });
        Entries { lines, ..Entries::default() }
    }

    /// Sums and the other side's accounts of a journal entry.
    pub(super) fn prepare_journal(&self, doc: &mut Doc) -> Outcome<()> {
        if doc.is_set("user_remark") {
            let remark = format!("Note: {}", doc.text("user_remark"));
            doc.set("remark", remark);
        }
        let center = self.of_company(doc, "Main");
        // What is submitted at once is not told its other side.
        let is_draft = doc.docstatus() == 0;
        let (mut debits, mut credits) = (Vec::new(), Vec::new());
        for row in doc.rows("accounts") {
            let is_debit = row.number("debit_in_account_currency") != 0.0;
            if is_debit { &mut debits } else { &mut credits }.push(row.text("account"));
        }
        let (mut debit, mut credit) = (0.0, 0.0);
        for row in doc.tables.get_mut("accounts").into_iter().flatten() {
            let account = row.text("account");
            for (field, source) in
                [("account_type", "account_type"), ("account_currency", "account_currency")]
            {
                let value = self.value_of("Account", &account, source);
                row.set(field, value);
            }
            if !row.is_set("cost_center") {
                row.set("cost_center", center.as_str());
            }
            row.set("exchange_rate", 1);
            for (field, sum) in [("debit", &mut debit), ("credit", &mut credit)] {
                let amount = row.number(&format!("{field}_in_account_currency"));
                row.set(field, value::float(amount));
                *sum += amount;
            }
            let others = if row.number("debit") == 0.0 { &debits } else { &credits };
            if is_draft {
                row.set("against_account", others.join(", "));
            }
        }
        let difference = cents(debit - credit);
        if difference != 0.0 {
            return Err(Failure::validation(&format!(
                "Total Debit must be equal to Total Credit. The difference is {}",
                value::python_float(difference)
            )));
        }
        for (field, sum) in [("total_debit", debit), ("total_credit", credit), ("difference", 0.0)]
        {
            doc.set(field, value::float(cents(sum)));
        }
        let first = doc.rows("accounts").first().map(|row| row.text("account"));
        if !doc.is_set("title") {
            doc.set("title", first.unwrap_or_default());
        }
        Ok(())
    }

    pub(super) fn journal_entries(doc: &Doc) -> Entries {
        let lines = doc.rows("accounts").iter().map(|row| {
            let pair =
                |kind: &str, name: &str| row.is_set(name).then(|| (row.text(kind), row.text(name)));
            Line {
                account: row.text("account"),
                amount: row.number("debit") - row.number("credit"),
                party: pair("party_type", "party"),
                against: pair("reference_type", "reference_name"),
            }
        });
        Entries { lines: lines.collect(), ..Entries::default() }
    }

    /// Works out anew what is to be paid on the invoices that lines of another document settle.
    pub(super) fn restate_invoices(&mut self, ctx: &Context, doc: &Doc, lines: &[Line]) {
        let settled: BTreeSet<&(String, String)> =
            lines.iter().filter_map(|line| line.against.as_ref()).collect();
        for (doctype, name) in settled {
            let Some(rules) = book::rules(doctype).filter(|it| it.status == Status::Invoice) else {
                continue;
            };
            let is_own = *doctype == doc.doctype && *name == doc.name();
            if !is_own && value::to_int(&self.value_of(doctype, name, "docstatus")) == 1 {
                self.restate_invoice(ctx, rules, doctype, name);
                self.touch(ctx, doctype, name);
            }
        }
    }

    /// What the payment ledger says is to be paid on an invoice, and the status that follows.
    pub(super) fn restate_invoice(
        &mut self,
        ctx: &Context,
        rules: &Rules,
        doctype: &str,
        name: &str,
    ) {
        let Some(mut invoice) = self.load(doctype, name) else {
            return;
        };
        let due = self.rows_with("Payment Ledger Entry", "against_voucher_no", name);
        let open: f64 = due
            .iter()
            .filter(|entry| {
                entry.text("against_voucher_type") == doctype && !entry.is_set("delinked")
            })
            .map(|entry| entry.number("amount"))
            .sum();
        invoice.set("outstanding_amount", value::float(cents(open)));
        let status = self.submitted_status(ctx, rules, &invoice);
        let values = [
            ("outstanding_amount", invoice.get("outstanding_amount").clone()),
            ("status", Value::from(status)),
        ];
        self.set_columns(doctype, name, &values);
    }

    /// The references of a submitted or cancelled payment show what is open afterwards.
    pub(super) fn show_outstanding(&mut self, ctx: &Context, doc: &mut Doc) {
        for row in doc.tables.get_mut("references").into_iter().flatten() {
            let (kind, name) = (row.text("reference_doctype"), row.text("reference_name"));
            let open = self.value_of(&kind, &name, "outstanding_amount");
            let values = [("outstanding_amount", open.clone())];
            self.set_columns("Payment Entry Reference", &row.name(), &values);
            let stamp = self.touch(ctx, "Payment Entry Reference", &row.name());
            row.set("outstanding_amount", open);
            row.set("modified", stamp);
        }
    }

    /// Payments of an invoice that is cancelled stay submitted and lose their reference to it; gives
    /// their names.
    pub(super) fn unlink_payments(&mut self, ctx: &Context, doc: &Doc) -> Vec<String> {
        let mut unlinked = Vec::new();
        let (doctype, name) = (doc.doctype.as_str(), doc.name());
        let is_valid = |row: &Doc, kind: &str| row.docstatus() == 1 && row.text(kind) == doctype;
        for row in self.rows_with("Payment Entry Reference", "reference_name", &name) {
            if !is_valid(&row, "reference_doctype") {
                continue;
            }
            if let Some(key) = self.store.table(&row.doctype).map(|table| table.key(&row.name())) {
                self.store.remove(&row.doctype, &key);
            }
            let (parent, share) = (row.text("parent"), row.number("allocated_amount"));
            let moved = |field: &str, by: f64| {
                let before = value::to_float(&self.value_of("Payment Entry", &parent, field));
                value::float(cents(before + by))
            };
            let values = [
                ("total_allocated_amount", moved("total_allocated_amount", -share)),
                ("base_total_allocated_amount", moved("base_total_allocated_amount", -share)),
                ("unallocated_amount", moved("unallocated_amount", share)),
            ];
            self.set_columns("Payment Entry", &parent, &values);
            self.touch(ctx, "Payment Entry", &parent);
            unlinked.push(parent);
        }
        for row in self.rows_with("Journal Entry Account", "reference_name", &name) {
            if is_valid(&row, "reference_type") {
                let values = [("reference_type", json!("")), ("reference_name", json!(""))];
                self.set_columns(&row.doctype, &row.name(), &values);
                self.touch(ctx, "Journal Entry", &row.text("parent"));
            }
        }
        for entry in self.rows_with("Payment Ledger Entry", "against_voucher_no", &name) {
            if entry.text("against_voucher_type") == doctype && entry.text("voucher_no") != name {
                let values = [
                    ("against_voucher_type", entry.get("voucher_type").clone()),
                    ("against_voucher_no", entry.get("voucher_no").clone()),
                ];
                self.set_columns(&entry.doctype, &entry.name(), &values);
            }
        }
        unlinked
    }
}

/// The remarks of a payment: they contain the names of what it pays, and amounts as they were sent.
fn remarks(currency: &str, doc: &Doc) -> String {
    let amount = |from: &Doc, field: &str| format!("Amount {currency} {}", from.text(field));
    let way = if doc.text("payment_type") == "Receive" { "received from" } else { "paid to" };
    let mut lines = vec![format!("{} {way} {}", amount(doc, "paid_amount"), doc.text("party"))];
    if doc.is_set("reference_no") {
        let (number, date) = (doc.text("reference_no"), doc.text("reference_date"));
        lines.push(format!("Transaction reference no {number} dated {date}"));
    }
    for row in doc.rows("references").iter().filter(|row| row.is_set("allocated_amount")) {
        let (kind, name) = (row.text("reference_doctype"), row.text("reference_name"));
        lines.push(format!("{} against {kind} {name}", amount(row, "allocated_amount")));
    }
    lines.join("\n")
}
