//! Reading many documents with few requests, over any [`Site`].
//!
//! Full documents with their child rows, whole listings, and the naming rules of many doctypes
//! (`metadata` has the rest of what describes a doctype). The rules kept here: what is read in bulk has the content
//! of a single read of the same document at one moment, and a listing ends only when the
//! site says so.
//!
//! The answers of a site are separate snapshots. So rows are read between two sights of their
//! document, and count as its own where both show the same `modified`. The later sight brings
//! the document itself; the earlier one costs no request where the caller has had it already,
//! in a listing or in the answer to a write.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use serde_json::{Value, json};

use super::{ErrorKind, ListQuery, Site, SiteError, SiteResult, Stamps};
use crate::model::{Doc, Field, Schema, name_text};

/// How often documents that move while they are read are read again in bulk, before each is
/// read alone.
const MAX_ROUNDS: usize = 3;

/// The names of documents to be read, each with the `modified` that the document has had at
/// some moment before, as far as that is known.
pub type Asked = BTreeMap<String, Option<String>>;

/// The names of documents that are there, each with a `modified` that it has had.
type Sighted = BTreeMap<String, String>;

/// [`fetch_asked`] where nothing is known but the names.
///
/// # Errors
/// The same.
pub fn fetch_docs(site: &dyn Site, schema: &Schema, names: &[String]) -> SiteResult<Vec<Doc>> {
    fetch_asked(site, schema, names.iter().map(|name| (name.clone(), None)).collect())
}

/// Reads whole documents: one request for the `modified` of those of which none is known, one for
/// each child doctype, and the last for the documents (BEHAVIOUR.md 6; COPYING.md 9: every torn
/// reading was seen by a `modified` that had moved). Documents that moved in between are read
/// again, at last one by one. Without child tables one request does.
///
/// A document that is not there (any more) or not visible is left out: what that means is the
/// caller's to find out. The site compares names its own way (`ABC` brings `abc`,
/// BEHAVIOUR.md 2), so an answer may hold a name that was not asked in these letters.
///
/// Every table field is there, if empty; virtual fields and virtual tables are not; `doctype`
/// is set on documents and rows, as a single read has it.
///
/// # Errors
/// Those of [`Site::list`] and [`Site::get`]; the first one ends the reading.
pub fn fetch_asked(site: &dyn Site, schema: &Schema, asked: Asked) -> SiteResult<Vec<Doc>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    if Tables::of(schema).doctypes.is_empty() {
        let names: Vec<&String> = asked.keys().collect();
        let docs = site.list(&by_names(&schema.doctype, &["*"], &json!(names)))?;
        return Ok(docs.into_iter().map(|doc| shaped(doc, schema)).collect());
    }
    let mut docs = Vec::new();
    let mut open = sight(site, schema, asked)?;
    for _ in 0..MAX_ROUNDS {
        if open.is_empty() {
            return Ok(docs);
        }
        open = fetch_round(site, schema, &open, &mut docs)?;
    }
    for name in open.into_keys() {
        match site.get(&schema.doctype, &name) {
            Ok(doc) => docs.push(shaped(doc, schema)),
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Forbidden) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(docs)
}

/// The first sight of documents: those of which no `modified` is known are asked for theirs, and
/// those of them that are not there are left out, rows and all.
fn sight(site: &dyn Site, schema: &Schema, asked: Asked) -> SiteResult<Sighted> {
    let mut sighted = Sighted::new();
    let mut unknown = Vec::new();
    for (name, modified) in asked {
        match modified {
            Some(modified) => drop(sighted.insert(name, modified)),
            None => unknown.push(name),
        }
    }
    if !unknown.is_empty() {
        let fields = ["name", "modified"];
        let listed = site.list(&by_names(&schema.doctype, &fields, &json!(unknown)))?;
        sighted.extend(listed.iter().map(name_and_modified));
    }
    Ok(sighted)
}

fn name_and_modified(doc: &Doc) -> (String, String) {
    (doc.name(), doc.modified().to_owned())
}

/// Reads documents once, rows first; adds those that have not moved since they were sighted and
/// returns the others, as they are sighted now.
fn fetch_round(
    site: &dyn Site,
    schema: &Schema,
    sighted: &Sighted,
    docs: &mut Vec<Doc>,
) -> SiteResult<Sighted> {
    let tables = Tables::of(schema);
    let names = json!(sighted.keys().collect::<Vec<_>>());
    let mut rows = Rows::default();
    for child in &tables.doctypes {
        rows.add(site.list(&child_rows(&schema.doctype, child, &names))?, child, &tables);
    }
    let parents = site.list(&by_names(&schema.doctype, &["*"], &names))?;

    let mut moved = Sighted::new();
    let mut rows = rows.by_parent(&parents);
    for mut parent in parents {
        let (name, modified) = name_and_modified(&parent);
        // Nor was one sighted that comes under a name in other letters than those asked.
        if sighted.get(&name) != Some(&modified) {
            moved.insert(name, modified);
            continue;
        }
        for (field, rows) in rows.remove(&name).unwrap_or_default() {
            parent.0.insert(field, Value::Array(rows));
        }
        docs.push(shaped(parent, schema));
    }
    Ok(moved)
}

fn by_names(doctype: &str, fields: &[&str], names: &Value) -> ListQuery {
    ListQuery {
        doctype: doctype.to_owned(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        filters: vec![json!(["name", "in", names])],
        order_by: "name asc".to_owned(),
        ..ListQuery::default()
    }
}

/// The rows of many parents; `parent` is what lets a user read a child doctype at all
/// (BEHAVIOUR.md 6: without it 403).
fn child_rows(doctype: &str, child: &str, parents: &Value) -> ListQuery {
    ListQuery {
        doctype: child.to_owned(),
        parent: Some(doctype.to_owned()),
        fields: vec!["*".to_owned()],
        filters: vec![json!(["parenttype", "=", doctype]), json!(["parent", "in", parents])],
        order_by: "parent asc, parentfield asc, idx asc".to_owned(),
        ..ListQuery::default()
    }
}

/// The table fields of a doctype that have rows to be read.
struct Tables<'a> {
    /// Child doctype by table field.
    fields: BTreeMap<&'a str, &'a str>,
    /// The distinct child doctypes.
    doctypes: BTreeSet<&'a str>,
}

impl<'a> Tables<'a> {
    fn of(schema: &'a Schema) -> Self {
        let fields: BTreeMap<_, _> =
            schema.child_doctypes().filter(|(field, _)| !is_virtual_table(schema, field)).collect();
        let doctypes = fields.values().copied().collect();
        Self { fields, doctypes }
    }
}

/// A child doctype without a table of its own: its rows are computed at every single read.
fn is_virtual_table(schema: &Schema, field: &str) -> bool {
    schema.tables.get(field).is_some_and(|child| child.is_virtual)
}

/// Child rows by the text of their `parent` and by table field, in the order they came.
#[derive(Default)]
struct Rows(HashMap<String, BTreeMap<String, Vec<Value>>>);

impl Rows {
    /// Takes up the rows of one child doctype; rows of a field that is no table of this
    /// doctype (any more) are dropped, as a single read does.
    fn add(&mut self, rows: Vec<Doc>, child: &str, tables: &Tables<'_>) {
        for row in rows {
            let field = row.text("parentfield").unwrap_or_default();
            if tables.fields.get(field) != Some(&child) {
                continue;
            }
            // A string even where the parent's name is an integer (COPYING.md 7).
            let parent = row.get("parent").map(name_text).unwrap_or_default();
            let field = field.to_owned();
            let of_parent = self.0.entry(parent).or_default();
            of_parent.entry(field).or_default().push(Value::Object(row.0));
        }
    }

    /// The rows by the name of a parent that was read; others, which may be rows of documents
    /// that our user may not see (COPYING.md 8), are dropped. Where the letters differ in
    /// case only, the site counts the row as the parent's.
    fn by_parent(mut self, parents: &[Doc]) -> HashMap<String, BTreeMap<String, Vec<Value>>> {
        let mut owned = HashMap::new();
        for name in parents.iter().map(Doc::name) {
            if let Some(rows) = self.0.remove(&name) {
                owned.insert(name, rows);
            }
        }
        if self.0.is_empty() {
            return owned;
        }
        let by_folded: HashMap<String, String> =
            parents.iter().map(Doc::name).map(|name| (name.to_lowercase(), name)).collect();
        let mut left: Vec<_> = self.0.into_iter().collect();
        left.sort_by(|a, b| a.0.cmp(&b.0));
        for (parent, tables) in left {
            let Some(name) = by_folded.get(&parent.to_lowercase()) else { continue };
            let of_parent = owned.entry(name.clone()).or_default();
            for (field, rows) in tables {
                let rows_so_far = of_parent.entry(field).or_default();
                rows_so_far.extend(rows);
                // Stable, and what the site orders a single read by.
                rows_so_far.sort_by_key(|row| row.get("idx").and_then(Value::as_i64));
            }
        }
        owned
    }
}

/// The form that both ways of reading give: no virtual fields, all tables, `doctype` set.
fn shaped(mut doc: Doc, schema: &Schema) -> Doc {
    let stored = |fields: &BTreeMap<String, Field>, key: &str| {
        fields.get(key).is_none_or(|field| !field.is_virtual)
    };
    doc.0.retain(|key, _| stored(&schema.fields, key) && !is_virtual_table(schema, key));
    doc.0.insert("doctype".to_owned(), json!(schema.doctype));
    for (field, child) in Tables::of(schema).fields {
        let rows = doc.0.entry(field).or_insert(Value::Null);
        if !rows.is_array() {
            *rows = json!([]);
        }
        for row in rows.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(child) = schema.tables.get(field) {
                row.retain(|key, _| stored(&child.fields, key));
            }
            row.insert("doctype".to_owned(), json!(child));
        }
    }
    doc
}

/// One page of a listing: `name`, `modified` and `creation` of at most `page_size` documents
/// (0: all), by name, after the name `after`. Names are compared by the site (recordings,
/// files 01 and 42: a walk by name misses and repeats nothing); integer names compare as
/// numbers, so `after` is the JSON value as it came.
///
/// # Errors
/// Those of [`Site::list`].
pub fn list_page(
    site: &dyn Site,
    doctype: &str,
    filters: &[Value],
    after: Option<&Value>,
    page_size: usize,
) -> SiteResult<Vec<Stamps>> {
    let mut all = filters.to_vec();
    all.extend(after.map(|name| json!(["name", ">", name])));
    site.list_stamps(&ListQuery {
        doctype: doctype.to_owned(),
        fields: Stamps::FIELDS.map(str::to_owned).to_vec(),
        filters: all,
        order_by: "name asc".to_owned(),
        group_by: joins_rows(doctype, filters).then(|| "name".to_owned()),
        limit: page_size,
        ..ListQuery::default()
    })
}

/// Whether a filter is on a child table: it repeats a document for each row that fits, and a
/// site cannot add up what it lets in (COPYING.md 7).
#[must_use]
pub fn joins_rows(doctype: &str, filters: &[Value]) -> bool {
    filters.iter().any(|filter| {
        filter.as_array().is_some_and(|parts| parts.len() == 4 && parts[0] != doctype)
    })
}

/// How a listing is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    /// Rows of a page at most.
    pub size: usize,
    /// How many documents there are, where that is known: with so many the listing is at its end.
    pub enough: Option<usize>,
}

impl Pages {
    /// Pages of a listing of unknown length.
    #[must_use]
    pub fn of(size: usize) -> Self {
        Self { size, enough: None }
    }
}

/// Lists all documents of a doctype, page by page, into `sink`; each document once. Returns
/// how many there were.
///
/// Where it is not known how many there are, only an empty page is the end: a short one may be
/// a limit of the site's. That costs one small request more for each listing. A few bytes of
/// each name are kept until the end, so that a site that does not move on is seen. If ever two
/// names have the same ones, the second document is missing in the listing, which is no
/// statement about it (invariant 2): the next sums show it.
///
/// # Errors
/// Those of [`Site::list`] and of `sink`; [`ErrorKind::Malformed`] where a page brings no new
/// name, or a document has none.
pub fn list_all<E: From<SiteError>>(
    site: &dyn Site,
    doctype: &str,
    filters: &[Value],
    pages: Pages,
    mut sink: impl FnMut(Vec<Stamps>) -> Result<(), E>,
) -> Result<usize, E> {
    let malformed = |what: &str| {
        SiteError::new(ErrorKind::Malformed, format!("listing {doctype}: {what}; not finished"))
    };
    let hasher = RandomState::new();
    let mut seen: HashSet<u64> = HashSet::new();
    let mut after: Option<Value> = None;
    loop {
        let mut page = list_page(site, doctype, filters, after.as_ref(), pages.size)?;
        let Some(last) = page.last() else { return Ok(seen.len()) };
        if last.name.is_null() {
            return Err(malformed("a document without a name").into());
        }
        after = Some(last.name.clone());
        page.retain(|one| seen.insert(hasher.hash_one(one.name())));
        if page.is_empty() {
            return Err(malformed("a page brought no new name").into());
        }
        sink(page)?;
        if pages.enough.is_some_and(|enough| seen.len() >= enough) {
            return Ok(seen.len());
        }
    }
}

/// How a doctype names its documents and what kind of doctype it is, without its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "Frappe's own independent flags")]
pub struct Rules {
    /// E.g. `field:item_code`; empty where the doctype's own code decides.
    pub autoname: String,
    /// The same in words, e.g. `By fieldname`; may be empty.
    pub naming_rule: String,
    /// The field that is shown as the document's title.
    pub title_field: Option<String>,
    /// Whether documents can be submitted.
    pub is_submittable: bool,
    /// Whether there is only one document.
    pub is_single: bool,
    /// Whether this is a child table.
    pub is_table: bool,
    /// Whether there is no table at all.
    pub is_virtual: bool,
}

/// The rules of many doctypes with one request; a doctype that the site does not have is left
/// out. Unlike [`super::metadata`] this is the doctype as shipped: property setters are not
/// applied (BEHAVIOUR.md 11). It is meant for doctypes that are only linked to.
///
/// # Errors
/// Those of [`Site::list`]; [`ErrorKind::Forbidden`] where our user may not read `DocType`.
pub fn rules_of(site: &dyn Site, doctypes: &[String]) -> SiteResult<BTreeMap<String, Rules>> {
    if doctypes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let fields = [
        "name",
        "autoname",
        "naming_rule",
        "title_field",
        "issingle",
        "istable",
        "is_virtual",
        "is_submittable",
    ];
    let listed = site.list(&by_names("DocType", &fields, &json!(doctypes)))?;
    Ok(listed.iter().map(|doc| (doc.name(), rules_from(doc))).collect())
}

/// The doctypes that a site has; none where they may not be read.
#[must_use]
pub fn doctypes_of(site: &dyn Site) -> Vec<String> {
    let listed = site.list(&ListQuery {
        doctype: "DocType".to_owned(),
        fields: vec!["name".to_owned()],
        filters: vec![json!(["istable", "=", 0])],
        order_by: "name asc".to_owned(),
        ..ListQuery::default()
    });
    listed.unwrap_or_default().iter().map(Doc::name).collect()
}

fn rules_from(doc: &Doc) -> Rules {
    // The same keys and flags as in the metadata.
    let schema = Schema::from_meta(&doc.0);
    Rules {
        autoname: schema.autoname,
        naming_rule: doc.text("naming_rule").unwrap_or_default().to_owned(),
        title_field: schema.title_field,
        is_submittable: schema.is_submittable,
        is_single: schema.is_single,
        is_table: schema.is_table,
        is_virtual: schema.is_virtual,
    }
}

#[cfg(test)]
#[path = "bulk_tests.rs"]
mod tests;
