//! A side that shows older versions of itself, or another site altogether, and what a person said
//! should become of it.
//!
//! The rules kept here: the person's word is stored with each document before its `seen` moves,
//! and stays until both sides agree; what an open conflict shows is never replaced by what the site
//! was brought back to.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, named_params, params};

use super::error::{StateError, StateResult};
use super::seen::is_expected;
use super::types::Strangers;
use super::words::Resolution;
use super::{State, collect, conflicts, count, for_side, time, to_json};
use crate::model::Side;

/// Documents of the collected listing (`l`) whose last look (`r`) was at a later version.
const OLDER: &str = "FROM temp.listed l JOIN sync_records r INDEXED BY idx_{s}_identity
        ON r.doctype = :doctype AND r.{s}_creation = l.creation AND r.{s}_name = l.name
    WHERE l.side = '{s}' AND l.modified < r.{s}_seen AND r.sync_status <> 'gone'";

impl State {
    /// Where a side lists documents and not a single one of those that it listed when last
    /// looked at, on any day: how many there are of both, and one of each.
    pub fn strangers_only(&self, side: Side) -> StateResult<Option<Strangers>> {
        let Some(doctype) = &self.listing else { return Err(StateError::NoListing) };
        let known = "FROM sync_records r INDEXED BY idx_{s}_identity
            WHERE r.doctype = ?1 AND r.{s}_seen IS NOT NULL AND r.sync_status <> 'gone'";
        let sql = for_side(
            side,
            &format!(
                "SELECT 1 {known} AND (NOT {} OR EXISTS (SELECT 1 FROM temp.listed l
                    WHERE l.side = '{{s}}' AND l.creation = r.{{s}}_creation)) LIMIT 1",
                is_expected("r", "{s}"),
            ),
        );
        if self.connection.prepare_cached(&sql)?.exists([doctype])? {
            return Ok(None);
        }
        let number = |sql: &str| -> StateResult<usize> {
            let sql = for_side(side, sql);
            let mut statement = self.connection.prepare_cached(&sql)?;
            Ok(statement.query_row(params![doctype], |row| count(row, 0))?)
        };
        let listed = number("SELECT count(*) FROM temp.listed WHERE side = '{s}' AND ?1 <> ''")?;
        if listed == 0 {
            return Ok(None);
        }
        let sql = for_side(
            side,
            "SELECT l.name, l.creation, (SELECT r.{s}_creation FROM sync_records r
                WHERE r.doctype = ?1 AND r.{s}_name = l.name AND r.sync_status <> 'gone') AS before
             FROM temp.listed l WHERE l.side = '{s}' ORDER BY before IS NULL, l.name LIMIT 1",
        );
        let example = self
            .connection
            .prepare_cached(&sql)?
            .query_row([doctype], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((name, creation, before)) = example else { return Ok(None) };
        let known = number(&format!("SELECT count(*) {known}"))?;
        Ok(Some(Strangers { known, listed, name, creation, before }))
    }

    /// A person said that a side is to be brought back to what the other one holds. Marks what
    /// the collected listing shows in an older version than before, what is certainly `gone`, what
    /// came back from the dead, and what may have been edited on top of an older version. Gives
    /// how many documents that are; none where nothing shows that the side went back.
    pub fn mark_restored(
        &mut self,
        side: Side,
        gone: &BTreeSet<i64>,
        now: Timestamp,
    ) -> StateResult<usize> {
        let doctype = self.listing.clone().ok_or(StateError::NoListing)?;
        self.write(|transaction| {
            let work = Marking { transaction, doctype: &doctype, side, now: time::stamp(now) };
            let gone = to_json(gone)?;
            let older = work.older()?;
            let mut marked = work.mark(MARK_GONE, Some(&gone))? + work.mark(REVIVE, None)?;
            if older.is_empty() && marked == 0 {
                return Ok(0);
            }
            marked += work.mark(MARK_RENAMED, None)? + work.mark(MARK_EDITED, None)?;
            marked += work.mark(MARK_OLDER, None)?;
            work.keep_open_conflicts(&older, now)?;
            Ok(marked)
        })
    }

    /// A person said that what a side shows is right: nothing of it is to be brought back. What
    /// open conflicts showed of older versions is kept.
    pub fn take_as_right(&mut self, side: Side, now: Timestamp) -> StateResult<()> {
        let doctype = self.listing.clone().ok_or(StateError::NoListing)?;
        self.write(|transaction| {
            let work = Marking { transaction, doctype: &doctype, side, now: time::stamp(now) };
            for record in work.older()? {
                conflicts::settle(transaction, record, Resolution::Superseded, now)?;
            }
            work.mark(UNMARK, None).map(drop)
        })
    }
}

/// Known documents that are certainly gone from the side.
const MARK_GONE: &str = "UPDATE sync_records SET {s}_restored = '', {o}_restored = NULL,
        updated_at = :now
    WHERE doctype = :doctype AND sync_status <> 'gone' AND cloud_base IS NOT NULL
        AND id IN (SELECT value FROM json_each(:some))";

/// What both sides had deleted and the side lists again, the very same document. What was saved
/// after the deletion is an edit.
const REVIVE: &str = "UPDATE sync_records SET sync_status = 'pending', {s}_seen = l.modified,
        {s}_restored = CASE WHEN l.modified <= {s}_modified THEN l.modified ELSE '' END,
        {o}_name = CASE WHEN EXISTS (SELECT 1 FROM sync_records other
            WHERE other.doctype = :doctype AND other.{o}_name = sync_records.{o}_name
                AND other.sync_status <> 'gone') THEN NULL ELSE {o}_name END,
        reason = 'deleted on both sides, and back on {s}', updated_at = :now
    FROM temp.listed l
    WHERE l.side = '{s}' AND sync_records.id = (SELECT max(r.id) FROM sync_records r
            WHERE r.doctype = :doctype AND r.{s}_name = l.name AND r.{s}_creation = l.creation
                AND r.sync_status = 'gone' AND r.cloud_base IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM sync_records living
            WHERE living.doctype = :doctype AND living.{s}_name = l.name
                AND living.sync_status <> 'gone')";

/// What has a name again that it had before, without having been saved.
const MARK_RENAMED: &str = "UPDATE sync_records SET {s}_restored = l.modified,
        {o}_restored = NULL, updated_at = :now
    FROM temp.listed l
    WHERE l.side = '{s}' AND sync_records.doctype = :doctype
        AND sync_records.{s}_creation = l.creation AND sync_records.{s}_name <> l.name
        AND sync_records.{s}_seen >= l.modified AND sync_records.sync_status <> 'gone'
        AND cloud_base IS NOT NULL
        AND EXISTS (SELECT 1 FROM former_names former WHERE former.record = sync_records.id
            AND former.side = '{s}' AND former.name = l.name)";

/// What was saved since, on top of a version that may have been an older one. What both sides
/// agreed on before the last save that is still there was surely not undone.
const MARK_EDITED: &str = "UPDATE sync_records SET {s}_restored = '', {o}_restored = NULL,
        updated_at = :now
    FROM temp.listed l
    WHERE l.side = '{s}' AND sync_records.doctype = :doctype
        AND sync_records.{s}_creation = l.creation AND sync_records.{s}_name = l.name
        AND sync_records.{s}_seen < l.modified AND sync_records.sync_status <> 'gone'
        AND cloud_base IS NOT NULL
        AND {s}_modified > COALESCE((SELECT max(known.modified)
            FROM temp.listed known JOIN sync_records r INDEXED BY idx_{s}_identity
                ON r.doctype = :doctype AND r.{s}_creation = known.creation
                    AND r.{s}_name = known.name
            WHERE known.side = '{s}' AND known.modified <= r.{s}_seen), '')";

/// What the side shows in an older version than before.
const MARK_OLDER: &str = "UPDATE sync_records SET {s}_restored = l.modified,
        {o}_restored = NULL, updated_at = :now
    FROM temp.listed l
    WHERE l.side = '{s}' AND sync_records.doctype = :doctype
        AND sync_records.{s}_creation = l.creation AND sync_records.{s}_name = l.name
        AND sync_records.{s}_seen > l.modified AND sync_records.sync_status <> 'gone'
        AND cloud_base IS NOT NULL";

const UNMARK: &str = "UPDATE sync_records SET {s}_restored = NULL, updated_at = :now
    WHERE doctype = :doctype AND {s}_restored IS NOT NULL";

/// A person's word about one side of a doctype, on its way into the records.
struct Marking<'a> {
    transaction: &'a Transaction<'a>,
    doctype: &'a str,
    side: Side,
    now: String,
}

impl Marking<'_> {
    fn mark(&self, sql: &str, some: Option<&str>) -> StateResult<usize> {
        let sql = for_side(self.side, sql);
        let mut statement = self.transaction.prepare_cached(&sql)?;
        Ok(match some {
            Some(some) => statement.execute(
                named_params! {":doctype": self.doctype, ":now": self.now, ":some": some},
            )?,
            None => {
                statement.execute(named_params! {":doctype": self.doctype, ":now": self.now})?
            }
        })
    }

    /// The records that the side shows in an older version than before.
    fn older(&self) -> StateResult<Vec<i64>> {
        let sql = for_side(self.side, &format!("SELECT r.id {OLDER} ORDER BY r.id"));
        let mut statement = self.transaction.prepare_cached(&sql)?;
        collect(&mut statement, named_params! {":doctype": self.doctype}, |row| Ok(row.get(0)?))
    }

    /// An open conflict shows an edit that the side has no more: it is kept as it is, and the
    /// document waits in a new one.
    fn keep_open_conflicts(&self, older: &[i64], now: Timestamp) -> StateResult<()> {
        let sql = for_side(self.side, "UPDATE sync_records SET {s}_restored = '' WHERE id = ?");
        let mut mark = self.transaction.prepare_cached(&sql)?;
        for record in older {
            if conflicts::settle(self.transaction, *record, Resolution::Superseded, now)? {
                mark.execute([record])?;
            }
        }
        Ok(())
    }
}
