//! After a good pass nothing is written again, whatever the sites do to what they are sent,
//! and nothing that a user enters is lost (invariants 1, 3 and 8).

use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bench::{Bench, SYNC_USER, USER};

const PROBES: &str = "[sync]\ndoctypes = [\"Probe\"]\n[sync.retry]\nbackoff_seconds = 0.01\n";

/// A Probe whose time does not depend on when it was entered.
fn probe(name: &str, text: &str) -> Value {
    json!({
        "title": name, "stxt": text, "f": 1.23456, "tm": "04:05:06",
        "rows": [{"item": "A", "qty": 1.5}, {"item": "B", "qty": 2}],
    })
}

fn bench() -> Bench {
    let bench = Bench::default();
    bench.configure(PROBES);
    bench
}

fn text(bench: &Bench, side: Side, name: &str) -> String {
    bench.doc(side, "Probe", name).unwrap()["stxt"].as_str().unwrap_or_default().to_owned()
}

fn hook_all(bench: &Bench) {
    for side in Side::BOTH {
        let mut site = bench.site(side);
        site.hooks.upper_case("Probe", "stxt");
        site.hooks.fill("Probe", "phone", json!("+91-0"));
        site.hooks.round("Probe", "f", 2);
        site.hooks.change_later("Probe", Duration::from_millis(200), "hid", json!("processed"));
    }
}

#[test]
fn hooks_that_rewrite_are_not_fought_over() {
    let bench = bench();
    for i in 0..3 {
        bench.insert(Side::Cloud, "Probe", &probe(&format!("C{i}"), "from cloud"));
        bench.insert(Side::Local, "Probe", &probe(&format!("L{i}"), "from local"));
    }
    hook_all(&bench);
    bench.insert(Side::Cloud, "Probe", &probe("hooked", "entered under hooks"));
    bench.sync().expect(0);
    std::thread::sleep(Duration::from_millis(300));
    bench.sync().expect(0);
    std::thread::sleep(Duration::from_millis(300));
    bench.sync().expect(0);
    bench.clear_logs();
    bench.sync().expect(0);
    // The bases are what a later read gives, so that looking at everything again finds nothing.
    bench.run(&["sync-all", "--full"]).expect(0);
    assert_eq!(bench.writes(), 0);
    for side in Side::BOTH {
        for i in 0..3 {
            assert_eq!(text(&bench, side, &format!("C{i}")).to_lowercase(), "from cloud");
            assert_eq!(text(&bench, side, &format!("L{i}")).to_lowercase(), "from local");
        }
        assert_eq!(text(&bench, side, "hooked"), "ENTERED UNDER HOOKS");
    }
}

#[test]
fn a_value_that_the_target_rewrites_is_told_in_the_log() {
    let bench = bench();
    bench.insert(Side::Cloud, "Probe", &probe("Acme", "quiet"));
    bench.site(Side::Local).hooks.upper_case("Probe", "stxt");
    bench.sync().expect(0);
    assert_eq!(text(&bench, Side::Cloud, "Acme"), "quiet");
    assert_eq!(text(&bench, Side::Local, "Acme"), "QUIET");
    let message = bench.query("SELECT message FROM sync_logs WHERE action = 'create'");
    assert!(message.contains("stored other values for: stxt"), "{message}");
}

/// Invariant 1: an edit between our write and our re-read is not taken for our own content.
fn edited_before_the_reread(method: &'static str) {
    let bench = bench();
    bench.insert(Side::Cloud, "Probe", &probe("Acme", "first"));
    if method == "PUT" {
        bench.sync().expect(0);
        bench.edit(Side::Cloud, "Probe", "Acme", &json!({"stxt": "second"}));
    }
    bench.site(Side::Local).faults.after(Match::on(method, "/api/resource/Probe"), |site, now| {
        site.edit_as(USER, "Probe", "Acme", &json!({"phone": "+91-11"}), now).unwrap();
    });
    bench.sync();
    assert_eq!(bench.site(Side::Local).faults.waiting(), 0, "nobody edited");
    bench.sync().expect(0);
    for side in Side::BOTH {
        let doc = bench.doc(side, "Probe", "Acme").unwrap();
        assert_eq!(doc["phone"], "+91-11", "{side}");
        assert_eq!(doc["stxt"], if method == "PUT" { "second" } else { "first" }, "{side}");
    }
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0);
}

#[test]
fn an_edit_between_put_and_reread_reaches_the_other_side() {
    edited_before_the_reread("PUT");
}

#[test]
fn an_edit_between_post_and_reread_reaches_the_other_side() {
    edited_before_the_reread("POST");
}

/// Invariant 1, where the answer was lost: what a user entered on the target since our write
/// is not taken for our own content when the write is found to have happened.
fn edited_after_a_lost_answer(method: &'static str, user: &str) {
    let bench = bench();
    bench.insert(Side::Cloud, "Probe", &probe("Acme", "first"));
    if method == "PUT" {
        bench.sync().expect(0);
        bench.edit(Side::Cloud, "Probe", "Acme", &json!({"stxt": "second"}));
    }
    let lost = Match::on(method, "/api/resource/Probe");
    bench.site(Side::Local).faults.once(lost, Action::CutAfter);
    bench.sync().expect(4);
    let later = json!({"phone": "+91-11", "rows": [{"item": "C", "qty": 3}]});
    bench.site(Side::Local).edit_as(user, "Probe", "Acme", &later, Timestamp::now()).unwrap();
    bench.sync().expect(0);
    for side in Side::BOTH {
        let doc = bench.doc(side, "Probe", "Acme").unwrap();
        assert_eq!(doc["phone"], "+91-11", "{side} {user}");
        assert_eq!(doc["stxt"], if method == "PUT" { "second" } else { "first" }, "{side}");
        assert_eq!(doc["rows"].as_array().unwrap().len(), 1, "{side}");
    }
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0);
}

#[test]
fn an_edit_after_a_put_without_an_answer_reaches_the_other_side() {
    edited_after_a_lost_answer("PUT", USER);
}

#[test]
fn an_edit_after_a_post_without_an_answer_reaches_the_other_side() {
    edited_after_a_lost_answer("POST", USER);
}

/// Also where a person works under the login of erpsync.
#[test]
fn an_edit_under_our_login_after_a_lost_answer_reaches_the_other_side() {
    for method in ["PUT", "POST"] {
        edited_after_a_lost_answer(method, SYNC_USER);
    }
}

/// Invariant 3: an edit between our read and our write is not overwritten.
/// The update arrives, its answer does not, and a user puts back what was there before: that is an
/// edit, although it looks as if the update had never arrived.
#[test]
fn what_is_put_back_after_a_lost_answer_is_not_written_over_in_silence() {
    for (policy, code, local) in [("manual", 3, "base"), ("cloud_wins", 0, "edited")] {
        let bench = bench();
        bench.configure(
            &PROBES.replace("[sync]\n", &format!("[sync]\nconflict_resolution = \"{policy}\"\n")),
        );
        bench.insert(Side::Cloud, "Probe", &probe("P", "base"));
        bench.sync().expect(0);
        bench.edit(Side::Cloud, "Probe", "P", &json!({"stxt": "edited"}));
        let update = Match::on("PUT", "/resource/Probe/P");
        bench.site(Side::Local).faults.once(update, Action::CutAfter);
        bench.sync().expect(4);
        assert_eq!(text(&bench, Side::Local, "P"), "edited");
        bench.edit(Side::Local, "Probe", "P", &json!({"stxt": "base"}));
        bench.run(&["sync-all", "--retry-failed"]).expect(code);
        assert_eq!(text(&bench, Side::Local, "P"), local, "{policy}");
        assert_eq!(text(&bench, Side::Cloud, "P"), "edited", "{policy}");
        let kept = "SELECT count(*) FROM conflict_records WHERE kind = 'edit_edit'
            AND json_extract(local_data, '$.stxt') = 'base'";
        assert_eq!(bench.query(kept), "1", "{policy}");
        // Once it is settled, an edit is an edit again.
        bench.run(&["resolve", "--all", "--take", "cloud"]);
        bench.edit(Side::Cloud, "Probe", "P", &json!({"stxt": "again"}));
        bench.sync().expect(0);
        assert_eq!(text(&bench, Side::Local, "P"), "again", "{policy}");
    }
}

#[test]
fn an_edit_between_read_and_write_is_kept() {
    let bench = bench();
    bench.insert(Side::Cloud, "Probe", &probe("Acme", "first"));
    bench.sync().expect(0);
    bench.edit(Side::Cloud, "Probe", "Acme", &json!({"stxt": "by cloud"}));
    bench.site(Side::Local).faults.before(Match::on("PUT", "/api/resource/Probe"), |site, now| {
        let later = now + jiff::SignedDuration::from_secs(5);
        site.edit_as(USER, "Probe", "Acme", &json!({"stxt": "by local"}), later).unwrap();
    });
    bench.sync().expect(0);
    // Both edited one field: local was last, and the cloud's version is kept in the record.
    for side in Side::BOTH {
        assert_eq!(text(&bench, side, "Acme"), "by local");
    }
    let kept = bench.query("SELECT cloud_data FROM conflict_records WHERE kind = 'edit_edit'");
    assert!(kept.contains("by cloud"), "{kept}");
}

/// Only `modified` moved, as by a save without a change: the update is sent again with the
/// new lock.
#[test]
fn a_lock_that_only_moved_is_taken_anew() {
    let bench = bench();
    bench.insert(Side::Cloud, "Probe", &probe("Acme", "first"));
    bench.sync().expect(0);
    bench.edit(Side::Cloud, "Probe", "Acme", &json!({"stxt": "second"}));
    bench.site(Side::Local).faults.before(Match::on("PUT", "/api/resource/Probe"), |site, now| {
        site.edit_as(USER, "Probe", "Acme", &json!({"stxt": "first"}), now).unwrap();
    });
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.site(Side::Local).log.count("PUT", "/api/resource/Probe"), 2);
    assert_eq!(text(&bench, Side::Local, "Acme"), "second");
}

#[test]
fn child_rows_keep_their_names_and_what_the_target_keeps_for_itself() {
    let bench = bench();
    bench.configure(&format!("{PROBES}[doctypes.Probe]\nexclude_fields = [\"rows.note\"]\n"));
    bench.insert(Side::Cloud, "Probe", &probe("Acme", "x"));
    bench.sync().expect(0);
    let rows = |side: Side| bench.doc(side, "Probe", "Acme").unwrap()["rows"].clone();
    let before = rows(Side::Local);
    let named = |rows: &Value, i: usize| {
        json!({"name": rows[i]["name"], "item": rows[i]["item"],
        "qty": rows[i]["qty"], "note": format!("private {i}")})
    };
    let noted = json!({"rows": [named(&before, 0), named(&before, 1)]});
    bench.edit(Side::Local, "Probe", "Acme", &noted);
    let cloud = rows(Side::Cloud);
    let edited = json!({"rows": [
        {"item": "new first", "qty": 9},
        {"name": cloud[1]["name"], "item": "B", "qty": 22},
        {"name": cloud[0]["name"], "item": "A", "qty": 1.5},
    ]});
    bench.edit(Side::Cloud, "Probe", "Acme", &edited);
    bench.sync().expect(0);
    let after = rows(Side::Local);
    let item = |i: usize| (after[i]["item"].as_str(), after[i]["qty"].as_f64());
    assert_eq!(item(0), (Some("new first"), Some(9.0)));
    assert_eq!(item(1), (Some("B"), Some(22.0)));
    assert_eq!(item(2), (Some("A"), Some(1.5)));
    assert_eq!(after[1]["name"], before[1]["name"]);
    assert_eq!(after[2]["name"], before[0]["name"]);
    assert_eq!(after[1]["note"], "private 1");
    assert_eq!(after[2]["note"], "private 0");
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0);
}

/// Links to documents that come later in the run, trees and cycles: everything arrives, and
/// nothing is written without its links in the end.
#[test]
fn what_links_to_each_other_arrives_whole() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Customer Group\", \"Item\", \"Brand\"]\n");
    let group = |name: &str, parent: &str| json!({"customer_group_name": name, "parent_customer_group": parent, "is_group": 1});
    // Children come before their parents by name.
    bench.insert(Side::Cloud, "Customer Group", &group("Zeta", "All Customer Groups"));
    bench.insert(Side::Cloud, "Customer Group", &group("Mid", "Zeta"));
    bench.insert(Side::Cloud, "Customer Group", &group("Alpha", "Mid"));
    bench.insert(Side::Local, "Brand", &json!({"brand": "Bolt & Co"}));
    let item = json!({"item_code": "BOLT", "item_group": "Products", "stock_uom": "Nos",
        "brand": "Bolt & Co"});
    bench.insert(Side::Local, "Item", &item);
    bench.sync().expect(0);
    let local = |name: &str| bench.doc(Side::Local, "Customer Group", name).unwrap();
    assert_eq!(local("Alpha")["parent_customer_group"], "Mid");
    assert_eq!(local("Mid")["parent_customer_group"], "Zeta");
    assert_eq!(bench.doc(Side::Cloud, "Item", "BOLT").unwrap()["brand"], "Bolt & Co");
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0);
}

/// A document that the user of the target must not see is not made twice.
#[test]
fn a_copy_under_another_name_is_taken_back() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Customer\"]\n");
    for (side, group) in [(Side::Cloud, "Commercial"), (Side::Local, "Individual")] {
        let acme = json!({"customer_name": "ACME", "customer_group": group});
        bench.insert(side, "Customer", &acme);
    }
    let seen = json!({"customer_name": "Seen", "customer_group": "Commercial"});
    bench.insert(Side::Local, "Customer", &seen);
    let (user, now) = (crate::bench::SYNC_USER, jiff::Timestamp::now());
    bench.site(Side::Local).restrict_user(user, "Customer Group", "Commercial", now).unwrap();
    let ran = bench.sync().expect(4);
    assert!(ran.err.contains("taken back"), "{}", ran.err);
    let names = bench.site(Side::Local).names("Customer");
    assert_eq!(names, ["ACME", "Seen"]);
}

/// Invariant 6: hashes that were made under another form are not compared; the stored content
/// is put through today's form.
#[test]
fn a_hash_of_another_form_is_no_edit() {
    let bench = bench();
    bench.insert(Side::Cloud, "Probe", &probe("Acme", "first"));
    bench.sync().expect(0);
    let state = rusqlite::Connection::open(bench.path("sync_state.db")).unwrap();
    let older = "UPDATE sync_records SET form_digest = 'older', sync_hash_cloud = 'a',
        sync_hash_local = 'b'";
    state.execute(older, []).unwrap();
    drop(state);
    bench.clear_logs();
    let ran = bench.run(&["sync-all", "--full", "--json"]).expect(0);
    assert_eq!(bench.writes(), 0, "{ran:?}");
    assert_eq!(ran.json()["actions"], json!([]));
    assert_ne!(bench.query("SELECT form_digest FROM sync_records"), "older");
}

/// What must not come with a create follows in an update: it is not taken for carried.
#[test]
fn what_is_held_back_from_a_create_follows() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Item\"]\n");
    let item = json!({"item_code": "BOLT", "item_group": "Products", "stock_uom": "Nos",
        "opening_stock": 7, "valuation_rate": 2});
    bench.insert(Side::Cloud, "Item", &item);
    bench.sync().expect(0);
    let stock = |side| bench.doc(side, "Item", "BOLT").unwrap()["opening_stock"].as_f64();
    assert_eq!(stock(Side::Local), stock(Side::Cloud));
    assert_eq!(stock(Side::Local), Some(7.0));
}

/// An update holds what the source changed, not all in which the sides differ.
#[test]
fn what_the_target_keeps_in_its_own_way_is_left_alone() {
    let bench = bench();
    bench.insert(Side::Cloud, "Probe", &probe("Acme", "quiet"));
    bench.site(Side::Local).hooks.upper_case("Probe", "stxt");
    bench.sync().expect(0);
    bench.site(Side::Local).hooks.clear();
    bench.edit(Side::Cloud, "Probe", "Acme", &json!({"phone": "+91-5"}));
    bench.sync().expect(0);
    assert_eq!(bench.doc(Side::Local, "Probe", "Acme").unwrap()["phone"], "+91-5");
    assert_eq!(text(&bench, Side::Local, "Acme"), "QUIET");
}
