//! What waits for a person, what closes by itself, and what a person may decide.

use erpsync::model::Side;
use frappe_sandbox::faults::Match;
use jiff::Timestamp;
use serde_json::json;

use super::{docstatus, field, in_step, quiet};
use crate::bench::{Bench, USER};

/// "Update Items" and the like: a change that no save takes any more.
fn update_items(bench: &Bench, side: Side, total: i64) {
    bench.site(side).poke("Voucher", "V1", "total", &json!(total)).unwrap();
    bench.edit(side, "Voucher", "V1", &json!({}));
}

fn open_conflicts(bench: &Bench) -> String {
    bench.query("SELECT count(*) FROM conflict_records WHERE resolved = FALSE")
}

#[test]
fn what_no_update_carries_is_a_conflict_until_it_is_done_on_both_sides() {
    let bench = in_step(1);
    update_items(&bench, Side::Cloud, 7);
    let ran = bench.sync().expect(3).json();
    let reason = ran["actions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("cloud changed total") && reason.contains("Update Items"), "{reason}");
    assert_eq!(
        bench.query("SELECT kind || ' ' || fields FROM conflict_records"),
        "cannot_mirror [\"total\"]"
    );
    bench.clear_logs();
    bench.sync().expect(3);
    assert_eq!(bench.writes(), 0, "nothing is tried that the site refuses");
    let refused = bench.run(&["resolve", "1", "--take", "cloud"]).expect(3);
    assert!(
        refused.out.contains("Update Items") || refused.err.contains("Update Items"),
        "{refused:?}"
    );
    update_items(&bench, Side::Local, 7);
    bench.sync().expect(0);
    assert_eq!(bench.query("SELECT resolution FROM conflict_records"), "superseded");
    quiet(&bench);
}

#[test]
fn a_change_that_the_rest_of_the_run_brings_about_is_no_conflict() {
    let bench = in_step(1);
    update_items(&bench, Side::Cloud, 7);
    bench.insert(Side::Cloud, "Voucher", &super::voucher("V2", 1));
    // Submitting V2 makes the site do to V1 what the other site has done.
    bench.site(Side::Local).faults.after(
        Match::on("POST", "/api/resource/Voucher"),
        |site, now| {
            site.poke("Voucher", "V1", "total", &json!(7)).unwrap();
            site.edit_as(USER, "Voucher", "V1", &json!({}), now).unwrap();
        },
    );
    bench.sync().expect(0);
    assert_eq!(open_conflicts(&bench), "0");
    assert_eq!(bench.query("SELECT count(*) FROM conflict_records"), "0");
    quiet(&bench);
}

/// A rename in the same run takes nothing into the bases that only one side has.
#[test]
fn what_no_update_carries_is_a_conflict_after_a_rename_too() {
    for side in Side::BOTH {
        let bench = in_step(1);
        for side in Side::BOTH {
            let now = Timestamp::now();
            bench.site(side).set_property("Voucher", "", "allow_rename", "1", now).unwrap();
        }
        update_items(&bench, side, 7);
        bench.site(side).rename_as(USER, "Voucher", "V1", "V2", Timestamp::now()).unwrap();
        bench.sync().expect(3);
        assert_eq!(field(&bench, side.opposite(), "V2", "total"), 5);
        let kind = "SELECT kind || ' ' || fields FROM conflict_records WHERE resolved = FALSE";
        assert_eq!(bench.query(kind), "cannot_mirror [\"total\"]");
    }
}

#[test]
fn an_edit_waits_beside_a_change_that_cannot_be_carried() {
    let bench = in_step(1);
    update_items(&bench, Side::Cloud, 7);
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"stxt": "closed"}));
    bench.sync().expect(3);
    update_items(&bench, Side::Local, 7);
    bench.sync().expect(0);
    assert_eq!(field(&bench, Side::Local, "V1", "stxt"), "closed", "the edit was not lost");
    quiet(&bench);
}

/// Cancelled on the cloud, edited on the local site.
fn cancelled_and_edited() -> Bench {
    let bench = in_step(1);
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 2}));
    bench.edit(Side::Local, "Voucher", "V1", &json!({"stxt": "by local"}));
    bench.sync().expect(3);
    bench.clear_logs();
    bench
}

#[test]
fn a_person_lets_the_cancellation_win() {
    let bench = cancelled_and_edited();
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 2);
    assert_eq!(bench.query("SELECT resolution FROM conflict_records"), "cloud_wins");
    let kept = bench.query("SELECT local_data FROM conflict_records");
    assert!(kept.contains("by local"), "{kept}");
    quiet(&bench);
}

#[test]
fn nobody_takes_a_cancellation_back() {
    let bench = cancelled_and_edited();
    let ran = bench.run(&["resolve", "1", "--take", "local"]).expect(3);
    assert!(ran.err.contains("no document goes back"), "{ran:?}");
    assert!(ran.err.contains("hint: --take cloud"), "{ran:?}");
    assert_eq!((bench.writes(), docstatus(&bench, Side::Cloud, "V1")), (0, json!(2)));
}

#[test]
fn a_submission_since_the_conflict_was_shown_is_another_document() {
    let bench = in_step(0);
    bench.configure(&format!(
        "{}conflict_resolution = \"manual\"\n",
        "[sync]\ndoctypes = [\"Voucher\"]\n"
    ));
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"stxt": "by cloud"}));
    bench.edit(Side::Local, "Voucher", "V1", &json!({"stxt": "by local"}));
    bench.sync().expect(3);
    bench.edit_at(Side::Local, "Voucher", "V1", &json!({"docstatus": 1}), Timestamp::now());
    bench.clear_logs();
    let ran = bench.run(&["resolve", "1", "--take", "local"]).expect(3);
    assert!(format!("{}{}", ran.out, ran.err).contains("no longer what"), "{ran:?}");
    assert_eq!(bench.writes(), 0);
    bench.run(&["resolve", "1", "--take", "local"]).expect(0);
    assert_eq!(docstatus(&bench, Side::Cloud, "V1"), 1);
    assert_eq!(field(&bench, Side::Cloud, "V1", "stxt"), "by local");
    quiet(&bench);
}

/// The rule leaves submitted documents alone, and what amends one of them: the other side refuses
/// an amendment of what it has not cancelled.
#[test]
fn an_amendment_is_left_alone_with_its_original() {
    let bench = in_step(1);
    let rule = "[doctypes.Voucher]\nsubmitted = \"skip\"\n";
    bench.configure(&format!("{}{rule}", super::RULES));
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 2}));
    let mut amended = super::voucher("V1", 0);
    amended["amended_from"] = json!("V1");
    bench.insert(Side::Cloud, "Voucher", &amended);
    let ran = bench.sync().expect(0).json();
    let reasons = ran["actions"].to_string();
    assert!(reasons.contains("amends V1, and submitted documents are left alone"), "{reasons}");
    assert_eq!(ran["doctypes"][0]["skipped"], 2);
    quiet(&bench);
    // Under the other rule both follow.
    bench.configure(super::RULES);
    bench.sync().expect(0);
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 2);
    assert_eq!(field(&bench, Side::Local, "V1-1", "amended_from"), "V1");
}

/// Two that were submitted before they met, different where no update reaches: nobody is told
/// that it is settled while nothing can be written.
#[test]
fn a_first_meeting_of_two_submitted_documents_is_not_settled_by_nothing() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Voucher\"]\n");
    for (side, total) in [(Side::Cloud, 1), (Side::Local, 2)] {
        let voucher = json!({"title": "V9", "total": total, "docstatus": 1});
        bench.insert(side, "Voucher", &voucher);
    }
    bench.sync().expect(3);
    let refused = bench.run(&["resolve", "1", "--take", "cloud"]).expect(3);
    assert!(refused.err.contains("no update reaches"), "{refused:?}");
    assert_eq!(open_conflicts(&bench), "1");
}
