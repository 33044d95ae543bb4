//! What is done about the documents that are told of.

use erpsync::model::Side;
use serde_json::json;

use super::*;

#[test]
fn a_delivery_brings_its_document_and_no_other() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    probe(&bench, Side::Cloud, "C2", "cloud");
    probe(&bench, Side::Local, "L1", "local");
    write(&bench, &[tells(Side::Cloud, "C1", 1), tells(Side::Local, "L1", 1)]);
    let ran = ingest(&bench).expect(0);
    assert_eq!(queue(&ran), [2, 2, 0, 0, 0, 0]);
    let counts = &ran.json()["doctypes"][0];
    assert_eq!((&counts["created_on_local"], &counts["created_on_cloud"]), (&json!(1), &json!(1)));
    assert_eq!(text(&bench, Side::Local, "C1").unwrap(), "cloud");
    assert_eq!(text(&bench, Side::Cloud, "L1").unwrap(), "local");
    assert_eq!(text(&bench, Side::Local, "C2"), None);
    let row = "processed = TRUE AND processing = FALSE AND processed_at IS NOT NULL \
               AND error_message IS NULL AND received_at = '2025-11-18T10:30:00Z'";
    assert_eq!(rows(&bench, row), 2);
    bench.edit(Side::Local, "Probe", "C1", &json!({"stxt": "again"}));
    write(&bench, &[tells(Side::Local, "C1", 2)]);
    let ran = bench.run(&["ingest-webhooks", "queue.jsonl"]).expect(0);
    assert!(ran.out.starts_with("queue: 1 line, 1 accepted, 1 document, 0 pending\n"), "{ran:?}");
    assert_eq!(text(&bench, Side::Cloud, "C1").unwrap(), "again");
}

#[test]
fn ten_deliveries_of_a_document_are_one_sync() {
    let mut needed = Vec::new();
    for deliveries in [1, 10] {
        let bench = bench();
        probe(&bench, Side::Cloud, "C1", "cloud");
        bench.clear_logs();
        let lines: Vec<String> = (0..deliveries).map(|n| tells(Side::Cloud, "C1", n)).collect();
        write(&bench, &lines);
        let ran = ingest(&bench).expect(0);
        assert_eq!(ran.json()["queue"]["documents"], 1);
        assert_eq!(bench.writes(), 1);
        needed.push(requests(&bench));
    }
    assert_eq!(needed[0], needed[1]);
}

/// A delivery is a hint: what it says of the document is never written.
#[test]
fn old_forged_and_reordered_deliveries_write_nothing_stale() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "first");
    bench.sync().expect(0);
    bench.edit(Side::Cloud, "Probe", "C1", &json!({"stxt": "second"}));
    bench.edit(Side::Cloud, "Probe", "C1", &json!({"stxt": "third"}));
    let says = |stxt: &str, modified: &str| {
        let doc = json!({"doctype": "Probe", "name": "C1", "stxt": stxt, "modified": modified});
        json!({"doctype": "Probe", "name": "C1", "action": "save", "doc": doc})
    };
    let forged = signed(Side::Local, &says("forged", "2099-01-01 00:00:00"));
    write(
        &bench,
        &[
            signed(Side::Cloud, &says("third", "2026-03-01 00:00:03")),
            signed(Side::Cloud, &says("second", "2026-03-01 00:00:02")),
            forged.replace("\"local\"", "\"cloud\""),
            signed(Side::Cloud, &says("first", "2026-03-01 00:00:01")),
            // From a side on which nothing happened.
            signed(Side::Local, &says("first", "2026-03-01 00:00:01")),
        ],
    );
    let ran = ingest(&bench).expect(4);
    assert_eq!(queue(&ran), [5, 4, 1, 0, 0, 0]);
    for side in Side::BOTH {
        assert_eq!(text(&bench, side, "C1").unwrap(), "third");
    }
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0);
}

#[test]
fn a_delete_is_believed_only_of_a_document_that_is_gone() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    bench.sync().expect(0);
    let deletes = |n: u32, writes: usize| {
        let body = json!({"doctype": "Probe", "name": "C1", "action": "delete", "n": n});
        write(&bench, &[signed(Side::Cloud, &body)]);
        bench.clear_logs();
        assert_eq!(queue(&ingest(&bench).expect(0)), [1, 1, 0, 0, 0, 0]);
        assert_eq!(bench.writes(), writes);
        assert_eq!(text(&bench, Side::Local, "C1").is_some(), writes == 0);
    };
    // The document is still there, then it is not.
    deletes(1, 0);
    bench
        .site(Side::Cloud)
        .delete_as("Administrator", "Probe", "C1", jiff::Timestamp::now())
        .unwrap();
    deletes(2, 1);
}

#[test]
fn a_document_that_is_nowhere_is_no_failure() {
    let bench = bench();
    write(&bench, &[tells(Side::Cloud, "Never", 1)]);
    let ran = ingest(&bench).expect(0);
    assert_eq!(queue(&ran), [1, 1, 0, 0, 0, 0]);
    let why = bench.query("SELECT error_message FROM webhook_queue");
    assert_eq!(why, "cloud does not have it, or the filters leave it out");
}

#[test]
fn a_doctype_that_is_not_configured_is_ignored_until_it_is() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "cloud");
    bench.configure(&format!("[sync]\ndoctypes = [\"Customer\"]\n{SECRETS}"));
    bench.clear_logs();
    write(&bench, &[tells(Side::Cloud, "C1", 1)]);
    assert_eq!(queue(&ingest(&bench).expect(0)), [1, 0, 0, 1, 0, 0]);
    assert_eq!(queue(&ingest(&bench).expect(0)), [1, 0, 0, 0, 1, 0]);
    assert_eq!(requests(&bench), 0);
    let why = bench.query("SELECT error_message FROM webhook_queue WHERE processed = TRUE");
    assert_eq!(why, "ignored: Probe is not configured");
    bench.configure(&format!("{SYNC}{SECRETS}"));
    assert_eq!(queue(&ingest(&bench).expect(0)), [1, 1, 0, 0, 0, 0]);
    assert!(text(&bench, Side::Local, "C1").is_some());
}

#[test]
fn a_filter_leaves_new_documents_out() {
    let bench = bench();
    probe(&bench, Side::Cloud, "C1", "in");
    probe(&bench, Side::Cloud, "C2", "out");
    let filter = "[doctypes.Probe]\nfilters = [[\"stxt\", \"=\", \"in\"]]\n";
    bench.configure(&format!("{SYNC}{filter}{SECRETS}"));
    write(&bench, &[tells(Side::Cloud, "C1", 1), tells(Side::Cloud, "C2", 1)]);
    ingest(&bench).expect(0);
    assert!(text(&bench, Side::Local, "C1").is_some());
    assert_eq!(text(&bench, Side::Local, "C2"), None);
    // One that is known stays in step, whatever the filter says of it now.
    bench.edit(Side::Cloud, "Probe", "C1", &json!({"stxt": "out"}));
    write(&bench, &[tells(Side::Cloud, "C1", 2)]);
    ingest(&bench).expect(0);
    assert_eq!(text(&bench, Side::Local, "C1").unwrap(), "out");
}

#[test]
fn a_conflict_is_recorded_and_the_delivery_done_with() {
    let bench = bench();
    let manual = "[doctypes.Probe]\nconflict_resolution = \"manual\"\n";
    bench.configure(&format!("{SYNC}{manual}{SECRETS}"));
    probe(&bench, Side::Cloud, "C1", "cloud");
    bench.sync().expect(0);
    for side in Side::BOTH {
        bench.edit(side, "Probe", "C1", &json!({"stxt": format!("by {side}")}));
    }
    write(&bench, &[tells(Side::Cloud, "C1", 1), tells(Side::Local, "C1", 1)]);
    assert_eq!(queue(&ingest(&bench).expect(3)), [2, 2, 0, 0, 0, 0]);
    write(&bench, &["bad".to_owned(), tells(Side::Cloud, "C1", 2)]);
    ingest(&bench).expect(4);
}

/// A name that a site tells of is its own: on the other side it can be another document's.
#[test]
fn one_name_that_is_two_documents() {
    let bench = bench();
    // What the target of a one-way rule renames stays there.
    bench.configure(&format!("{SYNC}[doctypes.Probe]\ndirection = \"local_to_cloud\"\n{SECRETS}"));
    probe(&bench, Side::Local, "A", "first");
    bench.sync().expect(0);
    let now = jiff::Timestamp::now();
    bench.site(Side::Cloud).rename_as("Administrator", "Probe", "A", "Z", now).unwrap();
    bench.sync().expect(0);
    probe(&bench, Side::Cloud, "A", "second");
    write(&bench, &[tells(Side::Cloud, "A", 1)]);
    // It is found, and is not carried over; the first one is left alone.
    assert_eq!(queue(&ingest(&bench).expect(0)), [1, 1, 0, 0, 0, 0]);
    assert_eq!(text(&bench, Side::Local, "A").unwrap(), "first");
    bench.edit(Side::Local, "Probe", "A", &json!({"stxt": "first again"}));
    write(&bench, &[tells(Side::Local, "A", 2)]);
    assert_eq!(queue(&ingest(&bench).expect(0)), [1, 1, 0, 0, 0, 0]);
    assert_eq!(text(&bench, Side::Cloud, "Z").unwrap(), "first again");
    assert_eq!(text(&bench, Side::Cloud, "A").unwrap(), "second");
}
