//! Plain HTTP: a request as a case gives it, an answer as it came.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Once;
use std::time::Duration;

use base64::Engine;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::blocking;
use serde_json::Value;

use super::case::Case;
use super::vars::{Vars, plain};

/// A site and the keys of its two users.
#[derive(Debug, Clone)]
pub struct Site {
    pub url: String,
    pub full: (String, String),
    pub weak: (String, String),
}

/// An answer.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub text: String,
    /// Null where the text is not JSON.
    pub json: Value,
}

/// Sends requests.
pub struct Client {
    http: blocking::Client,
}

/// A request with every variable replaced.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn pairs(map: impl Iterator<Item = (String, String)>) -> String {
    map.map(|(k, v)| format!("{}={}", encoded(&k), encoded(&v))).collect::<Vec<_>>().join("&")
}

impl Site {
    fn authorization(&self, user: Option<&str>) -> Option<String> {
        let token = |(key, secret): &(String, String)| format!("token {key}:{secret}");
        match user.unwrap_or("full") {
            "full" => Some(token(&self.full)),
            "weak" => Some(token(&self.weak)),
            "guest" => None,
            "bad_secret" => Some(token(&(self.full.0.clone(), "wrong".to_owned()))),
            "basic" => {
                let both = format!("{}:{}", self.full.0, self.full.1);
                Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both)))
            }
            other => Some(other.to_owned()),
        }
    }
}

fn request(site: &Site, case: &Case, vars: &Vars) -> Request {
    let query = case.query.iter().map(|(k, v)| (k.clone(), plain(&vars.expand(v))));
    let query = pairs(query);
    let path = vars.path(&case.path);
    let mut headers = vec![("Accept".to_owned(), "application/json".to_owned())];
    headers
        .extend(site.authorization(case.user.as_deref()).map(|a| ("Authorization".to_owned(), a)));
    headers.extend(case.headers.iter().map(|(k, v)| (k.clone(), v.clone())));
    let (kind, body) = match (&case.body, &case.form, &case.raw) {
        (Some(body), _, _) => ("application/json", Some(vars.expand(body).to_string())),
        (_, Some(form), _) => (
            "application/x-www-form-urlencoded",
            Some(pairs(form.iter().map(|(k, v)| (k.clone(), vars.text(v))))),
        ),
        (_, _, Some(raw)) => ("application/json", Some(raw.clone())),
        _ => ("", None),
    };
    if body.is_some() {
        headers.push(("Content-Type".to_owned(), kind.to_owned()));
    }
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    Request { method: case.method.clone(), target, headers, body }
}

impl Client {
    pub fn new() -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let http = blocking::Client::builder()
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(120))
            .build()
            .expect("an HTTP client");
        Self { http }
    }

    /// Asks; an error is the reason in words.
    pub fn send(&self, site: &Site, case: &Case, vars: &Vars) -> Result<Answer, String> {
        let request = request(site, case, vars);
        let mut answer = if case.raw_path && site.url.starts_with("http://") {
            send_raw(site, &request).map_err(|e| e.to_string())?
        } else {
            self.send_plain(site, request).map_err(|e| format!("{e:?}"))?
        };
        answer.json = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
        Ok(answer)
    }

    fn send_plain(
        &self,
        site: &Site,
        request: Request,
    ) -> Result<Answer, Box<dyn std::error::Error>> {
        let url = format!("{}{}", site.url, request.target);
        let mut builder = self.http.request(request.method.parse()?, url);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let response = builder.send()?;
        let status = response.status().as_u16();
        let mut headers = BTreeMap::new();
        for (name, value) in response.headers() {
            add_header(&mut headers, name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
        }
        Ok(Answer { status, headers, text: response.text()?, json: Value::Null })
    }
}

fn add_header(headers: &mut BTreeMap<String, String>, name: &str, value: &str) {
    let all = headers.entry(name.to_ascii_lowercase()).or_default();
    if !all.is_empty() {
        all.push_str(", ");
    }
    all.push_str(value.trim());
}

/// The same by hand, for a path that the library would change (`..`).
fn send_raw(site: &Site, request: &Request) -> std::io::Result<Answer> {
    let host = site.url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host)?;
    let body = request.body.as_deref().unwrap_or_default();
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n",
        request.method, request.target
    );
    for (name, value) in &request.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let mut headers = BTreeMap::new();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(':')) {
        add_header(&mut headers, name, value);
    }
    let body =
        if headers.contains_key("transfer-encoding") { unchunked(body) } else { body.to_owned() };
    Ok(Answer { status, headers, text: body, json: Value::Null })
}

fn unchunked(body: &str) -> String {
    let mut out = String::new();
    let mut rest = body;
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|c| !c.is_empty()) else {
            break;
        };
        out.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    out
}
