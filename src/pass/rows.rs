//! References to rows of other documents.
//!
//! The rule kept here: a text that may be the name of a row goes out as it stands only when
//! every document of the run has been looked at, and no document that is not in step has such a
//! row. It costs no request.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::{LinkTable, RowPair};
use crate::model::{Doc, FieldKind, OpenLink, ROWS, Side, may_be_row_name};
use crate::recon::row_name;
use crate::state::RecordStatus;

use super::{Candidate, Doctype, Pair, Pass};

/// What is known of the rows that have no name on the other side.
#[derive(Debug, Default)]
pub(super) struct RowsToCome {
    /// Whether documents of this run are still to be looked at, whose rows nobody knows.
    is_open: bool,
    /// The rows of the documents that the run could not bring into step, each with its document.
    left: BTreeMap<(Side, String), Candidate>,
}

impl RowsToCome {
    /// Every document is still to be looked at; in a dry run nothing is waited for.
    pub fn begin(&mut self, dry_run: bool) {
        self.is_open = !dry_run;
    }

    /// Every document has been looked at once.
    pub fn end(&mut self) {
        self.is_open = false;
    }
}

impl Pass<'_> {
    /// Remembers the rows of a document that may not get into step now.
    pub(super) fn note_rows(&mut self, doctype: &Doctype, pair: &Pair) {
        for side in Side::BOTH {
            for name in pair.doc(side).into_iter().flat_map(|doc| rows_of(doctype, doc)) {
                self.rows.left.insert((side, name), pair.record.id);
            }
        }
    }

    /// Adds the rows that these documents' own rows refer to.
    pub(super) fn add_rows(
        &self,
        doctype: &Doctype,
        docs: &[(Side, &Doc)],
        table: &mut LinkTable,
    ) -> anyhow::Result<()> {
        for side in Side::BOTH {
            let docs = docs.iter().filter(|(of, _)| *of == side);
            let mut texts: BTreeSet<String> =
                docs.flat_map(|(_, doc)| doctype.shape.row_references(doc)).collect();
            if texts.is_empty() {
                continue;
            }
            for (name, other_name) in self.state.row_counterparts(side, &texts)? {
                texts.remove(&name);
                // The cloud's name stands for the row on both sides.
                let id = if side == Side::Cloud { name.clone() } else { other_name.clone() };
                table.add_row(side, &name, RowPair { id, other_name });
            }
            texts.retain(|text| may_be_row_name(text));
            for (name, owner) in self.rows_to_come(side, texts)? {
                table.add_row_to_come(side, &name, owner);
            }
        }
        Ok(())
    }

    /// Which of these texts may be names of rows that are still to come, and what is waited for.
    fn rows_to_come(
        &self,
        side: Side,
        texts: BTreeSet<String>,
    ) -> anyhow::Result<Vec<(String, OpenLink)>> {
        if self.rows.is_open {
            let anybodys =
                |name: String| (name.clone(), OpenLink { doctype: ROWS.to_owned(), name });
            return Ok(texts.into_iter().map(anybodys).collect());
        }
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let mut owners = self.state.rows_in_conflict(side, &texts)?;
        for text in texts {
            let left = self.rows.left.get(&(side, text.clone()));
            owners.extend(left.map(|owner| (text, *owner)));
        }
        let ids: Vec<Candidate> = owners.iter().map(|(_, owner)| *owner).collect();
        let records = self.state.load_records(&ids)?;
        let open = owners.into_iter().filter_map(|(text, owner)| {
            let record = records.iter().find(|record| record.id == owner)?;
            let name = record.names[side].clone()?;
            let is_in_step = record.status == RecordStatus::Synced;
            (!is_in_step).then(|| (text, OpenLink { doctype: record.doctype.clone(), name }))
        });
        Ok(open.collect())
    }
}

/// The names of a document's rows.
fn rows_of(doctype: &Doctype, doc: &Doc) -> Vec<String> {
    let is_table = |kind: &FieldKind| matches!(kind, FieldKind::Table(_));
    let tables = doctype.shape.columns.iter().filter(|(_, column)| is_table(&column.kind));
    tables.flat_map(|(table, _)| doc.rows(table).filter_map(row_name)).collect()
}
