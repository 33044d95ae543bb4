//! The sites a case file is replayed on: two sandbox sites of its own, or two real ones.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use frappe_sandbox::http::Server;
use frappe_sandbox::rate::RateLimit;
use frappe_sandbox::sites;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::case::{Case, CaseFile, Ground};
use super::client::{Client, Site};
use super::deliveries::{self, Receiver};
use super::live;
use super::vars::{Vars, at, plain};

/// Two sites.
pub struct World {
    flavour: String,
    cloud: Site,
    local: Site,
    sandbox: Option<Sandbox>,
    receiver: Option<Receiver>,
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
    /// Their background worker runs, and they reach this machine as 127.0.0.1.
    #[serde(default)]
    webhooks: bool,
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
            receiver: None,
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
            receiver: keys.webhooks.then(Receiver::start),
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

    /// True for what real sites, or these, cannot show.
    pub fn leaves_out(&self, case: &Case) -> bool {
        let lacks_worker = case.needs_worker && self.receiver.is_none();
        self.is_live() && (case.sandbox_only.is_some() || lacks_worker)
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

    /// Makes the doctypes of a case file where they are missing, empties them on real sites, and
    /// gives the weak user the roles that the file says.
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
            // Emptying a real site needs them all: a removed doctype keeps its documents.
            let wanted = |d: &&Value| self.is_live() || needed.contains(&name_of(d));
            self.make(client, site, ground.doctypes.iter().filter(wanted));
            if self.is_live() {
                live::empty(client, site, ground);
            }
            live::give_roles(client, site, ground, &file.weak_roles);
        }
    }

    /// Takes away what was made on real sites.
    pub fn tidy(&self, ground: &Ground) {
        let client = Client::new();
        for site in [&self.cloud, &self.local] {
            self.make(&client, site, ground.doctypes.iter());
            live::tidy(&client, site, ground);
        }
    }

    /// Makes the doctypes that are missing.
    fn make<'a>(&self, client: &Client, site: &Site, doctypes: impl Iterator<Item = &'a Value>) {
        let known = live::list(client, site, "DocType", &json!({"custom": 1}));
        let known: Vec<String> = known.iter().map(name_of).collect();
        for doctype in doctypes.filter(|d| !known.contains(&name_of(d))) {
            let posted = post("/api/resource/DocType", self.flavoured(doctype));
            let (status, answer) = send(client, site, &posted);
            let name = name_of(doctype);
            assert_eq!(status, 200, "{}: the doctype {name} could not be made: {answer}", site.url);
        }
    }

    /// The doctype as the flavour of the site has it: what a field says `at_15_105` counts there.
    fn flavoured(&self, doctype: &Value) -> Value {
        let mut doctype = doctype.clone();
        for field in doctype["fields"].as_array_mut().into_iter().flatten() {
            let Some(Value::Object(other)) =
                field.as_object_mut().and_then(|f| f.remove("at_15_105"))
            else {
                continue;
            };
            if self.flavour == "15.105" {
                field.as_object_mut().into_iter().for_each(|f| f.extend(other.clone()));
            }
        }
        doctype
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

    /// What webhooks sent since the last look: one object for every try.
    pub fn deliveries(&self, case: &Case, expected: usize) -> Vec<Value> {
        let sent = match (&self.receiver, self.server(case)) {
            (Some(receiver), _) => receiver.take(expected),
            (None, Some(server)) => deliveries::of_sandbox(server),
            (None, None) => Vec::new(),
        };
        deliveries::show(&sent, case.secret.as_deref().unwrap_or_default())
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

pub fn name_of(doctype: &Value) -> String {
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

pub fn get(path: &str) -> Case {
    Case { method: "GET".to_owned(), path: path.to_owned(), ..Case::default() }
}

pub fn post(path: &str, body: Value) -> Case {
    Case { method: "POST".to_owned(), body: Some(body), ..get(path) }
}

pub fn put(path: &str, body: Value) -> Case {
    Case { method: "PUT".to_owned(), ..post(path, body) }
}

pub fn delete(path: &str) -> Case {
    Case { method: "DELETE".to_owned(), ..get(path) }
}

/// The path of a document.
pub fn resource(doctype: &str, name: &str) -> String {
    let [doctype, name] = [doctype, name].map(|t| utf8_percent_encode(t, NON_ALPHANUMERIC));
    format!("/api/resource/{doctype}/{name}")
}

pub fn send(client: &Client, site: &Site, case: &Case) -> (u16, Value) {
    let answer =
        client.send(site, case, &Vars::default()).unwrap_or_else(|e| panic!("{}: {e}", site.url));
    (answer.status, answer.json)
}
