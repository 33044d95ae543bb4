//! What a pass is meant to leave behind, worked out from the documents alone: none of the
//! program's own forms is asked, so that a mistake in them shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::in_process::Sent;
use super::world::{DOCTYPES, NAMES};
use crate::core_tests::meta;
use crate::model::{Doc, Side, Sides, name_text};

type Fields = Map<String, Value>;

/// Fields that the configuration keeps private.
const EXCLUDED: &str = "shelf";

/// A field as the test sees it.
struct Field {
    name: String,
    fieldtype: String,
    options: String,
    /// Whether a change of it is carried over.
    is_content: bool,
    /// Whether it is sent with a create.
    is_created: bool,
}

impl Field {
    fn child(&self) -> Option<&str> {
        self.fieldtype.starts_with("Table").then_some(self.options.as_str())
    }

    /// A value in one spelling: what is empty is null, a link has its name on `there`.
    fn value(&self, doc: &Fields, from: Side, there: Side) -> Value {
        let value = doc.get(&self.name).cloned().unwrap_or_default();
        let is_numeric = ["Int", "Check", "Float", "Currency", "Percent", "Rating", "Duration"]
            .contains(&self.fieldtype.as_str());
        if value == "" || (is_numeric && value.as_f64() == Some(0.0)) {
            return Value::Null;
        }
        match self.fieldtype.as_str() {
            "Link" => called(&self.options, &value, from, there),
            // The same name under another doctype is another document.
            "Dynamic Link" if !value.is_null() => {
                let linked = doc[&self.options].as_str().unwrap_or_default();
                json!([linked, called(linked, &value, from, there)])
            }
            _ => value,
        }
    }
}

fn called(doctype: &str, name: &Value, from: Side, there: Side) -> Value {
    let names = NAMES.iter().find(|(known, _)| *known == doctype);
    let Some((_, names)) = names.filter(|_| from != there) else { return name.clone() };
    let found = names.iter().find_map(|(cloud, local)| match from {
        Side::Cloud => (name == cloud).then_some(*local),
        Side::Local => (name == local).then_some(*cloud),
    });
    found.map_or_else(|| name.clone(), Value::from)
}

static FIELDS: LazyLock<BTreeMap<&str, Vec<Field>>> = LazyLock::new(|| {
    let doctypes = DOCTYPES.into_iter().chain(["Order Item", "Order Label", "Call Note"]);
    doctypes.map(|doctype| (doctype, described(doctype))).collect()
});

fn fields(doctype: &str) -> &'static [Field] {
    &FIELDS[doctype]
}

fn described(doctype: &str) -> Vec<Field> {
    let meta = meta(doctype);
    let described = meta["fields"].as_array().unwrap().iter();
    let fields = described.map(|field| {
        let text = |key: &str| field[key].as_str().unwrap_or_default().to_owned();
        let is = |flag: &str| field[flag] == 1;
        let (name, fieldtype) = (text("fieldname"), text("fieldtype"));
        let is_created = name != EXCLUDED && fieldtype != "Password" && !is("is_virtual");
        let is_content = is_created && !is("read_only") && !is("set_only_once");
        Field { name, fieldtype, options: text("options"), is_content, is_created }
    });
    fields.collect()
}

/// What a site makes of a value that it is sent: each has a hook (`World::hook_up`).
fn hooked(side: Side, field: &str, value: Value) -> Value {
    match (side, field, &value) {
        (Side::Local, "remarks", Value::String(text)) => text.to_uppercase().into(),
        (Side::Cloud, "weight", Value::Number(number)) => {
            let rounded = (number.as_f64().unwrap() * 10.0).round() / 10.0;
            if rounded == 0.0 { Value::Null } else { Value::from(rounded) }
        }
        _ => value,
    }
}

/// A document's or row's fields in one spelling, as they are on `from` or would be `there`.
fn spelled(
    doctype: &str,
    doc: &Fields,
    from: Side,
    there: Side,
    counts: &dyn Fn(&Field) -> bool,
) -> BTreeMap<String, Value> {
    let spelled = fields(doctype).iter().filter(|field| counts(field)).map(|field| {
        let value = match field.child() {
            None => field.value(doc, from, there),
            Some(child) => {
                let rows = doc[&field.name].as_array().unwrap().iter();
                let rows = rows.map(|row| {
                    let row = spelled(child, row.as_object().unwrap(), from, there, counts);
                    serde_json::to_value(row).unwrap()
                });
                rows.collect()
            }
        };
        (field.name.clone(), value)
    });
    spelled.collect()
}

fn content(doctype: &str, doc: &Doc, from: Side, there: Side) -> BTreeMap<String, Value> {
    spelled(doctype, &doc.0, from, there, &|field| field.is_content)
}

/// One document before a pass and after it.
pub struct Story<'a> {
    pub doctype: &'a str,
    /// As the pass before left it.
    pub base: &'a Sides<Doc>,
    pub now: &'a Sides<Doc>,
    pub after: &'a Sides<Doc>,
    /// Who wins where both were edited.
    pub winner: Side,
    /// What was sent.
    pub sent: &'a [&'a Sent],
}

impl Story<'_> {
    fn changed(&self, side: Side) -> BTreeSet<String> {
        let of = |docs: &Sides<Doc>| content(self.doctype, &docs[side], side, side);
        let (base, now) = (of(self.base), of(self.now));
        now.into_iter().filter(|(field, value)| base[field] != *value).map(|(f, _)| f).collect()
    }

    /// Checks everything about an update; gives the number of requests.
    pub fn check_update(&self) -> usize {
        let changed = Sides::from_fn(|side| self.changed(side));
        let source = match (changed.cloud.is_empty(), changed.local.is_empty()) {
            (true, true) => {
                assert!(self.sent.is_empty(), "nobody changed anything that counts");
                assert_eq!(self.after, self.now);
                return 0;
            }
            (false, true) => Side::Cloud,
            (true, false) => Side::Local,
            (false, false) => self.winner,
        };
        let target = source.opposite();
        assert_eq!(self.after[source], self.now[source], "the source was written to");
        assert!(self.sent.len() <= 1, "sent more than once");
        let fields = (changed[target].is_empty()).then_some(&changed[source]);
        self.check_content(source, fields);
        self.check_private(target);
        let patched = self.sent.first().map(|sent| &sent.body);
        for field in fields_of_tables(self.doctype) {
            if patched.is_some_and(|body| body.contains_key(&field.name)) {
                self.check_rows(source, field);
            } else {
                self.check_untouched(target, &field.name);
            }
        }
        self.sent.len()
    }

    /// The target has the source's values of these fields (all, to settle a conflict), and its
    /// own of all others.
    fn check_content(&self, source: Side, fields: Option<&BTreeSet<String>>) {
        let target = source.opposite();
        let wanted = content(self.doctype, &self.now[source], source, target);
        let own = content(self.doctype, &self.now[target], target, target);
        let after = content(self.doctype, &self.after[target], target, target);
        for (field, value) in wanted {
            let is_carried = fields.is_none_or(|fields| fields.contains(&field));
            let intended =
                if is_carried { hooked(target, &field, value) } else { own[&field].clone() };
            assert_eq!(after[&field], intended, "{field} on {target}");
        }
    }

    /// What is not carried over is as it was: the target's own, excluded and derived fields,
    /// passwords, the document's name, creation and owner.
    fn check_private(&self, target: Side) {
        let content: BTreeSet<&str> = fields(self.doctype)
            .iter()
            .filter(|field| field.is_content)
            .map(|field| field.name.as_str())
            .collect();
        for (field, value) in &self.now[target].0 {
            let moves = ["modified", "modified_by"].contains(&field.as_str());
            if !moves && !content.contains(field.as_str()) {
                assert_eq!(self.after[target].0[field], *value, "{field} is {target}'s own");
            }
        }
    }

    fn check_untouched(&self, target: Side, table: &str) {
        let rows = |doc: &Doc| -> Vec<Fields> {
            let rows = doc.rows(table).cloned().map(|mut row| {
                row.retain(|field, _| !["modified", "modified_by"].contains(&field.as_str()));
                row
            });
            rows.collect()
        };
        assert_eq!(rows(&self.after[target]), rows(&self.now[target]), "{table} was not sent");
    }

    /// A row that both sides have keeps the target's name; a row that stays keeps what is its
    /// site's own.
    fn check_rows(&self, source: Side, table: &Field) {
        let target = source.opposite();
        let name = |row: &Fields| name_text(&row["name"]);
        let rows = |docs: &Sides<Doc>, side: Side| -> Vec<Fields> {
            docs[side].rows(&table.name).cloned().collect()
        };
        let (base, on_target) = (rows(self.base, source), rows(self.base, target));
        assert_eq!(base.len(), on_target.len());
        let known: BTreeMap<String, String> =
            base.iter().map(name).zip(on_target.iter().map(name)).collect();
        let own: BTreeMap<String, Fields> =
            rows(self.now, target).into_iter().map(|row| (name(&row), row)).collect();
        let after = rows(self.after, target);
        assert_eq!(after.len(), rows(self.now, source).len());
        for (row, stored) in rows(self.now, source).iter().zip(&after) {
            if let Some(there) = known.get(&name(row)).filter(|there| own.contains_key(*there)) {
                assert_eq!(name(stored), *there, "a row of {} has another name", table.name);
            }
            if let Some(before) = own.get(&name(stored)) {
                let child = table.child().unwrap();
                assert_eq!(private(child, stored), private(child, before), "{}", table.name);
            }
        }
    }

    /// Checks everything about a create on `target`.
    pub fn check_create(&self, target: Side) {
        let source = target.opposite();
        assert_eq!(self.after[source], self.now[source], "the source was written to");
        let counts = |field: &Field| field.is_created;
        let wanted = spelled(self.doctype, &self.now[source].0, source, target, &counts);
        let after = spelled(self.doctype, &self.after[target].0, target, target, &counts);
        for (field, value) in wanted {
            assert_eq!(after[&field], hooked(target, &field, value), "{field} on {target}");
        }
        let creation = self.now[source].creation();
        for table in fields_of_tables(self.doctype) {
            for row in self.after[target].rows(&table.name) {
                assert_eq!(row["creation"], creation, "whose copy a row of {} is", table.name);
            }
        }
    }
}

fn fields_of_tables(doctype: &str) -> impl Iterator<Item = &'static Field> {
    fields(doctype).iter().filter(|field| field.child().is_some())
}

/// What of a row is its site's own.
fn private(child: &str, row: &Fields) -> Fields {
    let content = fields(child);
    let is_content = |name: &str| content.iter().any(|f| f.is_content && f.name == name);
    let moves = |name: &str| ["idx", "modified", "modified_by"].contains(&name);
    let kept = row.iter().filter(|(field, _)| !is_content(field) && !moves(field));
    kept.map(|(field, value)| (field.clone(), value.clone())).collect()
}
