//! Which requests it takes to read documents that have rows, by what is known of them; and that
//! what somebody saves between two of these is not taken for one document.

use erpsync::model::Side;
use frappe_sandbox::faults::Match;
use frappe_sandbox::log::Recorded;
use serde_json::{Value, json};

use super::{days_ago, on_both};
use crate::bench::{Bench, USER};

/// Named by hand, with one child table.
const DOCTYPE: &str = "N Prompt";

fn bench(doctype: &str) -> Bench {
    let bench = Bench::default();
    bench.configure(&format!("[sync]\ndoctypes = [\"{doctype}\"]\n"));
    bench
}

fn document(name: &str) -> Value {
    json!({"__newname": name, "title": "base", "rows": [{"item": "A"}, {"item": "B"}]})
}

/// What a request reads by name: stamps, rows or whole documents.
fn reading(doctype: &str, recorded: &Recorded) -> Option<String> {
    let parameters = recorded.request.parameters().unwrap();
    let filters = parameters.parsed("filters")?;
    let by_name = |filter: &&Value| {
        filter[1] == "in" && ["name", "parent"].map(Value::from).contains(&filter[0])
    };
    let asked = filters.as_array()?.iter().find(by_name)?[2].clone();
    let names: Vec<&str> = asked.as_array()?.iter().filter_map(Value::as_str).collect();
    let fields = parameters.parsed("fields")?;
    let what = if parameters.text("parent").is_some_and(|parent| parent == doctype) {
        "rows of "
    } else if parameters.text("doctype")? != doctype {
        return None;
    } else if fields == json!(["name", "modified"]) {
        "stamps of "
    } else {
        ""
    };
    Some(format!("{what}{}", names.join(" ")))
}

/// What the two sides are asked for by name in a run.
fn readings(bench: &Bench, doctype: &str, arguments: &[&str]) -> [Vec<String>; 2] {
    for side in Side::BOTH {
        bench.site(side).log.recorded = Some(Vec::new());
    }
    bench.run(arguments).expect(0);
    Side::BOTH.map(|side| {
        let recorded = bench.site(side).log.recorded.take().unwrap();
        recorded.iter().filter_map(|one| reading(doctype, one)).collect()
    })
}

/// A side that is not known to have a document is asked for it with those that it has; what was
/// written is read again by the stamp of the answer.
#[test]
fn the_stamps_of_what_was_listed_are_not_asked_for() {
    let bench = bench(DOCTYPE);
    on_both(&bench, DOCTYPE, &document("D0"), days_ago(1));
    bench.insert(Side::Cloud, DOCTYPE, &document("D1"));
    let [cloud, local] = readings(&bench, DOCTYPE, &["sync-all", "--new-state"]);
    assert_eq!(cloud, ["rows of D0 D1", "D0 D1"]);
    assert_eq!(local, ["stamps of D1", "rows of D0", "D0", "rows of D1", "D1"]);
}

/// Nothing was listed, and whoever names a document does so because it was saved.
#[test]
fn the_stamps_of_what_was_named_are_asked_for() {
    let bench = bench(DOCTYPE);
    on_both(&bench, DOCTYPE, &document("D0"), days_ago(1));
    bench.sync().expect(0);
    bench.edit(Side::Cloud, DOCTYPE, "D0", &json!({"title": "edited"}));
    let by_name = ["sync-doctype", DOCTYPE, "--name", "D0"];
    let [cloud, local] = readings(&bench, DOCTYPE, &by_name);
    assert_eq!(cloud, ["stamps of D0", "rows of D0", "D0"]);
    assert_eq!(local, ["stamps of D0", "rows of D0", "D0", "rows of D0", "D0"]);
}

/// Its answer may have an earlier stamp than what the site stored at last.
#[test]
fn the_stamps_of_what_was_submitted_as_it_was_made_are_asked_for() {
    let bench = bench("Voucher");
    let voucher = json!({"title": "V1", "docstatus": 1, "rows": [{"item": "A", "qty": 2}]});
    bench.insert(Side::Cloud, "Voucher", &voucher);
    let [cloud, local] = readings(&bench, "Voucher", &["sync-all", "--new-state"]);
    assert_eq!(cloud, ["rows of V1", "rows of V1", "V1"]);
    assert_eq!(local, ["stamps of V1", "stamps of V1", "rows of V1", "rows of V1", "V1"]);
}

/// The rows are those of before, the document is that of after.
#[test]
fn what_is_saved_between_rows_and_document_is_read_again() {
    let bench = bench(DOCTYPE);
    on_both(&bench, DOCTYPE, &document("D0"), days_ago(1));
    let rows = Match::on("POST", "\"doctype\":\"Probe Child\"");
    bench.site(Side::Cloud).faults.after(rows, |site, now| {
        let edit = json!({"title": "edited", "rows": [{"item": "C"}]});
        site.edit_as(USER, DOCTYPE, "D0", &edit, now).unwrap();
    });
    let [cloud, _] = readings(&bench, DOCTYPE, &["sync-all", "--new-state"]);
    assert_eq!(cloud, ["rows of D0", "D0", "rows of D0", "D0"]);
    for side in Side::BOTH {
        let doc = bench.doc(side, DOCTYPE, "D0").unwrap();
        let items: Vec<&Value> =
            doc["rows"].as_array().unwrap().iter().map(|row| &row["item"]).collect();
        assert_eq!((&doc["title"], items), (&json!("edited"), vec![&json!("C")]), "{side}");
    }
}
