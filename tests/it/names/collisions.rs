//! `collisions = "both"`: two documents of one counted name are told apart in the run that
//! finds them.

use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use serde_json::json;

use super::both::{arrived, open};
use super::killed::kill_at;
use super::{SERIES, named, quiet, series};
use crate::bench::Bench;

/// Two sites whose first documents have the same names and are different ones.
fn counting_alike(rules: &str, count: usize) -> Bench {
    let bench = Bench::default();
    bench.configure(rules);
    for number in 0..count {
        bench.insert(Side::Cloud, "N Series", &series(&format!("of the cloud {number}")));
        bench.insert(Side::Local, "N Series", &series(&format!("of the local site {number}")));
    }
    bench
}

fn by_rule() -> String {
    SERIES.replace("[sync]\n", "[sync]\ncollisions = \"both\"\n")
}

const HOW: &str = "SELECT group_concat(kind || ' ' || resolution, ', ') FROM conflict_records";

#[test]
fn each_is_created_on_the_other_side_in_the_same_run() {
    let bench = counting_alike(&by_rule(), 3);
    let planned = bench.run(&["sync-all", "--dry-run", "--new-state", "--json"]).expect(0).json();
    assert_eq!(planned["doctypes"][0]["told_apart"], 3, "{planned}");
    assert_eq!(bench.writes(), 0);
    let ran = bench.run(&["sync-all", "--new-state"]).expect(0);
    assert!(
        ran.out.contains("3 created on cloud, 3 created on local, 3 told apart"),
        "{}",
        ran.out
    );
    arrived(&bench, 3);
    assert_eq!(bench.query(HOW), "collision both, collision both, collision both");
    let kept = bench.query("SELECT group_concat(cloud_data || local_data) FROM conflict_records");
    assert!(kept.contains("of the cloud 2") && kept.contains("of the local site 2"), "{kept}");
    quiet(&bench);
    // The next ones have the same names again: both series have gone on alike.
    for side in Side::BOTH {
        bench.insert(side, "N Series", &series(&format!("later {side}")));
    }
    assert_eq!(bench.sync().expect(0).json()["doctypes"][0]["told_apart"], 1);
    for side in Side::BOTH {
        assert_eq!(bench.site(side).count_of("N Series"), 8, "{side}");
    }
    quiet(&bench);
}

#[test]
fn links_follow_to_the_right_one() {
    let rules = by_rule().replace("\"N Series\"]", "\"N Series\", \"Probe\"]");
    let bench = counting_alike(&rules, 1);
    for side in Side::BOTH {
        let probe = json!({"title": format!("Of {side}"), "dl_type": "N Series",
            "dl": "NS-2026-0001", "tm": "10:00:00"});
        bench.insert(side, "Probe", &probe);
    }
    bench.sync().expect(0);
    for side in Side::BOTH {
        for (probe, title) in [("Of cloud", "of the cloud 0"), ("Of local", "of the local site 0")]
        {
            let order = named(&bench, side, "N Series", title)["name"].clone();
            assert_eq!(bench.doc(side, "Probe", probe).unwrap()["dl"], order, "{probe} on {side}");
        }
    }
    quiet(&bench);
}

#[test]
fn whatever_is_lost_on_the_way_is_carried_on() {
    let creates = |nth| Match::on("POST", "/resource/N Series").nth(nth);
    for side in Side::BOTH {
        for how in [Action::Cut, Action::CutAfter] {
            let bench = counting_alike(&by_rule(), 2);
            bench.site(side).faults.once(creates(1), how);
            bench.sync().expect(4);
            std::thread::sleep(Duration::from_millis(1_100));
            bench.run(&["sync-all", "--retry-failed"]).expect(0);
            arrived(&bench, 2);
            assert_eq!(bench.query(HOW), "collision both, collision both");
            quiet(&bench);
        }
        for (nth, millis) in [(1, 0), (2, 4)] {
            let bench = counting_alike(&by_rule(), 2);
            let after = Duration::from_millis(millis);
            kill_at(&bench, &["sync-all", "--new-state"], side, nth, after);
            std::thread::sleep(Duration::from_millis(1_100));
            bench.run(&["sync-all", "--retry-failed"]).expect(0);
            arrived(&bench, 2);
            assert_eq!(bench.query(HOW), "collision both, collision both");
            quiet(&bench);
        }
    }
}

/// A one-way rule holds: the target's own document stays where it is.
#[test]
fn one_way_only() {
    let rules = format!("{}[doctypes.\"N Series\"]\ndirection = \"local_to_cloud\"\n", by_rule());
    let bench = counting_alike(&rules, 1);
    bench.sync().expect(0);
    assert_eq!(bench.site(Side::Cloud).count_of("N Series"), 2);
    assert_eq!(bench.site(Side::Local).count_of("N Series"), 1);
    assert_eq!(bench.query(HOW), "collision both");
    quiet(&bench);
}

/// What waits for a person goes on waiting, whatever the rule has become.
#[test]
fn a_collision_that_waits_is_a_persons() {
    let bench = counting_alike(SERIES, 1);
    bench.sync().expect(3);
    bench.configure(&by_rule());
    bench.sync().expect(3);
    assert_eq!((open(&bench).as_str(), bench.writes()), ("1", 0));
    bench.run(&["resolve", "--all", "--take", "both"]).expect(0);
    arrived(&bench, 1);
    quiet(&bench);
}

/// What was told apart and could not be created stays open, and `resolve` tries it again.
#[test]
fn what_cannot_be_created_is_tried_again_by_a_person() {
    let bench = counting_alike(&by_rule(), 1);
    let refuse = || {
        for side in Side::BOTH {
            let post = Match::on("POST", "/resource/N Series");
            bench.site(side).faults.refuse(post, Refusal::Internal);
        }
    };
    refuse();
    bench.sync().expect(4);
    let shown = bench.run(&["conflicts", "show", "1"]).expect(0);
    assert!(!shown.out.contains("no name"), "{shown:?}");
    refuse();
    let ran = bench.run(&["resolve", "1", "--take", "both"]).expect(4);
    assert!(
        ran.err.contains("local: ordered; put that right, or delete one of the two"),
        "{ran:?}"
    );
    bench.run(&["resolve", "1", "--take", "both"]).expect(0);
    arrived(&bench, 1);
    assert_eq!(bench.query(HOW), "collision both");
    quiet(&bench);
}
