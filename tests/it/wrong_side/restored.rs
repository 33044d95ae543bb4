//! One site was restored from last week's backup.

use erpsync::model::Side;
use serde_json::json;

use super::{
    SYNC, actions, backup, both, create, delete, edit, in_step, is_kept, is_quiet, is_stopped, say,
    text, texts,
};
use crate::bench::{Bench, USER};
use jiff::{SignedDuration, Timestamp};

/// A week of work after the backup, carried to both sides; then the backup is restored on `side`,
/// and the work goes on.
fn restored(side: Side) -> Bench {
    let other = side.opposite();
    let bench = in_step(SYNC, side, &["Edited", "Untouched", "Deleted", "Twice", "Calm", "Quick"]);
    let backup = backup(&bench, side);
    edit(&bench, other, "Edited", "week");
    edit(&bench, side, "Twice", "week");
    create(&bench, side, "New here", "week");
    create(&bench, other, "New there", "week");
    delete(&bench, other, "Deleted");
    bench.sync().expect(0);
    bench.site(side).restore_backup(&backup);
    edit(&bench, side, "Twice", "after");
    edit(&bench, side, "Calm", "after");
    edit(&bench, other, "Quick", "after");
    create(&bench, side, "Newest", "after");
    bench
}

#[test]
fn nothing_is_done_until_a_person_says_which_side_is_right() {
    for side in Side::BOTH {
        let bench = restored(side);
        is_stopped(&bench, &format!("--restore-side {side} brings it back to what"));
        // The other side's word does not help, and a look is no word.
        say(&bench, "--restore-side", side.opposite()).expect(6);
        say(&bench, "--accept-side", side.opposite()).expect(6);
        for option in ["--restore-side", "--accept-side"] {
            bench.clear_logs();
            let ran = bench.run(&["sync-all", option, side.as_str(), "--dry-run"]).expect(0);
            assert!(ran.out.contains("Probe/Edited"), "{ran:?}");
            assert_eq!(bench.writes(), 0, "{ran:?}");
        }
        is_stopped(&bench, &format!("--accept-side {side} takes what it has now"));
    }
}

#[test]
fn a_restored_side_is_brought_back_and_keeps_what_was_done_since() {
    for side in Side::BOTH {
        let bench = restored(side);
        let ran = say(&bench, "--restore-side", side).expect(3).json();
        assert_eq!(texts(&bench, "Edited"), both("week"), "{ran}");
        assert_eq!(texts(&bench, "New here"), both("week"), "{ran}");
        assert_eq!(texts(&bench, "New there"), both("week"), "{ran}");
        assert_eq!(texts(&bench, "Deleted"), [None, None], "{ran}");
        assert_eq!(texts(&bench, "Untouched"), both("base"));
        // What was done since on top of what the backup surely had is an ordinary edit.
        assert_eq!(texts(&bench, "Newest"), both("after"));
        assert_eq!(texts(&bench, "Quick"), both("after"));
        // On top of what it may not have had, it waits for a person with both versions.
        assert_eq!(text(&bench, side, "Twice").as_deref(), Some("after"));
        assert_eq!(text(&bench, side.opposite(), "Twice").as_deref(), Some("week"));
        let open = "SELECT group_concat(docname || ' ' || kind) FROM conflict_records \
                    WHERE NOT resolved AND docname <> 'Calm'";
        assert_eq!(bench.query(open), "Twice edit_edit");
        // What the backup held is kept, and says who won.
        let won = format!(
            "SELECT resolution || ' ' || ({side}_data LIKE '%base%') FROM \
                           conflict_records WHERE docname = 'Edited'"
        );
        assert_eq!(bench.query(&won), format!("{}_wins 1", side.opposite()));
        is_quiet(&bench, 3);
        for name in ["Twice", "Calm"] {
            let id = format!(
                "SELECT COALESCE(max(id), 0) FROM conflict_records WHERE NOT resolved \
                              AND docname = '{name}'"
            );
            let id = bench.query(&id);
            if id != "0" {
                bench.run(&["resolve", &id, "--take", side.as_str()]).expect(0);
            }
            assert_eq!(texts(&bench, name), both("after"));
        }
        is_quiet(&bench, 0);
        let marks = "SELECT count(*) FROM sync_records WHERE cloud_restored IS NOT NULL \
                     OR local_restored IS NOT NULL";
        assert_eq!(bench.query(marks), "0");
    }
}

/// A run that ends early leaves nothing that looks like an edit: later runs go on with what the
/// person said, without being told again.
#[test]
fn the_persons_word_outlives_the_run() {
    for side in Side::BOTH {
        let bench = restored(side);
        bench.run(&["sync-all", "--restore-side", side.as_str(), "--limit", "1"]).expect(0);
        for _ in 0..8 {
            bench.run(&["sync-all", "--limit", "1"]);
        }
        bench.sync().expect(3);
        assert_eq!(texts(&bench, "Edited"), both("week"));
        assert_eq!(texts(&bench, "New here"), both("week"));
        assert_eq!(texts(&bench, "New there"), both("week"));
        assert_eq!(texts(&bench, "Deleted"), [None, None]);
        assert_eq!(text(&bench, side.opposite(), "Twice").as_deref(), Some("week"));
        is_quiet(&bench, 3);
    }
}

#[test]
fn what_a_restored_side_holds_is_right_when_a_person_says_so() {
    for side in Side::BOTH {
        let bench = restored(side);
        // An edit of the other side that nobody has seen yet.
        let other = side.opposite();
        edit(&bench, other, "Edited", "unseen");
        let ran = say(&bench, "--accept-side", side).expect(3).json();
        assert_eq!(texts(&bench, "Twice"), both("after"), "{ran}");
        assert_eq!(texts(&bench, "Calm"), both("after"));
        assert_eq!(texts(&bench, "Newest"), both("after"));
        assert_eq!(texts(&bench, "Quick"), both("after"));
        assert_eq!(texts(&bench, "New here"), [None, None], "{ran}");
        assert_eq!(texts(&bench, "New there"), [None, None], "{ran}");
        assert!(is_kept(&bench, "New here") && is_kept(&bench, "New there"));
        assert_eq!(texts(&bench, "Deleted"), both("base"), "{ran}");
        // Stamps tell nothing now: the other side's own edit waits, whoever saved last.
        assert_eq!(text(&bench, side, "Edited").as_deref(), Some("base"));
        assert_eq!(text(&bench, other, "Edited").as_deref(), Some("unseen"));
        is_quiet(&bench, 3);
        let id = bench.query("SELECT id FROM conflict_records WHERE NOT resolved");
        bench.run(&["resolve", &id, "--take", side.as_str()]).expect(0);
        assert_eq!(texts(&bench, "Edited"), both("base"));
        assert!(is_kept(&bench, "unseen"));
        is_quiet(&bench, 0);
    }
}

/// An older version goes to the other side as an edit of the side that is right.
#[test]
fn the_other_side_follows_an_older_version() {
    for side in Side::BOTH {
        let bench = in_step(SYNC, side, &["A"]);
        let backup = backup(&bench, side);
        edit(&bench, side, "A", "week");
        bench.sync().expect(0);
        bench.site(side).restore_backup(&backup);
        let ran = say(&bench, "--accept-side", side).expect(0).json();
        assert_eq!(texts(&bench, "A"), both("base"), "{ran}");
        is_quiet(&bench, 0);
    }
}

/// That a document of a later day is there unchanged, which no day but its own shows, says that the
/// backup had what was saved before.
#[test]
fn what_the_backup_surely_had_is_told_by_all_that_the_side_has() {
    for side in Side::BOTH {
        let bench = in_step(SYNC, side, &["Older", "Saved since"]);
        let calm = json!({"title": "Calm", "stxt": "base", "tm": "04:05:06"});
        let yesterday = Timestamp::now() - SignedDuration::from_hours(24);
        bench.insert_at(side, "Probe", &calm, yesterday);
        bench.sync().expect(0);
        let backup = backup(&bench, side);
        edit(&bench, side, "Older", "week");
        bench.sync().expect(0);
        bench.site(side).restore_backup(&backup);
        edit(&bench, side, "Saved since", "after");
        say(&bench, "--restore-side", side).expect(0);
        assert_eq!(texts(&bench, "Older"), both("week"));
        assert_eq!(texts(&bench, "Saved since"), both("after"));
        is_quiet(&bench, 0);
    }
}

/// Although nothing is new to the state by then.
#[test]
fn a_person_may_say_otherwise_after_a_run_that_ended_early() {
    for side in Side::BOTH {
        let bench = in_step(SYNC, side, &["First", "Second"]);
        let backup = backup(&bench, side);
        for name in ["First", "Second"] {
            edit(&bench, side, name, "week");
        }
        bench.sync().expect(0);
        bench.site(side).restore_backup(&backup);
        bench.run(&["sync-all", "--restore-side", side.as_str(), "--limit", "1"]).expect(0);
        assert_eq!(texts(&bench, "First"), both("week"));
        say(&bench, "--accept-side", side).expect(0);
        assert_eq!(texts(&bench, "Second"), both("base"));
        is_quiet(&bench, 0);
    }
}

/// What an open conflict shows of the side is gone from it: the record stays as it was.
#[test]
fn an_open_conflict_keeps_what_it_showed() {
    // A side that is right and back at the base takes the other's edit.
    for (option, code) in [("--restore-side", 3), ("--accept-side", 0)] {
        for side in Side::BOTH {
            let rule = SYNC.replace("[sync]\n", "[sync]\nconflict_resolution = \"manual\"\n");
            let bench = in_step(&rule, side, &["A", "B"]);
            let backup = backup(&bench, side);
            edit(&bench, side, "A", "mine");
            edit(&bench, side.opposite(), "A", "yours");
            bench.sync().expect(3);
            bench.site(side).restore_backup(&backup);
            say(&bench, option, side).expect(code);
            assert!(is_kept(&bench, "mine") && is_kept(&bench, "yours"), "{option} {side}");
            assert_eq!(text(&bench, side.opposite(), "A").as_deref(), Some("yours"));
            is_quiet(&bench, code);
        }
    }
}

/// Said of some documents, the word would hide from the next run what the others show.
#[test]
fn a_word_about_a_side_is_about_whole_doctypes() {
    let bench = restored(Side::Local);
    let one = ["sync-doctype", "Probe", "--name", "Edited"];
    bench.run(&one).expect(6);
    std::fs::write(bench.path("queue.jsonl"), "").unwrap();
    for some in [&one[..], &["ingest-webhooks", "queue.jsonl"]] {
        for option in ["--restore-side", "--accept-side"] {
            let ran = bench.run(&[some, &[option, "local"]].concat()).expect(2);
            assert!(ran.err.contains("are about whole doctypes"), "{ran:?}");
        }
    }
    let twice = ["sync-all", "--restore-side", "local", "--accept-side", "local"];
    assert!(bench.run(&twice).expect(2).err.contains("either brought back or right as it is"));
    bench.run(&["sync-doctype", "Probe", "--restore-side", "local"]).expect(3);
    assert_eq!(texts(&bench, "Edited"), both("week"));
}

/// A rename of the lost week is made again, not taken back on the other side.
#[test]
fn names_are_brought_back_as_well() {
    for side in Side::BOTH {
        let bench = Bench::default();
        bench.configure(&SYNC.replace("Probe", "Customer"));
        for name in ["Old", "Other"] {
            let values = json!({"customer_name": name, "website": "base"});
            bench.insert_at(side, "Customer", &values, super::long_ago());
        }
        bench.sync().expect(0);
        let backup = backup(&bench, side);
        bench.edit(side, "Customer", "Other", &json!({"website": "week"}));
        let now = Timestamp::now();
        bench.site(side).rename_as(USER, "Customer", "Old", "New", now).unwrap();
        bench.sync().expect(0);
        assert!(bench.doc(side.opposite(), "Customer", "New").is_some());
        bench.site(side).restore_backup(&backup);
        bench.sync().expect(6);
        let ran = say(&bench, "--restore-side", side).expect(0).json();
        for side in Side::BOTH {
            assert_eq!(bench.site(side).names("Customer"), ["New", "Other"], "{side}: {ran}");
            let other = bench.doc(side, "Customer", "Other").unwrap();
            assert_eq!(other["website"], "week");
        }
        is_quiet(&bench, 0);
    }
}

/// With nothing wrong the option changes nothing.
#[test]
fn a_word_about_a_side_that_is_well_is_no_conflict() {
    let bench = in_step(SYNC, Side::Cloud, &["A", "B"]);
    edit(&bench, Side::Local, "A", "edited");
    edit(&bench, Side::Cloud, "B", "edited");
    let ran = say(&bench, "--restore-side", Side::Local).expect(0).json();
    assert_eq!(actions(&ran), ["update cloud_to_local B", "update local_to_cloud A"]);
    is_quiet(&bench, 0);
}
