//! What webhooks sent: taken from a sandbox, or received from real sites; as patterns see it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use erpsync::webhook::is_signed;
use frappe_sandbox::WebhookCall;
use frappe_sandbox::http::Server;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// Where the webhooks of the cases are sent to.
const RECEIVER: &str = "127.0.0.1:8099";
/// A real site has sent all that it will send when so long nothing came.
const QUIET: Duration = Duration::from_secs(3);
/// How long what is expected may be on its way: a worker with a cold start, or a slow retry.
const PATIENCE: Duration = Duration::from_secs(60);
/// What any client adds to a request; the sandbox's calls are without.
const OF_ANY_CLIENT: [&str; 5] =
    ["Host", "Accept", "Accept-Encoding", "Connection", "Content-Length"];

/// One try of a webhook.
pub struct Sent {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    at: Timestamp,
}

/// The receiver answers 500 below `/fail/` and 200 elsewhere.
fn answer_to(url: &str) -> u16 {
    if url.contains("/fail/") { 500 } else { 200 }
}

/// What the webhooks of a sandbox sent since the last look, retries of the next minute included.
pub fn of_sandbox(server: &Server) -> Vec<Sent> {
    let in_a_minute = Timestamp::now() + SignedDuration::from_mins(1);
    let mut sent = Vec::new();
    loop {
        let calls = server.site().due_webhooks(in_a_minute);
        if calls.is_empty() {
            return sent;
        }
        for call in calls {
            sent.push(Sent::from(&call));
            let (status, due) = (answer_to(&call.url), call.due);
            server.site().webhook_answered(call, Some(status), "", due);
        }
    }
}

impl From<&WebhookCall> for Sent {
    fn from(call: &WebhookCall) -> Self {
        Self {
            method: call.method.clone(),
            url: call.url.clone(),
            headers: call.headers.clone(),
            body: call.body.clone(),
            at: call.due,
        }
    }
}

/// All tries as patterns see them; `after` counts the seconds since the first try of the same.
pub fn show(sent: &[Sent], secret: &str) -> Vec<Value> {
    let shown = |one: &Sent| {
        let first = sent.iter().find(|s| s.url == one.url && s.body == one.body);
        let after = first.map_or(0, |first| (one.at - first.at).get_seconds());
        one.show(secret, after)
    };
    sent.iter().map(shown).collect()
}

impl Sent {
    fn show(&self, secret: &str, after: i64) -> Value {
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let signature = headers.get("X-Frappe-Webhook-Signature").and_then(Value::as_str);
        let is_signed =
            signature.is_some_and(|code| is_signed(secret.as_bytes(), &self.body, code));
        json!({
            "url": self.url, "method": self.method, "headers": headers, "after": after,
            "signed": is_signed, "text": String::from_utf8_lossy(&self.body),
        })
    }
}

/// What real sites send their webhooks to.
pub struct Receiver {
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Receiver {
    /// Listens until the tests end.
    pub fn start() -> Self {
        let listener = TcpListener::bind(RECEIVER)
            .unwrap_or_else(|e| panic!("webhooks are received at {RECEIVER}: {e}"));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&sent);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A try that breaks off is missed where it was expected.
                if let Ok(one) = receive(stream) {
                    lock(&to).push(one);
                }
            }
        });
        Self { sent }
    }

    /// What came since the last look, once as much as is expected came and nothing more follows.
    pub fn take(&self, expected: usize) -> Vec<Sent> {
        let began = Instant::now();
        let mut changed = (0, began);
        loop {
            let count = lock(&self.sent).len();
            if count != changed.0 {
                changed = (count, Instant::now());
            }
            let is_all = count >= expected || began.elapsed() > PATIENCE;
            if is_all && changed.1.elapsed() > QUIET {
                return std::mem::take(&mut lock(&self.sent));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn lock(sent: &Mutex<Vec<Sent>>) -> MutexGuard<'_, Vec<Sent>> {
    sent.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a request and answers it.
fn receive(stream: TcpStream) -> std::io::Result<Sent> {
    let at = Timestamp::now();
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = Vec::new();
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && !line.trim_end().is_empty() {
        let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
        headers.push((name.to_owned(), value.to_owned()));
        line.clear();
    }
    let length = headers.iter().find(|(name, _)| name == "Content-Length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    headers.retain(|(name, _)| !OF_ANY_CLIENT.contains(&name.as_str()));
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let url = format!("http://{RECEIVER}{path}");
    let answer =
        format!("HTTP/1.1 {} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", answer_to(&url));
    reader.get_mut().write_all(answer.as_bytes())?;
    Ok(Sent { method, url, headers, body, at })
}
