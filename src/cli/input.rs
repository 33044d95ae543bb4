//! The queue file, or standard input, as lines that come from a thread of their own, so that
//! a signal is noticed while nothing comes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use crate::config::ConfigError;
use crate::webhook::{Lines, RawLine};

/// So many lines are read ahead.
const AHEAD: usize = 16;

/// What lines are read from.
pub(super) struct Input {
    /// What it is called in messages.
    pub name: String,
    /// Whether somebody may still be writing to it, so that its last line may be unfinished.
    pub may_grow: bool,
    reader: Box<dyn BufRead + Send>,
}

impl Input {
    /// Opens a file; `-` is standard input.
    ///
    /// What is added to a file after it was opened is left for another run, so that a run
    /// ends however fast the file grows.
    pub(super) fn open(path: &Path) -> Result<Self, ConfigError> {
        if path.as_os_str() == "-" {
            let reader = Box::new(BufReader::new(io::stdin()));
            return Ok(Self { name: "standard input".to_owned(), may_grow: false, reader });
        }
        let name = path.display().to_string();
        let hint = "name a queue file, - for standard input, or nothing to drain the queue";
        let refused = |why: &str| ConfigError::usage(format!("{name}: {why}"), hint);
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        let (about, file) = opened.map_err(|error| refused(&error.to_string()))?;
        if about.is_dir() {
            return Err(refused("is a directory"));
        }
        let may_grow = about.is_file();
        let reader: Box<dyn BufRead + Send> = if may_grow {
            Box::new(BufReader::new(file.take(about.len())))
        } else {
            Box::new(BufReader::new(file))
        };
        Ok(Self { name, may_grow, reader })
    }

    /// The lines that are not empty; the channel closes at the end.
    pub(super) fn lines(self, bound: usize) -> Receiver<io::Result<RawLine>> {
        let (sender, receiver) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            for line in Lines::new(self.reader, bound) {
                let is_last = line.is_err();
                if sender.send(line).is_err() || is_last {
                    return;
                }
            }
        });
        receiver
    }
}
