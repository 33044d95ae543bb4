//! What holds for every decision, whatever the situation.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::random::config;
use crate::fuzzing::{Given, mirrored};
use crate::model::{
    Action, Collisions, ConflictKind, Deletes, Direction, FirstMeeting, Form, Meeting, Policy,
    Side, Sides, Submitted,
};
use crate::recon::{Change, Moment, Observed, Rules, Version, agree, unshared, way};

/// What a person entered, with the docstatus; without `stages` a draft.
fn whole(stages: bool) -> impl Strategy<Value = Form> + Clone {
    let forms = [json!({}), json!({"city": "Pune"}), json!({"city": "Agra"}), json!({"qty": 2})];
    let forms = forms.map(|form| Form(form.as_object().unwrap().clone())).to_vec();
    let stages: i64 = if stages { 3 } else { 1 };
    (select(forms), 0..stages).prop_map(|(mut form, docstatus)| {
        if docstatus > 0 {
            form.0.insert("docstatus".to_owned(), docstatus.into());
        }
        form
    })
}

/// Of a submitted document only the city can still be edited.
fn open(whole: &Form) -> Form {
    let mut form = whole.clone();
    if form.docstatus() > 0 {
        form.0.remove("qty");
    }
    form
}

/// What a side shows; the seconds of both sides' saves are never the same.
fn observed(second: i64, stages: bool) -> impl Strategy<Value = Observed<Version>> {
    let version = (whole(stages), 0i64..3).prop_map(move |(whole, later)| {
        let instant = Timestamp::from_second(1_800_000_000 + 2 * later + second).unwrap();
        let saved = Some(Moment { earliest: instant, latest: instant });
        Version { form: open(&whole), whole: Some(whole), saved }
    });
    prop_oneof![
        6 => version.prop_map(Observed::Present),
        2 => Just(Observed::Absent),
        1 => Just(Observed::Unknown("hidden".to_owned())),
    ]
}

fn given() -> impl Strategy<Value = Given> {
    given_of(false)
}

/// Situations of documents that can be submitted.
fn given_submitted() -> impl Strategy<Value = Given> {
    given_of(true)
}

fn given_of(stages: bool) -> impl Strategy<Value = Given> {
    let rules = (
        select(Policy::ALL.to_vec()),
        select(FirstMeeting::ALL.to_vec()),
        select(Deletes::ALL.to_vec()),
        select(vec![Direction::Both, Direction::CloudToLocal, Direction::LocalToCloud]),
        select(Collisions::ALL.to_vec()),
    );
    let rules = rules.prop_map(|(policy, first_meeting, deletes, direction, collisions)| Rules {
        policy,
        first_meeting,
        collisions,
        deletes,
        direction,
        submitted: Submitted::Mirror,
    });
    let whole = || whole(stages);
    let base = prop_oneof![
        1 => Just(None),
        1 => whole().prop_map(|form| Some(Sides::new(form.clone(), form))),
        1 => (whole(), whole()).prop_map(|(cloud, local)| Some(Sides::new(cloud, local))),
    ];
    let meeting = select(vec![Meeting::SameDocument, Meeting::TwoDocuments, Meeting::SecondCopy]);
    let now = (observed(0, stages), observed(1, stages))
        .prop_map(|(cloud, local)| Sides::new(cloud, local));
    (base, now, meeting, rules).prop_map(|(base, now, meeting, rules)| Given {
        base: base.as_ref().map(|base: &Sides<Form>| base.as_ref().map(|_, form| open(form))),
        whole: base,
        now,
        meeting,
        rules,
    })
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn swapping_the_sides_mirrors_the_decision(given in given()) {
        let (here, there) = (given.decide(), given.mirrored().decide());
        prop_assert_eq!(here.action, there.action);
        prop_assert_eq!(here.direction, mirrored(there.direction));
        prop_assert_eq!(here.conflict, there.conflict);
        prop_assert_eq!(here.skipped, there.skipped);
    }

    #[test]
    fn swapping_the_sides_mirrors_what_is_submitted(given in given_submitted()) {
        let (here, there) = (given.decide(), given.mirrored().decide());
        prop_assert_eq!(here.action, there.action);
        prop_assert_eq!(here.direction, mirrored(there.direction));
        prop_assert_eq!(here.conflict, there.conflict);
    }

    /// No policy takes a submission or a cancellation back, and none overwrites an edit by one
    /// without a record of it.
    #[test]
    fn a_document_only_goes_on(given in given_submitted()) {
        let decided = given.decide();
        let Some(target) = decided.direction.target() else { return Ok(()) };
        if let (Observed::Present(source), Observed::Present(there)) =
            (&given.now[target.opposite()], &given.now[target])
        {
            let way = way(there.form.docstatus(), source.form.docstatus());
            // What was edited goes before a cancellation.
            let is_before = way == Some(Action::Cancel) && decided.action == Action::Update;
            prop_assert!(is_before || way == Some(decided.action), "{:?}", decided);
            prop_assert!(there.form.docstatus() < 2);
            if let Some(whole) = given.whole.as_ref().filter(|_| way != Some(Action::Update)) {
                let now = Sides::from_fn(|side| match &given.now[side] {
                    Observed::Present(version) => version.whole.clone().unwrap(),
                    _ => Form::default(),
                });
                let edits = unshared(whole.as_ref(), now.as_ref(), target);
                let is_edited = edits.iter().any(|place| place != "docstatus");
                prop_assert!(!is_edited || decided.conflict.is_some(), "{:?}", decided);
            }
        }
    }

    #[test]
    fn nothing_is_written_on_a_guess(given in given()) {
        let unknown = given.now.iter().any(|(_, now)| matches!(now, Observed::Unknown(_)));
        if unknown {
            let decided = given.decide();
            prop_assert_eq!(decided.action, Action::Noop);
            prop_assert!(decided.skipped);
        }
    }

    #[test]
    fn nothing_is_written_against_the_rule(given in given()) {
        if let Some(target) = given.rules.direction.target() {
            let written = given.decide().direction.target();
            prop_assert!(written.is_none() || written == Some(target));
        }
    }

    /// An edit is never overwritten without a record of it, and never deleted.
    #[test]
    fn an_edit_survives(given in given()) {
        let decided = given.decide();
        for side in Side::BOTH {
            let is_edited = given.change(side) == Some(Change::Modified);
            if is_edited && decided.direction.target() == Some(side) {
                prop_assert_eq!(decided.conflict, Some(ConflictKind::EditEdit), "{:?}", decided);
            }
            if is_edited && given.change(side.opposite()) == Some(Change::Deleted) {
                prop_assert_eq!(decided.action, Action::Conflict);
            }
            prop_assert!(!(is_edited && decided.action == Action::Delete));
        }
    }

    /// What one side alone changed goes to the other, or it is said why not.
    #[test]
    fn a_one_sided_change_is_never_lost(given in given()) {
        for side in Side::BOTH {
            let other = side.opposite();
            if given.change(side) == Some(Change::Modified)
                && given.change(other) == Some(Change::Unchanged)
            {
                let decided = given.decide();
                let is_equal = match (&given.now.cloud, &given.now.local, &given.base) {
                    (Observed::Present(cloud), Observed::Present(local), Some(base)) => {
                        agree(base.as_ref(), Sides::new(&cloud.form, &local.form))
                    }
                    _ => false,
                };
                prop_assert!(
                    is_equal || decided.skipped
                        || (decided.action, decided.direction.target()) == (Action::Update, Some(other)),
                    "{:?}", decided
                );
                prop_assert_eq!(
                    decided.skipped,
                    !is_equal && given.rules.direction == Direction::to(side),
                );
            }
        }
    }

    #[test]
    fn two_documents_are_never_taken_for_one(given in given()) {
        let both = given.now.iter().all(|(_, now)| matches!(now, Observed::Present(_)));
        if given.base.is_none() && both && given.meeting != Meeting::SameDocument {
            let decided = given.decide();
            let is_settled = given.meeting == Meeting::TwoDocuments
                && given.rules.collisions == Collisions::Both;
            let action = if is_settled { Action::Resolve } else { Action::Conflict };
            prop_assert_eq!(decided.action, action);
            prop_assert_eq!(decided.conflict, Some(ConflictKind::Collision));
            prop_assert_eq!(decided.direction.target(), None, "neither is written over the other");
        }
    }
}
