//! Furnished sites: doctypes, users and base records.
//!
//! What lives here: building a site that is ready to be used, alone or as a pair. What may not:
//! many documents (`seed`).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::meta::DocType;
use crate::site::{Context, Flavour, Site, User};

/// The definitions, compact; see `field::Field::from_spec`.
const DOCTYPES: [&str; 9] = [
    include_str!("../doctypes/core.json"),
    include_str!("../doctypes/integrations.json"),
    include_str!("../doctypes/probes.json"),
    include_str!("../doctypes/masters.json"),
    include_str!("../doctypes/ledgers.json"),
    include_str!("../doctypes/sales.json"),
    include_str!("../doctypes/buying.json"),
    include_str!("../doctypes/desk.json"),
    include_str!("../doctypes/reactions.json"),
];

/// The records of a small company.
const RECORDS: &str = include_str!("../doctypes/records.json");

/// The email address of the user who may do everything.
pub const FULL_USER: &str = "sync@example.com";
/// The email address of the user who may read a few doctypes.
pub const WEAK_USER: &str = "weak@example.com";

/// What a site cannot be built with.
#[derive(Debug)]
pub struct BuildError(String);

impl std::fmt::Display for BuildError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BuildError {}

/// The instant at which furnished sites are set up.
pub fn birth() -> Timestamp {
    Timestamp::from_second(1_767_600_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Site {
    /// A furnished site: doctypes, two users and the base records of a small company.
    ///
    /// # Errors
    /// When the time zone is unknown, or a definition is broken.
    pub fn new(name: &str, flavour: Flavour, zone: &str, seed: u64) -> Result<Self, BuildError> {
        let mut site = Self::bare(name, flavour, zone, seed)
            .map_err(|error| BuildError(format!("time zone {zone}: {error}")))?;
        let at = birth();
        for text in DOCTYPES {
            let definitions: Vec<Value> = serde_json::from_str(text)
                .map_err(|error| BuildError(format!("doctypes: {error}")))?;
            for definition in &definitions {
                site.register(DocType::from_spec(definition), at);
            }
        }
        site.describe_all(at);
        site.add_roles_and_users(at);
        site.add_base_records(at)?;
        site.store.commit();
        Ok(site)
    }

    /// Writes the description of every doctype registered so far.
    fn describe_all(&mut self, at: Timestamp) {
        let doctypes: Vec<DocType> = self.doctypes().cloned().collect();
        for doctype in doctypes {
            let described = self.exists("DocType", &doctype.name);
            if !described {
                let stamp = self.stamp(at);
                self.describe(&doctype, &stamp);
            }
        }
    }

    fn add_roles_and_users(&mut self, at: Timestamp) {
        let mut ctx = Context::internal("Administrator", at);
        for role in ["Administrator", "System Manager", "Sales User", "Weak Reader", "All", "Guest"]
        {
            if let Value::Object(values) = json!({ "role_name": role }) {
                self.create(&mut ctx, "Role", &values).ok();
            }
        }
        let name = self.name.clone();
        let user = |email: &str, kind: &str| User {
            email: email.to_owned(),
            api_key: format!("{name}{kind}key"),
            api_secret: format!("{name}{kind}secret"),
        };
        self.add_user(user(FULL_USER, "full"), &["System Manager"], at);
        self.add_user(user(WEAK_USER, "weak"), &["Weak Reader"], at);
    }

    fn add_base_records(&mut self, at: Timestamp) -> Result<(), BuildError> {
        let mut ctx = Context::internal("Administrator", at);
        let records: Vec<Value> = serde_json::from_str(RECORDS)
            .map_err(|error| BuildError(format!("records: {error}")))?;
        for record in &records {
            let Value::Object(values) = record else {
                continue;
            };
            let doctype = record["doctype"].as_str().unwrap_or_default();
            self.create(&mut ctx, doctype, values)
                .map_err(|failure| BuildError(format!("{doctype}: {}", failure.text())))?;
        }
        let mut settings = serde_json::Map::new();
        for (field, value) in [
            ("idx", json!("0")),
            ("owner", json!("Administrator")),
            ("modified", json!(self.local(at))),
            ("modified_by", json!("Administrator")),
            ("app_name", json!("ERPNext")),
            ("country", json!("United States")),
            ("language", json!("en")),
            ("time_zone", json!(self.zone_name())),
            ("currency", json!("USD")),
            ("setup_complete", json!(1)),
            ("date_format", json!("mm-dd-yyyy")),
            ("time_format", json!("HH:mm:ss")),
            ("number_format", json!("#,###.##")),
            ("first_day_of_the_week", json!("Sunday")),
            ("float_precision", json!("3")),
            ("currency_precision", json!("")),
            ("session_expiry", json!("170:00")),
            ("enable_scheduler", json!(1)),
            ("allow_error_traceback", json!(1)),
        ] {
            settings.insert(field.to_owned(), value);
        }
        self.store.put_single("System Settings", settings);
        Ok(())
    }

    /// A user who may log in, by email address.
    pub fn user(&self, email: &str) -> Option<&User> {
        self.users.iter().find(|user| user.email == email)
    }
}

/// Two sites of one flavour: `cloud` in Asia/Kolkata, `local` in `America/New_York`.
///
/// # Errors
/// See [`Site::new`].
pub fn pair(flavour: Flavour, seed: u64) -> Result<(Site, Site), BuildError> {
    Ok((
        Site::new("cloud", flavour, "Asia/Kolkata", seed)?,
        Site::new("local", flavour, "America/New_York", seed.wrapping_add(1))?,
    ))
}
