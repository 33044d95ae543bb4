//! Links to documents whose names each site gives.

use erpsync::model::Side;
use frappe_sandbox::faults::{Match, Refusal};
use serde_json::{Value, json};

use super::{named, quiet};
use crate::bench::Bench;

fn contact(bench: &Bench, side: Side, first: &str) -> String {
    let links = json!([{"link_doctype": "Customer", "link_name": "ACME"}]);
    bench.insert(side, "Contact", &json!({"first_name": first, "links": links}))
}

fn address(bench: &Bench, side: Side) -> String {
    let links = json!([{"link_doctype": "Customer", "link_name": "ACME"}]);
    bench.insert(
        side,
        "Address",
        &json!({"address_title": "ACME", "address_type": "Billing",
        "address_line1": "1 Main Street", "city": "Pune", "country": "India", "links": links}),
    )
}

fn acme(bench: &Bench, side: Side) -> Value {
    bench.doc(side, "Customer", "ACME").unwrap()
}

/// A customer in step, to whom the cloud has given a new contact and a website since.
fn acme_and_jane(doctypes: &str) -> Bench {
    let bench = Bench::default();
    bench.configure(&format!("[sync]\ndoctypes = [{doctypes}]\n"));
    bench.insert(Side::Cloud, "Customer", &json!({"customer_name": "ACME"}));
    bench.sync().expect(0);
    let jane = contact(&bench, Side::Cloud, "Jane");
    let edit = json!({"customer_primary_contact": jane, "website": "acme.example.com"});
    bench.edit(Side::Cloud, "Customer", "ACME", &edit);
    bench
}

/// Customer, Contact and Address link to each other: all arrive, one of each on either side,
/// whatever the order in which they are configured.
#[test]
fn a_customer_with_contact_and_address() {
    for order in
        ["\"Customer\", \"Contact\", \"Address\"", "\"Address\", \"Contact\", \"Customer\""]
    {
        let bench = Bench::default();
        bench.configure(&format!("[sync]\ndoctypes = [{order}]\n"));
        let customer = json!({"customer_name": "ACME", "mobile_no": "+91 1",
            "email_id": "acme@example.com", "address_line1": "1 Main Street", "city": "Pune",
            "country": "India"});
        bench.insert(Side::Cloud, "Customer", &customer);
        if bench.site(Side::Cloud).names("Contact").is_empty() {
            contact(&bench, Side::Cloud, "Jane");
            address(&bench, Side::Cloud);
        }
        let contact = bench.site(Side::Cloud).names("Contact")[0].clone();
        let address = bench.site(Side::Cloud).names("Address")[0].clone();
        let links = json!({"customer_primary_contact": contact, "customer_primary_address": address,
            "website": "acme.example.com"});
        bench.edit(Side::Cloud, "Customer", "ACME", &links);
        bench.sync().expect(0);
        for doctype in ["Customer", "Contact", "Address"] {
            let names = Side::BOTH.map(|side| bench.site(side).names(doctype));
            assert_eq!(names[0].len(), 1, "{order}: {names:?}");
            assert_eq!(names[1].len(), 1, "{order}: {names:?}");
        }
        let local = acme(&bench, Side::Local);
        assert_eq!(local["customer_primary_contact"], bench.site(Side::Local).names("Contact")[0]);
        assert_eq!(local["customer_primary_address"], bench.site(Side::Local).names("Address")[0]);
        assert_eq!(local["website"], "acme.example.com");
        quiet(&bench);
    }
}

/// The link stays out and is named for as long as it is so; the other edits go over.
#[test]
fn a_link_that_nobody_can_carry_over_holds_nothing_else_up() {
    let bench = acme_and_jane("\"Customer\"");
    let ran = bench.run(&["sync-all"]).expect(4);
    assert!(
        ran.err.contains("customer_primary_contact: links to Contact Jane-ACME"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("add \"Contact\" to the doctypes that are synced"), "{}", ran.err);
    assert_eq!(acme(&bench, Side::Local)["website"], "acme.example.com");
    quiet(&bench);
    bench.run(&["sync-all"]).expect(4);
    // Another edit goes over as well.
    bench.edit(Side::Cloud, "Customer", "ACME", &json!({"website": "acme.example.org"}));
    bench.run(&["sync-all"]).expect(4);
    assert_eq!(acme(&bench, Side::Local)["website"], "acme.example.org");
    // The hint helps.
    bench.configure("[sync]\ndoctypes = [\"Customer\", \"Contact\"]\n");
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_eq!(
        acme(&bench, Side::Local)["customer_primary_contact"],
        bench.site(Side::Local).names("Contact")[0]
    );
    quiet(&bench);
}

/// The other way out: the link is taken back where it was made.
#[test]
fn a_link_that_is_taken_back_leaves_nothing_behind() {
    let bench = acme_and_jane("\"Customer\"");
    bench.sync().expect(4);
    bench.edit(Side::Cloud, "Customer", "ACME", &json!({"customer_primary_contact": ""}));
    bench.sync().expect(0);
    quiet(&bench);
    assert_eq!(bench.query("SELECT sync_status FROM sync_records"), "synced");
}

/// A document that could not be written holds up what hangs on it, and only that.
#[test]
fn what_waits_for_a_failed_document_lets_the_rest_go() {
    let bench = acme_and_jane("\"Customer\", \"Contact\"");
    bench
        .site(Side::Local)
        .faults
        .refuse(Match::on("POST", "/resource/Contact"), Refusal::Internal);
    bench.sync().expect(4);
    assert_eq!(acme(&bench, Side::Local)["website"], "acme.example.com");
    assert_eq!(acme(&bench, Side::Local)["customer_primary_contact"], Value::Null);
    bench.run(&["sync-all", "--retry-failed"]).expect(0);
    assert_ne!(acme(&bench, Side::Local)["customer_primary_contact"], Value::Null);
    quiet(&bench);
}

/// Dynamic links and links in rows follow the map too.
#[test]
fn dynamic_links_point_to_the_same_document() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Probe\", \"N Series\"]\n");
    bench.site(Side::Local).set_series("NS-2026-", 500);
    let target = bench.insert(Side::Cloud, "N Series", &json!({"title": "target"}));
    let probe = json!({"title": "P", "dl_type": "N Series", "dl": target, "tm": "10:00:00"});
    bench.insert(Side::Cloud, "Probe", &probe);
    bench.sync().expect(0);
    let copy = named(&bench, Side::Local, "N Series", "target")["name"].clone();
    assert_ne!(copy, target);
    assert_eq!(bench.doc(Side::Local, "Probe", "P").unwrap()["dl"], copy);
    quiet(&bench);
}

/// A Customer called by the customer's name on both sites is one and the same, also where
/// customers are not synced; a counted one is not.
#[test]
fn a_name_that_is_the_title_on_both_sides_says_it() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Probe\"]\n");
    for side in Side::BOTH {
        bench.insert(side, "Customer", &json!({"customer_name": "ACME"}));
    }
    let probe = json!({"title": "P", "cust": "ACME", "tm": "10:00:00"});
    bench.insert(Side::Cloud, "Probe", &probe);
    bench.sync().expect(0);
    assert_eq!(bench.doc(Side::Local, "Probe", "P").unwrap()["cust"], "ACME");
    // Only the cloud has this one.
    bench.insert(Side::Cloud, "Customer", &json!({"customer_name": "Other"}));
    bench.insert(Side::Cloud, "Probe", &json!({"title": "Q", "cust": "Other", "tm": "10:00:00"}));
    let ran = bench.run(&["sync-all"]).expect(4);
    assert!(ran.err.contains("add \"Customer\" to the doctypes"), "{}", ran.err);
}

/// The same text in a link is no equality where it names two documents.
#[test]
fn documents_that_link_to_two_of_one_name_are_not_equal() {
    let bench = Bench::default();
    bench.configure(
        "[sync]\ndoctypes = [\"Probe\", \"N Series\"]\nconflict_resolution = \"manual\"\n",
    );
    for side in Side::BOTH {
        let order = bench.insert(side, "N Series", &json!({"title": format!("order of {side}")}));
        bench.insert(
            side,
            "Probe",
            &json!({"title": "T", "dl_type": "N Series", "dl": order, "tm": "01:00:00"}),
        );
    }
    let meaning = |side| {
        let order = bench.doc(side, "Probe", "T").unwrap()["dl"].clone();
        bench.doc(side, "N Series", order.as_str().unwrap()).unwrap()["title"].clone()
    };
    bench.sync().expect(3);
    let open = |kind: &str| {
        bench.query(&format!(
            "SELECT id FROM conflict_records WHERE NOT resolved AND kind = '{kind}'"
        ))
    };
    bench.run(&["resolve", &open("collision"), "--take", "both"]).expect(0);
    bench.run(&["sync-all", "--full"]).expect(3);
    for side in Side::BOTH {
        assert_eq!(meaning(side), format!("order of {side}"));
    }
    bench.run(&["resolve", &open("first_meeting"), "--take", "cloud"]).expect(0);
    for side in Side::BOTH {
        assert_eq!(meaning(side), "order of cloud");
    }
    quiet(&bench);
}
