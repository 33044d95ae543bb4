//! The sites a case file is replayed on: two sandbox sites of its own, or two real ones.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

use super::case::{Case, CaseFile, Ground};
use super::client::{Client, Site};
use super::vars::{Vars, at};

/// Two sites.
pub struct World {
    flavour: String,
    cloud: Site,
    local: Site,
    sandbox: Option<Sandbox>,
}

/// The handles of two running sandbox sites.
struct Sandbox {}

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
    pub fn sandbox(_flavour: &str) -> Self {
        unimplemented!()
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
        let version = at(&answer.json, "message.frappe.version")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let minor: u32 = version
            .split('.')
            .nth(1)
            .and_then(|m| m.parse().ok())
            .unwrap_or(0);
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
            if self.is_live() {
                "real sites like"
            } else {
                "the sandbox as"
            },
            self.flavour
        )
    }

    /// The site a case is for; the cloud unless it says otherwise.
    pub fn site(&self, name: Option<&str>) -> &Site {
        if name == Some("local") {
            &self.local
        } else {
            &self.cloud
        }
    }

    /// Something in every made-up series, so that a live run never meets an earlier one.
    pub fn mark(&self) -> String {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        if self.is_live() {
            format!("{seconds:x}")
        } else {
            "1".to_owned()
        }
    }

    /// Makes the doctypes of a case file where they are missing, and empties them on real sites.
    pub fn prepare(&self, client: &Client, ground: &Ground, file: &CaseFile) {
        let needed = closure(ground, &file.doctypes);
        for site in [&self.cloud, &self.local] {
            for role in &ground.roles {
                send(
                    client,
                    site,
                    &post(
                        "/api/resource/Role",
                        json!({"role_name": role, "desk_access": 1}),
                    ),
                );
            }
            for doctype in ground
                .doctypes
                .iter()
                .filter(|d| needed.contains(&name_of(d)))
            {
                make(client, site, doctype);
            }
            for name in needed.iter().rev().filter(|_| self.is_live()) {
                empty(client, site, name);
            }
        }
    }

    /// What is done to the sandbox itself; real sites stay as they are.
    pub fn act(&self, _case: &Case, _vars: &Vars) {}
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
        let linked = fields
            .into_iter()
            .flatten()
            .filter_map(|f| f["options"].as_str())
            .map(str::to_owned);
        let new: Vec<String> = linked
            .filter(|o| ground.doctypes.iter().any(|d| name_of(d) == *o) && !needed.contains(o))
            .collect();
        needed.extend(new);
        next += 1;
    }
    needed
}

fn get(path: &str) -> Case {
    Case {
        method: "GET".to_owned(),
        path: path.to_owned(),
        ..Case::default()
    }
}

fn post(path: &str, body: Value) -> Case {
    Case {
        method: "POST".to_owned(),
        path: path.to_owned(),
        body: Some(body),
        ..Case::default()
    }
}

fn send(client: &Client, site: &Site, case: &Case) -> (u16, Value) {
    let answer = client
        .send(site, case, &Vars::default())
        .unwrap_or_else(|e| panic!("{}: {e}", site.url));
    (answer.status, answer.json)
}

fn make(client: &Client, site: &Site, doctype: &Value) {
    let name = name_of(doctype);
    let path = format!("/api/resource/DocType/{}", name.replace(' ', "%20"));
    if send(client, site, &get(&path)).0 == 200 {
        return;
    }
    let (status, answer) = send(
        client,
        site,
        &post("/api/resource/DocType", doctype.clone()),
    );
    assert_eq!(
        status, 200,
        "{}: the doctype {name} could not be made: {answer}",
        site.url
    );
}

/// Deletes every document; a submitted one is cancelled first.
fn empty(client: &Client, site: &Site, doctype: &str) {
    let listing =
        json!({"doctype": doctype, "fields": ["name", "docstatus"], "limit_page_length": 0});
    let (_, answer) = send(
        client,
        site,
        &post("/api/method/frappe.client.get_list", listing),
    );
    for row in answer["message"].as_array().into_iter().flatten() {
        let named = json!({"doctype": doctype, "name": row["name"]});
        if row["docstatus"] == 1 {
            send(
                client,
                site,
                &post("/api/method/frappe.client.cancel", named.clone()),
            );
        }
        send(
            client,
            site,
            &post("/api/method/frappe.client.delete", named),
        );
    }
}
