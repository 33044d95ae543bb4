//! Whose edit was the last, with one site in Asia/Kolkata and the other in `America/New_York`,
//! through the binary.

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use jiff::Timestamp;
use serde_json::json;

use crate::bench::{Bench, Ran};

/// Both sites have a brand that was synced before New York set its clocks back, at 06:00 UTC on
/// 1 November 2026; there every time from 01:00 to 02:00 came twice.
fn bench(keys: &str) -> Bench {
    let bench = Bench::default();
    bench.configure_sites(
        keys,
        "[sync]\ndoctypes = [\"Brand\"]\nconflict_resolution = \"latest_timestamp\"",
    );
    for side in Side::BOTH {
        let brand = json!({"brand": "Acme", "description": "old"});
        bench.insert_at(side, "Brand", &brand, at("2026-11-01T03:00:00Z"));
    }
    bench.sync().expect(0);
    bench
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn edit(bench: &Bench, side: Side, when: &str) {
    let text = json!({"description": format!("of {side}")});
    bench.edit_at(side, "Brand", "Acme", &text, at(when));
}

/// Both sides edit at these instants; gives the run and the reason of what was done, which both
/// sides must agree with.
fn settled(bench: &Bench, cloud: &str, local: &str) -> (Ran, String) {
    edit(bench, Side::Cloud, cloud);
    edit(bench, Side::Local, local);
    let ran = bench.sync().expect(0);
    let actions = ran.json()["actions"].as_array().unwrap().clone();
    assert_eq!(actions.len(), 1, "{actions:?}");
    let winner = if actions[0]["direction"] == "cloud_to_local" { "cloud" } else { "local" };
    for side in Side::BOTH {
        let doc = bench.doc(side, "Brand", "Acme").unwrap();
        assert_eq!(doc["description"], format!("of {winner}"));
    }
    let reason = actions[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(winner), "{reason}");
    (ran, reason)
}

/// The reason in a bench of its own.
fn reason(cloud: &str, local: &str) -> String {
    settled(&bench(""), cloud, local).1
}

const CLOUD: &str = "both changed; cloud was saved last";
const LOCAL: &str = "both changed; local was saved last";
const UNCLEAR: &str = "both changed; the clocks do not tell which was last, so local wins";

#[test]
fn stamps_are_instants_of_the_sites_own_zones() {
    // The cloud's text is ahead by nine and a half hours before the change, and by ten and a
    // half after it.
    assert_eq!(reason("2026-11-01T04:00:00Z", "2026-11-01T04:00:01Z"), LOCAL);
    assert_eq!(reason("2026-11-01T04:00:01Z", "2026-11-01T04:00:00Z"), CLOUD);
    assert_eq!(reason("2026-11-01T12:00:00Z", "2026-11-01T12:00:01Z"), LOCAL);
    assert_eq!(reason("2026-11-01T12:00:01Z", "2026-11-01T12:00:00Z"), CLOUD);
}

#[test]
fn a_time_that_came_twice_is_both() {
    // 01:30 in New York is 05:30 or 06:30 UTC.
    for local in ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"] {
        assert_eq!(reason("2026-11-01T05:29:59Z", local), LOCAL, "before both");
        assert_eq!(reason("2026-11-01T05:30:01Z", local), UNCLEAR, "between them");
        assert_eq!(reason("2026-11-01T06:29:59Z", local), UNCLEAR, "between them");
        assert_eq!(reason("2026-11-01T06:30:01Z", local), CLOUD, "after both");
    }
    // On both sides of that hour there is no doubt.
    assert_eq!(reason("2026-11-01T04:59:58Z", "2026-11-01T04:59:59Z"), LOCAL);
    assert_eq!(reason("2026-11-01T07:00:01Z", "2026-11-01T07:00:00Z"), CLOUD);
}

#[test]
fn an_edit_whose_stamp_went_back_with_the_clock_is_an_edit() {
    let bench = bench("");
    edit(&bench, Side::Local, "2026-11-01T05:50:00Z");
    bench.sync().expect(0);
    let before = bench.doc(Side::Local, "Brand", "Acme").unwrap();
    let text = json!({"description": "later"});
    bench.edit_at(Side::Local, "Brand", "Acme", &text, at("2026-11-01T06:10:00Z"));
    let after = bench.doc(Side::Local, "Brand", "Acme").unwrap();
    assert!(after["modified"].as_str() < before["modified"].as_str(), "01:50, then 01:10");
    bench.sync().expect(0);
    assert_eq!(bench.doc(Side::Cloud, "Brand", "Acme").unwrap()["description"], "later");
}

#[test]
fn a_clock_that_is_ahead_does_not_win() {
    let ahead = |minutes: i64| {
        let bench = bench("");
        bench.site(Side::Cloud).clock_offset_ms = minutes * 60_000;
        // The stamps say 12:10 and 12:05.
        settled(&bench, "2026-11-01T12:10:00Z", "2026-11-01T12:05:00Z").1
    };
    assert_eq!(ahead(0), CLOUD);
    assert_eq!(ahead(10), LOCAL, "the cloud's 12:10 was 12:00");
    assert_eq!(ahead(5), UNCLEAR, "within what a Date header can tell");
}

#[test]
fn the_configured_zone_goes_before_the_sites_own() {
    let bench = bench("time_zone = \"Asia/Kolkata\"");
    bench.clear_logs();
    // 05:30 UTC is 01:30 in New York and stamped so, which in Kolkata was long before.
    let (_, reason) = settled(&bench, "2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z");
    assert_eq!(reason, CLOUD);
    for side in Side::BOTH {
        assert_eq!(bench.site(side).log.count("GET", "System%20Settings"), 0);
    }
}

#[test]
fn a_zone_that_may_not_be_read_is_told() {
    let bench = bench("");
    let which = Match::on("GET", "System Settings");
    bench.site(Side::Cloud).faults.always(which, || Action::Refuse(Refusal::Forbidden));
    let (ran, reason) = settled(&bench, "2026-11-01T12:00:01Z", "2026-11-01T12:00:00Z");
    assert_eq!(reason, UNCLEAR);
    let warning = ran.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.starts_with("cloud: its time zone is not known ("), "{warning}");
    assert!(warning.ends_with("set time_zone of [cloud], or let its user read System Settings"));
}
