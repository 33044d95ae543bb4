//! What users do on the sites.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::both::{Both, known, name_of};
use super::dice::Dice;
use super::doctypes::{Facts, OPEN, facts, required};
use super::history::{Act, Does};
use super::ledger::{Known, is_system};
use super::matrix;
use crate::model::Side;

const USERS: [&str; 2] = ["maria@example.com", "tom@example.com"];

/// How many names there are for documents that users name.
const NAMES: usize = 4;

impl Both {
    /// A user does something, as far as the site lets it.
    pub fn act(&mut self, act: &Act) -> bool {
        self.act_on(act, None)
    }

    /// The same, to the document of this mark where one is given. Whether anything was done.
    pub fn act_on(&mut self, act: &Act, subject: Option<&Known>) -> bool {
        let mut act = act.clone();
        let user = *act.dice.pick(&USERS);
        let target = match subject {
            Some((doctype, mark)) => {
                act.doctype = facts(doctype).name;
                self.marked(act.side, doctype, mark)
            }
            None => self.choose(&mut act),
        };
        let inserts = [Does::Insert, Does::InsertTwin, Does::InsertCancelled];
        let is_new = inserts.contains(&act.does) && subject.is_none();
        match target {
            _ if is_new => self.insert(&mut act, user),
            None => false,
            Some(doc) => match act.does {
                Does::Delete => self.delete(&act, user, &doc),
                Does::Rename => self.rename(&mut act, user, &doc),
                Does::Merge => self.merge(&mut act, user, &doc),
                Does::ReuseName => self.reuse_name(&mut act, user, &doc),
                Does::Amend => self.amend(&mut act, user, &doc),
                _ => self.edit(&mut act, user, &doc),
            },
        }
    }

    /// The document that an act is about, of those that it can be about.
    fn choose(&self, act: &mut Act) -> Option<Value> {
        let mut docs = self.docs(act.side, act.doctype);
        docs.retain(|doc| match act.does {
            Does::Submit => doc["docstatus"] == 0,
            Does::Cancel => doc["docstatus"] == 1,
            Does::Amend => doc["docstatus"] == 2,
            _ => doc["docstatus"] != 2,
        });
        if docs.is_empty() { None } else { Some(act.dice.pick(&docs).clone()) }
    }

    /// What was done by a user: told, and noted where the site let it happen.
    fn done(&mut self, act: &Act, what: &str, refused: Option<String>) -> bool {
        let Act { side, doctype, does, .. } = act;
        let refused = refused.map(|refusal| format!(" -> refused: {refusal}"));
        let is_done = refused.is_none();
        self.tell(&format!(
            "user on {side}: {does:?} {doctype} {what}{}",
            refused.unwrap_or_default()
        ));
        is_done
    }

    fn insert(&mut self, act: &mut Act, user: &str) -> bool {
        let name = facts(act.doctype)
            .named_by
            .map(|_| format!("{} {}", act.doctype, act.dice.below(NAMES)));
        // A second customer of a name would get another one, which its site counts.
        if name.as_ref().is_some_and(|name| self.doc(act.side, act.doctype, name).is_some()) {
            return false;
        }
        let values =
            self.new_document(act.side, facts(act.doctype), name.as_deref(), &mut act.dice);
        let inserted = self.insert_values(act, act.side, user, &values);
        let is_done = inserted.is_some();
        if let Some(name) = inserted.filter(|_| act.does == Does::InsertCancelled) {
            self.cancel(act, user, &name);
        }
        if is_done && act.does == Does::InsertTwin {
            let side = if act.dice.chance(50) { act.side } else { act.side.opposite() };
            self.wait(SignedDuration::from_secs(1));
            if self.insert_values(act, side, USERS[1], &values).is_some() {
                self.count(matrix::TWINS, "");
            }
        }
        is_done
    }

    fn insert_values(
        &mut self,
        act: &Act,
        side: Side,
        user: &str,
        values: &Value,
    ) -> Option<String> {
        let at = self.sites[side].own_time(self.now);
        let outcome = self.sites[side].insert_as(user, act.doctype, values, at);
        let act = Act { side, ..act.clone() };
        let refused = outcome.as_ref().err().map(|failure| failure.exc_type.clone());
        self.done(&act, &values.to_string(), refused);
        let name = outcome.ok()?;
        let doc = self.doc(side, act.doctype, &name);
        let known = doc.as_ref().and_then(|doc| known(act.doctype, doc));
        self.ledger.note(side, act.doctype, None, doc.as_ref());
        if let Some(known) = known {
            self.ledger.note_made(known);
        }
        self.told.push((side, act.doctype, name.clone()));
        Some(name)
    }

    /// Submits and cancels a document.
    fn cancel(&mut self, act: &Act, user: &str, name: &str) {
        for docstatus in [1, 2] {
            let at = self.sites[act.side].own_time(self.now);
            let stage = json!({ "docstatus": docstatus });
            let refused = self.sites[act.side].edit_as(user, act.doctype, name, &stage, at).err();
            self.done(act, &format!("{name} {stage}"), refused.map(|one| one.exc_type));
        }
        let mark = |doc: &Value| doc[facts(act.doctype).mark].clone();
        let [one, other] = [act.side, act.side.opposite()]
            .map(|side| self.doc(side, act.doctype, name).filter(|doc| doc["docstatus"] == 2));
        if other.is_some() && one.as_ref().map(mark) != other.as_ref().map(mark) {
            self.count(matrix::NAMESAKES, "");
        }
    }

    fn delete(&mut self, act: &Act, user: &str, doc: &Value) -> bool {
        let (side, name) = (act.side, name_of(doc));
        let at = self.sites[side].own_time(self.now);
        let refused = self.sites[side].delete_as(user, act.doctype, &name, at).err();
        if !self.done(act, &name, refused.map(|failure| failure.exc_type)) {
            return false;
        }
        self.gone(side, act.doctype, doc);
        true
    }

    /// A document is gone from a side, as somebody meant it.
    pub fn gone(&mut self, side: Side, doctype: &'static str, doc: &Value) {
        let name = name_of(doc);
        self.ledger.note(side, doctype, Some(doc), None);
        if let Some(known) = known(doctype, doc) {
            *self.ledger.gone.entry(known.clone()).or_default() += 1;
            self.ledger.deleted.insert((side, known));
        }
        self.told.push((side, doctype, name));
    }

    fn rename(&mut self, act: &mut Act, user: &str, doc: &Value) -> bool {
        let new = match act.dice.below(3) {
            0 => format!("{} {}", act.doctype, act.dice.below(NAMES)),
            _ => format!("{} new {}", act.doctype, act.dice.below(NAMES)),
        };
        self.rename_to(act, user, doc, &new)
    }

    fn rename_to(&mut self, act: &Act, user: &str, doc: &Value, new: &str) -> bool {
        let (side, old) = (act.side, name_of(doc));
        let at = self.sites[side].own_time(self.now);
        let refused = self.sites[side].rename_as(user, act.doctype, &old, new, at).err();
        let is_done = self.done(act, &format!("{old} to {new}"), refused.map(|one| one.exc_type));
        if is_done {
            self.told.push((side, act.doctype, new.to_owned()));
        }
        is_done
    }

    fn merge(&mut self, act: &mut Act, user: &str, doc: &Value) -> bool {
        let (side, old) = (act.side, name_of(doc));
        let others: Vec<String> =
            self.docs(side, act.doctype).iter().map(name_of).filter(|name| *name != old).collect();
        if others.is_empty() {
            return false;
        }
        let into = act.dice.pick(&others).clone();
        let at = self.sites[side].own_time(self.now);
        let refused = self.sites[side].merge_as(user, act.doctype, &old, &into, at).err();
        if !self.done(act, &format!("{old} into {into}"), refused.map(|one| one.exc_type)) {
            return false;
        }
        self.gone(side, act.doctype, doc);
        self.told.push((side, act.doctype, into));
        self.count(matrix::MERGE, "");
        true
    }

    /// A name goes from one document to another.
    fn reuse_name(&mut self, act: &mut Act, user: &str, doc: &Value) -> bool {
        if facts(act.doctype).named_by.is_none() {
            return false;
        }
        let is_freed = if act.dice.chance(50) {
            self.delete(act, user, doc)
        } else {
            self.rename_to(act, user, doc, &format!("{} away", name_of(doc)))
        };
        if !is_freed {
            return false;
        }
        let name = name_of(doc);
        let values = self.new_document(act.side, facts(act.doctype), Some(&name), &mut act.dice);
        if self.insert_values(act, act.side, user, &values).is_some() {
            self.count(matrix::REUSED_NAME, "");
        }
        true
    }

    /// A cancelled document is entered anew.
    fn amend(&mut self, act: &mut Act, user: &str, doc: &Value) -> bool {
        let mut values = self.new_document(act.side, facts(act.doctype), None, &mut act.dice);
        values["amended_from"] = json!(name_of(doc));
        let is_done = self.insert_values(act, act.side, user, &values).is_some();
        if is_done {
            self.count(matrix::AMENDED, "");
        }
        is_done
    }

    fn edit(&mut self, act: &mut Act, user: &str, doc: &Value) -> bool {
        let (side, name) = (act.side, name_of(doc));
        let Some(values) = self.changes(act, doc) else { return false };
        let mut at = self.sites[side].own_time(self.now);
        if act.does == Does::EditLate {
            at = at.checked_sub(SignedDuration::from_secs(4)).unwrap();
        }
        let refused = self.sites[side].edit_as(user, act.doctype, &name, &values, at).err();
        if !self.done(act, &format!("{name} {values}"), refused.map(|one| one.exc_type)) {
            return false;
        }
        let after = self.doc(side, act.doctype, &name);
        self.ledger.note(side, act.doctype, Some(doc), after.as_ref());
        self.told.push((side, act.doctype, name));
        if act.does == Does::EditLate {
            self.count(matrix::EDIT_LATE, "");
        }
        true
    }

    fn text(&mut self) -> Value {
        json!(format!("t{}", self.ledger.next()))
    }

    /// With a fraction, which a hook may round off.
    fn number(&mut self) -> Value {
        json!(f64::from(self.ledger.next()) + 0.25)
    }

    fn linked(&self, side: Side, doctype: &str, dice: &mut Dice) -> Option<Value> {
        let mut docs = self.docs(side, doctype);
        docs.retain(|doc| doc["docstatus"] != 2);
        (!docs.is_empty()).then(|| json!(name_of(dice.pick(&docs))))
    }

    fn new_document(
        &mut self,
        side: Side,
        facts: &Facts,
        name: Option<&str>,
        dice: &mut Dice,
    ) -> Value {
        let mut values = required(facts.name);
        let mark = match facts.texts {
            [] => json!(self.ledger.next()),
            _ => self.text(),
        };
        values.insert(facts.mark.to_owned(), mark);
        if let (Some(field), Some(name)) = (facts.named_by, name) {
            values.insert(field.to_owned(), json!(name));
        }
        for field in facts.texts.iter().filter(|_| dice.chance(60)).collect::<Vec<_>>() {
            let text = self.text();
            values.insert((*field).to_owned(), text);
        }
        for field in facts.numbers.iter().filter(|_| dice.chance(50)).collect::<Vec<_>>() {
            let number = self.number();
            values.insert((*field).to_owned(), number);
        }
        if let Some((field, doctype)) = facts.link
            && dice.chance(60)
            && let Some(to) = self.linked(side, doctype, dice)
        {
            values.insert(field.to_owned(), to);
        }
        if facts.has_rows && dice.chance(75) {
            let rows: Vec<Value> =
                (0..=dice.below(3)).map(|_| self.row(side, facts, dice)).collect();
            values.insert("rows".to_owned(), json!(rows));
        }
        Value::Object(values)
    }

    /// Some rows are equal but for what is entered later.
    fn row(&mut self, side: Side, facts: &Facts, dice: &mut Dice) -> Value {
        let has_note = !facts.texts.is_empty();
        let mut row = if has_note { json!({"note": self.text()}) } else { json!({}) };
        if !has_note || dice.chance(60) {
            row["qty"] = self.number();
        }
        if dice.chance(30)
            && let Some(area) = self.linked(side, "Area", dice)
        {
            row["area"] = area;
        }
        row
    }

    /// What an edit sends; nothing where it does not fit the document.
    fn changes(&mut self, act: &mut Act, doc: &Value) -> Option<Value> {
        let facts = facts(act.doctype);
        let mut values = Map::new();
        if doc["docstatus"] == 1 && act.does != Does::Cancel {
            values.insert(OPEN.to_owned(), self.text());
            return Some(Value::Object(values));
        }
        match act.does {
            Does::Submit => {
                values.insert("docstatus".to_owned(), json!(1));
                if act.dice.chance(40) {
                    values.insert("text".to_owned(), self.text());
                }
            }
            Does::Cancel => drop(values.insert("docstatus".to_owned(), json!(2))),
            Does::Touch => {
                let field = facts.texts.first().unwrap_or(&facts.numbers[0]);
                values.insert((*field).to_owned(), doc[*field].clone());
            }
            Does::Link => {
                let (field, doctype) = facts.link?;
                let to = self.linked(act.side, doctype, &mut act.dice)?;
                values.insert(field.to_owned(), to);
            }
            Does::Rows if facts.has_rows => {
                let rows = self.changed_rows(act.side, facts, &doc["rows"], &mut act.dice);
                values.insert("rows".to_owned(), json!(rows));
            }
            _ => {
                for _ in 0..=act.dice.below(2) {
                    let (field, value) = self.entered(facts, &mut act.dice);
                    values.insert(field.to_owned(), value);
                }
            }
        }
        Some(Value::Object(values))
    }

    fn entered(&mut self, facts: &Facts, dice: &mut Dice) -> (&'static str, Value) {
        let (texts, numbers) = (facts.texts, facts.numbers);
        let at = dice.below(texts.len() + numbers.len());
        let (field, value) = match texts.get(at) {
            Some(field) => (*field, self.text()),
            None => (numbers[at - texts.len()], self.number()),
        };
        let is_cleared = dice.chance(12);
        (field, if is_cleared { Value::Null } else { value })
    }

    fn changed_rows(
        &mut self,
        side: Side,
        facts: &Facts,
        rows: &Value,
        dice: &mut Dice,
    ) -> Vec<Value> {
        let is_kept = |field: &str| field == "name" || !is_system(field);
        let mut rows: Vec<Value> = rows
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .map(|row| row.iter().filter(|(field, _)| is_kept(field)))
            .map(|row| Value::Object(row.map(|(k, v)| (k.clone(), v.clone())).collect()))
            .collect();
        let at = if rows.is_empty() { 0 } else { dice.below(rows.len()) };
        match dice.below(5) {
            _ if rows.is_empty() => rows.push(self.row(side, facts, dice)),
            0 if !facts.texts.is_empty() => rows[at]["note"] = self.text(),
            0 | 1 => rows[at]["qty"] = self.number(),
            2 => {
                let row = self.row(side, facts, dice);
                rows.insert(at, row);
            }
            3 => drop(rows.remove(at)),
            _ => rows.reverse(),
        }
        rows
    }
}
