//! Names that each site counts for itself: documents arrive under names of the other site's
//! own, links follow, nothing is created twice, and no live series is ever blocked.

mod born;
mod both;
mod collisions;
mod copied;
mod creates;
mod entered;
mod killed;
mod links;
mod lost;
mod meeting;
mod together;

use erpsync::model::Side;
use serde_json::{Value, json};

use crate::bench::Bench;

const SERIES: &str = "[sync]\ndoctypes = [\"N Series\"]\nsettle_after = \"1s\"\n\
     [sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";

/// Two sites whose series stand at different numbers.
fn counting() -> Bench {
    let bench = Bench::default();
    bench.configure(SERIES);
    bench.site(Side::Cloud).set_series("NS-2026-", 100);
    bench.site(Side::Local).set_series("NS-2026-", 500);
    bench
}

fn series(title: &str) -> Value {
    json!({"title": title, "rows": [{"item": title, "qty": 1}]})
}

/// The titles of a side's documents, in order.
fn titles(bench: &Bench, side: Side, doctype: &str) -> Vec<String> {
    let mut titles: Vec<String> = bench
        .site(side)
        .all_docs(doctype)
        .iter()
        .map(|doc| doc["title"].as_str().unwrap().to_owned())
        .collect();
    titles.sort_unstable();
    titles
}

/// The one document of a title.
fn named(bench: &Bench, side: Side, doctype: &str, title: &str) -> Value {
    let docs = bench.site(side).all_docs(doctype);
    let mut found = docs.into_iter().filter(|doc| doc["title"] == title);
    let one = found.next().unwrap_or_else(|| panic!("no {title} on {side}"));
    assert!(found.next().is_none(), "{title} is on {side} twice");
    one
}

/// A pass that writes nothing.
fn quiet(bench: &Bench) {
    bench.clear_logs();
    let ran = bench.sync();
    assert_eq!(bench.writes(), 0, "{ran:?}");
}
