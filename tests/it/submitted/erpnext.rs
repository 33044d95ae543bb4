//! Orders, deliveries, invoices and payments, made from each other on either side of two sites whose series are
//! in use: what is posted, what moves by itself, and what users change by other ways.

use erpsync::model::{Side, Sides};
use frappe_sandbox::http::Options;
use frappe_sandbox::{Flavour, Request, trade};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::quiet;
use crate::bench::{Bench, USER};

const DOCTYPES: [&str; 4] = ["Sales Order", "Delivery Note", "Sales Invoice", "Payment Entry"];

const RULES: &str = "[sync]\ndoctypes = [\"Customer\", \"Item\", \"Sales Order\", \"Delivery Note\", \
    \"Sales Invoice\", \"Payment Entry\"]\n[sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";

/// Order, delivery note, invoice and payment, as they are called on the side that made them.
struct Chain {
    bench: Bench,
    made_on: Side,
    names: [String; 4],
}

/// A method that the desk calls at the press of a button.
fn press(bench: &Bench, side: Side, method: &str, body: &Value) {
    let request = Request::new("POST", &format!("/api/method/erpnext.{method}"))
        .token(&format!("{side}fullkey"), &format!("{side}fullsecret"))
        .json(body);
    let answer = bench.site(side).handle(&request, Timestamp::now());
    assert_eq!(answer.status, 200, "{:?}", answer.to_json());
}

impl Chain {
    fn new(flavour: Flavour, made_on: Side) -> Self {
        let bench = {
            let pair = trade::trading_pair(flavour, 7, Timestamp::now()).unwrap();
            Bench::of(pair, Options::default())
        };
        bench.configure(RULES);
        for side in Side::BOTH {
            // Stock is each site's own.
            let item = json!({"item_code": "STK", "item_name": "Thing", "item_group": "Products",
                "stock_uom": "Nos", "valuation_rate": 30, "opening_stock": 100});
            bench.insert(side, "Item", &item);
        }
        bench.insert(made_on, "Customer", &json!({"customer_name": "Acme"}));
        let now = Timestamp::now();
        let mut site = bench.site(made_on);
        let order = site.order(USER, "Acme", &[("STK", 4.0, 50.0)], now).unwrap();
        let delivery = site.deliver(USER, &order, now).unwrap();
        let invoice = site.bill(USER, &delivery, now).unwrap();
        let payment = site.pay(USER, &invoice, now).unwrap();
        drop(site);
        let names = [order, delivery, invoice, payment];
        Self { bench, made_on, names }
    }

    fn synced(flavour: Flavour, made_on: Side) -> Self {
        let chain = Self::new(flavour, made_on);
        chain.bench.sync().expect(0);
        chain
    }

    /// What a document of the chain is called on a side.
    fn name(&self, side: Side, at: usize) -> String {
        let (doctype, name, made_on) = (DOCTYPES[at], &self.names[at], self.made_on);
        self.bench.query(&format!(
            "SELECT {side}_name FROM sync_records WHERE doctype = '{doctype}' AND {made_on}_name = \
             '{name}'"
        ))
    }

    fn doc(&self, side: Side, at: usize) -> Value {
        self.bench.doc(side, DOCTYPES[at], &self.name(side, at)).unwrap()
    }

    fn ledgers(&self, side: Side) -> Vec<[usize; 3]> {
        let names: Vec<String> = (0..4).map(|at| self.name(side, at)).collect();
        let site = self.bench.site(side);
        DOCTYPES
            .iter()
            .zip(&names)
            .map(|(doctype, name)| site.ledger_counts(doctype, name))
            .collect()
    }

    fn cancel(&self, side: Side, at: usize) {
        self.bench.edit(side, DOCTYPES[at], &self.name(side, at), &json!({"docstatus": 2}));
    }

    /// Statuses, shares and amounts that follow from the whole chain, on both sides.
    fn alike(&self) -> Value {
        let seen = Sides::from_fn(|side| {
            let (order, note, invoice) = (self.doc(side, 0), self.doc(side, 1), self.doc(side, 2));
            json!({
                "docstatus": (0..4).map(|at| self.doc(side, at)["docstatus"].clone()).collect::<Vec<_>>(),
                "status": (0..4).map(|at| self.doc(side, at)["status"].clone()).collect::<Vec<_>>(),
                "order": [order["per_billed"], order["per_delivered"], order["billing_status"],
                    order["items"][0]["delivered_qty"], order["items"][0]["billed_amt"]],
                "billed": note["per_billed"], "outstanding": invoice["outstanding_amount"],
                "posted": [note["posting_date"], invoice["posting_date"]],
                "ledgers": self.ledgers(side),
            })
        });
        assert_eq!(seen.cloud, seen.local);
        seen.cloud
    }
}

#[test]
fn a_chain_arrives_whole_with_what_it_posted() {
    for flavour in [Flavour::V15_55, Flavour::V15_105] {
        for made_on in Side::BOTH {
            let chain = Chain::synced(flavour, made_on);
            let seen = chain.alike();
            assert_eq!(seen["status"], json!(["Completed", "Completed", "Paid", "Submitted"]));
            assert_eq!(seen["ledgers"], json!([[0, 0, 0], [2, 0, 1], [2, 1, 0], [2, 1, 0]]));
            for side in Side::BOTH {
                let row = |at: usize| chain.doc(side, at)["items"][0].clone();
                assert_eq!(row(1)["so_detail"], row(0)["name"], "{side}");
                assert_eq!(row(2)["so_detail"], row(0)["name"], "{side}");
                assert_eq!(row(2)["dn_detail"], row(1)["name"], "{side}");
                let paid = chain.doc(side, 3)["references"][0]["reference_name"].clone();
                assert_eq!(paid, json!(chain.name(side, 2)), "{side}");
            }
            assert_ne!(chain.name(Side::Cloud, 2), chain.name(Side::Local, 2));
            quiet(&chain.bench);
        }
    }
}

/// Rates that are not the price list's, in rows as the desk makes them: they are what the books are
/// made of, so the copies have them, and neither side gets the list's back.
#[test]
fn agreed_rates_stay_what_they_are() {
    for flavour in [Flavour::V15_55, Flavour::V15_105] {
        let chain = Chain::synced(flavour, Side::Cloud);
        let bench = &chain.bench;
        let row = |rate: f64| {
            json!({"item_code": "STK", "qty": 2, "rate": rate,
            "use_serial_batch_fields": 1})
        };
        // What the copy must not be sent with: the list's rate is 50.
        let mut spelled_out = row(40.0);
        spelled_out["batch_no"] = json!("");
        let trap = json!({"customer": "Acme", "company": "Bench Co", "items": [spelled_out]});
        let trapped = bench.insert(Side::Local, "Delivery Note", &trap);
        let trapped = bench.doc(Side::Local, "Delivery Note", &trapped).unwrap();
        assert_eq!(trapped["items"][0]["rate"], json!(50.0));
        for (doctype, docstatus) in
            [("Sales Invoice", 0), ("Sales Invoice", 1), ("Delivery Note", 1)]
        {
            let values = json!({"customer": "Acme", "company": "Bench Co", "docstatus": docstatus,
                "items": [row(40.0), row(60.0)]});
            let made = bench.insert(Side::Cloud, doctype, &values);
            bench.sync().expect(0);
            let name = bench.query(&format!(
                "SELECT local_name FROM sync_records WHERE doctype = '{doctype}' AND cloud_name = \
                 '{made}'"
            ));
            let copy = bench.doc(Side::Local, doctype, &name).unwrap();
            let rates = [&copy["items"][0]["rate"], &copy["items"][1]["rate"]];
            assert_eq!(rates, [&json!(40.0), &json!(60.0)], "{doctype} {docstatus}");
            assert_eq!(copy["grand_total"], json!(200.0), "{doctype} {docstatus}");
        }
        quiet(bench);
    }
}

/// The desk fills the factor of a unit; the site does not, and moves another stock without it.
#[test]
fn a_unit_is_carried_with_its_factor() {
    for flavour in [Flavour::V15_55, Flavour::V15_105] {
        let chain = Chain::synced(flavour, Side::Cloud);
        let bench = &chain.bench;
        let note = json!({"customer": "Acme", "company": "Bench Co",
            "items": [{"item_code": "STK", "qty": 2, "rate": 50}]});
        let made = bench.insert(Side::Cloud, "Delivery Note", &note);
        bench.sync().expect(0);
        let drafted = bench.doc(Side::Cloud, "Delivery Note", &made).unwrap();
        let mut row = drafted["items"][0].clone();
        (row["uom"], row["conversion_factor"]) = (json!("Box"), json!(10));
        bench.edit(Side::Cloud, "Delivery Note", &made, &json!({"items": [row]}));
        bench.sync().expect(0);
        bench.edit(Side::Cloud, "Delivery Note", &made, &json!({"docstatus": 1}));
        bench.sync().expect(0);
        let copy = bench.query(&format!(
            "SELECT local_name FROM sync_records WHERE doctype = 'Delivery Note' AND cloud_name = \
             '{made}'"
        ));
        let moved = |side: Side, name: &str| {
            let note = bench.doc(side, "Delivery Note", name).unwrap();
            [note["docstatus"].clone(), note["items"][0]["stock_qty"].clone()]
        };
        assert_eq!(moved(Side::Cloud, &made), [json!(1), json!(20.0)]);
        assert_eq!(moved(Side::Local, &copy), [json!(1), json!(20.0)]);
        quiet(bench);
    }
}

/// Submitted documents follow a merge on the one site and can follow it on the other only by the
/// same merge: that is what is said, of them and of the customer that cannot be deleted.
#[test]
fn a_merge_that_submitted_documents_follow_is_to_be_done_on_the_other_side_too() {
    let chain = Chain::synced(Flavour::V15_105, Side::Cloud);
    let bench = &chain.bench;
    bench.insert(Side::Cloud, "Customer", &json!({"customer_name": "Acme Ltd"}));
    bench.sync().expect(0);
    let merge = |side: Side| {
        bench.site(side).merge_as(USER, "Customer", "Acme", "Acme Ltd", Timestamp::now()).unwrap();
    };
    merge(Side::Cloud);
    let ran = bench.sync().expect(4).json();
    let said = "merged on cloud: Customer Acme into Acme Ltd; do the same merge on local";
    let lines = ran["actions"].as_array().unwrap();
    let of = |doctype: &str, key: &str| {
        let line = lines.iter().find(|line| line["doctype"] == doctype).unwrap();
        line[key].as_str().unwrap_or_default().to_owned()
    };
    for doctype in DOCTYPES {
        assert!(of(doctype, "reason").starts_with(said), "{doctype}: {ran}");
    }
    let failed = of("Customer", "message");
    assert!(failed.starts_with(said), "{failed}");
    for (doctype, name) in DOCTYPES.iter().zip(&chain.names) {
        let label = format!("{doctype} {name}");
        assert!(failed.contains(&label), "{label}: {failed}");
    }
    // Tried again, it says the same.
    let again = bench.run(&["sync-all", "--retry-failed"]).expect(4);
    assert!(again.err.contains(said) || again.out.contains(said), "{again:?}");
    merge(Side::Local);
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_eq!(bench.query("SELECT count(*) FROM conflict_records WHERE resolved = FALSE"), "0");
    quiet(bench);
}

#[test]
fn statuses_that_move_are_not_fought_over() {
    let chain = Chain::new(Flavour::V15_105, Side::Cloud);
    // The order alone first: what comes later moves it on both sides.
    chain.bench.run(&["sync-doctype", "Sales Order", "--new-state"]).expect(4);
    chain.bench.sync();
    chain.bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_eq!(chain.alike()["status"][0], "Completed");
    quiet(&chain.bench);
    let updates = "SELECT count(*) FROM sync_logs WHERE action IN ('update', 'conflict')";
    assert_eq!(chain.bench.query(updates), "0");
}

#[test]
fn a_chain_is_cancelled_on_both_sides_from_its_end() {
    let chain = Chain::synced(Flavour::V15_105, Side::Cloud);
    for at in [3, 2, 1, 0] {
        chain.cancel(Side::Cloud, at);
    }
    chain.bench.sync().expect(0);
    let seen = chain.alike();
    assert_eq!(seen["docstatus"], json!([2, 2, 2, 2]));
    assert_eq!(seen["ledgers"], json!([[0, 0, 0], [4, 0, 2], [4, 2, 0], [4, 2, 0]]));
    quiet(&chain.bench);
}

#[test]
fn an_invoice_that_is_cancelled_alone_takes_its_row_from_the_payment_on_both_sides() {
    for side in Side::BOTH {
        let chain = Chain::synced(Flavour::V15_105, Side::Cloud);
        chain.cancel(side, 2);
        chain.bench.sync().expect(0);
        assert_eq!(chain.alike()["docstatus"], json!([1, 1, 2, 1]));
        for side in Side::BOTH {
            let payment = chain.doc(side, 3);
            assert_eq!(payment["references"], json!([]), "{side}");
            assert_eq!(payment["unallocated_amount"], 200.0, "{side}");
        }
        assert_eq!(chain.bench.query("SELECT count(*) FROM conflict_records"), "0");
        quiet(&chain.bench);
    }
}

impl Chain {
    /// "Update Items": another quantity in the order's first row, and one row more.
    fn update_items(&self, side: Side) {
        let order = self.doc(side, 0);
        let row = &order["items"][0];
        let items = json!([
            {"docname": row["name"], "item_code": "STK", "qty": 6, "rate": row["rate"]},
            {"item_code": "STK", "qty": 1, "rate": 7},
        ]);
        let body = json!({"parent_doctype": "Sales Order", "parent_doctype_name": order["name"],
            "trans_items": items.to_string()});
        press(&self.bench, side, "controllers.accounts_controller.update_child_qty_rate", &body);
    }

    fn set_status(&self, side: Side, status: &str) {
        let body = json!({"name": self.name(side, 0), "status": status});
        press(&self.bench, side, "selling.doctype.sales_order.sales_order.update_status", &body);
    }
}

#[test]
fn items_updated_after_submission_wait_until_it_is_done_on_both_sides() {
    let chain = Chain::synced(Flavour::V15_105, Side::Cloud);
    chain.update_items(Side::Local);
    let ran = chain.bench.sync().expect(3).json();
    let reason = ran["actions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("local changed items row 1 qty, items row 2; no update"), "{reason}");
    assert_eq!(chain.bench.query("SELECT fields FROM conflict_records"), "[\"items\"]");
    chain.update_items(Side::Cloud);
    chain.bench.sync().expect(0);
    assert_eq!(chain.bench.query("SELECT resolution FROM conflict_records"), "superseded");
    quiet(&chain.bench);
    // The new row is known on both sides.
    let rows = "SELECT count(*) FROM row_names JOIN sync_records ON sync_records.id = record
        WHERE doctype = 'Sales Order' AND table_field = 'items'";
    assert_eq!(chain.bench.query(rows), "2");
}

#[test]
fn what_users_close_on_one_side_is_told_and_what_moves_by_itself_is_not() {
    let chain = Chain::synced(Flavour::V15_105, Side::Cloud);
    chain.set_status(Side::Cloud, "On Hold");
    let ran = chain.bench.sync().expect(3).json();
    assert!(ran["actions"][0]["reason"].as_str().unwrap().contains("cloud changed status"));
    chain.set_status(Side::Local, "On Hold");
    chain.bench.sync().expect(0);
    for side in Side::BOTH {
        chain.set_status(side, "Draft");
    }
    chain.bench.sync().expect(0);
    quiet(&chain.bench);
}

#[test]
fn an_order_that_was_submitted_and_closed_between_two_looks_is_submitted_and_told() {
    let chain = Chain::synced(Flavour::V15_105, Side::Cloud);
    let date = chain.doc(Side::Cloud, 0)["delivery_date"].clone();
    let draft = json!({"customer": "Acme", "company": chain.doc(Side::Cloud, 0)["company"],
        "delivery_date": date, "items": [{"item_code": "STK", "qty": 1, "rate": 9}]});
    let order = chain.bench.insert(Side::Cloud, "Sales Order", &draft);
    chain.bench.sync().expect(0);
    chain.bench.edit(Side::Cloud, "Sales Order", &order, &json!({"docstatus": 1}));
    let body = json!({"name": order, "status": "Closed"});
    press(
        &chain.bench,
        Side::Cloud,
        "selling.doctype.sales_order.sales_order.update_status",
        &body,
    );
    let ran = chain.bench.sync().expect(3).json();
    let actions: Vec<&Value> =
        ran["actions"].as_array().unwrap().iter().map(|line| &line["action"]).collect();
    assert_eq!(actions, ["submit", "conflict"]);
    let kinds = "SELECT kind || fields FROM conflict_records WHERE resolved = FALSE";
    assert_eq!(chain.bench.query(kinds), "cannot_mirror[\"status\"]");
}

/// What a person makes of a cancelled order.
fn amendment(bench: &Bench, side: Side, old: &str) -> Value {
    let mut amended = bench.doc(side, "Sales Order", old).unwrap();
    let taken = ["name", "creation", "modified", "status"];
    for field in taken {
        amended.as_object_mut().unwrap().remove(field);
    }
    for row in amended["items"].as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("name");
    }
    amended["payment_schedule"] = json!([]);
    amended["amended_from"] = json!(old);
    amended["docstatus"] = json!(1);
    amended
}

#[test]
fn an_order_is_amended_and_delivered_on_the_other_side() {
    let chain = Chain::new(Flavour::V15_105, Side::Cloud);
    let order = |side: Side| {
        let now = Timestamp::now();
        chain.bench.site(side).order(USER, "Acme", &[("STK", 2.0, 50.0)], now).unwrap()
    };
    let old = order(Side::Cloud);
    chain.bench.sync().expect(0);
    chain.bench.edit(Side::Cloud, "Sales Order", &old, &json!({"docstatus": 2}));
    let amended = amendment(&chain.bench, Side::Cloud, &old);
    let amended = chain.bench.insert(Side::Cloud, "Sales Order", &amended);
    chain.bench.sync().expect(0);
    let there = chain.bench.query(&format!(
        "SELECT local_name FROM sync_records WHERE doctype = 'Sales Order' AND cloud_name = '{amended}'"
    ));
    let copy = chain.bench.doc(Side::Local, "Sales Order", &there).unwrap();
    assert_ne!(copy["amended_from"], json!(old), "the original's name on this side");
    assert_eq!(there, format!("{}-1", copy["amended_from"].as_str().unwrap()));
    chain.bench.site(Side::Local).deliver(USER, &there, Timestamp::now()).unwrap();
    chain.bench.sync().expect(0);
    let amended = chain.bench.doc(Side::Cloud, "Sales Order", &amended).unwrap();
    assert_eq!(amended["per_delivered"], 100.0);
    quiet(&chain.bench);
}

/// Each side has amended the order by itself: neither site can have both, and what ends it is named.
#[test]
fn an_order_amended_on_both_sides_is_left_to_a_person() {
    for collisions in ["manual", "both"] {
        let chain = Chain::synced(Flavour::V15_55, Side::Cloud);
        let bench = &chain.bench;
        bench.configure(
            &RULES.replace("[sync]\n", &format!("[sync]\ncollisions = \"{collisions}\"\n")),
        );
        let now = Timestamp::now();
        let year = bench.site(Side::Cloud).local(now)[..4].to_owned();
        for side in Side::BOTH {
            bench.site(side).set_series(&format!("SAL-ORD-{year}-"), 900);
        }
        let old = bench.site(Side::Cloud).order(USER, "Acme", &[("STK", 2.0, 50.0)], now).unwrap();
        bench.sync().expect(0);
        assert!(bench.doc(Side::Local, "Sales Order", &old).is_some(), "one name on both sides");
        let mut names = Vec::new();
        for side in Side::BOTH {
            bench.edit(side, "Sales Order", &old, &json!({"docstatus": 2}));
            let mut amended = amendment(bench, side, &old);
            amended["po_no"] = json!(format!("of {side}"));
            names.push(bench.insert(side, "Sales Order", &amended));
        }
        assert_eq!(names[0], names[1]);
        for _ in 0..2 {
            let ran = bench.sync().expect(3);
            assert_eq!(bench.query("SELECT kind FROM conflict_records"), "collision", "{ran:?}");
        }
        for take in ["both", "cloud", "local"] {
            let ran = bench.run(&["resolve", "1", "--take", take]).expect(3);
            assert!(ran.err.contains("\nhint: delete one of the two"), "{ran:?}");
        }
        bench.edit(Side::Local, "Sales Order", &names[1], &json!({"docstatus": 2}));
        bench.site(Side::Local).delete_as(USER, "Sales Order", &names[1], now).unwrap();
        bench.sync().expect(0);
        assert_eq!(bench.doc(Side::Local, "Sales Order", &names[0]).unwrap()["po_no"], "of cloud");
        assert_eq!(bench.query("SELECT count(*) FROM conflict_records WHERE NOT resolved"), "0");
        quiet(bench);
    }
}
