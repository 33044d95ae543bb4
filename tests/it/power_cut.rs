//! A power cut: the state database is cut back to each of its commits, beside sites as they were
//! then, or one request further on. The next run ends as the undisturbed one did.

use std::fs;
use std::sync::{Arc, Mutex};

use erpsync::model::{Side, Sides};
use frappe_sandbox::Backup;
use frappe_sandbox::faults::{Action, Match};
use jiff::Timestamp;
use serde_json::json;

use crate::bench::{Bench, USER};

const RULES: &str = "[sync]\ndoctypes = [\"Customer\", \"Probe\", \"Voucher\"]\n\
    [sync.retry]\nbackoff_seconds = 0.01\n";

/// Two sites in step, then something of every kind to do.
fn scenario() -> Bench {
    let bench = Bench::default();
    bench.configure_sites("concurrency = 1", RULES);
    let probe = |title: &str| json!({"title": title, "stxt": "base", "tm": "04:05:06", "rows": [{"item": "A", "qty": 1}]});
    for name in ["Old", "Other"] {
        bench.insert(Side::Cloud, "Customer", &json!({"customer_name": name}));
    }
    for title in ["Update", "Both", "Delete", "Against"] {
        bench.insert(Side::Local, "Probe", &probe(title));
    }
    for title in ["Submit", "Cancel"] {
        let values = json!({"title": title, "total": 5, "posting_date": "2026-03-04",
            "posting_time": "10:11:12", "docstatus": i64::from(title == "Cancel")});
        bench.insert(Side::Cloud, "Voucher", &values);
    }
    bench.sync().expect(0);
    let edit = |side, doctype: &str, name: &str, values| bench.edit(side, doctype, name, &values);
    let now = Timestamp::now();
    bench.site(Side::Cloud).rename_as(USER, "Customer", "Old", "New", now).unwrap();
    edit(Side::Cloud, "Probe", "Update", json!({"stxt": "edited"}));
    edit(Side::Cloud, "Probe", "Both", json!({"stxt": "of the cloud"}));
    edit(Side::Local, "Probe", "Both", json!({"stxt": "of here"}));
    bench.site(Side::Local).delete_as(USER, "Probe", "Delete", now).unwrap();
    bench.site(Side::Local).delete_as(USER, "Probe", "Against", now).unwrap();
    edit(Side::Cloud, "Probe", "Against", json!({"stxt": "edited"}));
    bench.insert(Side::Local, "Probe", &probe("Created"));
    edit(Side::Cloud, "Voucher", "Submit", json!({"docstatus": 1}));
    edit(Side::Local, "Voucher", "Cancel", json!({"docstatus": 2}));
    bench
}

/// What a user sees of both sites, and what waits for a person.
fn outcome(bench: &Bench) -> Vec<String> {
    let fields = ["name", "title", "stxt", "docstatus", "rows", "customer_name"];
    let fields: Vec<&str> = fields.into_iter().filter(|field| *field != "rows").collect();
    let mut seen = Vec::new();
    for side in Side::BOTH {
        for doctype in ["Customer", "Probe", "Voucher"] {
            let contents = bench.contents(side, doctype, &fields);
            seen.extend(contents.into_iter().map(|one| format!("{side} {doctype} {one}")));
        }
    }
    seen.push(bench.query(
        "SELECT group_concat(docname || ' ' || kind, ', ') FROM conflict_records WHERE NOT resolved",
    ));
    seen
}

/// A request that arrived: its side, that site before it, and how long the log of the state was.
struct Event {
    side: Side,
    before: Backup,
    log: u64,
}

fn log_length(bench: &Bench) -> u64 {
    fs::metadata(bench.path("sync_state.db-wal")).map_or(0, |metadata| metadata.len())
}

/// Takes note of every request.
fn watch(bench: &Bench) -> Arc<Mutex<Vec<Event>>> {
    let events = Arc::new(Mutex::new(Vec::new()));
    for side in Side::BOTH {
        let (events, path) = (Arc::clone(&events), bench.path("sync_state.db-wal"));
        bench.site(side).faults.always(Match::any(), move || {
            let (events, path) = (Arc::clone(&events), path.clone());
            Action::Before(Box::new(move |site, _| {
                let log = fs::metadata(&path).map_or(0, |metadata| metadata.len());
                events.lock().unwrap().push(Event { side, before: site.backup(), log });
            }))
        });
    }
    events
}

/// The places in a write-ahead log at which a commit ends.
fn commits(log: &[u8]) -> Vec<usize> {
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap()) as usize;
    let frame = 24 + number(8);
    (32..=log.len() - frame)
        .step_by(frame)
        .filter(|at| number(at + 4) != 0)
        .map(|at| at + frame)
        .collect()
}

#[test]
fn the_state_is_cut_back_to_each_commit() {
    let bench = scenario();
    let database = fs::read(bench.path("sync_state.db")).unwrap();
    // A reader from before keeps the log from being written back, and from being removed.
    let reader = rusqlite::Connection::open(bench.path("sync_state.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM runs;").unwrap();
    let events = watch(&bench);
    bench.sync().expect(3);
    for side in Side::BOTH {
        bench.site(side).faults.clear();
    }
    let after = Sides::from_fn(|side| bench.site(side).backup());
    let log = fs::read(bench.path("sync_state.db-wal")).unwrap();
    assert_eq!(log.len() as u64, log_length(&bench));
    drop(reader);
    let expected = outcome(&bench);
    let events = std::mem::take(&mut *events.lock().unwrap());
    let ends = commits(&log);
    assert!(ends.len() > 20 && events.len() > 40, "{} {}", ends.len(), events.len());
    let mut cuts = 0;
    for end in std::iter::once(0).chain(ends) {
        let next = events.iter().position(|event| event.log >= end.max(1) as u64);
        let next = next.unwrap_or(events.len());
        // As the sites were then; and where one more request had its effect before the cut.
        for done in [next, next + 1] {
            if done > events.len() {
                continue;
            }
            for side in Side::BOTH {
                let then = events[done..].iter().find(|event| event.side == side);
                let then = then.map_or(&after[side], |event| &event.before);
                bench.site(side).restore_backup(then);
            }
            for suffix in ["-wal", "-shm"] {
                let _ = fs::remove_file(bench.path(&format!("sync_state.db{suffix}")));
            }
            fs::write(bench.path("sync_state.db"), &database).unwrap();
            fs::write(bench.path("sync_state.db-wal"), &log[..end]).unwrap();
            let ran = bench.run(&["sync-all", "--retry-failed", "--json"]);
            assert_eq!(outcome(&bench), expected, "cut at {end}, {done} requests: {ran:?}");
            bench.clear_logs();
            bench.sync().expect(3);
            assert_eq!(bench.writes(), 0, "cut at {end}, {done} requests");
            cuts += 1;
        }
    }
    println!("{cuts} power cuts");
}
