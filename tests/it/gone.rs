//! Deletions through the program: what counts as evidence, what is deleted and what is kept.

mod carried;
mod cut;
mod evidence;
mod replaced;

use erpsync::model::Side;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bench::{Bench, USER};

pub const SYNC: &str = "[sync]\ndoctypes = [\"Probe\"]\n\
    [sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";

/// Two sites with these documents, in step.
pub fn in_step(configuration: &str, names: &[&str]) -> Bench {
    let bench = Bench::default();
    bench.configure(configuration);
    for name in names {
        probe(&bench, Side::Cloud, name, "base");
    }
    bench.sync().expect(0);
    bench.clear_logs();
    bench
}

pub fn probe(bench: &Bench, side: Side, name: &str, text: &str) {
    let values = json!({"title": name, "stxt": text, "tm": "04:05:06",
        "rows": [{"item": "A", "qty": 1}]});
    bench.insert(side, "Probe", &values);
}

pub fn edit(bench: &Bench, side: Side, name: &str, text: &str) {
    bench.edit(side, "Probe", name, &json!({ "stxt": text }));
}

pub fn delete(bench: &Bench, side: Side, doctype: &str, name: &str) {
    bench.site(side).delete_as(USER, doctype, name, Timestamp::now()).unwrap();
}

/// The text of a document, where a side has it.
pub fn text(bench: &Bench, side: Side, name: &str) -> Option<String> {
    bench.doc(side, "Probe", name).map(|doc| doc["stxt"].as_str().unwrap_or_default().to_owned())
}

pub fn texts(bench: &Bench, name: &str) -> [Option<String>; 2] {
    Side::BOTH.map(|side| text(bench, side, name))
}

#[allow(clippy::unnecessary_wraps, reason = "it stands beside what may be missing")]
pub fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A pass that has nothing to do.
pub fn is_quiet(bench: &Bench, code: i32) {
    bench.clear_logs();
    let ran = bench.sync().expect(code);
    assert_eq!(bench.writes(), 0, "{ran:?}");
    // The user, and the sums: nothing is listed or looked for again.
    for side in Side::BOTH {
        assert_eq!(bench.requests(side), 2, "{side}: {ran:?}");
    }
}

/// How often a side was asked for single documents.
pub fn single_reads(bench: &Bench, side: Side) -> usize {
    let site = bench.site(side);
    site.log.entries().iter().filter(|entry| entry.path.contains("frappe.client.get?")).count()
}

pub fn actions(ran: &Value) -> Vec<String> {
    let line = |line: &Value| {
        let of = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {} {}", of("action"), of("direction"), of("name"), of("status"))
    };
    ran["actions"].as_array().unwrap().iter().map(line).collect()
}
