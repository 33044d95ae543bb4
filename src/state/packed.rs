//! Bases as they are stored: the JSON of a document, packed.
//!
//! What lives here is the way of a base into its column and out of it. What may not: any other
//! column. Conflicts and the log are an interface that is queried with SQL, and stay readable.
//!
//! The rule kept here: the type of a value says what it is. A BLOB is a zlib stream of the JSON;
//! TEXT is the JSON itself, as earlier versions stored it and as a huge document is stored still.
//! So an older state is read as it is, and a base is packed when its document is next closed: to
//! pack all of them at once would mean to write a file of gigabytes anew, in one transaction,
//! before the first run after an update may begin. zlib rather than something denser, because its
//! checksum tells a damaged base from a document, and because the shell of `SQLite` can read it:
//!
//! ```sql
//! SELECT sqlar_uncompress(cloud_base, 67108864) FROM sync_records WHERE docname = '...';
//! ```

use std::cell::RefCell;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::Row;
use rusqlite::types::{Value, ValueRef};
use serde::{Serialize, de::DeserializeOwned};

use super::error::{StateError, StateResult};
use super::{from_json, to_json};
use crate::model::Side;

/// No document of a site comes near this. What is longer is stored as it is, and what claims to
/// be longer is not believed.
const MOST: usize = 64 * 1024 * 1024;

thread_local! {
    /// To make the encoder's tables takes several times as long as to pack a document.
    static ENCODER: RefCell<ZlibEncoder<Vec<u8>>> =
        RefCell::new(ZlibEncoder::new(Vec::new(), Compression::fast()));
}

/// A document as it is stored.
pub(super) fn pack(document: &impl Serialize) -> StateResult<Value> {
    let text = to_json(document)?;
    if text.len() > MOST {
        return Ok(Value::Text(text));
    }
    let packed = ENCODER.with_borrow_mut(|encoder| {
        encoder.write_all(text.as_bytes())?;
        // Ends the stream, gives it, and begins the next one.
        encoder.reset(Vec::new())
    });
    packed.map(Value::Blob).map_err(|error| StateError::Failed(Box::new(error)))
}

/// The base of one side as JSON, from the column `cloud_base` or `local_base` of a row that has
/// `id`, `doctype` and `docname` too, so that a damaged one can be named.
pub(super) fn base_json(row: &Row, side: Side) -> StateResult<Option<String>> {
    let column = format!("{side}_base");
    unpack(row.get_ref(&*column)?, MOST).map_err(|detail| damaged(row, side, detail))
}

/// The same, as the document that it is.
pub(super) fn base<T: DeserializeOwned>(row: &Row, side: Side) -> StateResult<Option<T>> {
    let json = base_json(row, side)?;
    let parsed = json.map(|json| from_json(&json)).transpose();
    parsed.map_err(|error| damaged(row, side, error.to_string()))
}

fn damaged(row: &Row, side: Side, detail: String) -> StateError {
    let text = |column: &str| row.get::<_, String>(column).unwrap_or_default();
    StateError::DamagedBase {
        record: row.get("id").unwrap_or_default(),
        document: format!("{} {}", text("doctype"), text("docname")),
        side,
        detail,
    }
}

/// The text that was packed, if it has at most so many bytes: a few bytes can claim to be a
/// thousand times as many, and only what is really there is ever allocated.
fn unpack(value: ValueRef, most: usize) -> Result<Option<String>, String> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
            Ok(Some(text.to_owned()))
        }
        ValueRef::Blob(packed) => {
            let mut text = String::new();
            // One byte more than allowed is read, so that the checksum at the end is compared.
            let mut source = ZlibDecoder::new(packed).take(most as u64 + 1);
            source.read_to_string(&mut text).map_err(|error| error.to_string())?;
            if text.len() > most {
                return Err(format!("it is longer than {most} bytes"));
            }
            Ok(Some(text))
        }
        other => Err(format!("it is of type {}", other.data_type())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn packed(document: &impl Serialize) -> Vec<u8> {
        match pack(document).unwrap() {
            Value::Blob(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    fn unpacked(bytes: &[u8]) -> Result<Option<String>, String> {
        unpack(ValueRef::Blob(bytes), MOST)
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(texts in prop::collection::vec(any::<String>(), 0..40)) {
            let json = serde_json::to_string(&texts).unwrap();
            prop_assert_eq!(unpacked(&packed(&texts)), Ok(Some(json.clone())));
            prop_assert_eq!(unpack(ValueRef::Text(json.as_bytes()), MOST), Ok(Some(json)));
        }

        #[test]
        fn bytes_that_nobody_packed_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(unpacked(&bytes).is_err());
        }
    }

    #[test]
    fn nothing_of_one_document_gets_into_the_next() {
        let long = "a long text, which is packed first ".repeat(5000);
        let first = packed(&long);
        assert_eq!(packed(&json!({"name": "A"})), packed(&json!({"name": "A"})));
        assert_eq!(packed(&long), first);
    }

    #[test]
    fn a_damaged_stream_is_refused_wherever_the_damage_is() {
        let whole = packed(&json!({"name": "A", "items": [{"rate": 1.5}, {"rate": 2.25}]}));
        for at in 0..whole.len() {
            assert!(unpacked(&whole[..at]).is_err(), "cut at {at}");
            let mut other = whole.clone();
            other[at] ^= 0x55;
            assert!(unpacked(&other).is_err(), "changed at {at}");
        }
    }

    #[test]
    fn what_claims_to_be_huge_is_not_believed() {
        let bomb = packed(&" ".repeat(1_000_000));
        assert!(bomb.len() < 10_000);
        let value = ValueRef::Blob(&bomb);
        assert_eq!(unpack(value, 1_000_002).unwrap().map(|text| text.len()), Some(1_000_002));
        let error = unpack(value, 1_000_001).unwrap_err();
        assert_eq!(error, "it is longer than 1000001 bytes");
    }

    #[test]
    fn a_huge_document_is_stored_as_it_is() {
        let huge = "x".repeat(MOST);
        assert!(matches!(pack(&huge).unwrap(), Value::Text(text) if text.len() == MOST + 2));
    }

    #[test]
    fn what_no_version_stored_is_refused() {
        assert_eq!(unpack(ValueRef::Null, MOST), Ok(None));
        assert!(unpack(ValueRef::Integer(1), MOST).is_err());
        assert!(unpack(ValueRef::Text(b"\xff"), MOST).is_err());
    }
}
