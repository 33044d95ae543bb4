//! Intents, closings, failures, conflicts, the audit trail and the runs.

use std::collections::BTreeSet;

use super::*;

fn count(state: &State, sql: &str) -> i64 {
    state
        .connection
        .query_row(&format!("SELECT count(*) FROM {sql}"), [], |row| row.get(0))
        .unwrap()
}

/// Every row of every table, to see that nothing changed.
fn dump(state: &State) -> Vec<String> {
    let tables = ["sync_records", "sync_logs", "conflict_records", "journal", "row_names"];
    let mut rows = Vec::new();
    for table in tables {
        let mut statement = state.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        rows.extend(
            collect(&mut statement, [], |row| {
                let values: Vec<_> = (0..columns).map(|at| row.get_ref(at).unwrap()).collect();
                Ok(format!("{values:?}"))
            })
            .unwrap(),
        );
    }
    rows
}

#[test]
fn a_closing_stores_both_sides_and_everything_that_goes_with_it() {
    let (mut state, records) = met();
    let run = state.start_run("sync-all", at(1)).unwrap();
    let ids = state.begin_intents(&[intent(records[0].id)], at(1)).unwrap();
    assert!(state.load_records(&[records[0].id]).unwrap()[0].is_syncing);
    state.advance(&[(ids[0], &doc(json!({"name": "A", "rate": 2.50})))], &[], at(3)).unwrap();
    let mut done = closing(&records[0]);
    done.intent = Some(ids[0]);
    done.log = Some(LogEntry { run: Some(run), ..entry(Action::Update, LogStatus::Success) });
    done.sides.local.seen = None;
    state.close(&[done.clone()], at(2)).unwrap();

    let record = &state.load_records(&[records[0].id]).unwrap()[0];
    assert_eq!((record.status, record.is_syncing), (RecordStatus::Synced, false));
    assert_eq!(record.last_synced, Some(at(2)));
    assert_eq!(record.form_digest.as_deref(), Some("form"));
    assert_eq!(seen(record), (Some("m1"), None));
    let bases = record.bases.as_ref().unwrap();
    assert_eq!(bases.cloud.content, done.sides.cloud.content);
    assert_eq!(bases.local.modified, "m1");
    assert_eq!(record.hashes.local.as_deref(), Some("hash-local"));
    assert_eq!(Some(state.row_names(record.id).unwrap()), done.rows);
    assert_eq!(state.open_intents(None).unwrap(), []);
    let log = state.log(&LogFilter { run: Some(run), ..LogFilter::default() }).unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].record, log[0].timestamp), (Some(record.id), at(2)));
    assert!(matches!(state.close(&[done], at(3)), Err(StateError::NoIntent(_))));
}

#[test]
fn a_closing_that_fails_in_the_middle_leaves_nothing() {
    let (mut state, records) = met();
    let id = state.begin_intents(&[intent(records[0].id)], at(1)).unwrap()[0];
    let before = dump(&state);
    let mut first = closing(&records[0]);
    first.intent = Some(id);
    // One document in two records.
    let mut second = closing(&records[1]);
    second.sides.local.name = "A".to_owned();
    second.sides.local.creation = "c1".to_owned();
    let error = state.close(&[first.clone(), second], at(2)).unwrap_err();
    assert!(matches!(error, StateError::Rule(_)), "{error}");
    assert_eq!(dump(&state), before);
    let mut no_such_intent = closing(&records[1]);
    no_such_intent.intent = Some(id);
    assert!(state.close(&[first, no_such_intent], at(2)).is_err());
    assert_eq!(dump(&state), before);
}

/// The site deleted A by itself and gave its name to what was created there.
#[test]
fn a_closing_takes_the_name_from_a_document_that_cannot_be_there_any_more() {
    let (mut state, records) = synced();
    let mut created = closing(&records[1]);
    created.sides.local.name = "A".to_owned();
    state.close(&[created], at(2)).unwrap();
    let [old, new] = all(&state).try_into().unwrap();
    assert_eq!((names(&old), old.status), ((Some("A"), None), RecordStatus::Pending));
    assert_eq!((names(&new), new.status), ((Some("B"), Some("A")), RecordStatus::Synced));
}

#[test]
fn a_base_is_on_both_sides_or_on_neither() {
    let (state, _) = met();
    let error = state.connection.execute(
        "UPDATE sync_records SET cloud_base = '{}', cloud_modified = 'm1' WHERE docname = 'A'",
        [],
    );
    assert!(error.is_err());
}

#[test]
fn an_intent_has_what_settling_needs_and_there_is_one_a_document() {
    let (mut state, records) = synced();
    let new = intent(records[0].id);
    let id = state.begin_intents(std::slice::from_ref(&new), at(3)).unwrap()[0];
    let open = state.open_intents(Some("Item")).unwrap();
    let [found] = open.as_slice() else { panic!("{open:?}") };
    assert_eq!((found.id, found.record, &*found.doctype), (id, new.record, "Item"));
    assert_eq!((found.side, found.action), (new.side, new.action));
    assert_eq!(
        (&found.target_name, &found.target_modified),
        (&new.target_name, &new.target_modified)
    );
    assert_eq!((&found.source, &found.sent, &found.target), (&new.source, &new.sent, &new.target));
    assert_eq!((&found.omitted, found.site_time), (&new.omitted, new.site_time));
    assert_eq!((&found.answer, found.created_at), (&None, at(3)));
    assert_eq!(state.open_intents(Some("Customer")).unwrap(), []);

    let before = dump(&state);
    let two = [intent(records[1].id), intent(records[0].id)];
    assert!(matches!(state.begin_intents(&two, at(4)), Err(StateError::Rule(_))));
    assert_eq!(dump(&state), before);

    let answer = doc(json!({"name": "A", "modified": "m2"}));
    state.advance(&[(id, &answer)], &[], at(3)).unwrap();
    assert_eq!(state.open_intents(None).unwrap()[0].answer, Some(answer.clone()));
    state.void_intent(id, "it did not happen", at(5)).unwrap();
    assert!(state.advance(&[(id, &answer)], &[], at(3)).is_err());
    assert!(state.void_intent(id, "again", at(5)).is_err());
    // Decided anew: the document is taken up although nothing else asks for it.
    let record = &state.load_records(&[records[0].id]).unwrap()[0];
    assert_eq!((record.status, record.is_syncing), (RecordStatus::Pending, false));
    assert_eq!(record.bases, records[0].bases);
    state.begin_intents(&[intent(records[0].id)], at(6)).unwrap();
}

#[test]
fn both_versions_are_stored_with_the_intent_and_settled_with_its_closing() {
    let (mut state, records) = synced();
    let mut overwrite = intent(records[0].id);
    overwrite.conflict = Some(conflict(records[0].id, 5));
    overwrite.resolution = Some(Resolution::CloudWins);
    let ids = state.begin_intents(&[overwrite], at(3)).unwrap();
    assert_eq!(state.count_open_conflicts(&["Item".to_owned()]).unwrap(), 1);
    assert_eq!(candidates(&state, false), [records[0].id]);
    let resolution = state.open_intents(None).unwrap()[0].resolution;
    let done = Closing { intent: Some(ids[0]), resolution, ..closing(&records[0]) };
    state.close(&[done], at(4)).unwrap();
    let settled = &state.conflicts(&ConflictFilter::default()).unwrap()[0];
    assert_eq!(settled.resolution, Some(Resolution::CloudWins));
    assert_eq!(settled.resolved_at, Some(at(4)));
    assert_eq!(settled.data, conflict(records[0].id, 5).data);
    assert_eq!(state.count_open_conflicts(&["Item".to_owned()]).unwrap(), 0);
}

#[test]
fn one_conflict_a_document_is_open_and_a_new_look_refreshes_it() {
    let (mut state, records) = synced();
    let (a, b) = (records[0].id, records[1].id);
    let first = state.save_conflicts(&[conflict(a, 1), conflict(b, 1)], at(2)).unwrap();
    assert!(first.iter().all(|(_, is_new)| *is_new));
    assert_eq!(state.save_conflicts(&[conflict(a, 1)], at(3)).unwrap(), [(first[0].0, false)]);
    assert_eq!(count(&state, "sync_logs WHERE action = 'conflict'"), 2);
    assert_eq!(state.save_conflicts(&[conflict(a, 2)], at(3)).unwrap(), [(first[0].0, false)]);
    assert_eq!(count(&state, "sync_logs WHERE action = 'conflict'"), 3);
    let open = state.conflict(first[0].0).unwrap().unwrap();
    assert_eq!((&open.data.cloud["rate"], open.created_at), (&json!(2), at(2)));
    assert_eq!(open.modified_by(Side::Cloud), Some("ann@example.com"));
    assert_eq!(open.modified_by(Side::Local), None);
    assert_eq!((open.names.cloud.as_deref(), &*open.fields[0]), (Some("A"), "rate"));
    let twice = state.connection.execute(
        "INSERT INTO conflict_records (doctype, docname, record, kind, cloud_data, local_data,
            cloud_modified, local_modified) VALUES ('Item', 'A', ?, 'edit_edit', '', '', '', '')",
        [a],
    );
    assert!(twice.is_err());
    assert_eq!(all(&state)[0].status, RecordStatus::Conflict);
    assert_eq!(candidates(&state, false), [0_i64; 0]);

    // In step again without a decision: it closes by itself; a later one is another.
    state.close(&[closing(&records[0])], at(4)).unwrap();
    assert_eq!(
        state.conflict(first[0].0).unwrap().unwrap().resolution,
        Some(Resolution::Superseded)
    );
    assert!(state.save_conflicts(&[conflict(a, 3)], at(5)).unwrap()[0].1);
    assert!(state.supersede_conflict(b, at(6)).unwrap());
    assert!(!state.supersede_conflict(b, at(6)).unwrap());
    let filter = ConflictFilter { doctype: Some("Item"), open_only: true };
    assert_eq!(state.conflicts(&filter).unwrap().len(), 1);
    assert_eq!(state.conflicts(&ConflictFilter::default()).unwrap().len(), 3);
    assert_eq!(state.conflict(99).unwrap(), None);
}

/// What it shows of a document that is gone is kept nowhere else.
#[test]
fn a_conflict_about_another_document_does_not_take_the_place_of_the_first() {
    let (mut state, records) = synced();
    let shows = |creation: &str, rate: i64| {
        let mut shown = conflict(records[0].id, rate);
        shown.data.cloud["creation"] = creation.into();
        shown
    };
    let first = state.save_conflicts(&[shows("c1", 1)], at(2)).unwrap()[0].0;
    assert_eq!(state.save_conflicts(&[shows("c1", 2)], at(3)).unwrap(), [(first, false)]);
    let (second, is_new) = state.save_conflicts(&[shows("c9", 3)], at(4)).unwrap()[0];
    assert!(is_new);
    let kept = state.conflict(first).unwrap().unwrap();
    assert_eq!(kept.resolution, Some(Resolution::Superseded));
    assert_eq!(kept.data.cloud["rate"], 2);
    assert_eq!(state.conflict(second).unwrap().unwrap().resolution, None);
}

#[test]
fn failures_add_up_until_a_success() {
    let (mut state, records) = met();
    let id = records[0].id;
    let failure = |give_up| Failure {
        record: id,
        message: "Mandatory field: item_group",
        next_retry: Some(at(30)),
        give_up,
        log: Some(entry(Action::Create, LogStatus::Failed)),
    };
    state.record_failures(&[failure(false)], at(1)).unwrap();
    state.record_failures(&[failure(true)], at(2)).unwrap();
    let failed = state.failed_documents().unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].status, failed[0].retry_count), (RecordStatus::Failed, 2));
    assert_eq!(failed[0].next_retry, Some(at(30)));
    assert_eq!(count(&state, "sync_logs WHERE status = 'failed'"), 2);
    state.close(&[closing(&records[0])], at(3)).unwrap();
    let record = &state.load_records(&[id]).unwrap()[0];
    assert_eq!((record.retry_count, record.next_retry), (0, None));
    assert_eq!(record.error_message, None);

    state.clear_seen(&[(id, Side::Local)], at(4)).unwrap();
    assert_eq!(seen(&state.load_records(&[id]).unwrap()[0]), (Some("m1"), None));
    assert!(state.clear_seen(&[(99, Side::Local)], at(4)).is_err());
    let unknown = Failure { record: 99, ..failure(false) };
    assert!(state.record_failures(&[unknown], at(4)).is_err());
}

#[test]
fn the_queries_of_the_interface_work_as_they_stand() {
    let (mut state, records) = synced();
    state.save_conflicts(&[conflict(records[1].id, 1)], at(2)).unwrap();
    let failure = Failure {
        record: records[0].id,
        message: "no",
        next_retry: None,
        give_up: false,
        log: None,
    };
    state.record_failures(&[failure], at(2)).unwrap();
    state
        .connection
        .execute(
            "INSERT INTO webhook_queue (source, doctype, docname, action, payload)
             VALUES ('cloud', 'Item', 'A', 'save', '{}')",
            [],
        )
        .unwrap();
    let rows = |sql: &str| {
        let mut statement = state.connection.prepare(sql).unwrap();
        collect(&mut statement, [], |_| Ok(())).unwrap().len()
    };
    assert_eq!(rows("SELECT * FROM sync_logs ORDER BY timestamp DESC LIMIT 20;"), 3);
    assert_eq!(rows("SELECT * FROM sync_records WHERE sync_status = 'error';"), 1);
    assert_eq!(rows("SELECT * FROM webhook_queue WHERE processed = FALSE;"), 1);
    assert_eq!(
        rows(
            "SELECT doctype, COUNT(*) FROM conflict_records WHERE resolved = FALSE GROUP BY doctype;"
        ),
        1
    );
    assert_eq!(state.pending_webhooks().unwrap(), 1);
}

#[test]
fn every_time_of_our_own_has_one_form() {
    let (mut state, records) = synced();
    let run = state.start_run("sync-all", at(0)).unwrap();
    state.finish_run(run, 0, Sides::new(3, 4), &json!({"ok": true}), at(1)).unwrap();
    state.begin_intents(&[intent(records[0].id)], at(1)).unwrap();
    state.save_conflicts(&[conflict(records[1].id, 1)], at(2)).unwrap();
    state.supersede_conflict(records[1].id, at(2)).unwrap();
    state.set_listed("Item", &whole("", true), at(3)).unwrap();
    // The defaults, for rows made by hand.
    state
        .connection
        .execute_batch(
            "INSERT INTO sync_records (doctype, docname) VALUES ('Item', 'hand');
             INSERT INTO sync_logs (doctype, docname, action, direction, status)
                VALUES ('Item', 'hand', 'sync', 'none', 'success');
             INSERT INTO webhook_queue (source, doctype, docname, action, payload)
                VALUES ('cloud', 'Item', 'hand', 'save', '{}');",
        )
        .unwrap();
    let columns = [
        ("sync_records", "last_synced"),
        ("sync_records", "created_at"),
        ("sync_records", "updated_at"),
        ("sync_logs", "timestamp"),
        ("conflict_records", "created_at"),
        ("conflict_records", "resolved_at"),
        ("webhook_queue", "created_at"),
        ("journal", "created_at"),
        ("journal", "site_time"),
        ("runs", "started_at"),
        ("runs", "finished_at"),
        ("listings", "last_listed_at"),
        ("listings", "last_full_at"),
    ];
    let form = "'[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9]Z'";
    for (table, column) in columns {
        assert!(
            count(&state, &format!("{table} WHERE {column} IS NOT NULL")) > 0,
            "{table}.{column}"
        );
        assert_eq!(
            count(&state, &format!("{table} WHERE {column} NOT GLOB {form}")),
            0,
            "{table}.{column}"
        );
    }
}

#[test]
fn runs_totals_and_the_log_read_back() {
    let (mut state, records) = synced();
    let first = state.start_run("sync-all", at(0)).unwrap();
    state.finish_run(first, 3, Sides::new(3, 4), &json!({"conflicts": 1}), at(1)).unwrap();
    let second = state.start_run("sync-doctype Item", at(2)).unwrap();
    let runs = state.recent_runs(5).unwrap();
    assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [second, first]);
    assert_eq!((runs[0].finished_at, runs[0].exit_code), (None, None));
    assert_eq!((runs[1].exit_code, runs[1].requests), (Some(3), Sides::new(3, 4)));
    assert_eq!(runs[1].summary, Some(json!({"conflicts": 1})));

    let change = StatusChange {
        record: records[1].id,
        status: RecordStatus::Skipped,
        reason: "submitted",
        scope_digest: Some("scope"),
        log: Some(LogEntry { run: Some(second), ..entry(Action::Sync, LogStatus::Success) }),
    };
    state.set_status(&[change], at(3)).unwrap();
    let totals = state.totals().unwrap();
    let totals: Vec<_> = totals.iter().map(|total| (total.status, total.count)).collect();
    assert_eq!(totals, [(RecordStatus::Skipped, 1), (RecordStatus::Synced, 1)]);

    let rows = |filter: LogFilter| {
        state.log(&filter).unwrap().into_iter().map(|row| row.docname).collect::<Vec<_>>()
    };
    assert_eq!(rows(LogFilter::default()), ["B", "B", "A"]);
    assert_eq!(rows(LogFilter { limit: Some(1), ..LogFilter::default() }), ["B"]);
    assert_eq!(rows(LogFilter { name: Some("A"), ..LogFilter::default() }), ["A"]);
    assert_eq!(rows(LogFilter { since: Some(at(2)), ..LogFilter::default() }), ["B"]);
    assert_eq!(rows(LogFilter { run: Some(second), ..LogFilter::default() }), ["B"]);
    assert_eq!(rows(LogFilter { doctype: Some("Customer"), ..LogFilter::default() }), [""; 0]);
    // A run that is not there cannot be named by a log row.
    let change = StatusChange {
        record: records[1].id,
        status: RecordStatus::Synced,
        reason: "",
        scope_digest: None,
        log: Some(LogEntry { run: Some(99), ..entry(Action::Sync, LogStatus::Success) }),
    };
    assert!(matches!(state.set_status(&[change], at(3)), Err(StateError::Rule(_))));
}

#[test]
fn listing_times_are_kept_a_doctype() {
    let mut state = State::in_memory().unwrap();
    assert_eq!(state.last_listed("Item").unwrap(), ListingTimes::default());
    let refused = WholeListing { are_sums_refused: true, ..whole("all", true) };
    state.set_listed("Item", &refused, at(1)).unwrap();
    state.set_listed("Item", &whole("some", false), at(2)).unwrap();
    let expected = ListingTimes {
        listed: Some(at(2)),
        full: Some(at(1)),
        refused: Some(at(1)),
        scope: "some".to_owned(),
    };
    assert_eq!(state.last_listed("Item").unwrap(), expected);
}

fn whole(scope: &str, full: bool) -> WholeListing<'_> {
    WholeListing { scope, full, are_sums_refused: false }
}

#[test]
fn numbers_of_a_document_come_back_as_the_site_wrote_them() {
    let (mut state, records) = met();
    let text = r#"{"big":12345678901234567890123,"rate":10.0,"small":1E-7}"#;
    let mut done = closing(&records[0]);
    done.sides.cloud.content = serde_json::from_str(text).unwrap();
    state.close(&[done], at(1)).unwrap();
    let record = state.load_records(&[records[0].id]).unwrap().remove(0);
    let content = record.bases.unwrap().cloud.content;
    assert!(serde_json::to_string(&content).unwrap().contains("12345678901234567890123"));
    assert!(serde_json::to_string(&content).unwrap().contains("10.0"));
}

#[test]
fn a_row_name_that_a_counter_gave_means_no_row_of_another_document() {
    let (mut state, records) = met();
    let mut done = closing(&records[0]);
    let row = |position, cloud: &str, local: &str| RowName {
        table: "notes".to_owned(),
        position,
        names: Sides::new(Some(cloud.to_owned()), Some(local.to_owned())),
    };
    let rows = vec![row(0, "3", "71"), row(1, "0123456789", "abcdefghij")];
    done.rows = Some(rows.clone());
    state.close(&[done], at(2)).unwrap();
    assert_eq!(state.row_names(records[0].id).unwrap(), rows);
    let asked = BTreeSet::from(["3".to_owned(), "0123456789".to_owned()]);
    let found = state.row_counterparts(Side::Cloud, &asked).unwrap();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["0123456789"]);
}
