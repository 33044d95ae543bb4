//! Whatever happens to a document shows in the sums of some day, and only such days are listed.

use erpsync::model::Side;
use frappe_sandbox::faults::Match;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    QUIET, WHOLE, both, brand, days_ago, on_both, rename, requests, sixty_brands, tamper, text,
    texts,
};
use crate::bench::{Bench, USER};

/// The next pass finds what happened without listing everything, and the one after it nothing.
fn is_found(bench: &Bench, most: usize) {
    let [cloud, local] = requests(bench, 0);
    assert!(cloud.max(local) <= most, "{cloud} and {local} requests");
    is_quiet(bench);
}

/// Once what was written is seen, a pass costs the sums only.
fn is_quiet(bench: &Bench) {
    bench.sync().expect(0);
    assert_eq!(requests(bench, 0), [QUIET; 2]);
    assert_eq!(bench.writes(), 0);
}

#[test]
fn a_commit_that_comes_late_under_an_older_stamp_is_found() {
    let bench = sixty_brands();
    let edit = json!({"description": "late"});
    let later = days_ago(5) + SignedDuration::from_secs(1);
    bench.edit_at(Side::Cloud, "Brand", "B30", &edit, later);
    // Of the day the six brands in one page, and of what moved one document, and its metadata.
    is_found(&bench, 12);
    assert_eq!(texts(&bench, "B30"), both("late"));
    // On the last microsecond of a day, and on the first.
    let last = json!("2026-01-31 23:59:59.999999");
    let first = json!("2026-02-01 00:00:00");
    for (name, stamp) in [("B31", &last), ("B32", &first)] {
        bench.site(Side::Cloud).poke("Brand", name, "description", &json!("edge")).unwrap();
        bench.site(Side::Cloud).poke("Brand", name, "modified", stamp).unwrap();
    }
    tamper(
        &bench,
        "UPDATE sync_records SET cloud_seen = '2026-01-01 00:00:00.000001'
        WHERE docname IN ('B31', 'B32')",
    );
    is_found(&bench, 16);
    assert_eq!(texts(&bench, "B31"), both("edge"));
    assert_eq!(texts(&bench, "B32"), both("edge"));
}

#[test]
fn what_is_new_renamed_or_deleted_is_found() {
    let bench = sixty_brands();
    bench.insert_at(Side::Local, "Brand", &brand("New", "base"), days_ago(3));
    rename(&bench, Side::Cloud, "B07", "Renamed");
    bench.site(Side::Cloud).delete_as(USER, "Brand", "B20", Timestamp::now()).unwrap();
    // The last of its day.
    for name in ["B00", "B01", "B02", "B03", "B04"] {
        let edit = json!({"description": "moved"});
        bench.edit(Side::Local, "Brand", name, &edit);
    }
    bench.site(Side::Local).delete_as(USER, "Brand", "B05", Timestamp::now()).unwrap();
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "New"), both("base"));
    assert_eq!((texts(&bench, "Renamed"), texts(&bench, "B07")), (both("base"), [None, None]));
    assert_eq!((texts(&bench, "B20"), texts(&bench, "B05")), ([None, None], [None, None]));
    assert_eq!(texts(&bench, "B04"), both("moved"));
    is_quiet(&bench);
}

/// It leaves a day that adds up for one that is being listed.
#[test]
fn a_document_that_is_renamed_and_saved_while_a_day_is_listed_is_the_same() {
    let bench = sixty_brands();
    bench.insert(Side::Cloud, "Brand", &brand("Today", "base"));
    bench.site(Side::Cloud).faults.before(Match::on("POST", "\"modified\""), |site, now| {
        site.rename_as(USER, "Brand", "B30", "Renamed", now).unwrap();
        site.set_value_as(USER, "Brand", "Renamed", "description", json!("saved"), now).unwrap();
    });
    bench.sync().expect(0);
    assert_eq!(bench.site(Side::Cloud).faults.waiting(), 0);
    assert_eq!((texts(&bench, "Renamed"), texts(&bench, "B30")), (both("saved"), [None, None]));
    assert_eq!(bench.query("SELECT count(*) FROM sync_records"), "61");
    is_quiet(&bench);
}

#[test]
fn names_that_are_exchanged_within_a_day_are_found() {
    let bench = sixty_brands();
    bench.edit(Side::Cloud, "Brand", "B12", &json!({"description": "first"}));
    bench.edit(Side::Cloud, "Brand", "B13", &json!({"description": "second"}));
    bench.sync().expect(0);
    for (old, new) in [("B12", "X"), ("B13", "B12"), ("X", "B13")] {
        rename(&bench, Side::Cloud, old, new);
    }
    bench.sync().expect(0);
    assert_eq!((texts(&bench, "B12"), texts(&bench, "B13")), (both("second"), both("first")));
    is_quiet(&bench);
}

/// What the sums cannot show waits for the next whole listing, and what moves neither a stamp nor a
/// name for the next pass that fetches everything.
#[test]
fn everything_is_listed_and_fetched_once_in_a_while() {
    let bench = sixty_brands();
    assert_eq!(requests(&bench, 0), [QUIET; 2]);
    tamper(&bench, "UPDATE listings SET last_listed_at = '2026-01-01T00:00:00.000Z'");
    assert_eq!(requests(&bench, 0), [WHOLE; 2]);
    assert_eq!(requests(&bench, 0), [QUIET; 2]);
    bench.site(Side::Cloud).poke("Brand", "B11", "description", &json!("not saved")).unwrap();
    tamper(&bench, "UPDATE listings SET last_listed_at = '2026-01-01T00:00:00.000Z'");
    assert_eq!(requests(&bench, 0), [WHOLE; 2]);
    assert_eq!(texts(&bench, "B11"), [Some("not saved".to_owned()), Some("base".to_owned())]);
    tamper(&bench, "UPDATE listings SET last_full_at = '2026-01-01T00:00:00.000Z'");
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "B11"), both("not saved"));
    bench.site(Side::Cloud).poke("Brand", "B11", "description", &json!("again")).unwrap();
    bench.run(&["sync-all", "--full"]).expect(0);
    assert_eq!(texts(&bench, "B11"), both("again"));
}

#[test]
fn intervals_are_those_of_the_configuration() {
    let bench = sixty_brands();
    let path = bench.path("sync.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let with = |key: &str| {
        std::fs::write(
            &path,
            text.replace("page_size = 20\n", &format!("page_size = 20\n{key}\n")),
        )
        .unwrap();
    };
    let hours = |hours: i64| {
        let then = Timestamp::now() - SignedDuration::from_hours(hours);
        tamper(&bench, &format!("UPDATE listings SET last_listed_at = '{then:.3}'"));
    };
    for (key, ago, expected) in [
        ("", 23, QUIET),
        ("", 25, WHOLE),
        ("list_every = \"2h\"", 1, QUIET),
        ("list_every = \"2h\"", 3, WHOLE),
    ] {
        with(key);
        hours(ago);
        assert_eq!(requests(&bench, 0), [expected; 2], "{key}, {ago} hours ago");
    }
}

/// Numbers as names, names of other scripts, and stamps without a fraction add up on both sides as
/// they do in the state, each site in its own zone.
#[test]
fn names_and_stamps_of_every_kind_add_up() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"FP Auto\", \"FP Prompt\"]\npage_size = 20\n");
    let mut pokes = Vec::new();
    for (i, name) in NAMES.iter().enumerate() {
        let days = i32::try_from(i).unwrap();
        on_both(&bench, "FP Prompt", &json!({"name": name, "t": "base"}), days_ago(days + 1));
        on_both(&bench, "FP Auto", &json!({"t": format!("base {i}")}), days_ago(days + 1));
        if i % 2 == 0 {
            pokes.push((name, format!("2026-0{}-01 00:00:00", 1 + i % 9)));
        }
    }
    for (name, stamp) in pokes {
        for side in Side::BOTH {
            let stamp = Value::from(stamp.as_str());
            bench.site(side).poke("FP Prompt", name, "modified", &stamp).unwrap();
        }
    }
    bench.sync().expect(0);
    // In another zone it is another date for hours a day.
    assert_ne!(bench.site(Side::Cloud).zone_name(), bench.site(Side::Local).zone_name());
    for _ in 0..2 {
        assert_eq!(requests(&bench, 0), [QUIET + 1; 2]);
    }
    let doc = bench.doc(Side::Cloud, "FP Prompt", NAMES[0]).unwrap();
    assert_eq!(doc["modified"].as_str().unwrap().len(), "2026-01-01 00:00:00".len());
    bench.edit(Side::Cloud, "FP Prompt", NAMES[0], &json!({"t": "edited"}));
    bench.sync().expect(0);
    assert_eq!(bench.doc(Side::Local, "FP Prompt", NAMES[0]).unwrap()["t"], "edited");
}

const NAMES: [&str; 8] =
    ["Ärger", "zürich ß", "日本語", "مرحبا", "naïve", "emoji 😀", "per%cent", "a/b c"];

/// Nothing of a listing that is not whole looks like a side that is another one.
#[test]
fn a_new_document_alone_on_its_day_is_no_other_site() {
    let bench = sixty_brands();
    bench.insert(Side::Cloud, "Brand", &brand("Alone", "base"));
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "Alone"), both("base"));
    // And a person's word about a side is judged by all that it has.
    assert_eq!(text(&bench, Side::Local, "B01").as_deref(), Some("base"));
    bench.clear_logs();
    bench.run(&["sync-all", "--accept-side", "cloud"]).expect(0);
    assert_eq!(Side::BOTH.map(|side| bench.requests(side)), [WHOLE + 1; 2], "61 are four pages");
}
