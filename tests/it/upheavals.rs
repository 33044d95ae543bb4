//! A rename, a merge of two customers, a series name that is given out again, a document that is deleted
//! and made again: each on either side, and while somebody edits the same documents on the other one.
//! Nothing is lost, nothing is doubled, and in the end both sides are the same, document by document.

use std::collections::BTreeMap;

use erpsync::model::{Side, Sides};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bench::{Bench, USER};
use crate::mirror::{assert_alike, assert_alike_but, peer};

const DOCTYPES: [&str; 6] = ["Customer", "Contact", "Address", "Item", "Item Price", "Sales Order"];

/// Two sites in step: two customers who are reachable, two items with a price, a draft of an
/// order for each, which are called otherwise on each side.
struct Trade {
    bench: Bench,
    /// The orders of Acme and of Bolt.
    orders: Sides<[String; 2]>,
}

impl Trade {
    fn in_step() -> Self {
        let bench = Bench::default();
        bench.configure(&format!(
            "[sync]\ndoctypes = {DOCTYPES:?}\n[sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n"
        ));
        let year = bench.site(Side::Cloud).local(Timestamp::now())[..4].to_owned();
        bench.site(Side::Local).set_series(&format!("SAL-ORD-{year}-"), 500);
        let cloud = ["Acme", "Bolt"].map(|name| {
            bench.insert(Side::Cloud, "Customer", &customer(name));
            bench.insert(Side::Cloud, "Item", &item(name));
            order(&bench, Side::Cloud, name, 1)
        });
        bench.sync().expect(0);
        let local = cloud.clone().map(|name| peer(&bench, Side::Cloud, "Sales Order", &name));
        assert_ne!(cloud, local);
        let trade = Self { bench, orders: Sides::new(cloud, local) };
        assert_alike(&trade.bench, &DOCTYPES);
        trade
    }

    fn edit(&self, side: Side, doctype: &str, name: &str, values: &Value) {
        self.bench.edit(side, doctype, name, values);
    }

    /// Another quantity in the row of an order: the rows are sent whole, with all their links.
    fn order_more(&self, side: Side, at: usize, quantity: u32) {
        let order = &self.orders[side][at];
        let mut rows = self.bench.doc(side, "Sales Order", order).unwrap()["items"].clone();
        rows[0]["qty"] = json!(quantity);
        self.edit(side, "Sales Order", order, &json!({ "items": rows }));
    }

    fn counts(&self, side: Side) -> [usize; 6] {
        DOCTYPES.map(|doctype| self.bench.site(side).count_of(doctype))
    }

    /// Both sides have these numbers of documents, the same ones, and a pass finds nothing to do.
    fn is_settled(&self, counts: [usize; 6]) {
        self.is_settled_but(counts, &[]);
    }

    fn is_settled_but(&self, counts: [usize; 6], but: &[(&str, &str)]) {
        for side in Side::BOTH {
            assert_eq!(self.counts(side), counts, "{side}");
        }
        assert_alike_but(&self.bench, &DOCTYPES, but);
        self.bench.clear_logs();
        self.bench.sync().expect(0);
        self.bench.run(&["sync-all", "--full"]).expect(0);
        assert_eq!(self.bench.writes(), 0);
    }

    /// The open conflicts: kind and number of each document.
    fn open(&self) -> BTreeMap<String, String> {
        let open = self.bench.query(
            "SELECT json_group_object(doctype || ' ' || docname || ' ' || kind, CAST(id AS TEXT))
             FROM conflict_records WHERE resolved = FALSE",
        );
        serde_json::from_str(&open).unwrap()
    }

    fn resolve(&self, id: &str, arguments: &[&str]) {
        self.bench.run(&[&["resolve", id], arguments].concat()).expect(0);
    }

    /// Whose each order is, and how much is in it.
    fn ordered(&self, side: Side) -> [(String, f64); 2] {
        self.orders[side].clone().map(|order| {
            let order = self.bench.doc(side, "Sales Order", &order).unwrap();
            let customer = order["customer"].as_str().unwrap().to_owned();
            (customer, order["items"][0]["qty"].as_f64().unwrap())
        })
    }

    /// True when a text stands in what was kept of a conflict.
    fn is_kept(&self, text: &str) -> bool {
        let kept = "SELECT count(*) FROM conflict_records WHERE cloud_data || local_data LIKE";
        self.bench.query(&format!("{kept} '%{text}%'")) != "0"
    }
}

fn customer(name: &str) -> Value {
    json!({"customer_name": name, "mobile_no": "+91 1", "address_line1": format!("{name} Road"),
        "city": "Pune", "country": "India"})
}

fn item(name: &str) -> Value {
    json!({"item_code": format!("{name}-1"), "item_group": "Products", "stock_uom": "Nos",
        "standard_rate": 50})
}

fn order(bench: &Bench, side: Side, name: &str, quantity: u32) -> String {
    let date = bench.site(side).local(Timestamp::now())[..10].to_owned();
    let values = json!({"customer": name, "company": "Bench Co", "delivery_date": date,
        "items": [{"item_code": format!("{name}-1"), "qty": quantity, "rate": 50}]});
    bench.insert(side, "Sales Order", &values)
}

/// These numbers of documents, with one more of some doctypes and one less of others.
fn expected(mut counts: [usize; 6], more: &[&str], less: &[&str]) -> [usize; 6] {
    for (count, doctype) in counts.iter_mut().zip(DOCTYPES) {
        *count += usize::from(more.contains(&doctype));
        *count -= usize::from(less.contains(&doctype));
    }
    counts
}

/// Each side on which it happens, with each version that a person may take then.
fn both_ways() -> impl Iterator<Item = (Side, Side)> {
    Side::BOTH.into_iter().flat_map(|side| Side::BOTH.map(|taken| (side, taken)))
}

#[test]
fn a_rename_while_what_links_to_it_is_edited_on_the_other_side() {
    for side in Side::BOTH {
        let there = side.opposite();
        let trade = Trade::in_step();
        let counts = trade.counts(side);
        for (doctype, old, new) in [("Customer", "Acme", "Apex"), ("Item", "Acme-1", "Apex-1")] {
            let mut site = trade.bench.site(side);
            site.rename_as(USER, doctype, old, new, Timestamp::now()).unwrap();
        }
        trade.edit(there, "Customer", "Acme", &json!({"website": "acme.example.com"}));
        trade.edit(there, "Item", "Acme-1", &json!({"weight_per_unit": 2.5}));
        trade.edit(there, "Contact", "Acme-Acme", &json!({"designation": "boss"}));
        trade.order_more(there, 0, 7);
        trade.order_more(side, 1, 9);
        trade.bench.sync().expect(0);
        for side in Side::BOTH {
            let acme = trade.bench.doc(side, "Customer", "Apex").unwrap();
            assert_eq!(acme["website"], "acme.example.com", "{side}");
            let item = trade.bench.doc(side, "Item", "Apex-1").unwrap();
            assert_eq!(item["weight_per_unit"], 2.5, "{side}");
            let contact = trade.bench.doc(side, "Contact", "Acme-Acme").unwrap();
            assert_eq!(contact["designation"], "boss", "{side}");
            assert_eq!(trade.ordered(side), [("Apex".into(), 7.0), ("Bolt".into(), 9.0)], "{side}");
            let order = trade.bench.doc(side, "Sales Order", &trade.orders[side][0]).unwrap();
            assert_eq!(order["items"][0]["item_code"], "Apex-1", "{side}");
        }
        assert_eq!(trade.open(), BTreeMap::new());
        // A text that was copied from what is renamed stays as it is until somebody saves.
        trade.is_settled_but(
            counts,
            &[("Item Price", "item_name"), ("Sales Order", "customer_name")],
        );
    }
}

/// What the merge took away was edited on the other side: it goes, or it comes back.
#[test]
fn a_merge_of_two_customers_while_both_and_their_order_are_edited_on_the_other_side() {
    for (side, taken) in both_ways() {
        let there = side.opposite();
        let trade = Trade::in_step();
        let before = trade.counts(side);
        let mut site = trade.bench.site(side);
        site.merge_as(USER, "Customer", "Acme", "Bolt", Timestamp::now()).unwrap();
        drop(site);
        trade.edit(there, "Customer", "Acme", &json!({"website": "acme.example.com"}));
        trade.edit(there, "Customer", "Bolt", &json!({"website": "bolt.example.com"}));
        trade.order_more(there, 0, 7);
        trade.order_more(side, 1, 9);
        trade.bench.sync().expect(3);
        let mut open = trade.open();
        // The links that the site rewrote and the rows that a person edited there belong together.
        let order = format!("Sales Order {} edit_edit", trade.orders.cloud[0]);
        if let Some(id) = open.remove(&order) {
            let [customer, items] = [format!("customer={side}"), format!("items={there}")];
            trade.resolve(&id, &["--field", &customer, "--field", &items]);
        }
        assert_eq!(open.keys().collect::<Vec<_>>(), ["Customer Acme edit_delete"]);
        trade.resolve(&open["Customer Acme edit_delete"], &["--take", taken.as_str()]);
        trade.bench.sync().expect(0);
        let is_back = taken == there;
        for side in Side::BOTH {
            let website = |name| Some(trade.bench.doc(side, "Customer", name)?["website"].clone());
            assert_eq!(website("Bolt"), Some(json!("bolt.example.com")), "{side}");
            assert_eq!(website("Acme"), is_back.then(|| json!("acme.example.com")), "{side}");
            assert_eq!(trade.ordered(side), [("Bolt".into(), 7.0), ("Bolt".into(), 9.0)], "{side}");
        }
        assert!(trade.is_kept("acme.example.com"));
        let gone = if is_back { &[][..] } else { &["Customer"] };
        trade.is_settled(expected(before, &[], gone));
    }
}

#[test]
fn a_series_name_that_is_given_out_again_while_its_first_document_is_edited_on_the_other_side() {
    for (side, taken) in both_ways() {
        let there = side.opposite();
        let trade = Trade::in_step();
        let before = trade.counts(side);
        let name = trade.orders[side][1].clone();
        trade.bench.site(side).delete_as(USER, "Sales Order", &name, Timestamp::now()).unwrap();
        let (prefix, number) = name.split_at(name.len() - 5);
        trade.bench.site(side).set_series(prefix, number.parse::<u64>().unwrap() - 1);
        assert_eq!(order(&trade.bench, side, "Bolt", 3), name);
        trade.order_more(there, 1, 9);
        trade.bench.sync().expect(3);
        let first = format!("Sales Order {} edit_delete", trade.orders.cloud[1]);
        let open = trade.open();
        assert_eq!(open.keys().collect::<Vec<_>>(), [&first]);
        trade.resolve(&open[&first], &["--take", taken.as_str()]);
        let is_back = taken == there;
        for side in Side::BOTH {
            let orders = trade.bench.site(side).all_docs("Sales Order");
            let quantities = orders.iter().map(|order| order["items"][0]["qty"].as_f64().unwrap());
            let mut quantities: Vec<f64> = quantities.collect();
            quantities.sort_by(f64::total_cmp);
            assert_eq!(quantities, if is_back { vec![1.0, 3.0, 9.0] } else { vec![1.0, 3.0] });
        }
        assert!(trade.is_kept("\"qty\":9"));
        let more = if is_back { &["Sales Order"][..] } else { &[] };
        trade.is_settled(expected(before, more, &[]));
    }
}

/// The item takes its price along and makes another one, the customer a contact and an address.
#[test]
fn documents_deleted_and_made_again_while_the_first_ones_are_edited_on_the_other_side() {
    for side in Side::BOTH {
        let there = side.opposite();
        let trade = Trade::in_step();
        let before = trade.counts(side);
        for (doctype, name) in [
            ("Sales Order", trade.orders[side][0].as_str()),
            ("Customer", "Acme"),
            ("Item", "Acme-1"),
        ] {
            trade.bench.site(side).delete_as(USER, doctype, name, Timestamp::now()).unwrap();
        }
        trade.bench.insert(side, "Customer", &customer("Acme"));
        trade.bench.insert(side, "Item", &item("Acme"));
        trade.edit(there, "Customer", "Acme", &json!({"website": "acme.example.com"}));
        trade.edit(there, "Item", "Acme-1", &json!({"description": "an edited item"}));
        // The new ones wait until a person has said what becomes of the first ones.
        assert_ne!(trade.bench.sync().code, 0);
        let open = trade.open();
        let first = ["Customer Acme edit_delete", "Item Acme-1 edit_delete"];
        assert_eq!(open.keys().collect::<Vec<_>>(), first);
        for id in open.values() {
            trade.resolve(id, &["--take", side.as_str()]);
        }
        trade.bench.run(&["sync-all", "--retry-failed"]).expect(0);
        assert!(trade.is_kept("acme.example.com") && trade.is_kept("an edited item"));
        for side in Side::BOTH {
            let acme = trade.bench.doc(side, "Customer", "Acme").unwrap();
            assert_eq!(acme["customer_primary_contact"], "Acme-Acme", "{side}");
            assert_eq!(acme["website"].as_str().unwrap_or_default(), "", "{side}");
        }
        trade.is_settled(expected(before, &[], &["Sales Order"]));
    }
}
