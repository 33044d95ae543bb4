//! Conflicts: both whole versions of a document that waits for a decision.
//!
//! The rules kept here: at most one conflict a document is open, a new look refreshes it, but
//! never over what may be kept nowhere else; a settled one keeps both versions for ever.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::error::{StateError, StateResult};
use super::records::expect_record;
use super::types::{Conflict, ConflictFilter, NewConflict};
use super::words::{Resolution, Word};
use super::{State, collect, count, for_side, from_json, log, time, to_json};
use crate::model::{Action, ConflictKind, Side, Sides};

const SELECT: &str = "SELECT c.*, r.cloud_name, r.local_name,
        (SELECT outcome FROM journal WHERE record = c.record AND c.kind = 'unknown_outcome'
            AND state = 'void' ORDER BY id DESC LIMIT 1) AS given_up
    FROM conflict_records c JOIN sync_records r ON r.id = c.record";

impl State {
    /// Records conflicts and leaves the documents for a decision. Gives each conflict's
    /// number and whether it is new: a document that has an open one keeps that.
    pub fn save_conflicts(
        &mut self,
        conflicts: &[NewConflict],
        now: Timestamp,
    ) -> StateResult<Vec<(i64, bool)>> {
        self.write(|transaction| {
            let saved = conflicts.iter().map(|one| leave_to_a_person(transaction, one, now));
            saved.collect()
        })
    }

    /// Closes the open conflict of a document that settled itself. Says whether there was one.
    pub fn supersede_conflict(&mut self, record: i64, now: Timestamp) -> StateResult<bool> {
        self.write(|transaction| settle(transaction, record, Resolution::Superseded, now))
    }

    /// Conflicts, oldest first, with both documents each.
    pub fn conflicts(&self, filter: &ConflictFilter) -> StateResult<Vec<Conflict>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "{SELECT} WHERE (?1 IS NULL OR c.doctype = ?1) AND (NOT ?2 OR c.resolved = FALSE)
             ORDER BY c.id"
        ))?;
        collect(&mut statement, params![filter.doctype, filter.open_only], conflict_from)
    }

    /// One conflict.
    pub fn conflict(&self, id: i64) -> StateResult<Option<Conflict>> {
        let mut statement = self.connection.prepare_cached(&format!("{SELECT} WHERE c.id = ?"))?;
        Ok(collect(&mut statement, [id], conflict_from)?.pop())
    }

    /// The documents of which nobody knows whether a request has made their copies, each with
    /// the side that was written to, oldest first. What a person has decided on since is none.
    pub fn in_doubt(&self, doctype: &str) -> StateResult<Vec<(Side, i64)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT j.side, r.id FROM conflict_records c JOIN sync_records r ON r.id = c.record
             JOIN journal j ON j.id = (SELECT max(id) FROM journal
                WHERE record = r.id AND action = ? AND state = 'void')
             WHERE c.resolved = FALSE AND c.kind = ? AND r.doctype = ? AND NOT r.is_apart
             ORDER BY c.id",
        )?;
        let create = Action::Create.as_str();
        let unclear = ConflictKind::UnknownOutcome.as_str();
        collect(&mut statement, [create, unclear, doctype], |row| {
            Ok((Side::word(&row.get::<_, String>(0)?)?, row.get(1)?))
        })
    }

    /// Which of these texts are names of child rows of documents in conflict on one side, each
    /// with the record.
    pub fn rows_in_conflict(
        &self,
        side: Side,
        texts: &BTreeSet<String>,
    ) -> StateResult<Vec<(String, i64)>> {
        let mut statement = self.connection.prepare_cached(&for_side(
            side,
            "SELECT field.value, c.record
             FROM conflict_records c, json_tree(c.{s}_data, '$') field
             WHERE c.resolved = FALSE AND field.key = 'name' AND field.path <> '$'
                AND field.value IN (SELECT value FROM json_each(?))",
        ))?;
        collect(&mut statement, [to_json(texts)?], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// How many conflicts of each doctype are open.
    pub fn open_conflicts(&self) -> StateResult<BTreeMap<String, usize>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT doctype, count(*) FROM conflict_records WHERE resolved = FALSE
             GROUP BY doctype",
        )?;
        let open = collect(&mut statement, [], |row| Ok((row.get(0)?, count(row, 1)?)))?;
        Ok(open.into_iter().collect())
    }

    /// How many conflicts of these doctypes are open.
    pub fn count_open_conflicts(&self, doctypes: &[String]) -> StateResult<usize> {
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*) FROM conflict_records WHERE resolved = FALSE AND doctype = ?",
        )?;
        let mut open = 0;
        for doctype in doctypes {
            open += statement.query_row([doctype], |row| count(row, 0))?;
        }
        Ok(open)
    }
}

/// Records a conflict and leaves the document for a decision.
pub(super) fn leave_to_a_person(
    connection: &Connection,
    conflict: &NewConflict,
    now: Timestamp,
) -> StateResult<(i64, bool)> {
    // What was said of a document and its namesake says nothing of one and its copy.
    let is_copy = conflict.kind == ConflictKind::Duplicate;
    let changed = connection
        .prepare_cached(
            "UPDATE sync_records SET sync_status = 'conflict', reason = ?, next_retry = NULL,
                waits_for = NULL, is_apart = is_apart AND NOT ?, updated_at = ? WHERE id = ?",
        )?
        .execute(params![conflict.reason, is_copy, time::stamp(now), conflict.record])?;
    expect_record(changed, conflict.record)?;
    save(connection, conflict, now)
}

/// Inserts a conflict, or refreshes the open one of the record; one that shows another document
/// is superseded and stays as it is. Leaves the record's status.
pub(super) fn save(
    connection: &Connection,
    conflict: &NewConflict,
    now: Timestamp,
) -> StateResult<(i64, bool)> {
    let shows = "SELECT id, cloud_data, local_data FROM conflict_records
        WHERE record = ? AND resolved = FALSE";
    let mut open = connection
        .prepare_cached(shows)?
        .query_row([conflict.record], |row| {
            Ok((row.get::<_, i64>(0)?, [row.get::<_, String>(1)?, row.get(2)?]))
        })
        .optional()?;
    // What it shows may be kept nowhere else.
    if let Some((_, [cloud, local])) = &open
        && is_about_another(&Sides::new(from_json(cloud)?, from_json(local)?), &conflict.data)
    {
        settle(connection, conflict.record, Resolution::Superseded, now)?;
        open = None;
    }
    let values = (
        conflict.kind.as_str(),
        to_json(&conflict.fields)?,
        to_json(&conflict.data.cloud)?,
        to_json(&conflict.data.local)?,
        &conflict.modified.cloud,
        &conflict.modified.local,
    );
    let (kind, fields, cloud, local, cloud_modified, local_modified) = &values;
    if let Some((id, _)) = open {
        let changed = connection
            .prepare_cached(
                "UPDATE conflict_records SET kind = ?1, fields = ?2, cloud_data = ?3,
                    local_data = ?4, cloud_modified = ?5, local_modified = ?6
                 WHERE id = ?7 AND (kind, fields, cloud_data, local_data)
                    IS NOT (?1, ?2, ?3, ?4)",
            )?
            .execute(params![kind, fields, cloud, local, cloud_modified, local_modified, id])?;
        if changed > 0 {
            log::insert(connection, conflict.record, conflict.log.as_ref(), now)?;
        }
        return Ok((id, false));
    }
    let changed = connection
        .prepare_cached(
            "INSERT INTO conflict_records (doctype, docname, record, kind, fields, cloud_data,
                local_data, cloud_modified, local_modified, created_at)
             SELECT doctype, docname, id, ?1, ?2, ?3, ?4, ?5, ?6, ?7
             FROM sync_records WHERE id = ?8",
        )?
        .execute(params![
            kind,
            fields,
            cloud,
            local,
            cloud_modified,
            local_modified,
            time::stamp(now),
            conflict.record
        ])?;
    expect_record(changed, conflict.record)?;
    let id = connection.last_insert_rowid();
    log::insert(connection, conflict.record, conflict.log.as_ref(), now)?;
    Ok((id, true))
}

/// Whether a side's document is another one by now, of the same name.
fn is_about_another(shown: &Sides<Value>, now: &Sides<Value>) -> bool {
    let born = |documents: &Sides<Value>, side: Side| documents[side]["creation"].clone();
    Side::BOTH.into_iter().any(|side| {
        let (before, after) = (born(shown, side), born(now, side));
        !before.is_null() && !after.is_null() && before != after
    })
}

/// Settles the open conflict of a record, where there is one.
pub(super) fn settle(
    connection: &Connection,
    record: i64,
    resolution: Resolution,
    now: Timestamp,
) -> StateResult<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE conflict_records SET resolved = TRUE, resolution = ?, resolved_at = ?
             WHERE record = ? AND resolved = FALSE",
        )?
        .execute(params![resolution.as_str(), time::stamp(now), record])?;
    Ok(changed > 0)
}

fn conflict_from(row: &Row) -> StateResult<Conflict> {
    let json = |column: &str| from_json(&row.get::<_, String>(column)?);
    let resolution: Option<String> = row.get("resolution")?;
    let fields = match json("fields")? {
        Value::Array(fields) => fields
            .into_iter()
            .map(|field| field.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>(),
        _ => None,
    };
    Ok(Conflict {
        id: row.get("id")?,
        record: row.get("record")?,
        doctype: row.get("doctype")?,
        docname: row.get("docname")?,
        names: Sides::new(row.get("cloud_name")?, row.get("local_name")?),
        kind: ConflictKind::word(&row.get::<_, String>("kind")?)?,
        fields: fields.ok_or_else(|| StateError::Unreadable("conflict fields".to_owned()))?,
        data: Sides::new(json("cloud_data")?, json("local_data")?),
        modified: Sides::new(row.get("cloud_modified")?, row.get("local_modified")?),
        created_at: time::parse(&row.get::<_, String>("created_at")?)?,
        given_up: row.get("given_up")?,
        resolution: resolution.as_deref().map(Resolution::word).transpose()?,
        resolved_at: time::parse_some(row.get("resolved_at")?)?,
    })
}
