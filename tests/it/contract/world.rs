//! The sites a case file is replayed on: two sandbox sites of its own, or two real ones.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use frappe_sandbox::http::Server;
use frappe_sandbox::rate::RateLimit;
use frappe_sandbox::sites;
use serde::Deserialize;
use serde_json::{Value, json};

use super::case::{Case, CaseFile, Ground};
use super::client::{Client, Site};
use super::vars::{Vars, at, plain};

/// Two sites.
pub struct World {
    flavour: String,
    cloud: Site,
    local: Site,
    sandbox: Option<Sandbox>,
}

/// Two running sandbox sites.
struct Sandbox {
    cloud: Server,
    local: Server,
}

/// One site in the file that `ERPSYNC_LIVE` names.
#[derive(Deserialize)]
struct Keys {
    url: String,
    api_key: String,
    api_secret: String,
    weak_key: String,
    weak_secret: String,
}

/// Both.
#[derive(Deserialize)]
struct Live {
    cloud: Keys,
    local: Keys,
}

impl From<Keys> for Site {
    fn from(keys: Keys) -> Self {
        Self {
            url: keys.url.trim_end_matches('/').to_owned(),
            full: (keys.api_key, keys.api_secret),
            weak: (keys.weak_key, keys.weak_secret),
        }
    }
}

impl World {
    /// Two fresh sandbox sites of a flavour.
    pub fn sandbox(flavour: &str) -> Self {
        let kind = flavour.parse().expect("a flavour");
        let (cloud, local) = sites::pair(kind, 1).expect("two sites");
        let [cloud, local] = [cloud, local].map(|site| Server::local(site).expect("a free port"));
        Self {
            flavour: flavour.to_owned(),
            cloud: address(&cloud),
            local: address(&local),
            sandbox: Some(Sandbox { cloud, local }),
        }
    }

    /// The real sites, if there are any.
    pub fn live() -> Option<Self> {
        let path = std::env::var_os("ERPSYNC_LIVE").filter(|p| !p.is_empty())?;
        let text = std::fs::read_to_string(&path).expect("the file that ERPSYNC_LIVE names");
        let keys: Live = serde_json::from_str(&text).expect("the keys that ERPSYNC_LIVE names");
        let mut world = Self {
            flavour: String::new(),
            cloud: keys.cloud.into(),
            local: keys.local.into(),
            sandbox: None,
        };
        world.flavour = world.version();
        Some(world)
    }

    /// 15.105 for anything newer than 15.56, which still answered as 15.55 does.
    fn version(&self) -> String {
        let case = get("/api/method/frappe.utils.change_log.get_versions");
        let answer = Client::new()
            .send(&self.cloud, &case, &Vars::default())
            .expect("the versions of the cloud site");
        let version =
            at(&answer.json, "message.frappe.version").and_then(Value::as_str).unwrap_or_default();
        let minor: u32 = version.split('.').nth(1).and_then(|m| m.parse().ok()).unwrap_or(0);
        if minor > 56 { "15.105" } else { "15.55" }.to_owned()
    }

    pub fn is_live(&self) -> bool {
        self.sandbox.is_none()
    }

    pub fn flavour(&self) -> &str {
        &self.flavour
    }

    pub fn name(&self) -> String {
        format!(
            "{} {}",
            if self.is_live() { "real sites like" } else { "the sandbox as" },
            self.flavour
        )
    }

    /// The site a case is for; the cloud unless it says otherwise.
    pub fn site(&self, name: Option<&str>) -> &Site {
        if name == Some("local") { &self.local } else { &self.cloud }
    }

    /// Something in every made-up series, so that a live run never meets an earlier one.
    pub fn mark(&self) -> String {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        if self.is_live() { format!("{seconds:x}") } else { "1".to_owned() }
    }

    /// Makes the doctypes of a case file where they are missing, and empties them on real sites.
    pub fn prepare(&self, client: &Client, ground: &Ground, file: &CaseFile) {
        let needed = closure(ground, &file.doctypes);
        for site in [&self.cloud, &self.local] {
            for role in &ground.roles {
                send(
                    client,
                    site,
                    &post("/api/resource/Role", json!({"role_name": role, "desk_access": 1})),
                );
            }
            for doctype in ground.doctypes.iter().filter(|d| needed.contains(&name_of(d))) {
                make(client, site, doctype);
            }
            if self.is_live() {
                empty_all(client, site, ground);
            }
        }
    }

    fn server(&self, case: &Case) -> Option<&Server> {
        let sandbox = self.sandbox.as_ref()?;
        Some(if case.site.as_deref() == Some("local") { &sandbox.local } else { &sandbox.cloud })
    }

    /// What is done to the sandbox itself; real sites stay as they are.
    pub fn act(&self, case: &Case) {
        let (Some(server), Some(limit)) = (self.server(case), &case.rate_limit) else {
            return;
        };
        let window = u128::from(limit.window_seconds) * 1000;
        let passed =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() % window);
        // Windows begin at whole multiples of their length; the requests to come are to be in one.
        std::thread::sleep(Duration::from_millis(u64::try_from(window - passed).unwrap_or(0)));
        let cost = 10_000;
        server.site().rate =
            Some(RateLimit::new(limit.accept * cost, limit.window_seconds.into(), cost));
    }

    /// Gives the answered document another `modified`.
    pub fn stamp(&self, case: &Case, answer: &Value, stamp: &str) {
        let Some(server) = self.server(case) else {
            return;
        };
        let (doctype, name) = (&answer["data"]["doctype"], &answer["data"]["name"]);
        let value = if stamp == "null" { Value::Null } else { json!(stamp) };
        let done = server.site().poke(&plain(doctype), &plain(name), "modified", &value);
        done.unwrap_or_else(|failure| panic!("{doctype} {name}: {failure:?}"));
    }
}

fn address(server: &Server) -> Site {
    let site = server.site();
    let keys = |email: &str| {
        let user = site.user(email).expect("a furnished user");
        (user.api_key.clone(), user.api_secret.clone())
    };
    Site { url: server.url(), full: keys(sites::FULL_USER), weak: keys(sites::WEAK_USER) }
}

fn name_of(doctype: &Value) -> String {
    doctype["name"].as_str().unwrap_or_default().to_owned()
}

/// The doctypes and all those that they link to, in the order of the file.
fn closure(ground: &Ground, wanted: &[String]) -> Vec<String> {
    let mut needed = wanted.to_vec();
    let mut next = 0;
    while next < needed.len() {
        let fields = ground
            .doctypes
            .iter()
            .find(|d| name_of(d) == needed[next])
            .and_then(|d| d["fields"].as_array());
        let linked =
            fields.into_iter().flatten().filter_map(|f| f["options"].as_str()).map(str::to_owned);
        let new: Vec<String> = linked
            .filter(|o| ground.doctypes.iter().any(|d| name_of(d) == *o) && !needed.contains(o))
            .collect();
        needed.extend(new);
        next += 1;
    }
    needed
}

fn get(path: &str) -> Case {
    Case { method: "GET".to_owned(), path: path.to_owned(), ..Case::default() }
}

fn post(path: &str, body: Value) -> Case {
    Case { method: "POST".to_owned(), path: path.to_owned(), body: Some(body), ..Case::default() }
}

fn send(client: &Client, site: &Site, case: &Case) -> (u16, Value) {
    let answer =
        client.send(site, case, &Vars::default()).unwrap_or_else(|e| panic!("{}: {e}", site.url));
    (answer.status, answer.json)
}

fn make(client: &Client, site: &Site, doctype: &Value) {
    let name = name_of(doctype);
    let path = format!("/api/resource/DocType/{}", name.replace(' ', "%20"));
    if send(client, site, &get(&path)).0 == 200 {
        return;
    }
    let (status, answer) = send(client, site, &post("/api/resource/DocType", doctype.clone()));
    assert_eq!(status, 200, "{}: the doctype {name} could not be made: {answer}", site.url);
}

/// Deletes what earlier runs left, those that link before those that are linked; dynamic links make
/// a second round necessary.
fn empty_all(client: &Client, site: &Site, ground: &Ground) {
    let plain = |d: &&Value| d["istable"].is_null() && d["issingle"].is_null();
    for _ in 0..2 {
        for doctype in ground.doctypes.iter().rev().filter(plain) {
            empty(client, site, &name_of(doctype));
        }
    }
}

/// Deletes every document; a submitted one is cancelled first.
fn empty(client: &Client, site: &Site, doctype: &str) {
    let listing =
        json!({"doctype": doctype, "fields": ["name", "docstatus"], "limit_page_length": 0});
    let (_, answer) = send(client, site, &post("/api/method/frappe.client.get_list", listing));
    for row in answer["message"].as_array().into_iter().flatten() {
        let named = json!({"doctype": doctype, "name": row["name"]});
        if row["docstatus"] == 1 {
            send(client, site, &post("/api/method/frappe.client.cancel", named.clone()));
        }
        send(client, site, &post("/api/method/frappe.client.delete", named));
    }
}
