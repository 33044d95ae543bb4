//! What a site makes by itself while it carries out a request of ours.

use erpsync::model::Side;
use frappe_sandbox::faults::Match;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{counting, quiet, series};
use crate::bench::{Bench, SYNC_USER, USER};

/// What a site makes by itself while it carries out our request is the source's document.
#[test]
fn what_is_born_of_our_write_is_no_second_document() {
    let bench = Bench::default();
    bench.configure(
        "[sync]\ndoctypes = [\"Customer\", \"Contact\"]\nconflict_resolution = \"manual\"\n",
    );
    bench.insert(Side::Cloud, "Customer", &json!({"customer_name": "ACME"}));
    let links = json!([{"link_doctype": "Customer", "link_name": "ACME"}]);
    let jane = json!({"first_name": "Jane", "designation": "CEO", "links": links});
    bench.insert(Side::Cloud, "Contact", &jane);
    let name = bench.site(Side::Cloud).names("Contact")[0].clone();
    bench.site(Side::Local).faults.after(Match::on("POST", "/resource/Customer"), |site, now| {
        let born = json!({"first_name": "Jane",
            "links": [{"link_doctype": "Customer", "link_name": "ACME"}]});
        site.insert_as(SYNC_USER, "Contact", &born, now).unwrap();
    });
    bench.sync().expect(0);
    for side in Side::BOTH {
        assert_eq!(bench.site(side).names("Contact"), std::slice::from_ref(&name), "{side}");
        assert_eq!(bench.doc(side, "Contact", &name).unwrap()["designation"], "CEO", "{side}");
    }
    quiet(&bench);
}

/// The same long after our last request: nobody knows whose it is.
#[test]
fn what_was_there_before_is_not_born_of_our_write() {
    let bench = counting();
    for (side, title) in [(Side::Cloud, "of the cloud"), (Side::Local, "of the local site")] {
        bench.site(side).set_series("NS-2026-", 0);
        let user = if side == Side::Local { SYNC_USER } else { USER };
        let at = Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(1)).unwrap();
        bench.site(side).insert_as(user, "N Series", &series(title), at).unwrap();
    }
    bench.sync().expect(3);
    assert_eq!(bench.query("SELECT kind FROM conflict_records"), "collision");
    assert_eq!(bench.writes(), 0);
}

/// A new Lead makes a Contact of its own on the site that receives it, whose name is that of the
/// person: it is the copy's side effect, and the Contact that was entered is what counts.
#[test]
fn what_a_lead_makes_is_never_written_over_a_persons_contact() {
    for order in ["\"Lead\", \"Contact\"", "\"Contact\", \"Lead\""] {
        let bench = Bench::default();
        bench.configure(&format!(
            "[sync]\ndoctypes = [{order}]\nconflict_resolution = \"manual\"\n\
             exclude_fields = [\"country\", \"language\"]\n"
        ));
        let lead = json!({"first_name": "Quin", "lead_owner": SYNC_USER, "mobile_no": "888222",
            "email_id": "q@example.com"});
        bench.insert(Side::Cloud, "Lead", &lead);
        let before = bench.site(Side::Cloud).all_docs("Contact");
        bench.sync().expect(0);
        let numbers = |docs: &[Value]| -> Vec<Value> {
            let rows = docs.iter().flat_map(|doc| doc["phone_nos"].as_array().unwrap().clone());
            rows.map(|row| row["phone"].clone()).collect()
        };
        for side in Side::BOTH {
            let after = bench.site(side).all_docs("Contact");
            assert_eq!(after.len(), 1, "{order} on {side}");
            assert_eq!(numbers(&after), numbers(&before), "{order} on {side}");
        }
        quiet(&bench);
    }
}

/// Jane of the cloud, and a Jane of the local site that somebody makes under our user's name
/// in the very second in which our request is carried out.
fn two_janes(bench: &Bench, which: Match, links: &Value) -> String {
    let jane = json!({"first_name": "Jane", "designation": "CEO", "links": links});
    let name = bench.insert(Side::Cloud, "Contact", &jane);
    let other = json!({"first_name": "Jane", "designation": "CFO", "links": links});
    bench.site(Side::Local).faults.after(which, move |site, now| {
        site.insert_as(SYNC_USER, "Contact", &other, now).unwrap();
    });
    name
}

fn are_two(bench: &Bench, name: &str) {
    bench.sync().expect(3);
    assert_eq!(bench.query("SELECT group_concat(kind) FROM conflict_records"), "collision");
    for (side, designation) in [(Side::Cloud, "CEO"), (Side::Local, "CFO")] {
        assert_eq!(bench.doc(side, "Contact", name).unwrap()["designation"], designation, "{side}");
    }
}

/// A person at work under the same login: without a link to what we made, it is the person's.
#[test]
fn what_does_not_link_to_what_we_made_is_a_persons() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Customer\", \"Contact\"]\n");
    for side in Side::BOTH {
        bench.insert(side, "Customer", &json!({"customer_name": "Other"}));
    }
    bench.insert(Side::Cloud, "Customer", &json!({"customer_name": "ACME"}));
    let links = json!([{"link_doctype": "Customer", "link_name": "Other"}]);
    let name = two_janes(&bench, Match::on("POST", "/resource/Customer"), &links);
    are_two(&bench, &name);
}

/// An update makes no documents.
#[test]
fn what_links_to_what_we_only_updated_is_a_persons() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Customer\", \"Contact\"]\n");
    let long_ago = Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(1)).unwrap();
    for side in Side::BOTH {
        bench.insert_at(side, "Customer", &json!({"customer_name": "ACME"}), long_ago);
    }
    bench.sync().expect(0);
    bench.edit(Side::Cloud, "Customer", "ACME", &json!({"website": "acme.example.com"}));
    let links = json!([{"link_doctype": "Customer", "link_name": "ACME"}]);
    let name = two_janes(&bench, Match::on("PUT", "/resource/Customer"), &links);
    are_two(&bench, &name);
}
