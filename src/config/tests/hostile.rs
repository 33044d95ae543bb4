//! Configurations that nobody meant: an error that shows no secret, or a configuration; no panic.

use proptest::prelude::*;
use proptest::sample::Index;

use super::{BASE, Folder, SECRETS};

fn is_refused_or_read(text: &[u8]) -> Result<(), TestCaseError> {
    let folder = Folder::new(text);
    let Err(error) = folder.load() else { return Ok(()) };
    let shown = folder.shown(&error);
    prop_assert!(!SECRETS.iter().any(|secret| shown.contains(secret)), "{}", shown);
    prop_assert!(!shown.trim().is_empty());
    Ok(())
}

#[test]
fn hostile_configurations() {
    for text in
        crate::core_tests::hostile("configs").iter().chain(&crate::core_tests::hostile("texts"))
    {
        is_refused_or_read(text.as_bytes()).unwrap();
        is_refused_or_read(format!("{BASE}{text}").as_bytes()).unwrap();
        let quoted = serde_json::to_string(text).unwrap();
        for key in
            ["doctypes", "batch_size", "max_deletes", "list_every", "deletes", "exclude_fields"]
        {
            is_refused_or_read(format!("{BASE}{key} = {quoted}").as_bytes()).unwrap();
            is_refused_or_read(format!("{BASE}{key} = [{quoted}]").as_bytes()).unwrap();
        }
    }
    is_refused_or_read(format!("{BASE}x = {}", "[".repeat(20_000)).as_bytes()).unwrap();
    is_refused_or_read(b"\xff\xfe").unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A piece of a good file is taken out, and something else put in.
    #[test]
    fn any_damage(from in any::<Index>(), to in any::<Index>(), new in "[\\PC\n\"\\[\\]={}$]{0,12}") {
        let (a, b) = (from.index(BASE.len()), to.index(BASE.len()));
        let text = format!("{}{new}{}", &BASE[..a.min(b)], &BASE[a.max(b)..]);
        is_refused_or_read(text.as_bytes())?;
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        is_refused_or_read(&bytes)?;
    }
}
