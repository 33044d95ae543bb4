//! What is stored when two sides agree.
//!
//! The rule kept here: a side's base is what that side showed when it agreed with the other,
//! never what somebody wrote there since (invariant 1).

use crate::identity::LinkTable;
use crate::model::{Columns, Direction, Doc, FieldKind, Side, Sides};
use crate::recon::row_name;
use crate::state::{Closing, RecordStatus, RowName, SideState};

use super::{Doctype, Forms, Pair};

/// Closes a pair on which nothing is to be sent: both documents as read become the bases.
pub(super) fn agreed(doctype: &Doctype, pair: &Pair, forms: &Forms) -> Option<Closing> {
    let side = |side: Side| {
        let doc = pair.doc(side)?;
        let hash = forms.now[side].hash();
        Some(side_state(doc.clone(), hash, Some(doc.modified().to_owned())))
    };
    let sides = Sides::new(side(Side::Cloud)?, side(Side::Local)?);
    Some(Closing {
        record: pair.record.id,
        form_digest: doctype.shape.digest().to_owned(),
        status: RecordStatus::Synced,
        direction: Direction::None,
        reason: None,
        log: None,
        rows: Some(row_names(&doctype.shape.columns, &sides.cloud.content, &sides.local.content)),
        sides,
        intent: None,
        resolution: None,
    })
}

/// One side of a closing.
pub(super) fn side_state(doc: Doc, hash: String, seen: Option<String>) -> SideState {
    SideState {
        name: doc.name(),
        creation: doc.creation().to_owned(),
        modified: doc.modified().to_owned(),
        seen,
        hash,
        content: doc,
    }
}

/// The hash of a document's sync form.
pub(super) fn hash_of(doctype: &Doctype, links: &LinkTable, side: Side, doc: &Doc) -> String {
    doctype.shape.sync_form(doc, &|linked, name| links.id(side, linked, name)).hash()
}

/// Which row of the one document is which of the other, by their places. A table whose rows
/// do not pair up is left out.
pub(super) fn row_names(columns: &Columns, cloud: &Doc, local: &Doc) -> Vec<RowName> {
    let mut pairs = Vec::new();
    let tables = columns.iter().filter(|(_, column)| matches!(column.kind, FieldKind::Table(_)));
    for (table, _) in tables {
        if cloud.rows(table).count() != local.rows(table).count() {
            continue;
        }
        let rows = cloud.rows(table).zip(local.rows(table)).zip(0..);
        pairs.extend(rows.map(|((cloud, local), position)| RowName {
            table: table.clone(),
            position,
            names: Sides::new(row_name(cloud), row_name(local)),
        }));
    }
    pairs
}
