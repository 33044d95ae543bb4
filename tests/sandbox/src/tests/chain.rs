//! Orders, deliveries, invoices and payments made from each other.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Bench;
use crate::sites::FULL_USER;
use crate::trade::trading_pair;
use crate::{Flavour, Site};

const FLAVOURS: [Flavour; 2] = [Flavour::V15_55, Flavour::V15_105];

/// A chain of documents made from each other.
struct Chain {
    bench: Bench,
    order: String,
    delivery: String,
    invoice: String,
    payment: String,
}

fn resource(doctype: &str, name: &str) -> String {
    format!("/api/resource/{doctype}/{name}")
}

fn name_of(doc: &Value) -> String {
    doc["name"].as_str().unwrap().to_owned()
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

    /// A site with a customer and an item of which there are 100 in stock.
    fn stocked(flavour: Flavour) -> Self {
        let mut bench = Self::new(flavour);
        bench.post("Customer", json!({"customer_name": "Acme"}));
        let item = json!({"item_code": "STK", "item_name": "Thing", "item_group": "Products",
            "stock_uom": "Nos", "valuation_rate": 30, "opening_stock": 100});
        bench.post("Item", item);
        bench
    }

    fn later(&mut self) -> Timestamp {
        self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap();
        self.now
    }
}

impl Chain {
    fn new(flavour: Flavour) -> Self {
        let mut bench = Bench::stocked(flavour);
        let now = bench.later();
        let site = &mut bench.site;
        let order = site.order(FULL_USER, "Acme", &[("STK", 4.0, 50.0)], now).unwrap();
        let delivery = site.deliver(FULL_USER, &order, now).unwrap();
        let invoice = site.bill(FULL_USER, &delivery, now).unwrap();
        let payment = site.pay(FULL_USER, &invoice, now).unwrap();
        Self { bench, order, delivery, invoice, payment }
    }

    /// The documents from the last to the first.
    fn documents(&self) -> [(&'static str, String); 4] {
        [
            ("Payment Entry", self.payment.clone()),
            ("Sales Invoice", self.invoice.clone()),
            ("Delivery Note", self.delivery.clone()),
            ("Sales Order", self.order.clone()),
        ]
    }

    fn counts(&self) -> [[usize; 3]; 4] {
        self.documents().map(|(doctype, name)| self.bench.site.ledger_counts(doctype, &name))
    }

    fn show(&mut self, doctype: &str) -> Value {
        let documents = self.documents();
        let (_, name) = documents.iter().find(|(known, _)| *known == doctype).unwrap();
        self.bench.get(doctype, name)
    }
}

#[test]
fn a_chain_moves_what_it_is_made_from() {
    for flavour in FLAVOURS {
        let mut chain = Chain::new(flavour);
        let order = chain.show("Sales Order");
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
        assert_ne!(order["modified"], order["creation"]);
        assert_ne!(order["items"][0]["modified"], order["items"][0]["creation"]);
        assert_eq!(chain.show("Delivery Note")["status"], "Completed");
        let invoice = chain.show("Sales Invoice");
        assert_eq!(invoice["status"], "Paid");
        assert_eq!(invoice["outstanding_amount"], json!(0.0));
        // General, payment and stock ledger, from the payment back to the order.
        assert_eq!(chain.counts(), [[2, 1, 0], [2, 1, 0], [2, 0, 1], [0, 0, 0]]);
    }
}

#[test]
fn a_chain_is_cancelled_from_its_end() {
    for flavour in FLAVOURS {
        let mut chain = Chain::new(flavour);
        let documents = chain.documents();
        for (at, kind) in [(3, "LinkExistsError"), (2, "ValidationError")] {
            let (doctype, name) = &documents[at];
            let path = resource(doctype, name);
            let refused = chain.bench.refused("PUT", &path, json!({"docstatus": 2}));
            assert_eq!(refused, (417, kind.into()), "{doctype}");
        }
        for (doctype, name) in &documents {
            let answer = chain.bench.put(doctype, name, json!({"docstatus": 2}));
            assert_eq!(answer["status"], "Cancelled", "{doctype}");
        }
        let order = chain.show("Sales Order");
        assert_eq!(order["items"][0]["delivered_qty"], json!(0.0));
        assert_eq!(order["items"][0]["billed_amt"], json!(0.0));
        assert_eq!(chain.counts(), [[4, 2, 0], [4, 2, 0], [4, 0, 2], [0, 0, 0]]);
        let (left, worth) = chain.bench.site.stock_of("STK", "Stores - BC");
        assert_eq!((left, worth), (100.0, 3000.0));
        let again = resource("Payment Entry", &chain.payment);
        let refused = chain.bench.refused("PUT", &again, json!({"docstatus": 2}));
        assert_eq!(refused.1, "ValidationError");
    }
}

#[test]
fn the_company_counts_its_sales_and_only_the_older_version_is_stamped() {
    for (flavour, moved) in [(Flavour::V15_55, true), (Flavour::V15_105, false)] {
        let mut chain = Chain::new(flavour);
        let company = chain.bench.get("Company", "Bench Co");
        assert_eq!(company["total_monthly_sales"], json!(200.0));
        assert_eq!(company["modified"] != company["creation"], moved, "{flavour:?}");
    }
}

#[test]
fn fields_that_may_change_after_submission_differ_by_version() {
    for (flavour, status) in [(Flavour::V15_55, 200), (Flavour::V15_105, 417)] {
        let mut chain = Chain::new(flavour);
        let address = json!({"address_title": "Acme", "address_type": "Billing",
            "address_line1": "1 Road", "city": "Bonn", "country": "Germany"});
        chain.bench.post("Address", address);
        let path = resource("Sales Order", &chain.order);
        let body = json!({"customer_address": "Acme-Billing"});
        assert_eq!(chain.bench.ask("PUT", &path, Some(&body)).0, status, "{flavour:?}");
        assert_eq!(
            chain.bench.put("Sales Order", &chain.order, json!({"po_no": "7"}))["po_no"],
            "7"
        );
    }
}

#[test]
fn an_invoice_with_entries_is_never_deleted() {
    let mut chain = Chain::new(Flavour::V15_55);
    for (doctype, name) in &chain.documents()[..2] {
        chain.bench.put(doctype, name, json!({"docstatus": 2}));
    }
    let path = resource("Sales Invoice", &chain.invoice);
    let refused = chain.bench.refused("DELETE", &path, json!(null));
    assert_eq!(refused, (417, "LinkExistsError".into()));
}

#[test]
fn a_closed_order_is_not_delivered_and_its_rows_are_not_exceeded() {
    let mut bench = Bench::stocked(Flavour::V15_105);
    let now = bench.later();
    let order = bench.site.order(FULL_USER, "Acme", &[("STK", 4.0, 50.0)], now).unwrap();
    let method = "/api/method/erpnext.selling.doctype.sales_order.sales_order.update_status";
    bench.ok("POST", method, json!({"name": order, "status": "Closed"}));
    let refused = bench.site.deliver(FULL_USER, &order, now).unwrap_err();
    assert!(refused.text().ends_with(&format!("Sales Order {order} is Closed")));
    bench.ok("POST", method, json!({"name": order, "status": "Draft"}));
    bench.site.deliver(FULL_USER, &order, now).unwrap();
    let refused = bench.site.deliver(FULL_USER, &order, now).unwrap_err();
    assert_eq!(refused.exc_type, "OverAllowanceError");
    assert_eq!(bench.site.count_of("Delivery Note"), 1);
}

#[test]
fn a_due_date_that_passes_stops_a_draft() {
    for (flavour, statuses) in [(Flavour::V15_55, [200, 417]), (Flavour::V15_105, [417, 404])] {
        let mut bench = Bench::stocked(flavour);
        let invoice = json!({"customer": "Acme", "company": "Bench Co", "due_date": "2026-11-10",
            "posting_date": "2026-11-01", "items": [{"item_code": "STK", "qty": 1, "rate": 5}]});
        let first = bench.ask("POST", "/api/resource/Sales Invoice", Some(&invoice)).0;
        let path = "/api/resource/Sales Invoice/ACC-SINV-2026-00001";
        let second = bench.ask("PUT", path, Some(&json!({}))).0;
        assert_eq!([first, second], statuses, "{flavour:?}");
    }
}

#[test]
fn the_queue_submits_when_its_worker_is_through() {
    for flavour in FLAVOURS {
        let mut bench = Bench::new(flavour);
        let row = |side: &str, account: &str| json!({"account": account, (side): 1});
        let mut rows = vec![row("debit_in_account_currency", "Cash - BC"); 55];
        rows.extend(vec![row("credit_in_account_currency", "Sales - BC"); 55]);
        let entry = json!({"company": "Bench Co", "posting_date": "2026-11-15", "accounts": rows});
        let entry = bench.post("Journal Entry", entry);
        let name = name_of(&entry);
        let submit = "/api/method/frappe.client.submit";
        let answer = bench.ok("POST", submit, json!({"doc": entry}));
        assert_eq!(answer["docstatus"], 0);
        let path = resource("Journal Entry", &name);
        for body in [json!({"user_remark": "x"}), json!({"docstatus": 1})] {
            assert_eq!(bench.refused("PUT", &path, body).1, "DocumentLockedError");
        }
        bench.now = bench.now.checked_add(SignedDuration::from_secs(2)).unwrap();
        assert_eq!(bench.get("Journal Entry", &name)["docstatus"], 1);
        assert_eq!(bench.site.ledger_counts("Journal Entry", &name), [110, 0, 0]);
    }
}

#[test]
fn series_are_in_use_on_either_side() {
    let now: Timestamp = "2026-11-22T09:30:00Z".parse().unwrap();
    let (mut cloud, mut local) = trading_pair(Flavour::V15_55, 5, now).unwrap();
    let order = |site: &mut Site| {
        site.insert_as(FULL_USER, "Customer", &json!({"customer_name": "Acme"}), now).unwrap();
        let item = json!({"item_code": "SVC", "item_group": "Services", "stock_uom": "Nos",
            "is_stock_item": 0});
        site.insert_as(FULL_USER, "Item", &item, now).unwrap();
        site.order(FULL_USER, "Acme", &[("SVC", 1.0, 5.0)], now).unwrap()
    };
    assert_eq!(order(&mut cloud), "SAL-ORD-2026-00042");
    assert_eq!(order(&mut local), "SAL-ORD-2026-00008");
}

/// What comes back is a delivery with negative quantities, and the stock is as it was. What the
/// delivery itself says of its return is not modelled.
#[test]
fn what_was_delivered_comes_back() {
    for flavour in FLAVOURS {
        let mut bench = Bench::stocked(flavour);
        let now = bench.later();
        let order = bench.site.order(FULL_USER, "Acme", &[("STK", 4.0, 50.0)], now).unwrap();
        let delivery = bench.site.deliver(FULL_USER, &order, now).unwrap();
        let mut back = bench.site.return_of("Delivery Note", &delivery).unwrap();
        back["docstatus"] = json!(1);
        let name = name_of(&bench.post("Delivery Note", back));
        let back = bench.get("Delivery Note", &name);
        assert_eq!((&back["status"], &back["grand_total"]), (&json!("To Bill"), &json!(-200.0)));
        assert_eq!(bench.site.stock_of("STK", "Stores - BC"), (100.0, 3000.0));
    }
}
