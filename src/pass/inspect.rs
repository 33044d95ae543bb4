//! Looks at one document as a pass would, for `erpsync hash`.

use anyhow::Context as _;

use crate::config::DoctypeConfig;
use crate::model::{Form, Side, named_on};
use crate::site::bulk;

use super::{Ambiguous, Pass, at};

impl Pass<'_> {
    /// The sync form of a document as it stands on a side now; `None` where the side does not
    /// have it. `name` is any of its names.
    ///
    /// # Errors
    /// A site that is down or refuses, and a name that stands for several documents.
    pub fn sync_form(
        &mut self,
        config: &DoctypeConfig,
        name: &str,
        side: Side,
    ) -> anyhow::Result<Option<Form>> {
        let doctype = self.load_doctype(config.clone()).with_context(|| config.doctype.clone())?;
        let known = self.state.find_records(&config.doctype, name)?;
        let on_side = match known.as_slice() {
            [] => None,
            [record] => record.names[side].clone(),
            several => return Err(Ambiguous::of(name, &config.doctype, several).into()),
        };
        let told =
            named_on(name).filter(|(told, _)| *told == side).map(|(_, name)| name.to_owned());
        let readings = || std::iter::once(name.to_owned()).chain(told).collect();
        let asked: Vec<String> = on_side.map_or_else(readings, |one| vec![one]);
        let docs = bulk::fetch_docs(self.sites[side], &doctype.schemas[side], &asked)
            .map_err(at(side))
            .with_context(|| format!("cannot read {} {name}", config.doctype))?;
        let first = asked.iter().find_map(|name| docs.iter().find(|doc| doc.name() == *name));
        let Some(doc) = first.or(docs.first()) else { return Ok(None) };
        let links = self.known_links(&doctype, std::iter::once((side, doc)))?;
        Ok(Some(doctype.shape.sync_form(doc, &|linked, name| links.id(side, linked, name))))
    }
}
