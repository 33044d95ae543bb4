//! What happened: the audit trail, the runs, and the totals that `status` shows.
//!
//! Rows of the audit trail are only ever added, in the transaction of what they tell of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::error::{StateError, StateResult};
use super::records::expect_record;
use super::types::{
    FailedDocument, ListingTimes, LogEntry, LogFilter, LogRow, Run, StatusTotal, WholeListing,
};
use super::words::{LogStatus, RecordStatus, Word};
use super::{State, collect, count, from_json_some, sums, time, to_json};
use crate::model::{Action, Direction, Sides};

impl State {
    /// Begins a run.
    pub fn start_run(&mut self, command: &str, now: Timestamp) -> StateResult<i64> {
        self.write_at_leisure(|transaction| {
            transaction.execute(
                "INSERT INTO runs (command, started_at) VALUES (?, ?)",
                params![command, time::stamp(now)],
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// Ends a run, and keeps the sums over what it has seen.
    pub fn finish_run(
        &mut self,
        run: i64,
        exit_code: i32,
        requests: Sides<u64>,
        summary: &Value,
        now: Timestamp,
    ) -> StateResult<()> {
        let number = |requests| i64::try_from(requests).unwrap_or(i64::MAX);
        // Closing the database waits for the disk.
        self.write_at_leisure(|transaction| {
            let changed = transaction.execute(
                "UPDATE runs SET finished_at = ?, exit_code = ?, cloud_requests = ?,
                    local_requests = ?, summary = ? WHERE id = ?",
                params![
                    time::stamp(now),
                    exit_code,
                    number(requests.cloud),
                    number(requests.local),
                    to_json(summary)?,
                    run
                ],
            )?;
            expect_record(changed, run)?;
            sums::keep_sums(transaction)
        })
    }

    /// Adds a row of the audit trail that goes with no change of the record.
    pub fn add_log(&mut self, record: i64, entry: &LogEntry, now: Timestamp) -> StateResult<()> {
        self.write(|transaction| insert(transaction, record, Some(entry), now))
    }

    /// The last runs, newest first.
    pub fn recent_runs(&self, limit: usize) -> StateResult<Vec<Run>> {
        let mut statement =
            self.connection.prepare_cached("SELECT * FROM runs ORDER BY id DESC LIMIT ?")?;
        collect(&mut statement, [limit_of(Some(limit))], run_from)
    }

    /// The audit trail, newest first.
    pub fn log(&self, filter: &LogFilter) -> StateResult<Vec<LogRow>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT * FROM sync_logs
             WHERE (?1 IS NULL OR doctype = ?1) AND (?2 IS NULL OR run = ?2)
                AND (?3 IS NULL OR timestamp >= ?3)
                AND (?4 IS NULL OR docname = ?4
                    OR record IN (SELECT value FROM json_each(?6)))
             ORDER BY timestamp DESC, id DESC LIMIT ?5",
        )?;
        let meant = filter.name.map(|name| self.meant(filter.doctype, name, "TRUE")).transpose()?;
        let params = params![
            filter.doctype,
            filter.run,
            filter.since.map(time::stamp),
            filter.name,
            limit_of(filter.limit),
            to_json(&meant.unwrap_or_default())?
        ];
        collect(&mut statement, params, log_from)
    }

    /// How many documents there are of each doctype and status.
    pub fn totals(&self) -> StateResult<Vec<StatusTotal>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT doctype, sync_status, documents FROM totals WHERE documents > 0
             ORDER BY doctype, sync_status",
        )?;
        collect(&mut statement, [], |row| {
            Ok(StatusTotal {
                doctype: row.get(0)?,
                status: RecordStatus::word(&row.get::<_, String>(1)?)?,
                count: count(row, 2)?,
            })
        })
    }

    /// How many documents of one doctype have which status.
    pub fn totals_of(&self, doctype: &str) -> StateResult<BTreeMap<RecordStatus, usize>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT sync_status, documents FROM totals WHERE doctype = ? AND documents > 0",
        )?;
        let totals = collect(&mut statement, [doctype], |row| {
            Ok((RecordStatus::word(&row.get::<_, String>(0)?)?, count(row, 1)?))
        })?;
        Ok(totals.into_iter().collect())
    }

    /// The documents whose last attempt failed, by doctype and name.
    pub fn failed_documents(&self) -> StateResult<Vec<FailedDocument>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, doctype, docname, sync_status, error_message, retry_count, next_retry
             FROM sync_records WHERE sync_status IN ('error', 'failed')
             ORDER BY doctype, docname, id",
        )?;
        collect(&mut statement, [], |row| {
            Ok(FailedDocument {
                record: row.get(0)?,
                doctype: row.get(1)?,
                docname: row.get(2)?,
                status: RecordStatus::word(&row.get::<_, String>(3)?)?,
                message: row.get(4)?,
                retry_count: row.get(5)?,
                next_retry: time::parse_some(row.get(6)?)?,
            })
        })
    }

    /// How many webhook deliveries wait.
    pub fn pending_webhooks(&self) -> StateResult<usize> {
        let sql = "SELECT count(*) FROM webhook_queue WHERE processed = FALSE";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| count(row, 0))?)
    }

    /// When everything of a doctype was last gone through.
    pub fn last_listed(&self, doctype: &str) -> StateResult<ListingTimes> {
        let mut statement = self.connection.prepare_cached(
            "SELECT last_listed_at, last_full_at, sums_refused_at, scope FROM listings
             WHERE doctype = ?",
        )?;
        let found = statement
            .query_row([doctype], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let (listed, full, refused, scope) = found.unwrap_or_default();
        Ok(ListingTimes {
            listed: time::parse_some(listed)?,
            full: time::parse_some(full)?,
            refused: time::parse_some(refused)?,
            scope,
        })
    }

    /// Notes that every document of a doctype was listed.
    pub fn set_listed(
        &mut self,
        doctype: &str,
        whole: &WholeListing<'_>,
        now: Timestamp,
    ) -> StateResult<()> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO listings (doctype, scope, last_listed_at, last_full_at,
                    sums_refused_at)
                 VALUES (?1, ?2, ?3, CASE WHEN ?4 THEN ?3 END, CASE WHEN ?5 THEN ?3 END)
                 ON CONFLICT (doctype) DO UPDATE SET scope = excluded.scope,
                    last_listed_at = excluded.last_listed_at,
                    last_full_at = COALESCE(excluded.last_full_at, last_full_at),
                    sums_refused_at = COALESCE(excluded.sums_refused_at, sums_refused_at)",
                params![doctype, whole.scope, time::stamp(now), whole.full, whole.are_sums_refused],
            )?;
            Ok(())
        })
    }
}

/// Adds a row to the audit trail, where there is one to add.
pub(super) fn insert(
    connection: &Connection,
    record: i64,
    entry: Option<&LogEntry>,
    now: Timestamp,
) -> StateResult<()> {
    let Some(entry) = entry else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT INTO sync_logs (timestamp, doctype, docname, action, direction, status,
                message, changes_json, run, record)
             SELECT ?1, doctype, docname, ?2, ?3, ?4, ?5, ?6, ?7, id
             FROM sync_records WHERE id = ?8",
        )?
        .execute(params![
            time::stamp(now),
            entry.action.as_str(),
            entry.direction.as_str(),
            entry.status.as_str(),
            entry.message,
            entry.changes.as_ref().map(to_json).transpose()?,
            entry.run,
            record
        ])
        .map_err(StateError::from)
        .and_then(|changed| expect_record(changed, record))
}

/// `SQLite`'s way to say "no limit" is a negative number.
fn limit_of(limit: Option<usize>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

fn log_from(row: &Row) -> StateResult<LogRow> {
    Ok(LogRow {
        id: row.get("id")?,
        timestamp: time::parse(&row.get::<_, String>("timestamp")?)?,
        doctype: row.get("doctype")?,
        docname: row.get("docname")?,
        record: row.get("record")?,
        entry: LogEntry {
            run: row.get("run")?,
            action: Action::word(&row.get::<_, String>("action")?)?,
            direction: Direction::word(&row.get::<_, String>("direction")?)?,
            status: LogStatus::word(&row.get::<_, String>("status")?)?,
            message: row.get("message")?,
            changes: from_json_some(row.get("changes_json")?)?,
        },
    })
}

fn run_from(row: &Row) -> StateResult<Run> {
    let number = |column: &str| -> StateResult<u64> {
        Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
    };
    Ok(Run {
        id: row.get("id")?,
        command: row.get("command")?,
        started_at: time::parse(&row.get::<_, String>("started_at")?)?,
        finished_at: time::parse_some(row.get("finished_at")?)?,
        exit_code: row.get("exit_code")?,
        requests: Sides::new(number("cloud_requests")?, number("local_requests")?),
        summary: from_json_some(row.get("summary")?)?,
    })
}
