//! Two sites, a state in a file, a configuration, and the steps of a history played on them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use erpsync::config::Config;
use erpsync::model::{Side, Sides};
use erpsync::pass::{Choice, Options, Pass, Scope, Summary, Surroundings, Watcher};
use erpsync::site::Site;
use erpsync::state::{ConflictFilter, State};
use frappe_sandbox::Flavour;
use jiff::SignedDuration;
use serde_json::json;
use tempfile::TempDir;

use super::Tally;
use super::history::{Plan, Random, Rules, Step};
use super::in_process::{InProcess, Killed, Shared};

pub struct World {
    pub shared: Shared,
    pub dir: TempDir,
    pub state: Option<State>,
    pub rules: Option<Rules>,
    pub config: Option<Config>,
    /// Fields of Probe that were private at some time.
    pub ever_private: Vec<&'static str>,
    runs: usize,
}

struct Quiet;

impl Watcher for Quiet {
    fn listing(&self, _: &str) {}
    fn working(&self, _: &str, _: usize) {}
    fn advance(&self, _: usize) {}
}

/// How a run ended.
pub enum Ended {
    Done(Box<Summary>),
    Stopped(String),
    Killed,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed ^ 0xA11C_E000);
        let mut sites = sites();
        if random.chance(15) {
            sites[random.side()].clock_offset_ms = *random.pick(&[-200_000, -900, 4_000, 70_000]);
        }
        let hooks = random.chance(25);
        if hooks {
            let side = random.side();
            sites[side].hooks.upper_case("Probe", "stxt");
            sites[random.side()].hooks.round("Probe", "f", 2);
            if random.chance(50) {
                let fill = json!("+91-0");
                sites[random.side()].hooks.fill("Probe", "phone", fill);
            } else {
                let later = Duration::from_millis(200);
                sites[side].hooks.change_later("Probe", later, "hid", json!("processed"));
            }
        }
        let born = frappe_sandbox::sites::birth().checked_add(SignedDuration::from_hours(240));
        let shared = Shared::new(sites, born.unwrap());
        if hooks {
            shared.lock().count("hooks");
        }
        // In memory where there is such a place: every commit waits for the disk otherwise.
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let dir = dir.unwrap();
        let state = State::create(&dir.path().join("sync_state.db")).unwrap();
        Self {
            shared,
            dir,
            state: Some(state),
            rules: None,
            config: None,
            ever_private: Vec::new(),
            runs: 0,
        }
    }

    pub fn story(&self) -> Vec<String> {
        self.shared.lock().story.clone()
    }

    pub fn tally(&self) -> Tally {
        self.shared.lock().tally.clone()
    }

    pub fn play(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::User(act) => {
                    let mut core = self.shared.lock();
                    core.wait(SignedDuration::from_millis(10));
                    core.act(act);
                }
                Step::Wait(time) => self.shared.lock().wait(*time),
                Step::Rules(rules) => self.configure(rules),
                Step::Run(plan) => {
                    self.run(plan);
                }
                Step::Resolve(side) => self.resolve(*side),
            }
        }
    }

    fn configure(&mut self, rules: &Rules) {
        let mut text = String::new();
        for side in Side::BOTH {
            text.push_str(&format!(
                "[{side}]\nurl = \"https://{side}.example.com\"\napi_key = \"{side}fullkey\"\n\
                 api_secret = \"{side}fullsecret\"\nconcurrency = 1\n"
            ));
        }
        text.push_str(&format!(
            "[sync]\ndoctypes = {:?}\nconflict_resolution = {:?}\nfirst_meeting = {:?}\n\
             batch_size = {}\npage_size = {}\n[sync.retry]\nbackoff_seconds = 0.01\n",
            rules.doctypes, rules.policy, rules.first_meeting, rules.batch, rules.page
        ));
        let mut sections: BTreeMap<&str, String> = BTreeMap::new();
        if !rules.exclude.is_empty() {
            sections.insert("Probe", format!("exclude_fields = {:?}\n", rules.exclude));
        }
        if let Some((doctype, way)) = rules.one_way {
            sections.entry(doctype).or_default().push_str(&format!("direction = {way:?}\n"));
        }
        for (doctype, lines) in sections {
            text.push_str(&format!("[doctypes.{doctype:?}]\n{lines}"));
        }
        let file = self.dir.path().join("sync.toml");
        std::fs::write(&file, text).unwrap();
        let config = Config::load(&file, &BTreeMap::<String, String>::new()).unwrap();
        let mut core = self.shared.lock();
        core.tell(&format!("rules: {rules:?}"));
        if self.config.is_some() {
            core.count("rules changed");
        }
        self.ever_private.extend(&rules.exclude);
        self.rules = Some(rules.clone());
        self.config = Some(config);
    }

    /// One run, as the program makes it.
    pub fn run(&mut self, plan: &Plan) -> Ended {
        let events = plan.events.clone();
        self.shared.lock().begin_run(events);
        let options = Options {
            direction: plan.direction,
            full: plan.full,
            limit: plan.limit,
            dry_run: false,
            retry_failed: plan.retry_failed,
        };
        if plan.limit.is_some() {
            self.shared.lock().count("run with --limit");
        }
        if plan.direction.is_some() {
            self.shared.lock().count("run with --direction");
        }
        self.runs += 1;
        let what = format!(
            "run {}: full {}, limit {:?}, direction {:?}, retry_failed {}",
            self.runs, plan.full, plan.limit, plan.direction, plan.retry_failed
        );
        self.shared.lock().story.push(what);
        self.with_pass(&options, |pass, config| {
            let scopes: Vec<Scope> = config.doctypes.iter().cloned().map(Scope::whole).collect();
            pass.run(&scopes)
        })
    }

    fn with_pass(
        &mut self,
        options: &Options,
        work: impl FnOnce(&mut Pass<'_>, &Config) -> anyhow::Result<()>,
    ) -> Ended {
        let mut state = match self.state.take() {
            Some(state) => state,
            None => State::open(&self.dir.path().join("sync_state.db")).unwrap(),
        };
        let config = self.config.as_ref().expect("configured");
        let sites = Sides::from_fn(|side| InProcess { side, shared: self.shared.clone() });
        let sides = Sides::new(&sites.cloud as &dyn Site, &sites.local as &dyn Site);
        let shared = self.shared.clone();
        let result = catch_unwind(AssertUnwindSafe(|| {
            let run = state.start_run("sync-all", shared.time())?;
            let around = Surroundings {
                now: &|| shared.time(),
                pause: &|_| {},
                is_interrupted: &|| false,
                watcher: &Quiet,
            };
            let mut pass = Pass::new(sides, &mut state, config, options, around, Some(run))?;
            let result = work(&mut pass, config);
            let summary = pass.summary()?;
            let requests = Sides::from_fn(|side| sites[side].requests());
            state.finish_run(run, 0, requests, &json!(null), shared.time())?;
            result.map(|()| summary)
        }));
        let ended = match result {
            Ok(Ok(summary)) => {
                self.state = Some(state);
                Ended::Done(Box::new(summary))
            }
            Ok(Err(error)) => {
                self.state = Some(state);
                Ended::Stopped(format!("{error:#}"))
            }
            Err(panic) if panic.is::<Killed>() => {
                drop(state);
                Ended::Killed
            }
            Err(panic) => std::panic::resume_unwind(panic),
        };
        self.note(&ended);
        ended
    }

    fn note(&mut self, ended: &Ended) {
        let path = self.dir.path().join("sync_state.db");
        let open = "SELECT count(*) FROM journal WHERE state IN ('open', 'answered')";
        let open: i64 = rusqlite::Connection::open(path)
            .unwrap()
            .query_row(open, [], |row| row.get(0))
            .unwrap();
        let mut core = self.shared.lock();
        core.events.clear();
        for _ in 0..open {
            core.count("intent left open");
        }
        match ended {
            Ended::Done(summary) => {
                for line in &summary.actions {
                    if line.reason.contains("found to have happened") {
                        core.count("intent found to have happened");
                    }
                    let told = format!(
                        "  -> {} {:?} {}/{} {:?} {} {}",
                        line.action,
                        line.direction,
                        line.doctype,
                        line.name,
                        line.status,
                        line.reason,
                        line.message.as_deref().unwrap_or_default()
                    );
                    core.story.push(told);
                }
                for counts in &summary.doctypes {
                    for problem in counts.error.iter().chain(&counts.guard) {
                        core.story.push(format!("  -> {}: {problem}", counts.doctype));
                    }
                }
            }
            Ended::Stopped(error) => core.story.push(format!("  -> ended early: {error}")),
            Ended::Killed => {}
        }
    }

    /// A person takes one side's version of the oldest open conflict.
    fn resolve(&mut self, side: Side) {
        let Some(state) = &self.state else { return };
        let filter = ConflictFilter { doctype: None, open_only: true };
        let Some(conflict) = state.conflicts(&filter).unwrap().into_iter().next() else { return };
        let what = format!("a person takes {side} for {} {}", conflict.doctype, conflict.docname);
        self.shared.lock().story.push(what);
        self.shared.lock().begin_run(Vec::new());
        let id = conflict.id;
        self.with_pass(&Options::default(), |pass, config| {
            let doctype = config.doctype(&conflict.doctype)?;
            let resolved = pass.resolve(&doctype, &conflict, &Choice::Take(side))?;
            anyhow::ensure!(
                resolved == erpsync::pass::Resolved::Settled,
                "not settled: {resolved:?}"
            );
            Ok(())
        });
        let settled = self.state.as_ref().and_then(|state| state.conflict(id).unwrap());
        if settled.is_some_and(|conflict| conflict.resolution.is_some()) {
            self.shared.lock().count("conflict settled by a person");
        }
    }
}

/// Two sites as they come; made once, because that takes long.
fn sites() -> Sides<frappe_sandbox::Site> {
    static MADE: OnceLock<Mutex<Sides<frappe_sandbox::Site>>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let (cloud, local) = frappe_sandbox::sites::pair(Flavour::V15_105, 7).unwrap();
        Mutex::new(Sides::new(cloud, local))
    });
    let made = made.lock().unwrap();
    Sides::from_fn(|side| made[side].twin())
}
