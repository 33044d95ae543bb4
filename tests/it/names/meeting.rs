//! Which new document of one side is which of the other.

use erpsync::model::Side;
use frappe_sandbox::meta::DocType;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{SERIES, counting, named, quiet, series, titles};
use crate::bench::{Bench, SYNC_USER, USER};

const MAP: &str =
    "SELECT group_concat(pair, ' ') FROM (SELECT cloud_name || '=' || local_name AS pair
     FROM sync_records WHERE cloud_base IS NOT NULL ORDER BY cloud_name)";

pub fn forget(bench: &Bench) {
    for file in ["sync_state.db", "sync_state.db-wal", "sync_state.db-shm"] {
        std::fs::remove_file(bench.path(file)).ok();
    }
}

/// Two documents that have each other's name on the other side.
pub fn crossed(values: impl Fn(&str) -> Value) -> Bench {
    let bench = Bench::default();
    bench.configure(SERIES);
    bench.insert(Side::Cloud, "N Series", &values("X"));
    bench.site(Side::Local).set_series("NS-2026-", 5);
    bench.sync().expect(0);
    bench.site(Side::Local).set_series("NS-2026-", 0);
    bench.insert(Side::Local, "N Series", &values("Y"));
    bench.site(Side::Cloud).set_series("NS-2026-", 5);
    bench.sync().expect(0);
    assert_eq!(bench.query(MAP), "NS-2026-0001=NS-2026-0006 NS-2026-0006=NS-2026-0001");
    bench
}

/// Copied sites, and a document that was renamed on one of them before the first sync.
#[test]
fn a_document_renamed_before_the_first_sync_is_not_made_twice() {
    for side in Side::BOTH {
        let bench = Bench::default();
        bench.configure(
            "[sync]\ndoctypes = [\"Item\", \"Customer\"]\nconflict_resolution = \"cloud_wins\"\n",
        );
        let born = Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(1)).unwrap();
        let item = json!({"item_code": "BOLT", "item_group": "Products", "stock_uom": "Nos"});
        for at in Side::BOTH {
            bench.insert_at(at, "Customer", &json!({"customer_name": "ACME"}), born);
            bench.insert_at(at, "Item", &item, born);
        }
        // A copied site has the other's stamps to the letter.
        for (doctype, name) in [("Customer", "ACME"), ("Item", "BOLT")] {
            let stamp = bench.doc(Side::Cloud, doctype, name).unwrap()["creation"].clone();
            bench.site(Side::Local).poke(doctype, name, "creation", &stamp).unwrap();
        }
        for (doctype, old, new) in [("Customer", "ACME", "ACME Ltd"), ("Item", "BOLT", "BOLT 2")] {
            bench.site(side).rename_as(USER, doctype, old, new, Timestamp::now()).unwrap();
        }
        bench.sync().expect(0);
        for at in Side::BOTH {
            let is_renamed = at == side;
            let names = |doctype| bench.site(at).names(doctype);
            assert_eq!(names("Customer"), [if is_renamed { "ACME Ltd" } else { "ACME" }]);
            assert_eq!(names("Item"), [if is_renamed { "BOLT 2" } else { "BOLT" }]);
        }
        quiet(&bench);
        let name = bench.site(Side::Cloud).names("Item")[0].clone();
        bench.edit(Side::Cloud, "Item", &name, &json!({"description": "galvanized"}));
        bench.sync().expect(0);
        let local = bench.site(Side::Local).all_docs("Item");
        assert_eq!(local[0]["description"], "galvanized");
        quiet(&bench);
    }
}

/// A lost state: rows carry the `creation` of the document that they were copied from, and
/// what has no rows is told by its content.
#[test]
fn copies_are_known_again_whatever_they_are_called() {
    for values in [series, |title: &str| json!({"title": title})] {
        let bench = crossed(values);
        forget(&bench);
        bench.clear_logs();
        let ran = bench.sync().expect(0);
        assert_eq!(bench.writes(), 0, "{ran:?}");
        assert_eq!(bench.query(MAP), "NS-2026-0001=NS-2026-0006 NS-2026-0006=NS-2026-0001");
    }
}

/// Nothing but numbers or a date, and two that are wholly alike.
#[test]
fn copies_without_any_text_are_known_again() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Reading\"]\n");
    let fields = json!(["amount|Float", "taken|Date", "count|Int"]);
    for side in Side::BOTH {
        let reading = json!({"name": "Reading", "autoname": "hash", "custom": 1, "fields": fields});
        bench.site(side).register(DocType::from_spec(&reading), Timestamp::now());
    }
    let values = [
        json!({"amount": 7.25}),
        json!({"taken": "2026-05-05"}),
        json!({"amount": 3, "count": 12}),
        json!({"amount": 3, "count": 12}),
    ];
    for values in &values {
        bench.insert(Side::Cloud, "Reading", values);
    }
    bench.sync().expect(0);
    forget(&bench);
    let ran = bench.run(&["sync-all", "--new-state", "--json"]).expect(0).json();
    assert_eq!(ran["doctypes"][0]["adopted"], 4, "{ran}");
    for side in Side::BOTH {
        assert_eq!(bench.site(side).names("Reading").len(), 4, "{side}");
    }
}

#[test]
fn a_copy_that_was_edited_is_still_the_copy() {
    let bench = crossed(series);
    bench.edit(Side::Cloud, "N Series", "NS-2026-0001", &json!({"title": "X edited"}));
    forget(&bench);
    bench.sync().expect(0);
    assert_eq!(titles(&bench, Side::Local, "N Series"), ["X edited", "Y"]);
    assert_eq!(
        bench.query("SELECT kind || resolution FROM conflict_records"),
        "first_meetingcloud_wins"
    );
    quiet(&bench);
}

/// Two state files for one pair of sites do not multiply documents.
#[test]
fn two_state_files() {
    let bench = counting();
    let mine = std::fs::read_to_string(bench.path("sync.toml")).unwrap();
    let other = format!("[state]\npath = \"other.db\"\n{mine}");
    std::fs::write(bench.path("other.toml"), other).unwrap();
    let both = || {
        for config in ["sync.toml", "other.toml"] {
            bench.run(&["--config", config, "sync-all", "--new-state"]).expect(0);
        }
    };
    for round in 0..3 {
        for side in Side::BOTH {
            bench.insert(side, "N Series", &series(&format!("rows {side} {round}")));
            bench.insert(side, "N Series", &json!({"title": format!("plain {side} {round}")}));
        }
        both();
        for side in Side::BOTH {
            assert_eq!(titles(&bench, side, "N Series").len(), 4 * (round + 1), "{round} {side}");
        }
    }
    bench.clear_logs();
    both();
    assert_eq!(bench.writes(), 0);
}

/// A copy of a known document that our user made: nothing that a person entered.
#[test]
fn a_second_copy_is_left_to_a_person() {
    let bench = counting();
    bench.insert(Side::Cloud, "N Series", &json!({"title": "plain"}));
    let source = bench.insert(Side::Cloud, "N Series", &series("rows"));
    bench.sync().expect(0);
    let born = bench.doc(Side::Cloud, "N Series", &source).unwrap()["creation"].clone();
    let mut copy = series("rows, edited since");
    copy["rows"][0]["creation"] = born;
    for values in [json!({"title": "plain"}), copy] {
        bench
            .site(Side::Local)
            .insert_as(SYNC_USER, "N Series", &values, Timestamp::now())
            .unwrap();
    }
    // A person's own document may have the same content.
    bench.insert(Side::Local, "N Series", &json!({"title": "plain"}));
    bench.sync().expect(3);
    assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["plain", "plain", "rows"]);
    let kinds =
        bench.query("SELECT group_concat(kind) FROM conflict_records WHERE resolved = FALSE");
    assert_eq!(kinds, "duplicate,duplicate");
    quiet(&bench);
}

/// The original goes and is made anew: its second copy is still one, and not carried over. Nor is
/// it passed over where nothing is carried from its side.
#[test]
fn a_second_copy_stays_one() {
    for (rule, kept) in [("", "recreate"), ("direction = \"cloud_to_local\"\n", "propagate")] {
        let bench = counting();
        bench.configure(&format!("{SERIES}[doctypes.\"N Series\"]\ndeletes = \"{kept}\"\n{rule}"));
        let source = bench.insert(Side::Cloud, "N Series", &series("rows"));
        bench.sync().expect(0);
        let born = bench.doc(Side::Cloud, "N Series", &source).unwrap()["creation"].clone();
        let mut copy = series("rows");
        copy["rows"][0]["creation"] = born;
        let now = Timestamp::now();
        bench.site(Side::Local).insert_as(SYNC_USER, "N Series", &copy, now).unwrap();
        bench.sync().expect(3);
        if rule.is_empty() {
            bench.site(Side::Cloud).delete_as(USER, "N Series", &source, now).unwrap();
            bench.sync().expect(3);
            bench.run(&["sync-all", "--full"]).expect(3);
        }
        assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["rows"], "{kept}");
        let kind = "SELECT kind FROM conflict_records WHERE resolved = FALSE";
        assert_eq!(bench.query(kind), "duplicate");
    }
}

/// A second copy has the name of a new document of the other side. Told apart, by rule or by a
/// person, the new document is created, and the copy is still one.
#[test]
fn a_second_copy_told_apart_from_its_namesake_stays_one() {
    for collisions in ["both", "manual"] {
        let bench = counting();
        bench.site(Side::Local).set_series("NS-2026-", 100);
        bench.configure(&format!(
            "{SERIES}[doctypes.\"N Series\"]\ncollisions = \"{collisions}\"\n"
        ));
        let source = bench.insert(Side::Cloud, "N Series", &series("known"));
        bench.sync().expect(0);
        let mut copy = series("known");
        copy["rows"][0]["creation"] =
            bench.doc(Side::Cloud, "N Series", &source).unwrap()["creation"].clone();
        bench.site(Side::Local).insert_as(SYNC_USER, "N Series", &copy, Timestamp::now()).unwrap();
        bench.insert(Side::Cloud, "N Series", &series("new"));
        bench.sync().expect(3);
        if collisions == "manual" {
            let id = bench.query("SELECT id FROM conflict_records WHERE resolved = FALSE");
            bench.run(&["resolve", &id, "--take", "both"]).expect(0);
        }
        assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["known", "new"], "{collisions}");
        assert_eq!(titles(&bench, Side::Local, "N Series"), ["known", "known", "new"]);
        let kind = "SELECT group_concat(kind) FROM conflict_records WHERE resolved = FALSE";
        assert_eq!(bench.query(kind), "duplicate", "{collisions}");
        bench.run(&["sync-all", "--full"]).expect(3);
        assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["known", "new"], "{collisions}");
        quiet(&bench);
    }
}

#[test]
fn fields_that_tell_documents_pair_them() {
    let bench = Bench::default();
    let rules = "[sync]\ndoctypes = [\"N Hash\"]\nconflict_resolution = \"cloud_wins\"\n\
         [doctypes.\"N Hash\"]\nmatch_on = [\"title\"]\n";
    bench.configure(rules);
    for (side, item) in [(Side::Cloud, "of the cloud"), (Side::Local, "of the local site")] {
        let row = json!([{"item": item, "qty": 1}]);
        bench.insert(side, "N Hash", &json!({"title": "one", "rows": row}));
        bench.insert(side, "N Hash", &json!({"title": "twice", "rows": row}));
        bench.insert(side, "N Hash", &json!({"title": format!("alone {side}"), "rows": row}));
    }
    bench.insert(Side::Local, "N Hash", &json!({"title": "twice"}));
    bench.sync().expect(0);
    assert_eq!(named(&bench, Side::Local, "N Hash", "one")["rows"][0]["item"], "of the cloud");
    let wanted = ["alone cloud", "alone local", "one", "twice", "twice", "twice"];
    for side in Side::BOTH {
        assert_eq!(titles(&bench, side, "N Hash"), wanted, "{side}");
    }
    quiet(&bench);
}

/// Item Price: named by a hash, told by item, list, unit, currency, dates and party.
#[test]
fn prices_are_told_by_what_they_are_for() {
    let bench = Bench::default();
    bench.configure(
        "[sync]\ndoctypes = [\"Item\", \"Item Price\"]\nconflict_resolution = \"cloud_wins\"\n",
    );
    let item = json!({"item_code": "BOLT", "item_group": "Products", "stock_uom": "Nos"});
    for (side, rate) in [(Side::Cloud, 5), (Side::Local, 7)] {
        bench.insert(side, "Item", &item);
        for list in ["Standard Selling", "Standard Buying"] {
            let price = json!({"item_code": "BOLT", "price_list": list, "price_list_rate": rate,
                "valid_from": "2026-01-01"});
            bench.insert(side, "Item Price", &price);
        }
    }
    bench.sync().expect(0);
    for side in Side::BOTH {
        let rates = bench.contents(side, "Item Price", &["price_list", "price_list_rate"]);
        assert_eq!(rates.len(), 2, "{side}: {rates:?}");
        assert!(rates.iter().all(|rate| rate.contains("rate=5")), "{side}: {rates:?}");
    }
    quiet(&bench);
}
