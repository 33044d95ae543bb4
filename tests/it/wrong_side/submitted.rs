//! A backup from before documents were submitted or cancelled.

use erpsync::model::Side;
use serde_json::json;

use super::{SYNC, backup, is_quiet, long_ago, say};
use crate::bench::Bench;

fn docstatus(bench: &Bench, side: Side, name: &str) -> i64 {
    bench.doc(side, "Voucher", name).unwrap()["docstatus"].as_i64().unwrap()
}

fn set(bench: &Bench, side: Side, name: &str, docstatus: i64) {
    bench.edit(side, "Voucher", name, &json!({ "docstatus": docstatus }));
}

/// Vouchers made long ago; in the week after the backup one is submitted and one cancelled.
fn restored(side: Side) -> Bench {
    let bench = Bench::default();
    bench.configure(&SYNC.replace("Probe", "Voucher"));
    for (title, docstatus) in [("Draft", 0), ("Posted", 1)] {
        let values = json!({"title": title, "total": 5, "docstatus": docstatus,
            "posting_date": "2026-03-04", "posting_time": "10:11:12",
            "rows": [{"item": "A", "qty": 2}]});
        bench.insert_at(side, "Voucher", &values, long_ago());
    }
    bench.sync().expect(0);
    let backup = backup(&bench, side);
    set(&bench, side, "Draft", 1);
    set(&bench, side, "Posted", 2);
    bench.sync().expect(0);
    for side in Side::BOTH {
        assert_eq!((docstatus(&bench, side, "Draft"), docstatus(&bench, side, "Posted")), (1, 2));
    }
    bench.site(side).restore_backup(&backup);
    bench.sync().expect(6);
    bench
}

#[test]
fn what_was_posted_is_posted_again() {
    for side in Side::BOTH {
        let bench = restored(side);
        let ran = say(&bench, "--restore-side", side).expect(0).json();
        for side in Side::BOTH {
            assert_eq!(docstatus(&bench, side, "Draft"), 1, "{side}: {ran}");
            assert_eq!(docstatus(&bench, side, "Posted"), 2, "{side}: {ran}");
        }
        is_quiet(&bench, 0);
    }
}

/// Nothing is ever un-posted: a person decides whether the side that is called right goes on.
#[test]
fn an_older_docstatus_takes_nothing_back() {
    for side in Side::BOTH {
        let bench = restored(side);
        say(&bench, "--accept-side", side).expect(3);
        let other = side.opposite();
        assert_eq!((docstatus(&bench, other, "Draft"), docstatus(&bench, other, "Posted")), (1, 2));
        is_quiet(&bench, 3);
    }
}
