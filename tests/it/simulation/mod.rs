//! Random histories on two model sites in this process: several users, faults, kills. After
//! each of them a few undisturbed passes, and then everything that erpsync promises is checked.
//!
//! A history is made from a number, its seed, and played on one thread with a virtual clock, so
//! that it goes the same way every time. One that breaks a promise is cut down to what is
//! needed for that and printed. `ERPSYNC_SEEDS=N` plays N of them, `ERPSYNC_SEED=S` the one;
//! without either nothing is played: some histories still break a promise (see CHANGELOG.md).

mod check;
mod history;
mod in_process;
mod users;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::history::Step;
use self::world::World;

/// How many histories it takes until everything has happened.
const SEEDS: u64 = 240;

/// What has to have happened in so many histories, or they show nothing.
const KINDS: &[&str] = &[
    "fault, no effect: a refusal",
    "fault, no effect: a proxy's error",
    "fault, no effect: cut",
    "fault, no effect: unreachable",
    "fault, no effect: 429",
    "fault, no effect: deadlock",
    "fault, no effect: locked",
    "fault, no effect: 401",
    "fault after the effect: cut",
    "fault after the effect: a proxy's error",
    "fault before a late effect",
    "kill before a request",
    "kill after a read",
    "kill after a write",
    "kill before a commit",
    "edit between list and write",
    "edit between read and write, of the target",
    "edit between read and write, of the source",
    "edit between write and re-read, of the target",
    "edit between write and re-read, of the source",
    "edit saved with an older stamp",
    "user insert",
    "user edit",
    "user rows",
    "user touch",
    "user link",
    "user delete",
    "user rename",
    "rules changed",
    "run with --limit",
    "run with --direction",
    "conflict open at the end",
    "conflict settled by a rule",
    "conflict settled by a person",
    "hooks",
    "intent left open",
    "intent found to have happened",
];

/// How often each kind of thing happened.
pub type Tally = BTreeMap<String, usize>;

/// Plays a history and checks what came of it.
fn play(seed: u64, steps: &[Step]) -> Result<Tally, (String, Vec<String>)> {
    let mut world = World::new(seed);
    world.play(steps);
    let faults = world.finish();
    let story = world.story();
    match faults.is_empty() {
        true => Ok(world.tally()),
        false => Err((faults.join("\n"), story)),
    }
}

/// Leaves out of a history what it breaks its promise without.
fn shortened(seed: u64, mut steps: Vec<Step>) -> Vec<Step> {
    let since = Instant::now();
    let mut go_on = true;
    while go_on && since.elapsed() < Duration::from_secs(90) {
        go_on = false;
        for at in (1..history::parts(&steps)).rev() {
            let shorter = history::without(&steps, at);
            if play(seed, &shorter).is_err() {
                steps = shorter;
                go_on = true;
            }
        }
    }
    steps
}

fn told(seed: u64) -> Result<Tally, String> {
    let steps = history::steps(seed);
    play(seed, &steps).map_err(|_| {
        let (faults, story) = match play(seed, &shortened(seed, steps)) {
            Err(told) => told,
            Ok(_) => ("it does not go the same way twice".to_owned(), Vec::new()),
        };
        format!("seed {seed}:\n{faults}\nThe shortest history:\n{}\n", story.join("\n"))
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn nothing_is_lost_and_nothing_is_done_twice() {
    let (first, count) = match (number("ERPSYNC_SEED"), number("ERPSYNC_SEEDS")) {
        (Some(seed), _) => (seed, 1),
        (None, Some(count)) => (0, count),
        (None, None) => {
            println!("no history played; make simulate SEEDS={SEEDS} plays them");
            return;
        }
    };
    let next = AtomicU64::new(first);
    let tally = Mutex::new(Tally::new());
    let broken = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(4);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + count {
                        return;
                    }
                    // What is broken once is mostly broken often: a few histories tell enough.
                    let is_enough = broken.lock().unwrap().len() >= 3;
                    if is_enough && number("ERPSYNC_COUNT").is_none() {
                        return;
                    }
                    let result = if number("ERPSYNC_COUNT").is_some() {
                        play(seed, &history::steps(seed)).map_err(|(faults, _)| {
                            format!("seed {seed}: {}", faults.lines().next().unwrap_or_default())
                        })
                    } else {
                        told(seed)
                    };
                    match result {
                        Ok(one) => {
                            let mut tally = tally.lock().unwrap();
                            for (kind, times) in one {
                                *tally.entry(kind).or_default() += times;
                            }
                        }
                        Err(told) => broken.lock().unwrap().push(told),
                    }
                }
            });
        }
    });
    let (tally, mut broken) = (tally.into_inner().unwrap(), broken.into_inner().unwrap());
    broken.sort();
    for (kind, times) in &tally {
        println!("{times:>8}  {kind}");
    }
    assert!(broken.is_empty(), "{} of {count} broken\n{}", broken.len(), broken.join("\n"));
    if count >= SEEDS {
        let missing: Vec<_> = KINDS.iter().filter(|kind| !tally.contains_key(**kind)).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}
