//! Submitted documents: what is posted on one side is posted on the other, once; it is never
//! taken back by a rule, and what no update can carry waits for a person.

mod chains;
mod edited_then_cancelled;
mod erpnext;
mod faults;
mod gone;
mod one_way;
mod people;

use erpsync::model::Side;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bench::Bench;

const RULES: &str = "[sync]\ndoctypes = [\"Voucher\"]\n\
    [sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";

fn bench() -> Bench {
    let bench = Bench::default();
    bench.configure(RULES);
    bench
}

/// A voucher of yesterday; the site stamped its posting time.
fn voucher(title: &str, docstatus: i64) -> Value {
    json!({"title": title, "stxt": "open", "total": 5, "docstatus": docstatus,
        "posting_date": "2026-03-04", "posting_time": "10:11:12.345678",
        "rows": [{"item": "A", "qty": 2}], "notes": [{"note": "first"}]})
}

/// A voucher that both sides have in step, as a draft or submitted.
fn in_step(docstatus: i64) -> Bench {
    let bench = bench();
    let then = Timestamp::now().checked_sub(SignedDuration::from_hours(2)).unwrap();
    bench.insert_at(Side::Cloud, "Voucher", &voucher("V1", docstatus), then);
    bench.sync().expect(0);
    bench.clear_logs();
    bench
}

fn field(bench: &Bench, side: Side, name: &str, field: &str) -> Value {
    bench.doc(side, "Voucher", name).map_or(Value::Null, |doc| doc[field].clone())
}

fn docstatus(bench: &Bench, side: Side, name: &str) -> Value {
    field(bench, side, name, "docstatus")
}

/// What the last request carried, without the lock.
fn last_sent(bench: &Bench) -> Value {
    let sent = bench.query("SELECT sent FROM journal ORDER BY id DESC LIMIT 1");
    let mut sent: Value = serde_json::from_str(&sent).unwrap();
    sent.as_object_mut().unwrap().remove("modified");
    sent
}

fn logged(bench: &Bench, action: &str) -> String {
    let what = "FROM sync_logs WHERE status = 'success' AND action";
    bench.query(&format!("SELECT count(*) {what} = '{action}'"))
}

/// A pass that finds nothing to do.
fn quiet(bench: &Bench) {
    bench.clear_logs();
    bench.sync().expect(0);
    bench.run(&["sync-all", "--full"]).expect(0);
    assert_eq!(bench.writes(), 0, "a pass after a good one writes nothing");
}

#[test]
fn a_submitted_document_is_made_and_submitted_in_one_request() {
    let bench = bench();
    bench.insert(Side::Cloud, "Voucher", &voucher("V1", 1));
    let ran = bench.sync().expect(0).json();
    assert_eq!(ran["doctypes"][0]["created_on_local"], 1);
    assert_eq!(bench.writes(), 1, "one request, which leaves nothing behind where it fails");
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 1);
    for (name, value) in [("posting_date", "2026-03-04"), ("posting_time", "10:11:12.345678")] {
        assert_eq!(field(&bench, Side::Local, "V1", name), value, "{name}");
    }
    assert_eq!(last_sent(&bench)["set_posting_time"], 1);
    quiet(&bench);
}

#[test]
fn a_submission_goes_over_with_the_edits_and_the_posting_time_in_one() {
    let bench = in_step(0);
    let edit = json!({"total": 9, "posting_time": "11:12:13", "docstatus": 1});
    bench.edit(Side::Cloud, "Voucher", "V1", &edit);
    let ran = bench.sync().expect(0).json();
    assert_eq!(ran["actions"][0]["action"], "submit");
    assert_eq!(ran["doctypes"][0]["updated_on_local"], 1);
    assert_eq!((bench.writes(), logged(&bench, "submit").as_str()), (1, "1"));
    assert_eq!(
        last_sent(&bench),
        json!({"docstatus": 1, "total": 9, "set_posting_time": 1, "posting_date": "2026-03-04",
            "posting_time": "11:12:13"})
    );
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 1);
    quiet(&bench);
}

/// A field that counts again differs when one side is submitted: a person decides, and is told
/// which field it is about.
#[test]
fn a_submission_does_not_write_over_a_field_that_counts_again() {
    let bench = in_step(0);
    let manual = RULES.replace("[sync]\n", "[sync]\nconflict_resolution = \"manual\"\n");
    bench.configure(&manual.replace("[sync]\n", "[sync]\nexclude_fields = [\"total\"]\n"));
    bench.run(&["sync-all", "--full"]).expect(0);
    bench.edit(Side::Local, "Voucher", "V1", &json!({"total": 7}));
    bench.sync().expect(0);
    bench.configure(&manual);
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 1}));
    bench.sync().expect(3);
    assert_eq!(field(&bench, Side::Local, "V1", "total"), json!(7));
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 0);
    // The posting time differs too: each side has stamped its own.
    let named = "SELECT kind || ' ' || fields FROM conflict_records WHERE resolved = FALSE";
    assert_eq!(bench.query(named), "new_field [\"docstatus\",\"posting_time\",\"total\"]");
    let shown = bench.run(&["conflicts", "show", "1"]).expect(0).out;
    assert!(!shown.contains("not compared: total"), "{shown}");
}

#[test]
fn of_a_submitted_document_only_what_may_still_be_edited_is_sent() {
    let bench = in_step(1);
    let doc = bench.doc(Side::Cloud, "Voucher", "V1").unwrap();
    let mut row = doc["rows"][0].clone();
    row["due"] = json!("2026-05-06");
    let notes = json!([doc["notes"][0], {"note": "second"}]);
    let edit = json!({"stxt": "closed", "rows": [row], "notes": notes});
    bench.edit(Side::Cloud, "Voucher", "V1", &edit);
    bench.sync().expect(0);
    let sent = last_sent(&bench);
    let fields: Vec<&String> = sent.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["notes", "rows", "stxt"]);
    let local = bench.doc(Side::Local, "Voucher", "V1").unwrap();
    assert_eq!(
        (&local["stxt"], &local["rows"][0]["due"]),
        (&json!("closed"), &json!("2026-05-06"))
    );
    assert_eq!(local["notes"][1]["note"], "second");
    quiet(&bench);
    // And back: a row that goes.
    let notes = json!([bench.doc(Side::Local, "Voucher", "V1").unwrap()["notes"][1]]);
    bench.edit(Side::Local, "Voucher", "V1", &json!({"notes": notes}));
    bench.sync().expect(0);
    let cloud = bench.doc(Side::Cloud, "Voucher", "V1").unwrap();
    assert_eq!(cloud["notes"].as_array().unwrap().len(), 1);
    assert_eq!(cloud["notes"][0]["note"], "second");
    quiet(&bench);
}

#[test]
fn a_cancellation_and_its_amendment_go_over_in_this_order() {
    let bench = in_step(1);
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 2}));
    let mut amended = voucher("V1", 1);
    amended["amended_from"] = json!("V1");
    amended["total"] = json!(6);
    bench.insert(Side::Cloud, "Voucher", &amended);
    bench.sync().expect(0);
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 2);
    assert_eq!(docstatus(&bench, Side::Local, "V1-1"), 1);
    assert_eq!(field(&bench, Side::Local, "V1-1", "amended_from"), "V1");
    assert_eq!(bench.writes(), 2, "no request was refused before its time");
    assert_eq!((logged(&bench, "cancel"), logged(&bench, "create")), ("1".into(), "2".into()));
    quiet(&bench);
}

#[test]
fn an_amendment_waits_where_its_original_cannot_be_cancelled() {
    let bench = in_step(1);
    // A document of the local site alone keeps its original from being cancelled.
    bench.insert(
        Side::Local,
        "Voucher",
        &json!({"title": "holds", "docstatus": 1, "rows": [{"item": "A", "source": "V1"}]}),
    );
    bench.configure(&format!("{RULES}[doctypes.Voucher]\ndirection = \"cloud_to_local\"\n"));
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 2}));
    let mut amended = voucher("V1", 1);
    amended["amended_from"] = json!("V1");
    bench.insert(Side::Cloud, "Voucher", &amended);
    let ran = bench.sync().expect(4);
    assert_eq!(docstatus(&bench, Side::Local, "V1"), 1);
    assert_eq!(bench.doc(Side::Local, "Voucher", "V1-1"), None);
    let waits = "waits for Voucher V1, whose cancellation or new row is not on local yet";
    assert!(ran.out.contains(waits), "{ran:?}");
}

#[test]
fn an_amendment_comes_without_an_original_that_never_came() {
    let bench = bench();
    bench.insert(Side::Cloud, "Voucher", &voucher("V1", 1));
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 2}));
    let mut amended = voucher("V1", 1);
    amended["amended_from"] = json!("V1");
    bench.insert(Side::Cloud, "Voucher", &amended);
    let ran = bench.sync().expect(0);
    assert_eq!(bench.site(Side::Local).names("Voucher"), ["V1-1"], "{ran:?}");
    assert_eq!(docstatus(&bench, Side::Local, "V1-1"), 1);
    quiet(&bench);
}

#[test]
fn what_is_cancelled_before_it_is_seen_is_left_alone_once_and_for_all() {
    let bench = bench();
    bench.insert(Side::Cloud, "Voucher", &voucher("V1", 1));
    bench.edit(Side::Cloud, "Voucher", "V1", &json!({"docstatus": 2}));
    let ran = bench.sync().expect(0).json();
    assert_eq!(ran["doctypes"][0]["skipped"], 1);
    bench.clear_logs();
    let ran = bench.sync().expect(0).json();
    assert_eq!(ran["actions"], json!([]), "not looked at again");
    assert_eq!(bench.doc(Side::Local, "Voucher", "V1"), None);
}
