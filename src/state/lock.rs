//! The lock of a run: one run at a time on one state database.
//!
//! The lock is the operating system's, on `<state>.lock`, and goes with the process whatever
//! ends it. The file's content (pid and start time) is only for the message; the file is
//! never removed, because a removed lock file could be held by two.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::error::{StateError, StateResult};
use super::time;

/// Held for the whole of a run; released when dropped.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of the state database at `state`, or says who holds it. Does not wait.
    pub fn acquire(state: &Path, now: Timestamp) -> StateResult<Self> {
        let path = lock_path(state);
        let failed = |source| StateError::Io { path: path.clone(), source };
        let mut file = open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (pid, since) = holder(&mut file);
                return Err(StateError::Locked { path, pid, since });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let text = format!("{} {}\n", std::process::id(), time::stamp(now));
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Beside the database itself, under whatever other name it is called.
fn lock_path(state: &Path) -> PathBuf {
    let target = if state.is_symlink() { state.canonicalize().ok() } else { None };
    let mut path = target.as_deref().unwrap_or(state).as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Who holds the lock, as far as the file says: its holder may be just about to write it.
fn holder(file: &mut File) -> (Option<u32>, Option<Timestamp>) {
    let mut text = String::new();
    if file.take(200).read_to_string(&mut text).is_err() {
        return (None, None);
    }
    let mut words = text.split_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok());
    (pid, words.next().and_then(|word| time::parse(word).ok()))
}
