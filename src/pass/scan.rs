//! Scan: which documents of a doctype are to be looked at.
//!
//! Both sites list `name, modified, creation`; what differs from what was last seen, what is
//! new, what is missing and what has work left becomes a candidate. The rule kept here: what
//! is not listed is not gone (invariant 2): it is looked at, nothing more.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::DoctypeConfig;
use crate::model::{Action, Direction, Doc, Side, Sides, name_text, named_on};
use crate::site::{ListQuery, Site, SiteError, bulk};
use crate::state::{CandidateQuery, Listed, LogEntry, LogStatus, Record, Renamed};

use super::doctype::scope_digest;
use super::{Candidate, Pass, at};

impl Pass<'_> {
    /// The candidates of a doctype, in the order of their records.
    pub(super) fn scan(&mut self, config: &DoctypeConfig) -> anyhow::Result<Vec<Candidate>> {
        self.around.watcher.listing(&config.doctype);
        let full = self.options.full || self.full_is_due(config)?;
        let listed = self.list(config)?;
        self.state.begin_listing(&config.doctype)?;
        for (side, documents) in listed.iter() {
            self.state.add_listed(side, documents)?;
        }
        self.strike_former_names(&config.doctype)?;
        if let Some(guard) = self.looks_wrong()? {
            self.counts(&config.doctype).guard = Some(guard);
            return Ok(Vec::new());
        }
        let now = self.now();
        let query = CandidateQuery {
            now,
            full,
            retry_failed: self.options.retry_failed,
            scope_digest: &scope_digest(config),
        };
        if let Some(guard) = self.look_for_gone(config, &query)? {
            self.counts(&config.doctype).guard = Some(guard);
            return Ok(Vec::new());
        }
        self.take_the_persons_word(config)?;
        let absorbed = self.state.absorb_listing(&self.certainly_gone(), now)?;
        self.counts(&config.doctype).set_documents(absorbed.documents);
        self.log_renames(&absorbed.renamed)?;
        let candidates = self.state.candidates(&config.doctype, &query)?;
        self.state.set_listed(&config.doctype, now, full)?;
        Ok(candidates)
    }

    /// Whether it is time to fetch and hash everything again: some changes never move
    /// `modified`, as a new field's default does not (COPYING.md 4).
    fn full_is_due(&self, config: &DoctypeConfig) -> anyhow::Result<bool> {
        let Some(last) = self.state.last_listed(&config.doctype)?.full else { return Ok(true) };
        Ok(self.now().duration_since(last).unsigned_abs() >= self.config.full_every)
    }

    /// Lists both sides at the same time.
    fn list(&self, config: &DoctypeConfig) -> anyhow::Result<Sides<Vec<Listed>>> {
        let sites = self.sites;
        let page_size = self.config.page_size;
        // A known document stays in step whether the filter still lets it in or not.
        let knows_some = !config.filters.is_empty() && self.state.knows_any(&config.doctype)?;
        self.workers.both(|side| {
            let all = |filters: &[Value], taken_up| {
                list_side(sites[side], &config.doctype, filters, page_size, taken_up)
            };
            let mut listed = all(&config.filters, true).map_err(at(side))?;
            if knows_some {
                let taken: BTreeSet<String> =
                    listed.iter().map(|document| document.name.clone()).collect();
                let others = all(&[], false).map_err(at(side))?;
                listed.extend(others.into_iter().filter(|other| !taken.contains(&other.name)));
            }
            Ok(listed)
        })
    }

    /// A document that was renamed while it was listed stands in the listing under both names:
    /// the former one is struck out where the site does not have it any more.
    fn strike_former_names(&mut self, doctype: &str) -> anyhow::Result<()> {
        let twice = self.state.listed_twice()?;
        let (sites, batch_size) = (self.sites, self.config.batch_size.max(1));
        let there = self.workers.both(|side| {
            let mut there = BTreeSet::new();
            for names in twice[side].chunks(batch_size) {
                there.extend(names_there(sites[side], doctype, names).map_err(at(side))?);
            }
            Ok(there)
        })?;
        for (side, names) in twice.iter() {
            let is_former = |name: &&String| !there[side].contains(*name);
            let former: Vec<String> = names.iter().filter(is_former).cloned().collect();
            self.state.strike_listed(side, &former)?;
        }
        Ok(())
    }

    pub(super) fn log_renames(&mut self, renamed: &[Renamed]) -> anyhow::Result<()> {
        for Renamed { record, side, old, new } in renamed {
            let message = format!("renamed on {side} from {old} to {new}");
            let entry = LogEntry {
                run: self.run,
                action: Action::Rename,
                direction: Direction::None,
                status: LogStatus::Success,
                message: Some(message),
                changes: None,
            };
            let now = self.now();
            self.state.add_log(*record, &entry, now)?;
        }
        Ok(())
    }

    /// The candidates among some documents that are asked for by name.
    pub(super) fn scan_names(
        &mut self,
        config: &DoctypeConfig,
        names: &[String],
    ) -> anyhow::Result<Vec<Candidate>> {
        self.named.entry(config.doctype.clone()).or_default();
        let mut candidates = Vec::new();
        for name in names {
            let known = self.state.find_records(&config.doctype, name)?;
            match known.as_slice() {
                [] => candidates.extend(self.look_up(config, name)?),
                [record] => candidates.push(record.id),
                several => return Err(Ambiguous::of(name, &config.doctype, several).into()),
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        self.named.insert(config.doctype.clone(), candidates.clone());
        Ok(candidates)
    }

    /// Looks for a document that the state does not know.
    fn look_up(&mut self, config: &DoctypeConfig, name: &str) -> anyhow::Result<Vec<Candidate>> {
        let sites = self.sites;
        let find =
            |side: Side, name| find_by_name(sites[side], &config.doctype, name).map_err(at(side));
        let mut found = self.workers.both(|side| find(side, name))?;
        if let Some((told, name)) = named_on(name)
            && found.cloud.is_none()
            && found.local.is_none()
        {
            found[told] = find(told, name)?;
        }
        if found.cloud.is_none() && found.local.is_none() {
            self.report_missing(&config.doctype, name);
            return Ok(Vec::new());
        }
        let now = self.now();
        Ok(self.state.ensure_records(&config.doctype, &found, now)?)
    }
}

/// A name that stands for several documents.
#[derive(Debug, thiserror::Error)]
#[error("{name} means several documents of {doctype}: {records}")]
pub struct Ambiguous {
    name: String,
    doctype: String,
    records: String,
}

impl Ambiguous {
    pub(super) fn of(name: &str, doctype: &str, records: &[Record]) -> Self {
        let called = |record: &Record, side: Side| {
            let name = record.names[side].as_deref().unwrap_or("-");
            format!("{side} {name}")
        };
        let both = |record: &Record| Side::BOTH.map(|side| called(record, side)).join(" / ");
        Self {
            name: name.to_owned(),
            doctype: doctype.to_owned(),
            records: records.iter().map(both).collect::<Vec<_>>().join(", "),
        }
    }

    /// What to enter instead.
    #[must_use]
    pub fn hint(&self) -> String {
        let name = &self.name;
        format!("enter cloud:{name} or local:{name}, the document that is called so on that side")
    }
}

fn list_side(
    site: &dyn Site,
    doctype: &str,
    filters: &[Value],
    page_size: usize,
    taken_up: bool,
) -> Result<Vec<Listed>, SiteError> {
    let mut listed = Vec::new();
    bulk::list_all(site, doctype, filters, page_size, |page| {
        listed.extend(page.iter().map(|doc| listed_as(doc, taken_up)));
        Ok::<(), SiteError>(())
    })?;
    Ok(listed)
}

pub(super) fn listed_as(doc: &Doc, taken_up: bool) -> Listed {
    Listed {
        name: doc.get("name").map(name_text).unwrap_or_default(),
        creation: doc.creation().to_owned(),
        modified: doc.modified().to_owned(),
        taken_up,
    }
}

/// Those of some names that a site has.
fn names_there(
    site: &dyn Site,
    doctype: &str,
    names: &[String],
) -> Result<BTreeSet<String>, SiteError> {
    let found = site.list(&ListQuery {
        doctype: doctype.to_owned(),
        fields: vec!["name".to_owned()],
        filters: vec![serde_json::json!(["name", "in", names])],
        order_by: "name asc".to_owned(),
        ..ListQuery::default()
    })?;
    Ok(found.iter().map(Doc::name).collect())
}

/// The document that a site finds under a name; its own name may be written differently.
fn find_by_name(site: &dyn Site, doctype: &str, name: &str) -> Result<Option<Listed>, SiteError> {
    let found = site.list(&ListQuery {
        doctype: doctype.to_owned(),
        fields: ["name", "modified", "creation"].map(str::to_owned).to_vec(),
        filters: vec![serde_json::json!(["name", "=", name])],
        order_by: "name asc".to_owned(),
        limit: 1,
        ..ListQuery::default()
    })?;
    Ok(found.first().map(|doc| listed_as(doc, true)))
}
