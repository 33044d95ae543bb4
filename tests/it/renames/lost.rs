//! Renames around a lost answer: of the rename itself, or of the create before it.

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match};
use serde_json::json;

use super::{SYNC, customers, in_step, is_quiet, is_renamed_and_edited, rename, website};
use crate::bench::USER;

#[test]
fn a_lost_answer_is_found_out() {
    for (action, happens) in [(Action::CutAfter, true), (Action::Cut, false)] {
        let bench = in_step(&["Old"]);
        rename(&bench, Side::Cloud, "Customer", "Old", "New");
        bench.edit(Side::Local, "Customer", "Old", &json!({"website": "edited"}));
        bench.site(Side::Local).faults.once(Match::on("POST", "rename_doc"), action);
        bench.sync().expect(4);
        assert_eq!(customers(&bench, Side::Local) == ["New"], happens);
        bench.run(&["sync-all", "--retry-failed"]).expect(0);
        is_renamed_and_edited(&bench);
    }
}

/// Local's A is called C and another A is made while the rename to B is on its way: the other A
/// is never taken for the first one.
#[test]
fn another_document_takes_the_name_before_the_rename() {
    for path in ["frappe.client.get?", "rename_doc"] {
        let bench = in_step(&["A"]);
        rename(&bench, Side::Cloud, "Customer", "A", "B");
        let method = if path == "rename_doc" { "POST" } else { "GET" };
        bench.site(Side::Local).faults.before(Match::on(method, path), |site, now| {
            site.rename_as(USER, "Customer", "A", "C", now).unwrap();
            let second = json!({"customer_name": "A", "website": "second"});
            site.insert_as(USER, "Customer", &second, now).unwrap();
        });
        bench.sync();
        let slipped_in = path == "rename_doc";
        let second = if slipped_in { "B" } else { "A" };
        assert_eq!(customers(&bench, Side::Local), [second, "C"].map(str::to_owned), "{path}");
        bench.edit(Side::Cloud, "Customer", "B", &json!({"website": "first"}));
        bench.sync();
        assert_eq!(website(&bench, Side::Local, "C"), Some(json!("first")), "{path}");
        assert_eq!(website(&bench, Side::Local, second), Some(json!("second")), "{path}");
        assert_eq!(website(&bench, Side::Cloud, "B"), Some(json!("first")), "{path}");
    }
}

/// The answer to a create was lost, and what it made has another name by the next run.
#[test]
fn what_a_lost_create_made_is_found_under_its_new_name() {
    let bench = in_step(&["Known"]);
    bench.insert(Side::Cloud, "Probe", &json!({"title": "Own", "rows": [{"item": "A"}]}));
    bench.site(Side::Local).faults.once(Match::on("POST", "/resource/Probe"), Action::CutAfter);
    bench.sync().expect(4);
    rename(&bench, Side::Local, "Probe", "Own", "Renamed");
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    for side in Side::BOTH {
        assert_eq!(bench.site(side).names("Probe"), ["Link", "Renamed"], "{side}");
    }
    is_quiet(&bench, 0);
}

/// The same without rows: nothing says whose copy it is, also where a hook wrote it anew before
/// the user did, so a person says whether it is the one.
#[test]
fn what_a_lost_create_may_have_made_waits_for_a_person() {
    for rewritten in [false, true] {
        let bench = in_step(&["Known"]);
        bench.insert(Side::Cloud, "Brand", &json!({"brand": "Own", "description": "own"}));
        bench.configure(&SYNC.replace("\"Customer\", ", "\"Brand\", "));
        let create = Match::on("POST", "/resource/Brand");
        bench.site(Side::Local).faults.once(create, Action::CutAfter);
        bench.sync().expect(4);
        rename(&bench, Side::Local, "Brand", "Own", "Renamed");
        if rewritten {
            bench.edit(Side::Local, "Brand", "Renamed", &json!({"description": "a hook's"}));
        }
        bench.run(&["sync-all", "--retry-failed"]).expect(3);
        let shown = bench.run(&["conflicts", "show", "1"]).expect(0).out;
        let why = "local has documents that may be what it made: Renamed";
        assert!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains(why), "{shown}");
        assert_eq!(bench.site(Side::Local).names("Brand"), ["Renamed"]);
        is_quiet(&bench, 3);
    }
}

/// A hook wrote the copy anew, and the original was renamed before the next run: they do not
/// meet by name any more, and neither is created beside the other.
#[test]
fn a_copy_whose_original_was_renamed_waits_for_a_person() {
    let bench = in_step(&["Known"]);
    bench.insert(Side::Cloud, "Brand", &json!({"brand": "Own", "description": "own"}));
    bench.configure(&SYNC.replace("\"Customer\", ", "\"Brand\", "));
    bench.site(Side::Local).hooks.upper_case("Brand", "description");
    let create = Match::on("POST", "/resource/Brand");
    bench.site(Side::Local).faults.once(create, Action::CutAfter);
    bench.sync().expect(4);
    rename(&bench, Side::Cloud, "Brand", "Own", "Renamed");
    bench.run(&["sync-all", "--retry-failed"]).expect(3);
    assert_eq!(bench.site(Side::Cloud).names("Brand"), ["Renamed"]);
    assert_eq!(bench.site(Side::Local).names("Brand"), ["Own"]);
    is_quiet(&bench, 3);
}

/// A run in one direction, which would not carry the document over anyway, forgets nothing of it.
#[test]
fn a_run_in_one_direction_leaves_it_to_the_person() {
    let bench = in_step(&["Known"]);
    bench.insert(Side::Cloud, "Brand", &json!({"brand": "Own"}));
    bench.configure(&SYNC.replace("\"Customer\", ", "\"Brand\", "));
    let create = Match::on("POST", "/resource/Brand");
    bench.site(Side::Local).faults.once(create, Action::CutAfter);
    bench.sync().expect(4);
    rename(&bench, Side::Local, "Brand", "Own", "Renamed");
    for more in ["--retry-failed", "--full"] {
        bench.run(&["sync-all", "--direction", "local-to-cloud", more]).expect(3);
    }
    bench.run(&["sync-all", "--full", "--retry-failed"]).expect(3);
    assert_eq!(bench.site(Side::Cloud).names("Brand"), ["Own"]);
    assert_eq!(bench.site(Side::Local).names("Brand"), ["Renamed"]);
}
