//! What must hold after a history, once a few undisturbed passes have been made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use rusqlite::Connection;
use serde_json::Value;

use super::both::{known as mark_of, name_of};
use super::doctypes::{OPEN, facts};
use super::history::Plan;
use super::ledger::numbers;
use super::matrix;
use super::plain::plain;
use super::promises::{Breach, Promise};
use super::world::{Ended, World};
use crate::model::{Side, Sides};
use crate::pass::Guard;

/// A document as the state knows it.
pub struct Record {
    pub doctype: String,
    pub docname: String,
    pub names: Sides<Option<String>>,
    pub status: String,
    pub reason: String,
}

impl World {
    /// Makes a few undisturbed passes and gives every broken promise.
    pub fn finish(&mut self) -> Vec<Breach> {
        self.shared.lock().wait(SignedDuration::from_mins(20));
        let mut broken = Vec::new();
        // What counts again since the rules changed is found where everything is looked at.
        let mut full = true;
        for _ in 0..3 {
            self.quiet_pass(full, &mut broken);
            full = false;
            self.shared.lock().wait(SignedDuration::from_hours(25));
        }
        let connection = self.connection();
        let records = records(&connection);
        self.count_conflicts(&connection);
        self.check_state(&connection, &records, &mut broken);
        self.check_pairs(&connection, &records, &mut broken);
        self.check_values(&connection, &mut broken);
        self.check_copies(&records, &mut broken);
        drop(connection);
        // A document that fails for good is tried again once a day: not right after a pass.
        self.quiet_pass(false, &mut broken);
        self.shared.lock().wait(SignedDuration::from_mins(1));
        self.quiet_run(&Plan::default(), &mut broken);
        let mut both = self.shared.lock();
        if both.run.writes > 0 {
            let what = format!("one more pass wrote {} times", both.run.writes);
            broken.push(Promise::Quiet.broken(what));
        }
        broken.append(&mut both.broken);
        broken
    }

    /// A pass in which nothing goes wrong. Where too much is gone for one day a person says
    /// that it is meant.
    fn quiet_pass(&mut self, full: bool, broken: &mut Vec<Breach>) {
        let plan = Plan { full, retry_failed: true, ..Plan::default() };
        let Some(guards) = self.quiet_run(&plan, broken) else { return };
        if guards.iter().any(|guard| matches!(guard, Guard::WentBack { .. })) {
            self.begin_anew();
            self.quiet_run(&plan, broken);
        } else if !guards.is_empty() {
            self.quiet_run(&Plan { allow_deletes: Some(100), ..plan }, broken);
        }
    }

    fn quiet_run(&mut self, plan: &Plan, broken: &mut Vec<Breach>) -> Option<Vec<Guard>> {
        let summary = match self.run(plan) {
            Ended::Done(summary) => summary,
            Ended::Stopped(error) => {
                let what = format!("an undisturbed pass ended: {error}");
                broken.push(Promise::Runs.broken(what));
                return None;
            }
            Ended::Killed => unreachable!("nobody kills it"),
        };
        for counts in &summary.doctypes {
            if let Some(error) = &counts.error {
                let what = format!("an undisturbed pass: {}: {error}", counts.doctype);
                broken.push(Promise::Runs.broken(what));
            }
        }
        Some(summary.doctypes.iter().filter_map(|counts| counts.guard.clone()).collect())
    }

    fn count_conflicts(&self, connection: &Connection) {
        let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
        let mut both = self.shared.lock();
        for (event, sql) in [
            (
                matrix::SETTLED_BY_RULE,
                "SELECT count(*) FROM conflict_records WHERE resolution IN ('cloud_wins', 'local_wins')",
            ),
            (
                matrix::TWO_CONFLICTS,
                "SELECT count(*) FROM (SELECT 1 FROM conflict_records GROUP BY record
                 HAVING count(*) > 1)",
            ),
        ] {
            for _ in 0..count(sql) {
                both.count(event, "");
            }
        }
    }

    /// No intent is open, every document is known, and what is not in step has a reason.
    fn check_state(&self, connection: &Connection, records: &[Record], broken: &mut Vec<Breach>) {
        let open = "SELECT count(*) FROM journal WHERE state IN ('open', 'answered')";
        let open: i64 = connection.query_row(open, [], |row| row.get(0)).unwrap();
        if open > 0 {
            broken.push(Promise::Explained.broken(format!("{open} intents are still open")));
        }
        let configured = |doctype: &str| self.rules.doctypes.contains(&doctype);
        for one in records.iter().filter(|one| configured(&one.doctype)) {
            if !Self::is_explained(one, records) {
                let Record { doctype, docname, names, status, reason } = one;
                let what = format!("{doctype} {docname} ({names:?}) is {status}: {reason}");
                broken.push(Promise::Explained.broken(what));
            }
        }
        let both = self.shared.lock();
        for side in Side::BOTH {
            for (doctype, doc) in both.all(side) {
                let name = name_of(&doc);
                let is_known = records
                    .iter()
                    .any(|one| one.doctype == doctype && one.names[side].as_ref() == Some(&name));
                let is_filtered = self.rules.filtered == Some(doctype)
                    && doc[facts(doctype).numbers[0]].as_f64().unwrap_or_default() <= 0.0;
                if !is_known && !is_filtered && configured(doctype) {
                    let what = format!("{doctype} {name} on {side} is not in the state");
                    broken.push(Promise::Explained.broken(what));
                }
            }
        }
    }

    /// Whether a document is in step, or is rightly left as it is.
    fn is_explained(one: &Record, records: &[Record]) -> bool {
        match one.status.as_str() {
            "synced" | "conflict" => true,
            "skipped" => LEFT_ALONE.iter().any(|reason| one.reason.contains(reason)),
            // Its name is that of one which the other side refuses to delete.
            "pending" if one.reason.is_empty() => Side::BOTH.into_iter().any(|side| {
                let name = &one.names[side.opposite()];
                let holds = |other: &&Record| {
                    other.doctype == one.doctype
                        && other.names[side].is_some()
                        && other.names[side] == *name
                };
                let is_held = |held: &Record| HELD_UP.iter().any(|text| held.reason.contains(text));
                one.names[side].is_none() && records.iter().find(holds).is_some_and(is_held)
            }),
            _ => {
                // Waits for one that is not to be carried over, or that waits itself.
                let waits_for = |other: &&Record| {
                    let name = |side: Side| other.names[side].as_deref().unwrap_or("-");
                    let waits = |name: &str| {
                        one.reason.contains(&format!("waits for {} {name},", other.doctype))
                            || one.reason.contains(&format!("links to {} {name}", other.doctype))
                    };
                    let is_named = Side::BOTH.into_iter().any(|side| waits(name(side)));
                    (is_named || waits(&other.docname)) && other.status != "synced"
                };
                records.iter().find(waits_for).is_some()
                    || HELD_UP.iter().any(|reason| one.reason.contains(reason))
            }
        }
    }

    /// Documents that are in step are equal, but for what each side alone had edited before it
    /// was cancelled: that is told.
    fn check_pairs(&self, connection: &Connection, records: &[Record], broken: &mut Vec<Breach>) {
        let both = self.shared.lock();
        let ids: BTreeMap<(Side, &str, &str), &str> = records
            .iter()
            .flat_map(|one| {
                Side::BOTH.into_iter().filter_map(move |side| {
                    let name = one.names[side].as_deref()?;
                    Some(((side, one.doctype.as_str(), name), one.docname.as_str()))
                })
            })
            .collect();
        let configured = |doctype: &str| self.rules.doctypes.contains(&doctype);
        let in_step = |one: &&Record| one.status == "synced" && configured(&one.doctype);
        for one in records.iter().filter(in_step) {
            let label = format!("{} {} ({:?})", one.doctype, one.docname, one.names);
            let docs = Sides::from_fn(|side| {
                let name = one.names[side].as_deref()?;
                let doc = both.doc(side, &one.doctype, name)?;
                let mut shown = plain(&one.doctype, &doc, side, self.rules.exclude, &ids);
                // What did not count when it was submitted no update reaches any more.
                if doc["docstatus"] != 0 && self.past.iter().any(|past| past.exclude.is_some()) {
                    shown.retain(|field, _| [OPEN, "docstatus"].contains(&field.as_str()));
                }
                Some(shown)
            });
            let (Some(cloud), Some(local)) = (&docs.cloud, &docs.local) else {
                let what = format!("{label} is in step, but not on both sides");
                broken.push(Promise::InStep.broken(what));
                continue;
            };
            let are_cancelled = [cloud, local].iter().all(|doc| doc["docstatus"] == 2);
            let fields: BTreeSet<&String> = cloud.keys().chain(local.keys()).collect();
            let differing: Vec<String> = fields
                .into_iter()
                .filter(|field| cloud.get(*field) != local.get(*field))
                .filter(|field| !are_cancelled || !is_told(connection, one, field))
                .map(|field| format!("{field}: {:?} / {:?}", cloud.get(field), local.get(field)))
                .collect();
            if !differing.is_empty() {
                let what = format!("{label} is in step, but {}", differing.join(", "));
                broken.push(Promise::InStep.broken(what));
            }
        }
    }

    /// What users entered is there.
    fn check_values(&self, connection: &Connection, broken: &mut Vec<Breach>) {
        let both = self.shared.lock();
        let mut there: BTreeSet<u32> = self.kept.iter().copied().collect();
        for side in Side::BOTH {
            there.extend(both.all(side).iter().flat_map(|(_, doc)| numbers(doc)));
        }
        there.extend(kept_in(connection));
        for other in [0, 1].into_iter().filter(|other| *other != self.used) {
            let path = self.dir.path().join(format!("state_{other}.db"));
            if path.exists() {
                there.extend(kept_in(&Connection::open(path).unwrap()));
            }
        }
        for (number, place) in &both.ledger.live {
            if !there.contains(number) {
                let what = format!("lost: {number}, entered in {place}");
                broken.push(Promise::NothingLost.broken(what));
            }
        }
    }

    /// No side has more documents alike than users have made. A document with a counted name
    /// and without rows carries nothing by which a state that lost it can tell it again; one
    /// with rows, of which such a state can say no more, waits for a person.
    fn check_copies(&self, records: &[Record], broken: &mut Vec<Breach>) {
        let both = self.shared.lock();
        let waits = |side: Side, doctype: &str, doc: &Value| {
            let name = name_of(doc);
            let is_it =
                |one: &&Record| one.doctype == doctype && one.names[side].as_ref() == Some(&name);
            // For what becomes of itself, or of another that is in its way.
            let waits = |it: &Record| it.status == "conflict" || it.reason.contains(", conflict ");
            self.has_forgotten && records.iter().find(is_it).is_some_and(waits)
        };
        for side in Side::BOTH {
            let mut count = BTreeMap::new();
            for (doctype, doc) in both.all(side) {
                let is_forgotten = self.has_forgotten
                    && facts(doctype).named_by.is_none()
                    && doc["rows"].as_array().is_none_or(Vec::is_empty);
                let counts = !is_forgotten && !waits(side, doctype, &doc);
                if let Some(known) = mark_of(doctype, &doc).filter(|_| counts) {
                    count.entry(known).or_insert_with(Vec::new).push(name_of(&doc));
                }
            }
            for (known, names) in count {
                let made = both.ledger.made.get(&known).copied().unwrap_or_default();
                if names.len() > made {
                    let (doctype, mark) = known;
                    broken.push(Promise::NothingTwice.broken(format!(
                        "{doctype} {mark} was made {made} times and is on {side} as {names:?}"
                    )));
                }
            }
        }
    }
}

/// Whether the log says that one side alone has its edit of a field of a cancelled document.
fn is_told(connection: &Connection, one: &Record, field: &str) -> bool {
    let sql = "SELECT 1 FROM sync_logs WHERE doctype = ? AND docname = ?
        AND message LIKE 'cancelled on %alone has its edit of %' || ? || '%'";
    connection.prepare(sql).unwrap().exists([&one.doctype, &one.docname, field]).unwrap()
}

/// The numbers of users in what a state keeps of documents.
pub fn kept_in(connection: &Connection) -> BTreeSet<u32> {
    let sql = "SELECT cloud_data FROM conflict_records UNION ALL
        SELECT local_data FROM conflict_records UNION ALL
        SELECT changes_json FROM sync_logs WHERE changes_json IS NOT NULL";
    let mut kept = connection.prepare(sql).unwrap();
    let rows = kept.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let read = |text: String| numbers(&serde_json::from_str::<Value>(&text).unwrap());
    rows.flat_map(|text| read(text.unwrap())).collect()
}

/// Reasons for which a document is rightly left alone for good.
const LEFT_ALONE: [&str; 9] = [
    "does not have it",
    "never carried over",
    "nothing is carried that way",
    "keeps it",
    "cancelled before",
    "never deleted",
    "outside the filter",
    "is carried to",
    "submitted",
];

/// Reasons for which a document rightly fails until somebody does something.
const HELD_UP: [&str; 4] = [
    "its name is still another document's",
    "Cannot delete or cancel",
    "Could not find",
    "its filters leave the document out",
];

fn records(connection: &Connection) -> Vec<Record> {
    let mut statement = connection
        .prepare(
            "SELECT doctype, docname, cloud_name, local_name, sync_status,
                COALESCE(CASE WHEN sync_status IN ('error', 'failed') THEN error_message END,
                    reason, '')
             FROM sync_records WHERE sync_status <> 'gone' ORDER BY id",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok(Record {
            doctype: row.get(0)?,
            docname: row.get(1)?,
            names: Sides::new(row.get(2)?, row.get(3)?),
            status: row.get(4)?,
            reason: row.get(5)?,
        })
    });
    let records: Vec<Record> = rows.unwrap().map(Result::unwrap).collect();
    records
}
