//! What a deletion does to the other side, by rule.

use erpsync::model::Side;
use serde_json::json;

use super::{SYNC, actions, delete, edit, in_step, is_quiet, probe, some, text, texts};
use crate::bench::Bench;

#[test]
fn a_deletion_goes_to_the_other_side_and_stays_in_the_log() {
    for side in Side::BOTH {
        let bench = in_step(SYNC, &["A", "B"]);
        delete(&bench, side, "Probe", "A");
        let ran = bench.sync().expect(0).json();
        assert_eq!(texts(&bench, "A"), [None, None], "{side}");
        assert_eq!(texts(&bench, "B"), [some("base"), some("base")]);
        let there = side.opposite();
        assert_eq!(ran["doctypes"][0][format!("deleted_on_{there}")], 1);
        let logged = "SELECT changes_json FROM sync_logs WHERE action = 'delete'";
        let kept = bench.query(logged);
        assert!(kept.contains("\"base\"") && kept.contains("\"qty\""), "{kept}");
        let names = "SELECT cloud_name || local_name FROM sync_records WHERE sync_status = 'gone'";
        assert_eq!(bench.query(names), "AA", "the tombstone still translates");
        is_quiet(&bench, 0);
    }
}

/// What it costs: nothing but the evidence, the last look and what it leaves behind.
#[test]
fn a_deletion_costs_so_many_requests() {
    let bench = in_step(SYNC, &["A", "B"]);
    is_quiet(&bench, 0);
    let quiet = Side::BOTH.map(|side| bench.requests(side));
    delete(&bench, Side::Cloud, "Probe", "A");
    bench.clear_logs();
    bench.sync().expect(0);
    let log = |side| {
        let site = bench.site(side);
        let of = |text: &str| site.log.entries().iter().filter(|e| e.path.contains(text)).count();
        (of("frappe.client.get?"), site.log.writes().len())
    };
    // One 404 on the cloud; one last look and one DELETE on the local site.
    assert_eq!((log(Side::Cloud), log(Side::Local)), ((1, 0), (1, 1)));
    let more = Side::BOTH.map(|side| bench.requests(side)).into_iter().zip(quiet);
    let more: Vec<usize> = more.map(|(now, quiet)| now - quiet).collect();
    // The cloud: a page of the day, two lists and the 404; metadata of the doctype and its tables (3); two looks at
    // a document that is not there, and one of them at B, which names an A in its row (3). The
    // local site: metadata, two looks with their rows, the last look, DELETE, and what the site
    // kept of it.
    assert_eq!(more, [12, 12], "{:?}", bench.site(Side::Cloud).log.entries());
}

#[test]
fn a_deletion_on_both_sides_is_forgotten() {
    let bench = in_step(SYNC, &["A"]);
    for side in Side::BOTH {
        delete(&bench, side, "Probe", "A");
    }
    let ran = bench.sync().expect(0).json();
    assert_eq!(actions(&ran), ["forget none A success"]);
    is_quiet(&bench, 0);
}

#[test]
fn kept_by_rule_of_the_doctype() {
    let rule = format!("{SYNC}[doctypes.Probe]\ndeletes = \"keep\"\n");
    for side in Side::BOTH {
        let bench = in_step(&rule, &["A"]);
        delete(&bench, side, "Probe", "A");
        let ran = bench.sync().expect(0).json();
        assert_eq!(ran["doctypes"][0]["skipped"], 1);
        assert_eq!(text(&bench, side.opposite(), "A"), some("base"));
        is_quiet(&bench, 0);
        // Under another rule it is looked at again.
        bench.configure(SYNC);
        bench.sync().expect(0);
        assert_eq!(texts(&bench, "A"), [None, None]);
    }
}

#[test]
fn made_anew_by_rule() {
    let rule = SYNC.replace("[sync]\n", "[sync]\ndeletes = \"recreate\"\n");
    for side in Side::BOTH {
        let bench = in_step(&rule, &["A"]);
        let creation = format!("SELECT {side}_creation FROM sync_records");
        let before = bench.query(&creation);
        delete(&bench, side, "Probe", "A");
        let ran = bench.sync().expect(0).json();
        assert_eq!(ran["doctypes"][0][format!("created_on_{side}")], 1);
        assert_eq!(texts(&bench, "A"), [some("base"), some("base")]);
        assert_ne!(bench.query(&creation), before, "the record knows the new document");
        is_quiet(&bench, 0);
        edit(&bench, side, "A", "edited");
        bench.sync().expect(0);
        assert_eq!(texts(&bench, "A"), [some("edited"), some("edited")]);
    }
}

#[test]
fn an_edit_survives_until_a_person_decides() {
    for side in Side::BOTH {
        for (takes_deletion, wanted) in [(true, None), (false, some("edited"))] {
            let there = side.opposite();
            let bench = in_step(SYNC, &["A"]);
            delete(&bench, side, "Probe", "A");
            edit(&bench, there, "A", "edited");
            bench.sync().expect(3);
            assert_eq!(text(&bench, there, "A"), some("edited"));
            let kept = format!("SELECT {there}_data || {side}_data FROM conflict_records");
            let kept = bench.query(&kept);
            assert!(kept.contains("edited") && kept.ends_with("null"), "{kept}");
            is_quiet(&bench, 3);
            let taken = if takes_deletion { side } else { there };
            bench.run(&["resolve", "1", "--take", taken.as_str()]).expect(0);
            assert_eq!(texts(&bench, "A"), [wanted.clone(), wanted.clone()], "{side} {taken}");
            let resolution = "SELECT resolution FROM conflict_records";
            assert_eq!(bench.query(resolution), format!("{taken}_wins"));
            is_quiet(&bench, 0);
        }
    }
}

#[test]
fn what_was_edited_after_the_conflict_is_not_deleted_by_it() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    edit(&bench, Side::Local, "A", "edited");
    bench.sync().expect(3);
    edit(&bench, Side::Local, "A", "edited again");
    let ran = bench.run(&["resolve", "1", "--take", "cloud"]).expect(3);
    assert!(ran.err.contains("no longer what the conflict shows"), "{ran:?}");
    assert_eq!(text(&bench, Side::Local, "A"), some("edited again"));
    bench.run(&["resolve", "1", "--take", "cloud"]).expect(0);
    assert_eq!(texts(&bench, "A"), [None, None]);
}

#[test]
fn a_dry_run_shows_it_and_deletes_nothing() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    let ran = bench.run(&["sync-all", "--dry-run", "--exit-code", "--json"]).expect(7).json();
    assert_eq!(actions(&ran), ["delete cloud_to_local A planned"]);
    assert_eq!(ran["doctypes"][0]["deleted_on_local"], 1);
    assert_eq!(text(&bench, Side::Local, "A"), some("base"));
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "A"), [None, None]);
}

#[test]
fn a_named_document_and_a_limit() {
    let bench = in_step(SYNC, &["A", "B"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    delete(&bench, Side::Cloud, "Probe", "B");
    bench.run(&["sync-doctype", "Probe", "--name", "B"]).expect(0);
    assert_eq!((texts(&bench, "B"), text(&bench, Side::Local, "A")), ([None, None], some("base")));
    probe(&bench, Side::Cloud, "C", "new");
    let ran = bench.run(&["sync-all", "--limit", "1", "--json"]).expect(0).json();
    assert_eq!((actions(&ran).len(), ran["remaining"].clone()), (1, json!(1)));
    assert_eq!(text(&bench, Side::Local, "A"), some("base"));
    bench.sync().expect(0);
    assert_eq!(texts(&bench, "A"), [None, None]);
}

#[test]
fn a_submitted_document_is_never_deleted() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"N Submit\"]\n");
    bench.insert(Side::Cloud, "N Submit", &json!({"name": "S", "title": "draft"}));
    bench.sync().expect(0);
    bench.edit(Side::Local, "N Submit", "S", &json!({"docstatus": 1}));
    delete(&bench, Side::Cloud, "N Submit", "S");
    bench.clear_logs();
    bench.sync();
    assert_eq!(bench.writes(), 0);
    assert_eq!(bench.doc(Side::Local, "N Submit", "S").unwrap()["docstatus"], 1);
}

/// Children go before their parents, whatever their order.
#[test]
fn a_tree_goes_from_its_leaves() {
    for side in Side::BOTH {
        let bench = Bench::default();
        bench.configure("[sync]\ndoctypes = [\"Customer Group\"]\n");
        let group = |name: &str, parent: &str| {
            let values = json!({"customer_group_name": name, "parent_customer_group": parent,
                "is_group": 1});
            bench.insert(Side::Cloud, "Customer Group", &values);
        };
        group("Top", "All Customer Groups");
        group("Middle", "Top");
        group("Leaf", "Middle");
        bench.sync().expect(0);
        for name in ["Leaf", "Middle", "Top"] {
            delete(&bench, side, "Customer Group", name);
        }
        bench.sync().expect(0);
        for side in Side::BOTH {
            let left = bench.site(side).names("Customer Group");
            assert!(!["Leaf", "Middle", "Top"].iter().any(|name| left.contains(&(*name).into())));
        }
    }
}

#[test]
fn what_others_have_begun_to_link_to_waits_for_a_person() {
    let bench = in_step(&SYNC.replace("\"Probe\"", "\"Customer\", \"Probe\""), &["A"]);
    bench.insert(Side::Cloud, "Customer", &json!({"customer_name": "Hub"}));
    bench.sync().expect(0);
    bench.edit(Side::Local, "Probe", "A", &json!({"cust": "Hub"}));
    delete(&bench, Side::Cloud, "Customer", "Hub");
    // The local site has a link that the cloud cannot have.
    bench.sync().expect(3);
    let ran = bench.run(&["resolve", "1", "--take", "cloud"]).expect(3);
    assert!(ran.err.contains("local: Cannot delete or cancel because Customer"), "{ran:?}");
    assert!(ran.err.contains("\nhint: take the links to it out on local"), "{ran:?}");
    assert!(bench.doc(Side::Local, "Customer", "Hub").is_some());
    bench.edit(Side::Local, "Probe", "A", &json!({"cust": ""}));
    // What a person has asked for once follows by itself.
    bench.sync().expect(0);
    assert!(bench.doc(Side::Local, "Customer", "Hub").is_none());
}

/// The deletion and what hangs on it come in one run, whatever the order of the doctypes.
#[test]
fn what_links_to_it_is_deleted_first() {
    for doctypes in ["\"Customer\", \"Probe\"", "\"Probe\", \"Customer\""] {
        let bench = Bench::default();
        bench.configure(&SYNC.replace("\"Probe\"", doctypes));
        bench.insert(Side::Cloud, "Customer", &json!({"customer_name": "Hub"}));
        let spoke = json!({"title": "Spoke", "cust": "Hub", "tm": "04:05:06"});
        bench.insert(Side::Cloud, "Probe", &spoke);
        bench.sync().expect(0);
        delete(&bench, Side::Cloud, "Probe", "Spoke");
        delete(&bench, Side::Cloud, "Customer", "Hub");
        bench.sync().expect(0);
        assert!(bench.doc(Side::Local, "Customer", "Hub").is_none());
        assert_eq!(text(&bench, Side::Local, "Spoke"), None);
    }
}

#[test]
fn a_site_that_does_not_let_us_delete_says_so() {
    let bench = in_step(SYNC, &["A"]);
    delete(&bench, Side::Cloud, "Probe", "A");
    bench.site(Side::Local).faults.refuse(
        frappe_sandbox::faults::Match::on("DELETE", "/Probe"),
        frappe_sandbox::faults::Refusal::Internal,
    );
    bench.sync().expect(4);
    assert_eq!(text(&bench, Side::Local, "A"), some("base"));
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_eq!(texts(&bench, "A"), [None, None]);
}
