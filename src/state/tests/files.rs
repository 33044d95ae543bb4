//! Making, opening and refusing files; the lock; the schema.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::migrations::{MIGRATIONS, VERSION, migrate, migrate_to, version};
use super::*;

fn fresh() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sync state #1?.db");
    drop(State::create(&path).unwrap());
    (directory, path)
}

/// Every file of a directory with its content.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

/// Opens in both ways, expects the same refusal, and that no file changed or appeared.
fn refused(path: &Path) -> StateError {
    let directory = path.parent().unwrap();
    let before = contents(directory);
    let error = State::open(path).unwrap_err();
    let copied = State::open_copy(path).unwrap_err();
    assert_eq!(error.to_string(), copied.to_string());
    assert!(contents(directory) == before, "{error}: the files changed");
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    assert!(error.hint().is_some(), "{error}");
    error
}

fn edit(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn urls(cloud: &str, local: &str) -> Sides<String> {
    Sides::new(cloud.to_owned(), local.to_owned())
}

#[test]
fn a_new_state_is_made_whole_and_never_over_another() {
    let (directory, path) = fresh();
    assert_eq!(contents(directory.path()).len(), 1, "no draft and no side files remain");
    let before = fs::read(&path).unwrap();
    let error = State::create(&path).unwrap_err();
    assert!(matches!(error, StateError::Exists { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);

    let mut state = State::open(&path).unwrap();
    let run = state.start_run("sync-all", at(1)).unwrap();
    state.finish_run(run, 0, Sides::default(), &Value::Null, at(2)).unwrap();
    let pragma = |name: &str| -> String {
        let read = |row: &Row| row.get_ref(0).map(|value| format!("{value:?}"));
        state.connection.pragma_query_value(None, name, read).unwrap()
    };
    assert!(pragma("journal_mode").starts_with("Text"));
    let mode: String =
        state.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(pragma("synchronous"), "Integer(2)");
    assert_eq!(pragma("foreign_keys"), "Integer(1)");
    assert_eq!(pragma("user_version"), format!("Integer({VERSION})"));
}

#[test]
fn a_state_is_not_made_beside_the_log_of_another() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    fs::write(directory.path().join("s.db-wal"), b"frames").unwrap();
    let error = State::create(&path).unwrap_err();
    assert!(matches!(error, StateError::Leftover { .. }), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_missing_file_is_refused_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let error = refused(&directory.path().join("s.db"));
    assert!(matches!(error, StateError::Missing { .. }), "{error}");
    assert!(error.hint().unwrap().contains("erpsync init"));
}

#[test]
fn what_is_not_a_state_is_refused_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    for content in [&b""[..], b"doctypes = []", &[0; 4096]] {
        fs::write(&path, content).unwrap();
        let error = refused(&path);
        assert!(matches!(error, StateError::NotSqlite { .. }), "{error}");
    }
    fs::remove_file(&path).unwrap();
    edit(&path, "CREATE TABLE sync_records (id INTEGER)");
    assert!(matches!(refused(&path), StateError::Foreign { .. }));
}

#[test]
fn a_damaged_state_is_refused_untouched() {
    let (_directory, path) = fresh();
    let whole = fs::read(&path).unwrap();
    let page = usize::from(u16::from_be_bytes([whole[16], whole[17]]));
    let mut damages = vec![whole[..whole.len() - page].to_vec(), whole[..60].to_vec()];
    for wrong in [1, whole.len() / page - 1] {
        let mut bytes = whole.clone();
        bytes[wrong * page..wrong * page + 200].fill(0xA5);
        damages.push(bytes);
    }
    let mut schema = whole.clone();
    schema[100..400].fill(0xA5);
    damages.push(schema);
    for bytes in damages {
        fs::write(&path, bytes).unwrap();
        let error = refused(&path);
        assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn a_newer_schema_is_refused_untouched_also_where_only_the_wal_says_so() {
    let (directory, path) = fresh();
    let older = fs::read(&path).unwrap();
    let newer = VERSION + 1;
    let writer = Connection::open(&path).unwrap();
    writer.pragma_update(None, "user_version", newer).unwrap();
    // As a killed process leaves it: the change is in the log alone.
    let killed = directory.path().join("killed.db");
    fs::copy(&path, &killed).unwrap();
    fs::copy(beside(&path, "-wal"), beside(&killed, "-wal")).unwrap();
    drop(writer);
    assert_eq!(fs::read(&killed).unwrap(), older);
    let wal = fs::read(beside(&killed, "-wal")).unwrap();
    for error in [State::open(&killed).unwrap_err(), State::open_copy(&killed).unwrap_err()] {
        assert!(matches!(error, StateError::Newer { .. }), "{error}");
    }
    assert_eq!(fs::read(&killed).unwrap(), older);
    assert_eq!(fs::read(beside(&killed, "-wal")).unwrap(), wal);

    let error = refused(&path);
    assert!(matches!(error, StateError::Newer { found, .. } if found == newer), "{error}");
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

#[cfg(unix)]
#[test]
fn a_read_only_file_or_directory_is_refused_untouched_and_can_be_copied() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, path) = fresh();
    for (what, mode, back) in [(&*path, 0o400, 0o600), (directory.path(), 0o500, 0o700)] {
        fs::set_permissions(what, fs::Permissions::from_mode(mode)).unwrap();
        let before = contents(directory.path());
        let error = State::open(&path).unwrap_err();
        State::open_copy(&path).unwrap().start_run("sync-all --dry-run", at(0)).unwrap();
        assert!(contents(directory.path()) == before);
        fs::set_permissions(what, fs::Permissions::from_mode(back)).unwrap();
        assert!(matches!(error, StateError::ReadOnly { .. }), "{error}");
    }
    State::open(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn every_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, path) = fresh();
    let _lock = RunLock::acquire(&path, at(0)).unwrap();
    let mut state = State::open(&path).unwrap();
    state.start_run("sync-all", at(0)).unwrap();
    let files: Vec<_> = contents(directory.path()).into_keys().collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn a_copy_has_everything_and_leaves_the_file_alone() {
    let (directory, path) = fresh();
    State::open(&path).unwrap().start_run("sync-all", at(0)).unwrap();
    let before = contents(directory.path());
    let mut copy = State::open_copy(&path).unwrap();
    copy.start_run("sync-all --dry-run", at(1)).unwrap();
    absorb(&mut copy, &[listed("A", "c1", "m1")], &[]);
    assert_eq!(copy.recent_runs(9).unwrap().len(), 2);
    drop(copy);
    assert!(contents(directory.path()) == before);
    assert_eq!(State::open(&path).unwrap().recent_runs(9).unwrap().len(), 1);

    // What another run has committed and not yet moved into the file is copied too.
    let mut writer = State::open(&path).unwrap();
    writer.start_run("sync-doctype Item", at(2)).unwrap();
    let file = fs::read(&path).unwrap();
    assert_eq!(State::open_copy(&path).unwrap().recent_runs(9).unwrap().len(), 2);
    assert_eq!(fs::read(&path).unwrap(), file);
}

#[test]
fn a_killed_run_is_opened_with_what_it_had_committed() {
    let (directory, path) = fresh();
    let mut state = State::open(&path).unwrap();
    state.start_run("sync-all", at(0)).unwrap();
    let killed = directory.path().join("killed.db");
    fs::copy(&path, &killed).unwrap();
    fs::copy(beside(&path, "-wal"), beside(&killed, "-wal")).unwrap();
    assert_eq!(State::open_copy(&killed).unwrap().recent_runs(9).unwrap().len(), 1);
    assert_eq!(State::open(&killed).unwrap().recent_runs(9).unwrap().len(), 1);
}

#[test]
fn another_pair_of_sites_is_refused_by_name() {
    let mut state = State::in_memory().unwrap();
    let known = urls("https://erp.example.com", "http://localhost:8000");
    let users = urls("sync@example.com", "Administrator");
    state.check_pair(&known, &users, at(0)).unwrap();
    let slash = urls("https://erp.example.com/", "http://localhost:8000");
    state.check_pair(&slash, &users, at(1)).unwrap();

    let exchanged = urls("http://localhost:8000", "https://erp.example.com");
    let error = state.check_pair(&exchanged, &users, at(1)).unwrap_err();
    assert!(error.to_string().ends_with("cloud and local are exchanged"), "{error}");
    let other = urls("https://test.example.com", "http://localhost:8000");
    let error = state.check_pair(&other, &users, at(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the state belongs to cloud https://erp.example.com (user sync@example.com) and local \
         http://localhost:8000 (user Administrator), but the configuration gives cloud \
         https://test.example.com (user sync@example.com) and local http://localhost:8000 \
         (user Administrator)"
    );
    assert!(error.hint().unwrap().contains("[state] path"));
    let somebody = urls("ann@example.com", "Administrator");
    assert!(state.check_pair(&known, &somebody, at(1)).is_err());

    state.rebind(&other, &somebody, at(2)).unwrap();
    state.check_pair(&other, &somebody, at(3)).unwrap();
    assert_eq!(state.pair().unwrap().unwrap().users, somebody);
}

#[test]
fn the_pair_has_no_room_for_a_secret() {
    let state = State::in_memory().unwrap();
    let mut columns =
        state.connection.prepare("SELECT name FROM pragma_table_info('pair')").unwrap();
    let columns = collect(&mut columns, [], |row| Ok(row.get::<_, String>(0)?)).unwrap();
    assert_eq!(
        columns,
        [
            "id",
            "cloud_url",
            "local_url",
            "cloud_user",
            "local_user",
            "program_version",
            "recorded_at"
        ]
    );
}

#[test]
fn one_run_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let lock = RunLock::acquire(&path, at(7)).unwrap();
    let error = RunLock::acquire(&path, at(8)).unwrap_err();
    let me = std::process::id();
    assert!(
        matches!(error, StateError::Locked { pid: Some(pid), since: Some(since), .. }
            if pid == me && since == at(7)),
        "{error}"
    );
    assert!(error.to_string().contains(&format!("process {me} holds")), "{error}");
    assert!(error.to_string().ends_with("since 2025-11-18T10:07:00.000Z"), "{error}");
    drop(lock);
    RunLock::acquire(&path, at(9)).unwrap();
}

/// The schema as the database has it, in a fixed order.
fn schema(connection: &Connection) -> Vec<String> {
    let mut all = connection
        .prepare(
            "SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_schema ORDER BY 1",
        )
        .unwrap();
    collect(&mut all, [], |row| Ok(row.get(0)?)).unwrap()
}

#[test]
fn every_older_version_is_brought_to_the_newest() {
    let mut newest = Connection::open_in_memory().unwrap();
    migrate(&mut newest).unwrap();
    assert_eq!(MIGRATIONS.len(), VERSION as usize);
    for old in 1..=VERSION {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate_to(&mut connection, old).unwrap();
        assert_eq!(version(&connection).unwrap(), old);
        connection
            .execute_batch(
                "INSERT INTO sync_records (doctype, docname, cloud_name) VALUES ('Item', 'A', 'A')",
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        assert_eq!(schema(&connection), schema(&newest), "from version {old}");
        let kept: i64 = connection
            .query_row("SELECT count(*) FROM sync_records WHERE docname = 'A'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(kept, 1);
    }
}

#[test]
fn the_specified_columns_are_there_first_and_in_order() {
    let state = State::in_memory().unwrap();
    let columns = |table: &str| {
        let sql =
            "SELECT name || ' ' || type || ' ' || \"notnull\" || ' ' || COALESCE(dflt_value, '-')
                   FROM pragma_table_info(?)";
        let mut statement = state.connection.prepare(sql).unwrap();
        collect(&mut statement, [table], |row| Ok(row.get::<_, String>(0)?)).unwrap()
    };
    let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
    assert_eq!(
        columns("sync_records")[..15],
        [
            "id INTEGER 0 -",
            "doctype VARCHAR(200) 1 -",
            "docname VARCHAR(200) 1 -",
            "cloud_modified DATETIME 0 -",
            "local_modified DATETIME 0 -",
            "last_synced DATETIME 0 -",
            "sync_hash_cloud VARCHAR(64) 0 -",
            "sync_hash_local VARCHAR(64) 0 -",
            "sync_direction VARCHAR(20) 0 -",
            "is_syncing BOOLEAN 0 FALSE",
            "sync_status VARCHAR(50) 0 'pending'",
            "error_message TEXT 0 -",
            "retry_count INTEGER 0 0",
            &format!("created_at DATETIME 0 {now}"),
            &format!("updated_at DATETIME 0 {now}"),
        ]
    );
    assert_eq!(
        columns("sync_logs")[..9],
        [
            "id INTEGER 0 -",
            &format!("timestamp DATETIME 0 {now}"),
            "doctype VARCHAR(200) 1 -",
            "docname VARCHAR(200) 1 -",
            "action VARCHAR(50) 1 -",
            "direction VARCHAR(20) 1 -",
            "status VARCHAR(50) 1 -",
            "message TEXT 0 -",
            "changes_json TEXT 0 -",
        ]
    );
    assert_eq!(
        columns("conflict_records")[..11],
        [
            "id INTEGER 0 -",
            "doctype VARCHAR(200) 1 -",
            "docname VARCHAR(200) 1 -",
            "cloud_data TEXT 1 -",
            "local_data TEXT 1 -",
            "cloud_modified DATETIME 1 -",
            "local_modified DATETIME 1 -",
            "resolved BOOLEAN 0 FALSE",
            "resolution VARCHAR(50) 0 -",
            "resolved_at DATETIME 0 -",
            &format!("created_at DATETIME 0 {now}"),
        ]
    );
    assert_eq!(
        columns("webhook_queue")[..12],
        [
            "id INTEGER 0 -",
            "source VARCHAR(20) 1 -",
            "doctype VARCHAR(200) 1 -",
            "docname VARCHAR(200) 1 -",
            "action VARCHAR(50) 1 -",
            "payload TEXT 1 -",
            "processed BOOLEAN 0 FALSE",
            "processing BOOLEAN 0 FALSE",
            &format!("created_at DATETIME 0 {now}"),
            "processed_at DATETIME 0 -",
            "error_message TEXT 0 -",
            "retry_count INTEGER 0 0",
        ]
    );
}

#[test]
fn a_state_without_sums_and_totals_adds_them_up() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate_to(&mut connection, 7).unwrap();
    connection
        .execute_batch(
            "INSERT INTO sync_records (doctype, docname, cloud_name, cloud_seen)
             VALUES ('Item', 'A', 'A', '2025-11-17 10:00:00.000001')",
        )
        .unwrap();
    migrate(&mut connection).unwrap();
    let state = State { connection, listing: None };
    assert_eq!(state.fingerprint("Item", Side::Cloud).unwrap().count(), 1);
    assert_eq!(state.totals_of("Item").unwrap()[&RecordStatus::Pending], 1);
}
