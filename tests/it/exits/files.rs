//! The state database: missing, damaged, somebody else's, held by another run. What is
//! refused is left byte for byte as it was.

use erpsync::model::Side;
use erpsync::state::{RunLock, State};
use insta::assert_snapshot;
use jiff::Timestamp;
use serde_json::json;

use super::{bench, brand, reconfigure, shown, sync};
use crate::bench::{Bench, Ran};

const STATE: &str = "sync_state.db";

/// A bench with one document in step.
fn in_step() -> Bench {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "");
    sync(&bench).expect(0);
    bench.clear_logs();
    bench
}

/// Runs and checks that neither the file nor a site was touched.
fn refused(bench: &Bench, code: i32) -> Ran {
    let before = std::fs::read(bench.path(STATE)).ok();
    for command in ["sync-all", "status"] {
        let ran = bench.run(&[command]);
        assert_ne!(ran.code, 0, "{command}: {ran:?}");
        assert!(std::fs::read(bench.path(STATE)).ok() == before, "{command}");
    }
    for side in Side::BOTH {
        assert_eq!(bench.requests(side), 0);
    }
    bench.run(&["sync-all", "--new-state"]).expect(code)
}

#[test]
fn missing() {
    let bench = bench(&["Brand"]);
    let ran = bench.run(&["sync-all"]).expect(1);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 1
        --- err
        error: there is no state database at DIR/sync_state.db
        hint: run `erpsync init`, or give --new-state; where a state existed before, restore it from a backup
        "#);
    for command in ["status", "log", "conflicts"] {
        assert!(bench.run(&[command]).expect(1).err.contains("hint: "));
    }
    assert!(!bench.path(STATE).exists(), "a typing error in path makes no state");
    bench.run(&["sync-all", "--new-state"]).expect(0);
    bench.run(&["sync-all"]).expect(0);
}

#[test]
fn of_a_newer_version() {
    let bench = in_step();
    let state = rusqlite::Connection::open(bench.path(STATE)).unwrap();
    state.pragma_update(None, "user_version", 99).unwrap();
    state.close().unwrap();
    let ran = refused(&bench, 1);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 1
    --- err
    error: the state database DIR/sync_state.db has schema version 99; this erpsync knows versions up to 10
    hint: use the erpsync that wrote it, or a newer one
    ");
}

#[test]
fn damaged() {
    let bench = in_step();
    let mut bytes = std::fs::read(bench.path(STATE)).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0x5a);
    std::fs::write(bench.path(STATE), bytes).unwrap();
    let ran = refused(&bench, 1);
    assert!(ran.err.contains("is damaged: "), "{ran:?}");
    assert!(ran.err.ends_with("hint: restore the file from a backup; it was left as it is\n"));
}

/// What no check at the opening of the file can see.
#[test]
fn damaged_in_what_was_agreed_on() {
    let bench = in_step();
    let state = rusqlite::Connection::open(bench.path(STATE)).unwrap();
    state.execute("UPDATE sync_records SET local_base = substr(local_base, 2)", []).unwrap();
    state.close().unwrap();
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"description": "edited"}));
    let ran = bench.run(&["sync-all"]).expect(1);
    assert_eq!(bench.writes(), 0);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 1
    --- out
    Brand: 1 on cloud, 1 on local; nothing to do
    --- err
    error: the base of Brand Acme on local (record 1) cannot be read: corrupt deflate stream
    hint: restore the state database from a backup
    ");
}

#[test]
fn no_database_at_all() {
    let bench = bench(&["Brand"]);
    std::fs::write(bench.path(STATE), "a shopping list\n").unwrap();
    let ran = refused(&bench, 1);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 1
        --- err
        error: DIR/sync_state.db is not a SQLite database: it begins otherwise
        hint: check `path` under [state] in the configuration
        "#);
}

#[test]
fn of_another_program() {
    let bench = bench(&["Brand"]);
    let other = rusqlite::Connection::open(bench.path(STATE)).unwrap();
    other.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    other.close().unwrap();
    let ran = refused(&bench, 1);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 1
        --- err
        error: DIR/sync_state.db is a database, but not one of erpsync's
        hint: check `path` under [state] in the configuration
        "#);
}

#[test]
fn of_other_sites() {
    let bench = in_step();
    let other = bench_elsewhere(&bench);
    let before = std::fs::read(other.path(STATE)).unwrap();
    let ran = other.run(&["sync-all"]).expect(2);
    let text = shown(&other, &ran);
    assert_snapshot!(super::redacted(&bench, &text.replace("CLOUD", "C").replace("LOCAL", "L")), @"
    exit code 2
    --- err
    error: the state belongs to cloud http://CLOUD.example (user sync@example.com) and local http://LOCAL.example (user sync@example.com), but the configuration gives cloud http://C.example (user sync@example.com) and local http://L.example (user sync@example.com)
    hint: check the configuration; where the same sites or users have new names, run `erpsync init --rebind`; for other sites name another state under [state] path
    ");
    assert!(std::fs::read(other.path(STATE)).unwrap() == before);
    for side in Side::BOTH {
        assert_eq!(other.requests(side), 0, "nothing was contacted");
    }
    other.run(&["sync-all", "--dry-run"]).expect(2);
}

/// Other sites, configured with the state of these.
fn bench_elsewhere(bench: &Bench) -> Bench {
    let other = super::bench(&["Brand"]);
    std::fs::copy(bench.path(STATE), other.path(STATE)).unwrap();
    other
}

#[test]
fn of_the_same_sites_exchanged() {
    let bench = in_step();
    reconfigure(&bench, "[cloud]", "[other]");
    reconfigure(&bench, "[local]", "[cloud]");
    reconfigure(&bench, "[other]", "[local]");
    let before = std::fs::read(bench.path(STATE)).unwrap();
    let ran = bench.run(&["sync-all"]).expect(2);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 2
    --- err
    error: the state belongs to cloud http://CLOUD.example (user sync@example.com) and local http://LOCAL.example (user sync@example.com), but the configuration gives cloud http://LOCAL.example (user sync@example.com) and local http://CLOUD.example (user sync@example.com); cloud and local are exchanged
    hint: check the configuration; where the same sites or users have new names, run `erpsync init --rebind`; for other sites name another state under [state] path
    ");
    assert!(std::fs::read(bench.path(STATE)).unwrap() == before);
    for side in Side::BOTH {
        assert_eq!(bench.requests(side), 0, "nothing was contacted");
    }
}

#[test]
fn of_the_same_sites_under_another_user() {
    let bench = in_step();
    reconfigure(&bench, "cloudfull", "cloudweak");
    let ran = bench.run(&["sync-all"]).expect(2);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 2
    --- err
    error: the state belongs to cloud http://CLOUD.example (user sync@example.com) and local http://LOCAL.example (user sync@example.com), but the configuration gives cloud http://CLOUD.example (user weak@example.com) and local http://LOCAL.example (user sync@example.com)
    hint: check the configuration; where the same sites or users have new names, run `erpsync init --rebind`; for other sites name another state under [state] path
    ");
    assert_eq!(bench.writes(), 0);
}

#[test]
fn held_by_another_run() {
    let bench = in_step();
    let started: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let held = RunLock::acquire(&bench.path(STATE), started).unwrap();
    let mut said = Vec::new();
    for arguments in [&["sync-all"][..], &["sync-doctype", "Brand"], &["sync-all", "--dry-run"]] {
        let ran = bench.run(arguments).expect(5);
        let pid = std::process::id().to_string();
        assert!(ran.err.contains(&format!("process {pid} ")), "{ran:?}");
        assert!(ran.err.contains("2026-11-22T10:00:00"), "{ran:?}");
        said.push(shown(&bench, &ran).replace(&pid, "PID"));
    }
    said.dedup();
    assert_snapshot!(said.join("\n"), @r#"
        exit code 5
        --- err
        error: process PID holds DIR/sync_state.db.lock since TIME
        hint: wait for the other run to end
        "#);
    assert_eq!(bench.requests(Side::Cloud), 0);
    // Looking is always allowed.
    bench.run(&["status"]).expect(0);
    drop(held);
    bench.run(&["sync-all"]).expect(0);
}

#[test]
fn that_cannot_be_written() {
    let bench = in_step();
    let folder = bench.path("state");
    std::fs::create_dir(&folder).unwrap();
    reconfigure(&bench, "[cloud]", "[state]\npath = \"state/none/sync.db\"\n[cloud]");
    let ran = bench.run(&["sync-all", "--new-state"]).expect(1);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 1
        --- err
        error: cannot use DIR/state/none/sync.db.lock: No such file or directory (os error 2)
        hint: check that the folder is there and that you may write to it
        "#);
}

#[cfg(unix)]
#[test]
fn files_that_are_made_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = bench(&["Brand"]);
    bench.insert(Side::Cloud, "Brand", &json!({"brand": "Told"}));
    bench.run(&["sync-all", "--new-state", "--log-file", "run.log"]).expect(0);
    let log = std::fs::read_to_string(bench.path("run.log")).unwrap();
    assert!(log.contains("Told") && log.contains("create"), "each action, to nobody else: {log}");
    bench.run(&["--config", "new/sync.toml", "init"]).expect(1);
    std::fs::create_dir(bench.path("new")).unwrap();
    bench.run(&["--config", "new/sync.toml", "init"]).expect(0);
    for file in [STATE, "sync_state.db.lock", "run.log", "new/sync.toml", "new/sync_state.db"] {
        let mode = bench.path(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn opened_by_the_library_it_is_what_the_program_left() {
    let bench = in_step();
    let state = State::open(&bench.path(STATE)).unwrap();
    assert_eq!(state.pair().unwrap().unwrap().urls.cloud, bench.servers.cloud.url());
}

/// The same sites at new addresses: a person says so, and the state is used on.
#[test]
fn of_sites_that_moved() {
    let bench = bench(&["Brand"]);
    bench.insert(Side::Cloud, "Brand", &serde_json::json!({"brand": "Falk"}));
    bench.sync().expect(0);
    let text = std::fs::read_to_string(bench.path("sync.toml")).unwrap();
    let moved = text.replace("http://127.0.0.1", "http://localhost");
    std::fs::write(bench.path("sync.toml"), moved).unwrap();
    let refused = bench.run(&["sync-all"]).expect(2);
    assert!(refused.err.contains("init --rebind"), "{}", refused.err);
    let ran = bench.run(&["init", "--rebind"]).expect(0);
    assert!(ran.out.contains("and is of cloud http://localhost"), "{}", ran.out);
    bench.clear_logs();
    bench.run(&["sync-all"]).expect(0);
    assert_eq!(bench.writes(), 0);
}
