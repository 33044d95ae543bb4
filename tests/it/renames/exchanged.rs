//! Names that are exchanged, handed on, or wanted by two documents at once: each document
//! gets its name, through a temporary one where the names go round; or it is said why not.

use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use serde_json::json;

use super::{SYNC, customers, in_step, is_quiet, link, rename, website};
use crate::bench::{Bench, Ran};
use crate::gone::delete;

/// Customers whose website says which document each is, in step.
fn known(names: &[&str]) -> Bench {
    let bench = in_step(names);
    for name in names {
        bench.edit(Side::Cloud, "Customer", name, &json!({"website": format!("was {name}")}));
    }
    bench.sync().expect(0);
    bench.clear_logs();
    bench
}

/// A person hands names on in a ring, each to the next one.
fn pass_round(bench: &Bench, side: Side, names: &[&str]) {
    let last = names[names.len() - 1];
    rename(bench, side, "Customer", last, "For the time being");
    for pair in names.windows(2).rev() {
        rename(bench, side, "Customer", pair[0], pair[1]);
    }
    rename(bench, side, "Customer", "For the time being", names[0]);
}

/// Under each name, on both sides, is the document that was called so.
fn are(bench: &Bench, wanted: &[(&str, &str)]) {
    for side in Side::BOTH {
        let names: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
        assert_eq!(customers(bench, side), names, "{side}");
        for (name, was) in wanted {
            assert_eq!(website(bench, side, name), Some(json!(format!("was {was}"))), "{side}");
        }
    }
}

fn renames(bench: &Bench, side: Side) -> usize {
    bench.site(side).log.count("POST", "rename_doc")
}

#[test]
fn two_names_that_are_exchanged() {
    for side in Side::BOTH {
        let there = side.opposite();
        let bench = known(&["A", "B"]);
        pass_round(&bench, side, &["A", "B"]);
        bench.edit(there, "Customer", "B", &json!({"customer_details": "edited"}));
        let ran = bench.sync().expect(0).json();
        assert_eq!(ran["doctypes"][0]["renamed"], 2, "{ran}");
        are(&bench, &[("A", "B"), ("B", "A")]);
        assert_eq!(renames(&bench, there), 3, "one goes through a temporary name");
        for side in Side::BOTH {
            assert_eq!(link(&bench, side), "B", "the link follows the document");
            let edited = bench.doc(side, "Customer", "A").unwrap();
            assert_eq!(edited["customer_details"], "edited");
            assert_eq!(edited["customer_name"], "A");
        }
        assert_eq!(bench.query("SELECT count(*) FROM conflict_records"), "0");
        is_quiet(&bench, 0);
        bench.clear_logs();
        bench.run(&["sync-all", "--full"]).expect(0);
        assert_eq!(bench.writes(), 0);
    }
}

/// Rings of any length, whatever else is renamed, and however little is in hand at once.
#[test]
fn names_that_go_round_and_names_that_are_handed_on() {
    for batch in ["batch_size = 1\nbatch_pause_seconds = 0.001\n", ""] {
        let bench = known(&["A", "B", "C", "D", "P", "Q", "R"]);
        bench.configure(&SYNC.replace("[sync]\n", &format!("[sync]\n{batch}")));
        pass_round(&bench, Side::Cloud, &["A", "B", "C", "D"]);
        for (old, new) in [("R", "S"), ("Q", "R"), ("P", "Q")] {
            rename(&bench, Side::Cloud, "Customer", old, new);
        }
        bench.sync().expect(0);
        are(
            &bench,
            &[("A", "D"), ("B", "A"), ("C", "B"), ("D", "C"), ("Q", "P"), ("R", "Q"), ("S", "R")],
        );
        assert_eq!(renames(&bench, Side::Local), 8, "none is asked for in vain: {batch}");
        is_quiet(&bench, 0);
    }
}

/// To a site `b` is the name `B`, so that these two go round as well; a name that changes its
/// case alone is in nobody's way.
#[test]
fn names_that_are_exchanged_and_change_their_case() {
    for side in Side::BOTH {
        let bench = known(&["A", "B", "C"]);
        for (old, new) in [("A", "For now"), ("B", "a"), ("For now", "b"), ("C", "c")] {
            rename(&bench, side, "Customer", old, new);
        }
        let ran = bench.sync().expect(0).json();
        assert_eq!(ran["doctypes"][0]["renamed"], 3, "{ran}");
        are(&bench, &[("a", "B"), ("b", "A"), ("c", "C")]);
        assert_eq!(renames(&bench, side.opposite()), 4, "one goes through a temporary name");
        is_quiet(&bench, 0);
    }
}

/// A site that refuses is quoted, in the log too, and asked again by the next whole look.
#[test]
fn a_name_that_a_site_refuses_is_told_and_tried_again() {
    let bench = known(&["A"]);
    rename(&bench, Side::Cloud, "Customer", "A", "N");
    for nth in 1..=2 {
        let rename = Match::on("POST", "rename_doc").nth(nth);
        bench.site(Side::Local).faults.refuse(rename, Refusal::Forbidden);
    }
    let ran = bench.run(&["sync-all"]).expect(0);
    let told = "warning: Customer: what is called N on cloud stays A on local: local: ";
    assert!(ran.err.contains(told), "{ran:?}");
    assert!(ran.err.contains("free the name: the next run with --full tries again"), "{ran:?}");
    let logged = "SELECT group_concat(status) FROM sync_logs WHERE action = 'rename'
        AND direction = 'none' AND message NOT LIKE 'renamed on%'";
    assert_eq!(bench.query(logged), "failed");
    is_quiet(&bench, 0);
    bench.site(Side::Local).faults.clear();
    bench.run(&["sync-all", "--full"]).expect(0);
    are(&bench, &[("N", "A")]);
    is_quiet(&bench, 0);
}

#[test]
fn an_exchange_is_carried_on_whatever_is_lost() {
    for nth in 1..=3 {
        for how in [Action::Cut, Action::CutAfter] {
            let bench = known(&["A", "B"]);
            pass_round(&bench, Side::Cloud, &["A", "B"]);
            let which = Match::on("POST", "rename_doc").nth(nth);
            bench.site(Side::Local).faults.once(which, how);
            bench.sync().expect(4);
            bench.run(&["sync-all", "--retry-failed"]).expect(0);
            are(&bench, &[("A", "B"), ("B", "A")]);
            assert_eq!(link(&bench, Side::Local), "B");
            assert_eq!(bench.query("SELECT count(*) FROM conflict_records"), "0");
            is_quiet(&bench, 0);
        }
    }
}

#[test]
fn an_exchange_is_carried_on_after_a_kill() {
    for nth in 1..=3 {
        for millis in [0, 4] {
            let bench = known(&["A", "B"]);
            pass_round(&bench, Side::Cloud, &["A", "B"]);
            kill_at(&bench, nth, Duration::from_millis(millis));
            bench.sync().expect(0);
            are(&bench, &[("A", "B"), ("B", "A")]);
            assert_eq!(bench.query("SELECT count(*) FROM conflict_records"), "0");
            is_quiet(&bench, 0);
        }
    }
}

/// Kills the program at its n-th rename, so long after the request arrives.
fn kill_at(bench: &Bench, nth: usize, after: Duration) {
    let (sender, arrived) = channel();
    let action = Action::Before(Box::new(move |_, _| {
        sender.send(()).ok();
    }));
    bench.site(Side::Local).faults.once(Match::on("POST", "rename_doc").nth(nth), action);
    let mut child =
        bench.command(&["sync-all"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    arrived.recv_timeout(Duration::from_secs(20)).unwrap();
    std::thread::sleep(after);
    child.kill().ok();
    child.wait().unwrap();
    bench.site(Side::Local).faults.clear();
}

/// The site takes the temporary name and then refuses the other one: that is said until it is
/// over, and it is over by itself.
#[test]
fn a_document_that_is_stuck_under_a_temporary_name_is_told() {
    let bench = known(&["A", "B"]);
    pass_round(&bench, Side::Cloud, &["A", "B"]);
    let later = |nth| Match::on("POST", "rename_doc").nth(nth);
    for nth in 2..=9 {
        bench.site(Side::Local).faults.refuse(later(nth), Refusal::Internal);
    }
    let ran = bench.run(&["sync-all"]).expect(4);
    assert!(ran.err.contains("for the time being"), "{}", ran.err);
    assert!(ran.err.contains("rename it"), "it says what to do: {}", ran.err);
    bench.site(Side::Local).faults.clear();
    // B of the local site kept its name. A person gives it the other one.
    rename(&bench, Side::Local, "Customer", "B", "A");
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    are(&bench, &[("A", "B"), ("B", "A")]);
    is_quiet(&bench, 0);
}

/// Where the new name is a new document's on the other side, both are kept, and it is said.
#[test]
fn a_rename_onto_a_name_that_is_new_on_the_other_side() {
    for side in Side::BOTH {
        let there = side.opposite();
        let bench = known(&["A"]);
        rename(&bench, side, "Customer", "A", "N");
        bench.insert(there, "Customer", &json!({"customer_name": "N", "website": "was N"}));
        bench.edit(there, "Customer", "A", &json!({"customer_details": "edited"}));
        let ran = bench.sync().expect(4);
        assert!(ran.out.contains("its name is still another document's"), "{ran:?}");
        assert!(ran.out.contains("rename one of them"), "{ran:?}");
        assert_eq!(renames(&bench, there), 0, "the state knows that it is in vain");
        assert_eq!((customers(&bench, side).len(), customers(&bench, there).len()), (1, 2));
        let edited = bench.doc(side, "Customer", "N").unwrap();
        assert_eq!(
            (&edited["website"], &edited["customer_details"]),
            (&json!("was A"), &json!("edited"))
        );
        assert_eq!(website(&bench, there, "N"), Some(json!("was N")));
        is_quiet(&bench, 4);
        // As it says: then the new one arrives.
        rename(&bench, there, "Customer", "N", "M");
        bench.run(&["sync-all", "--retry-failed"]).expect(0);
        assert_eq!(website(&bench, side, "M"), Some(json!("was N")));
        assert_eq!(website(&bench, side, "N"), Some(json!("was A")));
        is_quiet(&bench, 0);
    }
}

/// The new name is that of a document that goes in the same run.
#[test]
fn a_rename_onto_the_name_of_what_was_deleted() {
    for side in Side::BOTH {
        let bench = known(&["A", "B"]);
        bench.edit(side, "Probe", "Link", &json!({"cust": ""}));
        bench.sync().expect(0);
        delete(&bench, side, "Customer", "B");
        rename(&bench, side, "Customer", "A", "B");
        bench.sync().expect(0);
        are(&bench, &[("B", "A")]);
        is_quiet(&bench, 0);
    }
}

/// The same, but what was deleted has been edited: it stays until a person decides, and so
/// does its name.
#[test]
fn a_rename_onto_the_name_of_what_waits() {
    let bench = known(&["A", "B"]);
    delete(&bench, Side::Cloud, "Customer", "B");
    rename(&bench, Side::Cloud, "Customer", "A", "B");
    bench.edit(Side::Local, "Customer", "B", &json!({"customer_details": "edited"}));
    bench.edit(Side::Local, "Customer", "A", &json!({"customer_details": "goes on"}));
    bench.sync().expect(3);
    assert_eq!(customers(&bench, Side::Local), ["A", "B"]);
    assert_eq!(bench.doc(Side::Cloud, "Customer", "B").unwrap()["customer_details"], "goes on");
    is_quiet(&bench, 3);
}

/// Renamed on both sides, one of them to the name that a third document is to get.
/// What waits for a name uses up nothing of the limit.
#[test]
fn a_ring_comes_round_however_few_documents_a_run_may_act_on() {
    let bench = known(&["A", "B", "C"]);
    pass_round(&bench, Side::Cloud, &["A", "B", "C"]);
    for _ in 0..5 {
        bench.run(&["sync-all", "--limit", "1"]);
    }
    are(&bench, &[("A", "C"), ("B", "A"), ("C", "B")]);
    is_quiet(&bench, 0);
}

#[test]
fn a_name_that_another_document_keeps() {
    let bench = known(&["A", "B"]);
    rename(&bench, Side::Cloud, "Customer", "A", "C");
    rename(&bench, Side::Local, "Customer", "A", "D");
    rename(&bench, Side::Cloud, "Customer", "B", "D");
    let ran: Ran = bench.sync().expect(0);
    assert_eq!(customers(&bench, Side::Cloud), ["C", "D"], "{ran:?}");
    assert_eq!(customers(&bench, Side::Local), ["B", "D"], "{ran:?}");
    for (cloud, local, was) in [("C", "D", "was A"), ("D", "B", "was B")] {
        assert_eq!(website(&bench, Side::Cloud, cloud), Some(json!(was)));
        assert_eq!(website(&bench, Side::Local, local), Some(json!(was)));
    }
    let told = bench.query("SELECT group_concat(message, '|') FROM sync_logs");
    assert!(told.contains("each keeps its own name"), "{told}");
    assert!(told.contains("another document's there"), "{told}");
    let warnings = ran.json()["warnings"].to_string();
    assert!(warnings.contains("what is called D on cloud stays B on local"), "{warnings}");
    is_quiet(&bench, 0);
}
