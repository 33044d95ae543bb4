//! A side that looks wrong: a restored backup, an emptied doctype, another site behind the url;
//! what a person may say about it, and that nothing is lost whatever is said.

mod another_site;
mod emptied;
mod restored;
mod submitted;

use erpsync::model::Side;
use frappe_sandbox::Backup;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bench::{Bench, Ran, USER};

const SYNC: &str = "[sync]\ndoctypes = [\"Probe\"]\n\
    [sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";

/// Three days ago: when everything was in order.
fn long_ago() -> Timestamp {
    Timestamp::now().checked_sub(SignedDuration::from_hours(72)).unwrap()
}

/// Documents made long ago on this side and in step since.
fn in_step(rules: &str, side: Side, names: &[&str]) -> Bench {
    let bench = Bench::default();
    bench.configure(rules);
    for name in names {
        let values = json!({"title": name, "stxt": "base", "tm": "04:05:06",
            "rows": [{"item": "A", "qty": 1}]});
        bench.insert_at(side, "Probe", &values, long_ago());
    }
    bench.sync().expect(0);
    bench
}

fn edit(bench: &Bench, side: Side, name: &str, text: &str) {
    bench.edit(side, "Probe", name, &json!({ "stxt": text }));
}

fn create(bench: &Bench, side: Side, name: &str, text: &str) {
    let values = json!({"title": name, "stxt": text, "tm": "04:05:06"});
    bench.insert(side, "Probe", &values);
}

fn delete(bench: &Bench, side: Side, name: &str) {
    bench.site(side).delete_as(USER, "Probe", name, Timestamp::now()).unwrap();
}

fn backup(bench: &Bench, side: Side) -> Backup {
    bench.site(side).backup()
}

fn text(bench: &Bench, side: Side, name: &str) -> Option<String> {
    bench.doc(side, "Probe", name).map(|doc| doc["stxt"].as_str().unwrap_or_default().to_owned())
}

fn texts(bench: &Bench, name: &str) -> [Option<String>; 2] {
    Side::BOTH.map(|side| text(bench, side, name))
}

#[allow(clippy::unnecessary_wraps, reason = "it stands beside what may be missing")]
fn both(text: &str) -> [Option<String>; 2] {
    [Some(text.to_owned()), Some(text.to_owned())]
}

/// A pass with the option, `--restore-side` or `--accept-side`.
fn say(bench: &Bench, option: &str, side: Side) -> Ran {
    bench.run(&["sync-all", option, side.as_str(), "--json"])
}

/// The doctype is left alone, and a person is told what may be said.
fn is_stopped(bench: &Bench, hint: &str) {
    bench.clear_logs();
    let ran = bench.run(&["sync-all"]).expect(6);
    assert_eq!(bench.writes(), 0, "{ran:?}");
    assert!(ran.err.contains(hint), "{ran:?}");
    let status = bench.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["stopped"][0]["kind"], "guard", "{status}");
    // Some documents say nothing of the doctype.
    bench.run(&["sync-doctype", "Probe", "--name", "no such document"]);
    assert_eq!(bench.run(&["status", "--json"]).expect(0).json()["stopped"], status["stopped"]);
}

/// One more pass has nothing to do.
fn is_quiet(bench: &Bench, code: i32) {
    bench.clear_logs();
    let ran = bench.sync().expect(code);
    assert_eq!(bench.writes(), 0, "{ran:?}");
    assert_eq!(bench.run(&["status", "--json"]).expect(0).json()["stopped"], json!([]));
}

/// Whether a version of a document is kept: in a conflict, open or not, or in the log.
fn is_kept(bench: &Bench, text: &str) -> bool {
    let sql = format!(
        "SELECT (SELECT count(*) FROM conflict_records WHERE cloud_data || local_data LIKE '%{text}%') \
         + (SELECT count(*) FROM sync_logs WHERE changes_json LIKE '%{text}%')"
    );
    bench.query(&sql) != "0"
}

fn actions(ran: &Value) -> Vec<String> {
    let of = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let line = |line: &Value| {
        format!("{} {} {}", of(line, "action"), of(line, "direction"), of(line, "name"))
    };
    let mut lines: Vec<String> = ran["actions"].as_array().unwrap().iter().map(line).collect();
    lines.sort_unstable();
    lines
}
