//! The documents that are copied: at least two of each doctype, drafts and submitted ones, and whatever can
//! be made from another document.

use erpsync::model::Side;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bench::{Bench, SYNC_USER};

/// Makes documents on a side, all of whose names say whose they are.
pub struct Maker<'a> {
    pub bench: &'a Bench,
    pub side: Side,
}

impl Maker<'_> {
    pub fn make_everything(&self) {
        self.make_trees();
        self.make_parties();
        self.make_items();
        self.make_desk_documents();
        self.make_sales();
        self.make_purchases();
        self.make_entries();
    }

    /// A text of this side's own.
    fn own(&self, text: &str) -> String {
        format!("{text} of {}", self.side)
    }

    fn make(&self, doctype: &str, values: &Value) -> String {
        self.bench.insert(self.side, doctype, values)
    }

    fn submit(&self, doctype: &str, mut values: Value) -> String {
        values["docstatus"] = json!(1);
        self.make(doctype, &values)
    }

    /// A submitted document made from another one, all of it.
    fn submit_from(&self, source: &str, name: &str, doctype: &str) -> String {
        let values = self.bench.site(self.side).made_from(source, name, doctype).unwrap();
        self.submit(doctype, values)
    }

    /// The site's date so many days from now.
    fn day(&self, days: i64) -> String {
        let then = Timestamp::now().checked_add(SignedDuration::from_hours(24 * days)).unwrap();
        self.bench.site(self.side).local(then)[..10].to_owned()
    }

    fn make_trees(&self) {
        for (doctype, name, parent, root) in [
            ("Territory", "territory_name", "parent_territory", "All Territories"),
            (
                "Customer Group",
                "customer_group_name",
                "parent_customer_group",
                "All Customer Groups",
            ),
            ("Item Group", "item_group_name", "parent_item_group", "All Item Groups"),
        ] {
            let branch = self.own(&format!("{doctype} Branch"));
            self.make(doctype, &json!({(name): branch, (parent): root, "is_group": 1}));
            let leaf = self.own(&format!("{doctype} Leaf"));
            self.make(doctype, &json!({(name): leaf, (parent): branch}));
        }
    }

    fn make_parties(&self) {
        for (name, kind) in [("Steel", "Company"), ("Wood", "Individual")] {
            self.make(
                "Supplier",
                &json!({"supplier_name": self.own(name),
                "supplier_group": "Local", "supplier_type": kind, "country": "India",
                "website": "https://supplier.example.com"}),
            );
        }
        let customer = |name: &str, more: Value| {
            let mut values = json!({"customer_name": self.own(name), "customer_type": "Company",
                "customer_group": self.own("Customer Group Leaf"),
                "territory": self.own("Territory Leaf")});
            let more = more.as_object().cloned().unwrap();
            values.as_object_mut().unwrap().extend(more);
            self.make("Customer", &values)
        };
        customer("Plain", json!({}));
        customer(
            "Credit",
            json!({"credit_limits": [
            {"company": "Bench Co", "credit_limit": 5000.5}]}),
        );
        // The site makes a Contact and an Address of its own for these.
        customer(
            "Reachable",
            json!({"mobile_no": "+8801712345678",
            "email_id": format!("{}@example.com", self.side), "address_line1": "1 Road",
            "city": "Dhaka", "country": "Bangladesh"}),
        );
        let link = |doctype: &str, name: &str| json!([{"link_doctype": doctype, "link_name": self.own(name)}]);
        self.make(
            "Address",
            &json!({"address_title": self.own("Yard"), "address_type": "Shipping",
            "address_line1": "9 Dock", "city": "Pune", "country": "India",
            "links": link("Customer", "Plain")}),
        );
        self.make(
            "Contact",
            &json!({"first_name": "Ann", "last_name": self.own("Smith"),
            "email_ids": [{"email_id": "ann@example.com"}, {"email_id": "b@example.com"}],
            "phone_nos": [{"phone": "123456", "is_primary_phone": 1}],
            "links": link("Supplier", "Steel")}),
        );
        for (name, mobile) in [("Lea", "99887766"), ("Leo", "")] {
            self.make(
                "Lead",
                &json!({"first_name": self.own(name), "mobile_no": mobile, "lead_owner": SYNC_USER,
                "email_id": format!("{name}.{}@example.com", self.side)}),
            );
        }
    }

    fn make_items(&self) {
        let item = |code: &str, more: Value| {
            let mut values = json!({"item_code": self.own(code), "stock_uom": "Nos",
                "item_group": self.own("Item Group Leaf"), "description": "<p>one</p>"});
            let more = more.as_object().cloned().unwrap();
            values.as_object_mut().unwrap().extend(more);
            self.make("Item", &values)
        };
        item(
            "SAW",
            json!({"valuation_rate": 30, "opening_stock": 100,
            "uoms": [{"uom": "Box", "conversion_factor": 12}]}),
        );
        item("NAIL", json!({"valuation_rate": 2, "opening_stock": 500, "standard_rate": 3}));
        item("SERVICE", json!({"is_stock_item": 0, "standard_rate": 60}));
        self.make(
            "Item Price",
            &json!({"item_code": self.own("SAW"), "price_list_rate": 75,
            "price_list": "Standard Selling"}),
        );
        self.make(
            "Item Price",
            &json!({"item_code": self.own("SAW"), "price_list_rate": 44.44,
            "price_list": "Standard Buying", "supplier": self.own("Steel")}),
        );
    }

    fn make_desk_documents(&self) {
        self.make("ToDo", &json!({"description": self.own("call"), "priority": "High"}));
        self.make(
            "ToDo",
            &json!({"description": self.own("write"), "date": self.day(3),
            "reference_type": "Customer", "reference_name": self.own("Plain")}),
        );
        for title in ["first", "second"] {
            self.make(
                "Note",
                &json!({"title": self.own(title), "public": 1,
                "content": "<p>hello</p>"}),
            );
        }
        self.make(
            "Event",
            &json!({"subject": self.own("meeting"), "event_type": "Public",
            "starts_on": format!("{} 10:00:00", self.day(2)),
            "ends_on": format!("{} 11:00:00", self.day(2)),
            "event_participants": [{"reference_doctype": "Customer",
                "reference_docname": self.own("Plain")}]}),
        );
        self.make(
            "Event",
            &json!({"subject": self.own("holiday"), "event_type": "Public",
            "all_day": 1, "starts_on": format!("{} 00:00:00", self.day(4))}),
        );
    }

    /// The head of a sale and its two rows.
    fn sale(&self) -> Value {
        json!({"customer": self.own("Reachable"), "company": "Bench Co",
            "delivery_date": self.day(20), "items": [
                {"item_code": self.own("SAW"), "qty": 4, "rate": 75},
                {"item_code": self.own("SERVICE"), "qty": 2, "rate": 55.55}],
            "taxes": [{"charge_type": "On Net Total", "account_head": "ST 6% - BC", "rate": 6,
                "description": "tax"}]})
    }

    fn make_sales(&self) {
        let mut offer = self.sale();
        offer["party_name"] = json!(self.own("Reachable"));
        self.make("Quotation", &offer);
        let offer = self.submit("Quotation", offer);
        for doctype in ["Sales Order", "Delivery Note", "Sales Invoice"] {
            self.make(doctype, &self.sale());
        }
        let order = self.submit_from("Quotation", &offer, "Sales Order");
        let delivery = self.submit_from("Sales Order", &order, "Delivery Note");
        let invoice = self.submit_from("Delivery Note", &delivery, "Sales Invoice");
        self.pay("Sales Invoice", &invoice, 0.5, 1);
        self.pay("Sales Invoice", &invoice, 0.1, 0);
        // What was sold without a delivery comes back.
        let sold = self.submit("Sales Invoice", self.sale());
        for (doctype, name) in [("Delivery Note", &delivery), ("Sales Invoice", &sold)] {
            let values = self.bench.site(self.side).return_of(doctype, name).unwrap();
            self.submit(doctype, values);
        }
    }

    /// Pays a share of what is open of an invoice, or leaves a draft of it.
    fn pay(&self, doctype: &str, invoice: &str, share: f64, docstatus: u8) {
        let site = self.bench.site(self.side);
        let mut values = site.payment_of(doctype, invoice, Timestamp::now());
        drop(site);
        let amount = values["paid_amount"].as_f64().unwrap() * share;
        let amount = json!((amount * 100.0).round() / 100.0);
        values["references"][0]["allocated_amount"] = amount.clone();
        values["paid_amount"] = amount.clone();
        values["received_amount"] = amount;
        values["docstatus"] = json!(docstatus);
        self.make("Payment Entry", &values);
    }

    fn purchase(&self) -> Value {
        json!({"supplier": self.own("Steel"), "company": "Bench Co",
            "schedule_date": self.day(15), "items": [
                {"item_code": self.own("SAW"), "qty": 10, "rate": 30},
                {"item_code": self.own("NAIL"), "qty": 100, "rate": 2}]})
    }

    fn make_purchases(&self) {
        for doctype in ["Purchase Order", "Purchase Receipt", "Purchase Invoice"] {
            self.make(doctype, &self.purchase());
        }
        let order = self.submit("Purchase Order", self.purchase());
        let receipt = self.submit_from("Purchase Order", &order, "Purchase Receipt");
        let invoice = self.submit_from("Purchase Receipt", &receipt, "Purchase Invoice");
        self.pay("Purchase Invoice", &invoice, 1.0, 1);
    }

    fn make_entries(&self) {
        let receipt = json!({"stock_entry_type": "Material Receipt", "company": "Bench Co",
            "items": [{"item_code": self.own("SAW"), "qty": 20, "basic_rate": 30,
                "t_warehouse": "Stores - BC"}]});
        self.make("Stock Entry", &receipt);
        self.submit("Stock Entry", receipt);
        let entry = json!({"company": "Bench Co", "posting_date": self.day(-2),
            "user_remark": self.own("entry"), "accounts": [
                {"account": "Stock Adjustment - BC", "debit_in_account_currency": 12.34},
                {"account": "Cash - BC", "credit_in_account_currency": 12.34}]});
        self.make("Journal Entry", &entry);
        self.submit("Journal Entry", entry);
    }
}
