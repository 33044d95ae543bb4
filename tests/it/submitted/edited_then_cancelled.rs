//! A submitted document that was edited and then cancelled before anybody looked: the edit goes
//! over first, then the cancellation, each by a request of its own.

use std::process::Stdio;
use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match};
use serde_json::{Value, json};

use super::{docstatus, field, in_step, last_sent, logged, quiet};
use crate::bench::Bench;

const PUT: &str = "/api/resource/Voucher";

/// Edited and cancelled on one side.
fn edited_then_cancelled(side: Side) -> Bench {
    let bench = in_step(1);
    let mut row = bench.doc(side, "Voucher", "V1").unwrap()["rows"][0].clone();
    row["due"] = json!("2026-05-06");
    bench.edit(side, "Voucher", "V1", &json!({"stxt": "last word", "rows": [row]}));
    bench.edit(side, "Voucher", "V1", &json!({"docstatus": 2}));
    bench
}

fn has_arrived(bench: &Bench, side: Side) {
    let doc = bench.doc(side, "Voucher", "V1").unwrap();
    let seen = (&doc["docstatus"], &doc["stxt"], &doc["rows"][0]["due"]);
    assert_eq!(seen, (&json!(2), &json!("last word"), &json!("2026-05-06")));
}

#[test]
fn the_edit_goes_over_and_then_the_cancellation() {
    for side in Side::BOTH {
        let bench = edited_then_cancelled(side);
        let ran = bench.sync().expect(0).json();
        let actions: Vec<&Value> =
            ran["actions"].as_array().unwrap().iter().map(|line| &line["action"]).collect();
        assert_eq!(actions, ["update", "cancel"]);
        has_arrived(&bench, side.opposite());
        assert_eq!(bench.writes(), 2);
        assert_eq!(last_sent(&bench), json!({"docstatus": 2}));
        assert_eq!((logged(&bench, "update"), logged(&bench, "cancel")), ("1".into(), "1".into()));
        quiet(&bench);
    }
}

/// Whatever becomes of either request, the next run carries on and sends nothing twice.
#[test]
fn a_lost_answer_of_either_request_is_found_out() {
    for (nth, action, sent_again) in [
        (1, Action::Cut, 2),
        (1, Action::CutAfter, 1),
        (2, Action::Cut, 1),
        (2, Action::CutAfter, 0),
    ] {
        let bench = edited_then_cancelled(Side::Cloud);
        bench.site(Side::Local).faults.once(Match::on("PUT", PUT).nth(nth), action);
        bench.sync().expect(4);
        bench.clear_logs();
        bench.run(&["sync-all", "--retry-failed"]).expect(0);
        assert_eq!(bench.site(Side::Local).log.count("PUT", PUT), sent_again, "{nth}");
        has_arrived(&bench, Side::Local);
        quiet(&bench);
    }
}

/// Runs the program and kills it while its second request waits at the site, which never comes
/// to it.
fn killed_at_the_second_request(bench: &Bench, arguments: &[&str]) {
    let hold = Action::Stall { time: Duration::from_secs(3), commit: false };
    bench.site(Side::Local).faults.once(Match::on("PUT", PUT).nth(2), hold);
    let mut command = bench.command(arguments);
    let mut program = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while bench.site(Side::Local).faults.waiting() > 0 {
        assert_eq!(program.try_wait().unwrap(), None, "there is no second request");
        std::thread::sleep(Duration::from_millis(10));
    }
    program.kill().unwrap();
    program.wait().unwrap();
    assert_eq!(docstatus(bench, Side::Local, "V1"), 1);
}

#[test]
fn a_kill_at_the_second_request_is_carried_on() {
    let bench = edited_then_cancelled(Side::Cloud);
    killed_at_the_second_request(&bench, &["sync-all"]);
    bench.sync().expect(0);
    has_arrived(&bench, Side::Local);
    quiet(&bench);
}

/// A table of its own was edited on the other side at the same time.
fn against_another_edit(side: Side) -> Bench {
    let bench = edited_then_cancelled(side);
    let other = side.opposite();
    let first = bench.doc(other, "Voucher", "V1").unwrap()["notes"][0].clone();
    let notes = json!([first, {"note": "of the other"}]);
    bench.edit(other, "Voucher", "V1", &json!({"notes": notes}));
    bench.sync().expect(3);
    assert_eq!(docstatus(&bench, other, "V1"), 1, "a cancellation gives way to an edit");
    bench.clear_logs();
    bench
}

fn notes(bench: &Bench, side: Side) -> usize {
    field(bench, side, "V1", "notes").as_array().map_or(0, Vec::len)
}

#[test]
fn a_person_takes_the_cancelled_version_whole() {
    for side in Side::BOTH {
        let bench = against_another_edit(side);
        bench.run(&["resolve", "1", "--take", side.as_str()]).expect(0);
        has_arrived(&bench, side.opposite());
        assert_eq!((notes(&bench, side.opposite()), bench.writes()), (1, 2));
        let won = format!("{side}_wins");
        assert_eq!(bench.query("SELECT resolution FROM conflict_records"), won);
        let kept = bench.query("SELECT cloud_data || local_data FROM conflict_records");
        assert!(kept.contains("of the other") && kept.contains("last word"), "{kept}");
        quiet(&bench);
    }
}

/// Both edits stand on the side that is cancelled last; the other one takes nothing any more.
#[test]
fn a_person_keeps_both_edits() {
    for side in Side::BOTH {
        let bench = against_another_edit(side);
        let other = side.opposite();
        let keep = format!("notes={other}");
        bench.run(&["resolve", "1", "--take", side.as_str(), "--field", &keep]).expect(0);
        has_arrived(&bench, other);
        assert_eq!((notes(&bench, other), notes(&bench, side)), (2, 1));
        assert_eq!(bench.query("SELECT resolution FROM conflict_records"), "merge");
        quiet(&bench);
    }
}

/// Nothing of the cancelled side's is taken: it is cancelled as it stands.
#[test]
fn a_person_keeps_the_edit_of_the_side_that_is_cancelled_last() {
    let bench = against_another_edit(Side::Cloud);
    let fields = ["--field=notes=local", "--field=rows=local", "--field=stxt=local"];
    bench.run(&[&["resolve", "1"][..], &fields[..]].concat()).expect(0);
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 2);
    assert_eq!(field(&bench, Side::Local, "V1", "stxt"), "open");
    assert_eq!((notes(&bench, Side::Local), bench.writes()), (2, 1));
    quiet(&bench);
}

#[test]
fn a_settlement_that_is_killed_between_the_two_is_carried_on() {
    let bench = against_another_edit(Side::Cloud);
    killed_at_the_second_request(&bench, &["resolve", "1", "--take", "cloud"]);
    assert_eq!(bench.query("SELECT resolved FROM conflict_records"), "0");
    bench.sync().expect(0);
    has_arrived(&bench, Side::Local);
    let kept = bench.query("SELECT local_data FROM conflict_records");
    assert!(kept.contains("of the other"), "{kept}");
    quiet(&bench);
}

/// Submitted and cancelled before anybody looked, against an edit of the draft: the settlement
/// goes both steps.
#[test]
fn a_person_takes_what_was_submitted_and_cancelled_since() {
    let bench = in_step(0);
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"total": 9, "docstatus": 1}));
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 2}));
    bench.edit(Side::Local, "Voucher", "V1", &json!({"phone": "+91-11"}));
    bench.sync().expect(3);
    bench.clear_logs();
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 2);
    assert_eq!((field(&bench, Side::Local, "V1", "total"), bench.writes()), (json!(9), 2));
    assert_eq!(bench.query("SELECT resolution FROM conflict_records"), "cloud_wins");
    quiet(&bench);
}

/// What was entered on the other side before it was submitted there stays there: no update reaches
/// it, and the log says whose it is.
#[test]
fn what_stays_of_the_version_that_was_not_taken_is_told() {
    for side in Side::BOTH {
        let bench = in_step(0);
        for stage in [1, 2] {
            bench.edit(side, "Voucher", "V1", &json!({"docstatus": stage}));
        }
        bench.edit(side.opposite(), "Voucher", "V1", &json!({"total": 9, "docstatus": 1}));
        bench.sync().expect(3);
        bench.run(&["resolve", "1", "--take", side.as_str()]).expect(0);
        assert_eq!(docstatus(&bench, side.opposite(), "V1"), 2);
        let told = bench.query("SELECT message FROM sync_logs ORDER BY id DESC LIMIT 1");
        let stays = format!("{} alone has its edit of total before that", side.opposite());
        assert!(told.contains(&stays), "{told}");
        quiet(&bench);
    }
}
