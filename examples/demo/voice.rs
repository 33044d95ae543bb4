//! What the demo says, and how.

use std::io::IsTerminal as _;

/// The command as one would type it.
pub fn typed(arguments: &[&str]) -> String {
    let quoted =
        |text: &&str| if text.contains(' ') { format!("\"{text}\"") } else { (*text).into() };
    format!("erpsync {}", arguments.iter().map(quoted).collect::<Vec<_>>().join(" "))
}

pub fn title(text: &str) {
    println!("{}\n", bold(&format!("== {text} ==")));
}

/// A sentence or two, in lines that fit a terminal.
pub fn say(text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let gap = if width == 0 {
            ""
        } else if width + 1 + length > 80 {
            "\n"
        } else {
            " "
        };
        width = if gap == " " { width + 1 + length } else { length };
        print!("{gap}{word}");
    }
    println!("\n");
}

pub fn bullet(text: &str) {
    println!("  - {text}");
}

pub fn bold(text: &str) -> String {
    let is_shown = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if is_shown { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}
