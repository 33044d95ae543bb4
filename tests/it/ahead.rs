//! What is asked before its turn: the documents of the next wave, what was just written, and what
//! all doctypes add up to or have.

use std::time::Duration;

use erpsync::model::Side;
use frappe_sandbox::Flavour;
use frappe_sandbox::faults::{Action, Match, Refusal};
use frappe_sandbox::http::Options;
use frappe_sandbox::log::{Entry, Recorded};
use jiff::Timestamp;
use serde_json::json;

use crate::bench::{Bench, USER};

/// One document at a time, and one request.
const ONE: &str = "concurrency = 1";

/// Which documents of a doctype a request reads whole, or writes.
fn step(doctype: &str, recorded: &Recorded) -> Option<String> {
    let request = &recorded.request;
    let path = request.decoded_path();
    if recorded.is_write {
        let name = path.strip_prefix(&format!("/api/resource/{doctype}/")).unwrap_or("by method");
        return Some(format!("write {name}"));
    }
    let parameters = request.parameters().unwrap();
    let filters = parameters.parsed("filters").unwrap_or_default();
    let names = filters.as_array()?.iter().find(|filter| filter[1] == "in")?[2].clone();
    let is_whole = parameters.parsed("fields")? == json!(["*"]);
    let is_it = parameters.text("doctype").as_deref() == Some(doctype);
    (is_whole && is_it).then(|| format!("read {}", names[0].as_str().unwrap()))
}

/// What the local side is asked of a doctype in a pass.
fn steps(bench: &Bench, doctype: &str) -> Vec<String> {
    bench.site(Side::Local).log.recorded = Some(Vec::new());
    bench.sync().expect(0);
    let recorded = bench.site(Side::Local).log.recorded.take().unwrap();
    recorded.iter().filter_map(|one| step(doctype, one)).collect()
}

/// Documents that both sides have in step.
fn in_step(doctype: &str, field: &str, names: &[&str]) -> Bench {
    let bench = Bench::default();
    bench.configure_sites(ONE, &format!("[sync]\ndoctypes = [\"{doctype}\"]\nbatch_size = 1\n"));
    for name in names {
        bench.insert(Side::Cloud, doctype, &json!({ field: name }));
    }
    bench.sync().expect(0);
    bench
}

#[test]
fn the_next_documents_are_read_before_these_are_written() {
    let names = ["A", "B", "C"];
    let bench = in_step("Brand", "brand", &names);
    for name in names {
        bench.edit(Side::Cloud, "Brand", name, &json!({"description": "edited"}));
    }
    let expected = [
        "read A", "read B", "write A", "read A", "read C", "write B", "read B", "write C", "read C",
    ];
    assert_eq!(steps(&bench, "Brand"), expected);
}

/// A batch that has been written is read again beside what is still being written.
#[test]
fn what_was_written_is_read_again_before_the_rest_is_written() {
    let names = ["A", "B", "C", "D"];
    let bench = in_step("Brand", "brand", &names);
    // The cloud's four workers make all of it one wave; local goes through it one by one.
    let one_on_local = "concurrency = 1\n[sync]\ndoctypes = [\"Brand\"]\nbatch_size = 2\n";
    bench.configure_sites("", one_on_local);
    for name in names {
        bench.edit(Side::Cloud, "Brand", name, &json!({"description": "edited"}));
    }
    let expected =
        ["read A", "read C", "write A", "write B", "read A", "write C", "write D", "read C"];
    assert_eq!(steps(&bench, "Brand"), expected);
}

/// A rename changes other documents, whose `modified` does not move.
#[test]
fn what_was_read_before_a_rename_is_read_again() {
    let bench = in_step("Customer", "customer_name", &["A", "B"]);
    bench.site(Side::Cloud).rename_as(USER, "Customer", "A", "New", Timestamp::now()).unwrap();
    bench.edit(Side::Cloud, "Customer", "B", &json!({"website": "edited"}));
    let asked = steps(&bench, "Customer");
    let of_b: Vec<&str> =
        asked.iter().map(String::as_str).filter(|step| step.ends_with('B')).collect();
    assert_eq!(of_b, ["read B", "read B", "write B", "read B"], "{asked:?}");
    assert_eq!(bench.site(Side::Local).names("Customer"), ["B", "New"]);
}

/// What a write brings about elsewhere on its site is not in sums that were asked for before it.
#[test]
fn sums_are_asked_for_again_after_a_write() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Brand\", \"UOM\"]\n");
    for side in Side::BOTH {
        bench.insert(side, "Brand", &json!({"brand": "A"}));
        bench.insert(side, "UOM", &json!({"uom_name": "Firkin"}));
    }
    bench.sync().expect(0);
    let sums = |doctype: &str| {
        bench.site(Side::Local).log.recorded = Some(Vec::new());
        bench.sync().expect(0);
        let recorded = bench.site(Side::Local).log.recorded.take().unwrap();
        let is_sum = |one: &&Recorded| {
            let parameters = one.request.parameters().unwrap();
            let fields = parameters.parsed("fields").unwrap_or_default().to_string();
            parameters.text("doctype").as_deref() == Some(doctype) && fields.contains("crc32")
        };
        recorded.iter().filter(is_sum).count()
    };
    assert_eq!(sums("UOM"), 1, "nothing was written");
    bench.edit(Side::Cloud, "Brand", "A", &json!({"description": "edited"}));
    assert_eq!(sums("UOM"), 2, "once at the start, once after the write");
}

/// Makes the next pass list everything.
fn is_to_list_everything(bench: &Bench) {
    let state = rusqlite::Connection::open(bench.path("sync_state.db")).unwrap();
    let sql = "UPDATE listings SET last_listed_at = '2026-01-01T00:00:00.000Z'";
    assert_eq!(state.execute(sql, []).unwrap(), 2);
}

/// Two doctypes that both sides have in step.
fn two_doctypes() -> Bench {
    let latency = Duration::from_millis(20);
    let bench = Bench::new(Flavour::V15_105, Options { latency, ..Options::default() });
    bench.configure("[sync]\ndoctypes = [\"Brand\", \"UOM\"]\n");
    for side in Side::BOTH {
        bench.insert(side, "Brand", &json!({"brand": "A"}));
        bench.insert(side, "UOM", &json!({"uom_name": "Firkin"}));
    }
    bench.sync().expect(0);
    bench
}

/// A request for a page of a listing.
fn is_page(one: &Recorded) -> bool {
    let parameters = one.request.parameters().unwrap();
    parameters.parsed("fields") == Some(json!(["name", "modified", "creation"]))
}

#[test]
fn all_doctypes_are_listed_at_the_same_time() {
    let bench = two_doctypes();
    is_to_list_everything(&bench);
    bench.clear_logs();
    bench.sync().expect(0);
    let site = bench.site(Side::Local);
    let entries: Vec<&Entry> =
        site.log.entries().iter().filter(|one| one.method == "POST").collect();
    let first = |doctype: &str| *entries.iter().find(|one| one.doctype == doctype).unwrap();
    let (brand, uom) = (first("Brand"), first("UOM"));
    assert_eq!(entries.len(), 4, "a page of each doctype, and the empty one that ends it");
    assert!(brand.started < uom.ended.unwrap() && uom.started < brand.ended.unwrap());
}

/// How many pages of units a pass asks local for that lists everything.
fn pages_of_units(bench: &Bench) -> usize {
    is_to_list_everything(bench);
    bench.site(Side::Local).log.recorded = Some(Vec::new());
    bench.sync().expect(0);
    let recorded = bench.site(Side::Local).log.recorded.take().unwrap();
    let of_units = recorded.iter().filter(|one| {
        let parameters = one.request.parameters().unwrap();
        parameters.text("doctype").as_deref() == Some("UOM") && is_page(one)
    });
    of_units.count()
}

/// What a write brings about elsewhere on its site is in no listing from before it.
#[test]
fn everything_is_listed_again_after_a_write() {
    let bench = two_doctypes();
    assert_eq!(pages_of_units(&bench), 2, "nothing was written");
    bench.edit(Side::Cloud, "Brand", "A", &json!({"description": "edited"}));
    assert_eq!(pages_of_units(&bench), 4, "once at the start, once after the write");
}

/// What settling has read of a document is later than what was listed before.
#[test]
fn everything_is_listed_again_after_a_request_was_settled() {
    let bench = two_doctypes();
    bench.edit(Side::Cloud, "Brand", "A", &json!({"description": "edited"}));
    let update = Match::on("PUT", "/api/resource/Brand");
    bench.site(Side::Local).faults.once(update, Action::CutAfter);
    bench.sync().expect(4);
    let writes = bench.writes();
    assert_eq!(pages_of_units(&bench), 4, "once at the start, once after it was settled");
    assert_eq!(bench.writes(), writes, "it had happened");
}

/// A site that does not answer when what was written is to be read again is asked once more.
#[test]
fn what_could_not_be_read_again_at_once_is_read_in_its_turn() {
    let bench = in_step("Brand", "brand", &["A", "B", "C", "D"]);
    bench.configure_sites("", "concurrency = 1\n[sync]\ndoctypes = [\"Brand\"]\nbatch_size = 2\n");
    for name in ["A", "B", "C", "D"] {
        bench.edit(Side::Cloud, "Brand", name, &json!({"description": "edited"}));
    }
    bench.site(Side::Local).faults.after(Match::writes().nth(2), |site, _| {
        site.faults.refuse(Match::on("POST", "get_list"), Refusal::Forbidden);
    });
    let asked = steps(&bench, "Brand");
    let again = asked
        .iter()
        .skip_while(|step| !step.starts_with("write"))
        .filter(|step| step.starts_with("read"));
    assert_eq!(again.count(), 3, "{asked:?}");
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0);
}

/// That a site was down for a moment at the start says nothing of when the doctype's turn comes.
#[test]
fn sums_that_were_not_answered_are_asked_for_again() {
    let bench = Bench::default();
    let retry = "[sync.retry]\nmax_attempts = 2\nbackoff_seconds = 0.01\n";
    bench.configure_sites(ONE, &format!("[sync]\ndoctypes = [\"Brand\"]\n{retry}"));
    bench.insert(Side::Cloud, "Brand", &json!({"brand": "A"}));
    bench.sync().expect(0);
    for _ in 0..2 {
        let sums = Match::on("POST", "get_list");
        bench.site(Side::Local).faults.once(sums, Action::Refuse(Refusal::Unavailable));
    }
    bench.edit(Side::Cloud, "Brand", "A", &json!({"description": "edited"}));
    bench.sync().expect(0);
    assert_eq!(bench.doc(Side::Local, "Brand", "A").unwrap()["description"], "edited");
}
