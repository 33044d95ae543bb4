//! The canonical forms, the decision and the patch, of documents that hold anything.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::json_or_text;
use crate::model::{
    Action, Collisions, DOCSTATUS, Deletes, Direction, Doc, FirstMeeting, Form, Meeting, Policy,
    Schema, Shape, Side, Sides, Submitted, Translation,
};
use crate::recon::{
    Change, Decision, Moment, Observed, RowNames, Rules, Situation, Version, changed_fields,
    classify, create_body, decide, unshared, update_body,
};

/// A doctype with a field of each kind; `posting_date` and the like are left out, which count by
/// a field that is in no form. Small letters in an input choose one by its place here.
const FIELDS: [&str; 26] = [
    "title",
    "qty",
    "total",
    "due",
    "called",
    "start",
    "extra",
    "customer",
    "party_type",
    "party",
    "customer_group",
    "batch",
    "follow_up",
    "secret",
    "docstatus",
    "modified",
    "name",
    "items",
    "items.item",
    "items.qty",
    "items.so_detail",
    "items.ready_at",
    "items.name",
    "items.extra",
    "labels",
    "labels.label",
];

static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let field = |name: &str, fieldtype: &str, options: &str| json!({"fieldname": name, "fieldtype": fieldtype, "options": options});
    let mut fields = vec![
        field("title", "Data", ""),
        field("qty", "Int", ""),
        field("total", "Currency", ""),
        field("due", "Date", ""),
        field("called", "Datetime", ""),
        field("start", "Time", ""),
        field("extra", "JSON", ""),
        field("customer", "Link", "Customer"),
        field("party_type", "Link", "DocType"),
        field("party", "Dynamic Link", "party_type"),
        field("secret", "Password", ""),
        field("items", "Table", "Order Item"),
        field("labels", "Table MultiSelect", "Order Label"),
    ];
    fields.push(json!({"fieldname": "customer_group", "fieldtype": "Data",
        "fetch_from": "customer.customer_group"}));
    fields.push(json!({"fieldname": "batch", "fieldtype": "Data", "set_only_once": 1}));
    fields.push(json!({"fieldname": "follow_up", "fieldtype": "Date", "allow_on_submit": 1}));
    let item = [
        field("item", "Link", "Item"),
        field("qty", "Float", ""),
        field("so_detail", "Data", ""),
        field("ready_at", "Time", ""),
        field("extra", "JSON", ""),
    ];
    let mut order = schema("Order", &fields);
    order.tables.insert("items".to_owned(), schema("Order Item", &item));
    order
        .tables
        .insert("labels".to_owned(), schema("Order Label", &[field("label", "Link", "Label")]));
    Shape::new(Sides::new(&order, &order), &[], &[])
});

fn schema(doctype: &str, fields: &[Value]) -> Schema {
    let meta = json!({"name": doctype, "is_submittable": 1, "fields": fields});
    Schema::from_meta(meta.as_object().expect("an object"))
}

/// Of any base and any two versions. The first line chooses the situation, a byte each; the others
/// fill the documents: a digit says which (1 base, 2 cloud, 4 local, and their sums), a letter
/// which field, and the rest is the value. `items` and `labels` begin a row.
pub fn form(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let choices = lines.next().unwrap_or_default();
    let mut docs = [Map::new(), Map::new(), Map::new()];
    for line in lines {
        let mut chars = line.chars();
        let (Some(which), Some(field)) = (chars.next(), chars.next()) else { continue };
        let field = FIELDS[u32::from(field).wrapping_sub(u32::from('a')) as usize % FIELDS.len()];
        for (at, doc) in docs.iter_mut().enumerate() {
            if u32::from(which) >> at & 1 == 1 {
                put(doc, field, json_or_text(chars.as_str()));
            }
        }
    }
    let [base, cloud, local] = docs.map(Doc);
    are_formed(&[&base, &cloud, &local]);
    Given::of(choices.as_bytes(), &base, Sides::new(&cloud, &local)).is_decided();
    is_sent(&base, &cloud, &local);
}

/// Puts a value into a field, or into the last row of its table.
fn put(doc: &mut Map<String, Value>, field: &str, value: Value) {
    let (table, inner) = field.split_once('.').unwrap_or((field, ""));
    if !["items", "labels"].contains(&table) || (inner.is_empty() && value.is_array()) {
        doc.insert(field.to_owned(), value);
        return;
    }
    let rows = doc.entry(table).or_insert_with(|| json!([]));
    let Some(rows) = rows.as_array_mut() else { return };
    if inner.is_empty() {
        rows.push(json!({ "name": value }));
    } else if let Some(row) = rows.last_mut().and_then(Value::as_object_mut) {
        row.insert(inner.to_owned(), value);
    }
}

const UNTRANSLATED: &dyn Fn(&str, &str) -> Option<String> = &|_, _| None;

/// A form is its own form, is read back from its text, and has a hash that stands for it.
fn are_formed(docs: &[&Doc]) {
    type Make = fn(&Shape, &Doc) -> Form;
    let kinds: [Make; 3] = [
        |shape, doc| shape.sync_form(doc, UNTRANSLATED),
        |shape, doc| shape.whole_form(doc, UNTRANSLATED),
        |shape, doc| shape.identity_form(doc, UNTRANSLATED),
    ];
    for make in kinds {
        let forms: Vec<Form> = docs.iter().map(|doc| make(&SHAPE, doc)).collect();
        for form in &forms {
            let text = form.text();
            assert!(text.is_ascii(), "{text}");
            assert_eq!(make(&SHAPE, &Doc(form.0.clone())).text(), text, "not its own form");
            let read: Doc = serde_json::from_str(&text).expect("JSON");
            assert_eq!(make(&SHAPE, &read).text(), text, "the text says something else");
        }
        let hashed: Vec<(&Form, String)> = forms.iter().map(|form| (form, form.hash())).collect();
        let pairs = hashed.iter().flat_map(|one| hashed.iter().map(move |other| (one, other)));
        for ((one, hash), (other, other_hash)) in pairs {
            assert_eq!(one == other, hash == other_hash, "{one:?}\n{other:?}");
            assert_eq!(one.differing(other), other.differing(one));
            assert_eq!(one.differing(other).is_empty(), one == other);
        }
    }
}

/// What is sent holds no name of a row that is not the target's own, none twice, and nothing that
/// a site keeps for itself.
fn is_sent(base: &Doc, source: &Doc, target: &Doc) {
    let translate = |_: &str, name: &str| Translation::Name(name.to_owned());
    let form = |doc: &Doc| SHAPE.sync_form(doc, UNTRANSLATED);
    let bases = Sides::new(form(base), form(base));
    let now = Sides::new(form(source), form(target));
    let known = |table: &str| -> RowNames {
        let names = |doc: &Doc| -> Vec<String> {
            doc.rows(table).filter_map(|row| Some(row.get("name")?.as_str()?.to_owned())).collect()
        };
        names(source).into_iter().zip(names(target)).collect()
    };
    let own = |table: &str| -> BTreeSet<String> {
        target.rows(table).filter_map(|row| row.get("name")).map(Value::to_string).collect()
    };
    for base in [Some(&bases), None] {
        let fields = changed_fields(base, &now, Side::Local);
        let body = update_body(&SHAPE, &fields, source, target, &known, &translate);
        check_rows(&body.fields, &own);
    }
    let body = create_body(&SHAPE, source, &[], &translate);
    check_rows(&body.fields, &|_| BTreeSet::new());
}

fn check_rows(body: &Map<String, Value>, own: &dyn Fn(&str) -> BTreeSet<String>) {
    let body = Doc(body.clone());
    for field in ["name", "modified", "creation", "secret"] {
        assert!(!body.0.contains_key(field), "{field} is sent");
    }
    for table in ["items", "labels"] {
        let own = own(table);
        let mut sent = BTreeSet::new();
        for row in body.rows(table) {
            if let Some(name) = row.get("name").map(Value::to_string) {
                assert!(own.contains(&name), "{name} is not the target's");
                assert!(sent.insert(name), "a row name is sent twice");
            }
            for field in ["idx", "parent", "parentfield", "parenttype", "modified", "docstatus"] {
                assert!(!row.contains_key(field), "{field} is sent");
            }
        }
    }
}

/// A situation that owns its forms.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub base: Option<Sides<Form>>,
    /// The bases with what can no longer be edited.
    pub whole: Option<Sides<Form>>,
    pub now: Sides<Observed<Version>>,
    pub meeting: Meeting,
    pub rules: Rules,
}

impl Given {
    /// These documents in a situation that a byte each chooses.
    fn of(choices: &[u8], base: &Doc, now: Sides<&Doc>) -> Self {
        let mut choices = choices.iter().map(|byte| usize::from(*byte)).chain(std::iter::repeat(0));
        let mut next = || choices.next().unwrap_or_default();
        let directions = [Direction::Both, Direction::CloudToLocal, Direction::LocalToCloud];
        let meetings = [Meeting::SameDocument, Meeting::TwoDocuments, Meeting::SecondCopy];
        let rules = Rules {
            policy: Policy::ALL[next() % Policy::ALL.len()],
            first_meeting: FirstMeeting::ALL[next() % FirstMeeting::ALL.len()],
            collisions: Collisions::ALL[next() % Collisions::ALL.len()],
            deletes: Deletes::ALL[next() % Deletes::ALL.len()],
            direction: directions[next() % directions.len()],
            submitted: Submitted::Mirror,
        };
        let meeting = meetings[next() % meetings.len()];
        let form = |doc: &Doc| SHAPE.sync_form(doc, UNTRANSLATED);
        let whole = |doc: &Doc| SHAPE.whole_form(doc, UNTRANSLATED);
        let has_base = next() % 4 != 3;
        let both = |form: Form| has_base.then(|| Sides::new(form.clone(), form));
        let now = Sides::from_fn(|side| match next() % 8 {
            6 => Observed::Absent,
            7 => Observed::Unknown("hidden".to_owned()),
            later => Observed::Present(Version {
                form: form(now[side]),
                whole: Some(whole(now[side])),
                saved: Some(moment(side, later)),
            }),
        });
        Self { base: both(form(base)), whole: both(whole(base)), now, meeting, rules }
    }

    /// What is done about it.
    pub fn decide(&self) -> Decision {
        decide(&Situation {
            base: self.base.as_ref().map(Sides::as_ref),
            whole_base: self.whole.as_ref().map(Sides::as_ref),
            now: self.now.clone(),
            meeting: self.meeting,
            new_fields: Vec::new(),
            undone: None,
            rules: self.rules,
        })
    }

    /// What a side did since both agreed.
    pub fn change(&self, side: Side) -> Option<Change> {
        classify(&self.base.as_ref()?[side], &self.now[side])
    }

    /// What a write to a side would do away with: what it edited and the other shows otherwise,
    /// where both have the document. What nobody can edit any more goes only with its docstatus.
    fn edits(&self, side: Side) -> Vec<String> {
        let (Some(base), Some(whole)) = (&self.base, &self.whole) else { return Vec::new() };
        let (Observed::Present(cloud), Observed::Present(local)) =
            (&self.now.cloud, &self.now.local)
        else {
            return Vec::new();
        };
        let is_level = cloud.form.docstatus() == local.form.docstatus();
        let now = Sides::new(cloud, local).map(|_, now| match &now.whole {
            Some(whole) if !is_level => whole,
            _ => &now.form,
        });
        let base = if is_level { base } else { whole };
        let edits = unshared(base.as_ref(), now, side).into_iter();
        edits.filter(|place| place != DOCSTATUS).collect()
    }

    /// The sides change places.
    pub fn mirrored(&self) -> Self {
        let policy = match self.rules.policy {
            Policy::CloudWins => Policy::LocalWins,
            Policy::LocalWins => Policy::CloudWins,
            other => other,
        };
        let direction = mirrored(self.rules.direction);
        let swapped = |base: Sides<Form>| Sides::new(base.local, base.cloud);
        let (base, whole) = (self.base.clone().map(swapped), self.whole.clone().map(swapped));
        let now = Sides::new(self.now.local.clone(), self.now.cloud.clone());
        Self { base, whole, now, rules: Rules { policy, direction, ..self.rules }, ..self.clone() }
    }

    /// The sides are treated alike; nothing is written on a guess, against the rule, or over an
    /// edit that nobody recorded.
    fn is_decided(&self) {
        let (here, there) = (self.decide(), self.mirrored().decide());
        assert_eq!(here.action, there.action, "{here:?}\n{there:?}");
        assert_eq!(here.direction, mirrored(there.direction), "{here:?}\n{there:?}");
        assert_eq!((here.conflict, here.skipped), (there.conflict, there.skipped));
        if self.now.iter().any(|(_, now)| matches!(now, Observed::Unknown(_))) {
            assert_eq!((here.action, here.skipped), (Action::Noop, true));
        }
        let target = here.direction.target();
        if let Some(allowed) = self.rules.direction.target() {
            assert!(target.is_none_or(|target| target == allowed), "{here:?}");
        }
        for side in Side::BOTH {
            if self.change(side) == Some(Change::Modified) {
                assert_ne!(here.action, Action::Delete);
            }
            let is_recorded = target != Some(side) || here.conflict.is_some();
            assert!(is_recorded || self.edits(side).is_empty(), "{here:?}\n{:?}", self.edits(side));
        }
    }
}

/// The two sides never save at the same instant.
fn moment(side: Side, later: usize) -> Moment {
    let second = 2 * later + usize::from(side == Side::Local);
    let instant = Timestamp::from_second(1_800_000_000 + i64::try_from(second).unwrap_or(0));
    let instant = instant.expect("a time");
    Moment { earliest: instant, latest: instant }
}

/// The other way.
pub(crate) fn mirrored(direction: Direction) -> Direction {
    direction.target().map_or(direction, |side| Direction::to(side.opposite()))
}
