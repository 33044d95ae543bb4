//! Names as a person enters them: any of a document's, or one with its side.

use erpsync::model::Side;
use serde_json::json;

use super::meeting::crossed;
use super::{quiet, titles};
use crate::bench::Bench;

const ONE: &str = "NS-2026-0001";

fn title(bench: &Bench, side: Side, name: &str) -> String {
    bench.doc(side, "N Series", name).unwrap()["title"].as_str().unwrap().to_owned()
}

/// X is 0001 on the cloud and 0006 on the local site, Y the other way round.
#[test]
fn a_name_that_means_two_documents_is_told_apart_by_its_side() {
    let bench = crossed(|title| json!({"title": title}));
    bench.edit(Side::Cloud, "N Series", ONE, &json!({"title": "X edited"}));
    bench.edit(Side::Local, "N Series", ONE, &json!({"title": "Y edited"}));
    let ran = bench.run(&["sync-doctype", "N Series", "--name", ONE]).expect(2);
    assert!(
        ran.err.contains("cloud NS-2026-0001 / local NS-2026-0006, cloud NS-2026-0006"),
        "{ran:?}"
    );
    assert!(ran.err.contains("hint: enter cloud:NS-2026-0001 or local:NS-2026-0001"), "{ran:?}");
    bench.run(&["sync-doctype", "N Series", "--name", "cloud:NS-2026-0001"]).expect(0);
    assert_eq!(title(&bench, Side::Local, "NS-2026-0006"), "X edited");
    assert_eq!(title(&bench, Side::Cloud, "NS-2026-0006"), "Y");
    bench.run(&["sync-doctype", "N Series", "--name", "local:NS-2026-0001"]).expect(0);
    assert_eq!(title(&bench, Side::Cloud, "NS-2026-0006"), "Y edited");
    quiet(&bench);
    let rows = |arguments: &[&str], key: &str| {
        let ran = bench.run(arguments).expect(0).json();
        ran[key].as_array().unwrap().clone()
    };
    let known = |name: &str| rows(&["names", "N Series", name, "--json"], "names");
    assert_eq!(known(ONE).len(), 2);
    for (name, local) in [("cloud:NS-2026-0001", "NS-2026-0006"), ("local:NS-2026-0001", ONE)] {
        let known = known(name);
        assert_eq!((known.len(), &known[0]["local_name"]), (1, &json!(local)), "{name}");
    }
    let log = |name: &str| rows(&["log", "--name", name, "--json"], "log").len();
    assert_eq!(log("cloud:NS-2026-0001") + log("local:NS-2026-0001"), log(ONE));
    assert_eq!(log("cloud:NS-2026-0001"), log("local:NS-2026-0006"));
    let hash = |name: &str| bench.run(&["hash", "N Series", name, "--side", "cloud"]).expect(0).out;
    assert_eq!(hash("local:NS-2026-0001"), hash("cloud:NS-2026-0006"));
    let ran = bench.run(&["hash", "N Series", ONE, "--side", "cloud"]).expect(2);
    assert!(ran.err.contains("means several documents"), "{ran:?}");
    assert_ne!(hash("local:NS-2026-0001"), hash("cloud:NS-2026-0001"));
}

/// To a site `ns-...` is the name `NS-...`, so it is one here, whatever the command; and what is
/// said of an ambiguous name stands alone.
#[test]
fn a_name_in_another_case_is_the_same_name() {
    let bench = crossed(|title| json!({"title": title}));
    let low = ONE.to_lowercase();
    let sync = |name: &str| bench.run(&["sync-doctype", "N Series", "--name", name]);
    bench.edit(Side::Cloud, "N Series", ONE, &json!({"title": "X edited"}));
    bench.edit(Side::Local, "N Series", ONE, &json!({"title": "Y edited"}));
    for name in [ONE, &low] {
        let ran = sync(name).expect(2);
        assert!(ran.err.contains("means several documents"), "{ran:?}");
        let about_the_pass = ran.err.lines().filter(|line| !line.contains("chmod 600"));
        assert_eq!((about_the_pass.count(), ran.out.as_str()), (2, ""), "{ran:?}");
        assert_eq!(bench.run(&["hash", "N Series", name, "--side", "local"]).expect(2).out, "");
    }
    sync(&format!("cloud:{low}")).expect(0);
    assert_eq!(title(&bench, Side::Local, "NS-2026-0006"), "X edited");
    assert_eq!(title(&bench, Side::Cloud, "NS-2026-0006"), "Y");
    for name in [low.clone(), format!("local:{low}")] {
        let rows = |arguments: &[&str]| bench.run(arguments).expect(0).out;
        let upper = name.replace("ns-", "NS-");
        let known = rows(&["names", "N Series", &upper, "--json"]);
        assert!(known.contains(ONE), "{known}");
        assert_eq!(rows(&["names", "N Series", &name, "--json"]), known);
        let logged = rows(&["log", "--name", &upper, "--json"]);
        assert!(logged.contains(ONE), "{logged}");
        assert_eq!(rows(&["log", "--name", &name, "--json"]), logged);
    }
}

/// A document that is really called so is reached first, the other one by its other name.
#[test]
fn a_document_whose_name_begins_like_a_side() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"N Prompt\"]\n");
    let insert = |name: &str| {
        bench.insert(
            Side::Cloud,
            "N Prompt",
            &json!({"name": name, "title": format!("of {name}")}),
        );
    };
    let sync = |name: &str| {
        bench.run(&["sync-doctype", "N Prompt", "--new-state", "--name", name]).expect(0);
        titles(&bench, Side::Local, "N Prompt")
    };
    insert("cloud:A");
    assert_eq!(sync("cloud:A"), ["of cloud:A"]);
    insert("cloud:B");
    insert("B");
    assert_eq!(sync("cloud:B"), ["of cloud:A", "of cloud:B"]);
    assert_eq!(sync("B"), ["of B", "of cloud:A", "of cloud:B"]);
    let known = |name: &str| bench.run(&["names", "N Prompt", name, "--json"]).expect(0).json();
    assert_eq!(known("cloud:B")["names"][0]["cloud_name"], "cloud:B");
    assert_eq!(known("cloud:B"), known("cloud:cloud:B"));
    bench.edit(Side::Cloud, "N Prompt", "cloud:B", &json!({"title": "edited"}));
    bench.edit(Side::Cloud, "N Prompt", "B", &json!({"title": "later"}));
    assert_eq!(sync("cloud:B"), ["edited", "of B", "of cloud:A"]);
    insert("local:C");
    assert_eq!(sync("local:C").len(), 4);
    for name in ["cloud:A", "cloud:cloud:A", "local:C"] {
        bench.run(&["hash", "N Prompt", name, "--side", "cloud"]).expect(0);
    }
    bench.sync().expect(0);
    quiet(&bench);
}
