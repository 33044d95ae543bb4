//! What the checks ask the sites. Nothing is judged here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::model::Doc;
use crate::site::bulk::{Rules, rules_of};
use crate::site::{Examined, ListQuery, RateLimit, ServerClock, Site, SiteResult};

use super::rights::{HELPERS, Need};
use super::usage::{Question, filled_in, name_in};

/// What a site says of itself, and what our user may read of how it works.
pub struct SiteRead {
    /// Our user.
    pub user: String,
    /// The versions of the applications.
    pub versions: SiteResult<BTreeMap<String, String>>,
    /// The zone of System Settings.
    pub zone: SiteResult<String>,
    /// Its clock beside ours.
    pub clock: Option<ServerClock>,
    /// Its limit on requests.
    pub rate_limit: Option<RateLimit>,
    /// Whether our user may read the doctypes of [`HELPERS`], in their order.
    pub helpers: Vec<SiteResult<bool>>,
}

/// Asks a site for all of that.
///
/// # Errors
/// The site does not let us in.
pub fn site(site: &dyn Examined) -> SiteResult<SiteRead> {
    let user = site.user()?;
    let (versions, zone) = (site.versions(), site.time_zone());
    let helpers = HELPERS.iter().map(|helper| match (*helper, &zone) {
        ("System Settings", Ok(_)) => Ok(true),
        _ => site.has_right(helper, "read"),
    });
    let helpers = helpers.collect();
    let (clock, rate_limit) = (site.clock(), site.rate_limit());
    Ok(SiteRead { user, versions, zone, clock, rate_limit, helpers })
}

/// What one side shows of the documents of a doctype.
#[derive(Default)]
pub struct Looked {
    /// The fields that are used, of those asked for; `None` where that could not be asked.
    pub used: Option<BTreeSet<String>>,
    /// Which of the rights needed our user has, in their order.
    pub held: Vec<SiteResult<bool>>,
}

/// Looks at the documents of a doctype: which fields are used, and which of these rights our user
/// has. One of the documents tells of all rights at once; what it does not grant, our user may have
/// on others, and is asked for by itself.
pub fn documents(site: &dyn Examined, question: &Question, needs: &[Need]) -> Looked {
    let listed = site.list(&question.of_documents());
    let mut granted = BTreeSet::new();
    if let Ok(rows) = &listed {
        granted.insert("read".to_owned());
        let name = name_in(rows);
        let rights = name.map(|name| site.rights_on(&question.doctype, &name));
        granted.extend(rights.and_then(Result::ok).unwrap_or_default());
    }
    let has = |need: &Need| {
        if granted.contains(need.right) {
            return Ok(true);
        }
        site.has_right(&question.doctype, need.right)
    };
    let held = needs.iter().map(has).collect();
    Looked { used: used(site, question, listed).ok(), held }
}

fn used(
    site: &dyn Site,
    question: &Question,
    listed: SiteResult<Vec<Doc>>,
) -> SiteResult<BTreeSet<String>> {
    let mut used = filled_in(&listed?);
    for query in question.of_rows() {
        used.extend(filled_in(&site.list(&query)?));
    }
    Ok(used)
}

/// The naming rules of doctypes that are linked to; none where they cannot be read.
pub fn rules(site: &dyn Site, doctypes: &BTreeSet<String>) -> BTreeMap<String, Rules> {
    let doctypes: Vec<String> = doctypes.iter().cloned().collect();
    rules_of(site, &doctypes).unwrap_or_default()
}

/// A kind of document by which a site acts when another one is saved.
pub struct Kind {
    /// Its doctype.
    pub doctype: &'static str,
    /// The field that names the doctype it acts on.
    pub on: &'static str,
    /// The condition under which it does, besides that.
    pub enabled: (&'static str, u8),
}

/// The kinds that there are.
pub const KINDS: [Kind; 4] = [
    Kind { doctype: "Notification", on: "document_type", enabled: ("enabled", 1) },
    Kind { doctype: "Webhook", on: "webhook_doctype", enabled: ("enabled", 1) },
    Kind { doctype: "Server Script", on: "reference_doctype", enabled: ("disabled", 0) },
    Kind { doctype: "Workflow", on: "document_type", enabled: ("is_active", 1) },
];

/// The documents of one kind that act, as names by the doctype they act on.
pub type Acting = BTreeMap<String, Vec<String>>;

/// What acts on a site when documents of these doctypes are saved, in the order of [`KINDS`].
pub fn acts(site: &dyn Site, doctypes: &[String]) -> Vec<SiteResult<Acting>> {
    let of_kind = |kind: &Kind| {
        let (field, value) = kind.enabled;
        let rows = site.list(&ListQuery {
            doctype: kind.doctype.to_owned(),
            fields: vec!["name".to_owned(), kind.on.to_owned()],
            filters: vec![json!([kind.on, "in", doctypes]), json!([field, "=", value])],
            order_by: "name asc".to_owned(),
            ..ListQuery::default()
        })?;
        let mut acting = Acting::new();
        for row in &rows {
            let on = row.text(kind.on).unwrap_or_default().to_owned();
            acting.entry(on).or_default().push(row.name());
        }
        Ok(acting)
    };
    KINDS.iter().map(of_kind).collect()
}
