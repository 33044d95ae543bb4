//! `erpsync init`: what it writes and what it leaves alone.

use erpsync::config::EXAMPLE;
use insta::assert_snapshot;

use super::shown;
use crate::bench::Bench;

#[test]
fn into_an_empty_folder_and_again() {
    let bench = Bench::default();
    let ran = bench.run(&["init"]).expect(0);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 0
    --- out
    sync.toml: written; enter your sites and doctypes there
    sync_state.db: created
    ");
    assert_eq!(std::fs::read_to_string(bench.path("sync.toml")).unwrap(), EXAMPLE);
    let state = std::fs::read(bench.path("sync_state.db")).unwrap();

    std::fs::write(bench.path("sync.toml"), "# mine\n").unwrap();
    let ran = bench.run(&["init"]).expect(0);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 0
    --- out
    sync.toml: there already, left as it is
    sync_state.db: there already, left as it is
    ");
    assert_eq!(std::fs::read_to_string(bench.path("sync.toml")).unwrap(), "# mine\n");

    let ran = bench.run(&["init", "--force"]).expect(0);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 0
    --- out
    sync.toml: written; enter your sites and doctypes there
    sync_state.db: there already, left as it is
    ");
    assert_eq!(std::fs::read_to_string(bench.path("sync.toml")).unwrap(), EXAMPLE);
    assert_eq!(std::fs::read(bench.path("sync_state.db")).unwrap(), state, "never a state");
}

#[test]
fn beside_something_that_is_no_state() {
    let bench = Bench::default();
    std::fs::write(bench.path("sync_state.db"), "a shopping list\n").unwrap();
    let ran = bench.run(&["init"]).expect(1);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 1
        --- out
        sync.toml: written; enter your sites and doctypes there
        --- err
        error: DIR/sync_state.db is not a SQLite database: it begins otherwise
        hint: check `path` under [state] in the configuration
        "#);
    let kept = std::fs::read_to_string(bench.path("sync_state.db")).unwrap();
    assert_eq!(kept, "a shopping list\n");
}

#[test]
fn where_the_configuration_says() {
    let bench = Bench::default();
    bench.configure("[state]\npath = \"other.db\"\n[sync]\ndoctypes = [\"Brand\"]");
    bench.run(&["init"]).expect(0);
    assert!(bench.path("other.db").exists() && !bench.path("sync_state.db").exists());
    let ran = bench.run(&["init", "--json"]).expect(0).json();
    assert_eq!(ran["state"]["created"], false);
    assert_eq!(ran["config"]["written"], false);
}
