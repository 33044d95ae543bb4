//! Requests and answers as the model sees them, without any network.
//!
//! What lives here: the request, its decoded path and parameters, the answer. What may not:
//! anything that looks at the site's data.

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The verb, upper case.
    pub method: String,
    /// The path as it stands in the request line, with the query.
    pub path: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_uppercase(), path: path.to_owned(), ..Self::default() }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the token of a user.
    #[must_use]
    pub fn token(self, key: &str, secret: &str) -> Self {
        self.header("Authorization", &format!("token {key}:{secret}"))
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("Content-Type", "application/json")
    }

    /// The value of a header.
    pub fn get_header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The decoded path without the query.
    pub fn decoded_path(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        percent_decode_str(path).decode_utf8_lossy().into_owned()
    }

    /// Length of the request line as the server counts it.
    pub fn line_length(&self) -> usize {
        self.method.len() + self.path.len() + " HTTP/1.1".len() + 1
    }

    /// The parameters: the query, overlaid by a JSON or form body.
    pub fn parameters(&self) -> Outcome<Parameters> {
        let mut values = Map::new();
        if let Some((_, query)) = self.path.split_once('?') {
            read_pairs(query, &mut values);
        }
        let mut from_json = false;
        if !self.body.is_empty() {
            let text = String::from_utf8_lossy(&self.body).into_owned();
            let kind = self.get_header("content-type").unwrap_or_default();
            let looks_like_json = text.trim_start().starts_with('{');
            if kind.contains("application/x-www-form-urlencoded") && !looks_like_json {
                read_pairs(&text, &mut values);
            } else if kind.contains("json") || text.trim_start().starts_with(['{', '[']) {
                let body: Value = serde_json::from_str(&text).map_err(|_| json_failure(&text))?;
                if let Value::Object(body) = body {
                    values.extend(body);
                }
                from_json = true;
            } else {
                read_pairs(&text, &mut values);
            }
        }
        Ok(Parameters { values, from_json })
    }
}

fn json_failure(text: &str) -> Failure {
    let text = if text.trim_start().starts_with('{') {
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    } else {
        "Expecting value: line 1 column 1 (char 0)"
    };
    Failure::internal("json.decoder", "JSONDecodeError", text)
}

fn read_pairs(text: &str, values: &mut Map<String, Value>) {
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        values.insert(decode(key), Value::String(decode(value)));
    }
}

fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    /// Values by name: texts from a query, anything from a JSON body.
    pub values: Map<String, Value>,
    /// The body was JSON.
    pub from_json: bool,
}

impl Parameters {
    /// A value as sent.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// A value as text.
    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(crate::value::to_text)
    }

    /// A value that may be JSON in a text.
    pub fn parsed(&self, key: &str) -> Option<Value> {
        self.get(key).map(parse_if_text)
    }
}

/// JSON in a text is read; any other text stays as it is.
pub fn parse_if_text(value: &Value) -> Value {
    match value {
        Value::String(text) if text.trim_start().starts_with(['{', '[', '"']) => {
            serde_json::from_str(text).unwrap_or_else(|_| value.clone())
        }
        other => other.clone(),
    }
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        }
    }

    /// An answer of another type.
    pub fn text(status: u16, kind: &str, body: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), kind.into())],
            body: body.as_bytes().to_vec(),
        }
    }

    /// The body as JSON, null when it is none.
    pub fn to_json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The value of a header.
    pub fn get_header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// With the headers every answer of a site carries.
    #[must_use]
    pub(crate) fn with_site_headers(mut self, now: Timestamp, cookies: bool) -> Self {
        self.headers.push(("Date".into(), http_date(now)));
        if cookies {
            let expires =
                http_date(now.checked_add(jiff::SignedDuration::from_hours(170)).unwrap_or(now));
            for cookie in [
                format!(
                    "sid=Guest; Expires={expires}; Max-Age=612000; HttpOnly; Path=/; SameSite=Lax"
                ),
                "system_user=no; Path=/; SameSite=Lax".into(),
                "full_name=Guest; Path=/; SameSite=Lax".into(),
                "user_id=Guest; Path=/; SameSite=Lax".into(),
                "user_image=; Path=/; SameSite=Lax".into(),
            ] {
                self.headers.push(("Set-Cookie".into(), cookie));
            }
        }
        self
    }
}

/// An instant in the form of HTTP headers.
pub fn http_date(now: Timestamp) -> String {
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
