//! What a listing does not show, and what is stored of a document that is gone.

use super::*;

fn query(full: bool) -> CandidateQuery<'static> {
    CandidateQuery { now: at(60), full, retry_failed: false, scope_digest: "scope" }
}

/// Collects a listing and gives what it does not show; the listing is not taken over.
fn unlisted(state: &mut State, cloud: &[Listed], local: &[Listed]) -> Vec<(String, Side)> {
    list(state, cloud, local);
    let found = state.unlisted(&query(false)).unwrap();
    found.into_iter().map(|one| (one.name, one.side)).collect()
}

fn both() -> [Listed; 2] {
    [listed("A", "c1", "m1"), listed("B", "c2", "m1")]
}

#[test]
fn what_was_in_step_and_is_not_listed_is_asked_for() {
    let (mut state, _) = synced();
    let both = both();
    assert_eq!(unlisted(&mut state, &both, &both), []);
    assert_eq!(unlisted(&mut state, &both[1..], &both), [("A".to_owned(), Side::Cloud)]);
    // Renamed, and so listed.
    assert_eq!(unlisted(&mut state, &[listed("A2", "c1", "m1"), both[1].clone()], &both), []);
    let replaced = [listed("A", "c9", "m1"), both[1].clone()];
    assert_eq!(unlisted(&mut state, &both, &replaced), [("A".to_owned(), Side::Local)]);
}

#[test]
fn what_was_never_in_step_is_not_asked_for_by_a_listing() {
    let (mut state, _) = met();
    assert_eq!(unlisted(&mut state, &[], &both()), []);
}

#[test]
fn what_was_noticed_is_asked_for_when_it_is_due() {
    let (mut state, records) = synced();
    let both = both();
    absorb(&mut state, &both[1..], &both);
    let skip = |state: &mut State, scope_digest| {
        let change = StatusChange {
            record: records[0].id,
            status: RecordStatus::Skipped,
            reason: "hidden",
            scope_digest,
            log: None,
        };
        state.set_status(&[change], at(2)).unwrap();
    };
    let a = [("A".to_owned(), Side::Cloud)];
    assert_eq!(unlisted(&mut state, &both[1..], &both), a);
    skip(&mut state, Some("scope"));
    assert_eq!(unlisted(&mut state, &both[1..], &both), []);
    assert_eq!(state.unlisted(&query(true)).unwrap().len(), 1);
    // Under another rule, or because another document has its name now.
    skip(&mut state, Some("another"));
    assert_eq!(unlisted(&mut state, &both[1..], &both), a);
    skip(&mut state, Some("scope"));
    assert_eq!(unlisted(&mut state, &[listed("A", "c9", "m1"), both[1].clone()], &both), a);
}

#[test]
fn another_document_takes_the_name_of_one_that_is_certainly_gone() {
    let (mut state, records) = synced();
    let both = both();
    let cloud = [listed("A", "c9", "m5"), both[1].clone()];
    list(&mut state, &cloud, &both);
    let gone = BTreeSet::from([(records[0].id, Side::Cloud)]);
    let absorbed = state.absorb_listing(&gone, at(2)).unwrap();
    assert_eq!((absorbed.replaced, absorbed.missing), (vec![], vec![]));
    let records = all(&state);
    let found: Vec<_> = records.iter().map(names).collect();
    assert_eq!(
        found,
        [(None, Some("A")), (Some("B"), Some("B")), (Some("A"), None)],
        "the old one has a base and no name, the new one is a document of its own"
    );
    assert!(records[0].bases.is_some() && records[2].bases.is_none());
    assert_eq!(candidates(&state, false), [records[0].id, records[2].id]);
}

/// B is gone and A is called B now: the rename follows once B has let go of the name.
#[test]
fn a_rename_takes_the_name_of_one_that_is_certainly_gone() {
    let (mut state, records) = synced();
    list(&mut state, &[listed("B", "c1", "m1")], &both());
    let gone = BTreeSet::from([(records[1].id, Side::Cloud)]);
    assert_eq!(state.absorb_listing(&gone, at(2)).unwrap().renamed.len(), 1);
    let found: Vec<_> = all(&state).iter().map(|r| (r.names.clone(), r.id)).collect();
    assert_eq!(found[0].0, Sides::new(Some("B".to_owned()), Some("A".to_owned())));
    assert_eq!(found[1].0, Sides::new(None, Some("B".to_owned())));
}

#[test]
fn a_replaced_document_that_was_never_in_step_is_the_new_one() {
    let (mut state, records) = met();
    let both = both();
    skip_all(&mut state, &records);
    let cloud = [listed("A", "c9", "m5"), both[1].clone()];
    assert_eq!(absorb(&mut state, &cloud, &both).replaced, []);
    let after = &all(&state)[0];
    assert_eq!(after.creations.cloud.as_deref(), Some("c9"));
    assert_eq!((seen(after), after.status), ((Some("m5"), Some("m1")), RecordStatus::Pending));
    assert_eq!(after.reason, None);
}

fn skip_all(state: &mut State, records: &[Record]) {
    for record in records {
        let change = StatusChange {
            record: record.id,
            status: RecordStatus::Skipped,
            reason: "only on one side",
            scope_digest: Some("scope"),
            log: None,
        };
        state.set_status(&[change], at(2)).unwrap();
    }
}

fn forgetting(record: i64) -> Forgetting {
    Forgetting {
        record,
        reason: "deleted on cloud".to_owned(),
        intent: None,
        resolution: None,
        log: Some(entry(Action::Delete, LogStatus::Success)),
        conflict: None,
    }
}

#[test]
fn a_tombstone_keeps_its_names_and_its_base() {
    let (mut state, records) = synced();
    let record = records[0].id;
    let mut new = intent(record);
    new.action = Action::Delete;
    let id = state.begin_intents(&[new], at(3)).unwrap()[0];
    state.save_conflicts(&[conflict(record, 3)], at(3)).unwrap();
    let gone = Forgetting {
        intent: Some(id),
        resolution: Some(Resolution::CloudWins),
        ..forgetting(record)
    };
    state.forget(std::slice::from_ref(&gone), at(4)).unwrap();
    let after = &state.load_records(&[record]).unwrap()[0];
    assert_eq!((after.status, after.is_syncing), (RecordStatus::Gone, false));
    assert_eq!((names(after), after.bases.is_some()), ((Some("A"), Some("A")), true));
    assert_eq!(state.open_intents(None).unwrap(), []);
    let settled = state.conflicts(&ConflictFilter::default()).unwrap();
    assert_eq!(settled[0].resolution, Some(Resolution::CloudWins));
    assert_eq!(candidates(&state, true), [records[1].id]);
    // All of it or nothing: the intent is closed already.
    assert!(matches!(state.forget(&[gone], at(5)), Err(StateError::NoIntent(_))));
}

#[test]
fn what_was_written_just_before_waits_for_a_person() {
    let (mut state, records) = synced();
    let record = records[0].id;
    let delete = |state: &mut State| {
        let new = NewIntent { action: Action::Delete, ..intent(record) };
        state.begin_intents(&[new], at(3)).unwrap().pop()
    };
    let intent = delete(&mut state);
    let conflict = Some(conflict(record, 9));
    state.forget(&[Forgetting { intent, conflict, ..forgetting(record) }], at(4)).unwrap();
    let open = ConflictFilter { open_only: true, ..ConflictFilter::default() };
    assert_eq!(state.conflicts(&open).unwrap()[0].data.cloud["rate"], 9);
    assert_eq!(state.load_records(&[record]).unwrap()[0].status, RecordStatus::Conflict);
    assert_eq!(candidates(&state, false), [0_i64; 0]);
    // Brought back by one side's backup and deleted once more: nobody has decided by that.
    let intent = delete(&mut state);
    for intent in [intent, None] {
        state.forget(&[Forgetting { intent, ..forgetting(record) }], at(5)).unwrap();
        assert_eq!(state.conflicts(&open).unwrap().len(), 1);
        assert_eq!(state.load_records(&[record]).unwrap()[0].status, RecordStatus::Conflict);
    }
    let resolution = Some(Resolution::CloudWins);
    state.forget(&[Forgetting { resolution, ..forgetting(record) }], at(6)).unwrap();
    assert_eq!(state.conflicts(&open).unwrap(), []);
    assert_eq!(state.load_records(&[record]).unwrap()[0].status, RecordStatus::Gone);
}

#[test]
fn deletions_are_counted_a_side_and_a_day() {
    let (mut state, records) = synced();
    state.forget(&[forgetting(records[0].id)], at(10)).unwrap();
    let mut failed = forgetting(records[1].id);
    failed.log = Some(entry(Action::Delete, LogStatus::Failed));
    state.forget(&[failed], at(10)).unwrap();
    let since = |minute| state.deleted_since("Item", Side::Local, at(minute)).unwrap();
    assert_eq!((since(9), since(11)), (1, 0));
    assert_eq!(state.deleted_since("Item", Side::Cloud, at(0)).unwrap(), 0);
    assert_eq!(state.deleted_since("Customer", Side::Local, at(0)).unwrap(), 0);
    assert_eq!(state.known_on("Item", Side::Local).unwrap(), 0);
}

#[test]
fn a_rename_found_by_one_look_is_followed_unless_the_name_is_anothers() {
    let (mut state, records) = synced();
    let record = records[0].id;
    assert!(!state.follow_rename(record, Side::Cloud, "B", at(3)).unwrap());
    assert!(state.follow_rename(record, Side::Cloud, "A2", at(3)).unwrap());
    let after = &state.load_records(&[record]).unwrap()[0];
    assert_eq!((names(after), after.status), ((Some("A2"), Some("A")), RecordStatus::Pending));
}
