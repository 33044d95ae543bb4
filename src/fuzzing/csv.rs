//! The export of conflicts as CSV.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{json_or_text, texts};
use crate::cli::conflict_rows;
use crate::model::{ConflictKind, Sides};
use crate::report::{Cell, Rows, as_shown, render_csv};
use crate::state::Conflict;

/// Of any conflicts: the export is read back as the same rows, and no cell is a formula.
pub fn csv(data: &[u8]) {
    let texts = texts(data);
    let conflicts: Vec<Conflict> = texts.chunks(8).map(conflict).collect();
    are_kept(&conflict_rows(&conflicts));
}

/// A conflict with these texts wherever a site's text may stand.
fn conflict(texts: &[String]) -> Conflict {
    let text = |at: usize| texts.get(at).cloned().unwrap_or_default();
    let data = Sides::new(
        json!({"modified_by": text(4), "field": json_or_text(&text(6))}),
        json!({"modified_by": text(5), "field": json_or_text(&text(7))}),
    );
    Conflict {
        id: 1,
        record: 1,
        doctype: text(0),
        docname: text(1),
        names: Sides::new(Some(text(2)), texts.get(3).cloned()),
        kind: ConflictKind::EditEdit,
        fields: vec![text(6), text(7)],
        data,
        modified: Sides::new(text(4), text(5)),
        created_at: Timestamp::UNIX_EPOCH,
        resolution: None,
        given_up: None,
        resolved_at: None,
    }
}

/// Whatever stands in the cells: each is one cell of its row when the text is read, with an
/// apostrophe before it at most, and nothing that a spreadsheet would run. JSON says the same
/// and drives no terminal; on a terminal nothing does.
pub(crate) fn are_kept(rows: &Rows) {
    let written = render_csv(rows).expect("text");
    let mut reader = csv::Reader::from_reader(written.as_bytes());
    assert_eq!(reader.headers().expect("a header"), rows.columns);
    let records: Vec<csv::StringRecord> =
        reader.records().map(|record| record.expect("a row")).collect();
    assert_eq!(records.len(), rows.rows.len());
    for (record, row) in records.iter().zip(&rows.rows) {
        assert_eq!(record.len(), row.len());
        for (found, cell) in record.iter().zip(row) {
            is_harmless(found);
            match cell {
                Cell::Plain(Value::String(text)) => {
                    assert!(found == text || found.strip_prefix('\'') == Some(text), "{found:?}");
                }
                Cell::Json(value) => {
                    // A text or an object begins with no sign, and a number may.
                    let read = found.strip_prefix('\'').unwrap_or(found);
                    assert_eq!(serde_json::from_str::<Value>(read).expect("JSON"), *value);
                    assert!(!found.contains(char::is_control), "{found:?}");
                }
                Cell::Plain(_) => {}
            }
        }
    }
    let shown = as_shown(&written);
    assert!(!shown.replace("\r\n", "").contains(char::is_control), "{shown:?}");
}

fn is_harmless(cell: &str) {
    assert!(!cell.starts_with(['\t', '\r']), "{cell:?}");
    let sign = cell.trim_start().chars().next();
    assert!(!matches!(sign, Some('=' | '+' | '-' | '@')), "{cell:?}");
}
