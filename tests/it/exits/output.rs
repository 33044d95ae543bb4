//! Who reads what: standard output and standard error, `--json`, `-q`, closed pipes, secrets,
//! and what sites say to a terminal.

use std::process::Stdio;

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use serde_json::Value;

use super::{bench, brand, doctype, reconfigure, rules, sync};
use crate::bench::{Bench, Ran};

/// A bench with a document in step, a conflict and a failure.
fn busy() -> Bench {
    let bench = Bench::default();
    bench.configure(&rules(&["Brand", "UOM"], "conflict_resolution = \"manual\""));
    brand(&bench, Side::Cloud, "Acme", "");
    sync(&bench).expect(0);
    for side in Side::BOTH {
        brand(&bench, side, "Bolt", side.as_str());
    }
    brand(&bench, Side::Cloud, "Cart", "");
    bench.site(Side::Local).faults.refuse(Match::writes(), Refusal::Internal);
    sync(&bench).expect(4);
    bench
}

/// The commands that answer with a document, and the key that each has.
const COMMANDS: [(&[&str], &str); 10] = [
    (&["init"], "config"),
    (&["sync-all"], "doctypes"),
    (&["sync-all", "--dry-run"], "doctypes"),
    (&["sync-doctype", "Brand"], "actions"),
    (&["sync-doctype", "Brand", "--name", "Acme"], "requests"),
    (&["conflicts"], "conflicts"),
    (&["status"], "doctypes"),
    (&["names", "Brand"], "names"),
    (&["log"], "log"),
    (&["hash", "Brand", "Acme", "--side", "cloud"], "hash"),
];

/// The one JSON document on standard output, and nothing else there.
fn document(ran: &Ran) -> Value {
    assert_eq!(ran.out.lines().count(), 1, "{ran:?}");
    let document = ran.json();
    assert!(document.is_object(), "{ran:?}");
    document
}

#[test]
fn json_is_one_document() {
    let bench = busy();
    for (arguments, key) in COMMANDS {
        for more in [&["--json"][..], &["--json", "-q"], &["--json", "-vv"]] {
            let ran = bench.run(&[arguments, more].concat());
            assert!(!document(&ran)[key].is_null(), "{arguments:?}: {ran:?}");
        }
    }
    let ran = bench.run(&["sync-all", "--json"]).expect(4);
    let document = document(&ran);
    assert_eq!(document["exit_code"], 4);
    assert_eq!(document["dry_run"], false);
    assert_eq!(doctype(&document, "Brand")["conflicts"], 1);
    assert_eq!(doctype(&document, "Brand")["failed"], 1);
    assert_eq!(document["requests"]["cloud"], 3, "1 user, the sums of 2 doctypes");
}

#[test]
fn json_is_one_document_on_failure_too() {
    let check = |bench: &Bench, skipped: &[&str], code: i32| {
        for (arguments, _) in COMMANDS.iter().filter(|(words, _)| !skipped.contains(&words[0])) {
            let ran = bench.run(&[arguments, &["--json"][..]].concat()).expect(code);
            let document = document(&ran);
            assert_eq!(document["exit_code"], code, "{arguments:?}");
            let error = document["error"].as_str().unwrap_or_else(|| panic!("{ran:?}"));
            assert!(!error.is_empty());
            assert!(ran.err.contains("error: "), "said to a person too: {ran:?}");
        }
    };
    let bench = bench(&["Brand"]);
    // No state; then sites that do not let us in; then a configuration that is wrong.
    check(&bench, &["init", "hash"], 1);
    sync(&bench).expect(0);
    reconfigure(&bench, "cloudfullkey", "wrong");
    check(&bench, &["init", "conflicts", "status", "log", "names"], 1);
    reconfigure(&bench, "[sync]", "[sink]");
    check(&bench, &["init"], 2);
}

#[test]
fn json_of_a_command_line_that_is_refused() {
    let bench = bench(&["Brand"]);
    for arguments in
        [&["sync-all", "--limit", "x"][..], &["sink-all"], &["verify"], &["log", "--csv"]]
    {
        let ran = bench.run(&[arguments, &["--json"][..]].concat()).expect(2);
        let document = document(&ran);
        assert_eq!(document["exit_code"], 2, "{arguments:?}");
        assert!(ran.err.contains(document["error"].as_str().unwrap()), "{ran:?}");
    }
}

#[test]
fn json_of_a_hash_that_is_not_there() {
    let bench = bench(&["Brand"]);
    let ran = bench.run(&["hash", "Brand", "None", "--side", "local", "--json"]).expect(4);
    assert!(document(&ran)["error"].as_str().unwrap().contains("local"));
}

#[test]
fn quiet_says_only_errors() {
    let bench = busy();
    for (arguments, _) in COMMANDS.iter().filter(|(words, _)| words[0] != "hash") {
        let ran = bench.run(&[arguments, &["-q"][..]].concat());
        assert_eq!(ran.err, "", "{arguments:?}");
        // What a reading command was run for is no remark.
        let reads = ["conflicts", "status", "log", "names"].contains(&arguments[0]);
        assert_eq!(ran.out.is_empty(), !reads, "{arguments:?}: {ran:?}");
    }
    brand(&bench, Side::Cloud, "Dock", "");
    bench.site(Side::Local).faults.refuse(Match::writes(), Refusal::Internal);
    let ran = bench.run(&["sync-all", "-q"]).expect(4);
    assert_eq!(ran.out, "");
    assert!(ran.err.lines().all(|line| line.starts_with("error: ") || line.starts_with("hint: ")));
    assert!(ran.err.contains("Dock"), "{ran:?}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let bench = busy();
    let codes = [0, 4, 0, 4, 0, 0, 0, 0, 0];
    for ((arguments, _), code) in COMMANDS.iter().zip(codes) {
        let mut child =
            bench.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn no_secret_is_ever_shown_or_stored() {
    let bench = busy();
    let mut said = String::new();
    let logs = ["text.log", "json.log"];
    for (format, log) in [("text", logs[0]), ("json", logs[1])] {
        for (arguments, _) in COMMANDS {
            let more = ["-vv", "--log-file", log, "--log-format", format];
            let ran = bench.run(&[arguments, &more[..]].concat());
            said.push_str(&ran.out);
            said.push_str(&ran.err);
        }
    }
    // The paths of requests are there, so the secrets would be as well.
    assert!(said.contains("/api/method/frappe.client.get_list"));
    bench.site(Side::Cloud).faults.always(Match::any(), || Action::Refuse(Refusal::Unauthorized));
    said.push_str(&bench.run(&["sync-all", "-vv"]).expect(1).err);
    reconfigure(&bench, "api_secret", "api_secrets");
    said.push_str(&bench.run(&["sync-all", "-vv"]).expect(2).err);
    let mut files = vec![said.into_bytes()];
    for entry in std::fs::read_dir(bench.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            files.push(std::fs::read(path).unwrap());
        }
    }
    assert!(files.len() > 4, "output, two logs, the state, its lock");
    for file in files {
        let text = String::from_utf8_lossy(&file);
        for secret in ["fullkey", "fullsecret"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn what_a_site_says_does_not_drive_a_terminal() {
    let bench = Bench::default();
    bench.configure(&rules(&["Brand"], "conflict_resolution = \"manual\""));
    let evil = "Evil \u{1b}[2J\u{7}\u{202e}Brand";
    for side in Side::BOTH {
        brand(&bench, side, evil, &format!("{side} \u{1b}[31m"));
    }
    let evil_too = "Evil \u{1b}]0;too";
    brand(&bench, Side::Cloud, evil_too, "");
    bench.site(Side::Local).faults.refuse(Match::writes(), Refusal::Internal);
    for arguments in [
        &["sync-all", "--new-state", "-vv", "--log-file", "run.log"][..],
        &["sync-all", "--dry-run", "--full"],
        &["sync-doctype", "Brand", "--name", evil_too],
        &["sync-doctype", "Brand", "--name", "None \u{1b}[2J"],
        &["conflicts"],
        &["status"],
        &["log"],
        &["hash", "Brand", "None \u{1b}[2J", "--side", "cloud"],
        &["sync-doctype", "None \u{1b}[2J"],
        &["sink \u{1b}[2J"],
        &["sync-all", "--direction", "\u{1b}[2J"],
        &["--config", "none \u{1b}[2J", "status"],
    ] {
        let ran = bench.run(arguments);
        for text in [&ran.out, &ran.err] {
            let driving = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
            assert_eq!(text.chars().find(driving), None, "{arguments:?}: {text:?}");
        }
    }
    let log = std::fs::read_to_string(bench.path("run.log")).unwrap();
    assert!(log.contains("Evil \\u{1b}") && !log.contains('\u{1b}'), "{log}");
}
