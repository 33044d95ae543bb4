//! Sends webhooks, as a site's background worker does, for servers that are told to.
//!
//! What lives here: plain HTTP over a socket. What may not: deciding what is sent or how often
//! (`webhooks`).

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::http::lock;
use crate::site::Site;
use crate::webhooks::WebhookCall;

/// How often the worker looks for calls that are due.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends what is due until it is told to stop.
pub(crate) async fn deliver(site: Arc<Mutex<Site>>, mut stopped: watch::Receiver<bool>) {
    loop {
        let due = lock(&site).due_webhooks(Timestamp::now());
        for call in due {
            let asked = call.clone();
            let answer = tokio::task::spawn_blocking(move || send(&asked)).await;
            let (status, text) = match answer {
                Ok(Ok((status, text))) => (Some(status), text),
                _ => (None, String::new()),
            };
            lock(&site).webhook_answered(call, status, &text, Timestamp::now());
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Sends a call to an `http://` address; gives the status and the text of the answer.
fn send(call: &WebhookCall) -> Result<(u16, String)> {
    let unusable = || Error::new(ErrorKind::InvalidInput, call.url.clone());
    let rest = call.url.strip_prefix("http://").ok_or_else(unusable)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let address = address.to_socket_addrs()?.next().ok_or_else(unusable)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "{} /{path} HTTP/1.1\r\nHost: {host}\r\n", call.method)?;
    for (name, value) in &call.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n", call.body.len())?;
    stream.write_all(&call.body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let text = answer.split_once("\r\n\r\n").map_or("", |(_, text)| text);
    Ok((status.ok_or_else(|| Error::from(ErrorKind::InvalidData))?, text.to_owned()))
}
