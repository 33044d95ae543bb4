//! `erpsync ingest-webhooks`: which lines are taken, that none is lost, and that a delivery is
//! never more than a hint.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use erpsync::model::Side;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::bench::{Bench, Ran};

mod documents;
mod lines;
mod runs;

const SYNC: &str = "[sync]\ndoctypes = [\"Probe\"]\n[sync.retry]\nbackoff_seconds = 0.01\n";
const SECRETS: &str = "[webhooks]\ncloud_secret = \"of cloud\"\nlocal_secret = \"of local\"\n\
                       listen = \"127.0.0.1:5000\"\n";

fn bench() -> Bench {
    let bench = Bench::default();
    bench.configure(&format!("{SYNC}{SECRETS}"));
    bench.sync().expect(0);
    bench.clear_logs();
    bench
}

fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// A delivery as its site signs it.
fn signed(side: Side, body: &Value) -> String {
    let body = body.to_string();
    let signature = sign(&format!("of {side}"), &body);
    let at = "2025-11-18T10:30:00Z";
    json!({"source": side.as_str(), "received_at": at, "signature": signature, "body": body})
        .to_string()
}

/// The n-th delivery that tells of a document.
fn tells(side: Side, name: &str, n: usize) -> String {
    signed(side, &json!({"doctype": "Probe", "name": name, "action": "save", "n": n}))
}

fn write(bench: &Bench, lines: &[String]) {
    std::fs::write(bench.path("queue.jsonl"), lines.join("\n") + "\n").unwrap();
}

fn ingest(bench: &Bench) -> Ran {
    bench.run(&["ingest-webhooks", "queue.jsonl", "--json"])
}

fn drain(bench: &Bench) -> Ran {
    bench.run(&["ingest-webhooks", "--json"])
}

fn probe(bench: &Bench, side: Side, name: &str, text: &str) {
    bench.insert(side, "Probe", &json!({"title": name, "stxt": text}));
}

fn text(bench: &Bench, side: Side, name: &str) -> Option<String> {
    Some(bench.doc(side, "Probe", name)?["stxt"].as_str().unwrap_or_default().to_owned())
}

/// lines, accepted, rejected, ignored, skipped, pending.
fn queue(ran: &Ran) -> [u64; 6] {
    let queue = &ran.json()["queue"];
    ["lines", "accepted", "rejected", "ignored", "skipped", "pending"]
        .map(|key| queue[key].as_u64().unwrap_or_else(|| panic!("{key}: {queue}")))
}

fn rows(bench: &Bench, condition: &str) -> usize {
    bench.query(&format!("SELECT count(*) FROM webhook_queue WHERE {condition}")).parse().unwrap()
}

fn requests(bench: &Bench) -> usize {
    Side::BOTH.into_iter().map(|side| bench.requests(side)).sum()
}

fn spawn(bench: &Bench, arguments: &[&str]) -> Child {
    let mut command = bench.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn wait_for(bench: &Bench, condition: &str, count: usize) {
    let started = Instant::now();
    while rows(bench, condition) < count {
        assert!(started.elapsed() < Duration::from_secs(20), "{condition}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
