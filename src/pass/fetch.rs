//! Fetch: reads the candidates on both sides, in bulk.
//!
//! The rule kept here: the name in the answer says which document it is (a site's lookups
//! ignore case and accents), and a document counts as absent only on a side where it was
//! never seen; one that was known and does not come is unknown (invariant 2).

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::fold_name;
use crate::model::{Doc, Side, Sides};
use crate::recon::{Observed, went_back};
use crate::site::bulk;
use crate::state::Record;

use super::{Candidate, Doctype, Pair, Pass, at};

/// One side's documents, by name.
type Found = BTreeMap<String, Doc>;

impl Pass<'_> {
    /// Reads some candidates. A document that one side is not known to have is asked for
    /// there all the same, under its name on the other.
    pub(super) fn fetch(
        &mut self,
        doctype: &Doctype,
        candidates: &[Candidate],
    ) -> anyhow::Result<Vec<Pair>> {
        let living: Vec<Candidate> =
            candidates.iter().filter(|id| !self.joined.contains(id)).copied().collect();
        let records = self.state.load_records(&living)?;
        let mut found = self.read(doctype, &records)?;
        let mut pairs = Vec::with_capacity(records.len());
        for record in records {
            if !self.joined.contains(&record.id) {
                pairs.push(self.pair(doctype, record, &mut found)?);
            }
        }
        Ok(pairs)
    }

    /// Reads the records' documents.
    fn read(&self, doctype: &Doctype, records: &[Record]) -> anyhow::Result<Sides<Found>> {
        let mut items = Vec::new();
        for side in Side::BOTH {
            let here_or_there = |record: &Record| {
                record.names[side].clone().or_else(|| record.names[side.opposite()].clone())
            };
            let names: BTreeSet<String> = records.iter().filter_map(here_or_there).collect();
            let names: Vec<String> = names.into_iter().collect();
            let batches = names.chunks(self.config.batch_size.max(1));
            items.extend(batches.map(|batch| (side, batch.to_vec())));
        }
        self.read_names(doctype, items)
    }

    /// Reads documents by name, a batch at a time, on all workers.
    pub(super) fn read_names(
        &self,
        doctype: &Doctype,
        batches: Vec<(Side, Vec<String>)>,
    ) -> anyhow::Result<Sides<Found>> {
        let sites = self.sites;
        let mut found = Sides::<Found>::default();
        self.workers.run(
            batches,
            |side, names| {
                let docs = bulk::fetch_docs(sites[side], &doctype.schemas[side], &names);
                (side, docs.map_err(at(side)))
            },
            |_, (side, docs)| {
                found[side].extend(docs?.into_iter().map(|doc| (doc.name(), doc)));
                Ok(())
            },
        )?;
        Ok(found)
    }

    fn pair(
        &mut self,
        doctype: &Doctype,
        record: Record,
        found: &mut Sides<Found>,
    ) -> anyhow::Result<Pair> {
        let mut now = Sides::new(Observed::Absent, Observed::Absent);
        for side in Side::BOTH {
            now[side] = match &record.names[side] {
                Some(name) => known_document(&record, side, found[side].remove(name)),
                None => self.counterpart(doctype, &record, side, &found[side])?,
            };
        }
        Ok(Pair { record, now })
    }

    /// The document that has the other side's name on a side where none is known: exactly, or
    /// as the site's lookup sees it. One that the state knows as another document's is none.
    fn counterpart(
        &mut self,
        doctype: &Doctype,
        record: &Record,
        side: Side,
        found: &Found,
    ) -> anyhow::Result<Observed<Doc>> {
        let Some(name) = &record.names[side.opposite()] else { return Ok(Observed::Absent) };
        if record.is_apart {
            return Ok(Observed::Absent);
        }
        let folded = fold_name(name);
        let doc = found.get(name).or_else(|| {
            found.iter().find(|(other, _)| fold_name(other) == folded).map(|(_, doc)| doc)
        });
        let Some(doc) = doc else { return Ok(Observed::Absent) };
        match self.state.record_by_name(&doctype.config.doctype, side, &doc.name())? {
            None => Ok(Observed::Present(doc.clone())),
            // Known on this side alone and never in step: the same document, seen twice.
            Some(other)
                if other.id != record.id
                    && !other.is_syncing
                    && !other.is_apart
                    && other.names[side.opposite()].is_none() =>
            {
                let now = self.now();
                self.state.join_records(record.id, other.id, now)?;
                self.joined.insert(other.id);
                Ok(Observed::Present(doc.clone()))
            }
            Some(_) => Ok(Observed::Absent),
        }
    }
}

fn known_document(record: &Record, side: Side, doc: Option<Doc>) -> Observed<Doc> {
    let Some(doc) = doc else {
        return Observed::Unknown(
            "not found under its name; deletions are not carried out in this version".to_owned(),
        );
    };
    match &record.creations[side] {
        Some(creation) if creation != doc.creation() => Observed::Replaced(doc),
        // Asked for by name, there was no listing to tell (`looks_wrong`).
        _ if record.seen[side].as_deref().is_some_and(|seen| went_back(seen, doc.modified())) => {
            Observed::Unknown("older than when it was last seen: a restored backup?".to_owned())
        }
        _ => Observed::Present(doc),
    }
}
