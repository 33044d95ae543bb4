//! Contract tests: what real Frappe sites answered, replayed on the sandbox and on real sites.
//!
//! The cases are data (`tests/cases/contract/NN-*.json`, one file a recorded file, in our own
//! reduced form); `docs/frappe.md` says of every recorded exchange whether a case covers it.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod case;
mod client;
mod coverage;
mod deliveries;
mod live;
mod pattern;
mod run;
mod same;
mod sums;
mod vars;
mod world;

use world::World;

/// Replays a case file and says how much of it.
fn replay(name: &str, world: &World) -> run::Report {
    let report = run::replay(world, &case::read_ground(), &case::read(name));
    let left_out =
        if world.is_live() { format!(", {} left out", report.left_out) } else { String::new() };
    println!("{name} on {}: {} exchanges replayed{left_out}", world.name(), report.replayed);
    report
}

/// All mismatches of a case file at once, if there are any.
fn complaint(name: &str, world: &World, report: &run::Report) -> Option<String> {
    let differences = &report.differences;
    let head = format!("{name} on {}: {} differences", world.name(), differences.len());
    (!differences.is_empty()).then(|| format!("{head}\n{}", differences.join("\n")))
}

fn check(file: &str, flavour: &str) {
    let world = World::sandbox(flavour);
    if let Some(differences) = complaint(file, &world, &replay(file, &world)) {
        panic!("{differences}");
    }
}

/// Two tests for every case file, one a flavour, and the list of files that have them.
macro_rules! contract_tests {
    ($($name:ident: $file:literal,)*) => {
        const TESTED: &[&str] = &[$($file),*];
        $(mod $name {
            #[test]
            fn on_15_55() {
                super::check($file, "15.55");
            }

            #[test]
            fn on_15_105() {
                super::check($file, "15.105");
            }
        })*
    };
}

contract_tests! {
    lists: "01-list",
    single_reads: "02-get-one",
    creates_and_names: "03-create-naming",
    updates_and_rows: "04-update",
    deletes_and_renames: "05-delete",
    bulk_reads: "06-bulk-reads",
    time: "07-server-time",
    webhooks: "08-webhooks",
    rate_limits: "09-rate-limit",
    metadata: "11-metadata",
    erpnext_documents: "12-erpnext-docs",
    series_collision: "14-series-collision",
    row_names: "15-more",
    names_given_by_v2: "17-v2-create-with-name",
    rows_of_another_site: "18-si-rows-and-misc",
    zone_of_a_user: "19-time-zone-trap",
    fingerprints: "20-fingerprints",
    copies_of_masters: "30-copy-masters",
    copies_of_selling: "30-copy-per-doctype-selling",
    copies_of_buying: "30-copy-stock-and-buying",
    copies_of_chains: "31-copy-chains",
    edits_of_masters: "31-edit-masters",
    edits_of_transactions: "31-edit-transactions",
    traps_of_buying: "32-copy-buying",
    traps_of_masters: "32-copy-masters",
    ways_of_copying: "32-copy-traps-selling",
    submit_cancel_pay: "33-submit-cancel-amend-pay",
    lost_answers: "34-lost-answer",
    keys_of_submitted_documents: "34b-lost-answer-more",
    fingerprints_in_depth: "35-fingerprints",
    permissions: "35b-fingerprints-permissions",
    renames_and_second_posts: "36-rename-and-concurrency",
    fields_of_one_side: "37-custom-fields-versions-bulk",
    traps: "38-more-traps",
    order_of_cancelling: "39-cancel-order-and-time-of-save",
    wrong_paths: "40-odds-and-ends",
    merging_drafts: "41-merge-on-drafts",
    exotic_names: "42-keyset-and-in-filters",
    stamps_without_a_fraction: "43-crc-of-modified",
    what_is_held_back: "44-item-holdouts-and-posting-time",
    submitting_a_mirrored_draft: "45-submit-of-a-mirrored-draft-and-titles",
}

#[test]
fn every_case_file_is_tested() {
    assert_eq!(case::all_files(), TESTED);
}

/// Prints covered and total, and fails where the table and the cases disagree.
#[test]
fn coverage_is_what_the_documentation_says() {
    let (text, wrong) = coverage::count();
    println!("{text}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// True when a case file is wanted: `ERPSYNC_CASES=12,33` picks files by the start of their names.
fn is_wanted(file: &str) -> bool {
    std::env::var("ERPSYNC_CASES")
        .map_or(true, |wanted| wanted.split(',').any(|start| file.starts_with(start.trim())))
}

/// The same cases on two real sites; `ERPSYNC_LIVE` names a file with their addresses and keys.
#[test]
fn on_real_sites() {
    let Some(world) = World::live() else {
        println!("ERPSYNC_LIVE is not set: no real sites, nothing replayed");
        return;
    };
    let (mut replayed, mut left_out, mut failed) = (0, 0, Vec::new());
    for file in TESTED.iter().filter(|file| is_wanted(file)) {
        let report = replay(file, &world);
        replayed += report.replayed;
        left_out += report.left_out;
        failed.extend(complaint(file, &world, &report));
    }
    world.tidy(&case::read_ground());
    println!("together: {replayed} exchanges replayed, {left_out} left out");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
