//! Names of fields in the rules that no site has.

use crate::config::Config;
use crate::pass::{Doctype, Misnamed, misnamed};

use super::Finding;

const EXCLUDE: &str = "exclude_fields";

/// The names in a doctype's own rules that mean nothing.
pub fn judge(doctype: &Doctype, config: &Config) -> Vec<Finding> {
    let own = names(doctype).into_iter().filter(|found| {
        found.key != EXCLUDE || !config.excluded_everywhere().contains(&found.name)
    });
    own.map(|found| Finding::warn("spelling", found.to_string(), found.hint())).collect()
}

/// What `[sync]` excludes and none of the doctypes that it holds for has.
pub fn shared(doctypes: &[&Doctype], config: &Config) -> Vec<Finding> {
    let judged = |name: &String| {
        let held = doctypes.iter().filter(|doctype| doctype.config.exclude_fields.contains(name));
        let missing = |doctype: &&Doctype| {
            names(doctype).into_iter().find(|found| found.key == EXCLUDE && found.name == *name)
        };
        let missing: Vec<Misnamed> = held.map(missing).collect::<Option<_>>()?;
        let what = format!("{EXCLUDE} of [sync] names {name}, which no configured doctype has");
        let hint = missing.iter().find(|found| found.meant.is_some()).or(missing.first())?.hint();
        Some(Finding::warn("spelling", what, hint))
    };
    config.excluded_everywhere().iter().filter_map(judged).collect()
}

fn names(doctype: &Doctype) -> Vec<Misnamed> {
    misnamed(&doctype.config, doctype.schemas.as_ref())
}
