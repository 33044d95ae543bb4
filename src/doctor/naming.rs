//! What kind of doctype it is, and what its names mean.

use crate::identity::{Naming, telling_fields};
use crate::model::{NamesRule, Side, Submitted};
use crate::pass::Doctype;

use super::Finding;

/// The naming rule of both sides, what an equal name will mean, and whether there is submitting.
pub fn judge(doctype: &Doctype) -> Vec<Finding> {
    let mut findings = vec![names(doctype)];
    findings.extend(submits(doctype));
    findings
}

fn names(doctype: &Doctype) -> Finding {
    let naming = |side: Side| Naming::of(&doctype.schemas[side]);
    let (cloud, local) = (naming(Side::Cloud), naming(Side::Local));
    let rule = |naming: &Naming| match naming.autoname.as_str() {
        "" => "by the doctype's own code".to_owned(),
        autoname => format!("by {}", autoname.trim_end_matches(':')),
    };
    let naming = &doctype.naming;
    let meaning = match (doctype.config.names, &naming.title_field) {
        (NamesRule::Natural, _) => SAME.to_owned(),
        (NamesRule::Auto, _) if naming.is_natural() => SAME.to_owned(),
        (NamesRule::Auto, Some(title)) => {
            format!("{APART}, unless the name is also the {title} of both")
        }
        (NamesRule::Server, _) | (NamesRule::Auto, None) => APART.to_owned(),
    };
    let telling = telling_fields(&doctype.shape, &doctype.config.match_on);
    let meaning = if telling.is_empty() {
        meaning
    } else {
        format!("{meaning}; new documents are told by {} (match_on)", telling.join(", "))
    };
    if cloud.autoname == local.autoname {
        return Finding::ok("names", format!("named {}: {meaning}", rule(&cloud)));
    }
    Finding::warn(
        "names",
        format!("named {} on cloud and {} on local: {meaning}", rule(&cloud), rule(&local)),
        "give both sites the same naming rule",
    )
}

const SAME: &str = "an equal name is the same document";
const APART: &str = "each site counts for itself, and an equal name proves nothing";

fn submits(doctype: &Doctype) -> Option<Finding> {
    let [cloud, local] = Side::BOTH.map(|side| doctype.schemas[side].is_submittable);
    if cloud != local {
        let with = if cloud { Side::Cloud } else { Side::Local };
        return Some(Finding::warn(
            "submitted",
            format!("documents can be submitted on {with} only"),
            "make the doctype the same on both sides",
        ));
    }
    let what = match doctype.config.submitted {
        Submitted::Mirror => "can be submitted; what is submitted here is submitted there too",
        Submitted::Skip => "can be submitted; submitted documents are left alone",
    };
    cloud.then(|| Finding::ok("submitted", what))
}
