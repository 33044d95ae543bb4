//! Alike: asks the sites for what may be the same document as a new one.
//!
//! Each question is asked for a whole wave at once. The rule kept here: a question narrows
//! down, it proves nothing; what proves is compared here, on whole documents where it is their
//! content (invariant 4).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::identity::{LinkTable, Proof, told_by};
use crate::model::{Doc, FieldKind, Form, Role, Side, Translation, canonical_scalar, name_text};
use crate::site::{ListQuery, bulk};

use super::meet::{Findings, Stranger, values_of};
use super::scan::listed_as;
use super::{Doctype, Pass, at};

/// The questions about one doctype.
pub(super) struct Alike<'a, 'p> {
    pass: &'a Pass<'p>,
    doctype: &'a Doctype,
    links: &'a LinkTable,
}

impl<'a, 'p> Alike<'a, 'p> {
    pub fn new(pass: &'a Pass<'p>, doctype: &'a Doctype, links: &'a LinkTable) -> Self {
        Self { pass, doctype, links }
    }

    /// Documents whose rows carry the `creation` of a stranger: its copies. One request for
    /// each child table in which a stranger has rows.
    pub fn copies(
        &self,
        strangers: &[Stranger<'_>],
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        let Some(side) = strangers.first().map(|stranger| stranger.side.opposite()) else {
            return Ok(());
        };
        let creations: BTreeSet<&str> = strangers.iter().map(|one| one.doc.creation()).collect();
        let mut parents: BTreeMap<String, String> = BTreeMap::new();
        for child in self.filled_tables(strangers) {
            let rows = self.pass.sites[side].list(&ListQuery {
                doctype: child.to_owned(),
                parent: Some(self.doctype.config.doctype.clone()),
                fields: vec!["parent".to_owned(), "creation".to_owned()],
                filters: vec![
                    json!(["parenttype", "=", self.doctype.config.doctype]),
                    json!(["creation", "in", creations]),
                ],
                order_by: "parent asc, idx asc".to_owned(),
                ..ListQuery::default()
            });
            for row in rows.map_err(at(side))? {
                let parent = row.get("parent").map(name_text);
                parents.extend(parent.map(|parent| (parent, row.creation().to_owned())));
            }
        }
        let names: Vec<Value> = parents.keys().map(|name| json!(name)).collect();
        let mut found = self.listed(side, "name", &names)?;
        found.sort_by(|a, b| a.creation().cmp(b.creation()));
        for copy in &found {
            let original = parents.get(&copy.name()).and_then(|creation| {
                strangers.iter().find(|stranger| stranger.doc.creation() == creation)
            });
            if let Some(stranger) = original {
                findings.claim(stranger, listed_as(copy, true), Proof::Rows);
            }
        }
        Ok(())
    }

    /// Documents of copied sites that one of them calls otherwise: those with the `creation` of a
    /// stranger. Documents that were imported together may share it, so it proves something only
    /// where each side has one. One request a side.
    pub fn clones(
        &self,
        strangers: &[Stranger<'_>],
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        let Some(side) = strangers.first().map(|stranger| stranger.side) else { return Ok(()) };
        let creations: BTreeSet<&str> = strangers.iter().map(|one| one.doc.creation()).collect();
        let creations: Vec<Value> = creations.into_iter().map(|one| json!(one)).collect();
        let there = self.listed(side.opposite(), "creation", &creations)?;
        if there.is_empty() {
            return Ok(());
        }
        let here = self.listed(side, "creation", &creations)?;
        for stranger in strangers {
            let is_same = |doc: &&Doc| doc.creation() == stranger.doc.creation();
            let others: Vec<&Doc> = there.iter().filter(is_same).collect();
            if let [other] = others.as_slice()
                && here.iter().filter(is_same).count() == 1
            {
                findings.claim(stranger, listed_as(other, true), Proof::Creation);
            }
        }
        Ok(())
    }

    /// The child doctypes of the tables in which some stranger has rows.
    fn filled_tables(&self, strangers: &[Stranger<'_>]) -> BTreeSet<&'a str> {
        let columns = self.doctype.shape.columns.iter();
        let filled = columns.filter_map(|(field, column)| match &column.kind {
            FieldKind::Table(child) => {
                let is_filled = strangers.iter().any(|one| one.doc.rows(field).next().is_some());
                is_filled.then_some(child.as_str())
            }
            _ => None,
        });
        filled.collect()
    }

    /// Documents that are told by the same fields. One request a side: what is not alone on
    /// its own side proves nothing.
    pub fn told_by_fields(
        &self,
        fields: &[String],
        strangers: &[Stranger<'_>],
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        let (Some(first), Some(side)) = (fields.first(), strangers.first().map(|one| one.side))
        else {
            return Ok(());
        };
        let own = values_of(strangers, first);
        if own.is_empty() {
            return Ok(());
        }
        let theirs: Vec<Value> =
            own.iter().map(|value| self.translated(side, first, value)).collect();
        let here = self.with_fields(side, fields, first, &own)?;
        let there = self.with_fields(side.opposite(), fields, first, &theirs)?;
        let docs = here.iter().map(|doc| (side, doc));
        let docs = docs.chain(there.iter().map(|doc| (side.opposite(), doc)));
        let links = self.pass.known_links(self.doctype, docs)?;
        let all_filled = !self.doctype.config.match_on.is_empty();
        let told = |side: Side, doc: &Doc| {
            let ids = |linked: &str, name: &str| links.id(side, linked, name);
            told_by(&self.doctype.shape, fields, all_filled, doc, &ids)
        };
        let mut alike: BTreeMap<String, (usize, Vec<&Doc>)> = BTreeMap::new();
        for told in here.iter().filter_map(|doc| told(side, doc)) {
            alike.entry(told).or_default().0 += 1;
        }
        for doc in &there {
            if let Some(told) = told(side.opposite(), doc) {
                alike.entry(told).or_default().1.push(doc);
            }
        }
        for stranger in strangers {
            let found = told(side, stranger.doc).and_then(|told| alike.get(&told));
            if let Some((1, others)) = found
                && let [other] = others.as_slice()
            {
                findings.claim(stranger, listed_as(other, true), Proof::Fields);
            }
        }
        Ok(())
    }

    /// A value of a field as the other side would have it.
    fn translated(&self, side: Side, field: &str, value: &Value) -> Value {
        let column = self.doctype.shape.columns.get(field);
        let (Some(FieldKind::Link(linked)), Some(name)) =
            (column.map(|column| &column.kind), value.as_str())
        else {
            return value.clone();
        };
        match self.links.translate(side, linked, name) {
            Translation::Name(name) => name.into(),
            _ => value.clone(),
        }
    }

    fn with_fields(
        &self,
        side: Side,
        fields: &[String],
        first: &str,
        values: &[Value],
    ) -> anyhow::Result<Vec<Doc>> {
        let mut asked: Vec<String> = ["name", "creation", "modified"].map(str::to_owned).to_vec();
        asked.extend(fields.iter().cloned());
        self.list(side, asked, first, values)
    }

    /// New documents of the other side with the same content, one of the two made by our user:
    /// a copy without rows, or what a site made by itself.
    pub fn twins(&self, strangers: &[Stranger<'_>], findings: &mut Findings) -> anyhow::Result<()> {
        let Some(side) = strangers.first().map(|one| one.side.opposite()) else { return Ok(()) };
        let mut found = self.of_same_value(side, strangers)?;
        let names: Vec<String> = found.iter().map(Doc::name).collect();
        let known = self.pass.state.known_names(&self.doctype.config.doctype, side, &names)?;
        found.retain(|doc| known.get(&doc.name()).is_none_or(|known| !known.has_base));
        let names: Vec<String> = found.iter().map(Doc::name).collect();
        let mut docs = bulk::fetch_docs(self.pass.sites[side], &self.doctype.schemas[side], &names)
            .map_err(at(side))?;
        docs.sort_by(|a, b| a.creation().cmp(b.creation()));
        let forms = self.forms(docs.iter().map(|doc| (side, doc)))?;
        let own = self.forms(strangers.iter().map(|one| (one.side, one.doc)))?;
        for (stranger, form) in strangers.iter().zip(own) {
            let is_ours = self.is_ours(stranger.side, stranger.doc);
            for (doc, _) in docs.iter().zip(&forms).filter(|(_, other)| **other == form) {
                if is_ours != self.is_ours(side, doc) {
                    findings.claim(stranger, listed_as(doc, true), Proof::Content);
                }
            }
        }
        Ok(())
    }

    /// Strangers of our own user's making that have the content of a document of their side
    /// that is known: second copies.
    pub fn second_copies(
        &self,
        strangers: &[Stranger<'_>],
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        let ours: Vec<Stranger<'_>> =
            strangers.iter().filter(|one| self.is_ours(one.side, one.doc)).copied().collect();
        let Some(side) = ours.first().map(|one| one.side) else { return Ok(()) };
        let names: Vec<String> = self.of_same_value(side, &ours)?.iter().map(Doc::name).collect();
        let known = self.pass.state.known_names(&self.doctype.config.doctype, side, &names)?;
        let mapped: Vec<i64> =
            known.values().filter(|known| known.has_base).map(|known| known.record).collect();
        let records = self.pass.state.load_records(&mapped)?;
        let bases: Vec<&Doc> = records
            .iter()
            .filter_map(|record| record.bases.as_ref())
            .map(|bases| &bases[side].content)
            .collect();
        let forms = self.forms(bases.iter().map(|doc| (side, *doc)))?;
        let own = self.forms(ours.iter().map(|one| (side, one.doc)))?;
        for (stranger, form) in ours.iter().zip(own) {
            if forms.contains(&form) {
                findings.copies.insert(stranger.record.id);
            }
        }
        Ok(())
    }

    fn is_ours(&self, side: Side, doc: &Doc) -> bool {
        doc.text("owner") == Some(self.pass.users[side].as_str())
    }

    /// The identity forms of some documents, in their order.
    fn forms<'d>(
        &self,
        docs: impl Iterator<Item = (Side, &'d Doc)> + Clone,
    ) -> anyhow::Result<Vec<Form>> {
        let links = self.pass.known_links(self.doctype, docs.clone())?;
        let form = |(side, doc): (Side, &Doc)| {
            self.doctype.identity_form(doc, &|linked, name| links.id(side, linked, name))
        };
        Ok(docs.map(form).collect())
    }

    /// The documents of a side that hold the value by which a stranger is looked for. One request
    /// for each field that such a value is in.
    fn of_same_value(&self, side: Side, strangers: &[Stranger<'_>]) -> anyhow::Result<Vec<Doc>> {
        let title = self.title_field();
        let mut asked: BTreeMap<&str, Vec<Stranger<'_>>> = BTreeMap::new();
        for stranger in strangers {
            if let Some(field) = self.looked_for_by(title.as_deref(), stranger.doc) {
                asked.entry(field).or_default().push(*stranger);
            }
        }
        let mut found = BTreeMap::new();
        for (field, strangers) in asked {
            let listed = self.listed(side, field, &values_of(&strangers, field))?;
            found.extend(listed.into_iter().map(|doc| (doc.name(), doc)));
        }
        Ok(found.into_values().collect())
    }

    /// The field by which a document is looked for: its title, or, where it has none, the one
    /// with the longest text that a person entered; in a document without any text, the longest
    /// number or date.
    fn looked_for_by<'f>(&'f self, title: Option<&'f str>, doc: &Doc) -> Option<&'f str> {
        let is_text = |kind: &FieldKind| *kind == FieldKind::Text;
        let is_number = |kind: &FieldKind| {
            matches!(
                kind,
                FieldKind::Int | FieldKind::Float | FieldKind::Date | FieldKind::Datetime
            )
        };
        let titled = title.filter(|title| doc.text(title).is_some_and(|text| !text.is_empty()));
        let longest = |is_meant: &dyn Fn(&FieldKind) -> bool| {
            let columns = self.doctype.shape.columns.iter();
            let meant = columns
                .filter(|(_, column)| column.role == Role::Content && is_meant(&column.kind));
            let filled = meant.filter_map(|(field, column)| {
                let value = doc.get(field)?;
                canonical_scalar(&column.kind, value)?;
                Some((name_text(value).len(), field.as_str()))
            });
            filled.max_by_key(|(length, _)| *length).map(|(_, field)| field)
        };
        titled.or_else(|| longest(&is_text)).or_else(|| longest(&is_number))
    }

    /// The title, or the first text that every document must have.
    fn title_field(&self) -> Option<String> {
        let shape = &self.doctype.shape;
        let is_text = |field: &&String| {
            shape.columns.get(*field).is_some_and(|column| column.kind == FieldKind::Text)
        };
        let is_required = |field: &&String| {
            let of = |side: Side| self.doctype.schemas[side].fields.get(*field);
            Side::BOTH.into_iter().all(|side| of(side).is_some_and(|field| field.required))
        };
        let title = self.doctype.naming.title_field.as_ref().filter(is_text);
        title.or_else(|| shape.columns.keys().filter(is_text).find(is_required)).cloned()
    }

    fn listed(&self, side: Side, field: &str, values: &[Value]) -> anyhow::Result<Vec<Doc>> {
        let fields = ["name", "owner", "creation", "modified"].map(str::to_owned).to_vec();
        self.list(side, fields, field, values)
    }

    fn list(
        &self,
        side: Side,
        fields: Vec<String>,
        field: &str,
        values: &[Value],
    ) -> anyhow::Result<Vec<Doc>> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let query = ListQuery {
            doctype: self.doctype.config.doctype.clone(),
            fields,
            filters: vec![json!([field, "in", values])],
            order_by: "creation asc, name asc".to_owned(),
            ..ListQuery::default()
        };
        self.pass.sites[side].list(&query).map_err(at(side))
    }
}
