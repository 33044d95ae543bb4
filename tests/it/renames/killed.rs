//! The program is killed around a rename: at each request from the look before it on, before and
//! after its effect. The next run ends as the undisturbed one (invariant 7).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match};
use serde_json::json;

use super::{SYNC, customers, in_step, is_quiet, link, rename, website};
use crate::bench::Bench;

/// B is called C now and A is called B, with an edit on either side. One request at a time, so
/// that every run sends the same ones.
fn renamed() -> Bench {
    let bench = in_step(&["A", "B"]);
    bench.configure_sites("concurrency = 1", SYNC);
    rename(&bench, Side::Cloud, "Customer", "B", "C");
    rename(&bench, Side::Cloud, "Customer", "A", "B");
    bench.edit(Side::Cloud, "Customer", "C", &json!({"customer_details": "of the cloud"}));
    bench.edit(Side::Local, "Customer", "A", &json!({"website": "of the local site"}));
    bench.clear_logs();
    bench
}

/// Both documents have their new names and both edits, on both sides.
fn is_done(bench: &Bench, what: &str) {
    for side in Side::BOTH {
        assert_eq!(customers(bench, side), ["B", "C"], "{what} {side}");
        assert_eq!(link(bench, side), "B", "{what} {side}");
        assert_eq!(website(bench, side, "B"), Some(json!("of the local site")), "{what} {side}");
        let details = bench.doc(side, "Customer", "C").unwrap()["customer_details"].clone();
        assert_eq!(details, "of the cloud", "{what} {side}");
    }
    assert_eq!(bench.query("SELECT count(*) FROM conflict_records"), "0", "{what}");
    assert_eq!(bench.query("SELECT count(*) FROM sync_records"), "3", "{what}");
    let open = "SELECT count(*) FROM journal WHERE state IN ('open', 'answered')";
    assert_eq!(bench.query(open), "0", "{what}");
    is_quiet(bench, 0);
}

/// Kills a run when its n-th request arrives at the local site; the request is carried out all
/// the same, or never.
fn kill_at(bench: &Bench, request: usize, has_effect: bool) {
    let (sender, arrived) = channel();
    let hold = Action::Before(Box::new(move |_, _| {
        sender.send(()).ok();
        // The kill comes before the answer.
        std::thread::sleep(Duration::from_millis(200));
    }));
    bench.site(Side::Local).faults.once(Match::any().nth(request), hold);
    if !has_effect {
        bench.site(Side::Local).faults.once(Match::any().nth(request), Action::Cut);
    }
    bench.kill(&["sync-all"], &arrived);
}

#[test]
fn a_kill_around_a_rename_changes_nothing_in_the_end() {
    let undisturbed = renamed();
    undisturbed.sync().expect(0);
    let moments: Vec<(usize, bool)> = {
        let site = undisturbed.site(Side::Local);
        let entries = site.log.entries();
        let first = entries.iter().position(|entry| entry.path.contains("client.get?")).unwrap();
        let renames = entries.iter().filter(|entry| entry.path.contains("rename_doc")).count();
        assert!(renames >= 2, "{renames}");
        let after = |(at, is_write): (usize, bool)| {
            [true, false].into_iter().take(1 + usize::from(is_write)).map(move |does| (at, does))
        };
        let from_there = entries.iter().enumerate().skip(first);
        from_there.map(|(i, entry)| (i + 1, entry.is_write)).flat_map(after).collect()
    };
    is_done(&undisturbed, "undisturbed");
    drop(undisturbed);
    assert!(moments.len() > 8, "{moments:?}");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((request, has_effect)) =
                    moments.get(next.fetch_add(1, Ordering::SeqCst))
                {
                    let bench = renamed();
                    kill_at(&bench, *request, *has_effect);
                    bench.sync().expect(0);
                    is_done(&bench, &format!("killed at {request}, done: {has_effect}"));
                }
            });
        }
    });
}
