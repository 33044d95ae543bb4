//! Makes a history from its seed. Each has two cells of the matrix as its themes, so that a few
//! hundred of them fill it; everything else in it is chance.

mod themes;

use jiff::SignedDuration;

use super::dice::Dice;
use super::doctypes::{DOCTYPES, facts};
use super::history::{Act, Does, Event, Fault, On, Plan, Rules, Step, What};
use super::matrix::{self, cells};
use crate::core_tests::in_process::Kind;
use crate::model::{Direction, Side};

/// The history of a seed.
pub fn steps(seed: u64) -> Vec<Step> {
    let mut dice = Dice(seed.wrapping_mul(0xD129_0D3F_5CE8_11A7) ^ 0x51AB);
    let themes = themes(seed);
    let (home, is_plain) = (dice.side(), dice.chance(65));
    let mut history = History { dice, steps: Vec::new(), home, is_plain };
    history.begin();
    for (_, kind) in themes {
        history.prepare(kind);
    }
    history.steps.push(Step::Run(Plan::default()));
    history.pause();
    for (event, kind) in themes {
        history.theme(event, kind);
        if history.dice.chance(65) {
            history.round();
        }
    }
    history.steps
}

/// What the history of a seed is about.
pub fn themes(seed: u64) -> [(&'static str, &'static str); 2] {
    let all: Vec<_> = cells().collect();
    let at = usize::try_from(seed).unwrap();
    [all[at % all.len()], all[(at + all.len() / 2) % all.len()]]
}

struct History {
    dice: Dice,
    steps: Vec<Step>,
    /// Where users do what the themes need.
    home: Side,
    /// Whether everything is carried everywhere, so that little is left alone.
    is_plain: bool,
}

impl History {
    /// What was there before erpsync came, some of it under the same names; a first run.
    fn begin(&mut self) {
        let rules = self.rules();
        self.steps.push(Step::Rules(rules));
        for _ in 0..2 + self.dice.below(5) {
            self.user(None, Does::Insert);
        }
    }

    /// Documents in step that the theme's kind of request can be about.
    fn prepare(&mut self, kind: &str) {
        let (doctype, side) = (self.doctype_for(kind), self.home);
        for _ in 0..2 {
            self.user_on(side, doctype, Does::Insert);
        }
        if kind == "cancel" {
            self.user_on(side, doctype, Does::Submit);
            self.user_on(side, doctype, Does::Submit);
        }
    }

    /// A doctype of which documents can be written like this, most of the time.
    fn doctype_for(&mut self, kind: &str) -> Option<&'static str> {
        match kind {
            "submit" | "cancel" => Some("Bill"),
            "rename" => Some(*self.dice.pick(&["Area", "Customer", "Ware"])),
            // Nothing links to most of these.
            "delete" | "look" => Some(*self.dice.pick(&["Chore", "Chore", "Chore", "Area"])),
            _ => None,
        }
    }

    /// Something for erpsync to do, and what is to happen meanwhile.
    fn theme(&mut self, event: &'static str, kind: &'static str) {
        if self.theme_of_history(event) {
            return;
        }
        // The second time is for what chance made impossible the first time.
        for _ in 0..2 {
            self.try_theme(event, kind);
        }
    }

    fn try_theme(&mut self, event: &'static str, kind: &'static str) {
        self.cause(kind);
        let what = self.event(event);
        let on = match event {
            matrix::KILL_BEFORE_COMMIT | matrix::KILL_AFTER_COMMIT => {
                On::CommitAfter(kind_of(kind))
            }
            _ => On::Kind(kind_of(kind)),
        };
        let nth = match kind {
            "list" | "read" => self.dice.below(8),
            _ => 0,
        };
        let mut plan = Plan { events: vec![Event { on, nth, what }], ..Plan::default() };
        // A request that is repeated at once, and succeeds then, is no news to the pass.
        let is_fault = matches!(plan.events[0].what, What::Fault(_));
        if is_fault && self.dice.chance(60) {
            plan.events.extend([plan.events[0].clone(), plan.events[0].clone()]);
        }
        if self.dice.chance(25) {
            let more = self.plan().events;
            plan.events.extend(more);
        }
        self.steps.push(Step::Run(plan));
        if event == matrix::LATE {
            self.run_at_once();
        }
        self.pause();
    }

    /// Somebody does not wait for what may still arrive.
    fn run_at_once(&mut self) {
        self.steps.push(Step::Wait(SignedDuration::from_secs(20)));
        self.steps.push(Step::Run(Plan { retry_failed: true, ..Plan::default() }));
    }

    /// Acts that make erpsync send a request of this kind.
    fn cause(&mut self, kind: &str) {
        let does = match kind {
            "create" => Does::Insert,
            "delete" | "look" => Does::Delete,
            "rename" => Does::Rename,
            "submit" => Does::Submit,
            "cancel" => Does::Cancel,
            _ => *self.dice.pick(&[Does::Edit, Does::Rows, Does::Link]),
        };
        for _ in 0..2 {
            let doctype = self.doctype_for(kind);
            self.user_on(self.home, doctype, does);
        }
    }

    fn event(&mut self, event: &str) -> What {
        let late = Fault::Late(self.dice.seconds(1, 280));
        let fault = match event {
            matrix::REFUSAL => Fault::Refusal,
            matrix::PROXY_BEFORE => Fault::ProxyError,
            matrix::PROXY_AFTER => Fault::ProxyErrorAfter,
            matrix::CUT_BEFORE => Fault::Cut,
            matrix::CUT_AFTER => Fault::CutAfter,
            matrix::LATE => late,
            matrix::UNREACHABLE => Fault::Unreachable,
            matrix::TOO_MANY => Fault::TooMany,
            matrix::DEADLOCK => Fault::Deadlock,
            matrix::LOCKED => Fault::Locked,
            matrix::UNAUTHORIZED => Fault::Unauthorized,
            matrix::DENIED => return What::Deny,
            matrix::HIDDEN => return What::Hide,
            matrix::CLOCK_JUMP => return self.clock_jump(),
            matrix::KILL_BEFORE | matrix::KILL_BEFORE_COMMIT => return What::Kill { after: false },
            matrix::KILL_AFTER | matrix::KILL_AFTER_COMMIT => return What::Kill { after: true },
            matrix::RENAME_IN_LISTING => {
                let doctype = *self.dice.pick(&["Area", "Ware"]);
                let act = self.act(Some(doctype), Does::Rename);
                return What::User { act, after: self.dice.chance(50), of_subject: false };
            }
            _ => {
                let does = *self.dice.pick(&[Does::Edit, Does::Edit, Does::Rows, Does::EditLate]);
                let after =
                    [matrix::TARGET_AFTER_WRITE, matrix::SOURCE_AFTER_WRITE].contains(&event);
                return What::User { act: self.act(None, does), after, of_subject: true };
            }
        };
        What::Fault(fault)
    }

    fn user_on(&mut self, side: Side, doctype: Option<&'static str>, does: Does) {
        let act = Act { side, ..self.act(doctype, does) };
        self.steps.push(Step::User(act));
    }

    fn user(&mut self, doctype: Option<&'static str>, does: Does) {
        let act = self.act(doctype, does);
        self.steps.push(Step::User(act));
    }

    /// Users work for a while, then erpsync runs, and whatever may happen happens.
    fn round(&mut self) {
        if self.dice.chance(8) {
            let rules = self.rules();
            self.steps.push(Step::Rules(rules));
        }
        for _ in 0..self.dice.below(6) {
            let act = self.any_act();
            self.steps.push(Step::User(act));
            if self.dice.chance(40) {
                let wait = self.dice.seconds(1, 90);
                self.steps.push(Step::Wait(wait));
            }
        }
        let plan = self.plan();
        self.steps.push(Step::Run(plan));
        if self.dice.chance(25) {
            let edited_before = self.dice.chance(20).then(|| self.any_act());
            let (nth, take) = (self.dice.below(4), self.dice.side());
            self.steps.push(Step::Resolve { nth, take, edited_before });
        }
        self.pause();
    }

    fn pause(&mut self) {
        let wait = match self.dice.below(10) {
            0 => SignedDuration::from_hours(200),
            1 | 2 => SignedDuration::from_hours(25),
            3 | 4 => SignedDuration::from_mins(40),
            5 => SignedDuration::from_secs(20),
            _ => SignedDuration::from_mins(6),
        };
        self.steps.push(Step::Wait(wait));
    }

    fn rules(&mut self) -> Rules {
        let dice = &mut self.dice;
        // Thrown with dice of its own, so that a number goes on meaning the history it meant.
        let are_told_apart = Dice(!dice.0).chance(40);
        let mut rules = Rules {
            doctypes: DOCTYPES.iter().map(|facts| facts.name).collect(),
            policy: POLICIES[dice.below(POLICIES.len())],
            first_meeting: if dice.chance(80) { "policy" } else { "manual" },
            collisions: if are_told_apart { "both" } else { "manual" },
            deletes: "propagate",
            max_deletes: "'10%'",
            exclude: None,
            one_way: None,
            submitted: "mirror",
            filtered: None,
            batch: *dice.pick(&[1, 2, 5, 50]),
            page: *dice.pick(&[2, 5, 5000]),
            list_every: "365d",
        };
        if dice.chance(30) {
            rules.list_every = "24h";
        }
        if self.is_plain {
            return rules;
        }
        if dice.chance(30) {
            rules.doctypes.reverse();
        }
        rules.deletes = *dice.pick(&["propagate", "propagate", "keep", "recreate"]);
        rules.max_deletes = *dice.pick(&["'10%'", "2"]);
        rules.exclude = dice.chance(30).then(|| *dice.pick(&PRIVATE));
        let way = *dice.pick(&["cloud_to_local", "local_to_cloud"]);
        rules.one_way = dice.chance(30).then(|| (dice.pick(&DOCTYPES).name, way));
        rules.filtered = dice.chance(20).then(|| dice.pick(&DOCTYPES).name);
        rules.submitted = *dice.pick(&["mirror", "mirror", "mirror", "skip"]);
        rules
    }

    fn plan(&mut self) -> Plan {
        let dice = &mut self.dice;
        let mut plan = Plan {
            full: dice.chance(10),
            limit: dice.chance(8).then(|| 1 + dice.below(4)),
            direction: dice.chance(4).then(|| *dice.pick(&ONE_WAY)),
            retry_failed: dice.chance(10),
            allow_deletes: None,
            told: dice.chance(12),
            events: Vec::new(),
        };
        for _ in 0..self.dice.below(4) {
            let on = *self.dice.pick(&[On::Request, On::Write, On::Write, On::Write]);
            let of_subject = on == On::Write && self.dice.chance(75);
            let (act, after) = (self.any_act(), self.dice.chance(50));
            plan.events.push(self.at(on, What::User { act, after, of_subject }));
        }
        for _ in 0..self.dice.below(3) {
            let on = *self.dice.pick(&[On::Request, On::Write, On::Write]);
            let late = Fault::Late(self.dice.seconds(1, 280));
            let fault = *self.dice.pick(&[
                Fault::Refusal,
                Fault::ProxyError,
                Fault::Cut,
                Fault::Unreachable,
                Fault::TooMany,
                Fault::Deadlock,
                Fault::Locked,
                Fault::Unauthorized,
                Fault::CutAfter,
                Fault::CutAfter,
                Fault::CutAfter,
                Fault::ProxyErrorAfter,
                late,
                late,
            ]);
            plan.events.push(self.at(on, What::Fault(fault)));
        }
        if self.dice.chance(30) {
            let on = *self.dice.pick(&[On::Request, On::Write, On::Write, On::Commit]);
            let what = What::Kill { after: self.dice.chance(50) };
            plan.events.push(self.at(on, what));
        }
        if self.dice.chance(4) {
            plan.events.push(self.at(On::Request, What::Deny));
        }
        if self.dice.chance(4) {
            plan.events.push(self.at(On::Request, What::Hide));
        }
        if self.dice.chance(4) {
            let jump = self.clock_jump();
            plan.events.push(self.at(On::Request, jump));
        }
        plan
    }

    fn at(&mut self, on: On, what: What) -> Event {
        let most = match on {
            On::Request => 90,
            On::Commit | On::CommitAfter(_) => 40,
            On::Write | On::Kind(_) => 8,
        };
        Event { on, nth: self.dice.below(most), what }
    }

    /// Less than two hours back: more is taken for a restored backup.
    fn clock_jump(&mut self) -> What {
        What::ClockJump { seconds: *self.dice.pick(&[-5_000, -90, 1, 40, 4_000]) }
    }

    fn any_act(&mut self) -> Act {
        let kinds = [
            (Does::Insert, 22),
            (Does::InsertTwin, 3),
            (Does::Edit, 30),
            (Does::EditLate, 5),
            (Does::Rows, 12),
            (Does::Touch, 3),
            (Does::Link, 8),
            (Does::Delete, 6),
            (Does::Rename, 5),
            (Does::Merge, 2),
            (Does::ReuseName, 2),
            (Does::Submit, 5),
            (Does::Cancel, 3),
            (Does::Amend, 2),
        ];
        let mut nth = self.dice.below(kinds.iter().map(|(_, weight)| weight).sum());
        let found = kinds.iter().find(|(_, weight)| {
            let is_it = nth < *weight;
            nth = nth.saturating_sub(*weight);
            is_it
        });
        let does = found.unwrap().0;
        let doctype = match does {
            Does::Submit | Does::Cancel | Does::Amend => Some("Bill"),
            _ => None,
        };
        self.act(doctype, does)
    }

    fn act(&mut self, doctype: Option<&'static str>, does: Does) -> Act {
        let doctype = match doctype {
            Some(doctype) => facts(doctype),
            None => self.dice.pick(&DOCTYPES),
        };
        let side = self.dice.side();
        Act { side, doctype: doctype.name, does, dice: Dice(self.dice.next()) }
    }
}

const POLICIES: [&str; 4] = ["latest_timestamp", "cloud_wins", "local_wins", "manual"];
const ONE_WAY: [Direction; 2] = [Direction::CloudToLocal, Direction::LocalToCloud];

/// Fields that are private to each side under some rules.
const PRIVATE: [&str; 4] = ["text", "amount", "rows.note", "rows"];

fn kind_of(word: &str) -> Kind {
    match word {
        "list" => Kind::List,
        "read" => Kind::Read,
        "look" => Kind::Look,
        "create" => Kind::Create,
        "update" => Kind::Update,
        "submit" => Kind::Submit,
        "cancel" => Kind::Cancel,
        "delete" => Kind::Delete,
        _ => Kind::Rename,
    }
}
