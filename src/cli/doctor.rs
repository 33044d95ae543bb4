//! `erpsync doctor`: checks everything before the first write.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;
use serde_json::json;

use super::session::{connect, interruption, load_config, now, pause};
use super::{Exit, Global};
use crate::doctor::{Level, examine};
use crate::model::Sides;
use crate::pass::Surroundings;
use crate::report::{Progress, Report, render_findings};
use crate::site::Examined;
use crate::state::State;

/// Arguments of `erpsync doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {}

/// Shows a line a check. Nothing is written, not even a lock: it works on a copy of the state.
pub(super) fn cmd_doctor(
    global: &Global,
    _args: &DoctorArgs,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let interrupted = interruption()?;
    let clients = connect(&config, report, &interrupted)?;
    let sites = Sides::new(&clients.cloud as &dyn Examined, &clients.local as &dyn Examined);
    let progress = Progress::new(report.progress && !report.json);
    let around = Surroundings {
        now: &now,
        pause: &|length| pause(&interrupted, length),
        is_interrupted: &|| interrupted.load(Ordering::Relaxed),
        watcher: &progress,
    };
    let findings = examine(sites, &config, State::open_copy(&config.state_path), around);
    progress.finish();
    let findings = findings?;
    let fails = findings.iter().any(|finding| finding.level == Level::Fail);
    let exit = if fails { Exit::Fatal } else { Exit::Done };
    let least = if report.quiet { Level::Fail } else { Level::Ok };
    report.answer(&render_findings(&findings, least));
    report.json(&json!({ "exit_code": exit.code(), "checks": findings }));
    Ok(exit)
}
