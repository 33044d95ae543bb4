//! What erpsync is for, from end to end: two sites of two versions and two zones, each with its own
//! series in use, come into step; what is made from an order on one side arrives on the other with
//! everything that hangs on it; and both sites go on counting by themselves.
//!
//! The steps of the scenario stand at the top and read as one text; what each of them does stands below.

mod to_and_fro;

use std::collections::BTreeSet;

use erpsync::model::Side;
use frappe_sandbox::http::Options;
use frappe_sandbox::{Flavour, Request, Site};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bench::{Bench, USER};
use crate::mirror::{assert_alike, pairs, peer};

const DOCTYPES: [&str; 9] = [
    "Customer",
    "Contact",
    "Address",
    "Item",
    "Item Price",
    "Sales Order",
    "Delivery Note",
    "Sales Invoice",
    "Payment Entry",
];

/// Those of them that a site counts by a series, and what its names begin with.
const COUNTED: [&str; 4] = ["Sales Order", "Delivery Note", "Sales Invoice", "Payment Entry"];
const SERIES: [&str; 4] = ["SAL-ORD-", "MAT-DN-", "ACC-SINV-", "ACC-PAY-"];

const CUSTOMER: &str = "Reachable Customer";

/// The customer's own number of the order, by which it is found again.
const PURCHASE: &str = "PO-77";

#[test]
fn what_is_made_on_the_cloud_is_on_both_sides_and_both_go_on_counting() {
    let sites = two_sites_in_use(Side::Cloud);
    they_come_into_step(&sites);
    a_chain_arrives_whole(&sites, Side::Cloud);

    let overlap = a_hundred_documents_of_each_series_are_created_on_both_sides(&sites);
    assert!(overlap.iter().all(|names| (1..100).contains(names)), "{overlap:?}");
    what_was_created_comes_into_step(&sites, overlap);
    a_pass_writes_nothing(&sites);
}

#[test]
fn what_is_made_on_the_local_site_is_on_both_sides() {
    let sites = two_sites_in_use(Side::Local);
    they_come_into_step(&sites);
    a_chain_arrives_whole(&sites, Side::Local);
}

fn a_chain_arrives_whole(sites: &Bench, made_on: Side) {
    let chain = a_delivery_an_invoice_and_a_payment_are_made_from_the_order(sites, made_on);
    sites.sync().expect(0);
    assert_alike(sites, &DOCTYPES);
    links_and_rows_point_home_on_both_sides(sites, &chain);
    shares_statuses_and_ledgers_agree(sites, &chain);
    there_is_one_contact_and_one_address_on_each_side(sites);
    let moved = ["Sales Order", "Delivery Note", "Sales Invoice"];
    a_pass_looks_again_at(sites, &moved, made_on.opposite());
    a_pass_writes_nothing(sites);
}

/// The older version in India, the newer one in America. Each has customers, items, orders and
/// invoices of its own. The names of the first ones are the same on both sides, then the local
/// site, which is the busier one, is ahead. On `made_on` there is the customer of this scenario too,
/// who is reachable and has an address, and their order.
fn two_sites_in_use(made_on: Side) -> Bench {
    let site = |name: &str, flavour, zone| Site::new(name, flavour, zone, 7).unwrap();
    let cloud = site("cloud", Flavour::V15_55, "Asia/Kolkata");
    let local = site("local", Flavour::V15_105, "America/New_York");
    let sites = Bench::of((cloud, local), Options::default());
    sites.configure(&format!("[sync]\ndoctypes = {DOCTYPES:?}\n"));
    for (side, orders, invoices) in [(Side::Cloud, 2, 1), (Side::Local, 3, 2)] {
        let (customer, item) = (format!("Own of {side}"), format!("OWN-{side}"));
        sites.insert(side, "Customer", &json!({"customer_name": customer}));
        sites.insert(side, "Item", &an_item(&item));
        for number in 1..=orders {
            order(&sites, side, &customer, &[(&item, f64::from(number), 10.0)]);
        }
        for number in 1..=invoices {
            let rows = json!([{"item_code": item, "qty": number, "rate": 11}]);
            let invoice = json!({"customer": customer, "company": "Bench Co", "items": rows,
                "due_date": in_a_month(&sites, side)});
            submit(&sites, side, "Sales Invoice", invoice);
        }
    }
    let year = sites.site(Side::Local).local(Timestamp::now())[..4].to_owned();
    for series in SERIES {
        sites.site(Side::Local).set_series(&format!("{series}{year}-"), 80);
    }
    the_customer_and_what_they_order(&sites, made_on);
    sites
}

/// For half of the day it is not the same day on both sites, and what is due today on the one is
/// overdue on the other: so nothing is due before.
fn in_a_month(sites: &Bench, side: Side) -> String {
    let then = Timestamp::now().checked_add(SignedDuration::from_hours(30 * 24)).unwrap();
    sites.site(side).local(then)[..10].to_owned()
}

fn an_item(code: &str) -> Value {
    json!({"item_code": code, "item_group": "Products", "stock_uom": "Nos", "valuation_rate": 5})
}

fn order(sites: &Bench, side: Side, customer: &str, items: &[(&str, f64, f64)]) -> String {
    sites.site(side).order(USER, customer, items, Timestamp::now()).unwrap()
}

fn the_customer_and_what_they_order(sites: &Bench, side: Side) {
    // The site makes their Contact and their Address by itself.
    let customer = json!({"customer_name": CUSTOMER, "customer_group": "Commercial",
        "territory": "India", "mobile_no": "+8801712345678", "email_id": "a@example.com",
        "address_line1": "1 Road", "city": "Dhaka", "country": "Bangladesh"});
    sites.insert(side, "Customer", &customer);
    // One item makes its price by itself, for the other somebody enters one.
    let mut widget = an_item("WIDGET");
    widget["standard_rate"] = json!(50);
    sites.insert(side, "Item", &widget);
    sites.insert(side, "Item", &an_item("GADGET"));
    let price = json!({"item_code": "GADGET", "price_list": "Standard Selling",
        "price_list_rate": 75});
    sites.insert(side, "Item Price", &price);
    let date = in_a_month(sites, side);
    let [contact, address] = ["Contact", "Address"].map(|it| only(sites, side, it));
    let order = json!({"customer": CUSTOMER, "company": "Bench Co", "delivery_date": date,
        "po_no": PURCHASE, "contact_person": contact, "customer_address": address,
        "docstatus": 1,
        "items": [{"item_code": "WIDGET", "qty": 4, "rate": 50},
            {"item_code": "GADGET", "qty": 2, "rate": 75}]});
    sites.insert(side, "Sales Order", &order);
}

/// The name of the only document of a doctype.
fn only(sites: &Bench, side: Side, doctype: &str) -> String {
    let names = sites.site(side).names(doctype);
    assert_eq!(names.len(), 1, "{doctype} on {side}: {names:?}");
    names[0].clone()
}

/// Where both sides gave out a number before they met, there are two documents of one name: a
/// person says so, and each is created on the other side.
fn they_come_into_step(sites: &Bench) {
    let overlap = COUNTED.map(|it| in_common(sites, it));
    assert!(overlap[0] > 0 && overlap[2] > 0, "{overlap:?}");
    sites.sync().expect(3);
    assert_eq!(collisions(sites), overlap);
    sites.run(&["resolve", "--all", "--take", "both"]).expect(0);
    sites.sync().expect(0);
    assert_alike(sites, &DOCTYPES);
    there_is_one_contact_and_one_address_on_each_side(sites);
    a_pass_writes_nothing(sites);
}

/// How many names of a doctype are on both sides.
fn in_common(sites: &Bench, doctype: &str) -> usize {
    let local = sites.site(Side::Local).names(doctype);
    sites.site(Side::Cloud).names(doctype).iter().filter(|name| local.contains(name)).count()
}

/// The open conflicts: all are collisions of the counted doctypes.
fn collisions(sites: &Bench) -> [usize; 4] {
    let count = |rest: &str| {
        let open = "SELECT count(*) FROM conflict_records WHERE resolved = FALSE";
        sites.query(&format!("{open} AND {rest}")).parse::<usize>().unwrap()
    };
    let of = COUNTED.map(|it| count(&format!("kind = 'collision' AND doctype = '{it}'")));
    assert_eq!(of.iter().sum::<usize>(), count("TRUE"));
    of
}

fn there_is_one_contact_and_one_address_on_each_side(sites: &Bench) {
    for side in Side::BOTH {
        let customer = sites.doc(side, "Customer", CUSTOMER).unwrap();
        assert_eq!(customer["customer_primary_contact"], only(sites, side, "Contact"), "{side}");
        assert_eq!(customer["customer_primary_address"], only(sites, side, "Address"), "{side}");
        assert_eq!(customer["mobile_no"], "+8801712345678", "{side}");
    }
}

/// Order, delivery note, invoice and payment, as the side that made them calls them.
struct Chain {
    made_on: Side,
    names: [String; 4],
}

impl Chain {
    /// The four documents as a side has them.
    fn on(&self, sites: &Bench, side: Side) -> [Value; 4] {
        std::array::from_fn(|at| {
            let (doctype, name) = (COUNTED[at], &self.names[at]);
            let there = || peer(sites, self.made_on, doctype, name);
            let name = if side == self.made_on { name.clone() } else { there() };
            sites.doc(side, doctype, &name).unwrap()
        })
    }
}

fn a_delivery_an_invoice_and_a_payment_are_made_from_the_order(
    sites: &Bench,
    made_on: Side,
) -> Chain {
    goods_are_received_on_each_side(sites);
    let order = the_order(sites, made_on);
    let delivery = the_delivery(sites, made_on, &order);
    let invoice = the_invoice(sites, made_on, &delivery);
    let payment = the_payment(sites, made_on, &invoice);
    Chain { made_on, names: [order, delivery, invoice, payment] }
}

/// The name of the customer's order.
fn the_order(sites: &Bench, side: Side) -> String {
    let orders = sites.site(side).all_docs("Sales Order");
    let order = orders.iter().find(|order| order["po_no"] == PURCHASE).unwrap();
    order["name"].as_str().unwrap().to_owned()
}

fn submit(sites: &Bench, side: Side, doctype: &str, mut values: Value) -> String {
    values["docstatus"] = json!(1);
    sites.insert(side, doctype, &values)
}

/// One piece of each item stays to be delivered.
fn the_delivery(sites: &Bench, side: Side, order: &str) -> String {
    let made = sites.site(side).made_from("Sales Order", order, "Delivery Note");
    let mut delivery = made.unwrap();
    for row in delivery["items"].as_array_mut().unwrap() {
        row["qty"] = json!(number(&row["qty"]) - 1.0);
    }
    submit(sites, side, "Delivery Note", delivery)
}

/// What was delivered is billed.
fn the_invoice(sites: &Bench, side: Side, delivery: &str) -> String {
    let made = sites.site(side).made_from("Delivery Note", delivery, "Sales Invoice");
    let mut invoice = made.unwrap();
    invoice["due_date"] = json!(in_a_month(sites, side));
    submit(sites, side, "Sales Invoice", invoice)
}

/// Half of it is paid.
fn the_payment(sites: &Bench, side: Side, invoice: &str) -> String {
    let mut payment = sites.site(side).payment_of("Sales Invoice", invoice, Timestamp::now());
    let half = json!(number(&payment["paid_amount"]) / 2.0);
    for field in ["paid_amount", "received_amount"] {
        payment[field] = half.clone();
    }
    payment["references"][0]["allocated_amount"] = half;
    submit(sites, side, "Payment Entry", payment)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Stock is each site's own, and not synced.
fn goods_are_received_on_each_side(sites: &Bench) {
    for (side, quantity) in [(Side::Cloud, 30), (Side::Local, 50)] {
        let row = |item: &str| {
            json!({"item_code": item, "qty": quantity, "basic_rate": 30,
                "t_warehouse": "Stores - BC"})
        };
        let receipt = json!({"stock_entry_type": "Material Receipt", "company": "Bench Co",
            "docstatus": 1, "items": [row("WIDGET"), row("GADGET")]});
        sites.insert(side, "Stock Entry", &receipt);
    }
}

/// Each document names those of its own side, and each row the rows of its own side.
fn links_and_rows_point_home_on_both_sides(sites: &Bench, chain: &Chain) {
    for side in Side::BOTH {
        let [order, delivery, invoice, payment] = chain.on(sites, side);
        for at in 0..2 {
            let row = |doc: &Value| doc["items"][at].clone();
            for (field, wanted) in
                [("against_sales_order", &order["name"]), ("so_detail", &row(&order)["name"])]
            {
                assert_eq!(&row(&delivery)[field], wanted, "{side} {at}");
            }
            for (field, wanted) in [
                ("sales_order", &order["name"]),
                ("so_detail", &row(&order)["name"]),
                ("delivery_note", &delivery["name"]),
                ("dn_detail", &row(&delivery)["name"]),
            ] {
                assert_eq!(&row(&invoice)[field], wanted, "{side} {at}");
            }
        }
        assert_eq!(payment["references"][0]["reference_name"], invoice["name"], "{side}");
        let remarks = payment["remarks"].as_str().unwrap();
        assert!(remarks.contains(invoice["name"].as_str().unwrap()), "{side}: {remarks}");
        assert_eq!(order["contact_person"], only(sites, side, "Contact"), "{side}");
        assert_eq!(order["customer_address"], only(sites, side, "Address"), "{side}");
    }
    let of = |side: Side| chain.on(sites, side).map(|doc| doc["items"][0]["name"].clone());
    assert_ne!(of(Side::Cloud), of(Side::Local), "or nothing was translated");
}

/// What follows from the whole chain is as on the side that made it. 225 of 350 were delivered and
/// billed, which is 64.29 %; four of six pieces are 66.67 %.
fn shares_statuses_and_ledgers_agree(sites: &Bench, chain: &Chain) {
    for side in Side::BOTH {
        let [order, delivery, invoice, payment] = chain.on(sites, side);
        let site = sites.site(side);
        let entries = [&order, &delivery, &invoice, &payment].into_iter().zip(COUNTED);
        let entries =
            entries.map(|(doc, it)| site.ledger_counts(it, doc["name"].as_str().unwrap()));
        assert_eq!(
            json!({
                "order": [order["status"], order["per_delivered"], order["per_billed"]],
                "delivery": [delivery["status"], delivery["per_billed"]],
                "invoice": [invoice["status"], invoice["grand_total"],
                    invoice["outstanding_amount"]],
                "payment": [payment["status"], payment["unallocated_amount"]],
                // In the general ledger, the payment ledger and the stock ledger.
                "entries": entries.collect::<Vec<_>>(),
            }),
            json!({
                "order": ["To Deliver and Bill", 66.666_667, 64.285_714],
                "delivery": ["Completed", 100.0],
                "invoice": ["Partly Paid", 225.0, 112.5],
                "payment": ["Submitted", 0.0],
                "entries": [[0, 0, 0], [2, 0, 2], [2, 1, 0], [2, 1, 0]],
            }),
            "{side}"
        );
    }
}

/// On each side: who we are, and the sums of each doctype.
fn a_pass_writes_nothing(sites: &Bench) {
    a_pass_looks_again_at(sites, &[], Side::Cloud);
}

/// Documents of these doctypes were moved on a side by others, made from them, after they had been
/// read: they are read once more, and nothing is written. That is the metadata in three requests,
/// and for a doctype a page of that side's day, the rows of each table, and its documents.
fn a_pass_looks_again_at(sites: &Bench, moved: &[&str], moved_on: Side) {
    sites.clear_logs();
    sites.sync().expect(0);
    assert_eq!(sites.writes(), 0);
    for side in Side::BOTH {
        let site = sites.site(side);
        let page = usize::from(side == moved_on);
        let reads = moved.iter().map(|it| page + 1 + site.meta(it).unwrap().tables().count());
        let metadata = if moved.is_empty() { 0 } else { 3 };
        let wanted = 1 + DOCTYPES.len() + metadata + reads.sum::<usize>();
        assert_eq!(site.log.entries().len(), wanted, "{side}");
    }
}

/// No name that was brought to a site is in the way of those it gives itself. Gives the number of
/// names that both gave, by doctype.
fn a_hundred_documents_of_each_series_are_created_on_both_sides(sites: &Bench) -> [usize; 4] {
    COUNTED.map(|doctype| {
        let given = Side::BOTH.map(|side| {
            let create = || create(sites, side, doctype);
            std::iter::repeat_with(create).take(100).collect::<BTreeSet<_>>()
        });
        given[0].intersection(&given[1]).count()
    })
}

/// A user's new document, by REST; gives its name.
fn create(sites: &Bench, side: Side, doctype: &str) -> String {
    let path = format!("/api/resource/{}", doctype.replace(' ', "%20"));
    let request = Request::new("POST", &path)
        .token(&format!("{side}fullkey"), &format!("{side}fullsecret"))
        .json(&a_draft(sites, side, doctype));
    let answer = sites.site(side).handle(&request, Timestamp::now());
    assert_eq!(answer.status, 200, "{side} {doctype}: {}", answer.to_json());
    answer.to_json()["data"]["name"].as_str().unwrap().to_owned()
}

fn a_draft(sites: &Bench, side: Side, doctype: &str) -> Value {
    let date = in_a_month(sites, side);
    if doctype == "Payment Entry" {
        return json!({"payment_type": "Receive", "company": "Bench Co", "party_type": "Customer",
            "party": CUSTOMER, "paid_from": "Debtors - BC", "paid_to": "Cash - BC",
            "paid_amount": 1, "received_amount": 1, "reference_no": format!("of {side}"),
            "reference_date": date});
    }
    json!({"customer": CUSTOMER, "company": "Bench Co", "delivery_date": date,
        "due_date": date, "po_no": format!("of {side}"), "items": [{"item_code": "WIDGET", "qty": 1, "rate": 50}]})
}

fn what_was_created_comes_into_step(sites: &Bench, overlap: [usize; 4]) {
    let before = COUNTED.map(|doctype| pairs(sites, doctype).len());
    sites.sync().expect(3);
    assert_eq!(collisions(sites), overlap);
    sites.run(&["resolve", "--all", "--take", "both"]).expect(0);
    sites.sync().expect(0);
    assert_alike(sites, &DOCTYPES);
    for (doctype, before) in COUNTED.into_iter().zip(before) {
        assert_eq!(pairs(sites, doctype).len(), before + 200, "{doctype}");
    }
}
