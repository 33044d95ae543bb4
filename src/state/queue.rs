//! The queue of webhook deliveries.
//!
//! The rules kept here: a line is stored before it is worked on, and stays pending until the
//! document that it tells of was looked at, so a run that ends at any instant loses none
//! (invariant 7); the same text is stored once. A row that is rejected or ignored says so in
//! `error_message` and counts as processed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::error::StateResult;
use super::words::{RecordStatus, Word};
use super::{State, time};
use crate::model::Side;

/// How the message of a rejected row begins.
const REJECTED: &str = "rejected: ";

/// How the message of a row begins that is for nobody.
const IGNORED: &str = "ignored: ";

/// A line that came in.
#[derive(Debug, Clone)]
pub struct QueueLine {
    /// Stands for its text.
    pub digest: String,
    /// The site that sent it, where that is known.
    pub source: Option<Side>,
    /// The doctype; empty where it was rejected.
    pub doctype: String,
    /// The document's name on the sending site; empty where it was rejected.
    pub docname: String,
    /// What happened to it, in the sender's words.
    pub action: String,
    /// The body as signed, or the beginning of a rejected line.
    pub payload: String,
    /// When the receiver got it, in its own words.
    pub received_at: Option<String>,
    /// The signature.
    pub signature: Option<String>,
    /// What is to become of it.
    pub verdict: Verdict,
}

/// What is to become of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its document is to be looked at.
    Wanted,
    /// It is no delivery, for this reason.
    Rejected(String),
    /// It is a delivery for nobody, for this reason.
    Ignored(String),
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It was stored as its verdict says.
    AsJudged,
    /// It came in before and its document is still to be looked at.
    Waiting,
    /// It came in before and was done with.
    Done,
}

/// Deliveries of one site that tell of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedDocument {
    /// The doctype.
    pub doctype: String,
    /// The site that sent them.
    pub source: Side,
    /// The document's name there.
    pub name: String,
    /// The rows.
    pub rows: Vec<i64>,
}

/// What came of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// The document was looked at; the reason where nothing came of it.
    Processed(Option<String>),
    /// For nobody, for this reason.
    Ignored(String),
    /// The document failed.
    Failed(String),
}

impl State {
    /// Stores lines, each once, in one transaction.
    pub fn store_lines(
        &mut self,
        lines: &[QueueLine],
        run: Option<i64>,
        now: Timestamp,
    ) -> StateResult<Vec<Stored>> {
        let now = time::stamp(now);
        self.write(|transaction| {
            lines.iter().map(|line| store(transaction, line, run, &now)).collect()
        })
    }

    /// Takes up every delivery that waits, by document in the order in which they came in.
    pub fn begin_deliveries(&mut self, run: Option<i64>) -> StateResult<Vec<QueuedDocument>> {
        let mut documents: Vec<QueuedDocument> = Vec::new();
        self.write(|transaction| {
            transaction.execute(
                "UPDATE webhook_queue SET processing = TRUE, run = ? WHERE processed = FALSE",
                [run],
            )?;
            let mut statement = transaction.prepare_cached(
                "SELECT id, doctype, source, docname FROM webhook_queue
                 WHERE processed = FALSE ORDER BY id",
            )?;
            let mut places = BTreeMap::new();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let id: i64 = row.get(0)?;
                let source = Side::word(&row.get::<_, String>(2)?)?;
                let (doctype, name): (String, String) = (row.get(1)?, row.get(3)?);
                let key = (doctype.clone(), source, name.clone());
                let at = *places.entry(key).or_insert(documents.len());
                if at == documents.len() {
                    documents.push(QueuedDocument { doctype, source, name, rows: Vec::new() });
                }
                documents[at].rows.push(id);
            }
            Ok(())
        })?;
        Ok(documents)
    }

    /// Says what came of deliveries. Those that were taken up and are not among them wait
    /// for the next run. A delivery whose document failed waits too, and is given up after
    /// `max_attempts` runs.
    pub fn finish_deliveries(
        &mut self,
        ends: &[(&QueuedDocument, DeliveryEnd)],
        max_attempts: u32,
        now: Timestamp,
    ) -> StateResult<()> {
        let now = time::stamp(now);
        self.write(|transaction| {
            for (document, end) in ends {
                for row in &document.rows {
                    finish(transaction, *row, end, max_attempts, &now)?;
                }
            }
            transaction.execute(
                "UPDATE webhook_queue SET processing = FALSE
                 WHERE processed = FALSE AND processing = TRUE",
                [],
            )?;
            Ok(())
        })
    }

    /// How a document stands, with the reason or the error; `None` where there is no such
    /// record any more.
    pub fn standing(&self, record: i64) -> StateResult<Option<(RecordStatus, Option<String>)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT sync_status, CASE WHEN sync_status IN ('error', 'failed')
                THEN error_message ELSE reason END FROM sync_records WHERE id = ?",
        )?;
        let found: Option<(String, Option<String>)> =
            statement.query_row([record], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        found.map(|(status, why)| Ok((RecordStatus::word(&status)?, why))).transpose()
    }
}

/// What is known of a line that came in before.
struct Known {
    id: i64,
    is_processed: bool,
    is_rejected: bool,
    is_ignored: bool,
}

fn store(
    transaction: &Transaction,
    line: &QueueLine,
    run: Option<i64>,
    now: &str,
) -> StateResult<Stored> {
    let known = known(transaction, &line.digest)?;
    let id = match (&known, &line.verdict) {
        (None, _) => None,
        // It was found right when it came in, whatever the secret is now.
        (Some(known), Verdict::Wanted | Verdict::Rejected(_)) if !known.is_processed => {
            return Ok(Stored::Waiting);
        }
        (Some(known), Verdict::Ignored(_)) if !known.is_processed => Some(known.id),
        // Judged by another secret or another configuration than today's.
        (Some(known), Verdict::Wanted) if known.is_rejected || known.is_ignored => Some(known.id),
        (Some(known), Verdict::Ignored(_)) if known.is_rejected => Some(known.id),
        (Some(_), _) => return Ok(Stored::Done),
    };
    let (is_done, message) = match &line.verdict {
        Verdict::Wanted => (false, None),
        Verdict::Rejected(reason) => (true, Some(format!("{REJECTED}{reason}"))),
        Verdict::Ignored(reason) => (true, Some(format!("{IGNORED}{reason}"))),
    };
    transaction
        .prepare_cached(
            "INSERT INTO webhook_queue (id, source, doctype, docname, action, payload, processed,
                created_at, processed_at, error_message, received_at, signature, line_digest, run)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CASE WHEN ?7 THEN ?8 END, ?9, ?10, ?11, ?12,
                ?13)
             ON CONFLICT (id) DO UPDATE SET source = excluded.source, doctype = excluded.doctype,
                docname = excluded.docname, action = excluded.action, payload = excluded.payload,
                processed = excluded.processed, processed_at = excluded.processed_at,
                error_message = excluded.error_message, received_at = excluded.received_at,
                signature = excluded.signature, run = excluded.run",
        )?
        .execute(params![
            id,
            line.source.map_or("", Side::as_str),
            line.doctype,
            line.docname,
            line.action,
            line.payload,
            is_done,
            now,
            message,
            line.received_at,
            line.signature,
            line.digest,
            run
        ])?;
    Ok(Stored::AsJudged)
}

fn known(transaction: &Transaction, digest: &str) -> StateResult<Option<Known>> {
    let mut statement = transaction.prepare_cached(
        "SELECT id, processed, COALESCE(error_message, '') FROM webhook_queue
         WHERE line_digest = ?",
    )?;
    let found = statement.query_row([digest], |row| {
        let message: String = row.get(2)?;
        Ok(Known {
            id: row.get(0)?,
            is_processed: row.get(1)?,
            is_rejected: message.starts_with(REJECTED),
            is_ignored: message.starts_with(IGNORED),
        })
    });
    Ok(found.optional()?)
}

fn finish(
    transaction: &Transaction,
    row: i64,
    end: &DeliveryEnd,
    max_attempts: u32,
    now: &str,
) -> StateResult<()> {
    let (failed, message) = match end {
        DeliveryEnd::Processed(why) => (false, why.clone()),
        DeliveryEnd::Ignored(why) => (false, Some(format!("{IGNORED}{why}"))),
        DeliveryEnd::Failed(why) => (true, Some(why.clone())),
    };
    if !failed {
        transaction
            .prepare_cached(
                "UPDATE webhook_queue SET processed = TRUE, processing = FALSE,
                    processed_at = ?, error_message = ? WHERE id = ?",
            )?
            .execute(params![now, message, row])?;
        return Ok(());
    }
    transaction
        .prepare_cached(
            "UPDATE webhook_queue SET processing = FALSE, retry_count = retry_count + 1,
                processed = retry_count + 1 >= ?1,
                processed_at = CASE WHEN retry_count + 1 >= ?1 THEN ?2 END,
                error_message = CASE WHEN retry_count + 1 >= ?1
                    THEN 'given up after ' || (retry_count + 1) || ' runs: ' ELSE '' END || ?3
             WHERE id = ?4",
        )?
        .execute(params![max_attempts, now, message, row])?;
    Ok(())
}
