//! The inputs that were kept, and the properties against inputs that break them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::TARGETS;
use crate::core_tests::random::config;

/// How much all corpora may hold together.
const MOST_BYTES: u64 = 200_000;

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

fn names_in(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_kept_input_is_replayed() {
    let corpus = fuzz_dir().join("corpus");
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names_in(&corpus), targets, "a folder for each target");
    let programs: BTreeSet<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names_in(&fuzz_dir().join("fuzz_targets")), programs, "a program for each target");
    let mut bytes = 0;
    for (name, target) in TARGETS {
        let inputs = names_in(&corpus.join(name));
        assert!(inputs.len() >= 5, "{name}: only {} inputs", inputs.len());
        for input in inputs {
            let path = corpus.join(name).join(&input);
            let data = fs::read(&path).unwrap();
            bytes += fs::metadata(&path).unwrap().len();
            let held = std::panic::catch_unwind(|| target(&data));
            assert!(held.is_ok(), "tests/fuzz/corpus/{name}/{input}");
        }
    }
    assert!(bytes <= MOST_BYTES, "{bytes} bytes are too many to keep");
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn any_bytes_hold(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (_, target) in TARGETS {
            target(&data);
        }
    }
}
