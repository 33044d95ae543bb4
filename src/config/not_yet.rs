//! What the file format has, but this version of the program does not do.
//!
//! A key that would be accepted and then ignored is refused instead. This list is the whole
//! of it: a version that does more shortens it. What a default asks for and the pass does not
//! do yet is left alone there, and said.

use super::error::{Report, quoted};
use super::tree::{Entries, Node, Value};

/// One thing that is not in this version.
pub(super) struct NotYet {
    /// The dotted key; `*` stands for any doctype.
    key: &'static str,
    /// The word that is refused; `None` refuses every value but an empty list or table.
    word: Option<&'static str>,
    /// What to do instead.
    instead: &'static str,
}

const fn word(key: &'static str, word: &'static str, instead: &'static str) -> NotYet {
    NotYet { key, word: Some(word), instead }
}

const fn whole(key: &'static str, instead: &'static str) -> NotYet {
    NotYet { key, word: None, instead }
}

const POLICIES: &str = "use latest_timestamp, cloud_wins, local_wins or manual";
const LEAVE_OUT_KEY: &str = "leave the key out";
const LEAVE_OUT_SECTION: &str = "leave the section out";

/// Everything that is not in this version.
pub(super) const NOT_YET: &[NotYet] = &[
    word("sync.conflict_resolution", "merge", POLICIES),
    word("doctypes.*.conflict_resolution", "merge", POLICIES),
    whole("doctypes.*.child_keys", LEAVE_OUT_KEY),
    whole("alerts", LEAVE_OUT_SECTION),
    whole("metrics", LEAVE_OUT_SECTION),
];

/// Refuses what is listed. Whatever else was found wrong at such a key is beside the point.
pub(super) fn refuse(entries: &Entries, list: &[NotYet], report: &Report) {
    for not_yet in list {
        let path: Vec<&str> = not_yet.key.split('.').collect();
        visit(entries, &path, &mut |node| {
            let message = match (&node.value, not_yet.word) {
                (Value::Text(text), Some(word)) if text.text == word => {
                    format!("{} is not in this version", quoted(text.raw()))
                }
                (Value::Array(elements), None) if elements.is_empty() => return,
                (Value::Table(entries), None) if entries.is_empty() => return,
                (_, None) => "is not in this version".to_owned(),
                (_, Some(_)) => return,
            };
            report.forget(&node.key);
            report.bad_hint(node, message, not_yet.instead);
        });
    }
}

fn visit(entries: &[(String, Node)], path: &[&str], found: &mut impl FnMut(&Node)) {
    let Some((first, rest)) = path.split_first() else { return };
    for (_, node) in entries.iter().filter(|(name, _)| *first == "*" || name == first) {
        if rest.is_empty() {
            found(node);
        } else {
            visit(node.entries().unwrap_or_default(), rest, found);
        }
    }
}
