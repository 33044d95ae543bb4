//! Requests in flight: as many at once on each side as its `concurrency` allows, never more.
//!
//! Items may stand in lanes: those of one lane go one after another, which is how documents
//! are created whose names a site counts.
//!
//! The rule kept here: results come back to the calling thread, which alone writes the state.
//! With a concurrency of 1 on both sides nothing leaves the calling thread and everything
//! happens in the order given, so that a run can be replayed.

use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

use anyhow::Context as _;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::model::{Side, Sides};

/// The workers of both sides.
pub struct Workers {
    limits: Sides<usize>,
    /// Started when there is more to do than a few requests, which get threads of their own: in a
    /// pass without news the pools would cost more than what they do.
    pools: OnceLock<Sides<ThreadPool>>,
    /// Whether two things are done beside each other: then both go through the pools, which keep
    /// them together to the limits.
    is_shared: AtomicBool,
}

/// Items that go one after another on one side's workers.
pub struct Lane<T> {
    /// The side.
    pub side: Side,
    /// The items, each with its place in the caller's list.
    pub items: Vec<(usize, T)>,
    /// Whether the calling thread is told before each item begins.
    pub is_announced: bool,
}

/// What came of an item, and what the same worker is to do next, once that is handed on. The
/// calling thread is told of both under the place of the item.
pub type Next<R, T> = (R, Option<T>);

/// What the calling thread is told of an item.
pub enum Turn<R> {
    /// It begins as soon as the calling thread has agreed.
    Begins,
    /// It is done.
    Done(R),
}

/// The same, on its way from a worker.
enum Event<R> {
    Asks(SyncSender<()>),
    Done(R),
}

/// What hands a part of a side's work to the calling thread.
pub type HandOn<'a, R> = dyn FnMut(R) -> anyhow::Result<()> + 'a;

/// So many parts wait for the calling thread before a side waits for it.
const PARTS_WAITING: usize = 2;

/// A part of a side's work, or how it ended.
enum Part<R> {
    Some(R),
    End(anyhow::Result<()>),
}

impl<T> Lane<T> {
    /// An item on its own, begun without a word.
    pub fn of_one(side: Side, place: usize, item: T) -> Self {
        Self { side, items: vec![(place, item)], is_announced: false }
    }

    /// Runs on a worker.
    fn go<R>(
        self,
        work: &impl Fn(Side, T) -> Next<R, T>,
        stop: &AtomicBool,
        events: &Sender<(usize, Event<R>)>,
    ) {
        for (i, item) in self.items {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if self.is_announced {
                let (may_begin, asked) = mpsc::sync_channel(1);
                let is_asked = events.send((i, Event::Asks(may_begin))).is_ok();
                if !is_asked || asked.recv().is_err() {
                    return;
                }
            }
            let mut next = Some(item);
            while let Some(item) = next {
                let (result, then) = work(self.side, item);
                if events.send((i, Event::Done(result))).is_err() {
                    return;
                }
                next = then.filter(|_| !stop.load(Ordering::Relaxed));
            }
        }
    }
}

impl Workers {
    /// Workers for so many requests in flight on each side.
    #[must_use]
    pub fn new(concurrency: Sides<usize>) -> Self {
        let limits = concurrency.map(|_, n| n.max(1));
        Self { limits, pools: OnceLock::new(), is_shared: AtomicBool::new(false) }
    }

    /// Whether the calling thread does everything, one after another.
    fn is_serial(&self) -> bool {
        self.limits.iter().all(|(_, n)| *n == 1)
    }

    fn pools(&self) -> anyhow::Result<&Sides<ThreadPool>> {
        if let Some(pools) = self.pools.get() {
            return Ok(pools);
        }
        let pool = |side: Side| {
            ThreadPoolBuilder::new()
                .num_threads(self.limits[side])
                .thread_name(move |i| format!("{side}-{i}"))
                .build()
                .context("cannot start worker threads")
        };
        let pools = Sides::new(pool(Side::Cloud)?, pool(Side::Local)?);
        Ok(self.pools.get_or_init(|| pools))
    }

    /// How many requests may be in flight on the busier side.
    #[must_use]
    pub fn widest(&self) -> usize {
        self.limits.cloud.max(self.limits.local).max(1)
    }

    /// Does `work` for every item on its side's workers and hands each result to `sink` on
    /// the calling thread as it arrives, with the item's place in the list.
    ///
    /// # Errors
    /// The first error of `sink`. Work that has begun is finished all the same, and its results
    /// are handed on as well; what has not begun by then is dropped.
    pub fn run<T: Send, R: Send>(
        &self,
        items: Vec<(Side, T)>,
        work: impl Fn(Side, T) -> R + Sync,
        mut sink: impl FnMut(usize, R) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let lanes =
            items.into_iter().enumerate().map(|(i, (side, item))| Lane::of_one(side, i, item));
        let work = |side, item| (work(side, item), None);
        self.in_lanes(lanes.collect(), work, |turns| {
            let mut outcome = Ok(());
            for (i, turn) in turns {
                if let Turn::Done(result) = turn {
                    // What was done is handed on, whatever becomes of the rest.
                    outcome = outcome.and(sink(i, result));
                }
            }
            outcome
        })
    }

    /// Does `work` for the items of every lane: those of one lane one after another, the
    /// lanes beside each other. What has arrived while `sink` was busy comes to it all at once,
    /// so that one commit serves for all of it.
    ///
    /// # Errors
    /// As [`Workers::run`].
    pub fn in_lanes<T: Send, R: Send>(
        &self,
        lanes: Vec<Lane<T>>,
        work: impl Fn(Side, T) -> Next<R, T> + Sync,
        mut sink: impl FnMut(Vec<(usize, Turn<R>)>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.is_serial() {
            return lanes.into_iter().try_for_each(|lane| one_by_one(lane, &work, &mut sink));
        }
        let stop = AtomicBool::new(false);
        let (events, arrived) = mpsc::channel();
        let (work, stop) = (&work, &stop);
        if self.are_few(&lanes) {
            return std::thread::scope(|scope| {
                for lane in lanes {
                    let events = events.clone();
                    scope.spawn(move || lane.go(work, stop, &events));
                }
                drop(events);
                hand_over(&arrived, stop, sink)
            });
        }
        let pools = self.pools()?;
        pools.cloud.in_place_scope(|cloud| {
            pools.local.in_place_scope(|local| {
                for lane in lanes {
                    // The receiver lives until all lanes are done.
                    let events = events.clone();
                    match lane.side {
                        Side::Cloud => cloud.spawn(move |_| lane.go(work, stop, &events)),
                        Side::Local => local.spawn(move |_| lane.go(work, stop, &events)),
                    }
                }
                drop(events);
                hand_over(&arrived, stop, sink)
            })
        })
    }

    /// Whether each lane may have a thread of its own.
    fn are_few<T>(&self, lanes: &[Lane<T>]) -> bool {
        let of = |side: Side| lanes.iter().filter(|lane| lane.side == side).count();
        !self.is_shared.load(Ordering::Relaxed)
            && Side::BOTH.into_iter().all(|side| of(side) <= self.limits[side])
    }

    /// Does `work` for both sides at the same time and hands what it brings to `sink` on the
    /// calling thread, part by part; only a few parts wait at once, however many there are.
    ///
    /// # Errors
    /// The first error of `sink`, which ends the work; else the cloud's, else the local side's.
    pub fn streamed<R: Send>(
        &self,
        work: impl Fn(Side, &mut HandOn<'_, R>) -> anyhow::Result<()> + Sync,
        mut sink: impl FnMut(Side, R) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.is_serial() {
            return Side::BOTH.into_iter().try_for_each(|side| work(side, &mut |r| sink(side, r)));
        }
        let (parts, arrived) = mpsc::sync_channel(PARTS_WAITING);
        let work = &work;
        std::thread::scope(|scope| {
            for side in Side::BOTH {
                let parts = parts.clone();
                scope.spawn(move || {
                    let send = |part| {
                        let sent = parts.send((side, part)).ok();
                        sent.context("nobody listens any more")
                    };
                    let result = work(side, &mut |part| send(Part::Some(part)));
                    // Where `sink` has failed, that is the error.
                    send(Part::End(result)).ok();
                });
            }
            drop(parts);
            let mut ends = Sides::new(Ok(()), Ok(()));
            for (side, part) in arrived {
                match part {
                    Part::Some(part) => sink(side, part)?,
                    Part::End(result) => ends[side] = result,
                }
            }
            ends.cloud.and(ends.local)
        })
    }

    /// Does `background`, whose requests go beside those of `work`, which stays on the calling
    /// thread. Where one thread does everything the background comes first.
    pub fn beside<B: Send, R>(
        &self,
        background: impl FnOnce() -> B + Send,
        work: impl FnOnce() -> R,
    ) -> (B, R) {
        if self.is_serial() {
            return (background(), work());
        }
        self.is_shared.store(true, Ordering::Relaxed);
        let both = std::thread::scope(|scope| {
            let background = scope.spawn(background);
            let done = work();
            (background.join().unwrap_or_else(|panic| resume_unwind(panic)), done)
        });
        self.is_shared.store(false, Ordering::Relaxed);
        both
    }

    /// Does `work` for both sides at the same time.
    ///
    /// # Errors
    /// The cloud's error, else the local side's.
    pub fn both<R: Send>(
        &self,
        work: impl Fn(Side) -> anyhow::Result<R> + Sync,
    ) -> anyhow::Result<Sides<R>> {
        let mut results = Sides::new(None, None);
        let sides = Side::BOTH.into_iter().map(|side| (side, ())).collect();
        self.run(
            sides,
            |side, ()| work(side),
            |i, result| {
                results[Side::BOTH[i]] = Some(result);
                Ok(())
            },
        )?;
        let cloud = results.cloud.context("no result for cloud")??;
        let local = results.local.context("no result for local")??;
        Ok(Sides::new(cloud, local))
    }
}

/// Does what is in a lane on the calling thread.
fn one_by_one<T, R>(
    lane: Lane<T>,
    work: &impl Fn(Side, T) -> Next<R, T>,
    sink: &mut impl FnMut(Vec<(usize, Turn<R>)>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for (i, item) in lane.items {
        if lane.is_announced {
            sink(vec![(i, Turn::Begins)])?;
        }
        let mut next = Some(item);
        while let Some(item) = next {
            let (result, then) = work(lane.side, item);
            sink(vec![(i, Turn::Done(result))])?;
            next = then;
        }
    }
    Ok(())
}

/// Hands on what arrives, all at once what has arrived meanwhile, until every lane is done.
fn hand_over<R>(
    arrived: &Receiver<(usize, Event<R>)>,
    stop: &AtomicBool,
    mut sink: impl FnMut(Vec<(usize, Turn<R>)>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    while let Ok(first) = arrived.recv() {
        let (mut turns, mut waiting) = (Vec::new(), Vec::new());
        for (i, event) in std::iter::once(first).chain(arrived.try_iter()) {
            match event {
                Event::Done(result) => turns.push((i, Turn::Done(result))),
                Event::Asks(may_begin) if outcome.is_ok() => {
                    turns.push((i, Turn::Begins));
                    waiting.push(may_begin);
                }
                // Nothing more is begun.
                Event::Asks(_) => {}
            }
        }
        if !turns.is_empty() {
            outcome = outcome.and(sink(turns));
        }
        if outcome.is_err() {
            stop.store(true, Ordering::Relaxed);
            continue;
        }
        for may_begin in waiting {
            // A worker that waits is there.
            may_begin.send(()).ok();
        }
    }
    outcome
}

#[cfg(test)]
#[path = "workers_tests.rs"]
mod tests;
