//! Lists: fields, filters, order, groups and limits over one doctype.
//!
//! What lives here: planning and running a list. What may not: how a list is asked for in a
//! request (`route`, `methods`) and how it is answered.

pub(crate) mod eval;
pub(crate) mod expr;
pub(crate) mod filter;
pub(crate) mod md5;
mod source;
pub(crate) mod sums;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use self::eval::{Bound, Computed, Tuple};
use self::filter::{Compare, Condition, Operand, Test};
use self::source::{Sources, plan_fields};
use crate::access::{Reach, Visibility};
use crate::collate::{self, SortKey};
use crate::failure::{Failure, Outcome};
use crate::site::{Context, Site};
use crate::table::Row;
use crate::value::Kind;

/// A list as asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ListQuery {
    pub doctype: String,
    pub fields: Value,
    pub filters: Value,
    pub or_filters: Value,
    pub order_by: String,
    pub group_by: String,
    pub start: usize,
    /// `None` is all rows.
    pub limit: Option<usize>,
    /// The parent doctype of a list of rows.
    pub parent: String,
}

/// The rows of a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Computed>>,
}

impl Listing {
    /// The rows as objects.
    pub fn to_objects(&self) -> Value {
        let object = |row: &Vec<Computed>| {
            let pairs = self.columns.iter().cloned();
            let pairs = pairs.zip(row.iter().map(Computed::to_json));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }

    /// The rows as lists.
    pub fn to_lists(&self) -> Value {
        Value::Array(self.rows.iter().map(|row| eval::row_json(row)).collect())
    }
}

struct Plan<'a> {
    sources: Sources<'a>,
    items: Vec<(String, Bound)>,
    all: Vec<Condition>,
    any: Vec<Condition>,
    group: Vec<Bound>,
    order: Vec<(Order, bool)>,
    is_aggregate: bool,
    by_modified: bool,
    visibility: Visibility,
}

impl Plan<'_> {
    /// Sums over rows of this one table, the same for every user.
    fn is_about_the_whole_table(&self) -> bool {
        self.is_aggregate && !self.sources.is_joined() && self.visibility.is_everything()
    }
}

enum Order {
    Item(usize),
    Expr(Bound),
    Name,
}

impl Site {
    /// Runs a list for a user.
    pub(crate) fn list(&self, ctx: &Context, query: &ListQuery) -> Outcome<Listing> {
        let Some(meta) = self.meta(&query.doctype) else {
            return Err(Failure::not_found("DocType", &query.doctype));
        };
        let mut system_only = false;
        let mut reach = None;
        let mut shared = None;
        if meta.istable && !ctx.ignore_permissions {
            let parent = self.meta(&query.parent).ok_or_else(Failure::forbidden)?;
            let fits = parent.tables().any(|(_, child)| child == query.doctype);
            if !fits || ctx.user == "Guest" {
                return Err(Failure::forbidden());
            }
            let is_stranger = self.reach(&ctx.user, &parent, "read").is_none();
            // One shared parent opens the rows of all; the older version shows system columns only.
            if is_stranger && self.shared(&ctx.user, &parent.name).is_empty() {
                return Err(Self::list_refusal(ctx, &parent.name));
            }
            system_only = is_stranger && !self.is_newer();
        } else if !ctx.ignore_permissions {
            reach = self.reach(&ctx.user, &meta, "read");
            if reach.is_none() {
                shared = Some(self.shared(&ctx.user, &meta.name)).filter(|names| !names.is_empty());
                if shared.is_none() {
                    return Err(Self::list_refusal(ctx, &query.doctype));
                }
            }
        }
        if meta.is_virtual {
            return Ok(Listing::default());
        }
        if meta.issingle {
            let text = format!("('DocType', '{}')", query.doctype);
            return Err(Failure::internal("pymysql.err", "ProgrammingError", &text));
        }
        let mut plan = self.plan(ctx, query, reach, system_only)?;
        plan.visibility.allowed.extend(shared.map(|names| ("name".to_owned(), names)));
        if plan.is_about_the_whole_table() {
            return Ok(self.sums.of(query, plan.sources.table.version(), || run(&plan, query)));
        }
        Ok(run(&plan, query))
    }

    /// The number of documents that a list would have.
    pub(crate) fn count(&self, ctx: &Context, query: &ListQuery) -> Outcome<usize> {
        let mut query = query.clone();
        query.fields = serde_json::json!(["name"]);
        query.group_by = "name".into();
        query.limit = None;
        query.start = 0;
        query.order_by = String::new();
        Ok(self.list(ctx, &query)?.rows.len())
    }

    fn plan(
        &self,
        ctx: &Context,
        query: &ListQuery,
        reach: Option<Reach>,
        system_only: bool,
    ) -> Outcome<Plan<'_>> {
        let mut sources = Sources::of(self, &query.doctype)?;
        let texts = plan_fields(&query.fields)?;
        let mut items = Vec::new();
        for text in &texts {
            sources.add_item(text, system_only, &mut items)?;
        }
        let mut all = Vec::new();
        for filter in filter::read(&query.filters)? {
            all.push(sources.condition(&filter)?);
        }
        let mut any = Vec::new();
        for filter in filter::read(&query.or_filters)? {
            any.push(sources.condition(&filter)?);
        }
        if sources.is_joined() {
            for text in &texts {
                sources.check_ambiguity(text)?;
            }
        }
        let mut group = Vec::new();
        for part in split_list(&query.group_by) {
            group.push(sources.bind_text(&part)?);
        }
        let is_aggregate = items.iter().any(|(_, bound)| has_aggregate(bound));
        let mut order = Vec::new();
        for part in split_list(&query.order_by) {
            order.push(plan_order(&mut sources, &items, &part)?);
        }
        let by_modified = order.is_empty() && only_modified(&sources, &items, &all, &any);
        let visibility = if ctx.ignore_permissions {
            self.visibility("Administrator", &sources.meta, None)
        } else {
            self.visibility(&ctx.user, &sources.meta, reach)
        };
        Ok(Plan { sources, items, all, any, group, order, is_aggregate, by_modified, visibility })
    }
}

fn has_aggregate(bound: &Bound) -> bool {
    match bound {
        Bound::Call { name, args, .. } => {
            expr::is_aggregate(name) || args.iter().any(has_aggregate)
        }
        Bound::Binary(_, left, right) => has_aggregate(left) || has_aggregate(right),
        _ => false,
    }
}

/// Splits at commas that are not inside parentheses.
fn split_list(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn plan_order(
    sources: &mut Sources<'_>,
    items: &[(String, Bound)],
    part: &str,
) -> Outcome<(Order, bool)> {
    let part = part.trim();
    let lower = part.to_lowercase();
    let (text, descending) = if let Some(text) = lower.strip_suffix(" desc") {
        (&part[..text.len()], true)
    } else if let Some(text) = lower.strip_suffix(" asc") {
        (&part[..text.len()], false)
    } else {
        (part, false)
    };
    let text = text.trim();
    if let Some(at) = items.iter().position(|(alias, _)| alias == text) {
        if let Bound::Column(place) = &items[at].1
            && place.is_name
            && place.source == 0
        {
            return Ok((Order::Name, descending));
        }
        return Ok((Order::Item(at), descending));
    }
    let bound = sources.bind_text(text)?;
    if let Bound::Column(place) = &bound
        && place.is_name
        && place.source == 0
    {
        return Ok((Order::Name, descending));
    }
    Ok((Order::Expr(bound), descending))
}

/// Without an order, a list that needs nothing but names and stamps comes from the index on
/// `modified`; any other list comes in the order of the primary key.
fn only_modified(
    sources: &Sources<'_>,
    items: &[(String, Bound)],
    all: &[Condition],
    any: &[Condition],
) -> bool {
    if sources.is_joined() || sources.meta.istable || any.iter().next().is_some() {
        return false;
    }
    let Some(modified) = sources.table.position("modified") else {
        return false;
    };
    let is_indexed = |bound: &Bound| match bound {
        Bound::Column(place) => place.is_name || place.column == modified,
        _ => false,
    };
    items.iter().all(|(_, bound)| is_indexed(bound))
        && all.iter().all(|condition| condition.place.column == modified)
}

type Candidates<'a> = Box<dyn Iterator<Item = (&'a SortKey, &'a Row)> + 'a>;

/// The rows worth looking at: by name or parent where a filter says so, else all.
fn candidates<'a>(plan: &Plan<'a>) -> Candidates<'a> {
    let table = plan.sources.table;
    for condition in &plan.all {
        let place = condition.place;
        if place.source != 0 || place.kind != Kind::Text {
            continue;
        }
        let names: Vec<SortKey> = match &condition.test {
            Test::In(names, false) => names
                .iter()
                .filter_map(|name| match name {
                    Operand::Bytes(key) => Some(key.clone()),
                    Operand::Number(_) => None,
                })
                .collect(),
            Test::Compare(Compare::Equal, Operand::Bytes(key)) => vec![key.clone()],
            Test::Compare(Compare::Greater | Compare::GreaterOrEqual, Operand::Bytes(key))
                if place.is_name =>
            {
                return Box::new(table.rows_from(key, true));
            }
            _ => continue,
        };
        let mut keys = if place.is_name {
            names
        } else if Some(place.column) == table.position("parent") {
            names.iter().flat_map(|parent| table.children_of_key(parent)).collect()
        } else {
            continue;
        };
        keys.sort();
        keys.dedup();
        return Box::new(keys.into_iter().filter_map(move |key| table.entry(&key)));
    }
    Box::new(table.rows())
}

fn run(plan: &Plan<'_>, query: &ListQuery) -> Listing {
    let table = plan.sources.table;
    let is_grouped = plan.is_aggregate || !plan.group.is_empty();
    let in_key_order = match plan.order.as_slice() {
        [] => !plan.by_modified,
        [(Order::Name, false)] => true,
        _ => false,
    };
    let enough = match query.limit {
        Some(limit) if in_key_order && !is_grouped => query.start.saturating_add(limit),
        _ => usize::MAX,
    };
    let mut tuples = Vec::new();
    for (key, row) in candidates(plan) {
        if tuples.len() >= enough {
            break;
        }
        if !plan.visibility.is_everything() && !plan.visibility.shows(table, row) {
            continue;
        }
        let main = Tuple { key, main: row, joins: Vec::new() };
        for tuple in plan.sources.join(main) {
            let fits = plan.all.iter().all(|condition| condition.fits(&tuple))
                && (plan.any.is_empty() || plan.any.iter().any(|condition| condition.fits(&tuple)));
            if fits {
                tuples.push(tuple);
            }
        }
    }
    let columns = plan.items.iter().map(|(alias, _)| alias.clone()).collect();
    let mut rows =
        if is_grouped { grouped(plan, tuples) } else { sorted(plan, tuples, in_key_order) };
    if query.start > 0 {
        rows.drain(..query.start.min(rows.len()));
    }
    if let Some(limit) = query.limit {
        rows.truncate(limit);
    }
    Listing { columns, rows }
}

/// What results are ordered and grouped by: a text counts by its sort key, which is made once.
#[derive(Clone)]
enum SortValue {
    Key(SortKey),
    Value(Computed),
}

impl SortValue {
    fn of(value: Computed) -> Self {
        match value {
            Computed::Text(text, Kind::Text) => Self::Key(collate::key(&text)),
            value => Self::Value(value),
        }
    }

    fn order(&self, other: &Self) -> std::cmp::Ordering {
        use std::cmp::Ordering;
        match (self, other) {
            (Self::Key(left), Self::Key(right)) => left.cmp(right),
            (Self::Value(left), Self::Value(right)) => left.order(right),
            (Self::Value(Computed::Null), Self::Key(_)) => Ordering::Less,
            (Self::Key(_), Self::Value(Computed::Null)) => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }
}

fn order_values(left: &[SortValue], right: &[SortValue], plan: &Plan<'_>) -> std::cmp::Ordering {
    for ((left, right), (_, descending)) in left.iter().zip(right).zip(&plan.order) {
        let order = left.order(right);
        let order = if *descending { order.reverse() } else { order };
        if order.is_ne() {
            return order;
        }
    }
    std::cmp::Ordering::Equal
}

fn sorted(plan: &Plan<'_>, mut tuples: Vec<Tuple<'_>>, in_key_order: bool) -> Vec<Vec<Computed>> {
    if plan.by_modified {
        let at = plan.sources.table.position("modified").unwrap_or(0);
        tuples.sort_by(|left, right| left.main[at].as_str().cmp(right.main[at].as_str()));
    } else if !in_key_order {
        let mut keyed: Vec<_> = tuples
            .into_iter()
            .map(|tuple| {
                let values: Vec<_> = plan
                    .order
                    .iter()
                    .map(|(order, _)| match order {
                        Order::Name => SortValue::Key(tuple.key.clone()),
                        Order::Item(at) => SortValue::of(eval::of_row(&plan.items[*at].1, &tuple)),
                        Order::Expr(bound) => SortValue::of(eval::of_row(bound, &tuple)),
                    })
                    .collect();
                (values, tuple)
            })
            .collect();
        keyed.sort_by(|(left, _), (right, _)| order_values(left, right, plan));
        tuples = keyed.into_iter().map(|(_, tuple)| tuple).collect();
    }
    let pick = |tuple: &Tuple<'_>| {
        let values = plan.items.iter();
        values.map(|(_, bound)| eval::of_row(bound, tuple)).collect()
    };
    tuples.iter().map(pick).collect()
}

fn grouped(plan: &Plan<'_>, tuples: Vec<Tuple<'_>>) -> Vec<Vec<Computed>> {
    let mut groups: BTreeMap<Vec<GroupKey>, Vec<Tuple<'_>>> = BTreeMap::new();
    if plan.group.is_empty() {
        groups.insert(Vec::new(), tuples);
    } else {
        for tuple in tuples {
            let key = plan
                .group
                .iter()
                .map(|bound| match bound {
                    Bound::Column(place) if place.is_name && place.source == 0 => {
                        GroupKey(SortValue::Key(tuple.key.clone()))
                    }
                    bound => GroupKey(SortValue::of(eval::of_row(bound, &tuple))),
                })
                .collect();
            groups.entry(key).or_default().push(tuple);
        }
    }
    let mut rows: Vec<(Vec<SortValue>, Vec<Computed>)> = groups
        .into_values()
        .map(|group| {
            let row: Vec<_> =
                plan.items.iter().map(|(_, bound)| eval::of_group(bound, &group)).collect();
            let values = plan
                .order
                .iter()
                .map(|(order, _)| match order {
                    Order::Name => {
                        group.first().map_or(SortValue::Value(Computed::Null), |tuple| {
                            SortValue::Key(tuple.key.clone())
                        })
                    }
                    Order::Item(at) => SortValue::of(row[*at].clone()),
                    Order::Expr(bound) => SortValue::of(eval::of_group(bound, &group)),
                })
                .collect();
            (values, row)
        })
        .collect();
    rows.sort_by(|(left, _), (right, _)| order_values(left, right, plan));
    rows.into_iter().map(|(_, row)| row).collect()
}

struct GroupKey(SortValue);

impl PartialEq for GroupKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for GroupKey {}

impl PartialOrd for GroupKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for GroupKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.order(&other.0)
    }
}
