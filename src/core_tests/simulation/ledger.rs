//! What users have entered and removed, so that it can be looked for afterwards.
//!
//! Every value that a user enters is a number of its own, in a text, a number or a row. It is
//! done with when a user replaces or removes it where it showed; until then it has to be on a
//! site or in what erpsync keeps.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::both::{known, name_of};
use crate::model::Side;

/// The numbers given out are greater; all have six digits.
const FIRST: u32 = 100_000;

/// Fields that hold nothing of users.
const SYSTEM: [&str; 14] = [
    "name",
    "modified",
    "creation",
    "owner",
    "modified_by",
    "parent",
    "parenttype",
    "parentfield",
    "idx",
    "doctype",
    "docstatus",
    "naming_series",
    "amended_from",
    "lft",
];

/// A document as the tests know it: doctype and mark.
pub type Known = (String, String);

#[derive(Debug, Default)]
pub struct Ledger {
    given: u32,
    /// Numbers that must be kept, and where they were entered.
    pub live: BTreeMap<u32, String>,
    /// Numbers that a user replaced or removed.
    retired: BTreeSet<u32>,
    /// The same by side: what a side is not to have again by itself.
    pub replaced: BTreeMap<(Side, u32), Replaced>,
    /// How many documents of a mark users have made.
    pub made: BTreeMap<Known, usize>,
    /// The documents that users deleted, merged away or lost with a backup, and where.
    pub deleted: BTreeSet<(Side, Known)>,
    /// How many documents of a mark went like that.
    pub gone: BTreeMap<Known, usize>,
}

/// What a user replaced or removed on a side.
#[derive(Debug)]
pub struct Replaced {
    /// The document that had it.
    pub known: Option<Known>,
    /// Whether it went with its document.
    pub with_document: bool,
}

impl Ledger {
    /// A number that nobody has entered yet.
    pub fn next(&mut self) -> u32 {
        self.given += 1;
        FIRST + self.given
    }

    /// A user changed a document.
    pub fn note(
        &mut self,
        side: Side,
        doctype: &str,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        let doc = after.or(before);
        let place = doc.map(|doc| format!("{doctype} {} on {side}", name_of(doc)));
        let known = doc.and_then(|doc| known(doctype, doc));
        let with_document = after.is_none();
        let before = before.map(numbers).unwrap_or_default();
        let after = after.map(numbers).unwrap_or_default();
        for number in before.difference(&after) {
            self.live.remove(number);
            self.retired.insert(*number);
            let replaced = Replaced { known: known.clone(), with_document };
            self.replaced.insert((side, *number), replaced);
        }
        for number in after.difference(&before) {
            self.replaced.remove(&(side, *number));
            if !self.retired.contains(number) {
                self.live.insert(*number, place.clone().unwrap_or_default());
            }
        }
    }

    /// A user made a document of this mark.
    pub fn note_made(&mut self, known: Known) {
        *self.made.entry(known).or_default() += 1;
    }
}

/// Whether a field holds nothing of users.
pub fn is_system(field: &str) -> bool {
    field.starts_with('_') || SYSTEM.contains(&field)
}

/// The numbers of users in a document.
pub fn numbers(value: &Value) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<u32>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(field, _)| !is_system(field))
            .for_each(|(_, value)| collect(value, found)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::String(text) => found.extend(in_text(text)),
        Value::Number(number) => {
            let whole = number.to_string();
            found.extend(whole.split('.').next().and_then(entered));
        }
        _ => {}
    }
}

/// `t100123`, however a site may spell it. Names given by sites never look like that.
fn in_text(text: &str) -> impl Iterator<Item = u32> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter_map(|word| entered(word.strip_prefix(['t', 'T'])?))
}

fn entered(digits: &str) -> Option<u32> {
    let is_number = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| is_number && *number > FIRST)
}
