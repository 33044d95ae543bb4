//! Reading the files that a configuration is made of.
//!
//! Nothing is understood here, only read; the rule kept is that each way in which a file can
//! be unreadable has its own plain words.

use std::fs;
use std::io;
use std::path::Path;

use super::error::{ConfigError, Problem, Report};

/// A file's name as it is shown: as the user gave it, without a leading `./`.
pub(super) fn shown(path: &Path) -> String {
    let text = path.strip_prefix(".").unwrap_or(path).display().to_string();
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The text of the configuration file.
pub(super) fn read_config(path: &Path) -> Result<String, ConfigError> {
    let problem = |line, message: String, hint: Option<&str>| {
        let (file, hint) = (shown(path), hint.map(str::to_owned));
        ConfigError::new(Problem { file, line, key: String::new(), message, hint })
    };
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => problem(
            None,
            "no such file".to_owned(),
            Some("`erpsync init` writes one; --config FILE names another"),
        ),
        io::ErrorKind::IsADirectory => problem(
            None,
            "is a directory, not a file".to_owned(),
            Some("--config takes the file, e.g. --config sync.toml"),
        ),
        _ => problem(None, format!("cannot be read: {}", io_reason(&error)), None),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line = bad_utf8_line(error.as_bytes());
        problem(Some(line), "is not UTF-8 text".to_owned(), Some("save the file as UTF-8"))
    })
}

/// The first line, from 1, that is not UTF-8.
pub(super) fn bad_utf8_line(bytes: &[u8]) -> usize {
    let good = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    bytes.iter().take(good).filter(|byte| **byte == b'\n').count() + 1
}

/// The reason of an input error in short words.
pub(super) fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Warns where everybody on this machine may read a file that `why` ("holds secrets").
pub(super) fn warn_if_world_readable(path: &Path, why: &str, report: &Report) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o004 != 0 {
            let file = shown(path);
            report.warn_text(format!(
                "{file} {why} and can be read by every user of this machine; chmod 600 {file}"
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = (path, why, report);
}
