//! What the sites list, against what the state knows: set against set, whatever the number.
//!
//! A listing is collected in a temporary table and taken over in one transaction. The rules
//! kept here: a document is its name *and* its `creation`; `seen` moves only together with
//! `pending`; a document that is not listed is never called deleted, only unseen.
//!
//! Whether `seen` is there is also the mark for what was noticed already: a document that is
//! missing or replaced becomes `pending` once, when its `seen` is cleared, and not again
//! until it has been listed in between.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, named_params, params};

use super::error::{StateError, StateResult};
use super::searches::{join_cloned_sql, join_sql, replaced_sql};
use super::seen::{self, EXPECTED, is_expected};
use super::types::{Absorbed, Listed, Renamed, SteppedBack};
use super::{State, collect, for_side, gone, time};
use crate::model::{Side, Sides};

/// `record` is the living record of that name and `creation`, `moved` whether the document
/// was saved since it was last seen.
const TABLES: &str = "
    CREATE TEMP TABLE IF NOT EXISTS listed (
        side TEXT NOT NULL,
        name TEXT NOT NULL,
        creation TEXT NOT NULL,
        modified TEXT NOT NULL,
        taken_up BOOLEAN NOT NULL,
        record INTEGER,
        moved BOOLEAN NOT NULL DEFAULT FALSE,
        PRIMARY KEY (side, name)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS temp.listed_creation ON listed (side, creation);";

const CLEAR: &str = "DELETE FROM temp.listed; DELETE FROM temp.covered";

impl State {
    /// Empties the tables of a listing. They are made when the first one is collected: a run in
    /// which nothing is new does without.
    fn clear_listing(&self) -> StateResult<()> {
        self.connection.execute_batch(TABLES)?;
        self.connection.execute_batch(seen::TABLE)?;
        Ok(self.connection.execute_batch(CLEAR)?)
    }

    /// Begins to collect a listing of a doctype; one that was not absorbed is dropped. Which
    /// days it has is said with [`State::cover_everything`] or [`State::cover_days`].
    pub fn begin_listing(&mut self, doctype: &str) -> StateResult<()> {
        self.clear_listing()?;
        self.listing = Some(doctype.to_owned());
        Ok(())
    }

    /// Adds a page. A name may come twice: the later `modified` line counts, and it is taken
    /// up if either says so.
    pub fn add_listed(&mut self, side: Side, page: &[Listed]) -> StateResult<()> {
        if self.listing.is_none() {
            return Err(StateError::NoListing);
        }
        let transaction = self.connection.transaction()?;
        insert_listed(&transaction, side, page)?;
        Ok(transaction.commit()?)
    }

    /// Documents of the collected listing whose `modified` is before the one last seen of the
    /// very same document. Stamps of one site compare as text.
    pub fn stepped_back(&self) -> StateResult<Vec<SteppedBack>> {
        let Some(doctype) = &self.listing else { return Err(StateError::NoListing) };
        let mut older = Vec::new();
        for side in Side::BOTH {
            let sql = for_side(
                side,
                "SELECT l.name, r.{s}_seen, l.modified
                 FROM temp.listed l JOIN sync_records r INDEXED BY idx_{s}_identity
                    ON r.doctype = ?1 AND r.{s}_creation = l.creation AND r.{s}_name = l.name
                 WHERE l.side = '{s}' AND l.modified < r.{s}_seen AND r.sync_status <> 'gone'
                 ORDER BY l.name",
            );
            let mut statement = self.connection.prepare_cached(&sql)?;
            older.extend(collect(&mut statement, [doctype], |row| {
                let (name, seen, modified) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(SteppedBack { side, name, seen, modified })
            })?);
        }
        Ok(older)
    }

    /// Takes over the listing of both sides: what it should show and does not is reported
    /// missing. `certain` are documents that are certainly gone: where another
    /// one has the name now, that is a document of its own.
    pub fn absorb_listing(
        &mut self,
        certain: &BTreeSet<(i64, Side)>,
        now: Timestamp,
    ) -> StateResult<Absorbed> {
        let doctype = self.listing.take().ok_or(StateError::NoListing)?;
        let absorbed = self.write(|transaction| {
            let work = Absorption { transaction, doctype: &doctype, now: time::stamp(now) };
            let mut absorbed = Absorbed::default();
            for side in Side::BOTH {
                work.match_known(side)?;
                for record in work.replaced(side)? {
                    if certain.contains(&(record, side)) {
                        gone::release(transaction, record, side, now)?;
                    }
                }
                absorbed.renamed.extend(work.follow_renames(side)?);
                work.mark_moved(side)?;
                absorbed.replaced.extend(work.mark_replaced(side)?);
                absorbed.missing.extend(work.mark_missing(side)?);
                work.mark_outside(side)?;
            }
            work.take_up_unknown(true)?;
            Ok(absorbed)
        })?;
        self.connection.execute_batch(CLEAR)?;
        Ok(absorbed)
    }

    /// The records of documents that were looked up one by one, new ones included. `found`
    /// is what each side has under the name asked for; two records come back where the two
    /// sides' documents are known to be different ones.
    ///
    /// A document whose `creation` is known under another name gives that record with its
    /// `seen` cleared: a single look-up cannot tell that the old name is free.
    pub fn ensure_records(
        &mut self,
        doctype: &str,
        found: &Sides<Option<Listed>>,
        now: Timestamp,
    ) -> StateResult<Vec<i64>> {
        self.listing = None;
        self.clear_listing()?;
        self.write(|transaction| {
            let work = Absorption { transaction, doctype, now: time::stamp(now) };
            for (side, listed) in found.iter() {
                // A look-up by name is about a document whatever its day is.
                seen::cover_everything(transaction, side)?;
                let taken_up = listed.iter().map(|one| Listed { taken_up: true, ..one.clone() });
                insert_listed(transaction, side, &taken_up.collect::<Vec<_>>())?;
                work.match_known(side)?;
                work.match_creation(side)?;
                work.mark_moved(side)?;
                work.mark_replaced(side)?;
            }
            work.take_up_unknown(false)?;
            let mut records = BTreeSet::new();
            for side in Side::BOTH {
                let mut statement = transaction.prepare_cached(&for_side(
                    side,
                    "SELECT COALESCE(l.record, r.id) FROM temp.listed l
                     LEFT JOIN sync_records r ON r.doctype = ?1 AND r.{s}_name = l.name
                        AND r.sync_status <> 'gone'
                     WHERE l.side = '{s}'",
                ))?;
                records.extend(collect(&mut statement, [doctype], |row| {
                    Ok(row.get::<_, Option<i64>>(0)?)
                })?);
            }
            Ok(records.into_iter().flatten().collect())
        })
    }
}

fn insert_listed(connection: &Connection, side: Side, page: &[Listed]) -> StateResult<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO temp.listed (side, name, creation, modified, taken_up)
         VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (side, name) DO UPDATE SET creation = excluded.creation,
            modified = excluded.modified, taken_up = taken_up OR excluded.taken_up",
    )?;
    for one in page {
        insert.execute(params![
            side.as_str(),
            one.name,
            one.creation,
            one.modified,
            one.taken_up
        ])?;
    }
    Ok(())
}

/// One listing on its way into the records. Each step is one statement for one side, but for
/// renames, which are few.
struct Absorption<'a> {
    transaction: &'a Transaction<'a>,
    doctype: &'a str,
    now: String,
}

impl Absorption<'_> {
    /// Known documents: same name, same `creation`. Reads the covering index only.
    fn match_known(&self, side: Side) -> StateResult<()> {
        let sql = for_side(
            side,
            "UPDATE temp.listed SET (record, moved) = (
                SELECT r.id, r.{s}_seen IS NOT listed.modified
                FROM sync_records r INDEXED BY idx_{s}_identity
                WHERE r.doctype = ?1 AND r.{s}_creation = listed.creation
                    AND r.{s}_name = listed.name AND r.sync_status <> 'gone'
                UNION ALL SELECT NULL, FALSE LIMIT 1)
             WHERE side = '{s}'",
        );
        self.transaction.prepare_cached(&sql)?.execute([self.doctype])?;
        Ok(())
    }

    /// Saved since last seen: the need is recorded, and with it `seen` moves.
    fn mark_moved(&self, side: Side) -> StateResult<()> {
        let sql = for_side(
            side,
            "UPDATE sync_records
             SET {s}_seen = l.modified, sync_status = 'pending', reason = NULL,
                next_retry = NULL, updated_at = ?1
             FROM temp.listed l
             WHERE l.side = '{s}' AND l.moved AND sync_records.id = l.record",
        );
        self.transaction.prepare_cached(&sql)?.execute([&self.now])?;
        Ok(())
    }

    /// Which known documents the filters leave out.
    fn mark_outside(&self, side: Side) -> StateResult<()> {
        for sql in [
            "UPDATE sync_records INDEXED BY idx_{s}_outside SET {s}_outside = FALSE
             WHERE doctype = ?1 AND {s}_outside AND id NOT IN (SELECT l.record
                FROM temp.listed l
                WHERE l.side = '{s}' AND l.record IS NOT NULL AND NOT l.taken_up)",
            "UPDATE sync_records SET {s}_outside = TRUE FROM temp.listed l
             WHERE l.side = '{s}' AND NOT l.taken_up AND sync_records.id = l.record
                AND NOT sync_records.{s}_outside AND sync_records.doctype = ?1",
        ] {
            self.transaction.prepare_cached(&for_side(side, sql))?.execute([self.doctype])?;
        }
        Ok(())
    }

    /// A known `creation` under another name, where both are unique and the old name no
    /// longer belongs to the document: the map follows.
    fn follow_renames(&self, side: Side) -> StateResult<Vec<Renamed>> {
        let mut renames = self.possible_renames(side)?;
        // The new name must be free, or become free by another rename of this listing.
        loop {
            let freed: BTreeSet<String> = renames.iter().map(|rename| rename.old.clone()).collect();
            let before = renames.len();
            let mut kept = Vec::new();
            for rename in renames {
                if freed.contains(&rename.new) || !self.is_known(side, &rename.new)? {
                    kept.push(rename);
                }
            }
            renames = kept;
            if renames.len() == before {
                break;
            }
        }
        let sql =
            for_side(side, "UPDATE sync_records SET {s}_name = NULL, updated_at = ? WHERE id = ?");
        let mut release = self.transaction.prepare_cached(&sql)?;
        for rename in &renames {
            release.execute(params![self.now, rename.record])?;
        }
        let sql = for_side(
            side,
            "UPDATE sync_records SET {s}_name = l.name, {s}_seen = l.modified,
                sync_status = 'pending', next_retry = NULL, reason = ?3, updated_at = ?4
             FROM temp.listed l
             WHERE sync_records.id = ?1 AND l.side = '{s}' AND l.name = ?2",
        );
        let mut take = self.transaction.prepare_cached(&sql)?;
        let mut known = self
            .transaction
            .prepare_cached("UPDATE temp.listed SET record = ? WHERE side = ? AND name = ?")?;
        for rename in &renames {
            let reason = format!("renamed on {side}: was {}", rename.old);
            take.execute(params![rename.record, rename.new, reason, self.now])?;
            known.execute(params![rename.record, side.as_str(), rename.new])?;
        }
        Ok(renames)
    }

    fn possible_renames(&self, side: Side) -> StateResult<Vec<Renamed>> {
        // A known document of the same `creation` that stands on another day is a second one.
        let sql = format!(
            "SELECT r.id, r.{{s}}_name, l.name
             FROM temp.listed l CROSS JOIN sync_records r INDEXED BY idx_{{s}}_identity
             WHERE l.side = '{{s}}' AND l.record IS NULL AND l.creation <> ''
                AND r.doctype = ?1 AND r.{{s}}_creation = l.creation AND r.sync_status <> 'gone'
                AND r.{{s}}_name IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM temp.listed old WHERE old.side = '{{s}}'
                    AND old.name = r.{{s}}_name AND old.record = r.id)
                AND {}
                AND 1 = (SELECT count(*) FROM temp.listed same
                    WHERE same.side = '{{s}}' AND same.creation = l.creation)
                AND NOT EXISTS (SELECT 1 FROM sync_records other INDEXED BY idx_{{s}}_identity
                    WHERE other.doctype = ?1 AND other.{{s}}_creation = l.creation
                        AND other.sync_status <> 'gone' AND other.{{s}}_name IS NOT NULL
                        AND NOT {})
             ORDER BY r.id",
            is_expected("r", "{s}"),
            is_expected("other", "{s}"),
        );
        let sql = for_side(side, &sql);
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let found = collect(&mut statement, [self.doctype], |row| {
            Ok(Renamed { record: row.get(0)?, side, old: row.get(1)?, new: row.get(2)? })
        })?;
        let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
        for rename in &found {
            *by_name.entry(&rename.new).or_default() += 1;
        }
        Ok(found.iter().filter(|rename| by_name[rename.new.as_str()] == 1).cloned().collect())
    }

    fn is_known(&self, side: Side, name: &str) -> StateResult<bool> {
        let sql = for_side(
            side,
            "SELECT 1 FROM sync_records
             WHERE doctype = ? AND {s}_name = ? AND sync_status <> 'gone'",
        );
        Ok(self.transaction.prepare_cached(&sql)?.exists([self.doctype, name])?)
    }

    /// For single look-ups: a known `creation` under another name asks for a whole look.
    fn match_creation(&self, side: Side) -> StateResult<()> {
        for rename in self.possible_renames(side)? {
            let sql = for_side(
                side,
                "UPDATE sync_records SET {s}_seen = NULL, sync_status = 'pending',
                    next_retry = NULL, reason = ?, updated_at = ? WHERE id = ?",
            );
            let reason = format!("perhaps renamed on {side}: now {}", rename.new);
            self.transaction.prepare_cached(&sql)?.execute(params![
                reason,
                self.now,
                rename.record
            ])?;
            self.transaction
                .prepare_cached("UPDATE temp.listed SET record = ? WHERE side = ? AND name = ?")?
                .execute(params![rename.record, side.as_str(), rename.new])?;
        }
        Ok(())
    }

    /// The name is known, the `creation` is not: another document stands there now. One that
    /// was never in step is taken for what stands there; the other cases are to be looked at.
    fn mark_replaced(&self, side: Side) -> StateResult<Vec<(i64, Side)>> {
        self.run(&replaced_sql(side))?;
        let replaced = self.replaced(side)?;
        self.mark_unseen(side, &replaced, "replaced by another document of the same name")
    }

    /// The records whose name another document has now.
    fn replaced(&self, side: Side) -> StateResult<Vec<i64>> {
        let sql = for_side(
            side,
            "SELECT r.id FROM temp.listed l CROSS JOIN sync_records r
             WHERE l.side = '{s}' AND l.record IS NULL AND r.doctype = ?1
                AND r.{s}_name = l.name AND r.{s}_creation IS NOT l.creation
                AND r.sync_status <> 'gone' ORDER BY r.id",
        );
        let mut statement = self.transaction.prepare_cached(&sql)?;
        collect(&mut statement, [self.doctype], |row| Ok(row.get(0)?))
    }

    /// Known documents that should have been listed and were not. Reads covering indexes only.
    fn mark_missing(&self, side: Side) -> StateResult<Vec<(i64, Side)>> {
        let sql = format!(
            "SELECT k.id FROM ({EXPECTED}) k WHERE NOT EXISTS (SELECT 1 FROM temp.listed l
                WHERE l.side = '{{s}}' AND l.name = k.name)
             ORDER BY k.id",
        );
        let sql = for_side(side, &sql);
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let missing = collect(&mut statement, [self.doctype], |row| Ok(row.get(0)?))?;
        self.mark_unseen(side, &missing, "not listed")
    }

    /// Clears `seen` and asks for a look, where that is news.
    fn mark_unseen(
        &self,
        side: Side,
        records: &[i64],
        what: &str,
    ) -> StateResult<Vec<(i64, Side)>> {
        let sql = for_side(
            side,
            "UPDATE sync_records SET {s}_seen = NULL, sync_status = 'pending',
                next_retry = NULL, reason = ?2, updated_at = ?3
             WHERE id = ?1 AND ({s}_seen IS NOT NULL OR sync_status = 'synced')",
        );
        let mut mark = self.transaction.prepare_cached(&sql)?;
        let reason = format!("{what} on {side}");
        for record in records {
            mark.execute(params![record, reason, self.now])?;
        }
        Ok(records.iter().map(|record| (*record, side)).collect())
    }

    /// Documents that the state does not know. One of the same name on the other side that
    /// is still alone meets it in one record; whether they are one document is decided when
    /// both are read. A document that the rules do not take up only ever joins. What has no
    /// namesake is looked for by its `creation`, where the listing `is_whole`.
    fn take_up_unknown(&self, is_whole: bool) -> StateResult<()> {
        let meet = |side: Side| {
            self.join(side)?;
            if is_whole { self.join_cloned(side) } else { Ok(()) }
        };
        meet(Side::Cloud)?;
        meet(Side::Local)?;
        self.insert(Side::Cloud)?;
        meet(Side::Local)?;
        self.insert(Side::Local)?;
        meet(Side::Cloud)
    }

    fn join(&self, side: Side) -> StateResult<()> {
        self.run(&join_sql(side))
    }

    /// One document under two names: the sites are copies of one another, and it was renamed on
    /// one of them before anything was in step. Documents that were imported together may
    /// share a `creation`: it proves something only where no second one has it on either side,
    /// in the listing or in the state. The other one is listed, or stands on a day that was not.
    fn join_cloned(&self, side: Side) -> StateResult<()> {
        self.run(&join_cloned_sql(side))
    }

    /// In the order of `creation`, so that records are numbered in it.
    fn insert(&self, side: Side) -> StateResult<()> {
        let sql = for_side(
            side,
            "INSERT INTO sync_records (doctype, docname, {s}_name, {s}_creation, {s}_seen,
                sync_status, created_at, updated_at)
             SELECT :doctype, l.name, l.name, l.creation, l.modified, 'pending', :now, :now
             FROM temp.listed l
             WHERE l.side = '{s}' AND l.record IS NULL AND l.taken_up
                AND NOT EXISTS (SELECT 1 FROM sync_records other
                    WHERE other.doctype = :doctype AND other.{s}_name = l.name
                        AND other.sync_status <> 'gone')
             ORDER BY l.creation, l.name",
        );
        self.run(&sql)
    }

    fn run(&self, sql: &str) -> StateResult<()> {
        self.transaction
            .prepare_cached(sql)?
            .execute(named_params! {":doctype": self.doctype, ":now": self.now})?;
        Ok(())
    }
}
