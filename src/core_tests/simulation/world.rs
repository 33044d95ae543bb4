//! Two sites, states in files, a configuration, and the steps of a history played on them.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use frappe_sandbox::{Flavour, sites};
use jiff::SignedDuration;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::backups::Copies;
use super::both::{Killed, Run, Shared, known};
use super::contents::Kept;
use super::dice::Dice;
use super::doctypes::{DOCTYPES, definitions, facts};
use super::history::{Act, Plan, Rules, Step};
use super::ledger::numbers;
use super::matrix::{self, Tally};
use crate::config::Config;
use crate::core_tests::in_process::InProcess;
use crate::model::{ConflictKind, Side, Sides};
use crate::pass::{self, Choice, Options, Pass, Scope, Summary, Surroundings, Watcher};
use crate::site::Site;
use crate::state::{Conflict, ConflictFilter, State, commits};

pub struct World {
    pub shared: Shared,
    pub dir: TempDir,
    /// Which of the state files is used.
    pub used: usize,
    pub rules: Rules,
    pub config: Config,
    /// What the rules have been, one after another.
    pub past: Vec<Rules>,
    pub copies: Option<Copies>,
    /// The numbers of users in state files that were given up.
    pub kept: Kept,
    /// Whether a state had to do without what an earlier one knew.
    pub has_forgotten: bool,
    /// Whether a site was put back to a copy.
    pub is_restored: bool,
    hooks: u64,
    runs: usize,
    /// What the program keeps to.
    keeps: pass::Rules,
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
    /// `rules` are those of the beginning; `keeps` is what the program keeps to.
    pub fn new(seed: u64, rules: &Rules, keeps: pass::Rules) -> Self {
        let mut dice = Dice(seed ^ 0xA11C_E000);
        let mut sites = furnished();
        if dice.chance(15) {
            sites[dice.side()].clock_offset_ms = *dice.pick(&[-200_000, -900, 4_000, 70_000]);
        }
        let born = sites::birth().checked_add(SignedDuration::from_hours(240)).unwrap();
        let shared = Shared::new(sites, born);
        // In memory where there is such a place: every commit waits for the disk otherwise.
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let dir = dir.unwrap();
        let config = configured(&dir, rules);
        let hooks = if dice.chance(25) { 1 + dice.next() % 255 } else { 0 };
        let mut world = Self {
            shared,
            dir,
            used: 0,
            rules: rules.clone(),
            config,
            past: Vec::new(),
            copies: None,
            kept: Kept::default(),
            has_forgotten: false,
            is_restored: false,
            hooks,
            runs: 0,
            keeps,
        };
        State::create(&world.state_path()).unwrap();
        world.hook_up();
        world
    }

    /// Sites rewrite what they are sent: which ones and how is chosen by a number.
    pub fn hook_up(&mut self) {
        let mut both = self.shared.lock();
        for (side, shift) in [(Side::Cloud, 0), (Side::Local, 3)] {
            let chosen = self.hooks >> shift;
            let hooks = &mut both.sites[side].hooks;
            hooks.clear();
            if chosen & 1 > 0 {
                hooks.upper_case("Ware", "text");
                hooks.upper_case("Ticket", "text");
            }
            if chosen & 2 > 0 {
                hooks.round("Chore", "amount", 0);
                hooks.round("Ware", "amount", 0);
                hooks.round("Reading", "amount", 0);
            }
            if chosen & 4 > 0 {
                hooks.fill("Area", "remark", json!("filled in"));
                hooks.fill("Chore", "remark", json!("filled in"));
            }
        }
        if self.hooks > 0 && !both.has_hooks {
            both.has_hooks = true;
            both.count(matrix::HOOKS, "");
        }
    }

    pub fn state_path(&self) -> PathBuf {
        self.dir.path().join(format!("state_{}.db", self.used))
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
                    let mut both = self.shared.lock();
                    both.wait(SignedDuration::from_millis(10));
                    both.act(act);
                }
                Step::Wait(time) => self.shared.lock().wait(*time),
                Step::Rules(rules) => self.configure(rules),
                Step::Run(plan) => drop(self.run(plan)),
                Step::Resolve { nth, take, edited_before } => {
                    self.resolve(*nth, *take, edited_before.as_ref());
                }
                Step::Backup(backup) => self.back_up(*backup),
            }
        }
    }

    fn configure(&mut self, rules: &Rules) {
        let mut both = self.shared.lock();
        both.tell(&format!("rules: {rules:?}"));
        if self.runs > 0 {
            both.count(matrix::RULES_CHANGED, "");
            for (event, is_changed) in [
                (matrix::FIELDS_CHANGED, rules.exclude != self.rules.exclude),
                (matrix::FILTERS_CHANGED, rules.filtered != self.rules.filtered),
                (matrix::DOCTYPES_CHANGED, rules.doctypes.len() != self.rules.doctypes.len()),
            ] {
                if is_changed {
                    both.count(event, "");
                }
            }
        }
        drop(both);
        self.config = configured(&self.dir, rules);
        self.past.push(std::mem::replace(&mut self.rules, rules.clone()));
    }

    /// One run, as the program makes it.
    pub fn run(&mut self, plan: &Plan) -> Ended {
        self.runs += 1;
        let told = {
            let mut both = self.shared.lock();
            both.run = Run { events: plan.events.clone(), ..Run::default() };
            let Plan { full, limit, direction, retry_failed, allow_deletes, told, .. } = plan;
            both.story.push(format!(
                "run {}: full {full}, limit {limit:?}, direction {direction:?}, retry_failed \
                 {retry_failed}, allow_deletes {allow_deletes:?}, told {told}",
                self.runs
            ));
            if limit.is_some() {
                both.count(matrix::LIMIT, "");
            }
            if direction.is_some() {
                both.count(matrix::ONE_DIRECTION, "");
            }
            if *told { std::mem::take(&mut both.told) } else { Vec::new() }
        };
        if told.iter().any(|(_, _, name)| name.contains(" new ")) {
            self.shared.lock().count(matrix::RENAME_TOLD, "");
        }
        let options = Options {
            direction: plan.direction,
            full: plan.full,
            limit: plan.limit,
            retry_failed: plan.retry_failed,
            allow_deletes: plan.allow_deletes,
            rules: self.keeps,
            ..Options::default()
        };
        let is_told = plan.told;
        let scopes = scopes(&self.config, is_told, &told);
        self.with_pass(&options, &scopes, |pass, _| pass.run(&scopes))
    }

    fn with_pass(
        &mut self,
        options: &Options,
        scopes: &[Scope],
        work: impl FnOnce(&mut Pass<'_>, &Config) -> anyhow::Result<()>,
    ) -> Ended {
        let path = self.state_path();
        let (config, shared) = (&self.config, &self.shared);
        let sites = Sides::from_fn(|side| InProcess { side, wire: shared.clone() });
        let sides = Sides::new(&sites.cloud as &dyn Site, &sites.local as &dyn Site);
        let watched = shared.clone();
        commits::watch(Some(Box::new(move |moment| watched.at_commit(moment))));
        let time = || shared.lock().now;
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut state = State::open(&path)?;
            let run = state.start_run("sync-all", time())?;
            let around = Surroundings {
                now: &time,
                pause: &|_| {},
                is_interrupted: &|| false,
                watcher: &Quiet,
            };
            let mut pass =
                Pass::new(sides, &mut state, config, options, around, Some(run), scopes)?;
            let result = work(&mut pass, config);
            let summary = pass.summary()?;
            let requests = Sides::from_fn(|side| sites[side].requests());
            state.finish_run(run, 0, requests, &json!(null), time())?;
            result.map(|()| summary)
        }));
        commits::watch(None);
        let ended = match result {
            Ok(Ok(summary)) => Ended::Done(Box::new(summary)),
            Ok(Err(error)) => Ended::Stopped(format!("{error:#}")),
            Err(panic) if panic.is::<Killed>() => Ended::Killed,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        self.note(&ended);
        ended
    }

    /// What came of a run, for the story and the matrix.
    fn note(&self, ended: &Ended) {
        let open = "SELECT count(*) FROM journal WHERE state IN ('open', 'answered')";
        let open: i64 = self.connection().query_row(open, [], |row| row.get(0)).unwrap();
        let mut both = self.shared.lock();
        both.run.events.clear();
        both.restore_rights();
        if open > 0 {
            both.count(matrix::LEFT_OPEN, "");
        }
        let summary = match ended {
            Ended::Done(summary) => summary,
            Ended::Stopped(error) => return both.story.push(format!("  -> ended early: {error}")),
            Ended::Killed => return,
        };
        for line in &summary.actions {
            if line.reason.contains("found to have happened") {
                both.count(matrix::FOUND, "");
            }
            both.story.push(format!(
                "  -> {} {:?} {}/{} {:?} {} {}",
                line.action,
                line.direction,
                line.doctype,
                line.name,
                line.status,
                line.reason,
                line.message.as_deref().unwrap_or_default()
            ));
        }
        for counts in &summary.doctypes {
            if let Some(problem) = counts.problem() {
                both.story.push(format!("  -> {}: {problem}", counts.doctype));
            }
        }
    }

    pub fn connection(&self) -> Connection {
        Connection::open(self.state_path()).unwrap()
    }

    /// A person settles one of the open conflicts.
    fn resolve(&mut self, nth: usize, take: Side, edited_before: Option<&Act>) {
        let filter = ConflictFilter { doctype: None, open_only: true };
        let open = State::open(&self.state_path()).unwrap().conflicts(&filter).unwrap();
        if open.is_empty() {
            return;
        }
        let conflict = &open[nth % open.len()];
        if !self.rules.doctypes.contains(&conflict.doctype.as_str()) {
            return;
        }
        if let Some(act) = edited_before {
            let doctype = &conflict.doctype;
            let subject = Side::BOTH.iter().find_map(|side| known(doctype, &conflict.data[*side]));
            let is_done = subject.is_some() && self.shared.lock().act_on(act, subject.as_ref());
            if is_done {
                self.shared.lock().count(matrix::EDITED_THEN_RESOLVED, "");
            }
        }
        let choice = match conflict.kind {
            ConflictKind::Collision | ConflictKind::Duplicate if self.are_two(conflict) => {
                Choice::Both
            }
            // A person sees that it is one document, and puts it right on the sites.
            ConflictKind::Collision | ConflictKind::Duplicate => return,
            ConflictKind::UnknownOutcome if self.is_on_both(conflict) => return,
            _ => Choice::Take(take),
        };
        let (doctype, docname) = (&conflict.doctype, &conflict.docname);
        let what = format!("a person decides on {doctype} {docname}: {choice:?}");
        self.shared.lock().story.push(what);
        self.shared.lock().run = Run::default();
        let shared = self.shared.clone();
        let options = Options { rules: self.keeps, ..Options::default() };
        let unseen = self.unseen(conflict);
        self.with_pass(&options, &[], |pass, config| {
            let resolved = pass.resolve(&config.doctype(doctype)?, conflict, &choice)?;
            shared.lock().story.push(format!("  -> {resolved:?}"));
            Ok(())
        });
        let settled = State::open(&self.state_path()).unwrap().conflict(conflict.id).unwrap();
        if settled.is_some_and(|conflict| conflict.resolution.is_some()) {
            let mut both = self.shared.lock();
            both.count(matrix::SETTLED_BY_PERSON, "");
            both.look_for(&unseen);
        }
    }
}

impl World {
    /// Whether the request of which nobody knows has made the document after all, as a person
    /// finds who looks.
    fn is_on_both(&self, conflict: &Conflict) -> bool {
        let both = self.shared.lock();
        let of = |side: &Side| known(&conflict.doctype, &conflict.data[*side]);
        let Some((doctype, mark)) = Side::BOTH.iter().find_map(of) else { return false };
        Side::BOTH.into_iter().all(|side| both.marked(side, &doctype, &mark).is_some())
    }

    /// What users have entered in a conflict's document and it does not show.
    fn unseen(&self, conflict: &Conflict) -> BTreeSet<u32> {
        let both = self.shared.lock();
        let mut unseen = BTreeSet::new();
        for side in Side::BOTH {
            let shown = &conflict.data[side];
            let Some((doctype, mark)) = known(&conflict.doctype, shown) else { continue };
            let now = both.marked(side, &doctype, &mark).as_ref().map(numbers).unwrap_or_default();
            unseen.extend(now.difference(&numbers(shown)));
        }
        unseen
    }

    /// Whether a conflict is about two documents that users made, and not about copies.
    fn are_two(&self, conflict: &Conflict) -> bool {
        let of = |side: &Side| known(&conflict.doctype, &conflict.data[*side]);
        let marks: Vec<_> = Side::BOTH.iter().filter_map(of).collect();
        let both = self.shared.lock();
        match marks.as_slice() {
            [one, other] => one != other,
            [one] => both.ledger.made.get(one).is_some_and(|made| *made > 1),
            _ => false,
        }
    }
}

/// What a run goes through: everything, or only what the sites told of.
fn scopes(config: &Config, is_told: bool, told: &[(Side, &str, String)]) -> Vec<Scope> {
    let all = config.doctypes.iter().cloned().map(Scope::whole);
    if !is_told {
        return all.collect();
    }
    let of = |mut scope: Scope| {
        let own = told.iter().filter(|(_, doctype, _)| *doctype == scope.config.doctype);
        scope.told = own.map(|(side, _, name)| (*side, name.clone())).collect();
        (!scope.told.is_empty()).then_some(scope)
    };
    all.filter_map(of).collect()
}

fn configured(dir: &TempDir, rules: &Rules) -> Config {
    let site = |side: Side| {
        format!(
            "[{side}]\nurl = \"https://{side}.example.com\"\napi_key = \"{side}fullkey\"\n\
             api_secret = \"{side}fullsecret\"\nconcurrency = 1\n"
        )
    };
    let mut parts: Vec<String> = Side::BOTH.map(site).into();
    let Rules { doctypes, policy, first_meeting, collisions, deletes, max_deletes, .. } = rules;
    let Rules { batch, page, list_every, .. } = rules;
    let exclude: Vec<&str> = rules.exclude.into_iter().collect();
    parts.push(format!(
        "[sync]\ndoctypes = {doctypes:?}\nconflict_resolution = {policy:?}\nfirst_meeting = \
         {first_meeting:?}\ncollisions = {collisions:?}\ndeletes = {deletes:?}\nmax_deletes = \
         {max_deletes}\nexclude_fields = {exclude:?}\nbatch_size = {batch}\npage_size = {page}\n\
         list_every = {list_every:?}\n"
    ));
    for doctype in doctypes {
        parts.push(format!("[doctypes.{doctype:?}]\n"));
        if let Some((one_way, direction)) = rules.one_way
            && one_way == *doctype
        {
            parts.push(format!("direction = {direction:?}\n"));
        }
        if *doctype == "Bill" {
            parts.push(format!("submitted = {:?}\n", rules.submitted));
        }
        if rules.filtered == Some(doctype) {
            let field = facts(doctype).numbers[0];
            parts.push(format!("filters = [[{field:?}, \">\", 0]]\n"));
        }
    }
    let file = dir.path().join("sync.toml");
    std::fs::write(&file, parts.concat()).unwrap();
    Config::load(&file, &BTreeMap::<String, String>::new()).unwrap()
}

/// Two sites as they come, with the doctypes of the histories; made once, because that takes
/// long.
fn furnished() -> Sides<frappe_sandbox::Site> {
    static MADE: OnceLock<Mutex<Sides<frappe_sandbox::Site>>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let (cloud, local) = sites::pair(Flavour::V15_105, 7).unwrap();
        let mut made = Sides::new(cloud, local);
        for site in [&mut made.cloud, &mut made.local] {
            for doctype in definitions() {
                site.register(doctype, sites::birth());
            }
            assert!(DOCTYPES.iter().all(|facts| site.meta(facts.name).is_some()));
        }
        Mutex::new(made)
    });
    let made = made.lock().unwrap();
    Sides::from_fn(|side| made[side].twin())
}
