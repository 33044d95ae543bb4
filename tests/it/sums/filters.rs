//! Sums under filters: what they take up, and what is kept in step although they leave it out.

use erpsync::model::Side;
use frappe_sandbox::faults::Match;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{QUIET, days_ago, on_both, requests};
use crate::bench::{Bench, USER};

const RULES: &str = "[sync]\ndoctypes = [\"Probe\"]\npage_size = 20\n\
    [doctypes.Probe]\nfilters = [[\"i\", \">\", 0]]\n";

fn probe(title: &str, i: i32) -> Value {
    json!({"title": title, "i": i, "stxt": "base", "tm": "04:05:06", "rows": [{"item": "A", "qty": 1}]})
}

/// Thirty documents over ten days that the filter takes up, and thirty that it does not.
fn filtered() -> Bench {
    let bench = Bench::default();
    bench.configure(RULES);
    for i in 0..30 {
        on_both(&bench, "Probe", &probe(&format!("in {i:02}"), 1), days_ago(1 + i % 10));
        on_both(&bench, "Probe", &probe(&format!("out {i:02}"), 0), days_ago(1 + i % 10));
    }
    bench.sync().expect(0);
    bench
}

fn set(bench: &Bench, side: Side, name: &str, values: &Value) {
    bench.edit(side, "Probe", name, values);
}

fn texts(bench: &Bench, name: &str) -> [Value; 2] {
    Side::BOTH.map(|side| bench.doc(side, "Probe", name).unwrap()["stxt"].clone())
}

#[test]
fn what_leaves_the_filter_is_kept_in_step_and_what_enters_is_taken_up() {
    let bench = filtered();
    assert_eq!(requests(&bench, 0), [QUIET; 2]);
    set(&bench, Side::Cloud, "in 03", &json!({"i": 0}));
    set(&bench, Side::Local, "out 04", &json!({"i": 2, "stxt": "entered"}));
    bench.sync().expect(0);
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "out 04"), ["entered", "entered"]);
    // Thirty are taken up and one is kept in step: it is asked for by name.
    assert_eq!(requests(&bench, 0), [QUIET + 1; 2]);
    let ran = bench.sync().json();
    assert_eq!(ran["doctypes"][0]["cloud_documents"], 31);
    set(&bench, Side::Local, "in 03", &json!({"stxt": "outside"}));
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "in 03"), ["outside", "outside"]);
    // And a deletion out there is one.
    bench.sync().expect(0);
    bench.site(Side::Cloud).delete_as(USER, "Probe", "in 03", Timestamp::now()).unwrap();
    bench.sync().expect(0);
    assert!(bench.doc(Side::Local, "Probe", "in 03").is_none());
    assert_eq!(requests(&bench, 0), [QUIET; 2]);
    // A document that was never taken up is nobody's business.
    set(&bench, Side::Cloud, "out 09", &json!({"stxt": "alone"}));
    assert_eq!(requests(&bench, 0), [QUIET; 2]);
    assert_eq!(texts(&bench, "out 09"), ["alone", "base"]);
}

#[test]
fn other_filters_are_another_listing() {
    let bench = filtered();
    let path = bench.path("sync.toml");
    let rules = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, rules.replace("\">\", 0", "\">=\", 0")).unwrap();
    bench.sync().expect(0);
    let ran = bench.sync().json();
    assert_eq!(ran["doctypes"][0]["unchanged"], 60);
    assert_eq!(requests(&bench, 0), [QUIET; 2]);
}

/// With a filter on a child table a site cannot add up, and is not asked to.
#[test]
fn under_a_filter_on_rows_everything_is_listed() {
    let bench = filtered();
    let path = bench.path("sync.toml");
    let rules = std::fs::read_to_string(&path).unwrap();
    let on_rows = "[\"Probe Child\", \"item\", \"=\", \"A\"]";
    std::fs::write(&path, rules.replace("[\"i\", \">\", 0]", on_rows)).unwrap();
    bench.sync().expect(0);
    for side in Side::BOTH {
        bench
            .site(side)
            .faults
            .refuse(Match::on("POST", "crc32"), frappe_sandbox::faults::Refusal::Internal);
    }
    // Once under the filter and once for what it leaves out: three pages and an end each.
    assert_eq!(requests(&bench, 0), [1 + 4 + 4; 2]);
    let waiting = Side::BOTH.map(|side| bench.site(side).faults.waiting());
    assert_eq!(waiting, [1, 1], "nobody asked for sums");
    set(&bench, Side::Cloud, "out 05", &json!({"stxt": "edited"}));
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "out 05"), ["edited", "edited"]);
}
