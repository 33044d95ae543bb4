//! What was seen, in sums by day.
//!
//! The rules kept here: the sums are over exactly those documents that the site's own sums are
//! over if nothing has changed, that is those it listed within the configured filters; and a sum
//! that is kept is that of its records: whatever changes a record has its day worked out anew, by
//! triggers (`sql/0008_seen_sums.sql`).

use std::hash::RandomState;

use rusqlite::{Connection, params};

use super::error::{StateError, StateResult};
use super::words::Word as _;
use super::{State, collect, count, for_side};
use crate::model::{DayDigests, DaySums, Fingerprint, Side};

impl State {
    /// The sums over what was seen on a side within the filters. Only the records of days that
    /// have changed since the last run ended are read.
    pub fn fingerprint(&self, doctype: &str, side: Side) -> StateResult<Fingerprint> {
        let connection = &self.connection;
        let mut fingerprint = Fingerprint::default();
        let mut kept = connection.prepare_cached(
            "SELECT day, documents, names, stamps, pairs FROM seen_sums
             WHERE doctype = ?1 AND side = ?2 AND day NOT IN (SELECT day FROM changed_days
                WHERE doctype = ?1 AND side = ?2)",
        )?;
        let mut rows = kept.query([doctype, side.as_str()])?;
        while let Some(row) = rows.next()? {
            let sum = |column: usize| -> StateResult<u128> {
                let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
                text.parse().map_err(|_| StateError::Unreadable(format!("a sum is {text}")))
            };
            let sums =
                DaySums { count: count(row, 1)?, names: sum(2)?, stamps: sum(3)?, pairs: sum(4)? };
            fingerprint.set(row.get(0)?, sums);
        }
        for day in changed_days(connection, doctype, side)? {
            let sums = add_up(connection, doctype, side, &day)?;
            if sums.count > 0 {
                fingerprint.set(day, sums);
            }
        }
        Ok(fingerprint)
    }

    /// The documents that were seen on a side within the filters, by day: those that the sums are
    /// over. One without a `creation` is nobody's: its day never agrees. Each index entry is read.
    pub fn seen_by_day(
        &self,
        doctype: &str,
        side: Side,
        key: &RandomState,
    ) -> StateResult<DayDigests> {
        let sql = for_side(
            side,
            "SELECT {s}_name, {s}_creation, {s}_seen FROM sync_records INDEXED BY idx_{s}_seen
             WHERE doctype = ? AND {s}_seen IS NOT NULL AND {s}_name IS NOT NULL
                AND {s}_creation IS NOT NULL AND sync_status <> 'gone' AND NOT {s}_outside",
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([doctype])?;
        let mut days = DayDigests::new(key);
        while let Some(row) = rows.next()? {
            let text = |i| row.get_ref(i)?.as_str().map_err(rusqlite::Error::from);
            days.add(text(0)?, text(1)?, text(2)?);
        }
        Ok(days)
    }
}

fn changed_days(connection: &Connection, doctype: &str, side: Side) -> StateResult<Vec<String>> {
    let sql = "SELECT day FROM changed_days WHERE doctype = ? AND side = ?";
    let mut statement = connection.prepare_cached(sql)?;
    collect(&mut statement, [doctype, side.as_str()], |row| Ok(row.get(0)?))
}

/// Works out the days that have changed, for all to be kept.
pub(super) fn keep_sums(connection: &Connection) -> StateResult<()> {
    let mut changed = connection.prepare_cached("SELECT doctype, side, day FROM changed_days")?;
    let days = collect(&mut changed, [], |row| {
        let side = Side::word(&row.get::<_, String>(1)?)?;
        Ok((row.get::<_, String>(0)?, side, row.get::<_, String>(2)?))
    })?;
    for (doctype, side, day) in days {
        let DaySums { count, names, stamps, pairs } = add_up(connection, &doctype, side, &day)?;
        let side = side.as_str();
        if count == 0 {
            connection
                .prepare_cached("DELETE FROM seen_sums WHERE doctype = ? AND side = ? AND day = ?")?
                .execute([&doctype, side, &day])?;
            continue;
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let sums = [names, stamps, pairs].map(|sum| sum.to_string());
        connection
            .prepare_cached("INSERT OR REPLACE INTO seen_sums VALUES (?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![doctype, side, day, count, sums[0], sums[1], sums[2]])?;
    }
    connection.execute("DELETE FROM changed_days", [])?;
    Ok(())
}

/// The sums of one day, out of its records.
fn add_up(connection: &Connection, doctype: &str, side: Side, day: &str) -> StateResult<DaySums> {
    // Whatever follows the day in a stamp.
    let sql = for_side(
        side,
        "SELECT {s}_name, {s}_seen FROM sync_records INDEXED BY idx_{s}_seen
         WHERE doctype = ?1 AND {s}_seen BETWEEN ?2 AND ?2 || '~' AND {s}_name IS NOT NULL
            AND sync_status <> 'gone' AND NOT {s}_outside",
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([doctype, day])?;
    let mut fingerprint = Fingerprint::default();
    while let Some(row) = rows.next()? {
        let text = |i| row.get_ref(i)?.as_str().map_err(rusqlite::Error::from);
        fingerprint.add(text(0)?, text(1)?);
    }
    Ok(fingerprint.of_day(day))
}
