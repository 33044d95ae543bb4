//! Tally: what a run ends with, for everything in its scope.
//!
//! The rule kept here: what waits, failed or was left alone is counted from the state, whichever
//! run it was that said so.

use std::collections::{BTreeMap, BTreeSet};

use crate::state::RecordStatus;

use super::{Candidate, Pass, Summary};

impl Pass<'_> {
    /// What was done so far, with what the state says of everything in the run's scope.
    ///
    /// # Errors
    /// An unusable state.
    pub fn summary(mut self) -> anyhow::Result<Summary> {
        if self.options.dry_run {
            self.tally_unseen()?;
        } else {
            self.tally()?;
        }
        Ok(self.summary)
    }

    /// What a run would end with besides what a dry run has looked at: what waits for a person, or
    /// failed and is not due yet.
    fn tally_unseen(&mut self) -> anyhow::Result<()> {
        for entry in &mut self.summary.doctypes {
            if self.named.contains_key(&entry.doctype) {
                continue;
            }
            let statuses = self.state.totals_of(&entry.doctype)?;
            let unseen = |status: RecordStatus| {
                let all = statuses.get(&status).copied().unwrap_or(0);
                all.saturating_sub(self.foreseen.stood(&entry.doctype, status))
            };
            entry.conflicts += unseen(RecordStatus::Conflict);
            entry.failed += unseen(RecordStatus::Error) + unseen(RecordStatus::Failed);
        }
        Ok(())
    }

    /// Counts what waits, failed or was left alone, from this run or from earlier ones.
    fn tally(&mut self) -> anyhow::Result<()> {
        for entry in &mut self.summary.doctypes {
            let named = self.named.get(&entry.doctype).map(|named| {
                // What came of an earlier request concerns whoever finds it out.
                named.iter().chain(&self.settled).copied().collect::<BTreeSet<Candidate>>()
            });
            let statuses = match &named {
                None => self.state.totals_of(&entry.doctype)?,
                Some(named) => {
                    let mut counts = BTreeMap::new();
                    let living: Vec<i64> = named.difference(&self.joined).copied().collect();
                    let records = self.state.load_records(&living)?;
                    for record in records.iter().filter(|one| one.doctype == entry.doctype) {
                        *counts.entry(record.status).or_insert(0) += 1;
                    }
                    counts
                }
            };
            let mut waiting = self.state.waiting_documents(Some(&entry.doctype))?;
            waiting.retain(|one| named.as_ref().is_none_or(|named| named.contains(&one.record)));
            for one in &waiting {
                entry.count_waiting(one.waits);
            }
            self.summary.waiting.extend(waiting);
            let count = |status| statuses.get(&status).copied().unwrap_or(0);
            entry.conflicts = count(RecordStatus::Conflict);
            entry.failed += count(RecordStatus::Error) + count(RecordStatus::Failed);
            entry.skipped += count(RecordStatus::Skipped);
            entry.unchanged = count(RecordStatus::Synced).saturating_sub(entry.acted_on());
        }
        Ok(())
    }
}
