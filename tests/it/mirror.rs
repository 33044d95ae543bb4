//! Both sides compared whole: every document of some doctypes, field by field, with links and
//! the names of rows put into those of the other side.
//!
//! What lives here: the comparison, and the fields that two sites never have alike. It reads the
//! sites themselves; of the state it takes only which document is which. The rule kept here:
//! nothing is left out of the comparison that `OWN` does not name.

use std::collections::{BTreeMap, BTreeSet};

use erpsync::model::{Side, Sides};
use frappe_sandbox::field::Field;
use frappe_sandbox::meta::Meta;
use serde_json::Value;

use crate::bench::Bench;

/// Fields that are each site's own: the doctype, or "" for all, and the fields.
const OWN: [(&str, &[&str]); 8] = [
    // Whose document it is, and when it was written.
    ("", &["name", "creation", "modified", "modified_by", "owner", "parent"]),
    // The place in a tree of which the other site has other nodes.
    ("", &["lft", "rgt", "old_parent"]),
    // The copy keeps the posting time of its source, and says so.
    ("", &["set_posting_time"]),
    // What the site's own stock is, and is worth.
    ("", &["actual_qty", "projected_qty", "valuation_rate", "gross_profit"]),
    // What the item had been bought for last, there, when the row was made.
    ("Purchase Order Item", &["last_purchase_rate"]),
    // Derived from the Contact and the Address that the site made by itself.
    ("Customer", &["primary_address", "first_name", "last_name"]),
    // Worked out before the quantity is filled in, where it was not sent.
    ("Purchase Receipt Item", &["received_stock_qty"]),
    // A text with the names of the invoices that are paid.
    ("Payment Entry", &["remarks"]),
];

/// An item's own valuation rate is what a person entered.
const ENTERED: [(&str, &str); 1] = [("Item", "valuation_rate")];

/// Asserts that each document of these doctypes is on both sides, once, and the same.
pub fn assert_alike(bench: &Bench, doctypes: &[&str]) {
    assert_alike_but(bench, doctypes, &[]);
}

/// The same, where these fields of these doctypes may differ.
pub fn assert_alike_but(bench: &Bench, doctypes: &[&str], but: &[(&str, &str)]) {
    let differences = Mirror::of(bench, doctypes, but).differences();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The names of a doctype's documents that are in step: on the cloud, on the local site.
pub fn pairs(bench: &Bench, doctype: &str) -> Vec<[String; 2]> {
    let pairs = bench.query(&format!(
        "SELECT json_group_array(json_array(cloud_name, local_name)) FROM sync_records
         WHERE doctype = '{doctype}' AND sync_status = 'synced'"
    ));
    serde_json::from_str(&pairs).unwrap()
}

/// What a document of `side` is called on the other one.
pub fn peer(bench: &Bench, side: Side, doctype: &str, name: &str) -> String {
    let [here, there] = match side {
        Side::Cloud => [0, 1],
        Side::Local => [1, 0],
    };
    let pair = pairs(bench, doctype).into_iter().find(|pair| pair[here] == name);
    pair.unwrap_or_else(|| panic!("{doctype} {name} of {side} is not in step"))[there].clone()
}

/// A doctype and a document's name.
type Key = (String, String);

struct Mirror<'a> {
    but: &'a [(&'a str, &'a str)],
    metas: Sides<BTreeMap<String, Meta>>,
    docs: Sides<BTreeMap<Key, Value>>,
    /// How many entries each has in the ledgers.
    ledgers: Sides<BTreeMap<Key, [usize; 3]>>,
    /// Names on the cloud, and what they are on the local site.
    names: BTreeMap<Key, String>,
    rows: BTreeMap<String, String>,
    found: Vec<String>,
}

impl<'a> Mirror<'a> {
    fn of(bench: &Bench, doctypes: &[&str], but: &'a [(&'a str, &'a str)]) -> Self {
        let mut mirror = Self {
            but,
            metas: Sides::from_fn(|side| {
                let site = bench.site(side);
                site.doctypes().map(|it| (it.name.clone(), site.meta(&it.name).unwrap())).collect()
            }),
            docs: Sides::default(),
            ledgers: Sides::default(),
            names: BTreeMap::new(),
            rows: BTreeMap::new(),
            found: Vec::new(),
        };
        for doctype in doctypes {
            for side in Side::BOTH {
                let site = bench.site(side);
                for doc in site.all_docs(doctype) {
                    let key = ((*doctype).to_owned(), text(&doc["name"]));
                    mirror.ledgers[side].insert(key.clone(), site.ledger_counts(doctype, &key.1));
                    mirror.docs[side].insert(key, doc);
                }
            }
            for [cloud, local] in pairs(bench, doctype) {
                mirror.names.insert(((*doctype).to_owned(), cloud), local);
            }
        }
        mirror
    }

    fn differences(mut self) -> Vec<String> {
        let pairs: Vec<(Key, Key)> = self
            .names
            .iter()
            .map(|(cloud, local)| (cloud.clone(), (cloud.0.clone(), local.clone())))
            .collect();
        self.find_the_unpaired(&pairs);
        let both = |(cloud, local): (Key, Key)| {
            let docs = (self.docs.cloud.get(&cloud)?.clone(), self.docs.local.get(&local)?.clone());
            Some((cloud, local, docs))
        };
        let pairs: Vec<_> = pairs.into_iter().filter_map(both).collect();
        for ((doctype, _), _, (cloud, local)) in &pairs {
            self.learn_rows(doctype, cloud, local);
        }
        for (cloud_key, local_key, (cloud, local)) in pairs {
            let at = format!("{} {} | {}", cloud_key.0, cloud_key.1, local_key.1);
            self.compare(&cloud_key.0, &at, &cloud, &local);
            let [here, there] = [self.ledgers.cloud[&cloud_key], self.ledgers.local[&local_key]];
            if here != there {
                self.found.push(format!("{at}: ledger entries {here:?} | {there:?}"));
            }
        }
        self.found
    }

    fn find_the_unpaired(&mut self, pairs: &[(Key, Key)]) {
        let paired = Sides::new(
            pairs.iter().map(|(cloud, _)| cloud).collect::<BTreeSet<_>>(),
            pairs.iter().map(|(_, local)| local).collect::<BTreeSet<_>>(),
        );
        for (side, docs) in self.docs.iter() {
            let present: BTreeSet<&Key> = docs.keys().collect();
            for (doctype, name) in present.symmetric_difference(&paired[side]) {
                self.found.push(format!("{doctype} {name}: not a pair on {side}"));
            }
        }
    }

    fn learn_rows(&mut self, doctype: &str, cloud: &Value, local: &Value) {
        let meta = self.metas.cloud[doctype].clone();
        for (table, _) in meta.tables() {
            for (row, other) in rows(cloud, table).iter().zip(rows(local, table)) {
                self.rows.insert(text(&row["name"]), text(&other["name"]));
            }
        }
    }

    fn compare(&mut self, doctype: &str, at: &str, cloud: &Value, local: &Value) {
        let metas = Sides::from_fn(|side| self.metas[side][doctype].clone());
        for field in &metas.cloud.fields {
            let name = &field.fieldname;
            // What only one of two versions has is left alone.
            let may_differ = is_own(doctype, name) || self.but.contains(&(doctype, name.as_str()));
            if may_differ || metas.local.field(name).is_none() {
                continue;
            }
            if let Some(child) = field.table() {
                self.compare_rows(
                    child,
                    &format!("{at}: {name}"),
                    rows(cloud, field),
                    rows(local, field),
                );
                continue;
            }
            let (meant, is) = (self.carried(field, cloud), plain(&local[name]));
            if meant != is {
                self.found.push(format!("{at}: {name} {} -> {meant} | {is}", cloud[name]));
            }
        }
        for name in ["docstatus", "idx"] {
            let [here, there] = [cloud, local].map(|doc| plain(&doc[name]));
            if here != there {
                self.found.push(format!("{at}: {name} {here} | {there}"));
            }
        }
    }

    fn compare_rows(&mut self, child: &str, at: &str, cloud: &[Value], local: &[Value]) {
        if cloud.len() != local.len() {
            self.found.push(format!("{at}: {} rows | {}", cloud.len(), local.len()));
        }
        for (row, (here, there)) in cloud.iter().zip(local).enumerate() {
            self.compare(child, &format!("{at} {}", row + 1), here, there);
        }
    }

    /// What a field of the cloud's document must be on the local site.
    fn carried(&self, field: &Field, doc: &Value) -> String {
        let value = &doc[&field.fieldname];
        let options = field.options.clone().unwrap_or_default();
        let target = match field.fieldtype.as_str() {
            "Link" => options,
            "Dynamic Link" => text(&doc[&options]),
            // A row's name, where it is one.
            "Data" => return self.rows.get(&text(value)).cloned().unwrap_or_else(|| plain(value)),
            _ => return plain(value),
        };
        self.names.get(&(target, text(value))).cloned().unwrap_or_else(|| plain(value))
    }
}

fn is_own(doctype: &str, field: &str) -> bool {
    !ENTERED.contains(&(doctype, field))
        && OWN.iter().any(|(of, fields)| ["", doctype].contains(of) && fields.contains(&field))
}

fn rows<'a>(doc: &'a Value, table: &Field) -> &'a [Value] {
    doc[&table.fieldname].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value in one spelling: nothing, an empty text and a zero are the same.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Number(number) if number.as_f64() == Some(0.0) => String::new(),
        Value::Number(number) => number.as_f64().map(|it| it.to_string()).unwrap_or_default(),
        other => text(other),
    }
}
