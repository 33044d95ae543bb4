//! Tests of the configuration, from a file's text to a typed value or an error's text.

mod errors;
mod hostile;
mod loading;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, NotYet, load, not_yet};

/// Words that no text may show.
const SECRETS: [&str; 4] = ["ckey-7d1f", "csecret-7d1f", "lkey-7d1f", "lsecret-7d1f"];

/// The smallest whole configuration; `{}` of [`with`] goes behind its end.
const BASE: &str = r#"[cloud]
url = "https://erp.example.com"
api_key = "${CLOUD_API_KEY}"
api_secret = "${CLOUD_API_SECRET}"
[local]
url = "http://localhost:8000"
api_key = "${LOCAL_API_KEY}"
api_secret = "${LOCAL_API_SECRET}"
[sync]
doctypes = ["Customer", "Sales Invoice"]
"#;

/// The base with a piece of text replaced; it must be there.
fn swapped(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from} is not in the base");
    BASE.replacen(from, to, 1)
}

/// The base with lines behind its end, that is behind line 10, in `[sync]`.
fn with(more: &str) -> String {
    format!("{BASE}{more}")
}

/// An environment in which the variables of the base are set.
fn env() -> BTreeMap<String, String> {
    ["CLOUD_API_KEY", "CLOUD_API_SECRET", "LOCAL_API_KEY", "LOCAL_API_SECRET"]
        .into_iter()
        .map(str::to_owned)
        .zip(SECRETS.map(str::to_owned))
        .collect()
}

/// A folder with a `sync.toml` in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.put("sync.toml", text, 0o600);
        folder
    }

    fn put(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.path().join("sync.toml"), &env())
    }

    /// Loads as if everything were in this version.
    fn load_all(&self) -> Result<Config, ConfigError> {
        let nothing: &[NotYet] = &[];
        assert!(!not_yet::NOT_YET.is_empty());
        load(&self.path().join("sync.toml"), &env(), nothing)
    }

    /// The error's text with the folder's name taken out, and its hint.
    fn shown(&self, error: &ConfigError) -> String {
        let folder = format!("{}/", self.path().display());
        let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        format!("{error}{hint}").replace(&folder, "")
    }
}

fn good(text: &str) -> Config {
    Folder::new(text).load().unwrap_or_else(|error| panic!("{error}"))
}

fn error_text(text: &str) -> String {
    let folder = Folder::new(text);
    folder.shown(&folder.load().unwrap_err())
}
