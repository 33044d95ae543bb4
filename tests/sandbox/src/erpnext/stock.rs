//! Stock entries: what comes into a warehouse and what leaves it without a party.
//!
//! What lives here: their amounts and entries, and the one that an Item's opening stock makes. What
//! may not: deliveries and receipts from a party.

use serde_json::json;

use super::ledger::{Entries, Move};
use super::totals::cents;
use crate::doc::Doc;
use crate::failure::Outcome;
use crate::save::InsertOptions;
use crate::site::{Context, Site};
use crate::value;

impl Site {
    /// Amounts and the posting time of a draft.
    pub(super) fn prepare_stock_entry(&mut self, ctx: &Context, doc: &mut Doc) {
        self.set_posting_now(ctx, doc);
        let purpose = doc.text("stock_entry_type");
        doc.set("purpose", purpose);
        let (mut incoming, mut outgoing) = (0.0, 0.0);
        for row in doc.tables.get_mut("items").into_iter().flatten() {
            let item = row.text("item_code");
            for (field, source) in [("item_name", "item_name"), ("uom", "stock_uom")] {
                if !row.is_set(field) {
                    let value = self.value_of("Item", &item, source);
                    row.set(field, value);
                }
            }
            let amount = cents(row.number("qty") * row.number("basic_rate"));
            let transferred = row.get("qty").clone();
            row.set("transfer_qty", transferred);
            for field in ["basic_amount", "amount"] {
                row.set(field, value::float(amount));
            }
            let here = row.text("t_warehouse");
            let place = if here.is_empty() { row.text("s_warehouse") } else { here };
            row.set("actual_qty", value::float(self.stock_of(&item, &place).0));
            if row.is_set("t_warehouse") {
                incoming += amount;
            }
            if row.is_set("s_warehouse") {
                outgoing += amount;
            }
        }
        for (field, number) in [
            ("total_incoming_value", incoming),
            ("total_outgoing_value", outgoing),
            ("value_difference", incoming - outgoing),
            ("total_amount", incoming.max(outgoing)),
        ] {
            doc.set(field, value::float(cents(number)));
        }
    }

    pub(super) fn stock_entries(&self, doc: &Doc) -> Entries {
        let mut moves = Vec::new();
        for row in doc.rows("items") {
            let sides = [("s_warehouse", -1.0, None), ("t_warehouse", 1.0, Some("basic_rate"))];
            for (field, sign, rate) in sides {
                if row.is_set(field) {
                    moves.push(Move {
                        row: row.name(),
                        item: row.text("item_code"),
                        warehouse: row.text(field),
                        quantity: sign * row.number("qty"),
                        rate: rate.map(|rate| row.number(rate)),
                    });
                }
            }
        }
        let accounts = ["Stock In Hand", "Stock Adjustment"];
        let valued = Some(accounts.map(|account| self.of_company(doc, account)));
        Entries { moves, valued, ..Entries::default() }
    }

    /// A new item that is said to be in stock already is put there.
    pub(crate) fn enter_opening_stock(&mut self, ctx: &mut Context, item: &Doc) -> Outcome<()> {
        let company = self.documents("Company").first().map(Doc::name).unwrap_or_default();
        let mut entry = Doc::new("Stock Entry");
        entry.set("naming_series", "MAT-STE-.YYYY.-");
        entry.set("stock_entry_type", "Material Receipt");
        entry.set("company", company);
        entry.set("docstatus", 1);
        let mut row = Doc::new("Stock Entry Detail");
        let rate = match item.number("valuation_rate") {
            0.0 => item.get("standard_rate").clone(),
            rate => value::float(rate),
        };
        for (field, value) in [
            ("item_code", json!(item.name())),
            ("qty", item.get("opening_stock").clone()),
            ("basic_rate", rate),
            ("t_warehouse", json!(self.of_company(&entry, "Stores"))),
            ("idx", json!(1)),
        ] {
            row.set(field, value);
        }
        entry.tables.insert("items".into(), vec![row]);
        self.insert(ctx, entry, &InsertOptions::default()).map(|_| ())
    }
}
