//! The three ledgers: general, payment, stock.
//!
//! What lives here: writing the entries of a submitted document, reversing them, and what they add
//! up to. What may not: which entries a doctype makes (`selling`, `payment`).

use serde_json::{Value, json};

use super::refusal;
use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::site::{Context, Site};
use crate::value;

/// The doctypes that only the site itself writes. A document they name can be cancelled.
pub(crate) const LEDGERS: [&str; 3] = ["GL Entry", "Payment Ledger Entry", "Stock Ledger Entry"];

/// One line of the general ledger; a negative amount is a credit.
pub(super) struct Line {
    pub account: String,
    pub amount: f64,
    /// The customer or supplier: doctype and name.
    pub party: Option<(String, String)>,
    /// The document it settles.
    pub against: Option<(String, String)>,
}

/// Items that come in (a positive quantity) or go out.
pub(super) struct Move {
    pub row: String,
    pub item: String,
    pub warehouse: String,
    pub quantity: f64,
    /// What one piece cost; what goes out goes at what the stock is worth.
    pub rate: Option<f64>,
}

/// What a document enters.
#[derive(Default)]
pub(super) struct Entries {
    pub lines: Vec<Line>,
    pub moves: Vec<Move>,
    /// The accounts that take the value of what comes in or goes out: stock and its opposite.
    pub valued: Option<[String; 2]>,
}

/// What an invoice or its return is set against: itself, or the invoice that comes back.
pub(super) fn settled(doc: &Doc) -> (String, String) {
    let returned = doc.text("return_against");
    let is_return = doc.is_set("is_return") && !returned.is_empty();
    (doc.doctype.clone(), if is_return { returned } else { doc.name() })
}

impl Site {
    /// The rows of stocked items, each with its quantity and rate as `moved` gives them, and the two
    /// accounts that take their value.
    pub(super) fn stock_of_rows(
        &self,
        doc: &Doc,
        accounts: [&str; 2],
        moved: impl Fn(&Doc) -> (f64, Option<f64>),
    ) -> Entries {
        let stocked =
            doc.rows("items").iter().filter(|row| self.is_stocked(&row.text("item_code")));
        let moves = stocked.map(|row| {
            let (quantity, rate) = moved(row);
            let (item, warehouse) = (row.text("item_code"), row.text("warehouse"));
            Move { row: row.name(), item, warehouse, quantity, rate }
        });
        let moves = moves.collect();
        let valued = Some(accounts.map(|account| self.of_company(doc, account)));
        Entries { moves, valued, ..Entries::default() }
    }

    /// The entries of a document, by its doctype.
    fn entries(&self, doc: &Doc) -> Entries {
        match doc.doctype.as_str() {
            "Delivery Note" => self.delivery_entries(doc),
            "Sales Invoice" => self.sale_entries(doc),
            "Payment Entry" => Self::payment_entries(doc),
            "Journal Entry" => Self::journal_entries(doc),
            "Stock Entry" => self.stock_entries(doc),
            "Purchase Receipt" => self.receipt_entries(doc),
            "Purchase Invoice" => self.purchase_entries(doc),
            _ => Entries::default(),
        }
    }

    /// Enters a submitted document. Stock comes first: where there is not enough of it nothing
    /// else is entered.
    pub(super) fn enter_ledgers(&mut self, ctx: &Context, doc: &Doc) -> Outcome<()> {
        let mut entries = self.entries(doc);
        let mut worth = 0.0;
        for moved in &entries.moves {
            worth += self.enter_stock(ctx, doc, moved)?;
        }
        if let Some([stock, opposite]) = entries.valued.take()
            && worth != 0.0
        {
            for (account, amount) in [(stock, worth), (opposite, -worth)] {
                entries.lines.push(Line { account, amount, party: None, against: None });
            }
        }
        for line in &entries.lines {
            self.enter_line(ctx, doc, line);
            self.enter_due(ctx, doc, line);
        }
        self.restate_invoices(ctx, doc, &entries.lines);
        Ok(())
    }

    /// Enters what moved; gives what it is worth.
    fn enter_stock(&mut self, ctx: &Context, doc: &Doc, moved: &Move) -> Outcome<f64> {
        let (quantity, value) = self.stock_of(&moved.item, &moved.warehouse);
        let own = if quantity > 0.0 { value / quantity } else { 0.0 };
        let rate = moved.rate.unwrap_or(own);
        let worth = super::totals::cents(moved.quantity * rate);
        self.enter(
            ctx,
            "Stock Ledger Entry",
            doc,
            &[
                ("item_code", json!(moved.item)),
                ("warehouse", json!(moved.warehouse)),
                ("posting_time", doc.get("posting_time").clone()),
                ("voucher_detail_no", json!(moved.row)),
                ("actual_qty", value::float(moved.quantity)),
                ("incoming_rate", value::float(if moved.quantity > 0.0 { rate } else { 0.0 })),
                ("valuation_rate", value::float(rate)),
                ("stock_value_difference", value::float(worth)),
            ],
        );
        let short = -(quantity + moved.quantity);
        if short > 0.0 { Err(self.not_enough(doc, moved, short)) } else { Ok(worth) }
    }

    fn not_enough(&self, doc: &Doc, moved: &Move, short: f64) -> Failure {
        let name = value::to_text(&self.value_of("Item", &moved.item, "item_name"));
        let shown = if self.is_newer() && name != moved.item {
            format!("Item {}: {name}", moved.item)
        } else {
            format!("Item {name}")
        };
        let anchor = |doctype: &str, name: &str, shown: &str| {
            let name = if self.is_newer() { name.replace(' ', "%20") } else { name.to_owned() };
            format!(
                "<a href=\"/app/Form/{doctype}/{name}\" style=\"font-weight: bold;\">{shown}</a>"
            )
        };
        let mut text = format!(
            "<strong>{}</strong> units of {} needed in {}",
            value::python_float(short),
            anchor("Item", &moved.item, &shown),
            anchor("Warehouse", &moved.warehouse, &format!("Warehouse {}", moved.warehouse)),
        );
        // Where the document itself is being saved, and not inserted, it is not named.
        if doc.is_new {
            let time = value::Kind::Time;
            let time = time.store(doc.get("posting_time")).map(|cell| time.show(&cell));
            let title = if doc.is_set("title") { doc.text("title") } else { doc.name() };
            let named = anchor(&doc.doctype, &doc.name(), &format!("{} {title}", doc.doctype));
            let (date, time) =
                (doc.text("posting_date"), value::to_text(&time.unwrap_or_default()));
            text = format!("{text} on {date} {time} for {named}");
        }
        let text = format!("{text} to complete this transaction.");
        refusal("stock.stock_ledger", "NegativeStockError", &text, "Insufficient Stock")
    }

    fn enter_line(&mut self, ctx: &Context, doc: &Doc, line: &Line) {
        let (party_type, party) = line.party.clone().unwrap_or_default();
        let (against_type, against) = line.against.clone().unwrap_or_default();
        let values = [
            ("account", json!(line.account)),
            ("party_type", json!(party_type)),
            ("party", json!(party)),
            ("cost_center", json!(self.of_company(doc, "Main"))),
            ("debit", value::float(line.amount.max(0.0))),
            ("credit", value::float((-line.amount).max(0.0))),
            ("against_voucher_type", json!(against_type)),
            ("against_voucher", json!(against)),
            ("remarks", doc.get("remarks").clone()),
        ];
        self.enter(ctx, "GL Entry", doc, &values);
    }

    /// What a line with a party makes due, or settles.
    fn enter_due(&mut self, ctx: &Context, doc: &Doc, line: &Line) {
        let Some((party_type, party)) = line.party.clone() else {
            return;
        };
        let owed = party_type == "Customer";
        let own = || (doc.doctype.clone(), doc.name());
        let (against_type, against) = line.against.clone().unwrap_or_else(own);
        let values = [
            ("account_type", json!(if owed { "Receivable" } else { "Payable" })),
            ("account", json!(line.account)),
            ("party_type", json!(party_type)),
            ("party", json!(party)),
            ("against_voucher_type", json!(against_type)),
            ("against_voucher_no", json!(against)),
            ("amount", value::float(if owed { line.amount } else { -line.amount })),
        ];
        self.enter(ctx, "Payment Ledger Entry", doc, &values);
    }

    /// Writes an entry of a document into a ledger.
    fn enter(&mut self, ctx: &Context, ledger: &str, doc: &Doc, values: &[(&str, Value)]) {
        let mut entry = Doc::new(ledger);
        for (field, value) in values {
            entry.set(field, value.clone());
        }
        for field in ["company", "posting_date"] {
            entry.set(field, doc.get(field).clone());
        }
        entry.set("voucher_type", doc.doctype.as_str());
        entry.set("voucher_no", doc.name());
        self.write_entry(ctx, entry);
    }

    fn write_entry(&mut self, ctx: &Context, mut entry: Doc) {
        let name = self.free_hash(&entry.doctype);
        let stamp = self.stamp(ctx.started);
        entry.set("name", name);
        entry.set("docstatus", 1);
        for field in ["creation", "modified"] {
            entry.set(field, stamp.as_str());
        }
        for field in ["owner", "modified_by"] {
            entry.set(field, ctx.user.as_str());
        }
        // An entry is made of checked values.
        self.write_row(&entry).ok();
    }

    /// Reverses the entries of a cancelled document: each is marked, and its opposite is entered.
    pub(super) fn reverse_ledgers(&mut self, ctx: &Context, doc: &Doc) {
        let mut lines = Vec::new();
        for ledger in LEDGERS {
            let mark = if ledger == "Payment Ledger Entry" { "delinked" } else { "is_cancelled" };
            for mut entry in self.entries_of(ledger, doc) {
                self.set_columns(ledger, &entry.name(), &[(mark, json!(1))]);
                entry.set(mark, 1);
                if ledger == "Payment Ledger Entry" {
                    let against =
                        (entry.text("against_voucher_type"), entry.text("against_voucher_no"));
                    lines.push(Line {
                        account: entry.text("account"),
                        amount: 0.0,
                        party: None,
                        against: Some(against),
                    });
                }
                for field in ["amount", "actual_qty", "stock_value_difference"] {
                    let number = -entry.number(field);
                    entry.set(field, value::float(number));
                }
                let (debit, credit) = (entry.get("debit").clone(), entry.get("credit").clone());
                entry.set("debit", credit);
                entry.set("credit", debit);
                self.write_entry(ctx, entry);
            }
        }
        self.restate_invoices(ctx, doc, &lines);
    }

    /// The living entries of a document in a ledger.
    pub(super) fn entries_of(&self, ledger: &str, doc: &Doc) -> Vec<Doc> {
        let mut entries = self.rows_with(ledger, "voucher_no", &doc.name());
        entries.retain(|entry| {
            entry.text("voucher_type") == doc.doctype
                && !entry.is_set("is_cancelled")
                && !entry.is_set("delinked")
        });
        entries
    }

    /// How much of an item a warehouse has, and what it is worth.
    pub(crate) fn stock_of(&self, item: &str, warehouse: &str) -> (f64, f64) {
        let entries = self.rows_with("Stock Ledger Entry", "item_code", item);
        entries.iter().filter(|entry| entry.text("warehouse") == warehouse).fold(
            (0.0, 0.0),
            |(quantity, value), entry| {
                let worth = entry.number("stock_value_difference");
                (quantity + entry.number("actual_qty"), value + worth)
            },
        )
    }

    /// True when an item is kept in stock.
    pub(super) fn is_stocked(&self, item: &str) -> bool {
        value::is_truthy(&self.value_of("Item", item, "is_stock_item"))
    }
}
