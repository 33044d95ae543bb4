//! Making and opening the database file.
//!
//! The rule kept here: a file that is refused is left byte for byte as it was. So a file is
//! looked at with a connection that cannot write, and only then opened for writing; a new one
//! is made whole under another name and then given its own.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::{StateError, StateResult};
use super::migrations::{self, APPLICATION_ID, VERSION};
use super::{State, collect};

/// How long to wait for another program that holds the database for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Enough for the inner pages of every index of a million documents and for a wave of them; what
/// is more comes from the system's own cache.
const CACHE_KIB: i64 = 8 * 1024;

/// A listing is filled and gone through in order: of a larger one little is used at a time.
const LISTING_CACHE_KIB: i64 = 4 * 1024;

/// Up to this size every page is checked at opening, which takes two or three milliseconds; above
/// it the schema alone, and damage further in shows when it is met.
const FULL_CHECK_BYTES: u64 = 1024 * 1024;

/// What starts every `SQLite` file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

const IN_A_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

impl State {
    /// Makes a new state database and opens it. A file that exists is left as it is.
    pub fn create(path: &Path) -> StateResult<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(StateError::Exists { path: path.to_owned() });
        }
        for suffix in ["-wal", "-journal"] {
            let leftover = beside(path, suffix);
            if length(&leftover) > 0 {
                return Err(StateError::Leftover { path: leftover });
            }
        }
        let failed = |source| StateError::Io { path: path.to_owned(), source };
        // 0600 on Unix; SQLite gives the files beside it the same mode.
        let draft = tempfile::Builder::new()
            .prefix(".erpsync-")
            .suffix(".new")
            .tempfile_in(directory(path))
            .map_err(failed)?;
        {
            let mut connection = Connection::open_with_flags(draft.path(), writable())?;
            migrations::migrate(&mut connection)?;
            configure(&connection)?;
            connection.close().map_err(|(_, error)| error)?;
        }
        draft.into_temp_path().persist_noclobber(path).map_err(|error| {
            match error.error.kind() {
                std::io::ErrorKind::AlreadyExists => StateError::Exists { path: path.to_owned() },
                _ => failed(error.error),
            }
        })?;
        Self::open(path)
    }

    /// Opens an existing state database for writing.
    pub fn open(path: &Path) -> StateResult<Self> {
        inspect(path)?;
        check_writable(path)?;
        let at = |error| located(path, error);
        let mut connection = Connection::open_with_flags(path, writable()).map_err(at)?;
        if connection.is_readonly("main").map_err(at)? {
            return Err(read_only(path, "it could only be opened for reading"));
        }
        configure(&connection).map_err(at)?;
        migrations::migrate(&mut connection)?;
        Ok(Self::new(connection))
    }

    /// Opens a private copy of an existing state database, so that a dry run can work as a
    /// real one does and nothing of it is ever written to the file.
    pub fn open_copy(path: &Path) -> StateResult<Self> {
        let at = |error| located(path, error);
        for _ in 0..3 {
            let before = trace(path);
            let (source, is_still) = inspect(path)?;
            // An empty name is a private database on disk that goes when it is closed.
            let mut copy = Connection::open("")?;
            Backup::new(&source, &mut copy)
                .and_then(|backup| backup.run_to_completion(i32::MAX, BUSY_TIMEOUT / 100, None))
                .map_err(at)?;
            if is_still && trace(path) != before {
                continue;
            }
            configure(&copy).map_err(at)?;
            migrations::migrate(&mut copy)?;
            return Ok(Self::new(copy));
        }
        Err(StateError::Busy)
    }

    /// An empty state that lives as long as it is open.
    pub fn in_memory() -> StateResult<Self> {
        let mut connection = Connection::open_in_memory()?;
        configure(&connection)?;
        migrations::migrate(&mut connection)?;
        Ok(Self::new(connection))
    }

    fn new(connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(128);
        Self { connection, listing: None }
    }
}

/// Settings of a connection that writes. A private database has no write-ahead log.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A statement is planned once, whatever values it is given: a value that might choose a
    // partial index would have it planned anew for each.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(Some("main"), "cache_size", -CACHE_KIB)?;
    connection.pragma_update(Some("temp"), "cache_size", -LISTING_CACHE_KIB)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")
}

fn writable() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Looks at a file without changing it and gives a connection that cannot write. The second
/// value says whether the file was taken to be at rest: then `SQLite` locks nothing, and the
/// caller has to see to it that the file did not change meanwhile.
fn inspect(path: &Path) -> StateResult<(Connection, bool)> {
    check_header(path)?;
    let at = |error| located(path, error);
    let is_still = length(&beside(path, "-wal")) == 0;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if is_still {
        // An ordinary reader would make the two files beside a database in WAL mode.
        let name = format!("{}?immutable=1", uri(path)?);
        Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_URI)
    } else {
        Connection::open_with_flags(path, flags)
    }
    .map_err(at)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(at)?;
    // The header on disk may be older than what the write-ahead log says.
    let id: u32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(at)?;
    check_identity(path, id, migrations::version(&connection)?)?;
    let check = if length(path) <= FULL_CHECK_BYTES {
        "PRAGMA quick_check(1)"
    } else {
        "PRAGMA quick_check(sqlite_schema)"
    };
    let findings = connection
        .prepare(check)
        .map_err(StateError::from)
        .and_then(|mut check| collect(&mut check, [], |row| Ok(row.get::<_, String>(0)?)))
        .map_err(|error| corrupt(path, error.to_string()))?;
    match findings.as_slice() {
        [only] if only == "ok" => Ok((connection, is_still)),
        _ => Err(corrupt(path, findings.join("; "))),
    }
}

/// Reads the first page's header as bytes, so that `SQLite` never sees a file that is not one.
fn check_header(path: &Path) -> StateResult<()> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => StateError::Missing { path: path.to_owned() },
        _ => StateError::Io { path: path.to_owned(), source },
    };
    let not_sqlite =
        |detail: &str| StateError::NotSqlite { path: path.to_owned(), detail: detail.to_owned() };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(not_sqlite("not a file"));
    }
    let mut header = Vec::with_capacity(100);
    fs::File::open(path)
        .and_then(|file| file.take(100).read_to_end(&mut header))
        .map_err(failed)?;
    if header.is_empty() {
        return Err(not_sqlite("the file is empty"));
    }
    if !header.starts_with(MAGIC) {
        return Err(not_sqlite("it begins otherwise"));
    }
    let number = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    };
    let pages = u64::from(number(28));
    let page_size = match number(14) & 0xFFFF {
        1 => 65_536,
        size => u64::from(size),
    };
    if header.len() < 100 || metadata.len() < pages * page_size {
        return Err(corrupt(path, "the file is cut short".to_owned()));
    }
    check_identity(path, number(68), number(60))
}

fn check_identity(path: &Path, application_id: u32, version: u32) -> StateResult<()> {
    if application_id != APPLICATION_ID || version == 0 {
        return Err(StateError::Foreign { path: path.to_owned() });
    }
    if version > VERSION {
        return Err(StateError::Newer { path: path.to_owned(), found: version, known: VERSION });
    }
    Ok(())
}

/// `SQLite` would quietly fall back to reading; and root may write what nobody was meant to.
fn check_writable(path: &Path) -> StateResult<()> {
    for (file, what) in [(path, "the file"), (directory(path), "its directory")] {
        let metadata = fs::metadata(file)
            .map_err(|source| StateError::Io { path: file.to_owned(), source })?;
        if metadata.permissions().readonly() {
            return Err(read_only(path, &format!("{what} is read-only")));
        }
    }
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map(drop).map_err(|error| read_only(path, &error.to_string()))
}

fn located(path: &Path, error: rusqlite::Error) -> StateError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            corrupt(path, error.to_string())
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            read_only(path, &error.to_string())
        }
        _ => error.into(),
    }
}

fn corrupt(path: &Path, detail: String) -> StateError {
    StateError::Corrupt { path: path.to_owned(), detail }
}

fn read_only(path: &Path, detail: &str) -> StateError {
    StateError::ReadOnly { path: path.to_owned(), detail: detail.to_owned() }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The length of a file, 0 where there is none.
fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// What shows that a file was written to.
fn trace(path: &Path) -> (u64, Option<SystemTime>, u64) {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    (length(path), modified, length(&beside(path, "-wal")))
}

/// A path as `SQLite`'s `file:` form, with every byte that could mean something there escaped.
fn uri(path: &Path) -> StateResult<String> {
    let path = std::path::absolute(path)
        .map_err(|source| StateError::Io { path: path.to_owned(), source })?;
    let bytes = path.as_os_str().as_encoded_bytes();
    if cfg!(windows) {
        let text = String::from_utf8_lossy(bytes).replace('\\', "/");
        return Ok(format!("file:///{}", percent_encode(text.as_bytes(), &IN_A_PATH)));
    }
    Ok(format!("file://{}", percent_encode(bytes, &IN_A_PATH)))
}
