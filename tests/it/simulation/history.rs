//! What happens in a history: steps made from a seed, each of which can be left out.

use erpsync::model::{Direction, Side};
use jiff::SignedDuration;

/// The doctypes that are synced; what others link to comes first.
pub const DOCTYPES: [&str; 5] = ["Brand", "Customer Group", "Customer", "Item", "Probe"];

/// A generator of numbers that look random and are the same every time (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub fn side(&mut self) -> Side {
        *self.pick(&Side::BOTH)
    }
}

#[derive(Debug, Clone)]
pub enum Step {
    User(Act),
    Wait(SignedDuration),
    Rules(Rules),
    Run(Plan),
    /// A person settles the oldest open conflict.
    Resolve(Side),
}

/// What is configured.
#[derive(Debug, Clone)]
pub struct Rules {
    pub doctypes: Vec<&'static str>,
    pub policy: &'static str,
    pub first_meeting: &'static str,
    /// Fields of Probe.
    pub exclude: Vec<&'static str>,
    pub one_way: Option<(&'static str, &'static str)>,
    pub batch: usize,
    pub page: usize,
}

/// One run of erpsync, and what happens while it runs.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub full: bool,
    pub limit: Option<usize>,
    pub direction: Option<Direction>,
    pub retry_failed: bool,
    pub events: Vec<Event>,
}

/// Something that happens at the n-th (from 0) moment of a kind.
#[derive(Debug, Clone)]
pub struct Event {
    pub on: On,
    pub nth: usize,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Request,
    Write,
    /// The pass asks for the time, which it does before each commit.
    Commit,
}

#[derive(Debug, Clone)]
pub enum What {
    User { act: Act, after: bool, of_subject: bool },
    Fault(Fault),
    Kill { after: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Refusal,
    ProxyError,
    Cut,
    Unreachable,
    TooMany,
    Deadlock,
    Locked,
    Unauthorized,
    CutAfter,
    ProxyErrorAfter,
    /// No answer; the request is carried out some time later.
    Late(SignedDuration),
}

/// What a user does.
#[derive(Debug, Clone)]
pub struct Act {
    pub side: Side,
    pub doctype: &'static str,
    pub name: String,
    pub kind: Kind,
    /// Chooses fields, rows and links.
    pub random: Random,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Insert,
    Edit,
    /// An edit whose save took long: it shows now, with a stamp of some seconds ago.
    OldStamp,
    Rows,
    Touch,
    Link,
    Delete,
    Rename,
}

/// The history of a seed.
pub fn steps(seed: u64) -> Vec<Step> {
    let random = &mut Random(seed.wrapping_mul(0xD129_0D3F_5CE8_11A7) ^ 0x51AB);
    let mut steps = vec![Step::Rules(rules(random))];
    // What was there before erpsync came: some of it under the same names.
    for _ in 0..2 + random.below(7) {
        steps.push(Step::User(act(random, &[(Kind::Insert, 1)])));
    }
    for _ in 0..2 + random.below(4) {
        if random.chance(12) {
            steps.push(Step::Rules(rules(random)));
        }
        for _ in 0..random.below(6) {
            steps.push(Step::User(any_act(random)));
            if random.chance(50) {
                steps.push(Step::Wait(SignedDuration::from_secs(1 + random.below(90) as i64)));
            }
        }
        steps.push(Step::Run(plan(random)));
        if random.chance(15) {
            steps.push(Step::Resolve(random.side()));
        }
        let wait = match random.below(10) {
            0 => SignedDuration::from_hours(200),
            1 | 2 => SignedDuration::from_hours(25),
            3 | 4 => SignedDuration::from_mins(40),
            5 => SignedDuration::from_secs(20),
            _ => SignedDuration::from_mins(6),
        };
        steps.push(Step::Wait(wait));
    }
    steps
}

fn rules(random: &mut Random) -> Rules {
    let mut doctypes = DOCTYPES.to_vec();
    if random.chance(30) {
        doctypes.reverse();
    }
    let ways = ["cloud_to_local", "local_to_cloud"];
    let private = [["stxt"], ["txt"], ["i"], ["rows.note"], ["rows"]];
    Rules {
        policy: *random.pick(&["latest_timestamp", "cloud_wins", "local_wins", "manual"]),
        first_meeting: if random.chance(80) { "policy" } else { "manual" },
        exclude: if random.chance(25) { random.pick(&private).to_vec() } else { Vec::new() },
        one_way: random.chance(15).then(|| (*random.pick(&DOCTYPES), *random.pick(&ways))),
        batch: *random.pick(&[1, 2, 5, 50]),
        page: *random.pick(&[2, 5, 5000]),
        doctypes,
    }
}

fn plan(random: &mut Random) -> Plan {
    let mut plan = Plan {
        full: random.chance(10),
        limit: random.chance(12).then(|| 1 + random.below(4)),
        direction: random
            .chance(6)
            .then(|| *random.pick(&[Direction::CloudToLocal, Direction::LocalToCloud])),
        retry_failed: random.chance(10),
        events: Vec::new(),
    };
    for _ in 0..random.below(5) {
        let on = *random.pick(&[On::Request, On::Write, On::Write, On::Write]);
        let act = any_act(random);
        let (after, of_subject) = (random.chance(50), on == On::Write && random.chance(75));
        plan.events.push(event(random, on, What::User { act, after, of_subject }));
    }
    for _ in 0..random.below(3) {
        let on = *random.pick(&[On::Request, On::Write, On::Write]);
        let fault = fault(random);
        plan.events.push(event(random, on, What::Fault(fault)));
    }
    if random.chance(30) {
        let on = *random.pick(&[On::Request, On::Write, On::Write, On::Commit]);
        let after = on != On::Commit && random.chance(50);
        plan.events.push(event(random, on, What::Kill { after }));
    }
    plan
}

fn event(random: &mut Random, on: On, what: What) -> Event {
    let most = match on {
        On::Request => 90,
        On::Write => 8,
        On::Commit => 40,
    };
    Event { on, nth: random.below(most), what }
}

fn fault(random: &mut Random) -> Fault {
    let late = Fault::Late(SignedDuration::from_secs(1 + random.below(280) as i64));
    *random.pick(&[
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
        Fault::ProxyErrorAfter,
        late,
        late,
    ])
}

fn any_act(random: &mut Random) -> Act {
    act(
        random,
        &[
            (Kind::Insert, 16),
            (Kind::Edit, 40),
            (Kind::OldStamp, 5),
            (Kind::Rows, 18),
            (Kind::Touch, 6),
            (Kind::Link, 10),
            (Kind::Delete, 3),
            (Kind::Rename, 2),
        ],
    )
}

fn act(random: &mut Random, kinds: &[(Kind, usize)]) -> Act {
    let mut at = random.below(kinds.iter().map(|(_, weight)| weight).sum());
    let kind = kinds.iter().find_map(|(kind, weight)| match at.checked_sub(*weight) {
        None => Some(*kind),
        Some(rest) => {
            at = rest;
            None
        }
    });
    let doctype = *random.pick(&["Brand", "Customer Group", "Customer", "Item", "Probe", "Probe"]);
    let name = format!("{} {}", doctype.split(' ').next_back().unwrap(), random.below(4));
    Act { side: random.side(), doctype, name, kind: kind.unwrap(), random: Random(random.next()) }
}

/// How many parts of a history can be left out.
pub fn parts(steps: &[Step]) -> usize {
    steps.iter().map(|step| 1 + events(step)).sum()
}

fn events(step: &Step) -> usize {
    if let Step::Run(plan) = step { plan.events.len() } else { 0 }
}

/// The history less one part: a step, or an event in a run.
pub fn without(steps: &[Step], part: usize) -> Vec<Step> {
    let mut shorter = steps.to_vec();
    let mut left = part;
    for at in 0..shorter.len() {
        let inside = events(&shorter[at]);
        if left == 0 {
            // The first step says what is configured.
            if at > 0 {
                shorter.remove(at);
            }
            return shorter;
        }
        if left <= inside
            && let Step::Run(plan) = &mut shorter[at]
        {
            plan.events.remove(left - 1);
            return shorter;
        }
        left -= 1 + inside;
    }
    shorter
}
