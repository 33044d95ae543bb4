//! Gathers what is known of the documents that a wave of pairs links to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::config::{DoctypeConfig, refusal};
use crate::identity::{Known, LinkTable, Naming};
use crate::model::{Doc, NamesRule, Side, Sides};
use crate::site::{ListQuery, bulk};

use super::{Doctype, Pair, Pass, at};

/// Names of linked documents, by doctype.
type Linked = BTreeMap<String, BTreeSet<String>>;

impl Pass<'_> {
    /// What the state knows of all links in these documents.
    pub(super) fn known_links<'d>(
        &self,
        doctype: &Doctype,
        docs: impl Iterator<Item = (Side, &'d Doc)>,
    ) -> anyhow::Result<LinkTable> {
        let mut table = LinkTable::default();
        for later in &self.ahead {
            table.add_waiting(later);
        }
        let docs: Vec<(Side, &Doc)> = docs.collect();
        self.add_rows(doctype, &docs, &mut table)?;
        let links = links_of(doctype, docs.into_iter());
        for side in Side::BOTH {
            for (linked, names) in &links[side] {
                let names: Vec<String> = names.iter().cloned().collect();
                for (name, former) in self.state.former_names(linked, side, &names)? {
                    table.add_former(side, linked, &name, former);
                }
                for (name, known) in self.state.known_names(linked, side, &names)? {
                    let is_gone =
                        known.is_gone || self.is_found_gone(known.record, side.opposite());
                    table.add_known(
                        side,
                        linked,
                        &name,
                        Known {
                            docname: known.docname,
                            other_name: known.other.filter(|_| !is_gone),
                            in_step: known.has_base,
                        },
                    );
                }
            }
        }
        Ok(table)
    }

    /// Adds what the names of linked doctypes mean, for links that the state does not know.
    /// Asked once a run and doctype.
    pub(super) fn add_naming(
        &mut self,
        doctype: &Doctype,
        pairs: &[Pair],
        table: &mut LinkTable,
    ) -> anyhow::Result<()> {
        let open = links_of(doctype, docs_of(pairs)).map(|side, linked| {
            let unknown = linked.into_iter().map(|(doctype, mut names)| {
                names.retain(|name| table.id(side, &doctype, name).is_none());
                (doctype, names)
            });
            unknown.collect::<Linked>()
        });
        let linked: BTreeSet<&String> = open.cloud.keys().chain(open.local.keys()).collect();
        self.ask_naming(&linked)?;
        for doctype in linked {
            let rule = self.names_rule(doctype);
            let naming = self.naming.get(doctype).cloned().unwrap_or_default();
            let natural = match rule {
                NamesRule::Natural => true,
                NamesRule::Server => false,
                NamesRule::Auto => naming.is_natural(),
            };
            let title = naming.title_field.clone().filter(|_| rule == NamesRule::Auto);
            table.add_naming(Naming { doctype: doctype.clone(), ..naming }, rule);
            if let Some(hint) = self.hint(doctype) {
                table.add_hint(doctype, hint);
            }
            if !natural {
                let names = open.iter().filter_map(|(_, linked)| linked.get(doctype)).flatten();
                self.add_same(doctype, title.as_deref(), &names.cloned().collect(), table)?;
            }
        }
        Ok(())
    }

    fn names_rule(&self, doctype: &str) -> NamesRule {
        self.configured(doctype).map_or(NamesRule::Auto, |config| config.names)
    }

    pub(super) fn configured(&self, doctype: &str) -> Option<&DoctypeConfig> {
        self.config.doctypes.iter().find(|config| config.doctype == doctype)
    }

    /// What helps with a link to a document that is not known, where adding its doctype does
    /// not.
    fn hint(&self, doctype: &str) -> Option<String> {
        if self.configured(doctype).is_some() {
            return Some(format!(
                "sync {doctype} first, or look whether its filters leave the document out"
            ));
        }
        refusal(doctype)
            .map(|_| format!("{doctype} is never synced: add the field to exclude_fields"))
    }

    fn ask_naming(&mut self, doctypes: &BTreeSet<&String>) -> anyhow::Result<()> {
        let unknown: Vec<String> = doctypes
            .iter()
            .filter(|doctype| !self.naming.contains_key(**doctype))
            .map(|doctype| (*doctype).clone())
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let sites = self.sites;
        let rules = self.workers.both(|side| match bulk::rules_of(sites[side], &unknown) {
            Err(error) if error.is_outage() => Err(at(side)(error)),
            // Who may not read doctypes is told about each link that cannot be carried over.
            rules => Ok(rules.unwrap_or_default()),
        })?;
        for doctype in unknown {
            let naming = rules.as_ref().map(|_, rules| {
                rules.get(&doctype).map_or_else(Naming::default, |rules| Naming {
                    doctype: doctype.clone(),
                    autoname: rules.autoname.clone(),
                    title_field: rules.title_field.clone(),
                })
            });
            self.naming.insert(doctype, Naming::weaker(naming.cloud, naming.local));
        }
        Ok(())
    }

    /// Says of which of these documents both sites have the very same one: a same name with
    /// the same `creation`, as on cloned sites, or one that is the title on both.
    fn add_same(
        &self,
        doctype: &str,
        title: Option<&str>,
        names: &BTreeSet<String>,
        table: &mut LinkTable,
    ) -> anyhow::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let fields = ["name", "creation"].into_iter().chain(title);
        let query = ListQuery {
            doctype: doctype.to_owned(),
            fields: fields.map(str::to_owned).collect(),
            filters: vec![json!(["name", "in", names])],
            order_by: "name asc".to_owned(),
            ..ListQuery::default()
        };
        let sites = self.sites;
        let found = self.workers.both(|side| match sites[side].list(&query) {
            Err(error) if error.is_outage() => Err(at(side)(error)),
            // Not readable for our user: then nothing is known of them.
            result => Ok(result.unwrap_or_default()),
        })?;
        let is_title = |doc: &Doc| title.is_some_and(|title| doc.text(title) == Some(&doc.name()));
        for cloud in &found.cloud {
            let is_same = |local: &Doc| {
                let is_cloned =
                    !cloud.creation().is_empty() && local.creation() == cloud.creation();
                local.name() == cloud.name() && (is_cloned || is_title(cloud) && is_title(local))
            };
            if found.local.iter().any(is_same) {
                table.add_cloned(doctype, &cloud.name());
            }
        }
        Ok(())
    }
}

/// The documents of some pairs and their bases.
pub(super) fn docs_of(pairs: &[Pair]) -> impl Iterator<Item = (Side, &Doc)> {
    pairs.iter().flat_map(|pair| {
        Side::BOTH.into_iter().flat_map(move |side| {
            let base = pair.record.bases.as_ref().map(|bases| &bases[side].content);
            pair.doc(side).into_iter().chain(base).map(move |doc| (side, doc))
        })
    })
}

/// All links of some documents.
fn links_of<'d>(doctype: &Doctype, docs: impl Iterator<Item = (Side, &'d Doc)>) -> Sides<Linked> {
    let mut linked = Sides::<Linked>::default();
    for (side, doc) in docs {
        for (doctype, name) in doctype.shape.links(doc) {
            linked[side].entry(doctype).or_default().insert(name);
        }
    }
    linked
}
