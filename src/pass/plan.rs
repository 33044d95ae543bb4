//! Plan: decides about each pair and works out the request.
//!
//! The rule kept here: what this version cannot do safely becomes a skip with its reason,
//! whatever was decided.

use std::collections::BTreeSet;

use anyhow::Context as _;

use crate::identity::LinkTable;
use crate::model::{Action, ConflictKind, OpenLink, Side, Translation};
use crate::recon::Decision;

use super::judge::{is_write, restrained};
use super::links::docs_of;
use super::named::cannot_be_named;
use super::requests::ready;
use super::{
    Candidate, Doctype, Forms, OpenLinks, Operation, Pair, Pass, Phase, Request, Step, Write,
};

impl Pass<'_> {
    /// Decides about a wave of pairs.
    pub(super) fn plan(
        &mut self,
        doctype: &Doctype,
        pairs: Vec<Pair>,
        open: OpenLinks,
    ) -> anyhow::Result<Vec<Operation>> {
        let mut links = self.known_links(doctype, docs_of(&pairs))?;
        let mut judged = Vec::with_capacity(pairs.len());
        for pair in &pairs {
            judged.push(self.judge(doctype, pair, &links)?);
        }
        let needs_naming = |(pair, (_, decision)): (&Pair, &(Forms, Decision))| {
            is_write(decision) || unproven_link(doctype, pair, decision, &links).is_some()
        };
        if pairs.iter().zip(&judged).any(needs_naming) {
            self.add_naming(doctype, &pairs, &mut links)?;
        }
        let among: BTreeSet<OpenLink> = if open == OpenLinks::Cut {
            pairs.iter().flat_map(names_of).collect()
        } else {
            BTreeSet::new()
        };
        let mut operations = Vec::with_capacity(pairs.len());
        for (pair, (forms, decision)) in pairs.into_iter().zip(judged) {
            let decision = self.beside_its_original(doctype, &pair, restrained(&pair, decision))?;
            let step = self.step(doctype, &pair, &forms, &decision, &links, open, &among)?;
            if let Step::Send(Write { request: Request::Delete { .. }, side, .. }) = &step
                && !self.may_delete(&doctype.config, pair.record.id, *side)?
            {
                continue;
            }
            // What is sent is in step soon; where it is refused, `not_written` notes it.
            if !matches!(step, Step::Agree | Step::Send(_)) {
                self.note_rows(doctype, &pair);
            }
            if self.is_over_limit(pair.record.id, &decision, &step) {
                self.summary.remaining += 1;
                continue;
            }
            operations.push(Operation { pair, forms, decision, step });
        }
        Ok(operations)
    }

    /// Whether `--limit` leaves this document for another run; counts it otherwise. What
    /// waits is counted when its turn comes, and one that comes again is counted once.
    fn is_over_limit(&mut self, record: Candidate, decision: &Decision, step: &Step) -> bool {
        let waits = matches!(step, Step::Wait(_) | Step::NameTaken | Step::Last | Step::Keep);
        if decision.action == Action::Noop || waits || self.taken_up.contains(&record) {
            return false;
        }
        match &mut self.left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                self.taken_up.insert(record);
                false
            }
            None => false,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all of it is read only and local to the plan")]
    fn step(
        &self,
        doctype: &Doctype,
        pair: &Pair,
        forms: &Forms,
        decision: &Decision,
        links: &LinkTable,
        open: OpenLinks,
        among: &BTreeSet<OpenLink>,
    ) -> anyhow::Result<Step> {
        if decision.skipped {
            return Ok(Step::Skip);
        }
        if self.phase < phase_of(decision) && !self.options.dry_run {
            return Ok(Step::Last);
        }
        match decision.action {
            Action::Noop | Action::Adopt => {
                let waits = unproven_link(doctype, pair, decision, links);
                let waits = waits.filter(|_| open != OpenLinks::Ignore);
                Ok(waits.map_or(Step::Agree, Step::Wait))
            }
            Action::Conflict => Ok(Step::Record),
            Action::Resolve => Ok(Step::Part),
            Action::Forget if self.is_kept(&pair.record)? => Ok(Step::Keep),
            Action::Forget => Ok(Step::Forget),
            Action::Create if self.is_name_taken(doctype, pair, decision)? => Ok(Step::NameTaken),
            Action::Rename => self.rename_step(doctype, pair, decision),
            Action::Create | Action::Update | Action::Submit | Action::Cancel | Action::Delete => {
                let target = decision.direction.target().context("a write without a target")?;
                let new = pair.doc(target.opposite()).filter(|_| decision.action == Action::Create);
                if let Some(reason) = new.and_then(|source| cannot_be_named(doctype, source)) {
                    return Ok(Step::Fail(reason));
                }
                if decision.action == Action::Create
                    && let Some(original) = self.uncancelled_original(doctype, pair, target)?
                    && open != OpenLinks::Ignore
                {
                    return Ok(Step::Wait(original));
                }
                if phase_of(decision) == Phase::Last && self.is_still_held(&pair.record, target)? {
                    return Ok(Step::Held(target));
                }
                let write = self.write_for(doctype, pair, forms, decision, links, target)?;
                Ok(match write.request {
                    Request::Delete { .. } => Step::Send(write),
                    _ => ready(write, decision.action, open, among),
                })
            }
            _ => Ok(Step::Fail(format!("{} is not in this version", decision.action.as_str()))),
        }
    }
}

/// When a decision is carried out. Cancellations and deletions come when nothing needs their
/// documents any more; what users changed beyond what can be carried over may turn out to be
/// what the rest brings about.
fn phase_of(decision: &Decision) -> Phase {
    match decision.action {
        Action::Cancel | Action::Delete => Phase::Last,
        _ if decision.conflict == Some(ConflictKind::CannotMirror) => Phase::End,
        _ => Phase::Main,
    }
}

/// A link of two documents that meet as equals to one that nobody has told apart yet, where
/// each site gives the names: the same text may mean two documents, so it is no equality.
/// Clones (the same `creation`) are one document whatever they link to.
fn unproven_link(
    doctype: &Doctype,
    pair: &Pair,
    decision: &Decision,
    links: &LinkTable,
) -> Option<OpenLink> {
    let (cloud, local) = (pair.doc(Side::Cloud)?, pair.doc(Side::Local)?);
    let is_first = decision.action == Action::Adopt && pair.record.bases.is_none();
    if !is_first || cloud.creation() == local.creation() {
        return None;
    }
    [(Side::Cloud, cloud), (Side::Local, local)].into_iter().find_map(|(side, doc)| {
        let unproven = |(linked, name): (String, String)| {
            let is_itself = linked == doctype.config.doctype && name == doc.name();
            match links.translate(side, &linked, &name) {
                Translation::Open(link) if !is_itself && !links.is_natural(&linked) => Some(link),
                _ => None,
            }
        };
        doctype.shape.links(doc).into_iter().find_map(unproven)
    })
}

/// The pair's names, as a link to it would have them.
fn names_of(pair: &Pair) -> impl Iterator<Item = OpenLink> {
    let names = pair.record.names.iter().filter_map(|(_, name)| name.clone());
    names.map(|name| OpenLink { doctype: pair.record.doctype.clone(), name })
}
