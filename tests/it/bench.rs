//! Two sandbox sites behind HTTP, a configuration for them, and the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::MutexGuard;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use erpsync::model::{Side, Sides};
use frappe_sandbox::http::{Options, Server};
use frappe_sandbox::sites::FULL_USER;
use frappe_sandbox::{Flavour, Site};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

/// Somebody who works on the sites while they are synced.
pub const USER: &str = "Administrator";

pub struct Bench {
    pub servers: Sides<Server>,
    pub dir: TempDir,
}

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The keys and secrets of the sandbox's users: what no output, no log and no database may hold.
const SECRETS: [&str; 2] = ["fullkey", "fullsecret"];

/// Whether some bytes hold a key or a secret of the test sites.
fn holds_secret(bytes: &[u8]) -> bool {
    SECRETS.iter().any(|secret| bytes.windows(secret.len()).any(|some| some == secret.as_bytes()))
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        for stream in [&output.stdout, &output.stderr] {
            let shown = String::from_utf8_lossy(stream);
            assert!(!holds_secret(stream), "a secret is shown: {shown}");
        }
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// The one JSON document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new(Flavour::V15_105, Options::default())
    }
}

impl Bench {
    pub fn new(flavour: Flavour, options: Options) -> Self {
        Self::of(frappe_sandbox::sites::pair(flavour, 7).unwrap(), options)
    }

    /// Two sites that are furnished already.
    pub fn of((cloud, local): (Site, Site), options: Options) -> Self {
        let serve = |site: Site| {
            let site = std::sync::Arc::new(std::sync::Mutex::new(site));
            Server::start(site, "127.0.0.1:0", options).unwrap()
        };
        let bench = Self {
            servers: Sides::new(serve(cloud), serve(local)),
            dir: tempfile::tempdir().unwrap(),
        };
        bench.clear_logs();
        bench
    }

    /// Writes `sync.toml`: the two sites, and what is given of the other sections.
    pub fn configure(&self, rest: &str) -> &Self {
        self.configure_sites("", rest)
    }

    /// The same, with more keys for both sites.
    pub fn configure_sites(&self, keys: &str, rest: &str) -> &Self {
        let section = |side: Side| {
            format!(
                "[{side}]\nurl = \"{}\"\napi_key = \"{side}fullkey\"\n\
                 api_secret = \"{side}fullsecret\"\n{keys}\n",
                self.servers[side].url()
            )
        };
        let text = format!("{}{}{rest}\n", section(Side::Cloud), section(Side::Local));
        std::fs::write(self.path("sync.toml"), text).unwrap();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_erpsync"));
        command.args(arguments).current_dir(self.dir.path()).env_remove("ERPSYNC_CONFIG");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs the program and kills it as soon as something has arrived: `kill -9`.
    pub fn kill(&self, arguments: &[&str], arrived: &Receiver<()>) {
        let (out, err) = (Stdio::null(), Stdio::null());
        let mut child = self.command(arguments).stdout(out).stderr(err).spawn().unwrap();
        arrived.recv_timeout(Duration::from_secs(60)).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A whole pass, creating the state where there is none.
    pub fn sync(&self) -> Ran {
        self.run(&["sync-all", "--new-state", "--json"])
    }

    pub fn site(&self, side: Side) -> MutexGuard<'_, Site> {
        self.servers[side].site()
    }

    /// A user's new document; gives its name.
    pub fn insert(&self, side: Side, doctype: &str, values: &Value) -> String {
        self.insert_at(side, doctype, values, Timestamp::now())
    }

    pub fn insert_at(&self, side: Side, doctype: &str, values: &Value, at: Timestamp) -> String {
        self.site(side).insert_as(USER, doctype, values, at).unwrap()
    }

    /// A user's edit.
    pub fn edit(&self, side: Side, doctype: &str, name: &str, values: &Value) {
        self.edit_at(side, doctype, name, values, Timestamp::now());
    }

    pub fn edit_at(&self, side: Side, doctype: &str, name: &str, values: &Value, at: Timestamp) {
        self.site(side).edit_as(USER, doctype, name, values, at).unwrap();
    }

    /// The document as a reader sees it.
    pub fn doc(&self, side: Side, doctype: &str, name: &str) -> Option<Value> {
        self.site(side).get_doc(doctype, name)
    }

    /// The writes that both sides have received since the logs were cleared.
    pub fn writes(&self) -> usize {
        Side::BOTH.into_iter().map(|side| self.site(side).log.writes().len()).sum()
    }

    /// The requests that a side has received since the logs were cleared.
    pub fn requests(&self, side: Side) -> usize {
        self.site(side).log.entries().len()
    }

    pub fn clear_logs(&self) {
        for side in Side::BOTH {
            self.site(side).log.clear();
        }
    }

    /// Every document of a doctype, as a JSON text of the fields that a user can see.
    pub fn contents(&self, side: Side, doctype: &str, fields: &[&str]) -> Vec<String> {
        let mut contents: Vec<String> = self
            .site(side)
            .all_docs(doctype)
            .iter()
            .map(|doc| {
                // A site turns an empty text into none and back as it likes.
                let shown = |field: &str| match &doc[field] {
                    Value::Null => "\"\"".to_owned(),
                    value => value.to_string(),
                };
                let fields: Vec<String> =
                    fields.iter().map(|field| format!("{field}={} ", shown(field))).collect();
                fields.concat()
            })
            .collect();
        contents.sort_unstable();
        contents
    }

    /// One value out of the state database.
    pub fn query(&self, sql: &str) -> String {
        let state = rusqlite::Connection::open(self.path("sync_state.db")).unwrap();
        let value = state.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0));
        match value.unwrap_or_else(|error| panic!("{sql}: {error}")) {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        }
    }
}

/// The user that erpsync works as.
pub const SYNC_USER: &str = FULL_USER;

/// A base out of the state database.
pub fn unpacked(base: &[u8]) -> std::io::Result<String> {
    std::io::read_to_string(flate2::bufread::ZlibDecoder::new(base))
}

/// What the bytes of a state database do not show: the bases, which are packed. None where the
/// file is not a database.
fn bases(path: &Path) -> Option<Vec<String>> {
    let state = rusqlite::Connection::open(path).ok()?;
    let select = "SELECT cloud_base FROM sync_records WHERE typeof(cloud_base) = 'blob'
         UNION ALL SELECT local_base FROM sync_records WHERE typeof(local_base) = 'blob'";
    let mut select = state.prepare(select).ok()?;
    let bases = select.query_map([], |row| row.get::<_, Vec<u8>>(0)).ok()?;
    Some(bases.map_while(Result::ok).filter_map(|base| unpacked(&base).ok()).collect())
}

/// Every test ends with a look into whatever the program left behind.
impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for entry in std::fs::read_dir(self.dir.path()).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Where a test itself has put them.
            let is_ours = [".toml", ".env", ".key"].into_iter().any(|part| name.contains(part));
            if !is_ours && entry.path().is_file() {
                let bytes = std::fs::read(entry.path()).unwrap_or_default();
                assert!(!holds_secret(&bytes), "a secret is in {name}");
                let bases = bases(&entry.path()).unwrap_or_default().concat();
                assert!(!holds_secret(bases.as_bytes()), "a secret is in a base in {name}");
            }
        }
    }
}
