//! Passes that ask the sites for their sums instead of listing everything: what they cost, and
//! that whatever happened is still found.

mod budget;
mod days;
mod exact;
mod filters;
mod reads;
mod refused;
mod whole;

use erpsync::model::Side;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bench::{Bench, USER};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// So many days ago, at noon as both sites' zones have it on one date.
pub fn days_ago(days: i32) -> Timestamp {
    let today = Timestamp::now().as_second().div_euclid(DAY.as_secs()) * DAY.as_secs();
    let noon = SignedDuration::from_hours(17);
    Timestamp::from_second(today).unwrap() + noon - DAY * days
}

/// One document that both sides have, saved there at some time.
pub fn on_both(bench: &Bench, doctype: &str, values: &Value, at: Timestamp) {
    for side in Side::BOTH {
        bench.insert_at(side, doctype, values, at);
    }
}

pub fn brand(name: &str, text: &str) -> Value {
    json!({"brand": name, "description": text})
}

/// Sixty brands on both sides, six on each of ten days, in step; pages are so small that a whole
/// listing shows in what it costs.
pub fn sixty_brands() -> Bench {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Brand\"]\npage_size = 20\n");
    for i in 0..60 {
        on_both(&bench, "Brand", &brand(&format!("B{i:02}"), "base"), days_ago(10 - i / 6));
    }
    bench.sync().expect(0);
    bench
}

/// The requests of a whole listing of sixty documents: who we are, three pages, and the end.
pub const WHOLE: usize = 1 + 3 + 1;

/// The requests of a pass that has nothing to list: who we are, and the sums.
pub const QUIET: usize = 2;

/// The requests that each side receives in a pass that ends with `code`.
pub fn requests(bench: &Bench, code: i32) -> [usize; 2] {
    bench.clear_logs();
    bench.sync().expect(code);
    Side::BOTH.map(|side| bench.requests(side))
}

/// Changes the state behind the program's back.
pub fn tamper(bench: &Bench, sql: &str) {
    let state = rusqlite::Connection::open(bench.path("sync_state.db")).unwrap();
    state.execute_batch(sql).unwrap();
}

pub fn text(bench: &Bench, side: Side, name: &str) -> Option<String> {
    let doc = bench.doc(side, "Brand", name)?;
    Some(doc["description"].as_str().unwrap_or_default().to_owned())
}

pub fn texts(bench: &Bench, name: &str) -> [Option<String>; 2] {
    Side::BOTH.map(|side| text(bench, side, name))
}

pub fn both(text: &str) -> [Option<String>; 2] {
    [Some(text.to_owned()), Some(text.to_owned())]
}

pub fn rename(bench: &Bench, side: Side, old: &str, new: &str) {
    bench.site(side).rename_as(USER, "Brand", old, new, Timestamp::now()).unwrap();
}
