//! Questions to a person on a terminal.
//!
//! The rule kept here: the end of input, and anything that is no answer, never counts as
//! consent.

use std::io::{self, BufRead as _, Write as _};

use super::escape;

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

/// Asks which value a field gets. Rows can only be taken whole.
///
/// # Errors
/// Standard input cannot be read.
pub fn choose(is_table: bool) -> io::Result<Answer> {
    let edit = if is_table { "" } else { "e edit, " };
    loop {
        let question = format!("  c cloud, l local, {edit}s skip, q quit: ");
        let Some(answer) = ask(&question)? else { return Ok(Answer::Quit) };
        match answer.trim() {
            "c" | "cloud" => return Ok(Answer::Cloud),
            "l" | "local" => return Ok(Answer::Local),
            "s" | "skip" => return Ok(Answer::Skip),
            "q" | "quit" => return Ok(Answer::Quit),
            "e" | "edit" if !is_table => {
                let value = ask("  new value: ")?;
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
pub fn confirm(question: &str) -> io::Result<bool> {
    let answer = ask(&format!("{question} [y/N] "))?;
    Ok(answer.is_some_and(|answer| ["y", "yes"].contains(&answer.trim())))
}

/// One line; `None` at the end of input.
fn ask(question: &str) -> io::Result<Option<String>> {
    let mut terminal = io::stderr().lock();
    terminal.write_all(question.as_bytes())?;
    terminal.flush()?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
}
