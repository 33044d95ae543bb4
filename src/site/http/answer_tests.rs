//! Answers as recorded (`docs/frappe.md` lists the files), reduced to what decides.

use proptest::prelude::*;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;

use super::*;
use crate::fuzzing::is_tame;

const DOCUMENT: Option<(&str, &str)> = Some(("Probe", "NoSuch"));

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn judge(status: u16, body: &str, document: Option<(&str, &str)>) -> SiteError {
    let headers = headers(&[("content-type", "application/json")]);
    let answer = Answer { status, headers: &headers, body: body.as_bytes() };
    let result = read(&answer, Asked { key: Some("message"), document });
    let error = result.unwrap_err();
    assert_eq!(error.status, Some(status));
    assert!(!error.message.is_empty() && !error.message.chars().any(char::is_control));
    error
}

/// A body with `_server_messages` packed as Frappe packs it.
fn body(exc_type: &str, exception: &str, messages: &[&str]) -> String {
    let mut body = json!({ "exc_type": exc_type });
    if !exception.is_empty() {
        body["exception"] = json!(exception);
        body["exc"] = json!("[\"Traceback (shortened)\"]");
    }
    if !messages.is_empty() {
        let packed: Vec<String> = messages
            .iter()
            .map(|message| json!({ "message": message, "title": "Message" }).to_string())
            .collect();
        body["_server_messages"] = json!(json!(packed).to_string());
    }
    body.to_string()
}

/// One recorded error: the status, the body, the document asked for, and what it becomes.
struct Case {
    status: u16,
    exc_type: &'static str,
    exception: &'static str,
    messages: &'static [&'static str],
    kind: ErrorKind,
    message: &'static str,
}

const fn case(
    status: u16,
    exc_type: &'static str,
    exception: &'static str,
    messages: &'static [&'static str],
    kind: ErrorKind,
    message: &'static str,
) -> Case {
    Case { status, exc_type, exception, messages, kind, message }
}

/// Bodies of files 02 to 06, 09 and 38, all of which Frappe rolled back.
const REFUSALS: &[Case] = &[
    // 02: bad key, bad secret, malformed token
    case(
        401,
        "AuthenticationError",
        "frappe.exceptions.AuthenticationError",
        &[],
        ErrorKind::Unauthorized,
        "the site refuses our API key or secret (401 AuthenticationError)",
    ),
    // 02: weak user
    case(
        403,
        "PermissionError",
        "frappe.exceptions.PermissionError",
        &[
            "User <strong>weak@example.com</strong> does not have doctype access via role permission for document <strong>Probe</strong><br>User <strong>weak@example.com</strong> does not have access to this document",
        ],
        ErrorKind::Forbidden,
        "User weak@example.com does not have doctype access via role permission for document Probe User weak@example.com does not have access to this document",
    ),
    // 06: child rows without `parent`
    case(
        403,
        "PermissionError",
        "frappe.exceptions.PermissionError",
        &[],
        ErrorKind::Forbidden,
        "our user may not do this (403 PermissionError)",
    ),
    // 03: duplicate of a field: name, and a '<' in a name
    case(
        409,
        "DuplicateEntryError",
        "frappe.exceptions.DuplicateEntryError: ('Probe', 'T1', IntegrityError(1062, \"Duplicate entry 'T1' for key 'PRIMARY'\"))",
        &["Probe <strong>T1</strong> already exists"],
        ErrorKind::Duplicate,
        "Probe T1 already exists",
    ),
    case(
        409,
        "NameError",
        "frappe.exceptions.NameError: Name cannot contain special characters like '<', '>'",
        &["Name cannot contain special characters like '<', '>'"],
        ErrorKind::Refused,
        "Name cannot contain special characters like '<', '>'",
    ),
    // 04: the lock
    case(
        417,
        "TimestampMismatchError",
        "frappe.exceptions.TimestampMismatchError: Error: Document has been modified after you have opened it (2026-11-22 15:22:29.811744, 2026-11-22 15:22:29.908485). Please refresh to get the latest document.",
        &[
            "Error: Document has been modified after you have opened it (2026-11-22 15:22:29.811744, 2026-11-22 15:22:29.908485). Please refresh to get the latest document.",
        ],
        ErrorKind::Stale,
        "Error: Document has been modified after you have opened it (2026-11-22 15:22:29.811744, 2026-11-22 15:22:29.908485). Please refresh to get the latest document.",
    ),
    // 38, 15.105 and 15.55
    case(
        417,
        "DocumentLockedError",
        "frappe.exceptions.DocumentLockedError: This document is currently locked and queued for execution. Please try again after some time.",
        &[
            "This document is currently locked and queued for execution. Please try again after some time.",
        ],
        ErrorKind::Locked,
        "This document is currently locked and queued for execution. Please try again after some time.",
    ),
    case(
        417,
        "DocumentLockedError",
        "frappe.exceptions.DocumentLockedError",
        &[],
        ErrorKind::Locked,
        "the document is locked by a job of the site's (417 DocumentLockedError)",
    ),
    // 05: linked, two messages
    case(
        417,
        "LinkExistsError",
        "frappe.exceptions.LinkExistsError: You can disable this Customer instead of deleting it.",
        &[
            "Cannot delete or cancel because Customer <a href=\"/app/Form/Customer/zeta\">zeta</a> is linked with Probe <a href=\"/app/Form/Probe/D2\">D2</a> ",
            "You can disable this Customer instead of deleting it.",
        ],
        ErrorKind::Refused,
        "Cannot delete or cancel because Customer zeta is linked with Probe D2; You can disable this Customer instead of deleting it.",
    ),
    // 04: edit of a cancelled document
    case(
        417,
        "ValidationError",
        "frappe.exceptions.ValidationError: Cannot edit cancelled document",
        &[],
        ErrorKind::Refused,
        "Cannot edit cancelled document",
    ),
    // 02: unknown doctype in a single read or a create
    case(
        500,
        "ImportError",
        "Error: No module named 'frappe.core.doctype.nosuchdt'",
        &[],
        ErrorKind::Refused,
        "No module named 'frappe.core.doctype.nosuchdt'",
    ),
    // 03: bad date
    case(
        500,
        "OperationalError",
        "pymysql.err.OperationalError: (1292, \"Incorrect date value: 'x' for column `d` at row 1\")",
        &[],
        ErrorKind::Refused,
        "(1292, \"Incorrect date value: 'x' for column `d` at row 1\")",
    ),
    case(
        500,
        "NotImplementedError",
        "NotImplementedError",
        &[],
        ErrorKind::Refused,
        "the site refuses the request (500 NotImplementedError)",
    ),
    // 09: over the limit
    case(
        429,
        "TooManyRequestsError",
        "frappe.exceptions.TooManyRequestsError",
        &[],
        ErrorKind::TooMany,
        "the site refuses more requests for now (429 TooManyRequestsError)",
    ),
];

#[test]
fn recorded_refusals() {
    for case in REFUSALS {
        let error =
            judge(case.status, &body(case.exc_type, case.exception, case.messages), DOCUMENT);
        assert_eq!((error.kind, error.message.as_str()), (case.kind, case.message));
        assert_eq!(error.exc_type, case.exc_type);
        assert!(error.had_no_effect(), "{error:?}");
    }
}

#[test]
fn not_recorded_but_known() {
    use ErrorKind as K;
    let database = "pymysql.err.OperationalError";
    let cases = [
        (
            "QueryDeadlockError",
            "frappe.exceptions.QueryDeadlockError: (1213, 'Deadlock found')",
            K::Deadlock,
            true,
        ),
        (
            "OperationalError",
            &*format!("{database}: (1213, 'Deadlock found when trying to get lock')"),
            K::Deadlock,
            true,
        ),
        (
            "OperationalError",
            &*format!("{database}: (1205, 'Lock wait timeout exceeded')"),
            K::Deadlock,
            true,
        ),
        ("QueryTimeoutError", "frappe.exceptions.QueryTimeoutError", K::Deadlock, true),
        (
            "OperationalError",
            &*format!("{database}: (2003, \"Can't connect to MySQL server\")"),
            K::Unavailable,
            false,
        ),
        (
            "OperationalError",
            &*format!("{database}: (2013, 'Lost connection during query')"),
            K::Unavailable,
            false,
        ),
        ("ValidationError", "x.ValidationError: (1213 pieces, too many)", K::Refused, true),
    ];
    for (exc_type, exception, kind, no_effect) in cases {
        let error = judge(500, &body(exc_type, exception, &[]), None);
        assert_eq!((error.kind, error.had_no_effect()), (kind, no_effect), "{exception}");
    }
    // Maintenance mode answers before anything is done; a proxy's 503 says nothing.
    let maintenance =
        judge(503, &body("SessionStopped", "", &["Updating. Please try again."]), None);
    assert_eq!((maintenance.kind, maintenance.had_no_effect()), (K::Unavailable, true));
    for status in [408, 500, 502, 503, 504, 520] {
        let error = judge(status, "<html><h1>Bad\nGateway</h1></html>", DOCUMENT);
        assert_eq!((error.kind, error.had_no_effect()), (K::Unavailable, false), "{status}");
    }
    assert_eq!(judge(413, "<html>", None).kind, K::TooLarge);
    assert_eq!(judge(400, "<html>Request Line is too large</html>", None).kind, K::Refused);
    assert_eq!(judge(403, "<html>", None).kind, K::Forbidden);
    assert_eq!(
        judge(401, "", None).message,
        "the site refuses our API key or secret (HTTP 401 Unauthorized)"
    );
}

#[test]
fn a_mismatch_of_older_sites_is_known_by_its_words() {
    for words in [
        "Timestamp Mismatch",
        "Document has been modified",
        "X has been modified after you have opened it",
    ] {
        let by_message = judge(409, &json!({ "_error_message": words }).to_string(), None);
        assert_eq!(by_message.kind, ErrorKind::Stale);
        let by_exception = body("ValidationError", &format!("ValidationError: {words}"), &[]);
        assert_eq!(judge(417, &by_exception, None).kind, ErrorKind::Stale);
    }
}

#[test]
fn what_a_404_says() {
    use ErrorKind as K;
    let with = |message: &str| body("DoesNotExistError", "", &[message]);
    let cases = [
        // (body, kind for the document Probe NoSuch, kind for no document)
        (with("Probe NoSuch not found"), K::NotFound, K::NoSuchPath), // 02
        (with("probe nosuch not found"), K::NotFound, K::NoSuchPath),
        (with("Probe <b>NoSuch</b> nicht gefunden"), K::NotFound, K::NoSuchPath),
        (with("DocType NoSuchDT not found"), K::NoSuchPath, K::NoSuchPath), // 02
        (with("DocType o not found"), K::NoSuchPath, K::NoSuchPath),        // 01
        // 04, 15.55: a PUT that misses a row; 03: one with another name in its body
        (with("Probe Child spjp3g6b6t not found"), K::Refused, K::NoSuchPath),
        (with("Probe OTHER not found"), K::Refused, K::NoSuchPath),
        (with("Probe Child NoSuch not found"), K::Refused, K::NoSuchPath),
        (with("Probe Child xNoSuchx nicht gefunden"), K::Refused, K::NoSuchPath),
        // 02: a wrong path; 05: DELETE of what is not there
        ("{\"exc_type\":\"DoesNotExistError\"}".to_owned(), K::NoSuchPath, K::NoSuchPath),
        ("<!DOCTYPE html><title>Not Found</title>".to_owned(), K::NoSuchPath, K::NoSuchPath), // 40
        ("{}".to_owned(), K::NoSuchPath, K::NoSuchPath),
        // 02: the second API
        (
            json!({"errors": [{"type": "DoesNotExistError", "message": "Probe NoSuch not found"}]})
                .to_string(),
            K::NotFound,
            K::NoSuchPath,
        ),
        (
            json!({"errors": [{"type": "DoesNotExistError"}]}).to_string(),
            K::NoSuchPath,
            K::NoSuchPath,
        ),
    ];
    for (body, about_one, about_none) in cases {
        assert_eq!(judge(404, &body, DOCUMENT).kind, about_one, "{body}");
        assert_eq!(judge(404, &body, None).kind, about_none, "{body}");
    }
    let odd = judge(404, &with("Customer A & B <i> not found"), Some(("Customer", "A & B <i>")));
    assert_eq!(odd.kind, K::NotFound);
    let doctype = judge(404, &with("DocType X not found"), Some(("DocType", "X")));
    assert_eq!(doctype.kind, K::NotFound);
}

#[test]
fn errors_of_the_second_api() {
    // 04: "v2 PUT stale"; 17: duplicate
    let body = json!({"errors": [{
        "type": "TimestampMismatchError",
        "exception": "Traceback (shortened)\nfrappe.exceptions.TimestampMismatchError: Error: Document has been modified",
        "message": "Error: Document has been modified",
    }]});
    let error = judge(417, &body.to_string(), DOCUMENT);
    assert_eq!((error.kind, error.exc_type.as_str()), (ErrorKind::Stale, "TimestampMismatchError"));
    assert_eq!(error.message, "Error: Document has been modified");
    let body = json!({"errors": [{"type": "DuplicateEntryError", "message": "N <strong>A</strong> already exists"}]});
    let error = judge(409, &body.to_string(), None);
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Duplicate, "N A already exists"));
}

#[test]
fn the_type_comes_from_the_exception_where_it_stands_alone() {
    let body =
        json!({ "exception": "frappe.exceptions.MandatoryError: [Customer, X]: customer_name" });
    let error = judge(417, &body.to_string(), None);
    assert_eq!((error.exc_type.as_str(), error.kind), ("MandatoryError", ErrorKind::Refused));
    assert_eq!(error.message, "[Customer, X]: customer_name");
    let odd = json!({ "exception": "it broke: badly", "exc_type": "\u{1b}[2J" });
    let error = judge(417, &odd.to_string(), None);
    assert_eq!((error.exc_type.as_str(), error.message.as_str()), ("", "badly"));
}

#[test]
fn messages_in_odd_packing() {
    let packed =
        |text: &str| judge(417, &json!({"_server_messages": text}).to_string(), None).message;
    assert_eq!(packed("not a list"), "not a list");
    assert_eq!(
        packed("[\"plain\", \"plain\", {\"message\": \"object\"}, 3, \"{}\"]"),
        "plain; object"
    );
    assert_eq!(packed("[]"), "the site refuses the request (HTTP 417 Expectation Failed)");
    let evil = packed("[\"{\\\"message\\\": \\\"\\\\u001b]0;title\\\\u0007\\\\r\\\\nx\\\"}\"]");
    assert_eq!(evil, "]0;title x");
    let long = packed(&json!(["ä".repeat(3000), "b".repeat(3000)]).to_string());
    assert!(long.chars().count() <= text::MAX_MESSAGE + 1);
}

#[test]
fn retry_after_in_seconds_or_as_a_date() {
    let wait = |pairs: &[(&'static str, &'static str)]| {
        let headers = headers(pairs);
        let answer = Answer { status: 429, headers: &headers, body: b"{}" };
        error(&answer, Asked { key: None, document: None }).retry_after
    };
    let date = ("date", "Sun, 22 Nov 2026 09:37:49 GMT");
    assert_eq!(wait(&[("retry-after", "6"), date]), Some(Duration::from_secs(6))); // 09
    assert_eq!(
        wait(&[("retry-after", "Sun, 22 Nov 2026 09:38:49 GMT"), date]),
        Some(Duration::from_mins(1))
    );
    assert_eq!(
        wait(&[("retry-after", "Sun, 22 Nov 2026 09:36:49 GMT"), date]),
        Some(Duration::ZERO)
    );
    assert_eq!(wait(&[("retry-after", "soon"), date]), None);
    assert_eq!(wait(&[]), None);
}

#[test]
fn good_answers() {
    let headers =
        headers(&[("content-type", "text/html"), ("date", "Sun, 22 Nov 2026 09:37:49 GMT")]);
    let good = |body: &str, key| {
        read(
            &Answer { status: 200, headers: &headers, body: body.as_bytes() },
            Asked { key, document: None },
        )
    };
    assert_eq!(good("{\"message\": []}", Some("message")).unwrap(), json!([]));
    assert_eq!(good("{}", None).unwrap(), Value::Null);
    let number = good("{\"data\": 12345678901234567890.10}", Some("data")).unwrap();
    assert_eq!(number.to_string(), "12345678901234567890.10");
    let unreadable = "{\"data\": [{\"a\": 1, \"\\u0024serde_json::private::Number\": \"5\"}]}";
    let written = serde_json::from_str::<Value>(unreadable).unwrap().to_string();
    assert!(serde_json::from_str::<Value>(&written).is_err(), "or it need not be refused");
    let error = good(unreadable, Some("data")).unwrap_err();
    assert!(error.message.contains("which no site has"), "{error}");
    let deep = format!("{{\"data\": {}{}}}", "[".repeat(500), "]".repeat(500));
    let bad = [
        ("<html>", Some("data")),
        ("[]", None),
        ("{}", Some("data")),
        ("", None),
        (&*deep, Some("data")),
    ];
    for (body, key) in bad {
        let error = good(body, key).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
        assert!(error.message.contains("is this a Frappe site?"), "{error}");
        assert!(!error.had_no_effect());
    }
    let seconds = super::date(&headers).map(Timestamp::as_second);
    assert_eq!(seconds, Some(1_795_340_269));
}

/// A refusal whose words are these.
fn refusal(words: &str, exception: &str) -> Vec<u8> {
    json!({"exc_type": exception, "exception": exception, "_server_messages": words,
        "message": words, "_error_message": words})
    .to_string()
    .into_bytes()
}

#[test]
fn hostile_answers() {
    let deep = "[".repeat(100_000);
    let long = format!("[\"{}\"]", "x".repeat(3_000_000));
    let texts = crate::core_tests::hostile("texts");
    for words in
        crate::core_tests::hostile("server_messages").iter().chain(&texts).chain([&deep, &long])
    {
        for status in [200, 404, 409, 417, 500, 503] {
            is_tame(status, &refusal(words, words), "ACME", "application/json");
            is_tame(status, words.as_bytes(), "ACME", "application/json");
        }
    }
    // Each other than the rest: to compare all with all would take hours.
    let many: Vec<String> = (0..300_000).map(|number| number.to_string()).collect();
    is_tame(417, &refusal(&json!(many).to_string(), ""), "ACME", "");
    is_tame(200, b"\xff\xfe{\x80}", "ACME", "application/json");
    is_tame(200, b"{\"message\": 1e999999}", "ACME", "application/json");
    is_tame(200, b"{\"message\": 1, \"message\": 2}", "ACME", "application/json");
}

proptest! {
    #[test]
    fn any_answer(status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        is_tame(status, &body, "ACME", "application/json");
    }

    #[test]
    fn any_server_message(status in 100_u16..600, words in any::<String>(), class in "\\PC{0,90}") {
        is_tame(status, &refusal(&words, &class), "ACME", "application/json");
        let packed = json!([json!({"message": words}).to_string()]).to_string();
        is_tame(status, &refusal(&packed, &class), "ACME", "application/json");
    }
}
