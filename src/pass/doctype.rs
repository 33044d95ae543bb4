//! What a pass needs to know about a doctype: its rules, and both sites' metadata.

use crate::config::DoctypeConfig;
use crate::identity::Naming;
use crate::model::{Schema, Shape, Sides, md5_hex};
use crate::site::bulk;

use super::{Pass, at};

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
}

/// A doctype that cannot be synced at all.
#[derive(Debug, thiserror::Error)]
#[error("{reason}; take it out of the configuration")]
pub struct Unsyncable {
    reason: &'static str,
}

/// Stands for the rules under which documents of a doctype are left alone.
#[must_use]
pub fn scope_digest(config: &DoctypeConfig) -> String {
    md5_hex(format!("{} {config:?}", env!("CARGO_PKG_VERSION")).as_bytes())
}

impl Pass<'_> {
    /// Asks both sites for the doctype's metadata.
    pub(super) fn load_doctype(&mut self, config: DoctypeConfig) -> anyhow::Result<Doctype> {
        let sites = self.sites;
        let schemas = self
            .workers
            .both(|side| bulk::fetch_schema(sites[side], &config.doctype).map_err(at(side)))?;
        for (_, schema) in schemas.iter() {
            if let Some(reason) = unsyncable(schema) {
                return Err(Unsyncable { reason }.into());
            }
        }
        let shape = Shape::new(schemas.as_ref(), &config.exclude_fields, &config.include_fields);
        self.state.save_shape(shape.digest(), &shape.content_fields())?;
        let naming = Naming::weaker(Naming::of(&schemas.cloud), Naming::of(&schemas.local));
        let scope = scope_digest(&config);
        Ok(Doctype { config, schemas, shape, naming, scope })
    }
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
