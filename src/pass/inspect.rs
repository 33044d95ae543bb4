//! Looks at one document as a pass would, for `erpsync hash`.

use anyhow::Context as _;

use crate::config::DoctypeConfig;
use crate::model::{Form, Side, named_on};
use crate::site::bulk;

use super::{Pass, at};

impl Pass<'_> {
    /// The sync form of a document as it stands on a side now; `None` where the side does not
    /// have it. `name` is any of its names.
    ///
    /// # Errors
    /// A site that is down or refuses.
    pub fn sync_form(
        &mut self,
        config: &DoctypeConfig,
        name: &str,
        side: Side,
    ) -> anyhow::Result<Option<Form>> {
        let doctype = self.load_doctype(config.clone()).with_context(|| config.doctype.clone())?;
        let known = self.state.find_records(&config.doctype, name)?;
        let on_side = match known.as_slice() {
            [record] => record.names[side].clone(),
            _ => None,
        };
        let told =
            named_on(name).filter(|(told, _)| *told == side).map(|(_, name)| name.to_owned());
        let whole = || name.to_owned();
        let asked =
            on_side.map_or_else(|| told.into_iter().chain([whole()]).collect(), |one| vec![one]);
        let docs = bulk::fetch_docs(self.sites[side], &doctype.schemas[side], &asked)
            .map_err(at(side))
            .with_context(|| format!("cannot read {} {name}", config.doctype))?;
        let first = asked.iter().find_map(|name| docs.iter().find(|doc| doc.name() == *name));
        let Some(doc) = first.or(docs.first()) else { return Ok(None) };
        let links = self.known_links(&doctype, std::iter::once((side, doc)))?;
        Ok(Some(doctype.shape.sync_form(doc, &|linked, name| links.id(side, linked, name))))
    }
}
