//! Walks the decision table, `tests/cases/decide.json`, and every row's mirror.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::*;
use crate::model::Side;

const TABLE: &str = include_str!("../../tests/cases/decide.json");

struct Row {
    description: String,
    base: Option<Sides<Form>>,
    whole_base: Option<Sides<Form>>,
    now: Sides<Observed<Version>>,
    meeting: Meeting,
    new_fields: Vec<String>,
    rules: Rules,
    expect: Value,
    has_mirror: bool,
}

fn read<T: serde::de::DeserializeOwned>(case: &Map<String, Value>, key: &str, default: T) -> T {
    case.get(key).map_or(default, |value| serde_json::from_value(value.clone()).unwrap())
}

/// What can no longer be edited once a document is submitted.
const CLOSED: &str = "total";

fn whole(value: &Value) -> Form {
    let mut form = value.as_object().unwrap().clone();
    form.retain(|_, value| value != "");
    Form(form)
}

fn form(value: &Value) -> Form {
    let mut form = whole(value);
    if form.docstatus() != 0 {
        form.0.remove(CLOSED);
    }
    form
}

/// What the sides agreed on: one content, where the local site did not make something of it.
fn bases(case: &Map<String, Value>, form: impl Fn(&Value) -> Form) -> Option<Sides<Form>> {
    let local = || form(case.get("base_local").unwrap_or(&case["base"]));
    case["base"].is_object().then(|| Sides::new(form(&case["base"]), local()))
}

fn saved(side: Side, last: &str) -> Option<Moment> {
    let second = match last {
        "unclear" => return None,
        "tie" => 0,
        _ => i64::from(last == side.as_str()),
    };
    let instant = Timestamp::from_second(1_800_000_000 + second).unwrap();
    Some(Moment { earliest: instant, latest: instant })
}

fn observed(case: &Map<String, Value>, side: Side) -> Observed<Version> {
    let last: String = read(case, "saved_last", "unclear".to_owned());
    let version = |value| {
        let whole = Some(whole(value)).filter(|_| case.contains_key("submittable"));
        Version { form: form(value), whole, saved: saved(side, &last) }
    };
    match &case[side.as_str()] {
        Value::String(word) if word == "absent" => Observed::Absent,
        Value::String(word) => Observed::Unknown(word.clone()),
        value => match value.get("replaced") {
            // Another document has its name: the known one is gone.
            Some(_) => Observed::Absent,
            None => Observed::Present(version(value)),
        },
    }
}

fn row(case: &Map<String, Value>) -> Row {
    let two = read(case, "two_documents", false);
    Row {
        description: case["description"].as_str().unwrap().to_owned(),
        base: bases(case, form),
        whole_base: bases(case, whole).filter(|_| case.contains_key("submittable")),
        now: Sides::from_fn(|side| observed(case, side)),
        meeting: if two { Meeting::TwoDocuments } else { Meeting::SameDocument },
        new_fields: read(case, "new_fields", Vec::new()),
        rules: Rules {
            policy: read(case, "policy", Policy::LatestTimestamp),
            first_meeting: read(case, "first_meeting", FirstMeeting::Policy),
            collisions: Collisions::Manual,
            deletes: read(case, "deletes", Deletes::Propagate),
            direction: read(case, "one_way", Direction::Both),
            submitted: read(case, "submitted", Submitted::Mirror),
        },
        expect: case["expect"].clone(),
        has_mirror: read(case, "mirror", true),
    }
}

/// The sides change places; each version keeps the instant at which it was saved.
fn mirrored(row: Row) -> Row {
    let mut expect = row.expect;
    let direction = mirror_word(expect["direction"].as_str().unwrap()).to_owned();
    expect["direction"] = direction.into();
    let rules = Rules {
        policy: match row.rules.policy {
            Policy::CloudWins => Policy::LocalWins,
            Policy::LocalWins => Policy::CloudWins,
            other => other,
        },
        direction: row
            .rules
            .direction
            .target()
            .map_or(row.rules.direction, |side| Direction::to(side.opposite())),
        ..row.rules
    };
    let description = format!("{} (mirrored)", row.description);
    let swapped = |base: Sides<Form>| Sides::new(base.local, base.cloud);
    let (base, whole_base) = (row.base.map(swapped), row.whole_base.map(swapped));
    let now = Sides::new(row.now.local, row.now.cloud);
    Row { description, base, whole_base, now, rules, expect, ..row }
}

fn mirror_word(direction: &str) -> &str {
    match direction {
        "cloud_to_local" => "local_to_cloud",
        "local_to_cloud" => "cloud_to_local",
        other => other,
    }
}

fn check(row: &Row) {
    let situation = Situation {
        base: row.base.as_ref().map(Sides::as_ref),
        whole_base: row.whole_base.as_ref().map(Sides::as_ref),
        now: row.now.clone(),
        meeting: row.meeting,
        new_fields: row.new_fields.clone(),
        undone: None,
        rules: row.rules,
    };
    let decision = decide(&situation);
    let expect = |key: &str| row.expect.get(key).and_then(Value::as_str);
    let what = format!("{}: {decision:?}", row.description);
    assert_eq!(Some(decision.action.as_str()), expect("action"), "{what}");
    assert_eq!(Some(decision.direction.as_str()), expect("direction"), "{what}");
    assert_eq!(decision.conflict.map(ConflictKind::as_str), expect("conflict"), "{what}");
    let skipped = row.expect.get("skipped").and_then(Value::as_bool).unwrap_or(false);
    assert_eq!(decision.skipped, skipped, "{what}");
    assert!(!decision.reason.is_empty());
    let said = expect("reason").unwrap_or_default();
    assert!(decision.reason.contains(said), "{what}");
}

#[test]
fn the_table_and_its_mirror() {
    let cases: Vec<Map<String, Value>> = serde_json::from_str(TABLE).unwrap();
    for case in &cases {
        let row = row(case);
        check(&row);
        if row.has_mirror {
            check(&mirrored(row));
        }
    }
}

/// What only the pass can know of documents without a base.
#[test]
fn documents_that_are_not_what_they_look_like() {
    let cases: Vec<Map<String, Value>> = serde_json::from_str(TABLE).unwrap();
    let decided = |meeting: Meeting, is_there: fn(&Row) -> bool| {
        let is_draft = |observed: &Observed<Version>| {
            version(observed).is_none_or(|version| version.form.docstatus() == 0)
        };
        let rows = cases.iter().map(row).filter(|row| row.base.is_none() && is_there(row));
        let rows = rows.filter(|row| row.now.iter().all(|(_, observed)| is_draft(observed)));
        let decisions: Vec<Decision> = rows
            .filter(|row| row.rules.direction == Direction::Both && row.new_fields.is_empty())
            .map(|row| {
                decide(&Situation {
                    base: None,
                    whole_base: None,
                    now: row.now,
                    meeting,
                    new_fields: Vec::new(),
                    undone: None,
                    rules: row.rules,
                })
            })
            .collect();
        assert!(!decisions.is_empty());
        decisions
    };
    let alone = |row: &Row| matches!(row.now.local, Observed::Absent);
    for (meeting, kind) in [
        (Meeting::SecondCopy, ConflictKind::Duplicate),
        (Meeting::Unclear, ConflictKind::UnknownOutcome),
    ] {
        for decision in decided(meeting, alone) {
            assert_eq!((decision.action, decision.conflict), (Action::Conflict, Some(kind)));
        }
    }
    let differ = |row: &Row| match (&row.now.cloud, &row.now.local) {
        (Observed::Present(cloud), Observed::Present(local)) => cloud.form != local.form,
        _ => false,
    };
    // Not even `collisions = "both"` settles what may be the copy of a lost create.
    for decision in decided(Meeting::Unclear, differ) {
        let recorded = (Action::Conflict, Some(ConflictKind::UnknownOutcome));
        assert_eq!((decision.action, decision.conflict), recorded);
    }
    // Whatever the policy: the site's own is written over, and kept.
    for decision in decided(Meeting::BornOn(Side::Local), differ) {
        assert_eq!(
            (decision.action, decision.direction),
            (Action::Update, Direction::CloudToLocal)
        );
        assert_eq!(decision.conflict, Some(ConflictKind::FirstMeeting));
    }
}

#[test]
fn what_a_site_made_by_itself_is_no_way_around_one_direction() {
    let form = |city: &str| form(&serde_json::json!({"city": city}));
    for side in Side::BOTH {
        for direction in [Direction::Both, Direction::CloudToLocal, Direction::LocalToCloud] {
            let version = |form| Observed::Present(Version { form, whole: None, saved: None });
            let decision = decide(&Situation {
                base: None,
                whole_base: None,
                now: Sides::new(version(form("Pune")), version(form("Agra"))),
                meeting: Meeting::BornOn(side),
                new_fields: Vec::new(),
                undone: None,
                rules: Rules {
                    policy: Policy::LatestTimestamp,
                    first_meeting: FirstMeeting::Policy,
                    collisions: Collisions::Manual,
                    deletes: Deletes::Propagate,
                    direction,
                    submitted: Submitted::Mirror,
                },
            });
            let wanted = direction.target().unwrap_or(side);
            assert_eq!(decision.direction.target(), Some(wanted), "{side} {direction:?}");
            assert_eq!(decision.conflict, Some(ConflictKind::FirstMeeting));
        }
    }
}

/// Two documents of one name are told apart by rule, whatever else holds, and neither is
/// written over the other.
#[test]
fn two_documents_are_told_apart_by_rule() {
    let cases: Vec<Map<String, Value>> = serde_json::from_str(TABLE).unwrap();
    let is_there = |(_, now): (Side, &Observed<Version>)| matches!(now, Observed::Present(_));
    let rows = cases.iter().map(row);
    let rows = rows.filter(|row| row.base.is_none() && row.now.iter().all(is_there));
    let decisions: Vec<Decision> = rows
        .map(|row| {
            decide(&Situation {
                base: None,
                whole_base: None,
                now: row.now,
                meeting: Meeting::TwoDocuments,
                new_fields: Vec::new(),
                undone: None,
                rules: Rules { collisions: Collisions::Both, ..row.rules },
            })
        })
        .collect();
    assert!(!decisions.is_empty());
    for decision in decisions {
        assert_eq!((decision.action, decision.direction), (Action::Resolve, Direction::Both));
        assert_eq!(decision.conflict, Some(ConflictKind::Collision));
    }
}

/// What is created is what is said to be.
#[test]
fn of_two_documents_told_apart_by_rule_the_reason_names_what_is_created() {
    let cases: Vec<Map<String, Value>> = serde_json::from_str(TABLE).unwrap();
    let is_there = |(_, now): (Side, &Observed<Version>)| matches!(now, Observed::Present(_));
    let row = cases.iter().map(row).find(|row| row.now.iter().all(is_there)).unwrap();
    for (direction, what) in [
        (Direction::Both, "each is created on the other side"),
        (Direction::CloudToLocal, "that of cloud is created on local"),
        (Direction::LocalToCloud, "that of local is created on cloud"),
    ] {
        let decision = decide(&Situation {
            base: None,
            whole_base: None,
            now: row.now.clone(),
            meeting: Meeting::TwoDocuments,
            new_fields: Vec::new(),
            undone: None,
            rules: Rules { collisions: Collisions::Both, direction, ..row.rules },
        });
        assert_eq!(decision.reason, format!("two documents have this name; {what}"));
    }
}
