//! Metadata through the binary: read once, seen to change, and what happens where it may not be
//! read.

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bench::{Bench, Ran, USER};

/// The doctypes with a child table and without one.
const DOCTYPES: [&str; 2] = ["Item", "Brand"];

fn bench() -> Bench {
    let bench = Bench::default();
    bench.configure(&format!(
        "[sync]\ndoctypes = {DOCTYPES:?}\n[sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01"
    ));
    for side in Side::BOTH {
        brand(&bench, side, "Acme", "");
        bench.insert(side, "Item", &item("Saw"));
    }
    bench
}

fn item(code: &str) -> Value {
    json!({"item_code": code, "item_group": "Products", "stock_uom": "Nos"})
}

fn brand(bench: &Bench, side: Side, name: &str, description: &str) {
    bench.insert(side, "Brand", &json!({"brand": name, "description": description}));
}

/// An edit of every doctype, so that each has something to do.
fn edit(bench: &Bench, text: &str) {
    for (doctype, name) in [("Brand", "Acme"), ("Item", "Saw")] {
        bench.edit(Side::Cloud, doctype, name, &json!({"description": text}));
    }
}

/// A pass that must go well.
fn pass(bench: &Bench) -> Ran {
    bench.clear_logs();
    bench.sync().expect(0)
}

/// The doctypes whose metadata a side was asked for.
fn asked(bench: &Bench, side: Side) -> Vec<String> {
    let site = bench.site(side);
    let paths = site.log.entries().iter().map(|entry| entry.path.clone());
    paths
        .filter_map(|path| {
            let rest = path.strip_prefix("/api/v2/doctype/")?.strip_suffix("/meta")?;
            Some(rest.replace("%20", " "))
        })
        .collect()
}

/// How often a side was asked what its metadata adds up to.
fn checks(bench: &Bench, side: Side) -> usize {
    let site = bench.site(side);
    let sources = ["DocField", "Custom Field", "Property Setter"];
    site.log.entries().iter().filter(|entry| sources.contains(&entry.doctype.as_str())).count()
}

fn warnings(ran: &Ran) -> Vec<String> {
    serde_json::from_value(ran.json()["warnings"].clone()).unwrap()
}

#[test]
fn it_is_read_once_and_not_asked_for_where_nothing_is_to_be_done() {
    let bench = bench();
    pass(&bench);
    for side in Side::BOTH {
        let asked = asked(&bench, side);
        assert_eq!(&asked[..1], ["Item"]);
        assert_eq!(asked[asked.len() - 1], "Brand");
        assert!(asked.len() > 2, "child doctypes too: {asked:?}");
        assert_eq!(checks(&bench, side), 3);
    }
    pass(&bench);
    for side in Side::BOTH {
        assert_eq!((asked(&bench, side), checks(&bench, side)), (vec![], 0), "nothing to do");
    }
    edit(&bench, "new");
    pass(&bench);
    for side in Side::BOTH {
        assert_eq!((asked(&bench, side), checks(&bench, side)), (vec![], 3));
        assert_eq!(bench.doc(side, "Item", "Saw").unwrap()["description"], "new");
    }
}

#[test]
fn every_kind_of_change_is_seen_for_the_doctype_it_is_of() {
    let bench = bench();
    pass(&bench);
    let now = Timestamp::now();
    let seen_after = |what: &str, change: &dyn Fn(&mut frappe_sandbox::Site), expected: &str| {
        change(&mut bench.site(Side::Cloud));
        edit(&bench, what);
        pass(&bench);
        assert_eq!(asked(&bench, Side::Cloud), [expected], "{what}");
        assert_eq!(asked(&bench, Side::Local), [""; 0], "{what}");
    };
    let field = json!({"fieldname": "custom_tier", "fieldtype": "Data"});
    let add = |doctype: &'static str| {
        let field = field.clone();
        move |site: &mut frappe_sandbox::Site| {
            site.add_custom_field(doctype, &field, now).unwrap();
        }
    };
    seen_after("a custom field", &add("Brand"), "Brand");
    seen_after(
        "a custom field of a child table",
        &add("UOM Conversion Detail"),
        "UOM Conversion Detail",
    );
    let remove = |site: &mut frappe_sandbox::Site| {
        site.delete_as(USER, "Custom Field", "Brand-custom_tier", now).unwrap();
    };
    seen_after("a custom field removed", &remove, "Brand");
    let require = |site: &mut frappe_sandbox::Site| {
        site.set_property("Brand", "description", "read_only", "0", now).unwrap();
    };
    seen_after("a property", &require, "Brand");
    let save = |site: &mut frappe_sandbox::Site| {
        let rows = site.all_docs("DocField");
        let row = rows.iter().find(|row| row["parent"] == "Brand").unwrap();
        let stamp = json!("2026-11-22 10:00:00.000001");
        site.poke("DocField", row["name"].as_str().unwrap(), "modified", &stamp).unwrap();
    };
    seen_after("a field of the doctype", &save, "Brand");
}

#[test]
fn a_field_that_is_new_on_both_sides_is_synced_from_the_next_run_on() {
    let bench = bench();
    pass(&bench);
    for side in Side::BOTH {
        let field = json!({"fieldname": "custom_tier", "fieldtype": "Data"});
        bench.site(side).add_custom_field("Brand", &field, Timestamp::now()).unwrap();
    }
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"custom_tier": "gold"}));
    pass(&bench);
    // What a field holds that did not count before is nobody's edit; from now on it is.
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"custom_tier": "silver"}));
    pass(&bench);
    assert_eq!(bench.doc(Side::Local, "Brand", "Acme").unwrap()["custom_tier"], "silver");
}

#[test]
fn where_it_cannot_be_asked_whether_it_changed_it_is_read_in_every_run() {
    let bench = bench();
    pass(&bench);
    let list = Match::on("POST", "\"doctype\":\"Custom Field\"");
    bench.site(Side::Local).faults.always(list, || Action::Refuse(Refusal::Forbidden));
    for text in ["one", "two"] {
        edit(&bench, text);
        let ran = pass(&bench);
        let warnings = warnings(&ran);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("local: metadata is read anew in every run; let the user"));
        assert!(warnings[0].contains("role System Manager"));
        assert_eq!(asked(&bench, Side::Cloud), [""; 0]);
        assert_eq!(asked(&bench, Side::Local).last().unwrap(), "Brand");
        assert_eq!(bench.doc(Side::Local, "Brand", "Acme").unwrap()["description"], text);
    }
    let ran = bench.run(&["sync-doctype", "Brand"]);
    assert!(!ran.err.contains("read anew"), "nothing to do, nothing to warn of");
}

#[test]
fn the_desk_is_asked_where_the_short_way_is_closed() {
    let bench = bench();
    let short = Match::on("GET", "/api/v2/doctype/");
    bench.site(Side::Local).faults.always(short.clone(), || Action::Refuse(Refusal::NoSuchPath));
    bench.site(Side::Cloud).faults.always(short, || Action::Refuse(Refusal::Forbidden));
    edit(&bench, "new");
    pass(&bench);
    for side in Side::BOTH {
        let site = bench.site(side);
        assert_eq!(site.log.count("GET", "form.load.getdoctype"), 2, "child doctypes come along");
        assert_eq!(site.log.count("GET", "/api/v2/doctype/"), 2);
    }
    assert_eq!(bench.doc(Side::Local, "Item", "Saw").unwrap()["description"], "new");
}

#[test]
fn a_doctype_whose_metadata_nobody_shows_is_left_alone_and_the_others_go_on() {
    let bench = bench();
    for path in ["/api/v2/doctype/Item", "getdoctype?doctype=Item"] {
        let which = Match::on("GET", path);
        bench.site(Side::Local).faults.always(which, || Action::Refuse(Refusal::Forbidden));
    }
    edit(&bench, "new");
    bench.clear_logs();
    let ran = bench.run(&["sync-all", "--new-state"]).expect(4);
    assert!(ran.err.contains("error: Item: local: its metadata may not be read"), "{}", ran.err);
    assert!(ran.err.contains("hint: give the user of [local] a role with the rights that it needs; erpsync doctor names them"), "{}", ran.err);
    assert_eq!(bench.doc(Side::Local, "Brand", "Acme").unwrap()["description"], "new");
    assert_ne!(bench.doc(Side::Local, "Item", "Saw").unwrap()["description"], "new");
}

#[test]
fn other_sites_start_anew() {
    let bench = bench();
    pass(&bench);
    assert_ne!(bench.query("SELECT count(*) FROM metadata"), "0");
    bench.run(&["init", "--rebind"]).expect(0);
    assert_eq!(bench.query("SELECT count(*) FROM metadata"), "0");
}

#[test]
fn fields_of_one_side_are_told_once_and_left_alone() {
    let bench = bench();
    let first = pass(&bench);
    assert_eq!(warnings(&first), [""; 0]);
    let field = |name: &str| json!({"fieldname": name, "fieldtype": "Data"});
    let add = |side: Side, doctype: &str, name: &str| {
        bench.site(side).add_custom_field(doctype, &field(name), Timestamp::now()).unwrap();
    };
    add(Side::Cloud, "Brand", "custom_tier");
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"custom_tier": "gold"}));
    let told = "Brand: only cloud has custom_tier; such fields are left alone on both sides";
    let dry = bench.run(&["sync-all", "--dry-run", "--json"]).expect(0);
    assert_eq!(warnings(&dry), [told]);
    bench.clear_logs();
    let ran = bench.run(&["sync-all", "--log-file", "log.txt"]).expect(0);
    assert!(ran.err.contains(&format!("warning: {told}\n")), "{}", ran.err);
    let log = std::fs::read_to_string(bench.path("log.txt")).unwrap();
    assert!(log.contains(&format!("warning: {told}\n")), "{log}");
    assert_eq!(bench.writes(), 0, "nobody else has such a field");

    edit(&bench, "other");
    assert_eq!(warnings(&pass(&bench)), [""; 0], "said once");
    assert_eq!(bench.doc(Side::Cloud, "Brand", "Acme").unwrap()["custom_tier"], "gold");

    add(Side::Local, "UOM Conversion Detail", "custom_note");
    edit(&bench, "third");
    let told = "Item: only local has uoms.custom_note; such fields are left alone on both sides";
    assert_eq!(warnings(&pass(&bench)), [told]);

    let path = bench.path("sync.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let excluded = "[sync]\nexclude_fields = [\"uoms.custom_note\", \"uoms.custom_more\"]\n";
    std::fs::write(path, text.replace("[sync]\n", excluded)).unwrap();
    add(Side::Local, "UOM Conversion Detail", "custom_more");
    edit(&bench, "fourth");
    assert_eq!(warnings(&pass(&bench)), [""; 0], "nobody asks for an excluded field");
}

/// The requests are the same as without the mistake: what is wrong is known anyway. What `[sync]`
/// leaves out of every doctype need not be in each.
#[test]
fn a_run_warns_of_names_that_mean_nothing() {
    let mut requests = Vec::new();
    for field in ["imag", "image"] {
        let bench = Bench::default();
        bench.configure(&format!(
            "[sync]\ndoctypes = [\"Brand\", \"UOM\"]\nexclude_fields = [\"remarks\"]\n\
             [doctypes.Brand]\nexclude_fields = [\"{field}\"]"
        ));
        bench.insert(Side::Cloud, "Brand", &json!({"brand": "One"}));
        bench.clear_logs();
        let ran = bench.sync().expect(0);
        let warnings = ran.json()["warnings"].clone();
        let told = "Brand: exclude_fields names imag, which neither side has: did you mean image?";
        let expected = if field == "imag" { json!([told]) } else { json!([]) };
        assert_eq!(warnings, expected);
        requests.push([bench.requests(Side::Cloud), bench.requests(Side::Local)]);
        let idle = bench.run(&["sync-all", "--json"]).expect(0);
        assert_eq!(idle.json()["warnings"], json!([]), "nothing to do, nothing read");
    }
    assert_eq!(requests[0], requests[1]);
}
