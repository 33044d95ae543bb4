//! Two thousand documents a side over HTTP: how many requests a pass makes, and how many of
//! them at once.

use std::time::Duration;

use erpsync::model::{Side, Sides};
use frappe_sandbox::Flavour;
use frappe_sandbox::http::Options;
use frappe_sandbox::log::Entry;
use frappe_sandbox::seed::SEEDED;
use jiff::Timestamp;
use serde_json::Value;

use crate::bench::{Bench, Ran, USER};

/// Requests in flight to each side.
const CONCURRENCY: Sides<usize> = Sides { cloud: 4, local: 3 };

/// Documents a side, one fifth of each doctype.
const DOCUMENTS: usize = 2000;

/// Documents a request of content asks for; a wave is one batch for each worker of the wider
/// side, 200 documents.
const BATCH: usize = 50;

/// Child doctypes of `Customer`, `Item`, `Supplier`, `Brand`, `UOM`.
const CHILD_DOCTYPES: [usize; 5] = [5, 2, 2, 0, 0];

fn served() -> Bench {
    let bench = Bench::new(
        Flavour::V15_105,
        Options { latency: Duration::from_millis(5), ..Options::default() },
    );
    let rules = format!("doctypes = {SEEDED:?}\npage_size = 5000\nbatch_size = {BATCH}\n");
    bench.configure(&format!("[sync]\n{rules}"));
    let path = bench.path("sync.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (side, concurrency) in CONCURRENCY.iter() {
        let section = format!("[{side}]\n");
        text = text.replace(&section, &format!("{section}concurrency = {concurrency}\n"));
    }
    std::fs::write(path, text).unwrap();
    let now = Timestamp::now();
    // Half of the customers differ, saved at the same instant on both sides; half of the units
    // are on one side only; everything else is the same.
    for (side, variant) in [(Side::Cloud, 0), (Side::Local, 1)] {
        bench.site(side).seed_documents(DOCUMENTS, variant, now).unwrap();
    }
    bench
}

/// A pass, and the requests that each side received in it.
fn pass(bench: &Bench) -> (Ran, Sides<usize>) {
    bench.clear_logs();
    let ran = bench.sync().expect(0);
    let requests = Sides::from_fn(|side| bench.requests(side));
    let document = ran.json();
    for (side, requests) in requests.iter() {
        assert_eq!(document["requests"][side.as_str()], *requests, "what it says of itself");
    }
    (ran, requests)
}

/// The sum of a count over all doctypes.
fn total(ran: &Ran, count: &str) -> u64 {
    let document = ran.json();
    let doctypes = document["doctypes"].as_array().unwrap();
    doctypes.iter().map(|entry| entry[count].as_u64().unwrap()).sum()
}

/// Requests that read some batches of documents that were listed or written before: for each one
/// for every child doctype, and the documents.
fn reads(batches: usize, child_doctypes: usize) -> usize {
    batches * (child_doctypes + 1)
}

/// What a pass that lists everything asks a side: our user, and for each doctype one page of the
/// listing and the empty page that ends it.
fn listing() -> usize {
    1 + 2 * SEEDED.len()
}

/// What every other pass asks: our user, and the sums of each doctype.
fn sums() -> usize {
    1 + SEEDED.len()
}

/// And where something was saved: the documents of that day, in one page.
fn days() -> usize {
    sums() + SEEDED.len()
}

/// What metadata adds up to, which is asked when there is something to do.
const CHECK: usize = 3;

/// The metadata of the doctypes and of their child doctypes, two of which customers and
/// suppliers have in common.
fn metadata() -> usize {
    SEEDED.len() + CHILD_DOCTYPES.iter().sum::<usize>() - 2
}

#[test]
fn how_many_requests_and_how_many_at_once() {
    let bench = served();
    first_pass(&bench);
    at_once(&bench);

    // Nothing to do: summed, and nothing else.
    let (ran, requests) = pass(&bench);
    assert_eq!(requests, Sides::new(sums(), sums()));
    assert_eq!(sums(), 6);
    assert_eq!(total(&ran, "unchanged"), 2204);

    one_percent(&bench);
    let (_, requests) = pass(&bench);
    assert_eq!(requests, Sides::new(sums(), sums()));
    for doctype in SEEDED {
        let content = |side| bench.contents(side, doctype, &["name", note_field(doctype)]);
        assert_eq!(content(Side::Cloud), content(Side::Local), "{doctype}");
    }
}

fn first_pass(bench: &Bench) {
    let (ran, requests) = pass(bench);
    // 400 of each; of the units 200 are on both sides and 200 on each alone, and four more come
    // with every site.
    assert_eq!(total(&ran, "adopted"), 200 + 400 + 400 + 400 + 204);
    assert_eq!(total(&ran, "updated_on_cloud"), 200);
    assert_eq!([total(&ran, "created_on_cloud"), total(&ran, "created_on_local")], [200, 200]);
    // Every document is read on both sides: 400 are two waves of four batches, 604 three waves
    // of four batches and one of four documents.
    let batches = [8, 8, 8, 8, 13];
    let content: usize =
        batches.iter().zip(CHILD_DOCTYPES).map(|(n, tables)| reads(*n, tables)).sum();
    assert_eq!(content, 48 + 24 + 24 + 8 + 13);
    // Conflicts call for both sites' time zones.
    let both = listing() + CHECK + metadata() + content + 1;
    // Half of each wave of customers is written to the cloud, and what was written is read
    // again: 100 are two batches. That needs the naming rules of what customers link to, which
    // both sides are asked for: the weaker one counts. So do equal documents that link to
    // doctypes still ahead: where names are counted, an equal text would prove nothing.
    let (customers, rules) = (200 + reads(2 * 2, CHILD_DOCTYPES[0]), 2);
    // The cloud lists before the local site, so its 404 units come first, every second of which
    // the local site lacks: 98, 100 and 2 are 2 + 2 + 1 batches; then 196 and 4 the other way.
    let units = 200 + reads(5, CHILD_DOCTYPES[4]);
    let both = both + rules;
    assert_eq!(requests, Sides::new(both + customers + units, both + units));
    assert_eq!(requests, Sides::new(575, 351));
}

/// Never more than `concurrency` requests to a side, that many when there is enough to do, and
/// both sides at the same time.
fn at_once(bench: &Bench) {
    for (side, concurrency) in CONCURRENCY.iter() {
        assert_eq!(bench.site(side).log.max_in_flight(), *concurrency, "{side}");
    }
    let full = |side: Side| -> Vec<Entry> {
        let site = bench.site(side);
        let entries = site.log.entries().iter();
        entries.filter(|entry| entry.in_flight == CONCURRENCY[side]).cloned().collect()
    };
    let (cloud, local) = (full(Side::Cloud), full(Side::Local));
    let overlap =
        |a: &Entry, b: &Entry| a.started < b.ended.unwrap() && b.started < a.ended.unwrap();
    assert!(
        cloud.iter().any(|a| local.iter().any(|b| overlap(a, b))),
        "both sides are busy at once"
    );
}

/// Edits four documents of each doctype on each side and carries them over.
fn one_percent(bench: &Bench) {
    for doctype in SEEDED {
        // What both sides have under a name of the seed.
        let there = bench.site(Side::Local).names(doctype);
        let mut names = bench.site(Side::Cloud).names(doctype);
        names.retain(|name| name.starts_with(&format!("{doctype} ")) && there.contains(name));
        for (side, names) in [(Side::Cloud, &names[..4]), (Side::Local, &names[4..8])] {
            for name in names {
                let edit = Value::from(format!("edited on {side}"));
                let mut site = bench.site(side);
                let now = Timestamp::now();
                site.set_value_as(USER, doctype, name, note_field(doctype), edit, now).unwrap();
            }
        }
    }
    let (ran, requests) = pass(bench);
    assert_eq!(total(&ran, "updated_on_cloud"), 20);
    assert_eq!(total(&ran, "updated_on_local"), 20);
    // The metadata is known, and has not changed. The eight documents of a doctype are one batch
    // on each side, the four that are written to a side are read again in one.
    let content: usize = CHILD_DOCTYPES.iter().map(|tables| reads(1, *tables)).sum();
    // All are asked for their sums at the start, and again after the writes to the first.
    let again = SEEDED.len() - 1;
    let both = days() + again + CHECK + content + 20 + content;
    // Both are asked for the naming rules of what customers, items and suppliers link to.
    assert_eq!(requests, Sides::new(both + 3, both + 3));
    assert_eq!(requests, Sides::new(69, 69));
}

fn note_field(doctype: &str) -> &'static str {
    match doctype {
        "Customer" => "customer_details",
        "Supplier" => "supplier_details",
        "UOM" => "common_code",
        _ => "description",
    }
}
