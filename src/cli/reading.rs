//! What the reading commands have in common: how they give what they were run for.
//!
//! The rule kept here: text, JSON and CSV show the same rows. `--quiet` takes the remarks away
//! and never the rows.

use std::path::Path;

use serde_json::Value;

use super::{Command, Exit, Global, UsageError};
use crate::report::{Report, Rows, render_csv, write_private};

/// Refuses `--csv` where it means nothing, before anything is read.
pub(super) fn check_csv(global: &Global, command: &Command) -> Result<(), UsageError> {
    let Some(file) = &global.csv else { return Ok(()) };
    let has_rows = matches!(
        command,
        Command::Conflicts(_) | Command::Status(_) | Command::Log(_) | Command::Names(_)
    );
    if !has_rows {
        return Err(UsageError::new(
            "--csv: not for this command; conflicts, status, log and names have it",
        ));
    }
    if global.json && is_standard_output(file) {
        return Err(UsageError::new(
            "--csv - and --json both want standard output; give --csv the name of a file",
        ));
    }
    Ok(())
}

fn is_standard_output(file: &Path) -> bool {
    file == Path::new("-")
}

/// Gives the rows in the forms asked for. With `--csv FILE` no text is shown.
pub(super) fn give(
    global: &Global,
    report: &Report,
    rows: impl FnOnce() -> Rows,
    text: impl FnOnce() -> String,
    document: impl FnOnce(Vec<Value>) -> Value,
) -> anyhow::Result<Exit> {
    if global.csv.is_none() && !report.json {
        report.answer(&text());
        return Ok(Exit::Done);
    }
    let rows = rows();
    match global.csv.as_deref() {
        Some(file) if is_standard_output(file) => report.csv(&render_csv(&rows)?),
        Some(file) => {
            write_private(file, &render_csv(&rows)?)?;
            let count = rows.rows.len();
            let noun = if count == 1 { "row" } else { "rows" };
            report.note(&format!("{count} {noun} written to {}", file.display()));
        }
        None => {}
    }
    if report.json {
        report.json(&document(rows.objects()));
    }
    Ok(Exit::Done)
}
