//! The cases: what the sites hold before each, what is run, and what it is compared with.

use std::time::Duration;

use anyhow::ensure;
use clap::ValueEnum;
use erpsync::model::Sides;

use crate::Args;
use crate::program::{CONCURRENCY, Cost, Program};
use crate::replay::{Plan, one_by_one, replay, writes_of};
use crate::sites::{Address, Sites};
use crate::table::Row;

/// A doctype with child rows and links; and one that a million of fit into memory.
const DOCTYPE: &str = "Item";
const SMALL_DOCTYPE: &str = "Brand";

/// Every so manieth document is edited where one in a hundred has changed.
const ONE_PERCENT: usize = 100;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// The first pass, both sides equal.
    Adopt,
    /// Nothing has changed.
    Noop,
    /// Nothing has changed, and everything is listed all the same.
    Listing,
    /// One document in a hundred was edited.
    Changed,
    /// The first pass, one side empty.
    Create,
}

impl Case {
    pub const fn title(self) -> &'static str {
        match self {
            Self::Adopt => "first pass, everything equal",
            Self::Noop => "nothing changed",
            Self::Listing => "nothing changed, all listed",
            Self::Changed => "1 % changed",
            Self::Create => "first pass into an empty side",
        }
    }

    /// The most times the limit that a pass may take.
    pub const fn goal(self) -> Option<f64> {
        match self {
            Self::Noop | Self::Listing => Some(1.3),
            Self::Create => Some(1.15),
            Self::Adopt | Self::Changed => None,
        }
    }

    const fn writes(self, documents: usize) -> usize {
        match self {
            Self::Adopt | Self::Noop | Self::Listing => 0,
            Self::Changed => documents.div_ceil(ONE_PERCENT),
            Self::Create => documents,
        }
    }

    const fn more_configuration(self) -> &'static str {
        match self {
            Self::Listing => "list_every = \"1s\"",
            _ => "",
        }
    }
}

/// What stands where a case begins.
#[derive(Clone, Copy)]
struct Setting<'a> {
    case: Case,
    doctype: &'a str,
    documents: usize,
    latency: Duration,
}

/// The sites, the program, and the figures so far.
pub struct Bench<'a> {
    args: &'a Args,
    sites: Sites,
    program: Program,
    /// The state after a first pass.
    synced: tempfile::TempDir,
    rows: Vec<Row>,
}

impl<'a> Bench<'a> {
    pub fn new(args: &'a Args) -> anyhow::Result<Self> {
        Ok(Self {
            args,
            sites: Sites::start()?,
            program: Program::new()?,
            synced: tempfile::tempdir()?,
            rows: Vec::new(),
        })
    }

    /// Measures everything that was asked for.
    pub fn measure(mut self) -> anyhow::Result<Vec<Row>> {
        for documents in self.args.sizes.clone() {
            self.size(documents)?;
        }
        let large = self.args.large;
        if large > 0 && self.is_asked_for(Case::Noop) {
            self.begin(SMALL_DOCTYPE, Sides::new(large, large))?;
            self.first_pass(SMALL_DOCTYPE)?;
            self.at_each_latency(Case::Noop, SMALL_DOCTYPE, large)?;
        }
        Ok(self.rows)
    }

    fn is_asked_for(&self, case: Case) -> bool {
        self.args.cases.is_empty() || self.args.cases.contains(&case)
    }

    fn size(&mut self, documents: usize) -> anyhow::Result<()> {
        let is_asked_for = |case: &Case| self.is_asked_for(*case);
        let after_a_pass = [Case::Noop, Case::Listing, Case::Changed];
        let after_a_pass: Vec<Case> = after_a_pass.into_iter().filter(is_asked_for).collect();
        let adopts = self.is_asked_for(Case::Adopt);
        if adopts || !after_a_pass.is_empty() {
            self.begin(DOCTYPE, Sides::new(documents, documents))?;
        }
        if adopts {
            self.at_each_latency(Case::Adopt, DOCTYPE, documents)?;
        }
        if !after_a_pass.is_empty() {
            self.first_pass(DOCTYPE)?;
        }
        for case in after_a_pass {
            if case == Case::Changed {
                self.sites.edit(DOCTYPE, ONE_PERCENT)?;
                self.sites.keep()?;
            }
            self.at_each_latency(case, DOCTYPE, documents)?;
        }
        if self.is_asked_for(Case::Create) {
            self.begin(DOCTYPE, Sides::new(documents, 0))?;
            self.sites.keep()?;
            self.at_each_latency(Case::Create, DOCTYPE, documents)?;
        }
        Ok(())
    }

    fn begin(&mut self, doctype: &str, documents: Sides<usize>) -> anyhow::Result<()> {
        eprintln!("{} {doctype} on cloud, {} on local", documents.cloud, documents.local);
        self.sites.furnish(doctype, documents)
    }

    /// Brings the state into step and keeps it.
    fn first_pass(&mut self, doctype: &str) -> anyhow::Result<()> {
        let addresses = self.sites.serve(Duration::ZERO)?;
        self.program.configure(&addresses, doctype, "")?;
        self.program.set_state(None)?;
        self.program.run()?;
        self.program.keep_state(self.synced.path())
    }

    fn at_each_latency(
        &mut self,
        case: Case,
        doctype: &str,
        documents: usize,
    ) -> anyhow::Result<()> {
        for latency in self.args.latency.clone() {
            let row = self.row(Setting { case, doctype, documents, latency })?;
            eprintln!("  {}", row.render());
            self.rows.push(row);
        }
        Ok(())
    }

    fn row(&mut self, setting: Setting<'_>) -> anyhow::Result<Row> {
        let Setting { case, doctype, documents, latency } = setting;
        let mut row = Row::new(case, documents, latency);
        let addresses = self.sites.serve(latency)?;
        self.program.configure(&addresses, doctype, case.more_configuration())?;
        // By far the most requests of any case are its writes.
        let alone = latency * u32::try_from(case.writes(documents) / CONCURRENCY)?;
        if alone > Duration::from_secs(self.args.longest) {
            row.left_out = Some(alone);
            return Ok(row);
        }
        // The first pass of each case is not counted: it warms up, and its requests are kept.
        self.prepare(case)?;
        let program = &self.program;
        let (_, plan) = self.sites.record(|| program.run())?;
        let writes = writes_of(&plan);
        let written = writes.cloud.len() + writes.local.len();
        ensure!(written == case.writes(documents), "{case:?}: {written} documents were written");
        row.requests = plan.cloud.len() + plan.local.len();
        let limit = if case == Case::Create { writes } else { plan };
        let sample = self.args.sample.min(documents);
        let names: Vec<String> = (0..sample).map(|n| format!("{doctype} {n:07}")).collect();
        let naive = one_by_one(doctype, &names);
        for _ in 0..self.args.runs {
            let cost = self.pass(case)?;
            let limit = self.loop_over(case, &limit, &addresses)?;
            let one_by_one = replay(&naive, &addresses, CONCURRENCY)?;
            let whole = one_by_one.as_secs_f64() * documents as f64 / sample as f64;
            row.add(cost, limit, whole);
        }
        row.is_sampled = sample < documents;
        Ok(row)
    }

    /// Brings sites and state to where the case begins.
    fn prepare(&mut self, case: Case) -> anyhow::Result<()> {
        match case {
            Case::Adopt => self.program.set_state(None),
            Case::Noop | Case::Listing => self.program.set_state(Some(self.synced.path())),
            Case::Changed => {
                self.sites.reset()?;
                self.program.set_state(Some(self.synced.path()))
            }
            Case::Create => {
                self.sites.reset()?;
                self.program.set_state(None)
            }
        }
    }

    fn pass(&mut self, case: Case) -> anyhow::Result<Cost> {
        self.prepare(case)?;
        self.program.run()
    }

    fn loop_over(
        &mut self,
        case: Case,
        plan: &Plan,
        addresses: &Sides<Address>,
    ) -> anyhow::Result<Duration> {
        self.prepare(case)?;
        replay(plan, addresses, CONCURRENCY)
    }
}
