//! A server of a few lines for the client's tests: it answers what it is told to, in turn, and
//! remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

/// What the server does with one request.
#[derive(Clone)]
pub enum Reply {
    /// Sends these bytes and waits for the next request.
    Send(String),
    /// Sends a good answer with this body, packed with gzip and written in base64.
    SendPacked(&'static str),
    /// Sends these bytes and closes.
    SendAndClose(String),
    /// Closes without a word.
    Close,
    /// Sends these bytes after a while.
    Late(Duration, String),
}

/// An answer with a JSON body.
pub fn answer(status: u16, body: &Value) -> Reply {
    with_headers(status, "", &body.to_string())
}

pub fn with_headers(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Send(format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Date: Sun, 22 Nov 2026 09:37:49 GMT\r\nSet-Cookie: sid=Guest\r\n{headers}\r\n{body}"
    ))
}

pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
    pub most_at_once: Arc<AtomicUsize>,
}

impl Server {
    /// A server that gives these answers in turn and the last one for ever.
    pub fn new(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new((replies, Arc::clone(&requests), Arc::clone(&most_at_once)));
        let at_once = Arc::new(AtomicUsize::new(0));
        let _: JoinHandle<()> = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, at_once) = (Arc::clone(&shared), Arc::clone(&at_once));
                thread::spawn(move || {
                    let (replies, requests, most) = &*shared;
                    serve(stream, replies, requests, most, &at_once)
                });
            }
        });
        Self { url, requests, most_at_once }
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    replies: &[Reply],
    requests: &Mutex<Vec<String>>,
    most: &AtomicUsize,
    at_once: &AtomicUsize,
) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let request = read_request(&mut reader)?;
        most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let number = {
            let mut requests = requests.lock().ok()?;
            requests.push(request);
            requests.len() - 1
        };
        let reply = replies.get(number).or(replies.last())?.clone();
        if let Reply::Late(pause, _) = &reply {
            thread::sleep(*pause);
        }
        at_once.fetch_sub(1, Ordering::SeqCst);
        match reply {
            Reply::Send(text) | Reply::Late(_, text) => out.write_all(text.as_bytes()).ok()?,
            Reply::SendPacked(body) => {
                let body = BASE64_STANDARD.decode(body).ok()?;
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
                );
                out.write_all(&[head.as_bytes(), &body].concat()).ok()?;
            }
            Reply::SendAndClose(text) => {
                out.write_all(text.as_bytes()).ok()?;
                return None;
            }
            Reply::Close => return None,
        }
    }
}

/// Head and body of a request as one text.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        text.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    text.push_str(&String::from_utf8(body).ok()?);
    Some(text)
}
