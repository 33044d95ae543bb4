//! Sites that answer, and refuse: the key, the user, a doctype, one document, one version.

use erpsync::model::Side;
use frappe_sandbox::faults::{Action, Match, Refusal};
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{bench, brand, count, doctype, field, reconfigure, rules, shown, sync, unit};
use crate::bench::{Bench, USER};

#[test]
fn a_wrong_key() {
    for wrong in ["localfullkey", "localfullsecret"] {
        let bench = bench(&["Brand"]);
        reconfigure(&bench, wrong, "unknown");
        brand(&bench, Side::Cloud, "Acme", "");
        let ran = sync(&bench).expect(1);
        assert_eq!(bench.requests(Side::Local), 1, "asking again does not help");
        if wrong == "localfullkey" {
            assert_snapshot!(shown(&bench, &ran), @r#"
                exit code 1
                --- err
                error: local: the site refuses our API key or secret (401 AuthenticationError)
                hint: check api_key and api_secret of [local], and that its user is enabled
                "#);
        }
    }
}

#[test]
fn a_user_without_rights_on_anything() {
    let bench = bench(&["Brand", "Supplier"]);
    reconfigure(&bench, "cloudfull", "cloudweak");
    brand(&bench, Side::Local, "Acme", "");
    let ran = sync(&bench).expect(1);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 1
    --- out
    Brand: left alone: cloud: User weak@example.com does not have doctype access via role permission for document Brand
    Supplier: left alone: cloud: User weak@example.com does not have doctype access via role permission for document Supplier
    --- err
    warning: cloud: metadata is read anew in every run; let the user of [cloud] read DocType, Custom Field and Property Setter (role System Manager) to save these requests
    error: Brand: cloud: User weak@example.com does not have doctype access via role permission for document Brand
    hint: give the user of [cloud] a role with the rights that it needs; erpsync doctor names them
    error: Supplier: cloud: User weak@example.com does not have doctype access via role permission for document Supplier
    hint: give the user of [cloud] a role with the rights that it needs; erpsync doctor names them
    ");
    assert_eq!(bench.writes(), 0);
}

#[test]
fn a_user_without_rights_on_one_doctype() {
    let bench = bench(&["Brand", "UOM"]);
    reconfigure(&bench, "cloudfull", "cloudweak");
    brand(&bench, Side::Local, "Acme", "");
    unit(&bench, Side::Cloud, "Barrel", "");
    let ran = sync(&bench).expect(4);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 4
    --- out
    Brand: left alone: cloud: User weak@example.com does not have doctype access via role permission for document Brand
    UOM: 5 on cloud, 4 on local; 4 equal already, 1 created on local
    --- err
    warning: cloud: metadata is read anew in every run; let the user of [cloud] read DocType, Custom Field and Property Setter (role System Manager) to save these requests
    error: Brand: cloud: User weak@example.com does not have doctype access via role permission for document Brand
    hint: give the user of [cloud] a role with the rights that it needs; erpsync doctor names them
    ");
    assert!(bench.doc(Side::Local, "UOM", "Barrel").is_some(), "the others go on");
}

#[test]
fn a_user_who_may_read_and_not_write() {
    let bench = bench(&["UOM"]);
    reconfigure(&bench, "cloudfull", "cloudweak");
    unit(&bench, Side::Local, "Barrel", "");
    unit(&bench, Side::Cloud, "Crate", "");
    let ran = sync(&bench).expect(4);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 4
    --- out
    UOM: 5 on cloud, 5 on local; 4 equal already, 1 created on local, 1 failed
    --- err
    warning: cloud: metadata is read anew in every run; let the user of [cloud] read DocType, Custom Field and Property Setter (role System Manager) to save these requests
    error: UOM Barrel: cloud: User weak@example.com does not have doctype access via role permission for document UOM
    hint: put right what is named; failed documents are tried again by themselves (erpsync status says when), or now with --retry-failed
    ");
    assert!(bench.doc(Side::Local, "UOM", "Crate").is_some());
}

#[test]
fn doctypes_that_cannot_be_synced() {
    let bench = bench(&["Nowhere", "N Single", "Probe Child", "Brand"]);
    brand(&bench, Side::Cloud, "Acme", "");
    let ran = sync(&bench).expect(4);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 4
        --- out
        Nowhere: left alone: cloud: DocType Nowhere not found
        N Single: left alone: has only one document, which is each site's own; take it out of the configuration
        Probe Child: left alone: is a child table: its rows are synced with their documents; take it out of the configuration
        Brand: 1 on cloud, 0 on local; 1 created on local
        --- err
        error: Nowhere: cloud: DocType Nowhere not found
        hint: take it out of the configuration, or add the doctype to the cloud site
        error: N Single: has only one document, which is each site's own; take it out of the configuration
        error: Probe Child: is a child table: its rows are synced with their documents; take it out of the configuration
        "#);
    assert!(bench.doc(Side::Local, "Brand", "Acme").is_some(), "the others go on");
}

/// What is misspelt in the rules or on the command line is told with what was probably meant.
#[test]
fn a_misspelt_name_is_told_with_what_was_meant() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "");
    sync(&bench).expect(0);
    for (arguments, hint) in [
        (["sync-doctype", "Brnd"], "did you mean Brand?"),
        (
            ["sync-doctype", "Nothing Such"],
            "correct its name, or add the doctype to the cloud site",
        ),
    ] {
        let ran = bench.run(&arguments).expect(4);
        assert!(ran.err.ends_with(&format!("\nhint: {hint}\n")), "{ran:?}");
    }
    bench.configure(&rules(&["Brnd", "Itm", "Nothing Such"], ""));
    let ran = bench.run(&["sync-all"]).expect(4);
    assert_snapshot!(ran.err, @"
    warning: sync.toml holds an API key or secret and can be read by every user of this machine; chmod 600 sync.toml
    error: Brnd: cloud: DocType Brnd not found
    hint: did you mean Brand?
    error: Itm: cloud: DocType Itm not found
    hint: did you mean Item?
    error: Nothing Such: cloud: DocType Nothing Such not found
    hint: take it out of the configuration, or add the doctype to the cloud site
    ");
    let filters = "filters = [[\"brnd\", \"=\", \"x\"]]";
    bench.configure(&format!("{}[doctypes.Brand]\n{filters}\n", rules(&["Brand"], "")));
    let ran = bench.run(&["sync-all"]).expect(4);
    assert_snapshot!(ran.err, @"
    warning: sync.toml holds an API key or secret and can be read by every user of this machine; chmod 600 sync.toml
    warning: Brand: filters names brnd, which neither side has: did you mean brand?
    error: Brand: cloud: Field not permitted in query: brnd
    hint: filters names brnd, which neither side has: did you mean brand?
    ");
}

/// Brands need a description on the local site from now on.
fn demand_descriptions(bench: &Bench) {
    let mut site = bench.site(Side::Local);
    site.set_property("Brand", "description", "reqd", "1", Timestamp::now()).unwrap();
}

fn record(bench: &Bench, what: &str) -> String {
    bench.query(&format!("SELECT {what} FROM sync_records WHERE docname = 'Acme'"))
}

#[test]
fn a_document_that_a_site_refuses() {
    let bench = bench(&["Brand"]);
    demand_descriptions(&bench);
    brand(&bench, Side::Cloud, "Acme", "");
    brand(&bench, Side::Cloud, "Bolt", "complete");
    let ran = sync(&bench).expect(4);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 4
        --- out
        Brand: 2 on cloud, 0 on local; 1 created on local, 1 failed
        --- err
        error: Brand Acme: local: Error: Value missing for Brand: Description
        hint: put right what is named; failed documents are tried again by themselves (erpsync status says when), or now with --retry-failed
        "#);
    assert!(bench.doc(Side::Local, "Brand", "Bolt").is_some(), "the others are done");
    assert_eq!(record(&bench, "sync_status || ' ' || retry_count"), "error 1");
    assert!(record(&bench, "error_message").contains("escription"), "the site's own words");
    let retry: Timestamp = record(&bench, "next_retry").parse().unwrap();
    let pause = retry.duration_since(Timestamp::now());
    assert!(pause > SignedDuration::from_mins(4) && pause <= SignedDuration::from_mins(5));

    // Not before its time.
    bench.clear_logs();
    let ran = sync(&bench).expect(4);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 4
        --- out
        Brand: 2 on cloud, 1 on local; 1 failed, 1 unchanged
        1 failed document waits for another try: erpsync status
        "#);
    assert_eq!(bench.writes(), 0);
    // Unless asked for; and it is given up after max_attempts.
    bench.run(&["sync-all", "--retry-failed"]).expect(4);
    assert_eq!(record(&bench, "sync_status || ' ' || retry_count"), "failed 2");
    let ran = bench.run(&["status"]).expect(0);
    assert_snapshot!(shown(&bench, &ran), @"
    exit code 0
    --- out
    Documents
             pending  synced  conflict  error  failed  skipped  gone
      Brand        -       1         -      -       1        -     -

    Last run
      run 3: sync-all
      started just now (TIME)
      finished just now (TIME), exit code 4
      requests: 6 to cloud, 7 to local

    Open conflicts: 0
    Failed documents: 1
      Brand/Acme  failed x2  next try in 24 h (TIME)  local: Error: Value missing for Brand: Description
    Pending webhooks: 0

    Recent operations
      TIME  failed   create  cloud -> local  Brand/Acme  new on cloud: Error: Value missing for Brand: Description
      TIME  success  create  cloud -> local  Brand/Bolt  new on cloud
      TIME  failed   create  cloud -> local  Brand/Acme  new on cloud: Error: Value missing for Brand: Description
    ");
    // Once it is complete it is taken up by itself, and the count begins anew.
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"description": "complete too"}));
    sync(&bench).expect(0);
    assert_eq!(record(&bench, "sync_status || ' ' || retry_count"), "synced 0");
}

#[test]
fn an_exception_at_one_document() {
    let bench = bench(&["Brand"]);
    for name in ["Acme", "Bolt"] {
        brand(&bench, Side::Cloud, name, "old");
    }
    sync(&bench).expect(0);
    for name in ["Acme", "Bolt"] {
        bench.edit(Side::Cloud, "Brand", name, &json!({"description": "new"}));
    }
    bench.site(Side::Local).faults.refuse(Match::on("PUT", "Acme"), Refusal::Internal);
    let ran = sync(&bench).expect(4);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 4
        --- out
        Brand: 2 on cloud, 2 on local; 1 updated on local, 1 failed
        --- err
        error: Brand Acme: local: ordered
        hint: put right what is named; failed documents are tried again by themselves (erpsync status says when), or now with --retry-failed
        "#);
    assert_eq!(field(&bench, Side::Local, "Brand", "Bolt", "description").unwrap(), "new");
    assert_eq!(count(&bench, Side::Local, "PUT", "Acme"), 1, "asking again does not help");
}

/// One brand in step, edited on the cloud.
fn edited() -> Bench {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "old");
    sync(&bench).expect(0);
    bench.edit(Side::Cloud, "Brand", "Acme", &json!({"description": "of the cloud"}));
    bench.clear_logs();
    bench
}

#[test]
fn a_document_that_was_only_touched() {
    let bench = edited();
    bench.site(Side::Local).faults.before(Match::on("PUT", "Acme"), |site, now| {
        site.edit_as(USER, "Brand", "Acme", &json!({}), now).unwrap();
    });
    let ran = sync(&bench).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        Brand: 1 on cloud, 1 on local; 1 updated on local
        "#);
    assert_eq!(count(&bench, Side::Local, "PUT", "Acme"), 2, "{:?}", bench.site(Side::Local).log);
    assert_eq!(field(&bench, Side::Local, "Brand", "Acme", "description").unwrap(), "of the cloud");
}

#[test]
fn a_document_that_was_edited_meanwhile() {
    let bench = edited();
    bench.site(Side::Local).faults.before(Match::on("PUT", "Acme"), |site, now| {
        let edit = json!({"description": "of a user, just now"});
        site.edit_as(USER, "Brand", "Acme", &edit, now).unwrap();
    });
    let ran = sync(&bench).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        Brand: 1 on cloud, 1 on local; 1 updated on cloud
        "#);
    for side in Side::BOTH {
        let now = field(&bench, side, "Brand", "Acme", "description").unwrap();
        assert_eq!(now, "of a user, just now", "the later edit, by latest_timestamp");
    }
    let kept = bench.query("SELECT cloud_data || local_data FROM conflict_records");
    assert!(kept.contains("of the cloud") && kept.contains("of a user"), "both are kept");
}

#[test]
fn a_document_that_never_stands_still() {
    let bench = edited();
    let touch = || {
        Action::Before(Box::new(|site: &mut frappe_sandbox::Site, now| {
            site.edit_as(USER, "Brand", "Acme", &json!({}), now).unwrap();
        }))
    };
    bench.site(Side::Local).faults.always(Match::on("PUT", "Acme"), touch);
    let ran = sync(&bench).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        Brand: 1 on cloud, 1 on local; 1 left alone
        "#);
    bench.site(Side::Local).faults.clear();
    sync(&bench).expect(0);
    assert_eq!(field(&bench, Side::Local, "Brand", "Acme", "description").unwrap(), "of the cloud");
}

#[test]
fn the_answer_of_a_create_is_lost() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "");
    bench.site(Side::Local).faults.once(Match::on("POST", "/resource/Brand"), Action::CutAfter);
    let ran = sync(&bench).expect(4);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 4
        --- out
        Brand: 1 on cloud, 0 on local; 1 failed
        --- err
        error: Brand Acme: local: http://LOCAL.example: the connection broke before the answer: connection closed before message completed; the next run finds out what came of it
        hint: put right what is named; failed documents are tried again by themselves (erpsync status says when), or now with --retry-failed
        "#);
    let ran = sync(&bench).expect(0);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 0
        --- out
        Brand: 1 on cloud, 1 on local; 1 created on local
        "#);
    assert_eq!(count(&bench, Side::Local, "POST", "/api/resource/Brand"), 1, "sent once");
    assert_eq!(bench.site(Side::Local).count_of("Brand"), 1);
    assert_eq!(doctype(&bench.run(&["sync-all", "--json"]).json(), "Brand")["unchanged"], 1);
}

#[test]
fn a_create_that_never_arrived() {
    let bench = bench(&["Brand"]);
    brand(&bench, Side::Cloud, "Acme", "");
    bench.site(Side::Local).faults.once(Match::on("POST", "/resource/Brand"), Action::Cut);
    sync(&bench).expect(4);
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_eq!(count(&bench, Side::Local, "POST", "/api/resource/Brand"), 2);
    assert_eq!(bench.site(Side::Local).count_of("Brand"), 1);
}

#[test]
fn the_answer_of_an_update_is_lost() {
    let bench = edited();
    bench.site(Side::Local).faults.once(Match::on("PUT", "Acme"), Action::CutAfter);
    sync(&bench).expect(4);
    sync(&bench).expect(0);
    assert_eq!(count(&bench, Side::Local, "PUT", "Acme"), 1, "sent once");
    assert_eq!(field(&bench, Side::Local, "Brand", "Acme", "description").unwrap(), "of the cloud");
    bench.clear_logs();
    sync(&bench).expect(0);
    assert_eq!(bench.writes(), 0);
}

#[test]
fn an_update_that_never_arrived_is_decided_anew() {
    let bench = edited();
    bench.site(Side::Local).faults.once(Match::on("PUT", "Acme"), Action::Cut);
    sync(&bench).expect(4);
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_eq!(count(&bench, Side::Local, "PUT", "Acme"), 2);
    assert_eq!(field(&bench, Side::Local, "Brand", "Acme", "description").unwrap(), "of the cloud");
}

#[test]
fn a_refusal_at_a_link_is_told_with_what_it_waits_for() {
    let bench = Bench::default();
    bench.configure(&rules(&["Brand", "Item"], ""));
    demand_descriptions(&bench);
    brand(&bench, Side::Cloud, "Acme", "");
    let item = json!({"item_code": "Anvil", "item_group": "Products", "stock_uom": "Nos",
        "brand": "Acme"});
    bench.insert(Side::Cloud, "Item", &item);
    let ran = sync(&bench).expect(4);
    assert_snapshot!(shown(&bench, &ran), @r#"
        exit code 4
        --- out
        Brand: 1 on cloud, 0 on local; 1 failed
        Item: 1 on cloud, 0 on local; 1 failed
        --- err
        error: Brand Acme: local: Error: Value missing for Brand: Description
        error: Item Anvil: waits for Brand Acme, which is not on local yet
        hint: put right what is named; failed documents are tried again by themselves (erpsync status says when), or now with --retry-failed
        "#);
}
