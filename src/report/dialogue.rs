//! Questions to a person on a terminal.
//!
//! The rule kept here: the end of input, and anything that is no answer, never counts as
//! consent.

use std::io::{self, BufRead as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::escape;

/// How often an open question looks whether the run is to end.
const WAKE: Duration = Duration::from_millis(50);

/// An answer about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The cloud's value.
    Cloud,
    /// The local value.
    Local,
    /// This value.
    Text(String),
    /// Not this conflict.
    Skip,
    /// Enough.
    Quit,
}

/// Shows a line. Line ends that are meant as such stay; all other control characters are
/// shown.
pub fn say(text: &str) {
    let lines: Vec<String> = text.split('\n').map(escape).collect();
    super::write_all(&mut io::stderr().lock(), &format!("{}\n", lines.join("\n")));
}

/// Shows a text that `report` has rendered.
pub fn show(rendered: &str) {
    super::write_all(&mut io::stderr().lock(), rendered);
}

/// Asks which side's version counts. Rows and documents can only be taken whole.
///
/// # Errors
/// Standard input cannot be read.
pub fn choose(is_whole: bool, is_interrupted: &dyn Fn() -> bool) -> io::Result<Answer> {
    let edit = if is_whole { "" } else { "e edit, " };
    loop {
        let question = format!("  c cloud, l local, {edit}s skip, q quit: ");
        let Some(answer) = ask(&question, is_interrupted)? else { return Ok(Answer::Quit) };
        match answer.trim().to_lowercase().as_str() {
            "c" | "cloud" => return Ok(Answer::Cloud),
            "l" | "local" => return Ok(Answer::Local),
            "s" | "skip" => return Ok(Answer::Skip),
            "q" | "quit" => return Ok(Answer::Quit),
            "e" | "edit" if !is_whole => {
                let value = ask("  new value: ", is_interrupted)?;
                return Ok(value.map_or(Answer::Quit, Answer::Text));
            }
            _ => {}
        }
    }
}

/// Asks for consent; only a yes is one.
///
/// # Errors
/// Standard input cannot be read.
pub fn confirm(question: &str, is_interrupted: &dyn Fn() -> bool) -> io::Result<bool> {
    let answer = ask(&format!("{question} [y/N] "), is_interrupted)?;
    Ok(answer.is_some_and(|answer| ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())))
}

/// One line; `None` at the end of input and where the run is to end. The line is read on a
/// thread of its own, so that a signal is noticed while nobody types.
fn ask(question: &str, is_interrupted: &dyn Fn() -> bool) -> io::Result<Option<String>> {
    let mut terminal = io::stderr().lock();
    terminal.write_all(question.as_bytes())?;
    terminal.flush()?;
    let (answers, answered) = mpsc::channel();
    thread::spawn(move || {
        let mut line = Vec::new();
        let read = io::stdin().lock().read_until(b'\n', &mut line);
        // Nobody waits for an answer after an interruption.
        let _ = answers.send(read.map(|length| (length > 0).then_some(line)));
    });
    loop {
        match answered.recv_timeout(WAKE) {
            Ok(line) => {
                let text = line?.map(|line| String::from_utf8_lossy(&line).into_owned());
                return Ok(text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned()));
            }
            Err(RecvTimeoutError::Timeout) if is_interrupted() => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
}
