//! Documents that are, or may be, gone: which of the known ones a listing does not show, and
//! what is stored once it is certain.
//!
//! The rules kept here: not listed is not gone (invariant 2), so nothing here concludes
//! anything; a tombstone keeps its names and its base, so that links to it still translate.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::error::StateResult;
use super::records::{OWN_ID, expect_record, refresh_is_syncing};
use super::seen::EXPECTED;
use super::types::{CandidateQuery, LogEntry, NewConflict};
use super::words::{RecordStatus, Resolution};
use super::{State, StateError, collect, conflicts, count, for_side, journal, log, packed, time};
use crate::model::{Action, Direction, Side};

/// A document that was in step and that the listing at hand does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// The record.
    pub record: i64,
    /// Where.
    pub side: Side,
    /// Its name there.
    pub name: String,
    /// Its `creation` there.
    pub creation: Option<String>,
}

/// A document that is gone for good, on both sides.
#[derive(Debug, Clone)]
pub struct Forgetting {
    /// The record.
    pub record: i64,
    /// Why.
    pub reason: String,
    /// The deletion that this closes.
    pub intent: Option<i64>,
    /// How an open conflict is settled; without it, it is superseded.
    pub resolution: Option<Resolution>,
    /// The log row.
    pub log: Option<LogEntry>,
    /// What somebody wrote just before the deletion: it waits for a person.
    pub conflict: Option<NewConflict>,
}

/// A document that both sides have lost and one of them has anew.
#[derive(Debug, Clone)]
pub struct Anew {
    /// The record, with its open conflict.
    pub record: i64,
    /// Where it was made.
    pub side: Side,
    /// Its name there.
    pub name: String,
    /// Its `creation` there.
    pub creation: String,
    /// The create that this closes.
    pub intent: i64,
    /// How the conflict is settled.
    pub resolution: Resolution,
    /// Why.
    pub reason: String,
    /// The log row.
    pub log: Option<LogEntry>,
}

impl State {
    /// The documents that were in step and are in the collected listing neither under their
    /// name nor by their `creation`; of those that were noticed before only what is due. One
    /// whose name another document has now is always due.
    pub fn unlisted(&self, query: &CandidateQuery) -> StateResult<Vec<Unlisted>> {
        let Some(doctype) = &self.listing else { return Err(StateError::NoListing) };
        let mut unlisted = Vec::new();
        for side in Side::BOTH {
            // The inner query reads covering indexes only.
            let sql = format!(
                "SELECT r.id, r.{{s}}_name, r.{{s}}_creation FROM sync_records r
                 WHERE r.id IN (SELECT k.id FROM ({EXPECTED}) k
                    WHERE NOT EXISTS (SELECT 1 FROM temp.listed l
                        WHERE l.side = '{{s}}' AND l.creation = k.creation))
                    AND r.cloud_base IS NOT NULL AND NOT r.is_syncing
                    AND (?2 OR r.{{s}}_seen IS NOT NULL
                        OR EXISTS (SELECT 1 FROM temp.listed l
                            WHERE l.side = '{{s}}' AND l.name = r.{{s}}_name)
                        OR CASE r.sync_status
                            WHEN 'pending' THEN TRUE
                            WHEN 'synced' THEN TRUE
                            WHEN 'conflict' THEN FALSE
                            WHEN 'skipped' THEN r.scope_digest IS NOT ?3
                            ELSE ?4 OR r.next_retry IS NULL OR r.next_retry <= ?5
                        END)
                 ORDER BY r.id",
            );
            let sql = for_side(side, &sql);
            let mut statement = self.connection.prepare_cached(&sql)?;
            let params = params![
                doctype,
                query.full,
                query.scope_digest,
                query.retry_failed,
                time::stamp(query.now)
            ];
            unlisted.extend(collect(&mut statement, params, |row| {
                let (record, name, creation) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Unlisted { record, side, name, creation })
            })?);
        }
        Ok(unlisted)
    }

    /// Another document has this one's name now: it keeps everything but the name.
    pub fn release_name(&mut self, record: i64, side: Side, now: Timestamp) -> StateResult<()> {
        self.write(|transaction| release(transaction, record, side, now))
    }

    /// The map follows a document to its new name, and the need to look at it is recorded.
    /// `false` where the name is known as another document's.
    pub fn follow_rename(
        &mut self,
        record: i64,
        side: Side,
        new: &str,
        now: Timestamp,
    ) -> StateResult<bool> {
        self.write(|transaction| {
            let sql = for_side(
                side,
                "UPDATE sync_records SET {s}_name = ?1, {s}_seen = NULL, sync_status = 'pending',
                    next_retry = NULL, reason = ?2, updated_at = ?3
                 WHERE id = ?4 AND NOT EXISTS (SELECT 1 FROM sync_records other
                    WHERE other.doctype = sync_records.doctype AND other.{s}_name = ?1
                        AND other.sync_status <> 'gone' AND other.id <> ?4)",
            );
            let reason = format!("renamed on {side}: now {new}");
            let changed = transaction.prepare_cached(&sql)?.execute(params![
                new,
                reason,
                time::stamp(now),
                record
            ])?;
            Ok(changed == 1)
        })
    }

    /// The documents that had these names on a side before: the id of each in the state, and
    /// until when; in this order.
    pub fn former_names(
        &self,
        doctype: &str,
        side: Side,
        names: &[String],
    ) -> StateResult<BTreeMap<String, Vec<(String, Timestamp)>>> {
        let sql = format!(
            "SELECT {OWN_ID}, former.until FROM former_names former
             JOIN sync_records r ON r.id = former.record
             WHERE former.doctype = ? AND former.side = ? AND former.name = ?
             ORDER BY former.until",
        );
        let mut statement = self.connection.prepare_cached(&for_side(side, &sql))?;
        let mut former = BTreeMap::new();
        for name in names {
            let found = collect(&mut statement, [doctype, side.as_str(), name], |row| {
                Ok((row.get(0)?, time::parse(&row.get::<_, String>(1)?)?))
            })?;
            if !found.is_empty() {
                former.insert(name.clone(), found);
            }
        }
        Ok(former)
    }

    /// Makes candidates of the documents whose base holds one of these names of a side:
    /// what links to a document that is gone may link to another one now without having been
    /// saved. Gives their doctypes and records. Reads every base once.
    pub fn mark_referrers(
        &mut self,
        side: Side,
        names: &BTreeSet<String>,
        now: Timestamp,
    ) -> StateResult<Vec<(String, i64)>> {
        self.write(|transaction| {
            let sql = for_side(
                side,
                "SELECT id, doctype, docname, {s}_name, {s}_base FROM sync_records
                 WHERE sync_status NOT IN ('gone', 'pending')",
            );
            let mut referrers = Vec::new();
            let mut rows = transaction.prepare_cached(&sql)?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                let name: Option<String> = row.get(3)?;
                let base = packed::base_json(row, side)?;
                let is_itself = name.is_some_and(|name| names.contains(&name));
                if !is_itself && base.is_some_and(|base| holds_one(&base, names)) {
                    referrers.push((row.get(1)?, row.get(0)?));
                }
            }
            let mut mark = transaction.prepare_cached(
                "UPDATE sync_records SET sync_status = 'pending', reason = ?, updated_at = ?
                 WHERE id = ?",
            )?;
            let reason = format!("may link to a document that is gone on {side}");
            for (_, record) in &referrers {
                mark.execute(params![reason, time::stamp(now), record])?;
            }
            Ok(referrers)
        })
    }

    /// Whether an open conflict keeps what was written to a document just before our own request
    /// deleted it, so that no side has it any more: the last that reached a site was a deletion.
    pub fn keeps_what_was_deleted(&self, record: i64) -> StateResult<bool> {
        keeps_what_was_deleted(&self.connection, record)
    }

    /// Whether a document has an open conflict.
    pub fn is_in_conflict(&self, record: i64) -> StateResult<bool> {
        let sql = "SELECT 1 FROM conflict_records WHERE record = ? AND resolved = FALSE";
        Ok(self.connection.prepare_cached(sql)?.exists([record])?)
    }

    /// How many living documents of a doctype are known on a side.
    pub fn known_on(&self, doctype: &str, side: Side) -> StateResult<u64> {
        let sql = for_side(
            side,
            "SELECT count(*) FROM sync_records INDEXED BY idx_{s}_identity
             WHERE doctype = ? AND {s}_name IS NOT NULL AND sync_status <> 'gone'",
        );
        let known = self.connection.prepare_cached(&sql)?.query_row([doctype], |r| count(r, 0))?;
        Ok(known as u64)
    }

    /// How many documents of a doctype were deleted on a side since then, in all runs.
    pub fn deleted_since(&self, doctype: &str, side: Side, since: Timestamp) -> StateResult<u64> {
        let sql = "SELECT count(*) FROM sync_logs WHERE timestamp >= ?1 AND doctype = ?2
                AND action = ?3 AND status = 'success' AND direction = ?4";
        let params = params![
            time::stamp(since),
            doctype,
            Action::Delete.as_str(),
            Direction::to(side).as_str()
        ];
        let deleted = self.connection.prepare_cached(sql)?.query_row(params, |r| count(r, 0))?;
        Ok(deleted as u64)
    }

    /// Begins anew with a document that was made again: nothing of what both sides agreed on
    /// before is a base of it, so that it goes over like any new one.
    pub fn begin_anew(&mut self, anew: &Anew, now: Timestamp) -> StateResult<()> {
        self.write(|transaction| {
            let sql = for_side(
                anew.side,
                "UPDATE sync_records SET {s}_name = ?1, {s}_creation = ?2, {s}_seen = NULL,
                    {o}_name = NULL, {o}_creation = NULL, {o}_seen = NULL, cloud_base = NULL,
                    local_base = NULL, cloud_modified = NULL, local_modified = NULL,
                    sync_hash_cloud = NULL, sync_hash_local = NULL, form_digest = NULL,
                    is_proven = FALSE, sync_status = 'pending', reason = ?3, error_message = NULL,
                    retry_count = 0, next_retry = NULL, waits_for = NULL, updated_at = ?4
                 WHERE id = ?5",
            );
            let stamp = time::stamp(now);
            let params = params![anew.name, anew.creation, anew.reason, stamp, anew.record];
            let changed = transaction.prepare_cached(&sql)?.execute(params)?;
            expect_record(changed, anew.record)?;
            transaction.execute("DELETE FROM row_names WHERE record = ?", [anew.record])?;
            journal::end(transaction, anew.intent, anew.record, now)?;
            refresh_is_syncing(transaction, anew.record)?;
            conflicts::settle(transaction, anew.record, anew.resolution, now)?;
            log::insert(transaction, anew.record, anew.log.as_ref(), now)
        })
    }

    /// Forgets documents that are gone on both sides; the rows stay as tombstones. One that was
    /// edited just before it was deleted waits for a person instead, whatever a side has shown of
    /// it since.
    pub fn forget(&mut self, gone: &[Forgetting], now: Timestamp) -> StateResult<()> {
        self.write(|transaction| {
            for one in gone {
                let is_kept =
                    one.resolution.is_none() && keeps_what_was_deleted(transaction, one.record)?;
                let status = match one.conflict {
                    None if !is_kept => RecordStatus::Gone,
                    _ => RecordStatus::Conflict,
                };
                let changed = transaction
                    .prepare_cached(
                        "UPDATE sync_records SET sync_status = ?1, reason = ?2,
                            error_message = NULL, retry_count = 0, next_retry = NULL,
                            cloud_seen = NULL, local_seen = NULL, cloud_restored = NULL,
                            local_restored = NULL, updated_at = ?3
                         WHERE id = ?4",
                    )?
                    .execute(params![status.as_str(), one.reason, time::stamp(now), one.record])?;
                expect_record(changed, one.record)?;
                if let Some(intent) = one.intent {
                    journal::end(transaction, intent, one.record, now)?;
                }
                refresh_is_syncing(transaction, one.record)?;
                if !is_kept || one.conflict.is_some() {
                    let resolution = one.resolution.unwrap_or(Resolution::Superseded);
                    conflicts::settle(transaction, one.record, resolution, now)?;
                }
                log::insert(transaction, one.record, one.log.as_ref(), now)?;
                if let Some(conflict) = &one.conflict {
                    conflicts::save(transaction, conflict, now)?;
                }
            }
            Ok(())
        })
    }
}

fn keeps_what_was_deleted(connection: &Connection, record: i64) -> StateResult<bool> {
    let sql = "SELECT 1 FROM conflict_records WHERE record = ?1 AND resolved = FALSE
        AND ?2 = (SELECT action FROM journal WHERE record = ?1 AND state = 'closed'
            ORDER BY id DESC LIMIT 1)";
    let params = params![record, Action::Delete.as_str()];
    Ok(connection.prepare_cached(sql)?.exists(params)?)
}

/// Whether one of these names is a text in a document's JSON. A name with a quote or a backslash
/// in it is written otherwise there and looked for by itself.
pub(super) fn holds_one(json: &str, names: &BTreeSet<String>) -> bool {
    let is_escaped = |name: &&String| name.contains(['"', '\\']);
    json.split('"').any(|text| names.contains(text))
        || names
            .iter()
            .filter(is_escaped)
            .any(|name| serde_json::to_string(name).is_ok_and(|written| json.contains(&written)))
}

/// Takes a record's name on a side away from it. A conflict that shows the document as missing
/// there already loses nothing by it and goes on waiting.
pub(super) fn release(
    connection: &Connection,
    record: i64,
    side: Side,
    now: Timestamp,
) -> StateResult<()> {
    let sql = for_side(
        side,
        "UPDATE sync_records SET {s}_name = NULL, {s}_seen = NULL, next_retry = NULL,
            (sync_status, reason) = (SELECT sync_status, reason
                WHERE sync_status = 'conflict' AND {s}_seen IS NULL
                UNION ALL SELECT 'pending', ?1 LIMIT 1),
            updated_at = ?2 WHERE id = ?3",
    );
    let reason = format!("replaced by another document of the same name on {side}");
    let changed =
        connection.prepare_cached(&sql)?.execute(params![reason, time::stamp(now), record])?;
    expect_record(changed, record)
}
