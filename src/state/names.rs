//! What a NAME that a person enters stands for.
//!
//! A plain name is any of a document's: on either side, or the one under which it was first
//! seen. `cloud:X` and `local:X` are the document that is called X on that side; where there is
//! none, the text is a plain name, so that a document which really begins so is found too.

use rusqlite::params;

use super::error::StateResult;
use super::records::record_from;
use super::types::{NamedDocument, Record};
use super::words::{RecordStatus, Word};
use super::{State, collect, for_side};
use crate::model::{Side, Sides, named_on};

impl State {
    /// The records that a name can mean: under the name where they were first seen, or on
    /// either side.
    pub fn find_records(&self, doctype: &str, name: &str) -> StateResult<Vec<Record>> {
        if let Some((side, name)) = named_on(name)
            && let Some(record) = self.record_by_name(doctype, side, name)?
        {
            return Ok(vec![record]);
        }
        let mut statement = self.select(
            "id IN (SELECT id FROM sync_records WHERE doctype = ?1 AND docname = ?2
                UNION SELECT id FROM sync_records
                    WHERE doctype = ?1 AND cloud_name = ?2 AND sync_status <> 'gone'
                UNION SELECT id FROM sync_records
                    WHERE doctype = ?1 AND local_name = ?2 AND sync_status <> 'gone')
             AND sync_status <> 'gone' ORDER BY id",
        )?;
        collect(&mut statement, [doctype, name], record_from)
    }

    /// The living record that has this name on this side.
    pub fn record_by_name(
        &self,
        doctype: &str,
        side: Side,
        name: &str,
    ) -> StateResult<Option<Record>> {
        let mut statement =
            self.select(&for_side(side, "doctype = ? AND {s}_name = ? AND sync_status <> 'gone'"))?;
        Ok(collect(&mut statement, [doctype, name], record_from)?.into_iter().next())
    }

    /// What the documents of a doctype are called, those that are gone too; with `name` only
    /// those that it can mean.
    pub fn names(&self, doctype: &str, name: Option<&str>) -> StateResult<Vec<NamedDocument>> {
        let (name, side) = self.meant(Some(doctype), name)?;
        let mut statement = self.connection.prepare_cached(
            "SELECT id, docname, cloud_name, local_name, cloud_creation, local_creation,
                sync_status FROM sync_records
             WHERE doctype = ?1 AND (?2 IS NULL
                OR ?2 = cloud_name AND ?3 IS NOT 'local' OR ?2 = local_name AND ?3 IS NOT 'cloud'
                OR ?2 = docname AND ?3 IS NULL)
             ORDER BY docname, id",
        )?;
        collect(&mut statement, params![doctype, name, side.map(Side::as_str)], |row| {
            Ok(NamedDocument {
                record: row.get(0)?,
                docname: row.get(1)?,
                names: Sides::new(row.get(2)?, row.get(3)?),
                creations: Sides::new(row.get(4)?, row.get(5)?),
                status: RecordStatus::word(&row.get::<_, String>(6)?)?,
            })
        })
    }

    /// A name and the side on which it is one, as far as the text says which and there is a
    /// document, alive or gone, that is or was called so there.
    pub(super) fn meant<'n>(
        &self,
        doctype: Option<&str>,
        text: Option<&'n str>,
    ) -> StateResult<(Option<&'n str>, Option<Side>)> {
        let Some((side, name)) = text.and_then(named_on) else { return Ok((text, None)) };
        let sql = "SELECT 1 FROM sync_records
            WHERE (?1 IS NULL OR doctype = ?1) AND {s}_name = ?2 LIMIT 1";
        let mut statement = self.connection.prepare_cached(&for_side(side, sql))?;
        let is_known = statement.exists(params![doctype, name])?;
        Ok(if is_known { (Some(name), Some(side)) } else { (text, None) })
    }
}
