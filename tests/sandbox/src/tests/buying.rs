//! Orders, receipts and invoices of suppliers made from each other.

use serde_json::{Value, json};

use super::Bench;
use crate::Flavour;

/// An order of ten pieces, and what is made from it.
struct Purchase {
    bench: Bench,
    order: Value,
}

fn text(doc: &Value, field: &str) -> String {
    doc[field].as_str().unwrap().to_owned()
}

impl Purchase {
    fn new() -> Self {
        let mut bench = Bench::new(Flavour::V15_105);
        bench.ok("POST", "/api/resource/Supplier", json!({"supplier_name": "Sup"}));
        let item = json!({"item_code": "STK", "item_group": "Products", "stock_uom": "Nos"});
        bench.ok("POST", "/api/resource/Item", item);
        let order = json!({"supplier": "Sup", "company": "Bench Co", "schedule_date": "2026-12-24",
            "docstatus": 1, "items": [{"item_code": "STK", "qty": 10, "rate": 7}]});
        let order = bench.ok("POST", "/api/resource/Purchase Order", order);
        Self { bench, order }
    }

    /// A submitted document made from the order: its name.
    fn make(&mut self, doctype: &str, quantity: u32, rate: u32) -> String {
        let row = &self.order["items"][0]["name"];
        let body = json!({"supplier": "Sup", "company": "Bench Co", "docstatus": 1, "items": [
            {"item_code": "STK", "qty": quantity, "received_qty": quantity, "rate": rate,
             "purchase_order": self.order["name"], "purchase_order_item": row, "po_detail": row}]});
        let made = self.bench.ok("POST", &format!("/api/resource/{doctype}"), body);
        text(&made, "name")
    }

    fn read(&mut self, doctype: &str, name: &str) -> Value {
        self.bench.ok("GET", &format!("/api/resource/{doctype}/{name}"), json!(null))
    }

    fn order(&mut self) -> Value {
        let name = text(&self.order, "name");
        self.read("Purchase Order", &name)
    }

    fn cancel(&mut self, doctype: &str, name: &str) {
        let path = format!("/api/resource/{doctype}/{name}");
        self.bench.ok("PUT", &path, json!({"docstatus": 2}));
    }

    /// How many entries a document has in the general, the stock and the payment ledger.
    fn entries(&self, name: &str) -> [usize; 3] {
        ["GL Entry", "Stock Ledger Entry", "Payment Ledger Entry"]
            .map(|ledger| self.bench.site.rows_with(ledger, "voucher_no", name).len())
    }
}

#[test]
fn receipts_and_invoices_move_the_order_and_back() {
    let mut purchase = Purchase::new();
    let receipt = purchase.make("Purchase Receipt", 10, 7);
    assert_eq!(purchase.entries(&receipt), [2, 1, 0]);
    let order = purchase.order();
    assert_eq!((&order["status"], &order["per_received"]), (&json!("To Bill"), &json!(100.0)));
    let invoice = purchase.make("Purchase Invoice", 10, 7);
    assert_eq!(purchase.entries(&invoice), [2, 0, 1]);
    let order = purchase.order();
    assert_eq!((&order["status"], &order["per_billed"]), (&json!("Completed"), &json!(100.0)));
    let billed = purchase.read("Purchase Receipt", &receipt);
    assert_eq!((&billed["status"], &billed["per_billed"]), (&json!("Completed"), &json!(100.0)));
    purchase.cancel("Purchase Invoice", &invoice);
    purchase.cancel("Purchase Receipt", &receipt);
    let order = purchase.order();
    assert_eq!(order["status"], "To Receive and Bill");
    assert_eq!(order["items"][0]["received_qty"], 0.0);
    assert_eq!(order["items"][0]["billed_amt"], 0.0);
}

#[test]
fn an_invoice_of_the_order_bills_its_receipts_oldest_first() {
    let mut purchase = Purchase::new();
    let first = purchase.make("Purchase Receipt", 4, 7);
    purchase.make("Purchase Invoice", 5, 7);
    let second = purchase.make("Purchase Receipt", 4, 7);
    let first = purchase.read("Purchase Receipt", &first);
    let second = purchase.read("Purchase Receipt", &second);
    assert_eq!((&first["status"], &first["per_billed"]), (&json!("Completed"), &json!(100.0)));
    assert_eq!((&second["status"], &second["per_billed"]), (&json!("Partly Billed"), &json!(25.0)));
    assert_eq!(second["items"][0]["billed_amt"], 7.0);
}

#[test]
fn an_item_shows_its_latest_rate_and_moves_with_every_purchase() {
    let mut purchase = Purchase::new();
    let ordered = purchase.read("Item", "STK");
    assert_eq!(ordered["last_purchase_rate"], 7.0);
    let receipt = purchase.make("Purchase Receipt", 1, 9);
    let received = purchase.read("Item", "STK");
    assert_eq!(received["last_purchase_rate"], 9.0);
    assert_ne!(received["modified"], ordered["modified"]);
    purchase.cancel("Purchase Receipt", &receipt);
    assert_eq!(purchase.read("Item", "STK")["last_purchase_rate"], 7.0);
}

#[test]
fn an_order_that_was_received_cannot_be_cancelled() {
    let mut purchase = Purchase::new();
    purchase.make("Purchase Receipt", 1, 7);
    let path = format!("/api/resource/Purchase Order/{}", text(&purchase.order, "name"));
    let refused = purchase.bench.refused("PUT", &path, json!({"docstatus": 2}));
    assert_eq!(refused, (417, "LinkExistsError".to_owned()));
}

#[test]
fn a_receipt_works_out_what_was_received_before_it_fills_it_in() {
    let mut purchase = Purchase::new();
    let body = json!({"supplier": "Sup", "company": "Bench Co",
        "items": [{"item_code": "STK", "qty": 2, "rate": 7}]});
    let receipt = purchase.bench.ok("POST", "/api/resource/Purchase Receipt", body);
    assert_eq!(receipt["items"][0]["received_stock_qty"], 0.0);
    assert_eq!(receipt["items"][0]["received_qty"], 2.0);
    let path = format!("/api/resource/Purchase Receipt/{}", text(&receipt, "name"));
    let saved = purchase.bench.ok("PUT", &path, json!({}));
    assert_eq!(saved["items"][0]["received_stock_qty"], 2.0);
}

#[test]
fn a_row_makes_the_price_that_its_list_lacks_once() {
    let mut purchase = Purchase::new();
    let prices = |purchase: &Purchase| purchase.bench.site.documents("Item Price");
    let made = prices(&purchase);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].text("price_list"), "Standard Buying");
    assert_eq!(made[0].text("price_list_rate"), "7.0");
    purchase.make("Purchase Receipt", 1, 9);
    assert_eq!(prices(&purchase).len(), 1);
}

#[test]
fn a_discount_on_the_whole_is_spread_over_the_rows_to_the_last_cent() {
    let mut purchase = Purchase::new();
    let body = json!({"supplier": "Sup", "company": "Bench Co", "schedule_date": "2026-12-24",
        "apply_discount_on": "Net Total", "additional_discount_percentage": 5,
        "items": [{"item_code": "STK", "qty": 1, "rate": 3.33}, {"item_code": "STK", "qty": 1, "rate": 3.33},
                  {"item_code": "STK", "qty": 1, "rate": 3.34}]});
    let order = purchase.bench.ok("POST", "/api/resource/Purchase Order", body);
    assert_eq!(order["total"], 10.0);
    assert_eq!(order["discount_amount"], 0.5);
    assert_eq!(order["grand_total"], 9.5);
    let rows = order["items"].as_array().unwrap().iter();
    let shares: Vec<&Value> = rows.map(|row| &row["distributed_discount_amount"]).collect();
    assert_eq!(shares, [0.17, 0.17, 0.16]);
}

#[test]
fn what_is_made_from_another_document_names_it_and_moves_it() {
    let mut purchase = Purchase::new();
    let order = text(&purchase.order, "name");
    let mut made = |source: &str, name: &str, doctype: &str| {
        let mut values = purchase.bench.site.made_from(source, name, doctype).unwrap();
        values["docstatus"] = json!(1);
        let made = purchase.bench.ok("POST", &format!("/api/resource/{doctype}"), values);
        text(&made, "name")
    };
    let receipt = made("Purchase Order", &order, "Purchase Receipt");
    let invoice = made("Purchase Receipt", &receipt, "Purchase Invoice");
    let read = purchase.read("Purchase Invoice", &invoice)["items"][0].clone();
    assert_eq!(
        (&read["purchase_order"], &read["purchase_receipt"]),
        (&json!(order), &json!(receipt))
    );
    assert_eq!(purchase.order()["status"], "Completed");
    let now = purchase.bench.now;
    let payment = purchase.bench.site.payment_of("Purchase Invoice", &invoice, now);
    let payment = purchase.bench.ok("POST", "/api/resource/Payment Entry", payment);
    let name = text(&payment, "name");
    purchase.bench.ok(
        "PUT",
        &format!("/api/resource/Payment Entry/{name}"),
        json!({"docstatus": 1}),
    );
    assert_eq!(purchase.read("Purchase Invoice", &invoice)["status"], "Paid");
}
