//! The client against a server of a few lines that answers what it is told to.

use std::net::TcpListener;

use serde_json::json;

use super::test_server::{Reply, Server, answer, with_headers};
use super::*;

const KEY: &str = "key-3f9c";
const SECRET: &str = "secret-7b21";

fn config(url: &str) -> HttpConfig {
    HttpConfig {
        side: Side::Cloud,
        url: url.to_owned(),
        api_key: Secret::new(KEY),
        api_secret: Secret::new(SECRET),
        timeout: Duration::from_secs(10),
        max_response_bytes: 2000,
        headers: vec![("X-Gateway".to_owned(), "gate-55".to_owned())],
        ca_file: None,
        retry: RetryPolicy { max_attempts: 3, backoff: Duration::from_millis(1) },
        concurrency: 2,
        interrupted: Arc::new(AtomicBool::new(false)),
        on_request: None,
    }
}

fn site(server: &Server) -> HttpSite {
    HttpSite::new(config(&server.url)).unwrap()
}

fn body() -> Map<String, Value> {
    json!({ "title": "x", "modified": "2026-11-22 15:22:29.811744" }).as_object().unwrap().clone()
}

fn assert_no_secret(text: &str) {
    for secret in [KEY, SECRET, "gate-55"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn every_request_is_the_one_on_record() {
    let server = Server::new(vec![
        answer(200, &json!({ "message": [{ "name": 7 }] })),
        answer(200, &json!({ "message": { "name": "tail/" } })),
        answer(200, &json!({ "data": { "name": "A" } })),
        answer(200, &json!({ "data": { "name": "A/B" } })),
        answer(202, &json!({ "data": "ok" })),
        answer(200, &json!({})),
        answer(200, &json!({ "data": { "name": "Probe" } })),
        answer(200, &json!({ "message": "sync@example.com" })),
        answer(200, &json!({ "message": { "time_zone": "Asia/Kolkata" } })),
    ]);
    let site = site(&server);
    assert_eq!(site.clock(), None);
    let query = ListQuery {
        doctype: "Probe Child".to_owned(),
        parent: Some("Probe".to_owned()),
        fields: vec!["*".to_owned()],
        filters: vec![json!(["parent", "in", ["a"]])],
        order_by: "idx asc".to_owned(),
        ..ListQuery::default()
    };
    assert_eq!(site.list(&query).unwrap()[0].name(), "7");
    assert_eq!(site.get("N Prompt", "tail/").unwrap().name(), "tail/");
    site.insert("N Prompt", &body()).unwrap();
    site.update("N Prompt", "A/B", &body()).unwrap();
    site.delete("N Prompt", "A B").unwrap();
    site.delete("N Prompt", "..").unwrap();
    site.meta("N Prompt").unwrap();
    assert_eq!(site.user().unwrap(), "sync@example.com");
    assert_eq!(site.time_zone().unwrap(), "Asia/Kolkata");
    let sent = server.requests();
    let expected = [
        "POST /api/method/frappe.client.get_list",
        "GET /api/method/frappe.client.get?doctype=N%20Prompt&name=tail%2F",
        "POST /api/resource/N%20Prompt",
        "PUT /api/resource/N%20Prompt/A%2FB",
        "DELETE /api/resource/N%20Prompt/A%20B",
        "POST /api/method/frappe.client.delete",
        "GET /api/v2/doctype/N%20Prompt/meta",
        "GET /api/method/frappe.auth.get_logged_user",
        "GET /api/method/frappe.client.get_value?doctype=System%20Settings&fieldname=time_zone",
    ];
    let lines: Vec<&str> = sent
        .iter()
        .map(|text| text.lines().next().unwrap().trim_end_matches(" HTTP/1.1"))
        .collect();
    assert_eq!(lines, expected);
    let (head, listed) = sent[0].split_once("\r\n\r\n").unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(listed).unwrap(),
        json!({"doctype": "Probe Child", "parent": "Probe", "fields": ["*"], "order_by": "idx asc",
            "filters": [["parent", "in", ["a"]]], "limit_page_length": 0})
    );
    let head = head.to_lowercase();
    for header in [
        &format!("authorization: token {KEY}:{SECRET}"),
        "accept: application/json",
        "content-type: application/json",
        "x-gateway: gate-55",
        &format!("user-agent: erpsync/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(head.contains(header), "{header}");
    }
    assert!(sent.iter().all(|text| !text.to_lowercase().contains("\ncookie:")));
    assert_eq!((site.requests(), site.writes()), (9, 4));
    assert_eq!(site.clock().unwrap().date.to_string(), "2026-11-22T09:37:49Z");
}

#[test]
fn a_listing_of_stamps_is_that_of_documents() {
    let stamp = "2026-11-22 15:22:29.811744";
    let rows = json!([
        { "name": 7, "modified": stamp, "creation": "" },
        { "name": "A", "modified": null, "creation": stamp, "idx": 1 },
        { "modified": 5 },
        {},
    ]);
    let answers = [
        answer(200, &json!({ "message": [rows[0]] })),
        answer(200, &json!({ "message": rows })),
        answer(200, &json!({ "message": [], "_server_messages": "[]" })),
        answer(200, &json!({ "message": {} })),
        answer(200, &json!({ "message": [1] })),
        answer(200, &json!({ "data": [] })),
        answer(200, &json!([])),
        answer(403, &json!({ "exc_type": "PermissionError", "message": [rows[0]] })),
        answer(417, &json!({ "exception": "DataError: Field not permitted in query: nope" })),
    ];
    let query = ListQuery { doctype: "Probe".to_owned(), ..ListQuery::default() };
    let (mut good, mut bad) = (0, 0);
    for reply in answers {
        let site = site(&Server::new(vec![reply]));
        let stamps = site.list_stamps(&query);
        let documents = site.list(&query);
        let documents =
            documents.map(|docs| docs.into_iter().map(Stamps::from).collect::<Vec<_>>());
        *(if stamps.is_ok() { &mut good } else { &mut bad }) += 1;
        assert_eq!(format!("{stamps:?}"), format!("{documents:?}"));
    }
    assert_eq!((good, bad), (3, 6));
}

#[test]
fn a_name_that_no_address_reaches_is_not_updated() {
    let server = Server::new(vec![Reply::Close]);
    let site = site(&server);
    for name in ["tail/", "/lead", ".", "..", ""] {
        let error = site.update("N Prompt", name, &body()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.message.contains("rename the document"), "{error}");
    }
    assert_eq!(site.get("N Prompt", "").unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(site.delete("N Prompt", "").unwrap_err().kind, ErrorKind::Refused);
    assert!(server.requests().is_empty());
}

#[test]
fn a_read_is_repeated_and_a_write_is_not_where_its_effect_is_unknown() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"data\": {".to_owned();
    let gateway = with_headers(502, "", "<html>Bad Gateway</html>");
    for (reply, kind) in [
        (Reply::Close, ErrorKind::Unanswered),
        (Reply::SendAndClose(half), ErrorKind::Unanswered),
        (gateway, ErrorKind::Unavailable),
    ] {
        type Write = fn(&HttpSite) -> SiteResult<()>;
        let writes: [Write; 3] = [
            |site| site.insert("Probe", &body()).map(drop),
            |site| site.update("Probe", "A", &body()).map(drop),
            |site| site.delete("Probe", "A"),
        ];
        for write in writes {
            let server = Server::new(vec![reply.clone()]);
            let error = write(&site(&server)).unwrap_err();
            assert_eq!((error.kind, error.had_no_effect()), (kind, false));
            assert_eq!(server.requests().len(), 1, "{error}");
        }
        let server = Server::new(vec![reply.clone()]);
        let error = site(&server).get("Probe", "A").unwrap_err();
        assert_eq!((error.kind, server.requests().len()), (kind, 3));
        assert!(error.message.ends_with("(after 3 attempts)"), "{error}");
        let good = answer(200, &json!({ "message": { "name": "A" } }));
        let server = Server::new(vec![reply, good]);
        assert_eq!(site(&server).get("Probe", "A").unwrap().name(), "A");
    }
}

#[test]
fn a_connection_that_dies_while_idle_costs_a_write_at_most_one_sending() {
    let good = answer(200, &json!({ "data": { "name": "A" } }));
    let Reply::Send(text) = good else { unreachable!() };
    // Looks kept alive, is closed with the answer.
    let server = Server::new(vec![Reply::SendAndClose(text)]);
    let site = site(&server);
    for number in 1..=20 {
        match site.insert("Probe", &body()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind, ErrorKind::Unanswered),
        }
        assert!(server.requests().len() <= number);
    }
}

#[test]
fn a_write_is_repeated_where_it_had_no_effect() {
    let limited =
        with_headers(429, "Retry-After: 1\r\n", "{\"exc_type\": \"TooManyRequestsError\"}");
    let deadlock = answer(500, &json!({ "exc_type": "QueryDeadlockError", "exception": "x" }));
    let good = answer(200, &json!({ "data": { "name": "A" } }));
    let server = Server::new(vec![limited.clone(), deadlock, good]);
    let start = Instant::now();
    assert_eq!(site(&server).insert("Probe", &body()).unwrap().name(), "A");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.requests().len(), 3);

    let server = Server::new(vec![answer(417, &json!({ "exc_type": "MandatoryError" }))]);
    let site_ = site(&server);
    assert_eq!(site_.insert("Probe", &body()).unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(server.requests().len(), 1);

    // A pause ends when the run is interrupted.
    let server = Server::new(vec![with_headers(429, "Retry-After: 60\r\n", "{}")]);
    let config = config(&server.url);
    let interrupted = Arc::clone(&config.interrupted);
    let site = HttpSite::new(config).unwrap();
    let start = Instant::now();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        interrupted.store(true, Ordering::Relaxed);
    });
    let error = site.user().unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooMany);
    assert_eq!(error.retry_after, Some(Duration::from_mins(1)));
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_create_that_is_stored_midway_is_not_repeated_on_a_refusal() {
    let Value::Object(contact) = json!({ "phone_nos": [{ "phone": "+49 30 1" }] }) else {
        unreachable!()
    };
    let refused = |status, exc_type: &str| answer(status, &json!({ "exc_type": exc_type }));
    let good = answer(200, &json!({ "data": { "name": "A" } }));
    for (status, exc_type) in [(500, "QueryDeadlockError"), (417, "ValidationError")] {
        let server = Server::new(vec![refused(status, exc_type), good.clone()]);
        let error = site(&server).insert("Contact", &contact).unwrap_err();
        assert_eq!((error.kind, error.had_no_effect()), (ErrorKind::PerhapsStored, false));
        assert_eq!(server.requests().len(), 1);
    }
    // What is checked before anything is stored, and a contact without a number.
    let server = Server::new(vec![refused(417, "MandatoryError")]);
    assert!(site(&server).insert("Contact", &contact).unwrap_err().had_no_effect());
    let server = Server::new(vec![refused(500, "QueryDeadlockError"), good]);
    assert_eq!(site(&server).insert("Contact", &Map::new()).unwrap().name(), "A");
}

#[test]
fn a_site_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let site = HttpSite::new(config(&url)).unwrap();
    let error = site.insert("Probe", &body()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.had_no_effect() && error.is_outage());
    assert!(error.message.contains(&url) && error.message.contains("refused"), "{error}");
    assert_eq!(site.requests(), 3);
    // A name that no resolver knows (RFC 6761), and TLS to what does not speak it.
    let site = HttpSite::new(config("http://nowhere.invalid")).unwrap();
    assert_eq!(site.insert("Probe", &body()).unwrap_err().kind, ErrorKind::Unreachable);
    let server = Server::new(vec![Reply::Close]);
    if let Ok(site) = HttpSite::new(config(&server.url.replace("http:", "https:"))) {
        assert_eq!(site.insert("Probe", &body()).unwrap_err().kind, ErrorKind::Unreachable);
    }
}

#[test]
fn a_slow_answer_is_no_answer() {
    let server = Server::new(vec![Reply::Late(
        Duration::from_secs(3),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
    )]);
    let config = HttpConfig { timeout: Duration::from_millis(300), ..config(&server.url) };
    let error = HttpSite::new(config).unwrap().insert("Probe", &body()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unanswered);
    assert!(error.message.ends_with("no answer in time"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_answer_is_bounded_whatever_its_headers_say() {
    let long = json!({ "message": "x".repeat(5000) }).to_string();
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    for reply in [with_headers(200, "", &long), Reply::Send(chunked)] {
        let server = Server::new(vec![reply]);
        let error = site(&server).user().unwrap_err();
        assert_eq!((error.kind, error.had_no_effect()), (ErrorKind::AnswerTooLarge, false));
        assert_eq!(server.requests().len(), 1);
    }
    // 5,000 bytes packed in 59: the bound is on what comes out.
    let packed = "H4sIAAAAAAACA+3BMQ0AIAwAMCtkMnDDsXBx7SEheEcFX9sTK6vGzOgtNgAAAADwXdwHIZASi5cTAAA=";
    let server = Server::new(vec![Reply::SendPacked(packed)]);
    assert_eq!(site(&server).user().unwrap_err().kind, ErrorKind::AnswerTooLarge);
    let packed = "H4sIAAAAAAACA6tWyk0tLk5MT1WyUlAqrsxLdkitSMwtyEnVS87PVaoFAPhzlZIfAAAA";
    let server = Server::new(vec![Reply::SendPacked(packed)]);
    assert_eq!(site(&server).user().unwrap(), "sync@example.com");
    // A long error page is still the error that its status says.
    let server = Server::new(vec![with_headers(403, "", &"<p>no</p>".repeat(1000))]);
    assert_eq!(site(&server).user().unwrap_err().kind, ErrorKind::Forbidden);
    let exact = json!({ "message": "x".repeat(2000 - 14) }).to_string();
    assert_eq!(exact.len(), 2000);
    let server = Server::new(vec![with_headers(200, "", &exact)]);
    assert!(site(&server).user().is_ok());
}

#[test]
fn a_redirect_is_named_and_not_followed() {
    let other = Server::new(vec![answer(200, &json!({ "message": "nobody" }))]);
    let to = |location: &str| with_headers(301, &format!("Location: {location}\r\n"), "");
    let server = Server::new(vec![to(&format!("{}/api/method/x", other.url)), to("/login")]);
    let site = site(&server);
    let error = site.user().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Redirect);
    let said = format!("{} redirects to {}: set that as the url of [cloud]", server.url, other.url);
    assert_eq!(error.message, said);
    let error = site.user().unwrap_err();
    assert!(error.message.ends_with("is this a Frappe site?"), "{error}");
    assert_eq!((server.requests().len(), other.requests().len()), (2, 0));
}

#[test]
fn secrets_and_control_characters_are_never_seen() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let evil = json!({ "exc_type": "X", "exception": "X: \u{1b}[2Jno" });
    let server = Server::new(vec![answer(417, &evil)]);
    let sink = Arc::clone(&notes);
    let config = HttpConfig {
        on_request: Some(Arc::new(move |note: &RequestNote| {
            sink.lock().unwrap().push(note.clone());
        })),
        ..config(&server.url)
    };
    assert_no_secret(&format!("{config:?}"));
    let site = HttpSite::new(config).unwrap();
    assert_no_secret(&format!("{site:?}"));
    let error = site.get("Probe", "A\u{1b}B").unwrap_err();
    assert_no_secret(&format!("{error} {error:?}"));
    assert_eq!(error.message, "[2Jno");
    let notes = notes.lock().unwrap();
    assert_eq!(notes.len(), 1);
    assert_no_secret(&format!("{notes:?}"));
    let note = &notes[0];
    assert_eq!((note.method, note.status, note.attempt), ("GET", Some(417), 1));
    assert_eq!(
        (note.path.as_str(), note.doctype.as_str()),
        ("/api/method/frappe.client.get", "Probe")
    );
    assert_eq!(note.error, Some(ErrorKind::Refused));
}

#[test]
fn a_wrong_configuration_is_refused_without_showing_it() {
    let base = || config("http://127.0.0.1:1");
    let cases = [
        (HttpConfig { url: "https://key-3f9c:secret-7b21@x".to_owned(), ..base() }, "user name"),
        (HttpConfig { url: "secret-7b21".to_owned(), ..base() }, "https://host"),
        (HttpConfig { api_secret: Secret::new("secret-7b21\n"), ..base() }, "api_secret"),
        (HttpConfig { headers: vec![("X Y".to_owned(), "gate-55".to_owned())], ..base() }, "X Y"),
        (HttpConfig { headers: vec![("X".to_owned(), "gate-55\r\n".to_owned())], ..base() }, "X"),
        (
            HttpConfig {
                headers: vec![("authorization".to_owned(), "gate-55".to_owned())],
                ..base()
            },
            "authorization",
        ),
        (
            HttpConfig {
                url: "https://127.0.0.1:1".to_owned(),
                ca_file: Some(PathBuf::from("no/such.pem")),
                ..base()
            },
            "ca_file no/such.pem",
        ),
    ];
    for (config, expected) in cases {
        let error = HttpSite::new(config).unwrap_err();
        let text = format!("{error:#} {error:?}");
        assert!(text.starts_with("[cloud]: ") && text.contains(expected), "{text}");
        assert_no_secret(&text);
    }
}

#[test]
fn never_more_than_concurrency_requests_in_flight() {
    let good = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"message\":\"u\"}".to_owned();
    let server = Server::new(vec![Reply::Late(Duration::from_millis(30), good)]);
    let site = site(&server);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| site.user().unwrap());
        }
    });
    assert_eq!(server.requests().len(), 8);
    assert_eq!(server.most_at_once.load(Ordering::SeqCst), 2);
}
