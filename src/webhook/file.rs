//! The lines of a queue file or of standard input, one at a time.
//!
//! The rule kept here: no more of a line is held than the bound allows, however long it is;
//! what is longer is read past and told by its digest and its beginning.

use std::io::{self, BufRead};

use sha2::{Digest, Sha256};

use super::KEPT_BYTES;
use super::signature::{digest_hex, hex};

/// One line that is not empty, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLine {
    /// Its number, from 1; empty lines count.
    pub number: usize,
    /// What it says.
    pub text: Text,
    /// Whether its end was there. The last line of a file that is still written to may lack it.
    pub is_ended: bool,
}

/// A line's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// The whole of it.
    Whole(Vec<u8>),
    /// It is longer than the bound.
    TooLong {
        /// Its beginning.
        head: Vec<u8>,
        /// The digest of the whole line.
        digest: String,
    },
}

impl RawLine {
    /// Stands for the line: the same text has the same digest.
    #[must_use]
    pub fn digest(&self) -> String {
        match &self.text {
            Text::Whole(text) => digest_hex(text),
            Text::TooLong { digest, .. } => digest.clone(),
        }
    }

    /// The line, or what is held of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.text {
            Text::Whole(text) => text,
            Text::TooLong { head, .. } => head,
        }
    }
}

/// Reads lines.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    bound: usize,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// Lines of up to `bound` bytes are given whole.
    pub const fn new(input: R, bound: usize) -> Self {
        Self { input, bound, number: 0 }
    }

    /// The next line as it stands; `None` at the end.
    fn read(&mut self) -> io::Result<Option<RawLine>> {
        let mut line = Vec::new();
        let mut long: Option<Sha256> = None;
        let mut is_begun = false;
        let mut is_ended = false;
        while !is_ended {
            let part = match self.input.fill_buf() {
                Ok([]) => break,
                Ok(part) => part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            is_begun = true;
            let end = part.iter().position(|byte| *byte == b'\n');
            is_ended = end.is_some();
            let text = &part[..end.unwrap_or(part.len())];
            let used = text.len() + usize::from(is_ended);
            if let Some(digest) = &mut long {
                digest.update(text);
            } else if line.len() + text.len() > self.bound {
                let mut digest = Sha256::new_with_prefix(&line);
                digest.update(text);
                long = Some(digest);
                line.extend_from_slice(&text[..text.len().min(KEPT_BYTES)]);
                line.truncate(KEPT_BYTES);
            } else {
                line.extend_from_slice(text);
            }
            self.input.consume(used);
        }
        if !is_begun {
            return Ok(None);
        }
        self.number += 1;
        let text = match long {
            Some(digest) => Text::TooLong { head: line, digest: hex(&digest.finalize()) },
            None => Text::Whole(without_frame(line, self.number)),
        };
        Ok(Some(RawLine { number: self.number, text, is_ended }))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<RawLine>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read() {
                Ok(Some(RawLine { text: Text::Whole(text), .. })) if text.is_empty() => {}
                other => return other.transpose(),
            }
        }
    }
}

/// A line without what editors put around it: blanks, and the mark at the start of a file.
fn without_frame(mut line: Vec<u8>, number: usize) -> Vec<u8> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if number == 1 && line.starts_with(MARK) {
        line.drain(..MARK.len());
    }
    let text = line.trim_ascii();
    if text.len() == line.len() { line } else { text.to_vec() }
}
