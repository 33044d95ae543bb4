//! Creates where the site gives the name.

use erpsync::model::Side;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{SERIES, counting, named, quiet, series, titles};
use crate::bench::{Bench, USER};

#[test]
fn each_site_gives_its_own_names() {
    let bench = counting();
    for number in 0..3 {
        bench.insert(Side::Cloud, "N Series", &series(&format!("of the cloud {number}")));
        bench.insert(Side::Local, "N Series", &series(&format!("of the local site {number}")));
    }
    bench.sync().expect(0);
    assert_eq!(titles(&bench, Side::Cloud, "N Series"), titles(&bench, Side::Local, "N Series"));
    assert_eq!(titles(&bench, Side::Cloud, "N Series").len(), 6);
    for (at, other) in [(Side::Cloud, "local site"), (Side::Local, "cloud")] {
        let first = named(&bench, at, "N Series", &format!("of the {other} 0"));
        let number: u32 = first["name"].as_str().unwrap()[8..].parse().unwrap();
        assert_eq!(number, if at == Side::Cloud { 104 } else { 504 }, "{first}");
        let rows = first["rows"].as_array().unwrap();
        assert_ne!(rows[0]["creation"], first["creation"], "a copy says whose it is");
    }
    quiet(&bench);
    let edited = named(&bench, Side::Cloud, "N Series", "of the local site 1");
    let name = edited["name"].as_str().unwrap();
    bench.edit(Side::Cloud, "N Series", name, &json!({"title": "edited"}));
    bench.sync().expect(0);
    assert_eq!(titles(&bench, Side::Cloud, "N Series"), titles(&bench, Side::Local, "N Series"));
    quiet(&bench);
}

/// A name is sent only where the rule asks for one.
#[test]
fn no_create_blocks_a_live_series() {
    let bench = Bench::default();
    bench.configure(
        "[sync]\ndoctypes = [\"Customer\", \"Item\", \"N Series\", \"N Expr\", \"N Format\", \
         \"N Auto\", \"N Hash\", \"N None\", \"Sales Order\", \"Sales Invoice\"]\n",
    );
    let item = json!({"item_code": "BOLT", "item_group": "Products", "stock_uom": "Nos"});
    for side in Side::BOTH {
        bench.insert(side, "Customer", &json!({"customer_name": "ACME"}));
        bench.insert(side, "Item", &item);
    }
    let order = json!({"customer": "ACME", "company": "Bench Co", "delivery_date": "2026-12-24",
        "items": [{"item_code": "BOLT", "item_name": "BOLT", "qty": 2, "rate": 5}]});
    let one = |doctype: &str, text: String| match doctype {
        "Sales Order" | "Sales Invoice" => {
            let mut order = order.clone();
            order["po_no"] = text.into();
            order
        }
        _ => series(&text),
    };
    let doctypes = [
        "N Series",
        "N Expr",
        "N Format",
        "N Auto",
        "N Hash",
        "N None",
        "Sales Order",
        "Sales Invoice",
    ];
    for doctype in doctypes {
        // Eight were made on the cloud before, so that no name is on both sides at once.
        for number in 0..8 {
            bench.insert(Side::Cloud, doctype, &one(doctype, format!("before {number}")));
        }
    }
    bench.sync().expect(0);
    for round in 0..2 {
        for doctype in doctypes {
            let side = Side::BOTH[round];
            for number in 0..5 {
                bench.insert(side, doctype, &one(doctype, format!("round {round} {number}")));
            }
        }
        bench.sync().expect(0);
        quiet(&bench);
    }
    for doctype in doctypes {
        for side in Side::BOTH {
            assert_eq!(bench.site(side).count_of(doctype), 18, "{doctype} on {side}");
            for number in 0..100 {
                let values = one(doctype, format!("after {side} {number}"));
                let made = bench.site(side).insert_as(USER, doctype, &values, Timestamp::now());
                assert!(made.is_ok(), "{doctype} on {side}: {made:?}");
            }
        }
    }
}

/// In the order in which they were made, one at a time on each side.
#[test]
fn counted_documents_are_created_in_turn() {
    let bench = counting();
    bench.configure_sites("concurrency = 4", SERIES);
    let born = Timestamp::now().checked_sub(SignedDuration::from_hours(1)).unwrap();
    // Listed by name, made in the other order.
    for made in (0..12).rev() {
        let at = born.checked_add(SignedDuration::from_mins(made)).unwrap();
        bench.insert_at(Side::Cloud, "N Series", &series(&format!("made {made:02}")), at);
    }
    bench.sync().expect(0);
    let site = bench.site(Side::Local);
    let posts: Vec<_> =
        site.log.entries().iter().filter(|entry| entry.path.contains("/resource/N")).collect();
    assert_eq!(posts.len(), 12);
    for pair in posts.windows(2) {
        assert!(pair[1].started >= pair[0].ended.unwrap(), "two at once: {pair:?}");
    }
    let mut docs = site.all_docs("N Series");
    docs.sort_by_key(|doc| doc["name"].as_str().unwrap().to_owned());
    let in_order: Vec<&str> = docs.iter().map(|doc| doc["title"].as_str().unwrap()).collect();
    let wanted: Vec<String> = (0..12).map(|made| format!("made {made:02}")).collect();
    assert_eq!(in_order, wanted);
}

/// Customers by name on the one site, by series on the other: the name that a site counts is
/// no second copy.
#[test]
fn names_that_only_one_site_counts() {
    let bench = Bench::default();
    bench.configure(
        "[sync]\ndoctypes = [\"N Series\"]\n[doctypes.\"N Series\"]\nnames = \"natural\"\n",
    );
    bench.insert(Side::Cloud, "N Series", &series("counted"));
    let ran = bench.sync().expect(4);
    assert!(ran.err.contains("names = \"natural\", but the sites give"), "{}", ran.err);
    assert_eq!(bench.writes(), 0, "nothing is made in order to be taken back");
}
