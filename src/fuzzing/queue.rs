//! The queue file of webhook deliveries: lines, signatures, bodies.

use std::io::BufReader;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::model::{Side, Sides};
use crate::webhook::{
    Delivery, KEPT_BYTES, Limits, Lines, RawLine, Rejection, Text, is_signed, is_whole, kept,
    read_line,
};

/// The bound on a line in which it is seen that longer ones are read past.
const SHORT: usize = 40;

/// Of any file: its lines are the same however it is read, each is judged, and each as the body
/// of a delivery that is rightly signed.
pub fn queue(data: &[u8]) {
    let lines = are_read(data, 1 << 20);
    are_read(data, SHORT);
    for line in &lines {
        let _ = is_judged(line.bytes());
        let Ok(body) = std::str::from_utf8(line.bytes()) else { continue };
        is_judged_by_its_body(body);
    }
}

/// The secrets of both sites in these tests, and a short bound.
pub(crate) fn limits() -> Limits<'static> {
    Limits { secrets: Sides::new(b"cs", b"ls"), max_body_bytes: 1000 }
}

fn secret_of(source: Side) -> &'static str {
    match source {
        Side::Cloud => "cs",
        Side::Local => "ls",
    }
}

/// A delivery as the receiver writes it.
pub(crate) fn signed_line(source: &str, secret: &str, body: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(body.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    json!({"source": source, "signature": signature, "body": body}).to_string().into_bytes()
}

fn are_read(data: &[u8], bound: usize) -> Vec<RawLine> {
    let read = |capacity: usize| -> Vec<RawLine> {
        let reader = BufReader::with_capacity(capacity, data);
        Lines::new(reader, bound).map(|line| line.expect("memory can be read")).collect()
    };
    let lines = read(data.len() + 1);
    let again = read(7);
    assert_eq!(lines.len(), again.len(), "how much comes at once is nothing to a line");
    for (line, other) in lines.iter().zip(&again) {
        assert_eq!(told(line), told(other));
    }
    assert!(lines.windows(2).all(|pair| pair[0].number < pair[1].number));
    for line in &lines {
        assert!(!line.bytes().contains(&b'\n') && line.digest().len() == 64);
        match &line.text {
            Text::Whole(text) => assert!(!text.is_empty() && text.len() <= bound),
            Text::TooLong { head, .. } => assert!(head.len() <= KEPT_BYTES),
        }
    }
    lines
}

/// What tells a line. How much is held of one that is too long depends on how it came in.
fn told(line: &RawLine) -> (usize, String, bool, bool) {
    (line.number, line.digest(), line.is_ended, matches!(line.text, Text::Whole(_)))
}

/// Whatever stands in a line: a reason in a few words, or a delivery with a right signature and
/// a name.
pub(crate) fn is_judged(line: &[u8]) -> Result<Delivery, Rejection> {
    let read = read_line(line, &limits());
    match &read {
        Ok(delivery) => {
            let secret = secret_of(delivery.source).as_bytes();
            assert!(is_signed(secret, delivery.body.as_bytes(), &delivery.signature));
            assert!(!delivery.doctype.trim().is_empty() && !delivery.name.trim().is_empty());
            assert!(delivery.action.chars().count() <= 50);
            assert!(is_whole(line), "what is taken is whole");
        }
        Err(reason) => {
            let reason = reason.to_string();
            assert!(!reason.contains(char::is_control) && reason.len() < 200, "{reason:?}");
        }
    }
    let kept = kept(line);
    assert!(kept.len() <= KEPT_BYTES && String::from_utf8_lossy(line).starts_with(&kept));
    if line.first() == Some(&b'{') && line.last() == Some(&b'}') && is_whole(line) {
        assert!(!is_whole(&line[..line.len() - 1]), "the beginning of an object is no whole text");
    }
    read
}

/// A body that a site signed is judged by what it says; under another secret by nothing else.
fn is_judged_by_its_body(body: &str) {
    for source in Side::BOTH {
        match is_judged(&signed_line(source.as_str(), secret_of(source), body)) {
            Ok(delivery) => assert_eq!((delivery.source, delivery.body.as_str()), (source, body)),
            Err(reason) => assert!(
                matches!(
                    reason,
                    Rejection::BodyNotJson(_)
                        | Rejection::BodyNotObject
                        | Rejection::NoDoctype
                        | Rejection::NoName
                        | Rejection::LongBody(_)
                ),
                "{reason}"
            ),
        }
        let forged = signed_line(source.as_str(), secret_of(source.opposite()), body);
        assert!(matches!(
            is_judged(&forged),
            Err(Rejection::WrongSignature(_) | Rejection::LongBody(_))
        ));
    }
}
