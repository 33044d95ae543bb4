//! Requests in flight: as many at once on each side as its `concurrency` allows, never more.
//!
//! The rule kept here: results come back to the calling thread, which alone writes the state.
//! With a concurrency of 1 on both sides nothing leaves the calling thread and everything
//! happens in the order given, so that a run can be replayed.

use std::sync::mpsc;

use anyhow::Context as _;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::model::{Side, Sides};

/// The workers of both sides.
pub struct Workers {
    /// `None`: the calling thread does everything, one after another.
    pools: Option<Sides<ThreadPool>>,
    limits: Sides<usize>,
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
        let Some(pools) = &self.pools else {
            return items
                .into_iter()
                .enumerate()
                .try_for_each(|(i, (side, item))| sink(i, work(side, item)));
        };
        let stop = std::sync::atomic::AtomicBool::new(false);
        let (results, arrived) = mpsc::channel();
        let (work, stop) = (&work, &stop);
        pools.cloud.in_place_scope(|cloud| {
            pools.local.in_place_scope(|local| {
                for (i, (side, item)) in items.into_iter().enumerate() {
                    let results = results.clone();
                    let job = move || {
                        if !stop.load(std::sync::atomic::Ordering::Relaxed) {
                            // The receiver lives until all jobs are done.
                            let _ = results.send((i, work(side, item)));
                        }
                    };
                    match side {
                        Side::Cloud => cloud.spawn(move |_| job()),
                        Side::Local => local.spawn(move |_| job()),
                    }
                }
                drop(results);
                let mut outcome = Ok(());
                for (i, result) in arrived {
                    outcome = outcome.and(sink(i, result));
                    if outcome.is_err() {
                        stop.store(true, std::sync::atomic::Ordering::Relaxed);
                    }
                }
                outcome
            })
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
    use std::sync::atomic::{AtomicUsize, Ordering};
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
