//! What a pass needs to know about a doctype: its rules, and both sites' metadata.

use crate::config::{DoctypeConfig, closest};
use crate::identity::Naming;
use crate::model::{Doc, Form, LinkIds, Schema, Shape, Side, Sides, md5_hex};
use crate::site::ErrorKind;
use crate::site::bulk::doctypes_of;

use super::misnamed::FILTERS;
use super::{Pass, Rule, Rules, misnamed};

/// So many fields are named where there may be many.
const MOST_NAMED: usize = 12;

/// A doctype of this run.
#[derive(Debug, Clone)]
pub struct Doctype {
    /// The rules, with this run's direction.
    pub config: DoctypeConfig,
    /// Each site's metadata.
    pub schemas: Sides<Schema>,
    /// The fields that count.
    pub shape: Shape,
    /// What its names mean.
    pub naming: Naming,
    /// Stands for the rules under which a document may be left alone: under others it is
    /// looked at again.
    pub scope: String,
    /// What a pass keeps to with its documents.
    pub rules: Rules,
}

/// A doctype that cannot be synced at all.
#[derive(Debug, thiserror::Error)]
#[error("{reason}; take it out of the configuration")]
pub struct Unsyncable {
    /// What is special about it.
    pub reason: &'static str,
}

/// Stands for the rules under which documents of a doctype are left alone.
#[must_use]
pub fn scope_digest(config: &DoctypeConfig) -> String {
    md5_hex(format!("{} {config:?}", env!("CARGO_PKG_VERSION")).as_bytes())
}

impl Doctype {
    /// The form by which two documents are told to be one.
    pub(super) fn identity_form(&self, doc: &Doc, links: &LinkIds<'_>) -> Form {
        if self.rules.keeps(Rule::IdentityForm) {
            self.shape.identity_form(doc, links)
        } else {
            self.shape.sync_form(doc, links)
        }
    }
}

impl Pass<'_> {
    /// Puts the doctype's rules and both sites' metadata together.
    pub(super) fn load_doctype(&mut self, config: DoctypeConfig) -> anyhow::Result<Doctype> {
        let schemas = self.schemas(&config.doctype)?;
        for (_, schema) in schemas.iter() {
            if let Some(reason) = unsyncable(schema) {
                return Err(Unsyncable { reason }.into());
            }
        }
        let shape = Shape::new(schemas.as_ref(), &config.exclude_fields, &config.include_fields);
        self.state.save_shape(shape.digest(), &shape.content_fields())?;
        self.report_one_sided(&shape)?;
        self.report_misnamed(&config, schemas.as_ref());
        let naming = Naming::weaker(Naming::of(&schemas.cloud), Naming::of(&schemas.local));
        let scope = scope_digest(&config);
        let rules = self.options.rules;
        Ok(Doctype { config, schemas, shape, naming, scope, rules })
    }

    /// Says which names of the doctype's own rules mean nothing, in every run that reads its
    /// metadata: what is misspelt in `exclude_fields` is not private. What `[sync]` excludes may be
    /// meant for another doctype; `doctor` looks at all of them.
    fn report_misnamed(&mut self, config: &DoctypeConfig, schemas: Sides<&Schema>) {
        for found in misnamed(config, schemas) {
            let is_meant_for_all = found.key == "exclude_fields"
                && self.config.excluded_everywhere().contains(&found.name);
            let warning = format!("{}: {found}: {}", config.doctype, found.hint());
            if !is_meant_for_all && !self.summary.warnings.contains(&warning) {
                self.summary.warnings.push(warning);
            }
        }
    }

    /// What to do about a doctype that a side refuses as a whole: what its own rules or its name
    /// have wrong comes first. Only a doctype that is not there costs a request more.
    pub fn refusal_hint(
        &mut self,
        config: &DoctypeConfig,
        doctype: Option<&Doctype>,
        side: Side,
        kind: ErrorKind,
    ) -> String {
        let loaded = doctype.filter(|_| kind != ErrorKind::Forbidden);
        let names = loaded.map(|doctype| misnamed(config, doctype.schemas.as_ref()));
        if let Some(found) = names.iter().flatten().find(|found| found.key == FILTERS) {
            return format!("{found}: {}", found.hint());
        }
        if let Some(meant) = self.meant_doctype(&config.doctype, side, kind) {
            return format!("did you mean {meant}?");
        }
        let is_configured = self.config.doctypes.iter().any(|one| one.doctype == config.doctype);
        if !is_configured && kind.is_no_such_doctype() {
            return format!("correct its name, or add the doctype to the {side} site");
        }
        kind.doctype_hint(side)
    }

    /// The doctype of nearly that name, where a side does not have this one.
    fn meant_doctype(&mut self, doctype: &str, side: Side, kind: ErrorKind) -> Option<String> {
        // A name in another case is found and answered under its own.
        if !kind.is_no_such_doctype() && kind != ErrorKind::Malformed {
            return None;
        }
        let site = self.sites[side];
        let on_site = self.on_site[side].get_or_insert_with(|| doctypes_of(site));
        let others = on_site.iter().map(String::as_str).filter(|other| *other != doctype);
        closest(doctype, others).map(str::to_owned)
    }

    /// Says which fields only one side has, where that is not what was said last.
    fn report_one_sided(&mut self, shape: &Shape) -> anyhow::Result<()> {
        let said = self.state.one_sided(&shape.doctype)?.unwrap_or_default();
        if said == shape.one_sided {
            return Ok(());
        }
        self.state.save_one_sided(&shape.doctype, &shape.one_sided)?;
        if let Some(fields) = render_one_sided(&shape.one_sided) {
            let doctype = &shape.doctype;
            self.summary
                .warnings
                .push(format!("{doctype}: {fields}; such fields are left alone on both sides"));
        }
        Ok(())
    }
}

/// The fields that only one side has, as a sentence; `None` where there are none.
#[must_use]
pub fn render_one_sided(fields: &Sides<Vec<String>>) -> Option<String> {
    let sides = fields.iter().filter(|(_, fields)| !fields.is_empty());
    let said: Vec<String> = sides
        .map(|(side, fields)| {
            let shown = fields.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
            match fields.len().checked_sub(MOST_NAMED) {
                Some(more @ 1..) => format!("only {side} has {shown} and {more} more"),
                _ => format!("only {side} has {shown}"),
            }
        })
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}

fn unsyncable(schema: &Schema) -> Option<&'static str> {
    if schema.is_single {
        Some("has only one document, which is each site's own")
    } else if schema.is_table {
        Some("is a child table: its rows are synced with their documents")
    } else if schema.is_virtual {
        Some("has no table of its own")
    } else {
        None
    }
}
