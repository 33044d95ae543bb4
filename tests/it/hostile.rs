//! Documents, answers and queue files that somebody made to do harm: nothing of them drives a
//! terminal, leaves its place in an address or a statement, or stops the program.

use erpsync::model::Side;
use serde_json::{Value, json};

use crate::bench::{Bench, Ran};
use crate::exits::stub::Stub;

/// Hostile texts, from the corpus that the properties use as well.
fn texts() -> Vec<String> {
    let all: Value = serde_json::from_str(include_str!("../cases/hostile.json")).unwrap();
    serde_json::from_value(all["texts"].clone()).unwrap()
}

/// Whether a text could drive a terminal: line ends and tabs are the program's own.
fn drives(text: &str) -> Option<char> {
    let is_bad = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().find(|c| is_bad(*c))
}

fn is_tame(ran: &Ran) {
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    for text in [&ran.out, &ran.err] {
        assert_eq!(drives(text), None, "{text:?}");
    }
}

fn log_is_tame(bench: &Bench, file: &str) {
    let text = std::fs::read_to_string(bench.path(file)).unwrap();
    assert!(!text.is_empty());
    assert_eq!(drives(&text), None, "{file}");
}

/// Documents with these texts as names where a site takes them, and in every field.
fn furnish(bench: &Bench) -> usize {
    let mut made = 0;
    for (number, text) in texts().iter().enumerate() {
        let fields = |title: &str| {
            json!({"title": title, "stxt": text, "txt": text, "ltxt": text, "hid": text,
                "js": json!({ "text": text }).to_string(), "tm": "04:05:06",
                "rows": [{"item": text.chars().take(100).collect::<String>(), "qty": 1}]})
        };
        let mut site = bench.site(Side::BOTH[number % 2]);
        let now = jiff::Timestamp::now();
        for title in [text.clone(), format!("{number:02}")] {
            // Some of them are no names: the site says so.
            made +=
                usize::from(site.insert_as("Administrator", "Probe", &fields(&title), now).is_ok());
        }
    }
    made
}

#[test]
fn documents() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Probe\"]\nconflict_resolution = \"manual\"\n");
    let made = furnish(&bench);
    assert!(made > texts().len(), "{made}");
    let logged = |log: &str, format: &str, arguments: &[&str]| {
        let more = ["--log-file", log, "--log-format", format];
        let ran = bench.run(&[arguments, &more[..]].concat());
        is_tame(&ran);
        ran
    };
    logged("text.log", "text", &["sync-all", "--new-state", "-vv"]).expect(0);
    for side in Side::BOTH {
        assert_eq!(bench.site(side).count_of("Probe"), made, "each is there once");
    }
    let fields = ["name", "title", "stxt", "txt", "ltxt", "hid"];
    assert_eq!(
        bench.contents(Side::Cloud, "Probe", &fields),
        bench.contents(Side::Local, "Probe", &fields)
    );
    // Conflicts on all of them, and a failure that quotes one.
    for side in Side::BOTH {
        let names = bench.site(side).names("Probe");
        for name in names {
            let text = format!("\u{1b}[7m{side}\u{202e}");
            bench.edit(side, "Probe", &name, &json!({ "stxt": text }));
        }
    }
    logged("json.log", "json", &["sync-all", "--json", "-vv"]).expect(3);
    logged("text.log", "text", &["sync-all", "-vv"]).expect(3);
    for arguments in [
        &["conflicts"][..],
        &["conflicts", "--json"],
        &["conflicts", "show", "1"],
        &["status"],
        &["status", "--json"],
        &["log"],
        &["log", "--json"],
        &["names", "Probe"],
        &["names", "Probe", "--json"],
    ] {
        let ran = bench.run(arguments).expect(0);
        is_tame(&ran);
        assert!(!ran.out.is_empty());
    }
    let names = texts().into_iter().filter(|name| !name.contains('\0') && !name.starts_with('-'));
    for (number, name) in names.enumerate() {
        let commands = [
            &["sync-doctype", "Probe", "--name", &name][..],
            &["names", "Probe", &name],
            &["log", "--name", &name],
            &["sync-doctype", &name],
            &["hash", "Probe", &name, "--side", "cloud"],
        ];
        is_tame(&bench.run(commands[number % commands.len()]));
    }
    log_is_tame(&bench, "text.log");
    log_is_tame(&bench, "json.log");
    // Two names are reached by no address, and the program says so.
    let ran = bench.run(&["resolve", "--all", "--take", "cloud"]).expect(4);
    is_tame(&ran);
    assert_eq!(ran.err.matches("no address reaches the name").count(), 2, "{ran:?}");
    bench.clear_logs();
    bench.run(&["sync-all"]);
    assert_eq!(bench.writes(), 0);
    // No statement was made of a text.
    let whole = "SELECT (SELECT integrity_check FROM pragma_integrity_check) || ' ' || count(*) \
                 FROM sync_records";
    assert_eq!(bench.query(whole), format!("ok {made}"));
}

/// A field of a megabyte, and a table of a thousand rows.
#[test]
fn a_large_document() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Probe\"]\n");
    let rows: Vec<Value> = (0..1000).map(|number| json!({"item": format!("{number}")})).collect();
    let large = json!({"title": "Large", "ltxt": "\u{1b}ä".repeat(400_000), "tm": "04:05:06",
        "rows": rows});
    bench.insert(Side::Cloud, "Probe", &large);
    is_tame(&bench.run(&["sync-all", "--new-state", "-vv"]).expect(0));
    let of = |side| bench.doc(side, "Probe", "Large").unwrap()["ltxt"].clone();
    assert_eq!(of(Side::Cloud), of(Side::Local));
    bench.edit(Side::Local, "Probe", "Large", &json!({"stxt": "edited"}));
    bench.sync().expect(0);
    bench.clear_logs();
    bench.sync().expect(0);
    assert_eq!(bench.writes(), 0);
}

#[test]
fn answers() {
    let bodies: [Vec<u8>; 9] = [
        b"[".repeat(200_000),
        b"{\"message\":".repeat(10_000),
        b"\xff\xfe\x00\x1b[2J".to_vec(),
        b"{\"message\": 1e999999999}".to_vec(),
        b"{\"message\": \"\x1b]0;owned\x07\"}".to_vec(),
        br#"{"message": "\u001b[31m", "message": {"name": "\u202e"}}"#.to_vec(),
        br#"{"exc_type": "\u001b[31m", "_server_messages": "[\"{\\\"message\\\": \\\"\\u001b[31m\\\"}\"]"}"#
            .to_vec(),
        format!("{{\"message\": \"{}\"}}", "x".repeat(5_000_000)).into_bytes(),
        Vec::new(),
    ];
    let heads = [
        "200 OK\r\nContent-Type: application/json",
        "200 OK\r\nContent-Type: \u{9b}31m",
        "417 Expectation Failed",
        "301 Moved Permanently\r\nLocation: http://x/\u{1b}[31m",
        "302 Found",
    ];
    let bench = Bench::default();
    bench.configure_sites(
        "max_response_bytes = 1000000",
        "[sync]\ndoctypes = [\"Probe\"]\n\
        [sync.retry]\nmax_attempts = 1\nbackoff_seconds = 0.01\n",
    );
    let text = std::fs::read_to_string(bench.path("sync.toml")).unwrap();
    for body in &bodies {
        for head in heads {
            let stub = Stub::of_bytes(head, body);
            let other = text.replace(&bench.servers.cloud.url(), &stub.url());
            std::fs::write(bench.path("sync.toml"), other).unwrap();
            for command in ["sync-all", "doctor"] {
                let new = if command == "doctor" { "--json" } else { "--new-state" };
                let ran = bench.run(&[command, new]);
                is_tame(&ran);
                assert_eq!(ran.code, 1, "{head:?}: {ran:?}");
                let length = ran.err.len() + ran.out.len();
                assert!(length < 20_000, "{head:?}: {length} bytes");
            }
        }
    }
}

#[test]
fn queue_files() {
    let bench = Bench::default();
    bench.configure("[sync]\ndoctypes = [\"Probe\"]\n[webhooks]\nsecret = \"whsec-5c0d\"\n");
    bench.sync().expect(0);
    let all: Value = serde_json::from_str(include_str!("../cases/hostile.json")).unwrap();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for kind in ["queue_lines", "bodies", "texts"] {
        for text in all[kind].as_array().unwrap() {
            lines.push(text.as_str().unwrap().replace(['\n', '\r'], " ").into_bytes());
        }
    }
    lines.push(b"[".repeat(100_000));
    lines.push(vec![b'x'; 20_000_000]);
    lines.push(b"\xff\xfe\x00".to_vec());
    lines.push(br#"{"source":"cloud","signature":"AA==","body":"{}"}"#.to_vec());
    std::fs::write(bench.path("queue.jsonl"), lines.join(&b'\n')).unwrap();
    for command in
        [&["ingest-webhooks", "queue.jsonl"][..], &["ingest-webhooks", "queue.jsonl", "--json"]]
    {
        is_tame(&bench.run(command));
    }
    is_tame(&bench.run(&["status"]).expect(0));
    let kept = "SELECT max(length(payload)) <= 4096 AND min(processed) FROM webhook_queue";
    assert_eq!(bench.query(kept), "1", "rejected, and little of it kept");
    assert_eq!(bench.query("SELECT count(*) > 20 FROM webhook_queue"), "1");
    bench.sync().expect(0);
}
