//! Names of doctypes and documents in an address.

use percent_encoding::percent_decode_str;
use url::Url;

use super::texts;
use crate::site::http::path::{query, reachable, resource};

/// Of any doctype and name: the address leads to this site, to this very document, and has no
/// query or fragment that was not meant; a parameter comes out as it was put in.
pub fn path(data: &[u8]) {
    let texts = texts(data);
    let [doctype, name] = [0, 1].map(|at| texts.get(at).map_or("", String::as_str));
    if reachable(doctype) && reachable(name) {
        let url = Url::parse(&format!("https://erp.example.com{}", resource(doctype, Some(name))));
        let url = url.expect("an address");
        assert_eq!(url.host_str(), Some("erp.example.com"));
        assert_eq!((url.query(), url.fragment(), url.port()), (None, None, None));
        let segments: Vec<String> = url
            .path_segments()
            .expect("a path")
            .map(|part| percent_decode_str(part).decode_utf8().expect("UTF-8").into_owned())
            .collect();
        assert_eq!(segments, ["api", "resource", doctype, name]);
    }
    let asked = query(&[("doctype", doctype), ("name", name)]);
    assert!(asked.bytes().all(|byte| byte.is_ascii_graphic()), "{asked:?}");
    let url = Url::parse(&format!("https://erp.example.com/?{asked}")).expect("an address");
    let read: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(read, [pair("doctype", doctype), pair("name", name)]);
    assert_eq!(url.fragment(), None);
}
