//! What is no evidence of a deletion, and how many deletions are too many.

use erpsync::model::Side;
use frappe_sandbox::Flavour;
use frappe_sandbox::faults::{Action, Match, Refusal};
use frappe_sandbox::http::Options;
use jiff::Timestamp;
use serde_json::json;

use super::{SYNC, delete, edit, in_step, is_quiet, probe, single_reads, some, text, texts};
use crate::bench::{Bench, SYNC_USER};

#[test]
fn a_document_that_is_hidden_is_not_gone() {
    for flavour in [Flavour::V15_55, Flavour::V15_105] {
        let bench = Bench::new(flavour, Options::default());
        bench.configure(&SYNC.replace("\"Probe\"", "\"Customer\", \"Probe\""));
        for name in ["Hidden Co", "Other Co"] {
            bench.insert(Side::Cloud, "Customer", &json!({ "customer_name": name }));
        }
        let values = json!({"title": "A", "cust": "Hidden Co", "tm": "04:05:06"});
        bench.insert(Side::Cloud, "Probe", &values);
        bench.sync().expect(0);
        let now = Timestamp::now();
        let restriction =
            bench.site(Side::Cloud).restrict_user(SYNC_USER, "Customer", "Other Co", now).unwrap();
        bench.clear_logs();
        let ran = bench.sync().expect(0);
        assert_eq!(bench.writes(), 0, "{ran:?}");
        assert!(ran.out.contains("hidden from our user"), "{ran:?}");
        assert!(text(&bench, Side::Local, "A").is_some());
        // It is not asked for again and again, and taken up when it can be seen again.
        bench.clear_logs();
        bench.sync().expect(0);
        assert_eq!(single_reads(&bench, Side::Cloud), 0);
        bench
            .site(Side::Cloud)
            .delete_as("Administrator", "User Permission", &restriction, now)
            .unwrap();
        bench.edit(Side::Local, "Probe", "A", &json!({"stxt": "edited"}));
        bench.sync().expect(0);
        assert_eq!(text(&bench, Side::Cloud, "A"), some("edited"));
    }
}

/// Each part of the evidence is missing in turn: nothing is deleted.
#[test]
fn less_than_all_the_evidence_is_none() {
    let parts = [
        ("GET", "frappe.client.get?", "nobody can say"),
        ("POST", "\"creation\",\"in\"", "cannot be listed"),
    ];
    for side in Side::BOTH {
        for (method, request, reason) in parts {
            let bench = in_step(SYNC, &["A", "B"]);
            delete(&bench, side, "Probe", "A");
            let which = Match::on(method, request);
            bench.site(side).faults.always(which, || Action::Refuse(Refusal::Internal));
            let ran = bench.sync().expect(0);
            assert!(ran.out.contains(reason), "{ran:?}");
            assert_eq!(text(&bench, side.opposite(), "A"), some("base"));
            bench.site(side).faults.clear();
            bench.run(&["sync-all", "--full"]).expect(0);
            assert_eq!(texts(&bench, "A"), [None, None]);
        }
    }
}

/// A listing under a filter does not show it: that says nothing.
#[test]
fn a_filter_deletes_nothing() {
    let bench = in_step(SYNC, &["A"]);
    let filter = "[doctypes.Probe]\nfilters = [[\"stxt\", \"=\", \"other\"]]\n";
    bench.configure(&format!("{SYNC}{filter}"));
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "A"), [some("base"), some("base")]);
    delete(&bench, Side::Local, "Probe", "A");
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "A"), [None, None]);
}

#[test]
fn a_document_that_comes_back_meanwhile_is_not_deleted() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    bench.site(Side::Cloud).faults.before(Match::on("GET", "frappe.client.get?"), |site, now| {
        let values = json!({"title": "A", "stxt": "again", "tm": "04:05:06"});
        site.insert_as("Administrator", "Probe", &values, now).unwrap();
    });
    bench.sync().expect(0);
    assert_eq!(text(&bench, Side::Local, "A"), some("base"));
    // As deleted, then the new one as created.
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "A"), [some("again"), some("again")]);
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("D{n:03}")).collect()
}

#[test]
fn more_than_the_cap_stops_the_doctype_in_both_directions() {
    for side in Side::BOTH {
        let names = names(40);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let bench = in_step(SYNC, &names);
        for name in &names[..30] {
            delete(&bench, side, "Probe", name);
        }
        edit(&bench, side, "D035", "edited");
        probe(&bench, side.opposite(), "New", "new");
        bench.clear_logs();
        let ran = bench.sync().expect(6);
        assert_eq!(bench.writes(), 0, "{ran:?}");
        let (here, there) = (side, side.opposite());
        let text = format!(
            "error: Probe: 30 of 40 documents are gone on {here} (D000, D001, D002 and 27 more), of \
             which no more than 5 may be deleted on {there} now (max_deletes = 10% in 24 hours); \
             --allow-deletes 30 lets all of them go\n"
        );
        assert!(ran.err.contains(&text), "{ran:?}");
        // A tenth of forty, rounded up and never below five: the sixth 404 is enough.
        assert_eq!(single_reads(&bench, side), 6);
        assert_eq!(bench.requests(side), 3 + 2 + 6);
        // Still so the next time, and then a person lets them go.
        bench.sync().expect(6);
        bench.run(&["sync-all", "--allow-deletes", "29"]).expect(6);
        bench.run(&["sync-all", "--allow-deletes", "30"]).expect(0);
        for side in Side::BOTH {
            assert_eq!(bench.site(side).count_of("Probe"), 11);
        }
        assert_eq!(texts(&bench, "D035"), [some("edited"), some("edited")]);
        is_quiet(&bench, 0);
    }
}

/// What neither side has any more is nothing to delete: it stands in nobody's way.
#[test]
fn the_cap_does_not_count_what_is_gone_on_both_sides() {
    let rule = SYNC.replace("[sync]\n", "[sync]\nmax_deletes = 1\n");
    let bench = in_step(&rule, &["A", "B", "C", "D"]);
    for name in ["A", "B", "C"] {
        for side in Side::BOTH {
            delete(&bench, side, "Probe", name);
        }
    }
    delete(&bench, Side::Local, "Probe", "D");
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "D"), [None, None]);
    let gone = "SELECT count(*) FROM sync_records WHERE sync_status = 'gone'";
    assert_eq!(bench.query(gone), "4");
    is_quiet(&bench, 0);
}

#[test]
fn the_cap_counts_all_runs_of_a_day() {
    let rule = SYNC.replace("[sync]\n", "[sync]\nmax_deletes = 2\n");
    let bench = in_step(&rule, &["A", "B", "C", "D"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    bench.sync().expect(0);
    // The other side has a cap of its own.
    delete(&bench, Side::Local, "Probe", "D");
    bench.sync().expect(0);
    delete(&bench, Side::Cloud, "Probe", "B");
    bench.sync().expect(0);
    delete(&bench, Side::Cloud, "Probe", "C");
    bench.sync().expect(6);
    assert_eq!(text(&bench, Side::Local, "C"), some("base"));
    let state = rusqlite::Connection::open(bench.path("sync_state.db")).unwrap();
    let yesterday = "UPDATE sync_logs SET timestamp = '2020-01-01T00:00:00.000Z'";
    state.execute(yesterday, []).unwrap();
    drop(state);
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "C"), [None, None]);
}

/// Documents asked for by name have no listing before them: the cap holds all the same.
#[test]
fn the_cap_holds_for_named_documents() {
    let rule = SYNC.replace("[sync]\n", "[sync]\nmax_deletes = 1\n");
    let bench = in_step(&rule, &["A", "B"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    delete(&bench, Side::Cloud, "Probe", "B");
    let ran = bench.run(&["sync-doctype", "Probe", "--name", "A", "--name", "B"]).expect(6);
    assert!(
        ran.err.contains("1 of 2 documents is gone on cloud (A), of which none may"),
        "{ran:?}"
    );
    assert!(ran.err.contains("--allow-deletes 1 lets"), "{ran:?}");
    assert_eq!(bench.site(Side::Local).count_of("Probe"), 1);
}

/// What links to a deleted document is looked at, but not where its own doctype is stopped.
#[test]
fn a_stopped_doctype_is_not_written_through_what_it_links_to() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Item\", \"Brand\"]\n");
    bench.insert(Side::Cloud, "Brand", &json!({"brand": "Acme"}));
    let names: Vec<String> = (0..9).map(|number| format!("I{number}")).collect();
    for name in &names {
        let item = json!({"item_code": name, "item_group": "Products", "stock_uom": "Nos",
            "brand": "Acme"});
        bench.insert(Side::Cloud, "Item", &item);
    }
    bench.sync().expect(0);
    for name in &names {
        delete(&bench, Side::Cloud, "Item", name);
    }
    delete(&bench, Side::Cloud, "Brand", "Acme");
    let ran = bench.sync().expect(6);
    assert!(ran.err.contains("--allow-deletes 9 lets"), "{ran:?}");
    for name in &names {
        assert!(bench.doc(Side::Local, "Item", name).is_some(), "{name}: {ran:?}");
    }
}
