//! Fetch: reads the candidates on both sides, in bulk.
//!
//! The rule kept here: the name in the answer says which document it is (a site's lookups
//! ignore case and accents), and a document counts as absent only on a side where it was
//! never seen; one that was known and does not come is unknown (invariant 2).

use std::collections::BTreeMap;

use crate::identity::fold_name;
use crate::model::{Doc, Side, Sides};
use crate::recon::Observed;
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
        let records = self.state.load_records(candidates)?;
        let mut found = self.read(doctype, &records)?;
        records.into_iter().map(|record| self.pair(doctype, record, &mut found)).collect()
    }

    /// Reads the records' documents, a batch a request, on all workers.
    fn read(&self, doctype: &Doctype, records: &[Record]) -> anyhow::Result<Sides<Found>> {
        let mut items = Vec::new();
        for side in Side::BOTH {
            let mut names: Vec<String> = records
                .iter()
                .filter_map(|record| record.names[side].as_ref().or(record.names[side.opposite()].as_ref()))
                .cloned()
                .collect();
            names.sort_unstable();
            names.dedup();
            let batches = names.chunks(self.config.batch_size.max(1));
            items.extend(batches.map(|batch| (side, batch.to_vec())));
        }
        let sites = self.sites;
        let mut found = Sides::<Found>::default();
        self.workers.run(
            items,
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
        &self,
        doctype: &Doctype,
        record: Record,
        found: &mut Sides<Found>,
    ) -> anyhow::Result<Pair> {
        let mut joined = None;
        let mut now = Sides::new(Observed::Absent, Observed::Absent);
        for side in Side::BOTH {
            now[side] = match &record.names[side] {
                Some(name) => known_document(&record, side, found[side].remove(name)),
                None => {
                    let (observed, other) = self.counterpart(doctype, &record, side, &found[side])?;
                    joined = joined.or(other);
                    observed
                }
            };
        }
        Ok(Pair { record, now, joined })
    }

    /// The document that has the other side's name on a side where none is known: exactly, or
    /// as the site's lookup sees it. One that the state knows as another document's is none.
    fn counterpart(
        &self,
        doctype: &Doctype,
        record: &Record,
        side: Side,
        found: &Found,
    ) -> anyhow::Result<(Observed<Doc>, Option<i64>)> {
        let Some(name) = &record.names[side.opposite()] else { return Ok((Observed::Absent, None)) };
        let folded = fold_name(name);
        let doc = found.get(name).or_else(|| {
            found.iter().find(|(other, _)| fold_name(other) == folded).map(|(_, doc)| doc)
        });
        let Some(doc) = doc else { return Ok((Observed::Absent, None)) };
        match self.state.record_by_name(&doctype.config.doctype, side, &doc.name())? {
            None => Ok((Observed::Present(doc.clone()), None)),
            // Known on this side alone and never in step: the same document, seen twice.
            Some(other) if other.id != record.id && other.names[side.opposite()].is_none() => {
                Ok((Observed::Present(doc.clone()), Some(other.id)))
            }
            Some(_) => Ok((Observed::Absent, None)),
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
        _ => Observed::Present(doc),
    }
}
