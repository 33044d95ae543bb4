//! Random histories on two model sites in process: several users, faults, kills. After each of
//! them a few undisturbed passes, and then everything that erpsync promises is checked.
//!
//! A history is made from a number, its seed, and played on one thread with a virtual clock, so
//! that it goes the same way every time. One that breaks a promise is cut down to what is
//! needed for that and printed. `ERPSYNC_SEEDS=N` plays N of them from `ERPSYNC_FIRST` on,
//! `ERPSYNC_SEED=S` the one.
//!
//! `generate` makes a history of `history`'s steps, with a theme out of `matrix`; `world` plays
//! it on `both` sites, whose users (`users`) leave what they enter in the `ledger`; on the `wire`
//! between the pass and the sites faults and kills happen; `check` looks at what came of it: at
//! the `contents` of the sites, `plain` being its own idea of what is equal, and at the
//! `reasons` of what is not in step. Nothing here may use what it checks.

mod backups;
mod both;
mod by_hand;
mod check;
mod contents;
mod dice;
mod doctypes;
mod generate;
mod history;
mod ledger;
mod matrix;
mod plain;
mod promises;
mod reasons;
mod rules;
mod users;
mod wire;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::history::Step;
use self::matrix::Tally;
use self::promises::{Breach, Promise};
use self::world::World;
use crate::pass::Rules;

/// How many histories it takes until nearly everything has happened: two a theme.
const SEEDS: u64 = 2 * matrix::COUNT as u64;
/// How many more are tried for each thing that has not happened then.
const MORE: u64 = 12;
/// How many broken ones tell enough.
const ENOUGH: usize = 3;
/// How long a broken history is cut down.
const PATIENCE: Duration = Duration::from_secs(60);

/// A history that broke a promise: which ones, and how it went.
struct Broken {
    breaches: Vec<Breach>,
    story: Vec<String>,
}

impl Broken {
    fn told(&self) -> String {
        let told: Vec<&str> = self.breaches.iter().map(|breach| breach.what.as_str()).collect();
        told.join("\n  ")
    }
}

/// Plays a history and checks what came of it.
fn play(seed: u64, steps: &[Step], keeps: Rules) -> Result<(Tally, Vec<String>), Broken> {
    let Some((Step::Rules(rules), rest)) = steps.split_first() else {
        panic!("a history begins with rules");
    };
    let mut world = World::new(seed, rules, keeps);
    let breaches = catch_unwind(AssertUnwindSafe(|| {
        world.play(rest);
        world.finish()
    }));
    let breaches = breaches.unwrap_or_else(|_| vec![Promise::Runs.broken("a panic")]);
    let mut story = world.story();
    story.insert(0, format!("{rules:?}"));
    if breaches.is_empty() { Ok((world.tally(), story)) } else { Err(Broken { breaches, story }) }
}

/// Leaves out of a history what it breaks the first of its promises without.
fn shortened(seed: u64, mut steps: Vec<Step>, broken: &Broken) -> Vec<Step> {
    let promise = broken.breaches.first().map(|breach| breach.promise);
    let breaks_it = |steps: &[Step]| {
        let broken = play(seed, steps, Rules::default()).err();
        broken.is_some_and(|broken| broken.breaches.first().map(|one| one.promise) == promise)
    };
    let since = Instant::now();
    let mut go_on = true;
    while go_on {
        go_on = false;
        for at in (1..history::parts(&steps)).rev() {
            if since.elapsed() > PATIENCE {
                return steps;
            }
            let shorter = history::without(&steps, at);
            if breaks_it(&shorter) {
                steps = shorter;
                go_on = true;
            }
        }
    }
    steps
}

fn told(seed: u64) -> Result<Tally, String> {
    let steps = generate::steps(seed);
    let first = match play(seed, &steps, Rules::default()) {
        Ok((tally, _)) => return Ok(tally),
        Err(broken) => broken,
    };
    let heading = |broken: &Broken| format!("seed {seed}: {}", broken.told());
    if number("ERPSYNC_BRIEF").is_some() {
        return Err(heading(&first));
    }
    match play(seed, &shortened(seed, steps, &first), Rules::default()) {
        Err(broken) => {
            let story = broken.story.join("\n");
            Err(format!("{}\nThe shortest history:\n{story}\n", heading(&broken)))
        }
        Ok(_) => Err(format!("{}\n(it does not go the same way twice)", heading(&first))),
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Plays some histories on as many threads as there are processors; what happened in them, and
/// what is to be said of those that broke a promise.
fn play_all(seeds: Range<u64>) -> (Tally, Vec<String>) {
    let next = AtomicU64::new(seeds.start);
    let tally = Mutex::new(Tally::new());
    let broken = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let is_enough = || broken.lock().unwrap().len() >= ENOUGH && number("ERPSYNC_BRIEF").is_none();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end || is_enough() {
                        return;
                    }
                    match told(seed) {
                        Ok(one) => matrix::add(&mut tally.lock().unwrap(), one),
                        Err(told) => broken.lock().unwrap().push((seed, told)),
                    }
                }
            });
        }
    });
    let mut broken = broken.into_inner().unwrap();
    broken.sort();
    (tally.into_inner().unwrap(), broken.into_iter().map(|(_, told)| told).collect())
}

/// Plays more histories of the themes that did not happen yet: whether one comes about is a
/// matter of chance, which any change of the program shuffles.
fn play_what_is_missing(tally: &mut Tally, after: u64) -> Vec<String> {
    let cells: Vec<_> = matrix::cells().collect();
    let mut broken = Vec::new();
    let every = cells.len() as u64;
    for (at, cell) in (0..).zip(&cells) {
        let first = after.next_multiple_of(every) + at;
        for seed in (0..MORE).map(|more| first + more * every) {
            if tally.contains_key(cell) {
                break;
            }
            match told(seed) {
                Ok(one) => matrix::add(tally, one),
                Err(told) => broken.push(told),
            }
        }
    }
    broken
}

#[test]
#[allow(clippy::print_stdout, reason = "the matrix is what a run of many histories is for")]
fn nothing_is_lost_and_nothing_is_done_twice() {
    let (first, count) = match number("ERPSYNC_SEED") {
        Some(seed) => (seed, 1),
        None => (number("ERPSYNC_FIRST").unwrap_or(0), number("ERPSYNC_SEEDS").unwrap_or(SEEDS)),
    };
    let (mut tally, mut told) = play_all(first..first + count);
    if count >= SEEDS && told.is_empty() {
        told = play_what_is_missing(&mut tally, first + count);
    }
    println!("{}", matrix::render(&tally));
    assert!(told.is_empty(), "{} of {count} broke a promise\n{}", told.len(), told.join("\n"));
    if count >= SEEDS {
        let empty = matrix::empty(&tally);
        assert!(empty.is_empty(), "never happened: {empty:?}");
    }
}

#[test]
fn a_history_goes_the_same_way_twice() {
    for seed in [3, 45, 110] {
        let steps = generate::steps(seed);
        let story = || match play(seed, &steps, Rules::default()) {
            Ok((_, story)) => story,
            Err(broken) => broken.story,
        };
        assert_eq!(story(), story(), "seed {seed}");
    }
}
