//! Whose state is it? The two sites that a database belongs to.
//!
//! The rule kept here: a state that was made against one pair of sites is never used against
//! another, because every document of the other pair would look deleted or changed. Urls and
//! users are stored; never a key or a secret.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::{StateError, StateResult};
use super::types::Pair;
use super::{State, time};
use crate::model::Sides;

impl State {
    /// Records the pair at first use; later refuses any other.
    pub fn check_pair(
        &mut self,
        urls: &Sides<String>,
        users: &Sides<String>,
        now: Timestamp,
    ) -> StateResult<()> {
        let given = pair(urls, users);
        match self.pair()? {
            Some(known) if known == given => Ok(()),
            Some(known) => {
                Err(StateError::OtherPair { known: Box::new(known), given: Box::new(given) })
            }
            None => self.write(|transaction| save(transaction, &given, now)),
        }
    }

    /// Refuses other urls, before any site is asked who our user is. Nothing is written.
    pub fn check_urls(&self, urls: &Sides<String>) -> StateResult<()> {
        let Some(known) = self.pair()? else { return Ok(()) };
        let given = pair(urls, &known.users);
        if known == given {
            return Ok(());
        }
        Err(StateError::OtherPair { known: Box::new(known), given: Box::new(given) })
    }

    /// Says that the same documents are now found under these urls and users.
    pub fn rebind(
        &mut self,
        urls: &Sides<String>,
        users: &Sides<String>,
        now: Timestamp,
    ) -> StateResult<()> {
        let given = pair(urls, users);
        self.write(|transaction| {
            // Perhaps another version of ERPNext answers there.
            transaction.execute("DELETE FROM metadata", [])?;
            save(transaction, &given, now)
        })
    }

    /// The pair, where one is recorded.
    pub fn pair(&self) -> StateResult<Option<Pair>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT cloud_url, local_url, cloud_user, local_user FROM pair")?;
        let found = statement.query_row([], |row| {
            Ok(Pair {
                urls: Sides::new(row.get(0)?, row.get(1)?),
                users: Sides::new(row.get(2)?, row.get(3)?),
            })
        });
        Ok(found.optional()?)
    }
}

fn pair(urls: &Sides<String>, users: &Sides<String>) -> Pair {
    let urls = urls.clone().map(|_, url| url.trim_end_matches('/').to_owned());
    Pair { urls, users: users.clone() }
}

fn save(connection: &Connection, pair: &Pair, now: Timestamp) -> StateResult<()> {
    connection.execute(
        "INSERT OR REPLACE INTO pair
            (id, cloud_url, local_url, cloud_user, local_user, program_version, recorded_at)
         VALUES (1, ?, ?, ?, ?, ?, ?)",
        params![
            pair.urls.cloud,
            pair.urls.local,
            pair.users.cloud,
            pair.users.local,
            env!("CARGO_PKG_VERSION"),
            time::stamp(now)
        ],
    )?;
    Ok(())
}
