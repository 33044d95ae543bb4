//! Command lines and configurations that are refused: exit 2, and nothing is contacted.

use erpsync::model::Side;
use insta::assert_snapshot;

use super::{bench, shown};
use crate::bench::Bench;

/// What a refused configuration says; nothing was contacted and no state was made.
fn refused(bench: &Bench) -> String {
    let ran = bench.run(&["sync-all", "--new-state"]).expect(2);
    assert_eq!(ran.out, "");
    for side in Side::BOTH {
        assert_eq!(bench.requests(side), 0);
    }
    assert!(!bench.path("sync_state.db").exists());
    shown(bench, &ran)
}

#[test]
fn configurations() {
    let bench = Bench::default();
    assert_snapshot!(refused(&bench), @r#"
        exit code 2
        --- err
        error: sync.toml: no such file
        hint: `erpsync init` writes one; --config FILE names another
        "#);
    bench.configure("[sync]\ndoctypes = []\nbatch_size = 0\nconflict_resolution = \"cloud_win\"");
    assert_snapshot!(refused(&bench), @r#"
        exit code 2
        --- err
        error: sync.toml:12: sync.doctypes: must name at least one doctype
        hint: e.g. doctypes = ["Customer", "Item"]
        error: sync.toml:13: sync.batch_size: 0 is not allowed; allowed: a whole number from 1 to 10000
        error: sync.toml:14: sync.conflict_resolution: "cloud_win" is not allowed; allowed: latest_timestamp, cloud_wins, local_wins, manual, merge
        hint: did you mean "cloud_wins"?
        "#);
    bench.configure("[sync]\ndoctypes = [\"User\"]\n[doctypes.Item]\ndirection = \"both\"\n[mail]");
    assert_snapshot!(refused(&bench), @r#"
        exit code 2
        --- err
        error: sync.toml:12: sync.doctypes: "User" must not be synced: users, roles and permissions are each site's own
        hint: take it out of the list
        error: sync.toml:13: doctypes.Item: is a section for a doctype that is not in sync.doctypes
        hint: add the doctype to sync.doctypes, or take the section out
        error: sync.toml:14: doctypes.Item.direction: "both" is not allowed; allowed: bidirectional, cloud_to_local, local_to_cloud
        error: sync.toml:15: mail: is not a known key; known here: alerts, cloud, doctypes, local, metrics, state, sync, webhooks
        "#);
    bench.configure_sites("api_token = \"x\"", "[sync]\ndoctypes = [\"Brand\"]");
    assert_snapshot!(refused(&bench), @r#"
        exit code 2
        --- err
        error: sync.toml:5: cloud.api_token: is not a known key; known here: api_key, api_secret, ca_file, concurrency, headers, max_response_bytes, time_zone, timeout_seconds, url
        error: sync.toml:10: local.api_token: is not a known key; known here: api_key, api_secret, ca_file, concurrency, headers, max_response_bytes, time_zone, timeout_seconds, url
        "#);
    std::fs::write(bench.path("sync.toml"), "[cloud\nurl = 1").unwrap();
    assert_snapshot!(refused(&bench), @r#"
        exit code 2
        --- err
        error: sync.toml:1: is not TOML: unclosed table, expected `]`
        "#);
}

#[test]
fn secrets_that_are_not_set() {
    let bench = bench(&["Brand"]);
    super::reconfigure(&bench, "\"cloudfullkey\"", "\"${ERPSYNC_TEST_UNSET}\"");
    super::reconfigure(&bench, "\"localfullsecret\"", "\"${ERPSYNC_TEST_EMPTY}\"");
    std::fs::write(bench.path(".env"), "ERPSYNC_TEST_EMPTY=\n").unwrap();
    assert_snapshot!(refused(&bench), @r#"
        exit code 2
        --- err
        error: sync.toml:3: cloud.api_key: the variable ERPSYNC_TEST_UNSET is not set
        hint: export ERPSYNC_TEST_UNSET, or write ERPSYNC_TEST_UNSET=... into .env beside this file
        error: sync.toml:9: local.api_secret: the variable ERPSYNC_TEST_EMPTY is set, but empty
        hint: export ERPSYNC_TEST_EMPTY, or write ERPSYNC_TEST_EMPTY=... into .env beside this file
        "#);
}

#[test]
fn doctypes_of_the_command_line() {
    let bench = bench(&["Brand"]);
    for doctype in ["User", "brand", "GL Entry"] {
        let ran = bench.run(&["sync-doctype", doctype, "--new-state"]).expect(2);
        assert!(ran.err.contains("error: "), "{ran:?}");
        if doctype == "brand" {
            assert_snapshot!(shown(&bench, &ran), @r#"
                exit code 2
                --- err
                error: "brand" is configured in another spelling
                hint: did you mean "Brand"?
                "#);
        }
    }
    assert!(!bench.path("sync_state.db").exists());
}

#[test]
fn what_is_not_in_this_version() {
    let bench = bench(&["Brand"]);
    let ran = bench.run(&["verify"]).expect(2);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 2
        --- err
        error: verify: not in this version
        hint: erpsync --help lists what is
        "#);
    for arguments in ["listen", "verify", "completions bash", "man", "status --live"] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let ran = bench.run(&arguments).expect(2);
        assert!(ran.err.contains("not in this version"), "{arguments:?}: {ran:?}");
        assert_eq!(ran.out, "");
    }
    // And nothing of it is in the help.
    for command in
        ["", "init", "sync-all", "sync-doctype", "conflicts", "status", "log", "names", "hash"]
    {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let help = bench.run(&arguments).expect(0).out;
        for word in ["verify", "--live"] {
            assert!(!help.contains(word), "{command}: {word}");
        }
    }
}

#[test]
fn command_lines() {
    let bench = bench(&["Brand"]);
    for arguments in [
        "",
        "sink-all",
        "sync-doctype",
        "sync-all --limit many",
        "sync-all --exit-code",
        "sync-all --restore-side here",
        "sync-all -q -v",
        "hash Brand Acme",
        "hash Brand Acme --side here",
        "log --since yesterday",
        "sync-all --color sometimes",
    ] {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let ran = bench.run(&arguments).expect(2);
        assert_eq!(ran.out, "", "{arguments:?}");
        assert!(ran.err.contains("--help") || ran.err.contains("Usage"), "{ran:?}");
    }
    let ran = bench.run(&["hash", "Brand", "Acme", "--side", "here"]);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 2
    --- err
    error: invalid value 'here' for '--side <cloud|local>': allowed: cloud, local

    For more information, try '--help'.
    ");
    bench.run(&["--version"]).expect(0);
    for side in Side::BOTH {
        assert_eq!(bench.requests(side), 0);
    }
}

#[test]
fn a_log_file_that_cannot_be_opened() {
    let bench = bench(&["Brand"]);
    let ran = bench.run(&["sync-all", "--new-state", "--log-file", "no/such/folder"]).expect(2);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 2
        --- err
        error: cannot open log file no/such/folder: No such file or directory (os error 2)
        "#);
    assert_eq!(bench.requests(Side::Cloud), 0);
}

#[cfg(unix)]
#[test]
fn a_configuration_that_everybody_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = bench(&["Brand"]);
    let ran = bench.run(&["sync-all", "--new-state"]).expect(0);
    assert_eq!(ran.err, super::READABLE);
    let file = std::fs::File::open(bench.path("sync.toml")).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(bench.run(&["sync-all"]).expect(0).err, "");
}
