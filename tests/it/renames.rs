//! Renames and merges through the program, each with edits on the other side.

mod exchanged;
mod killed;
mod lost;

use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bench::{Bench, Ran, USER};

const SYNC: &str = "[sync]\ndoctypes = [\"Customer\", \"Probe\"]\n\
    [sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";

/// Two sites with these customers, and a document that links to the first; all in step.
fn in_step(names: &[&str]) -> Bench {
    let bench = Bench::default();
    bench.configure(SYNC);
    for name in names {
        bench.insert(Side::Cloud, "Customer", &json!({"customer_name": name}));
    }
    let values = json!({"title": "Link", "cust": names[0], "tm": "04:05:06",
        "rows": [{"item": "A", "qty": 1}]});
    bench.insert(Side::Cloud, "Probe", &values);
    bench.sync().expect(0);
    bench.clear_logs();
    bench
}

fn rename(bench: &Bench, side: Side, doctype: &str, old: &str, new: &str) {
    bench.site(side).rename_as(USER, doctype, old, new, Timestamp::now()).unwrap();
}

fn website(bench: &Bench, side: Side, name: &str) -> Option<Value> {
    bench.doc(side, "Customer", name).map(|doc| doc["website"].clone())
}

fn link(bench: &Bench, side: Side) -> Value {
    bench.doc(side, "Probe", "Link").unwrap()["cust"].clone()
}

fn customers(bench: &Bench, side: Side) -> Vec<String> {
    bench.site(side).names("Customer")
}

fn is_quiet(bench: &Bench, code: i32) -> Ran {
    bench.clear_logs();
    let ran = bench.sync().expect(code);
    assert_eq!(bench.writes(), 0, "{ran:?}");
    ran
}

/// The one customer has its new name and the edit on both sides, and nobody was asked.
fn is_renamed_and_edited(bench: &Bench) {
    for side in Side::BOTH {
        assert_eq!(customers(bench, side), ["New"]);
        assert_eq!(website(bench, side, "New"), Some(json!("edited")));
    }
    assert_eq!(bench.query("SELECT count(*) FROM conflict_records"), "0");
    is_quiet(bench, 0);
}

#[test]
fn a_rename_goes_to_the_other_side_with_its_links() {
    for side in Side::BOTH {
        let bench = in_step(&["Old", "Other"]);
        rename(&bench, side, "Customer", "Old", "New");
        let ran = bench.sync().expect(0).json();
        assert_eq!(ran["doctypes"][0]["renamed"], 1, "{ran}");
        for side in Side::BOTH {
            assert_eq!(customers(&bench, side), ["New", "Other"]);
            assert_eq!(bench.doc(side, "Customer", "New").unwrap()["customer_name"], "New");
            assert_eq!(link(&bench, side), "New");
        }
        assert_eq!(
            bench.query("SELECT count(*) FROM sync_records WHERE sync_status = 'gone'"),
            "0"
        );
        is_quiet(&bench, 0);
        // The document that links to it was not edited: no hash has changed.
        bench.clear_logs();
        bench.run(&["sync-all", "--full"]).expect(0);
        assert_eq!(bench.writes(), 0);
    }
}

#[test]
fn edits_on_both_sides_survive_a_rename() {
    for side in Side::BOTH {
        let there = side.opposite();
        let bench = in_step(&["Old"]);
        rename(&bench, side, "Customer", "Old", "New");
        bench.edit(side, "Customer", "New", &json!({"customer_details": "here"}));
        bench.edit(there, "Probe", "Link", &json!({"stxt": "edited"}));
        bench.sync().expect(0);
        for side in Side::BOTH {
            let customer = bench.doc(side, "Customer", "New").unwrap();
            assert_eq!(customer["customer_details"], "here");
            let probe = bench.doc(side, "Probe", "Link").unwrap();
            assert_eq!((&probe["stxt"], &probe["cust"]), (&json!("edited"), &json!("New")));
        }
        is_quiet(&bench, 0);
    }
}

/// The renamed document was edited on the other side: an edit, not a conflict.
#[test]
fn an_edit_on_the_other_side_goes_on_as_an_edit() {
    for side in Side::BOTH {
        let bench = in_step(&["Old"]);
        rename(&bench, side, "Customer", "Old", "New");
        bench.edit(side.opposite(), "Customer", "Old", &json!({"website": "edited"}));
        bench.sync().expect(0);
        is_renamed_and_edited(&bench);
    }
}

#[test]
fn another_document_under_the_old_name_is_one_of_its_own() {
    for side in Side::BOTH {
        let there = side.opposite();
        let bench = in_step(&["Old"]);
        rename(&bench, side, "Customer", "Old", "New");
        bench.insert(side, "Customer", &json!({"customer_name": "Old", "website": "second"}));
        bench.edit(there, "Customer", "Old", &json!({"website": "first"}));
        bench.edit(there, "Probe", "Link", &json!({"stxt": "edited"}));
        bench.sync().expect(0);
        bench.sync().expect(0);
        for side in Side::BOTH {
            assert_eq!(customers(&bench, side), ["New", "Old"]);
            assert_eq!(website(&bench, side, "New"), Some(json!("first")));
            assert_eq!(website(&bench, side, "Old"), Some(json!("second")));
            assert_eq!(link(&bench, side), "New");
        }
        assert_eq!(bench.query("SELECT count(*) FROM conflict_records"), "0");
        is_quiet(&bench, 0);
        // A link to the one is not a link to the other, although both were first seen as Old.
        bench.edit(side, "Probe", "Link", &json!({"cust": "Old"}));
        bench.sync().expect(0);
        assert_eq!(link(&bench, there), "Old");
    }
}

#[test]
fn only_the_case_of_a_name() {
    for side in Side::BOTH {
        let bench = in_step(&["Acme"]);
        rename(&bench, side, "Customer", "Acme", "ACME");
        bench.sync().expect(0);
        for side in Side::BOTH {
            assert_eq!(customers(&bench, side), ["ACME"]);
            assert_eq!(link(&bench, side), "ACME");
        }
        is_quiet(&bench, 0);
    }
}

#[test]
fn renamed_on_both_sides() {
    let bench = in_step(&["Old"]);
    for side in Side::BOTH {
        rename(&bench, side, "Customer", "Old", "New");
    }
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0);
    is_quiet(&bench, 0);
    rename(&bench, Side::Cloud, "Customer", "New", "Cloudy");
    rename(&bench, Side::Local, "Customer", "New", "Localy");
    let warnings = bench.sync().expect(0).json()["warnings"].to_string();
    let told = "what is called Cloudy on cloud stays Localy on local: renamed on both sides";
    assert!(warnings.contains(told), "{warnings}");
    // Each keeps its name; the document stays one, and so do links to it.
    assert_eq!(
        [customers(&bench, Side::Cloud), customers(&bench, Side::Local)],
        [["Cloudy"], ["Localy"]]
    );
    bench.edit(Side::Cloud, "Probe", "Link", &json!({"stxt": "edited"}));
    bench.sync();
    assert_eq!([link(&bench, Side::Cloud), link(&bench, Side::Local)], ["Cloudy", "Localy"]);
    assert_eq!(bench.doc(Side::Local, "Probe", "Link").unwrap()["stxt"], "edited");
}

#[test]
fn a_site_that_lets_nothing_be_renamed_keeps_its_name() {
    let bench = in_step(&["Old"]);
    let refusing =
        bench.site(Side::Local).set_property("Customer", "", "allow_rename", "0", Timestamp::now());
    refusing.unwrap();
    rename(&bench, Side::Cloud, "Customer", "Old", "New");
    bench.edit(Side::Local, "Customer", "Old", &json!({"website": "edited"}));
    let warnings = bench.sync().expect(0).json()["warnings"].to_string();
    assert!(warnings.contains("local does not let such documents be renamed"), "{warnings}");
    assert_eq!(customers(&bench, Side::Local), ["Old"]);
    assert_eq!(website(&bench, Side::Cloud, "New"), Some(json!("edited")));
    assert_eq!([link(&bench, Side::Cloud), link(&bench, Side::Local)], ["New", "Old"]);
}

#[test]
fn what_one_way_does_not_carry_is_told_and_carried_once_both_ways_are_open() {
    let bench = in_step(&["Old"]);
    rename(&bench, Side::Local, "Customer", "Old", "New");
    let one_way = ["sync-all", "--direction", "cloud_to_local", "--json"];
    let warnings = bench.run(&one_way).expect(0).json()["warnings"].to_string();
    assert!(warnings.contains("renamed on local to New, and nothing is carried"), "{warnings}");
    assert_eq!(customers(&bench, Side::Cloud), ["Old"]);
    bench.run(&["sync-all", "--full"]).expect(0);
    assert_eq!(customers(&bench, Side::Cloud), ["New"]);
    is_quiet(&bench, 0);
}

/// A refusal that nobody could foresee: each side keeps its name, and edits go on.
#[test]
fn a_refused_rename_holds_nothing_up() {
    let bench = in_step(&["Old"]);
    rename(&bench, Side::Cloud, "Customer", "Old", "New");
    bench.edit(Side::Local, "Customer", "Old", &json!({"website": "edited"}));
    let which = Match::on("POST", "rename_doc");
    bench.site(Side::Local).faults.always(which, || Action::Refuse(Refusal::Internal));
    bench.sync();
    assert_eq!(bench.site(Side::Local).log.count("POST", "rename_doc"), 2);
    assert_eq!(customers(&bench, Side::Local), ["Old"]);
    assert_eq!(website(&bench, Side::Cloud, "New"), Some(json!("edited")));
}

/// B is called C now, and A is called B: in whatever order, both arrive.
#[test]
fn names_that_are_handed_on() {
    let bench = in_step(&["A", "B"]);
    rename(&bench, Side::Cloud, "Customer", "B", "C");
    rename(&bench, Side::Cloud, "Customer", "A", "B");
    bench.sync().expect(0);
    assert_eq!(customers(&bench, Side::Local), ["B", "C"]);
    assert_eq!(link(&bench, Side::Local), "B");
    is_quiet(&bench, 0);
}

/// The same where the site does both at the first request, the later one first.
#[test]
fn names_that_are_handed_on_in_one_wave() {
    let bench = in_step(&["A", "B"]);
    rename(&bench, Side::Cloud, "Customer", "B", "C");
    rename(&bench, Side::Cloud, "Customer", "A", "B");
    // The look before A's rename is held up until B has long been renamed.
    let which = Match::on("GET", "name=A");
    bench.site(Side::Local).faults.once(which, Action::Delay(Duration::from_millis(700)));
    bench.sync().expect(0);
    assert_eq!(customers(&bench, Side::Local), ["B", "C"]);
    assert_eq!(link(&bench, Side::Local), "B");
    is_quiet(&bench, 0);
}

/// A name was to become free, and then its document went on the one side and is kept on the other.
#[test]
fn a_rename_to_a_name_that_is_kept_is_told() {
    let bench = in_step(&["First", "Second"]);
    bench.configure(&format!("{SYNC}[doctypes.Customer]\ndeletes = \"keep\"\n"));
    bench.edit(Side::Cloud, "Probe", "Link", &json!({"cust": ""}));
    bench.sync().expect(0);
    rename(&bench, Side::Cloud, "Customer", "First", "Gone");
    bench.site(Side::Local).faults.always(Match::on("POST", "rename_doc"), || Action::Cut);
    bench.sync().expect(4);
    bench.site(Side::Local).faults.clear();
    rename(&bench, Side::Cloud, "Customer", "Second", "First");
    bench.site(Side::Cloud).delete_as(USER, "Customer", "Gone", Timestamp::now()).unwrap();
    bench.run(&["sync-all", "--retry-failed"]).expect(4);
    assert_eq!(customers(&bench, Side::Local), ["First", "Second"]);
    let why = bench.query("SELECT error_message FROM sync_records WHERE sync_status = 'error'");
    assert!(why.contains("its name is still another document's on local, which stays"), "{why}");
}

/// A refused rename whose new name is a new document there: that is said, not passed over.
#[test]
fn a_new_document_under_a_name_that_is_kept_is_told() {
    let bench = in_step(&["Old"]);
    let which = Match::on("POST", "rename_doc");
    bench.site(Side::Local).faults.always(which, || Action::Refuse(Refusal::Internal));
    rename(&bench, Side::Cloud, "Customer", "Old", "New");
    bench.sync();
    bench.insert(Side::Local, "Customer", &json!({"customer_name": "New"}));
    let ran = bench.sync().expect(4);
    assert!(ran.out.contains("its name is still another document's on cloud"), "{ran:?}");
}

/// Renamed while the listing went from name to name, so that no page shows it.
#[test]
fn a_rename_during_the_listing_is_no_deletion() {
    let bench = in_step(&["Mid"]);
    bench.configure(&SYNC.replace("[sync]\n", "[sync]\npage_size = 1\n"));
    bench.site(Side::Cloud).faults.before(Match::on("POST", "\"name\",\">\",\"Mid\""), |_, _| {});
    rename(&bench, Side::Cloud, "Customer", "Mid", "Zed");
    bench.site(Side::Cloud).faults.after(Match::on("POST", "\"Customer\""), |site, now| {
        // Listed from the beginning, and Zed is not reached any more.
        site.rename_as(USER, "Customer", "Zed", "Aaa", now).unwrap();
    });
    bench.sync();
    bench.sync().expect(0);
    for side in Side::BOTH {
        assert_eq!(customers(&bench, side), ["Aaa"]);
    }
}

/// Renamed behind the page that it was on, so that the listing shows it under both names.
#[test]
fn a_document_that_is_listed_under_both_names_is_one() {
    let bench = in_step(&["Aaa", "Mid"]);
    bench.configure(&SYNC.replace("[sync]\n", "[sync]\npage_size = 1\n"));
    // The first page has brought Aaa.
    bench.site(Side::Cloud).faults.after(Match::on("POST", "\"Customer\""), |site, now| {
        site.rename_as(USER, "Customer", "Aaa", "Zed", now).unwrap();
    });
    bench.sync().expect(0);
    bench.sync().expect(0);
    for side in Side::BOTH {
        assert_eq!(customers(&bench, side), ["Mid", "Zed"], "{side}");
        assert_eq!(link(&bench, side), "Zed");
    }
    is_quiet(&bench, 0);
}

/// Two documents of one name wait for a person; one of them is renamed, so they are two, and so
/// are the links to them.
#[test]
fn links_to_what_turned_out_to_be_two_documents_wait_for_a_person() {
    let bench = Bench::default();
    bench.configure("[sync]\nconflict_resolution = \"manual\"\ndoctypes = [\"Brand\", \"Item\"]\n");
    for side in Side::BOTH {
        let brand = json!({"brand": "Both", "description": format!("that of {side}")});
        bench.insert(side, "Brand", &brand);
    }
    let item = json!({"item_code": "BOLT", "item_group": "Products", "stock_uom": "Nos",
        "brand": "Both"});
    bench.insert(Side::Cloud, "Item", &item);
    bench.sync().expect(3);
    rename(&bench, Side::Cloud, "Brand", "Both", "One");
    bench.sync().expect(3);
    let links = || Side::BOTH.map(|side| bench.doc(side, "Item", "BOLT").unwrap()["brand"].clone());
    assert_eq!(links(), ["One", "Both"], "nobody said which is meant");
    let open = "SELECT doctype || ' ' || kind FROM conflict_records WHERE NOT resolved";
    assert_eq!(bench.query(open), "Item edit_edit");
    bench.run(&["resolve", "--all", "--take", "cloud"]).expect(0);
    assert_eq!(links(), ["One", "One"]);
    is_quiet(&bench, 0);
}

fn merge(bench: &Bench, side: Side, gone: &str, survivor: &str) {
    bench.site(side).merge_as(USER, "Customer", gone, survivor, Timestamp::now()).unwrap();
}

/// The links follow to the survivor on the other side before the merged one is deleted there.
#[test]
fn a_merge_is_carried_with_its_links() {
    for side in Side::BOTH {
        for doctypes in ["\"Customer\", \"Probe\"", "\"Probe\", \"Customer\""] {
            let bench = in_step(&["Merged", "Survivor"]);
            bench.configure(&SYNC.replace("\"Customer\", \"Probe\"", doctypes));
            merge(&bench, side, "Merged", "Survivor");
            bench.sync().expect(0);
            for side in Side::BOTH {
                assert_eq!(customers(&bench, side), ["Survivor"], "{doctypes}");
                assert_eq!(link(&bench, side), "Survivor");
            }
            is_quiet(&bench, 0);
        }
    }
}

/// A site that refuses one doctype late in a run stops that one, not the others.
#[test]
fn a_doctype_that_is_refused_at_the_end_stops_no_other() {
    let bench = in_step(&["Merged", "Survivor"]);
    bench.configure(&SYNC.replace("\"Customer\", \"Probe\"", "\"Probe\", \"Brand\", \"Customer\""));
    bench.insert(Side::Cloud, "Brand", &json!({"brand": "Acme"}));
    bench.sync().expect(0);
    merge(&bench, Side::Cloud, "Merged", "Survivor");
    bench.site(Side::Cloud).delete_as(USER, "Brand", "Acme", Timestamp::now()).unwrap();
    let which = Match::on("POST", "[\"Link\"]");
    bench.site(Side::Cloud).faults.always(which, || Action::Refuse(Refusal::Forbidden));
    let ran = bench.sync().expect(4).json();
    assert!(ran["doctypes"][0]["error"].is_string(), "{ran}");
    assert_eq!(ran["doctypes"][1]["deleted_on_local"], 1, "{ran}");
    assert!(bench.site(Side::Local).names("Brand").is_empty());
    bench.site(Side::Cloud).faults.clear();
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_eq!(link(&bench, Side::Local), "Survivor");
    assert_eq!(customers(&bench, Side::Local), ["Survivor"]);
}

/// A conflict that waits shows what a merge made of a document, although no `modified` moved.
#[test]
fn a_conflict_shows_the_links_that_a_merge_rewrote() {
    let bench = in_step(&["Merged", "Survivor"]);
    bench.configure(&format!("{SYNC}[doctypes.Probe]\nconflict_resolution = \"manual\"\n"));
    for (side, i) in [(Side::Cloud, 1), (Side::Local, 2)] {
        bench.edit(side, "Probe", "Link", &json!({ "i": i }));
    }
    bench.sync().expect(3);
    let shown = "SELECT json_extract(cloud_data, '$.cust') FROM conflict_records
        WHERE docname = 'Link' AND NOT resolved";
    assert_eq!(bench.query(shown), "Merged");
    merge(&bench, Side::Cloud, "Merged", "Survivor");
    bench.sync();
    assert_eq!(bench.query(shown), "Survivor");
}

/// Both customers and the link were edited on the other side at the same time.
#[test]
fn a_merge_against_edits_loses_and_doubles_nothing() {
    for side in Side::BOTH {
        let there = side.opposite();
        let bench = in_step(&["Merged", "Survivor"]);
        merge(&bench, side, "Merged", "Survivor");
        bench.edit(there, "Customer", "Merged", &json!({"website": "of the merged"}));
        bench.edit(there, "Customer", "Survivor", &json!({"website": "of the survivor"}));
        bench.edit(there, "Probe", "Link", &json!({"i": 7}));
        bench.sync().expect(3);
        assert_eq!(customers(&bench, side), ["Survivor"]);
        assert_eq!(customers(&bench, there), ["Merged", "Survivor"]);
        assert_eq!(website(&bench, side, "Survivor"), Some(json!("of the survivor")));
        assert_eq!(website(&bench, there, "Merged"), Some(json!("of the merged")));
        // The site's own rewriting of the link and the edit are put together by a person.
        let kinds = "SELECT group_concat(kind) FROM conflict_records WHERE resolved = FALSE";
        assert_eq!(bench.query(kinds), "edit_delete,edit_edit");
        is_quiet(&bench, 3);
        let (cust, i) = (format!("cust={side}"), format!("i={there}"));
        bench.run(&["resolve", "2", "--field", &cust, "--field", &i]).expect(0);
        for side in Side::BOTH {
            assert_eq!(link(&bench, side), "Survivor", "{side}");
            assert_eq!(bench.doc(side, "Probe", "Link").unwrap()["i"], 7);
        }
        bench.run(&["resolve", "1", "--take", side.as_str()]).expect(0);
        assert_eq!(customers(&bench, there), ["Survivor"]);
        is_quiet(&bench, 0);
    }
}

#[test]
fn a_rename_since_a_conflict_goes_over_before_it_is_settled() {
    let bench = in_step(&["Old"]);
    bench.configure(&SYNC.replace("[sync]\n", "[sync]\nconflict_resolution = \"manual\"\n"));
    for side in Side::BOTH {
        bench.edit(side, "Customer", "Old", &json!({"website": side.as_str()}));
    }
    bench.sync().expect(3);
    rename(&bench, Side::Cloud, "Customer", "Old", "New");
    let ran = bench.run(&["resolve", "1", "--take", "cloud"]);
    assert!(ran.err.contains("sync-all carries the new name over; the conflict stays"), "{ran:?}");
    bench.sync().expect(3);
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
    assert_eq!(website(&bench, Side::Local, "New"), Some(json!("cloud")));
    is_quiet(&bench, 0);
}
