//! What a site's doctypes consist of, and the cheap question whether that changed.
//!
//! Effective metadata is one answer of up to 250 KB for each doctype and each child doctype. The
//! rows that it is made of (`DocField`, Custom Field, Property Setter) can be summed up instead,
//! one request for each of the three whatever the number of doctypes. A save of a `DocType` stamps
//! all its `DocField`s anew, and an update of an application writes them anew, so these three see
//! a changed `DocType` too; its own `modified` sees neither a Custom Field nor a Property Setter
//! (BEHAVIOUR.md 11).
//!
//! The rule kept here: what could not be asked for is unknown, and nothing unknown is equal.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{ErrorKind, ListQuery, Site, SiteError, SiteResult};
use crate::model::{Doc, Schema, reduced, reduction};

/// Reduced metadata, by doctype.
pub type Metas = BTreeMap<String, Map<String, Value>>;

/// The doctypes whose rows make up metadata, with the column that names the doctype described
/// and, for rows of a parent, the parent.
const SOURCES: [(&str, &str, Option<&str>); PARTS] = [
    ("DocField", "parent", Some("DocType")),
    ("Custom Field", "dt", None),
    ("Property Setter", "doc_type", None),
];

/// How many requests it takes to ask what stands for metadata.
pub const PARTS: usize = 3;

/// The sums over the rows of one kind, by doctype.
pub type Sums = BTreeMap<String, String>;

/// What stands for the metadata of many doctypes at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// The doctypes that were asked about; `None`: all of the site.
    asked: Option<BTreeSet<String>>,
    /// The sums over the rows of a doctype, in the order of [`SOURCES`].
    sums: [Sums; PARTS],
}

impl Fingerprints {
    /// What the parts came to that were asked about some doctypes, or about all of the site.
    #[must_use]
    pub fn of_parts(asked: Option<BTreeSet<String>>, sums: [Sums; PARTS]) -> Self {
        Self { asked, sums }
    }

    /// Nothing could be asked.
    #[must_use]
    pub fn none() -> Self {
        Self { asked: Some(BTreeSet::new()), ..Self::default() }
    }

    /// What stands for one doctype's metadata, and for how this program reduces it; `None` where
    /// it was not asked for.
    #[must_use]
    pub fn of(&self, doctype: &str) -> Option<String> {
        if self.asked.as_ref().is_some_and(|asked| !asked.contains(doctype)) {
            return None;
        }
        let none = String::new();
        let sums = self.sums.iter().map(|sums| sums.get(doctype).unwrap_or(&none).as_str());
        let mut parts = vec![reduction()];
        parts.extend(sums.map(str::to_owned));
        Some(parts.join("/"))
    }
}

/// Asks for one part of what stands for the metadata of some doctypes, or of all of the site.
///
/// # Errors
/// Those of [`Site::list`]; among them [`ErrorKind::Forbidden`] where our user may not read the
/// rows of that kind.
pub fn fetch_part(
    site: &dyn Site,
    part: usize,
    asked: Option<&BTreeSet<String>>,
) -> SiteResult<Sums> {
    let (doctype, column, parent) = SOURCES[part % PARTS];
    let among = asked.iter().map(|asked| json!([column, "in", asked]));
    let rows = site.list(&ListQuery {
        doctype: doctype.to_owned(),
        parent: parent.map(str::to_owned),
        fields: vec![
            column.to_owned(),
            "count(name) as n".to_owned(),
            "sum(crc32(name)) as names".to_owned(),
            "sum(crc32(modified)) as stamps".to_owned(),
        ],
        filters: among.collect(),
        order_by: format!("{column} asc"),
        group_by: Some(column.to_owned()),
        limit: 0,
    })?;
    Ok(rows.iter().filter_map(|row| summed(row, column)).collect())
}

fn summed(row: &Doc, column: &str) -> Option<(String, String)> {
    let number = |key: &str| row.get(key).map(Value::to_string).unwrap_or_default();
    let sums = format!("{} {} {}", number("n"), number("names"), number("stamps"));
    Some((row.text(column)?.to_owned(), sums))
}

/// Reads what is missing for a doctype and its child doctypes, one request each; gives what was
/// read. What `known` has is not asked for.
///
/// # Errors
/// Those of [`Site::meta`], with what the second way of asking said where that failed too.
pub fn fetch_missing(site: &dyn Site, doctype: &str, known: &Metas) -> SiteResult<Metas> {
    let mut read = Metas::new();
    if !known.contains_key(doctype) {
        read.extend(fetch_meta(site, doctype)?);
    }
    let own = known.get(doctype).or_else(|| read.get(doctype));
    let own = own.map(Schema::from_meta).unwrap_or_default();
    for (_, child) in own.child_doctypes() {
        if !known.contains_key(child) && !read.contains_key(child) {
            read.extend(fetch_meta(site, child)?);
        }
    }
    Ok(read)
}

/// One doctype's metadata; where the short way of asking is closed to us, as the desk asks for
/// it, which brings its child doctypes along.
fn fetch_meta(site: &dyn Site, doctype: &str) -> SiteResult<Metas> {
    let metas = match site.meta(doctype) {
        Ok(meta) => vec![meta],
        Err(refused) if is_closed(&refused) => match site.form_meta(doctype) {
            Ok(metas) => metas,
            Err(second) if second.is_outage() => return Err(second),
            Err(second) => return Err(both_refused(refused, &second)),
        },
        Err(error) => return Err(error),
    };
    let named = |meta: Map<String, Value>| {
        let name = meta.get("name").and_then(Value::as_str).map(str::to_owned);
        Some((name?, reduced(&meta)))
    };
    let metas: Metas = metas.into_iter().filter_map(named).collect();
    // Without its fields nothing of a doctype would be compared, and everything would be equal.
    let has_fields = |meta: &Map<String, Value>| meta.get("fields").is_some_and(Value::is_array);
    if !metas.contains_key(doctype) || !metas.values().all(has_fields) {
        let message = format!("the metadata of {doctype} has no fields");
        return Err(SiteError::new(ErrorKind::Malformed, message));
    }
    Ok(metas)
}

fn is_closed(error: &SiteError) -> bool {
    matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotFound | ErrorKind::NoSuchPath)
}

fn both_refused(first: SiteError, second: &SiteError) -> SiteError {
    if first.kind != ErrorKind::Forbidden && second.kind != ErrorKind::Forbidden {
        // There is no such doctype; once is enough.
        return first;
    }
    let message = format!("its metadata may not be read: {}", second.message);
    SiteError { kind: ErrorKind::Forbidden, message, ..first }
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
