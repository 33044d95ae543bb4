//! A crash at every step: a scripted scenario with every kind of action, on two model sites in
//! process. Each request and each commit in it is killed once before its effect and once after
//! it (a read, which has none, once), and the runs that follow end in the same state as the
//! undisturbed one.
//!
//! `scenario` is shared with the tests over HTTP and says what happens and what is compared,
//! `wire` counts and kills, `world` copies the sites and the state and runs the program on them.

#[path = "../../../tests/shared/crash.rs"]
mod scenario;
mod wire;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::SignedDuration;
use rusqlite::Connection;

use self::scenario::{Run, Scene, differences, scenes};
use self::wire::{Event, Point};
use self::world::{Snapshot, World};
use crate::model::{Action, Side};
use crate::state::commits::Moment;

/// After so long a request that was not seen to arrive counts as not sent, and a little more.
const SETTLE_AFTER: SignedDuration = SignedDuration::from_mins(11);

/// What a run must have been killed at.
const KINDS: [&str; 11] = [
    "ask", "list", "read", "look", "create", "update", "submit", "cancel", "delete", "rename",
    "commit",
];

/// A scene before its run, what happens in that, and what it comes to.
struct Staged {
    title: &'static str,
    run: Run,
    before: Snapshot,
    events: Vec<Event>,
    wanted: Vec<String>,
}

/// Plays a scene undisturbed from where the one before it ended.
fn stage(scene: &Scene, before: &Snapshot) -> (Staged, Snapshot) {
    let world = World::of(before);
    scene.play_users(|side, act| {
        let mut both = world.shared.lock();
        both.wait(SignedDuration::from_secs(1));
        let now = both.now;
        act(&mut both.sites[Side::BOTH[side]], now);
    });
    world.wait(SignedDuration::from_secs(1));
    let before = world.snapshot();
    let events = world.run(scene.run, None);
    let wanted = world.outcome();
    assert_eq!(writes(&next_run(&world)), 0, "{}: a second run writes nothing", scene.title);
    let unmoved = differences(&wanted, &world.outcome());
    assert!(unmoved.is_empty(), "{}: {}", scene.title, unmoved.join("\n"));
    let after = world.snapshot();
    (Staged { title: scene.title, run: scene.run, before, events, wanted }, after)
}

fn writes(events: &[Event]) -> usize {
    let is_write = |event: &&Event| matches!(event, Event::Request(_, kind) if kind.is_write());
    events.iter().filter(is_write).count()
}

/// The next run.
fn next_run(world: &World) -> Vec<Event> {
    world.wait(SignedDuration::from_mins(1));
    world.run(Run::Sync, None)
}

/// Each event, killed before and after its effect. A read has none: its answer is never seen.
fn points(staged: &Staged) -> Vec<Point> {
    let moments = |nth: usize| {
        let is_read = !staged.events[nth].has_effect();
        [Moment::Before, Moment::After].into_iter().skip(usize::from(is_read))
    };
    let numbers = 0..staged.events.len();
    numbers.flat_map(|nth| moments(nth).map(move |moment| Point { nth, moment })).collect()
}

/// What a killed run has left behind: so many writes on the sites, and so many commits.
type Residue = (&'static str, usize, usize);

/// Kills of all scenes, played on several threads.
#[derive(Default)]
struct Kills {
    /// What each residue looks like.
    residues: Mutex<BTreeMap<Residue, Vec<String>>>,
    /// How often what was killed: before, and after its effect.
    tally: Mutex<BTreeMap<String, [usize; 2]>>,
    /// How many residues were in order after the very next run.
    at_once: AtomicUsize,
    broken: Mutex<Vec<String>>,
}

impl Kills {
    /// Kills the run of a scene at a point, and looks at what later runs make of it.
    fn play(&self, staged: &Staged, point: Point) {
        let world = World::of(&staged.before);
        let events = world.run(staged.run, Some(point));
        let what = events[point.nth].word();
        self.tally.lock().unwrap().entry(what.clone()).or_default()[point.moment as usize] += 1;
        let place = format!("{}: {what}, number {}, {:?}", staged.title, point.nth, point.moment);
        let happened = &events[..events.len() - usize::from(point.moment == Moment::Before)];
        let commits = happened.iter().filter(|event| **event == Event::Commit).count();
        let residue = (staged.title, writes(happened), commits);
        let left = world.outcome();
        // A read changes nothing: a kill there leaves what another one has left.
        if let Some(known) = self.residues.lock().unwrap().insert(residue, left.clone()) {
            assert_eq!(known, left, "{place}");
            return;
        }
        match carried_on(staged, &world) {
            Ok(is_at_once) => drop(self.at_once.fetch_add(is_at_once.into(), Ordering::SeqCst)),
            Err(what) => self.broken.lock().unwrap().push(format!("{place}\n  {what}")),
        }
    }

    #[allow(clippy::print_stdout, reason = "what was killed is what a reader wants to see")]
    fn check(self) {
        let tally = self.tally.into_inner().unwrap();
        println!("killed before its effect, and after it:");
        for (what, [before, after]) in &tally {
            println!("{before:6} {after:6} {what}");
        }
        let (residues, at_once) = (self.residues.into_inner().unwrap().len(), self.at_once);
        println!("{residues} different remains, {at_once:?} of them in order after one run");
        let broken = self.broken.into_inner().unwrap();
        assert!(broken.is_empty(), "{} are not:\n{}", broken.len(), broken.join("\n"));
        for kind in KINDS {
            assert!(
                tally.keys().any(|what| what.starts_with(kind)),
                "nothing was killed at {kind}"
            );
        }
    }
}

/// Lets what a kill left behind be carried on; what is wrong in the end, or whether the first
/// run was enough.
fn carried_on(staged: &Staged, world: &World) -> Result<bool, String> {
    let carry_on = || {
        next_run(world);
        if !matches!(staged.run, Run::Sync) {
            world.run(staged.run, None);
        }
        differences(&staged.wanted, &world.outcome())
    };
    let is_at_once = carry_on().is_empty();
    if !is_at_once {
        world.wait(SETTLE_AFTER);
        let differences = carry_on();
        if !differences.is_empty() {
            return Err(differences.join("\n  "));
        }
    }
    match writes(&next_run(world)) {
        0 => Ok(is_at_once),
        writes => Err(format!("the last run wrote {writes} times")),
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "what was killed is what a reader wants to see")]
fn every_request_and_every_commit_is_killed_before_and_after() {
    let mut before = Snapshot::first();
    let mut all = Vec::new();
    for scene in scenes() {
        let (staged, after) = stage(&scene, &before);
        println!("{}: {} events", staged.title, staged.events.len());
        all.push(staged);
        before = after;
    }
    has_every_action(&World::of(&before));
    let todo: Vec<(&Staged, Point)> =
        all.iter().flat_map(|it| points(it).into_iter().map(move |point| (it, point))).collect();
    let (next, kills) = (AtomicUsize::new(0), Kills::default());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((staged, point)) = todo.get(next.fetch_add(1, Ordering::SeqCst)) {
                    kills.play(staged, *point);
                }
            });
        }
    });
    kills.check();
}

/// Every kind of action is in the log, but for what this version never does.
fn has_every_action(world: &World) {
    let connection = Connection::open(world.path()).unwrap();
    let mut statement = connection.prepare("SELECT DISTINCT action FROM sync_logs").unwrap();
    let found = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let found: BTreeSet<String> = found.map(Result::unwrap).collect();
    for action in [
        Action::Create,
        Action::Update,
        Action::Delete,
        Action::Submit,
        Action::Cancel,
        Action::Rename,
        Action::Adopt,
        Action::Forget,
        Action::Conflict,
        Action::Resolve,
    ] {
        assert!(found.contains(action.as_str()), "no {action:?} in {found:?}");
    }
}
