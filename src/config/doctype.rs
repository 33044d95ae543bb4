//! The rules for each doctype: `[sync]`'s defaults with `[doctypes."X"]` laid over them.
//!
//! The rules kept: a doctype is configured once, only where it may be synced, and a section
//! for a doctype that is not in the list is an error, not a silent nothing.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::error::{closest, quoted};
use super::section::{Section, wrong_type};
use super::tree::{Node, Value};
use super::{fields, filters, refused};
use crate::model::{
    Collisions, Deletes, Direction, FirstMeeting, MaxDeletes, NamesRule, Policy, Submitted,
};

/// Everything that is configured for one doctype, all defaults resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct DoctypeConfig {
    /// The doctype, e.g. `Sales Invoice`.
    pub doctype: String,
    /// Which way changes are carried; [`Direction::Both`] is `bidirectional`.
    pub direction: Direction,
    /// What settles a conflict.
    pub policy: Policy,
    /// What happens to two versions of one document without a common base.
    pub first_meeting: FirstMeeting,
    /// What happens to two new documents to which the sites gave the same name.
    pub collisions: Collisions,
    /// Fields private to each side, on top of the system fields: `field` or `table.field`.
    pub exclude_fields: Vec<String>,
    /// Read-only fields to be kept in step all the same: `field` or `table.field`.
    pub include_fields: Vec<String>,
    /// Which documents are taken up: each `[field, operator, value]`, or with the doctype in
    /// front; all must hold.
    pub filters: Vec<Json>,
    /// What happens to submitted documents.
    pub submitted: Submitted,
    /// What an equal name means.
    pub names: NamesRule,
    /// Fields that identify a document on first meeting; none: its name does.
    pub match_on: Vec<String>,
    /// What a deletion means for the other side.
    pub deletes: Deletes,
    /// The cap on deletions, per side and 24 hours.
    pub max_deletes: MaxDeletes,
    /// For each child table, the fields by which rows are matched when merging.
    pub child_keys: BTreeMap<String, Vec<String>>,
}

impl Default for DoctypeConfig {
    /// The rules that hold where the file says nothing; for no doctype in particular.
    fn default() -> Self {
        Self {
            doctype: String::new(),
            direction: Direction::Both,
            policy: Policy::LatestTimestamp,
            first_meeting: FirstMeeting::Policy,
            collisions: Collisions::Manual,
            exclude_fields: Vec::new(),
            include_fields: Vec::new(),
            filters: Vec::new(),
            submitted: Submitted::Mirror,
            names: NamesRule::Auto,
            match_on: Vec::new(),
            deletes: Deletes::Propagate,
            max_deletes: MaxDeletes::Percent(10),
            child_keys: BTreeMap::new(),
        }
    }
}

/// The keys that `[sync]` and `[doctypes."X"]` share, laid over `base`.
pub(super) fn read_shared(section: &Section<'_>, base: &DoctypeConfig) -> DoctypeConfig {
    let policies = Policy::ALL.map(|rule| (rule.as_str(), rule));
    let meetings = FirstMeeting::ALL.map(|rule| (rule.as_str(), rule));
    let collisions = Collisions::ALL.map(|rule| (rule.as_str(), rule));
    let deletes = Deletes::ALL.map(|rule| (rule.as_str(), rule));
    DoctypeConfig {
        policy: section.choice("conflict_resolution", policies).unwrap_or(base.policy),
        first_meeting: section.choice("first_meeting", meetings).unwrap_or(base.first_meeting),
        collisions: section.choice("collisions", collisions).unwrap_or(base.collisions),
        exclude_fields: fields::read_excluded(section)
            .unwrap_or_else(|| base.exclude_fields.clone()),
        deletes: section.choice("deletes", deletes).unwrap_or(base.deletes),
        max_deletes: section
            .get("max_deletes")
            .and_then(|node| read_max_deletes(node, section))
            .unwrap_or(base.max_deletes),
        ..base.clone()
    }
}

/// The list `doctypes` in `[sync]`, without what is wrong in it, which is reported.
pub(super) fn read_names(sync: &Section<'_>) -> Vec<String> {
    let hint = "e.g. doctypes = [\"Customer\", \"Item\"]";
    let Some(node) = sync.required("doctypes", hint) else { return Vec::new() };
    let report = sync.report();
    let mut names: Vec<String> = Vec::new();
    for (element, text) in sync.texts("doctypes").unwrap_or_default() {
        let name = &text.text;
        let shown = quoted(text.raw());
        if name.trim() != name || name.contains(char::is_control) {
            let message = format!("{shown} has blanks around it or control characters in it");
            report.bad(element, message);
        } else if let Some(reason) = refused::refusal(name) {
            report.bad_hint(element, format!("{shown} must not be synced: {reason}"), TAKE_OUT);
        } else if names.iter().any(|other| same(other, name)) {
            report.bad_hint(element, format!("{shown} is in the list twice"), TAKE_OUT);
            continue;
        }
        names.push(name.clone());
    }
    if matches!(&node.value, Value::Array(elements) if elements.is_empty()) {
        report.bad_hint(node, "must name at least one doctype", hint);
    }
    names
}

const TAKE_OUT: &str = "take it out of the list";

/// The doctypes in the order of the list, each with its own section laid over `defaults`.
pub(super) fn read(
    root: &Section<'_>,
    names: &[String],
    defaults: &DoctypeConfig,
) -> Vec<DoctypeConfig> {
    let sections = root.section("doctypes");
    let mut own = BTreeMap::new();
    for (name, node) in sections.as_ref().map(Section::entries).unwrap_or_default() {
        if !names.contains(name) {
            report_unlisted(root, node, name, names);
        }
        if let Some(section) = Section::at(node, root.report()) {
            own.insert(name.as_str(), read_one(section, defaults));
        }
    }
    names
        .iter()
        .map(|name| {
            let rules = own.get(name.as_str()).unwrap_or(defaults).clone();
            DoctypeConfig { doctype: name.clone(), ..rules }
        })
        .collect()
}

/// Whether two names are one doctype for a site's database.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn report_unlisted(root: &Section<'_>, node: &Node, name: &str, names: &[String]) {
    let message = "is a section for a doctype that is not in sync.doctypes".to_owned();
    let hint = match closest(name, names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {}?", quoted(meant)),
        None => "add the doctype to sync.doctypes, or take the section out".to_owned(),
    };
    root.report().add(Some(node.line), &node.key, message, Some(hint));
}

fn read_one(section: Section<'_>, defaults: &DoctypeConfig) -> DoctypeConfig {
    let directions = [
        ("bidirectional", Direction::Both),
        ("cloud_to_local", Direction::CloudToLocal),
        ("local_to_cloud", Direction::LocalToCloud),
    ];
    let submitted = Submitted::ALL.map(|rule| (rule.as_str(), rule));
    let names = NamesRule::ALL.map(|rule| (rule.as_str(), rule));
    let shared = read_shared(&section, defaults);
    let report = section.report();
    let rules = DoctypeConfig {
        direction: section.choice("direction", directions).unwrap_or(shared.direction),
        include_fields: fields::read_included(&section, &shared.exclude_fields),
        filters: section.get("filters").map(|node| filters::read(node, report)).unwrap_or_default(),
        submitted: section.choice("submitted", submitted).unwrap_or(shared.submitted),
        names: section.choice("names", names).unwrap_or(shared.names),
        match_on: fields::read_match_on(&section),
        child_keys: fields::read_child_keys(&section),
        ..shared
    };
    section.finish();
    rules
}

fn read_max_deletes(node: &Node, section: &Section<'_>) -> Option<MaxDeletes> {
    const ALLOWED: &str = "a count of 1 or more, e.g. 20, or a share from \"1%\" to \"100%\"";
    let report = section.report();
    let (found, shown) = match &node.value {
        Value::Integer(number) => {
            let count = u64::try_from(*number).ok().filter(|count| *count > 0);
            (count.map(MaxDeletes::Count), number.to_string())
        }
        Value::Text(text) => {
            let share = text.text.strip_suffix('%').filter(|digits| !digits.starts_with('+'));
            let share = share.and_then(|digits| digits.parse::<u8>().ok());
            let share = share.filter(|share| (1..=100).contains(share));
            (share.map(MaxDeletes::Percent), quoted(text.raw()))
        }
        _ => {
            wrong_type(node, ALLOWED, report);
            return None;
        }
    };
    if found.is_none() {
        let hint = "to carry no deletions at all, use deletes = \"keep\"";
        report.bad_hint(node, format!("{shown} is not allowed; allowed: {ALLOWED}"), hint);
    }
    found
}
