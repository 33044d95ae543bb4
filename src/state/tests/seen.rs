//! Sums over what was seen, and listings of some days.

use std::hash::RandomState;

use super::super::words::Word as _;
use super::*;
use crate::model::{DayDigests, Fingerprint, Stretch};

const MONDAY: &str = "2025-11-17 10:00:00.000001";
const TUESDAY: &str = "2025-11-18 10:00:00.000001";

fn page() -> Vec<Listed> {
    vec![listed("A", "c1", MONDAY), listed("B", "c2", MONDAY), listed("C", "c3", TUESDAY)]
}

/// Three documents that both sides showed.
fn known() -> State {
    let mut state = State::in_memory().unwrap();
    absorb(&mut state, &page(), &page());
    state
}

fn sums(documents: &[Listed]) -> Fingerprint {
    let mut sums = Fingerprint::default();
    for document in documents {
        sums.add(&document.name, &document.modified);
    }
    sums
}

fn day(day: &str) -> Stretch {
    Stretch { first: day.to_owned(), last: day.to_owned() }
}

/// Takes over what cloud shows of some days, and nothing of local.
fn absorb_days(state: &mut State, days: &[Stretch], cloud: &[Listed]) -> Absorbed {
    state.begin_listing("Item").unwrap();
    state.add_listed(Side::Cloud, cloud).unwrap();
    state.cover_days(Side::Cloud, days).unwrap();
    state.absorb_listing(&BTreeSet::new(), at(1)).unwrap()
}

#[test]
fn what_was_seen_adds_up_to_what_the_site_has() {
    let mut state = known();
    assert_eq!(state.fingerprint("Item", Side::Cloud).unwrap(), sums(&page()));
    assert_eq!(state.fingerprint("Customer", Side::Cloud).unwrap(), Fingerprint::default());
    // Not seen any more: the site does not add it up either.
    absorb(&mut state, &page()[1..], &page());
    assert_eq!(state.fingerprint("Item", Side::Cloud).unwrap(), sums(&page()[1..]));
    assert_eq!(state.fingerprint("Item", Side::Local).unwrap(), sums(&page()));
}

/// The days on which what was seen is not what a site lists.
fn unlike(state: &State, side: Side, listed: &[Listed]) -> Option<Vec<String>> {
    let key = RandomState::new();
    let mut days = DayDigests::new(&key);
    for one in listed {
        days.add(&one.name, &one.creation, &one.modified);
    }
    let spans = state.seen_by_day("Item", side, &key).unwrap().differing(&days)?;
    Some(spans.iter().map(|span| format!("{} to {}", span.start(), span.end())).collect())
}

#[test]
fn what_was_seen_is_what_the_site_lists_day_by_day() {
    let mut state = known();
    let (monday, tuesday) = ("2025-11-17 to 2025-11-17", "2025-11-18 to 2025-11-18");
    let is = |state: &State, side, listed: &[Listed], expected: &[&str]| {
        assert_eq!(unlike(state, side, listed).unwrap(), expected);
    };
    for side in Side::BOTH {
        is(&state, side, &page(), &[]);
        is(&state, side, &page()[1..], &[monday]);
    }
    let another = [listed("C", "c9", TUESDAY)];
    is(&state, Side::Cloud, &[&page()[..2], &another].concat(), &[tuesday]);
    // Not seen any more, or left out by the filters: it is no part of its day.
    let outside = Listed { taken_up: false, ..page()[2].clone() };
    absorb(&mut state, &page()[1..], &[&page()[..2], &[outside]].concat());
    is(&state, Side::Cloud, &page()[1..], &[]);
    is(&state, Side::Cloud, &page(), &[monday]);
    is(&state, Side::Local, &page()[..2], &[]);
    is(&state, Side::Local, &page(), &[tuesday]);
}

#[test]
fn what_is_gone_or_has_no_creation_is_not_what_the_site_lists() {
    for change in ["sync_status = 'gone'", "cloud_creation = NULL", "cloud_name = NULL"] {
        let state = known();
        let sql = format!("UPDATE sync_records SET {change} WHERE cloud_name = 'C'");
        assert_eq!(state.connection.execute(&sql, []).unwrap(), 1);
        let found = unlike(&state, Side::Cloud, &page()).unwrap();
        assert_eq!(found, ["2025-11-18 to 2025-11-18"], "{change}");
    }
    let state = known();
    let sql = "UPDATE sync_records SET cloud_seen = 'm1' WHERE cloud_name = 'C'";
    state.connection.execute(sql, []).unwrap();
    assert_eq!(unlike(&state, Side::Cloud, &page()), None, "a day is missing");
}

#[test]
fn what_stands_on_a_day_that_was_not_listed_is_not_missed() {
    let mut state = known();
    let absorbed = absorb_days(&mut state, &[day("2025-11-18")], &page()[2..]);
    assert_eq!(absorbed, Absorbed::default());
    let absorbed = absorb_days(&mut state, &[day("2025-11-17")], &page()[..1]);
    let missing = state.record_by_name("Item", Side::Cloud, "B").unwrap().unwrap();
    assert_eq!(absorbed.missing, [(missing.id, Side::Cloud)]);
    assert_eq!(missing.seen, Sides::new(None, Some(MONDAY.to_owned())));
}

#[test]
fn a_listing_of_no_days_misses_only_what_was_missed_before() {
    let mut state = known();
    assert_eq!(absorb_days(&mut state, &[], &[]), Absorbed::default());
    let missing = absorb(&mut state, &page()[1..], &page()).missing;
    assert_eq!(missing.len(), 1);
    assert_eq!(absorb_days(&mut state, &[], &[]).missing, missing, "still, and no news");
}

#[test]
fn a_listing_of_no_days_is_about_what_no_day_would_show() {
    let mut state = known();
    assert!(!state.expects_unseen("Item").unwrap(), "all was seen within the filters");
    absorb(&mut state, &page()[1..], &page());
    assert!(state.expects_unseen("Item").unwrap(), "one is not seen any more");
    assert!(!state.expects_unseen("Customer").unwrap());
    let mut state = known();
    let outside = Listed { taken_up: false, ..page()[0].clone() };
    absorb(&mut state, &page(), &[&[outside], &page()[1..]].concat());
    assert!(state.expects_unseen("Item").unwrap(), "one is left out by the filters");
}

#[test]
fn a_document_is_renamed_only_where_its_old_day_was_listed() {
    let mut state = known();
    let renamed = [listed("B", "c2", MONDAY), listed("Z", "c1", MONDAY)];
    let absorbed = absorb_days(&mut state, &[day("2025-11-17")], &renamed);
    assert_eq!(absorbed.renamed.len(), 1);
    // Of C nothing is known but that another document has its `creation` now.
    let copy = [listed("D", "c3", "2025-11-19 08:00:00.000000")];
    let absorbed = absorb_days(&mut state, &[day("2025-11-19")], &copy);
    assert_eq!(absorbed.renamed, []);
    assert!(state.record_by_name("Item", Side::Cloud, "C").unwrap().is_some());
}

#[test]
fn what_the_filters_leave_out_is_kept_apart_and_asked_for_by_name() {
    let mut state = known();
    let mut filtered = page();
    filtered[0].taken_up = false;
    absorb(&mut state, &filtered, &page());
    assert_eq!(state.fingerprint("Item", Side::Cloud).unwrap(), sums(&page()[1..]));
    state.begin_listing("Item").unwrap();
    assert_eq!(state.not_listed(Side::Cloud).unwrap(), ["A"]);
    assert_eq!(state.not_listed(Side::Local).unwrap(), [""; 0]);
    // Let in again.
    let absorbed = absorb_days(&mut state, &[], &page()[..1]);
    assert_eq!(absorbed, Absorbed::default());
    assert_eq!(state.fingerprint("Item", Side::Cloud).unwrap(), sums(&page()));
}

#[test]
fn what_the_filters_left_out_is_missed_when_its_name_is_gone() {
    let mut state = known();
    let mut filtered = page();
    filtered[0].taken_up = false;
    absorb(&mut state, &filtered, &page());
    assert_eq!(absorb_days(&mut state, &[], &[]).missing.len(), 1);
}

/// Takes over everything that local shows, and nothing of cloud.
fn absorb_local(state: &mut State, local: &[Listed]) -> Absorbed {
    state.begin_listing("Item").unwrap();
    state.add_listed(Side::Local, local).unwrap();
    state.cover_everything(Side::Local).unwrap();
    state.absorb_listing(&BTreeSet::new(), at(1)).unwrap()
}

/// Documents that were imported together share a `creation`: one of them may stand on a day that
/// is not listed.
#[test]
fn a_creation_that_another_day_has_too_proves_no_rename() {
    let page = [listed("A", "c1", MONDAY), listed("B", "c1", TUESDAY)];
    let now = [listed("N", "c1", MONDAY), page[1].clone()];
    for is_whole in [true, false] {
        let mut state = State::in_memory().unwrap();
        absorb(&mut state, &page, &page);
        let absorbed = if is_whole {
            absorb(&mut state, &now, &page)
        } else {
            absorb_days(&mut state, &[day("2025-11-17")], &now[..1])
        };
        assert_eq!((absorbed.renamed.len(), absorbed.missing.len()), (0, 1), "whole: {is_whole}");
        let missing = state.record_by_name("Item", Side::Cloud, "A").unwrap().unwrap();
        assert_eq!(missing.seen.cloud, None);
    }
}

/// Saved under a new name while the days were listed on which its old one did not stand.
#[test]
fn a_name_that_is_not_there_any_more_is_struck_whatever_its_day() {
    let mut state = State::in_memory().unwrap();
    let noon = "2025-11-17 12:00:00.000001";
    let page = [listed("A", "c1", noon), listed("B", "c2", MONDAY), listed("C", "c3", TUESDAY)];
    absorb(&mut state, &page, &page);
    state.begin_listing("Item").unwrap();
    let now = [listed("C", "c3", TUESDAY), listed("Z", "c1", TUESDAY)];
    state.add_listed(Side::Cloud, &now).unwrap();
    state.cover_days(Side::Cloud, &[day("2025-11-18")]).unwrap();
    let doubtful = state.names_in_doubt().unwrap();
    assert_eq!((doubtful.cloud.as_slice(), doubtful.local.len()), (&["A".to_owned()][..], 0));
    state.strike_listed(Side::Cloud, &doubtful.cloud).unwrap();
    let absorbed = state.absorb_listing(&BTreeSet::new(), at(1)).unwrap();
    let renamed: Vec<_> = absorbed.renamed.iter().map(|one| (&*one.old, &*one.new)).collect();
    assert_eq!((renamed, absorbed.missing), (vec![("A", "Z")], vec![]));
}

#[test]
fn a_copy_under_another_name_is_told_though_the_other_day_is_not_listed() {
    let cloud =
        [listed("ACME", "c1", MONDAY), listed("B", "c2", MONDAY), listed("C", "c2", MONDAY)];
    let mut state = State::in_memory().unwrap();
    absorb(&mut state, &cloud, &[]);
    absorb_local(&mut state, &[listed("ACME Ltd", "c1", TUESDAY), listed("B Ltd", "c2", TUESDAY)]);
    let found: Vec<_> = all(&state).into_iter().map(|one| (one.names, one.is_proven)).collect();
    let pair = |cloud: &str, local: &str| {
        let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        Sides::new(name(cloud), name(local))
    };
    assert_eq!(
        found,
        [
            (pair("ACME", "ACME Ltd"), true),
            (pair("B", ""), false),
            (pair("C", ""), false),
            (pair("", "B Ltd"), false),
        ]
    );
}

#[test]
fn only_what_should_have_been_listed_makes_another_site() {
    let mut state = known();
    let mut strangers = |days: &[Stretch], whole: bool, cloud: &[Listed]| {
        state.begin_listing("Item").unwrap();
        state.add_listed(Side::Cloud, cloud).unwrap();
        state.cover_days(Side::Cloud, days).unwrap();
        if whole {
            state.cover_everything(Side::Cloud).unwrap();
        }
        state.strangers_only(Side::Cloud).unwrap().map(|strangers| strangers.known)
    };
    let new = [listed("N", "c9", TUESDAY)];
    assert_eq!(strangers(&[day("2025-11-18")], false, &new), None, "Monday stands");
    assert_eq!(strangers(&[day("2025-11-17"), day("2025-11-18")], false, &new), Some(3));
    assert_eq!(strangers(&[], true, &new), Some(3));
}

#[test]
fn what_the_filters_leave_out_is_counted_apart() {
    let mut state = known();
    let mut filtered = page();
    filtered[0].taken_up = false;
    absorb(&mut state, &filtered, &page());
    let outside = |state: &State| Side::BOTH.map(|side| state.outside("Item", side).unwrap());
    assert_eq!(outside(&state), [1, 0]);
    absorb(&mut state, &page(), &page());
    assert_eq!(outside(&state), [0, 0]);
}

/// The sums as the records themselves add up, whatever is kept of them.
fn added_up(state: &State, side: Side) -> Fingerprint {
    let sql = for_side(
        side,
        "SELECT {s}_name, {s}_seen FROM sync_records WHERE doctype = 'Item'
            AND {s}_seen IS NOT NULL AND {s}_name IS NOT NULL AND sync_status <> 'gone'
            AND NOT {s}_outside",
    );
    let mut statement = state.connection.prepare(&sql).unwrap();
    let mut sums = Fingerprint::default();
    let read = |row: &Row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    for (name, seen) in collect(&mut statement, [], read).unwrap() {
        sums.add(&name, &seen);
    }
    sums
}

/// The records by their status, counted one by one.
fn counted(state: &State) -> Vec<StatusTotal> {
    let sql = "SELECT doctype, sync_status, count(*) FROM sync_records
        GROUP BY doctype, sync_status ORDER BY doctype, sync_status";
    let mut statement = state.connection.prepare(sql).unwrap();
    let read = |row: &Row| {
        let status = RecordStatus::word(&row.get::<_, String>(1)?)?;
        Ok(StatusTotal { doctype: row.get(0)?, status, count: count(row, 2)? })
    };
    collect(&mut statement, [], read).unwrap()
}

fn end_run(state: &mut State) {
    let run = state.start_run("sync-all", at(0)).unwrap();
    state.finish_run(run, 0, Sides::new(0, 0), &json!({}), at(0)).unwrap();
}

fn changed_days(state: &State) -> usize {
    let sql = "SELECT count(*) FROM changed_days";
    state.connection.query_row(sql, [], |row| count(row, 0)).unwrap()
}

#[test]
fn sums_are_kept_and_only_what_changed_is_added_up_again() {
    let mut state = known();
    end_run(&mut state);
    assert_eq!(changed_days(&state), 0);
    assert_eq!(state.fingerprint("Item", Side::Cloud).unwrap(), sums(&page()));
    // What is kept is taken as it is where nothing has changed.
    let kept = "UPDATE seen_sums SET documents = 7 WHERE day = '2025-11-17'";
    state.connection.execute(kept, []).unwrap();
    let monday = |state: &State| {
        state.fingerprint("Item", Side::Cloud).unwrap().count_within(&day("2025-11-17"))
    };
    assert_eq!(monday(&state), 7);
    let touched = "UPDATE sync_records SET reason = 'none of the sums'";
    state.connection.execute(touched, []).unwrap();
    assert_eq!((monday(&state), changed_days(&state)), (7, 0));
    state
        .connection
        .execute(
            "UPDATE sync_records SET cloud_name = 'Z'
        WHERE cloud_name = 'A'",
            [],
        )
        .unwrap();
    assert_eq!((monday(&state), changed_days(&state)), (2, 1));
}

#[test]
fn whatever_changes_a_record_changes_its_sums() {
    let later = "2025-11-19 08:00:00.000002";
    let changes = [
        format!("UPDATE sync_records SET {{s}}_seen = '{later}' WHERE {{s}}_name = 'A'"),
        "UPDATE sync_records SET {s}_seen = NULL WHERE {s}_name = 'A'".to_owned(),
        "UPDATE sync_records SET {s}_name = 'Z' WHERE {s}_name = 'A'".to_owned(),
        "UPDATE sync_records SET {s}_name = NULL WHERE {s}_name = 'A'".to_owned(),
        "UPDATE sync_records SET {s}_outside = TRUE WHERE {s}_name = 'A'".to_owned(),
        "UPDATE sync_records SET sync_status = 'gone' WHERE {s}_name = 'A'".to_owned(),
        "UPDATE sync_records SET doctype = 'Brand', sync_status = 'failed' WHERE {s}_name = 'A'"
            .to_owned(),
        "DELETE FROM sync_records WHERE {s}_name = 'C'".to_owned(),
        format!(
            "INSERT INTO sync_records (doctype, docname, {{s}}_name, {{s}}_seen)
             VALUES ('Item', 'D', 'D', '{later}')"
        ),
    ];
    for (side, change) in Side::BOTH
        .into_iter()
        .flat_map(|side| changes.iter().map(move |change| (side, for_side(side, change))))
    {
        let mut state = known();
        end_run(&mut state);
        let before = state.fingerprint("Item", side).unwrap();
        assert_eq!(state.connection.execute(&change, []).unwrap(), 1, "{change}");
        for moment in ["at once", "when the run has ended"] {
            assert_ne!(state.fingerprint("Item", side).unwrap(), before, "{change}");
            for side in Side::BOTH {
                let now = state.fingerprint("Item", side).unwrap();
                assert_eq!(now, added_up(&state, side), "{change}: {moment}");
            }
            assert_eq!(state.totals().unwrap(), counted(&state), "{change}");
            end_run(&mut state);
        }
        assert_eq!(changed_days(&state), 0);
    }
}
