//! Deletions under faults: edits that slip in, lost answers, kills.

use std::sync::mpsc::channel;
use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match};
use jiff::Timestamp;
use serde_json::json;

use super::{SYNC, actions, delete, in_step, is_quiet, probe, some, text, texts};
use crate::bench::{Bench, SYNC_USER, USER};

fn slip_in(bench: &Bench, which: Match) {
    bench.site(Side::Local).faults.before(which, |site, now| {
        site.edit_as(USER, "Probe", "A", &json!({"stxt": "just now"}), now).unwrap();
    });
}

/// Before the last look: nothing is deleted.
#[test]
fn an_edit_before_the_last_look_survives() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    slip_in(&bench, Match::on("GET", "frappe.client.get?"));
    bench.sync().expect(3);
    assert_eq!(text(&bench, Side::Local, "A"), some("just now"));
    let kind = "SELECT kind FROM conflict_records WHERE resolved = FALSE";
    assert_eq!(bench.query(kind), "edit_delete");
}

/// After it nobody can help; what was written is kept and waits for a person.
#[test]
fn an_edit_after_the_last_look_is_kept() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    slip_in(&bench, Match::on("DELETE", "/Probe/A"));
    bench.sync().expect(3);
    assert_eq!(texts(&bench, "A"), [None, None]);
    let kept = "SELECT local_data FROM conflict_records WHERE resolved = FALSE";
    assert!(bench.query(kept).contains("just now"));
    is_quiet(&bench, 3);
    // Looking again at everything, or at this one, does not make the record go away.
    bench.run(&["sync-all", "--full"]).expect(3);
    bench.run(&["sync-doctype", "Probe", "--name", "A"]).expect(3);
    let reason = "edited on local just before it was deleted; what was written is kept here";
    assert_eq!(bench.query("SELECT reason FROM sync_records"), reason);
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
    assert_eq!(bench.query("SELECT sync_status FROM sync_records"), "gone");
    is_quiet(&bench, 0);
}

/// The same of a field that is not kept in step: no conflict, but the log has what went.
#[test]
fn an_edit_of_an_excluded_field_is_in_the_log() {
    let bench = in_step(&SYNC.replace("[sync]\n", "[sync]\nexclude_fields = [\"stxt\"]\n"), &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    slip_in(&bench, Match::on("DELETE", "/Probe/A"));
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "A"), [None, None]);
    let kept = "SELECT changes_json FROM sync_logs WHERE action = 'delete'";
    assert!(bench.query(kept).contains("just now"));
}

/// Taking what slipped in makes the document anew, on its own side first and then on the other;
/// a lost answer is found out, and what is kept is kept until a site has it.
#[test]
fn what_slipped_in_can_be_made_anew() {
    for lost in [None, Some((Action::Cut, false)), Some((Action::CutAfter, true))] {
        let bench = in_step(SYNC, &["A"]);
        delete(&bench, Side::Cloud, "Probe", "A");
        slip_in(&bench, Match::on("DELETE", "/Probe/A"));
        bench.sync().expect(3);
        let take = ["resolve", "1", "--take", "local"];
        let kept = "SELECT local_data || sync_status FROM conflict_records c
            JOIN sync_records r ON r.id = c.record";
        if let Some((how, has_effect)) = lost {
            let post = Match::on("POST", "/resource/Probe");
            bench.site(Side::Local).faults.once(post, how);
            bench.run(&take).expect(4);
            bench.sync().expect(if has_effect { 0 } else { 3 });
            assert!(bench.query(kept).contains("just now"));
            if !has_effect {
                assert!(bench.query(kept).ends_with("conflict"), "{}", bench.query(kept));
                is_quiet(&bench, 3);
                bench.run(&take).expect(0);
            }
        } else {
            bench.run(&take).expect(0);
        }
        assert_eq!(texts(&bench, "A"), [some("just now"), some("just now")]);
        assert_eq!(bench.query("SELECT resolution FROM conflict_records"), "local_wins");
        assert_eq!(bench.query("SELECT count(*) FROM sync_records"), "1");
        is_quiet(&bench, 0);
    }
}

/// Killed before the site has it again, and after.
#[test]
fn a_kill_while_it_is_made_anew_loses_nothing() {
    for has_effect in [true, false] {
        let bench = in_step(SYNC, &["A"]);
        delete(&bench, Side::Cloud, "Probe", "A");
        slip_in(&bench, Match::on("DELETE", "/Probe/A"));
        bench.sync().expect(3);
        let post = Match::on("POST", "/resource/Probe");
        let (sender, arrived) = channel();
        let hold = Action::Before(Box::new(move |_, _| {
            sender.send(()).ok();
            std::thread::sleep(Duration::from_millis(200));
        }));
        bench.site(Side::Local).faults.once(post.clone(), hold);
        if !has_effect {
            bench.site(Side::Local).faults.once(post, Action::Cut);
        }
        bench.kill(&["resolve", "1", "--take", "local"], &arrived);
        bench.sync().expect(if has_effect { 0 } else { 3 });
        if !has_effect {
            is_quiet(&bench, 3);
            bench.run(&["resolve", "1", "--take", "local"]).expect(0);
        }
        assert_eq!(texts(&bench, "A"), [some("just now"), some("just now")]);
        is_quiet(&bench, 0);
    }
}

/// Under a name that is another document's by now, nothing is made.
#[test]
fn what_slipped_in_is_not_made_over_another_document() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    slip_in(&bench, Match::on("DELETE", "/Probe/A"));
    bench.sync().expect(3);
    probe(&bench, Side::Local, "A", "entered again");
    let take = ["resolve", "1", "--take", "local"];
    let ran = bench.run(&take).expect(3);
    let told = "error: 1. Probe/A: not settled: local: Probe A already exists\n\
         hint: rename the document that has its name on local now, or change the value that is \
         named; then --take local\n";
    assert!(ran.err.ends_with(told), "{ran:?}");
    assert_eq!(texts(&bench, "A"), [None, some("entered again")]);
    let kept = "SELECT local_data FROM conflict_records WHERE resolved = FALSE";
    assert!(bench.query(kept).contains("just now"));
    bench.site(Side::Local).rename_as(USER, "Probe", "A", "A2", Timestamp::now()).unwrap();
    bench.run(&take).expect(0);
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "A"), [some("just now"), some("just now")]);
    assert_eq!(texts(&bench, "A2"), [some("entered again"), some("entered again")]);
}

/// What the lost document linked to goes as well, so that the record is looked at again: there is
/// nothing to be seen of it on either side, and what is kept is kept until a person decides.
#[test]
fn what_slipped_in_outlives_what_it_linked_to() {
    for is_merge in [false, true] {
        let bench = Bench::default();
        bench.configure(&SYNC.replace("\"Probe\"", "\"N Prompt\", \"Probe\""));
        for side in Side::BOTH {
            let field = json!({"fieldname": "prompt", "label": "Prompt", "fieldtype": "Link",
                "options": "N Prompt"});
            bench.site(side).add_custom_field("Probe", &field, Timestamp::now()).unwrap();
        }
        for name in ["Linked", "Survivor"] {
            bench.insert(Side::Cloud, "N Prompt", &json!({"name": name, "title": name}));
        }
        bench.insert(Side::Cloud, "Probe", &json!({"title": "A", "prompt": "Linked"}));
        bench.sync().expect(0);
        delete(&bench, Side::Cloud, "Probe", "A");
        slip_in(&bench, Match::on("DELETE", "/Probe/A"));
        bench.sync().expect(3);
        if is_merge {
            let mut site = bench.site(Side::Cloud);
            site.merge_as(USER, "N Prompt", "Linked", "Survivor", Timestamp::now()).unwrap();
        } else {
            delete(&bench, Side::Cloud, "N Prompt", "Linked");
        }
        let foreseen = bench.run(&["sync-all", "--dry-run", "--json"]).expect(0);
        assert_eq!(actions(&foreseen.json()), ["delete cloud_to_local Linked planned"]);
        let ran = bench.sync().expect(3);
        assert_eq!(actions(&ran.json()), ["delete cloud_to_local Linked success"]);
        let waits = "SELECT local_data || sync_status FROM conflict_records c
            JOIN sync_records r ON r.id = c.record WHERE resolved = FALSE";
        assert!(bench.query(waits).contains("just now"), "{}", bench.query(waits));
        assert!(bench.query(waits).ends_with("conflict"), "{}", bench.query(waits));
        bench.run(&["sync-all", "--full"]).expect(3);
        let ran = bench.run(&["resolve", "1", "--take", "local"]).expect(4);
        assert!(ran.err.contains("1. Probe/A: local: Could not find"), "{ran:?}");
        bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
        bench.sync().expect(0);
    }
}

/// A deletion names no document but a name: whoever has it by then is deleted. That one is
/// kept, and waits for a person.
#[test]
fn a_document_made_anew_after_the_last_look_is_kept() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    bench.site(Side::Local).faults.before(Match::on("DELETE", "/Probe/A"), |site, now| {
        site.delete_as(USER, "Probe", "A", now).unwrap();
        let another = json!({"title": "A", "stxt": "another one"});
        site.insert_as(USER, "Probe", &another, now).unwrap();
    });
    bench.sync().expect(3);
    let kept = "SELECT local_data FROM conflict_records WHERE resolved = FALSE";
    assert!(bench.query(kept).contains("another one"));
    is_quiet(&bench, 3);
}

/// Somebody enters the document again: what slipped in still waits, and the new one with it.
#[test]
fn what_slipped_in_waits_while_its_name_is_used_again() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    slip_in(&bench, Match::on("DELETE", "/Probe/A"));
    bench.sync().expect(3);
    probe(&bench, Side::Cloud, "A", "entered again");
    for (argument, code) in [("--dry-run", 0), ("--retry-failed", 3), ("--full", 3)] {
        let ran = bench.run(&["sync-all", "--json", argument]).expect(code);
        let told = ran.json()["actions"][0].clone();
        let reason = "waits for Probe A, conflict 1: erpsync resolve 1 --take cloud|local";
        assert_eq!((&told["status"], &told["reason"]), (&json!("waiting"), &json!(reason)));
        assert_eq!(ran.json()["doctypes"][0]["waiting_for_conflict"], 1, "{ran:?}");
    }
    assert_eq!(text(&bench, Side::Cloud, "A"), some("entered again"));
    let kept = "SELECT local_data FROM conflict_records WHERE resolved = FALSE";
    assert!(bench.query(kept).contains("just now"));
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "A"), [some("entered again"), some("entered again")]);
    is_quiet(&bench, 0);
}

#[test]
fn a_lost_answer_is_found_out() {
    for (action, happens) in [(Action::CutAfter, true), (Action::Cut, false)] {
        let bench = in_step(SYNC, &["A"]);
        delete(&bench, Side::Cloud, "Probe", "A");
        bench.site(Side::Local).faults.once(Match::on("DELETE", "/Probe/A"), action);
        bench.sync().expect(4);
        assert_eq!(text(&bench, Side::Local, "A").is_none(), happens);
        bench.clear_logs();
        bench.run(&["sync-all", "--retry-failed"]).expect(0);
        assert_eq!(bench.writes(), usize::from(!happens));
        assert_eq!(texts(&bench, "A"), [None, None]);
        let logged = "SELECT count(*) FROM sync_logs WHERE action = 'delete'
            AND status = 'success' AND changes_json LIKE '%base%'";
        assert_eq!(bench.query(logged), "1");
        is_quiet(&bench, 0);
    }
}

/// An edit slipped in, and the answer was lost besides.
#[test]
fn a_lost_answer_hides_no_edit() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    slip_in(&bench, Match::on("DELETE", "/Probe/A"));
    bench.site(Side::Local).faults.once(Match::on("DELETE", "/Probe/A"), Action::CutAfter);
    bench.sync().expect(4);
    bench.sync().expect(3);
    let kept = "SELECT local_data FROM conflict_records WHERE resolved = FALSE";
    assert!(bench.query(kept).contains("just now"));
}

/// Nor does one that comes later: as long as it may, nothing is decided about what was edited.
#[test]
fn a_deletion_that_comes_late_hides_no_edit() {
    for comes in [true, false] {
        let bench = in_step(SYNC, &["A"]);
        delete(&bench, Side::Cloud, "Probe", "A");
        slip_in(&bench, Match::on("DELETE", "/Probe/A"));
        bench.site(Side::Local).faults.once(Match::on("DELETE", "/Probe/A"), Action::Cut);
        bench.sync().expect(4);
        bench.clear_logs();
        bench.sync().expect(4);
        assert_eq!((bench.writes(), text(&bench, Side::Local, "A")), (0, some("just now")));
        if comes {
            let mut site = bench.site(Side::Local);
            site.delete_as(SYNC_USER, "Probe", "A", Timestamp::now()).unwrap();
        } else {
            let state = rusqlite::Connection::open(bench.path("sync_state.db")).unwrap();
            let long_ago = "UPDATE journal SET created_at = '2026-01-01T00:00:00.000Z'";
            state.execute(long_ago, []).unwrap();
        }
        bench.sync().expect(3);
        let kept = "SELECT local_data FROM conflict_records WHERE resolved = FALSE";
        assert!(bench.query(kept).contains("just now"));
        assert_eq!(text(&bench, Side::Local, "A").is_none(), comes);
    }
}

#[test]
fn a_kill_before_and_after_the_request() {
    for is_before in [true, false] {
        let bench = in_step(SYNC, &["A"]);
        delete(&bench, Side::Cloud, "Probe", "A");
        let (sender, arrived) = channel();
        let tell = move |_: &mut frappe_sandbox::Site, _| {
            sender.send(()).ok();
            std::thread::sleep(Duration::from_millis(200));
        };
        let which = Match::on("DELETE", "/Probe/A");
        let action =
            if is_before { Action::Before(Box::new(tell)) } else { Action::After(Box::new(tell)) };
        bench.site(Side::Local).faults.once(which, action);
        bench.kill(&["sync-all"], &arrived);
        let open = "SELECT count(*) FROM journal WHERE state = 'open' AND action = 'delete'";
        assert_eq!(bench.query(open), "1");
        bench.sync().expect(0);
        assert_eq!(texts(&bench, "A"), [None, None]);
        let logged = "SELECT count(*) FROM sync_logs WHERE action = 'delete'
            AND status = 'success'";
        assert_eq!(bench.query(logged), "1");
        is_quiet(&bench, 0);
    }
}
