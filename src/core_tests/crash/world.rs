//! Two sites, a state, and runs of the program on them; all of it can be copied and put back.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Mutex;

use frappe_sandbox::{Flavour, sites};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tempfile::TempDir;

use super::scenario::{How, RULES, Run, outcome};
use super::wire::{Event, Killed, Point, Shared};
use crate::config::Config;
use crate::core_tests::in_process::InProcess;
use crate::model::{Side, Sides};
use crate::pass::{Choice, Options, Pass, Resolved, Scope, Surroundings, Watcher};
use crate::site::Site;
use crate::state::{Conflict, ConflictFilter, State, commits};

struct Quiet;

impl Watcher for Quiet {
    fn listing(&self, _: &str) {}
    fn working(&self, _: &str, _: usize) {}
    fn advance(&self, _: usize) {}
}

/// Both sites and the state, as they were at some time.
pub struct Snapshot {
    sites: Mutex<Sides<frappe_sandbox::Site>>,
    now: Timestamp,
    state: Vec<u8>,
}

impl Snapshot {
    /// Two sites as they come, and a new state.
    pub fn first() -> Self {
        let (cloud, local) = sites::pair(Flavour::V15_105, 7).unwrap();
        let now = sites::birth().checked_add(SignedDuration::from_hours(240)).unwrap();
        let world = World::on(Sides::new(cloud, local), now);
        State::create(&world.path()).unwrap();
        world.snapshot()
    }
}

/// The sites and the state of one course of events.
pub struct World {
    pub shared: Shared,
    dir: TempDir,
    config: Config,
}

impl World {
    fn on(sites: Sides<frappe_sandbox::Site>, now: Timestamp) -> Self {
        // In memory where there is such a place: every commit waits for the disk otherwise.
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let dir = dir.unwrap();
        let config = configured(&dir);
        Self { shared: Shared::new(sites, now), dir, config }
    }

    /// The world of a snapshot, which stays as it is.
    pub fn of(snapshot: &Snapshot) -> Self {
        let world = Self::on(twins(&snapshot.sites.lock().unwrap()), snapshot.now);
        std::fs::write(world.path(), &snapshot.state).unwrap();
        world
    }

    pub fn snapshot(&self) -> Snapshot {
        let both = self.shared.lock();
        let state = std::fs::read(self.path()).unwrap();
        Snapshot { sites: Mutex::new(twins(&both.sites)), now: both.now, state }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("state.db")
    }

    pub fn wait(&self, time: SignedDuration) {
        self.shared.lock().wait(time);
    }

    pub fn outcome(&self) -> Vec<String> {
        let both = self.shared.lock();
        outcome([&both.sites.cloud, &both.sites.local], &self.path())
    }

    /// Plays a run, to its end or to the point at which it is killed; what happened in it.
    pub fn run(&self, run: Run, kill_at: Option<Point>) -> Vec<Event> {
        {
            let mut both = self.shared.lock();
            (both.events, both.kill_at) = (Vec::new(), kill_at);
        }
        let watched = self.shared.clone();
        commits::watch(Some(Box::new(move |moment| watched.at_commit(moment))));
        let played = catch_unwind(AssertUnwindSafe(|| self.play(run)));
        commits::watch(None);
        match played {
            Ok(done) => {
                assert_eq!(kill_at, None, "{run:?} ended before it could be killed");
                done.unwrap();
            }
            Err(panic) if panic.is::<Killed>() => {}
            Err(panic) => resume_unwind(panic),
        }
        std::mem::take(&mut self.shared.lock().events)
    }

    /// One run, as the program makes it.
    fn play(&self, run: Run) -> anyhow::Result<()> {
        let now = || self.shared.lock().now;
        let mut state = State::open(&self.path())?;
        let settle = match run {
            Run::Sync => None,
            Run::Resolve { doctype, docname, how } => {
                let open = open_conflict(&state, doctype, docname);
                // Without one it is settled already.
                let Some(conflict) = open else { return Ok(()) };
                Some((conflict, how))
            }
        };
        let number = state.start_run("crash", now())?;
        if let Some((conflict, how)) = settle {
            self.resolve(&mut state, number, &conflict, how)?;
        } else {
            let doctypes = self.config.doctypes.iter().cloned();
            let scopes: Vec<Scope> = doctypes.map(Scope::whole).collect();
            self.with_pass(&mut state, number, &scopes, |pass| pass.run(&scopes))?;
        }
        state.finish_run(number, 0, Sides::default(), &json!(null), now())?;
        Ok(())
    }

    /// A person settles a conflict; what waited for it follows.
    fn resolve(
        &self,
        state: &mut State,
        number: i64,
        conflict: &Conflict,
        how: How,
    ) -> anyhow::Result<()> {
        let choice = match how {
            How::Cloud => Choice::Take(Side::Cloud),
            How::Both => Choice::Both,
            How::Fields(fields) => Choice::Fields {
                sides: fields.iter().map(|field| ((*field).to_owned(), Side::Cloud)).collect(),
                values: serde_json::Map::new(),
                rest: Some(Side::Local),
            },
        };
        let doctype = self.config.doctype(&conflict.doctype)?;
        let mut resolved = None;
        self.with_pass(state, number, &[], |pass| {
            resolved = Some(pass.resolve(&doctype, conflict, &choice)?);
            Ok(())
        })?;
        if resolved == Some(Resolved::Settled) && !state.waiters(conflict.record)?.is_empty() {
            self.with_pass(state, number, &[], |pass| pass.follow_up(&[conflict.record]))?;
        }
        Ok(())
    }

    fn with_pass(
        &self,
        state: &mut State,
        number: i64,
        scopes: &[Scope],
        work: impl FnOnce(&mut Pass<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let sites = Sides::from_fn(|side| InProcess { side, wire: self.shared.clone() });
        let sides = Sides::new(&sites.cloud as &dyn Site, &sites.local as &dyn Site);
        let now = || self.shared.lock().now;
        let around =
            Surroundings { now: &now, pause: &|_| {}, is_interrupted: &|| false, watcher: &Quiet };
        let options = Options::default();
        let config = &self.config;
        let mut pass = Pass::new(sides, state, config, &options, around, Some(number), scopes)?;
        work(&mut pass)?;
        pass.summary()?;
        Ok(())
    }
}

fn twins(sites: &Sides<frappe_sandbox::Site>) -> Sides<frappe_sandbox::Site> {
    Sides::from_fn(|side| sites[side].twin())
}

fn open_conflict(state: &State, doctype: &str, docname: &str) -> Option<Conflict> {
    let filter = ConflictFilter { doctype: Some(doctype), open_only: true };
    state.conflicts(&filter).unwrap().into_iter().find(|conflict| conflict.docname == docname)
}

fn configured(dir: &TempDir) -> Config {
    let site = |side: Side| {
        format!(
            "[{side}]\nurl = \"https://{side}.example.com\"\napi_key = \"{side}fullkey\"\n\
             api_secret = \"{side}fullsecret\"\nconcurrency = 1\n"
        )
    };
    let file = dir.path().join("sync.toml");
    let text = format!("{}{}{RULES}", site(Side::Cloud), site(Side::Local));
    std::fs::write(&file, text).unwrap();
    Config::load(&file, &BTreeMap::<String, String>::new()).unwrap()
}
