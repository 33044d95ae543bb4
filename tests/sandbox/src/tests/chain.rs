//! Orders, deliveries, invoices and payments made from each other.

use serde_json::{Value, json};

use super::Bench;
use crate::Flavour;

const FLAVOURS: [Flavour; 2] = [Flavour::V15_55, Flavour::V15_105];

/// A chain of documents made from each other.
struct Chain {
    bench: Bench,
    order: Value,
    delivery: String,
    invoice: String,
    payment: String,
}

fn resource(doctype: &str, name: &str) -> String {
    format!("/api/resource/{doctype}/{name}")
}

fn text(doc: &Value, field: &str) -> String {
    doc[field].as_str().unwrap().to_owned()
}

impl Bench {
    fn get(&mut self, doctype: &str, name: &str) -> Value {
        self.ok("GET", &resource(doctype, name), json!(null))
    }

    fn put(&mut self, doctype: &str, name: &str, body: Value) -> Value {
        self.ok("PUT", &resource(doctype, name), body)
    }

    fn post(&mut self, doctype: &str, body: Value) -> Value {
        self.ok("POST", &format!("/api/resource/{doctype}"), body)
    }

    /// How many entries a document has in the general, the stock and the payment ledger.
    fn entries(&self, name: &str) -> [usize; 3] {
        ["GL Entry", "Stock Ledger Entry", "Payment Ledger Entry"]
            .map(|ledger| self.site.rows_with(ledger, "voucher_no", name).len())
    }

    /// A site with a customer and an item of which there are 100 in stock.
    fn stocked(flavour: Flavour) -> Self {
        let mut bench = Self::new(flavour);
        bench.post("Customer", json!({"customer_name": "Acme"}));
        let item = json!({"item_code": "STK", "item_name": "Thing", "item_group": "Products",
            "stock_uom": "Nos", "valuation_rate": 30, "opening_stock": 100});
        bench.post("Item", item);
        bench
    }
}

impl Chain {
    fn new(flavour: Flavour) -> Self {
        let mut bench = Bench::stocked(flavour);
        let order = json!({"customer": "Acme", "company": "Bench Co", "delivery_date": "2026-12-24",
            "docstatus": 1, "items": [{"item_code": "STK", "qty": 4, "rate": 50}]});
        let order = bench.post("Sales Order", order);
        let (so, row) = (text(&order, "name"), text(&order["items"][0], "name"));
        let delivery = bench.post("Delivery Note", delivery_of(&so, &row, 4));
        let delivery_row = text(&delivery["items"][0], "name");
        let delivery = text(&delivery, "name");
        let invoice = json!({"customer": "Acme", "company": "Bench Co", "docstatus": 1, "items": [
            {"item_code": "STK", "qty": 4, "rate": 50, "sales_order": so, "so_detail": row,
             "delivery_note": delivery, "dn_detail": delivery_row}]});
        let invoice = text(&bench.post("Sales Invoice", invoice), "name");
        let payment = text(&bench.post("Payment Entry", payment_of(&invoice, 200)), "name");
        Self { bench, order, delivery, invoice, payment }
    }

    fn order(&mut self) -> Value {
        let name = text(&self.order, "name");
        self.bench.get("Sales Order", &name)
    }
}

fn delivery_of(order: &str, row: &str, quantity: i64) -> Value {
    json!({"customer": "Acme", "company": "Bench Co", "docstatus": 1, "items": [
        {"item_code": "STK", "qty": quantity, "rate": 50, "against_sales_order": order,
         "so_detail": row}]})
}

fn payment_of(invoice: &str, amount: i64) -> Value {
    json!({"payment_type": "Receive", "company": "Bench Co", "party_type": "Customer",
        "party": "Acme", "paid_from": "Debtors - BC", "paid_to": "Cash - BC",
        "paid_amount": amount, "received_amount": amount, "reference_no": "1",
        "reference_date": "2026-11-22", "docstatus": 1, "references": [
            {"reference_doctype": "Sales Invoice", "reference_name": invoice,
             "allocated_amount": amount}]})
}

#[test]
fn a_chain_moves_what_it_is_made_from() {
    for flavour in FLAVOURS {
        let mut chain = Chain::new(flavour);
        let order = chain.order();
        assert_eq!(chain.order["status"], "Draft", "a submitted insert keeps it");
        for (field, value) in [
            ("status", json!("Completed")),
            ("per_delivered", json!(100.0)),
            ("per_billed", json!(100.0)),
            ("delivery_status", json!("Fully Delivered")),
            ("billing_status", json!("Fully Billed")),
        ] {
            assert_eq!(order[field], value, "{field}");
        }
        assert_eq!(order["items"][0]["delivered_qty"], json!(4.0));
        assert_eq!(order["items"][0]["billed_amt"], json!(200.0));
        assert_ne!(order["modified"], chain.order["modified"]);
        assert_ne!(order["items"][0]["modified"], chain.order["items"][0]["modified"]);
        let (delivery, invoice, payment) =
            (chain.delivery.clone(), chain.invoice.clone(), chain.payment.clone());
        let bench = &mut chain.bench;
        assert_eq!(bench.get("Delivery Note", &delivery)["status"], "Completed");
        let shown = bench.get("Sales Invoice", &invoice);
        assert_eq!((&shown["status"], &shown["outstanding_amount"]), (&json!("Paid"), &json!(0.0)));
        assert_eq!(bench.entries(order["name"].as_str().unwrap()), [0, 0, 0]);
        assert_eq!(bench.entries(&delivery), [2, 1, 0]);
        assert_eq!(bench.entries(&invoice), [2, 0, 1]);
        assert_eq!(bench.entries(&payment), [2, 0, 1]);
    }
}

#[test]
fn a_chain_is_cancelled_from_its_end() {
    for flavour in FLAVOURS {
        let mut chain = Chain::new(flavour);
        let order = text(&chain.order, "name");
        let refused =
            chain.bench.refused("PUT", &resource("Sales Order", &order), json!({"docstatus": 2}));
        assert_eq!(refused, (417, "LinkExistsError".into()));
        let documents = [
            ("Payment Entry", chain.payment.clone()),
            ("Sales Invoice", chain.invoice.clone()),
            ("Delivery Note", chain.delivery.clone()),
            ("Sales Order", order.clone()),
        ];
        for (doctype, name) in &documents {
            let answer = chain.bench.put(doctype, name, json!({"docstatus": 2}));
            assert_eq!(answer["status"], "Cancelled", "{doctype}");
        }
        let cancelled = chain.order();
        assert_eq!(cancelled["items"][0]["delivered_qty"], json!(0.0));
        assert_eq!(cancelled["items"][0]["billed_amt"], json!(0.0));
        let bench = &mut chain.bench;
        assert_eq!(bench.entries(&chain.delivery), [4, 2, 0]);
        assert_eq!(bench.entries(&chain.invoice), [4, 0, 2]);
        assert_eq!(bench.entries(&chain.payment), [4, 0, 2]);
        assert_eq!(bench.site.stock_of("STK", "Stores - BC").0, 100.0);
        let again = resource("Payment Entry", &chain.payment);
        assert_eq!(bench.refused("PUT", &again, json!({"docstatus": 2})).1, "ValidationError");
    }
}
