//! What a site answers, above all the words of its errors.

use serde_json::{Value, json};

use super::texts;
use crate::site::http::{MAX_MESSAGE, agrees, read_plain, single_line};
use crate::site::{ErrorKind, SiteError};

const STATUS: [u16; 16] =
    [200, 400, 401, 403, 404, 408, 409, 413, 417, 429, 500, 502, 503, 504, 301, 599];

/// Of any answer: its first byte chooses the status, its second where the words stand; then come
/// the words, the exception, the name asked for, and a header.
pub fn messages(data: &[u8]) {
    let [status, place, rest @ ..] = data else { return };
    let status = STATUS[usize::from(*status) % STATUS.len()];
    if place % 8 == 7 {
        return is_tame(status, rest, "ACME", "");
    }
    let texts = texts(rest);
    let text = |at: usize| texts.get(at).map_or("", String::as_str);
    is_tame(status, &body(place % 8, text(0), text(1)), text(2), text(3));
}

/// An answer with these words.
fn body(place: u8, words: &str, exception: &str) -> Vec<u8> {
    let packed = json!([json!({ "message": words }).to_string(), words]).to_string();
    let body = match place {
        0 => json!({"exc_type": exception, "_server_messages": words}),
        1 => json!({"exc_type": exception, "_server_messages": packed}),
        2 => json!({"exception": exception, "_error_message": words}),
        3 => json!({"exception": format!("{exception}: {words}")}),
        4 => json!({"errors": [{"type": exception, "message": words, "exception": words}]}),
        5 => json!({"message": words}),
        _ => json!({"exc_type": exception, "exception": words, "_server_messages": packed}),
    };
    body.to_string().into_bytes()
}

/// Whatever a site answers: no panic, and a message that is one line of bounded length in which
/// nothing drives a terminal. A document is missing only where the answer says so of it. Where the
/// answer is a listing of names and stamps, both readers read the same.
pub(crate) fn is_tame(status: u16, body: &[u8], name: &str, header: &str) {
    agrees(body);
    let header: String = header.chars().filter(|c| matches!(c, ' '..='~')).take(2000).collect();
    let headers =
        ["content-type", "location", "retry-after"].map(|key| (key.to_owned(), header.clone()));
    for document in [None, Some(("Customer", name))] {
        match read_plain(status, &headers, body, ("message", document)) {
            Ok(value) => {
                assert!((200..300).contains(&status));
                let written = value.to_string();
                let read = serde_json::from_str::<Value>(&written).expect("what can be stored");
                assert_eq!(read, value);
            }
            Err(error) => {
                is_one_line(&error);
                is_of_its_kind(&error, status, document.map(|(_, name)| name));
            }
        }
    }
}

fn is_one_line(error: &SiteError) {
    let message = &error.message;
    // A redirect's message is where it leads; the client makes a sentence of it.
    assert!(!message.is_empty() || error.kind == ErrorKind::Redirect);
    let length = message.chars().count();
    // Our own words about what is no answer of Frappe's hold its type and the mistake in it.
    if error.kind == ErrorKind::Malformed {
        assert!(length <= 3 * MAX_MESSAGE, "{length} characters");
    } else {
        assert!(length <= MAX_MESSAGE + 1, "{length} characters");
        assert_eq!(single_line(message), *message, "one line stays as it is");
    }
    let drives = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!message.chars().any(drives), "{message:?}");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(error.exc_type.len() <= 80 && error.exc_type.chars().all(is_word));
}

fn is_of_its_kind(error: &SiteError, status: u16, name: Option<&str>) {
    let kind = error.kind;
    if kind == ErrorKind::NotFound {
        let name = single_line(name.expect("a document")).to_lowercase();
        assert!(status == 404 && !name.is_empty());
    }
    assert_eq!(error.status, Some(status));
    let by_status = match status {
        401 => Some(ErrorKind::Unauthorized),
        403 => Some(ErrorKind::Forbidden),
        413 => Some(ErrorKind::TooLarge),
        429 => Some(ErrorKind::TooMany),
        _ => None,
    };
    let by_type = matches!(kind, ErrorKind::Stale | ErrorKind::Locked | ErrorKind::Deadlock);
    assert!(by_type || by_status.is_none_or(|known| known == kind), "{status}: {kind:?}");
    // Before a proxy's error the request may have had its effect.
    let is_proxy = matches!(status, 408 | 502 | 504) && kind == ErrorKind::Unavailable;
    assert!(!(is_proxy && error.had_no_effect()));
}
