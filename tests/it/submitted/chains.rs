//! Documents made from each other: rows name rows of other documents, and on each side those
//! of its own.

use erpsync::model::Side;
use frappe_sandbox::faults::{Match, Refusal};
use serde_json::{Value, json};

use super::{RULES, bench, docstatus, quiet, voucher};
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

fn grown(bench: &Bench, side: Side, name: &str) -> Value {
    let mut rows = bench.doc(side, "Voucher", name).unwrap()["rows"].clone();
    rows.as_array_mut().unwrap().push(json!({"item": "B", "qty": 3}));
    bench.edit(side, "Voucher", name, &json!({"rows": rows}));
    row(bench, side, name, 1)["name"].clone()
}

/// A reference to the second row of `of`, and to nothing else of it.
fn refers(bench: &Bench, side: Side, name: &str, row: &Value) {
    let mut voucher = voucher(name, 0);
    voucher["rows"] = json!([{"item": "A", "qty": 1, "source_row": row}]);
    bench.insert(side, "Voucher", &voucher);
}

fn refers_home(bench: &Bench, name: &str, of: &str) {
    for side in Side::BOTH {
        let home = row(bench, side, of, 1)["name"].clone();
        assert_eq!(row(bench, side, name, 0)["source_row"], home, "{side}: {name}");
    }
}

/// Whichever comes first: the row is new, or its document is.
#[test]
fn a_reference_to_a_row_that_is_still_to_come_waits_for_it() {
    for side in Side::BOTH {
        let bench = bench();
        bench.insert(side, "Voucher", &voucher("Q", 0));
        bench.sync().expect(0);
        let new = grown(&bench, side, "Q");
        refers(&bench, side, "A", &new);
        bench.insert(side, "Voucher", &voucher("Z", 0));
        let new = grown(&bench, side, "Z");
        refers(&bench, side, "B", &new);
        bench.sync().expect(0);
        refers_home(&bench, "A", "Q");
        refers_home(&bench, "B", "Z");
        quiet(&bench);
    }
}

#[test]
fn a_text_that_looks_like_a_row_name_goes_as_it_stands_in_the_end() {
    let bench = bench();
    refers(&bench, Side::Cloud, "A", &json!("waterpumps"));
    bench.sync().expect(0);
    assert_eq!(row(&bench, Side::Local, "A", 0)["source_row"], "waterpumps");
    quiet(&bench);
}

#[test]
fn a_reference_to_a_row_of_a_document_in_conflict_waits_for_a_person() {
    let bench = bench();
    bench.configure(&RULES.replace("[sync]\n", "[sync]\nconflict_resolution = \"manual\"\n"));
    bench.insert(Side::Cloud, "Voucher", &voucher("Q", 0));
    bench.sync().expect(0);
    let new = grown(&bench, Side::Cloud, "Q");
    bench.edit(Side::Local, "Voucher", "Q", &json!({"stxt": "here"}));
    bench.edit(Side::Cloud, "Voucher", "Q", &json!({"stxt": "there"}));
    refers(&bench, Side::Cloud, "A", &new);
    bench.sync().expect(3);
    // The conflict is only stored now, and nobody reads its document.
    let ran = bench.sync().expect(3);
    assert_eq!(bench.doc(Side::Local, "Voucher", "A"), None);
    assert_eq!(ran.json()["waiting"][0]["waits_for"], "conflict", "{ran:?}");
    bench.run(&["resolve", "--all", "--take", "cloud"]).expect(0);
    refers_home(&bench, "A", "Q");
    quiet(&bench);
}

#[test]
fn a_reference_to_a_row_of_a_refused_document_waits_with_it() {
    let bench = bench();
    bench.insert(Side::Cloud, "Voucher", &voucher("Q", 0));
    bench.sync().expect(0);
    let new = grown(&bench, Side::Cloud, "Q");
    refers(&bench, Side::Cloud, "A", &new);
    let put = Match::on("PUT", "/Voucher/Q");
    bench.site(Side::Local).faults.refuse(put, Refusal::Forbidden);
    let ran = bench.sync().expect(4);
    assert_eq!(bench.doc(Side::Local, "Voucher", "A"), None);
    let waits = "A: waits for Voucher Q, whose cancellation or new row is not on local yet";
    assert!(ran.err.contains(waits), "{ran:?}");
    bench.site(Side::Local).faults.clear();
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    refers_home(&bench, "A", "Q");
    quiet(&bench);
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
