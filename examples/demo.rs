//! Two sites come into step before your eyes: `make demo`.
//!
//! Two sandbox sites are started on free ports of this machine, a folder is made with a
//! `sync.toml`, and then the real `erpsync` is run as a person would run it. At the end both
//! sites are read over REST, without erpsync, and compared field by field.
//!
//! The exit code is 0 if everything happened as told, 1 if it did not. With `--meddle`
//! somebody edits a site right before the comparison, which must then fail: the proof that it
//! looks.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a demonstration is to be seen")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};
use frappe_sandbox::Flavour;
use frappe_sandbox::http::Server;
use jiff::Timestamp;
use reqwest::blocking::Client;
use serde_json::{Map, Value, json};

/// What is kept in step here. What others link to comes first.
const DOCTYPES: [&str; 4] = ["Brand", "Customer Group", "Customer", "Item"];

fn main() -> ExitCode {
    let meddle = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--meddle") => true,
        Some(_) => {
            eprintln!("usage: demo [--meddle]");
            return ExitCode::from(2);
        }
    };
    match tell(meddle) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The story.
fn tell(meddle: bool) -> anyhow::Result<()> {
    let stage = Stage::set()?;
    begin(&stage)?;
    meet_for_the_first_time(&stage)?;
    have_nothing_to_do(&stage)?;
    work_on_both_sides(&stage)?;
    see_what_waits(&stage)?;
    settle_the_conflict(&stage)?;
    if meddle {
        say("--meddle: now somebody edits an item on local behind erpsync's back.");
        stage.local.edit("Item", "DRILL-7", &json!({"description": "meddled with"}))?;
    }
    compare_the_sites(&stage)
}

fn begin(stage: &Stage) -> anyhow::Result<()> {
    title("A new folder");
    say("Maria works in the office, on the site \"cloud\". Tom works in the warehouse, on the \
         site \"local\". Both have customers and items that the other does not have.");
    stage.run(&["init"], 0)?;
    say("The two sites and the doctypes are entered in sync.toml, the keys in .env:");
    stage.write_configuration()
}

fn meet_for_the_first_time(stage: &Stage) -> anyhow::Result<()> {
    title("The first run");
    say("What only one site has is created on the other, child rows included. The customer \
         groups that every new site has are equal already.");
    stage.run(&["sync-all"], 0)
}

fn have_nothing_to_do(stage: &Stage) -> anyhow::Result<()> {
    title("A second run");
    say("Nothing has changed, so nothing is written. The sites' own request logs prove it.");
    stage.clear_request_logs();
    stage.run(&["sync-all"], 0)?;
    for site in [&stage.cloud, &stage.local] {
        let (requests, writes) = site.requests();
        println!("{}: {requests} requests answered, {writes} of them writes", site.name);
        ensure!(writes == 0, "the second run wrote to {}", site.name);
    }
    println!();
    Ok(())
}

fn work_on_both_sides(stage: &Stage) -> anyhow::Result<()> {
    title("People work");
    let maria = &stage.cloud;
    say("Maria, on cloud:");
    bullet("changes a row of item SAW-12 and adds one: a box is 12 now, a kilo is 2");
    maria.edit_rows("Item", "SAW-12", "uoms", |rows| {
        rows[1]["conversion_factor"] = json!(12);
        rows.push(json!({"uom": "Kg", "conversion_factor": 2}));
    })?;
    bullet("enters a new customer, Café Zürich");
    maria.insert("Customer", &customer("Café Zürich", "Hardware Stores"))?;
    bullet("gives Nordlicht Ltd 30 days to pay\n");
    maria.edit("Customer", "Nordlicht Ltd", &json!({"payment_terms": "30 days"}))?;

    let tom = &stage.local;
    say("Tom, on local:");
    bullet("takes a row out of the sales team of Miller & Sons, and notes their website");
    tom.edit_rows("Customer", "Miller & Sons", "sales_team", |rows| drop(rows.remove(0)))?;
    tom.edit("Customer", "Miller & Sons", &json!({"website": "https://miller.example.com"}))?;
    bullet("enters a new item, GLOVE-3, of a new brand");
    tom.insert("Brand", &json!({"brand": "Tatze", "description": "Warm hands"}))?;
    tom.insert("Item", &item("GLOVE-3", "Tatze"))?;
    bullet("gives Nordlicht Ltd 14 days to pay: he has not seen what Maria did\n");
    tom.edit("Customer", "Nordlicht Ltd", &json!({"payment_terms": "14 days"}))?;

    say("Every edit is carried over but the last. Two people changed one field, and sync.toml \
         says that a person decides (conflict_resolution = \"manual\").");
    stage.run(&["sync-all"], 3)
}

fn see_what_waits(stage: &Stage) -> anyhow::Result<()> {
    title("What waits");
    say("Both versions of the conflict are kept. Each site tells the time in its own zone.");
    stage.run(&["conflicts"], 0)?;
    say("Where everything stands:");
    stage.run(&["status"], 0)
}

fn settle_the_conflict(stage: &Stage) -> anyhow::Result<()> {
    title("The conflict is settled");
    say("Maria and Tom agree on 30 days. Tom enters it on local; the next run sees that both \
         sites are equal and closes the conflict.");
    stage.local.edit("Customer", "Nordlicht Ltd", &json!({"payment_terms": "30 days"}))?;
    stage.run(&["sync-all"], 0)?;
    stage.run(&["conflicts"], 0)?;
    say("The audit trail knows the whole story, newest first:");
    stage.run(&["log", "--name", "Nordlicht Ltd"], 0)
}

/// Reads every document of both sites over REST and compares them.
fn compare_the_sites(stage: &Stage) -> anyhow::Result<()> {
    title("Is it true?");
    say("Every document of both sites, read over REST without erpsync, field by field:");
    let mut differences = Vec::new();
    for doctype in DOCTYPES {
        let (cloud, local) = (stage.cloud.read_all(doctype)?, stage.local.read_all(doctype)?);
        let found = differences_of(doctype, &cloud, &local);
        let verdict = match found.len() {
            0 => "equal".to_owned(),
            1 => "1 DIFFERENCE".to_owned(),
            many => format!("{many} DIFFERENCES"),
        };
        println!("{doctype}: {} on cloud, {} on local; {verdict}", cloud.len(), local.len());
        differences.extend(found);
    }
    println!();
    for difference in &differences {
        println!("{difference}");
    }
    ensure!(differences.is_empty(), "the two sites differ");
    println!("The two sites are equal.");
    Ok(())
}

// The comparison

/// A document's fields, less what every site keeps for itself.
type Fields = BTreeMap<String, Value>;

fn differences_of(
    doctype: &str,
    cloud: &BTreeMap<String, Fields>,
    local: &BTreeMap<String, Fields>,
) -> Vec<String> {
    let names: BTreeSet<&String> = cloud.keys().chain(local.keys()).collect();
    let mut differences = Vec::new();
    for name in names {
        let what = format!("{doctype} {name}");
        match (cloud.get(name), local.get(name)) {
            (Some(cloud), Some(local)) => differences.extend(differing_fields(&what, cloud, local)),
            (Some(_), None) => differences.push(format!("{what}: only on cloud")),
            _ => differences.push(format!("{what}: only on local")),
        }
    }
    differences
}

fn differing_fields(what: &str, cloud: &Fields, local: &Fields) -> Vec<String> {
    let fields: BTreeSet<&String> = cloud.keys().chain(local.keys()).collect();
    let shown = |side: &Fields, field| side.get(field).unwrap_or(&Value::Null).to_string();
    fields
        .into_iter()
        .filter(|field| cloud.get(*field) != local.get(*field))
        .map(|field| (field, shown(cloud, field), shown(local, field)))
        .map(|(field, cloud, local)| format!("{what}, {field}: {cloud} on cloud, {local} on local"))
        .collect()
}

/// Leaves out when and by whom a document was saved, where it stands in its site's tree, from
/// which series its site would name it, and the names of its rows. Empty is empty, however a
/// site writes it.
fn comparable(document: &Map<String, Value>, is_row: bool) -> Fields {
    const SYSTEM: [&str; 7] =
        ["creation", "modified", "modified_by", "owner", "doctype", "idx", "docstatus"];
    const OWN: [&str; 4] = ["lft", "rgt", "old_parent", "naming_series"];
    const OF_ROWS: [&str; 4] = ["name", "parent", "parenttype", "parentfield"];
    document
        .iter()
        .filter(|(field, _)| !SYSTEM.contains(&field.as_str()) && !OWN.contains(&field.as_str()))
        .filter(|(field, _)| !(is_row && OF_ROWS.contains(&field.as_str())))
        .filter(|(field, value)| !field.starts_with('_') && !value.is_null() && *value != "")
        .map(|(field, value)| {
            let rows = value.as_array().map(|rows| {
                rows.iter().filter_map(Value::as_object).map(|row| json!(comparable(row, true)))
            });
            (field.clone(), rows.map_or_else(|| value.clone(), Iterator::collect))
        })
        .collect()
}

// The stage

/// Two sites, a folder and the program.
struct Stage {
    cloud: Site,
    local: Site,
    folder: tempfile::TempDir,
    program: PathBuf,
}

/// A site, the person who works on it and a way to read it over REST.
struct Site {
    name: &'static str,
    user: &'static str,
    server: Server,
    client: Client,
}

impl Stage {
    fn set() -> anyhow::Result<Self> {
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

    fn write_configuration(&self) -> anyhow::Result<()> {
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
            "{}{}[sync]\ndoctypes = {doctypes}\nconflict_resolution = \"manual\"\n",
            section(&self.cloud),
            section(&self.local)
        );
        std::fs::write(self.folder.path().join("sync.toml"), &text)?;
        let keys = format!("{}{}", self.cloud.dotenv()?, self.local.dotenv()?);
        write_private(&self.folder.path().join(".env"), &keys)?;
        println!("{}\n{text}", bold("$ cat sync.toml"));
        Ok(())
    }

    fn clear_request_logs(&self) {
        for site in [&self.cloud, &self.local] {
            site.server.site().log.clear();
        }
    }

    /// Runs the program and shows what a person would see. Another exit code than expected
    /// ends the demo.
    fn run(&self, arguments: &[&str], expected: i32) -> anyhow::Result<()> {
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

    fn insert(&self, doctype: &str, values: &Value) -> anyhow::Result<()> {
        let made = self.server.site().insert_as(self.user, doctype, values, Timestamp::now());
        made.map(drop).map_err(|failure| anyhow::anyhow!("{doctype}: {}", failure.text()))
    }

    fn edit(&self, doctype: &str, name: &str, values: &Value) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let done = self.server.site().edit_as(self.user, doctype, name, values, now);
        done.map_err(|failure| anyhow::anyhow!("{doctype} {name}: {}", failure.text()))
    }

    /// Edits a document's child rows, as they are.
    fn edit_rows(
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
    fn requests(&self) -> (usize, usize) {
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
    fn read_all(&self, doctype: &str) -> anyhow::Result<BTreeMap<String, Fields>> {
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

fn customer(name: &str, group: &str) -> Value {
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

fn item(code: &str, brand: &str) -> Value {
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

// What is said

/// The command as one would type it.
fn typed(arguments: &[&str]) -> String {
    let quoted =
        |text: &&str| if text.contains(' ') { format!("\"{text}\"") } else { (*text).into() };
    format!("erpsync {}", arguments.iter().map(quoted).collect::<Vec<_>>().join(" "))
}

fn title(text: &str) {
    println!("{}\n", bold(&format!("== {text} ==")));
}

/// A sentence or two, in lines that fit a terminal.
fn say(text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let gap = if width == 0 {
            ""
        } else if width + 1 + length > 80 {
            "\n"
        } else {
            " "
        };
        width = if gap == " " { width + 1 + length } else { length };
        print!("{gap}{word}");
    }
    println!("\n");
}

fn bullet(text: &str) {
    println!("  - {text}");
}

fn bold(text: &str) -> String {
    let is_shown = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if is_shown { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}
