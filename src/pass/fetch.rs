//! Fetch: reads the candidates on both sides, in bulk.
//!
//! The rule kept here: the name in the answer says which document it is (a site's lookups
//! ignore case and accents), and a document counts as absent only on a side where it was
//! never seen; one that was known and does not come is asked for (`gone`, invariant 2).

use std::collections::BTreeMap;

use crate::identity::fold_name;
use crate::model::{ConflictKind, Doc, Side, Sides};
use crate::recon::{Fate, Observed, went_back};
use crate::site::Site;
use crate::site::bulk::{self, Asked};
use crate::state::{Record, SteppedBack, Unlisted};

use super::wrong_side::looks_restored;
use super::{Candidate, Doctype, Pair, Pass, Workers, at};

/// One side's documents, by name.
pub(super) type Found = BTreeMap<String, Doc>;

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
        let mut records = self.state.load_records(&living)?;
        let mut found = self.read(doctype, &records)?;
        if self.ask_for_missing(doctype, &records, &found)? {
            records = self.state.load_records(&living)?;
            let read = self.read(doctype, &self.renamed_among(&records))?;
            found.cloud.extend(read.cloud);
            found.local.extend(read.local);
        }
        let mut pairs = Vec::with_capacity(records.len());
        for record in records {
            if !self.joined.contains(&record.id) {
                pairs.push(self.pair(doctype, record, &mut found)?);
            }
        }
        Ok(pairs)
    }

    /// Finds out what became of known documents that were not read under their names. Says
    /// whether one of them has another name now.
    fn ask_for_missing(
        &mut self,
        doctype: &Doctype,
        records: &[Record],
        found: &Sides<Found>,
    ) -> anyhow::Result<bool> {
        let mut missing = Vec::new();
        for record in records.iter().filter(|record| !record.is_syncing) {
            for side in Side::BOTH {
                let Some(name) = record.names[side].clone() else { continue };
                let creation = record.creations[side].clone();
                let is_there = found[side].get(&name).is_some_and(|doc| is_same(record, side, doc));
                if !is_there && !self.fates.contains_key(&(record.id, side)) {
                    missing.push(Unlisted { record: record.id, side, name, creation });
                }
            }
        }
        if missing.is_empty() {
            return Ok(false);
        }
        self.ask(&doctype.config.doctype, &missing, Sides::new(u64::MAX, u64::MAX))?;
        self.look_at_referrers(&doctype.config.doctype, &missing)?;
        let renamed = |one: &Unlisted| {
            matches!(self.fates.get(&(one.record, one.side)), Some(Fate::Renamed(_)))
        };
        Ok(missing.iter().any(renamed))
    }

    /// Those of the records whose names have changed while they were looked for.
    fn renamed_among(&self, records: &[Record]) -> Vec<Record> {
        let is_renamed = |record: &&Record| {
            Side::BOTH
                .into_iter()
                .any(|side| matches!(self.fates.get(&(record.id, side)), Some(Fate::Renamed(_))))
        };
        records.iter().filter(is_renamed).cloned().collect()
    }

    /// Reads the records' documents, those that were not read ahead.
    fn read(&mut self, doctype: &Doctype, records: &[Record]) -> anyhow::Result<Sides<Found>> {
        let ahead = std::mem::take(&mut self.read_ahead);
        let (known, mut found) = ahead.take(&doctype.config.doctype, records);
        let named = records.iter().map(|record| (&record.names, &record.seen));
        let mut wanted = self.asked_for(&doctype.config.doctype, named);
        for (side, known) in known.iter() {
            wanted[side].retain(|name, _| !known.contains(name));
        }
        let batches = self.batches(&wanted);
        let read = read_names(&self.workers, self.sites, doctype, batches)?;
        for (side, docs) in [(Side::Cloud, read.cloud), (Side::Local, read.local)] {
            found[side].extend(docs);
        }
        Ok(found)
    }

    /// The names under which documents are asked for, each on both sides: one that a side is not
    /// known to have by its name on the other. What was last seen of the others stands where this
    /// run has listed or summed the doctype; one that somebody named was most likely saved since.
    pub(super) fn asked_for<'n>(
        &self,
        doctype: &str,
        known: impl Iterator<Item = (&'n Sides<Option<String>>, &'n Sides<Option<String>>)>,
    ) -> Sides<Asked> {
        let is_listed = !self.named.contains_key(doctype);
        let mut asked = Sides::<Asked>::default();
        for (names, seen) in known {
            for side in Side::BOTH {
                let (name, modified) = match &names[side] {
                    Some(name) => (Some(name), seen[side].clone().filter(|_| is_listed)),
                    None => (names[side.opposite()].as_ref(), None),
                };
                let Some(name) = name else { continue };
                let so_far = asked[side].entry(name.clone()).or_default();
                *so_far = so_far.take().or(modified);
            }
        }
        asked
    }

    /// Names in portions that are read at once.
    pub(super) fn batches(&self, asked: &Sides<Asked>) -> Vec<(Side, Asked)> {
        let size = self.config.batch_size.max(1);
        let of_side = |(side, asked)| {
            portions(asked, size).into_iter().map(move |portion: Asked| (side, portion))
        };
        asked.iter().flat_map(of_side).collect()
    }

    fn pair(
        &mut self,
        doctype: &Doctype,
        mut record: Record,
        found: &mut Sides<Found>,
    ) -> anyhow::Result<Pair> {
        let mut now = Sides::new(Observed::Absent, Observed::Absent);
        for side in Side::BOTH {
            now[side] = match record.names[side].clone() {
                Some(name) => self.known(&mut record, side, found[side].remove(&name))?,
                // It had a name here when it was in step: another document has that now.
                None if record.bases.is_some() => Observed::Absent,
                None => self.counterpart(doctype, &record, side, &found[side])?,
            };
        }
        Ok(Pair { record, now })
    }

    /// A document that a side is known to have.
    fn known(
        &mut self,
        record: &mut Record,
        side: Side,
        doc: Option<Doc>,
    ) -> anyhow::Result<Observed<Doc>> {
        let stranger = match doc {
            Some(doc) if is_same(record, side, &doc) => return Ok(self.present(record, side, doc)),
            other => other,
        };
        Ok(match self.fates.get(&(record.id, side)) {
            Some(Fate::Gone) => {
                if stranger.is_some() {
                    let now = self.now();
                    self.state.release_name(record.id, side, now)?;
                    record.names[side] = None;
                }
                Observed::Absent
            }
            Some(Fate::Renamed(new)) => {
                Observed::Unknown(format!("called {new} now; the next run looks at it again"))
            }
            Some(Fate::Unknown(reason)) => Observed::Unknown(reason.clone()),
            None => Observed::Unknown("not found under its name".to_owned()),
        })
    }

    /// A document that is there. Where it was asked for by name, there was no listing to tell
    /// that the side went back (`looks_wrong`): the guard falls here.
    fn present(&mut self, record: &Record, side: Side, doc: Doc) -> Observed<Doc> {
        let seen = record.seen[side].as_deref();
        let Some(seen) = seen.filter(|seen| went_back(seen, doc.modified())) else {
            return Observed::Present(doc);
        };
        let (seen, modified) = (seen.to_owned(), doc.modified().to_owned());
        let guard = looks_restored(&[SteppedBack { side, name: doc.name(), seen, modified }]);
        let reason = guard.as_ref().map(ToString::to_string).unwrap_or_default();
        self.counts(&record.doctype).guard = guard;
        Observed::Unknown(reason)
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
            // Known on this side alone and never in step: the same document, seen twice. One whose
            // own copy is in doubt may have been told apart from this one before.
            Some(other)
                if other.id != record.id
                    && !other.is_syncing
                    && !other.is_apart
                    && other.conflict != Some(ConflictKind::UnknownOutcome)
                    && other.bases.is_none()
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

/// Names in portions, first those of which a `modified` is known. A portion with any other takes
/// one request more to read, one portion more takes at least two. So the two kinds share the
/// portion where they meet: that costs one request at most, and spares a whole portion as long as
/// there are few of them.
fn portions(asked: &Asked, size: usize) -> Vec<Asked> {
    let mut asked: Vec<_> = asked.iter().collect();
    asked.sort_by_key(|(_, modified)| modified.is_none());
    let owned =
        |(name, modified): &(&String, &Option<String>)| ((*name).clone(), (*modified).clone());
    asked.chunks(size).map(|portion| portion.iter().map(owned).collect()).collect()
}

/// Reads documents by name, a batch at a time, on all workers.
pub(super) fn read_names(
    workers: &Workers,
    sites: Sides<&dyn Site>,
    doctype: &Doctype,
    batches: Vec<(Side, Asked)>,
) -> anyhow::Result<Sides<Found>> {
    let mut found = Sides::<Found>::default();
    workers.run(
        batches,
        |side, asked| {
            let docs = bulk::fetch_asked(sites[side], &doctype.schemas[side], asked);
            (side, docs.map_err(at(side)))
        },
        |_, (side, docs)| {
            found[side].extend(docs?.into_iter().map(|doc| (doc.name(), doc)));
            Ok(())
        },
    )?;
    Ok(found)
}

/// Whether this is the document that the record knows, not another one of its name.
pub(super) fn is_same(record: &Record, side: Side, doc: &Doc) -> bool {
    record.creations[side].as_deref().is_none_or(|creation| creation == doc.creation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_filled_first_with_what_is_known() {
        let known = |name: &str| (name.to_owned(), Some("1".to_owned()));
        let unknown = |name: &str| (name.to_owned(), None);
        let asked = [unknown("a"), known("b"), unknown("c"), known("d"), known("e")].into();
        let expected: [Asked; 3] = [
            [known("b"), known("d")].into(),
            [known("e"), unknown("a")].into(),
            [unknown("c")].into(),
        ];
        assert_eq!(portions(&asked, 2), expected);
        assert!(portions(&Asked::new(), 2).is_empty());
    }
}
