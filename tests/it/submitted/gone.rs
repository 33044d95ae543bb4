//! A document that was submitted and cancelled on one side, and deleted as a draft on the other: a
//! person who takes the cancelled one gets it cancelled.

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match};
use jiff::Timestamp;
use serde_json::json;

use super::{docstatus, field, in_step, quiet};
use crate::bench::{Bench, USER};

const VOUCHER: &str = "/api/resource/Voucher";

/// Edited, submitted and cancelled on one side, deleted on the other.
fn cancelled_and_deleted(side: Side) -> Bench {
    let bench = in_step(0);
    bench.edit(side, "Voucher", "V1", &json!({"stxt": "last word", "docstatus": 1}));
    bench.edit(side, "Voucher", "V1", &json!({"docstatus": 2}));
    bench.site(side.opposite()).delete_as(USER, "Voucher", "V1", Timestamp::now()).unwrap();
    bench.sync().expect(3);
    bench.clear_logs();
    bench
}

fn take(bench: &Bench, side: Side, exit: i32) -> String {
    let ran = bench.run(&["resolve", "1", "--take", side.as_str()]).expect(exit);
    assert_eq!(ran.out.contains(": settled"), exit == 0, "{ran:?}");
    ran.err
}

fn has_arrived(bench: &Bench, side: Side) {
    assert_eq!(docstatus(bench, side, "V1"), 2);
    assert_eq!(field(bench, side, "V1", "stxt"), "last word");
    quiet(bench);
}

#[test]
fn what_was_cancelled_is_not_left_posted() {
    for side in Side::BOTH {
        let bench = cancelled_and_deleted(side);
        take(&bench, side, 0);
        assert_eq!(bench.writes(), 2);
        let won = format!("{side}_wins");
        assert_eq!(bench.query("SELECT resolution FROM conflict_records"), won);
        has_arrived(&bench, side.opposite());
    }
}

/// Nobody is told that it is settled before it is, and the next run carries on.
#[test]
fn a_cancellation_without_an_answer_is_carried_on() {
    for lost in [Action::Cut, Action::CutAfter] {
        let bench = cancelled_and_deleted(Side::Cloud);
        bench.site(Side::Local).faults.once(Match::on("PUT", VOUCHER), lost);
        take(&bench, Side::Cloud, 4);
        bench.run(&["sync-all", "--retry-failed"]).expect(0);
        has_arrived(&bench, Side::Local);
    }
}

#[test]
fn an_edit_before_the_cancellation_is_a_conflict_of_its_own() {
    let bench = cancelled_and_deleted(Side::Cloud);
    bench.site(Side::Local).faults.after(Match::on("POST", VOUCHER), |site, now| {
        site.edit_as(USER, "Voucher", "V1", &json!({"stxt": "mine"}), now).unwrap();
    });
    let said = take(&bench, Side::Cloud, 3);
    assert!(said.contains("a conflict of its own\nhint: erpsync conflicts"), "{said}");
    assert_eq!((docstatus(&bench, Side::Local, "V1"), bench.writes()), (json!(1), 1));
    bench.run(&["resolve", "2", "--take", "cloud"]).expect(0);
    has_arrived(&bench, Side::Local);
}

/// Edited, submitted and cancelled between the last look at it and its deletion: no site is to post it.
#[test]
fn what_was_cancelled_just_before_it_was_deleted_is_not_made_anew() {
    let bench = in_step(0);
    bench.site(Side::Cloud).delete_as(USER, "Voucher", "V1", Timestamp::now()).unwrap();
    bench.site(Side::Local).faults.before(Match::on("DELETE", "/Voucher/V1"), |site, now| {
        for values in [json!({"stxt": "just now", "docstatus": 1}), json!({"docstatus": 2})] {
            site.edit_as(USER, "Voucher", "V1", &values, now).unwrap();
        }
    });
    bench.sync().expect(3);
    bench.clear_logs();
    let said = take(&bench, Side::Local, 3);
    assert!(said.contains("is not made anew\nhint: --take cloud"), "{said}");
    assert_eq!(bench.writes(), 0);
    take(&bench, Side::Cloud, 0);
    assert_eq!(Side::BOTH.map(|side| bench.doc(side, "Voucher", "V1")), [None, None]);
    quiet(&bench);
}
