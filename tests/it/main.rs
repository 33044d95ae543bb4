//! Integration tests: the program and its parts against the sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    missing_docs
)]

mod ahead;
mod bench;
mod concurrency;
mod contract;
mod copying;
mod crash;
mod decision_table;
mod demo;
mod doctor;
mod exits;
mod gone;
mod hostile;
mod ingest;
mod kill;
mod metadata;
mod mirror;
mod names;
mod ping_pong;
mod power_cut;
mod reading;
mod removed_rows;
mod renames;
mod resolve;
mod scenario;
mod second_pass;
mod submitted;
mod sums;
mod time;
mod two_runs;
mod upheavals;
mod waiting;
mod wrong_side;
