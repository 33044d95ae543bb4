//! Another document under a known name: the old one as deleted, the new one as created.

use std::collections::BTreeSet;

use erpsync::model::Side;
use serde_json::{Value, json};

use super::{SYNC, delete, edit, in_step, is_quiet, probe, some, text, texts};
use crate::bench::Bench;

/// What a run says of each document: what is done with it, or why not.
fn lines(ran: &Value) -> BTreeSet<String> {
    let line = |line: &Value| {
        let of = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let status = of("status").replace("planned", "success");
        // A dry run cannot know the number of a conflict that is not recorded yet.
        let reason = of("reason").split(", ").next().unwrap_or_default().to_owned();
        format!("{} {} {status}: {reason} {}", of("action"), of("direction"), of("message"))
    };
    ran["actions"].as_array().unwrap().iter().map(line).collect()
}

/// What a dry run says of it.
fn foretold(bench: &Bench) -> BTreeSet<String> {
    lines(&bench.run(&["sync-all", "--dry-run", "--json"]).expect(0).json())
}

#[test]
fn deleted_and_made_again() {
    for side in Side::BOTH {
        let bench = in_step(SYNC, &["A"]);
        delete(&bench, side, "Probe", "A");
        probe(&bench, side, "A", "another");
        let planned = foretold(&bench);
        let ran = bench.sync().expect(0).json();
        assert_eq!(planned, lines(&ran));
        assert_eq!(texts(&bench, "A"), [some("another"), some("another")], "{ran}");
        let there = side.opposite();
        assert_eq!(ran["doctypes"][0][format!("deleted_on_{there}")], 1);
        assert_eq!(ran["doctypes"][0][format!("created_on_{there}")], 1);
        assert_eq!(bench.query("SELECT count(*) FROM sync_records WHERE sync_status='gone'"), "1");
        is_quiet(&bench, 0);
    }
}

/// The old one was edited on the other side meanwhile: nothing is lost, nothing is doubled.
#[test]
fn deleted_and_made_again_while_the_old_one_was_edited() {
    for side in Side::BOTH {
        let there = side.opposite();
        let bench = in_step(SYNC, &["A"]);
        delete(&bench, side, "Probe", "A");
        probe(&bench, side, "A", "another");
        edit(&bench, there, "A", "edited");
        let planned = foretold(&bench);
        let ran = bench.sync().expect(3);
        assert_eq!(planned, lines(&ran.json()));
        assert_eq!(text(&bench, side, "A"), some("another"), "{ran:?}");
        assert_eq!(text(&bench, there, "A"), some("edited"));
        // What is left alone says what to do, in the log as well, and there once.
        for told in [&ran.out, &bench.run(&["log"]).out] {
            assert!(told.contains("waits for Probe A, conflict 1: erpsync resolve 1"), "{told}");
        }
        let shown = "SELECT cloud_data || local_data FROM conflict_records WHERE resolved = FALSE";
        let shown = bench.query(shown);
        assert!(shown.contains("edited") && !shown.contains("another"), "{shown}");
        bench.clear_logs();
        assert_eq!(foretold(&bench), lines(&bench.sync().expect(3).json()));
        assert_eq!(bench.writes(), 0);
        let told = "SELECT count(*) FROM sync_logs WHERE message LIKE 'waits for%'";
        assert_eq!(bench.query(told), "1");
        // The new one's edits wait with it. Then the deletion is taken, and it follows.
        edit(&bench, side, "A", "another, edited");
        bench.run(&["resolve", "1", "--take", side.as_str()]).expect(0);
        assert_eq!(texts(&bench, "A"), [some("another, edited"), some("another, edited")]);
        is_quiet(&bench, 0);
    }
}

/// The other way out: the edited one cannot come back under a name that is taken.
#[test]
fn the_edited_one_cannot_take_the_new_ones_place() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    probe(&bench, Side::Cloud, "A", "another");
    edit(&bench, Side::Local, "A", "edited");
    bench.sync().expect(3);
    bench.clear_logs();
    let ran = bench.run(&["resolve", "1", "--take", "local"]).expect(3);
    assert!(ran.err.contains("its name is another document's on cloud now"), "{ran:?}");
    assert_eq!(bench.writes(), 0);
}

/// Where the old one stays, by rule, the new one cannot be: that is a failure that is told and
/// tried again, and over once the name is free.
#[test]
fn made_again_where_the_old_one_stays() {
    for rule in ["keep", "recreate"] {
        for side in Side::BOTH {
            let there = side.opposite();
            let bench = in_step(
                &SYNC.replace("[sync]\n", &format!("[sync]\ndeletes = \"{rule}\"\n")),
                &["A"],
            );
            delete(&bench, side, "Probe", "A");
            probe(&bench, side, "A", "another");
            let planned = foretold(&bench);
            let ran = bench.sync().expect(4);
            assert_eq!(planned, lines(&ran.json()), "{rule}");
            let told = format!("its name is still another document's on {there}");
            assert!(ran.out.contains(&told), "{rule}: {ran:?}");
            let stored = "SELECT count(*) FROM sync_records WHERE sync_status = 'error'
                AND error_message LIKE '%its name is still%'";
            assert_ne!(bench.query(stored), "0", "{rule}");
            assert_eq!(
                [text(&bench, side, "A"), text(&bench, there, "A")],
                [some("another"), some("base")]
            );
            delete(&bench, there, "Probe", "A");
            bench.run(&["sync-all", "--retry-failed"]).expect(0);
            assert_eq!(texts(&bench, "A"), [some("another"), some("another")], "{rule}");
        }
    }
}

/// Two passes between the deletion and the new document.
#[test]
fn made_again_after_the_conflict_was_recorded() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    edit(&bench, Side::Local, "A", "edited");
    bench.sync().expect(3);
    probe(&bench, Side::Cloud, "A", "another");
    bench.sync().expect(3);
    assert_eq!(texts(&bench, "A"), [some("another"), some("edited")]);
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "A"), [some("another"), some("another")]);
}

/// A document that was never in step has no deletion to carry: what stands there is taken up.
#[test]
fn never_in_step_and_made_again() {
    for side in Side::BOTH {
        let bench = Bench::default();
        let one_way = format!(
            "{SYNC}[doctypes.Probe]\ndirection = \"{}\"\n",
            match side {
                Side::Cloud => "local_to_cloud",
                Side::Local => "cloud_to_local",
            }
        );
        bench.configure(&one_way);
        probe(&bench, side, "A", "first");
        bench.sync().expect(0);
        delete(&bench, side, "Probe", "A");
        probe(&bench, side, "A", "second");
        bench.configure(SYNC);
        bench.sync().expect(0);
        assert_eq!(texts(&bench, "A"), [some("second"), some("second")]);
        is_quiet(&bench, 0);
    }
}

/// The same under one and the same configuration: the first was left alone because its name
/// was taken, the second is another document and is looked at.
#[test]
fn a_skip_of_the_first_is_no_skip_of_the_second() {
    let bench = Bench::default();
    let rule = format!("{SYNC}[doctypes.Probe]\ndirection = \"local_to_cloud\"\n");
    bench.configure(&rule);
    probe(&bench, Side::Cloud, "A", "first");
    bench.sync().expect(0);
    let creation = "SELECT cloud_creation FROM sync_records";
    let before = bench.query(creation);
    delete(&bench, Side::Cloud, "Probe", "A");
    probe(&bench, Side::Cloud, "A", "second");
    bench.sync().expect(0);
    assert_ne!(bench.query(creation), before);
    assert_eq!(bench.query("SELECT count(*) FROM sync_records"), "1");
}

/// A document that never was in step and is gone leaves a tombstone, without a deletion.
#[test]
fn never_in_step_and_gone() {
    let bench = Bench::default();
    bench.configure(&format!("{SYNC}[doctypes.Probe]\ndirection = \"local_to_cloud\"\n"));
    probe(&bench, Side::Cloud, "A", "first");
    bench.sync().expect(0);
    delete(&bench, Side::Cloud, "Probe", "A");
    bench.sync().expect(0);
    assert_eq!(bench.query("SELECT sync_status FROM sync_records"), "gone");
    is_quiet(&bench, 0);
}

/// Two documents of one name, one of them replaced: neither is taken for another.
#[test]
fn a_reused_name_of_a_series() {
    for side in Side::BOTH {
        let bench = Bench::default();
        bench.configure("[sync]\ndoctypes = [\"N Series\"]\n");
        let values = |title: &str| json!({ "title": title });
        let name = bench.insert(Side::Cloud, "N Series", &values("one"));
        bench.insert(Side::Local, "N Series", &values("one"));
        bench.sync().expect(0);
        delete(&bench, side, "N Series", &name);
        let prefix = name.trim_end_matches("0001").to_owned();
        bench.site(side).set_series(&prefix, 0);
        assert_eq!(bench.insert(side, "N Series", &values("two")), name);
        bench.edit(side.opposite(), "N Series", &name, &values("one, edited"));
        bench.sync();
        let title = |side| bench.doc(side, "N Series", &name).unwrap()["title"].clone();
        assert_eq!((title(side), title(side.opposite())), (json!("two"), json!("one, edited")));
        let kind = "SELECT kind FROM conflict_records WHERE resolved = FALSE";
        assert_eq!(bench.query(kind), "edit_delete");
    }
}
