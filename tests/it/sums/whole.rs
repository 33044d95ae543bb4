//! Whole listings of documents that are known: whatever happened is found, what the sums cannot see
//! too, and nothing else is touched.

use erpsync::model::Side;
use frappe_sandbox::faults::Match;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    QUIET, WHOLE, both, brand, days_ago, on_both, rename, requests, sixty_brands, tamper, texts,
};
use crate::bench::{Bench, USER};

/// Makes the next pass list everything.
fn lists_everything(bench: &Bench) {
    tamper(bench, "UPDATE listings SET last_listed_at = '2026-01-01T00:00:00.000Z'");
}

/// A pass that lists everything, and whatever it takes besides; after it nothing is left to do.
fn list_everything(bench: &Bench) {
    lists_everything(bench);
    let [cloud, local] = requests(bench, 0);
    assert!(cloud.min(local) >= WHOLE, "{cloud} and {local} requests");
    bench.sync().expect(0);
    assert_eq!(requests(bench, 0), [QUIET; 2]);
    lists_everything(bench);
    assert_eq!(requests(bench, 0), [WHOLE; 2]);
    assert_eq!(bench.writes(), 0);
}

fn poke(bench: &Bench, name: &str, field: &str, value: &Value) {
    bench.site(Side::Cloud).poke("Brand", name, field, value).unwrap();
}

#[test]
fn names_exchanged_between_stamps_without_a_fraction_are_found() {
    let bench = sixty_brands();
    for (name, second) in [("B12", 1), ("B13", 2)] {
        poke(&bench, name, "description", &json!(format!("of {name}")));
        let stamp = format!("2026-03-01 10:00:0{second}");
        poke(&bench, name, "modified", &json!(stamp));
        let seen =
            format!("UPDATE sync_records SET cloud_seen = '{stamp}' WHERE docname = '{name}'");
        tamper(&bench, &seen);
    }
    let stamp = |name: &str| bench.doc(Side::Cloud, "Brand", name).unwrap()["modified"].clone();
    for (old, new) in [("B12", "X"), ("B13", "B12"), ("X", "B13")] {
        let before = stamp(old);
        rename(&bench, Side::Cloud, old, new);
        poke(&bench, new, "modified", &before);
    }
    assert_eq!(requests(&bench, 0), [QUIET; 2], "the sums are the same");
    lists_everything(&bench);
    bench.sync().expect(0);
    assert_eq!((texts(&bench, "B12"), texts(&bench, "B13")), (both("of B13"), both("of B12")));
}

/// Of the same name and stamp: only its `creation` says that it is another one.
#[test]
fn a_document_that_another_one_has_replaced_is_found() {
    let bench = sixty_brands();
    let then = json!("2026-02-01 10:00:00.000001");
    poke(&bench, "B20", "creation", &then);
    poke(&bench, "B20", "description", &json!("another"));
    assert_eq!(requests(&bench, 0), [QUIET; 2]);
    lists_everything(&bench);
    bench.sync();
    let state = bench.query(
        "SELECT group_concat(cloud_creation || ' ' || sync_status, ', ') FROM sync_records
         WHERE cloud_name = 'B20' AND sync_status <> 'gone'",
    );
    assert!(state.starts_with("2026-02-01 10:00:00.000001"), "{state}");
}

#[test]
fn what_is_new_saved_late_renamed_or_deleted_is_found() {
    let bench = sixty_brands();
    bench.insert_at(Side::Local, "Brand", &brand("New", "base"), days_ago(3));
    rename(&bench, Side::Cloud, "B07", "Renamed");
    bench.site(Side::Cloud).delete_as(USER, "Brand", "B20", Timestamp::now()).unwrap();
    let later = days_ago(5) + SignedDuration::from_secs(1);
    bench.edit_at(Side::Cloud, "Brand", "B30", &json!({"description": "late"}), later);
    bench.edit(Side::Local, "Brand", "B31", &json!({"description": "now"}));
    list_everything(&bench);
    assert_eq!(texts(&bench, "New"), both("base"));
    assert_eq!((texts(&bench, "Renamed"), texts(&bench, "B07")), (both("base"), [None, None]));
    assert_eq!(texts(&bench, "B20"), [None, None]);
    assert_eq!((texts(&bench, "B30"), texts(&bench, "B31")), (both("late"), both("now")));
}

/// On the page with its old name it is as it was seen; under the new one it comes later.
#[test]
fn a_document_that_is_renamed_and_saved_between_two_pages_is_the_same() {
    let bench = sixty_brands();
    lists_everything(&bench);
    bench.site(Side::Cloud).faults.before(Match::on("POST", "\">\",\"B39\""), |site, now| {
        site.rename_as(USER, "Brand", "B07", "Renamed", now).unwrap();
        site.set_value_as(USER, "Brand", "Renamed", "description", json!("saved"), now).unwrap();
    });
    bench.sync().expect(0);
    assert_eq!(bench.site(Side::Cloud).faults.waiting(), 0);
    assert_eq!((texts(&bench, "Renamed"), texts(&bench, "B07")), (both("saved"), [None, None]));
    assert_eq!(bench.query("SELECT count(*) FROM sync_records"), "60");
    list_everything(&bench);
}

/// A listing that has no day for a document is taken over whole.
#[test]
fn documents_without_a_stamp_are_listed_as_ever() {
    let bench = sixty_brands();
    on_both(&bench, "Brand", &brand("Undated", "base"), days_ago(2));
    bench.sync().expect(0);
    for side in Side::BOTH {
        bench.site(side).poke("Brand", "Undated", "modified", &Value::Null).unwrap();
    }
    bench.edit(Side::Cloud, "Brand", "B40", &json!({"description": "edited"}));
    bench.site(Side::Local).delete_as(USER, "Brand", "B41", Timestamp::now()).unwrap();
    lists_everything(&bench);
    bench.sync();
    assert_eq!((texts(&bench, "B40"), texts(&bench, "B41")), (both("edited"), [None, None]));
    assert_eq!(texts(&bench, "Undated"), both("base"));
}
