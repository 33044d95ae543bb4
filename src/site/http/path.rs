//! Paths of Frappe's REST API. Pure.
//!
//! The rule kept here: a doctype or a name goes into an address with everything but
//! unreserved characters percent-encoded, and a name that an address cannot carry is never
//! put into one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes everything but letters, digits and `-._~`.
#[must_use]
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Whether `/api/resource/X/NAME` reaches a document of this name. A site cuts slashes from
/// both ends of a name (recordings, file 18: `tail/` and `/lead` are 404 although they
/// exist), and `.` and `..` are path segments that every HTTP library resolves, encoded or
/// not. Slashes inside a name and `x/../y` are reached (files 02 and 18).
#[must_use]
pub fn reachable(name: &str) -> bool {
    !(name.is_empty()
        || name == "."
        || name == ".."
        || name.starts_with('/')
        || name.ends_with('/'))
}

/// The path of a doctype's documents, or of one of them.
#[must_use]
pub fn resource(doctype: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("/api/resource/{}/{}", encode(doctype), encode(name)),
        None => format!("/api/resource/{}", encode(doctype)),
    }
}

/// The path of a method of Frappe's.
#[must_use]
pub fn method(name: &str) -> String {
    format!("/api/method/{name}")
}

/// The path of a doctype's effective metadata.
#[must_use]
pub fn meta(doctype: &str) -> String {
    format!("/api/v2/doctype/{}/meta", encode(doctype))
}

/// A query string from names and values.
#[must_use]
pub fn query(parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        parameters.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_the_recordings_show() {
        // Recordings, file 02: `quote(safe='')`, each answered 200.
        let cases = [
            ("slash/co", "slash%2Fco"),
            ("A & B", "A%20%26%20B"),
            ("50% off", "50%25%20off"),
            ("quo\"te", "quo%22te"),
            ("o'neil", "o%27neil"),
            ("question?mark", "question%3Fmark"),
            ("hash#tag", "hash%23tag"),
            ("plus+sign", "plus%2Bsign"),
            ("Ünïcode 漢字", "%C3%9Cn%C3%AFcode%20%E6%BC%A2%E5%AD%97"),
            ("emoji 😀", "emoji%20%F0%9F%98%80"),
            ("back\\slash", "back%5Cslash"),
            ("percent%20enc", "percent%2520enc"),
            ("[br]", "%5Bbr%5D"),
            ("x/../y", "x%2F..%2Fy"),
            ("dot.", "dot."),
        ];
        for (name, encoded) in cases {
            assert_eq!(
                resource("N Prompt", Some(name)),
                format!("/api/resource/N%20Prompt/{encoded}")
            );
            assert!(reachable(name), "{name}");
        }
    }

    #[test]
    fn names_that_an_address_cannot_carry() {
        for name in ["", ".", "..", "/lead", "tail/", "/"] {
            assert!(!reachable(name), "{name}");
        }
        for name in ["a//b", "...", "a/.."] {
            assert!(reachable(name), "{name}");
        }
    }

    #[test]
    fn the_longest_name_fits_a_request_line() {
        // A name has at most 140 characters, a request line 4094 bytes (BEHAVIOUR.md 1, 2).
        let name = "😀".repeat(140);
        let query = query(&[("doctype", &"x".repeat(61)), ("name", &name)]);
        assert!(method("frappe.client.get").len() + query.len() + 16 < 4094);
    }
}
