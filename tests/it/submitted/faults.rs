//! Lost answers, locks, kills: nothing is posted twice, and nothing stays half done.

use std::sync::mpsc::channel;
use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match};
use serde_json::json;

use super::{bench, docstatus, field, in_step, last_sent, logged, quiet, voucher};
use crate::bench::Bench;

const PUT: &str = "/api/resource/Voucher";

fn puts(bench: &Bench) -> usize {
    bench.site(Side::Local).log.count("PUT", PUT)
}

fn lost_answer_of(docstatus_before: i64) {
    let bench = in_step(docstatus_before);
    let now = docstatus_before + 1;
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": now}));
    bench.site(Side::Local).faults.once(Match::on("PUT", PUT), Action::CutAfter);
    bench.sync().expect(4);
    assert_eq!(docstatus(&bench, Side::Local, "V1"), now);
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(puts(&bench), 0, "it is found to have happened, not sent again");
    let word = if now == 1 { "submit" } else { "cancel" };
    let sql =
        format!("SELECT message FROM sync_logs WHERE action = '{word}' AND status = 'success'");
    assert!(bench.query(&sql).contains("found to have happened"));
    quiet(&bench);
}

#[test]
fn the_answer_of_a_submission_is_lost() {
    lost_answer_of(0);
}

#[test]
fn the_answer_of_a_cancellation_is_lost() {
    lost_answer_of(1);
}

#[test]
fn a_submission_that_did_not_arrive_is_sent_again() {
    let bench = in_step(0);
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 1}));
    bench.site(Side::Local).faults.once(Match::on("PUT", PUT), Action::Cut);
    bench.sync().expect(4);
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 0);
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 1);
    assert_eq!(logged(&bench, "submit"), "1");
    quiet(&bench);
}

#[test]
fn what_a_user_cancelled_after_a_lost_submission_is_cancelled_on_both_sides() {
    let bench = in_step(0);
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 1}));
    bench.site(Side::Local).faults.once(Match::on("PUT", PUT), Action::CutAfter);
    bench.sync().expect(4);
    bench.edit(Side::Local, "Voucher", "V1", &json!({"docstatus": 2}));
    bench.sync().expect(0);
    for side in Side::BOTH {
        assert_eq!(docstatus(&bench, side, "V1"), 2, "{side}");
    }
    assert_eq!(puts(&bench), 1);
    quiet(&bench);
}

#[test]
fn a_change_between_submission_and_reread_is_a_change() {
    let bench = in_step(0);
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 1}));
    bench.site(Side::Local).faults.after(Match::on("PUT", PUT), |site, now| {
        site.poke("Voucher", "V1", "total", &json!(8)).unwrap();
        site.edit_as(crate::bench::USER, "Voucher", "V1", &json!({}), now).unwrap();
    });
    bench.sync();
    bench.sync().expect(3);
    let sql = "SELECT kind FROM conflict_records WHERE resolved = FALSE";
    assert_eq!(bench.query(sql), "cannot_mirror", "it did not slip into the base");
}

#[test]
fn a_document_that_the_queue_holds_waits_for_the_next_run() {
    let bench = in_step(1);
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"stxt": "closed"}));
    bench.site(Side::Local).set_locked("Voucher", "V1", true);
    let ran = bench.sync().expect(0).json();
    assert_eq!(ran["actions"][0]["status"], "skipped");
    assert!(ran["actions"][0]["reason"].as_str().unwrap().contains("locked"), "{ran}");
    assert_eq!(ran["doctypes"][0]["failed"], 0);
    bench.site(Side::Local).set_locked("Voucher", "V1", false);
    bench.sync().expect(0);
    assert_eq!(field(&bench, Side::Local, "V1", "stxt"), "closed");
    quiet(&bench);
}

/// A voucher whose rows refer to each other is a draft first, and submitted when its rows have
/// names.
fn with_own_rows(bench: &Bench) {
    bench.insert(Side::Cloud, "Voucher", &voucher("V1", 0));
    let mut rows = bench.doc(Side::Cloud, "Voucher", "V1").unwrap()["rows"].clone();
    let own = json!({"item": "part", "source_row": rows[0]["name"]});
    rows.as_array_mut().unwrap().push(own);
    let edit = json!({"rows": rows, "docstatus": 1});
    bench.edit(Side::Cloud, "Voucher", "V1", &edit);
}

fn check_own_rows(bench: &Bench) {
    let local = bench.doc(Side::Local, "Voucher", "V1").unwrap();
    assert_eq!(local["docstatus"], 1);
    assert_eq!(local["rows"][1]["source_row"], local["rows"][0]["name"]);
    quiet(bench);
}

#[test]
fn what_needs_two_requests_is_a_draft_in_between() {
    let bench = bench();
    with_own_rows(&bench);
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 2);
    assert_eq!(last_sent(&bench)["docstatus"], 1, "the rest and the submission in one");
    check_own_rows(&bench);
}

#[test]
fn a_kill_between_draft_and_submission_leaves_nothing_doubled() {
    let bench = bench();
    with_own_rows(&bench);
    let (sender, arrived) = channel();
    let tell = Action::Before(Box::new(move |_, _| {
        sender.send(()).ok();
        // The kill comes before the answer.
        std::thread::sleep(Duration::from_millis(200));
    }));
    bench.site(Side::Local).faults.once(Match::on("PUT", PUT), tell);
    bench.kill(&["sync-all", "--new-state"], &arrived);
    bench.sync().expect(0);
    assert_eq!(bench.site(Side::Local).names("Voucher"), ["V1"]);
    check_own_rows(&bench);
}

#[test]
fn a_submission_that_the_site_refuses_leaves_the_draft_and_is_told() {
    let bench = in_step(0);
    bench
        .site(Side::Local)
        .set_property("Voucher", "phone", "reqd", "1", jiff::Timestamp::now())
        .unwrap();
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 1}));
    let ran = bench.sync().expect(4).json();
    assert_eq!(ran["actions"][0]["action"], "submit");
    assert!(
        ran["actions"][0]["message"].as_str().unwrap().contains("Phone")
            || ran["actions"][0]["message"].as_str().unwrap().contains("phone"),
        "{ran}"
    );
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 0);
    bench.edit(Side::Local, "Voucher", "V1", &json!({"phone": "+91-11"}));
    bench.run(&["sync-all", "--retry-failed"]).expect(3);
}
