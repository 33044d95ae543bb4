//! The demo: it runs through, and it fails when a site was edited behind its back.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::Ran;

/// `cargo test` builds the examples beside the program.
fn example() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_erpsync")).parent().unwrap();
    folder.join("examples/demo").with_extension(std::env::consts::EXE_EXTENSION)
}

fn demo(arguments: &[&str]) -> Ran {
    let example = example();
    let output = Command::new(&example).args(arguments).output();
    let hint = "`cargo test` builds it; with --test: cargo build --example demo";
    output.unwrap_or_else(|error| panic!("{}: {error}; {hint}", example.display())).into()
}

#[test]
fn the_demo_brings_two_sites_into_step() {
    let ran = demo(&[]).expect(0);
    let mut rest = ran.out.as_str();
    for line in [
        "$ erpsync init\n",
        "sync_state.db: created\n",
        "$ erpsync sync-all\n",
        "5 equal already, 1 created on local\n",
        "$ erpsync sync-all\n",
        "cloud: 5 requests answered, 0 of them writes\n",
        "local: 5 requests answered, 0 of them writes\n",
        "$ erpsync sync-all\n",
        "1 conflict waits for a person: erpsync conflicts\n(exit code 3)\n",
        "$ erpsync conflicts\nUnresolved Conflicts: 1\n",
        "1. Customer/Nordlicht Ltd\n",
        "Fields: payment_terms\n",
        "$ erpsync status\n",
        "Open conflicts: 1\n",
        "$ erpsync conflicts show 1\n",
        "payment_terms (both changed)\n",
        "1 row written to conflicts.csv\n",
        "$ erpsync resolve 1 --take cloud\n1. Customer/Nordlicht Ltd: settled\n",
        "$ erpsync conflicts\nUnresolved Conflicts: 0\n",
        "$ erpsync log --name \"Nordlicht Ltd\"\n",
        "$ erpsync ingest-webhooks queue.jsonl\n",
        "queue: 4 lines, 2 accepted, 2 rejected, 1 document, 0 pending\n",
        "Customer: 1 updated on cloud\n",
        "(exit code 4)\n",
        "Brand: 2 on cloud, 2 on local; equal\n",
        "Customer Group: 6 on cloud, 6 on local; equal\n",
        "Customer: 4 on cloud, 4 on local; equal\n",
        "Item: 3 on cloud, 3 on local; equal\n",
        "The two sites are equal.\n",
    ] {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} is missing in:\n{rest}"));
        rest = &rest[at + line.len()..];
    }
    assert_eq!(rest, "");
}

#[test]
fn the_demo_fails_when_a_site_was_edited_behind_its_back() {
    let ran = demo(&["--meddle"]).expect(1);
    let difference = "Item DRILL-7, description: \"DRILL-7\" on cloud, \"meddled with\" on local";
    assert!(ran.out.contains(difference), "{}", ran.out);
    assert!(!ran.out.contains("The two sites are equal"), "{}", ran.out);
    assert!(ran.err.contains("The demo failed: the two sites differ"), "{}", ran.err);
}
