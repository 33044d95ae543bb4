//! How bases are stored, and what becomes of those that cannot be read.

use rusqlite::params;
use rusqlite::types::Value as Stored;

use super::*;

fn stored(state: &State, record: i64) -> Stored {
    let sql = "SELECT cloud_base FROM sync_records WHERE id = ?";
    state.connection.query_row(sql, [record], |row| row.get(0)).unwrap()
}

fn store(state: &State, record: i64, base: &Stored) {
    let sql = "UPDATE sync_records SET cloud_base = ? WHERE id = ?";
    state.connection.execute(sql, params![base, record]).unwrap();
}

/// The content that `closing` gives a document.
fn content(name: &str) -> Value {
    json!({"name": name, "modified": "m1", "rate": 1})
}

#[test]
fn a_base_that_an_earlier_version_stored_is_read_and_packed_when_it_is_next_closed() {
    let (mut state, records) = synced();
    let a = records[0].id;
    store(&state, a, &Stored::Text(content("A").to_string()));
    assert_eq!(all(&state), records);
    let names = BTreeSet::from(["A".to_owned()]);
    assert_eq!(state.part_links(&names, at(2)).unwrap().len(), 1);
    store(&state, a, &Stored::Text(content("A").to_string()));
    state.close(&[closing(&records[0])], at(3)).unwrap();
    assert!(matches!(stored(&state, a), Stored::Blob(_)));
    assert_eq!(all(&state)[0].bases, records[0].bases);
}

#[test]
fn a_damaged_base_is_refused_by_name_wherever_it_is_read() {
    let (mut state, records) = synced();
    let a = records[0].id;
    let Stored::Blob(whole) = stored(&state, a) else { panic!("not packed") };
    let cut = whole[..whole.len() - 1].to_vec();
    // Held up, so that it is looked at for what it links to.
    let held_up = "UPDATE sync_records SET is_syncing = TRUE WHERE id = ?";
    state.connection.execute(held_up, [a]).unwrap();
    let names = BTreeSet::from(["B".to_owned()]);
    for base in [Stored::Blob(cut), Stored::Blob(Vec::new())] {
        store(&state, a, &base);
        let refused = [
            state.load_records(&[a]).map(drop),
            state.mark_referrers(Side::Cloud, &names, at(2)).map(drop),
            state.part_links(&names, at(2)).map(drop),
            state.held_up_referrers(Side::Cloud, "B").map(drop),
        ];
        for error in refused.map(Result::unwrap_err) {
            let start = format!("the base of Item A on cloud (record {a}) cannot be read: ");
            assert!(error.to_string().starts_with(&start), "{error}");
            assert!(error.hint().unwrap().contains("backup"));
        }
    }
    // What is whole and yet no document.
    let own = BTreeSet::from(["A".to_owned()]);
    for base in [packed::pack(&json!(["A"])).unwrap(), Stored::Text("{\"A\"".to_owned())] {
        store(&state, a, &base);
        let error = state.load_records(&[a]).unwrap_err();
        assert!(matches!(error, StateError::DamagedBase { record, .. } if record == a), "{error}");
    }
    let error = state.part_links(&own, at(2)).unwrap_err();
    assert!(matches!(error, StateError::DamagedBase { record, .. } if record == a), "{error}");
}

/// One of a model site has a quarter of the fields that a real one has, and gains the less.
#[test]
fn a_document_takes_less_than_half_of_its_size() {
    let (mut site, _) = frappe_sandbox::sites::pair(frappe_sandbox::Flavour::V15_105, 7).unwrap();
    let values = json!({"item_code": "Bolt", "item_group": "Products", "stock_uom": "Nos"});
    let name = site.insert_as("Administrator", "Item", &values, at(0)).unwrap();
    let item = site.get_doc("Item", &name).unwrap();
    let (mut state, records) = met();
    let mut closing = closing(&records[0]);
    closing.sides.cloud.content = doc(item.clone());
    state.close(&[closing], at(1)).unwrap();
    let Stored::Blob(packed) = stored(&state, records[0].id) else { panic!("not packed") };
    let size = item.to_string().len();
    assert!(packed.len() * 2 < size, "{} of {size} bytes", packed.len());
    let bases = all(&state)[0].bases.clone().unwrap();
    assert_eq!(bases.cloud.content, doc(item));
}
