//! Asks what became of known documents that a side does not show.
//!
//! The rule kept here: a document is gone only where the site says so of this very document
//! (invariant 2): no document has its name or its `creation`, listed without the configured
//! filters, and a single read answers with a 404 that names it. Lists are asked for many at
//! once, single reads only until more are gone than may be deleted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::json;

use crate::config::DoctypeConfig;
use crate::identity::fold_name;
use crate::model::{Deletes, Direction, Doc, Side, Sides};
use crate::recon::{Asked, Fate, Lookalike, Single, deletes_left, fate};
use crate::site::{ErrorKind, ListQuery, Site, SiteError};
use crate::state::{CandidateQuery, Renamed, Unlisted};

use super::{Candidate, Guard, Pass, Rule, at};

/// How many of the documents that are gone are named.
const NAMED: usize = 3;

/// What became of documents that a side did not show.
pub(super) type Fates = BTreeMap<(Candidate, Side), Fate>;

/// What a side lists of some documents, or its refusal to list.
type Listed = Result<Vec<Doc>, SiteError>;

impl Pass<'_> {
    /// Looks for documents that are gone since they were in step, before the listing at hand
    /// is taken over. `Some` where there are more than may be deleted: nothing is believed
    /// then.
    pub(super) fn look_for_gone(
        &mut self,
        config: &DoctypeConfig,
        query: &CandidateQuery<'_>,
    ) -> anyhow::Result<Option<Guard>> {
        let missing = self.state.unlisted(query)?;
        if missing.is_empty() {
            return Ok(None);
        }
        let mut enough = Sides::new(u64::MAX, u64::MAX);
        for gone_on in Side::BOTH {
            if is_carried(config, gone_on) && !self.is_brought_back(gone_on) {
                enough[gone_on] = self.deletes_left(config, gone_on.opposite())?;
            }
        }
        self.ask(&config.doctype, &missing, enough)?;
        for gone_on in Side::BOTH {
            let fate_of = |one: &Unlisted, side| self.fates.get(&(one.record, side));
            let is_gone = |one: &Unlisted, side| fate_of(one, side) == Some(&Fate::Gone);
            let to_delete = missing
                .iter()
                .filter(|one| one.side == gone_on && !is_gone(one, gone_on.opposite()));
            let (found, unasked): (Vec<_>, Vec<_>) = to_delete
                .filter(|one| fate_of(one, gone_on).is_none_or(|fate| *fate == Fate::Gone))
                .partition(|one| is_gone(one, gone_on));
            if found.len() as u64 > enough[gone_on] {
                // Where so many are gone, those that nobody asked for will be as well.
                let gone: Vec<String> =
                    found.iter().chain(&unasked).map(|one| one.name.clone()).collect();
                let reason = self.too_many(config, gone_on.opposite(), &gone, enough[gone_on])?;
                return Ok(Some(Guard::TooManyGone { side: gone_on, reason }));
            }
        }
        self.look_at_referrers(&config.doctype, &missing)?;
        Ok(None)
    }

    /// What links to a document that is gone may link to another one now, as after a merge,
    /// without having been saved: it is looked at in this run, or in the next one.
    pub(super) fn look_at_referrers(
        &mut self,
        doctype: &str,
        missing: &[Unlisted],
    ) -> anyhow::Result<()> {
        let now = self.now();
        for side in Side::BOTH {
            let gone = missing.iter().filter(|one| {
                one.side == side && self.fates.get(&(one.record, side)) == Some(&Fate::Gone)
            });
            let names: BTreeSet<String> = gone.map(|one| one.name.clone()).collect();
            if !names.is_empty() {
                let referrers = self.state.mark_referrers(side, &names, now)?;
                self.look_at_referring(doctype, referrers);
            }
        }
        Ok(())
    }

    /// Documents of doctypes that this run is through with are looked at in its end.
    pub(super) fn look_at_referring(&mut self, doctype: &str, referrers: Vec<(String, i64)>) {
        for (referrer, record) in referrers {
            if referrer != doctype && !self.ahead.contains(&referrer) {
                self.referrers.entry(referrer).or_default().insert(record);
            }
        }
    }

    /// The documents that are certainly gone, each with the side.
    pub(super) fn certainly_gone(&self) -> BTreeSet<(Candidate, Side)> {
        let gone = self.fates.iter().filter(|(_, fate)| **fate == Fate::Gone);
        gone.map(|(which, _)| *which).collect()
    }

    /// Asks for documents that a side did not show. Stops once more than `enough` of a side
    /// are gone that the other may still have; what is left then has no fate.
    pub(super) fn ask(
        &mut self,
        doctype: &str,
        missing: &[Unlisted],
        enough: Sides<u64>,
    ) -> anyhow::Result<()> {
        let listed = self.list_lookalikes(doctype, missing)?;
        let mut open = Vec::new();
        for one in missing {
            let listed = self.lookalikes(doctype, one, &listed[one.side])?;
            let asked = Asked { creation: one.creation.as_deref(), listed, single: None };
            match fate(&asked) {
                Some(fate) => self.learn(one, fate)?,
                None if !self.keeps(Rule::Evidence) => self.learn(one, Fate::Gone)?,
                None => open.push((one, asked)),
            }
        }
        // What neither side may have any more is nothing to delete, so it counts for nothing.
        let asked_of: BTreeSet<(Candidate, Side)> =
            open.iter().map(|(one, _)| (one.record, one.side)).collect();
        let is_one_sided = |one: &Unlisted| !asked_of.contains(&(one.record, one.side.opposite()));
        let fewest = usize::try_from(enough.cloud.min(enough.local)).unwrap_or(usize::MAX);
        let mut gone = Sides::<u64>::default();
        for some in open.chunks(fewest.saturating_add(1).min(self.wave())) {
            for ((one, asked), single) in some.iter().zip(self.read_each(doctype, some)?) {
                let fate = fate(&Asked { single: Some(single), ..asked.clone() });
                let fate = fate.unwrap_or_else(|| Fate::Unknown("not found".to_owned()));
                gone[one.side] += u64::from(fate == Fate::Gone && is_one_sided(one));
                self.learn(one, fate)?;
            }
            if Side::BOTH.into_iter().any(|side| gone[side] > enough[side]) {
                break;
            }
        }
        Ok(())
    }

    /// Remembers a fate for this run; the map follows a rename.
    fn learn(&mut self, one: &Unlisted, fate: Fate) -> anyhow::Result<()> {
        let fate = match fate {
            Fate::Renamed(new) if !self.follow_rename(one, &new)? => Fate::Unknown(format!(
                "called {new} now, which is known as another document's name"
            )),
            fate => fate,
        };
        self.fates.insert((one.record, one.side), fate);
        Ok(())
    }

    fn follow_rename(&mut self, one: &Unlisted, new: &str) -> anyhow::Result<bool> {
        let now = self.now();
        if !self.state.follow_rename(one.record, one.side, new, now)? {
            return Ok(false);
        }
        self.log_renames(&[Renamed {
            record: one.record,
            side: one.side,
            old: one.name.clone(),
            new: new.to_owned(),
        }])?;
        Ok(true)
    }

    /// What each side lists under the names and with the `creation` of these documents.
    fn list_lookalikes(
        &self,
        doctype: &str,
        missing: &[Unlisted],
    ) -> anyhow::Result<Sides<Listed>> {
        let sites = self.sites;
        let batch_size = self.config.batch_size.max(1);
        self.workers.both(|side| {
            let of_side: Vec<&Unlisted> = missing.iter().filter(|one| one.side == side).collect();
            let mut found = Vec::new();
            for batch in of_side.chunks(batch_size) {
                match list_batch(sites[side], doctype, batch) {
                    Ok(docs) => found.extend(docs),
                    Err(error) if error.is_outage() => return Err(at(side)(error)),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(found))
        })
    }

    /// Those of the listed documents that can be this one, or stand in its place.
    fn lookalikes(
        &self,
        doctype: &str,
        one: &Unlisted,
        listed: &Listed,
    ) -> anyhow::Result<Result<Vec<Lookalike>, String>> {
        let docs = match listed {
            Ok(docs) => docs,
            Err(error) => return Ok(Err(error.message.clone())),
        };
        let mut alike = Vec::new();
        for doc in docs {
            let (name, creation) = (doc.name(), doc.creation().to_owned());
            let is_namesake = fold_name(&name) == fold_name(&one.name);
            let is_born_then =
                self.keeps(Rule::Creation) && Some(&creation) == one.creation.as_ref();
            if !is_namesake && !is_born_then {
                continue;
            }
            let known = self.state.record_by_name(doctype, one.side, &name)?;
            let is_another = known.is_some_and(|known| {
                known.id != one.record && known.creations[one.side].as_ref() == Some(&creation)
            });
            alike.push(Lookalike { name, creation, is_namesake, is_another });
        }
        Ok(Ok(alike))
    }

    /// Asks for each of these documents by name.
    fn read_each(
        &self,
        doctype: &str,
        some: &[(&Unlisted, Asked<'_>)],
    ) -> anyhow::Result<Vec<Single>> {
        let sites = self.sites;
        let mut answers: Vec<Option<Single>> = vec![None; some.len()];
        self.workers.run(
            some.iter().map(|(one, _)| (one.side, one.name.as_str())).collect(),
            |side, name| (side, sites[side].get(doctype, name)),
            |i, (side, answer)| {
                answers[i] = Some(match answer {
                    Ok(_) => Single::Found,
                    Err(error) if error.is_outage() => return Err(at(side)(error)),
                    Err(error) => match error.kind {
                        ErrorKind::NotFound => Single::NotFound,
                        ErrorKind::Forbidden => Single::Forbidden,
                        _ => Single::Other(error.message),
                    },
                });
                Ok(())
            },
        )?;
        let nothing = || Single::Other("no answer".to_owned());
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(nothing)).collect())
    }

    /// How many more documents may be deleted on a side in this run.
    pub(super) fn deletes_left(
        &mut self,
        config: &DoctypeConfig,
        side: Side,
    ) -> anyhow::Result<u64> {
        if self.is_right(side.opposite()) {
            return Ok(u64::MAX);
        }
        let key = (config.doctype.clone(), side);
        if let Some(left) = self.deletes_left.get(&key) {
            return Ok(*left);
        }
        let now = self.now();
        let since = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
        let deleted = self.state.deleted_since(&config.doctype, side, since)?;
        let known = self.state.known_on(&config.doctype, side)?;
        let left = deletes_left(config.max_deletes, known, deleted, self.options.allow_deletes);
        self.deletes_left.insert(key, left);
        Ok(left)
    }

    /// Takes one deletion from what is left; `false`, and the doctype is guarded, where
    /// nothing is. One that is tried again counts once.
    pub(super) fn may_delete(
        &mut self,
        config: &DoctypeConfig,
        record: Candidate,
        side: Side,
    ) -> anyhow::Result<bool> {
        if self.to_delete.contains(&record) {
            return Ok(true);
        }
        let left = self.deletes_left(config, side)?;
        if left == 0 {
            self.not_deleted.insert(record);
            let mut gone = self.state.load_records(&Vec::from_iter(self.not_deleted.clone()))?;
            gone.retain(|one| one.doctype == config.doctype);
            let names: Vec<String> =
                gone.iter().filter_map(|one| one.names[side].clone()).collect();
            let reason = self.too_many(config, side, &names, 0)?;
            self.counts(&config.doctype).guard =
                Some(Guard::TooManyGone { side: side.opposite(), reason });
            return Ok(false);
        }
        self.deletes_left.insert((config.doctype.clone(), side), left - 1);
        self.to_delete.insert(record);
        Ok(true)
    }

    /// What is said of more documents than may be deleted on a side: how many, which, and what
    /// lets them go.
    fn too_many(
        &self,
        config: &DoctypeConfig,
        side: Side,
        gone: &[String],
        left: u64,
    ) -> anyhow::Result<String> {
        let known = self.state.known_on(&config.doctype, side)?;
        let at_most = match left {
            0 => "none".to_owned(),
            left => format!("no more than {left}"),
        };
        let (verb, count) = (if gone.len() == 1 { "is" } else { "are" }, gone.len());
        Ok(format!(
            "{count} of {known} documents {verb} gone on {} ({}), of which {at_most} may be deleted \
             on {side} now (max_deletes = {} in 24 hours); --allow-deletes {count} lets all of them go",
            side.opposite(),
            shortened(gone),
            config.max_deletes
        ))
    }
}

/// The first few of some names.
fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Whether a deletion on one side is carried to the other.
fn is_carried(config: &DoctypeConfig, gone_on: Side) -> bool {
    let target = gone_on.opposite();
    let may_write =
        config.direction == Direction::Both || config.direction == Direction::to(target);
    config.deletes == Deletes::Propagate && may_write
}

/// What a site lists under the names and with the `creation` of some documents.
fn list_batch(site: &dyn Site, doctype: &str, batch: &[&Unlisted]) -> Listed {
    let names: Vec<&str> = batch.iter().map(|one| one.name.as_str()).collect();
    let creations: Vec<&str> = batch.iter().filter_map(|one| one.creation.as_deref()).collect();
    let list = |filter| {
        site.list(&ListQuery {
            doctype: doctype.to_owned(),
            fields: vec!["name".to_owned(), "creation".to_owned()],
            filters: vec![filter],
            order_by: "name asc".to_owned(),
            ..ListQuery::default()
        })
    };
    let mut found = list(json!(["name", "in", names]))?;
    for doc in list(json!(["creation", "in", creations]))? {
        if !found.contains(&doc) {
            found.push(doc);
        }
    }
    Ok(found)
}
