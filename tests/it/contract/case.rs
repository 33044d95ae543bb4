//! The case files as data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::vars::Vars;

/// Where the case files are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/contract")
}

/// `00-doctypes.json`: what the cases stand on.
#[derive(Debug, Deserialize)]
pub struct Ground {
    pub roles: Vec<String>,
    pub doctypes: Vec<Value>,
    pub bases: BTreeMap<String, Value>,
}

/// One case file: one recorded file, or a part of it, in our own reduced form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    pub file: String,
    /// The recorded file, where several case files share one.
    pub recording: Option<String>,
    /// The doctypes it uses; a live run empties them first.
    pub doctypes: Vec<String>,
    /// The roles of our own that the weak user has here.
    #[serde(default)]
    pub weak_roles: Vec<String>,
    /// Why no case of it can be replayed on a real site.
    pub sandbox_only: Option<String>,
    #[serde(default)]
    pub setup: Vec<Case>,
    pub cases: Vec<Case>,
    /// What takes away again what was made outside the doctypes of our own; on real sites only.
    #[serde(default)]
    pub cleanup: Vec<Case>,
}

/// One exchange, or (without a method) something done to the sandbox itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Case {
    /// The recorded title; a case without one is our own addition.
    pub title: Option<String>,
    pub step: Option<String>,
    pub note: Option<String>,
    /// Who asks: full (the default), weak, guest, basic, `bad_secret`, or a header as it stands.
    #[serde(rename = "as")]
    pub user: Option<String>,
    pub site: Option<String>,
    /// Why it cannot be replayed on a real site.
    pub sandbox_only: Option<String>,
    /// Shows what the site's background worker does: on real sites only where the keys say
    /// `webhooks`.
    pub needs_worker: bool,
    pub method: String,
    /// Percent-encoded, as it goes over the wire.
    pub path: String,
    /// The path must not be normalised by the HTTP library.
    pub raw_path: bool,
    pub headers: BTreeMap<String, String>,
    /// Decoded; what is not a string is sent as JSON.
    pub query: BTreeMap<String, Value>,
    pub body: Option<Value>,
    pub form: Option<BTreeMap<String, String>>,
    pub raw: Option<String>,
    /// The case is repeated for each of these, as `${each}`, or `${each.key}` where it is an object.
    pub each: Vec<Value>,
    /// Cases that are repeated together, in this order, for each of the values.
    pub cases: Vec<Case>,
    /// Variables out of the answer, by dotted path.
    pub save: BTreeMap<String, String>,
    /// Lists out of the answer, kept to compute what later answers must say.
    pub keep: BTreeMap<String, String>,
    pub may_fail: bool,
    /// The `modified` that the answered document gets on a sandbox ("null" for none).
    pub stamp: Option<String>,
    pub rate_limit: Option<RateLimit>,
    pub wait_seconds: Option<String>,
    /// What the webhooks sent since the last look, a pattern a try, in order; the receiver answers
    /// 500 below `/fail/` and 200 elsewhere.
    pub deliveries: Option<Vec<Value>>,
    /// The secret of those webhooks.
    pub secret: Option<String>,
    pub expect: Expect,
    pub expect_15_105: Option<Expect>,
}

/// So many requests are accepted in a window.
#[derive(Debug, Clone, Deserialize)]
pub struct RateLimit {
    pub accept: i64,
    pub window_seconds: u32,
}

/// What the answer must be; what is not given is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    pub status: Option<u16>,
    pub exc_type: Option<String>,
    /// The keys of the answer, all of them (`exc`, the traceback, aside).
    pub top: Option<Vec<String>>,
    /// A fragment, or several, of Frappe's messages.
    pub message: Option<Value>,
    /// A pattern for the whole answer.
    pub body: Option<Value>,
    /// The keys of every row, all of them.
    pub keys: Option<Vec<String>>,
    pub length: Option<usize>,
    /// The names of the rows, in order.
    pub names: Option<Vec<String>>,
    pub sorted_by: Option<String>,
    pub names_of: Option<Value>,
    pub set_of: Option<Value>,
    pub fold: Option<Value>,
    /// The other side's version of the document, which it must equal.
    pub same_as: Option<Value>,
    /// The fields in which it may differ; `table.field` is a field of the rows.
    pub but: Option<Value>,
    pub headers: BTreeMap<String, String>,
    /// A fragment of an answer that is not JSON.
    pub text: Option<String>,
}

/// A recorded title that a case covers.
#[derive(Debug, Clone)]
pub struct Title {
    pub text: String,
    /// `covered`, and where real sites cannot show it, why.
    pub state: String,
}

impl Case {
    /// What to call it in a report.
    pub fn name(&self) -> &str {
        self.title.as_deref().or(self.step.as_deref()).unwrap_or(&self.path)
    }

    /// The expectation for a flavour.
    pub fn expected(&self, flavour: &str) -> &Expect {
        match &self.expect_15_105 {
            Some(other) if flavour == "15.105" => other,
            _ => &self.expect,
        }
    }

    /// The recorded titles it covers, one for each repetition.
    pub fn titles(&self) -> Vec<Title> {
        let covered = |text: &String| Title { text: text.clone(), state: self.state() };
        let inner = self.cases.iter().flat_map(Case::titles);
        let own: Vec<Title> = self.title.iter().map(covered).chain(inner).collect();
        if self.each.is_empty() {
            return own;
        }
        let with = |value: &Value| -> Vec<Title> {
            let mut vars = Vars::default();
            vars.set("each", value.clone());
            let of = |title: &Title| Title { text: vars.text(&title.text), ..title.clone() };
            own.iter().map(of).collect()
        };
        self.each.iter().flat_map(with).collect()
    }

    /// What the documentation has to say of it.
    fn state(&self) -> String {
        match &self.sandbox_only {
            Some(reason) => on_the_sandbox_only(reason),
            None if self.needs_worker => "covered, on real sites only with their worker".to_owned(),
            None => "covered".to_owned(),
        }
    }
}

fn on_the_sandbox_only(reason: &str) -> String {
    format!("covered, on the sandbox only: {reason}")
}

impl CaseFile {
    /// The recorded file that its titles are of.
    pub fn recording(&self) -> &str {
        self.recording.as_deref().unwrap_or(&self.file)
    }

    /// All recorded titles it covers.
    pub fn titles(&self) -> Vec<Title> {
        let mut titles: Vec<Title> = self.cases.iter().flat_map(Case::titles).collect();
        if let Some(reason) = &self.sandbox_only {
            for title in &mut titles {
                title.state = on_the_sandbox_only(reason);
            }
        }
        titles
    }
}

/// Reads one case file.
pub fn read(name: &str) -> CaseFile {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file: CaseFile =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(file.file, name, "the name in {}", path.display());
    file
}

/// Reads what the cases stand on.
pub fn read_ground() -> Ground {
    let text =
        std::fs::read_to_string(folder().join("00-doctypes.json")).expect("00-doctypes.json");
    serde_json::from_str(&text).expect("00-doctypes.json")
}

/// The names of all case files, in order.
pub fn all_files() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("the case folder")
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .filter(|name| name != "00-doctypes")
        .collect();
    names.sort();
    names
}
