//! What must hold after a history, once a few undisturbed passes have been made.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use rusqlite::Connection;

use super::both::name_of;
use super::history::Plan;
use super::matrix;
use super::promises::{Breach, Promise};
use super::world::{Ended, World};
use crate::model::{Side, Sides};
use crate::pass::Guard;

/// A document as the state knows it.
pub struct Record {
    pub id: i64,
    pub doctype: String,
    pub docname: String,
    pub names: Sides<Option<String>>,
    pub status: String,
    pub reason: String,
    /// The record that it waits for.
    pub waits_for: Option<i64>,
}

/// The open conflicts: of each record the conflict's number and its kind.
pub type Conflicts = BTreeMap<i64, (i64, String)>;

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
        self.look(&mut broken);
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

    /// Looks at what the sites and the state hold.
    pub fn look(&self, broken: &mut Vec<Breach>) {
        let connection = self.connection();
        let records = records(&connection);
        self.count_conflicts(&connection);
        self.check_state(&connection, &records, broken);
        self.check_contents(&connection, &records, broken);
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
        let conflicts = conflicts(connection);
        for one in records.iter().filter(|one| configured(&one.doctype)) {
            if !self.is_explained(one, records, &conflicts) {
                let Record { doctype, docname, names, status, reason, .. } = one;
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
                if !is_known && !self.is_filtered(doctype, &doc) && configured(doctype) {
                    let what = format!("{doctype} {name} on {side} is not in the state");
                    broken.push(Promise::Explained.broken(what));
                }
            }
        }
    }
}

fn records(connection: &Connection) -> Vec<Record> {
    let mut statement = connection
        .prepare(
            "SELECT doctype, docname, cloud_name, local_name, sync_status,
                COALESCE(CASE WHEN sync_status IN ('error', 'failed') THEN error_message END,
                    reason, ''), id, waits_for
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
            id: row.get(6)?,
            waits_for: row.get(7)?,
        })
    });
    let records: Vec<Record> = rows.unwrap().map(Result::unwrap).collect();
    records
}

fn conflicts(connection: &Connection) -> Conflicts {
    let sql = "SELECT record, id, kind FROM conflict_records WHERE resolved = FALSE";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))));
    rows.unwrap().map(Result::unwrap).collect()
}
