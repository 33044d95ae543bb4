//! `resolve --take both`: two documents that were taken for one.

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use jiff::Timestamp;
use serde_json::json;

use super::{SERIES, counting, quiet, series, titles};
use crate::bench::{Bench, SYNC_USER, USER};

/// Two sites whose first documents have the same names and are different ones.
fn collided(count: usize) -> Bench {
    let bench = Bench::default();
    bench.configure(SERIES);
    for number in 0..count {
        bench.insert(Side::Cloud, "N Series", &series(&format!("of the cloud {number}")));
        bench.insert(Side::Local, "N Series", &series(&format!("of the local site {number}")));
    }
    bench.sync().expect(3);
    assert_eq!(bench.writes(), 0);
    bench
}

pub fn open(bench: &Bench) -> String {
    bench.query("SELECT count(*) FROM conflict_records WHERE resolved = FALSE")
}

/// All documents are on both sides, each once.
pub fn arrived(bench: &Bench, count: usize) {
    let mut wanted: Vec<String> = (0..count)
        .flat_map(|number| {
            [format!("of the cloud {number}"), format!("of the local site {number}")]
        })
        .collect();
    wanted.sort_unstable();
    for side in Side::BOTH {
        assert_eq!(titles(bench, side, "N Series"), wanted, "{side}");
    }
}

#[test]
fn each_is_created_on_the_other_side() {
    let bench = collided(3);
    bench.run(&["resolve", "1", "--take", "both"]).expect(0);
    assert_eq!(open(&bench), "2");
    let kept = bench.query("SELECT cloud_data || local_data FROM conflict_records WHERE resolved");
    assert!(kept.contains("of the cloud 0") && kept.contains("of the local site 0"), "{kept}");
    bench.run(&["resolve", "--all", "--doctype", "Item", "--take", "both"]).expect(0);
    assert_eq!(open(&bench), "2", "those of another doctype stay");
    bench.run(&["resolve", "--all", "--doctype", "N Series", "--take", "both"]).expect(0);
    arrived(&bench, 3);
    let how = "SELECT group_concat(DISTINCT resolution) FROM conflict_records";
    assert_eq!(bench.query(how), "both");
    quiet(&bench);
    // Each goes its own way from now on.
    bench.edit(Side::Cloud, "N Series", "NS-2026-0002", &json!({"title": "edited"}));
    bench.sync().expect(0);
    let local = bench.doc(Side::Local, "N Series", "NS-2026-0002").unwrap();
    assert_eq!(local["title"], "of the local site 1");
    assert!(titles(&bench, Side::Local, "N Series").contains(&"edited".to_owned()));
    quiet(&bench);
}

#[test]
fn neither_is_ever_written_over_the_other() {
    let bench = collided(1);
    for side in ["cloud", "local"] {
        let ran = bench.run(&["resolve", "1", "--take", side]).expect(3);
        assert!(ran.err.contains("--take both creates each"), "{}", ran.err);
    }
    assert_eq!((open(&bench).as_str(), bench.writes()), ("1", 0));
    // Equal after all: nothing is left to be settled.
    let values = series("of the cloud 0");
    bench.edit(Side::Local, "N Series", "NS-2026-0001", &values);
    bench.run(&["resolve", "1", "--take", "both"]).expect(0);
    assert_eq!((open(&bench).as_str(), bench.writes()), ("0", 0));
    assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["of the cloud 0"]);
    quiet(&bench);
}

#[test]
fn two_versions_of_one_document_are_not_two() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Probe\"]\nconflict_resolution = \"manual\"\n");
    for (side, text) in [(Side::Cloud, "a"), (Side::Local, "b")] {
        bench.insert(side, "Probe", &json!({"title": "Acme", "stxt": text, "tm": "10:00:00"}));
    }
    bench.sync().expect(3);
    let ran = bench.run(&["resolve", "1", "--take", "both"]).expect(3);
    assert!(ran.err.contains("two versions of one document"), "{}", ran.err);
    assert_eq!(bench.writes(), 0);
}

/// Whatever is lost on the way, the next run carries it on.
#[test]
fn what_was_decided_is_carried_on() {
    let ways = [
        (Side::Local, Action::Cut),
        (Side::Local, Action::CutAfter),
        (Side::Cloud, Action::CutAfter),
    ];
    for (side, how) in ways {
        let bench = collided(1);
        bench.site(side).faults.once(Match::on("POST", "/resource/N Series"), how);
        bench.run(&["resolve", "1", "--take", "both"]).expect(4);
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        bench.run(&["sync-all", "--retry-failed"]).expect(0);
        arrived(&bench, 1);
        assert_eq!(open(&bench), "0");
        assert_eq!(bench.query("SELECT resolution FROM conflict_records"), "both");
        quiet(&bench);
    }
}

/// A second copy is kept too, where a person says so.
#[test]
fn a_second_copy_may_be_meant() {
    let bench = counting();
    bench.insert(Side::Cloud, "N Series", &json!({"title": "plain"}));
    bench.sync().expect(0);
    let again = json!({"title": "plain"});
    bench.site(Side::Local).insert_as(SYNC_USER, "N Series", &again, Timestamp::now()).unwrap();
    bench.sync().expect(3);
    let ran = bench.run(&["resolve", "1", "--take", "local"]).expect(3);
    assert!(ran.err.contains("delete the copy there"), "{}", ran.err);
    bench.run(&["resolve", "1", "--take", "both"]).expect(0);
    assert_eq!(titles(&bench, Side::Cloud, "N Series"), ["plain", "plain"]);
    quiet(&bench);
}

/// Nobody knows what came of a request: a person looks, and says that it came to nothing.
#[test]
fn a_request_that_came_to_nothing_is_sent_again() {
    let bench = counting();
    bench.insert(Side::Cloud, "N Series", &json!({"title": "Order"}));
    bench.site(Side::Local).faults.once(Match::on("POST", "/resource/N Series"), Action::Cut);
    bench.sync().expect(4);
    let other = json!({"title": "something else"});
    bench.site(Side::Local).insert_as(SYNC_USER, "N Series", &other, Timestamp::now()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    bench.run(&["sync-all", "--retry-failed"]).expect(3);
    let ran = bench.run(&["resolve", "1", "--take", "local"]).expect(3);
    assert!(ran.err.contains("look on local"), "{}", ran.err);
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
    bench.sync().expect(0);
    for side in Side::BOTH {
        assert_eq!(titles(&bench, side, "N Series"), ["Order", "something else"], "{side}");
    }
    quiet(&bench);
}

/// What is not there under its name may be unreadable, or another document: it is not called gone.
#[test]
fn what_cannot_be_read_is_not_called_gone() {
    let bench = collided(1);
    let name = bench.site(Side::Local).names("N Series")[0].clone();
    let mut now = Timestamp::now();
    bench.site(Side::Local).delete_as(USER, "N Series", &name, now).unwrap();
    // The site lists it no more, and does not say why.
    let which = Match::on("GET", "frappe.client.get");
    bench.site(Side::Local).faults.always(which, || Action::Refuse(Refusal::Internal));
    let ran = bench.run(&["resolve", "1", "--take", "both"]).expect(3);
    assert!(!ran.err.contains("any more"), "{}", ran.err);
    assert!(ran.err.contains("local: ") && ran.err.contains("hint: "), "{}", ran.err);
    bench.site(Side::Local).faults.clear();
    now = Timestamp::now();
    bench.site(Side::Local).insert_as(USER, "N Series", &series("another"), now).unwrap();
    let ran = bench.run(&["resolve", "1", "--take", "both"]).expect(3);
    assert!(ran.err.contains("hint: "), "{}", ran.err);
}

/// Found by the name on one side, a collision is the same one.
#[test]
fn a_collision_that_was_asked_for_on_one_side_is_told_apart_too() {
    for side in Side::BOTH {
        let bench = Bench::default();
        bench.configure(SERIES);
        bench.insert(Side::Cloud, "N Series", &series("of the cloud 0"));
        bench.insert(Side::Local, "N Series", &series("of the local site 0"));
        let name = format!("{side}:NS-2026-0001");
        bench.run(&["sync-doctype", "N Series", "--name", &name, "--new-state"]).expect(3);
        bench.run(&["resolve", "--all", "--take", "both"]).expect(0);
        arrived(&bench, 1);
        quiet(&bench);
        // By rule, in the run that finds them.
        let bench = Bench::default();
        bench.configure(&SERIES.replace("[sync]\n", "[sync]\ncollisions = \"both\"\n"));
        bench.insert(Side::Cloud, "N Series", &series("of the cloud 0"));
        bench.insert(Side::Local, "N Series", &series("of the local site 0"));
        bench.run(&["sync-doctype", "N Series", "--name", &name, "--new-state"]).expect(0);
        arrived(&bench, 1);
        quiet(&bench);
    }
}
