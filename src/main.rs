//! The `erpsync` program: parses, runs, and gives the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(erpsync::cli::run(std::env::args_os()))
}
