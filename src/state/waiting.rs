//! Documents that wait: for what came of a request, or for a person.
//!
//! The rule kept here: who waits has not failed. The document stays `pending`, so that every run
//! takes it up, and none of its tries is used up.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::error::StateResult;
use super::gone::holds_one;
use super::records::expect_record;
use super::types::{LogEntry, Record};
use super::words::Word;
use super::{State, collect, for_side, log, packed, time};
use crate::model::{ConflictKind, Side};

/// What is said of a document about which a request was sent that nobody has answered.
pub const UNANSWERED: &str = "an earlier request has no answer yet; its outcome is waited for";

/// What a document waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// What came of a request, its own or that of the document which it needs.
    Outcome,
    /// The person who settles this conflict.
    Conflict(i64),
}

/// A document that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingDocument {
    /// The record.
    pub record: i64,
    /// The doctype.
    pub doctype: String,
    /// The document's name in the state.
    pub docname: String,
    /// What for.
    pub waits: Waits,
    /// The same in words.
    pub reason: String,
}

impl State {
    /// Leaves a document for the next run, because of another one or of its own open request.
    pub fn set_waiting(
        &mut self,
        record: i64,
        waits_for: Option<i64>,
        reason: &str,
        log: Option<&LogEntry>,
        now: Timestamp,
    ) -> StateResult<()> {
        self.write(|transaction| {
            let changed = transaction
                .prepare_cached(
                    "UPDATE sync_records SET sync_status = 'pending', waits_for = ?, reason = ?,
                        next_retry = NULL, scope_digest = NULL, updated_at = ? WHERE id = ?",
                )?
                .execute(params![waits_for, reason, time::stamp(now), record])?;
            expect_record(changed, record)?;
            log::insert(transaction, record, log, now)
        })
    }

    /// The documents that wait, by doctype and name. One whose conflict has been settled does
    /// not wait any more: the next run takes it up.
    pub fn waiting_documents(&self, doctype: Option<&str>) -> StateResult<Vec<WaitingDocument>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT r.id, r.doctype, r.docname, r.is_syncing, c.id, r.reason
             FROM sync_records r
             LEFT JOIN sync_records w ON w.id = r.waits_for
             LEFT JOIN conflict_records c ON c.record = w.id AND c.resolved = FALSE
             WHERE r.sync_status = 'pending' AND (?1 IS NULL OR r.doctype = ?1)
                AND (r.is_syncing OR w.is_syncing OR c.id IS NOT NULL)
             ORDER BY r.doctype, r.docname, r.id",
        )?;
        collect(&mut statement, [doctype], |row| {
            let is_syncing: bool = row.get(3)?;
            let conflict: Option<i64> = row.get(4)?;
            let reason: Option<String> = row.get(5)?;
            Ok(WaitingDocument {
                record: row.get(0)?,
                doctype: row.get(1)?,
                docname: row.get(2)?,
                waits: match conflict {
                    Some(id) if !is_syncing => Waits::Conflict(id),
                    _ => Waits::Outcome,
                },
                // A run that was killed had no time to say why.
                reason: reason.filter(|_| !is_syncing).unwrap_or_else(|| UNANSWERED.to_owned()),
            })
        })
    }

    /// The documents that were left waiting because of a record, with their doctypes.
    pub fn waiters(&self, record: i64) -> StateResult<Vec<(String, i64)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT doctype, id FROM sync_records
             WHERE waits_for = ? AND sync_status = 'pending' ORDER BY id",
        )?;
        collect(&mut statement, [record], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The documents that have a name on a side in what is known of them there, and that are held
    /// up: by a conflict, by a request without an answer, or by another one that is.
    pub fn held_up_referrers(&self, side: Side, name: &str) -> StateResult<Vec<Record>> {
        let mut statement = self.connection.prepare_cached(&for_side(
            side,
            "SELECT r.id, r.doctype, r.docname, COALESCE(c.{s}_data, r.{s}_base) AS {s}_base
             FROM sync_records r
             LEFT JOIN conflict_records c ON c.record = r.id AND c.resolved = FALSE
             WHERE r.sync_status <> 'gone' AND r.{s}_name IS NOT NULL AND (c.id IS NOT NULL
                OR r.is_syncing OR r.sync_status = 'pending' AND r.waits_for IS NOT NULL)
             ORDER BY r.id",
        ))?;
        let names = BTreeSet::from([name.to_owned()]);
        let held_up = collect(&mut statement, [], |row| {
            let known = packed::base_json(row, side)?;
            let refers = known.is_some_and(|known| holds_one(&known, &names));
            Ok((row.get::<_, i64>("id")?, refers))
        })?;
        let referrers = held_up.into_iter().filter(|(_, refers)| *refers);
        self.load_records(&referrers.map(|(id, _)| id).collect::<Vec<_>>())
    }

    /// The open conflict of a document: its number and its kind.
    pub fn open_conflict(&self, record: i64) -> StateResult<Option<(i64, ConflictKind)>> {
        let sql = "SELECT id, kind FROM conflict_records WHERE record = ? AND resolved = FALSE";
        let found: Option<(i64, String)> = self
            .connection
            .prepare_cached(sql)?
            .query_row([record], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        found.map(|(id, kind)| Ok((id, ConflictKind::word(&kind)?))).transpose()
    }
}
