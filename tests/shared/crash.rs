//! The scenario of the crash tests, and what came of it: every kind of action there is, in a few
//! short runs. Included by the tests in process and by those over HTTP, so that both play the
//! same one and compare the same things; it knows the model sites and the
//! database, nothing of erpsync.

use std::collections::BTreeMap;
use std::path::Path;

use frappe_sandbox::Site;
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

/// The rules, without the sites.
pub const RULES: &str = "[sync]\n\
    doctypes = [\"Customer\", \"Item\", \"Probe\", \"N Expr\", \"Voucher\"]\n\
    conflict_resolution = \"manual\"\nfirst_meeting = \"manual\"\nmax_deletes = 100\n\
    batch_size = 8\n[sync.retry]\nbackoff_seconds = 0.01\n\
    [doctypes.Customer]\nconflict_resolution = \"cloud_wins\"\n";

pub const DOCTYPES: [&str; 5] = ["Customer", "Item", "Probe", "N Expr", "Voucher"];

/// A user who works on both sites.
const USER: &str = "Administrator";

/// The index of a side wherever both stand in an array.
const CLOUD: usize = 0;
const LOCAL: usize = 1;

/// What a user does on a side.
struct Act {
    side: usize,
    does: Does,
    doctype: &'static str,
    name: &'static str,
}

enum Does {
    Insert(Value),
    Edit(Value),
    Rename(&'static str),
    Delete,
}

fn insert(side: usize, doctype: &'static str, values: Value) -> Act {
    Act { side, does: Does::Insert(values), doctype, name: "" }
}

fn edit(side: usize, doctype: &'static str, name: &'static str, values: Value) -> Act {
    Act { side, does: Does::Edit(values), doctype, name }
}

fn rename(side: usize, doctype: &'static str, name: &'static str, to: &'static str) -> Act {
    Act { side, does: Does::Rename(to), doctype, name }
}

fn delete(side: usize, doctype: &'static str, name: &'static str) -> Act {
    Act { side, does: Does::Delete, doctype, name }
}

/// What erpsync is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    Sync,
    /// A person settles the open conflict of a document.
    Resolve {
        doctype: &'static str,
        docname: &'static str,
        how: How,
    },
}

/// How it is settled.
#[derive(Debug, Clone, Copy)]
pub enum How {
    Cloud,
    Both,
    /// These fields from the cloud, the others from the local site: neither has that version.
    Fields(&'static [&'static str]),
}

/// Users do something, then erpsync runs.
pub struct Scene {
    pub title: &'static str,
    users: Vec<Act>,
    pub run: Run,
}

impl Scene {
    /// Has the users do what they do; time passes with each of it.
    pub fn play_users(&self, mut act_on: impl FnMut(usize, &dyn Fn(&mut Site, Timestamp))) {
        for act in &self.users {
            act_on(act.side, &|site, now| act.play(site, now));
        }
    }
}

impl Act {
    fn play(&self, site: &mut Site, now: Timestamp) {
        let Self { doctype, name, .. } = self;
        let done = match &self.does {
            Does::Insert(values) => site.insert_as(USER, doctype, values, now).map(drop),
            Does::Edit(values) => site.edit_as(USER, doctype, name, values, now),
            Does::Rename(to) => site.rename_as(USER, doctype, name, to, now),
            Does::Delete => site.delete_as(USER, doctype, name, now),
        };
        done.unwrap_or_else(|failure| panic!("{doctype} {name}: {failure:?}"));
    }
}

pub fn scenes() -> Vec<Scene> {
    let scene = |title, users, run| Scene { title, users, run };
    let resolve = |doctype, docname, how| Run::Resolve { doctype, docname, how };
    vec![
        scene("the first pass", documents(), Run::Sync),
        scene("two documents of one name", vec![], resolve("N Expr", "EXP-0001", How::Both)),
        scene("two versions that had not met", vec![], resolve("Probe", "Met", How::Cloud)),
        scene("changes of every kind", changes(), Run::Sync),
        scene(
            "a version put together",
            vec![],
            resolve("Probe", "Both", How::Fields(&["stxt", "rows"])),
        ),
        scene("an edit against a deletion", vec![], resolve("Probe", "Against", How::Cloud)),
        scene("what the changes left", leftovers(), Run::Sync),
    ]
}

/// New documents on either side: some there only, some equal, some different.
fn documents() -> Vec<Act> {
    let probe = |title: &str| {
        json!({"title": title, "stxt": "base", "tm": "04:05:06",
            "rows": [{"item": "A", "qty": 1}, {"item": "B"}]})
    };
    let voucher = |title: &str, docstatus: i64| {
        json!({"title": title, "total": 5, "posting_date": "2026-01-04", "docstatus": docstatus,
            "posting_time": "10:11:12", "rows": [{"item": "A", "qty": 2}]})
    };
    let customer = |name: &str| json!({"customer_name": name, "website": format!("was {name}")});
    vec![
        insert(CLOUD, "Customer", customer("Old")),
        insert(CLOUD, "Customer", customer("Ring A")),
        insert(LOCAL, "Customer", customer("Ring B")),
        // Its price would be made a second time: it follows the item.
        insert(
            CLOUD,
            "Item",
            json!({"item_code": "WIDGET", "item_group": "Products", "stock_uom": "Nos",
                "standard_rate": 50}),
        ),
        insert(LOCAL, "Probe", probe("Update")),
        insert(CLOUD, "Probe", probe("Both")),
        insert(LOCAL, "Probe", probe("Delete")),
        insert(CLOUD, "Probe", probe("Against")),
        insert(LOCAL, "Probe", probe("Forget")),
        insert(CLOUD, "Probe", probe("Same")),
        insert(LOCAL, "Probe", probe("Same")),
        insert(CLOUD, "Probe", json!({"title": "Met", "stxt": "of the cloud", "tm": "04:05:06"})),
        insert(LOCAL, "Probe", json!({"title": "Met", "stxt": "of here", "tm": "04:05:06"})),
        // Each site counts for itself.
        insert(CLOUD, "N Expr", json!({"title": "rows", "rows": [{"item": "A", "qty": 3}]})),
        insert(LOCAL, "N Expr", json!({"title": "no rows"})),
        insert(LOCAL, "N Expr", json!({"title": "the second", "rows": [{"item": "B"}]})),
        insert(CLOUD, "Voucher", voucher("Draft", 0)),
        insert(CLOUD, "Voucher", voucher("Posted", 1)),
        insert(LOCAL, "Voucher", voucher("Cancel", 1)),
    ]
}

/// What happens to documents that are in step.
fn changes() -> Vec<Act> {
    let row = |item: &str, qty: i64| json!({"item": item, "qty": qty});
    vec![
        rename(CLOUD, "Customer", "Old", "New"),
        rename(CLOUD, "Customer", "Ring A", "For now"),
        rename(CLOUD, "Customer", "Ring B", "Ring A"),
        rename(CLOUD, "Customer", "For now", "Ring B"),
        // The rule settles this one.
        edit(CLOUD, "Customer", "New", json!({"customer_details": "of the cloud"})),
        edit(LOCAL, "Customer", "Old", json!({"customer_details": "of here"})),
        edit(
            CLOUD,
            "Probe",
            "Update",
            json!({"stxt": "edited", "cust": "Ring B", "rows": [row("C", 3), row("A", 1)]}),
        ),
        edit(CLOUD, "Probe", "Both", json!({"stxt": "of the cloud", "rows": [row("C", 1)]})),
        edit(LOCAL, "Probe", "Both", json!({"stxt": "of here", "i": 7})),
        delete(LOCAL, "Probe", "Delete"),
        delete(LOCAL, "Probe", "Against"),
        edit(CLOUD, "Probe", "Against", json!({"stxt": "edited"})),
        delete(CLOUD, "Probe", "Forget"),
        delete(LOCAL, "Probe", "Forget"),
        insert(LOCAL, "Probe", json!({"title": "Created", "cust": "Old", "rows": [row("D", 4)]})),
        insert(CLOUD, "N Expr", json!({"title": "no rows, later"})),
        edit(CLOUD, "Voucher", "Draft", json!({"docstatus": 1, "total": 6})),
        edit(LOCAL, "Voucher", "Posted", json!({"stxt": "edited when posted"})),
        edit(LOCAL, "Voucher", "Cancel", json!({"docstatus": 2})),
        insert(
            LOCAL,
            "Voucher",
            json!({"title": "Cancel-1", "total": 7, "amended_from": "Cancel", "docstatus": 1,
                "posting_date": "2026-01-05", "posting_time": "10:11:12"}),
        ),
        // Each links to the other: one goes without its link first.
        insert(LOCAL, "Voucher", json!({"title": "Hen"})),
        insert(LOCAL, "Voucher", json!({"title": "Egg", "rows": [{"source": "Hen"}]})),
        edit(LOCAL, "Voucher", "Hen", json!({"rows": [{"source": "Egg"}]})),
    ]
}

/// What happens to documents that came about in earlier scenes.
fn leftovers() -> Vec<Act> {
    vec![
        edit(LOCAL, "Customer", "New", json!({"customer_details": "once more"})),
        edit(CLOUD, "N Expr", "EXP-0003", json!({"title": "edited later"})),
        edit(LOCAL, "Voucher", "Draft", json!({"docstatus": 2})),
        delete(CLOUD, "Probe", "Created"),
        // The link goes first, on the other side too.
        edit(CLOUD, "Voucher", "Egg", json!({"rows": []})),
        delete(CLOUD, "Voucher", "Hen"),
    ]
}

/// Everything that a user sees of both sites, and everything that the state says of it: a line
/// each. Left out is what may differ between two ways to the same end: times, ids, the names of
/// rows, and the log.
pub fn outcome(sites: [&Site; 2], state: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for (side, site) in ["cloud", "local"].into_iter().zip(sites) {
        for doctype in DOCTYPES {
            let docs = site.all_docs(doctype);
            lines.extend(docs.iter().map(|doc| format!("{side} {doctype} {}", shown(doc))));
        }
        // Nothing of any doctype was made twice on the way.
        let names = site.doctypes().map(|doctype| doctype.name.clone());
        let counts: BTreeMap<String, usize> =
            names.map(|name| (name.clone(), site.count_of(&name))).collect();
        lines.extend(counts.iter().map(|(name, count)| format!("{side} has {count} {name}")));
    }
    let connection = Connection::open(state).unwrap();
    for sql in STATE {
        lines.extend(rows_of(&connection, sql));
    }
    lines.sort_unstable();
    lines
}

/// A document without its times, its last user, the names of its rows and what is empty.
fn shown(doc: &Value) -> Value {
    let own = ["creation", "modified", "modified_by"];
    let of_rows = ["creation", "modified", "modified_by", "name", "parent"];
    let without = |doc: &Map<String, Value>, left_out: &[&str]| {
        let is_empty = |value: &Value| value.is_null() || value == "";
        let kept = doc
            .iter()
            .filter(|(field, value)| !left_out.contains(&field.as_str()) && !is_empty(value));
        kept.map(|(field, value)| (field.clone(), value.clone())).collect::<Map<_, _>>()
    };
    let Some(fields) = doc.as_object() else { return doc.clone() };
    let mut fields = without(fields, &own);
    for row in fields.values_mut().filter_map(Value::as_array_mut).flatten() {
        if let Some(fields) = row.as_object() {
            *row = Value::Object(without(fields, &of_rows));
        }
    }
    Value::Object(fields)
}

/// What the state says, each line with everything in it that must not differ. A conflict that was
/// looked at anew stands there twice, and one of which the two halves were written by two runs
/// says `superseded` for `merge`; what nobody may lose is both versions.
const STATE: [&str; 7] = [
    "SELECT 'record', doctype, docname, cloud_name, local_name, sync_status, is_syncing,
        COALESCE(error_message, ''), retry_count,
        replace(COALESCE(reason, ''), ' (found to have happened)', ''), is_apart,
        sync_hash_cloud, sync_hash_local, form_digest,
        cloud_seen IS cloud_modified, local_seen IS local_modified,
        (SELECT other.docname FROM sync_records other WHERE other.id = sync_records.waits_for)
     FROM sync_records",
    "SELECT 'base of ' || doctype || ' ' || docname, cloud_base, local_base FROM sync_records",
    "SELECT DISTINCT 'conflict', doctype, docname, kind, fields, resolved, cloud_data, local_data
     FROM conflict_records",
    "SELECT DISTINCT 'settled', doctype, docname, resolution FROM conflict_records
     WHERE resolution NOT IN ('superseded', 'merge')",
    "SELECT 'open', doctype, action, side, target_name FROM journal
     WHERE state IN ('open', 'answered')",
    "SELECT 'row of ' || docname, table_field, position, cloud_row IS NULL, local_row IS NULL
     FROM row_names JOIN sync_records ON record = sync_records.id",
    "SELECT DISTINCT 'former name of ' || docname, side, name
     FROM former_names JOIN sync_records ON record = sync_records.id",
];

fn rows_of(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at));
        cells.collect::<Result<Vec<_>, _>>()
    });
    let line = |cells: Vec<rusqlite::types::Value>| {
        let cells: Vec<String> = cells.into_iter().map(cell).collect();
        cells.join(" | ")
    };
    rows.unwrap().map(|row| line(row.unwrap())).collect()
}

fn cell(value: rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Text(text) => match serde_json::from_str::<Value>(&text) {
            Ok(doc) if doc.is_object() => shown(&doc).to_string(),
            _ => text,
        },
        // A base, which is stored packed.
        rusqlite::types::Value::Blob(bytes) => {
            let base = flate2::bufread::ZlibDecoder::new(&bytes[..]);
            cell(rusqlite::types::Value::Text(std::io::read_to_string(base).unwrap()))
        }
        rusqlite::types::Value::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// What one outcome has and the other has not.
pub fn differences(wanted: &[String], found: &[String]) -> Vec<String> {
    let missing =
        wanted.iter().filter(|line| !found.contains(line)).map(|line| format!("- {line}"));
    let surplus =
        found.iter().filter(|line| !wanted.contains(line)).map(|line| format!("+ {line}"));
    let mut all: Vec<String> = missing.chain(surplus).collect();
    if all.is_empty() && wanted.len() != found.len() {
        all.push(format!("{} lines, not {}", found.len(), wanted.len()));
    }
    all
}
