//! Names in a doctype's rules that mean nothing on the sites: typing errors.
//!
//! A field that is misspelt in `exclude_fields` goes to the other side all the same, and a filter
//! on one stops the doctype. Whether a field exists only the metadata tells, so this is said once
//! it is read, at no request more. The rule kept here: pure; it warns and changes nothing.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::config::{DoctypeConfig, closest};
use crate::model::{DOCSTATUS, SYSTEM_FIELDS, Schema, Side, Sides};

/// What a listing can be filtered by besides a doctype's own fields.
const COLUMNS: [&str; 12] = [
    "_assign",
    "_comments",
    "_liked_by",
    "_user_tags",
    "creation",
    DOCSTATUS,
    "idx",
    "modified",
    "modified_by",
    "name",
    "owner",
    "parent",
];

/// The key of the filters.
pub(super) const FILTERS: &str = "filters";

/// A name that is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Misnamed {
    /// The key that has it.
    pub key: &'static str,
    /// The name.
    pub name: String,
    /// The side that lacks it, where the other one has it.
    pub side: Option<Side>,
    /// What was probably meant.
    pub meant: Option<String>,
}

impl Misnamed {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match (&self.meant, self.side) {
            (Some(meant), _) => format!("did you mean {meant}?"),
            (None, Some(side)) => format!("add the field on {side}, or take it out of the rule"),
            (None, None) => "correct it, or take it out".to_owned(),
        }
    }
}

impl fmt::Display for Misnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, name, side, .. } = self;
        match side {
            None => write!(f, "{key} names {name}, which neither side has"),
            Some(side) => write!(f, "{key} names {name}, which {side} does not have"),
        }
    }
}

/// The names in a doctype's rules that the metadata does not have.
#[must_use]
pub fn misnamed(config: &DoctypeConfig, schemas: Sides<&Schema>) -> Vec<Misnamed> {
    let all = schemas.map(|_, schema| paths(schema));
    let own = schemas.map(|_, schema| own_fields(schema));
    let mut found = Vec::new();
    for (key, names) in
        [("exclude_fields", &config.exclude_fields), ("include_fields", &config.include_fields)]
    {
        // What only one side has may be named: it is private to that side anyway.
        let named = names.iter().filter_map(|name| absent(key, name, &all));
        found.extend(named.filter(|absent| absent.side.is_none()));
    }
    found.extend(config.match_on.iter().filter_map(|name| absent("match_on", name, &own)));
    found.extend(config.filters.iter().filter_map(|filter| filtered(filter, schemas)));
    found
}

/// Whether a name is on neither side, or on one only.
fn absent(key: &'static str, name: &str, known: &Sides<BTreeSet<String>>) -> Option<Misnamed> {
    let lacking: Vec<Side> =
        Side::BOTH.into_iter().filter(|side| !known[*side].contains(name)).collect();
    let side = match lacking.as_slice() {
        [] => return None,
        [side] => Some(*side),
        _ => None,
    };
    let candidates = known.iter().flat_map(|(_, names)| names).map(String::as_str);
    let meant = side.is_none().then(|| closest(name, candidates)).flatten().map(str::to_owned);
    Some(Misnamed { key, name: name.to_owned(), side, meant })
}

/// A filter is `[field, operator, value]`, or that with a doctype in front: the document's own or
/// that of its rows.
fn filtered(filter: &Value, schemas: Sides<&Schema>) -> Option<Misnamed> {
    let parts: Vec<&str> =
        filter.as_array()?.iter().map(|part| part.as_str().unwrap_or("")).collect();
    let (doctype, field) = match parts.as_slice() {
        [field, _, _] => (schemas.cloud.doctype.as_str(), *field),
        [doctype, field, _, _] => (*doctype, *field),
        _ => return None,
    };
    let of = |schema: &Schema, wanted: &str| described(schema, wanted).map(own_fields);
    let known = schemas.map(|_, schema| of(schema, doctype));
    if known.cloud.is_none() && known.local.is_none() {
        let doctypes = schemas.map(|_, schema| {
            let children = schema.child_doctypes().map(|(_, child)| child.to_owned());
            children.chain([schema.doctype.clone()]).collect()
        });
        return absent(FILTERS, doctype, &doctypes);
    }
    let known = known.map(|_, fields| {
        let mut fields = fields.unwrap_or_default();
        fields.extend(COLUMNS.map(str::to_owned));
        fields
    });
    absent(FILTERS, field, &known)
}

/// The metadata of a doctype itself or of one of its child doctypes.
fn described<'a>(schema: &'a Schema, doctype: &str) -> Option<&'a Schema> {
    if schema.doctype == doctype {
        return Some(schema);
    }
    schema.tables.values().find(|rows| rows.doctype == doctype)
}

fn own_fields(schema: &Schema) -> BTreeSet<String> {
    schema.fields.keys().cloned().collect()
}

/// Every field as `field` or `table.field`, the system's own too: they may be left out as well.
fn paths(schema: &Schema) -> BTreeSet<String> {
    let system = || SYSTEM_FIELDS.iter().map(|field| (*field).to_owned());
    let mut paths = own_fields(schema);
    paths.extend(system());
    for (table, rows) in &schema.tables {
        let fields = own_fields(rows).into_iter().chain(system());
        paths.extend(fields.map(|field| format!("{table}.{field}")));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema(doctype: &str, fields: &[&str]) -> Schema {
        let fields: Vec<Value> =
            fields.iter().map(|name| json!({"fieldname": name, "fieldtype": "Data"})).collect();
        let meta = json!({"name": doctype, "fields": fields});
        Schema::from_meta(meta.as_object().unwrap())
    }

    fn customer(more: &str) -> Schema {
        let meta = json!({"name": "Customer", "fields": [
            {"fieldname": "credit_limit", "fieldtype": "Currency"},
            {"fieldname": more, "fieldtype": "Data"},
            {"fieldname": "rows", "fieldtype": "Table", "options": "Customer Row"},
        ]});
        let mut customer = Schema::from_meta(meta.as_object().unwrap());
        let rows = schema("Customer Row", &["item_code"]);
        customer.tables.insert("rows".to_owned(), rows);
        customer
    }

    fn said(change: impl FnOnce(&mut DoctypeConfig)) -> Vec<String> {
        let mut config = DoctypeConfig::default();
        change(&mut config);
        let (cloud, local) = (customer("tier"), customer("rank"));
        let found = misnamed(&config, Sides::new(&cloud, &local));
        found.iter().map(|found| format!("{found}: {}", found.hint())).collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn fields_that_no_side_has() {
        let excluded = [
            "credt_limit",
            "credit_limit",
            "rows.itm_code",
            "rows.item_code",
            "tier",
            "modified",
            "rows.idx",
            "colour_of_the_sky",
        ];
        assert_eq!(
            said(|config| config.exclude_fields = names(&excluded)),
            [
                "exclude_fields names credt_limit, which neither side has: did you mean credit_limit?",
                "exclude_fields names rows.itm_code, which neither side has: did you mean \
                 rows.item_code?",
                "exclude_fields names colour_of_the_sky, which neither side has: correct it, or take \
                 it out",
            ]
        );
        assert_eq!(
            said(|config| config.include_fields = names(&["row.item_code", "rank"])),
            [
                "include_fields names row.item_code, which neither side has: did you mean rows.item_code?"
            ]
        );
    }

    #[test]
    fn fields_that_both_sides_must_have() {
        assert_eq!(
            said(|config| config.match_on = names(&["credit_limit", "tiers", "tier"])),
            [
                "match_on names tiers, which neither side has: did you mean tier?",
                "match_on names tier, which local does not have: add the field on local, or take it \
                 out of the rule",
            ]
        );
    }

    #[test]
    fn filters_on_documents_and_on_rows() {
        let filters = json!([
            ["credit_limits", ">", 0],
            ["name", "like", "A%"],
            ["rank", "=", "1"],
            ["Customer Row", "item", "=", "X"],
            ["Customer Row", "item_code", "=", "X"],
            ["Customer Rows", "item_code", "=", "X"],
            ["Customer", "owner", "=", "X"],
        ]);
        assert_eq!(
            said(|config| config.filters = filters.as_array().unwrap().clone()),
            [
                "filters names credit_limits, which neither side has: did you mean credit_limit?",
                "filters names rank, which cloud does not have: add the field on cloud, or take it \
                 out of the rule",
                "filters names item, which neither side has: correct it, or take it out",
                "filters names Customer Rows, which neither side has: did you mean Customer Row?",
            ]
        );
    }
}
