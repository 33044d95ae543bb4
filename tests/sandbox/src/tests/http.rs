//! Round trips over a socket.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::faults::{Action, Match, Refusal};
use crate::http::{Options, Server};
use crate::sites::FULL_USER;
use crate::{Flavour, Site};

fn server() -> Server {
    Server::local(Site::new("cloud", Flavour::V15_55, "Asia/Kolkata", 3).unwrap()).unwrap()
}

/// One request on a connection of its own; `None` when it was cut.
fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let user = server.site().user(FULL_USER).cloned().unwrap();
    let address = server.url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).unwrap();
    let body = body.to_string();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: token {}:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        user.api_key,
        user.api_secret,
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    assert!(head.contains("sid=Guest") && head.to_lowercase().contains("date: "));
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

#[test]
fn a_document_goes_there_and_back() {
    let server = server();
    let body = json!({"title": "über"});
    let (status, answer) = ask(&server, "POST", "/api/resource/Probe", &body).unwrap();
    assert_eq!((status, &answer["data"]["name"]), (200, &json!("über")));
    let (status, _) = ask(&server, "GET", "/api/resource/Probe/%C3%9Cber", &json!({})).unwrap();
    assert_eq!(status, 200);
    let site = server.site();
    assert_eq!(site.log.writes().len(), 1);
    assert_eq!(site.log.count("GET", "/api/resource/Probe"), 1);
    assert_eq!(site.log.writes()[0].doctype, "Probe");
    assert_eq!(site.log.max_in_flight(), 1);
}

#[test]
fn connections_are_cut_before_and_after_the_effect() {
    let server = server();
    server.site().faults.once(Match::on("POST", "/Probe"), Action::Cut);
    assert!(ask(&server, "POST", "/api/resource/Probe", &json!({"title": "a"})).is_none());
    assert_eq!(server.site().count_of("Probe"), 0);
    server.site().faults.once(Match::writes(), Action::CutAfter);
    assert!(ask(&server, "POST", "/api/resource/Probe", &json!({"title": "a"})).is_none());
    assert_eq!(server.site().count_of("Probe"), 1);
    server.site().faults.refuse(Match::any().nth(2), Refusal::TooMany(3));
    assert_eq!(ask(&server, "GET", "/api/method/ping", &json!({})).unwrap().0, 200);
    assert_eq!(ask(&server, "GET", "/api/method/ping", &json!({})).unwrap().0, 429);
    assert_eq!(server.site().faults.waiting(), 0);
}

#[test]
fn a_slow_save_is_stamped_at_its_start_and_seen_at_its_end() {
    let server = server();
    server.site().save_time = Duration::from_millis(300);
    let before = jiff::Timestamp::now();
    std::thread::scope(|scope| {
        let server = &server;
        let body = json!({"title": "slow"});
        let saving = scope.spawn(move || ask(server, "POST", "/api/resource/Probe", &body));
        std::thread::sleep(Duration::from_millis(120));
        let (status, _) = ask(server, "GET", "/api/resource/Probe/slow", &json!({})).unwrap();
        assert_eq!(status, 404);
        assert_eq!(saving.join().unwrap().unwrap().0, 200);
    });
    let doc = server.site().get_doc("Probe", "slow").unwrap();
    let latest = before.checked_add(jiff::SignedDuration::from_millis(100)).unwrap();
    let latest = server.site().local(latest);
    assert!(doc["modified"].as_str().unwrap() < latest.as_str());
}

#[test]
fn other_users_edit_at_chosen_moments() {
    let server = server();
    ask(&server, "POST", "/api/resource/Probe", &json!({"title": "a"})).unwrap();
    server.site().hooks.upper_case("Probe", "txt");
    server.site().faults.after(Match::on("PUT", "/Probe/a"), |site, now| {
        site.set_value_as("other@example.com", "Probe", "a", "stxt", json!("theirs"), now).unwrap();
    });
    let (_, answer) =
        ask(&server, "PUT", "/api/resource/Probe/a", &json!({"txt": "mine"})).unwrap();
    assert_eq!(answer["data"]["txt"], "MINE");
    let doc = server.site().get_doc("Probe", "a").unwrap();
    assert_eq!(
        (&doc["stxt"], &doc["modified_by"]),
        (&json!("theirs"), &json!("other@example.com"))
    );
    assert_ne!(doc["modified"], answer["data"]["modified"]);
}

#[test]
fn webhooks_are_sent_by_a_server_that_is_told_to() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap();
    let site = Site::new("cloud", Flavour::V15_55, "Asia/Kolkata", 3).unwrap();
    let options = Options { webhooks: true, ..Options::default() };
    let server = Server::start(Arc::new(Mutex::new(site)), "127.0.0.1:0", options).unwrap();
    let webhook = json!({
        "name": "w", "webhook_doctype": "Probe", "webhook_docevent": "after_insert",
        "request_url": format!("http://{address}/hook"), "webhook_json": "{\"n\":\"{{ doc.name }}\"}",
    });
    ask(&server, "POST", "/api/resource/Webhook", &webhook).unwrap();
    ask(&server, "POST", "/api/resource/Probe", &json!({"title": "P"})).unwrap();
    let (mut stream, _) = receiver.accept().unwrap();
    let mut sent = vec![0; 4096];
    let mut length = 0;
    while !sent[..length].ends_with(b"{\"n\": \"P\"}") {
        length += stream.read(&mut sent[length..]).unwrap();
    }
    assert!(sent.starts_with(b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1"));
    stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok").unwrap();
    drop(stream);
    while server.site().count_of("Webhook Request Log") == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let log = server.site().all_docs("Webhook Request Log").remove(0);
    assert_eq!((&log["response"], log.get("error")), (&json!("ok"), None));
}
