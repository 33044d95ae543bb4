//! What a listing of some days only should have shown.
//!
//! The rule kept here: a known document is missed only where the listing at hand has its day.

use rusqlite::{Connection, params};

use super::error::{StateError, StateResult};
use super::{State, collect, count, for_side};
use crate::model::{Side, Sides, Stretch};

/// The days that the listing at hand has, as spans of `seen`.
pub(super) const TABLE: &str = "
    CREATE TEMP TABLE IF NOT EXISTS covered (
        side TEXT NOT NULL,
        first TEXT NOT NULL,
        last TEXT NOT NULL,
        PRIMARY KEY (side, first)
    ) WITHOUT ROWID;";

/// Known documents that the listing at hand should show, by covering indexes: those last seen
/// on a day that it has, those that are not seen any more, and those that are asked for by name
/// because the filters leave them out. `?1` is the doctype.
pub(super) const EXPECTED: &str = "
    SELECT k.id, k.{s}_name AS name, k.{s}_creation AS creation
    FROM temp.covered c CROSS JOIN sync_records k INDEXED BY idx_{s}_seen
    WHERE c.side = '{s}' AND k.doctype = ?1 AND k.{s}_seen BETWEEN c.first AND c.last
        AND k.{s}_name IS NOT NULL AND k.sync_status <> 'gone' AND NOT k.{s}_outside
    UNION ALL
    SELECT k.id, k.{s}_name, k.{s}_creation FROM sync_records k INDEXED BY idx_{s}_seen
    WHERE k.doctype = ?1 AND k.{s}_seen IS NULL
        AND k.{s}_name IS NOT NULL AND k.sync_status <> 'gone'
    UNION ALL
    SELECT k.id, k.{s}_name, k.{s}_creation FROM sync_records k INDEXED BY idx_{s}_outside
    WHERE k.doctype = ?1 AND k.{s}_outside AND k.{s}_seen IS NOT NULL
        AND k.{s}_name IS NOT NULL AND k.sync_status <> 'gone'";

/// Whether a record is one of those, as a condition: `side` is `{s}` or `{o}`.
pub(super) fn is_expected(record: &str, side: &str) -> String {
    format!(
        "({record}.{side}_seen IS NULL OR {record}.{side}_outside
            OR EXISTS (SELECT 1 FROM temp.covered c WHERE c.side = '{side}'
                AND {record}.{side}_seen BETWEEN c.first AND c.last))"
    )
}

impl State {
    /// How many documents were seen on a side although the filters leave them out.
    pub fn outside(&self, doctype: &str, side: Side) -> StateResult<usize> {
        let sql = for_side(
            side,
            "SELECT count(*) FROM sync_records INDEXED BY idx_{s}_outside
             WHERE doctype = ? AND {s}_outside AND {s}_seen IS NOT NULL AND sync_status <> 'gone'",
        );
        Ok(self.connection.prepare_cached(&sql)?.query_row([doctype], |row| count(row, 0))?)
    }

    /// Whether documents are known that every listing should show, whatever days it has: those
    /// that are not seen any more, and those that are asked for by name because the filters leave
    /// them out. Where there are none, a listing of no day at all says nothing.
    pub fn expects_unseen(&self, doctype: &str) -> StateResult<bool> {
        for side in Side::BOTH {
            let sql = for_side(
                side,
                "SELECT EXISTS (SELECT 1 FROM sync_records INDEXED BY idx_{s}_seen
                    WHERE doctype = ?1 AND {s}_seen IS NULL AND {s}_name IS NOT NULL
                        AND sync_status <> 'gone')
                 OR EXISTS (SELECT 1 FROM sync_records INDEXED BY idx_{s}_outside
                    WHERE doctype = ?1 AND {s}_outside)",
            );
            if self.connection.prepare_cached(&sql)?.query_row([doctype], |row| row.get(0))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Says that the listing at hand has every document of a side.
    pub fn cover_everything(&mut self, side: Side) -> StateResult<()> {
        self.expect_listing()?;
        cover_everything(&self.connection, side)
    }

    /// Says that the listing at hand has these days of a side. Where nothing is said it has
    /// none.
    pub fn cover_days(&mut self, side: Side, stretches: &[Stretch]) -> StateResult<()> {
        self.expect_listing()?;
        for Stretch { first, last } in stretches {
            // After whatever follows the day in a stamp.
            cover(&self.connection, side, first, &format!("{last}~"))?;
        }
        Ok(())
    }

    /// The names on a side of known documents that the listing at hand should show and does
    /// not: under filters they may be outside now, and are still kept in step.
    pub fn not_listed(&self, side: Side) -> StateResult<Vec<String>> {
        let doctype = self.expect_listing()?;
        let sql = format!(
            "SELECT name FROM ({EXPECTED}) k WHERE NOT EXISTS (SELECT 1 FROM temp.listed l
                WHERE l.side = '{{s}}' AND l.name = k.name)
             ORDER BY name",
        );
        let mut statement = self.connection.prepare_cached(&for_side(side, &sql))?;
        collect(&mut statement, [doctype], |row| Ok(row.get(0)?))
    }

    /// The names of known documents whose `creation` was listed under a name that is not known,
    /// although they were listed as well or stand on a day that was not: renamed meanwhile, or
    /// made in the same instant as a new one.
    pub fn names_in_doubt(&self) -> StateResult<Sides<Vec<String>>> {
        let doctype = self.expect_listing()?;
        let mut names = Sides::<Vec<String>>::default();
        for side in Side::BOTH {
            let sql = format!(
                "SELECT DISTINCT r.{{s}}_name
                 FROM temp.listed l CROSS JOIN sync_records r INDEXED BY idx_{{s}}_identity
                    ON r.doctype = ?1 AND r.{{s}}_creation = l.creation AND r.{{s}}_name <> l.name
                    AND r.sync_status <> 'gone'
                 WHERE l.side = '{{s}}' AND l.creation <> ''
                    AND (NOT {} OR EXISTS (SELECT 1 FROM temp.listed known
                        WHERE known.side = '{{s}}' AND known.name = r.{{s}}_name
                            AND known.creation = l.creation))
                    AND NOT EXISTS (SELECT 1 FROM sync_records known
                        WHERE known.doctype = ?1 AND known.{{s}}_creation = l.creation
                            AND known.{{s}}_name = l.name AND known.sync_status <> 'gone')
                 ORDER BY r.{{s}}_name",
                is_expected("r", "{s}"),
            );
            let mut statement = self.connection.prepare_cached(&for_side(side, &sql))?;
            names[side] = collect(&mut statement, [doctype], |row| Ok(row.get(0)?))?;
        }
        Ok(names)
    }

    /// Takes names out of the collected listing, which should show these documents whatever
    /// their days are.
    pub fn strike_listed(&self, side: Side, names: &[String]) -> StateResult<()> {
        let doctype = self.expect_listing()?;
        let sql = "DELETE FROM temp.listed WHERE side = ? AND name = ?";
        let mut strike = self.connection.prepare_cached(sql)?;
        for name in names {
            strike.execute(params![side.as_str(), name])?;
            cover_stamp_of(&self.connection, doctype, side, name)?;
        }
        Ok(())
    }

    /// The doctype of the listing at hand.
    fn expect_listing(&self) -> StateResult<&str> {
        self.listing.as_deref().ok_or(StateError::NoListing)
    }
}

/// The span that has every stamp.
pub(super) fn cover_everything(connection: &Connection, side: Side) -> StateResult<()> {
    cover(connection, side, "", "~")
}

/// The very stamp at which a document was last seen.
fn cover_stamp_of(
    connection: &Connection,
    doctype: &str,
    side: Side,
    name: &str,
) -> StateResult<()> {
    let sql = for_side(
        side,
        "INSERT INTO temp.covered SELECT '{s}', {s}_seen, {s}_seen FROM sync_records
         WHERE doctype = ? AND {s}_name = ? AND sync_status <> 'gone' AND {s}_seen IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM temp.covered c
                WHERE c.side = '{s}' AND {s}_seen BETWEEN c.first AND c.last)",
    );
    connection.prepare_cached(&sql)?.execute([doctype, name])?;
    Ok(())
}

fn cover(connection: &Connection, side: Side, first: &str, last: &str) -> StateResult<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO temp.covered VALUES (?, ?, ?)")?
        .execute(params![side.as_str(), first, last])?;
    Ok(())
}
