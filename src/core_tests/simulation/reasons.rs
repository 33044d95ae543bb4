//! Why a document may be out of step: what is said of it is held against the rules and the sites.
//!
//! A reason excuses only what it says, and only where it is so: each is worked out here from what
//! the sites show, and the text has to be among those that are true.

use serde_json::Value;

use super::both::{Both, known, name_of};
use super::check::{Conflicts, Record};
use super::contents::{differing, ids};
use super::doctypes::facts;
use super::world::World;
use crate::model::{Side, Sides};

impl World {
    /// Whether a document is in step, or is rightly left as it is.
    pub fn is_explained(&self, one: &Record, records: &[Record], conflicts: &Conflicts) -> bool {
        let is_said = |texts: Vec<String>| texts.iter().any(|text| one.reason.contains(text));
        let matter = self.matter(one, records, conflicts);
        match one.status.as_str() {
            "synced" => true,
            "conflict" => conflicts.contains_key(&one.id),
            "skipped" => is_said(matter.left_alone()),
            "pending" if one.reason.is_empty() => matter.is_name_taken_for_now(),
            "pending" => matter.waits_for_a_person() || matter.waits_for_its_new_name(),
            _ => is_said(matter.held_up()),
        }
    }

    fn matter<'a>(
        &'a self,
        one: &'a Record,
        records: &'a [Record],
        conflicts: &'a Conflicts,
    ) -> Matter<'a> {
        Matter { world: self, one, records, conflicts, docs: self.docs_of(one) }
    }

    /// Whether the rules do not take a document up.
    pub fn is_filtered(&self, doctype: &str, doc: &Value) -> bool {
        self.rules.filtered == Some(facts(doctype).name)
            && doc[facts(doctype).numbers[0]].as_f64().unwrap_or_default() <= 0.0
    }

    /// Whether documents of a doctype are never carried to a side.
    fn is_kept_from(&self, doctype: &str, side: Side) -> bool {
        let source = match side {
            Side::Cloud => "cloud_to_local",
            Side::Local => "local_to_cloud",
        };
        self.rules.one_way == Some((facts(doctype).name, source))
    }

    fn docs_of(&self, one: &Record) -> Sides<Option<Value>> {
        let both = self.shared.lock();
        Sides::from_fn(|side| both.doc(side, &one.doctype, one.names[side].as_deref()?))
    }
}

/// A document that is not in step, and all that may explain it.
struct Matter<'a> {
    world: &'a World,
    one: &'a Record,
    records: &'a [Record],
    conflicts: &'a Conflicts,
    docs: Sides<Option<Value>>,
}

impl Matter<'_> {
    /// What may truly be said of a document that is left alone for good.
    fn left_alone(&self) -> Vec<String> {
        let (one, rules) = (self.one, &self.world.rules);
        let mut true_texts = Vec::new();
        for here in Side::BOTH {
            let there = here.opposite();
            let Some(doc) = &self.docs[here] else { continue };
            if rules.submitted == "skip" && doc["docstatus"] != 0 {
                true_texts.push("submitted documents are left alone by the rule".to_owned());
            }
            if rules.submitted == "skip" && self.amends_what_is_left_alone(doc, here) {
                true_texts.push(format!("amends {}", doc["amended_from"].as_str().unwrap()));
            }
            let is_kept = |from: Side| self.world.is_kept_from(&one.doctype, from);
            if self.docs[there].is_some() {
                if is_kept(there) && self.differs() {
                    true_texts.push(format!(", and {here} is never carried over"));
                }
                continue;
            }
            if is_kept(there) {
                true_texts.push(format!("only on {here}, and {here} is never carried over"));
            }
            if doc["docstatus"] == 2 {
                true_texts.push(format!("cancelled on {here}, and {there} does not have it"));
            }
            if self.was_deleted(doc, there) {
                match rules.deletes {
                    "keep" => true_texts.push(format!("deleted on {there}; {here} keeps it")),
                    "propagate" if is_kept(here) => {
                        true_texts.push(format!("deleted on {there}, and nothing is carried that"));
                    }
                    "recreate" if is_kept(there) => {
                        true_texts.push(format!("deleted on {there}, and nothing is carried that"));
                    }
                    _ => {}
                }
            }
        }
        true_texts
    }

    /// What may truly be said of a document that cannot be done until somebody does something.
    fn held_up(&self) -> Vec<String> {
        let mut true_texts = Vec::new();
        let both = self.world.shared.lock();
        for here in Side::BOTH {
            let there = here.opposite();
            let Some(doc) = &self.docs[here] else { continue };
            let name = name_of(doc);
            for (doctype, linked) in links(&self.one.doctype, doc) {
                true_texts.extend(self.of_a_link(&both, here, doctype, &linked));
            }
            if self.docs[there].is_none() && self.is_anothers(&both, there, &name) {
                true_texts
                    .push(format!("its name is still another document's on {there}, which stays"));
            }
            let referrers: Vec<Value> = referrers(&both, here, &self.one.doctype, &name).collect();
            if !referrers.is_empty() {
                true_texts.push(format!("{here}: Cannot delete or cancel because"));
            }
            if referrers.iter().any(|doc| doc["docstatus"] != 0) {
                let what = format!("do the same merge on {here}: submitted documents link to it");
                true_texts.push(what);
            }
        }
        true_texts
    }

    /// What may truly be said because of a link of the document on one side.
    fn of_a_link(&self, both: &Both, here: Side, doctype: &str, name: &str) -> Vec<String> {
        let there = here.opposite();
        let linked = self.named(doctype, here, name);
        let is_in_step = linked.is_some_and(|linked| linked.status == "synced");
        let is_there = linked.is_some_and(|linked| linked.names[there].is_some());
        let waits = format!("waits for {doctype} {name},");
        let mut true_texts = Vec::new();
        if is_in_step && is_there {
            return true_texts;
        }
        if !is_there {
            true_texts.push(format!("{waits} which is not on {there} yet"));
        }
        if !is_there && self.world.is_kept_from(doctype, there) {
            true_texts.push(format!("{waits} which never gets to {there}"));
        }
        if linked.is_some() && is_there {
            true_texts.push(format!("{waits} whose cancellation or new row is not on {there} yet"));
        }
        let doc = both.doc(here, doctype, name);
        if doc.as_ref().is_some_and(|doc| is_deleted(both, doctype, doc, there)) {
            true_texts.push(format!("links to {doctype} {name}, which was deleted on {there}"));
        }
        if doc.is_some_and(|doc| self.world.is_filtered(doctype, &doc)) {
            true_texts.push("its filters leave the document out".to_owned());
        }
        if both.doc(there, doctype, name).is_none() {
            true_texts.push(format!("{there}: Could not find"));
        }
        true_texts
    }

    /// Its name is one that the other side has not let go of yet, and that is known to fail.
    fn is_name_taken_for_now(&self) -> bool {
        let one = self.one;
        Side::BOTH.into_iter().filter(|side| one.names[*side].is_none()).any(|side| {
            let name = one.names[side.opposite()].as_deref().unwrap_or_default();
            let holder = self.named(&one.doctype, side, name);
            holder.is_some_and(|holder| {
                ["error", "failed"].contains(&holder.status.as_str())
                    && self.world.is_explained(holder, self.records, self.conflicts)
            })
        })
    }

    /// It was renamed on one side, and the other side has that name still: the document that has
    /// it there waits for a person, or failed.
    fn waits_for_its_new_name(&self) -> bool {
        let one = self.one;
        one.reason.starts_with("renamed on ")
            && Side::BOTH.into_iter().any(|side| {
                let Some(name) = &one.names[side] else { return false };
                let Some(holder) = self.named(&one.doctype, side.opposite(), name) else {
                    return false;
                };
                let its = self.world.matter(holder, self.records, self.conflicts);
                holder.id != one.id
                    && match holder.status.as_str() {
                        "pending" => its.waits_for_a_person(),
                        "conflict" | "error" | "failed" => {
                            self.world.is_explained(holder, self.records, self.conflicts)
                        }
                        _ => false,
                    }
            })
    }

    /// It waits for a conflict that is open, and has to do with it.
    fn waits_for_a_person(&self) -> bool {
        let Some(root) = self.one.waits_for else { return false };
        let Some((number, kind)) = self.conflicts.get(&root) else { return false };
        if !self.one.reason.contains(&format!(", conflict {number}: ")) {
            return false;
        }
        let Some(root) = self.records.iter().find(|one| one.id == root) else { return false };
        // Which of the documents that are entered alike is the copy, a person is to say.
        let may_be_one = kind == "unknown_outcome" && root.doctype == self.one.doctype;
        let both = self.world.shared.lock();
        let through = self.records.iter().filter(|one| {
            one.id == root.id || one.status == "pending" && one.waits_for == Some(root.id)
        });
        may_be_one || through.filter(|one| one.id != self.one.id).any(|it| self.needs(&both, it))
    }

    /// Whether nothing can be done with this document before the other one is settled: one of
    /// them links to the other, or has its name.
    fn needs(&self, both: &Both, other: &Record) -> bool {
        Side::BOTH.into_iter().any(|side| {
            let doc = |one: &Record| both.doc(side, &one.doctype, one.names[side].as_deref()?);
            let links_to = |from: &Record, to: &Record| {
                let to = |(doctype, name): (&str, String)| {
                    doctype == to.doctype
                        && [&to.names.cloud, &to.names.local].contains(&&Some(name))
                };
                doc(from).is_some_and(|doc| links(&from.doctype, &doc).into_iter().any(to))
            };
            let has_its_name = other.doctype == self.one.doctype
                && self.one.names[side].is_none()
                && other.names[side].is_some()
                && other.names[side] == self.one.names[side.opposite()];
            links_to(self.one, other) || links_to(other, self.one) || has_its_name
        })
    }

    fn named(&self, doctype: &str, side: Side, name: &str) -> Option<&Record> {
        let is_it =
            |one: &&Record| one.doctype == doctype && one.names[side].as_deref() == Some(name);
        self.records.iter().find(is_it)
    }

    fn is_anothers(&self, both: &Both, side: Side, name: &str) -> bool {
        both.doc(side, &self.one.doctype, name).is_some()
            && self.named(&self.one.doctype, side, name).is_some_and(|it| it.id != self.one.id)
    }

    /// Whether it is an amendment of a document that the other side has not cancelled.
    fn amends_what_is_left_alone(&self, doc: &Value, side: Side) -> bool {
        let original = doc["amended_from"].as_str().unwrap_or_default();
        let Some(original) = self.named(&self.one.doctype, side, original) else { return false };
        let docs = self.world.docs_of(original);
        docs[side.opposite()].as_ref().is_some_and(|other| other["docstatus"] != 2)
    }

    /// Whether the two documents differ, if only by their names.
    fn differs(&self) -> bool {
        let shown = self.world.shown(self.one, &ids(self.records));
        shown.is_some_and(|shown| !differing(&shown).is_empty())
            || self.one.names.cloud != self.one.names.local
    }

    fn was_deleted(&self, doc: &Value, on: Side) -> bool {
        is_deleted(&self.world.shared.lock(), &self.one.doctype, doc, on)
    }
}

/// Whether a user has deleted a document on a side.
fn is_deleted(both: &Both, doctype: &str, doc: &Value, on: Side) -> bool {
    let known = known(doctype, doc);
    known.is_some_and(|known| both.ledger.deleted.contains(&(on, known)))
}

/// What a document links to: doctypes and names.
fn links(doctype: &str, doc: &Value) -> Vec<(&'static str, String)> {
    let facts = facts(doctype);
    let mut links = Vec::new();
    let mut add = |doctype: &'static str, value: &Value| {
        let name = value.as_str().filter(|name| !name.is_empty());
        links.extend(name.map(|name| (doctype, name.to_owned())));
    };
    if let Some((field, linked)) = facts.link {
        add(linked, &doc[field]);
    }
    add(facts.name, &doc["amended_from"]);
    doc["rows"].as_array().into_iter().flatten().for_each(|row| add("Area", &row["area"]));
    links
}

/// The documents of a side that link to one.
fn referrers<'a>(
    both: &'a Both,
    side: Side,
    doctype: &'a str,
    name: &'a str,
) -> impl Iterator<Item = Value> + 'a {
    let docs = both.all(side).into_iter();
    let links_to = move |(of, doc): &(&'static str, Value)| {
        links(of, doc).iter().any(|link| link.0 == doctype && link.1 == name)
    };
    docs.filter(links_to).map(|(_, doc)| doc)
}
