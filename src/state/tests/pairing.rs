//! Which record holds which documents.

use super::*;

fn one(state: &State, side: Side, name: &str) -> Record {
    state.record_by_name("Item", side, name).unwrap().unwrap()
}

fn record_named(state: &State, cloud: &str) -> Record {
    one(state, Side::Cloud, cloud)
}

/// A and B, each known on both sides under its name and not compared yet.
#[test]
fn documents_without_a_base_change_records() {
    let (mut state, records) = met();
    let a = records[0].id;
    let united =
        state.unite(a, Side::Local, &listed("B", "c2", "m1"), Origin::Met, at(1)).unwrap().unwrap();
    assert_eq!(united.dissolved, None);
    assert_eq!(united.left.len(), 2, "A of the local site and B of the cloud stand alone now");
    assert_eq!(names(&record_named(&state, "A")), (Some("A"), Some("B")));
    assert_eq!(names(&record_named(&state, "B")), (Some("B"), None));
    assert_eq!(names(&one(&state, Side::Local, "A")), (None, Some("A")));
    assert!(record_named(&state, "A").is_proven && !record_named(&state, "B").is_proven);
    // The one of the local site turns out to be B.
    let b = record_named(&state, "B").id;
    let alone = one(&state, Side::Local, "A").id;
    let united =
        state.unite(b, Side::Local, &listed("A", "c1", "m1"), Origin::Met, at(2)).unwrap().unwrap();
    assert_eq!((united.dissolved, united.left), (Some(alone), Vec::new()));
    assert_eq!(names(&record_named(&state, "B")), (Some("B"), Some("A")));
}

#[test]
fn what_was_ever_in_step_stays_where_it_is() {
    let (mut state, records) = synced();
    let page = [listed("A", "c1", "m1"), listed("B", "c2", "m1"), listed("C", "c3", "m1")];
    absorb(&mut state, &page, &page[..2]);
    let new = record_named(&state, "C").id;
    for (keep, name) in [(new, "A"), (records[0].id, "C")] {
        let found =
            state.unite(keep, Side::Local, &listed(name, "c9", "m1"), Origin::Met, at(1)).unwrap();
        assert_eq!(found, None);
    }
    assert_eq!(names(&record_named(&state, "A")), (Some("A"), Some("A")));
}

fn both_listed() -> Sides<Listed> {
    Sides::new(listed("A", "c1", "m1"), listed("A", "c2", "m1"))
}

#[test]
fn two_documents_of_one_record_are_told_apart() {
    let (mut state, records) = met();
    let a = &records[0];
    state.save_conflicts(&[conflict(a.id, 1)], at(1)).unwrap();
    let told = state.tell_apart(a.id, Some((Side::Local, &both_listed())), None, at(2)).unwrap();
    assert_eq!(names(&one(&state, Side::Cloud, "A")), (Some("A"), None));
    assert_eq!(names(&one(&state, Side::Local, "A")), (None, Some("A")));
    let apart = state.load_records(&told).unwrap();
    assert!(apart.iter().all(|record| record.is_apart && record.status == RecordStatus::Pending));
    assert_eq!(apart[0].conflict, Some(ConflictKind::EditEdit), "it waits for the write");
    // They stay apart however often they are listed.
    let page = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    absorb(&mut state, &page, &page);
    assert_eq!(all(&state).len(), 3);
}

/// Neither a namesake that turns up later nor what a stranger is taken for gets into the record
/// of a document that a person called one of its own.
#[test]
fn a_document_of_its_own_takes_nobody_in() {
    let mut state = State::in_memory().unwrap();
    absorb(&mut state, &[listed("A", "c1", "m1"), listed("B", "c2", "m1")], &[]);
    let a = record_named(&state, "A").id;
    state.tell_apart(a, None, None, at(1)).unwrap();
    let cloud = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    absorb(&mut state, &cloud, &[listed("A", "c9", "m1"), listed("L", "c8", "m1")]);
    assert_eq!(names(&record_named(&state, "A")), (Some("A"), None));
    assert_eq!(names(&one(&state, Side::Local, "A")), (None, Some("A")));
    let stranger = one(&state, Side::Local, "L").id;
    for (keep, side, other) in [
        (stranger, Side::Cloud, listed("A", "c1", "m1")),
        (a, Side::Local, listed("L", "c8", "m1")),
    ] {
        assert_eq!(state.unite(keep, side, &other, Origin::Met, at(2)).unwrap(), None);
    }
    assert_eq!(names(&record_named(&state, "A")), (Some("A"), None));
}

/// A link stands as the linked document's own id: never as that of another one that was first
/// seen under the same name.
#[test]
fn two_documents_never_have_one_id() {
    let (mut state, records) = met();
    let ids = |state: &State| {
        let name = ["A".to_owned()];
        Sides::from_fn(|side| state.known_names("Item", side, &name).unwrap()["A"].docname.clone())
    };
    assert_eq!(ids(&state), Sides::new("A".to_owned(), "A".to_owned()));
    let collision = NewConflict { kind: ConflictKind::Collision, ..conflict(records[0].id, 1) };
    state.save_conflicts(&[collision], at(1)).unwrap();
    assert_ne!(ids(&state).cloud, ids(&state).local);
    state.tell_apart(records[0].id, Some((Side::Local, &both_listed())), None, at(2)).unwrap();
    assert_ne!(ids(&state).cloud, ids(&state).local);
}
