//! Meet: finds out which new documents of the two sides are one, before anything is created.
//!
//! For documents whose names say nothing. It is bulk work: a bounded number of requests a wave
//! and side, none where the other side has nothing that could be meant. The rules kept here: a
//! document that is known takes no part (invariant 4); no second copy is made of what is
//! there already (invariant 3).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::config::DoctypeConfig;
use crate::identity::{
    Claim, LinkTable, Proof, fold_name, has_natural_name, meeting, row_creations, settle_claims,
    telling_fields,
};
use crate::model::{ConflictKind, Doc, Meeting, Side, Sides, name_text};
use crate::recon::Observed;
use crate::state::{Listed, Origin, Record, United};

use super::alike::Alike;
use super::judge::compared;
use super::scan::listed_as;
use super::{Candidate, Doctype, Pair, Pass, Rule};

/// A new document whose name does not say which one it is.
#[derive(Clone, Copy)]
pub(super) struct Stranger<'p> {
    pub side: Side,
    pub record: &'p Record,
    pub doc: &'p Doc,
    /// Its name would say it, had nobody renamed it: then only its rows show whose copy it is.
    pub has_only_rows: bool,
}

/// What is found out about a wave's strangers.
#[derive(Default)]
pub(super) struct Findings {
    pub claims: Vec<Claim>,
    /// What is known of the documents that are claimed.
    pub listed: Sides<BTreeMap<String, Listed>>,
    /// Strangers that are second copies.
    pub copies: BTreeSet<Candidate>,
}

/// The records that changed.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Whether any did: then the wave is to be read again.
    pub has_changed: bool,
    /// Records that came out of the wave's, to be looked at as well.
    pub more: Vec<Candidate>,
}

impl Findings {
    /// That a stranger is this document of the other side.
    pub fn claim(&mut self, stranger: &Stranger<'_>, other: Listed, proof: Proof) {
        let mut names = Sides::new(other.name.clone(), other.name.clone());
        names[stranger.side] = stranger.doc.name();
        self.listed[stranger.side.opposite()].insert(other.name.clone(), other);
        self.listed[stranger.side].insert(stranger.doc.name(), listed_as(stranger.doc, true));
        self.claims.push(Claim { names, proof });
    }
}

impl Pass<'_> {
    /// Reads some candidates, after it was found out which of them are one document. What comes
    /// out of that is looked at in the same way: nothing is new before it was looked for.
    pub(super) fn fetch_met(
        &mut self,
        doctype: &Doctype,
        wave: &mut Vec<Candidate>,
    ) -> anyhow::Result<Vec<Pair>> {
        loop {
            let pairs = self.fetch(doctype, wave)?;
            let met = self.meet(doctype, &pairs)?;
            if !met.has_changed {
                return Ok(pairs);
            }
            for record in met.more {
                if !wave.contains(&record) {
                    wave.push(record);
                }
            }
        }
    }

    /// Looks for what the new documents of a wave are on the other side, once a run.
    fn meet<'p>(&mut self, doctype: &Doctype, pairs: &'p [Pair]) -> anyhow::Result<Met> {
        let mut met = self.part(&doctype.config.doctype, pairs)?;
        let is_new = |stranger: &Stranger<'_>| {
            let is_open = stranger.record.conflict == Some(ConflictKind::UnknownOutcome)
                || self.is_awaited(stranger.side, stranger.doc, &doctype.config.doctype);
            !is_open && !self.met.contains(&stranger.record.id)
        };
        let mut strangers = strangers(doctype, pairs);
        strangers.retain(is_new);
        // A whole listing has shown already what the other side calls otherwise.
        let mut alone = if self.is_listed(&doctype.config) { Vec::new() } else { alone(pairs) };
        alone.retain(is_new);
        if strangers.is_empty() && alone.is_empty() {
            return Ok(met);
        }
        let docs = strangers.iter().map(|stranger| (stranger.side, stranger.doc));
        let mut links = self.known_links(doctype, docs)?;
        if !telling_fields(&doctype.shape, &doctype.config.match_on).is_empty() {
            self.add_naming(doctype, pairs, &mut links)?;
        }
        let mut findings = Findings::default();
        for side in Side::BOTH {
            let of_side = |strangers: &[Stranger<'p>]| -> Vec<Stranger<'p>> {
                strangers.iter().filter(|stranger| stranger.side == side).copied().collect()
            };
            Alike::new(self, doctype, &links).clones(&of_side(&alone), &mut findings)?;
            let here = of_side(&strangers);
            if !here.is_empty() {
                self.look_across(doctype, side, &here, &links, &mut findings)?;
            }
        }
        let ids: Vec<Candidate> =
            strangers.iter().chain(&alone).map(|stranger| stranger.record.id).collect();
        self.unite(doctype, findings, &mut met)?;
        self.met.extend(ids);
        Ok(met)
    }

    /// What the documents of a pair are to each other, as far as is known by now.
    pub(super) fn meeting_of(
        &mut self,
        doctype: &Doctype,
        pair: &Pair,
        links: &LinkTable,
    ) -> anyhow::Result<Meeting> {
        let record = &pair.record;
        let (Some(cloud), Some(local)) = (pair.doc(Side::Cloud), pair.doc(Side::Local)) else {
            let is_braked = doctype.rules.keeps(Rule::DuplicateBrake);
            return Ok(match record.conflict {
                // A person has said that this copy is carried over all the same.
                Some(ConflictKind::Duplicate) if record.is_apart => Meeting::SameDocument,
                // Told apart from its namesake it still is what it is.
                _ if record.is_apart && is_braked && self.has_known_original(doctype, pair)? => {
                    Meeting::SecondCopy
                }
                _ if record.is_apart => Meeting::SameDocument,
                Some(ConflictKind::UnknownOutcome) => Meeting::Unclear,
                _ if !is_braked => Meeting::SameDocument,
                _ if self.copies.contains(&record.id) => Meeting::SecondCopy,
                // A copy by its rows it stays, whatever became of the original since.
                Some(ConflictKind::Duplicate) if is_a_copy(doctype, pair) => Meeting::SecondCopy,
                _ => Meeting::SameDocument,
            });
        };
        if record.bases.is_some() || record.is_proven {
            return Ok(Meeting::SameDocument);
        }
        let natural = has_natural_name(doctype.config.names, &doctype.naming, &[cloud, local]);
        let form = |side: Side, doc: &Doc| {
            let compared = compared(pair, side);
            let doc = compared.as_deref().unwrap_or(doc);
            doctype.identity_form(doc, &|linked, name| links.id(side, linked, name))
        };
        let forms = (&form(Side::Cloud, cloud), &form(Side::Local, local));
        let met = meeting(natural, (cloud, local), forms);
        if forms.0 == forms.1 || cloud.creation() == local.creation() {
            return Ok(met);
        }
        let met = self.born_of_ours(doctype, Sides::new(cloud, local))?.unwrap_or(met);
        // What has its name may be what the request has made that nobody knows the outcome of.
        let is_unclear = record.conflict == Some(ConflictKind::UnknownOutcome);
        let says_nothing = matches!(met, Meeting::TwoDocuments | Meeting::SameDocument);
        Ok(if is_unclear && says_nothing { Meeting::Unclear } else { met })
    }

    /// Two documents that a listing took for one by their name, one of which was renamed
    /// since, are two; and what was in step with a link to them meant another one on each side.
    fn part(&mut self, doctype: &str, pairs: &[Pair]) -> anyhow::Result<Met> {
        let mut met = Met::default();
        let now = self.now();
        for Pair { record, .. } in pairs {
            let (Some(cloud), Some(local)) = (&record.names.cloud, &record.names.local) else {
                continue;
            };
            let is_one = record.bases.is_some()
                || record.is_proven
                || record.is_syncing
                || fold_name(cloud) == fold_name(local)
                || record.creations.cloud == record.creations.local;
            if !is_one {
                // What a request may have made goes, and the conflict about it stays.
                let in_doubt = self.state.in_doubt(doctype)?;
                let in_doubt = in_doubt.into_iter().find(|(_, of)| *of == record.id);
                let leaves = in_doubt.map_or(Side::Local, |(side, _)| side);
                met.more.push(self.state.split_record(record.id, leaves, now)?);
                if in_doubt.is_none() {
                    self.state.supersede_conflict(record.id, now)?;
                }
                let names = BTreeSet::from([cloud.clone(), local.clone()]);
                let referrers = self.state.part_links(&names, now)?;
                self.look_at_referring(doctype, referrers);
                met.has_changed = true;
            }
        }
        Ok(met)
    }

    /// What strangers of one side are on the other.
    fn look_across(
        &mut self,
        doctype: &Doctype,
        side: Side,
        strangers: &[Stranger<'_>],
        links: &LinkTable,
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        let alike = Alike::new(self, doctype, links);
        self.copies_of_known(doctype, strangers, findings)?;
        let nameless: Vec<Stranger<'_>> =
            strangers.iter().filter(|stranger| !stranger.has_only_rows).copied().collect();
        alike.second_copies(&nameless, findings)?;
        // A whole listing shows whether there is anything to be found.
        let other = side.opposite();
        if self.is_listed(&doctype.config)
            && !self.state.has_strangers(&doctype.config.doctype, other)?
        {
            return Ok(());
        }
        alike.copies(strangers, findings)?;
        let fields = telling_fields(&doctype.shape, &doctype.config.match_on);
        alike.told_by_fields(&fields, &nameless, findings)?;
        // What may be the copy of a document whose request is open is nobody else's.
        if self.awaited.contains_key(&(doctype.config.doctype.clone(), other)) {
            return Ok(());
        }
        alike.twins(&nameless, findings)
    }

    /// Whether the state knows by a listing of this run everything that both sides have.
    fn is_listed(&self, config: &DoctypeConfig) -> bool {
        !self.named.contains_key(&config.doctype) && config.filters.is_empty()
    }

    /// What the state alone tells by the `creation` that rows carry.
    fn copies_of_known(
        &self,
        doctype: &Doctype,
        strangers: &[Stranger<'_>],
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        for stranger in strangers {
            let other = stranger.side.opposite();
            for original in self.originals(doctype, stranger.side, stranger.doc)? {
                let is_ours =
                    stranger.doc.text("owner") == Some(self.users[stranger.side].as_str());
                match (&original.names[other], &original.bases) {
                    (Some(_), Some(_)) if is_ours => {
                        findings.copies.insert(stranger.record.id);
                    }
                    (Some(name), None) => {
                        let modified = original.seen[other].clone().unwrap_or_default();
                        let creation = original.creations[other].clone().unwrap_or_default();
                        let (name, taken_up) = (name.clone(), true);
                        let listed = Listed { name, creation, modified, taken_up };
                        findings.claim(stranger, listed, Proof::Rows);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The records of the other side's documents whose copies a document's rows say that it is.
    fn originals(&self, doctype: &Doctype, side: Side, doc: &Doc) -> anyhow::Result<Vec<Record>> {
        let mut originals = Vec::new();
        for creation in row_creations(&doctype.shape, doc) {
            if creation == doc.creation() {
                continue;
            }
            let (name, other) = (&doctype.config.doctype, side.opposite());
            let found = self.state.records_by_creation(name, other, &creation)?;
            if let [_] = found.as_slice() {
                originals.extend(found);
            }
        }
        Ok(originals)
    }

    /// Whether the one document there is is our copy of another one that has its copy already.
    fn has_known_original(&self, doctype: &Doctype, pair: &Pair) -> anyhow::Result<bool> {
        for side in Side::BOTH {
            let ours = Some(self.users[side].as_str());
            let Some(doc) = pair.doc(side).filter(|doc| doc.text("owner") == ours) else {
                continue;
            };
            let originals = self.originals(doctype, side, doc)?;
            if originals.iter().any(|original| original.bases.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts what turned out to be one document into one record.
    fn unite(
        &mut self,
        doctype: &Doctype,
        findings: Findings,
        met: &mut Met,
    ) -> anyhow::Result<()> {
        let name = &doctype.config.doctype;
        let now = self.now();
        let mut paired = BTreeSet::new();
        for claim in settle_claims(findings.claims) {
            let known = Sides::new(
                self.state.record_by_name(name, Side::Cloud, &claim.names.cloud)?,
                self.state.record_by_name(name, Side::Local, &claim.names.local)?,
            );
            let (keep, other) = match (&known.cloud, &known.local) {
                (Some(cloud), _) => (cloud.id, Side::Local),
                (None, Some(local)) => (local.id, Side::Cloud),
                (None, None) => continue,
            };
            let Some(document) = findings.listed[other].get(&claim.names[other]) else { continue };
            let Some(united) = self.state.unite(keep, other, document, Origin::Met, now)? else {
                continue;
            };
            let United { dissolved, left } = united;
            paired.insert(keep);
            paired.extend(dissolved);
            self.joined.extend(dissolved);
            met.more.extend([keep].into_iter().chain(left));
            met.has_changed = true;
        }
        self.copies.extend(findings.copies.difference(&paired));
        if let Some(named) = self.named.get_mut(name) {
            named.extend(
                met.more.iter().filter(|id| !named.contains(id)).copied().collect::<Vec<_>>(),
            );
        }
        Ok(())
    }
}

/// Whether a document's rows say that it was made as the copy of another one.
fn is_a_copy(doctype: &Doctype, pair: &Pair) -> bool {
    Side::BOTH.into_iter().filter_map(|side| pair.doc(side)).any(|doc| {
        let rows = row_creations(&doctype.shape, doc);
        rows.iter().any(|creation| creation != doc.creation())
    })
}

/// The new documents of some pairs that one side alone has under this name.
fn alone(pairs: &[Pair]) -> Vec<Stranger<'_>> {
    let mut alone = Vec::new();
    for Pair { record, now } in pairs {
        let (side, doc) = match (&now.cloud, &now.local) {
            (Observed::Present(doc), Observed::Absent) => (Side::Cloud, doc),
            (Observed::Absent, Observed::Present(doc)) => (Side::Local, doc),
            _ => continue,
        };
        if record.bases.is_none() && !record.is_syncing && !record.is_apart {
            alone.push(Stranger { side, record, doc, has_only_rows: false });
        }
    }
    alone
}

/// The new documents of some pairs whose names do not say which they are.
fn strangers<'p>(doctype: &Doctype, pairs: &'p [Pair]) -> Vec<Stranger<'p>> {
    let by_fields = !telling_fields(&doctype.shape, &doctype.config.match_on).is_empty();
    let mut strangers = Vec::new();
    for pair in pairs {
        let record = &pair.record;
        if record.bases.is_some() || record.is_syncing || record.is_apart || record.is_proven {
            continue;
        }
        let docs: Vec<&Doc> = Side::BOTH.into_iter().filter_map(|side| pair.doc(side)).collect();
        let natural = has_natural_name(doctype.config.names, &doctype.naming, &docs);
        let is_cloned = match docs.as_slice() {
            [cloud, local] => cloud.creation() == local.creation(),
            _ => false,
        };
        // A natural name says it, unless fields, or its rows, are to tell a document that has no
        // partner of this name.
        let has_only_rows = natural && !by_fields;
        let has_rows = docs.iter().any(|doc| !row_creations(&doctype.shape, doc).is_empty());
        if is_cloned || natural && docs.len() == 2 || has_only_rows && !has_rows {
            continue;
        }
        strangers.extend(Side::BOTH.into_iter().filter_map(|side| {
            // One that is only found on the other side by its name has no place in the state.
            let doc = pair.doc(side).filter(|_| record.names[side].is_some())?;
            Some(Stranger { side, record, doc, has_only_rows })
        }));
    }
    strangers
}

/// The values of one field of some strangers.
pub(super) fn values_of(strangers: &[Stranger<'_>], field: &str) -> Vec<Value> {
    let is_filled = |value: &&Value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => false,
    };
    let values = strangers.iter().filter_map(|stranger| stranger.doc.get(field)).filter(is_filled);
    let distinct: BTreeMap<String, Value> =
        values.map(|value| (name_text(value), value.clone())).collect();
    distinct.into_values().collect()
}
