//! Two runs on one state at the same moment: one works, the other says so and leaves.

use std::process::{Child, Stdio};

use erpsync::model::Side;
use serde_json::json;

use crate::bench::Bench;

fn start(bench: &Bench) -> Child {
    let mut command = bench.command(&["sync-all", "--new-state", "--quiet"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until one of the two has ended; gives it and the other.
fn first_of(mut pair: [Child; 2]) -> (Child, Child) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(25);
    loop {
        for i in 0..2 {
            if pair[i].try_wait().unwrap().is_some() {
                let [one, other] = pair;
                return if i == 0 { (one, other) } else { (other, one) };
            }
        }
        assert!(std::time::Instant::now() < until, "both are at work");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn one_works_and_one_exits_5_a_hundred_times() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Brand\"]\n");
    bench.insert(Side::Cloud, "Brand", &json!({"brand": "Acme"}));
    for round in 0..100 {
        // Now and then there is no state yet, and both would make it.
        if round % 4 == 0 {
            let _ = std::fs::remove_file(bench.path("sync_state.db"));
        }
        // No site answers before one of the two has left.
        let held = (bench.site(Side::Cloud), bench.site(Side::Local));
        let (left, working) = first_of([start(&bench), start(&bench)]);
        drop(held);
        let left = left.wait_with_output().unwrap();
        let worked = working.wait_with_output().unwrap();
        assert_eq!(left.status.code(), Some(5), "{round}: {left:?}");
        assert_eq!(worked.status.code(), Some(0), "{round}: {worked:?}");
        let text = String::from_utf8(left.stderr).unwrap();
        assert!(text.contains("wait for the other run to end"), "{text}");
    }
    assert_eq!(bench.site(Side::Local).count_of("Brand"), 1);
    assert_eq!(bench.query("SELECT count(*) FROM runs WHERE finished_at IS NULL"), "0");
}
