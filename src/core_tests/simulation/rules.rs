//! The checks are checked: without any one of its rules the program breaks a promise, and the
//! histories show it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::promises::Promise;
use super::{generate, matrix, play};
use crate::pass::{Rule, Rules};

/// Each rule with the promise that breaks without it, and the theme of the histories that are
/// played first: it takes no more than a few of them then, whatever a change has shuffled.
const WITHOUT: [(Rule, Promise, (&str, &str)); 10] = [
    (Rule::Journal, Promise::NothingTwice, (matrix::FOUND, "")),
    (Rule::Lock, Promise::NothingLost, (matrix::TARGET_BEFORE_WRITE, "update")),
    (Rule::Evidence, Promise::NothingDeleted, (matrix::HIDDEN, "list")),
    (Rule::Creation, Promise::NothingDeleted, (matrix::RENAME_IN_LISTING, "list")),
    (Rule::Reread, Promise::InStep, (matrix::TARGET_AFTER_WRITE, "update")),
    (Rule::Patience, Promise::NothingTwice, (matrix::LATE, "create")),
    (Rule::SecondLook, Promise::OnlyWhatWasShown, (matrix::EDITED_THEN_RESOLVED, "")),
    (Rule::IdentityForm, Promise::InStep, (matrix::NAMESAKES, "")),
    (Rule::DuplicateBrake, Promise::NothingTwice, (matrix::LATE_BETWEEN_STATES, "")),
    (Rule::FormDigest, Promise::InStep, (matrix::FIELDS_CHANGED, "")),
];

/// So many histories have to be enough.
const MOST: u64 = 2000;

/// The promises that a history breaks under some rules.
fn broken(seed: u64, rules: Rules) -> BTreeSet<Promise> {
    let broken = play(seed, &generate::steps(seed), rules).err();
    let breaches = broken.into_iter().flat_map(|broken| broken.breaches);
    breaches.map(|breach| breach.promise).collect()
}

/// The first history that breaks the promise without the rule, and none with it.
fn found(rule: Rule, promise: Promise, theme: (&str, &str)) -> Result<u64, String> {
    let is_about_it = |seed: &u64| generate::themes(*seed).contains(&theme);
    let (first, others): (Vec<u64>, Vec<u64>) = (0..MOST).partition(is_about_it);
    let mut broke = BTreeSet::new();
    for seed in first.into_iter().chain(others) {
        let broken_without = broken(seed, Rules::without(rule));
        if broken_without.contains(&promise) && broken(seed, Rules::default()).is_empty() {
            return Ok(seed);
        }
        broke.extend(broken_without);
    }
    Err(format!("{rule:?} is not missed in {MOST} histories; they broke {broke:?}"))
}

#[test]
#[allow(clippy::print_stdout, reason = "which history shows it")]
fn no_rule_can_be_left_out() {
    let todo = Mutex::new(WITHOUT.to_vec());
    let missing = Mutex::new(Vec::new());
    let search = || {
        loop {
            let Some((rule, promise, theme)) = todo.lock().unwrap().pop() else { return };
            match found(rule, promise, theme) {
                Ok(seed) => println!("without {rule:?} history {seed} breaks {promise:?}"),
                Err(told) => missing.lock().unwrap().push(told),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(WITHOUT.len()) {
            scope.spawn(search);
        }
    });
    let missing = missing.into_inner().unwrap();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
