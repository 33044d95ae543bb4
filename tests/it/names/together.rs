//! Doctypes whose names the sites count, gone through at the same time.

use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::Flavour;
use frappe_sandbox::faults::{Action, Match, Refusal};
use frappe_sandbox::http::Options;
use frappe_sandbox::log::Entry;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{quiet, series, titles};
use crate::bench::Bench;

const DOCUMENTS: i64 = 24;

/// Sites that take a moment to answer, and these doctypes with a few documents in a wave.
fn slow(doctypes: &[&str]) -> Bench {
    let latency = Duration::from_millis(10);
    let bench = Bench::new(Flavour::V15_105, Options { latency, ..Options::default() });
    let rules = format!("doctypes = {doctypes:?}\nbatch_size = 2\nsettle_after = \"1s\"\n");
    let retry = "[sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";
    bench.configure_sites("concurrency = 4", &format!("[sync]\n{rules}{retry}"));
    bench
}

/// Documents of two doctypes on the cloud, more of each than a wave, and one of a third doctype.
fn three_doctypes() -> Bench {
    let bench = slow(&["N Series", "N Hash", "Brand"]);
    let born = Timestamp::now().checked_sub(SignedDuration::from_hours(1)).unwrap();
    for made in (0..DOCUMENTS).rev() {
        let at = born.checked_add(SignedDuration::from_mins(made)).unwrap();
        for doctype in ["N Series", "N Hash"] {
            bench.insert_at(Side::Cloud, doctype, &series(&format!("made {made:02}")), at);
        }
    }
    bench.insert(Side::Cloud, "Brand", &json!({"brand": "A"}));
    bench
}

/// The creates of a doctype on local.
fn creates(bench: &Bench, doctype: &str) -> Vec<Entry> {
    let site = bench.site(Side::Local);
    let entries = site.log.entries().iter();
    entries
        .filter(|entry| entry.method == "POST" && entry.is_write && entry.doctype == doctype)
        .cloned()
        .collect()
}

#[test]
fn each_in_turn_and_both_at_the_same_time() {
    let bench = three_doctypes();
    bench.sync().expect(0);
    let (one, other) = (creates(&bench, "N Series"), creates(&bench, "N Hash"));
    for posts in [&one, &other] {
        assert_eq!(i64::try_from(posts.len()).unwrap(), DOCUMENTS);
        for pair in posts.windows(2) {
            assert!(pair[1].started >= pair[0].ended.unwrap(), "two at once: {pair:?}");
        }
    }
    let overlap =
        |a: &Entry, b: &Entry| a.started < b.ended.unwrap() && b.started < a.ended.unwrap();
    let at_once = one.iter().filter(|a| other.iter().any(|b| overlap(a, b))).count();
    assert!(at_once > one.len() / 2, "{at_once} of them beside one of the other doctype");
    for doctype in ["N Series", "N Hash"] {
        assert_eq!(titles(&bench, Side::Local, doctype), titles(&bench, Side::Cloud, doctype));
    }
    assert_eq!(bench.site(Side::Local).names("Brand"), ["A"]);
    let mut docs = bench.site(Side::Local).all_docs("N Series");
    docs.sort_by_key(|doc| doc["name"].as_str().unwrap().to_owned());
    let in_order: Vec<&str> = docs.iter().map(|doc| doc["title"].as_str().unwrap()).collect();
    assert!(in_order.is_sorted(), "{in_order:?}");
    quiet(&bench);
}

#[test]
fn what_befalls_one_does_not_stop_the_other() {
    let bench = three_doctypes();
    let rows_of_the_other = Match::on("POST", "[\"parenttype\",\"=\",\"N Hash\"]");
    let refuse = || Action::Refuse(Refusal::Forbidden);
    bench.site(Side::Cloud).faults.always(rows_of_the_other, refuse);
    let ran = bench.sync().expect(4);
    let counts = &ran.json()["doctypes"];
    assert_eq!(
        (&counts[0]["created_on_local"], &counts[0]["error"]),
        (&json!(DOCUMENTS), &json!(null))
    );
    assert!(counts[1]["error"].is_string() && bench.site(Side::Local).names("N Hash").is_empty());
    assert_eq!(titles(&bench, Side::Local, "N Series"), titles(&bench, Side::Cloud, "N Series"));
    assert_eq!(bench.site(Side::Local).names("Brand"), ["A"]);
}

/// One answer of each is lost in the same wave: the next run finds both copies.
#[test]
fn lost_answers_of_both_are_found_out() {
    let bench = three_doctypes();
    for doctype in ["N Series", "N Hash"] {
        let twelfth = Match::on("POST", &format!("/api/resource/{doctype}")).nth(12);
        bench.site(Side::Local).faults.once(twelfth, Action::CutAfter);
    }
    bench.sync().expect(4);
    std::thread::sleep(Duration::from_millis(1100));
    bench.sync().expect(0);
    for doctype in ["N Series", "N Hash"] {
        assert_eq!(titles(&bench, Side::Local, doctype), titles(&bench, Side::Cloud, doctype));
    }
    quiet(&bench);
}

/// A dynamic link may lead anywhere, and what is submitted is posted in the order of the list.
#[test]
fn what_may_need_the_other_comes_after_it() {
    let todo = |number: i64| json!({"description": format!("made {number}")});
    let order = |number: i64| {
        json!({"customer": "ACME", "company": "Bench Co", "delivery_date": "2026-12-24",
            "po_no": format!("made {number}"),
            "items": [{"item_code": "BOLT", "item_name": "BOLT", "qty": 2, "rate": 5}]})
    };
    for later in ["ToDo", "Sales Order"] {
        let bench = slow(&["N Series", later]);
        for side in Side::BOTH {
            let item = json!({"item_code": "BOLT", "item_group": "Products", "stock_uom": "Nos"});
            bench.insert(side, "Customer", &json!({"customer_name": "ACME"}));
            bench.insert(side, "Item", &item);
        }
        for number in 0..DOCUMENTS {
            bench.insert(Side::Cloud, "N Series", &series(&format!("made {number}")));
            let document = if later == "ToDo" { todo(number) } else { order(number) };
            bench.insert(Side::Cloud, later, &document);
        }
        bench.sync();
        let (first, then) = (creates(&bench, "N Series"), creates(&bench, later));
        assert_eq!(first.len(), then.len(), "{later}");
        assert!(first.last().unwrap().ended.unwrap() <= then[0].started, "{later}");
    }
}
