//! The program is killed at any moment while it creates documents whose names the sites
//! count, and while it tells two documents apart: nothing is lost, nothing is there twice
//! (invariants 3 and 7).

use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::Flavour;
use frappe_sandbox::faults::{Action, Match};
use frappe_sandbox::http::Options;
use serde_json::json;

use super::{SERIES, quiet, series, titles};
use crate::bench::Bench;

/// Two sites with documents of their own, with rows and without, some under one name.
fn furnished() -> Bench {
    let bench = Bench::new(
        Flavour::V15_105,
        Options { latency: Duration::from_millis(5), ..Options::default() },
    );
    bench.configure(&SERIES.replace("[sync.retry]", "batch_size = 4\n[sync.retry]"));
    bench.site(Side::Local).set_series("NS-2026-", 6);
    for number in 0..10 {
        for side in Side::BOTH {
            bench.insert(side, "N Series", &series(&format!("rows {side} {number}")));
            bench.insert(side, "N Series", &json!({"title": format!("plain {side} {number}")}));
        }
    }
    bench
}

/// Runs the program and kills it at its n-th create on a side, so long after it arrives.
pub fn kill_at(bench: &Bench, arguments: &[&str], side: Side, nth: usize, after: Duration) {
    let (sender, arrived) = channel();
    let action = Action::Before(Box::new(move |_, _| {
        sender.send(()).ok();
    }));
    bench.site(side).faults.once(Match::on("POST", "/resource/N Series").nth(nth), action);
    let mut child =
        bench.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while arrived.recv_timeout(Duration::from_millis(50)).is_err() {
        if child.try_wait().unwrap().is_some() {
            break;
        }
    }
    std::thread::sleep(after);
    child.kill().ok();
    child.wait().unwrap();
    bench.site(side).faults.clear();
}

#[test]
fn a_kill_while_documents_are_created_or_told_apart() {
    let moments: Vec<(usize, u64)> = vec![(1, 0), (3, 2), (7, 4), (9, 6), (2, 9)];
    std::thread::scope(|scope| {
        for (i, (nth, millis)) in moments.into_iter().enumerate() {
            scope.spawn(move || {
                let bench = furnished();
                let side = Side::BOTH[i % 2];
                let after = Duration::from_millis(millis);
                kill_at(&bench, &["sync-all", "--new-state"], side, nth, after);
                std::thread::sleep(Duration::from_millis(1_100));
                // Fourteen names are on both sides; a kill may have left less of them.
                let ran = bench.run(&["sync-all", "--new-state", "--retry-failed"]);
                assert!([0, 3].contains(&ran.code), "{ran:?}");
                kill_at(
                    &bench,
                    &["resolve", "--all", "--take", "both"],
                    side.opposite(),
                    nth,
                    after,
                );
                std::thread::sleep(Duration::from_millis(1_100));
                bench.run(&["sync-all", "--retry-failed"]);
                bench.run(&["resolve", "--all", "--take", "both"]).expect(0);
                let ran = bench.run(&["sync-all", "--retry-failed"]).expect(0);
                let here = titles(&bench, Side::Cloud, "N Series");
                assert_eq!(here, titles(&bench, Side::Local, "N Series"), "{nth} {millis} {ran:?}");
                assert_eq!(here.len(), 40, "{nth} {millis}: each is there once: {here:?}");
                let mut once = here.clone();
                once.dedup();
                assert_eq!(here, once, "{nth} {millis}");
                quiet(&bench);
            });
        }
    });
}
