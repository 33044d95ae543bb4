//! Tests of the state, through its own interface and, where the interface of the database
//! itself is meant, through SQL.

mod absorbing;
mod bases;
mod files;
mod gone;
mod pairing;
mod queue;
mod seen;
mod work;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::model::{Action, ConflictKind, Direction, Doc, Sides};

/// A time of the test, in minutes after its beginning.
fn at(minute: i64) -> Timestamp {
    "2025-11-18T10:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minute)
}

fn listed(name: &str, creation: &str, modified: &str) -> Listed {
    Listed {
        name: name.to_owned(),
        creation: creation.to_owned(),
        modified: modified.to_owned(),
        taken_up: true,
    }
}

fn not_taken_up(name: &str, creation: &str, modified: &str) -> Listed {
    Listed { taken_up: false, ..listed(name, creation, modified) }
}

/// Collects a whole listing.
fn list(state: &mut State, cloud: &[Listed], local: &[Listed]) {
    state.begin_listing("Item").unwrap();
    for (side, page) in [(Side::Cloud, cloud), (Side::Local, local)] {
        state.add_listed(side, page).unwrap();
        state.cover_everything(side).unwrap();
    }
}

fn absorb(state: &mut State, cloud: &[Listed], local: &[Listed]) -> Absorbed {
    list(state, cloud, local);
    state.absorb_listing(&BTreeSet::new(), at(0)).unwrap()
}

fn all(state: &State) -> Vec<Record> {
    let ids = candidates(state, true);
    state.load_records(&ids).unwrap()
}

fn candidates(state: &State, full: bool) -> Vec<i64> {
    let query = CandidateQuery { now: at(60), full, retry_failed: false, scope_digest: "scope" };
    state.candidates("Item", &query).unwrap()
}

fn doc(value: Value) -> Doc {
    serde_json::from_value(value).unwrap()
}

fn names(record: &Record) -> (Option<&str>, Option<&str>) {
    (record.names.cloud.as_deref(), record.names.local.as_deref())
}

fn seen(record: &Record) -> (Option<&str>, Option<&str>) {
    (record.seen.cloud.as_deref(), record.seen.local.as_deref())
}

/// In step as it was seen, its names, creations and seen as the record has them.
fn closing(record: &Record) -> Closing {
    let side = |side: Side| {
        let name = record.names[side].clone().unwrap_or_else(|| record.docname.clone());
        let modified = record.seen[side].clone().unwrap_or_else(|| "m0".to_owned());
        SideState {
            content: doc(json!({"name": name, "modified": modified, "rate": 1})),
            name,
            creation: record.creations[side].clone().unwrap_or_else(|| format!("c-{side}")),
            seen: Some(modified.clone()),
            modified,
            hash: format!("hash-{side}"),
        }
    };
    Closing {
        record: record.id,
        sides: Sides::from_fn(side),
        form_digest: "form".to_owned(),
        status: RecordStatus::Synced,
        direction: Direction::CloudToLocal,
        reason: None,
        log: Some(entry(Action::Update, LogStatus::Success)),
        rows: Some(vec![RowName {
            table: "items".to_owned(),
            position: 0,
            names: Sides::new(Some("rc".to_owned()), Some("rl".to_owned())),
        }]),
        intent: None,
        resolution: None,
    }
}

fn entry(action: Action, status: LogStatus) -> LogEntry {
    LogEntry {
        run: None,
        action,
        direction: Direction::CloudToLocal,
        status,
        message: Some("cloud changed".to_owned()),
        changes: None,
    }
}

fn conflict(record: i64, rate: i64) -> NewConflict {
    NewConflict {
        record,
        kind: ConflictKind::EditEdit,
        fields: vec!["rate".to_owned()],
        data: Sides::new(json!({"rate": rate, "modified_by": "ann@example.com"}), Value::Null),
        modified: Sides::new("m1".to_owned(), "m2".to_owned()),
        reason: "both sides changed rate".to_owned(),
        log: Some(entry(Action::Conflict, LogStatus::Conflict)),
    }
}

fn intent(record: i64) -> NewIntent {
    NewIntent {
        record,
        run: None,
        side: Side::Local,
        action: Action::Update,
        target_name: Some("A".to_owned()),
        target_modified: Some("m1".to_owned()),
        target: Some(doc(json!({"name": "A", "rate": 1}))),
        source: doc(json!({"name": "A", "rate": 2})),
        sent: doc(json!({"rate": 2})),
        form_digest: "form".to_owned(),
        omitted: vec!["opening_stock".to_owned()],
        resolution: None,
        reason: "cloud changed".to_owned(),
        site_time: Some(at(5)),
        conflict: None,
    }
}

/// A state with documents A and B known on both sides, not compared yet.
fn met() -> (State, Vec<Record>) {
    let mut state = State::in_memory().unwrap();
    let page = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    absorb(&mut state, &page, &page);
    let records = all(&state);
    (state, records)
}

/// The same, in step.
fn synced() -> (State, Vec<Record>) {
    let (mut state, records) = met();
    state.close(&records.iter().map(closing).collect::<Vec<_>>(), at(1)).unwrap();
    let records = all(&state);
    (state, records)
}
