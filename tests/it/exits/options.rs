//! The options of the syncing commands.

use erpsync::model::Side;
use insta::assert_snapshot;
use serde_json::json;

use super::{bench, brand, count, doctype, field, rules, shown, sync, unit};
use crate::bench::Bench;

#[test]
fn a_dry_run_writes_nothing_anywhere() {
    let bench = Bench::default();
    bench.configure(&rules(&["Brand", "UOM"], ""));
    for (side, name) in [(Side::Cloud, "Acme"), (Side::Local, "Bolt")] {
        brand(&bench, side, name, "old");
    }
    sync(&bench).expect(0);
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"description": "new"}));
    brand(&bench, Side::Local, "Cart", "");
    unit(&bench, Side::Cloud, "Barrel", "");
    let before = folder(&bench);
    bench.clear_logs();
    let ran = bench.run(&["sync-all", "--dry-run"]).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        update  cloud -> local  Brand/Acme  cloud changed
        create  local -> cloud  Brand/Cart  new on local
        create  cloud -> local  UOM/Barrel  new on cloud
        Brand: 2 on cloud, 3 on local; dry run: 1 created on cloud, 1 updated on local
        UOM: 5 on cloud, 4 on local; dry run: 1 created on local
        "#);
    bench.run(&["sync-all", "--dry-run", "--exit-code", "--json"]).expect(7);
    bench.run(&["sync-doctype", "UOM", "--dry-run", "--full"]).expect(0);
    bench.run(&["sync-doctype", "UOM", "--name", "Barrel", "--dry-run"]).expect(0);
    assert_eq!(bench.writes(), 0);
    assert!(before == folder(&bench), "the files are byte for byte what they were");
    // And what it said is what is done.
    let ran = sync(&bench).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        Brand: 2 on cloud, 3 on local; 1 created on cloud, 1 updated on local, 1 unchanged
        UOM: 5 on cloud, 4 on local; 1 created on local, 4 unchanged
        "#);
}

/// Every file beside the configuration, but for the lock, which says who held it last.
fn folder(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(bench.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "lock"))
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_dry_run_without_a_state() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "");
    bench.run(&["sync-all", "--dry-run"]).expect(1);
    bench.run(&["sync-all", "--dry-run", "--new-state", "--exit-code"]).expect(7);
    assert!(!bench.path("sync_state.db").exists());
}

#[test]
fn a_limit_leaves_the_rest_for_later() {
    let bench = bench(&["Brand", "UOM"]);
    for number in 0..7 {
        brand(&bench, Side::Cloud, &format!("Brand {number}"), "");
        unit(&bench, Side::Local, &format!("Unit {number}"), "");
    }
    sync_limited(&bench, 4, [4, 0]);
    let ran = bench.run(&["sync-all", "--limit", "5"]).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        Brand: 7 on cloud, 4 on local; 3 created on local, 4 unchanged
        UOM: 4 on cloud, 11 on local; 2 equal already
        9 left for another run by --limit
        "#);
    let ran = bench.run(&["sync-all", "--limit", "0", "--json"]).expect(0);
    assert!(ran.json()["remaining"].as_u64() > Some(0), "{ran:?}");
    let ran = sync(&bench).expect(0);
    assert!(!ran.out.contains("left for another run"));
    assert_eq!(bench.site(Side::Local).count_of("Brand"), 7);
    let counts = Side::BOTH.map(|side| bench.site(side).count_of("UOM"));
    assert_eq!(counts[0], counts[1]);
}

fn sync_limited(bench: &Bench, limit: usize, made: [usize; 2]) {
    let ran = bench.run(&["sync-all", "--new-state", "--json", "--limit", &limit.to_string()]);
    let document = ran.expect(0).json();
    assert!(document["remaining"].as_u64() > Some(0), "{document}");
    assert_eq!(doctype(&document, "Brand")["created_on_local"], made[0]);
    assert_eq!(doctype(&document, "UOM")["created_on_cloud"], made[1]);
    let acted = document["actions"].as_array().unwrap().len();
    assert_eq!(acted, limit);
}

#[test]
fn a_document_that_waits_for_another_counts_once_against_the_limit() {
    let bench = bench(&["Item Group"]);
    // The parent comes second in the listing.
    let group = |name: &str, parent: &str| {
        let values = json!({"item_group_name": name, "parent_item_group": parent, "is_group": 1});
        bench.insert(Side::Cloud, "Item Group", &values);
    };
    group("Zinc", "All Item Groups");
    group("Alloys", "Zinc");
    sync_only(&bench);
    let ran = bench.run(&["sync-all", "--json", "--limit", "2"]).expect(0).json();
    assert_eq!(doctype(&ran, "Item Group")["created_on_local"], 2, "{ran}");
    assert_eq!(ran["remaining"], 0);
}

/// Brings everything else into step, so that only the two new groups are left.
fn sync_only(bench: &Bench) {
    let others = ["All Item Groups", "Products", "Raw Material", "Services"];
    let mut arguments = vec!["sync-doctype", "Item Group", "--new-state"];
    arguments.extend(others.iter().flat_map(|name| ["--name", name]));
    bench.run(&arguments).expect(0);
}

#[test]
fn one_way_only() {
    for (word, from) in [
        ("cloud_to_local", Side::Cloud),
        ("cloud-to-local", Side::Cloud),
        ("local_to_cloud", Side::Local),
        ("local-to-cloud", Side::Local),
    ] {
        let bench = bench(&["Brand"]);
        brand(&bench, Side::Cloud, "Of Cloud", "");
        brand(&bench, Side::Local, "Of Local", "");
        bench.run(&["sync-all", "--new-state", "--direction", word]).expect(0);
        let counts = |side| bench.site(side).count_of("Brand");
        assert_eq!((counts(from), counts(from.opposite())), (1, 2), "{word}");
        // The rule was for that run only.
        bench.run(&["sync-all", "--direction", "auto"]).expect(0);
        assert_eq!((counts(from), counts(from.opposite())), (2, 2), "{word}");
    }
    let bench = bench(&["Brand"]);
    let ran = bench.run(&["sync-all", "--direction", "sideways"]).expect(2);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 2
        --- err
        error: invalid value 'sideways' for '--direction <DIRECTION>': allowed: auto, cloud_to_local, local_to_cloud

        For more information, try '--help'.
        "#);
}

#[test]
fn full_looks_at_what_never_showed_in_modified() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "old");
    sync(&bench).expect(0);
    bench.site(Side::Cloud).poke("Brand", "Acme", "description", &json!("new")).unwrap();
    sync(&bench).expect(0);
    assert_eq!(field(&bench, Side::Local, "Brand", "Acme", "description").unwrap(), "old");
    bench.run(&["sync-all", "--full"]).expect(0);
    assert_eq!(field(&bench, Side::Local, "Brand", "Acme", "description").unwrap(), "new");
}

#[test]
fn named_documents_only() {
    let bench = bench(&["Brand"]);
    for name in ["Acme", "Bolt", "Cart"] {
        brand(&bench, Side::Cloud, name, "");
    }
    let names = ["--name", "Acme", "--name", "Cart"];
    bench.run(&[&["sync-doctype", "Brand", "--new-state"][..], &names].concat()).expect(0);
    assert_eq!(bench.site(Side::Local).names("Brand"), ["Acme", "Cart"]);
}

#[test]
fn a_name_that_neither_side_has() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "");
    let arguments = ["sync-doctype", "Brand", "--new-state", "--name", "Acmee", "--name", "Acme"];
    let ran = bench.run(&arguments).expect(4);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 4
        --- out
        Brand: 1 created on local, 1 failed
        --- err
        error: Brand Acmee: neither side has Brand Acmee
        hint: check the name: that of either side will do
        "#);
    assert!(bench.doc(Side::Local, "Brand", "Acme").is_some());
}

#[test]
fn a_name_that_means_two_documents() {
    let bench = bench(&["Brand"]);
    // What the target of a one-way rule renames stays there.
    bench.configure(
        "[sync]\ndoctypes = [\"Brand\"]\n[doctypes.Brand]\ndirection = \"local_to_cloud\"\n",
    );
    brand(&bench, Side::Local, "Acme", "the old one");
    sync(&bench).expect(0);
    let now = jiff::Timestamp::now();
    bench.site(Side::Cloud).rename_as(crate::bench::USER, "Brand", "Acme", "Zenith", now).unwrap();
    brand(&bench, Side::Cloud, "Acme", "the new one");
    sync(&bench);
    let ran = bench.run(&["sync-doctype", "Brand", "--name", "Acme"]).expect(2);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 2
    --- err
    error: Acme means several documents of Brand: cloud Zenith / local Acme, cloud Acme / local -
    hint: enter cloud:Acme or local:Acme, the document that is called so on that side
    ");
    bench.run(&["sync-doctype", "Brand", "--name", "Zenith"]).expect(0);
}

#[test]
fn a_doctype_that_is_not_configured_is_synced_by_the_general_rules() {
    let bench = bench(&["Brand"]);
    unit(&bench, Side::Cloud, "Barrel", "");
    bench.run(&["sync-doctype", "UOM", "--new-state"]).expect(0);
    assert!(bench.doc(Side::Local, "UOM", "Barrel").is_some());
    assert_eq!(count(&bench, Side::Local, "POST", "/api/resource/Brand"), 0);
}
