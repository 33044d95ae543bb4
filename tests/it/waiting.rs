//! What waits: for what came of a request, or for a person. It is counted and told, the exit code
//! says so, and it goes on by itself afterwards.

use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bench::{Bench, Ran, SYNC_USER, USER};

const RULES: &str = "[sync]\ndoctypes = [\"N Series\", \"Probe\"]\nsettle_after = \"10m\"\n\
     [sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";

/// Two sites whose Probes have a link to a document with a counted name.
fn bench() -> Bench {
    let bench = Bench::default();
    bench.configure(RULES);
    for side in Side::BOTH {
        let field = json!({"fieldname": "series", "label": "Series", "fieldtype": "Link",
            "options": "N Series"});
        bench.site(side).add_custom_field("Probe", &field, Timestamp::now()).unwrap();
    }
    bench
}

fn series(title: &str) -> Value {
    json!({"title": title, "rows": [{"item": title, "qty": 1}]})
}

fn probe(title: &str, series: &str) -> Value {
    json!({"title": title, "series": series, "tm": "10:00:00"})
}

fn counts(ran: &Ran, doctype: &str) -> Value {
    let ran = ran.json();
    let doctypes = ran["doctypes"].as_array().unwrap();
    let found = doctypes.iter().find(|counts| counts["doctype"] == doctype);
    found.unwrap_or_else(|| panic!("{ran}")).clone()
}

fn all(bench: &Bench) -> Vec<String> {
    bench
        .query("SELECT group_concat(docname || ' ' || sync_status, ', ') FROM sync_records")
        .split(", ")
        .map(str::to_owned)
        .collect()
}

fn link(bench: &Bench, side: Side, name: &str) -> Value {
    bench.doc(side, "Probe", name).unwrap()["series"].clone()
}

/// A create on the local site that never arrived.
fn unanswered() -> Bench {
    let bench = bench();
    bench.site(Side::Local).set_series("NS-2026-", 500);
    bench.insert(Side::Cloud, "N Series", &series("Order"));
    let post = Match::on("POST", "/resource/N Series");
    bench.site(Side::Local).faults.once(post, Action::Cut);
    bench.sync().expect(4);
    bench
}

/// The time to settle has passed.
fn later(bench: &Bench) {
    bench.configure(&RULES.replace("10m", "1s"));
    std::thread::sleep(Duration::from_millis(1_100));
}

#[test]
fn a_request_that_nobody_answered_is_counted_and_told() {
    let bench = unanswered();
    let ran = bench.sync().expect(4);
    let said = counts(&ran, "N Series");
    assert_eq!((&said["waiting_for_outcome"], &said["failed"]), (&json!(1), &json!(0)), "{said}");
    let waiting = json!([{"doctype": "N Series", "name": "NS-2026-0001", "waits_for": "outcome",
        "conflict": null,
        "message": "an earlier request has no answer yet; its outcome is waited for"}]);
    assert_eq!(ran.json()["waiting"], waiting);
    let told = ran.json()["actions"].as_array().unwrap().clone();
    assert_eq!(told.len(), 1, "told once: {told:?}");
    assert_eq!(told[0]["status"], "waiting");
    // What cron sees.
    let ran = bench.run(&["sync-all", "--quiet"]).expect(4);
    assert_eq!(
        ran.err,
        "error: N Series NS-2026-0001: an earlier request has no answer yet; its outcome is \
         waited for\nhint: the next runs look what came of it; after settle_after it is sent \
         again, or waits for you as a conflict\n"
    );
    let ran = bench.run(&["sync-all"]).expect(4);
    assert!(ran.out.contains("1 waiting for an outcome"), "{ran:?}");
    let ran = bench.run(&["status"]).expect(0);
    assert!(ran.out.contains("Waiting documents: 1\n  N Series/NS-2026-0001"), "{ran:?}");
    assert!(ran.out.contains("Failed documents: 0"), "{ran:?}");
    assert_eq!(bench.run(&["status", "--json"]).json()["waiting"], waiting);
    later(&bench);
    bench.sync().expect(0);
    assert_eq!(bench.site(Side::Local).names("N Series").len(), 1);
}

/// A document that needs it waits with it, and so does one that may be what was made.
#[test]
fn what_needs_the_outcome_of_a_request_waits_with_it() {
    let bench = unanswered();
    bench.insert(Side::Cloud, "Probe", &probe("Needs", "NS-2026-0001"));
    let values = json!({"title": "Stranger"});
    bench.site(Side::Local).insert_as(SYNC_USER, "N Series", &values, Timestamp::now()).unwrap();
    let ran = bench.sync().expect(4);
    assert_eq!(counts(&ran, "N Series")["waiting_for_outcome"], 2, "{ran:?}");
    let said = counts(&ran, "Probe");
    assert_eq!((&said["waiting_for_outcome"], &said["failed"]), (&json!(1), &json!(0)), "{said}");
    later(&bench);
    bench.sync().expect(0);
    assert_eq!(link(&bench, Side::Local, "Needs"), "NS-2026-0502");
}

/// A conflict that was recorded because of what an earlier request left is told by the run that
/// found it, whatever that run was about.
#[test]
fn an_unknown_outcome_is_a_conflict_of_the_run_that_finds_it() {
    for arguments in [
        vec!["sync-all"],
        vec!["sync-doctype", "N Series", "--name", "NS-2026-0001"],
        vec!["sync-doctype", "N Series", "--name", "NS-2026-0002"],
    ] {
        let bench = bench();
        bench.configure(&RULES.replace("10m", "1s"));
        bench.insert(Side::Cloud, "N Series", &series("First"));
        bench.sync().expect(0);
        bench.insert(Side::Cloud, "N Series", &json!({"title": "Order"}));
        bench.site(Side::Local).hooks.upper_case("N Series", "title");
        let post = Match::on("POST", "/resource/N Series");
        bench.site(Side::Local).faults.once(post, Action::CutAfter);
        bench.sync().expect(4);
        std::thread::sleep(Duration::from_millis(1_100));
        let ran = bench.run(&arguments).expect(3);
        assert_eq!(bench.query("SELECT kind FROM conflict_records"), "unknown_outcome", "{ran:?}");
    }
}

#[test]
fn what_needs_a_document_in_conflict_waits_and_follows() {
    let bench = bench();
    for side in Side::BOTH {
        bench.insert(side, "N Series", &series(&format!("of {side}")));
    }
    let name = "NS-2026-0001";
    bench.insert(Side::Cloud, "Probe", &probe("New", name));
    bench.sync().expect(3);
    bench.insert(Side::Local, "Probe", &json!({"title": "Old", "tm": "10:00:00"}));
    bench.sync().expect(3);
    bench.edit(Side::Local, "Probe", "Old", &json!({"series": name, "stxt": "edited"}));
    let text = "waits for N Series NS-2026-0001, conflict 1: erpsync resolve 1 --take both";
    for _ in 0..3 {
        let ran = bench.sync().expect(3);
        let said = counts(&ran, "Probe");
        assert_eq!((&said["waiting_for_conflict"], &said["failed"]), (&json!(2), &json!(0)));
        assert_eq!(ran.json()["waiting"][0]["message"], text);
        assert_eq!(ran.json()["waiting"][0]["conflict"], 1);
    }
    assert_eq!(bench.doc(Side::Cloud, "Probe", "Old").unwrap()["stxt"], "edited");
    let told = format!("SELECT count(*) FROM sync_logs WHERE message = '{text}'");
    assert_eq!(bench.query(&told), "2", "told once each");
    let ran = bench.run(&["sync-all"]).expect(3);
    assert!(
        ran.out.contains("2 documents wait for conflict 1: erpsync conflicts show 1"),
        "{ran:?}"
    );
    // Also a run over the doctype alone, in whose scope there is no conflict.
    bench.run(&["sync-doctype", "Probe"]).expect(3);
    let shown = bench.run(&["conflicts", "show", "1"]).expect(0);
    assert!(shown.out.ends_with("\nwaiting for it: 2\n  Probe/New\n  Probe/Old\n"), "{shown:?}");
    let shown = bench.run(&["conflicts", "show", "1", "--json"]).json();
    assert_eq!(shown["conflicts"][0]["waiting"][1]["name"], "Old");
    let log = bench.run(&["log", "--name", "New"]).expect(0);
    assert!(log.out.contains(&format!("conflict  sync  -  Probe/New  {text}")), "{log:?}");
    let ran = bench.run(&["resolve", "1", "--take", "both"]).expect(0);
    let followed =
        "1. N Series/NS-2026-0001: settled\nProbe: 1 created on local, 1 updated on cloud\n";
    assert_eq!(ran.out, followed);
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0, "the resolve has taken it up");
    let other = |side: Side, title: &str| {
        let docs = bench.site(side).all_docs("N Series");
        docs.iter().find(|doc| doc["title"] == title).unwrap()["name"].clone()
    };
    assert_eq!(link(&bench, Side::Local, "New"), other(Side::Local, "of cloud"));
    assert_eq!(link(&bench, Side::Cloud, "Old"), other(Side::Cloud, "of local"));
    assert!(all(&bench).iter().all(|one| one.ends_with(" synced")), "{:?}", all(&bench));
}

/// The next run takes up what a settled conflict held, where the resolve had no time to; and who
/// waits for one that waits says which conflict it is.
#[test]
fn what_waits_for_a_waiting_document_waits_for_the_same_conflict() {
    let bench = bench();
    let field = json!({"fieldname": "probe", "label": "Probe", "fieldtype": "Link",
        "options": "Probe"});
    for side in Side::BOTH {
        bench.site(side).add_custom_field("N Prompt", &field, Timestamp::now()).unwrap();
        bench.insert(side, "N Series", &series(&format!("of {side}")));
    }
    bench.configure(
        &RULES.replace("[\"N Series\", \"Probe\"]", "[\"N Prompt\", \"Probe\", \"N Series\"]"),
    );
    bench.insert(Side::Cloud, "Probe", &probe("New", "NS-2026-0001"));
    bench.insert(Side::Cloud, "N Prompt", &json!({"name": "V1", "title": "V1", "probe": "New"}));
    let ran = bench.sync().expect(3);
    let said = counts(&ran, "N Prompt");
    assert_eq!((&said["waiting_for_conflict"], &said["failed"]), (&json!(1), &json!(0)), "{ran:?}");
    let status = bench.run(&["status"]).expect(0);
    let text = "waits for Probe New, which waits for N Series NS-2026-0001, conflict 1";
    assert!(status.out.contains(text), "{status:?}");
    let post = Match::on("POST", "/resource/Probe");
    bench.site(Side::Local).faults.refuse(post, Refusal::Internal);
    // Which of those that followed was not written, why, and what to do.
    let ran = bench.run(&["resolve", "1", "--take", "both"]).expect(4);
    assert!(ran.err.contains("\nerror: Probe New: local: ordered\n"), "{ran:?}");
    assert!(ran.err.contains("\nhint: put right what is named"), "{ran:?}");
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_eq!(bench.doc(Side::Local, "N Prompt", "V1").unwrap()["probe"], "New");
}

/// A deletion that waits for the conflict of a document that links to what is to go: told by the
/// conflict's number, whatever took the document away on the other side.
#[test]
fn a_deletion_that_a_document_in_conflict_blocks_waits_and_follows() {
    for is_merge in [true, false] {
        let bench = Bench::default();
        let doctypes = "\"Brand\", \"Item\"]\nconflict_resolution = \"manual\"";
        bench.configure(&RULES.replace("\"N Series\", \"Probe\"]", doctypes));
        for brand in ["b", "b2"] {
            bench.insert(Side::Cloud, "Brand", &json!({"brand": brand}));
        }
        let values =
            json!({"item_code": "I", "item_group": "Products", "stock_uom": "Nos", "brand": "b"});
        bench.insert(Side::Cloud, "Item", &values);
        bench.sync().expect(0);
        for side in Side::BOTH {
            bench.edit(side, "Item", "I", &json!({"description": format!("of {side}")}));
        }
        bench.sync().expect(3);
        {
            let (now, mut cloud) = (Timestamp::now(), bench.site(Side::Cloud));
            if is_merge {
                cloud.merge_as(USER, "Brand", "b", "b2", now).unwrap();
            } else {
                cloud.edit_as(USER, "Item", "I", &json!({"brand": "b2"}), now).unwrap();
                cloud.delete_as(USER, "Brand", "b", now).unwrap();
            }
        }
        let text = "waits for Item I, conflict 1: erpsync resolve 1 --take cloud|local";
        for run in 0..3 {
            bench.clear_logs();
            let ran = bench.sync().expect(3);
            assert_eq!(bench.writes() > 0, run == 0, "what was refused is not asked for again");
            let said = counts(&ran, "Brand");
            assert_eq!((&said["waiting_for_conflict"], &said["failed"]), (&json!(1), &json!(0)));
            assert_eq!(ran.json()["waiting"][0]["message"], text, "{ran:?}");
        }
        assert!(bench.doc(Side::Local, "Brand", "b").is_some());
        let ran = bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
        assert!(ran.out.ends_with("settled\nBrand: 1 deleted on local\n"), "{ran:?}");
        bench.clear_logs();
        bench.sync().expect(0);
        assert_eq!(bench.writes(), 0, "the resolve has taken it up");
        assert!(bench.doc(Side::Local, "Brand", "b").is_none(), "it has followed");
        assert_eq!(bench.doc(Side::Local, "Item", "I").unwrap()["brand"], "b2");
        assert!(all(&bench).iter().all(|one| !one.ends_with(" pending")), "{:?}", all(&bench));
    }
}

/// Two sites with two brands and an item of the second one.
fn brands() -> Bench {
    let bench = Bench::default();
    let doctypes = "\"Brand\", \"Item\"]\nconflict_resolution = \"manual\"";
    bench.configure(&RULES.replace("\"N Series\", \"Probe\"]", doctypes));
    for brand in ["b", "k"] {
        bench.insert(Side::Cloud, "Brand", &json!({"brand": brand}));
    }
    bench.insert(Side::Cloud, "Item", &item("I0", "k"));
    bench.sync().expect(0);
    bench
}

fn item(code: &str, brand: &str) -> Value {
    json!({"item_code": code, "item_group": "Products", "stock_uom": "Nos", "brand": brand})
}

fn remove(bench: &Bench, side: Side, brand: &str) {
    bench.site(side).delete_as(USER, "Brand", brand, Timestamp::now()).unwrap();
}

/// Whether the brand was edited on the other side (a conflict at once), is only linked to there
/// by now, or was merged into another one: what links to it waits for one conflict.
#[test]
fn what_links_to_a_deleted_document_waits_for_the_conflict_about_it() {
    for (case, take) in [
        ("edited", "local"),
        ("edited", "cloud"),
        ("linked", "local"),
        ("linked", "cloud"),
        ("merged", "local"),
        ("merged", "cloud"),
        ("anew", "cloud"),
    ] {
        let bench = brands();
        if case == "merged" {
            bench.site(Side::Cloud).merge_as(USER, "Brand", "b", "k", Timestamp::now()).unwrap();
        } else {
            remove(&bench, Side::Cloud, "b");
        }
        if case == "edited" {
            bench.edit(Side::Local, "Brand", "b", &json!({"description": "of local"}));
        }
        bench.insert(Side::Local, "Item", &item("I1", "b"));
        bench.edit(Side::Local, "Item", "I0", &json!({"brand": "b", "description": "edited"}));
        for _ in 0..2 {
            let ran = bench.sync().expect(3);
            let said = counts(&ran, "Item");
            assert_eq!((&said["waiting_for_conflict"], &said["failed"]), (&json!(2), &json!(0)));
            assert_eq!(counts(&ran, "Brand")["conflicts"], 1, "{case}: {ran:?}");
            let text = "waits for Brand b, conflict 1: erpsync resolve 1 --take cloud|local";
            assert_eq!(ran.json()["waiting"][0]["message"], text, "{case}");
            assert_eq!(bench.doc(Side::Cloud, "Item", "I0").unwrap()["description"], "edited");
        }
        if case == "anew" {
            // Who takes the name meanwhile waits as well, and nothing waits in a circle.
            bench.insert(Side::Cloud, "Brand", &json!({"brand": "b", "description": "anew"}));
            let ran = bench.sync().expect(3);
            assert_eq!(counts(&ran, "Brand")["waiting_for_conflict"], 1, "{ran:?}");
        }
        if take == "cloud" {
            let ran = bench.run(&["resolve", "1", "--take", take]).expect(3);
            assert!(ran.err.contains("local: Cannot delete"), "{case}: {ran:?}");
            assert!(ran.err.contains("hint: take the links to it out on local"), "{ran:?}");
            for item in ["I0", "I1"] {
                bench.edit(Side::Local, "Item", item, &json!({"brand": "k"}));
            }
        }
        bench.run(&["resolve", "1", "--take", take]).expect(0);
        bench.sync().expect(0);
        let brand = if take == "local" { "b" } else { "k" };
        for (side, item) in Side::BOTH.into_iter().flat_map(|side| [(side, "I0"), (side, "I1")]) {
            assert_eq!(bench.doc(side, "Item", item).unwrap()["brand"], brand, "{case} {side}");
        }
        let is_there = take == "local" || case == "anew";
        for side in Side::BOTH {
            assert_eq!(bench.doc(side, "Brand", "b").is_some(), is_there, "{case} {side}");
        }
        bench.clear_logs();
        bench.sync().expect(0);
        assert_eq!(bench.writes(), 0, "{case}");
    }
}

#[test]
fn what_a_one_way_rule_keeps_back_is_not_called_late() {
    let bench = bench();
    bench.configure(&format!("{RULES}[doctypes.\"N Series\"]\ndirection = \"cloud_to_local\"\n"));
    bench.insert(Side::Local, "N Series", &series("Order"));
    bench.insert(Side::Local, "Probe", &probe("P1", "NS-2026-0001"));
    let ran = bench.sync().expect(4);
    let told = "Probe P1: waits for N Series NS-2026-0001, which never gets to cloud: N Series is \
                carried cloud_to_local only";
    assert!(ran.err.contains(told), "{ran:?}");
}
