//! The documents that a site tells of: deliveries of webhooks.
//!
//! The rules kept here: a name that a site tells of is its own, not the other side's (one
//! name can be two documents); a document that is not known yet is taken up only if the
//! doctype's filters let it in; one that the site does not have is not gone (invariant 2).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::config::DoctypeConfig;
use crate::identity::fold_name;
use crate::model::{Side, Sides};
use crate::site::{ListQuery, Site, SiteError};
use crate::state::Listed;

use super::scan::listed_as;
use super::{Candidate, Pass, Told, at};

impl Pass<'_> {
    /// The candidates among the documents that the sites told of.
    pub(super) fn scan_told(
        &mut self,
        config: &DoctypeConfig,
        told: &[(Side, String)],
    ) -> anyhow::Result<Vec<Candidate>> {
        self.around.watcher.listing(&config.doctype);
        let mut records = BTreeMap::new();
        let mut unknown = Sides::<BTreeSet<String>>::default();
        for (side, name) in told {
            match self.state.record_by_name(&config.doctype, *side, name)? {
                Some(record) => {
                    records.insert((*side, name.clone()), record.id);
                }
                None => {
                    unknown[*side].insert(name.clone());
                }
            }
        }
        self.take_up(config, &unknown, &mut records)?;
        for (side, name) in told {
            let record = records.get(&(*side, name.clone())).copied();
            let (doctype, name) = (config.doctype.clone(), name.clone());
            self.summary.told.push(Told { doctype, side: *side, name, record });
        }
        let candidates: BTreeSet<Candidate> = records.into_values().collect();
        let candidates: Vec<Candidate> = candidates.into_iter().collect();
        self.named.insert(config.doctype.clone(), candidates.clone());
        Ok(candidates)
    }

    /// Asks the sites for documents that the state does not know.
    fn take_up(
        &mut self,
        config: &DoctypeConfig,
        unknown: &Sides<BTreeSet<String>>,
        records: &mut BTreeMap<(Side, String), Candidate>,
    ) -> anyhow::Result<()> {
        let (sites, batch_size) = (self.sites, self.config.batch_size.max(1));
        let found = self.workers.both(|side| {
            let names: Vec<&String> = unknown[side].iter().collect();
            let listed: Result<Vec<_>, SiteError> = names
                .chunks(batch_size)
                .map(|names| list_named(sites[side], config, names))
                .collect();
            listed.map(|batches| batches.concat()).map_err(at(side))
        })?;
        let found = Sides::from_fn(|side| by_name(&found[side]));
        let names: BTreeSet<&String> = unknown.cloud.union(&unknown.local).collect();
        let now = self.now();
        for name in names {
            let listed = Sides::from_fn(|side| {
                let is_told = unknown[side].contains(name);
                is_told.then(|| pick(&found[side], name).cloned()).flatten()
            });
            if listed.cloud.is_none() && listed.local.is_none() {
                continue;
            }
            let ids = self.state.ensure_records(&config.doctype, &listed, now)?;
            for (side, one) in listed.iter() {
                let Some(one) = one else { continue };
                let record = self.state.record_by_name(&config.doctype, side, &one.name)?;
                // Under another name until the next listing shows that it was renamed.
                let record = record.map(|record| record.id).or_else(|| ids.first().copied());
                if let Some(record) = record {
                    records.insert((side, name.clone()), record);
                }
            }
        }
        Ok(())
    }
}

/// The documents that a site has under some names, as far as the filters let them in.
fn list_named(
    site: &dyn Site,
    config: &DoctypeConfig,
    names: &[&String],
) -> Result<Vec<Listed>, SiteError> {
    let mut filters = config.filters.clone();
    filters.push(json!(["name", "in", names]));
    let listed = site.list(&ListQuery {
        doctype: config.doctype.clone(),
        fields: ["name", "modified", "creation"].map(str::to_owned).to_vec(),
        filters,
        order_by: "name asc".to_owned(),
        group_by: Some("name".to_owned()),
        limit: 0,
        ..ListQuery::default()
    })?;
    Ok(listed.iter().map(|doc| listed_as(doc, true)).collect())
}

/// Documents by name, and by name as a site's lookup sees it.
fn by_name(listed: &[Listed]) -> BTreeMap<String, &Listed> {
    let folded = listed.iter().map(|one| (fold_name(&one.name), one));
    folded.chain(listed.iter().map(|one| (one.name.clone(), one))).collect()
}

fn pick<'a>(found: &BTreeMap<String, &'a Listed>, name: &str) -> Option<&'a Listed> {
    found.get(name).or_else(|| found.get(&fold_name(name))).copied()
}
