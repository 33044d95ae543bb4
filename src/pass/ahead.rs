//! Ahead: reads the documents of the next wave while this one is decided and written.
//!
//! The rule kept here: what was read ahead is taken for what a read of the moment would show only
//! where a rename or a deletion of this run cannot have changed it: those change other documents
//! without moving their `modified`. Nor is it used where the state has seen a later `modified`
//! since, or knows a document that was not found. What somebody else changes in between an update
//! finds out by the `modified` that it carries, as ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{Side, Sides};
use crate::state::Record;

use super::fetch::{Found, read_names};
use super::{Candidate, Doctype, Operation, Pass, Phase, Request, Step};

/// What was read ahead.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    doctype: String,
    /// The names asked for.
    asked: Sides<BTreeSet<String>>,
    /// What there was of them.
    found: Sides<Found>,
}

impl Ahead {
    /// What may be used of it for these records of a doctype: the names that need not be asked
    /// for, and what there is of them.
    pub(super) fn take(
        mut self,
        doctype: &str,
        records: &[Record],
    ) -> (Sides<BTreeSet<String>>, Sides<Found>) {
        if self.doctype != doctype {
            return Default::default();
        }
        for record in records {
            for side in Side::BOTH {
                let Some(name) = &record.names[side] else { continue };
                let read = self.found[side].get(name);
                if read.is_none_or(|doc| record.seen[side].as_deref() > Some(doc.modified())) {
                    self.found[side].remove(name);
                    self.asked[side].remove(name);
                }
            }
        }
        (self.asked, self.found)
    }
}

impl Pass<'_> {
    /// Does `work` while the documents of the next wave are read, as many at once as the sites'
    /// workers have time for. What cannot be read now is read in its turn. `work` says whether
    /// what it did may have changed them.
    pub(super) fn while_reading<R>(
        &mut self,
        doctype: &Doctype,
        next: &[Candidate],
        work: impl FnOnce(&mut Self) -> anyhow::Result<(R, bool)>,
    ) -> anyhow::Result<R> {
        let living: Vec<Candidate> =
            next.iter().filter(|id| !self.joined.contains(id)).copied().collect();
        let known = self.state.last_seen(&living)?;
        let named = known.iter().map(|one| (&one.names, &one.seen));
        let asked = self.asked_for(&doctype.config.doctype, named);
        if asked.iter().all(|(_, names)| names.is_empty()) {
            return work(self).map(|(done, _)| done);
        }
        let batches = self.batches(&asked);
        let (workers, sites) = (Arc::clone(&self.workers), self.sites);
        let read = || read_names(&workers, sites, doctype, batches);
        let (read, done) = workers.beside(read, || work(self));
        let (done, may_have_changed) = done?;
        if let Ok(found) = read
            && !may_have_changed
        {
            let doctype = doctype.config.doctype.clone();
            let asked = asked.map(|_, names| names.into_keys().collect());
            self.read_ahead = Ahead { doctype, asked, found };
        }
        Ok(done)
    }

    /// Whether the next wave may be read before this one is done: not where few documents are
    /// to be acted on, or where a pause between them is asked for.
    pub(super) fn may_read_ahead(&self) -> bool {
        self.phase == Phase::Main && self.left.is_none() && self.config.batch_pause.is_zero()
    }
}

/// Whether an operation changes other documents than its own.
pub(super) fn moves_others(operation: &Operation) -> bool {
    let write = match &operation.step {
        Step::Send(write) => &write.request,
        Step::Part => return true,
        _ => return false,
    };
    matches!(write, Request::Rename { .. } | Request::Delete { .. })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Doc;
    use crate::state::{Listed, State};

    fn doc(name: &str, modified: &str) -> Doc {
        Doc(json!({"name": name, "modified": modified}).as_object().unwrap().clone())
    }

    /// What a state knows of some documents of the cloud.
    fn records(seen: &[(&str, &str)]) -> Vec<Record> {
        let mut state = State::in_memory().unwrap();
        let now = "2026-01-15T08:00:00Z".parse().unwrap();
        let mut ids = Vec::new();
        for (name, modified) in seen {
            let (name, modified) = ((*name).to_owned(), (*modified).to_owned());
            let creation = format!("2026-01-01 08:00:0{}.000000", ids.len());
            let listed = Listed { name, creation, modified, taken_up: true };
            let found = Sides::new(Some(listed), None);
            ids.extend(state.ensure_records("Brand", &found, now).unwrap());
        }
        state.load_records(&ids).unwrap()
    }

    #[test]
    fn only_what_is_still_so_is_used() {
        let names = ["same", "saved since", "not found"];
        let at = "2026-01-10 08:00:00.000000";
        let records =
            records(&[(names[0], at), (names[1], "2026-01-10 08:00:01.000000"), (names[2], at)]);
        let ahead = || Ahead {
            doctype: "Brand".to_owned(),
            asked: Sides::from_fn(|_| names.map(str::to_owned).into()),
            found: Sides::new(
                [names[0], names[1]].map(|name| (name.to_owned(), doc(name, at))).into(),
                Found::new(),
            ),
        };
        let (asked, found) = ahead().take("Brand", &records);
        assert_eq!(asked.cloud, [names[0].to_owned()].into());
        assert_eq!(found.cloud.keys().collect::<Vec<_>>(), [names[0]]);
        assert_eq!(asked.local.len(), 3, "that the other side has none of these names is news");
        let (asked, found) = ahead().take("UOM", &records);
        assert!(asked.cloud.is_empty() && found.cloud.is_empty(), "other documents");
    }
}
