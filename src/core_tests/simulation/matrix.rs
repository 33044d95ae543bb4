//! What has to have happened before a run of many histories shows anything: every event on
//! every kind of request that it can fall on.

use std::collections::BTreeMap;

/// How often each event fell on each kind of request.
pub type Tally = BTreeMap<(&'static str, &'static str), usize>;

/// Kinds of request that change something.
const WRITES: &[&str] = &["create", "update", "submit", "cancel", "delete", "rename"];
const ALL: &[&str] =
    &["list", "read", "look", "create", "update", "submit", "cancel", "delete", "rename"];
const UPDATES: &[&str] = &["create", "update", "submit"];
/// Of what a history does as a whole.
const HISTORY: &[&str] = &[""];

pub const REFUSAL: &str = "error before effect";
pub const PROXY_BEFORE: &str = "5xx before effect";
pub const PROXY_AFTER: &str = "5xx after effect";
pub const CUT_BEFORE: &str = "cut before effect";
pub const CUT_AFTER: &str = "cut answer";
pub const LATE: &str = "timeout, later commit";
pub const UNREACHABLE: &str = "unreachable";
pub const TOO_MANY: &str = "429";
pub const DEADLOCK: &str = "deadlock";
pub const LOCKED: &str = "locked";
pub const UNAUTHORIZED: &str = "401";
pub const DENIED: &str = "permission lost half way";
pub const HIDDEN: &str = "hidden half way";
pub const CLOCK_JUMP: &str = "clock jump";
pub const KILL_BEFORE: &str = "kill before request";
pub const KILL_AFTER: &str = "kill after request";
pub const KILL_BEFORE_COMMIT: &str = "kill before commit";
pub const KILL_AFTER_COMMIT: &str = "kill after commit";
pub const TARGET_BEFORE_WRITE: &str = "target edited, read to write";
pub const SOURCE_BEFORE_WRITE: &str = "source edited, read to write";
pub const TARGET_AFTER_WRITE: &str = "target edited, write to re-read";
pub const SOURCE_AFTER_WRITE: &str = "source edited, write to re-read";
pub const RENAME_IN_LISTING: &str = "rename during listing";
pub const EDIT_LATE: &str = "edit with older modified";
pub const HOOKS: &str = "hook that rewrites";
pub const LOST_POST_WITH_HOOKS: &str = "lost POST answer with hook";
pub const RENAME_TOLD: &str = "rename by webhook";
pub const REUSED_NAME: &str = "reused name";
pub const MERGE: &str = "merge of two documents";
pub const TWINS: &str = "two documents alike";
pub const NAMESAKES: &str = "two cancelled ones of one name";
pub const AMENDED: &str = "amended";
pub const LIMIT: &str = "--limit";
pub const ONE_DIRECTION: &str = "--direction";
pub const RULES_CHANGED: &str = "rules changed between runs";
pub const FIELDS_CHANGED: &str = "exclude_fields changed";
pub const FILTERS_CHANGED: &str = "filters changed";
pub const DOCTYPES_CHANGED: &str = "doctypes changed";
pub const SUMMED: &str = "summed instead of listed";
pub const DAY_LISTED: &str = "listed by days";
pub const EARLIER_DAY_LISTED: &str = "an earlier day listed";
pub const SETTLED_BY_RULE: &str = "conflict settled by a rule";
pub const SETTLED_BY_PERSON: &str = "conflict settled by a person";
pub const EDITED_THEN_RESOLVED: &str = "conflict edited, then resolved";
pub const TWO_CONFLICTS: &str = "two conflicts on one document";
pub const LEFT_OPEN: &str = "intent left open";
pub const FOUND: &str = "intent found to have happened";
pub const SITE_RESTORED: &str = "restored site";
pub const STATE_RESTORED: &str = "state file of last week";
pub const OTHER_STATE: &str = "second state file";
pub const LATE_BETWEEN_STATES: &str = "late create between two states";

/// The cells that must not be empty.
pub const CELLS: &[(&str, &[&str])] = &[
    (REFUSAL, ALL),
    (PROXY_BEFORE, ALL),
    (PROXY_AFTER, WRITES),
    (CUT_BEFORE, ALL),
    (CUT_AFTER, WRITES),
    (LATE, WRITES),
    (UNREACHABLE, ALL),
    (TOO_MANY, ALL),
    (DEADLOCK, WRITES),
    (LOCKED, WRITES),
    (UNAUTHORIZED, ALL),
    (DENIED, ALL),
    (HIDDEN, &["list", "read", "update", "delete"]),
    (CLOCK_JUMP, WRITES),
    (KILL_BEFORE, ALL),
    (KILL_AFTER, ALL),
    (KILL_BEFORE_COMMIT, ALL),
    (KILL_AFTER_COMMIT, ALL),
    (TARGET_BEFORE_WRITE, &["update", "submit", "cancel", "delete", "rename"]),
    (SOURCE_BEFORE_WRITE, &["create", "update", "submit", "rename"]),
    (TARGET_AFTER_WRITE, UPDATES),
    (SOURCE_AFTER_WRITE, UPDATES),
    (RENAME_IN_LISTING, &["list"]),
    (EDIT_LATE, HISTORY),
    (HOOKS, HISTORY),
    (LOST_POST_WITH_HOOKS, HISTORY),
    (RENAME_TOLD, HISTORY),
    (REUSED_NAME, HISTORY),
    (MERGE, HISTORY),
    (TWINS, HISTORY),
    (NAMESAKES, HISTORY),
    (AMENDED, HISTORY),
    (LIMIT, HISTORY),
    (ONE_DIRECTION, HISTORY),
    (RULES_CHANGED, HISTORY),
    (FIELDS_CHANGED, HISTORY),
    (FILTERS_CHANGED, HISTORY),
    (DOCTYPES_CHANGED, HISTORY),
    (SUMMED, HISTORY),
    (DAY_LISTED, HISTORY),
    (EARLIER_DAY_LISTED, HISTORY),
    (SETTLED_BY_RULE, HISTORY),
    (SETTLED_BY_PERSON, HISTORY),
    (EDITED_THEN_RESOLVED, HISTORY),
    (TWO_CONFLICTS, HISTORY),
    (LEFT_OPEN, HISTORY),
    (FOUND, HISTORY),
    (SITE_RESTORED, HISTORY),
    (STATE_RESTORED, HISTORY),
    (OTHER_STATE, HISTORY),
    (LATE_BETWEEN_STATES, HISTORY),
];

/// How many cells there are.
pub const COUNT: usize = {
    let (mut count, mut at) = (0, 0);
    while at < CELLS.len() {
        count += CELLS[at].1.len();
        at += 1;
    }
    count
};

/// The cells of [`CELLS`], one after another.
pub fn cells() -> impl Iterator<Item = (&'static str, &'static str)> {
    CELLS.iter().flat_map(|(event, kinds)| kinds.iter().map(|kind| (*event, *kind)))
}

/// The cells in which nothing happened.
pub fn empty(tally: &Tally) -> Vec<(&'static str, &'static str)> {
    cells().filter(|cell| !tally.contains_key(cell)).collect()
}

/// Adds what happened in another history.
pub fn add(tally: &mut Tally, one: Tally) {
    for (cell, times) in one {
        *tally.entry(cell).or_default() += times;
    }
}

/// The whole matrix as a table.
pub fn render(tally: &Tally) -> String {
    let row = |cell: &dyn Fn(&'static str) -> String| {
        let cells: Vec<String> = ALL.iter().map(|kind| format!("{:>8}", cell(kind))).collect();
        cells.concat()
    };
    let mut lines = vec![format!("{:34}{}", "", row(&|kind| kind.to_owned()))];
    for (event, _) in CELLS {
        let count = |kind: &'static str| tally.get(&(*event, kind)).copied();
        let cells = match count("") {
            Some(count) => format!("{count:>8}"),
            None => row(&|kind| count(kind).map_or(".".to_owned(), |count| count.to_string())),
        };
        lines.push(format!("{event:34}{cells}"));
    }
    lines.join("\n")
}
