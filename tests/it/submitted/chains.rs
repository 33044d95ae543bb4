//! Documents made from each other: rows name rows of other documents, and on each side those
//! of its own.

use erpsync::model::Side;
use serde_json::{Value, json};

use super::{bench, docstatus, quiet, voucher};
use crate::bench::Bench;

/// `V2` is made from the rows of `V1`.
fn chain(bench: &Bench, side: Side) {
    bench.insert(side, "Voucher", &voucher("V1", 1));
    let row = bench.doc(side, "Voucher", "V1").unwrap()["rows"][0]["name"].clone();
    let mut next = voucher("V2", 1);
    next["rows"] = json!([
        {"item": "A", "qty": 1, "source": "V1", "source_row": row},
        {"item": "A", "qty": 1, "source": "V1", "source_row": row},
    ]);
    bench.insert(side, "Voucher", &next);
}

fn row(bench: &Bench, side: Side, name: &str, at: usize) -> Value {
    bench.doc(side, "Voucher", name).unwrap()["rows"][at].clone()
}

fn points_home(bench: &Bench) {
    for side in Side::BOTH {
        let home = row(bench, side, "V1", 0)["name"].clone();
        for at in 0..2 {
            assert_eq!(row(bench, side, "V2", at)["source_row"], home, "{side}, row {at}");
        }
    }
    let there = |side| row(bench, side, "V1", 0)["name"].clone();
    assert_ne!(there(Side::Cloud), there(Side::Local), "or nothing was translated");
}

fn hash(bench: &Bench, side: &str) -> String {
    bench.run(&["hash", "Voucher", "V2", "--side", side]).expect(0).out
}

#[test]
fn rows_point_to_the_rows_of_their_own_side() {
    for side in Side::BOTH {
        let bench = bench();
        chain(&bench, side);
        bench.sync().expect(0);
        assert_eq!(docstatus(&bench, side.opposite(), "V2"), 1);
        points_home(&bench);
        quiet(&bench);
    }
}

#[test]
fn a_reference_hashes_alike_on_both_sides() {
    let bench = bench();
    chain(&bench, Side::Cloud);
    for name in ["V1", "V2"] {
        // Of a draft everything counts.
        bench.site(Side::Cloud).poke("Voucher", name, "docstatus", &json!(0)).unwrap();
        bench.site(Side::Cloud).poke("Voucher", name, "set_posting_time", &json!(1)).unwrap();
    }
    bench.sync().expect(0);
    assert_eq!(hash(&bench, "cloud"), hash(&bench, "local"));
    // A draft's rows are sent whole: they keep pointing home.
    let mut rows = bench.doc(Side::Local, "Voucher", "V2").unwrap()["rows"].clone();
    rows[1]["qty"] = json!(7);
    bench.edit(Side::Local, "Voucher", "V2", &json!({"rows": rows}));
    bench.sync().expect(0);
    assert_eq!(row(&bench, Side::Cloud, "V2", 1)["qty"], 7.0);
    points_home(&bench);
    quiet(&bench);
}

#[test]
fn cancelling_a_chain_goes_from_its_end() {
    let bench = bench();
    chain(&bench, Side::Cloud);
    bench.sync().expect(0);
    for name in ["V2", "V1"] {
        bench.edit(Side::Cloud, "Voucher", name, &json!({"docstatus": 2}));
    }
    bench.sync().expect(0);
    for name in ["V1", "V2"] {
        assert_eq!(docstatus(&bench, Side::Local, name), 2, "{name}");
    }
    quiet(&bench);
}
