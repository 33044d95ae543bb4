//! `erpsync init`: a commented configuration and an empty state.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::session::{connect, interruption, load_config, now};
use super::{Exit, Global};
use crate::config::{Config, EXAMPLE, ProcessEnvironment};
use crate::model::{Side, Sides};
use crate::pass::Stop;
use crate::report::Report;
use crate::site::Site as _;
use crate::state::{Pair, RunLock, State, StateError};

/// Arguments of `erpsync init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Write sync.toml anew although it is there; never touches a state database
    #[arg(long)]
    pub force: bool,
    /// Say that the same documents are now found under the urls and users of sync.toml
    #[arg(long, conflicts_with = "force")]
    pub rebind: bool,
}

/// Writes `sync.toml` and creates the state database; what is there already stays.
pub(super) fn cmd_init(
    global: &Global,
    args: &InitArgs,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    if args.rebind {
        return rebind(global, report);
    }
    let written = write_config(&global.config, args.force)?;
    let shown = global.config.display();
    report.data(&if written {
        format!("{shown}: written; enter your sites and doctypes there\n")
    } else {
        format!("{shown}: there already, left as it is\n")
    });
    let state = state_path(&global.config);
    let created = match State::create(&state) {
        Ok(_) => true,
        Err(StateError::Exists { .. }) => {
            // Whether it can be used is said now, not at the first run.
            State::open(&state)?;
            false
        }
        Err(error) => return Err(error.into()),
    };
    let shown = as_typed(&state, &global.config);
    let shown = shown.display();
    report.data(&if created {
        format!("{shown}: created\n")
    } else {
        format!("{shown}: there already, left as it is\n")
    });
    report.json(&json!({
        "config": {"path": global.config, "written": written},
        "state": {"path": state, "created": created},
    }));
    Ok(Exit::Done)
}

/// Ties the state to the sites that the configuration names now: they moved, or our user did.
/// Whether they hold the same documents is for the person to know.
fn rebind(global: &Global, report: &Arc<Report>) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let _lock = RunLock::acquire(&config.state_path, now())?;
    let mut state = State::open(&config.state_path)?;
    let sites = connect(&config, report, &interruption()?)?;
    let user = |side: Side| sites[side].user().map_err(|error| Stop::Site { side, error });
    let users = Sides::new(user(Side::Cloud)?, user(Side::Local)?);
    let urls = Sides::from_fn(|side| config.sides[side].url.clone());
    let before = state.pair()?;
    state.rebind(&urls, &users, now())?;
    let after = state.pair()?;
    let shown = |pair: &Option<Pair>| pair.as_ref().map_or("no sites".into(), Pair::to_string);
    report.data(&format!("the state was of {}\nand is of {}\n", shown(&before), shown(&after)));
    report.json(&json!({
        "before": before.map(|pair| pair.to_string()),
        "after": after.map(|pair| pair.to_string()),
    }));
    Ok(Exit::Done)
}

/// The state's path the way the configuration's was given: beside it, not from the root.
fn as_typed(state: &Path, config: &Path) -> PathBuf {
    let folder = config.parent().unwrap_or(Path::new(""));
    match std::path::absolute(config).ok().as_deref().and_then(Path::parent) {
        Some(absolute) => {
            state.strip_prefix(absolute).map_or_else(|_| state.to_owned(), |rest| folder.join(rest))
        }
        None => state.to_owned(),
    }
}

fn write_config(path: &Path, force: bool) -> anyhow::Result<bool> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            file.write_all(EXAMPLE.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot create {}", path.display())),
    }
}

/// Where the configuration says that the state is; beside it, by its usual name, while the
/// configuration is not filled in yet.
fn state_path(config: &Path) -> PathBuf {
    match Config::load(config, &ProcessEnvironment) {
        Ok(config) => config.state_path,
        Err(_) => Config::state_path_of(config),
    }
}
