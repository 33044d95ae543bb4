//! Filling a site with documents.
//!
//! What lives here: many plain documents over several natural-named doctypes. What may not:
//! randomness that is not the site's own.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::failure::Outcome;
use crate::site::{Context, Site};

/// The doctypes that get documents, in turn.
pub const SEEDED: [&str; 5] = ["Customer", "Item", "Supplier", "Brand", "UOM"];

/// Every so manieth document differs between the sides when they are to differ.
const DIFFERENT: usize = 10;

impl Site {
    /// Makes documents; `variant` 0 everywhere makes the same ones on every site, another number
    /// changes one in ten and leaves one in ten out. Gives the number made.
    ///
    /// # Errors
    /// When a document is refused.
    pub fn seed_documents(&mut self, count: usize, variant: u32, now: Timestamp) -> Outcome<usize> {
        let mut made = 0;
        for number in 0..count {
            let own = variant > 0 && number % DIFFERENT == DIFFERENT - 1;
            let doctype = SEEDED[number % SEEDED.len()];
            let mut values = seeded(doctype, number);
            if own {
                let name = named(doctype, &format!("Only {} {number}", self.name));
                values.extend(name);
            } else if variant > 0 && number % DIFFERENT == DIFFERENT / 2 {
                let note = json!(format!("changed on {}", self.name));
                values.insert(note_field(doctype).to_owned(), note);
            }
            let at = now
                .checked_sub(SignedDuration::from_secs(
                    i64::try_from(count - number).unwrap_or(0) * 7,
                ))
                .unwrap_or(now);
            let mut ctx = Context::internal("Administrator", at);
            self.create(&mut ctx, doctype, &values)?;
            made += 1;
        }
        self.store.commit();
        Ok(made)
    }
}

fn note_field(doctype: &str) -> &'static str {
    match doctype {
        "Customer" => "customer_details",
        "Supplier" => "supplier_details",
        "UOM" => "common_code",
        _ => "description",
    }
}

fn named(doctype: &str, name: &str) -> Map<String, Value> {
    let field = match doctype {
        "Customer" => "customer_name",
        "Supplier" => "supplier_name",
        "Item" => "item_code",
        "Brand" => "brand",
        _ => "uom_name",
    };
    Map::from_iter([(field.to_owned(), json!(name))])
}

fn seeded(doctype: &str, number: usize) -> Map<String, Value> {
    let mut values = named(doctype, &format!("{doctype} {number:06}"));
    let more = match doctype {
        "Customer" => json!({
            "customer_group": "Commercial",
            "territory": "United States",
            "website": format!("https://c{number}.example.com"),
            "credit_limits": [{"company": "Bench Co", "credit_limit": 1000 + number}],
        }),
        "Item" => json!({
            "item_group": "Products",
            "stock_uom": "Nos",
            "description": format!("Item number {number}"),
            "weight_per_unit": 1.5,
        }),
        "Supplier" => json!({ "supplier_group": "Local", "tax_id": format!("S-{number}") }),
        "Brand" => json!({ "description": format!("Brand number {number}") }),
        _ => json!({ "common_code": format!("U{number}") }),
    };
    if let Value::Object(more) = more {
        values.extend(more);
    }
    values
}
