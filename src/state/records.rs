//! The records: what is known about each document and what is to be done about it.
//!
//! Nothing here writes a base (that is `journal`'s closing) or reads a listing. The rule kept
//! here: a change of status or of `seen` never says that an edit was carried.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::error::{StateError, StateResult};
use super::intents::RowName;
use super::types::{Base, CandidateQuery, Failure, KnownName, LastSeen, Record, StatusChange};
use super::words::{RecordStatus, Word};
use super::{State, collect, count, for_side, log, packed, time, to_json};
use crate::model::{ConflictKind, Side, Sides, is_counted_name};

const COLUMNS: &str = "id, doctype, docname, cloud_name, local_name, cloud_creation,
    local_creation, cloud_seen, local_seen, cloud_modified, local_modified, cloud_base,
    local_base, sync_hash_cloud, sync_hash_local, form_digest, sync_status, is_syncing,
    retry_count, next_retry, reason, error_message, scope_digest, last_synced, is_apart, is_proven,
    waits_for, cloud_restored, local_restored,
    (SELECT kind FROM conflict_records c WHERE c.record = sync_records.id
        AND c.resolved = FALSE) AS open_conflict";

/// What a link to a document stands as in the sync form: the name under which it was first
/// seen, and something more where that was another one's too, or where one record holds two
/// documents that nobody has told apart yet.
pub(super) const OWN_ID: &str = "docname || CASE
    WHEN cloud_base IS NULL AND EXISTS (SELECT 1 FROM conflict_records c WHERE c.record = r.id
        AND c.resolved = FALSE AND c.kind = 'collision') THEN ' on {s}'
    WHEN EXISTS (SELECT 1 FROM sync_records o WHERE o.doctype = r.doctype
        AND o.docname = r.docname AND o.id < r.id) THEN ' #' || id
    ELSE '' END";

impl State {
    /// How many documents of a doctype are known on both sides and were never in step.
    pub fn never_in_step(&self, doctype: &str) -> StateResult<usize> {
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*) FROM sync_records WHERE doctype = ? AND sync_status <> 'gone'
                AND cloud_name IS NOT NULL AND local_name IS NOT NULL AND cloud_base IS NULL",
        )?;
        Ok(statement.query_row([doctype], |row| count(row, 0))?)
    }

    /// The records that a pass over a doctype takes up, by their number: in the order in which
    /// they were first listed, which for one listing is the order of `creation`.
    pub fn candidates(&self, doctype: &str, query: &CandidateQuery) -> StateResult<Vec<i64>> {
        if query.full {
            let mut all = self.connection.prepare_cached(
                "SELECT id FROM sync_records WHERE doctype = ? AND sync_status <> 'gone'
                 ORDER BY id",
            )?;
            return collect(&mut all, [doctype], |row| Ok(row.get(0)?));
        }
        let mut due = self.connection.prepare_cached(
            "SELECT id FROM sync_records
             WHERE doctype = ?1 AND sync_status IN ('pending', 'error', 'failed', 'skipped')
                AND CASE sync_status
                    WHEN 'pending' THEN TRUE
                    WHEN 'skipped' THEN scope_digest IS NOT ?2
                    ELSE ?3 OR next_retry IS NULL OR next_retry <= ?4
                END
             ORDER BY id",
        )?;
        let params =
            params![doctype, query.scope_digest, query.retry_failed, time::stamp(query.now)];
        collect(&mut due, params, |row| Ok(row.get(0)?))
    }

    /// The records of these numbers, in the order given.
    pub fn load_records(&self, ids: &[i64]) -> StateResult<Vec<Record>> {
        let mut statement = self.select("id = ?")?;
        ids.iter()
            .map(|id| {
                let found = collect(&mut statement, [id], record_from)?;
                found.into_iter().next().ok_or(StateError::NoRecord(*id))
            })
            .collect()
    }

    /// What the documents of these numbers are called on both sides, and their `modified` when
    /// they were last seen there.
    pub fn last_seen(&self, ids: &[i64]) -> StateResult<Vec<LastSeen>> {
        let sql = "SELECT cloud_name, local_name, cloud_seen, local_seen
            FROM sync_records WHERE id = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        ids.iter()
            .map(|id| {
                Ok(statement.query_row([id], |row| {
                    Ok(LastSeen {
                        names: Sides::new(row.get(0)?, row.get(1)?),
                        seen: Sides::new(row.get(2)?, row.get(3)?),
                    })
                })?)
            })
            .collect()
    }

    /// Whether any document of the doctype is known.
    pub fn knows_any(&self, doctype: &str) -> StateResult<bool> {
        let sql = "SELECT 1 FROM sync_records WHERE doctype = ? AND sync_status <> 'gone' LIMIT 1";
        Ok(self.connection.prepare_cached(sql)?.exists([doctype])?)
    }

    /// The living records of this `creation` on a side.
    pub fn records_by_creation(
        &self,
        doctype: &str,
        side: Side,
        creation: &str,
    ) -> StateResult<Vec<Record>> {
        let condition = "doctype = ? AND {s}_creation = ? AND sync_status <> 'gone' ORDER BY id";
        let mut statement = self.select(&for_side(side, condition))?;
        collect(&mut statement, [doctype, creation], record_from)
    }

    /// Whether a side has documents that were never in step with one of the other.
    pub fn has_strangers(&self, doctype: &str, side: Side) -> StateResult<bool> {
        let sql = for_side(
            side,
            "SELECT 1 FROM sync_records WHERE doctype = ? AND cloud_base IS NULL
                AND {s}_name IS NOT NULL AND sync_status <> 'gone' LIMIT 1",
        );
        Ok(self.connection.prepare_cached(&sql)?.exists([doctype])?)
    }

    /// What the state knows about these names of one side. A living document comes before
    /// one that is gone; of several gone ones the last counts.
    pub fn known_names(
        &self,
        doctype: &str,
        side: Side,
        names: &[String],
    ) -> StateResult<BTreeMap<String, KnownName>> {
        let select = |living: &str| {
            self.connection.prepare_cached(&for_side(
                side,
                &format!(
                    "SELECT id, {OWN_ID}, {{o}}_name, cloud_modified IS NOT NULL,
                        EXISTS (SELECT 1 FROM conflict_records c WHERE c.record = r.id
                            AND c.resolved = FALSE AND c.kind = 'edit_delete'
                            AND c.{{o}}_data = 'null')
                     FROM sync_records r
                     WHERE doctype = ? AND {{s}}_name = ? AND sync_status {living} 'gone'
                     ORDER BY id DESC LIMIT 1"
                ),
            ))
        };
        let (mut living, mut gone) = (select("<>")?, select("=")?);
        let mut known = BTreeMap::new();
        for name in names {
            let read = |row: &Row| {
                Ok(KnownName {
                    record: row.get(0)?,
                    docname: row.get(1)?,
                    other: row.get(2)?,
                    has_base: row.get(3)?,
                    is_gone: row.get(4)?,
                })
            };
            let found = match living.query_row([doctype, name], read).optional()? {
                None => gone.query_row([doctype, name], read).optional()?,
                found => found,
            };
            if let Some(found) = found {
                known.insert(name.clone(), found);
            }
        }
        Ok(known)
    }

    /// The row names of a document, by table and place.
    pub fn row_names(&self, record: i64) -> StateResult<Vec<RowName>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT table_field, position, cloud_row, local_row FROM row_names
             WHERE record = ? ORDER BY table_field, position",
        )?;
        collect(&mut statement, [record], |row| {
            Ok(RowName {
                table: row.get(0)?,
                position: row.get(1)?,
                names: Sides::new(row.get(2)?, row.get(3)?),
            })
        })
    }

    /// Which of these texts are names of child rows of one side, whatever document they are
    /// in, with the other side's names of them. Only names that no other table gives: those of
    /// a counter (1, 2, 3) mean a row of every such table. One statement, however many texts
    /// there are.
    pub fn row_counterparts(
        &self,
        side: Side,
        texts: &BTreeSet<String>,
    ) -> StateResult<BTreeMap<String, String>> {
        let mut statement = self.connection.prepare_cached(&for_side(
            side,
            "SELECT {s}_row, {o}_row FROM row_names
             WHERE {s}_row IN (SELECT value FROM json_each(?)) AND {o}_row IS NOT NULL",
        ))?;
        let texts: Vec<&String> = texts.iter().filter(|text| !is_counted_name(text)).collect();
        let pairs =
            collect(&mut statement, [to_json(&texts)?], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(pairs.into_iter().collect())
    }

    /// Remembers which fields a form digest stands for.
    pub fn save_shape(&mut self, digest: &str, fields: &[String]) -> StateResult<()> {
        let sql = "INSERT OR IGNORE INTO shapes (digest, fields) VALUES (?, ?)";
        self.write(|transaction| {
            transaction.execute(sql, params![digest, to_json(&fields)?])?;
            Ok(())
        })
    }

    /// The fields that a form digest stands for, where it is known.
    pub fn shape_fields(&self, digest: &str) -> StateResult<Option<Vec<String>>> {
        let sql = "SELECT fields FROM shapes WHERE digest = ?";
        let found: Option<String> = self
            .connection
            .prepare_cached(sql)?
            .query_row([digest], |row| row.get(0))
            .optional()?;
        found.map(|fields| super::from_json(&fields)).transpose()
    }

    /// Changes what is to be done about records, e.g. leaves them alone for a reason.
    pub fn set_status(&mut self, changes: &[StatusChange], now: Timestamp) -> StateResult<()> {
        self.write(|transaction| {
            for change in changes {
                let updated = transaction
                    .prepare_cached(
                        "UPDATE sync_records SET sync_status = ?, reason = ?, scope_digest = ?,
                            next_retry = NULL, waits_for = NULL, updated_at = ? WHERE id = ?",
                    )?
                    .execute(params![
                        change.status.as_str(),
                        change.reason,
                        change.scope_digest,
                        time::stamp(now),
                        change.record
                    ])?;
                expect_record(updated, change.record)?;
                log::insert(transaction, change.record, change.log.as_ref(), now)?;
            }
            Ok(())
        })
    }

    /// Records attempts that failed: one more in a row, and when to try again.
    pub fn record_failures(&mut self, failures: &[Failure], now: Timestamp) -> StateResult<()> {
        self.write(|transaction| {
            for failure in failures {
                let status =
                    if failure.give_up { RecordStatus::Failed } else { RecordStatus::Error };
                let changed = transaction
                    .prepare_cached(
                        "UPDATE sync_records SET sync_status = ?, error_message = ?,
                            reason = NULL, retry_count = retry_count + 1, next_retry = ?,
                            waits_for = NULL, updated_at = ? WHERE id = ?",
                    )?
                    .execute(params![
                        status.as_str(),
                        failure.message,
                        failure.next_retry.map(time::stamp),
                        time::stamp(now),
                        failure.record
                    ])?;
                expect_record(changed, failure.record)?;
                log::insert(transaction, failure.record, failure.log.as_ref(), now)?;
            }
            Ok(())
        })
    }

    /// Forgets what these sides looked like, so that the next listing takes the documents up
    /// again: for what could not be seen.
    pub fn clear_seen(&mut self, unknown: &[(i64, Side)], now: Timestamp) -> StateResult<()> {
        self.write(|transaction| {
            for (record, side) in unknown {
                let changed = transaction
                    .prepare_cached(&for_side(
                        *side,
                        "UPDATE sync_records SET {s}_seen = NULL, updated_at = ? WHERE id = ?",
                    ))?
                    .execute(params![time::stamp(now), record])?;
                expect_record(changed, *record)?;
            }
            Ok(())
        })
    }

    pub(super) fn select(&self, condition: &str) -> StateResult<CachedStatement<'_>> {
        let sql = format!("SELECT {COLUMNS} FROM sync_records WHERE {condition}");
        Ok(self.connection.prepare_cached(&sql)?)
    }
}

/// A record that was to be changed and is not there is an error, not a change of nothing.
pub(super) fn expect_record(changed: usize, record: i64) -> StateResult<()> {
    if changed == 1 { Ok(()) } else { Err(StateError::NoRecord(record)) }
}

/// Sets `is_syncing` to what the journal says.
pub(super) fn refresh_is_syncing(connection: &Connection, record: i64) -> StateResult<()> {
    connection
        .prepare_cached(
            "UPDATE sync_records SET is_syncing = EXISTS (SELECT 1 FROM journal
                WHERE record = ?1 AND state IN ('open', 'answered')) WHERE id = ?1",
        )?
        .execute([record])?;
    Ok(())
}

pub(super) fn record_from(row: &Row) -> StateResult<Record> {
    let base = |side: Side, modified: &str| -> StateResult<Option<Base>> {
        let modified: Option<String> = row.get(modified)?;
        let content = packed::base(row, side)?;
        Ok(modified.zip(content).map(|(modified, content)| Base { modified, content }))
    };
    let conflict: Option<String> = row.get("open_conflict")?;
    let cloud = base(Side::Cloud, "cloud_modified")?;
    let local = base(Side::Local, "local_modified")?;
    Ok(Record {
        id: row.get("id")?,
        doctype: row.get("doctype")?,
        docname: row.get("docname")?,
        names: Sides::new(row.get("cloud_name")?, row.get("local_name")?),
        creations: Sides::new(row.get("cloud_creation")?, row.get("local_creation")?),
        seen: Sides::new(row.get("cloud_seen")?, row.get("local_seen")?),
        bases: cloud.zip(local).map(|(cloud, local)| Sides::new(cloud, local)),
        hashes: Sides::new(row.get("sync_hash_cloud")?, row.get("sync_hash_local")?),
        form_digest: row.get("form_digest")?,
        status: RecordStatus::word(&row.get::<_, String>("sync_status")?)?,
        is_syncing: row.get("is_syncing")?,
        retry_count: row.get("retry_count")?,
        next_retry: time::parse_some(row.get("next_retry")?)?,
        reason: row.get("reason")?,
        error_message: row.get("error_message")?,
        scope_digest: row.get("scope_digest")?,
        last_synced: time::parse_some(row.get("last_synced")?)?,
        is_apart: row.get("is_apart")?,
        is_proven: row.get("is_proven")?,
        waits_for: row.get("waits_for")?,
        restored: Sides::new(row.get("cloud_restored")?, row.get("local_restored")?),
        conflict: conflict.as_deref().map(ConflictKind::word).transpose()?,
    })
}
