//! What a pass costs that finds nothing new, whatever is still open.

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use jiff::Timestamp;
use serde_json::json;

use super::{QUIET, days_ago, on_both, requests};
use crate::bench::Bench;

const RULES: &str = "[sync]\ndoctypes = [\"Probe\", \"Brand\"]\nconflict_resolution = \"manual\"\n\
    page_size = 50\n[doctypes.Brand]\ndirection = \"cloud_to_local\"\n";

/// How many documents of each kind.
const OPEN: i32 = 100;

/// Over so many days all documents were saved.
const DAYS: i32 = 400;

fn probe(title: &str, text: &str) -> serde_json::Value {
    json!({"title": title, "stxt": text, "tm": "04:05:06", "rows": [{"item": "A", "qty": 1}]})
}

/// A document a day on both sides, and of each kind of open work so many.
fn with_open_work() -> Bench {
    let bench = Bench::default();
    bench.configure(RULES);
    for i in 0..DAYS {
        on_both(&bench, "Probe", &probe(&format!("same {i:03}"), "base"), days_ago(1 + i));
    }
    for i in 0..OPEN {
        let day = days_ago(1 + i * DAYS / OPEN);
        for side in Side::BOTH {
            let text = format!("of {side}");
            bench.insert_at(side, "Probe", &probe(&format!("conflict {i}"), &text), day);
        }
        bench.insert_at(Side::Cloud, "Probe", &probe(&format!("failed {i}"), "base"), day);
        let brand = |name: String, text: &str| json!({"brand": name, "description": text});
        bench.insert_at(Side::Local, "Brand", &brand(format!("skipped {i}"), "base"), day);
        on_both(&bench, "Brand", &brand(format!("one way {i}"), "base"), day);
    }
    // Whatever is created on the local site fails there for some hours.
    let refusal = || Action::Refuse(Refusal::Internal);
    bench.site(Side::Local).faults.always(Match::on("POST", "/api/resource/Probe"), refusal);
    bench.sync().expect(4);
    for i in 0..OPEN {
        let (name, day) = (format!("one way {i}"), days_ago(i * DAYS / OPEN));
        let edit = json!({"description": "of local"});
        bench.edit_at(Side::Local, "Brand", &name, &edit, day.min(Timestamp::now()));
    }
    bench.sync().expect(4);
    bench
}

/// How many documents there are is nothing that such a pass could cost more for: it asks each side for
/// the sums of a doctype, whose answer has a line a day, and compares them with those that the
/// state keeps by day. No document is named in a request, and no record is read; what is open is in the
/// sums like everything else. `make bench` runs it over a million.
#[test]
fn a_quiet_pass_costs_two_requests_a_doctype_whatever_is_open() {
    let bench = with_open_work();
    let count =
        |what: &str| bench.query(&format!("SELECT count(*) FROM sync_records WHERE {what}"));
    assert_eq!(count("sync_status = 'conflict'"), "100");
    assert_eq!(count("sync_status IN ('error', 'failed')"), "100");
    assert_eq!(count("sync_status = 'skipped' AND cloud_name IS NULL"), "100");
    assert_eq!(count("sync_status = 'skipped' AND cloud_name IS NOT NULL"), "100");
    assert_eq!(count("sync_status = 'synced'"), "400");
    for _ in 0..2 {
        // Two doctypes: one request more for the second.
        assert_eq!(requests(&bench, 4), [QUIET + 1; 2]);
        assert_eq!(bench.writes(), 0);
    }
    // What both sides say of themselves is still everything that they have.
    let ran = bench.sync().json();
    let documents = |at: usize| {
        ["cloud_documents", "local_documents"].map(|key| ran["doctypes"][at][key].as_i64().unwrap())
    };
    assert_eq!(documents(0), [600, 500]);
    assert_eq!(documents(1), [100, 200]);
}
