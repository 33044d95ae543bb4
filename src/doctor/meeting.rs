//! What a first meeting would do to the documents that stand on both sides already.

use crate::config::DoctypeConfig;
use crate::model::{Action, ConflictKind, Direction, FirstMeeting, Policy};
use crate::pass::{ActionLine, ActionStatus, DoctypeSummary, Preview};
use crate::site::ErrorKind;

use super::Finding;

/// So many documents are named where there may be many.
const MOST_NAMED: usize = 3;

/// What is to be said of it.
pub fn judge(config: &DoctypeConfig, preview: &Preview) -> Vec<Finding> {
    let counts = preview.summary.doctypes.first();
    if let Some(counts) = counts
        && let Some(problem) = counts.problem()
    {
        return vec![Finding::fail("meeting", problem, problem_hint(counts))];
    }
    let mut findings = vec![meeting(preview)];
    findings.extend(collisions(config, preview));
    findings.extend(waiting(config, preview));
    findings.extend(failing(preview));
    findings
}

fn problem_hint(counts: &DoctypeSummary) -> String {
    if let Some((side, ErrorKind::Forbidden)) = counts.refused {
        return format!("give the user of [{side}] the rights that its other lines name");
    }
    match (&counts.guard, &counts.refused_hint) {
        (Some(guard), _) => guard.hint(),
        (None, Some(hint)) => hint.clone(),
        (None, None) => "see what is wrong with that side first".to_owned(),
    }
}

fn meeting(preview: &Preview) -> Finding {
    if preview.met == 0 {
        return Finding::ok("meeting", "no document is on both sides without being in step");
    }
    let lines = || preview.summary.actions.iter();
    let equal = lines().filter(|line| line.action == Action::Adopt.as_str()).count();
    let overwritten = |direction: Direction| {
        lines()
            .filter(|line| line.conflict == Some(ConflictKind::FirstMeeting))
            .filter(|line| line.status == ActionStatus::Planned && line.direction == direction)
            .count()
    };
    let on_cloud = overwritten(Direction::LocalToCloud);
    let on_local = overwritten(Direction::CloudToLocal);
    let for_a_person = [ConflictKind::FirstMeeting, ConflictKind::Collision];
    let waiting: usize =
        for_a_person.iter().map(|kind| left_to_a_person(preview, *kind).len()).sum();
    let parts: Vec<String> = [
        (equal, "equal already"),
        (on_cloud, "would be overwritten on cloud"),
        (on_local, "would be overwritten on local"),
        (waiting, "would wait for a person"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let mut what = format!("{} on both sides that were never in step", counted(preview.met));
    if !parts.is_empty() {
        what = format!("{what}: {}", parts.join(", "));
    }
    if preview.summary.remaining > 0 {
        let compared = lines().count();
        what = format!("{what} (only the first {compared} were compared)");
    }
    if on_cloud + on_local == 0 {
        return Finding::ok("meeting", what);
    }
    Finding::warn(
        "meeting",
        what,
        "both versions are kept; with first_meeting = \"manual\" these wait for you, and sync-doctype \
         --dry-run lists them",
    )
}

/// Names that stand for one document here and for another one there.
fn collisions(config: &DoctypeConfig, preview: &Preview) -> Option<Finding> {
    let lines = left_to_a_person(preview, ConflictKind::Collision);
    let doctype = &config.doctype;
    let more = if config.match_on.is_empty() {
        "; where a field tells which documents are one, name it in match_on first"
    } else {
        ""
    };
    (!lines.is_empty()).then(|| {
        Finding::warn(
            "meeting",
            format!(
                "{} would be collisions, another document on each side: {}",
                lines.len(),
                some(&lines)
            ),
            format!(
                "after the sync, erpsync resolve --all --doctype \"{doctype}\" --take both creates \
                 each on the other side{more}"
            ),
        )
    })
}

/// Two versions of one document that no rule settles.
fn waiting(config: &DoctypeConfig, preview: &Preview) -> Option<Finding> {
    let lines = left_to_a_person(preview, ConflictKind::FirstMeeting);
    let doctype = &config.doctype;
    let rule = if config.first_meeting == FirstMeeting::Manual {
        "; with first_meeting = \"policy\" conflict_resolution settles them"
    } else if config.policy == Policy::Manual {
        "; with conflict_resolution = \"cloud_wins\", \"local_wins\" or \"latest_timestamp\" they are \
         settled by rule"
    } else {
        ""
    };
    (!lines.is_empty()).then(|| {
        Finding::warn(
            "meeting",
            format!("{} would be conflicts, two versions of one: {}", lines.len(), some(&lines)),
            format!(
                "after the sync, look at them with erpsync conflicts and settle them with erpsync \
                 resolve ID --take cloud|local, or all of \"{doctype}\" with --all{rule}"
            ),
        )
    })
}

fn left_to_a_person(preview: &Preview, kind: ConflictKind) -> Vec<&ActionLine> {
    let waits =
        |line: &&ActionLine| line.status == ActionStatus::Conflict && line.conflict == Some(kind);
    preview.summary.actions.iter().filter(waits).collect()
}

fn some(lines: &[&ActionLine]) -> String {
    let names: Vec<&str> = lines.iter().take(MOST_NAMED).map(|line| line.name.as_str()).collect();
    match lines.len().saturating_sub(MOST_NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn counted(documents: usize) -> String {
    if documents == 1 { "1 document".to_owned() } else { format!("{documents} documents") }
}

/// What would fail, with the first reason.
fn failing(preview: &Preview) -> Option<Finding> {
    let mut failing =
        preview.summary.actions.iter().filter(|line| line.status == ActionStatus::Failed);
    let first = failing.next()?;
    let reason = first.message.as_deref().unwrap_or(&first.reason);
    let count = failing.count() + 1;
    Some(Finding::warn(
        "dry_run",
        format!("{} would fail; {}: {reason}", counted(count), first.name),
        "sync-doctype --dry-run lists them",
    ))
}
