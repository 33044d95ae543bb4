//! What must hold after a history, once a few undisturbed passes have been made.

use std::collections::{BTreeMap, BTreeSet};

use erpsync::model::{Side, Sides};
use frappe_sandbox::sites::FULL_USER;
use jiff::SignedDuration;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::history::{DOCTYPES, Plan, Rules};
use super::users::{link_of, naming_field, numbers, table_of};
use super::world::{Ended, World};

/// A document as the state knows it.
struct Known {
    doctype: String,
    docname: String,
    names: Sides<Option<String>>,
    status: String,
    reason: String,
    conflicts: i64,
}

impl World {
    /// Makes a few undisturbed passes and gives every broken promise.
    pub fn finish(&mut self) -> Vec<String> {
        let mut faults = Vec::new();
        self.shared.lock().wait(SignedDuration::from_mins(20));
        // A field that counts again is looked for where everything is looked at.
        let mut full = !self.ever_private.is_empty();
        for _ in 0..4 {
            self.quiet_pass(full, &mut faults);
            full = false;
            self.shared.lock().wait(SignedDuration::from_hours(25));
        }
        if self.rules.is_none() {
            return faults;
        }
        self.state = None;
        let connection = Connection::open(self.dir.path().join("sync_state.db")).unwrap();
        let known = known(&connection);
        self.check_state(&connection, &known, &mut faults);
        self.check_pairs(&known, &mut faults);
        self.check_values(&connection, &known, &mut faults);
        self.check_names(&mut faults);
        drop(connection);
        self.quiet_pass(false, &mut faults);
        let writes = self.shared.lock().writes;
        if writes > 0 {
            faults.push(format!("one more pass wrote {writes} times"));
        }
        faults
    }

    fn quiet_pass(&mut self, full: bool, faults: &mut Vec<String>) {
        if self.config.is_none() {
            return;
        }
        match self.run(&Plan { full, retry_failed: true, ..Plan::default() }) {
            Ended::Done(summary) => {
                for counts in &summary.doctypes {
                    for problem in counts.error.iter().chain(&counts.guard) {
                        faults.push(format!("an undisturbed pass: {}: {problem}", counts.doctype));
                    }
                }
            }
            Ended::Stopped(error) => faults.push(format!("an undisturbed pass ended: {error}")),
            Ended::Killed => unreachable!("nobody kills it"),
        }
    }

    /// No intent is open, every document is known, and whatever is not in step has a reason.
    fn check_state(&self, connection: &Connection, known: &[Known], faults: &mut Vec<String>) {
        let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
        let open = count("SELECT count(*) FROM journal WHERE state IN ('open', 'answered')");
        if open > 0 {
            faults.push(format!("{open} intents are still open"));
        }
        let mut core = self.shared.lock();
        for (kind, sql) in [
            ("conflict open at the end", "resolved = FALSE"),
            ("conflict settled by a rule", "resolution IN ('cloud_wins', 'local_wins')"),
        ] {
            let sql = format!("SELECT count(*) FROM conflict_records WHERE {sql}");
            for _ in 0..count(&sql) {
                core.count(kind);
            }
        }
        for one in known {
            let label =
                format!("{}/{} is {}: {}", one.doctype, one.docname, one.status, one.reason);
            let name = |side: Side| one.names[side].clone().unwrap_or_default();
            let is_unusual = Side::BOTH
                .into_iter()
                .any(|side| core.ledger.unusual.contains(&(one.doctype.clone(), name(side))));
            let is_fine = match one.status.as_str() {
                "synced" => true,
                "conflict" => one.conflicts > 0,
                "skipped" => is_unusual || one.reason.contains("carried"),
                _ => known.iter().any(|other| {
                    // Waits for one that is not to be carried over, or that waits itself.
                    let waits = format!("waits for {} {},", other.doctype, other.docname);
                    one.reason.contains(&waits) && other.status != "synced"
                }),
            };
            if !is_fine && !(is_unusual || self.links_to_unusual(one, &core.ledger.unusual)) {
                faults.push(label);
            }
        }
        for side in Side::BOTH {
            for doctype in DOCTYPES {
                for name in core.sites[side].names(doctype) {
                    let is_known = known.iter().any(|one| {
                        one.doctype == doctype && one.names[side].as_ref() == Some(&name)
                    });
                    let key = (doctype.to_owned(), name.clone());
                    if !is_known && !core.ledger.unusual.contains(&key) {
                        faults.push(format!("{doctype}/{name} on {side} is not in the state"));
                    }
                }
            }
        }
    }

    /// What hangs on a document that was deleted or renamed may have to wait for a person.
    fn links_to_unusual(&self, one: &Known, unusual: &BTreeSet<(String, String)>) -> bool {
        // Such documents are few; their doctypes tell enough.
        let Some((_, linked)) = link_of(&one.doctype) else { return false };
        unusual.iter().any(|(doctype, _)| {
            doctype == linked || (doctype == "Customer Group" && linked == "Customer")
        })
    }

    /// Documents that are in step are equal.
    fn check_pairs(&self, known: &[Known], faults: &mut Vec<String>) {
        let core = self.shared.lock();
        let rules = self.rules.as_ref().unwrap();
        let ids: BTreeMap<(Side, &str, &str), &str> = known
            .iter()
            .flat_map(|one| {
                Side::BOTH.into_iter().filter_map(move |side| {
                    let name = one.names[side].as_deref()?;
                    Some(((side, one.doctype.as_str(), name), one.docname.as_str()))
                })
            })
            .collect();
        for one in known.iter().filter(|one| one.status == "synced") {
            let shown = Sides::from_fn(|side| {
                let name = one.names[side].as_deref()?;
                let doc = core.sites[side].get_doc(&one.doctype, name)?;
                Some(plain(&one.doctype, &doc, side, rules, &ids))
            });
            match (&shown.cloud, &shown.local) {
                (Some(cloud), Some(local)) if cloud == local => {}
                (Some(cloud), Some(local)) => {
                    let fields: BTreeSet<&String> = cloud.keys().chain(local.keys()).collect();
                    let differing: Vec<String> = fields
                        .into_iter()
                        .filter(|field| cloud.get(*field) != local.get(*field))
                        .map(|f| format!("{f}: {:?} / {:?}", cloud.get(f), local.get(f)))
                        .collect();
                    let label = format!("{}/{}", one.doctype, one.docname);
                    faults.push(format!("{label} is in step, but {}", differing.join(", ")));
                }
                _ => faults.push(format!(
                    "{}/{} is in step, but not on both sides ({:?})",
                    one.doctype, one.docname, one.names
                )),
            }
        }
    }

    /// What users entered is there; what they replaced does not come back.
    fn check_values(&self, connection: &Connection, known: &[Known], faults: &mut Vec<String>) {
        let core = self.shared.lock();
        let mut there = BTreeSet::new();
        for side in Side::BOTH {
            for doctype in DOCTYPES {
                for doc in core.sites[side].all_docs(doctype) {
                    there.extend(numbers(&doc));
                    self.check_return(&core.ledger.retired, known, side, &doc, faults);
                }
            }
        }
        let mut kept = connection
            .prepare(
                "SELECT cloud_data FROM conflict_records UNION ALL
                 SELECT local_data FROM conflict_records UNION ALL
                 SELECT changes_json FROM sync_logs WHERE changes_json IS NOT NULL",
            )
            .unwrap();
        let kept = kept.query_map([], |row| row.get::<_, String>(0)).unwrap();
        for text in kept {
            there.extend(numbers(&serde_json::from_str(&text.unwrap()).unwrap()));
        }
        for (number, place) in &core.ledger.live {
            if !there.contains(number) {
                faults.push(format!("lost: {number}, entered in {place}"));
            }
        }
    }

    fn check_return(
        &self,
        retired: &BTreeMap<u32, String>,
        known: &[Known],
        side: Side,
        doc: &Value,
        faults: &mut Vec<String>,
    ) {
        let (doctype, name) = (&doc["doctype"], &doc["name"]);
        let record = known
            .iter()
            .find(|one| json!(one.doctype) == *doctype && json!(one.names[side]) == *name);
        let Some(record) = record else { return };
        if record.conflicts > 0 || record.status != "synced" || !self.ever_private.is_empty() {
            return;
        }
        for number in numbers(doc).iter().filter(|number| retired.contains_key(number)) {
            faults.push(format!("came back: {number}, in {doctype}/{name} on {side}"));
        }
    }

    /// Nothing was made that nobody asked for, and nothing deleted.
    fn check_names(&self, faults: &mut Vec<String>) {
        let core = self.shared.lock();
        for side in Side::BOTH {
            for doctype in DOCTYPES {
                for doc in core.sites[side].all_docs(doctype) {
                    let name = doc["name"].as_str().unwrap_or_default().to_owned();
                    let is_ours = doc["owner"] == FULL_USER;
                    let key = (doctype.to_owned(), name.clone());
                    if is_ours && !core.ledger.names.contains(&key) && !is_furniture(&name) {
                        faults.push(format!("made by erpsync: {doctype}/{name} on {side}"));
                    }
                }
            }
        }
        if core.tally.contains_key("a deletion by erpsync") {
            faults.push("erpsync deleted a document".to_owned());
        }
    }
}

/// What every site has from the beginning.
fn is_furniture(name: &str) -> bool {
    !name.ends_with(|c: char| c.is_ascii_digit())
}

fn known(connection: &Connection) -> Vec<Known> {
    let mut statement = connection
        .prepare(
            "SELECT doctype, docname, cloud_name, local_name, sync_status,
                COALESCE(reason, error_message, ''),
                (SELECT count(*) FROM conflict_records c WHERE c.record = r.id)
             FROM sync_records r WHERE sync_status <> 'gone' ORDER BY id",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok(Known {
            doctype: row.get(0)?,
            docname: row.get(1)?,
            names: Sides::new(row.get(2)?, row.get(3)?),
            status: row.get(4)?,
            reason: row.get(5)?,
            conflicts: row.get(6)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// A document in the fields that are kept in step, less what hooks make of them.
fn plain(
    doctype: &str,
    doc: &Value,
    side: Side,
    rules: &Rules,
    ids: &BTreeMap<(Side, &str, &str), &str>,
) -> BTreeMap<String, Value> {
    let is_private = |field: &str| doctype == "Probe" && rules.exclude.contains(&field);
    let link = link_of(doctype);
    let mut shown = BTreeMap::new();
    for (field, value) in doc.as_object().into_iter().flatten() {
        let is_table = table_of(doctype).is_some_and(|(table, ..)| table == field);
        if is_own(field) || field == naming_field(doctype) || is_private(field) {
            continue;
        }
        // Held back from creates and fixed by sites; naming is each site's own.
        if ["naming_series", "old_parent", "setonce"].contains(&field.as_str()) {
            continue;
        }
        let value = match value {
            Value::Array(rows) if is_table => {
                let kept = |name: &str| !is_own(name) && !is_private(&format!("{field}.{name}"));
                let rows = rows.iter().filter_map(Value::as_object).map(|row| {
                    let fields = row.iter().filter(|(name, _)| kept(name));
                    let fields = fields.map(|(name, value)| (name.clone(), canonical(value)));
                    Value::Object(fields.filter(|(_, value)| !value.is_null()).collect())
                });
                Value::Array(rows.collect())
            }
            Value::Array(rows) => json!(rows.len()),
            Value::String(text) if !text.is_empty() => match (link, field.as_str()) {
                (Some((link, linked)), field) if link == field => {
                    json!(ids.get(&(side, linked, text.as_str())).copied().unwrap_or(text))
                }
                (_, "stxt") => json!(text.to_lowercase()),
                (_, "phone") if text == "+91-0" => Value::Null,
                _ => canonical(value),
            },
            _ => canonical(value),
        };
        if !value.is_null() && value != json!([]) && value != json!(0) {
            shown.insert(field.clone(), value);
        }
    }
    shown
}

/// Fields that each site has for itself.
fn is_own(field: &str) -> bool {
    field.starts_with('_')
        || [
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
            "lft",
            "rgt",
        ]
        .contains(&field)
}

/// Empty is null, whatever its spelling.
fn canonical(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Number(number) => match number.as_f64() {
            Some(0.0) | None => Value::Null,
            Some(number) => json!(number),
        },
        other => other.clone(),
    }
}
