//! A doctype was emptied on one site.

use erpsync::model::Side;

use super::{SYNC, both, delete, edit, in_step, is_kept, is_quiet, is_stopped, say, text, texts};
use crate::bench::Bench;

const NAMES: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

/// All documents are gone on `side`; the other has edited one.
fn emptied(side: Side) -> Bench {
    let bench = in_step(SYNC, side, &NAMES);
    for name in NAMES {
        delete(&bench, side, name);
    }
    edit(&bench, side.opposite(), "A", "edited");
    bench
}

#[test]
fn a_person_is_told_how_many_and_which() {
    for side in Side::BOTH {
        let bench = emptied(side);
        is_stopped(&bench, &format!("--restore-side {side} makes them again on {side}"));
        let ran = bench.sync().expect(6).json();
        let guard = ran["doctypes"][0]["guard"].as_str().unwrap();
        assert_eq!(
            guard,
            format!(
                "8 of 8 documents are gone on {side} (A, B, C and 5 more), of which no more than 5 \
                 may be deleted on {} now (max_deletes = 10% in 24 hours); --allow-deletes 8 lets \
                 all of them go",
                side.opposite()
            )
        );
    }
}

#[test]
fn they_are_made_again() {
    for side in Side::BOTH {
        let bench = emptied(side);
        let ran = say(&bench, "--restore-side", side).expect(0).json();
        assert_eq!(ran["doctypes"][0][format!("created_on_{side}")], 8, "{ran}");
        assert_eq!(texts(&bench, "A"), both("edited"));
        for name in &NAMES[1..] {
            assert_eq!(texts(&bench, name), both("base"));
        }
        is_quiet(&bench, 0);
    }
}

#[test]
fn or_all_of_them_go_and_an_edit_survives() {
    for side in Side::BOTH {
        let bench = emptied(side);
        let ran = say(&bench, "--accept-side", side).expect(3).json();
        let other = side.opposite();
        assert_eq!(ran["doctypes"][0][format!("deleted_on_{other}")], 7, "{ran}");
        assert_eq!(text(&bench, other, "A").as_deref(), Some("edited"));
        assert!(NAMES[1..].iter().all(|name| is_kept(&bench, &format!("\"{name}\""))));
        is_quiet(&bench, 3);
    }
}
