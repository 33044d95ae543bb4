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
    assert_ne!(hash("local:NS-2026-0001"), hash("cloud:NS-2026-0001"));
}

/// A document that is really called so is reached, with its side in front where that is needed.
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
    assert_eq!(sync("cloud:B"), ["of B", "of cloud:A"]);
    assert_eq!(sync("cloud:cloud:B"), ["of B", "of cloud:A", "of cloud:B"]);
    insert("local:C");
    assert_eq!(sync("local:C").len(), 4);
    for name in ["cloud:A", "cloud:cloud:A", "local:C"] {
        bench.run(&["hash", "N Prompt", name, "--side", "cloud"]).expect(0);
    }
    quiet(&bench);
}
