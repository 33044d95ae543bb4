//! Rows, amounts, totals and payment schedules of documents made of items.
//!
//! What lives here: what a document works out of its own rows and the masters they name. What may
//! not: other documents (`origins`), ledgers.

use serde_json::{Value, json};

use super::book::Rules;
use super::refusal;
use super::words::in_words;
use crate::collate;
use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::site::{Context, Site};
use crate::value;

impl Site {
    /// What the head of a new document takes from its party and its company.
    pub(super) fn fill_head(&self, rules: &Rules, doc: &mut Doc) {
        if rules.doctype == "Quotation" {
            let (kind, party) = (doc.text("quotation_to"), doc.text("party_name"));
            let field = if kind == "Lead" { "lead_name" } else { "customer_name" };
            let name = self.value_of(&kind, &party, field);
            doc.set("customer_name", name);
        }
        if !rules.title_from.is_empty() && !doc.is_set("title") {
            let title = doc.get(rules.title_from).clone();
            doc.set("title", title);
        }
        for (field, name) in [("debit_to", "Debtors"), ("credit_to", "Creditors")] {
            let has_field =
                self.meta(rules.doctype).is_some_and(|meta| meta.field(field).is_some());
            if has_field && !doc.is_set(field) {
                let account = self.of_company(doc, name);
                doc.set(field, account);
            }
        }
        if rules.doctype == "Sales Invoice" {
            let income = self.of_company(doc, "Sales");
            doc.set("against_income_account", income);
            if doc.docstatus() == 1 && !doc.is_set("remarks") {
                doc.set("remarks", "No Remarks");
            }
        }
    }

    /// What rows take from their items and from the price list.
    pub(super) fn fill_rows(&self, rules: &Rules, doc: &mut Doc) {
        let list = doc.text(if rules.party == "supplier" {
            "buying_price_list"
        } else {
            "selling_price_list"
        });
        let (date, delivery) = (doc.text(rules.date), doc.get("delivery_date").clone());
        let places = [
            ("warehouse", self.of_company(doc, "Stores")),
            ("cost_center", self.of_company(doc, "Main")),
            ("income_account", self.of_company(doc, "Sales")),
            ("expense_account", self.of_company(doc, "Cost of Goods Sold")),
        ];
        let Some(meta) = self.meta(rules.rows) else {
            return;
        };
        for row in doc.tables.get_mut("items").into_iter().flatten() {
            let item = row.text("item_code");
            for (field, source) in [
                ("item_name", "item_name"),
                ("description", "description"),
                ("item_group", "item_group"),
                ("stock_uom", "stock_uom"),
                ("uom", "stock_uom"),
            ] {
                if !row.is_set(field) {
                    let value = self.value_of("Item", &item, source);
                    row.set(field, value);
                }
            }
            if !row.is_set("conversion_factor") {
                row.set("conversion_factor", 1);
            }
            for (field, name) in &places {
                if meta.field(field).is_some() && !row.is_set(field) && !item.is_empty() {
                    row.set(field, name.as_str());
                }
            }
            if rules.doctype == "Sales Order" && row.is_new && !row.is_set("delivery_date") {
                row.set("delivery_date", delivery.clone());
            }
            if row.get("price_list_rate").is_null() {
                let price = self.price_of(&item, &list, &date);
                row.set("price_list_rate", value::float(price));
            }
            if row.number("use_serial_batch_fields") > 0.0 && *row.get("batch_no") == "" {
                let price = self.price_of(&item, &list, &date);
                set_all(row, &["price_list_rate", "rate"], &value::float(price));
            }
            self.fill_stock(&meta.name, row);
        }
    }

    /// The price of an item on a day.
    fn price_of(&self, item: &str, list: &str, date: &str) -> f64 {
        let prices = self.rows_with("Item Price", "item_code", item);
        let valid = prices.iter().find(|price| {
            collate::same(&price.text("price_list"), list)
                && price.text("valid_from").as_str() <= date
        });
        valid.map_or(0.0, |price| price.number("price_list_rate"))
    }

    /// Some units are not divided.
    pub(super) fn check_whole(&self, doc: &Doc) -> Outcome<()> {
        for row in doc.rows("items") {
            let (unit, quantity) = (row.text("uom"), row.number("qty"));
            if quantity.fract() != 0.0
                && value::is_truthy(&self.value_of("UOM", &unit, "must_be_whole_number"))
            {
                let text = format!(
                    "Row {}: Quantity ({}) cannot be a fraction. To allow this, disable '<strong>Must be Whole Number</strong>' in UOM <strong>{unit}</strong>.",
                    row.text("idx"),
                    value::python_float(quantity)
                );
                let class = "UOMMustBeIntegerError";
                return Err(refusal("utilities.transaction_base", class, &text, "Message"));
            }
        }
        Ok(())
    }

    /// What the site's own stock says of a row: these fields differ between any two sites.
    fn fill_stock(&self, child: &str, row: &mut Doc) {
        let meta = self.meta(child);
        let has = |field: &str| meta.as_ref().is_some_and(|meta| meta.field(field).is_some());
        let (quantity, value) = self.stock_of(&row.text("item_code"), &row.text("warehouse"));
        for field in ["actual_qty", "projected_qty"] {
            if has(field) {
                row.set(field, value::float(quantity));
            }
        }
        let rate = if quantity > 0.0 { value / quantity } else { 0.0 };
        for field in ["valuation_rate", "incoming_rate"] {
            if has(field) {
                row.set(field, value::float(rate));
            }
        }
    }

    /// An invoice is not due before it is posted.
    pub(super) fn check_due(rules: &Rules, doc: &Doc) -> Outcome<()> {
        let is_early = rules.due_from == "due_date"
            && doc.is_set("due_date")
            && doc.text("due_date") < doc.text(rules.date);
        if is_early {
            let text = "Due Date cannot be before Posting / Supplier Invoice Date";
            return Err(Failure::validation(text));
        }
        Ok(())
    }

    /// A document without a payment schedule gets one row; amounts follow the total.
    pub(super) fn fill_schedule(&mut self, ctx: &Context, rules: &Rules, doc: &mut Doc) {
        if rules.due_from.is_empty() {
            return;
        }
        if rules.due_from == "due_date" && !doc.is_set("due_date") {
            let date = doc.get(rules.date).clone();
            doc.set("due_date", date);
        }
        if doc.rows("payment_schedule").is_empty() {
            let due = doc.get(rules.due_from).clone();
            let values = [("due_date", due), ("invoice_portion", json!(100))];
            self.add_row(ctx, doc, "payment_schedule", "Payment Schedule", &values);
        }
        let total = doc.number("grand_total");
        for row in doc.tables.get_mut("payment_schedule").into_iter().flatten() {
            let amount = cents(total * row.number("invoice_portion") / 100.0);
            for field in
                ["payment_amount", "base_payment_amount", "outstanding", "base_outstanding"]
            {
                row.set(field, value::float(amount));
            }
        }
    }
}

/// Works out the amounts of the rows, the taxes and the totals of a document.
pub(super) fn total(doc: &mut Doc) {
    let (mut total, mut total_qty) = (0.0, 0.0);
    for row in doc.tables.get_mut("items").into_iter().flatten() {
        total += total_row(row);
        total_qty += row.number("qty");
    }
    let total = cents(total);
    let net = discount(doc, total);
    let grand_total = total_taxes(doc, net);
    let taxes = cents(grand_total - net);
    for (fields, number) in [
        (&["total_qty"] as &[&str], total_qty),
        (&["total", "base_total"], total),
        (&["net_total", "base_net_total"], net),
        (&["total_taxes_and_charges", "base_total_taxes_and_charges"], taxes),
        (&["grand_total", "base_grand_total", "rounded_total", "base_rounded_total"], grand_total),
    ] {
        set_all(doc, fields, &value::float(number));
    }
    let words = in_words(&doc.text("currency"), grand_total);
    set_all(doc, &["in_words", "base_in_words"], &json!(words));
    doc.set("amount_eligible_for_commission", value::float(net));
}

/// Spreads the discount on the whole document over its rows; gives what is left.
fn discount(doc: &mut Doc, total: f64) -> f64 {
    let of = match doc.text("apply_discount_on").as_str() {
        "Net Total" => total,
        _ => total_taxes(doc, total),
    };
    let percentage = doc.number("additional_discount_percentage");
    let discount = match percentage {
        0.0 => doc.number("discount_amount"),
        share => cents(of * share / 100.0),
    };
    if discount == 0.0 || of == 0.0 {
        return total;
    }
    set_all(doc, &["discount_amount", "base_discount_amount"], &value::float(discount));
    let net = cents(total - total * discount / of);
    let mut left = cents(total - net);
    let rows = doc.tables.get_mut("items").map_or(&mut [] as &mut [Doc], Vec::as_mut_slice);
    let last = rows.len().saturating_sub(1);
    for (at, row) in rows.iter_mut().enumerate() {
        let amount = row.number("amount");
        let share = if at == last { left } else { cents(amount * discount / of) };
        left = cents(left - share);
        row.set("distributed_discount_amount", value::float(share));
        let net = value::float(cents(amount - share));
        set_all(row, &["net_amount", "base_net_amount"], &net);
        if row.number("qty") != 0.0 {
            let rate = value::float((amount - share) / row.number("qty"));
            set_all(row, &["net_rate", "base_net_rate"], &rate);
        }
    }
    net
}

/// The amount of a row. A rate that is given wins over discounts; without one it is the list price
/// less the discount.
fn total_row(row: &mut Doc) -> f64 {
    let price = row.number("price_list_rate");
    if !row.is_set("rate") && price > 0.0 {
        let rate = price * (1.0 - row.number("discount_percentage") / 100.0);
        row.set("rate", value::float(cents(rate)));
    }
    let (quantity, rate) = (row.number("qty"), cents(row.number("rate")));
    row.set("rate", value::float(rate));
    if price > 0.0 {
        row.set("discount_amount", value::float(price - rate));
    }
    let stock_qty = quantity * row.number("conversion_factor");
    let amount = cents(quantity * rate);
    row.set("stock_qty", value::float(stock_qty));
    row.set("base_price_list_rate", value::float(price));
    set_all(row, &["base_rate", "net_rate", "base_net_rate"], &value::float(rate));
    let amounts = ["amount", "base_amount", "net_amount", "base_net_amount"];
    set_all(row, &amounts, &value::float(amount));
    let profit = amount - row.number("valuation_rate") * stock_qty;
    row.set("gross_profit", value::float(cents(profit)));
    amount
}

/// The amounts of the tax rows; gives the total with them.
fn total_taxes(doc: &mut Doc, net: f64) -> f64 {
    let mut running = net;
    for row in doc.tables.get_mut("taxes").into_iter().flatten() {
        let amount = match row.text("charge_type").as_str() {
            "On Net Total" => cents(net * row.number("rate") / 100.0),
            _ => row.number("tax_amount"),
        };
        running = cents(running + amount);
        set_all(row, &["tax_amount", "base_tax_amount"], &value::float(amount));
        set_all(row, &["total", "base_total"], &value::float(running));
    }
    running
}

/// Sets fields; what the doctype has no column for is never stored and never answered.
fn set_all(doc: &mut Doc, fields: &[&str], value: &Value) {
    for field in fields {
        doc.set(field, value.clone());
    }
}

/// Rounded as money is.
pub(super) fn cents(number: f64) -> f64 {
    format!("{number:.2}").parse().unwrap_or(number)
}
