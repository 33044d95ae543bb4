//! The schema and its versions.
//!
//! A released file under `sql/` is never edited: a change is a new file. Each is applied in
//! one transaction together with its version number, so a database always has exactly the
//! version that it says.

use rusqlite::{Connection, TransactionBehavior};

use super::error::{StateError, StateResult};

/// `PRAGMA application_id` of a state database: "ERPS".
pub(super) const APPLICATION_ID: u32 = 0x4552_5053;

/// The files, in the order in which they are applied.
pub(super) const MIGRATIONS: [&str; 10] = [
    include_str!("sql/0001_initial.sql"),
    include_str!("sql/0002_names.sql"),
    include_str!("sql/0003_metadata.sql"),
    include_str!("sql/0004_former_names.sql"),
    include_str!("sql/0005_waiting.sql"),
    include_str!("sql/0006_restored.sql"),
    include_str!("sql/0007_seen_days.sql"),
    include_str!("sql/0008_seen_sums.sql"),
    include_str!("sql/0009_totals.sql"),
    include_str!("sql/0010_packed_bases.sql"),
];

/// The newest schema version.
pub(super) const VERSION: u32 = 10;

const _: () = assert!(VERSION as usize == MIGRATIONS.len(), "one version a file");

/// Brings the database to [`VERSION`].
pub(super) fn migrate(connection: &mut Connection) -> StateResult<()> {
    migrate_to(connection, VERSION)
}

pub(super) fn migrate_to(connection: &mut Connection, last: u32) -> StateResult<()> {
    let found = version(connection)?;
    for (version, sql) in (1..).zip(MIGRATIONS) {
        if version <= found || version > last {
            continue;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The version that a database says it has.
pub(super) fn version(connection: &Connection) -> StateResult<u32> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    u32::try_from(version).map_err(|_| StateError::Unreadable(format!("user_version {version}")))
}
