//! Listings against records: each case, and what a pass takes up afterwards.

use rusqlite::named_params;

use super::super::searches::{join_cloned_sql, join_sql, replaced_sql};
use super::*;

#[test]
fn unknown_documents_meet_by_name_or_stand_alone() {
    let mut state = State::in_memory().unwrap();
    let absorbed = absorb(
        &mut state,
        &[listed("Both", "c3", "m1"), listed("Cloud", "c1", "m1"), not_taken_up("Out", "c9", "m1")],
        &[
            listed("Both", "c4", "m2"),
            listed("Local", "c2", "m1"),
            not_taken_up("Cloud", "c8", "m8"),
        ],
    );
    assert_eq!((absorbed.renamed.len(), absorbed.missing.len()), (0, 0));
    let records = all(&state);
    let found: Vec<_> = records.iter().map(|record| (&*record.docname, names(record))).collect();
    // In the order of creation, one side after the other.
    assert_eq!(
        found,
        [
            ("Cloud", (Some("Cloud"), Some("Cloud"))),
            ("Both", (Some("Both"), Some("Both"))),
            ("Local", (None, Some("Local"))),
        ]
    );
    assert_eq!(seen(&records[1]), (Some("m1"), Some("m2")));
    assert_eq!(records[1].creations, Sides::new(Some("c3".to_owned()), Some("c4".to_owned())));
    assert!(records.iter().all(|record| record.status == RecordStatus::Pending));
    assert!(records.iter().all(|record| record.bases.is_none()));
}

#[test]
fn a_document_taken_up_locally_is_joined_by_a_cloud_one_that_is_not() {
    let mut state = State::in_memory().unwrap();
    absorb(&mut state, &[not_taken_up("A", "c1", "m1")], &[listed("A", "c2", "m1")]);
    assert_eq!(names(&all(&state)[0]), (Some("A"), Some("A")));
}

/// Copied sites: the `creation` says it, where nothing else has it on either side.
#[test]
fn one_document_under_two_names_is_told_by_its_creation() {
    for swap in [false, true] {
        let here = [
            listed("ACME", "c1", "m1"),
            listed("Namesake", "c2", "m1"),
            listed("Import 1", "c3", "m1"),
            listed("Stampless", "", "m1"),
            not_taken_up("Out", "c5", "m1"),
        ];
        let there = [
            listed("ACME Ltd", "c1", "m2"),
            listed("Namesake", "c9", "m1"),
            listed("Other", "c2", "m1"),
            listed("Import 2", "c3", "m1"),
            listed("Import 3", "c3", "m1"),
            listed("No stamp", "", "m1"),
            listed("Out renamed", "c5", "m1"),
        ];
        let mut state = State::in_memory().unwrap();
        let (cloud, local) = if swap { (&there[..], &here[..]) } else { (&here[..], &there[..]) };
        absorb(&mut state, cloud, local);
        let mut pairs: Vec<(String, String, bool)> = Vec::new();
        for record in all(&state) {
            let (cloud, local) = names(&record);
            let (here, there) = if swap { (local, cloud) } else { (cloud, local) };
            let text = |name: Option<&str>| name.unwrap_or("-").to_owned();
            pairs.push((text(here), text(there), record.is_proven));
        }
        pairs.sort();
        let pairs: Vec<_> = pairs.iter().map(|(a, b, proven)| (&**a, &**b, *proven)).collect();
        assert_eq!(
            pairs,
            [
                ("-", "Import 2", false),
                ("-", "Import 3", false),
                ("-", "No stamp", false),
                ("-", "Other", false),
                ("ACME", "ACME Ltd", true),
                ("Import 1", "-", false),
                ("Namesake", "Namesake", false),
                ("Out", "Out renamed", true),
                ("Stampless", "-", false),
            ]
        );
    }
}

#[test]
fn a_lone_document_is_joined_later_but_not_one_that_has_its_counterpart() {
    let mut state = State::in_memory().unwrap();
    absorb(&mut state, &[listed("A", "c1", "m1"), listed("B", "c2", "m1")], &[]);
    // B was created on the local site under the name that site gave.
    let records = all(&state);
    let mut created = closing(&records[1]);
    created.sides.local.name = "L-7".to_owned();
    created.sides.local.creation = "c5".to_owned();
    state.close(&[created], at(1)).unwrap();
    let cloud = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    let local = [listed("A", "c3", "m1"), listed("B", "c6", "m1"), listed("L-7", "c5", "m0")];
    absorb(&mut state, &cloud, &local);
    let records = all(&state);
    assert_eq!(
        records.iter().map(names).collect::<Vec<_>>(),
        [(Some("A"), Some("A")), (Some("B"), Some("L-7")), (None, Some("B"))]
    );
    assert_eq!(candidates(&state, false), [records[0].id, records[2].id]);
}

#[test]
fn the_same_listing_again_asks_for_nothing() {
    let (mut state, _) = synced();
    let page = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    assert_eq!(absorb(&mut state, &page, &page), Absorbed::default());
    assert_eq!(candidates(&state, false), [0_i64; 0]);
}

#[test]
fn a_saved_document_is_pending_and_seen_and_its_base_stands() {
    let (mut state, records) = synced();
    let cloud = [listed("A", "c1", "m2"), listed("B", "c2", "m1")];
    let local = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    absorb(&mut state, &cloud, &local);
    assert_eq!(candidates(&state, false), [records[0].id]);
    let after = &all(&state)[0];
    assert_eq!(seen(after), (Some("m2"), Some("m1")));
    assert_eq!(after.bases, records[0].bases);
}

#[test]
fn a_rename_keeps_the_record() {
    let (mut state, records) = synced();
    let cloud = [listed("A2", "c1", "m2"), listed("B", "c2", "m1")];
    let local = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    let absorbed = absorb(&mut state, &cloud, &local);
    let renamed = Renamed {
        record: records[0].id,
        side: Side::Cloud,
        old: "A".to_owned(),
        new: "A2".to_owned(),
    };
    assert_eq!(absorbed.renamed, [renamed]);
    assert_eq!(absorbed.missing, []);
    let after = all(&state);
    assert_eq!(after.len(), 2);
    assert_eq!(names(&after[0]), (Some("A2"), Some("A")));
    assert_eq!((&*after[0].docname, seen(&after[0])), ("A", (Some("m2"), Some("m1"))));
    assert_eq!(candidates(&state, false), [records[0].id]);
}

#[test]
fn names_that_are_exchanged_or_handed_on_follow_their_documents() {
    let (mut state, _) = synced();
    let local = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    let exchanged = [listed("B", "c1", "m1"), listed("A", "c2", "m1")];
    assert_eq!(absorb(&mut state, &exchanged, &local).renamed.len(), 2);
    assert_eq!(
        all(&state).iter().map(names).collect::<Vec<_>>(),
        [(Some("B"), Some("A")), (Some("A"), Some("B"))]
    );
    let handed_on = [listed("A", "c1", "m1"), listed("C", "c2", "m1")];
    assert_eq!(absorb(&mut state, &handed_on, &local).renamed.len(), 2);
    assert_eq!(
        all(&state).iter().map(names).collect::<Vec<_>>(),
        [(Some("A"), Some("A")), (Some("C"), Some("B"))]
    );
}

#[test]
fn a_name_still_held_by_a_known_document_is_not_taken_over() {
    let (mut state, records) = synced();
    let local = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    // A is called B now, and what was B is not listed.
    let absorbed = absorb(&mut state, &[listed("B", "c1", "m1")], &local);
    assert_eq!(absorbed.renamed, []);
    assert_eq!(absorbed.missing, [(records[0].id, Side::Cloud)]);
    assert_eq!(absorbed.replaced, [(records[1].id, Side::Cloud)]);
    assert_eq!(
        all(&state).iter().map(seen).collect::<Vec<_>>(),
        [(None, Some("m1")), (None, Some("m1"))]
    );
}

#[test]
fn a_creation_that_is_not_unique_proves_no_rename() {
    let (mut state, records) = synced();
    let local = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    let cloud = [listed("X", "c1", "m1"), listed("Y", "c1", "m1"), listed("B", "c2", "m1")];
    let absorbed = absorb(&mut state, &cloud, &local);
    assert_eq!(absorbed.renamed, []);
    assert_eq!(absorbed.missing, [(records[0].id, Side::Cloud)]);
    assert_eq!(all(&state).len(), 4);
}

#[test]
fn a_replaced_document_is_noticed_once() {
    let (mut state, records) = synced();
    let cloud = [listed("A", "c7", "m1"), listed("B", "c2", "m1")];
    let local = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    let absorbed = absorb(&mut state, &cloud, &local);
    assert_eq!(absorbed.replaced, [(records[0].id, Side::Cloud)]);
    let after = &all(&state)[0];
    assert_eq!(seen(after), (None, Some("m1")));
    assert_eq!(after.creations, records[0].creations);
    assert!(after.reason.as_deref().unwrap().contains("replaced"));
    assert_eq!(candidates(&state, false), [records[0].id]);
    skip(&mut state, records[0].id);
    absorb(&mut state, &cloud, &local);
    assert_eq!(candidates(&state, false), [0_i64; 0]);
}

#[test]
fn what_is_not_listed_is_pending_once_and_again_after_it_came_back() {
    let (mut state, records) = synced();
    let local = [listed("A", "c1", "m1"), listed("B", "c2", "m1")];
    let missing = [(records[0].id, Side::Cloud)];
    assert_eq!(absorb(&mut state, &local[1..], &local).missing, missing);
    assert_eq!(candidates(&state, false), [records[0].id]);
    assert_eq!(seen(&all(&state)[0]), (None, Some("m1")));
    assert_eq!(all(&state)[0].bases, records[0].bases);
    skip(&mut state, records[0].id);
    assert_eq!(absorb(&mut state, &local[1..], &local).missing, missing);
    assert_eq!(candidates(&state, false), [0_i64; 0]);
    assert_eq!(absorb(&mut state, &local, &local).missing, []);
    assert_eq!(candidates(&state, false), [records[0].id]);
}

fn skip(state: &mut State, record: i64) {
    let change = StatusChange {
        record,
        status: RecordStatus::Skipped,
        reason: "deletions are not carried",
        scope_digest: Some("scope"),
        log: None,
    };
    state.set_status(&[change], at(2)).unwrap();
}

#[test]
fn a_listing_has_to_be_begun_and_is_taken_over_once() {
    let mut state = State::in_memory().unwrap();
    assert!(matches!(state.add_listed(Side::Cloud, &[]), Err(StateError::NoListing)));
    state.begin_listing("Item").unwrap();
    state.add_listed(Side::Cloud, &[listed("A", "c1", "m1")]).unwrap();
    // Begun anew: what was collected before is dropped.
    state.begin_listing("Customer").unwrap();
    state.add_listed(Side::Cloud, &[not_taken_up("C", "c1", "m1")]).unwrap();
    state.add_listed(Side::Cloud, &[listed("C", "c1", "m2")]).unwrap();
    state.add_listed(Side::Cloud, &[not_taken_up("C", "c1", "m2")]).unwrap();
    state.absorb_listing(&BTreeSet::new(), at(0)).unwrap();
    assert!(matches!(state.absorb_listing(&BTreeSet::new(), at(0)), Err(StateError::NoListing)));
    assert_eq!(all(&state), []);
    let record = state.record_by_name("Customer", Side::Cloud, "C").unwrap().unwrap();
    assert_eq!(seen(&record), (Some("m2"), None));
}

#[test]
fn candidates_are_what_there_is_to_do() {
    let mut state = State::in_memory().unwrap();
    let page: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h"]
        .into_iter()
        .map(|name| listed(name, &format!("c-{name}"), "m1"))
        .collect();
    absorb(&mut state, &page, &page);
    let records = all(&state);
    let id = |at: usize| records[at].id;
    state.close(&[closing(&records[1])], at(1)).unwrap();
    let failure = |record, minute, give_up| Failure {
        record,
        message: "Mandatory field",
        next_retry: Some(at(minute)),
        give_up,
        log: None,
    };
    let failures =
        [failure(id(2), 60, false), failure(id(3), 61, false), failure(id(4), 600, true)];
    state.record_failures(&failures, at(2)).unwrap();
    let status = |record, status, scope_digest| StatusChange {
        record,
        status,
        reason: "",
        scope_digest,
        log: None,
    };
    let changes = [
        status(id(5), RecordStatus::Skipped, Some("scope")),
        status(id(6), RecordStatus::Skipped, Some("another")),
        status(id(7), RecordStatus::Gone, None),
    ];
    state.set_status(&changes, at(2)).unwrap();

    assert_eq!(candidates(&state, false), [id(0), id(2), id(6)]);
    assert_eq!(candidates(&state, true), (0..7).map(id).collect::<Vec<_>>());
    let now =
        CandidateQuery { now: at(3), full: false, retry_failed: true, scope_digest: "another" };
    assert_eq!(state.candidates("Item", &now).unwrap(), [id(0), id(2), id(3), id(4), id(5)]);
    let ids = [id(3), id(0)];
    let loaded = state.load_records(&ids).unwrap();
    assert_eq!(loaded.iter().map(|record| record.id).collect::<Vec<_>>(), ids);
    assert_eq!((loaded[0].retry_count, loaded[0].next_retry), (1, Some(at(61))));
    assert!(matches!(state.load_records(&[99]), Err(StateError::NoRecord(99))));
}

#[test]
fn a_single_look_up_makes_or_finds_the_record() {
    let (mut state, records) = synced();
    let one = |name, creation, modified| Some(listed(name, creation, modified));
    let ids = |state: &mut State, cloud, local| {
        state.ensure_records("Item", &Sides::new(cloud, local), at(2)).unwrap()
    };
    assert_eq!(ids(&mut state, None, None), [0_i64; 0]);
    assert_eq!(ids(&mut state, one("A", "c1", "m1"), one("A", "c1", "m1")), [records[0].id]);
    assert_eq!(candidates(&state, false), [0_i64; 0]);
    assert_eq!(ids(&mut state, one("A", "c1", "m5"), None), [records[0].id]);
    assert_eq!(candidates(&state, false), [records[0].id]);
    let new = ids(&mut state, one("N", "c9", "m1"), one("N", "c8", "m1"));
    assert_eq!(names(&state.load_records(&new).unwrap()[0]), (Some("N"), Some("N")));
    assert_eq!(state.find_records("Item", "N").unwrap().len(), 1);
    // Called otherwise now: the same record, but the name is not followed on one look.
    assert_eq!(ids(&mut state, one("B2", "c2", "m1"), None), [records[1].id]);
    let after = &state.load_records(&[records[1].id]).unwrap()[0];
    assert_eq!((names(after), seen(after)), ((Some("B"), Some("B")), (None, Some("m1"))));
    // Two documents of one name that the state knows to be different.
    assert_eq!(ids(&mut state, one("A", "c1", "m5"), one("B", "c2", "m1")).len(), 2);
}

#[test]
fn names_translate_and_a_living_document_comes_before_a_gone_one() {
    let (mut state, records) = synced();
    let gone = |record| StatusChange {
        record,
        status: RecordStatus::Gone,
        reason: "gone on both sides",
        scope_digest: None,
        log: None,
    };
    state.set_status(&[gone(records[0].id), gone(records[1].id)], at(2)).unwrap();
    absorb(&mut state, &[listed("A", "c9", "m1")], &[]);
    let asked = ["A".to_owned(), "B".to_owned(), "C".to_owned()];
    let known = state.known_names("Item", Side::Cloud, &asked).unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!((known["A"].has_base, known["A"].other.as_deref()), (false, None));
    assert_eq!(known["B"].record, records[1].id);
    assert_eq!((known["B"].has_base, known["B"].other.as_deref()), (true, Some("B")));
    let rows =
        state.row_counterparts(Side::Cloud, &["rc", "rx"].map(str::to_owned).into()).unwrap();
    assert_eq!(rows.into_iter().collect::<Vec<_>>(), [("rc".to_owned(), "rl".to_owned())]);
}

#[test]
fn what_is_new_in_a_listing_is_not_looked_for_among_all_records() {
    let mut state = State::in_memory().unwrap();
    state.begin_listing("Item").unwrap();
    for side in Side::BOTH {
        for sql in [replaced_sql(side), join_sql(side), join_cloned_sql(side)] {
            let explained = format!("EXPLAIN QUERY PLAN {sql}");
            let mut statement = state.connection.prepare(&explained).unwrap();
            let params = named_params! {":doctype": "Item", ":now": "now"};
            let plan = collect(&mut statement, params, |row| Ok(row.get::<_, String>(3)?)).unwrap();
            assert!(plan.iter().any(|step| step.starts_with("SEARCH l ")), "{plan:?}");
            for step in plan {
                let is_wide = step.ends_with("(doctype=?)")
                    || step.starts_with("SCAN sync_records")
                    || step.starts_with("SCAN r");
                assert!(!is_wide, "{step} in {sql}");
            }
        }
    }
}
