//! Items and their prices.
//!
//! What lives here: what an item completes by itself, the prices it makes and keeps in step, the price
//! that there may be only once. What may not: stock.

use serde_json::json;

use crate::collate;
use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::save::InsertOptions;
use crate::site::{Context, Site};

/// The fields in which two prices of one item must differ somewhere.
const IDENTITY_OF_PRICE: [&str; 7] =
    ["item_code", "price_list", "uom", "valid_from", "valid_upto", "customer", "supplier"];

impl Site {
    /// What an item fills in: name, description, the row of its own unit, a default for the company.
    pub(crate) fn complete_item(
        &mut self,
        ctx: &Context,
        doc: &mut Doc,
        is_new: bool,
    ) -> Outcome<()> {
        if !doc.is_set("item_name") {
            doc.set("item_name", doc.get("item_code").clone());
        }
        if !doc.is_set("description") {
            doc.set("description", doc.get("item_name").clone());
        }
        let own = doc.get("stock_uom").clone();
        if !doc.rows("uoms").iter().any(|row| row.get("uom") == &own) {
            let values = [("uom", own.clone()), ("conversion_factor", json!(1))];
            self.add_row(ctx, doc, "uoms", "UOM Conversion Detail", &values);
        }
        check_units(doc)?;
        if is_new && doc.rows("item_defaults").is_empty() {
            self.add_item_default(ctx, doc);
        }
        Ok(())
    }

    fn add_item_default(&mut self, ctx: &Context, doc: &mut Doc) {
        let Some(company) = self.documents("Company").into_iter().next() else {
            return;
        };
        let stores = format!("Stores - {}", company.text("abbr"));
        let values = [("company", json!(company.name())), ("default_warehouse", json!(stores))];
        self.add_row(ctx, doc, "item_defaults", "Item Default", &values);
    }

    /// A new item with a rate gets a price, one with stock is put into the warehouse; a later save
    /// does neither.
    pub(crate) fn after_new_item(&mut self, ctx: &mut Context, item: &Doc) -> Outcome<()> {
        if item.number("standard_rate") != 0.0 {
            self.make_standard_price(ctx, item)?;
        }
        if item.number("opening_stock") != 0.0 {
            self.enter_opening_stock(ctx, item)?;
        }
        Ok(())
    }

    fn make_standard_price(&mut self, ctx: &mut Context, item: &Doc) -> Outcome<()> {
        let mut price = Doc::new("Item Price");
        price.set("item_code", item.name());
        price.set("uom", item.get("stock_uom").clone());
        price.set("price_list", "Standard Selling");
        price.set("price_list_rate", item.get("standard_rate").clone());
        self.insert(ctx, price, &InsertOptions::default()).map(|_| ())
    }

    /// A row with a rate, for an item that the price list does not have, makes its price.
    pub(super) fn make_missing_prices(
        &mut self,
        ctx: &mut Context,
        party: &str,
        doc: &Doc,
    ) -> Outcome<()> {
        let field = if party == "supplier" { "buying_price_list" } else { "selling_price_list" };
        let list = doc.text(field);
        for row in doc.rows("items").iter().filter(|row| row.is_new && row.number("rate") > 0.0) {
            let item = row.text("item_code");
            let is_listed = self
                .prices_of(&item)
                .iter()
                .any(|price| collate::same(&price.text("price_list"), &list));
            if list.is_empty() || is_listed || !self.exists("Item", &item) {
                continue;
            }
            let mut price = Doc::new("Item Price");
            price.set("item_code", item);
            price.set("price_list", list.as_str());
            price.set("uom", row.get("stock_uom").clone());
            price.set("price_list_rate", row.get("rate").clone());
            self.insert(ctx, price, &InsertOptions::default())?;
        }
        Ok(())
    }

    /// The prices of an item carry its name and description; their `modified` does not move.
    pub(crate) fn retitle_prices(&mut self, item: &Doc) {
        for price in self.prices_of(&item.name()) {
            for (column, source) in
                [("item_name", "item_name"), ("item_description", "description")]
            {
                let text = item.text(source);
                self.set_hidden("Item Price", &price.name(), column, &text);
            }
        }
    }

    /// The prices of an item.
    pub(crate) fn prices_of(&self, item: &str) -> Vec<Doc> {
        let mut prices = self.documents("Item Price");
        prices.retain(|price| collate::same(&price.text("item_code"), item));
        prices
    }

    /// Refuses a price of nothing, and a second price for the same.
    pub(crate) fn check_price(&self, doc: &Doc) -> Outcome<()> {
        let item = doc.text("item_code");
        if !self.exists("Item", &item) {
            return Err(Failure::validation(&format!("Item {item} not found.")));
        }
        let is_same = |other: &Doc| {
            let fields = IDENTITY_OF_PRICE.iter();
            other.name() != doc.name()
                && fields.clone().all(|f| collate::same(&other.text(f), &doc.text(f)))
        };
        if !self.documents("Item Price").iter().any(is_same) {
            return Ok(());
        }
        let text = "Item Price appears multiple times based on Price List, Supplier/Customer, Currency, Item, Batch, UOM, Qty, and Dates.";
        let mut failure = Failure::thrown(417, "ItemPriceDuplicateItem", text);
        failure.exception = Some(format!(
            "erpnext.stock.doctype.item_price.item_price.ItemPriceDuplicateItem: {text}"
        ));
        Err(failure)
    }
}

/// Each unit once, and the item's own with the factor 1.
fn check_units(item: &Doc) -> Outcome<()> {
    let mut seen: Vec<String> = Vec::new();
    for row in item.rows("uoms") {
        let unit = row.text("uom");
        if seen.contains(&unit) {
            return Err(Failure::validation(&format!(
                "Unit of Measure {unit} has been entered more than once in Conversion Factor Table"
            )));
        }
        let factor = row.number("conversion_factor");
        if unit == item.text("stock_uom") && (factor - 1.0).abs() > f64::EPSILON {
            return Err(Failure::validation(&format!(
                "Conversion factor for default Unit of Measure must be 1 in row {}",
                row.text("idx")
            )));
        }
        seen.push(unit);
    }
    Ok(())
}
