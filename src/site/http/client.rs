//! One request to one site: the client, the headers, the bounded body, and what the network
//! itself can do wrong.
//!
//! Nothing is repeated here and no answer is judged. The rules kept here: no redirect is
//! followed, no cookie is kept, no body is read beyond the bound, and no error text holds
//! a secret.

use std::io::Read as _;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use reqwest::Url;
use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;

use super::{HttpConfig, text};
use crate::site::{ErrorKind, SiteError, SiteResult};

/// The methods that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads with a long question, or creates.
    Post,
    /// Updates.
    Put,
    /// Deletes.
    Delete,
}

impl Method {
    /// The word in the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    const fn to_reqwest(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Post => reqwest::Method::POST,
            Self::Put => reqwest::Method::PUT,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

/// An answer's status, headers and body.
pub struct Received {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// When the headers arrived, by our clock.
    pub at: Timestamp,
    /// The body, unpacked.
    pub body: Vec<u8>,
    /// The body was longer than the bound and is cut.
    pub cut: bool,
}

/// A connection pool to one site.
pub struct Connection {
    client: Client,
    base: String,
    max_response_bytes: u64,
}

impl Connection {
    /// Checks the address, the credentials and the headers, and builds the client. Nothing is
    /// sent.
    ///
    /// # Errors
    /// An address that is not `http(s)://host`, a key, secret or header that cannot stand in
    /// a header, a `ca_file` that cannot be read. No message shows a value that may be
    /// secret.
    pub fn new(config: &HttpConfig) -> anyhow::Result<Self> {
        // Whoever installed a provider first is right; ours is for everyone else.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = base_url(&config.url)?;
        let connect_timeout = (config.timeout / 2).min(Duration::from_secs(10));
        let mut builder = Client::builder()
            .user_agent(concat!("erpsync/", env!("CARGO_PKG_VERSION")))
            .default_headers(default_headers(config)?)
            .redirect(Policy::none())
            .referer(false)
            .gzip(true)
            .retry(reqwest::retry::never())
            .timeout(config.timeout)
            .connect_timeout(connect_timeout)
            .pool_max_idle_per_host(config.concurrency.max(1));
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        if url.scheme() == "http" {
            // No certificate is ever looked at: a machine without any is no obstacle.
            builder = builder.tls_certs_only([]);
        } else if let Some(path) = &config.ca_file {
            let pem = std::fs::read(path)
                .with_context(|| format!("ca_file {}: cannot be read", path.display()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("ca_file {}: holds no certificate", path.display()))?;
            if certificates.is_empty() {
                bail!("ca_file {}: holds no certificate", path.display());
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().context("the HTTP client cannot be set up")?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { client, base, max_response_bytes: config.max_response_bytes })
    }

    /// The configured address without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends one request once.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] where no connection came about, [`ErrorKind::Unanswered`]
    /// where one did and no whole answer came.
    pub fn send(&self, method: Method, path: &str, body: Option<&[u8]>) -> SiteResult<Received> {
        let mut request = self.client.request(method.to_reqwest(), format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_vec());
        }
        let response = request.send().map_err(|error| self.network_error(error))?;
        self.receive(response)
    }

    /// Reads the body up to the bound, whatever length the headers announce.
    fn receive(&self, response: Response) -> SiteResult<Received> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let at = Timestamp::now();
        let mut body = Vec::new();
        response.take(self.max_response_bytes.saturating_add(1)).read_to_end(&mut body).map_err(
            |error| {
                let cause = text::single_line(&root_cause(&error));
                SiteError {
                    status: Some(status),
                    ..self.unanswered(&format!("the answer broke off: {cause}"))
                }
            },
        )?;
        let cut = body.len() as u64 > self.max_response_bytes;
        Ok(Received { status, headers, at, body, cut })
    }

    fn network_error(&self, error: reqwest::Error) -> SiteError {
        let error = error.without_url();
        let cause = text::single_line(&root_cause(&error));
        if error.is_builder() {
            return SiteError::new(
                ErrorKind::Refused,
                format!("the request cannot be sent: {cause}"),
            );
        }
        if error.is_connect() {
            let hint = if cause.contains("certificate") {
                "; the certificate of a private authority goes into ca_file"
            } else {
                ""
            };
            let message = format!("{} cannot be reached: {cause}{hint}", self.base);
            return SiteError::new(ErrorKind::Unreachable, message);
        }
        if error.is_timeout() {
            return self.unanswered("no answer in time");
        }
        self.unanswered(&format!("the connection broke before the answer: {cause}"))
    }

    fn unanswered(&self, what: &str) -> SiteError {
        SiteError::new(ErrorKind::Unanswered, format!("{}: {what}", self.base))
    }
}

/// The innermost cause, which is the one that says something.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Reads the configured address.
fn base_url(text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text.trim()).context("url: not an address like https://host")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        bail!("url: must begin with http:// or https:// and name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("url: must not hold a user name or password; use api_key and api_secret");
    }
    if url.query().is_some() || url.fragment().is_some() {
        bail!("url: must not have a query or a fragment");
    }
    Ok(url)
}

fn default_headers(config: &HttpConfig) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in &config.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| anyhow::anyhow!("headers: {name:?} is not a header name"))?;
        if parsed == AUTHORIZATION || parsed == CONTENT_TYPE || parsed == ACCEPT {
            bail!("headers: {name} is set by erpsync itself");
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            anyhow::anyhow!("headers: the value of {name} has forbidden characters")
        })?;
        // A gateway's own credentials go this way too.
        value.set_sensitive(true);
        headers.append(parsed, value);
    }
    let token = format!("token {}:{}", config.api_key.expose(), config.api_secret.expose());
    let mut token = HeaderValue::from_str(&token)
        .map_err(|_| anyhow::anyhow!("api_key or api_secret has characters that no key has"))?;
    token.set_sensitive(true);
    headers.insert(AUTHORIZATION, token);
    Ok(headers)
}

/// Whether the address is this machine, which no proxy reaches for us.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The address to configure where a request to `base` + `path` was sent on to `location`:
/// the location without what the request added, without credentials, query and fragment.
pub fn redirect_target(base: &str, path: &str, location: &str) -> Option<String> {
    let asked = Url::parse(&format!("{base}{path}")).ok()?;
    let mut target = asked.join(location).ok()?;
    target.set_username("").ok()?;
    target.set_password(None).ok()?;
    target.set_query(None);
    target.set_fragment(None);
    let prefix = target.path().find("/api/").map_or("", |at| &target.path()[..at]).to_owned();
    target.set_path(&prefix);
    Some(target.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for bad in [
            "",
            "erp.example.com",
            "ftp://x",
            "https://u:hunter2@x",
            "https://x/?a=1",
            "http://x/#a",
        ] {
            let error = base_url(bad).unwrap_err();
            assert!(format!("{error:#}").starts_with("url: "), "{error:#}");
            assert!(!format!("{error:#} {error:?}").contains("hunter2"));
        }
        let loopback = |text: &str| is_loopback(&base_url(text).unwrap());
        assert!(loopback("http://localhost:8000"));
        assert!(loopback("http://site1.localhost"));
        assert!(loopback("http://127.0.0.2:1"));
        assert!(loopback("http://[::1]:1"));
        assert!(!loopback("http://192.168.0.1"));
        assert!(!loopback("https://localhost.example.com"));
    }

    #[test]
    fn redirects_name_the_address_to_configure() {
        let target =
            |location| redirect_target("http://x:80", "/api/resource/Customer/A%20B?x=1", location);
        let cases = [
            ("https://x/api/resource/Customer/A%20B?x=1", "https://x"),
            ("https://y/erp/api/resource/Customer/A%20B", "https://y/erp"),
            ("https://u:p@y/login?token=1#f", "https://y"),
            ("/login", "http://x"),
            ("//z:8443/api/x", "https://z:8443"),
        ];
        for (location, expected) in &cases[..4] {
            assert_eq!(target(location).as_deref(), Some(*expected));
        }
        assert_eq!(target(cases[4].0).as_deref(), Some("http://z:8443"));
        assert_eq!(target("http://"), None);
    }
}
