//! One pass: scan -> fetch -> plan -> execute.
//!
//! `scan` lists both sites and says which documents are to be looked at (`Candidate`),
//! `fetch` reads them on both sides (`Pair`), `plan` decides (`Operation`), `execute` does it
//! (`Outcome`). `settle` comes first and closes what an earlier run left open. The pure parts
//! are `recon` and `identity`; here are the order of things and what is stored when.
//!
//! The rules kept here: nothing is written to a site without an intent in the journal
//! (invariants 3 and 7), nothing that was not read just before (3), and a base is written only
//! when an action is closed (1).

mod ahead;
mod alike;
mod anew;
mod apart;
mod born;
mod clocks;
mod close;
mod delete;
mod doctype;
mod execute;
mod fetch;
mod gone;
mod health;
mod inspect;
mod judge;
mod lines;
mod links;
mod listing;
mod lost;
mod meet;
mod merges;
mod metadata;
mod misnamed;
mod named;
mod needed;
mod options;
mod passage;
mod plan;
mod preview;
mod refusals;
mod renames;
mod requests;
mod reread;
mod resolve;
mod resolve_gone;
mod rows;
mod rules;
mod scan;
mod settle;
mod start;
mod summary;
mod taken;
mod tally;
mod together;
mod told;
mod types;
mod waiting;
mod wanted;
mod workers;
mod write;
mod wrong_side;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::RandomState;
use std::sync::Arc;

use jiff::Timestamp;

pub use apart::is_about_identity;
pub use doctype::{Doctype, Unsyncable, render_one_sided};
pub use misnamed::{Misnamed, misnamed};
use options::at;
pub use options::{Options, Scope, Stop, Surroundings, Watcher, is_about_the_doctype};
pub use preview::Preview;
pub use refusals::Refusal;
pub use resolve::{Choice, Resolved};
pub use rules::{Rule, Rules};
pub use scan::Ambiguous;
pub use summary::{ActionLine, ActionStatus, DoctypeSummary, Guard, Summary, Told};
pub use types::{
    Aside, AsideReason, Candidate, Forms, OpenLinks, Operation, Outcome, Pair, Phase, Request,
    Step, WholeForms, Write,
};
pub use workers::Workers;

use crate::config::{Config, DoctypeConfig};
use crate::identity::Naming;
use crate::model::{Side, Sides};
use crate::recon::SiteClock;
use crate::site::Site;
use crate::state::{Made, State};

/// A run over some doctypes.
pub struct Pass<'a> {
    sites: Sides<&'a dyn Site>,
    state: &'a mut State,
    config: &'a Config,
    options: &'a Options,
    around: Surroundings<'a>,
    workers: Arc<Workers>,
    /// What was read of the next wave.
    read_ahead: ahead::Ahead,
    run: Option<i64>,
    users: Sides<String>,
    /// What the sites said at the start, as long as nothing was written or settled.
    opening: start::Opening,
    /// The key under which this run hashes documents to compare them by day.
    key: RandomState,
    /// Read when the first conflict needs them.
    clocks: Option<Sides<Option<SiteClock>>>,
    /// What is known of both sites' metadata.
    known: metadata::Known,
    /// Naming rules of doctypes that are linked to.
    naming: BTreeMap<String, Naming>,
    phase: Phase,
    /// Doctypes of this run that have not been looked at yet.
    ahead: Vec<String>,
    /// Where documents may still turn up that requests of earlier runs have made, each with
    /// the document that was to be carried over.
    awaited: BTreeMap<(String, Side), Candidate>,
    /// The documents whose open requests this run has looked into.
    settled: BTreeSet<Candidate>,
    /// New documents that were looked for on the other side already.
    met: BTreeSet<Candidate>,
    /// New documents that are second copies of known ones.
    copies: BTreeSet<Candidate>,
    /// What our requests have made on each side, read when it is first needed.
    made: Option<Sides<Vec<Made>>>,
    /// Records that turned out to be another one's other side.
    joined: BTreeSet<i64>,
    /// The records of doctypes of which only some documents were asked for.
    named: BTreeMap<String, Vec<i64>>,
    /// How many documents may still be acted on.
    left: Option<usize>,
    /// Those that count against that already.
    taken_up: BTreeSet<Candidate>,
    /// Doctypes of which a person calls older versions right.
    accepted: BTreeSet<String>,
    /// What became of known documents that a side did not show.
    fates: gone::Fates,
    /// How many more documents of a doctype may be deleted on a side.
    deletes_left: BTreeMap<(String, Side), u64>,
    /// The documents that count against that already.
    to_delete: BTreeSet<Candidate>,
    /// Those for which nothing was left of it.
    not_deleted: BTreeSet<Candidate>,
    /// Documents of doctypes that the run has left behind, which link to what is gone.
    referrers: BTreeMap<String, BTreeSet<Candidate>>,
    /// Documents that were merged into others on one side, to which submitted ones link.
    merges: merges::Merges,
    /// How often a site refused to rename a document, and with what words.
    not_renamed: BTreeMap<Candidate, (u32, String)>,
    /// Documents that could not be given a new name, and the names until then.
    owing: BTreeMap<Candidate, Sides<String>>,
    /// By doctype, what the documents that have work left are called.
    spellings: BTreeMap<String, passage::Spellings>,
    /// What a dry run has seen so far.
    foreseen: taken::Foreseen,
    /// Rows that the other side has no name for yet.
    rows: rows::RowsToCome,
    /// The doctypes that a side has, once one was asked for that it does not have.
    on_site: Sides<Option<Vec<String>>>,
    summary: Summary,
}

impl<'a> Pass<'a> {
    /// Prepares a run. `run` is its number in the state; a dry run has none. Of what it is going
    /// to go through both sites are asked at once what can be asked, beside who we are.
    ///
    /// # Errors
    /// A site that cannot be reached or does not know our key, or a state that belongs to
    /// another pair of sites.
    pub fn new(
        sites: Sides<&'a dyn Site>,
        state: &'a mut State,
        config: &'a Config,
        options: &'a Options,
        around: Surroundings<'a>,
        run: Option<i64>,
        scopes: &[Scope],
    ) -> anyhow::Result<Self> {
        let workers = Workers::new(Sides::from_fn(|side| config.sides[side].concurrency));
        let mut pass = Self {
            sites,
            state,
            config,
            options,
            around,
            workers: Arc::new(workers),
            read_ahead: ahead::Ahead::default(),
            run,
            users: Sides::default(),
            opening: start::Opening::default(),
            key: RandomState::new(),
            clocks: None,
            known: metadata::Known::default(),
            naming: BTreeMap::new(),
            phase: Phase::Main,
            ahead: Vec::new(),
            awaited: BTreeMap::new(),
            settled: BTreeSet::new(),
            met: BTreeSet::new(),
            copies: BTreeSet::new(),
            made: None,
            joined: BTreeSet::new(),
            named: BTreeMap::new(),
            left: options.limit,
            taken_up: BTreeSet::new(),
            accepted: BTreeSet::new(),
            fates: gone::Fates::new(),
            deletes_left: BTreeMap::new(),
            to_delete: BTreeSet::new(),
            not_deleted: BTreeSet::new(),
            referrers: BTreeMap::new(),
            merges: merges::Merges::new(),
            not_renamed: BTreeMap::new(),
            owing: BTreeMap::new(),
            spellings: BTreeMap::new(),
            foreseen: taken::Foreseen::default(),
            rows: rows::RowsToCome::default(),
            on_site: Sides::default(),
            summary: Summary::default(),
        };
        pass.ask_at_the_start(scopes)?;
        let urls = Sides::from_fn(|side| config.sides[side].url.clone());
        let now = pass.now();
        pass.state.check_pair(&urls, &pass.users, now)?;
        Ok(pass)
    }

    /// Goes through the doctypes in their order, then through what had to wait.
    ///
    /// # Errors
    /// A site that is down, an unusable state, or an interruption. What was done until then
    /// is stored.
    pub fn run(&mut self, scopes: &[Scope]) -> anyhow::Result<()> {
        self.rows.begin(self.options.dry_run);
        let mut waiting = self.pass_over(scopes)?;
        for scope in scopes.iter().filter(|scope| scope.is_whole()) {
            let config = self.effective(&scope.config);
            let left_behind = self.left_behind(&config);
            waiting.extend(self.contained(&config, left_behind)?.flatten());
        }
        self.finish(waiting)?;
        self.foretell_taken()
    }

    /// Documents of a doctype that turned out to need a look after its turn.
    fn left_behind(&mut self, config: &DoctypeConfig) -> anyhow::Result<Option<Waiting>> {
        let Some(records) = self.referrers.remove(&config.doctype) else { return Ok(None) };
        let counts = self.counts(&config.doctype);
        if counts.guard.is_some() || counts.error.is_some() {
            return Ok(None);
        }
        let doctype = self.load_doctype(config.clone())?;
        let aside =
            records.into_iter().map(|candidate| Aside { candidate, reason: AsideReason::Rest });
        Ok(Some((doctype, aside.collect())))
    }

    /// What is about one doctype only is noted with it, and the others go on.
    fn contained<T>(
        &mut self,
        config: &DoctypeConfig,
        result: anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        let error = match result {
            Err(error) if is_about_the_doctype(&error) => error,
            result => return result.map(Some),
        };
        // A site says little about a single or a child table that is listed.
        let (error, doctype) = match self.load_doctype(config.clone()) {
            Err(reason) if reason.is::<Unsyncable>() => (reason, None),
            loaded => (error, loaded.ok()),
        };
        let refused = match error.downcast_ref() {
            Some(Stop::Site { side, error }) => Some((*side, error.kind)),
            _ => None,
        };
        let hint =
            refused.map(|(side, kind)| self.refusal_hint(config, doctype.as_ref(), side, kind));
        let counts = self.counts(&config.doctype);
        counts.error = Some(format!("{error:#}"));
        (counts.refused, counts.refused_hint) = (refused, hint);
        Ok(None)
    }

    /// Writes what can be written, and again what waited for it, until nothing moves.
    fn rounds(
        &mut self,
        doctype: &Doctype,
        candidates: &[Candidate],
        open: OpenLinks,
    ) -> anyhow::Result<Vec<Aside>> {
        let aside = self.round(doctype, candidates, open)?;
        self.further_rounds(doctype, candidates.len(), aside, open)
    }

    /// Goes once through some documents.
    fn round(
        &mut self,
        doctype: &Doctype,
        candidates: &[Candidate],
        open: OpenLinks,
    ) -> anyhow::Result<Vec<Aside>> {
        let mut aside = Vec::new();
        let mut waves = candidates.chunks(self.wave()).peekable();
        while let Some(wave) = waves.next() {
            let next = waves.peek().copied().unwrap_or_default();
            aside.extend(self.wave_of(doctype, wave, next, open)?.aside);
        }
        Ok(aside)
    }

    /// After a round over so many documents: again what was set aside, until nothing moves.
    fn further_rounds(
        &mut self,
        doctype: &Doctype,
        mut before: usize,
        mut aside: Vec<Aside>,
        open: OpenLinks,
    ) -> anyhow::Result<Vec<Aside>> {
        let mut last = Vec::new();
        loop {
            last.extend(aside.extract_if(.., |aside| aside.reason == AsideReason::Last));
            // A new name may be what others wait for.
            let has_renamed = aside.iter().any(|aside| aside.reason == AsideReason::Renamed);
            if aside.is_empty() || aside.len() >= before && !has_renamed {
                aside.extend(last);
                return Ok(aside);
            }
            let candidates: Vec<Candidate> = aside.iter().map(|aside| aside.candidate).collect();
            before = candidates.len();
            aside = self.round(doctype, &candidates, open)?;
        }
    }

    /// fetch -> plan -> execute, for some candidates at once. The next ones are read meanwhile.
    fn wave_of(
        &mut self,
        doctype: &Doctype,
        wave: &[Candidate],
        next: &[Candidate],
        open: OpenLinks,
    ) -> anyhow::Result<WaveDone> {
        self.check_interrupted()?;
        let mut wave = wave.to_vec();
        if self.left == Some(0) {
            let all = wave.len();
            wave.retain(|candidate| self.taken_up.contains(candidate));
            self.summary.remaining += all - wave.len();
        }
        if wave.is_empty() {
            return Ok(WaveDone::default());
        }
        let pairs = self.fetch_met(doctype, &mut wave)?;
        // A side that looks wrong stops the doctype, whoever asked for the look.
        if self.counts(&doctype.config.doctype).guard.is_some() {
            return Ok(WaveDone::default());
        }
        let next = if self.may_read_ahead() { next } else { &[] };
        let done = self.while_reading(doctype, next, |pass| {
            let operations = pass.plan(doctype, pairs, open)?;
            let moves_others = operations.iter().any(ahead::moves_others);
            let in_turn = operations.iter().filter(|one| together::is_in_turn(one)).count();
            let aside = pass.execute(doctype, operations)?;
            Ok((WaveDone { aside, in_turn }, moves_others))
        })?;
        self.around.watcher.advance(wave.len());
        if !self.config.batch_pause.is_zero() {
            (self.around.pause)(self.config.batch_pause);
        }
        Ok(done)
    }

    /// How many documents are in hand at once: a batch for each worker, so that reads keep
    /// all of them busy; one batch where a pause between batches is asked for.
    fn wave(&self) -> usize {
        let batches = if self.config.batch_pause.is_zero() { self.workers.widest() } else { 1 };
        self.config.batch_size.saturating_mul(batches).max(1)
    }

    /// What waited for other documents; then what comes last, in reverse order; then what
    /// waited for that, as an amendment does for a cancellation; then what may have settled
    /// itself by all this. What is left then failed.
    fn finish(&mut self, mut waiting: Vec<Waiting>) -> anyhow::Result<()> {
        self.rows.end();
        self.until_nothing_moves(&mut waiting)?;
        for phase in [Phase::Last, Phase::End] {
            let last = take_last(&mut waiting);
            if last.is_empty() {
                break;
            }
            self.phase = phase;
            for (doctype, aside) in last.into_iter().rev() {
                let candidates: Vec<Candidate> =
                    aside.iter().rev().map(|aside| aside.candidate).collect();
                let aside = self.rounds(&doctype, &candidates, OpenLinks::Wait);
                let aside = self.contained(&doctype.config, aside)?.unwrap_or_default();
                waiting.push((doctype, aside));
            }
            self.until_nothing_moves(&mut waiting)?;
        }
        self.give_up_waiting(waiting)
    }

    /// Again until nothing moves, then once without the links still open, then the rest of
    /// those.
    fn until_nothing_moves(&mut self, waiting: &mut [Waiting]) -> anyhow::Result<()> {
        for open in [OpenLinks::Wait, OpenLinks::Cut, OpenLinks::Wait] {
            loop {
                let before = count(waiting);
                for (doctype, aside) in waiting.iter_mut() {
                    let (last, again): (Vec<_>, Vec<_>) =
                        aside.drain(..).partition(|aside| aside.reason == AsideReason::Last);
                    let candidates: Vec<Candidate> =
                        again.iter().map(|aside| aside.candidate).collect();
                    let again = self.rounds(doctype, &candidates, open);
                    *aside = self.contained(&doctype.config, again)?.unwrap_or_default();
                    aside.extend(last);
                }
                if count(waiting) == before || open == OpenLinks::Cut {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The counts of a doctype of this run.
    fn counts(&mut self, doctype: &str) -> &mut DoctypeSummary {
        let entries = &mut self.summary.doctypes;
        let at = entries.iter().position(|entry| entry.doctype == doctype).unwrap_or_else(|| {
            let doctype = doctype.to_owned();
            entries.push(DoctypeSummary { doctype, ..DoctypeSummary::default() });
            entries.len() - 1
        });
        &mut entries[at]
    }

    fn effective(&self, config: &DoctypeConfig) -> DoctypeConfig {
        let direction = self.options.direction.unwrap_or(config.direction);
        DoctypeConfig { direction, ..config.clone() }
    }

    fn check_interrupted(&self) -> anyhow::Result<()> {
        if (self.around.is_interrupted)() { Err(Stop::Interrupted.into()) } else { Ok(()) }
    }

    fn keeps(&self, rule: Rule) -> bool {
        self.options.rules.keeps(rule)
    }

    fn now(&self) -> Timestamp {
        (self.around.now)()
    }
}

/// What came of a wave.
#[derive(Default)]
struct WaveDone {
    /// What is to be looked at again.
    aside: Vec<Aside>,
    /// How many documents were to be created one after another.
    in_turn: usize,
}

/// A doctype and what is to be looked at of it.
type Ready = (Doctype, Vec<Candidate>);

/// What is set aside of a doctype.
type Waiting = (Doctype, Vec<Aside>);

/// How many documents wait for another.
fn count(waiting: &[Waiting]) -> usize {
    let waits = |aside: &&Aside| aside.reason != AsideReason::Last;
    waiting.iter().map(|(_, aside)| aside.iter().filter(waits).count()).sum()
}

/// Takes out what comes last.
fn take_last(waiting: &mut [Waiting]) -> Vec<Waiting> {
    let taken = waiting.iter_mut().map(|(doctype, aside)| {
        let last = aside.extract_if(.., |aside| aside.reason == AsideReason::Last).collect();
        (doctype.clone(), last)
    });
    taken.filter(|(_, last): &Waiting| !last.is_empty()).collect()
}
