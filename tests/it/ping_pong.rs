//! Sites that rewrite each other's copies of a document, each in its own way.

use erpsync::model::Side;
use serde_json::json;

use crate::bench::{Bench, SYNC_USER};

fn bench() -> Bench {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Probe\"]\n");
    bench.insert(Side::Cloud, "Probe", &json!({"title": "A", "stxt": "x", "tm": "04:05:06"}));
    bench.sync().expect(0);
    bench
}

fn text(bench: &Bench, side: Side) -> String {
    bench.doc(side, "Probe", "A").unwrap()["stxt"].as_str().unwrap_or_default().to_owned()
}

/// What a job on a site makes, in the name of who saved it, of what erpsync has saved there.
fn job(bench: &Bench, side: Side, number: usize) {
    let doc = bench.doc(side, "Probe", "A").unwrap();
    if doc["modified_by"] == SYNC_USER && !text(bench, side).starts_with(&format!("job of {side}"))
    {
        let values = json!({ "stxt": format!("job of {side} {number}") });
        bench.site(side).edit_as(SYNC_USER, "Probe", "A", &values, jiff::Timestamp::now()).unwrap();
    }
}

/// Runs, with the jobs in between, until the program stops it; gives how many runs wrote.
fn runs_that_write(bench: &Bench) -> usize {
    for run in 0..10 {
        bench.clear_logs();
        let ran = bench.sync();
        if bench.writes() == 0 {
            assert_eq!(ran.code, 3, "{ran:?}");
            return run;
        }
        for side in Side::BOTH {
            let written = !bench.site(side).log.writes().is_empty();
            if written {
                job(bench, side, run);
            }
        }
    }
    panic!("it goes on for ever");
}

#[test]
fn it_stops_after_three_runs_until_a_person_has_mended_it() {
    let bench = bench();
    bench.edit(Side::Cloud, "Probe", "A", &json!({"stxt": "edited"}));
    assert_eq!(runs_that_write(&bench), 3);
    let kind = "SELECT kind || ' ' || fields FROM conflict_records WHERE NOT resolved";
    assert_eq!(bench.query(kind), "ping_pong [\"stxt\"]");
    let versions = "SELECT (cloud_data LIKE '%job of cloud%' AND local_data LIKE '%job of%') \
                    FROM conflict_records WHERE NOT resolved";
    assert_eq!(bench.query(versions), "1");
    // Nothing moves however often it runs.
    bench.clear_logs();
    for _ in 0..2 {
        bench.sync().expect(3);
    }
    bench.run(&["sync-all", "--full"]).expect(3);
    assert_eq!(bench.writes(), 0);
    let shown = bench.run(&["conflicts"]).expect(0);
    assert!(shown.out.contains("Kind: ping_pong"), "{shown:?}");
    bench.run(&["resolve", "--all", "--take", "local"]).expect(0);
    assert_eq!(text(&bench, Side::Cloud), text(&bench, Side::Local));
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0);
}

/// People who edit on both sites in turn are not a game, and neither is what goes one way.
#[test]
fn people_may_go_on() {
    let bench = bench();
    for number in 0..6 {
        let side = if number % 2 == 0 { Side::Local } else { Side::Cloud };
        bench.edit(side, "Probe", "A", &json!({"stxt": format!("edit {number}")}));
        bench.sync().expect(0);
        assert_eq!(text(&bench, side.opposite()), format!("edit {number}"));
    }
    for number in 0..5 {
        let value = ["a", "b"][number % 2];
        bench.edit(Side::Cloud, "Probe", "A", &json!({ "stxt": value }));
        bench.sync().expect(0);
        assert_eq!(text(&bench, Side::Local), value);
    }
}

/// A person's edit goes over although the conflict is open.
#[test]
fn an_edit_of_a_person_is_carried_all_the_same() {
    let bench = bench();
    bench.edit(Side::Cloud, "Probe", "A", &json!({"stxt": "edited"}));
    runs_that_write(&bench);
    // The one that was rewritten last.
    let side = Side::Local;
    bench.edit(side, "Probe", "A", &json!({"stxt": "by hand"}));
    bench.sync().expect(0);
    assert_eq!(text(&bench, Side::Cloud), "by hand");
    assert_eq!(text(&bench, Side::Local), "by hand");
}

/// On the other side an edit meets what was rewritten: two edits, which the policy settles.
#[test]
fn an_edit_against_what_was_rewritten_is_for_the_policy() {
    for (policy, code, open) in [("cloud_wins", 0, ""), ("manual", 3, "edit_edit")] {
        let bench = bench();
        bench.edit(Side::Cloud, "Probe", "A", &json!({"stxt": "edited"}));
        runs_that_write(&bench);
        let rule = format!("[sync]\ndoctypes = [\"Probe\"]\nconflict_resolution = \"{policy}\"\n");
        bench.configure(&rule);
        bench.edit(Side::Cloud, "Probe", "A", &json!({"stxt": "by hand"}));
        bench.sync().expect(code);
        let kind =
            "SELECT coalesce(group_concat(kind), '') FROM conflict_records WHERE NOT resolved";
        assert_eq!(bench.query(kind), open, "{policy}");
        assert_eq!(text(&bench, Side::Local) == "by hand", open.is_empty(), "{policy}");
    }
}
