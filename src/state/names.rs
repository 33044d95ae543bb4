//! What a NAME that a person enters stands for.
//!
//! A plain name is any of a document's: on either side, or the one under which it was first
//! seen. `cloud:X` and `local:X` are the document that is called X on that side. The rule kept
//! here, the order of the readings: the whole text as a name, exactly; then with its side; then
//! both as a site looks names up, to which `a` and `A` are one.

use rusqlite::params;

use super::error::StateResult;
use super::records::record_from;
use super::types::{NamedDocument, Record};
use super::words::{RecordStatus, Word};
use super::{State, collect, for_side, to_json};
use crate::identity::fold_name;
use crate::model::{Side, Sides, named_on};

impl State {
    /// The living records that a name can mean.
    pub fn find_records(&self, doctype: &str, name: &str) -> StateResult<Vec<Record>> {
        self.living_records(&self.meant(Some(doctype), name, "sync_status <> 'gone'")?)
    }

    /// Those of some records that are not gone.
    pub fn living_records(&self, ids: &[i64]) -> StateResult<Vec<Record>> {
        let mut statement = self.select("id = ? AND sync_status <> 'gone'")?;
        let mut found = Vec::new();
        for id in ids {
            found.extend(collect(&mut statement, [id], record_from)?);
        }
        Ok(found)
    }

    /// What the documents are called that were in step and have work left.
    pub fn names_in_work(&self, doctype: &str) -> StateResult<Vec<(i64, Sides<Option<String>>)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, cloud_name, local_name FROM sync_records
             WHERE doctype = ? AND cloud_base IS NOT NULL
                AND sync_status IN ('pending', 'conflict', 'error', 'failed', 'skipped')",
        )?;
        collect(&mut statement, [doctype], |row| {
            Ok((row.get(0)?, Sides::new(row.get(1)?, row.get(2)?)))
        })
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
        let meant = name.map(|name| self.meant(Some(doctype), name, "TRUE")).transpose()?;
        let mut statement = self.connection.prepare_cached(
            "SELECT id, docname, cloud_name, local_name, cloud_creation, local_creation,
                sync_status FROM sync_records
             WHERE doctype = ?1 AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2)))
             ORDER BY docname, id",
        )?;
        let meant = meant.as_ref().map(to_json).transpose()?;
        collect(&mut statement, params![doctype, meant], |row| {
            Ok(NamedDocument {
                record: row.get(0)?,
                docname: row.get(1)?,
                names: Sides::new(row.get(2)?, row.get(3)?),
                creations: Sides::new(row.get(4)?, row.get(5)?),
                status: RecordStatus::word(&row.get::<_, String>(6)?)?,
            })
        })
    }

    /// The documents that a text means: those of the first reading that finds any.
    pub(super) fn meant(
        &self,
        doctype: Option<&str>,
        text: &str,
        which: &str,
    ) -> StateResult<Vec<i64>> {
        let plain = Some((None, text));
        let told = named_on(text).map(|(side, name)| (Some(side), name));
        for (side, name) in plain.into_iter().chain(told) {
            let found = self.called(doctype, side, name, which)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        self.called_alike(doctype, plain.into_iter().chain(told), which)
    }

    /// The documents that are called exactly so; without a side on either, or when first seen.
    fn called(
        &self,
        doctype: Option<&str>,
        side: Option<Side>,
        name: &str,
        which: &str,
    ) -> StateResult<Vec<i64>> {
        let columns: &[&str] = match side {
            None => &["docname", "cloud_name", "local_name"],
            Some(Side::Cloud) => &["cloud_name"],
            Some(Side::Local) => &["local_name"],
        };
        let within = within(doctype);
        // One look into an index each.
        let looks = columns.iter().map(|column| {
            format!("SELECT id FROM sync_records WHERE {within} AND {column} = ?2 AND {which}")
        });
        let sql = looks.collect::<Vec<_>>().join(" UNION ") + " ORDER BY 1";
        let mut statement = self.connection.prepare_cached(&sql)?;
        collect(&mut statement, params![doctype, name], |row| Ok(row.get(0)?))
    }

    /// The same by names as a site looks them up, for which there is no index.
    fn called_alike<'n>(
        &self,
        doctype: Option<&str>,
        readings: impl Iterator<Item = (Option<Side>, &'n str)>,
        which: &str,
    ) -> StateResult<Vec<i64>> {
        let wanted: Vec<_> = readings.map(|(side, name)| (side, fold_name(name))).collect();
        let mut found = vec![Vec::new(); wanted.len()];
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT id, docname, cloud_name, local_name FROM sync_records
             WHERE {} AND {which} ORDER BY id",
            within(doctype)
        ))?;
        let mut rows = statement.query([doctype])?;
        while let Some(row) = rows.next()? {
            let names: [Option<String>; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
            let [seen, cloud, local] = names.map(|name| name.map(|name| fold_name(&name)));
            for ((side, name), found) in wanted.iter().zip(&mut found) {
                let name = Some(name);
                let is_meant = match side {
                    None => [&seen, &cloud, &local].iter().any(|one| one.as_ref() == name),
                    Some(Side::Cloud) => cloud.as_ref() == name,
                    Some(Side::Local) => local.as_ref() == name,
                };
                if is_meant {
                    found.push(row.get(0)?);
                }
            }
        }
        Ok(found.into_iter().find(|found| !found.is_empty()).unwrap_or_default())
    }
}

/// The condition on the first parameter, a doctype where there is one.
fn within(doctype: Option<&str>) -> &'static str {
    if doctype.is_some() { "doctype = ?1" } else { "?1 IS NULL" }
}
