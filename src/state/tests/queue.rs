//! The queue of deliveries.

use super::*;

fn line(digest: &str, name: &str, verdict: Verdict) -> QueueLine {
    QueueLine {
        digest: digest.to_owned(),
        source: Some(Side::Cloud),
        doctype: "Item".to_owned(),
        docname: name.to_owned(),
        action: "save".to_owned(),
        payload: "{}".to_owned(),
        received_at: None,
        signature: None,
        verdict,
    }
}

fn rejected() -> Verdict {
    Verdict::Rejected("wrong signature".to_owned())
}

fn ignored() -> Verdict {
    Verdict::Ignored("Item is not configured".to_owned())
}

fn store(state: &mut State, lines: &[QueueLine]) -> Vec<Stored> {
    state.store_lines(lines, None, at(0)).unwrap()
}

fn fail(state: &mut State) {
    let documents = state.begin_deliveries(None).unwrap();
    let ends: Vec<_> = documents
        .iter()
        .map(|document| (document, DeliveryEnd::Failed("no such customer".to_owned())))
        .collect();
    state.finish_deliveries(&ends, 3, at(1)).unwrap();
}

fn row(state: &State, column: &str) -> String {
    let sql = format!("SELECT CAST({column} AS TEXT) FROM webhook_queue ORDER BY id LIMIT 1");
    let text: Option<String> = state.connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    text.unwrap_or_else(|| "NULL".to_owned())
}

#[test]
fn deliveries_of_one_document_come_as_one() {
    let mut state = State::in_memory().unwrap();
    let mut lines: Vec<QueueLine> =
        (0..5).map(|i| line(&format!("d{i}"), ["A", "B"][i % 2], Verdict::Wanted)).collect();
    lines[4].source = Some(Side::Local);
    assert_eq!(store(&mut state, &lines), [Stored::AsJudged; 5]);
    assert_eq!(state.pending_webhooks().unwrap(), 5);
    let found = state.begin_deliveries(None).unwrap();
    let shown: Vec<_> =
        found.iter().map(|one| (one.source, one.name.as_str(), one.rows.len())).collect();
    assert_eq!(shown, [(Side::Cloud, "A", 2), (Side::Cloud, "B", 2), (Side::Local, "A", 1)]);
    assert_eq!(row(&state, "processing"), "1");
    // Killed here: everything is taken up again.
    assert_eq!(state.begin_deliveries(None).unwrap(), found);
    let end = DeliveryEnd::Processed(None);
    state.finish_deliveries(&[(&found[0], end)], 3, at(1)).unwrap();
    assert_eq!(state.pending_webhooks().unwrap(), 3);
    assert_eq!(row(&state, "processed_at"), "2025-11-18T10:01:00.000Z");
    assert_eq!(state.begin_deliveries(None).unwrap(), found[1..]);
}

#[test]
fn a_line_comes_in_once() {
    let mut state = State::in_memory().unwrap();
    let wanted = [line("d", "A", Verdict::Wanted)];
    assert_eq!(store(&mut state, &wanted), [Stored::AsJudged]);
    assert_eq!(store(&mut state, &wanted), [Stored::Waiting]);
    // The secret has changed since: it was right when it came in.
    assert_eq!(store(&mut state, &[line("d", "", rejected())]), [Stored::Waiting]);
    assert_eq!(row(&state, "docname"), "A");
    let found = state.begin_deliveries(None).unwrap();
    state.finish_deliveries(&[(&found[0], DeliveryEnd::Processed(None))], 3, at(1)).unwrap();
    for verdict in [Verdict::Wanted, rejected(), ignored()] {
        assert_eq!(store(&mut state, &[line("d", "A", verdict)]), [Stored::Done]);
    }
    assert_eq!(state.pending_webhooks().unwrap(), 0);
}

#[test]
fn what_was_set_aside_is_judged_again() {
    let mut state = State::in_memory().unwrap();
    assert_eq!(store(&mut state, &[line("d", "", rejected())]), [Stored::AsJudged]);
    assert_eq!(row(&state, "error_message"), "rejected: wrong signature");
    assert_eq!(row(&state, "processed"), "1");
    assert_eq!(store(&mut state, &[line("d", "", rejected())]), [Stored::Done]);
    assert_eq!(store(&mut state, &[line("d", "A", ignored())]), [Stored::AsJudged]);
    assert_eq!(row(&state, "error_message"), "ignored: Item is not configured");
    assert_eq!(store(&mut state, &[line("d", "", rejected())]), [Stored::Done]);
    assert_eq!(store(&mut state, &[line("d", "A", Verdict::Wanted)]), [Stored::AsJudged]);
    assert_eq!(
        (row(&state, "processed"), row(&state, "processed_at")),
        ("0".into(), "NULL".into())
    );
    assert_eq!(row(&state, "error_message"), "NULL");
    assert_eq!(state.begin_deliveries(None).unwrap().len(), 1);
}

#[test]
fn a_failed_delivery_waits_and_is_given_up_in_the_end() {
    let mut state = State::in_memory().unwrap();
    let wanted = [line("d", "A", Verdict::Wanted)];
    store(&mut state, &wanted);
    fail(&mut state);
    assert_eq!(row(&state, "error_message"), "no such customer");
    assert_eq!((row(&state, "retry_count"), row(&state, "processing")), ("1".into(), "0".into()));
    fail(&mut state);
    assert_eq!(store(&mut state, &wanted), [Stored::Waiting]);
    assert_eq!(state.pending_webhooks().unwrap(), 1);
    fail(&mut state);
    assert_eq!(row(&state, "error_message"), "given up after 3 runs: no such customer");
    assert_eq!(state.pending_webhooks().unwrap(), 0);
    assert_eq!(store(&mut state, &wanted), [Stored::Done]);
}
