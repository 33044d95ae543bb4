//! One-way rules: whatever was done on the two sides, a document settles by itself, or by what a
//! person says, or by hand as the program says. The source is never written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use erpsync::model::Side;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{docstatus, field, in_step, quiet, voucher};
use crate::bench::{Bench, Ran, USER};

const ONE_WAY: &str = "[sync]\ndoctypes = [\"Voucher\"]\nmax_deletes = 1000\n\
    [sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n\
    [doctypes.Voucher]\ndirection = \"cloud_to_local\"\n";

/// What may become of a draft, and of a submitted document.
const OF_DRAFTS: [&str; 6] = ["same", "edited", "submitted", "resubmitted", "cancelled", "deleted"];
const OF_SUBMITTED: [&str; 6] = ["same", "edited", "updated", "cancelled", "last", "deleted"];

/// Does one of these to a document.
fn play(bench: &Bench, side: Side, name: &str, what: &str) {
    let doc = bench.doc(side, "Voucher", name).unwrap();
    let edit = |values: &Value| bench.edit(side, "Voucher", name, values);
    let submit = || {
        if doc["docstatus"] == 0 {
            edit(&json!({"docstatus": 1}));
        }
    };
    match what {
        "edited" => edit(&json!({"stxt": side.as_str()})),
        // "Update Items".
        "updated" => {
            let total = if side == Side::Cloud { 7 } else { 8 };
            bench.site(side).poke("Voucher", name, "total", &json!(total)).unwrap();
            edit(&json!({}));
        }
        "submitted" => submit(),
        "resubmitted" => edit(&json!({"stxt": side.as_str(), "total": 9, "docstatus": 1})),
        "cancelled" => {
            submit();
            edit(&json!({"docstatus": 2}));
        }
        // The last word before it was cancelled.
        "last" => {
            edit(&json!({"stxt": side.as_str()}));
            edit(&json!({"docstatus": 2}));
        }
        "deleted" => {
            if doc["docstatus"] == 1 {
                edit(&json!({"docstatus": 2}));
            }
            bench.site(side).delete_as(USER, "Voucher", name, Timestamp::now()).unwrap();
        }
        _ => assert_eq!(what, "same"),
    }
}

/// Every combination, in step before it was played.
fn played() -> Bench {
    let bench = Bench::default();
    bench.configure(ONE_WAY);
    let then = Timestamp::now().checked_sub(SignedDuration::from_hours(2)).unwrap();
    let mut all = Vec::new();
    for (docstatus, states) in [(0, OF_DRAFTS), (1, OF_SUBMITTED)] {
        for cloud in states {
            for local in states {
                let name = format!("{docstatus} {cloud} {local}");
                bench.insert_at(Side::Cloud, "Voucher", &voucher(&name, docstatus), then);
                all.push((name, cloud, local));
            }
        }
    }
    bench.sync().expect(0);
    for (name, cloud, local) in &all {
        play(&bench, Side::Cloud, name, cloud);
        play(&bench, Side::Local, name, local);
    }
    bench.clear_logs();
    bench
}

/// The open conflicts, each by its document with its kind.
fn open(bench: &Bench) -> BTreeMap<String, String> {
    let ran = bench.run(&["conflicts", "--json"]).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = ran["conflicts"].as_array().unwrap().iter();
    rows.map(|row| (text(&row["docname"]), text(&row["kind"]))).collect()
}

/// The messages of what was not settled, one a line.
fn refused(ran: &Ran) -> String {
    let json = ran.json();
    let mut lines = String::new();
    for row in json["resolved"].as_array().unwrap() {
        if row["outcome"] != "settled" {
            assert!(row["hint"].is_string(), "{row}");
            writeln!(lines, "{}: {} -> {}", row["docname"], row["message"], row["hint"]).unwrap();
        }
    }
    lines
}

#[test]
fn every_combination_ends() {
    let bench = played();
    let ran = bench.sync().expect(3);
    assert_eq!(ran.json()["doctypes"][0]["failed"], 0, "{ran:?}");
    bench.run(&["resolve", "--all", "--take", "cloud", "--json"]);
    let left = bench.run(&["resolve", "--all", "--take", "local", "--json"]);
    let said = refused(&left);
    // What a person has to do by hand, as it says.
    let by_hand = open(&bench);
    let apart =
        by_hand.iter().filter(|(name, kind)| name.starts_with('0') && *kind != "edit_delete");
    let apart: Vec<&String> = apart.map(|(name, _)| name).collect();
    assert_eq!(apart, ["0 resubmitted submitted", "0 submitted resubmitted"]);
    for (name, kind) in by_hand {
        let (_, played) = name.split_once(' ').unwrap();
        match kind.as_str() {
            "cannot_mirror" => {
                let doc = bench.doc(Side::Cloud, "Voucher", &name).unwrap();
                let total = doc["total"].clone();
                bench.site(Side::Local).poke("Voucher", &name, "total", &total).unwrap();
                bench.edit(Side::Local, "Voucher", &name, &json!({}));
            }
            "edit_delete" if played.starts_with("deleted") => {
                bench.edit(Side::Local, "Voucher", &name, &json!({"docstatus": 2}));
            }
            _ => panic!("{name}: {kind} has no way out\n{said}"),
        }
    }
    bench.sync();
    bench.run(&["resolve", "--all", "--take", "cloud", "--json"]).expect(0);
    bench.sync().expect(0);
    assert_eq!(open(&bench), BTreeMap::new());
    assert_eq!(bench.site(Side::Cloud).log.writes().len(), 0, "the source is never written");
    quiet(&bench);
}

/// Cancelled on the target, edited on the source.
fn further_on() -> Bench {
    let bench = in_step(1);
    bench.configure(ONE_WAY);
    play(&bench, Side::Cloud, "V1", "edited");
    play(&bench, Side::Local, "V1", "cancelled");
    bench.sync().expect(3);
    bench.clear_logs();
    bench
}

#[test]
fn a_person_leaves_both_as_they_are() {
    let bench = further_on();
    let ran = bench.run(&["resolve", "1", "--take", "cloud"]).expect(3);
    assert!(ran.err.contains("hint: --take local"), "{ran:?}");
    bench.run(&["resolve", "1", "--take", "local"]).expect(0);
    assert_eq!(bench.writes(), 0);
    assert_eq!(bench.query("SELECT resolution FROM conflict_records"), "local_wins");
    quiet(&bench);
    // The next change of the source is a matter of its own.
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"stxt": "again"}));
    bench.sync().expect(3);
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 2}));
    bench.sync().expect(0);
    assert_eq!(field(&bench, Side::Cloud, "V1", "stxt"), "again");
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 2);
    assert_eq!(open(&bench), BTreeMap::new());
}

/// What is left alone by now waits for nobody.
#[test]
fn an_edit_that_is_undone_closes_the_conflict() {
    let bench = further_on();
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"stxt": "open"}));
    bench.sync().expect(0);
    assert_eq!(bench.query("SELECT resolution FROM conflict_records"), "superseded");
    quiet(&bench);
}

/// A target that was changed where no update reaches holds no edit of the source up.
#[test]
fn what_the_target_changed_by_other_ways_is_left_alone() {
    let bench = in_step(1);
    bench.configure(ONE_WAY);
    play(&bench, Side::Local, "V1", "updated");
    let ran = bench.sync().expect(0).json();
    let reason = ran["actions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("local changed total, and local is never carried over"), "{reason}");
    play(&bench, Side::Cloud, "V1", "edited");
    bench.sync().expect(0);
    assert_eq!(field(&bench, Side::Local, "V1", "stxt"), "cloud");
    assert_eq!(field(&bench, Side::Local, "V1", "total"), 8);
    quiet(&bench);
}
