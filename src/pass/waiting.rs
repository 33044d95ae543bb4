//! Waiting: what is left at the end of a run because of something else, and what is said of it.
//!
//! The rule kept here: a document that waits for a person, or for what came of a request, has
//! not failed. It uses up none of its tries, every run takes it up again, and it says what it
//! waits for.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ConflictKind, Direction, OpenLink, Side};
use crate::recon::Decision;
use crate::state::{LogStatus, Record, RecordStatus, UNANSWERED};

use super::taken::cannot_be_written;
use super::{ActionStatus, Aside, AsideReason, Candidate, OpenLinks, Pass, Waiting};

/// What holds up every document that needs another one.
pub(super) struct Cause {
    /// The record that is in conflict, or whose request is open.
    pub record: i64,
    /// What is said of whoever waits for it.
    pub text: String,
}

impl Pass<'_> {
    /// Takes up what was left waiting because of these records, whose conflicts are settled.
    ///
    /// # Errors
    /// A site that is down, or an unusable state.
    pub fn follow_up(&mut self, settled: &[Candidate]) -> anyhow::Result<()> {
        let mut by_doctype: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        for record in settled {
            for (doctype, waiter) in self.state.waiters(*record)? {
                by_doctype.entry(doctype).or_default().push(waiter);
            }
        }
        let mut waiting = Vec::new();
        self.rows.begin(self.options.dry_run);
        for config in &self.config.doctypes {
            let Some(candidates) = by_doctype.remove(&config.doctype) else { continue };
            let config = self.effective(config);
            self.counts(&config.doctype);
            self.named.insert(config.doctype.clone(), candidates.clone());
            let doctype = self.load_doctype(config.clone());
            let Some(doctype) = self.contained(&config, doctype)? else { continue };
            let aside = self.rounds(&doctype, &candidates, OpenLinks::Wait);
            waiting.extend(self.contained(&config, aside)?.map(|aside| (doctype, aside)));
        }
        self.finish(waiting)
    }

    /// What still waits at the end of a run.
    pub(super) fn give_up_waiting(&mut self, mut waiting: Vec<Waiting>) -> anyhow::Result<()> {
        self.ask_about_needed(&mut waiting)?;
        // Who waits for one that waits for a person waits for that person too.
        while self.leave_waiting(&mut waiting)? {}
        for (_, aside) in waiting {
            self.give_up(aside)?;
        }
        Ok(())
    }

    /// Takes out what waits for a document in conflict, or for one whose request is open; says
    /// whether there was any.
    fn leave_waiting(&mut self, waiting: &mut [Waiting]) -> anyhow::Result<bool> {
        let mut found = false;
        for (_, aside) in waiting {
            let mut rest = Vec::with_capacity(aside.len());
            for one in aside.drain(..) {
                let records = self.state.load_records(&[one.candidate])?;
                match (records.first(), self.cause_of(&one, records.first())?) {
                    (Some(record), Some(cause)) => {
                        self.wait(record, &cause)?;
                        found = true;
                    }
                    _ => rest.push(one),
                }
            }
            *aside = rest;
        }
        Ok(found)
    }

    /// What holds a document up that was set aside.
    fn cause_of(&self, aside: &Aside, record: Option<&Record>) -> anyhow::Result<Option<Cause>> {
        let Some(record) = record else { return Ok(None) };
        let (name, doctype, sides) = match &aside.reason {
            AsideReason::Waits(link, on) => {
                let sides = on.map_or_else(|| Side::BOTH.to_vec(), |side| vec![side]);
                (link.name.clone(), link.doctype.clone(), sides)
            }
            AsideReason::NameTaken => {
                let Some(target) = missing_on(record) else { return Ok(None) };
                let name = record.names[target.opposite()].clone().unwrap_or_default();
                (name, record.doctype.clone(), vec![target])
            }
            AsideReason::Held(side, _) => return self.cause_of_a_holder(record, *side),
            _ => return Ok(None),
        };
        for side in sides {
            let holder = self.state.record_by_name(&doctype, side, &name)?;
            if let Some(holder) = holder.filter(|holder| holder.id != record.id)
                && let Some(cause) = self.cause(&holder)?
            {
                return Ok(Some(cause));
            }
        }
        Ok(None)
    }

    /// Whether a document that a side did not let go of still waits for what held it then.
    pub(super) fn is_still_held(&self, record: &Record, side: Side) -> anyhow::Result<bool> {
        let waits_for = record.waits_for.filter(|_| record.status == RecordStatus::Pending);
        let Some(held_by) = waits_for else { return Ok(false) };
        Ok(self.cause_of_a_holder(record, side)?.is_some_and(|cause| cause.record == held_by))
    }

    /// What holds up a document that links to this one, so that a side does not let go of it.
    /// Which one the site means only its text says, in its own language: any that is held up is
    /// waited for. Of a merge more is known than that.
    fn cause_of_a_holder(&self, record: &Record, side: Side) -> anyhow::Result<Option<Cause>> {
        let Some(name) = record.names[side].as_deref().filter(|_| !self.is_merged(record)) else {
            return Ok(None);
        };
        for holder in self.state.held_up_referrers(side, name)? {
            if holder.id != record.id
                && let Some(cause) = self.cause(&holder)?
            {
                return Ok(Some(cause));
            }
        }
        Ok(None)
    }

    /// Why nothing that needs this document can be written, where a person or the outcome of a
    /// request is waited for: because of itself, or of what it waits for.
    pub(super) fn cause(&self, holder: &Record) -> anyhow::Result<Option<Cause>> {
        let label = |record: &Record| format!("{} {}", record.doctype, record.docname);
        let waits_for = holder.waits_for.filter(|_| holder.status == RecordStatus::Pending);
        let root = match waits_for {
            Some(root) => self.state.load_records(&[root])?.pop(),
            None => Some(holder.clone()),
        };
        let Some(root) = root else { return Ok(None) };
        let mut text = format!("waits for {}", label(holder));
        if root.id != holder.id {
            text = format!("{text}, which waits for {}", label(&root));
        }
        let text = match self.state.open_conflict(root.id)? {
            Some((id, kind)) => format!("{text}, conflict {id}: {}", way_out(id, kind)),
            None if root.is_syncing => format!("{text}: {UNANSWERED}"),
            None => return Ok(None),
        };
        Ok(Some(Cause { record: root.id, text }))
    }

    /// Leaves a document for the next run because of another one. The log tells it once.
    pub(super) fn wait(&mut self, record: &Record, cause: &Cause) -> anyhow::Result<()> {
        let decision = Decision::skip(cause.text.clone());
        let is_news = record.reason.as_deref() != Some(cause.text.as_str());
        let log = is_news.then(|| self.entry(&decision, LogStatus::Conflict, None));
        let now = self.now();
        let waits_for = Some(cause.record);
        self.state.set_waiting(record.id, waits_for, &cause.text, log.as_ref(), now)?;
        self.report(record, &decision, ActionStatus::Waiting, None);
        Ok(())
    }

    /// Leaves a document for the next run because nobody knows yet what came of its request.
    pub(super) fn wait_for_outcome(&mut self, record: i64) -> anyhow::Result<()> {
        let now = self.now();
        self.state.set_waiting(record, None, UNANSWERED, None, now)?;
        for record in self.state.load_records(&[record])? {
            self.report(&record, &Decision::skip(UNANSWERED), ActionStatus::Waiting, None);
        }
        Ok(())
    }

    /// What waits for nobody that could be named.
    fn give_up(&mut self, waiting: Vec<Aside>) -> anyhow::Result<()> {
        let ids: Vec<i64> = waiting.iter().map(|aside| aside.candidate).collect();
        let records = self.state.load_records(&ids)?;
        let stuck: BTreeSet<i64> = ids.iter().copied().collect();
        for (aside, record) in waiting.into_iter().zip(records) {
            let target = missing_on(&record);
            let place = target.map_or("the other side", Side::as_str);
            let message = match aside.reason {
                AsideReason::Waits(link, on) => {
                    self.waiting_for(&link, target.or(on.map(Side::opposite)))?
                }
                AsideReason::Taken(message) => format!("{place}: {message}"),
                AsideReason::Held(side, message) => self.is_held(&record, side, message),
                AsideReason::NameTaken => {
                    self.name_is_still_taken(&record, target, &stuck)?;
                    continue;
                }
                AsideReason::Moved => {
                    // Somebody is at work on it: the next run takes it up.
                    self.leave_for_next_run(&record, "edited while it was being synced");
                    continue;
                }
                AsideReason::Rest | AsideReason::Renamed => {
                    self.leave_for_next_run(&record, "some of it is still to follow");
                    continue;
                }
                AsideReason::Last => {
                    self.leave_for_next_run(&record, "its turn did not come in this run");
                    continue;
                }
            };
            self.fail_record(&record, &cannot_be_written(&record), &message)?;
        }
        Ok(())
    }

    /// What a document waits for that was not done in this run: of one that both sides have,
    /// the cancellation or a new row; one that was there and is deleted does not come back by
    /// itself.
    fn waiting_for(&self, link: &OpenLink, target: Option<Side>) -> anyhow::Result<String> {
        let OpenLink { doctype, name } = link;
        let place = target.map_or("the other side", Side::as_str);
        let linked = match target {
            Some(target) => self.state.record_by_name(doctype, target.opposite(), name)?,
            None => None,
        };
        let linked = linked.filter(|linked| linked.bases.is_some());
        if let Some(target) =
            target.filter(|target| linked.is_none() && self.is_kept_from(doctype, *target))
        {
            let rule = Direction::to(target.opposite());
            return Ok(format!(
                "waits for {doctype} {name}, which never gets to {target}: {doctype} is carried \
                 {rule} only"
            ));
        }
        Ok(match (linked, target) {
            (Some(linked), Some(target))
                if linked.names[target].is_none() || self.is_found_gone(linked.id, target) =>
            {
                format!(
                    "links to {doctype} {name}, which was deleted on {place}: make it there again, \
                     or take the link out"
                )
            }
            // Which of them it is shows where somebody looks.
            (Some(_), _) => format!(
                "waits for {doctype} {name}, whose cancellation or new row is not on {place} yet"
            ),
            (None, _) => format!("waits for {doctype} {name}, which is not on {place} yet"),
        })
    }

    /// Whether documents of a doctype are never carried to a side.
    fn is_kept_from(&self, doctype: &str, side: Side) -> bool {
        let config = self.configured(doctype).map(|config| self.effective(config));
        config.is_some_and(|config| config.direction.target() == Some(side.opposite()))
    }

    /// A document that nothing is wrong with and that can be written another time.
    pub(super) fn leave_for_next_run(&mut self, record: &Record, reason: &str) {
        self.counts(&record.doctype).skipped += 1;
        self.report(record, &Decision::skip(reason), ActionStatus::Skipped, None);
    }
}

/// The side that does not have a document yet.
fn missing_on(record: &Record) -> Option<Side> {
    match (&record.names.cloud, &record.names.local) {
        (Some(_), None) => Some(Side::Local),
        (None, Some(_)) => Some(Side::Cloud),
        _ => None,
    }
}

/// What settles a conflict.
fn way_out(id: i64, kind: ConflictKind) -> String {
    match kind {
        ConflictKind::Collision | ConflictKind::Duplicate => {
            format!("erpsync resolve {id} --take both")
        }
        ConflictKind::UnknownOutcome | ConflictKind::CannotMirror => {
            format!("erpsync conflicts show {id}")
        }
        _ => format!("erpsync resolve {id} --take cloud|local"),
    }
}
