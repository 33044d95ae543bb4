//! Metadata of this run's doctypes: out of the state where nothing changed, else from the site.
//!
//! Each site is asked once a run, and only when there is something to do, what its metadata adds
//! up to. The rule kept here: metadata out of the state is used only where the site said so in
//! this run; where it cannot be asked, metadata is read anew in every run, and that is said.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Schema, Side, Sides};
use crate::site::metadata::{Fingerprints, Metas, PARTS, Sums, fetch_missing, fetch_part};
use crate::site::{ErrorKind, SiteError, SiteResult};
use crate::state::Metadata;

use super::{Pass, at};

/// What a run knows of both sites' metadata.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What each side's metadata added up to at the start; nothing where it could not be asked.
    fingerprints: Option<Sides<Fingerprints>>,
    /// Read in this run, or found unchanged.
    metas: Sides<Metas>,
}

impl Pass<'_> {
    /// Both sides' effective metadata of a doctype, child doctypes included.
    pub(super) fn schemas(&mut self, doctype: &str) -> anyhow::Result<Sides<Schema>> {
        self.ask_fingerprints(doctype)?;
        for side in Side::BOTH {
            self.recall(side, doctype)?;
        }
        let (sites, metas) = (self.sites, &self.known.metas);
        let read = self
            .workers
            .both(|side| fetch_missing(sites[side], doctype, &metas[side]).map_err(at(side)))?;
        for (side, metas) in read.iter() {
            self.keep(side, metas)?;
        }
        let metas = &self.known.metas;
        Ok(Sides::from_fn(|side| Schema::assemble(doctype, &metas[side]).unwrap_or_default()))
    }

    /// Asks both sides what their metadata adds up to, once a run. Where everything that this run
    /// may need is in the state, only those doctypes are asked for.
    fn ask_fingerprints(&mut self, doctype: &str) -> anyhow::Result<()> {
        if self.known.fingerprints.is_some() {
            return Ok(());
        }
        let mut needed = Sides::default();
        for side in Side::BOTH {
            needed[side] = self.needed(side, doctype)?;
        }
        let parts = self.fetch_parts(&needed)?;
        let mut fingerprints = Sides::default();
        for (side, parts) in [(Side::Cloud, parts.cloud), (Side::Local, parts.local)] {
            fingerprints[side] = match parts {
                Ok(sums) => Fingerprints::of_parts(needed[side].take(), sums),
                Err(error) if error.is_outage() => return Err(at(side)(error)),
                Err(error) => {
                    self.summary.warnings.push(unasked(side, &error));
                    Fingerprints::none()
                }
            };
        }
        self.known.fingerprints = Some(fingerprints);
        Ok(())
    }

    /// Asks both sides for all parts at the same time; of each side what they came to, or the
    /// error of the first part that has one.
    fn fetch_parts(
        &self,
        needed: &Sides<Option<BTreeSet<String>>>,
    ) -> anyhow::Result<Sides<SiteResult<[Sums; PARTS]>>> {
        let parts = |side: Side| (0..PARTS).map(move |part| (side, part));
        let questions: Vec<(Side, usize)> = Side::BOTH.into_iter().flat_map(parts).collect();
        let sites = self.sites;
        let mut answers: Sides<[SiteResult<Sums>; PARTS]> =
            Sides::from_fn(|_| std::array::from_fn(|_| Ok(Sums::new())));
        self.workers.run(
            questions,
            |side, part| (side, part, fetch_part(sites[side], part, needed[side].as_ref())),
            |_, (side, part, answer)| {
                answers[side][part] = answer;
                Ok(())
            },
        )?;
        Ok(answers.map(|_, parts| {
            let sums = parts.into_iter().collect::<SiteResult<Vec<Sums>>>()?;
            Ok(sums.try_into().unwrap_or_default())
        }))
    }

    /// The doctypes of this run with their child doctypes; `None` where one of them is not in the
    /// state, so that its child doctypes are unknown.
    fn needed(&self, side: Side, doctype: &str) -> anyhow::Result<Option<BTreeSet<String>>> {
        let mut needed = BTreeSet::new();
        for doctype in std::iter::once(doctype).chain(self.ahead.iter().map(String::as_str)) {
            let Some(kept) = self.state.metadata(side, doctype)? else { return Ok(None) };
            let schema = Schema::from_meta(&kept.meta);
            needed.extend(schema.child_doctypes().map(|(_, child)| child.to_owned()));
            needed.insert(doctype.to_owned());
        }
        Ok(Some(needed))
    }

    /// Takes a doctype and its child doctypes out of the state, as far as they did not change.
    fn recall(&mut self, side: Side, doctype: &str) -> anyhow::Result<()> {
        self.recall_one(side, doctype)?;
        let Some(meta) = self.known.metas[side].get(doctype) else { return Ok(()) };
        let schema = Schema::from_meta(meta);
        for (_, child) in schema.child_doctypes() {
            self.recall_one(side, child)?;
        }
        Ok(())
    }

    fn recall_one(&mut self, side: Side, doctype: &str) -> anyhow::Result<()> {
        if self.known.metas[side].contains_key(doctype) {
            return Ok(());
        }
        let Some(fingerprint) = self.fingerprint(side, doctype) else { return Ok(()) };
        if let Some(kept) = self.state.metadata(side, doctype)?
            && kept.fingerprint == fingerprint
        {
            self.known.metas[side].insert(doctype.to_owned(), kept.meta);
        }
        Ok(())
    }

    /// What was read is known for the rest of the run; with a fingerprint from before it was read,
    /// for later runs as well.
    fn keep(&mut self, side: Side, metas: &Metas) -> anyhow::Result<()> {
        let kept: BTreeMap<String, Metadata> = metas
            .iter()
            .filter_map(|(doctype, meta)| {
                let fingerprint = self.fingerprint(side, doctype)?;
                Some((doctype.clone(), Metadata { meta: meta.clone(), fingerprint }))
            })
            .collect();
        if !kept.is_empty() {
            let now = self.now();
            self.state.save_metadata(side, &kept, now)?;
        }
        self.known.metas[side].extend(metas.clone());
        Ok(())
    }

    fn fingerprint(&self, side: Side, doctype: &str) -> Option<String> {
        self.known.fingerprints.as_ref()?[side].of(doctype)
    }
}

fn unasked(side: Side, error: &SiteError) -> String {
    let why = match error.kind {
        ErrorKind::Forbidden => format!(
            "let the user of [{side}] read DocType, Custom Field and Property Setter (role System \
             Manager) to save these requests"
        ),
        _ => format!("whether it changed cannot be asked: {error}"),
    };
    format!("{side}: metadata is read anew in every run; {why}")
}
