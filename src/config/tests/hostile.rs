//! Configurations that nobody meant: an error that shows no secret, or a configuration; no panic.

use proptest::prelude::*;
use proptest::sample::Index;

use super::{BASE, Folder};
use crate::fuzzing;

fn is_refused_or_read(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    fuzzing::is_refused_or_read(&|text| Folder::new(text).load(), &text);
}

#[test]
fn hostile_configurations() {
    for text in
        crate::core_tests::hostile("configs").iter().chain(&crate::core_tests::hostile("texts"))
    {
        is_refused_or_read(text.as_bytes());
        is_refused_or_read(format!("{BASE}{text}").as_bytes());
        let quoted = serde_json::to_string(text).unwrap();
        for key in
            ["doctypes", "batch_size", "max_deletes", "list_every", "deletes", "exclude_fields"]
        {
            is_refused_or_read(format!("{BASE}{key} = {quoted}").as_bytes());
            is_refused_or_read(format!("{BASE}{key} = [{quoted}]").as_bytes());
        }
    }
    is_refused_or_read(format!("{BASE}x = {}", "[".repeat(20_000)).as_bytes());
    assert!(Folder::new(b"\xff\xfe").load().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A piece of a good file is taken out, and something else put in.
    #[test]
    fn any_damage(from in any::<Index>(), to in any::<Index>(), new in "[\\PC\n\"\\[\\]={}$]{0,12}") {
        let (a, b) = (from.index(BASE.len()), to.index(BASE.len()));
        let text = format!("{}{new}{}", &BASE[..a.min(b)], &BASE[a.max(b)..]);
        is_refused_or_read(text.as_bytes());
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        is_refused_or_read(&bytes);
    }
}
