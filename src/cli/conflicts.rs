//! `erpsync conflicts`: what waits for a person, and one of them field by field.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::reading::give;
use super::session::{load_config, open_state};
use super::status::waiting;
use super::{Exit, Global, UsageError};
use crate::model::{Doc, Side, Sides};
use crate::recon::{
    Content, Difference, Differences, Recorded, RowChange, RowDifference, RowNames, Values,
    differences,
};
use crate::report::{Cell, Page, Report, Rows, render_conflict, render_conflicts, render_waiting};
use crate::state::{
    Base, Conflict, ConflictFilter, Resolution, RowName, State, StateResult, WaitingDocument,
    Waits, stamp,
};

/// Arguments of `erpsync conflicts`.
#[derive(Debug, Args)]
pub struct ConflictsArgs {
    #[command(subcommand)]
    show: Option<Show>,
    /// Only this doctype
    #[arg(long)]
    doctype: Option<String>,
    /// Settled ones too
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Subcommand)]
enum Show {
    /// Show one conflict field by field
    Show {
        /// Its number
        id: i64,
    },
}

/// Lists conflicts, or shows one.
pub(super) fn cmd_conflicts(
    global: &Global,
    args: &ConflictsArgs,
    report: &Report,
) -> anyhow::Result<Exit> {
    if let Some(Show::Show { id }) = &args.show {
        if args.all || args.doctype.is_some() {
            let problem = "--all and --doctype choose what is listed; show ID shows one conflict";
            return Err(UsageError::new(problem).into());
        }
        return show(global, *id, report);
    }
    let config = load_config(global, report)?;
    let state = open_state(&config)?;
    let filter = ConflictFilter { doctype: args.doctype.as_deref(), open_only: !args.all };
    let conflicts = state.conflicts(&filter)?;
    let text = || render_conflicts(&conflicts);
    give(global, report, || table(&conflicts), text, |objects| json!({ "conflicts": objects }))
}

fn show(global: &Global, id: i64, report: &Report) -> anyhow::Result<Exit> {
    let config = load_config(global, report)?;
    let state = open_state(&config)?;
    let none = || format!("there is no conflict {id}; erpsync conflicts --all lists them");
    let conflict = state.conflict(id)?.ok_or_else(|| UsageError::new(none()))?;
    let found = Found::load(&state, &conflict)?;
    let differences = found.differences(&conflict);
    let bases = found.bases.as_ref();
    let text = || found.render(&conflict, &differences, report.page);
    let document = |mut objects: Vec<Value>| {
        for object in &mut objects {
            object["base_cloud"] = json!(bases.map(|bases| &bases.cloud.content));
            object["base_local"] = json!(bases.map(|bases| &bases.local.content));
            object["differences"] = differences.fields.iter().map(difference).collect();
            object["other_differences"] = json!(differences.others);
            object["waiting"] = found.waiting.iter().map(waiting).collect();
        }
        json!({ "conflicts": objects })
    };
    give(global, report, || table(std::slice::from_ref(&conflict)), text, document)
}

/// A conflict as `conflicts show` shows it.
pub(super) fn rendered(state: &State, conflict: &Conflict, page: Page) -> StateResult<String> {
    let found = Found::load(state, conflict)?;
    Ok(found.render(conflict, &found.differences(conflict), page))
}

/// What the state knows about a conflict beside the two versions.
struct Found {
    /// Of an open conflict only: settling one moves the base.
    bases: Option<Sides<Base>>,
    counted: Option<Vec<String>>,
    rows: Vec<RowName>,
    /// The documents that wait for it.
    waiting: Vec<WaitingDocument>,
}

impl Found {
    fn load(state: &State, conflict: &Conflict) -> StateResult<Self> {
        let record = state.load_records(&[conflict.record])?.pop();
        let digest = record.as_ref().and_then(|record| record.form_digest.clone());
        let counted = digest.map(|digest| state.shape_fields(&digest)).transpose()?.flatten();
        let is_open = conflict.resolution.is_none();
        let mut waiting = state.waiting_documents(None)?;
        waiting.retain(|one| one.waits == Waits::Conflict(conflict.id));
        Ok(Self {
            waiting,
            bases: record.filter(|_| is_open).and_then(|record| record.bases),
            counted,
            rows: state.row_names(conflict.record)?,
        })
    }

    fn render(&self, conflict: &Conflict, differences: &Differences, page: Page) -> String {
        let bases = self.bases.as_ref();
        let modified = bases.map(|bases| bases.as_ref().map(|_, base| base.modified.as_str()));
        let text = render_conflict(conflict, modified, differences, page);
        text + &render_waiting(&self.waiting)
    }

    fn differences(&self, conflict: &Conflict) -> Differences {
        let base = self.bases.as_ref().map(|bases| bases.as_ref().map(|_, base| fields(base)));
        let row_names = |table: &str| -> RowNames {
            let rows = self.rows.iter().filter(|row| row.table == table);
            rows.filter_map(|row| row.names.cloud.clone().zip(row.names.local.clone())).collect()
        };
        differences(&Recorded {
            fields: &conflict.fields,
            counted: self.counted.as_deref(),
            base,
            now: conflict.data.as_ref().map(|_, data| data.as_object()),
            row_names: &row_names,
        })
    }
}

fn fields(base: &Base) -> &Map<String, Value> {
    let Doc(fields) = &base.content;
    fields
}

/// The contract's columns, in its order.
pub(crate) fn table(conflicts: &[Conflict]) -> Rows {
    let cells = |conflict: &Conflict| {
        vec![
            Cell::of(conflict.id),
            Cell::of(conflict.doctype.clone()),
            Cell::of(conflict.docname.clone()),
            Cell::of(conflict.names.cloud.clone()),
            Cell::of(conflict.names.local.clone()),
            Cell::of(conflict.kind.as_str()),
            Cell::of(conflict.fields.clone()),
            Cell::of(conflict.modified.cloud.clone()),
            Cell::of(conflict.modified.local.clone()),
            Cell::of(conflict.modified_by(Side::Cloud)),
            Cell::of(conflict.modified_by(Side::Local)),
            Cell::of(stamp(conflict.created_at)),
            Cell::of(conflict.resolution.is_some()),
            Cell::of(conflict.resolution.map(Resolution::as_str)),
            Cell::of(conflict.resolved_at.map(stamp)),
            Cell::Json(conflict.data.cloud.clone()),
            Cell::Json(conflict.data.local.clone()),
        ]
    };
    Rows {
        columns: vec![
            "id",
            "doctype",
            "docname",
            "cloud_name",
            "local_name",
            "kind",
            "fields",
            "cloud_modified",
            "local_modified",
            "cloud_modified_by",
            "local_modified_by",
            "created_at",
            "resolved",
            "resolution",
            "resolved_at",
            "cloud_data",
            "local_data",
        ],
        rows: conflicts.iter().map(cells).collect(),
    }
}

fn difference(difference: &Difference) -> Value {
    let mut object = match &difference.content {
        Content::Value(found) => values(found),
        Content::Rows(rows) => json!({ "rows": rows.iter().map(row).collect::<Vec<_>>() }),
    };
    object["field"] = json!(difference.field);
    object["cloud_changed"] = json!(difference.changed.map(|changed| changed.cloud));
    object["local_changed"] = json!(difference.changed.map(|changed| changed.local));
    object
}

fn values(values: &Values) -> Value {
    json!({
        "base_cloud": values.base.as_ref().map(|base| &base.cloud),
        "base_local": values.base.as_ref().map(|base| &base.local),
        "cloud": values.now.cloud,
        "local": values.now.local,
    })
}

fn row(row: &RowDifference) -> Value {
    let change = match row.change {
        RowChange::Added(side) => format!("added_on_{side}"),
        RowChange::Removed(side) => format!("removed_on_{side}"),
        RowChange::Only(side) => format!("only_on_{side}"),
        RowChange::Changed => "changed".to_owned(),
        RowChange::Moved => "moved".to_owned(),
    };
    let fields = row.fields.iter().map(|(field, found)| {
        let mut object = values(found);
        object["field"] = json!(field);
        object
    });
    json!({
        "cloud_row": row.places.cloud,
        "local_row": row.places.local,
        "change": change,
        "fields": fields.collect::<Vec<_>>(),
    })
}
