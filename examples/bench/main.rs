//! How fast it is: `make bench`.
//!
//! Every row is a ratio, measured side by side in one run: a pass of the program, and right
//! after it a bare loop that sends the very requests of that pass and throws the answers away.
//! `docs/performance.md` says how to read the table.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures are to be seen")]
#![allow(clippy::cast_precision_loss, reason = "of figures that are rounded to be shown")]

mod cases;
mod program;
mod replay;
mod sites;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::cases::{Bench, Case};

/// Measures erpsync against two sandbox sites.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub struct Args {
    /// Numbers of documents
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000")]
    sizes: Vec<usize>,
    /// A number of documents that only the pass without changes is measured with; 0 is none
    #[arg(long, default_value_t = 1_000_000)]
    large: usize,
    /// How often each figure is measured
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Latencies of the sites, in milliseconds
    #[arg(long, value_delimiter = ',', default_value = "0,50", value_parser = milliseconds)]
    latency: Vec<Duration>,
    /// What is measured; everything where nothing is said
    #[arg(long, value_enum, value_delimiter = ',')]
    cases: Vec<Case>,
    /// How many documents are read one by one, from which the time for all is reckoned
    #[arg(long, default_value_t = 1000)]
    sample: usize,
    /// A pass that takes more seconds by the latency of its requests alone is left out
    #[arg(long, default_value_t = 300)]
    longest: u64,
    /// The page whose table is replaced
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Be the sites instead
    #[arg(long, hide = true)]
    sites: bool,
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.sites {
        return sites::obey();
    }
    let rows = Bench::new(&args)?.measure()?;
    let text = table::render(&rows, args.runs);
    println!("\n{text}");
    match &args.write {
        Some(page) => table::write(page, &text),
        None => Ok(()),
    }
}
