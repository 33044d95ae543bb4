//! The two sites: a process of their own, which the bench tells what to hold and how to answer.
//!
//! The bench starts itself once more for it (`--sites`) and gives orders line by line. So what
//! the sites cost is in nobody's figures, but for the cores that they share with the client.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use erpsync::model::{Side, Sides};
use frappe_sandbox::http::{Options, Server};
use frappe_sandbox::sites::FULL_USER;
use frappe_sandbox::{Flavour, Site};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::replay::{Plan, Replayed};

/// Somebody who works on the sites.
const USER: &str = "Administrator";

/// Over so many days the documents were saved last.
const DAYS: usize = 400;

/// What the sites are told.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// Two new sites with so many documents.
    Furnish { doctype: String, cloud: usize, local: usize },
    /// A user edits every so manieth document of the cloud.
    Edit { doctype: String, every: usize },
    /// What they hold now is what `Reset` goes back to.
    Keep,
    /// As they were when they were told to keep it.
    Reset,
    /// Answer with this latency; gives the addresses.
    Serve { latency_ms: u64 },
    /// Note every request from now on.
    Record,
    /// Write the noted requests to a file, and note no more.
    Recorded { file: PathBuf },
}

/// The process with the sites, as the bench has it in hand.
pub struct Sites {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// How a site is reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Address {
    pub url: String,
    pub api_key: String,
    pub api_secret: String,
}

impl Sites {
    pub fn start() -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--sites")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the sites")?;
        let orders = process.stdin.take().context("no way to give orders")?;
        let answers = BufReader::new(process.stdout.take().context("no way to hear answers")?);
        Ok(Self { process, orders, answers })
    }

    pub fn furnish(&mut self, doctype: &str, documents: Sides<usize>) -> anyhow::Result<()> {
        let Sides { cloud, local } = documents;
        self.order(&Order::Furnish { doctype: doctype.to_owned(), cloud, local }).map(drop)
    }

    pub fn edit(&mut self, doctype: &str, every: usize) -> anyhow::Result<()> {
        self.order(&Order::Edit { doctype: doctype.to_owned(), every }).map(drop)
    }

    pub fn keep(&mut self) -> anyhow::Result<()> {
        self.order(&Order::Keep).map(drop)
    }

    pub fn reset(&mut self) -> anyhow::Result<()> {
        self.order(&Order::Reset).map(drop)
    }

    pub fn serve(&mut self, latency: Duration) -> anyhow::Result<Sides<Address>> {
        let latency_ms = u64::try_from(latency.as_millis())?;
        let answer = self.order(&Order::Serve { latency_ms })?;
        let at = |side: Side| serde_json::from_value(answer[side.as_str()].clone());
        Ok(Sides::new(at(Side::Cloud)?, at(Side::Local)?))
    }

    /// Notes what `work` sends.
    pub fn record<T>(
        &mut self,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Plan)> {
        self.order(&Order::Record)?;
        let done = work()?;
        let file = tempfile::NamedTempFile::new()?;
        self.order(&Order::Recorded { file: file.path().to_owned() })?;
        Ok((done, serde_json::from_slice(&std::fs::read(file.path())?)?))
    }

    fn order(&mut self, order: &Order) -> anyhow::Result<Value> {
        writeln!(self.orders, "{}", serde_json::to_string(order)?)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let answer: Value =
            serde_json::from_str(&line).with_context(|| format!("the sites ended at {order:?}"))?;
        ensure!(answer["error"].is_null(), "{order:?}: {}", answer["error"]);
        Ok(answer)
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The other end: carries out orders until there are no more.
pub fn obey() -> anyhow::Result<()> {
    let mut stage = Stage::default();
    for line in std::io::stdin().lines() {
        let answer = serde_json::from_str(&line?)
            .map_err(anyhow::Error::from)
            .and_then(|order| stage.carry_out(order))
            .unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        println!("{answer}");
    }
    Ok(())
}

/// The sites, and what serves them.
#[derive(Default)]
struct Stage {
    sites: Option<Sides<Arc<Mutex<Site>>>>,
    kept: Option<Sides<Site>>,
    servers: Option<Sides<Server>>,
    addresses: Option<Sides<SocketAddr>>,
}

impl Stage {
    fn carry_out(&mut self, order: Order) -> anyhow::Result<Value> {
        match order {
            Order::Furnish { doctype, cloud, local } => {
                // What was there goes first: there may be much of it.
                *self = Self { addresses: self.addresses.take(), ..Self::default() };
                let (mut here, mut there) = frappe_sandbox::sites::pair(Flavour::V15_105, 7)?;
                fill(&mut here, &doctype, cloud)?;
                fill(&mut there, &doctype, local)?;
                self.sites =
                    Some(Sides::new(here, there).map(|_, site| Arc::new(Mutex::new(site))));
            }
            Order::Edit { doctype, every } => {
                self.site(Side::Cloud, |site| edit(site, &doctype, every))??;
            }
            Order::Keep => {
                let twin = |side| self.site(side, |site| site.twin());
                self.kept = Some(Sides::new(twin(Side::Cloud)?, twin(Side::Local)?));
            }
            Order::Reset => {
                for side in Side::BOTH {
                    let kept = self.kept.as_ref().context("nothing was kept")?[side].twin();
                    self.site(side, |site| *site = kept)?;
                }
            }
            Order::Serve { latency_ms } => return self.serve(Duration::from_millis(latency_ms)),
            Order::Record => {
                for side in Side::BOTH {
                    self.site(side, |site| {
                        site.log.clear();
                        site.log.recorded = Some(Vec::new());
                    })?;
                }
            }
            Order::Recorded { file } => self.write_recorded(&file)?,
        }
        Ok(json!({}))
    }

    fn site<T>(&self, side: Side, work: impl FnOnce(&mut Site) -> T) -> anyhow::Result<T> {
        let site = &self.sites.as_ref().context("there are no sites")?[side];
        let mut site = site.lock().map_err(|_| anyhow::anyhow!("the {side} site is broken"))?;
        Ok(work(&mut site))
    }

    /// On the same addresses whenever it is called: a state belongs to its two sites.
    fn serve(&mut self, latency: Duration) -> anyhow::Result<Value> {
        self.servers = None;
        let sites = self.sites.as_ref().context("there are no sites")?;
        let options = Options { latency, ..Options::default() };
        let known = self.addresses;
        let serve = |side: Side| {
            let address =
                known.map_or_else(|| "127.0.0.1:0".to_owned(), |known| known[side].to_string());
            Server::start(Arc::clone(&sites[side]), &address, options)
                .with_context(|| format!("cannot serve on {address}"))
        };
        let servers = Sides::new(serve(Side::Cloud)?, serve(Side::Local)?);
        let address = |side: Side| -> anyhow::Result<SocketAddr> {
            Ok(servers[side].url().trim_start_matches("http://").parse()?)
        };
        self.addresses = Some(Sides::new(address(Side::Cloud)?, address(Side::Local)?));
        let described = |side: Side| -> anyhow::Result<Value> {
            let url = servers[side].url();
            let user = self.site(side, |site| site.user(FULL_USER).cloned())?.context("no user")?;
            Ok(serde_json::to_value(Address {
                url,
                api_key: user.api_key,
                api_secret: user.api_secret,
            })?)
        };
        let answer = json!({"cloud": described(Side::Cloud)?, "local": described(Side::Local)?});
        self.servers = Some(servers);
        Ok(answer)
    }

    fn write_recorded(&self, file: &Path) -> anyhow::Result<()> {
        let of = |side| -> anyhow::Result<Vec<Replayed>> {
            let recorded = self.site(side, |site| site.log.recorded.take())?.unwrap_or_default();
            Ok(recorded.into_iter().map(Replayed::of).collect())
        };
        let plan = Sides::new(of(Side::Cloud)?, of(Side::Local)?);
        Ok(std::fs::write(file, serde_json::to_vec(&plan)?)?)
    }
}

fn refused(failure: &frappe_sandbox::failure::Failure) -> anyhow::Error {
    anyhow::anyhow!(failure.text())
}

/// Makes documents that are the same on every site, saved over the last year.
fn fill(site: &mut Site, doctype: &str, documents: usize) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let year = i64::try_from(DAYS)? * 24 * 3600 * 1000;
    for number in 0..documents {
        let age = year * i64::try_from(documents - number)? / i64::try_from(documents)?;
        let at = now.checked_sub(SignedDuration::from_millis(age))?;
        let values = document(doctype, number);
        site.insert_as(USER, doctype, &values, at).map_err(|failure| refused(&failure))?;
    }
    Ok(())
}

/// A document of a doctype that goes by the name its user gives it.
fn document(doctype: &str, number: usize) -> Value {
    let name = format!("{doctype} {number:07}");
    let text = format!("{doctype} number {number}, as it stands in the catalogue of this year");
    match doctype {
        "Item" => json!({
            "item_code": name, "item_name": name, "item_group": "Products", "stock_uom": "Nos",
            "description": text, "weight_per_unit": 1.5,
        }),
        _ => json!({ "brand": name, "description": text }),
    }
}

fn edit(site: &mut Site, doctype: &str, every: usize) -> anyhow::Result<()> {
    let now = Timestamp::now();
    for name in site.names(doctype).iter().step_by(every) {
        let values = json!({ "description": "edited since" });
        site.edit_as(USER, doctype, name, &values, now).map_err(|failure| refused(&failure))?;
    }
    Ok(())
}
