//! What is compared with: the bare loop, which sends requests and throws the answers away, and
//! the tool that reads document by document.
//!
//! Both use the HTTP library that erpsync uses, and as many workers a side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use erpsync::model::{Side, Sides};
use frappe_sandbox::log::Recorded;
use reqwest::blocking::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::{Deserialize, Serialize};

use crate::sites::Address;

/// A request that is sent again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Replayed {
    method: String,
    path: String,
    body: String,
    pub is_write: bool,
    /// It cannot be sent before the one before it was answered, as the pages of a listing.
    is_in_turn: bool,
}

/// The requests of each side, in their order.
pub type Plan = Sides<Vec<Replayed>>;

impl Replayed {
    pub fn of(recorded: Recorded) -> Self {
        let Recorded { request, is_write } = recorded;
        let body = String::from_utf8_lossy(&request.body).into_owned();
        // Whatever is about given documents can be sent beside others of its kind, and so can what
        // is known before anything was answered: who we are, the sums, and the first page of a
        // listing.
        let is_first_page = body.contains("\"name asc\"") && !body.contains("\">\"");
        let is_first = request.path.ends_with("get_logged_user") || body.contains("crc32");
        let is_beside = is_write || is_first || is_first_page || body.contains("\"in\"");
        let (method, path) = (request.method, request.path);
        Self { method, path, body, is_write, is_in_turn: !is_beside }
    }

    fn read_of(doctype: &str, name: &str) -> Self {
        let path = format!("/api/resource/{doctype}/{name}").replace(' ', "%20");
        let (method, body) = ("GET".to_owned(), String::new());
        Self { method, path, body, is_write: false, is_in_turn: false }
    }
}

/// Only the writes.
pub fn writes_of(plan: &Plan) -> Plan {
    Sides::from_fn(|side| plan[side].iter().filter(|one| one.is_write).cloned().collect())
}

/// Reading so many documents of both sides one by one.
pub fn one_by_one(doctype: &str, names: &[String]) -> Plan {
    let reads: Vec<Replayed> = names.iter().map(|name| Replayed::read_of(doctype, name)).collect();
    Sides::new(reads.clone(), reads)
}

/// Sends all of it, both sides at the same time. What a program does at its start, to build a
/// client and to connect, is in the time.
pub fn replay(
    plan: &Plan,
    addresses: &Sides<Address>,
    concurrency: usize,
) -> anyhow::Result<Duration> {
    let start = Instant::now();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let sides = Side::BOTH.map(|side| {
            let (requests, address) = (&plan[side], &addresses[side]);
            scope.spawn(move || replay_side(requests, address, concurrency))
        });
        for side in sides {
            side.join().map_err(|_| anyhow::anyhow!("a worker of the bare loop fell"))??;
        }
        Ok(())
    })?;
    Ok(start.elapsed())
}

fn replay_side(requests: &[Replayed], address: &Address, concurrency: usize) -> anyhow::Result<()> {
    let client = client(concurrency)?;
    let mut rest = requests;
    while let Some(first) = rest.first() {
        let alike = rest.iter().take_while(|one| one.is_in_turn == first.is_in_turn).count();
        let (now, later) = rest.split_at(alike);
        let workers = if first.is_in_turn { 1 } else { concurrency };
        send_all(&client, now, address, workers)?;
        rest = later;
    }
    Ok(())
}

fn client(concurrency: usize) -> anyhow::Result<Client> {
    // The client wants a crypto provider, although nothing here is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .gzip(true)
        .pool_max_idle_per_host(concurrency)
        .build()
        .context("no client")
}

fn send_all(
    client: &Client,
    requests: &[Replayed],
    address: &Address,
    workers: usize,
) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> anyhow::Result<()> {
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            send(client, request, address)?;
        }
        Ok(())
    };
    if workers == 1 {
        return work();
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers.min(requests.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().map_err(|_| anyhow::anyhow!("a worker of the bare loop fell"))?
        })
    })
}

fn send(client: &Client, request: &Replayed, address: &Address) -> anyhow::Result<()> {
    let Address { url, api_key, api_secret } = address;
    let sent = client
        .request(request.method.parse()?, format!("{url}{}", request.path))
        .header(AUTHORIZATION, format!("token {api_key}:{api_secret}"))
        .header(CONTENT_TYPE, "application/json")
        .timeout(Duration::from_secs(300))
        .body(request.body.clone());
    let answer = sent.send()?;
    let status = answer.status();
    let body = answer.bytes()?;
    let text = || String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
    ensure!(status.is_success(), "{} {}: {status} {}", request.method, request.path, text());
    Ok(())
}
