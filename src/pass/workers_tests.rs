//! How many requests are in flight, in which order they go, and who is told of what.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;

#[test]
fn one_each_keeps_the_order_and_the_thread() {
    let workers = Workers::new(Sides::new(1, 1));
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
    let workers = Workers::new(Sides::new(3, 2));
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
fn two_things_beside_each_other_share_the_limit() {
    let workers = Workers::new(Sides::new(3, 3));
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let done = AtomicUsize::new(0);
    let three = || {
        let items = (0..3).map(|_| (Side::Cloud, ())).collect();
        let work = |_, ()| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
            now.fetch_sub(1, Ordering::SeqCst);
        };
        let count = |_, ()| {
            done.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        workers.run(items, work, count).unwrap();
    };
    for _ in 0..5 {
        workers.beside(three, three);
    }
    assert_eq!(done.load(Ordering::SeqCst), 30);
    assert!(most.load(Ordering::SeqCst) <= 3);
    assert!(workers.pools.get().is_some());
}

#[test]
fn a_few_requests_start_no_pool() {
    let workers = Workers::new(Sides::new(3, 2));
    let items = [Side::Cloud, Side::Local, Side::Cloud, Side::Local].map(|side| (side, ()));
    let mut done = 0;
    let count = |_, ()| {
        done += 1;
        Ok(())
    };
    workers.run(items.to_vec(), |_, ()| (), count).unwrap();
    assert_eq!(done, 4);
    assert!(workers.pools.get().is_none());
}

#[test]
fn a_lane_goes_one_after_another_and_the_others_beside_it() {
    let workers = Workers::new(Sides::new(4, 4));
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
                ((), None)
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
        let workers = Workers::new(Sides::new(concurrency, concurrency));
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
        let workers = Workers::new(Sides::new(concurrency, concurrency));
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
        let workers = Workers::new(Sides::new(concurrency, 1));
        let items = (0..10).map(|place| (place, ())).collect();
        let lane = Lane { side: Side::Cloud, items, is_announced: true };
        let begun = AtomicUsize::new(0);
        let result = workers.in_lanes(
            vec![lane],
            |_, ()| (begun.fetch_add(1, Ordering::SeqCst), None),
            |turns| {
                let begins =
                    |(i, turn): &(usize, Turn<usize>)| *i == 4 && matches!(turn, Turn::Begins);
                anyhow::ensure!(!turns.iter().any(begins), "no");
                Ok(())
            },
        );
        assert!(result.is_err());
        assert_eq!(begun.load(Ordering::SeqCst), 4);
    }
}

#[test]
fn an_error_of_the_sink_stops_what_has_not_begun() {
    let workers = Workers::new(Sides::new(2, 1));
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

#[test]
fn what_an_item_leads_to_is_done_next_by_the_same_worker() {
    for concurrency in [1, 2] {
        let workers = Workers::new(Sides::new(concurrency, concurrency));
        let lanes = (0..8).map(|i| Lane::of_one(Side::Local, i, i)).collect();
        let mut told = vec![Vec::new(); 8];
        let leads_on = |item: usize| item < 100 && item.is_multiple_of(2);
        let work = |_, item: usize| (item, leads_on(item).then_some(item + 100));
        workers
            .in_lanes(lanes, work, |turns| {
                for (place, turn) in turns {
                    if let Turn::Done(item) = turn {
                        told[place].push(item);
                    }
                }
                Ok(())
            })
            .unwrap();
        let expected: Vec<Vec<usize>> =
            (0..8).map(|i| if leads_on(i) { vec![i, i + 100] } else { vec![i] }).collect();
        assert_eq!(told, expected);
    }
}
