//! `kill -9` of the program itself, at requests all through a scenario that has every kind of
//! action in it: the request is held before or after its effect until the program is dead. The
//! next run ends in the same state as the undisturbed one (invariants 3 and 7).

#[path = "../shared/crash.rs"]
mod scenario;

use std::fs;
use std::sync::mpsc::channel;
use std::time::Duration;

use erpsync::model::{Side, Sides};
use frappe_sandbox::faults::{Action, Match};
use frappe_sandbox::{Backup, Site};
use jiff::Timestamp;

use self::scenario::{How, RULES, Run, differences, outcome, scenes};
use crate::bench::{Bench, Ran};

/// Of the requests that change nothing, one in so many is a point.
const READS: usize = 30;

/// How many work at the same time.
const WORKERS: usize = 3;

/// A scene before its run, the requests of that, and what it comes to.
struct Staged {
    title: &'static str,
    run: Run,
    before: Snapshot,
    /// Whether each request to a side changes something.
    requests: Sides<Vec<bool>>,
    wanted: Vec<String>,
}

/// Both sites and the state, as they were at some time.
struct Snapshot {
    sites: Sides<Backup>,
    state: Vec<u8>,
}

/// Where the program is killed.
#[derive(Debug, Clone, Copy)]
struct Point {
    side: Side,
    /// The n-th request to it.
    nth: usize,
    has_effect: bool,
}

fn configured() -> Bench {
    let bench = Bench::default();
    let rules = RULES.replace("[sync]\n", "[sync]\nsettle_after = \"1s\"\n");
    bench.configure_sites("concurrency = 1", &rules);
    bench.run(&["init"]).expect(0);
    bench
}

impl Snapshot {
    fn of(bench: &Bench) -> Self {
        let state = rusqlite::Connection::open(bench.path("sync_state.db")).unwrap();
        state.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        drop(state);
        let state = fs::read(bench.path("sync_state.db")).unwrap();
        Self { sites: Sides::from_fn(|side| bench.site(side).backup()), state }
    }

    fn put_back(&self, bench: &Bench) {
        for side in Side::BOTH {
            bench.site(side).restore_backup(&self.sites[side]);
            bench.site(side).faults.clear();
        }
        for suffix in ["-wal", "-shm"] {
            fs::remove_file(bench.path(&format!("sync_state.db{suffix}"))).ok();
        }
        fs::write(bench.path("sync_state.db"), &self.state).unwrap();
    }
}

fn outcome_of(bench: &Bench) -> Vec<String> {
    let (cloud, local) = (bench.site(Side::Cloud), bench.site(Side::Local));
    outcome([&cloud, &local], &bench.path("sync_state.db"))
}

/// What is entered for a run; nothing where the conflict is settled already.
fn arguments(bench: &Bench, run: Run) -> Option<Vec<String>> {
    let Run::Resolve { doctype, docname, how } = run else {
        return Some(vec!["sync-all".to_owned()]);
    };
    let open = bench.query(&format!(
        "SELECT COALESCE(max(id), 0) FROM conflict_records
         WHERE doctype = '{doctype}' AND docname = '{docname}' AND NOT resolved"
    ));
    let mut arguments = vec!["resolve".to_owned(), open.clone(), "--take".to_owned()];
    match how {
        How::Cloud => arguments.push("cloud".to_owned()),
        How::Both => arguments.push("both".to_owned()),
        How::Fields(fields) => {
            arguments.push("local".to_owned());
            for field in fields {
                arguments.extend(["--field".to_owned(), format!("{field}=cloud")]);
            }
        }
    }
    (open != "0").then_some(arguments)
}

fn play(bench: &Bench, run: Run) -> Option<Ran> {
    let arguments = arguments(bench, run)?;
    Some(bench.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// Plays the scenes one after another, undisturbed.
fn staged(bench: &Bench) -> Vec<Staged> {
    let mut all = Vec::new();
    for scene in scenes() {
        scene.play_users(|side, act| act(&mut bench.site(Side::BOTH[side]), Timestamp::now()));
        let before = Snapshot::of(bench);
        bench.clear_logs();
        let ran = play(bench, scene.run).unwrap();
        assert!([0, 3].contains(&ran.code), "{}: {ran:?}", scene.title);
        let requests = Sides::from_fn(|side| {
            bench.site(side).log.entries().iter().map(|entry| entry.is_write).collect()
        });
        let (title, run, wanted) = (scene.title, scene.run, outcome_of(bench));
        all.push(Staged { title, run, before, requests, wanted });
        a_pass_writes_nothing(bench, title);
    }
    all
}

fn a_pass_writes_nothing(bench: &Bench, what: &str) {
    bench.clear_logs();
    let ran = bench.run(&["sync-all"]);
    assert!([0, 3].contains(&ran.code), "{what}: {ran:?}");
    assert_eq!(bench.writes(), 0, "{what}: {ran:?}");
}

/// Each request that changes something, before and after its effect, and some of the others.
fn points(staged: &Staged) -> Vec<Point> {
    let mut points = Vec::new();
    for side in Side::BOTH {
        for (is_write, nth) in staged.requests[side].iter().zip(1..) {
            let moments: &[bool] = match is_write {
                true => &[false, true],
                false if nth % READS == 0 => &[false],
                false => &[],
            };
            points.extend(moments.iter().map(|&has_effect| Point { side, nth, has_effect }));
        }
    }
    points
}

/// Kills the program while a site holds its request back.
fn kill(bench: &Bench, run: Run, point: Point) {
    let ((sender, arrived), (release, released)) = (channel(), channel::<()>());
    let hold = Box::new(move |_: &mut Site, _| {
        sender.send(()).unwrap();
        // Until the other end is dropped.
        released.recv().ok();
    });
    let hold = if point.has_effect { Action::After(hold) } else { Action::Before(hold) };
    let which = || Match::any().nth(point.nth);
    bench.site(point.side).faults.once(which(), hold);
    if !point.has_effect {
        bench.site(point.side).faults.once(which(), Action::Cut);
    }
    let arguments = arguments(bench, run).unwrap();
    bench.kill(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &arrived);
    drop(release);
}

/// What is wrong in the end with what a kill left behind; and whether a request was left open.
fn killed(bench: &Bench, staged: &Staged, point: Point) -> (Option<String>, bool) {
    staged.before.put_back(bench);
    kill(bench, staged.run, point);
    let open = "SELECT count(*) FROM journal WHERE state IN ('open', 'answered')";
    let is_left_open = bench.query(open) != "0";
    let carry_on = || {
        let ran = bench.run(&["sync-all"]);
        if !matches!(staged.run, Run::Sync) {
            play(bench, staged.run);
        }
        (differences(&staged.wanted, &outcome_of(bench)), ran)
    };
    let (mut differences, mut ran) = carry_on();
    if !differences.is_empty() {
        std::thread::sleep(Duration::from_millis(1_100));
        (differences, ran) = carry_on();
    }
    if !differences.is_empty() {
        return (Some(format!("{}\n{ran:?}", differences.join("\n  "))), is_left_open);
    }
    a_pass_writes_nothing(bench, &format!("{} {point:?}", staged.title));
    (None, is_left_open)
}

/// Plays one worker's share of the kills: how many they were, and how many left a request open.
fn share(worker: usize) -> (usize, usize) {
    // A state belongs to its sites: each worker has its own.
    let bench = configured();
    let all = staged(&bench);
    let points = all.iter().flat_map(|it| points(it).into_iter().map(move |point| (it, point)));
    let (mut kills, mut open) = (0, 0);
    for (staged, point) in points.skip(worker).step_by(WORKERS) {
        let (wrong, is_left_open) = killed(&bench, staged, point);
        assert_eq!(wrong, None, "{} {point:?}", staged.title);
        (kills, open) = (kills + 1, open + usize::from(is_left_open));
    }
    (kills, open)
}

#[test]
fn the_program_is_killed_all_through_the_scenario() {
    let shares = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..WORKERS).map(|worker| scope.spawn(move || share(worker))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    let kills: usize = shares.iter().map(|(kills, _)| kills).sum();
    let open: usize = shares.iter().map(|(_, open)| open).sum();
    println!("{kills} kills, {open} of them with a request in flight");
    assert!(kills >= 50 && open > 20, "{kills} kills, {open} in flight");
}
