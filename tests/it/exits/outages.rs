//! A site that goes down in the middle of a long run: it ends early, whatever is still to be done.

use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use serde_json::json;

use super::{brand, count, field, rules, sync};
use crate::bench::Bench;

const DOCUMENTS: usize = 1000;
/// So many writes reach the site before it goes down.
const BEFORE: usize = 40;
const CONCURRENCY: usize = 4;
const ATTEMPTS: usize = 2;

/// A first run over a thousand documents in which the other side goes down. Gives the bench, and
/// how many requests that side received from then on.
fn went_down(timeout: u32, action: impl Fn() -> Action + Send + 'static) -> (Bench, usize) {
    went_down_at(BEFORE, timeout, action)
}

/// The same with the write from which on everything is refused.
fn went_down_at(
    before: usize,
    timeout: u32,
    action: impl Fn() -> Action + Send + 'static,
) -> (Bench, usize) {
    let bench = Bench::default();
    let keys = format!("concurrency = {CONCURRENCY}\ntimeout_seconds = {timeout}");
    bench.configure_sites(&keys, &rules(&["Brand"], ""));
    for number in 0..DOCUMENTS {
        brand(&bench, Side::Cloud, &format!("Brand {number:04}"), "");
    }
    // Everything is refused from that write on, reads as well.
    let gate = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_down = std::sync::Arc::clone(&gate);
    {
        let mut site = bench.site(Side::Local);
        let shut = move |_: &mut frappe_sandbox::Site, _| {
            gate.store(true, std::sync::atomic::Ordering::SeqCst);
        };
        site.faults.before(Match::writes().nth(before), shut);
        site.faults.always(Match::any(), move || {
            if is_down.load(std::sync::atomic::Ordering::SeqCst) {
                action()
            } else {
                Action::Delay(Duration::ZERO)
            }
        });
    }
    sync(&bench).expect(1);
    let site = bench.site(Side::Local);
    let writes: Vec<usize> = site
        .log
        .entries()
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.method == "POST" && entry.path.contains("/api/resource/Brand"))
        .map(|(i, _)| i)
        .collect();
    let after = site.log.entries().len() - writes[before - 1];
    drop(site);
    (bench, after)
}

fn statuses(bench: &Bench, status: &str) -> usize {
    let sql = format!("SELECT count(*) FROM sync_records WHERE sync_status IN ({status})");
    bench.query(&sql).parse().unwrap()
}

/// Refused at the door: each request in flight is tried as often as allowed, and that is all.
#[test]
fn a_site_that_refuses_everything() {
    for refusal in [Refusal::Unavailable, Refusal::TooMany(0), Refusal::Unauthorized] {
        let (bench, after) = went_down(30, move || Action::Refuse(refusal));
        // The writes, and the reads of what was written just before.
        assert!(after <= 2 * CONCURRENCY * ATTEMPTS, "{refusal:?}: {after}");
        assert_eq!(statuses(&bench, "'error', 'failed'"), 0, "no document is to blame");
    }
}

/// Our user lost its rights: what was in hand then fails, and nothing else is tried.
#[test]
fn a_site_that_forbids_everything() {
    let in_hand = 50 * CONCURRENCY;
    let (bench, after) = went_down_at(1, 30, || Action::Refuse(Refusal::Forbidden));
    assert!(after <= in_hand + 1, "{after}");
    assert!(statuses(&bench, "'error', 'failed'") <= in_hand);
    assert!(statuses(&bench, "'pending'") >= DOCUMENTS - in_hand);
}

/// Without an answer nobody knows; a few in a row are enough.
#[test]
fn a_site_that_no_longer_answers() {
    let silent = || Action::Stall { time: Duration::from_secs(3), commit: false };
    for (timeout, action) in [(30, (|| Action::Cut) as fn() -> Action), (1, silent)] {
        let (bench, after) = went_down(timeout, action);
        let most = CONCURRENCY + ATTEMPTS + CONCURRENCY + CONCURRENCY * ATTEMPTS;
        assert!(after <= most, "{after}");
        assert!(statuses(&bench, "'error', 'failed'") <= most);
        assert!(statuses(&bench, "'pending'") >= DOCUMENTS - BEFORE - most);
    }
}

/// And the next run does all the rest, once.
#[test]
fn the_next_run_does_the_rest() {
    let (bench, _) = went_down(30, || Action::CutAfter);
    bench.site(Side::Local).faults.clear();
    sync(&bench).expect(0);
    assert_eq!(bench.site(Side::Local).count_of("Brand"), DOCUMENTS);
    assert_eq!(count(&bench, Side::Local, "POST", "/api/resource/Brand"), DOCUMENTS, "once each");
    bench.clear_logs();
    sync(&bench).expect(0);
    assert_eq!(bench.writes(), 0);
}

/// What was only in flight is done by the very next run: it does not back off.
#[test]
fn nothing_backs_off_for_a_site_that_was_down() {
    let bench = Bench::default();
    bench.configure(&rules(&["Brand"], ""));
    brand(&bench, Side::Cloud, "Acme", "old");
    sync(&bench).expect(0);
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"description": "new"}));
    bench.site(Side::Local).faults.always(Match::writes(), || Action::Refuse(Refusal::TooMany(0)));
    sync(&bench).expect(1);
    assert_eq!(count(&bench, Side::Local, "PUT", "Acme"), ATTEMPTS);
    bench.site(Side::Local).faults.clear();
    sync(&bench).expect(0);
    assert_eq!(field(&bench, Side::Local, "Brand", "Acme", "description").unwrap(), "new");
}

/// How long a failed document waits: 5 minutes, 30, 3 hours, 12 hours; then it counts as failed and
/// is tried once a day.
#[test]
fn failed_documents_back_off() {
    let bench = Bench::default();
    bench.configure(
        "[sync]\ndoctypes = [\"Brand\"]\n[sync.retry]\nmax_attempts = 5\nbackoff_seconds = 0.01\n",
    );
    brand(&bench, Side::Cloud, "Acme", "");
    let now = jiff::Timestamp::now();
    bench.site(Side::Local).set_property("Brand", "description", "reqd", "1", now).unwrap();
    let one = |what: &str| bench.query(&format!("SELECT {what} FROM sync_records"));
    let minutes = "CAST(round((julianday(next_retry) - julianday(updated_at)) * 1440) AS INTEGER)";
    for (number, expected) in
        ["error 5", "error 30", "error 180", "error 720", "failed 1440", "failed 1440"]
            .into_iter()
            .enumerate()
    {
        sync(&bench).expect(4);
        assert_eq!(one(&format!("sync_status || ' ' || {minutes}")), expected, "{number}");
        // Not before its time.
        bench.clear_logs();
        sync(&bench).expect(4);
        assert_eq!(bench.writes(), 0);
        let state = rusqlite::Connection::open(bench.path("sync_state.db")).unwrap();
        let due = "UPDATE sync_records SET next_retry = '2020-01-01T00:00:00.000Z'";
        state.execute(due, []).unwrap();
    }
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"description": "complete"}));
    sync(&bench).expect(0);
    assert_eq!(one("sync_status || ' ' || retry_count"), "synced 0");
}
