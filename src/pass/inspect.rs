//! Looks at one document as a pass would, for `erpsync hash`.

use anyhow::Context as _;

use crate::config::DoctypeConfig;
use crate::model::{Form, Side};
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
        let asked = on_side.unwrap_or_else(|| name.to_owned());
        let docs = bulk::fetch_docs(self.sites[side], &doctype.schemas[side], &[asked])
            .map_err(at(side))
            .with_context(|| format!("cannot read {} {name}", config.doctype))?;
        let Some(doc) = docs.first() else { return Ok(None) };
        let links = self.known_links(&doctype, std::iter::once((side, doc)))?;
        Ok(Some(doctype.shape.sync_form(doc, &|linked, name| links.id(side, linked, name))))
    }
}
