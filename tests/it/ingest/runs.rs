//! What a run that ends early leaves, and what later runs make of it.

use std::io::Write;
use std::time::{Duration, Instant};

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;

#[test]
fn an_interruption_while_nothing_comes_ends_the_run() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    let mut child = spawn(&bench, &["ingest-webhooks", "-", "--json"]);
    let mut pipe = child.stdin.take().unwrap();
    writeln!(pipe, "{}", tells(Side::Cloud, "C1", 1)).unwrap();
    wait_for(&bench, "processed = FALSE", 1);
    let signal = std::process::Command::new("kill").arg(child.id().to_string()).status();
    assert!(signal.unwrap().success());
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(130);
    drop(pipe);
    assert_eq!(queue(&ran)[5], 1);
    assert_eq!(queue(&drain(&bench).expect(0)), [0; 6]);
    assert!(text(&bench, Side::Local, "C1").is_some());
}

#[test]
fn a_kill_while_lines_come_in_loses_none() {
    let bench = bench();
    let lines: Vec<String> =
        (0..30_000).map(|n| tells(Side::Cloud, &format!("N{}", n % 5), n)).collect();
    write(&bench, &lines);
    let mut child = spawn(&bench, &["ingest-webhooks", "queue.jsonl"]);
    wait_for(&bench, "TRUE", 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let stored = rows(&bench, "processed = FALSE");
    assert!(0 < stored && stored < lines.len(), "{stored}");
    let ran = ingest(&bench).expect(0);
    assert_eq!(queue(&ran), [30_000, 30_000, 0, 0, 0, 0]);
    assert_eq!(rows(&bench, "processed = TRUE AND processing = FALSE"), 30_000);
}

#[test]
fn a_kill_while_documents_are_written_loses_none() {
    let bench = bench();
    let names: Vec<String> = (0..6).map(|n| format!("C{n}")).collect();
    for name in &names {
        probe(&bench, Side::Cloud, name, "cloud");
    }
    write(&bench, &names.iter().map(|name| tells(Side::Cloud, name, 1)).collect::<Vec<_>>());
    bench
        .site(Side::Local)
        .faults
        .always(Match::writes(), || Action::Delay(Duration::from_millis(300)));
    let mut child = spawn(&bench, &["ingest-webhooks", "queue.jsonl"]);
    let started = Instant::now();
    while bench.site(Side::Local).count_of("Probe") == 0 {
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    bench.site(Side::Local).faults.clear();
    assert_eq!(rows(&bench, "processed = FALSE"), 6);
    drain(&bench);
    drain(&bench).expect(0);
    for name in &names {
        assert_eq!(text(&bench, Side::Local, name).unwrap(), "cloud", "{name}");
    }
    assert_eq!(bench.site(Side::Local).count_of("Probe"), 6, "none twice");
    assert_eq!(rows(&bench, "processed = TRUE"), 6);
}

#[test]
fn a_failed_document_is_tried_again_and_given_up_in_the_end() {
    let bench = bench();
    probe(&bench, Side::Cloud, "Bad", "cloud");
    probe(&bench, Side::Cloud, "Good", "cloud");
    let refuse = || Action::Refuse(Refusal::Internal);
    bench.site(Side::Local).faults.always(Match::on("POST", "/api/resource/Probe"), refuse);
    write(&bench, &[tells(Side::Cloud, "Bad", 1)]);
    assert_eq!(queue(&ingest(&bench).expect(4)), [1, 1, 0, 0, 0, 1]);
    assert_eq!(rows(&bench, "retry_count = 1 AND processing = FALSE AND error_message <> ''"), 1);
    assert_eq!(bench.run(&["status", "--json"]).json()["pending_webhooks"], 1);
    // The same line again is the same work.
    assert_eq!(queue(&ingest(&bench).expect(4)), [1, 1, 0, 0, 0, 1]);
    bench.site(Side::Local).faults.clear();
    write(&bench, &[tells(Side::Cloud, "Good", 1)]);
    assert_eq!(queue(&ingest(&bench).expect(0)), [1, 1, 0, 0, 0, 0]);
    assert!(text(&bench, Side::Local, "Bad").is_some());
    // Another, for good.
    probe(&bench, Side::Cloud, "Worse", "cloud");
    bench.site(Side::Local).faults.always(Match::on("POST", "/api/resource/Probe"), refuse);
    write(&bench, &[tells(Side::Cloud, "Worse", 1)]);
    let pending = [ingest(&bench), drain(&bench), drain(&bench)].map(|ran| queue(&ran)[5]);
    assert_eq!(pending, [1, 1, 0]);
    assert_eq!(
        rows(&bench, "processed = TRUE AND error_message LIKE 'given up after 3 runs: %'"),
        1
    );
    assert_eq!(queue(&ingest(&bench).expect(0)), [1, 0, 0, 0, 1, 0]);
}

#[test]
fn a_site_that_is_down_leaves_the_deliveries_waiting() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    bench.site(Side::Local).faults.always(Match::any(), || Action::Refuse(Refusal::BadGateway));
    write(&bench, &[tells(Side::Cloud, "C1", 1)]);
    for _ in 0..4 {
        assert_eq!(queue(&ingest(&bench).expect(1)), [1, 1, 0, 0, 0, 1]);
    }
    assert_eq!(rows(&bench, "retry_count = 0 AND processing = FALSE"), 1, "nobody tried");
    bench.site(Side::Local).faults.clear();
    assert_eq!(queue(&drain(&bench).expect(0)), [0; 6]);
    assert!(text(&bench, Side::Local, "C1").is_some());
}

#[test]
fn what_a_limit_leaves_over_waits() {
    let bench = bench();
    let names: Vec<String> = (0..3).map(|n| format!("C{n}")).collect();
    for name in &names {
        probe(&bench, Side::Cloud, name, "cloud");
    }
    write(&bench, &names.iter().map(|name| tells(Side::Cloud, name, 1)).collect::<Vec<_>>());
    let limited = ["ingest-webhooks", "queue.jsonl", "--json", "--limit", "1"];
    let left = [(); 3].map(|()| queue(&bench.run(&limited).expect(0))[5]);
    assert_eq!(left, [2, 1, 0]);
    assert_eq!(bench.site(Side::Local).count_of("Probe"), 3);
}

#[test]
fn a_dry_run_stores_nothing() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    write(&bench, &[tells(Side::Cloud, "C1", 1), "bad".to_owned()]);
    let before = std::fs::read(bench.path("sync_state.db")).unwrap();
    bench.clear_logs();
    let dry = ["ingest-webhooks", "queue.jsonl", "--json", "--dry-run"];
    let ran = bench.run(&dry).expect(0);
    assert_eq!(queue(&ran), [2, 1, 1, 0, 0, 1]);
    assert_eq!(ran.json()["actions"][0]["action"], "create");
    assert_eq!(ran.json()["run_id"], Value::Null);
    bench.run(&[&dry[..], &["--exit-code"]].concat()).expect(4);
    assert_eq!(bench.writes(), 0);
    assert_eq!(std::fs::read(bench.path("sync_state.db")).unwrap(), before);
    write(&bench, &[tells(Side::Cloud, "C1", 1)]);
    bench.run(&[&dry[..], &["--exit-code"]].concat()).expect(7);
}

#[test]
fn a_guard_keeps_the_deliveries_of_the_doctype() {
    let bench = bench();
    let then = Timestamp::now().checked_sub(SignedDuration::from_hours(72)).unwrap();
    bench.insert_at(Side::Local, "Probe", &json!({"title": "C1", "stxt": "old"}), then);
    bench.sync().expect(0);
    let backup = bench.site(Side::Local).backup();
    bench.edit(Side::Local, "Probe", "C1", &json!({"stxt": "new"}));
    bench.sync().expect(0);
    bench.site(Side::Local).restore_backup(&backup);
    write(&bench, &[tells(Side::Cloud, "C1", 1)]);
    for _ in 0..2 {
        assert_eq!(queue(&ingest(&bench).expect(6))[5], 1);
    }
    bench.run(&["sync-all", "--restore-side", "local"]).expect(0);
    assert_eq!(queue(&drain(&bench).expect(0))[5], 0);
}
