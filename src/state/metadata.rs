//! The sites' metadata as last read, and what was said of it.
//!
//! The rule kept here: a cache and no more. Whether an entry may be used is for the caller to
//! decide by its fingerprint; whatever is lost here is read again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde_json::{Map, Value};

use super::error::StateResult;
use super::{State, from_json, time, to_json};
use crate::model::{Side, Sides};

/// One doctype's metadata on one side.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// What the site said, reduced to what is read of it.
    pub meta: Map<String, Value>,
    /// Stands for everything that could change it, when it was read.
    pub fingerprint: String,
}

impl State {
    /// What is kept of a doctype's metadata on a side.
    pub fn metadata(&self, side: Side, doctype: &str) -> StateResult<Option<Metadata>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT meta, fingerprint FROM metadata WHERE side = ? AND doctype = ?",
        )?;
        let found: Option<(String, String)> = statement
            .query_row(params![side.as_str(), doctype], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        found
            .map(|(meta, fingerprint)| Ok(Metadata { meta: from_json(&meta)?, fingerprint }))
            .transpose()
    }

    /// Keeps the metadata of some doctypes of a side.
    pub fn save_metadata(
        &mut self,
        side: Side,
        doctypes: &BTreeMap<String, Metadata>,
        now: Timestamp,
    ) -> StateResult<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT OR REPLACE INTO metadata (side, doctype, meta, fingerprint, read_at)
                 VALUES (?, ?, ?, ?, ?)",
            )?;
            for (doctype, Metadata { meta, fingerprint }) in doctypes {
                let (meta, now) = (to_json(meta)?, time::stamp(now));
                statement.execute(params![side.as_str(), doctype, meta, fingerprint, now])?;
            }
            Ok(())
        })
    }

    /// The fields that only one side has, as they were last reported.
    pub fn one_sided(&self, doctype: &str) -> StateResult<Option<Sides<Vec<String>>>> {
        let mut statement =
            self.connection.prepare_cached("SELECT fields FROM one_sided WHERE doctype = ?")?;
        let found: Option<String> = statement.query_row([doctype], |row| row.get(0)).optional()?;
        found.map(|text| from_json(&text)).transpose()
    }

    /// Notes which fields that only one side has were reported.
    pub fn save_one_sided(
        &mut self,
        doctype: &str,
        fields: &Sides<Vec<String>>,
    ) -> StateResult<()> {
        let fields = to_json(fields)?;
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO one_sided (doctype, fields) VALUES (?, ?)",
                params![doctype, fields],
            )?;
            Ok(())
        })
    }
}
