//! The sections for what stands around a pass: `[webhooks]`, `[alerts]`, `[metrics]`.
//!
//! They are read and checked like every other section; whether this version makes use of
//! them is said elsewhere (`not_yet`). The rule kept: secrets and ping addresses are
//! [`Secret`], and no text made here shows them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use url::Url;

use super::error::quoted;
use super::section::{Section, text_of};
use crate::model::Sides;
use crate::secret::Secret;

/// The longest webhook body in bytes, where not configured: 1 MiB.
pub const DEFAULT_MAX_BODY_BYTES: u32 = 1_048_576;

/// Deliveries of webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// The secret that each site signs with.
    pub secrets: Sides<Secret>,
    /// Where deliveries are received.
    pub listen: SocketAddr,
    /// The longest body that is taken, in bytes.
    pub max_body_bytes: usize,
}

/// Who is told when something needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertsConfig {
    /// A program and its arguments; gets one JSON document on standard input.
    pub command: Option<Vec<String>>,
    /// Asked with GET after a good run, with `/fail` appended after a bad one.
    pub ping_url: Option<Secret>,
}

/// Numbers for a monitoring system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// The Prometheus text file that each run rewrites, absolute.
    pub textfile: PathBuf,
}

/// Reads `[webhooks]`; `None` where it is not there or was reported.
pub(super) fn read_webhooks(root: &Section<'_>) -> Option<WebhooksConfig> {
    let section = root.section("webhooks")?;
    let report = section.report();
    let secret = |name| section.text(name).map(|text| Secret::new(&text.text));
    let both = secret("secret");
    let (cloud, local) = (secret("cloud_secret"), secret("local_secret"));
    if section.get("secret").is_none() {
        let hint = "set secret for both sites, or cloud_secret and local_secret";
        section.required("cloud_secret", hint);
        section.required("local_secret", hint);
    }
    let listen = match section.text("listen") {
        None => Some(SocketAddr::from(([127, 0, 0, 1], 5000))),
        Some(text) => {
            let address = text.text.parse().ok();
            if address.is_none() {
                let message = format!("{} is not an address and port", quoted(text.raw()));
                let hint = Some("e.g. \"127.0.0.1:5000\"".to_owned());
                report.add(section.line_of("listen"), &section.key("listen"), message, hint);
            }
            address
        }
    };
    let bytes = section.whole("max_body_bytes", 1..=u32::MAX).unwrap_or(DEFAULT_MAX_BODY_BYTES);
    section.finish();
    let cloud = cloud.or_else(|| both.clone());
    Some(WebhooksConfig {
        secrets: Sides::new(cloud?, local.or(both)?),
        listen: listen?,
        max_body_bytes: bytes as usize,
    })
}

/// Reads `[alerts]`; `None` where it is not there or was reported.
pub(super) fn read_alerts(root: &Section<'_>) -> Option<AlertsConfig> {
    let section = root.section("alerts")?;
    let report = section.report();
    let command = section.texts("command").and_then(|words| {
        if words.is_empty() {
            let hint = Some("e.g. [\"/usr/local/bin/notify\", \"--stdin\"]".to_owned());
            let message = "must name a program".to_owned();
            report.add(section.line_of("command"), &section.key("command"), message, hint);
            return None;
        }
        Some(words.into_iter().map(|(_, text)| text.text.clone()).collect())
    });
    let ping_url = section.get("ping_url").and_then(|node| {
        let text = text_of(node, report)?;
        let url = Url::parse(&text.text).ok().filter(Url::has_host);
        if url.is_none_or(|url| !matches!(url.scheme(), "https" | "http")) {
            report.bad(node, "is not an address that begins with https:// or http://");
            return None;
        }
        Some(Secret::new(&text.text))
    });
    section.finish();
    Some(AlertsConfig { command, ping_url })
}

/// Reads `[metrics]`; `None` where it is not there or was reported.
pub(super) fn read_metrics(root: &Section<'_>, folder: &Path) -> Option<MetricsConfig> {
    let section = root.section("metrics")?;
    let textfile = section
        .required("textfile", "e.g. textfile = \"/var/lib/node_exporter/erpsync.prom\"")
        .and_then(|node| text_of(node, section.report()));
    section.finish();
    Some(MetricsConfig { textfile: folder.join(&textfile?.text) })
}
