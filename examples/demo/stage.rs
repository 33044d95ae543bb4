//! The stage of the demo: two sites, the people who work on them, a folder and the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use frappe_sandbox::Flavour;
use frappe_sandbox::http::Server;
use jiff::Timestamp;
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::DOCTYPES;
use crate::compare::{Fields, comparable};
use crate::voice::{bold, typed};

/// The secret with which both sites sign what they deliver.
pub const WEBHOOK_SECRET: &str = "told-to-nobody";

/// Two sites, a folder and the program.
pub struct Stage {
    pub cloud: Site,
    pub local: Site,
    pub folder: tempfile::TempDir,
    program: PathBuf,
}

/// A site, the person who works on it and a way to read it over REST.
pub struct Site {
    pub name: &'static str,
    user: &'static str,
    server: Server,
    client: Client,
}

impl Stage {
    pub fn set() -> anyhow::Result<Self> {
        let program = program()?;
        let (cloud, local) = frappe_sandbox::sites::pair(Flavour::V15_105, 1)?;
        let stage = Self {
            cloud: Site::open("cloud", "maria@office.example.com", cloud)?,
            local: Site::open("local", "tom@warehouse.example.com", local)?,
            folder: tempfile::tempdir()?,
            program,
        };
        stage.furnish()?;
        Ok(stage)
    }

    /// What the two companies have before they know of each other.
    fn furnish(&self) -> anyhow::Result<()> {
        let cloud = &self.cloud;
        cloud.insert("Brand", &json!({"brand": "Falk", "description": "Saws and drills"}))?;
        cloud.insert(
            "Customer Group",
            &json!({
                "customer_group_name": "Hardware Stores",
                "parent_customer_group": "All Customer Groups",
            }),
        )?;
        cloud.insert("Customer", &customer("Miller & Sons", "Hardware Stores"))?;
        cloud.insert("Customer", &customer("Nordlicht Ltd", "Commercial"))?;
        cloud.insert("Item", &item("SAW-12", "Falk"))?;
        self.local.insert("Customer", &customer("Harbour Office", "Government"))?;
        self.local.insert("Item", &item("DRILL-7", ""))
    }

    pub fn write_configuration(&self) -> anyhow::Result<()> {
        let doctypes = json!(DOCTYPES).to_string().replace(',', ", ");
        let section = |site: &Site| {
            let (name, url) = (site.name, site.server.url());
            let upper = name.to_uppercase();
            format!(
                "[{name}]\nurl = \"{url}\"\napi_key = \"${{{upper}_API_KEY}}\"\n\
                 api_secret = \"${{{upper}_API_SECRET}}\"\n\n"
            )
        };
        let text = format!(
            "{}{}[sync]\ndoctypes = {doctypes}\nconflict_resolution = \"manual\"\n\n\
             [webhooks]\nsecret = \"${{WEBHOOK_SECRET}}\"\n",
            section(&self.cloud),
            section(&self.local)
        );
        std::fs::write(self.folder.path().join("sync.toml"), &text)?;
        let secret = format!("WEBHOOK_SECRET={WEBHOOK_SECRET}\n");
        let keys = format!("{}{}{secret}", self.cloud.dotenv()?, self.local.dotenv()?);
        write_private(&self.folder.path().join(".env"), &keys)?;
        println!("{}\n{text}", bold("$ cat sync.toml"));
        Ok(())
    }

    pub fn clear_request_logs(&self) {
        for site in [&self.cloud, &self.local] {
            site.server.site().log.clear();
        }
    }

    /// Runs the program and shows what a person would see. Another exit code than expected
    /// ends the demo.
    pub fn run(&self, arguments: &[&str], expected: i32) -> anyhow::Result<()> {
        let typed = typed(arguments);
        println!("{}", bold(&format!("$ {typed}")));
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("ERPSYNC_CONFIG")
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
        print!("{}", String::from_utf8_lossy(&output.stderr));
        let code = output.status.code();
        if let Some(code) = code.filter(|code| *code != 0) {
            println!("(exit code {code})");
        }
        println!();
        ensure!(
            code == Some(expected),
            "{typed} ended with {}, not with exit code {expected}",
            output.status
        );
        Ok(())
    }
}

impl Site {
    fn open(
        name: &'static str,
        user: &'static str,
        site: frappe_sandbox::Site,
    ) -> anyhow::Result<Self> {
        // The client wants a crypto provider, although nothing here is encrypted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().tls_certs_only([]).build()?;
        Ok(Self { name, user, server: Server::local(site)?, client })
    }

    pub fn insert(&self, doctype: &str, values: &Value) -> anyhow::Result<()> {
        let made = self.server.site().insert_as(self.user, doctype, values, Timestamp::now());
        made.map(drop).map_err(|failure| anyhow::anyhow!("{doctype}: {}", failure.text()))
    }

    pub fn edit(&self, doctype: &str, name: &str, values: &Value) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let done = self.server.site().edit_as(self.user, doctype, name, values, now);
        done.map_err(|failure| anyhow::anyhow!("{doctype} {name}: {}", failure.text()))
    }

    /// Edits a document's child rows, as they are.
    pub fn edit_rows(
        &self,
        doctype: &str,
        name: &str,
        table: &str,
        change: impl FnOnce(&mut Vec<Value>),
    ) -> anyhow::Result<()> {
        let document = self.server.site().get_doc(doctype, name);
        let document = document.with_context(|| format!("{} has no {name}", self.name))?;
        let mut rows = document[table].as_array().cloned().unwrap_or_default();
        change(&mut rows);
        self.edit(doctype, name, &json!({ table: rows }))
    }

    /// How many requests the site has answered, and how many of them were writes.
    pub fn requests(&self) -> (usize, usize) {
        let site = self.server.site();
        (site.log.entries().len(), site.log.writes().len())
    }

    /// The key of the user that erpsync works as, as lines of a .env file.
    fn dotenv(&self) -> anyhow::Result<String> {
        let (key, secret) = self.key()?;
        let name = self.name.to_uppercase();
        Ok(format!("{name}_API_KEY={key}\n{name}_API_SECRET={secret}\n"))
    }

    fn key(&self) -> anyhow::Result<(String, String)> {
        let site = self.server.site();
        let user = site.user(frappe_sandbox::sites::FULL_USER).context("no user")?;
        Ok((user.api_key.clone(), user.api_secret.clone()))
    }

    /// Every document of a doctype by its name, read one by one over REST.
    pub fn read_all(&self, doctype: &str) -> anyhow::Result<BTreeMap<String, Fields>> {
        let list = self.get(&[doctype], &[("limit_page_length", "0")])?;
        let names =
            list.as_array().context("no list")?.iter().filter_map(|row| row["name"].as_str());
        names
            .map(|name| {
                let document = self.get(&[doctype, name], &[])?;
                let fields =
                    document.as_object().with_context(|| format!("no {doctype} {name}"))?;
                Ok((name.to_owned(), comparable(fields, false)))
            })
            .collect()
    }

    fn get(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let mut url = reqwest::Url::parse(&self.server.url())?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(["api", "resource"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (key, secret) = self.key()?;
        let request = self.client.get(url).header("Authorization", format!("token {key}:{secret}"));
        let mut answer: Value = serde_json::from_str(&request.send()?.error_for_status()?.text()?)?;
        Ok(answer["data"].take())
    }
}

pub fn customer(name: &str, group: &str) -> Value {
    json!({
        "customer_name": name,
        "customer_group": group,
        "territory": "Rest Of The World",
        "credit_limits": [{"company": "Bench Co", "credit_limit": 5000}],
        "sales_team": [
            {"sales_person": "Anna", "allocated_percentage": 40},
            {"sales_person": "Bruno", "allocated_percentage": 60},
        ],
    })
}

pub fn item(code: &str, brand: &str) -> Value {
    json!({
        "item_code": code,
        "item_group": "Products",
        "stock_uom": "Nos",
        "brand": brand,
        "uoms": [
            {"uom": "Nos", "conversion_factor": 1},
            {"uom": "Box", "conversion_factor": 10},
        ],
    })
}

/// The program that was built with this demo: it lies one folder above it.
fn program() -> anyhow::Result<PathBuf> {
    let demo = std::env::current_exe()?;
    let folder = demo.parent().and_then(Path::parent).context("no folder above the demo")?;
    let program = folder.join("erpsync").with_extension(std::env::consts::EXE_EXTENSION);
    if !program.is_file() {
        bail!("{} is not there; build it first: cargo build --locked", program.display());
    }
    Ok(program)
}

/// Writes a file that nobody else can read.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, "")?;
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(std::fs::write(path, text)?)
}
