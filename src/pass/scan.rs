//! Scan: which documents of a doctype are to be looked at.
//!
//! Both sites list `name, modified, creation` (`listing`); what differs from what was last seen,
//! what is new, what is missing and what has work left becomes a candidate. The rule kept here:
//! what is not listed is not gone (invariant 2): it is looked at, nothing more.

use crate::config::DoctypeConfig;
use crate::model::{Action, Direction, Doc, Side, name_text, named_on};
use crate::site::{ListQuery, Site, SiteError};
use crate::state::{CandidateQuery, Listed, LogEntry, LogStatus, Record, Renamed, WholeListing};

use super::doctype::scope_digest;
use super::listing::{Listing, scope_of};
use super::{Candidate, Guard, Pass, at};

impl Pass<'_> {
    /// The candidates of a doctype, in the order of their records.
    pub(super) fn scan(&mut self, config: &DoctypeConfig) -> anyhow::Result<Vec<Candidate>> {
        self.around.watcher.listing(&config.doctype);
        let full = self.options.full || self.full_is_due(config)?;
        let listing = self.list(config, full)?;
        let now = self.now();
        let query = CandidateQuery {
            now,
            full,
            retry_failed: self.options.retry_failed,
            scope_digest: &scope_digest(config),
        };
        if listing.has_news
            && let Some(guard) = self.take_over(config, &query)?
        {
            self.counts(&config.doctype).guard = Some(guard);
            return Ok(Vec::new());
        }
        let candidates = self.state.candidates(&config.doctype, &query)?;
        self.note_listing(config, &listing, full)?;
        Ok(candidates)
    }

    /// Takes the collected listing over into the records, unless a side looks wrong by it.
    fn take_over(
        &mut self,
        config: &DoctypeConfig,
        query: &CandidateQuery<'_>,
    ) -> anyhow::Result<Option<Guard>> {
        self.strike_former_names(&config.doctype)?;
        if let Some(guard) = self.looks_wrong()? {
            return Ok(Some(guard));
        }
        if let Some(guard) = self.look_for_gone(config, query)? {
            return Ok(Some(guard));
        }
        self.take_the_persons_word(config)?;
        let absorbed = self.state.absorb_listing(&self.certainly_gone(), query.now)?;
        self.log_renames(&absorbed.renamed)?;
        Ok(None)
    }

    /// Remembers a whole listing, and counts the documents that there are: those that the rules
    /// take up, and those that are kept in step although the filters leave them out by now.
    fn note_listing(
        &mut self,
        config: &DoctypeConfig,
        listing: &Listing,
        full: bool,
    ) -> anyhow::Result<()> {
        let mut documents = listing.taken_up;
        if !config.filters.is_empty() {
            for side in Side::BOTH {
                documents[side] += self.state.outside(&config.doctype, side)?;
            }
        }
        self.counts(&config.doctype).set_documents(documents);
        if listing.is_whole {
            let scope = &scope_of(config);
            let whole = WholeListing { scope, full, are_sums_refused: listing.are_sums_refused };
            let now = self.now();
            self.state.set_listed(&config.doctype, &whole, now)?;
        }
        Ok(())
    }

    /// Whether it is time to fetch and hash everything again: some changes never move
    /// `modified`, as a new field's default does not (COPYING.md 4).
    pub(super) fn full_is_due(&self, config: &DoctypeConfig) -> anyhow::Result<bool> {
        let Some(last) = self.state.last_listed(&config.doctype)?.full else { return Ok(true) };
        Ok(self.now().duration_since(last).unsigned_abs() >= self.config.full_every)
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

pub(super) fn listed_as(doc: &Doc, taken_up: bool) -> Listed {
    Listed {
        name: doc.get("name").map(name_text).unwrap_or_default(),
        creation: doc.creation().to_owned(),
        modified: doc.modified().to_owned(),
        taken_up,
    }
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
