//! Which record holds which documents: what turns out to be one document comes into one
//! record, what turns out to be two into two.
//!
//! The rule kept here: a document that was ever in step stays where it is, and so does one of
//! which a person said that it is its own; only other documents without a base change places.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;

use super::error::StateResult;
use super::gone::holds_one;
use super::types::{Listed, NewConflict, Origin, United};
use super::words::Resolution;
use super::{State, conflicts, for_side, packed, time};
use crate::model::{Side, Sides};

impl State {
    /// Two records that turned out to be the two sides of one document become one: `keep`
    /// takes the names that only `other` has. Neither was ever in step, so nothing is lost.
    pub fn join_records(&mut self, keep: i64, other: i64, now: Timestamp) -> StateResult<()> {
        self.write(|transaction| join(transaction, keep, other, now))
    }

    /// Gives the document of one side a record of its own. The conflict that both were in
    /// stays with the other side's document.
    pub fn split_record(&mut self, record: i64, side: Side, now: Timestamp) -> StateResult<i64> {
        self.write(|transaction| split(transaction, record, side, now))
    }

    /// Two documents of one name that stood for each other turned out to be two: what was in step
    /// with links to them is looked at, and its links count as changed on both sides, since each
    /// site's meant its own. Gives the doctypes and records. Reads every base once.
    pub fn part_links(
        &mut self,
        names: &BTreeSet<String>,
        now: Timestamp,
    ) -> StateResult<Vec<(String, i64)>> {
        self.write(|transaction| {
            let mut referrers = Vec::new();
            let mut select = transaction.prepare_cached(
                "SELECT id, doctype, docname, cloud_base, local_base FROM sync_records
                 WHERE sync_status <> 'gone' AND cloud_base IS NOT NULL",
            )?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let [cloud, local] = Side::BOTH.map(|side| packed::base_json(row, side));
                let refers = |base: Option<String>| base.is_some_and(|it| holds_one(&it, names));
                if !refers(cloud?) || !refers(local?) {
                    continue;
                }
                let [cloud, local] = Side::BOTH.map(|side| packed::base(row, side));
                if let Some((cloud, local)) = cloud?.zip(local?) {
                    let bases = [cloud, local].map(|base| without(base, names));
                    referrers.push((row.get(1)?, row.get(0)?, bases));
                }
            }
            let mut part = transaction.prepare_cached(
                "UPDATE sync_records SET cloud_base = ?, local_base = ?, sync_hash_cloud = NULL,
                    sync_hash_local = NULL, sync_status = 'pending', reason = ?, updated_at = ?
                 WHERE id = ?",
            )?;
            let reason = "linked to one document that turned out to be two";
            let mut parted = Vec::with_capacity(referrers.len());
            for (doctype, record, bases) in referrers {
                let [cloud, local] = bases.map(|base| packed::pack(&base));
                part.execute(params![cloud?, local?, reason, time::stamp(now), record])?;
                parted.push((doctype, record));
            }
            Ok(parted)
        })
    }

    /// Puts a document of one side into the record of the document that it is on the other.
    /// `None`, and nothing is changed, where either is known as another one already.
    pub fn unite(
        &mut self,
        keep: i64,
        side: Side,
        document: &Listed,
        origin: Origin,
        now: Timestamp,
    ) -> StateResult<Option<United>> {
        self.write(|transaction| unite(transaction, keep, side, document, origin, now))
    }

    /// A person, or a rule, said that the documents of a record are documents of their own,
    /// whatever they look like; that of `leaves` goes into a record of its own, the conflict
    /// stays. Either may have been found under the other's name only, and not be known yet. A rule
    /// settles a `conflict` that is not recorded yet. Gives the records.
    pub fn tell_apart(
        &mut self,
        record: i64,
        leaves: Option<(Side, &Sides<Listed>)>,
        conflict: Option<&NewConflict>,
        now: Timestamp,
    ) -> StateResult<Vec<i64>> {
        self.write(|transaction| {
            if let Some(conflict) = conflict {
                conflicts::save(transaction, conflict, now)?;
            }
            for (side, document) in leaves.iter().flat_map(|(_, documents)| documents.iter()) {
                take_note(transaction, record, side, document)?;
            }
            let left = leaves.map(|(side, _)| split(transaction, record, side, now)).transpose()?;
            let records: Vec<i64> = [record].into_iter().chain(left).collect();
            for record in &records {
                transaction.execute(
                    "UPDATE sync_records SET is_apart = TRUE, sync_status = 'pending',
                        reason = NULL, next_retry = NULL, updated_at = ? WHERE id = ?",
                    params![time::stamp(now), record],
                )?;
            }
            Ok(records)
        })
    }
}

/// A document without the fields that hold one of these names; its own name stays.
fn without(mut document: Value, names: &BTreeSet<String>) -> Value {
    fn strip(value: &mut Value, names: &BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                fields.retain(|field, value| {
                    field == "name" || value.as_str().is_none_or(|text| !names.contains(text))
                });
                fields.values_mut().for_each(|value| strip(value, names));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| strip(item, names)),
            _ => {}
        }
    }
    strip(&mut document, names);
    document
}

/// What a record holds on one side.
struct Held {
    record: i64,
    name: Option<String>,
    has_other: bool,
    has_base: bool,
    is_fixed: bool,
}

fn held(
    transaction: &Transaction,
    side: Side,
    condition: &str,
    params: impl rusqlite::Params,
) -> StateResult<Option<Held>> {
    let sql = for_side(
        side,
        &format!(
            "SELECT id, {{s}}_name, {{o}}_name IS NOT NULL, cloud_base IS NOT NULL,
                cloud_base IS NOT NULL OR is_syncing OR is_apart
             FROM sync_records WHERE {condition} AND sync_status <> 'gone'"
        ),
    );
    let read = |row: &rusqlite::Row| {
        Ok(Held {
            record: row.get(0)?,
            name: row.get(1)?,
            has_other: row.get(2)?,
            has_base: row.get(3)?,
            is_fixed: row.get(4)?,
        })
    };
    Ok(transaction.prepare_cached(&sql)?.query_row(params, read).optional()?)
}

fn unite(
    transaction: &Transaction,
    keep: i64,
    side: Side,
    document: &Listed,
    origin: Origin,
    now: Timestamp,
) -> StateResult<Option<United>> {
    let mut united = United::default();
    let Some(kept) = held(transaction, side, "id = ?", [keep])? else { return Ok(None) };
    let namesake = "doctype = (SELECT doctype FROM sync_records WHERE id = ?1)
        AND {s}_name = ?2 AND id <> ?1";
    let before = held(transaction, side, namesake, params![keep, document.name])?;
    if kept.name.as_ref() == Some(&document.name) {
        let sql = "UPDATE sync_records SET is_proven = TRUE WHERE id = ?";
        transaction.execute(sql, [keep])?;
        return Ok(Some(united));
    }
    if (kept.is_fixed && origin == Origin::Met)
        || before.as_ref().is_some_and(|before| before.is_fixed)
    {
        return Ok(None);
    }
    // What was in step and is made anew has the name of the document that is gone: the new one
    // takes its place.
    if kept.name.is_some() && !kept.has_base {
        united.left.push(split(transaction, keep, side, now)?);
    }
    if origin == Origin::Met {
        conflicts::settle(transaction, keep, Resolution::Superseded, now)?;
    }
    match before {
        Some(Held { record, has_other: true, .. }) => {
            release(transaction, record, side, now)?;
            conflicts::settle(transaction, record, Resolution::Superseded, now)?;
            united.left.push(record);
        }
        Some(Held { record, .. }) => {
            join(transaction, keep, record, now)?;
            united.dissolved = Some(record);
        }
        None => {}
    }
    let sql = for_side(
        side,
        "UPDATE sync_records SET {s}_name = ?1, {s}_creation = ?2, {s}_seen = ?3,
            sync_status = 'pending', reason = NULL, next_retry = NULL, is_proven = TRUE,
            updated_at = ?4
         WHERE id = ?5",
    );
    let Listed { name, creation, modified, .. } = document;
    transaction.execute(&sql, params![name, creation, modified, time::stamp(now), keep])?;
    Ok(Some(united))
}

/// Gives a record the document that was found for it on a side where it had none.
fn take_note(
    transaction: &Transaction,
    record: i64,
    side: Side,
    document: &Listed,
) -> StateResult<()> {
    let sql = for_side(
        side,
        "UPDATE sync_records SET {s}_name = ?1, {s}_creation = ?2, {s}_seen = ?3
         WHERE id = ?4 AND {s}_name IS NULL",
    );
    let Listed { name, creation, modified, .. } = document;
    transaction.execute(&sql, params![name, creation, modified, record])?;
    Ok(())
}

fn split(transaction: &Transaction, record: i64, side: Side, now: Timestamp) -> StateResult<i64> {
    // The name is unique: it is freed before it is taken again.
    let sql = for_side(
        side,
        "SELECT doctype, {s}_name, {s}_creation, {s}_seen FROM sync_records WHERE id = ?",
    );
    let text = |row: &rusqlite::Row, column| row.get::<_, Option<String>>(column);
    let held: [Option<String>; 4] = transaction.query_row(&sql, [record], |row| {
        Ok([text(row, 0)?, text(row, 1)?, text(row, 2)?, text(row, 3)?])
    })?;
    release(transaction, record, side, now)?;
    let [doctype, name, creation, seen] = held;
    let sql = for_side(
        side,
        "INSERT INTO sync_records (doctype, docname, {s}_name, {s}_creation, {s}_seen,
            sync_status, created_at, updated_at)
         VALUES (?1, ?2, ?2, ?3, ?4, 'pending', ?5, ?5)",
    );
    transaction.execute(&sql, params![doctype, name, creation, seen, time::stamp(now)])?;
    Ok(transaction.last_insert_rowid())
}

/// Takes the document of one side out of a record. Its own name becomes that of the other.
fn release(transaction: &Transaction, record: i64, side: Side, now: Timestamp) -> StateResult<()> {
    let sql = for_side(
        side,
        "UPDATE sync_records SET {s}_name = NULL, {s}_creation = NULL, {s}_seen = NULL,
            docname = {o}_name, is_proven = FALSE, sync_status = 'pending', reason = NULL, next_retry = NULL,
            updated_at = ? WHERE id = ?",
    );
    transaction.execute(&sql, params![time::stamp(now), record])?;
    Ok(())
}

fn join(transaction: &Transaction, keep: i64, other: i64, now: Timestamp) -> StateResult<()> {
    let read = |side: Side| {
        let sql = for_side(
            side,
            "SELECT {s}_name, {s}_creation, {s}_seen FROM sync_records
             WHERE id = ? AND cloud_base IS NULL",
        );
        transaction.query_row(&sql, [other], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?])
        })
    };
    let known = Sides::new(read(Side::Cloud)?, read(Side::Local)?);
    conflicts::settle(transaction, other, Resolution::Superseded, now)?;
    for table in ["sync_logs", "journal", "conflict_records"] {
        let sql = format!("UPDATE {table} SET record = ? WHERE record = ?");
        transaction.execute(&sql, [keep, other])?;
    }
    transaction.execute("DELETE FROM sync_records WHERE id = ?", [other])?;
    for (side, [name, creation, seen]) in known.iter() {
        let sql = for_side(
            side,
            "UPDATE sync_records SET {s}_name = ?1, {s}_creation = ?2, {s}_seen = ?3,
                updated_at = ?4 WHERE id = ?5 AND {s}_name IS NULL AND ?1 IS NOT NULL",
        );
        transaction.execute(&sql, params![name, creation, seen, time::stamp(now), keep])?;
    }
    Ok(())
}
