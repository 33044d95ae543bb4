//! `erpsync resolve`: settles conflicts on both sites as a person decides.
//!
//! The rule kept here: nothing is written that the person did not name or see, and leaving at
//! any time leaves everything as it was.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value, json};

use super::conflicts::rendered;
use super::run::{Run, show_problems};
use super::session::{load_config, open_state};
use super::sync::SyncOptions;
use super::{Exit, Global, UsageError};
use crate::config::Config;
use crate::model::{ConflictKind, DOCSTATUS, Side};
use crate::pass::{
    Choice, Refusal, Resolved, Stop, Summary, is_about_identity, is_about_the_doctype,
};
use crate::report::dialogue::{self, Answer};
use crate::report::{Report, escape, render_summary};
use crate::state::{Conflict, ConflictFilter, State};

/// Arguments of `erpsync resolve`.
#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// The conflicts, by the numbers that `erpsync conflicts` shows
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<i64>,
    /// All open conflicts
    #[arg(long)]
    pub all: bool,
    /// With --all: only this doctype's
    #[arg(long, requires = "all")]
    pub doctype: Option<String>,
    /// The side whose version is kept, or `both`: two documents of one name are each created
    /// on the other side; asked for on a terminal when left out
    #[arg(long, value_name = "SIDE", value_parser = take)]
    pub take: Option<Take>,
    /// Take one field from a side; may be given several times
    #[arg(long = "field", value_name = "FIELD=SIDE", value_parser = field)]
    pub fields: Vec<(String, Side)>,
    /// Values of your own: a JSON object of fields
    #[arg(long, value_name = "FILE.json")]
    pub with: Option<PathBuf>,
}

/// What `--take` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// One side's version.
    Side(Side),
    /// Two documents.
    Both,
}

fn take(text: &str) -> Result<Take, String> {
    match text {
        "merged" => Err(format!("{text}: not in this version; allowed: cloud, local, both")),
        "both" => Ok(Take::Both),
        _ => Side::parse(text)
            .map(Take::Side)
            .ok_or_else(|| "allowed: cloud, local, both".to_owned()),
    }
}

fn field(text: &str) -> Result<(String, Side), String> {
    let (field, side) = text.split_once('=').ok_or("write it as field=cloud or field=local")?;
    let side = Side::parse(side).ok_or("allowed after =: cloud, local")?;
    Ok((field.to_owned(), side))
}

/// Settles the conflicts that are named.
pub(super) fn cmd_resolve(
    global: &Global,
    args: &ResolveArgs,
    report: &Arc<Report>,
) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let choice = choice_of(args)?;
    if choice.is_none() && !report.can_ask() {
        return Err(UsageError::new(
            "say which version is kept: --take cloud, --take local, --field or --with",
        )
        .with_hint("erpsync conflicts show ID compares the two; on a terminal you are asked")
        .into());
    }
    let conflicts = chosen(&open_state(&config)?, args)?;
    let mut run = Run::begin(&config, &SyncOptions::default(), "resolve", report)?;
    let mut outcomes = Vec::new();
    let mut end = None;
    for conflict in &conflicts {
        match next(&mut run, &config, conflict, choice.as_ref(), report) {
            Ok(Some(resolved)) => {
                tell_outcome(report, conflict, &resolved);
                outcomes.push((conflict, resolved));
            }
            Ok(None) => {
                outcomes.push((conflict, Resolved::Refused(left_by_choice(conflict, "left open"))));
                break;
            }
            Err(error) => {
                end = Some(error);
                break;
            }
        }
    }
    let followed = if end.is_none() { follow_up(&mut run, &outcomes) } else { Ok(None) };
    let followed = followed.unwrap_or_else(|error| {
        end = Some(error);
        None
    });
    let mut exit = end.as_ref().map_or_else(|| exit_of(&outcomes), Exit::of_error);
    if let Some(summary) = &followed {
        show_problems(report, summary);
        report.data(&render_summary(summary, false));
        if exit == Exit::Done && Exit::of(summary, false) == Exit::Failed {
            exit = Exit::Failed;
        }
    }
    let rows: Vec<Value> =
        outcomes.iter().map(|(conflict, resolved)| row(conflict, resolved)).collect();
    if let Err(unstored) = run.record(exit, &json!(rows))
        && end.is_none()
    {
        exit = Exit::Fatal;
        end = Some(unstored);
    }
    let mut document = json!({ "exit_code": exit.code(), "resolved": rows });
    if let Some(summary) = &followed {
        document["followed"] = json!(summary.actions);
    }
    if let Some(error) = &end {
        document["error"] = format!("{error:#}").into();
        super::tell(report, error);
    }
    report.json(&document);
    Ok(exit)
}

/// Asks about one conflict, where a person is to be asked, and settles it. `None`: the person
/// has had enough.
fn next(
    run: &mut Run<'_>,
    config: &Config,
    conflict: &Conflict,
    choice: Option<&Choice>,
    report: &Report,
) -> anyhow::Result<Option<Resolved>> {
    let wish = if let Some(choice) = choice {
        Wish::Choice(choice.clone())
    } else {
        let rendered = rendered(&run.state, conflict, report.page)?;
        let ask = match conflict.kind {
            kind if is_about_identity(kind) && !may_be_one(conflict) => ask_both,
            _ if is_taken_whole(conflict) => ask_whole,
            _ => ask,
        };
        ask(conflict, &rendered, &|| run.is_interrupted())?
    };
    if run.is_interrupted() {
        return Err(Stop::Interrupted.into());
    }
    match wish {
        Wish::Quit => Ok(None),
        Wish::Skip => Ok(Some(Resolved::Refused(left_by_choice(conflict, "skipped")))),
        Wish::Choice(choice) => settle(run, config, conflict, &choice).map(Some),
    }
}

/// What the command line asks for; `None` where a person is to be asked.
fn choice_of(args: &ResolveArgs) -> anyhow::Result<Option<Choice>> {
    let is_one = args.ids.len() == 1;
    if !is_one && (!args.fields.is_empty() || args.with.is_some()) {
        return Err(UsageError::new("--field and --with are for one conflict at a time")
            .with_hint("name one ID; --take cloud or --take local settles several")
            .into());
    }
    if args.fields.is_empty() && args.with.is_none() {
        return Ok(args.take.map(|take| match take {
            Take::Side(side) => Choice::Take(side),
            Take::Both => Choice::Both,
        }));
    }
    let rest = match args.take {
        Some(Take::Both) => {
            return Err(UsageError::new("--field and --with do not go with --take both")
                .with_hint("two documents stay as they are; for one, --take cloud or --take local")
                .into());
        }
        Some(Take::Side(side)) => Some(side),
        None => None,
    };
    let values = match &args.with {
        None => Map::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| UsageError::new(format!("{}: {error}", path.display())))
                .map_err(|error| {
                    error.with_hint("--with names a file with a JSON object of fields")
                })?;
            serde_json::from_str(&text).map_err(|error| {
                UsageError::new(format!("{}: no JSON object of fields: {error}", path.display()))
                    .with_hint("such as {\"city\": \"Pune\"}")
            })?
        }
    };
    let mut sides: BTreeMap<String, Side> = BTreeMap::new();
    for (field, side) in &args.fields {
        if sides.insert(field.clone(), *side).is_some_and(|before| before != *side) {
            return Err(UsageError::new(format!("--field {field} is given for both sides"))
                .with_hint(format!("give --field {field}=SIDE once"))
                .into());
        }
    }
    Ok(Some(Choice::Fields { sides, values, rest }))
}

/// The conflicts that are named.
fn chosen(state: &State, args: &ResolveArgs) -> anyhow::Result<Vec<Conflict>> {
    if args.all {
        let filter = ConflictFilter { doctype: args.doctype.as_deref(), open_only: true };
        return Ok(state.conflicts(&filter)?);
    }
    let mut conflicts = Vec::new();
    for id in &args.ids {
        let found = state.conflict(*id)?;
        conflicts.push(found.ok_or_else(|| {
            UsageError::new(format!("there is no conflict {id}"))
                .with_hint("erpsync conflicts lists those that are open")
        })?);
    }
    Ok(conflicts)
}

fn settle(
    run: &mut Run<'_>,
    config: &Config,
    conflict: &Conflict,
    choice: &Choice,
) -> anyhow::Result<Resolved> {
    if conflict.resolution.is_some() {
        return Ok(Resolved::Superseded);
    }
    let doctype = config.doctype(&conflict.doctype)?;
    let mut outcome = None;
    let (_, result) = run.with_pass(&crate::report::Progress::new(false), &[], |pass| {
        outcome = Some(pass.resolve(&doctype, conflict, choice)?);
        Ok(())
    });
    match result {
        Ok(()) => outcome.context("the conflict was not looked at"),
        // A doctype that a site refuses does not stop the others.
        Err(error) if is_about_the_doctype(&error) => Ok(Resolved::Failed(format!("{error:#}"))),
        Err(error) => Err(error),
    }
}

/// Carries over what waited for the conflicts that are settled; `None` where nothing did.
fn follow_up(
    run: &mut Run<'_>,
    outcomes: &[(&Conflict, Resolved)],
) -> anyhow::Result<Option<Summary>> {
    let is_settled = |resolved: &Resolved| matches!(resolved, Resolved::Settled);
    let mut records = Vec::new();
    for (conflict, _) in outcomes.iter().filter(|(_, resolved)| is_settled(resolved)) {
        if !run.state.waiters(conflict.record)?.is_empty() {
            records.push(conflict.record);
        }
    }
    if records.is_empty() {
        return Ok(None);
    }
    let progress = crate::report::Progress::new(false);
    let (summary, result) = run.with_pass(&progress, &[], |pass| pass.follow_up(&records));
    result.map(|()| Some(summary))
}

fn exit_of(outcomes: &[(&Conflict, Resolved)]) -> Exit {
    let any = |is: fn(&Resolved) -> bool| outcomes.iter().any(|(_, resolved)| is(resolved));
    if any(|resolved| matches!(resolved, Resolved::Failed(_))) {
        Exit::Failed
    } else if any(|resolved| matches!(resolved, Resolved::Refused(_))) {
        Exit::Conflicts
    } else {
        Exit::Done
    }
}

fn tell_outcome(report: &Report, conflict: &Conflict, resolved: &Resolved) {
    let name =
        format!("{}. {}/{}", conflict.id, escape(&conflict.doctype), escape(&conflict.docname));
    match resolved {
        Resolved::Settled => report.data(&format!("{name}: settled\n")),
        Resolved::Superseded => report.data(&format!("{name}: was settled already\n")),
        Resolved::Refused(Refusal { reason, hint }) => {
            report.error(&format!("{name}: not settled: {reason}"));
            report.hint(hint);
        }
        Resolved::Failed(reason) => report.error(&format!("{name}: {reason}")),
    }
}

fn row(conflict: &Conflict, resolved: &Resolved) -> Value {
    let (outcome, message, hint) = match resolved {
        Resolved::Settled => ("settled", None, None),
        Resolved::Superseded => ("superseded", None, None),
        Resolved::Refused(Refusal { reason, hint }) => ("open", Some(reason), Some(hint)),
        Resolved::Failed(reason) => ("failed", Some(reason), None),
    };
    json!({
        "id": conflict.id,
        "doctype": conflict.doctype,
        "docname": conflict.docname,
        "outcome": outcome,
        "message": message,
        "hint": hint,
    })
}

/// What a person chose to leave as it is.
fn left_by_choice(conflict: &Conflict, how: &str) -> Refusal {
    Refusal::new(how, format!("erpsync resolve {} asks again", conflict.id))
}

/// What a person answered.
enum Wish {
    Choice(Choice),
    Skip,
    Quit,
}

/// Asks about two documents that were taken for one.
fn ask_both(
    _: &Conflict,
    rendered: &str,
    is_interrupted: &dyn Fn() -> bool,
) -> anyhow::Result<Wish> {
    dialogue::show(rendered);
    let wanted = dialogue::confirm("Create each on the other side too?", is_interrupted)?;
    Ok(if wanted { Wish::Choice(Choice::Both) } else { Wish::Skip })
}

/// Whether two documents of which nobody knows whether they are one are there to be compared:
/// `--take both` says that they are two.
fn may_be_one(conflict: &Conflict) -> bool {
    let is_there = |side: Side| conflict.data[side].is_object();
    conflict.kind == ConflictKind::UnknownOutcome && Side::BOTH.into_iter().all(is_there)
}

/// Whether the versions cannot be put together: there is only one, or they are not equally far
/// on from draft to cancelled.
fn is_taken_whole(conflict: &Conflict) -> bool {
    let stage = |side: Side| conflict.data[side].get(DOCSTATUS).and_then(Value::as_i64);
    let is_one = Side::BOTH.into_iter().any(|side| conflict.data[side].is_null());
    is_one || stage(Side::Cloud) != stage(Side::Local)
}

/// Asks which of two versions is kept.
fn ask_whole(
    conflict: &Conflict,
    rendered: &str,
    is_interrupted: &dyn Fn() -> bool,
) -> anyhow::Result<Wish> {
    dialogue::show(rendered);
    dialogue::say("\nWhich one is kept?");
    for side in Side::BOTH {
        let other = side.opposite();
        let version = match conflict.data[side].get(DOCSTATUS).and_then(Value::as_i64) {
            _ if conflict.data[side].is_null() => {
                format!("the deletion: it is deleted on {other} too")
            }
            Some(2) if conflict.data[other].is_null() => {
                format!("the cancelled document: it is made anew on {other}, and cancelled there")
            }
            _ if conflict.data[other].is_null() => {
                format!("the edited document: it is made anew on {other}")
            }
            Some(2) => "the cancelled document".to_owned(),
            Some(1) => "the submitted document".to_owned(),
            _ => "the draft".to_owned(),
        };
        dialogue::say(&format!("  {side:5}  {version}"));
    }
    let side = match dialogue::choose(true, is_interrupted)? {
        Answer::Cloud => Side::Cloud,
        Answer::Local => Side::Local,
        Answer::Text(_) | Answer::Skip => return Ok(Wish::Skip),
        Answer::Quit => return Ok(Wish::Quit),
    };
    let wanted = dialogue::confirm(&format!("Keep {side}'s?"), is_interrupted)?;
    Ok(if wanted { Wish::Choice(Choice::Take(side)) } else { Wish::Skip })
}

/// Asks field by field, shows the result, and asks once more before anything is written.
fn ask(
    conflict: &Conflict,
    rendered: &str,
    is_interrupted: &dyn Fn() -> bool,
) -> anyhow::Result<Wish> {
    dialogue::show(rendered);
    let mut sides = BTreeMap::new();
    let mut values = Map::new();
    for field in &conflict.fields {
        let of = |side: Side| conflict.data[side].get(field).cloned().unwrap_or(Value::Null);
        dialogue::say(&format!("\n{field}"));
        for side in Side::BOTH {
            dialogue::say(&format!("  {side:5}  {}", shown(&of(side))));
        }
        let is_table = of(Side::Cloud).is_array() || of(Side::Local).is_array();
        match dialogue::choose(is_table, is_interrupted)? {
            Answer::Cloud => drop(sides.insert(field.clone(), Side::Cloud)),
            Answer::Local => drop(sides.insert(field.clone(), Side::Local)),
            Answer::Text(text) => {
                values.insert(field.clone(), typed(&text, &of(Side::Cloud), &of(Side::Local)));
            }
            Answer::Skip => return Ok(Wish::Skip),
            Answer::Quit => return Ok(Wish::Quit),
        }
    }
    dialogue::say("\nOn both sites then:");
    for field in &conflict.fields {
        let value = match (values.get(field), sides.get(field)) {
            (Some(value), _) => value.clone(),
            (None, Some(side)) => conflict.data[*side].get(field).cloned().unwrap_or(Value::Null),
            (None, None) => Value::Null,
        };
        dialogue::say(&format!("  {field}: {}", shown(&value)));
    }
    if dialogue::confirm("Write this?", is_interrupted)? {
        Ok(Wish::Choice(Choice::Fields { sides, values, rest: None }))
    } else {
        Ok(Wish::Skip)
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(empty)".to_owned(),
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(rows) => format!("{} rows", rows.len()),
        other => other.to_string(),
    }
}

/// What a person typed, as a number where the sides hold numbers.
fn typed(text: &str, cloud: &Value, local: &Value) -> Value {
    let wants_number = cloud.is_number() || local.is_number();
    if wants_number && let Ok(number) = serde_json::from_str::<serde_json::Number>(text.trim()) {
        return Value::Number(number);
    }
    Value::String(text.to_owned())
}
