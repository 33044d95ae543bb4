//! What commands have in common: the configuration, the lock, the state and the sites.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Global;
use crate::config::{Config, ProcessEnvironment};
use crate::model::{Side, Sides};
use crate::report::Report;
use crate::site::http::{HttpConfig, HttpSite, RequestNote, RetryPolicy};
use crate::state::State;

/// Reads the configuration and says what is worth a word about it.
pub(super) fn load_config(global: &Global, report: &Report) -> anyhow::Result<Config> {
    let config = Config::load(&global.config, &ProcessEnvironment)?;
    for warning in &config.warnings {
        report.warning(warning);
    }
    Ok(config)
}

/// Opens the state for a command that only reads it.
pub(super) fn open_state(config: &Config) -> anyhow::Result<State> {
    Ok(State::open(&config.state_path)?)
}

/// Set by SIGINT and SIGTERM: what is in flight is finished, then the run ends. A second
/// signal ends it at once, which is as safe as a kill.
pub(super) fn interruption() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupted))
            .and_then(|_| flag::register(signal, Arc::clone(&interrupted)))
            .context("cannot watch for signals")?;
    }
    Ok(interrupted)
}

/// Connects to both sites; nothing is sent yet.
pub(super) fn connect(
    config: &Config,
    report: &Arc<Report>,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<Sides<HttpSite>> {
    let site = |side: Side| {
        let site = &config.sides[side];
        let report = Arc::clone(report);
        HttpSite::new(HttpConfig {
            side,
            url: site.url.clone(),
            api_key: site.api_key.clone(),
            api_secret: site.api_secret.clone(),
            timeout: site.timeout,
            max_response_bytes: site.max_response_bytes,
            headers: site
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect(),
            ca_file: site.ca_file.clone(),
            retry: RetryPolicy {
                max_attempts: config.retry.max_attempts,
                backoff: config.retry.backoff,
            },
            concurrency: site.concurrency,
            interrupted: Arc::clone(interrupted),
            on_request: Some(Arc::new(move |note: &RequestNote| trace_request(&report, note))),
        })
    };
    Ok(Sides::new(site(Side::Cloud)?, site(Side::Local)?))
}

fn trace_request(report: &Report, note: &RequestNote) {
    let status = note.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let doctype =
        if note.doctype.is_empty() { String::new() } else { format!(" [{}]", note.doctype) };
    let text =
        format!("{} {} {}{doctype} {status} {} ms", note.side, note.method, note.path, note.ms);
    let fields = json!({
        "side": note.side,
        "method": note.method,
        "path": note.path,
        "doctype": note.doctype,
        "status": note.status,
        "ms": note.ms,
        "attempt": note.attempt,
    });
    report.trace(2, &text, &fields);
}

/// Waits, but not past an interruption.
pub(super) fn pause(interrupted: &AtomicBool, length: Duration) {
    let until = std::time::Instant::now() + length;
    while !interrupted.load(Ordering::Relaxed) && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20).min(length));
    }
}

/// The time.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
