//! Lines of queue files, good and bad, and the deliveries of a real site.

use std::io::BufReader;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use super::signature::{hex, is_signed};
use super::*;
use crate::fuzzing::{is_judged, limits, signed_line as line};
use crate::model::{Side, Sides};

fn code(secret: &str, body: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn base64_of(secret: &str, body: &str) -> String {
    STANDARD.encode(code(secret, body))
}

fn read(line: &[u8]) -> Result<Delivery, String> {
    read_line(line, &limits()).map_err(|reason| reason.to_string())
}

fn recorded() -> Value {
    serde_json::from_str(include_str!("../../tests/cases/webhooks.json")).unwrap()
}

#[test]
fn every_recorded_delivery_is_taken_as_it_came() {
    let recorded = recorded();
    let secret = recorded["secret"].as_str().unwrap();
    let limits =
        Limits { secrets: Sides::new(secret.as_bytes(), b"other"), max_body_bytes: 1 << 20 };
    let deliveries = recorded["deliveries"].as_array().unwrap();
    assert!(deliveries.len() >= 20);
    for delivery in deliveries {
        let text = |key: &str| delivery[key].as_str().unwrap().to_owned();
        let line = |source: &str| {
            json!({"source": source, "signature": text("signature"), "body": text("body")})
                .to_string()
                .into_bytes()
        };
        assert!(is_signed(secret.as_bytes(), text("body").as_bytes(), &text("signature")));
        let read = read_line(&line("cloud"), &limits);
        if delivery["doctype"].is_null() {
            assert_eq!(read, Err(Rejection::NoDoctype), "{delivery}");
        } else {
            let read = read.unwrap();
            assert_eq!((read.doctype, read.name), (text("doctype"), text("name")));
            assert_eq!(read.body, text("body"));
        }
        let other = read_line(&line("local"), &limits);
        assert_eq!(other, Err(Rejection::WrongSignature(Side::Local)));
    }
}

#[test]
fn a_signature_is_base64_or_hex_and_nothing_else() {
    let body = "{\"name\": \"Hook Ünï\"}";
    let right = code("hush", body);
    let (lower, encoded) = (hex(&right), STANDARD.encode(&right));
    let upper = lower.to_uppercase();
    let signed =
        |secret: &str, signature: &str| is_signed(secret.as_bytes(), body.as_bytes(), signature);
    for signature in [&lower, &upper, &encoded] {
        assert!(signed("hush", signature), "{signature}");
        assert!(!signed("Hush", signature));
        assert!(!signed("", signature));
        assert!(!is_signed(b"hush", body.to_lowercase().as_bytes(), signature));
    }
    let cut = &lower[..62];
    let wrong = lower.replace(char::is_numeric, "f");
    let doubled = format!("{encoded}{encoded}");
    let empty_secret = base64_of("", body);
    let prefixed = format!("+{}", &lower[1..]);
    for signature in ["", " ", "ü", cut, &wrong, &doubled, &prefixed, &empty_secret] {
        assert!(!signed("hush", signature), "{signature}");
    }
    assert!(!signed("", &empty_secret), "an empty secret signs nothing");
}

#[test]
fn a_body_gives_doctype_and_name_in_several_ways() {
    let cases = [
        (json!({"doctype": "Item", "name": "A"}), Ok(("Item", "A", ""))),
        (json!({"doctype": "Item", "name": 12, "action": "save"}), Ok(("Item", "12", "save"))),
        (json!({"doc": {"doctype": "Item", "name": "A"}, "event": "x"}), Ok(("Item", "A", "x"))),
        (json!({"doctype": "Item", "doc": {"name": 7}}), Ok(("Item", "7", ""))),
        (json!({"name": "hook", "doc": {"doctype": "Item", "name": "A"}}), Ok(("Item", "A", ""))),
        (json!({"doctype": "Item", "name": "A", "doc": 5, "action": 3}), Ok(("Item", "A", ""))),
        (json!({"doctype": "Item"}), Err("the body gives no name")),
        (json!({"doctype": "Item", "name": ""}), Err("the body gives no name")),
        (json!({"doctype": "Item", "name": 1.5}), Err("the body gives no name")),
        (json!({"doctype": "Item", "name": ["A"]}), Err("the body gives no name")),
        (json!({"name": "A"}), Err("the body gives no doctype")),
        (json!({"doctype": 5, "name": "A"}), Err("the body gives no doctype")),
        (json!(["Item", "A"]), Err("the body is not a JSON object")),
    ];
    for (body, expected) in cases {
        let read = read(&line("cloud", "cs", &body.to_string()));
        let read = read.map(|one| (one.doctype, one.name, one.action));
        let expected = expected
            .map(|(doctype, name, action)| (doctype.into(), name.into(), action.into()))
            .map_err(str::to_owned);
        assert_eq!(read, expected, "{body}");
    }
}

#[test]
fn what_is_wrong_with_a_line_is_said() {
    let good = json!({"doctype": "Item", "name": "A"}).to_string();
    let with = |source: Value, signature: Value, body: Value| {
        json!({"source": source, "signature": signature, "body": body}).to_string().into_bytes()
    };
    let sign = |body: &str| json!(base64_of("cs", body));
    let cut = |mut line: Vec<u8>| {
        line.truncate(line.len() - 3);
        line
    };
    let long = json!({"doctype": "Item", "name": "A", "x": "y".repeat(1000)}).to_string();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"not json".to_vec(), "not JSON: "),
        (cut(line("cloud", "cs", &good)), "not JSON: EOF"),
        (b"{\"source\": \"cloud\"} {}".to_vec(), "not JSON: trailing"),
        (b"{\"source\":\"cloud\",\"body\":\"\xff\xfe\"}".to_vec(), "not UTF-8"),
        (b"{\"source\":\"cloud\",\"body\":\"\\ud800\"}".to_vec(), "not JSON: "),
        ("[".repeat(5000).into_bytes(), "not JSON: recursion limit"),
        (b"[1, 2]".to_vec(), "not a JSON object"),
        (b"17".to_vec(), "not a JSON object"),
        (b"{}".to_vec(), "no source"),
        (with(json!("moon"), sign(&good), json!(good)), "unknown source"),
        (with(json!("Cloud"), sign(&good), json!(good)), "unknown source"),
        (with(json!(1), sign(&good), json!(good)), "unknown source"),
        (with(json!("cloud"), sign(&good), Value::Null), "no body"),
        (with(json!("cloud"), sign(&good), json!({"doctype": "Item"})), "no body"),
        (with(json!("cloud"), Value::Null, json!(good)), "no signature"),
        (with(json!("cloud"), json!(""), json!(good)), "no signature"),
        (with(json!("cloud"), json!(5), json!(good)), "no signature"),
        (with(json!("cloud"), json!("AAAA"), json!(good)), "wrong signature"),
        (with(json!("local"), sign(&good), json!(good)), "wrong signature for a delivery of local"),
        (with(json!("cloud"), sign(&good), json!(format!("{good} "))), "wrong signature"),
        // Judged by its signature before anybody looks at what it says.
        (with(json!("cloud"), json!("AAAA"), json!("nonsense")), "wrong signature"),
        (with(json!("cloud"), sign("nonsense"), json!("nonsense")), "the body is not JSON"),
        (with(json!("cloud"), sign(""), json!("")), "the body is not JSON"),
        (with(json!("cloud"), sign(&long), json!(long)), "the body has "),
    ];
    for (line, reason) in cases {
        let found = read(&line).unwrap_err();
        assert!(found.starts_with(reason), "{reason}: {found}");
    }
}

fn lines(text: &[u8], bound: usize) -> Vec<RawLine> {
    Lines::new(BufReader::with_capacity(7, text), bound).map(Result::unwrap).collect()
}

#[test]
fn lines_are_numbered_and_freed_of_what_stands_around_them() {
    let text = b"\xef\xbb\xbfone\r\n\n  \t\r\n two \n\xff\nlast";
    let found = lines(text, 100);
    let shown: Vec<(usize, &[u8], bool)> =
        found.iter().map(|line| (line.number, line.bytes(), line.is_ended)).collect();
    let expected: [(usize, &[u8], bool); 4] =
        [(1, b"one", true), (4, b"two", true), (5, b"\xff", true), (6, b"last", false)];
    assert_eq!(shown, expected);
    assert_eq!(found[0].digest(), lines(b"one", 100)[0].digest(), "the same text, another frame");
    assert!(lines(b"", 100).is_empty());
    assert!(lines(b"\n\n\n", 100).is_empty());
}

#[test]
fn a_line_that_is_too_long_is_not_held() {
    let long = vec![b'x'; 100_000];
    let mut text = b"before\n".to_vec();
    text.extend_from_slice(&long);
    text.extend_from_slice(b"\nafter\n");
    for bound in [3, 5000, 99_999] {
        let found = lines(&text, bound.max(6));
        assert_eq!(found.len(), 3, "{bound}");
        assert!(found[1].bytes().len() <= KEPT_BYTES);
        assert!(matches!(found[1].text, Text::TooLong { .. }));
        assert_eq!(found[1].digest(), digest_hex(&long));
        assert_eq!(found[2].bytes(), b"after");
    }
    assert!(matches!(lines(&text, 100_000)[1].text, Text::Whole(_)));
}

#[test]
fn what_is_kept_of_a_line_is_short_text() {
    assert_eq!(kept(b"short"), "short");
    assert!(kept(&[0xff; 10_000]).len() <= KEPT_BYTES);
    let wide = "ü".repeat(5000);
    assert!(wide.starts_with(&kept(&wide.as_bytes()[1..])[3..]));
}

#[test]
fn the_example_is_signed_as_its_documentation_says() {
    let secret: &[u8] = b"example-secret";
    let limits = Limits { secrets: Sides::new(secret, secret), max_body_bytes: 1 << 20 };
    let found: Vec<(Side, String, String)> =
        lines(include_bytes!("../../examples/queue.jsonl"), 1 << 20)
            .iter()
            .map(|line| read_line(line.bytes(), &limits).unwrap())
            .map(|one| (one.source, one.doctype, one.name))
            .collect();
    let customer = (Side::Cloud, "Customer".to_owned(), "ACME".to_owned());
    let item = (Side::Local, "Item".to_owned(), "BOLT-8".to_owned());
    assert_eq!(found, [customer.clone(), customer, item]);
}

#[test]
fn hostile_lines() {
    for text in crate::core_tests::hostile("queue_lines") {
        let _ = is_judged(text.as_bytes());
    }
    for body in
        crate::core_tests::hostile("bodies").iter().chain(&crate::core_tests::hostile("texts"))
    {
        let _ = is_judged(&line("cloud", "cs", body));
        let _ = is_judged(&line("local", "cs", body));
    }
    let _ = is_judged("[".repeat(100_000).as_bytes());
    let _ = is_judged(&line("cloud", "cs", &"[".repeat(900)));
    let _ = is_judged(b"{\"source\":\"cloud\",\"body\":\"\xff\"}");
}

proptest! {
    #[test]
    fn any_line(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = is_judged(&bytes);
    }

    #[test]
    fn any_signed_body(body in any::<String>(), doctype in any::<String>(), name in any::<String>()) {
        let _ = is_judged(&line("cloud", "cs", &body));
        let body = json!({"doctype": doctype, "name": name}).to_string();
        let _ = is_judged(&line("cloud", "cs", &body));
    }

    /// One byte of a good line is another one: never a delivery of another document.
    #[test]
    fn a_line_that_was_tampered_with(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let good = line("cloud", "cs", "{\"doctype\":\"Brand\",\"name\":\"Acme\"}");
        let mut bad = good.clone();
        let at = at.index(bad.len());
        bad[at] = byte;
        if let Ok(delivery) = read_line(&bad, &limits()) {
            prop_assert_eq!(delivery.name, "Acme");
            prop_assert_eq!(delivery.doctype, "Brand");
        }
    }
}
