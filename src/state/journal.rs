//! The journal: what was about to be written to a site, and how it ended.
//!
//! Nothing else may say that an edit was carried. The rules kept here: an intent is stored
//! before its request goes out, with both versions of what it overwrites; a base is written
//! only by a closing, both sides at once, together with the end of the intent, the log row
//! and the end of the conflict.

use std::borrow::Borrow;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::error::{StateError, StateResult};
use super::intents::{
    Closing, Intent, Made, NewIntent, PastWrite, RowName, SideState, VoidRequest,
};
use super::records::{expect_record, refresh_is_syncing};
use super::types::{LogEntry, NewConflict};
use super::words::{RecordStatus, Resolution, Word};
use super::{
    State, collect, conflicts, for_side, from_json, from_json_some, gone, log, packed, time,
    to_json,
};
use crate::model::{Action, Doc, Side, Sides};

impl State {
    /// Stores what is about to be requested, and the conflicts that go with it. The records
    /// are `pending` until they are closed, so that an intent found void is decided anew.
    pub fn begin_intents(
        &mut self,
        intents: impl IntoIterator<Item: Borrow<NewIntent>>,
        now: Timestamp,
    ) -> StateResult<Vec<i64>> {
        self.write(|transaction| {
            intents.into_iter().map(|intent| begin(transaction, intent.borrow(), now)).collect()
        })
    }

    /// Stores the answers that have arrived, each with its intent, and what is about to be
    /// requested next, all in one commit; gives the new intents.
    pub fn advance(
        &mut self,
        answers: &[(i64, &Doc)],
        intents: &[NewIntent],
        now: Timestamp,
    ) -> StateResult<Vec<i64>> {
        if answers.is_empty() && intents.is_empty() {
            return Ok(Vec::new());
        }
        self.write(|transaction| {
            answers.iter().try_for_each(|(intent, doc)| answer(transaction, *intent, doc))?;
            intents.iter().map(|intent| begin(transaction, intent, now)).collect()
        })
    }

    /// Ends an intent that had no effect, or whose effect is to be decided anew.
    pub fn void_intent(&mut self, intent: i64, why: &str, now: Timestamp) -> StateResult<()> {
        self.void_logged(intent, why, None, now)
    }

    /// The same, with a row of the log where there is something to keep of it.
    pub fn void_logged(
        &mut self,
        intent: i64,
        why: &str,
        log: Option<&LogEntry>,
        now: Timestamp,
    ) -> StateResult<()> {
        self.write(|transaction| {
            let record = void(transaction, intent, why, now)?;
            log::insert(transaction, record, log, now)
        })
    }

    /// Leaves to a person a request of which nobody will be able to say what came of it. Its end
    /// and the conflict are one: in between the document would count as one that was never sent.
    /// Whatever was said of the document before, of this request nobody has said anything.
    pub fn give_up_intent(
        &mut self,
        intent: i64,
        conflict: &NewConflict,
        now: Timestamp,
    ) -> StateResult<()> {
        self.write(|transaction| {
            void(transaction, intent, &conflict.reason, now)?;
            let sql = "UPDATE sync_records SET is_apart = FALSE WHERE id = ?";
            transaction.prepare_cached(sql)?.execute([conflict.record])?;
            conflicts::leave_to_a_person(transaction, conflict, now)?;
            Ok(())
        })
    }

    /// The intents that are not ended, in the order in which they were made.
    pub fn open_intents(&self, doctype: Option<&str>) -> StateResult<Vec<Intent>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT * FROM journal WHERE state IN ('open', 'answered')
                AND (?1 IS NULL OR doctype = ?1) ORDER BY id",
        )?;
        collect(&mut statement, [doctype], intent_from)
    }

    /// A document's last request, where it is void.
    pub fn last_void(&self, record: i64) -> StateResult<Option<VoidRequest>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT side, outcome FROM (SELECT side, state, outcome FROM journal
                WHERE record = ? ORDER BY id DESC LIMIT 1) WHERE state = 'void'",
        )?;
        let void = collect(&mut statement, [record], |row| {
            Ok(VoidRequest { side: Side::word(&row.get::<_, String>(0)?)?, outcome: row.get(1)? })
        })?;
        Ok(void.into_iter().next())
    }

    /// The last writes of a document's content that were closed, newest first.
    pub fn past_writes(&self, record: i64, limit: usize) -> StateResult<Vec<PastWrite>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT side, run, source FROM journal WHERE record = ? AND state = 'closed'
                AND action NOT IN ('rename', 'delete') ORDER BY id DESC LIMIT ?",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        collect(&mut statement, params![record, limit], |row| {
            Ok(PastWrite {
                side: Side::word(&row.get::<_, String>(0)?)?,
                run: row.get(1)?,
                source: from_json(&row.get::<_, String>(2)?)?,
            })
        })
    }

    /// The documents that our last requests to a side have made or submitted there: while it
    /// carries out such a request, a site may make others by itself.
    pub fn made(&self, side: Side) -> StateResult<Vec<Made>> {
        let mut statement = self.connection.prepare_cached(&for_side(
            side,
            "SELECT j.doctype, COALESCE(r.{s}_name, json_extract(j.answer, '$.name'), ''),
                COALESCE(json_extract(j.answer, '$.modified'), r.{s}_creation, '')
             FROM journal j JOIN sync_records r ON r.id = j.record
             WHERE j.side = '{s}' AND j.action IN ('create', 'submit')
                AND j.state IN ('answered', 'closed') ORDER BY j.id DESC LIMIT 2000",
        ))?;
        collect(&mut statement, [], |row| {
            Ok(Made { doctype: row.get(0)?, name: row.get(1)?, stamp: row.get(2)? })
        })
    }

    /// Whether a document has this name on a side only because we gave it that one on the way
    /// to its own.
    pub fn is_passing_name(&self, record: i64, side: Side, name: &str) -> StateResult<bool> {
        let sql = "SELECT 1 FROM journal
            WHERE record = ?1 AND side = ?2 AND action = ?3 AND state = 'closed'
                AND json_extract(sent, '$.name') IS NOT json_extract(source, '$.name')
                AND COALESCE(json_extract(answer, '$.name'), json_extract(sent, '$.name')) = ?4";
        let params = params![record, side.as_str(), Action::Rename.as_str(), name];
        Ok(self.connection.prepare_cached(sql)?.exists(params)?)
    }

    /// Closes actions: all of them, with everything that belongs to them, or none.
    pub fn close(&mut self, closings: &[Closing], now: Timestamp) -> StateResult<()> {
        self.write(|transaction| {
            closings.iter().try_for_each(|closing| close(transaction, closing, now))
        })
    }
}

fn answer(transaction: &Transaction<'_>, intent: i64, doc: &Doc) -> StateResult<()> {
    let changed = transaction
        .prepare_cached(
            "UPDATE journal SET state = 'answered', answer = ? WHERE id = ? AND state = 'open'",
        )?
        .execute(params![to_json(doc)?, intent])?;
    if changed == 1 { Ok(()) } else { Err(StateError::NoIntent(intent)) }
}

fn begin(transaction: &Transaction, intent: &NewIntent, now: Timestamp) -> StateResult<i64> {
    if let Some(conflict) = &intent.conflict {
        conflicts::save(transaction, conflict, now)?;
    }
    let changed = transaction
        .prepare_cached(
            "UPDATE sync_records SET is_syncing = TRUE, sync_status = 'pending', waits_for = NULL,
                updated_at = ? WHERE id = ?",
        )?
        .execute(params![time::stamp(now), intent.record])?;
    expect_record(changed, intent.record)?;
    transaction
        .prepare_cached(
            "INSERT INTO journal (record, run, doctype, side, action, target_name,
                target_modified, target, source, sent, omitted, resolution, reason, site_time,
                created_at, form_digest)
             SELECT id, ?2, doctype, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15
             FROM sync_records WHERE id = ?1",
        )?
        .execute(params![
            intent.record,
            intent.run,
            intent.side.as_str(),
            intent.action.as_str(),
            intent.target_name,
            intent.target_modified,
            intent.target.as_ref().map(to_json).transpose()?,
            to_json(&intent.source)?,
            to_json(&intent.sent)?,
            to_json(&intent.omitted)?,
            intent.resolution.map(Resolution::as_str),
            intent.reason,
            intent.site_time.map(time::stamp),
            time::stamp(now),
            intent.form_digest,
        ])?;
    Ok(transaction.last_insert_rowid())
}

fn close(transaction: &Transaction, closing: &Closing, now: Timestamp) -> StateResult<()> {
    for side in Side::BOTH {
        free_name(transaction, closing, side, now)?;
    }
    save_sides(transaction, closing, now)?;
    if let Some(rows) = &closing.rows {
        save_rows(transaction, closing.record, rows)?;
    }
    if let Some(intent) = closing.intent {
        end(transaction, intent, closing.record, now)?;
    }
    refresh_is_syncing(transaction, closing.record)?;
    if closing.resolution.is_some() || closing.status != RecordStatus::Conflict {
        let resolution = closing.resolution.unwrap_or(Resolution::Superseded);
        conflicts::settle(transaction, closing.record, resolution, now)?;
    }
    log::insert(transaction, closing.record, closing.log.as_ref(), now)
}

/// A site has one document of a name: what was known by the name that this one has now is not
/// there any more, although nobody has seen it go. A site deletes a customer's contacts with the
/// customer, and a new contact gets the name of an old one.
fn free_name(
    transaction: &Transaction,
    closing: &Closing,
    side: Side,
    now: Timestamp,
) -> StateResult<()> {
    let sql = for_side(
        side,
        "SELECT id FROM sync_records
         WHERE doctype = (SELECT doctype FROM sync_records WHERE id = ?1) AND {s}_name = ?2
            AND {s}_creation <> ?3 AND sync_status <> 'gone' AND id <> ?1",
    );
    let SideState { name, creation, .. } = &closing.sides[side];
    let params = params![closing.record, name, creation];
    let before =
        transaction.prepare_cached(&sql)?.query_row(params, |row| row.get(0)).optional()?;
    match before {
        Some(before) => gone::release(transaction, before, side, now),
        None => Ok(()),
    }
}

/// Ends an intent that brought nothing about; gives its record.
fn void(transaction: &Transaction, intent: i64, why: &str, now: Timestamp) -> StateResult<i64> {
    let mut end = transaction.prepare_cached(
        "UPDATE journal SET state = 'void', outcome = ?, closed_at = ?
         WHERE id = ? AND state IN ('open', 'answered') RETURNING record",
    )?;
    let ended =
        collect(&mut end, params![why, time::stamp(now), intent], |row| Ok(row.get::<_, i64>(0)?))?;
    let record = *ended.first().ok_or(StateError::NoIntent(intent))?;
    refresh_is_syncing(transaction, record)?;
    Ok(record)
}

/// Ends an intent together with what it brought about.
pub(super) fn end(
    transaction: &Transaction,
    intent: i64,
    record: i64,
    now: Timestamp,
) -> StateResult<()> {
    let changed = transaction
        .prepare_cached(
            "UPDATE journal SET state = 'closed', closed_at = ?
             WHERE id = ? AND record = ? AND state IN ('open', 'answered')",
        )?
        .execute(params![time::stamp(now), intent, record])?;
    if changed == 1 { Ok(()) } else { Err(StateError::NoIntent(intent)) }
}

/// The only statement that writes a base: both sides, or neither.
fn save_sides(connection: &Connection, closing: &Closing, now: Timestamp) -> StateResult<()> {
    let Sides { cloud, local } = &closing.sides;
    let changed = connection
        .prepare_cached(
            "UPDATE sync_records SET
                cloud_name = ?1, cloud_creation = ?2, cloud_modified = ?3, cloud_seen = ?4,
                sync_hash_cloud = ?5, cloud_base = ?6,
                local_name = ?7, local_creation = ?8, local_modified = ?9, local_seen = ?10,
                sync_hash_local = ?11, local_base = ?12,
                form_digest = ?13, sync_status = ?14, reason = ?15, sync_direction = ?16,
                last_synced = ?17, updated_at = ?17, error_message = NULL, retry_count = 0,
                next_retry = NULL, scope_digest = NULL, waits_for = NULL,
                cloud_restored = CASE WHEN NOT ?19 THEN NULL
                    WHEN cloud_restored = cloud_seen THEN ?4 ELSE cloud_restored END,
                local_restored = CASE WHEN NOT ?19 THEN NULL
                    WHEN local_restored = local_seen THEN ?10 ELSE local_restored END
             WHERE id = ?18",
        )?
        .execute(params![
            cloud.name,
            cloud.creation,
            cloud.modified,
            cloud.seen,
            cloud.hash,
            packed::pack(&cloud.content)?,
            local.name,
            local.creation,
            local.modified,
            local.seen,
            local.hash,
            packed::pack(&local.content)?,
            closing.form_digest,
            closing.status.as_str(),
            closing.reason,
            closing.direction.as_str(),
            time::stamp(now),
            closing.record,
            is_rename(connection, closing)?
        ])?;
    expect_record(changed, closing.record)
}

/// After a rename both sides have one name and not yet one content: what a person said of a
/// side's version still holds.
fn is_rename(connection: &Connection, closing: &Closing) -> StateResult<bool> {
    let sql = "SELECT 1 FROM journal WHERE id = ? AND action = ?";
    let params = params![closing.intent, Action::Rename.as_str()];
    Ok(connection.prepare_cached(sql)?.exists(params)?)
}

fn save_rows(connection: &Connection, record: i64, rows: &[RowName]) -> StateResult<()> {
    connection.prepare_cached("DELETE FROM row_names WHERE record = ?")?.execute([record])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO row_names (record, table_field, position, cloud_row, local_row)
         VALUES (?, ?, ?, ?, ?)",
    )?;
    for row in rows {
        insert.execute(params![
            record,
            row.table,
            row.position,
            row.names.cloud,
            row.names.local
        ])?;
    }
    Ok(())
}

fn intent_from(row: &Row) -> StateResult<Intent> {
    let resolution: Option<String> = row.get("resolution")?;
    Ok(Intent {
        id: row.get("id")?,
        record: row.get("record")?,
        run: row.get("run")?,
        doctype: row.get("doctype")?,
        side: Side::word(&row.get::<_, String>("side")?)?,
        action: Action::word(&row.get::<_, String>("action")?)?,
        target_name: row.get("target_name")?,
        target_modified: row.get("target_modified")?,
        target: from_json_some(row.get("target")?)?,
        source: from_json(&row.get::<_, String>("source")?)?,
        sent: from_json(&row.get::<_, String>("sent")?)?,
        form_digest: row.get("form_digest")?,
        omitted: from_json(&row.get::<_, String>("omitted")?)?,
        resolution: resolution.as_deref().map(Resolution::word).transpose()?,
        reason: row.get("reason")?,
        site_time: time::parse_some(row.get("site_time")?)?,
        answer: from_json_some(row.get("answer")?)?,
        created_at: time::parse(&row.get::<_, String>("created_at")?)?,
    })
}
