//! What an update takes away with a row stays in the log: a side may hold something in its rows
//! that it holds alone, and no record of the other side ever had it.

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match};
use serde_json::{Value, json};

use crate::bench::{Bench, USER};

const RULES: &str = "[sync]\ndoctypes = [\"Probe\"]\nexclude_fields = [\"rows.note\"]\n\
    conflict_resolution = \"manual\"\n[sync.retry]\nbackoff_seconds = 0.01\n";

/// A document in step with two rows, of which the local ones hold notes of their own.
fn noted() -> Bench {
    let bench = Bench::default();
    bench.configure(RULES);
    let rows = json!([{"item": "A", "qty": 1}, {"item": "B", "qty": 2}]);
    bench.insert(Side::Cloud, "Probe", &json!({"title": "Acme", "stxt": "x", "rows": rows}));
    bench.sync().expect(0);
    let mut rows = rows_of(&bench, Side::Local);
    for (row, note) in rows.iter_mut().zip(["private A", "private B"]) {
        row["note"] = json!(note);
    }
    bench.edit(Side::Local, "Probe", "Acme", &json!({"rows": rows}));
    bench.sync().expect(0);
    bench
}

fn rows_of(bench: &Bench, side: Side) -> Vec<Value> {
    let doc = bench.doc(side, "Probe", "Acme").unwrap();
    let kept = |row: &Value| json!({"name": row["name"], "item": row["item"], "qty": row["qty"]});
    doc["rows"].as_array().unwrap().iter().map(kept).collect()
}

/// A user of the cloud leaves only the last so many rows.
fn leave(bench: &Bench, count: usize) {
    let mut rows = rows_of(bench, Side::Cloud);
    let left = rows.split_off(rows.len() - count);
    bench.edit(Side::Cloud, "Probe", "Acme", &json!({"rows": left}));
}

/// The notes of removed rows in the log, each with how its action ended.
fn kept(bench: &Bench) -> Vec<(String, String)> {
    let log = bench.run(&["log", "--name", "Acme", "--json"]).expect(0).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |row: &Value| {
        let removed = row["changes"]["removed"]["rows"].as_array().cloned().unwrap_or_default();
        let notes = removed.into_iter().map(|removed| text(&removed["note"]));
        notes.map(|note| (text(&row["status"]), note)).collect::<Vec<_>>()
    };
    log["log"].as_array().unwrap().iter().flat_map(of).collect()
}

fn expect_kept(bench: &Bench, expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(status, note)| ((*status).to_owned(), (*note).to_owned())).collect();
    assert_eq!(kept(bench), expected);
}

#[test]
fn a_row_that_the_other_side_removed_stays_whole_in_the_log() {
    let bench = noted();
    expect_kept(&bench, &[]);
    leave(&bench, 1);
    bench.sync().expect(0);
    assert_eq!(rows_of(&bench, Side::Local).len(), 1);
    expect_kept(&bench, &[("success", "private A")]);
}

#[test]
fn so_do_all_rows_of_a_table_that_was_emptied() {
    let bench = noted();
    leave(&bench, 0);
    bench.sync().expect(0);
    assert_eq!(rows_of(&bench, Side::Local), [] as [Value; 0]);
    expect_kept(&bench, &[("success", "private A"), ("success", "private B")]);
}

/// Both sides have edited the text, and the cloud's users removed a row; a person decides.
fn decided(arguments: &[&str], text: &str) {
    let bench = noted();
    leave(&bench, 1);
    bench.edit(Side::Cloud, "Probe", "Acme", &json!({"stxt": "cloud"}));
    bench.edit(Side::Local, "Probe", "Acme", &json!({"stxt": "local"}));
    bench.sync().expect(3);
    bench.run(&[&["resolve", "1"], arguments].concat()).expect(0);
    for side in Side::BOTH {
        assert_eq!(rows_of(&bench, side).len(), 1, "{side}");
        assert_eq!(bench.doc(side, "Probe", "Acme").unwrap()["stxt"], text, "{side}");
    }
    expect_kept(&bench, &[("success", "private A")]);
}

#[test]
fn so_do_rows_that_go_with_a_persons_decision() {
    decided(&["--take", "cloud"], "cloud");
}

/// The settlement is written to both sides.
#[test]
fn so_do_rows_that_go_with_a_mixture_of_both_versions() {
    decided(&["--field", "stxt=local", "--take", "cloud"], "local");
}

/// The update is found to have happened.
#[test]
fn so_do_rows_that_go_with_an_update_whose_answer_is_lost() {
    let bench = noted();
    leave(&bench, 1);
    let lost = Match::on("PUT", "/api/resource/Probe");
    bench.site(Side::Local).faults.once(lost, Action::CutAfter);
    bench.sync().expect(4);
    bench.sync().expect(0);
    expect_kept(&bench, &[("success", "private A")]);
}

/// Nothing on the target shows any more whether it happened: all is decided anew.
#[test]
fn so_do_rows_that_go_with_an_update_of_which_nobody_can_tell() {
    let bench = noted();
    leave(&bench, 1);
    let lost = Match::on("PUT", "/api/resource/Probe");
    bench.site(Side::Local).faults.once(lost, Action::CutAfter);
    bench.sync().expect(4);
    let mut rows = rows_of(&bench, Side::Local);
    rows.push(json!({"item": "C", "qty": 3}));
    bench.edit(Side::Local, "Probe", "Acme", &json!({"rows": rows}));
    bench.sync().expect(3);
    expect_kept(&bench, &[("failed", "private A")]);
}

/// What a user of local saves just before the update of these rows arrives there.
fn just_before_the_update(bench: &Bench, rows: Vec<Value>) {
    bench.site(Side::Local).faults.before(Match::on("PUT", "/Probe/Acme"), move |site, now| {
        site.edit_as(USER, "Probe", "Acme", &json!({"rows": rows}), now).unwrap();
    });
}

/// Rows go whole, so what is not compared in them must be as it was read.
#[test]
fn what_is_saved_in_a_row_just_before_its_update_is_not_written_over() {
    let bench = noted();
    let mut rows = rows_of(&bench, Side::Cloud);
    rows[0]["qty"] = json!(7);
    bench.edit(Side::Cloud, "Probe", "Acme", &json!({"rows": rows}));
    let mut rows = rows_of(&bench, Side::Local);
    rows[0]["note"] = json!("just now");
    rows[1]["note"] = json!("private B");
    just_before_the_update(&bench, rows);
    bench.sync();
    bench.sync().expect(0);
    let local = bench.doc(Side::Local, "Probe", "Acme").unwrap();
    let shown =
        |row: usize| (local["rows"][row]["qty"].clone(), local["rows"][row]["note"].clone());
    assert_eq!(shown(0), (json!(7.0), json!("just now")));
    assert_eq!(shown(1), (json!(2.0), json!("private B")));
}

/// The same rows under new names: sent under the old ones they would all be dropped.
#[test]
fn rows_that_are_put_in_anew_just_before_their_update_stay() {
    let bench = noted();
    let mut rows = rows_of(&bench, Side::Cloud);
    rows.push(json!({"item": "C", "qty": 3}));
    bench.edit(Side::Cloud, "Probe", "Acme", &json!({"rows": rows}));
    let anew = json!([{"item": "A", "qty": 1}, {"item": "B", "qty": 2}]);
    just_before_the_update(&bench, anew.as_array().unwrap().clone());
    bench.sync();
    bench.sync().expect(0);
    for side in Side::BOTH {
        let doc = bench.doc(side, "Probe", "Acme").unwrap();
        let items: Vec<&Value> =
            doc["rows"].as_array().unwrap().iter().map(|row| &row["item"]).collect();
        assert_eq!(items, ["A", "B", "C"], "{side}");
    }
}
