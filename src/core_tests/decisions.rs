//! What holds for every decision, whatever the situation.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::random::config;
use crate::model::{
    Action, ConflictKind, Deletes, Direction, FirstMeeting, Form, Meeting, Policy, Side, Sides,
};
use crate::recon::{
    Change, Decision, Moment, Observed, Rules, Situation, Version, classify, decide,
};

/// A situation that owns its forms.
#[derive(Debug, Clone)]
struct Given {
    base: Option<Sides<Form>>,
    now: Sides<Observed<Version>>,
    meeting: Meeting,
    rules: Rules,
}

impl Given {
    fn decide(&self) -> Decision {
        decide(&Situation {
            base: self.base.as_ref().map(Sides::as_ref),
            now: self.now.clone(),
            meeting: self.meeting,
            new_fields: Vec::new(),
            rules: self.rules,
        })
    }

    fn change(&self, side: Side) -> Option<Change> {
        classify(&self.base.as_ref()?[side], &self.now[side])
    }

    /// The sides change places.
    fn mirrored(&self) -> Self {
        let policy = match self.rules.policy {
            Policy::CloudWins => Policy::LocalWins,
            Policy::LocalWins => Policy::CloudWins,
            other => other,
        };
        let direction = mirrored(self.rules.direction);
        let base = self.base.clone().map(|base| Sides::new(base.local, base.cloud));
        let now = Sides::new(self.now.local.clone(), self.now.cloud.clone());
        Self { base, now, rules: Rules { policy, direction, ..self.rules }, ..self.clone() }
    }
}

fn mirrored(direction: Direction) -> Direction {
    direction.target().map_or(direction, |side| Direction::to(side.opposite()))
}

fn form() -> impl Strategy<Value = Form> + Clone {
    let forms = [json!({}), json!({"city": "Pune"}), json!({"city": "Agra"}), json!({"qty": 2})];
    select(forms.map(|form| Form(form.as_object().unwrap().clone())).to_vec())
}

/// What a side shows; the seconds of both sides' saves are never the same.
fn observed(second: i64) -> impl Strategy<Value = Observed<Version>> {
    let version = (form(), 0i64..3).prop_map(move |(form, later)| {
        let instant = Timestamp::from_second(1_800_000_000 + 2 * later + second).unwrap();
        Version { form, saved: Some(Moment { earliest: instant, latest: instant }) }
    });
    prop_oneof![
        6 => version.clone().prop_map(Observed::Present),
        2 => Just(Observed::Absent),
        1 => Just(Observed::Unknown("hidden".to_owned())),
        1 => version.prop_map(Observed::Replaced),
    ]
}

fn given() -> impl Strategy<Value = Given> {
    let rules = (
        select(Policy::ALL.to_vec()),
        select(FirstMeeting::ALL.to_vec()),
        select(Deletes::ALL.to_vec()),
        select(vec![Direction::Both, Direction::CloudToLocal, Direction::LocalToCloud]),
    );
    let rules = rules.prop_map(|(policy, first_meeting, deletes, direction)| Rules {
        policy,
        first_meeting,
        deletes,
        direction,
    });
    let base = prop_oneof![
        1 => Just(None),
        1 => form().prop_map(|form| Some(Sides::new(form.clone(), form))),
        1 => (form(), form()).prop_map(|(cloud, local)| Some(Sides::new(cloud, local))),
    ];
    let meeting = select(vec![Meeting::SameDocument, Meeting::TwoDocuments]);
    let now = (observed(0), observed(1)).prop_map(|(cloud, local)| Sides::new(cloud, local));
    (base, now, meeting, rules).prop_map(|(base, now, meeting, rules)| Given {
        base,
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
                let is_equal = match (&given.now.cloud, &given.now.local) {
                    (Observed::Present(a), Observed::Present(b)) => a.form == b.form,
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
        if given.base.is_none() && both && given.meeting == Meeting::TwoDocuments {
            let decided = given.decide();
            prop_assert_eq!(decided.action, Action::Conflict);
            prop_assert_eq!(decided.conflict, Some(ConflictKind::Collision));
        }
    }
}
