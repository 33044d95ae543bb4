//! Sites that are copies of one backup, or whose state was lost: what is there already is not
//! made a second time, whatever is looked at first and whatever a doctype's documents hold.

use erpsync::model::Side;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::meeting::forget;
use super::{named, quiet, titles};
use crate::bench::{Bench, SYNC_USER, USER};

const RULES: &str =
    "[sync]\ndoctypes = [\"Item\", \"N Hash\"]\nconflict_resolution = \"cloud_wins\"\n";

/// Copies of one site: an item and a hash-named document, each renamed on one of them since.
fn copied(rules: &str, renamed_on: Side) -> Bench {
    let bench = Bench::default();
    bench.configure(rules);
    let born = Timestamp::now().checked_sub(SignedDuration::from_hours(1)).unwrap();
    let item = json!({"item_code": "BOLT", "item_group": "Products", "stock_uom": "Nos"});
    let names = Side::BOTH.map(|side| {
        bench.insert_at(side, "Item", &item, born);
        bench.insert_at(side, "N Hash", &json!({"title": "one"}), born)
    });
    // A copied site has the other's stamps to the letter.
    let there = [("Item", "BOLT", "BOLT"), ("N Hash", &names[0], &names[1])];
    for (doctype, cloud, local) in there {
        let stamp = bench.doc(Side::Cloud, doctype, cloud).unwrap()["creation"].clone();
        bench.site(Side::Local).poke(doctype, local, "creation", &stamp).unwrap();
    }
    bench.site(renamed_on).rename_as(USER, "Item", "BOLT", "BOLT 2", Timestamp::now()).unwrap();
    let edited = &names[usize::from(renamed_on == Side::Local)];
    bench.edit(renamed_on, "N Hash", edited, &json!({"title": "edited"}));
    bench
}

fn are_one(bench: &Bench) {
    for doctype in ["Item", "N Hash"] {
        for side in Side::BOTH {
            assert_eq!(bench.site(side).count_of(doctype), 1, "{doctype} on {side}");
        }
    }
}

/// A look at one document, by a person or by a webhook, before anything was listed.
#[test]
fn a_single_look_before_the_first_pass_makes_no_second_document() {
    for renamed_on in Side::BOTH {
        for asked_on in Side::BOTH {
            let bench = copied(RULES, renamed_on);
            let item = bench.site(asked_on).names("Item");
            let hash = bench.site(asked_on).names("N Hash");
            for (doctype, name) in [("Item", &item[0]), ("N Hash", &hash[0])] {
                let arguments = ["sync-doctype", doctype, "--new-state", "--name", name];
                bench.run(&arguments).expect(0);
            }
            are_one(&bench);
            bench.sync().expect(0);
            are_one(&bench);
            quiet(&bench);
        }
    }
}

/// The same where a filter lets only one side's version in.
#[test]
fn a_filter_makes_no_second_document() {
    let filtered = format!(
        "{RULES}[doctypes.Item]\nfilters = [[\"item_code\", \"=\", \"BOLT\"]]\n\
         [doctypes.\"N Hash\"]\nfilters = [[\"title\", \"=\", \"one\"]]\n"
    );
    for renamed_on in Side::BOTH {
        let bench = copied(&filtered, renamed_on);
        bench.sync().expect(0);
        are_one(&bench);
    }
}

/// What many documents share proves nothing: documents that were imported in one go.
#[test]
fn documents_of_one_instant_are_not_taken_for_one() {
    let bench = Bench::default();
    bench.configure(RULES);
    let born = Timestamp::now().checked_sub(SignedDuration::from_hours(1)).unwrap();
    for (side, title) in [(Side::Cloud, "a"), (Side::Cloud, "b"), (Side::Local, "c")] {
        let name = bench.insert_at(side, "N Hash", &json!({"title": title}), born);
        let stamp = json!("2026-01-01 10:00:00.000000");
        bench.site(side).poke("N Hash", &name, "creation", &stamp).unwrap();
    }
    let name = named(&bench, Side::Cloud, "N Hash", "a")["name"].as_str().unwrap().to_owned();
    bench.run(&["sync-doctype", "N Hash", "--new-state", "--name", &name]).expect(0);
    assert_eq!(titles(&bench, Side::Local, "N Hash"), ["a", "c"]);
}

/// A name of its own says which document it is, unless somebody has renamed it: then the rows of
/// the copy say it, also to a state that knows nothing.
#[test]
fn a_renamed_copy_is_known_by_its_rows_after_a_lost_state() {
    for renamed_on in Side::BOTH {
        let bench = Bench::default();
        bench.configure("[sync]\ndoctypes = [\"Probe\"]\n");
        let rows = json!([{"item": "A", "qty": 1}]);
        let values = json!({"title": "Old", "tm": "04:05:06", "rows": rows});
        bench.insert(Side::Cloud, "Probe", &values);
        bench.sync().expect(0);
        bench.site(renamed_on).rename_as(USER, "Probe", "Old", "New", Timestamp::now()).unwrap();
        let name = bench.site(Side::Cloud).names("Probe").remove(0);
        bench.edit(Side::Cloud, "Probe", &name, &json!({"stxt": "more"}));
        forget(&bench);
        bench.sync();
        for side in Side::BOTH {
            assert_eq!(bench.site(side).count_of("Probe"), 1, "renamed on {renamed_on}: {side}");
        }
    }
}

const CARDS: &str = "[sync]\ndoctypes = [\"Lead\", \"ToDo\", \"Note\", \"FP Auto\"]\n\
    conflict_resolution = \"manual\"\n\
    exclude_fields = [\"country\", \"language\", \"company\", \"allocated_to\"]\n";

/// Documents without rows, of doctypes whose sites give the names; the last has neither a
/// title nor a text that must be filled.
fn cards() -> [(&'static str, Value); 4] {
    [
        ("Lead", json!({"first_name": "Quin", "lead_owner": SYNC_USER, "mobile_no": "888222"})),
        ("ToDo", json!({"description": "Call Quin back"})),
        ("Note", json!({"title": "On Quin", "content": "Buys bolts.", "public": 1})),
        ("FP Auto", json!({"t": "Quin"})),
    ]
}

fn counts(bench: &Bench, side: Side) -> Vec<usize> {
    cards().iter().map(|(doctype, _)| bench.site(side).count_of(doctype)).collect()
}

#[test]
fn a_second_copy_is_noticed_whatever_the_doctype() {
    let bench = Bench::default();
    bench.configure(CARDS);
    for (doctype, values) in cards() {
        bench.insert(Side::Cloud, doctype, &values);
    }
    bench.sync().expect(0);
    // As another state file would have it made.
    for (doctype, _) in cards() {
        let mut copy = bench.site(Side::Local).all_docs(doctype)[0].clone();
        copy.as_object_mut().unwrap().retain(|field, _| !["name", "creation"].contains(&&**field));
        bench.site(Side::Local).insert_as(SYNC_USER, doctype, &copy, Timestamp::now()).unwrap();
    }
    let ran = bench.sync().expect(3);
    assert_eq!(counts(&bench, Side::Cloud), [1, 1, 1, 1], "{ran:?}");
    let kinds = "SELECT group_concat(doctype || ' ' || kind, ', ') FROM conflict_records";
    let wanted = "Lead duplicate, ToDo duplicate, Note duplicate, FP Auto duplicate";
    assert_eq!(bench.query(kinds), wanted);
    quiet(&bench);
}

#[test]
fn a_lost_state_doubles_nothing_whatever_the_doctype() {
    let bench = Bench::default();
    bench.configure(CARDS);
    for (doctype, values) in cards() {
        // Another one first, so that the sites' counters differ.
        let other = bench.insert(Side::Local, doctype, &values);
        bench.site(Side::Local).delete_as(USER, doctype, &other, Timestamp::now()).unwrap();
        bench.insert(Side::Cloud, doctype, &values);
    }
    bench.sync().expect(0);
    forget(&bench);
    bench.clear_logs();
    let ran = bench.sync().expect(0);
    assert_eq!(bench.writes(), 0, "{ran:?}");
    for side in Side::BOTH {
        assert_eq!(counts(&bench, side), [1, 1, 1, 1], "{side}");
    }
}
