//! What a pass over a thousand documents sends and receives, request by request: the table of
//! `docs/performance.md`, line by line.

use std::collections::BTreeSet;

use erpsync::model::Side;
use frappe_sandbox::log::Recorded;
use serde_json::{Value, json};

use super::{days_ago, on_both};
use crate::bench::Bench;

const PAGE: &str = include_str!("../../../docs/performance.md");

/// Named by hand, and with one child table: what is read takes two requests a batch.
const DOCTYPE: &str = "N Prompt";
const ROWS: &str = "Probe Child";

const DOCUMENTS: i32 = 1000;

/// Over so many days they were saved.
const DAYS: i32 = 400;

/// What a request is for, in the order of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Sums,
    Page,
    Metadata,
    Read,
    Create,
    Update,
    Reread,
}

const KINDS: [Kind; 8] = [
    Kind::User,
    Kind::Sums,
    Kind::Page,
    Kind::Metadata,
    Kind::Read,
    Kind::Create,
    Kind::Update,
    Kind::Reread,
];

/// The kind of a request. `written` are the documents written before it, and it adds its own: to
/// read only such again is another kind than to read what may have to be written.
fn kind(recorded: &Recorded, written: &mut BTreeSet<String>) -> Kind {
    let request = &recorded.request;
    let path = request.decoded_path();
    let parameters = request.parameters().unwrap();
    if path.ends_with("get_logged_user") {
        return Kind::User;
    }
    if let Some((_, name)) = path.split_once(&format!("/api/resource/{DOCTYPE}")) {
        let (kind, name) = match name.strip_prefix('/') {
            Some(name) => (Kind::Update, name.to_owned()),
            None => (Kind::Create, parameters.text("name").unwrap()),
        };
        assert!(recorded.is_write, "a single read: {path}");
        written.insert(name);
        return kind;
    }
    if !path.ends_with("get_list")
        || !parameters.text("doctype").is_some_and(|name| name == DOCTYPE || name == ROWS)
    {
        return Kind::Metadata;
    }
    let fields = parameters.parsed("fields").unwrap_or_default().to_string();
    let filters = parameters.parsed("filters").unwrap_or_default();
    let asked = filters.as_array().into_iter().flatten().find(|filter| filter[1] == "in");
    match asked {
        None if fields.contains("crc32") => Kind::Sums,
        None => Kind::Page,
        Some(names) => {
            let mut names = names[2].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            if names.all(|name| written.contains(name)) { Kind::Reread } else { Kind::Read }
        }
    }
}

/// The most bytes that may go over the line, in thousands.
struct Limits {
    sent: usize,
    received: usize,
}

/// A pass, and its line of the table for each side.
fn costs(bench: &Bench, title: &str, limits: [Limits; 2]) {
    bench.clear_logs();
    for side in Side::BOTH {
        bench.site(side).log.recorded = Some(Vec::new());
    }
    bench.sync().expect(0);
    for (side, limits) in Side::BOTH.into_iter().zip(limits) {
        let mut site = bench.site(side);
        let recorded = site.log.recorded.take().unwrap();
        let mut written = BTreeSet::new();
        let kinds: Vec<Kind> = recorded.iter().map(|one| kind(one, &mut written)).collect();
        let counts = KINDS.map(|kind| kinds.iter().filter(|one| **one == kind).count());
        let cells: Vec<String> = counts
            .into_iter()
            .chain([kinds.len(), limits.sent, limits.received])
            .map(|count| count.to_string())
            .collect();
        let line = format!("| {title} | {side} | {} |", cells.join(" | "));
        let entries = site.log.entries();
        let sent: usize = entries.iter().map(|entry| entry.sent).sum();
        let received: usize = entries.iter().map(|entry| entry.answered).sum();
        assert!(PAGE.contains(&line), "docs/performance.md has no line\n{line}");
        assert!(sent <= limits.sent * 1000, "{title}, {side}: {sent} bytes sent");
        assert!(received <= limits.received * 1000, "{title}, {side}: {received} bytes received");
    }
}

fn document(number: i32) -> Value {
    json!({"__newname": format!("D{number:04}"), "title": "base",
        "rows": [{"item": "A", "qty": 1}, {"item": "B", "qty": 2}]})
}

fn bench() -> Bench {
    let bench = Bench::default();
    bench.configure(&format!("[sync]\ndoctypes = [\"{DOCTYPE}\"]\n"));
    bench
}

#[test]
fn a_pass_over_what_both_sides_have() {
    let bench = bench();
    for number in 0..DOCUMENTS {
        on_both(&bench, DOCTYPE, &document(number), days_ago(1 + number % DAYS));
    }
    let limits = |sent, received| [0, 1].map(|_| Limits { sent, received });
    costs(&bench, "first pass, everything equal", limits(40, 1000));
    costs(&bench, "nothing new", limits(1, 40));
    // Ten of them, saved today by turns on one side and the other.
    for number in 0..DOCUMENTS / 100 {
        let side = Side::BOTH[usize::from(number % 2 == 1)];
        bench.edit(side, DOCTYPE, &format!("D{:04}", number * 100), &json!({"title": "edited"}));
    }
    costs(&bench, "1 % changed", limits(4, 60));
    for number in 0..DOCUMENTS / 100 {
        let name = format!("D{:04}", number * 100);
        let titles =
            Side::BOTH.map(|side| bench.doc(side, DOCTYPE, &name).unwrap()["title"].clone());
        assert_eq!(titles, [json!("edited"), json!("edited")], "{name}");
    }
}

#[test]
fn a_first_pass_into_an_empty_side() {
    let bench = bench();
    for number in 0..DOCUMENTS {
        bench.insert_at(Side::Cloud, DOCTYPE, &document(number), days_ago(1 + number % DAYS));
    }
    let limits = [Limits { sent: 40, received: 1000 }, Limits { sent: 320, received: 1900 }];
    costs(&bench, "first pass into an empty side", limits);
    assert_eq!(bench.site(Side::Local).names(DOCTYPE).len(), 1000);
}
