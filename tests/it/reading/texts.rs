//! The texts of the reading commands, word for word.

use erpsync::model::{Action, ConflictKind, Direction, Sides};
use erpsync::recon::{Recorded, RowNames, differences};
use erpsync::report::{
    DoctypeStatus, Page, Status, StoppedDoctype, render_conflict, render_conflicts, render_log,
    render_names, render_status,
};
use erpsync::state::{
    Conflict, FailedDocument, LogEntry, LogRow, LogStatus, NamedDocument, RecordStatus, Resolution,
    Run, UNANSWERED, WaitingDocument, Waits,
};
use insta::assert_snapshot;
use jiff::Timestamp;
use serde_json::{Value, json};

const TERMS: &str = "Payment is due within thirty days of the date of the invoice. Goods remain \
    the property of the seller until they are paid in full. The buyer inspects the goods at \
    delivery and reports defects in writing within eight days.\nPlace of jurisdiction is Dhaka.";

fn at(text: &str) -> Timestamp {
    format!("2025-11-18T{text}Z").parse().unwrap()
}

fn conflict(id: i64, kind: ConflictKind, fields: &[&str], cloud: Value, local: Value) -> Conflict {
    Conflict {
        id,
        record: id,
        doctype: "Customer".to_owned(),
        docname: "CUST-00123".to_owned(),
        names: Sides::new(Some("CUST-00123".to_owned()), Some("CUST-00077".to_owned())),
        kind,
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        data: Sides::new(cloud, local),
        modified: Sides::new(
            "2025-11-18 10:30:00.000000".to_owned(),
            "2025-11-18 10:31:00.123456".to_owned(),
        ),
        created_at: at("10:35:00"),
        resolution: None,
        given_up: None,
        resolved_at: None,
    }
}

fn base() -> Value {
    json!({
        "name": "CUST-00123", "phone": "+91-1", "website": null, "terms": TERMS, "note": "x",
        "rows": [
            {"name": "c1", "item": "BOLT", "qty": 1.5},
            {"name": "c2", "item": "NUT", "qty": 2},
            {"name": "c3", "item": "WASHER", "qty": 3},
        ],
    })
}

/// Everything at once: short and long values, rows, blanks, signs that a terminal would obey.
fn edited() -> Conflict {
    let cloud = json!({
        "name": "CUST-00123", "modified_by": "ann@example.com", "phone": "+91-2",
        "website": "https://example.com/\u{1b}[2Jclear", "note": "x ", "ro": 1,
        "terms": TERMS.replace("thirty", "sixty").replace("eight days", "two weeks"),
        "rows": [
            {"name": "c1", "item": "BOLT", "qty": 2},
            {"name": "c3", "item": "WASHER", "qty": 3},
            {"name": "c9", "item": "螺丝", "qty": 4, "note": "new"},
        ],
    });
    let local = json!({
        "name": "CUST-00077", "modified_by": "bob\u{202e}@example.com", "phone": "+91-3",
        "website": "", "note": "x", "ro": 2, "terms": TERMS,
        "rows": [
            {"name": "l2", "item": "NUT", "qty": 9},
            {"name": "l1", "item": "BOLT", "qty": 5},
            {"name": "l3", "item": "WASHER", "qty": 3},
        ],
    });
    let fields = ["note", "phone", "rows", "terms", "website"];
    conflict(7, ConflictKind::EditEdit, &fields, cloud, local)
}

fn local_base() -> Value {
    let mut local = base();
    for (row, name) in local["rows"].as_array_mut().unwrap().iter_mut().zip(["l1", "l2", "l3"]) {
        row["name"] = json!(name);
    }
    local
}

fn shown(conflict: &Conflict, base: Option<&Sides<Value>>, page: Page) -> String {
    let row_names = |_: &str| -> RowNames {
        let known = [("c1", "l1"), ("c2", "l2"), ("c3", "l3")];
        known.map(|(cloud, local)| (cloud.to_owned(), local.to_owned())).into_iter().collect()
    };
    let differences = differences(&Recorded {
        fields: &conflict.fields,
        counted: None,
        base: base.map(|base| base.as_ref().map(|_, base| base.as_object().unwrap())),
        now: conflict.data.as_ref().map(|_, data| data.as_object()),
        row_names: &row_names,
    });
    let modified = base.map(|_| Sides::new("2025-11-01 08:00:00", "2025-11-01 08:00:05"));
    render_conflict(conflict, modified, &differences, page)
}

fn page(width: usize) -> Page {
    Page { width: Some(width), color: false }
}

fn bases() -> Sides<Value> {
    Sides::new(base(), local_base())
}

#[test]
fn a_conflict_at_80_columns() {
    let text = shown(&edited(), Some(&bases()), page(80));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_snapshot!(text);
}

#[test]
fn a_conflict_at_120_columns() {
    let text = shown(&edited(), Some(&bases()), page(120));
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    assert_snapshot!(text);
}

#[test]
fn a_conflict_in_a_pipe() {
    let text = shown(&edited(), Some(&bases()), Page::default());
    assert!(!text.contains('\u{1b}'));
    assert_snapshot!(text);
}

#[test]
fn a_conflict_in_colour() {
    let colored = shown(&edited(), Some(&bases()), Page { width: Some(80), color: true });
    let mut bare = colored.clone();
    for code in ["0", "1", "2", "31", "32"] {
        bare = bare.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(bare, shown(&edited(), Some(&bases()), page(80)));
    assert!(colored.contains("\u{1b}[31m[-thirty-]\u{1b}[0m\u{1b}[32m{+sixty+}\u{1b}[0m"));
}

#[test]
fn two_versions_that_never_met() {
    let mut conflict = edited();
    conflict.kind = ConflictKind::FirstMeeting;
    conflict.fields.clear();
    assert_snapshot!(shown(&conflict, None, page(80)));
}

#[test]
fn an_edit_against_a_deletion() {
    let mut conflict = edited();
    conflict.kind = ConflictKind::EditDelete;
    conflict.data.local = Value::Null;
    assert_snapshot!(shown(&conflict, Some(&bases()), page(80)));
}

#[test]
fn a_settled_conflict() {
    let mut conflict = edited();
    conflict.fields.truncate(2);
    conflict.resolution = Some(Resolution::CloudWins);
    conflict.resolved_at = Some(at("11:00:00"));
    assert_snapshot!(shown(&conflict, None, page(80)));
}

#[test]
fn a_text_of_a_megabyte_is_compared_in_time() {
    let words = |seed: u64| -> String {
        let word = |i: u64| format!("w{}", i.wrapping_mul(seed) % 9973);
        (0..150_000).map(word).collect::<Vec<_>>().join(" ")
    };
    let (cloud, local) = (json!({"terms": words(7919)}), json!({"terms": words(104_729)}));
    let conflict = conflict(1, ConflictKind::EditEdit, &["terms"], cloud, local);
    let began = std::time::Instant::now();
    let text = shown(&conflict, None, page(80));
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(text.contains("w7919"));
}

#[test]
fn lists_of_conflicts() {
    let open = edited();
    let mut deleted = conflict(
        8,
        ConflictKind::EditDelete,
        &["phone"],
        json!({"phone": "+91-2", "modified_by": "ann@example.com"}),
        Value::Null,
    );
    deleted.docname = "evil\u{1b}]0;title\u{7}\nname".to_owned();
    let mut settled = edited();
    settled.id = 9;
    settled.resolution = Some(Resolution::LocalWins);
    settled.resolved_at = Some(at("11:00:00"));
    assert_snapshot!(render_conflicts(&[open, deleted, settled]));
    assert_eq!(render_conflicts(&[]), "Unresolved Conflicts: 0\n");
}

fn log_rows() -> Vec<LogRow> {
    let row =
        |id: i64, action: Action, direction: Direction, status: LogStatus, why: &str| LogRow {
            id,
            timestamp: at("10:29:30"),
            doctype: "Customer".to_owned(),
            docname: format!("CUST-0000{id}"),
            record: Some(id),
            entry: LogEntry {
                run: Some(12),
                action,
                direction,
                status,
                message: Some(why.to_owned()),
                changes: None,
            },
        };
    vec![
        row(3, Action::Update, Direction::CloudToLocal, LogStatus::Success, "cloud changed"),
        row(2, Action::Conflict, Direction::None, LogStatus::Conflict, "both changed"),
        row(1, Action::Create, Direction::LocalToCloud, LogStatus::Failed, "Value\u{9b}2J missing"),
    ]
}

#[test]
fn the_audit_trail() {
    assert_snapshot!(render_log(&log_rows()));
}

#[test]
fn the_state_of_things() {
    let doctype = |doctype: &str, counts: [usize; 7], open_conflicts: usize| DoctypeStatus {
        doctype: doctype.to_owned(),
        counts,
        open_conflicts,
    };
    let failed = |name: &str, status: RecordStatus, next: Option<Timestamp>| FailedDocument {
        record: 1,
        doctype: "Customer".to_owned(),
        docname: name.to_owned(),
        status,
        message: Some("Could not find Territory: Mars".to_owned()),
        retry_count: 2,
        next_retry: next,
    };
    let waiting = |name: &str, waits: Waits, reason: &str| WaitingDocument {
        record: 1,
        doctype: "N Series".to_owned(),
        docname: name.to_owned(),
        waits,
        reason: reason.to_owned(),
    };
    let status = Status {
        doctypes: vec![
            doctype("Customer", [1, 1190, 2, 1, 1, 3, 12], 2),
            doctype("客户 组", [0, 9, 0, 0, 0, 0, 0], 0),
            doctype("Sales Invoice", [0, 100_204, 0, 0, 0, 0, 0], 0),
        ],
        last_run: Some(Run {
            id: 12,
            command: "sync-all".to_owned(),
            started_at: at("10:25:00"),
            finished_at: Some(at("10:25:42")),
            exit_code: Some(3),
            requests: Sides::new(14, 12),
            summary: None,
        }),
        stopped: vec![StoppedDoctype {
            doctype: "Brand".to_owned(),
            run: 11,
            is_guarded: true,
            message: "local shows older versions than before: B1, B2".to_owned(),
        }],
        failed: vec![
            failed("CUST-00004", RecordStatus::Error, Some(at("10:55:00"))),
            failed("CUST-00005", RecordStatus::Failed, Some(at("10:00:00"))),
        ],
        waiting: vec![
            waiting("NS-2026-0001", Waits::Outcome, UNANSWERED),
            waiting("\u{1b}[2J", Waits::Conflict(7), "waits for Customer ACME, conflict 7: ..."),
        ],
        pending_webhooks: 4,
        recent: log_rows(),
    };
    assert_snapshot!(render_status(&status, at("10:30:00")));
    let nothing = Status {
        doctypes: Vec::new(),
        last_run: None,
        stopped: Vec::new(),
        failed: Vec::new(),
        waiting: Vec::new(),
        pending_webhooks: 0,
        recent: Vec::new(),
    };
    assert_snapshot!("nothing_yet", render_status(&nothing, at("10:30:00")));
}

#[test]
fn what_documents_are_called() {
    let named = |name: &str, local: Option<&str>, status: RecordStatus| NamedDocument {
        record: 1,
        docname: name.to_owned(),
        names: Sides::new(Some(name.to_owned()), local.map(str::to_owned)),
        creations: Sides::new(
            Some("2025-11-01 08:00:00.000000".to_owned()),
            local.map(|_| "2025-11-01 09:00:00.000000".to_owned()),
        ),
        status,
    };
    assert_snapshot!(render_names(&[
        named("NS-2026-0001", Some("NS-2026-0007"), RecordStatus::Synced),
        named("客户\u{1b}[31m", None, RecordStatus::Pending),
    ]));
    assert_eq!(render_names(&[]), "");
}
