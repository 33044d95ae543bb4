//! The sections `[cloud]` and `[local]`: how a site is reached.
//!
//! The rules kept: a url never carries a user, a password, a query or a fragment; the two
//! sites are never the same one; and no text made here shows a url, a key or a header.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use super::error::{Report, quoted};
use super::section::{Section, text_of, wrong_type};
use super::tree::{Node, Value};
use crate::model::{Side, Sides};
use crate::secret::Secret;

/// Requests in flight to a site, where not configured.
pub const DEFAULT_CONCURRENCY: u32 = 4;
/// Seconds that an answer may take, where not configured.
pub const DEFAULT_TIMEOUT_SECONDS: u64 = 30;
/// The longest answer in bytes, where not configured: 256 MiB.
pub const DEFAULT_MAX_RESPONSE_BYTES: u64 = 268_435_456;

/// Headers that erpsync sets itself.
const OWN_HEADERS: [&str; 8] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "transfer-encoding",
];

/// How one site is reached.
#[derive(Debug, Clone)]
pub struct SiteConfig {
    /// The address, normalised: host in lower case, no default port, no trailing slash.
    pub url: String,
    /// The API key of the user that erpsync works as.
    pub api_key: Secret,
    /// The API secret of that user.
    pub api_secret: Secret,
    /// The most requests in flight to this site, at least 1.
    pub concurrency: usize,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes.
    pub max_response_bytes: u64,
    /// Headers sent with every request, in the order of the file. Their values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// The site's time zone, an IANA name; asked from the site where `None`.
    pub time_zone: Option<String>,
    /// A PEM file with further root certificates, absolute.
    pub ca_file: Option<PathBuf>,
}

/// Reads both sections. `None` where a needed value is missing, which has been reported.
pub(super) fn read(root: &Section<'_>, folder: &Path) -> Option<Sides<SiteConfig>> {
    let cloud = read_side(root, Side::Cloud, folder);
    let local = read_side(root, Side::Local, folder);
    let (cloud, local) = (cloud?, local?);
    if cloud.url == local.url {
        let line = root.get("local").and_then(|node| {
            let url = node.entries()?.iter().find(|(key, _)| key == "url");
            Some(url.map_or(node.line, |(_, url)| url.line))
        });
        let message = "is the same site as cloud.url".to_owned();
        let hint = "two sites behind one address need two host names, e.g. in /etc/hosts";
        root.report().add(line, "local.url", message, Some(hint.to_owned()));
    }
    Some(Sides::new(cloud, local))
}

fn read_side(root: &Section<'_>, side: Side, folder: &Path) -> Option<SiteConfig> {
    let hint = format!("add a section [{side}] with url, api_key and api_secret");
    let section = Section::at(root.required(side.as_str(), &hint)?, root.report())?;
    let report = section.report();
    let url = section
        .required("url", "the site's address, e.g. url = \"https://erp.example.com\"")
        .and_then(|node| read_url(node, report));
    let api_key = read_credential(&section, "api_key");
    let api_secret = read_credential(&section, "api_secret");
    let concurrency = section.whole("concurrency", 1..=64).unwrap_or(DEFAULT_CONCURRENCY);
    let timeout = section
        .seconds("timeout_seconds", false)
        .unwrap_or(Duration::from_secs(DEFAULT_TIMEOUT_SECONDS));
    let max_response_bytes = section
        .whole("max_response_bytes", 1..=u32::MAX)
        .map_or(DEFAULT_MAX_RESPONSE_BYTES, u64::from);
    let headers = section.section("headers").map(|headers| read_headers(&headers));
    let time_zone = section.get("time_zone").and_then(|node| read_time_zone(node, report));
    let ca_file = section.get("ca_file").and_then(|node| read_ca_file(node, folder, report));
    section.finish();
    Some(SiteConfig {
        url: url?,
        api_key: api_key?,
        api_secret: api_secret?,
        concurrency: concurrency as usize,
        timeout,
        max_response_bytes,
        headers: headers.unwrap_or_default(),
        time_zone,
        ca_file,
    })
}

/// Checks and normalises a url. Since a url can carry a password, it is never shown.
fn read_url(node: &Node, report: &Report) -> Option<String> {
    const EXAMPLE: &str = "e.g. https://erp.example.com";
    let text = text_of(node, report)?;
    let Some(url) = Url::parse(text.text.trim()).ok().filter(Url::has_host) else {
        let message = "is not an address that begins with https:// or http://";
        report.bad_hint(node, message, EXAMPLE);
        return None;
    };
    let before = report.count();
    if !matches!(url.scheme(), "https" | "http") {
        report.bad_hint(node, "must begin with https:// or http://", EXAMPLE);
    }
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "give the user's API key and secret as api_key and api_secret";
        report.bad_hint(node, "must not hold a user or a password", hint);
    }
    if url.query().is_some() || url.fragment().is_some() {
        report.bad_hint(node, "must not hold a query (?...) or a fragment (#...)", EXAMPLE);
    }
    let last = url.path_segments().and_then(|mut parts| parts.rfind(|part| !part.is_empty()));
    if let Some(page @ ("app" | "api" | "desk" | "login")) = last {
        let message = format!("ends in /{page}, which is a page of the site");
        report.bad_hint(node, message, "give the site's own address, without the page");
    }
    if report.count() > before {
        return None;
    }
    if url.scheme() == "http" && !is_private(&url) {
        let message = "http:// sends the API secret unencrypted over a network that may not be \
                       private; use https://";
        report.warn(node, message);
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether a url leads to this machine or to a private address.
fn is_private(url: &Url) -> bool {
    let v4 = |ip: Ipv4Addr| ip.is_loopback() || ip.is_private() || ip.is_link_local();
    let v6 = |ip: Ipv6Addr| ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local();
    match url.host() {
        Some(Host::Ipv4(ip)) => v4(ip),
        Some(Host::Ipv6(ip)) => v6(ip) || ip.to_ipv4_mapped().is_some_and(v4),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

fn read_credential(section: &Section<'_>, name: &'static str) -> Option<Secret> {
    let report = section.report();
    let hint = format!("e.g. {name} = \"${{CLOUD_{}}}\"", name.to_uppercase());
    let node = section.required(name, &hint)?;
    let text = text_of(node, report)?;
    // Frappe takes `token KEY:SECRET` apart at the colons.
    if text.text.contains(|c: char| !c.is_ascii_graphic() || c == ':') {
        let message = "holds a blank, a colon or a character that is not plain ASCII";
        report.bad_hint(node, message, "copy it from the user's page on the site, API Access");
        return None;
    }
    Some(Secret::new(&text.text))
}

fn read_headers(section: &Section<'_>) -> Vec<(String, Secret)> {
    let report = section.report();
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (name, node) in section.entries() {
        let Some(text) = text_of(node, report) else { continue };
        let lower = name.to_ascii_lowercase();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            report.bad(node, format!("{} cannot be the name of a header", quoted(name)));
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            report.bad(node, "is a header that erpsync sets itself");
        } else if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            report.bad(node, "is there twice (case does not count)");
        } else if text.text.contains(|c: char| !(c.is_ascii_graphic() || c == ' ')) {
            report.bad(node, "holds a character that a header cannot hold");
        } else {
            headers.push((name.clone(), Secret::new(&text.text)));
        }
    }
    headers
}

fn read_time_zone(node: &Node, report: &Report) -> Option<String> {
    let text = text_of(node, report)?;
    let Ok(zone) = jiff::tz::TimeZone::get(&text.text) else {
        let message = format!("{} is not a time zone", quoted(text.raw()));
        let hint = "an IANA name, as in the site's System Settings, e.g. \"Asia/Dhaka\"";
        report.bad_hint(node, message, hint);
        return None;
    };
    Some(zone.iana_name().unwrap_or(&text.text).to_owned())
}

fn read_ca_file(node: &Node, folder: &Path, report: &Report) -> Option<PathBuf> {
    if !matches!(node.value, Value::Text(_)) {
        wrong_type(node, "the path of a PEM file", report);
        return None;
    }
    let text = text_of(node, report)?;
    let path = folder.join(&text.text);
    if !path.is_file() {
        report.bad(node, format!("there is no file {}", quoted(text.raw())));
        return None;
    }
    Some(path)
}

/// Whether the section of a side holds a key or secret in plain text.
pub(super) fn has_literal_secret(root: &Section<'_>) -> bool {
    ["cloud", "local", "webhooks"].into_iter().any(|section| {
        let entries = root.get(section).and_then(Node::entries).unwrap_or_default();
        entries.iter().any(|(name, node)| {
            let secret = matches!(
                name.as_str(),
                "api_key" | "api_secret" | "secret" | "cloud_secret" | "local_secret"
            );
            secret && matches!(&node.value, Value::Text(text) if text.is_literal())
        })
    })
}
