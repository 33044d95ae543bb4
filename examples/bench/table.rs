//! The table: medians, spreads, and where they are written.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::cases::Case;
use crate::program::Cost;

/// Between these two the page has its table.
const BEGIN: &str = "<!-- written by make bench -->";
const END: &str = "<!-- until here -->";

const HEAD: &str = "\
| case | documents | latency | requests | erpsync | limit | times the limit | goal | one by one \
| times as fast | CPU | memory | goal |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/// One case with one number of documents at one latency.
pub struct Row {
    case: Case,
    documents: usize,
    latency: Duration,
    pub requests: usize,
    /// The time reading one by one takes is reckoned from a sample.
    pub is_sampled: bool,
    /// The latency alone takes this long.
    pub left_out: Option<Duration>,
    costs: Vec<Cost>,
    limits: Vec<f64>,
    one_by_one: Vec<f64>,
}

impl Row {
    pub const fn new(case: Case, documents: usize, latency: Duration) -> Self {
        Self {
            case,
            documents,
            latency,
            requests: 0,
            is_sampled: false,
            left_out: None,
            costs: Vec::new(),
            limits: Vec::new(),
            one_by_one: Vec::new(),
        }
    }

    /// Adds a run: the pass, the bare loop and the reading one by one that followed it.
    pub fn add(&mut self, cost: Cost, limit: Duration, one_by_one: f64) {
        self.costs.push(cost);
        self.limits.push(limit.as_secs_f64());
        self.one_by_one.push(one_by_one);
    }

    /// The line of the table.
    pub fn render(&self) -> String {
        let head = format!(
            "| {} | {} | {} ms ",
            self.case.title(),
            grouped(self.documents),
            self.latency.as_millis()
        );
        if let Some(alone) = self.left_out {
            let minutes = alone.as_secs().div_ceil(60);
            return format!("{head}| left out: {minutes} minutes by latency alone |||||||||||");
        }
        let walls: Vec<f64> = self.costs.iter().map(|cost| cost.wall.as_secs_f64()).collect();
        let cpu: Vec<f64> = self.costs.iter().map(|cost| cost.cpu.as_secs_f64()).collect();
        let by = |others: &[f64], own: &[f64]| -> Vec<f64> {
            others.iter().zip(own).map(|(other, own)| other / own).collect()
        };
        let times = spread(&by(&walls, &self.limits), 2);
        let faster = spread(&by(&self.one_by_one, &walls), 1);
        let memory = self.costs.iter().map(|cost| cost.memory).max().unwrap_or(0) as f64 / 1e6;
        let most = 60.0 + self.documents as f64 * 100.0 / 1e6;
        let about = if self.is_sampled { "about " } else { "" };
        format!(
            "{head}| {} | {} | {} | {times} | {} | {about}{} | {faster} | {} | {memory:.0} MB \
             | {most:.0} MB |",
            grouped(self.requests),
            seconds(median(&walls)),
            seconds(median(&self.limits)),
            self.case.goal().map_or_else(String::new, |goal| goal.to_string()),
            seconds(median(&self.one_by_one)),
            seconds(median(&cpu)),
        )
    }
}

/// The whole table, with the machine and the day.
pub fn render(rows: &[Row], runs: usize) -> String {
    let lines: Vec<String> = rows.iter().map(Row::render).collect();
    let day = jiff::Zoned::now().strftime("%Y-%m-%d");
    format!(
        "{}; {day}; erpsync {}; medians of {runs} runs, with the least and the most.\n\n{HEAD}\n{}\n",
        machine(),
        env!("CARGO_PKG_VERSION"),
        lines.join("\n")
    )
}

/// Puts the table into a page, in place of the one that is there.
pub fn write(page: &Path, table: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let no_place = || format!("{} has no place for the table", page.display());
    let (before, rest) = text.split_once(BEGIN).with_context(no_place)?;
    let (_, after) = rest.split_once(END).with_context(no_place)?;
    Ok(fs::write(page, format!("{before}{BEGIN}\n{table}{END}{after}"))?)
}

fn machine() -> String {
    let line = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory: u64 =
        line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    let model = line("/proc/cpuinfo", "model name");
    format!("{model}, {cores} cores, {} GB of memory", memory / 1_000_000)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(values: &[f64], places: usize) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.places$} ({least:.places$} to {most:.places$})", median(values))
}

fn seconds(time: f64) -> String {
    match time {
        time if time < 1.0 => format!("{:.0} ms", time * 1000.0),
        time if time < 100.0 => format!("{time:.1} s"),
        time => format!("{:.1} min", time / 60.0),
    }
}

/// 1,000,000
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
