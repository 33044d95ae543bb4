//! Two model sites with doctypes that are not quite the same on both, a state, and the pass.

use std::collections::BTreeMap;

use frappe_sandbox::Flavour;
use frappe_sandbox::meta::DocType;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::in_process::{Sent, Shared};
use crate::config::Config;
use crate::core_tests::in_process::InProcess;
use crate::core_tests::meta;
use crate::model::{Doc, Side, Sides};
use crate::pass::{Options, Pass, Scope, Summary, Surroundings, Watcher};
use crate::site::Site;
use crate::state::State;

/// What the properties are about.
pub const DOCTYPES: [&str; 2] = ["Order", "Visit"];

/// Somebody who works on the sites.
const USER: &str = "Administrator";

/// What linked documents are called: for each doctype the name on the cloud to the name on
/// the local site, which is always the name of another document too.
pub const NAMES: [(&str, [(&str, &str); 3]); 4] = [
    ("Customer", [("A", "B"), ("B", "C"), ("C", "A")]),
    ("Supplier", [("A", "C"), ("B", "B"), ("C", "A")]),
    ("Item", [("A", "B"), ("B", "A"), ("C", "C")]),
    ("Label", [("A", "C"), ("B", "A"), ("C", "B")]),
];

pub struct World {
    pub shared: Shared,
    state: State,
    config: Config,
    _dir: TempDir,
}

struct Quiet;

impl Watcher for Quiet {
    fn listing(&self, _: &str) {}
    fn working(&self, _: &str, _: usize) {}
    fn advance(&self, _: usize) {}
}

impl World {
    /// Two sites that have been synced before: what is linked to has other names on each.
    pub fn new(flavour: Flavour, winner: Side) -> Self {
        let shared = Shared::new(sites(flavour), "2026-11-22T09:30:00Z".parse().unwrap());
        // In memory where there is such a place: every commit waits for the disk otherwise.
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let dir = dir.unwrap();
        let state = State::create(&dir.path().join("sync_state.db")).unwrap();
        let config = config(&dir, winner);
        let mut world = Self { shared, state, config, _dir: dir };
        for (doctype, names) in NAMES {
            for (name, _) in names {
                world.insert(Side::Cloud, doctype, &linked(doctype, name));
            }
        }
        let all: Vec<&str> = NAMES.iter().map(|(doctype, _)| *doctype).collect();
        world.pass(&all);
        world.rename_on_local();
        world.pass(&all);
        world.hook_up();
        world.shared.lock().log.clear();
        world
    }

    fn rename_on_local(&self) {
        let mut both = self.shared.lock();
        for (doctype, names) in NAMES {
            let away = names.map(|(name, _)| (name.to_owned(), format!("{name} on the way")));
            let back = names.map(|(name, there)| (format!("{name} on the way"), there.to_owned()));
            for (old, new) in away.into_iter().chain(back) {
                let now = both.tick();
                both.sites.local.rename_as(USER, doctype, &old, &new, now).unwrap();
            }
        }
    }

    /// Each site rewrites a field, so that the sides are in step and not equal.
    fn hook_up(&self) {
        let mut both = self.shared.lock();
        both.sites.local.hooks.upper_case("Order", "remarks");
        both.sites.cloud.hooks.round("Order", "weight", 1);
    }

    /// A pass over some doctypes.
    pub fn pass(&mut self, doctypes: &[&str]) -> Summary {
        let sites = Sides::from_fn(|side| InProcess { side, wire: self.shared.clone() });
        let sides = Sides::new(&sites.cloud as &dyn Site, &sites.local as &dyn Site);
        let shared = self.shared.clone();
        let now = move || shared.lock().now;
        let run = self.state.start_run("sync-all", now()).unwrap();
        let around =
            Surroundings { now: &now, pause: &|_| {}, is_interrupted: &|| false, watcher: &Quiet };
        let options = Options::default();
        let scopes: Vec<Scope> = doctypes
            .iter()
            .map(|doctype| Scope::whole(self.config.doctype(doctype).unwrap()))
            .collect();
        let (state, config) = (&mut self.state, &self.config);
        let mut pass =
            Pass::new(sides, state, config, &options, around, Some(run), &scopes).unwrap();
        pass.run(&scopes).unwrap();
        let summary = pass.summary().unwrap();
        self.state.finish_run(run, 0, Sides::default(), &json!(null), now()).unwrap();
        summary
    }

    /// What was sent since this was last asked.
    pub fn take_log(&self) -> Vec<Sent> {
        std::mem::take(&mut self.shared.lock().log)
    }

    pub fn read(&self, side: Side, doctype: &str, name: &str) -> Doc {
        let found = self.shared.lock().read(side, doctype, name);
        found.unwrap_or_else(|| panic!("{doctype} {name} is not on {side}"))
    }

    /// A user's new document.
    pub fn insert(&self, side: Side, doctype: &str, values: &Map<String, Value>) {
        let mut both = self.shared.lock();
        let now = both.tick();
        both.sites[side].insert_as(USER, doctype, &json!(values), now).unwrap();
    }

    /// A user's edit, with rows as a form sends them.
    pub fn edit(&self, side: Side, doctype: &str, name: &str, values: &Map<String, Value>) {
        let mut values = values.clone();
        for value in values.values_mut() {
            for row in value.as_array_mut().into_iter().flatten() {
                let row = row.as_object_mut().unwrap();
                row.retain(|field, _| !["idx", "modified", "modified_by"].contains(&&**field));
            }
        }
        let mut both = self.shared.lock();
        both.now = both.now.checked_add(SignedDuration::from_secs(1)).unwrap();
        let now = both.tick();
        both.sites[side].edit_as(USER, doctype, name, &json!(values), now).unwrap();
    }
}

fn config(dir: &TempDir, winner: Side) -> Config {
    let site = |side: Side| {
        format!(
            "[{side}]\nurl = \"https://{side}.example.com\"\napi_key = \"{side}fullkey\"\n\
             api_secret = \"{side}fullsecret\"\nconcurrency = 1\n"
        )
    };
    let doctypes: Vec<&str> = NAMES.iter().map(|(doctype, _)| *doctype).chain(DOCTYPES).collect();
    let text = format!(
        "{}{}[sync]\ndoctypes = {doctypes:?}\nconflict_resolution = \"{winner}_wins\"\n\
         [sync.retry]\nbackoff_seconds = 0.01\n\
         [doctypes.Order]\nexclude_fields = [\"shelf\", \"items.shelf\"]\n\
         [doctypes.Visit]\nexclude_fields = [\"notes.shelf\", \"more.shelf\"]\n",
        site(Side::Cloud),
        site(Side::Local)
    );
    let file = dir.path().join("sync.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file, &BTreeMap::<String, String>::new()).unwrap()
}

/// A document that others link to.
fn linked(doctype: &str, name: &str) -> Map<String, Value> {
    let values = match doctype {
        "Customer" => json!({"customer_name": name}),
        "Supplier" => json!({"supplier_name": name}),
        "Item" => json!({"item_code": name, "item_group": "Products", "stock_uom": "Nos"}),
        _ => json!({"name": name}),
    };
    values.as_object().unwrap().clone()
}

/// Two sites with the doctypes of `tests/cases/doctypes.json`, on each with a field that the
/// other one does not have, of documents and of rows.
pub fn sites(flavour: Flavour) -> Sides<frappe_sandbox::Site> {
    let (cloud, local) = frappe_sandbox::sites::pair(flavour, 7).unwrap();
    let mut sites = Sides::new(cloud, local);
    for side in Side::BOTH {
        let site = &mut sites[side];
        let at = frappe_sandbox::sites::birth();
        for doctype in ["Label", "Order Item", "Order Label", "Order", "Call Note", "Visit"] {
            let mut meta = meta(doctype);
            if meta.get("autoname").is_none() && meta.get("istable").is_none() {
                meta.insert("autoname".to_owned(), "prompt".into());
            }
            let rights = json!({"role": "System Manager", "read": 1, "write": 1, "create": 1});
            meta.insert("permissions".to_owned(), json!([rights]));
            let own = json!({"fieldname": format!("{side}_only"), "fieldtype": "Data"});
            meta["fields"].as_array_mut().unwrap().push(own);
            site.register(DocType::from_document(&meta), at);
        }
        // What has another name on the other side keeps it.
        for (doctype, _) in NAMES {
            site.set_property(doctype, "", "allow_rename", "0", at).unwrap();
        }
    }
    sites
}
