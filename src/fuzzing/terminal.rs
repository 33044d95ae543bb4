//! What a person gets to see: texts, JSON, and a conflict field by field.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{json_or_text, texts};
use crate::model::{ConflictKind, Sides};
use crate::recon::{Recorded, RowNames, differences};
use crate::report::{Page, escape, escape_json, render_conflict, render_conflicts};
use crate::state::Conflict;

/// Of any texts, and of any two documents in conflict: nothing that is shown drives a terminal.
pub fn terminal(data: &[u8]) {
    let texts = texts(data);
    for text in &texts {
        let shown = escape(text);
        is_harmless(&shown);
        assert_eq!(escape(&shown), shown, "what is harmless stays as it is");
        let value = json_or_text(text);
        let json = escape_json(&value);
        is_harmless(&json);
        assert_eq!(serde_json::from_str::<Value>(&json).expect("JSON"), value);
    }
    let text = |at: usize| texts.get(at).cloned().unwrap_or_default();
    let conflict = Conflict {
        id: 1,
        record: 1,
        doctype: text(0),
        docname: text(1),
        names: Sides::new(Some(text(1)), Some(text(0))),
        kind: ConflictKind::EditEdit,
        fields: Vec::new(),
        data: Sides::new(json_or_text(&text(2)), json_or_text(&text(3))),
        modified: Sides::new(text(0), text(1)),
        created_at: Timestamp::UNIX_EPOCH,
        resolution: None,
        given_up: None,
        resolved_at: None,
    };
    is_shown(&conflict, json_or_text(&text(4)).as_object());
}

fn is_shown(conflict: &Conflict, base: Option<&Map<String, Value>>) {
    let found = differences(&Recorded {
        fields: &conflict.fields,
        counted: None,
        base: base.map(|base| Sides::new(base, base)),
        now: conflict.data.as_ref().map(|_, data| data.as_object()),
        row_names: &|_| RowNames::new(),
    });
    for width in [None, Some(40)] {
        let page = Page { width, color: false };
        let modified = conflict.modified.as_ref().map(|_, text| text.as_str());
        let shown = render_conflict(conflict, Some(modified), &found, page);
        shown.lines().for_each(is_harmless);
    }
    render_conflicts(std::slice::from_ref(conflict)).lines().for_each(is_harmless);
}

fn is_harmless(text: &str) {
    let drives =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.chars().any(drives), "{text:?}");
}
