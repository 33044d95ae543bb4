//! Text in pieces: word-level differences, and how they fill the width of a terminal.
//!
//! The rule kept here: every character of a site's text goes through `escape` on its way out,
//! and a colour only repeats what the marks `[-removed-]` and `{+added+}` say already.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};
use unicode_width::UnicodeWidthStr;

use super::escape;

/// How text is laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page {
    /// How many columns there are; `None` breaks no line.
    pub width: Option<usize>,
    /// Whether colours are used.
    pub color: bool,
}

/// How a piece of text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Plain,
    Bold,
    Faint,
    Removed,
    Added,
}

impl Mark {
    /// The terminal's number for it.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Faint => Some("2"),
            Self::Removed => Some("31"),
            Self::Added => Some("32"),
        }
    }
}

/// A piece of text and how it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub text: String,
    pub mark: Mark,
}

impl Piece {
    pub fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { text: text.into(), mark }
    }
}

/// After this the comparison of two texts becomes coarser; it stays correct.
const DIFF_TIME: Duration = Duration::from_millis(300);
/// How many equal words and blanks are kept beside a change, and from which length on the
/// others are left out.
const CONTEXT: usize = 12;
const LONGEST_EQUAL: usize = 36;

/// What turns one text into the other, word by word.
pub(super) fn word_changes(old: &str, new: &str) -> Vec<Piece> {
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_unicode_words(old, new);
    let mut runs: Vec<Run> = Vec::new();
    for change in diff.iter_all_changes() {
        let word = change.value();
        match (change.tag(), runs.last_mut()) {
            (ChangeTag::Equal, Some(Run::Equal(words))) => words.push(word),
            (ChangeTag::Equal, _) => runs.push(Run::Equal(vec![word])),
            (tag, Some(Run::Changed(old, new))) => {
                if tag == ChangeTag::Delete { old } else { new }.push_str(word);
            }
            (ChangeTag::Delete, _) => runs.push(Run::Changed(word.to_owned(), String::new())),
            (ChangeTag::Insert, _) => runs.push(Run::Changed(String::new(), word.to_owned())),
        }
    }
    let runs = joined(runs);
    let last = runs.len().saturating_sub(1);
    let mut pieces = Vec::new();
    for (i, run) in runs.into_iter().enumerate() {
        match run {
            Run::Equal(words) => equal(&mut pieces, &words, i == 0, i == last),
            Run::Changed(old, new) => {
                for (text, mark, [open, close]) in
                    [(old, Mark::Removed, ["[-", "-]"]), (new, Mark::Added, ["{+", "+}"])]
                {
                    if !text.is_empty() {
                        pieces.push(Piece::new(mark, format!("{open}{text}{close}")));
                    }
                }
            }
        }
    }
    pieces
}

enum Run<'a> {
    Equal(Vec<&'a str>),
    Changed(String, String),
}

/// Changes with nothing but blanks between them become one.
fn joined(runs: Vec<Run<'_>>) -> Vec<Run<'_>> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs {
        match (run, joined.as_mut_slice()) {
            (
                Run::Changed(old, new),
                [.., Run::Changed(old_before, new_before), Run::Equal(blanks)],
            ) if blanks.iter().all(|blank| blank.trim().is_empty()) => {
                let blanks = blanks.concat();
                for (text, more) in [(old_before, old), (new_before, new)] {
                    text.push_str(&blanks);
                    text.push_str(&more);
                }
                joined.pop();
            }
            (run, _) => joined.push(run),
        }
    }
    joined
}

/// What did not change: only as much of it as shows where the changes are.
fn equal(pieces: &mut Vec<Piece>, words: &[&str], is_first: bool, is_last: bool) {
    if words.len() <= LONGEST_EQUAL {
        pieces.push(Piece::new(Mark::Plain, words.concat()));
        return;
    }
    if !is_first {
        let before = words[..CONTEXT].concat();
        pieces.push(Piece::new(Mark::Plain, format!("{} ", before.trim_end())));
    }
    pieces.push(Piece::new(Mark::Faint, "[...]"));
    if !is_last {
        let behind = words[words.len() - CONTEXT..].concat();
        pieces.push(Piece::new(Mark::Plain, format!(" {}", behind.trim_start())));
    }
}

/// Lays pieces out from column `column` on; further lines begin at column `indent`. Ends
/// without a line end.
pub(super) fn fill(pieces: &[Piece], column: usize, indent: usize, page: Page) -> String {
    let mut out = Filling { text: String::new(), column, indent, blanks: 0, page };
    for piece in pieces {
        for word in words_of(&piece.text) {
            out.push(word, piece.mark);
        }
    }
    out.text
}

/// Words with the blanks behind them. A line end ends a word.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut before = None;
        let end = rest.char_indices().find_map(|(at, c)| {
            let ends = before == Some('\n') || (before == Some(' ') && c != ' ' && c != '\n');
            before = Some(c);
            (ends && at > 0).then_some(at)
        });
        let (word, tail) = rest.split_at(end.unwrap_or(rest.len()));
        rest = tail;
        Some(word)
    })
}

struct Filling {
    text: String,
    column: usize,
    indent: usize,
    /// Blanks that come before the next word, if that is on the same line.
    blanks: usize,
    page: Page,
}

impl Filling {
    fn push(&mut self, word: &str, mark: Mark) {
        let Some(width) = self.page.width.map(|width| width.max(self.indent + 10)) else {
            self.paint(&escape(word), mark);
            return;
        };
        let shown = escape(word);
        let bare = shown.trim_end_matches(' ');
        if self.column + self.blanks + bare.width() > width && self.column > self.indent {
            self.line();
        }
        let gap = " ".repeat(std::mem::take(&mut self.blanks));
        self.paint(&gap, Mark::Plain);
        let mut part = String::new();
        for c in bare.chars() {
            let mut bytes = [0; 4];
            let one: &str = c.encode_utf8(&mut bytes);
            if self.column + part.width() + one.width() > width {
                self.paint(&part, mark);
                part.clear();
                self.line();
            }
            part.push(c);
        }
        self.paint(&part, mark);
        self.blanks = shown.len() - bare.len();
        if word.ends_with('\n') {
            self.line();
        }
    }

    fn paint(&mut self, text: &str, mark: Mark) {
        self.column += text.width();
        self.text.push_str(&painted(text, mark, self.page));
    }

    fn line(&mut self) {
        self.text.push('\n');
        self.text.push_str(&" ".repeat(self.indent));
        self.column = self.indent;
        self.blanks = 0;
    }
}

/// Text that is safe already, in the colour of its mark.
pub(super) fn painted(text: &str, mark: Mark, page: Page) -> String {
    match mark.code() {
        Some(code) if page.color && !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str, width: Option<usize>) -> String {
        fill(&word_changes(old, new), 0, 0, Page { width, color: false })
    }

    #[test]
    fn changes_are_shown_word_by_word() {
        assert_eq!(
            shown("the quick brown fox", "the slow brown dog", None),
            "the [-quick-]{+slow+} brown [-fox-]{+dog+}"
        );
        assert_eq!(shown("a b c d", "a x y d", None), "a [-b c-]{+x y+} d");
        assert_eq!(shown("same", "same", None), "same");
        assert_eq!(shown("", "new", None), "{+new+}");
        assert_eq!(shown("a b", "a  b", None), "a[- -]{+  +}b");
        assert_eq!(shown("第一条款", "第二条款", None), "第[-一-]{+二+}条款");
    }

    #[test]
    fn a_long_stretch_without_a_change_is_left_out() {
        let long = "word ".repeat(100);
        let text = shown(&format!("{long}old {long}"), &format!("{long}new {long}"), None);
        assert!(text.len() < 120, "{text}");
        assert!(text.starts_with("[...] word word"), "{text}");
        assert!(text.contains(" word [-old-]{+new+} word "), "{text}");
        assert!(text.ends_with(" word [...]"), "{text}");
    }

    #[test]
    fn lines_are_no_wider_than_the_terminal() {
        for width in [40, 80, 120] {
            let page = Page { width: Some(width), color: false };
            let long =
                format!("{} {} 漢字漢字 {}", "word ".repeat(60), "x".repeat(300), "字".repeat(90));
            let text = fill(&[Piece::new(Mark::Plain, &long)], 10, 10, page);
            for (i, line) in text.lines().enumerate() {
                let begins = if i == 0 { 10 } else { 0 };
                assert!(begins + line.width() <= width, "{width}: {line}");
            }
            let bare = |text: &str| text.replace([' ', '\n'], "");
            assert_eq!(bare(&text), bare(&long));
        }
    }

    #[test]
    fn line_ends_are_visible_and_break_on_a_terminal_only() {
        let pieces = [Piece::new(Mark::Plain, "one\ntwo\n\nthree\u{1b}[2J")];
        assert_eq!(fill(&pieces, 0, 2, Page::default()), "one\\ntwo\\n\\nthree\\u{1b}[2J");
        let page = Page { width: Some(80), color: false };
        assert_eq!(fill(&pieces, 0, 2, page), "one\\n\n  two\\n\n  \\n\n  three\\u{1b}[2J");
    }

    #[test]
    fn colours_repeat_what_the_marks_say() {
        let page = Page { width: None, color: true };
        assert_eq!(
            fill(&word_changes("a b", "a c"), 0, 0, page),
            "a \u{1b}[31m[-b-]\u{1b}[0m\u{1b}[32m{+c+}\u{1b}[0m"
        );
    }
}
