//! Serves a pair of sandbox sites until it is told to stop.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use frappe_sandbox::http::{Options, Server};
use frappe_sandbox::sites::{FULL_USER, WEAK_USER, pair};
use frappe_sandbox::{Flavour, Site};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Two Frappe 15 look-alikes, "cloud" and "local", on loopback ports.
///
/// Prints one line of JSON with their addresses and keys when both are ready, then serves until
/// SIGTERM or SIGINT.
#[derive(Debug, Parser)]
#[command(name = "frappe-sandbox", version)]
struct Args {
    /// Documents to make on each side, partly different.
    #[arg(long, value_name = "N", default_value_t = 0)]
    documents: usize,
    /// Added to every request, like 50 or 50ms or 1s.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = parse_time)]
    latency: Duration,
    /// Send webhooks to the addresses that they are given.
    #[arg(long)]
    webhooks: bool,
    /// The version to model: 15.55 or 15.105.
    #[arg(long, default_value = "15.55")]
    flavour: Flavour,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Port of the cloud site; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    cloud_port: u16,
    /// Port of the local site; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    local_port: u16,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, scale) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1000)
    } else {
        (text, 1)
    };
    number
        .trim()
        .parse::<u64>()
        .map(|number| Duration::from_millis(number * scale))
        .map_err(|_| format!("{text} is no time: use 50, 50ms or 1s"))
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "error: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let stop = Stop::listen()?;
    let (mut cloud, mut local) = pair(args.flavour, args.seed)?;
    let now = Timestamp::now();
    for (variant, site) in [(1, &mut cloud), (2, &mut local)] {
        site.seed_documents(args.documents, variant, now)
            .map_err(|failure| anyhow::anyhow!(failure.text()))
            .context("making documents")?;
    }
    let options = Options { latency: args.latency, webhooks: args.webhooks };
    let described = [describe(&cloud), describe(&local)];
    let serve = |site: Site, port: u16| {
        let address = format!("127.0.0.1:{port}");
        Server::start(Arc::new(Mutex::new(site)), &address, options)
            .with_context(|| format!("cannot serve on {address}"))
    };
    let servers = [serve(cloud, args.cloud_port)?, serve(local, args.local_port)?];
    let mut ready = serde_json::Map::new();
    for ((name, mut described), server) in
        ["cloud", "local"].into_iter().zip(described).zip(&servers)
    {
        described["url"] = json!(server.url());
        ready.insert(name.into(), described);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", Value::Object(ready))?;
    out.flush()?;
    drop(out);
    stop.wait();
    Ok(())
}

fn describe(site: &Site) -> Value {
    let key = |email: &str| site.user(email).cloned();
    let (full, weak) = (key(FULL_USER), key(WEAK_USER));
    json!({
        "api_key": full.as_ref().map(|user| &user.api_key),
        "api_secret": full.as_ref().map(|user| &user.api_secret),
        "weak_key": weak.as_ref().map(|user| &user.api_key),
        "weak_secret": weak.as_ref().map(|user| &user.api_secret),
        "time_zone": site.zone_name(),
    })
}

/// Listens for the signals before anything is announced, so that none is missed.
struct Stop {
    runtime: tokio::runtime::Runtime,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let guard = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(guard);
        Ok(Self { runtime, terminate, interrupt })
    }

    fn wait(mut self) {
        self.runtime.block_on(async {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
        });
    }
}
