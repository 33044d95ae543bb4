//! What two documents of one name are to each other, and when two names are one.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use serde_json::Value;

use crate::model::{Doc, FieldKind, Form, Meeting, Shape};

/// What two documents of one name are to each other where the state knows neither. With
/// natural names they are one document; where sites count, only equal content or one and the
/// same `creation` (cloned sites) proves it.
#[must_use]
pub fn meeting(natural: bool, docs: (&Doc, &Doc), identity: (&Form, &Form)) -> Meeting {
    let (cloud, local) = docs;
    let cloned = !cloud.creation().is_empty() && cloud.creation() == local.creation();
    if natural || cloned || identity.0 == identity.1 {
        Meeting::SameDocument
    } else {
        Meeting::TwoDocuments
    }
}

/// The distinct stamps of creation that a document's rows carry. A copy's rows carry that of
/// the document that it was made from, whatever becomes of it (COPYING.md 6).
#[must_use]
pub fn row_creations(shape: &Shape, doc: &Doc) -> Vec<String> {
    let tables =
        shape.columns.iter().filter(|(_, column)| matches!(column.kind, FieldKind::Table(_)));
    let mut found: Vec<String> = tables
        .flat_map(|(table, _)| doc.rows(table))
        .filter_map(|row| row.get("creation").and_then(Value::as_str))
        .map(str::to_owned)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A name as a site looks it up: without case, accents and trailing blanks (BEHAVIOUR.md 1).
/// Close to the site's collation, not the same: it serves to find the document that an
/// answer means, and a miss is never taken for absence.
#[must_use]
pub fn fold_name(name: &str) -> String {
    name.trim_end()
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .flat_map(|c| if c == 'ß' { vec!['s', 's'] } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn doc(name: &str, creation: &str) -> Doc {
        serde_json::from_value(json!({"name": name, "creation": creation})).unwrap()
    }

    #[test]
    fn a_counted_name_proves_nothing() {
        let (a, b) = (doc("INV-1", "2026-01-01 10:00:00"), doc("INV-1", "2026-02-02 11:00:00"));
        let one = Form(json!({"total": 10}).as_object().unwrap().clone());
        let two = Form(json!({"total": 99}).as_object().unwrap().clone());
        assert_eq!(meeting(false, (&a, &b), (&one, &two)), Meeting::TwoDocuments);
        assert_eq!(meeting(false, (&a, &b), (&one, &one)), Meeting::SameDocument);
        assert_eq!(meeting(false, (&a, &a), (&one, &two)), Meeting::SameDocument);
        assert_eq!(meeting(true, (&a, &b), (&one, &two)), Meeting::SameDocument);
    }

    #[test]
    fn names_are_folded_as_a_site_looks_them_up() {
        assert_eq!(fold_name("ABC "), fold_name("abc"));
        assert_eq!(fold_name("Ärger"), fold_name("arger"));
        assert_eq!(fold_name("e\u{301}"), fold_name("é"));
        assert_ne!(fold_name("A B"), fold_name("AB"));
    }
}
