//! Writes: journal, request, answer.
//!
//! The rules kept here: an intent is committed before its request goes out and an answer as
//! it arrives (invariant 7); an update carries the `modified` that was read (3).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::model::{Doc, Side, Sides};
use crate::site::bulk::{self, Asked};
use crate::site::{ErrorKind, ServerClock, Site, SiteError};
use crate::state::NewIntent;

use super::delete::{Deleted, delete_one};
use super::execute::conflict_of;
use super::fetch::Found;
use super::health::{Health, ends_the_run};
use super::renames::{Renamed, rename_one};
use super::requests::sent_fields;
use super::reread::Unread;
use super::workers::{Lane, Turn};
use super::{
    Aside, AsideReason, Doctype, Operation, Outcome, Pass, Request, Rule, Stop, Write,
    is_about_the_doctype,
};

/// Operations that take a request.
pub(super) type Writes = Vec<(Operation, Write)>;

/// The writes of a wave of one doctype.
pub(super) type Wave<'d> = (&'d Doctype, Writes);

impl Pass<'_> {
    /// Sends a wave of writes and closes those that the sites answered.
    pub(super) fn write(
        &mut self,
        doctype: &Doctype,
        writes: Writes,
    ) -> anyhow::Result<Vec<Aside>> {
        let written = self.write_together(vec![(doctype, writes)])?;
        written.into_iter().next().unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Sends the waves of some doctypes at the same time; gives what came of each.
    ///
    /// # Errors
    /// A site that is down. What is about one doctype only is what came of that.
    pub(super) fn write_together(
        &mut self,
        waves: Vec<Wave<'_>>,
    ) -> anyhow::Result<Vec<anyhow::Result<Vec<Aside>>>> {
        if waves.iter().all(|(_, writes)| writes.is_empty()) {
            return Ok(waves.iter().map(|_| Ok(Vec::new())).collect());
        }
        self.made = None;
        self.opening.forget();
        let (sent, outage) = self.send(&waves)?;
        let closed = waves.into_iter().zip(sent).map(|(wave, sent)| self.answered(wave, sent));
        let closed: Vec<_> = closed.collect();
        let Some(outage) = outage else { return Ok(closed) };
        // What could not be stored is worse than a site that is down.
        let mut errors = closed.into_iter().filter_map(Result::err);
        let worse = errors.find(|error| !is_about_the_doctype(error) && !error.is::<Stop>());
        Err(worse.unwrap_or_else(|| outage.into()))
    }

    /// Closes what a site has answered.
    fn answered(
        &mut self,
        (doctype, writes): Wave<'_>,
        Sent { requests, read_again }: Sent,
    ) -> anyhow::Result<Vec<Aside>> {
        let mut aside = Vec::new();
        let (mut done, mut deleted, mut renamed) = (Vec::new(), Vec::new(), Vec::new());
        for ((operation, write), request) in writes.into_iter().zip(requests) {
            // Without an intent its turn never came.
            let Some(intent) = request.intent else { continue };
            match request.outcome {
                Some(Outcome::Written(_)) if matches!(write.request, Request::Delete { .. }) => {
                    deleted.push(Deleted::of(&operation, &write, intent));
                }
                Some(Outcome::Written(answer))
                    if matches!(write.request, Request::Rename { .. }) =>
                {
                    renamed.push(Renamed::of(&operation, &write, intent, &answer));
                }
                Some(Outcome::Written(answer)) => {
                    done.extend(self.named_right(doctype, operation, write, intent, answer)?);
                }
                other => {
                    self.note_rows(doctype, &operation.pair);
                    aside.extend(self.not_written(&operation, &write, intent, other)?);
                }
            }
        }
        aside.extend(self.finish_writes(doctype, done, read_again)?);
        self.finish_deletes(doctype, deleted)?;
        aside.extend(self.finish_renames(doctype, renamed)?);
        Ok(aside)
    }

    /// Sends the requests, each under its intent, with both versions of what it overwrites
    /// stored. An answer is committed as it arrives, with those that came meanwhile; once a site
    /// turns out to be down nothing more is begun, and what was not begun has no outcome.
    ///
    /// Documents whose names a site counts are created one at a time of each doctype on each side,
    /// in the order in which they were created on the other, and the intent of each is committed
    /// when its turn comes: at most one of them is ever in flight.
    ///
    /// What has been written is read again a batch at a time, while the rest is still being sent.
    fn send(&mut self, waves: &[Wave<'_>]) -> anyhow::Result<(Vec<Sent>, Option<Stop>)> {
        let items = items(waves);
        let (run, sites, time) = (self.run, self.sites, self.around.now);
        let intent = |i: usize| new_intent(run, sites, &items[i], time());
        let mut requests: Vec<Sending> = items.iter().map(|_| Sending::default()).collect();
        let mut read_again: Vec<Sides<Found>> = waves.iter().map(|_| Sides::default()).collect();
        let (counted, beside): (Vec<usize>, Vec<usize>) =
            (0..items.len()).partition(|i| is_counted(items[*i].write));
        let begun = self.state.begin_intents(beside.iter().map(|i| intent(*i)), time())?;
        for (i, intent) in beside.iter().zip(begun) {
            requests[*i].intent = Some(intent);
        }
        let lanes = lanes(&items, waves.len(), &beside, counted);
        let state = &mut *self.state;
        let max_attempts = self.config.retry.max_attempts;
        let most = |side: Side| self.config.sides[side].concurrency + max_attempts as usize;
        let health = Health::new(Sides::from_fn(most));
        let unread: Vec<Unread> =
            waves.iter().map(|_| Unread::new(self.config.batch_size)).collect();
        let result = self.workers.in_lanes(
            lanes,
            |side, job| match job {
                _ if health.is_down(side) => (Came::Nothing, None),
                Job::Write(item) => {
                    let outcome = send_one(sites, &item, max_attempts);
                    health.heard(side, &outcome);
                    let batch = unread[item.wave].note(&item, &outcome);
                    (Came::Outcome(outcome), batch.map(|asked| Job::ReadAgain(item, asked)))
                }
                // What cannot be read now is read in its turn.
                Job::ReadAgain(item, asked) => {
                    let docs = bulk::fetch_asked(sites[side], &item.doctype.schemas[side], asked);
                    (Came::Docs(docs.unwrap_or_default()), None)
                }
            },
            |turns| {
                let now = time();
                let begins = turns.iter().filter(|(_, turn)| matches!(turn, Turn::Begins));
                let places: Vec<usize> = begins.map(|(i, _)| *i).collect();
                let intents: Vec<NewIntent> = places.iter().map(|i| intent(*i)).collect();
                let begun = state.advance(&answers(&turns, &requests), &intents, now)?;
                for (i, intent) in places.into_iter().zip(begun) {
                    requests[i].intent = Some(intent);
                }
                let mut outcome = Ok(());
                for (i, turn) in turns {
                    let (wave, side) = (items[i].wave, items[i].write.side);
                    match turn {
                        Turn::Done(Came::Outcome(done)) => {
                            outcome = outcome.and(arrived(&mut requests[i], done, side, &health));
                        }
                        Turn::Done(Came::Docs(docs)) => {
                            let docs = docs.into_iter().map(|doc| (doc.name(), doc));
                            read_again[wave][side].extend(docs);
                        }
                        Turn::Done(Came::Nothing) | Turn::Begins => {}
                    }
                }
                outcome
            },
        );
        let outage = result.err().map(anyhow::Error::downcast::<Stop>).transpose()?;
        let mut requests = requests.into_iter();
        let of_wave = |((_, writes), read_again): (&Wave<'_>, Sides<Found>)| Sent {
            requests: requests.by_ref().take(writes.len()).collect(),
            read_again,
        };
        Ok((waves.iter().zip(read_again).map(of_wave).collect(), outage))
    }

    /// A write that did not happen, or of which nobody knows whether it did.
    fn not_written(
        &mut self,
        operation: &Operation,
        write: &Write,
        intent: i64,
        outcome: Option<Outcome>,
    ) -> anyhow::Result<Option<Aside>> {
        let now = self.now();
        let side = write.side;
        let candidate = operation.pair.record.id;
        match outcome {
            None => {
                self.state.void_intent(intent, "not sent: the site is down", now)?;
                Ok(None)
            }
            Some(Outcome::Moved) => {
                self.state.void_intent(intent, "edited since it was read", now)?;
                Ok(Some(Aside { candidate, reason: AsideReason::Moved }))
            }
            Some(Outcome::Taken(message)) => {
                self.state.void_intent(intent, &message, now)?;
                Ok(Some(Aside { candidate, reason: AsideReason::Taken(message) }))
            }
            // Nothing is wrong with the document: the next run takes it up, or finds out what
            // came of it.
            Some(Outcome::Failed(error)) if ends_the_run(&error) => {
                if error.had_no_effect() {
                    self.state.void_intent(intent, &error.message, now)?;
                }
                Ok(None)
            }
            Some(Outcome::Failed(error)) if error.kind == ErrorKind::Locked => {
                self.state.void_intent(intent, &error.message, now)?;
                self.leave_for_next_run(&operation.pair.record, &error.message);
                Ok(None)
            }
            Some(Outcome::Failed(error)) if HELD.contains(&error.exc_type.as_str()) => {
                self.state.void_intent(intent, &error.message, now)?;
                Ok(Some(Aside { candidate, reason: AsideReason::Held(side, error.message) }))
            }
            Some(Outcome::NotRenamed(message)) => {
                self.state.void_intent(intent, &message, now)?;
                Ok(Some(self.was_not_renamed(candidate, message)))
            }
            Some(Outcome::Failed(error)) => {
                let mut message = error.message.clone();
                if error.had_no_effect() {
                    self.state.void_intent(intent, &message, now)?;
                } else {
                    message.push_str("; the next run finds out what came of it");
                    if is_counted(write) {
                        self.may_have_made(&operation.pair.record, side);
                    }
                }
                self.fail(&operation.pair, &operation.decision, &message)?;
                Ok(None)
            }
            Some(Outcome::Written(_)) => Ok(None),
        }
    }
}

/// What the journal is told of a write that is about to be requested.
fn new_intent(
    run: Option<i64>,
    sites: Sides<&dyn Site>,
    &Item { doctype, operation, write, .. }: &Item<'_>,
    now: Timestamp,
) -> NewIntent {
    let Operation { pair, decision, .. } = operation;
    let (target_name, target_modified) = match &write.request {
        Request::Insert { name } => (name.clone(), None),
        Request::Update { name, modified } => (Some(name.clone()), Some(modified.clone())),
        Request::Delete { doc } => (Some(doc.name()), Some(doc.modified().to_owned())),
        Request::Rename { doc, .. } => (Some(doc.name()), None),
    };
    NewIntent {
        record: pair.record.id,
        run,
        side: write.side,
        action: decision.action,
        target_name,
        target_modified,
        target: pair.doc(write.side).cloned(),
        source: write.carried.clone(),
        sent: sent_fields(write),
        form_digest: doctype.shape.digest().to_owned(),
        omitted: write.body.omitted.iter().chain(write.owed.keys()).cloned().collect(),
        resolution: write.resolution,
        reason: decision.reason.clone(),
        site_time: site_time(sites[write.side], now),
        conflict: conflict_of(operation, now),
    }
}

/// One of the writes of some waves.
#[derive(Clone, Copy)]
pub(super) struct Item<'w> {
    /// Which of the waves it belongs to.
    wave: usize,
    pub doctype: &'w Doctype,
    pub operation: &'w Operation,
    pub write: &'w Write,
}

/// The writes of all waves, one wave after the other.
fn items<'w>(waves: &'w [Wave<'_>]) -> Vec<Item<'w>> {
    let of_wave = |(wave, (doctype, writes)): (usize, &'w Wave<'_>)| {
        let doctype: &'w Doctype = doctype;
        writes.iter().map(move |(operation, write)| Item { wave, doctype, operation, write })
    };
    waves.iter().enumerate().flat_map(of_wave).collect()
}

/// What became of a wave of writes.
struct Sent {
    /// What became of each, in their order.
    requests: Vec<Sending>,
    /// What has been read again of it already.
    read_again: Sides<Found>,
}

/// What a worker does for a write.
enum Job<'w> {
    /// The request.
    Write(Item<'w>),
    /// These have been written, this one as the last of them.
    ReadAgain(Item<'w>, Asked),
}

/// What a worker brings.
enum Came {
    /// Nothing was sent: the site is down.
    Nothing,
    Outcome(Outcome),
    Docs(Vec<Doc>),
}

/// What became of a write.
#[derive(Default)]
struct Sending {
    /// Its intent; `None` where its turn never came.
    intent: Option<i64>,
    /// What came back; `None` where nothing was sent.
    outcome: Option<Outcome>,
}

/// The answers among what has arrived, each with its intent.
fn answers<'a>(turns: &'a [(usize, Turn<Came>)], requests: &[Sending]) -> Vec<(i64, &'a Doc)> {
    let answer = |(i, turn): &'a (usize, Turn<Came>)| match turn {
        Turn::Done(Came::Outcome(Outcome::Written(answer))) => Some((requests[*i].intent?, answer)),
        _ => None,
    };
    turns.iter().filter_map(answer).collect()
}

/// Notes what came back; an error where the site is down.
fn arrived(
    sending: &mut Sending,
    outcome: Outcome,
    side: Side,
    health: &Health,
) -> anyhow::Result<()> {
    let stop = match &outcome {
        Outcome::Failed(error) if error.is_outage() && health.is_down(side) => Some(error.clone()),
        _ => None,
    };
    sending.outcome = Some(outcome);
    stop.map_or(Ok(()), |error| Err(Stop::Site { side, error }.into()))
}

/// Whether the site gives the new document a name of its own counting.
pub(super) fn is_counted(write: &Write) -> bool {
    matches!(write.request, Request::Insert { name: None })
}

/// One lane a side and wave for documents whose names are counted; everything else on its own.
fn lanes<'w>(
    items: &[Item<'w>],
    waves: usize,
    beside: &[usize],
    mut counted: Vec<usize>,
) -> Vec<Lane<Job<'w>>> {
    let job = |i: usize| Job::Write(items[i]);
    counted.sort_by_cached_key(|i| {
        let source = &items[*i].write.carried;
        (source.creation().to_owned(), source.name())
    });
    let in_turn = |(wave, side): (usize, Side)| {
        let is_of_it = |i: &usize| items[*i].wave == wave && items[*i].write.side == side;
        let places = counted.iter().copied().filter(is_of_it);
        Lane { side, items: places.map(|i| (i, job(i))).collect(), is_announced: true }
    };
    let lanes = (0..waves).flat_map(|wave| Side::BOTH.map(|side| (wave, side))).map(in_turn);
    let alone = beside.iter().map(|i| Lane::of_one(items[*i].write.side, *i, job(*i)));
    lanes.filter(|lane| !lane.items.is_empty()).chain(alone).collect()
}

/// A site's own time now, by its last answer.
fn site_time(site: &dyn Site, now: Timestamp) -> Option<Timestamp> {
    let ServerClock { date, received } = site.clock()?;
    date.checked_add(now.duration_since(received)).ok()
}

/// What a site answers where a document cannot be cancelled or deleted because another one
/// links to it or is below it. That one may be about to go as well.
const HELD: [&str; 2] = ["LinkExistsError", "NestedSetChildExistsError"];

/// Sends one write. Runs on a worker.
fn send_one(
    sites: Sides<&dyn Site>,
    &Item { doctype, operation, write, .. }: &Item<'_>,
    max_attempts: u32,
) -> Outcome {
    let site = sites[write.side];
    let name = &doctype.config.doctype;
    match &write.request {
        Request::Delete { doc } => delete_one(site, name, doc),
        Request::Rename { doc, new } => rename_one(site, name, doc, new),
        Request::Insert { .. } => match site.insert(name, &write.body.fields) {
            Ok(answer) => Outcome::Written(answer),
            Err(error) if error.kind == ErrorKind::Duplicate => Outcome::Taken(error.message),
            Err(error) => Outcome::Failed(error),
        },
        Request::Update { name: target, modified } => {
            let mut lock = modified.clone();
            for _ in 0..max_attempts.max(1) {
                let mut body = write.body.fields.clone();
                if doctype.rules.keeps(Rule::Lock) {
                    body.insert("modified".to_owned(), lock.clone().into());
                }
                match site.update(name, target, &body) {
                    Ok(answer) => return Outcome::Written(answer),
                    Err(error) if error.kind != ErrorKind::Stale => return Outcome::Failed(error),
                    Err(_) => match only_touched(sites, doctype, operation, write.side) {
                        Ok(Some(modified)) => lock = modified,
                        Ok(None) => return Outcome::Moved,
                        Err(error) => return Outcome::Failed(error),
                    },
                }
            }
            Outcome::Moved
        }
    }
}

/// After a timestamp mismatch: reads both documents again. Where only `modified` moved, the
/// new lock; where content moved, `None`.
fn only_touched(
    sites: Sides<&dyn Site>,
    doctype: &Doctype,
    operation: &Operation,
    target: Side,
) -> Result<Option<String>, SiteError> {
    let mut lock = None;
    for side in Side::BOTH {
        let Some(before) = operation.pair.doc(side) else { return Ok(None) };
        let docs = bulk::fetch_docs(sites[side], &doctype.schemas[side], &[before.name()])?;
        let Some(now) = docs.iter().find(|doc| doc.name() == before.name()) else {
            return Ok(None);
        };
        let form = |doc: &Doc| doctype.shape.whole_form(doc, &|_, _| None);
        if form(now) != form(before) || now.creation() != before.creation() {
            return Ok(None);
        }
        // They are sent whole, under their names and with what is not compared in them.
        if side == target && rows(now) != rows(before) {
            return Ok(None);
        }
        if side == target {
            lock = Some(now.modified().to_owned());
        }
    }
    Ok(lock)
}

/// The rows of a document by table, but for when and by whom they were saved.
fn rows(doc: &Doc) -> BTreeMap<&String, Vec<Map<String, Value>>> {
    let unstamped = |row: &Value| {
        let mut row = row.as_object()?.clone();
        row.retain(|field, _| !["modified", "modified_by"].contains(&field.as_str()));
        Some(row)
    };
    let tables = doc.0.iter().filter_map(|(field, value)| Some((field, value.as_array()?)));
    tables.map(|(field, rows)| (field, rows.iter().filter_map(unstamped).collect())).collect()
}
