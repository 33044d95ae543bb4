//! Another site behind the url: no option lets it be overwritten.

use erpsync::model::Side;
use frappe_sandbox::Flavour;
use serde_json::json;

use super::{SYNC, in_step, is_stopped};
use crate::bench::Bench;

/// Another site answers on this side: it has documents of the same names, and others.
fn exchanged(rules: &str, side: Side, names: &[&str]) -> Bench {
    let bench = in_step(rules, side, names);
    let (cloud, local) = frappe_sandbox::sites::pair(Flavour::V15_105, 99).unwrap();
    *bench.site(side) = if side == Side::Cloud { cloud } else { local };
    for name in names.iter().chain(&["Theirs"]) {
        bench.insert(side, "Probe", &json!({"title": name, "stxt": "theirs", "tm": "04:05:06"}));
    }
    bench
}

#[test]
fn it_is_never_written_to_nor_read_from() {
    for deletes in ["propagate", "keep", "recreate"] {
        for side in Side::BOTH {
            let rule = SYNC.replace("[sync]\n", &format!("[sync]\ndeletes = \"{deletes}\"\n"));
            let bench = exchanged(&rule, side, &["A", "B", "C"]);
            is_stopped(&bench, &format!("check the url of {side}"));
            for option in ["--restore-side", "--accept-side"] {
                for word in Side::BOTH {
                    bench.clear_logs();
                    let ran = bench.run(&["sync-all", option, word.as_str()]).expect(6);
                    assert_eq!(bench.writes(), 0, "{ran:?}");
                    assert!(ran.err.contains("none of the 3 known documents is on"), "{ran:?}");
                    assert!(ran.err.contains("and it has 4 others (A was created"), "{ran:?}");
                }
            }
        }
    }
}

/// All documents of a doctype were taken out and put in anew: a person says how many.
#[test]
fn a_doctype_that_was_put_in_anew_needs_a_number() {
    let bench = exchanged(SYNC, Side::Cloud, &["A", "B", "C"]);
    bench.run(&["sync-all", "--allow-deletes", "2"]).expect(6);
    bench.run(&["sync-all", "--allow-deletes", "3"]).expect(0);
    assert_eq!(bench.site(Side::Local).count_of("Probe"), 4);
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0);
}

/// Of very few documents all may have been replaced by hand.
#[test]
fn two_documents_may_be_replaced() {
    let bench = exchanged(SYNC, Side::Cloud, &["A", "B"]);
    bench.sync().expect(0);
    assert_eq!(super::texts(&bench, "A"), super::both("theirs"));
}
