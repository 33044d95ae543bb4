//! What our user may do, and what works less well without it.

use crate::config::SiteConfig;
use crate::model::{Deletes, Side, Submitted};
use crate::pass::Doctype;
use crate::site::SiteResult;

use super::{Finding, Level};

/// What our user should be able to read besides the documents: doctypes that tell how a site works.
pub const HELPERS: [&str; 5] =
    ["DocType", "Custom Field", "Property Setter", "System Settings", "Deleted Document"];

/// What works less well where one of these cannot be read.
const WITHOUT: [(&[&str], &str); 4] = [
    (&["DocType", "Custom Field", "Property Setter"], "metadata is read anew in every run"),
    (
        &["DocType"],
        "a link to a doctype that is not synced is not carried over, unless the sites are clones",
    ),
    (&["System Settings"], "the site's time zone is not known"),
    (&["Deleted Document"], "an edit in the moment before a deletion cannot be found again"),
];

/// What is to be said of these rights; one line where all are there.
pub fn helpers(held: &[SiteResult<bool>], config: &SiteConfig, side: Side) -> Vec<Finding> {
    let is_moot = |helper: &str| helper == "System Settings" && config.time_zone.is_some();
    let closed: Vec<&str> = HELPERS
        .iter()
        .zip(held)
        .filter(|(helper, held)| !is_moot(helper) && !matches!(held, Ok(true)))
        .map(|(helper, _)| *helper)
        .collect();
    if closed.is_empty() {
        return vec![Finding::ok("rights", format!("may read {}", HELPERS.join(", ")))];
    }
    let said = WITHOUT.iter().filter_map(|(helpers, without)| {
        let lacking: Vec<&str> =
            helpers.iter().copied().filter(|helper| closed.contains(helper)).collect();
        let what = format!("may not read {}: {without}", lacking.join(", "));
        (!lacking.is_empty()).then(|| Finding::warn("rights", what, ask_for(side)))
    });
    said.collect()
}

/// What to do about a right that is missing.
pub fn ask_for(side: Side) -> String {
    format!("give the user of [{side}] a role that may (System Manager, or one of your own)")
}

/// A right on a doctype, and what is without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The right, in Frappe's word.
    pub right: &'static str,
    /// How bad it is without.
    level: Level,
    without: &'static str,
}

/// The rights that the rules of a doctype call for on a side.
pub fn needed(doctype: &Doctype, side: Side) -> Vec<Need> {
    let config = &doctype.config;
    let need = |right, level, without| Need { right, level, without };
    let mut needs = vec![need("read", Level::Fail, "nothing of it can be synced")];
    if config.direction.target().is_some_and(|target| target != side) {
        return needs;
    }
    needs.push(need("create", Level::Fail, "new documents of the other side fail"));
    needs.push(need("write", Level::Fail, "changes of the other side fail"));
    let submits = doctype.schemas[side].is_submittable && config.submitted == Submitted::Mirror;
    if submits {
        needs.push(need("submit", Level::Warn, "submissions fail; drafts are synced"));
        needs.push(need("cancel", Level::Warn, "cancellations fail"));
    }
    if config.deletes == Deletes::Propagate {
        needs.push(need("delete", Level::Warn, "deletions fail"));
    }
    needs
}

/// What is to be said of the rights on a doctype; one line where all are there.
pub fn judge(needs: &[Need], held: &[SiteResult<bool>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (need, held) in needs.iter().zip(held) {
        let finding = match held {
            Ok(true) => continue,
            Ok(false) => {
                let what = format!("may not {}: {}", need.right, need.without);
                let hint = "give its user a role that may, in the Role Permissions Manager";
                Finding { level: need.level, ..Finding::fail("rights", what, hint) }
            }
            Err(error) => Finding::warn(
                "rights",
                format!("whether it may {} cannot be asked: {error}", need.right),
                "try it with one document: erpsync sync-doctype --name",
            ),
        };
        findings.push(finding);
    }
    if findings.is_empty() {
        let rights: Vec<&str> = needs.iter().map(|need| need.right).collect();
        findings.push(Finding::ok("rights", format!("may {}", rights.join(", "))));
    }
    findings
}

/// Findings that are the same for several doctypes become one that lists them, in the place of the
/// first.
pub fn together(findings: Vec<(String, Finding)>) -> Vec<Finding> {
    let mut grouped: Vec<Finding> = Vec::new();
    for (doctype, finding) in findings {
        let is_same = |other: &&mut Finding| {
            (other.level, other.side, &other.what, &other.hint)
                == (finding.level, finding.side, &finding.what, &finding.hint)
        };
        match grouped.iter_mut().find(is_same) {
            Some(other) => other.doctypes.push(doctype),
            None => grouped.push(Finding { doctypes: vec![doctype], ..finding }),
        }
    }
    for finding in &mut grouped {
        if let [doctype] = finding.doctypes.as_slice() {
            finding.doctype = Some(doctype.clone());
            finding.doctypes.clear();
        }
    }
    grouped
}
