//! Every exit code, and which one counts where several apply.

use std::process::{Child, Stdio};
use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use insta::assert_snapshot;
use jiff::Timestamp;
use serde_json::json;

use super::{FAST, bench, brand, doctype, reconfigure, rules, shown, sync, unit};
use crate::bench::Bench;

#[test]
fn done_is_0() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "made on cloud");
    brand(&bench, Side::Local, "Bolt", "made here");
    let ran = sync(&bench).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        Brand: 1 on cloud, 1 on local; 1 created on cloud, 1 created on local
        "#);
    let ran = sync(&bench).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        Brand: 2 on cloud, 2 on local; 2 unchanged
        "#);
}

#[test]
fn open_conflicts_are_3() {
    let bench = Bench::default();
    bench.configure(&rules(&["Brand"], "conflict_resolution = \"manual\""));
    brand(&bench, Side::Cloud, "Acme", "of the cloud");
    brand(&bench, Side::Local, "Acme", "of here");
    let ran = sync(&bench).expect(3);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 3
        --- out
        Brand: 1 on cloud, 1 on local; 1 conflict
        1 conflict waits for a person: erpsync conflicts
        "#);
    let ran = bench.run(&["conflicts"]).expect(0);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 0
    --- out
    Unresolved Conflicts: 1

    1. Brand/Acme
       Cloud modified: TIME
       Local modified: TIME
       Modified by: Administrator (cloud), Administrator (local)
       Kind: first_meeting
       Fields: description
    ");
    // It still waits although nothing is done this time.
    sync(&bench).expect(3);
}

#[test]
fn the_scope_of_a_run_decides_about_3() {
    let bench = Bench::default();
    bench.configure(&rules(&["Brand", "UOM"], "conflict_resolution = \"manual\""));
    brand(&bench, Side::Cloud, "Acme", "of the cloud");
    brand(&bench, Side::Local, "Acme", "of here");
    unit(&bench, Side::Cloud, "Barrel", "B");
    sync(&bench).expect(3);
    bench.run(&["sync-doctype", "UOM"]).expect(0);
    bench.run(&["sync-doctype", "Brand"]).expect(3);
    brand(&bench, Side::Cloud, "Bolt", "");
    bench.run(&["sync-doctype", "Brand", "--name", "Bolt"]).expect(0);
    bench.run(&["sync-doctype", "Brand", "--name", "Acme"]).expect(3);
}

#[test]
fn a_side_that_looks_wrong_is_6() {
    let bench = bench(&["Brand", "UOM"]);
    brand(&bench, Side::Cloud, "Acme", "");
    sync(&bench).expect(0);
    restore_backup(&bench);
    unit(&bench, Side::Cloud, "Barrel", "");
    let ran = sync(&bench).expect(6);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 6
    --- out
    Brand: left alone: a known document on cloud is older than when it was last seen, Acme by TIME instead of TIME: a restored backup? Nothing was done in either direction
    UOM: 5 on cloud, 4 on local; 1 created on local, 4 unchanged
    --- err
    error: Brand: a known document on cloud is older than when it was last seen, Acme by TIME instead of TIME: a restored backup? Nothing was done in either direction
    hint: find out what happened to the cloud site; then sync-all: --restore-side cloud brings it back to what local holds, --accept-side cloud takes what it has now for right; look at either with --dry-run first
    ");
    assert!(bench.doc(Side::Local, "UOM", "Barrel").is_some(), "the rest was done");
    let ran = bench.run(&["sync-all", "--json"]).expect(6);
    assert!(doctype(&ran.json(), "Brand")["guard"].is_string());
    // A look at the one document does not disarm the guard.
    bench.run(&["sync-doctype", "Brand", "--name", "Acme"]).expect(6);
    sync(&bench).expect(6);
}

/// Shows the known brand with an old `modified`.
fn restore_backup(bench: &Bench) {
    let old = json!("2026-01-05 10:00:00.000000");
    bench.site(Side::Cloud).poke("Brand", "Acme", "modified", &old).unwrap();
}

#[test]
fn a_dry_run_that_finds_something_is_7() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "");
    let dry = ["sync-all", "--new-state", "--dry-run"];
    let ran = bench.run(&dry).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        create  cloud -> local  Brand/Acme  new on cloud
        Brand: 1 on cloud, 0 on local; dry run: 1 created on local
        "#);
    let telling = [&dry[..], &["--exit-code"]].concat();
    bench.run(&telling).expect(7);
    sync(&bench).expect(0);
    bench.run(&telling).expect(0);
}

/// What waits for a person is no less there because a dry run does not look at it.
#[test]
fn a_dry_run_that_is_asked_counts_what_it_does_not_look_at() {
    let bench = Bench::default();
    bench.configure(&rules(&["Brand"], "conflict_resolution = \"manual\""));
    for side in Side::BOTH {
        brand(&bench, side, "Acme", side.as_str());
    }
    sync(&bench).expect(3);
    let telling = ["sync-all", "--dry-run", "--exit-code"];
    bench.run(&telling).expect(3);
    bench.run(&[&telling[..], &["--full"]].concat()).expect(3);
    sync(&bench).expect(3);
}

/// A program at work on a site that takes its time, once it has sent some requests.
fn at_work(bench: &Bench, requests: usize) -> Child {
    let slow = || Action::Delay(Duration::from_millis(30));
    bench.site(Side::Cloud).faults.always(Match::any(), slow);
    let child = bench
        .command(&["sync-all", "--new-state"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| bench.requests(Side::Cloud) >= requests);
    child
}

fn wait_for(mut happened: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while !happened() {
        assert!(std::time::Instant::now() < until, "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    let status = std::process::Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(status.success());
}

#[test]
fn interrupted_is_130_and_the_next_run_carries_on() {
    for signal in ["-INT", "-TERM"] {
        let bench = Bench::default();
        bench.configure_sites("concurrency = 1", &rules(&["Brand"], "batch_size = 1"));
        for number in 0..30 {
            brand(&bench, Side::Local, &format!("Brand {number:02}"), "");
        }
        let child = at_work(&bench, 12);
        send(signal, &child);
        let ran = child.wait_with_output().unwrap().into();
        if signal == "-INT" {
            assert_snapshot!(shown(&bench, &ran).replace(|c: char| c.is_ascii_digit(), "#"), @r#"
                exit code ###
                --- out
                Brand: # on cloud, ## on local; # created on cloud
                --- err
                interrupted; the state is consistent and the next run carries on
                "#);
        }
        assert_eq!(ran.code, 130);
        assert_eq!(bench.query("SELECT exit_code FROM runs"), "130");
        let open = "SELECT count(*) FROM journal WHERE state IN ('open', 'answered')";
        assert_eq!(bench.query(open), "0", "what was in flight was finished");
        bench.site(Side::Cloud).faults.clear();
        sync(&bench).expect(0);
        assert_eq!(bench.site(Side::Cloud).count_of("Brand"), 30);
    }
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Local, "Acme", "");
    // The first request is never answered.
    let stall = Action::Stall { time: Duration::from_secs(600), commit: false };
    bench.site(Side::Cloud).faults.once(Match::any(), stall);
    let mut child = at_work(&bench, 1);
    send("-INT", &child);
    // Until the first is taken note of the second would count as the first.
    wait_for(|| {
        std::thread::sleep(Duration::from_millis(20));
        send("-INT", &child);
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn interrupted_goes_before_a_site_that_is_down() {
    let bench = bench(&["Brand"]);
    reconfigure(&bench, "backoff_seconds = 0.01", "backoff_seconds = 60");
    bench.site(Side::Cloud).faults.always(Match::any(), || Action::Refuse(Refusal::Unavailable));
    let child = at_work(&bench, 1);
    wait_for(|| bench.site(Side::Cloud).log.entries()[0].status == 503);
    send("-INT", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
}

/// Three doctypes: one that a guard stops, one with a failure, one with a conflict; as many of
/// them as asked for.
fn trouble(guard: bool, failure: bool, conflict: bool) -> Bench {
    let bench = Bench::default();
    let doctypes = ["Brand", "UOM", "Territory", "Item"];
    bench.configure(&rules(&doctypes, "conflict_resolution = \"manual\""));
    brand(&bench, Side::Cloud, "Acme", "");
    sync(&bench).expect(0);
    if guard {
        restore_backup(&bench);
    }
    if failure {
        unit(&bench, Side::Cloud, "Barrel", "");
        let rule = bench.site(Side::Local).set_property(
            "UOM",
            "common_code",
            "reqd",
            "1",
            Timestamp::now(),
        );
        rule.unwrap();
    }
    if conflict {
        for side in Side::BOTH {
            let manager = format!("of {side}");
            bench.edit(side, "Territory", "India", &json!({"territory_manager": manager}));
        }
    }
    bench
}

#[test]
fn where_several_apply_the_gravest_counts() {
    for (guard, failure, conflict, code) in [
        (false, false, false, 0),
        (false, false, true, 3),
        (false, true, false, 4),
        (false, true, true, 4),
        (true, false, false, 6),
        (true, false, true, 6),
        (true, true, true, 6),
    ] {
        let bench = trouble(guard, failure, conflict);
        sync(&bench).expect(code);
    }
}

#[test]
fn a_site_that_goes_down_goes_before_everything_that_was_found() {
    let bench = trouble(true, true, true);
    let items = Match::on("POST", "\"doctype\":\"Item\"");
    bench.site(Side::Local).faults.always(items, || Action::Refuse(Refusal::BadGateway));
    let ran = sync(&bench).expect(1);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 1
    --- out
    Brand: left alone: a known document on cloud is older than when it was last seen, Acme by TIME instead of TIME: a restored backup? Nothing was done in either direction
    UOM: 5 on cloud, 4 on local; 1 failed, 4 unchanged
    Territory: 4 on cloud, 4 on local; 1 conflict, 3 unchanged
    Item: 0 on cloud, 0 on local; nothing to do
    1 conflict waits for a person: erpsync conflicts
    --- err
    error: UOM Barrel: local: Error: Value missing for UOM: Common Code
    hint: put right what is named; failed documents are tried again by themselves (erpsync status says when), or now with --retry-failed
    error: Brand: a known document on cloud is older than when it was last seen, Acme by TIME instead of TIME: a restored backup? Nothing was done in either direction
    hint: find out what happened to the cloud site; then sync-all: --restore-side cloud brings it back to what local holds, --accept-side cloud takes what it has now for right; look at either with --dry-run first
    error: local: the site is out of order (HTTP 502 Bad Gateway) (after 2 attempts)
    hint: look at the log of the local site; nothing is lost, run again later
    ");
    // What was found until then is stored and reported all the same.
    assert_eq!(bench.query("SELECT exit_code FROM runs ORDER BY id DESC"), "1");
    assert_eq!(bench.query("SELECT count(*) FROM conflict_records WHERE NOT resolved"), "1");
}

#[test]
fn a_conflict_goes_before_a_difference_in_a_dry_run() {
    let bench = trouble(false, false, true);
    let telling = ["sync-all", "--dry-run", "--exit-code"];
    brand(&bench, Side::Cloud, "Bolt", "");
    bench.run(&telling).expect(3);
    bench.run(&telling[..2]).expect(0);
    let without = format!("[sync]\ndoctypes = [\"Brand\"]\n{FAST}");
    bench.configure(&without);
    bench.run(&telling).expect(7);
}
