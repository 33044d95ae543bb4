//! Requests in flight: as many at once on each side as its `concurrency` allows, never more.
//!
//! Items may stand in lanes: those of one lane go one after another, which is how documents
//! are created whose names a site counts.
//!
//! The rule kept here: results come back to the calling thread, which alone writes the state.
//! With a concurrency of 1 on both sides nothing leaves the calling thread and everything
//! happens in the order given, so that a run can be replayed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender, SyncSender};

use anyhow::Context as _;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::model::{Side, Sides};

/// The workers of both sides.
pub struct Workers {
    /// `None`: the calling thread does everything, one after another.
    pools: Option<Sides<ThreadPool>>,
    limits: Sides<usize>,
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
        work: &impl Fn(Side, T) -> R,
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
            if events.send((i, Event::Done(work(self.side, item)))).is_err() {
                return;
            }
        }
    }
}

impl Workers {
    /// Workers for so many requests in flight on each side.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(concurrency: Sides<usize>) -> anyhow::Result<Self> {
        if concurrency.iter().all(|(_, n)| *n <= 1) {
            return Ok(Self { pools: None, limits: Sides::new(1, 1) });
        }
        let pool = |side: Side, threads: usize| {
            ThreadPoolBuilder::new()
                .num_threads(threads.max(1))
                .thread_name(move |i| format!("{side}-{i}"))
                .build()
                .context("cannot start worker threads")
        };
        let pools = Sides::new(
            pool(Side::Cloud, concurrency.cloud)?,
            pool(Side::Local, concurrency.local)?,
        );
        Ok(Self { pools: Some(pools), limits: concurrency })
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
        self.in_lanes(lanes.collect(), work, |turns| {
            // What was done is handed on, whatever becomes of the rest.
            turns.into_iter().fold(Ok(()), |outcome, (i, turn)| match turn {
                Turn::Begins => outcome,
                Turn::Done(result) => outcome.and(sink(i, result)),
            })
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
        work: impl Fn(Side, T) -> R + Sync,
        mut sink: impl FnMut(Vec<(usize, Turn<R>)>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(pools) = &self.pools else {
            return lanes.into_iter().try_for_each(|lane| {
                lane.items.into_iter().try_for_each(|(i, item)| {
                    if lane.is_announced {
                        sink(vec![(i, Turn::Begins)])?;
                    }
                    sink(vec![(i, Turn::Done(work(lane.side, item)))])
                })
            });
        };
        let stop = AtomicBool::new(false);
        let (events, arrived) = mpsc::channel();
        let (work, stop) = (&work, &stop);
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
            })
        })
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
        let Some(pools) = &self.pools else {
            return Side::BOTH.into_iter().try_for_each(|side| work(side, &mut |r| sink(side, r)));
        };
        let (parts, arrived) = mpsc::sync_channel(PARTS_WAITING);
        let work = &work;
        pools.cloud.in_place_scope(|cloud| {
            pools.local.in_place_scope(|local| {
                for (side, scope) in [(Side::Cloud, cloud), (Side::Local, local)] {
                    let parts = parts.clone();
                    scope.spawn(move |_| {
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
        })
    }

    /// Does `background`, whose requests go beside those of `work`, which stays on the calling
    /// thread. Where one thread does everything the background comes first.
    pub fn beside<B: Send, R>(
        &self,
        background: impl FnOnce() -> B + Send,
        work: impl FnOnce() -> R,
    ) -> (Option<B>, R) {
        if self.pools.is_none() {
            return (Some(background()), work());
        }
        std::thread::scope(|scope| {
            let background = scope.spawn(background);
            let done = work();
            (background.join().ok(), done)
        })
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_each_keeps_the_order_and_the_thread() {
        let workers = Workers::new(Sides::new(1, 1)).unwrap();
        let here = std::thread::current().id();
        let mut seen = Vec::new();
        let items = (0..20).map(|n| (Side::BOTH[n % 2], n)).collect();
        workers
            .run(
                items,
                |_, n| (n, std::thread::current().id()),
                |_, (n, thread)| {
                    assert_eq!(thread, here);
                    seen.push(n);
                    Ok(())
                },
            )
            .unwrap();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn never_more_at_once_than_allowed() {
        let workers = Workers::new(Sides::new(3, 2)).unwrap();
        let now = Sides::from_fn(|_| AtomicUsize::new(0));
        let most = Sides::from_fn(|_| AtomicUsize::new(0));
        let items = (0..40).map(|n| (Side::BOTH[n % 2], ())).collect();
        let mut done = 0;
        workers
            .run(
                items,
                |side, ()| {
                    let running = now[side].fetch_add(1, Ordering::SeqCst) + 1;
                    most[side].fetch_max(running, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                    now[side].fetch_sub(1, Ordering::SeqCst);
                },
                |_, ()| {
                    done += 1;
                    Ok(())
                },
            )
            .unwrap();
        assert_eq!(done, 40);
        assert!(most.cloud.load(Ordering::SeqCst) <= 3);
        assert!(most.local.load(Ordering::SeqCst) <= 2);
    }

    #[test]
    fn a_lane_goes_one_after_another_and_the_others_beside_it() {
        let workers = Workers::new(Sides::new(4, 4)).unwrap();
        let lane = |side: Side, places: std::ops::Range<usize>| Lane {
            side,
            items: places.map(|place| (place, true)).collect(),
            is_announced: true,
        };
        let mut lanes = vec![lane(Side::Cloud, 0..20), lane(Side::Local, 20..40)];
        lanes.extend((40..60).map(|place| Lane::of_one(Side::Cloud, place, false)));
        let in_lane = Sides::from_fn(|_| AtomicUsize::new(0));
        let mut told = Vec::new();
        workers
            .in_lanes(
                lanes,
                |side, counts| {
                    if counts {
                        assert_eq!(in_lane[side].fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::sleep(Duration::from_millis(1));
                        in_lane[side].fetch_sub(1, Ordering::SeqCst);
                    }
                },
                |turns| {
                    told.extend(turns.iter().map(|(i, turn)| (*i, matches!(turn, Turn::Begins))));
                    Ok(())
                },
            )
            .unwrap();
        let of = |places: std::ops::Range<usize>| -> Vec<(usize, bool)> {
            told.iter().filter(|(i, _)| places.contains(i)).copied().collect()
        };
        let in_turn = |places: std::ops::Range<usize>| -> Vec<(usize, bool)> {
            places.flat_map(|i| [(i, true), (i, false)]).collect()
        };
        assert_eq!(of(0..20), in_turn(0..20), "each is told before and after");
        assert_eq!(of(20..40), in_turn(20..40));
        assert_eq!(of(40..60).len(), 20, "others are not announced");
    }

    #[test]
    fn parts_come_in_the_order_of_their_side_and_a_few_at_a_time() {
        for concurrency in [1, 3] {
            let workers = Workers::new(Sides::new(concurrency, concurrency)).unwrap();
            let here = std::thread::current().id();
            let ahead = Sides::from_fn(|_| AtomicUsize::new(0));
            let mut seen = Sides::<Vec<usize>>::default();
            workers
                .streamed(
                    |side, hand_on| {
                        (0..50).try_for_each(|n| {
                            ahead[side].fetch_add(1, Ordering::SeqCst);
                            hand_on(n)
                        })
                    },
                    |side, n| {
                        assert_eq!(std::thread::current().id(), here);
                        let begun = ahead[side].load(Ordering::SeqCst);
                        assert!(begun <= n + PARTS_WAITING + 3, "{begun} at {n}");
                        seen[side].push(n);
                        Ok(())
                    },
                )
                .unwrap();
            assert_eq!(seen.cloud, (0..50).collect::<Vec<_>>());
            assert_eq!(seen.local, seen.cloud);
        }
    }

    #[test]
    fn an_error_ends_a_stream() {
        for concurrency in [1, 3] {
            let workers = Workers::new(Sides::new(concurrency, concurrency)).unwrap();
            let handed_on = AtomicUsize::new(0);
            let work = |_, hand_on: &mut HandOn<'_, usize>| {
                (0..1000).try_for_each(|n| {
                    handed_on.fetch_add(1, Ordering::SeqCst);
                    hand_on(n)
                })
            };
            let stopped = workers.streamed(work, |_, _| anyhow::bail!("full"));
            assert_eq!(stopped.unwrap_err().to_string(), "full");
            assert!(handed_on.load(Ordering::SeqCst) < 20);
            let failed = workers.streamed(
                |side, hand_on: &mut HandOn<'_, ()>| {
                    hand_on(())?;
                    anyhow::bail!("{side} is down")
                },
                |_, ()| Ok(()),
            );
            assert_eq!(failed.unwrap_err().to_string(), "cloud is down");
        }
    }

    #[test]
    fn what_the_sink_does_not_agree_to_never_begins() {
        for concurrency in [1, 3] {
            let workers = Workers::new(Sides::new(concurrency, 1)).unwrap();
            let items = (0..10).map(|place| (place, ())).collect();
            let lane = Lane { side: Side::Cloud, items, is_announced: true };
            let begun = AtomicUsize::new(0);
            let result = workers.in_lanes(
                vec![lane],
                |_, ()| begun.fetch_add(1, Ordering::SeqCst),
                |turns| {
                    let begins =
                        |(i, turn): &(usize, Turn<usize>)| *i == 4 && matches!(turn, Turn::Begins);
                    if turns.iter().any(begins) { anyhow::bail!("no") } else { Ok(()) }
                },
            );
            assert!(result.is_err());
            assert_eq!(begun.load(Ordering::SeqCst), 4);
        }
    }

    #[test]
    fn an_error_of_the_sink_stops_what_has_not_begun() {
        let workers = Workers::new(Sides::new(2, 1)).unwrap();
        let (begun, mut handed_on) = (AtomicUsize::new(0), 0);
        let items = (0..1000).map(|_| (Side::Local, ())).collect();
        let result = workers.run(
            items,
            |_, ()| {
                begun.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
            },
            |_, ()| {
                handed_on += 1;
                anyhow::bail!("stop")
            },
        );
        assert!(result.is_err());
        assert!(begun.load(Ordering::SeqCst) < 1000);
        assert_eq!(begun.load(Ordering::SeqCst), handed_on);
    }
}
