//! What a first meeting would do to the documents that stand on both sides already.

use crate::model::{Action, ConflictKind, Direction};
use crate::pass::{ActionLine, ActionStatus, DoctypeSummary, Preview};

use super::Finding;

/// What is to be said of it.
pub fn judge(preview: &Preview) -> Vec<Finding> {
    let mut findings = vec![meeting(preview)];
    findings.extend(failing(preview));
    let counts = preview.summary.doctypes.first();
    if let Some(problem) = counts.and_then(DoctypeSummary::problem) {
        findings =
            vec![Finding::fail("meeting", problem, "see what is wrong with that side first")];
    }
    findings
}

fn meeting(preview: &Preview) -> Finding {
    if preview.met == 0 {
        return Finding::ok("meeting", "no document is on both sides without being in step");
    }
    let lines = || preview.summary.actions.iter();
    let equal = lines().filter(|line| line.action == Action::Adopt.as_str()).count();
    let first = || lines().filter(|line| line.conflict == Some(ConflictKind::FirstMeeting));
    let overwritten = |direction: Direction| {
        first()
            .filter(move |line| line.status == ActionStatus::Planned && line.direction == direction)
    };
    let on_cloud = overwritten(Direction::LocalToCloud).count();
    let on_local = overwritten(Direction::CloudToLocal).count();
    let waiting = lines().filter(|line| is_for_a_person(line)).count();
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

fn counted(documents: usize) -> String {
    if documents == 1 { "1 document".to_owned() } else { format!("{documents} documents") }
}

fn is_for_a_person(line: &ActionLine) -> bool {
    let met = [Some(ConflictKind::FirstMeeting), Some(ConflictKind::Collision)];
    line.status == ActionStatus::Conflict && met.contains(&line.conflict)
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
