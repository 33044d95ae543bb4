//! Where the columns of a list come from: the doctype itself, its rows, and what it links to.
//!
//! What lives here: finding columns, joining rows. What may not: testing and computing.

use serde_json::Value;

use super::eval::{Bound, Place, Tuple, constant, is_known_function};
use super::expr::{self, Expr};
use super::filter::{Condition, Filter};
use crate::doc::SYSTEM_FIELDS;
use crate::failure::{Failure, Outcome};
use crate::meta::Meta;
use crate::site::Site;
use crate::table::Table;

/// The tables of a list.
pub(crate) struct Sources<'a> {
    site: &'a Site,
    pub meta: Meta,
    pub table: &'a Table,
    joins: Vec<Join<'a>>,
}

struct Join<'a> {
    doctype: String,
    /// The table field, where the join was asked for by its name.
    parentfield: Option<String>,
    /// The link field of a joined document; `None` for rows.
    link: Option<usize>,
    table: &'a Table,
}

/// The texts of a field list.
pub(crate) fn plan_fields(fields: &Value) -> Outcome<Vec<String>> {
    let fields = crate::request::parse_if_text(fields);
    let texts: Vec<String> = match &fields {
        Value::Array(items) => {
            if items.iter().any(Value::is_object) {
                return Err(Failure::internal(
                    "",
                    "TypeError",
                    "unhashable type: 'dict'",
                ));
            }
            items.iter().map(crate::value::to_text).collect()
        }
        Value::String(text) if !text.is_empty() => super::split_list(text),
        _ => Vec::new(),
    };
    if texts.is_empty() {
        return Ok(vec!["name".into()]);
    }
    Ok(texts
        .into_iter()
        .map(|text| text.trim().to_owned())
        .collect())
}

impl<'a> Sources<'a> {
    /// The table of a doctype, without joins so far.
    pub fn of(site: &'a Site, doctype: &str) -> Outcome<Self> {
        let (Some(meta), Some(table)) = (site.meta(doctype), site.store.table(doctype)) else {
            return Err(Failure::not_found("DocType", doctype));
        };
        Ok(Self {
            site,
            meta,
            table,
            joins: Vec::new(),
        })
    }

    /// True when another table is joined.
    pub fn is_joined(&self) -> bool {
        !self.joins.is_empty()
    }

    /// Adds an item of the field list.
    pub fn add_item(
        &mut self,
        text: &str,
        system_only: bool,
        items: &mut Vec<(String, Bound)>,
    ) -> Outcome<()> {
        if text == "*" || text == format!("`tab{}`.*", self.meta.name) {
            for (at, column) in self.table.columns().iter().enumerate() {
                let is_system = SYSTEM_FIELDS.contains(&column.name.as_str());
                if column.listed && (is_system || !system_only) {
                    let place = Place {
                        source: 0,
                        column: at,
                        kind: column.kind,
                        is_name: column.name == "name",
                    };
                    items.push((column.name.clone(), Bound::Column(place)));
                }
            }
            return Ok(());
        }
        check_functions(text, self.site.is_newer())?;
        let Some(item) = expr::parse_item(text) else {
            return Err(Failure::not_in_query(text));
        };
        if item.expr.has_empty_call() {
            return Err(Failure::internal(
                "",
                "IndexError",
                "list index out of range",
            ));
        }
        if let Expr::Column {
            table: None,
            column,
        } = &item.expr
            && self
                .meta
                .field(column)
                .is_some_and(|field| field.has("is_virtual"))
        {
            return Ok(());
        }
        let bound = self.bind(&item.expr)?;
        items.push((item.alias, bound));
        Ok(())
    }

    /// Finds the columns of an expression given as text.
    pub fn bind_text(&mut self, text: &str) -> Outcome<Bound> {
        let text = text.trim();
        let expr = expr::parse(text).ok_or_else(|| Failure::not_in_query(text))?;
        self.bind(&expr)
    }

    fn bind(&mut self, expr: &Expr) -> Outcome<Bound> {
        if let Some(value) = constant(expr) {
            return Ok(Bound::Constant(value));
        }
        Ok(match expr {
            Expr::Column { table, column } => Bound::Column(self.place(table.as_deref(), column)?),
            Expr::Call {
                name,
                distinct,
                args,
            } => {
                if !is_known_function(name) {
                    let text = format!(
                        "(1305, 'FUNCTION {}.{name} does not exist')",
                        self.site.name
                    );
                    return Err(Failure::internal("pymysql.err", "OperationalError", &text));
                }
                Bound::Call {
                    name: name.clone(),
                    distinct: *distinct,
                    args: args
                        .iter()
                        .map(|arg| self.bind(arg))
                        .collect::<Outcome<_>>()?,
                }
            }
            Expr::Binary(sign, left, right) => Bound::Binary(
                *sign,
                Box::new(self.bind(left)?),
                Box::new(self.bind(right)?),
            ),
            _ => Bound::Star,
        })
    }

    /// The condition of a filter.
    pub fn condition(&mut self, filter: &Filter) -> Outcome<Condition> {
        let field = filter.field.trim_matches('`');
        let place = match filter.doctype.as_deref() {
            Some(doctype) if doctype != self.meta.name => {
                if self.site.meta(doctype).is_none() {
                    return Err(Failure::not_found("DocType", doctype));
                }
                self.place(Some(doctype), field)?
            }
            _ => match field.split_once('.') {
                Some((table, column)) => {
                    let table = table.trim_matches('`');
                    let table = table.strip_prefix("tab").unwrap_or(table);
                    self.place(Some(table), column.trim_matches('`'))?
                }
                None => self.place(None, field)?,
            },
        };
        filter.on(place)
    }

    fn place(&mut self, table: Option<&str>, column: &str) -> Outcome<Place> {
        let source = match table {
            None => 0,
            Some(table) if table == self.meta.name => 0,
            Some(table) => self.joined(table, column)?,
        };
        let found = if source == 0 {
            self.table
        } else {
            self.joins[source - 1].table
        };
        let at = found
            .position(column)
            .ok_or_else(|| Failure::not_in_query(column))?;
        Ok(Place {
            source,
            column: at,
            kind: found.columns()[at].kind,
            is_name: column == "name",
        })
    }

    /// The join of a child doctype, a table field or a link field; makes it where it is new.
    fn joined(&mut self, table: &str, column: &str) -> Outcome<usize> {
        let field = self.meta.field(table);
        let by_field = field.and_then(|field| field.table());
        let (doctype, parentfield, link) = if let Some(child) = by_field {
            (child.to_owned(), Some(table.to_owned()), None)
        } else if self.meta.tables().any(|(_, child)| child == table) {
            (table.to_owned(), None, None)
        } else if let Some(target) = field
            .filter(|field| field.fieldtype == "Link")
            .and_then(|field| field.options.clone())
        {
            (target, None, self.table.position(table))
        } else {
            return Err(Failure::not_in_query(column));
        };
        let same = |join: &Join<'_>| {
            join.doctype == doctype && join.link == link && join.parentfield == parentfield
        };
        if let Some(at) = self.joins.iter().position(same) {
            return Ok(at + 1);
        }
        let found = self
            .site
            .store
            .table(&doctype)
            .ok_or_else(|| Failure::not_in_query(column))?;
        self.joins.push(Join {
            doctype,
            parentfield,
            link,
            table: found,
        });
        Ok(self.joins.len())
    }

    /// With joined tables, Frappe puts the table's name before functions it does not know as
    /// aggregates, and leaves the columns inside the others without one.
    pub fn check_ambiguity(&self, text: &str) -> Outcome<()> {
        if text.contains('.') || !text.contains('(') {
            return Ok(());
        }
        let lower = text.to_lowercase();
        let is_standard = ["count(", "avg(", "sum(", "extract(", "dayofyear("]
            .iter()
            .any(|start| lower.starts_with(start));
        if !is_standard {
            let function = lower.split('(').next().unwrap_or_default();
            let text = format!(
                "(1370, \"execute command denied to user '{}_site'@'%' for routine 'tab{}.{function}'\")",
                self.site.name, self.meta.name
            );
            return Err(Failure::internal("pymysql.err", "OperationalError", &text));
        }
        let Some(item) = expr::parse_item(text) else {
            return Ok(());
        };
        let mut ambiguous = None;
        item.expr.each_column(&mut |table, column| {
            let elsewhere = self
                .joins
                .iter()
                .any(|join| join.table.position(column).is_some());
            if table.is_none() && elsewhere {
                ambiguous = Some(column.to_owned());
            }
        });
        match ambiguous {
            Some(column) => {
                let text = format!("(1052, \"Column '{column}' in field list is ambiguous\")");
                Err(Failure::internal("pymysql.err", "OperationalError", &text))
            }
            None => Ok(()),
        }
    }

    /// A row with everything that is joined to it.
    pub fn join(&self, main: Tuple<'a>) -> Vec<Tuple<'a>> {
        let mut tuples = vec![main];
        for join in &self.joins {
            let mut wider = Vec::new();
            for tuple in tuples {
                let matches = self.matches(join, &tuple);
                if matches.is_empty() {
                    let mut tuple = tuple;
                    tuple.joins.push(None);
                    wider.push(tuple);
                    continue;
                }
                for row in matches {
                    let mut tuple = tuple.clone();
                    tuple.joins.push(Some(row));
                    wider.push(tuple);
                }
            }
            tuples = wider;
        }
        tuples
    }

    fn matches(&self, join: &Join<'a>, tuple: &Tuple<'a>) -> Vec<&'a crate::table::Row> {
        if let Some(link) = join.link {
            let value = tuple.main[link].as_str();
            if value.is_empty() {
                return Vec::new();
            }
            let key = join.table.key(value);
            return join.table.get(&key).into_iter().collect();
        }
        let Some(name) = self.table.cell(tuple.main, "name") else {
            return Vec::new();
        };
        let name = crate::value::to_text(&self.table.columns()[0].kind.show(name));
        let mut rows: Vec<_> = join
            .table
            .children_of(&name)
            .iter()
            .filter_map(|key| join.table.get(key))
            .filter(|row| {
                let text = |column: &str| {
                    join.table
                        .cell(row, column)
                        .map_or("", crate::value::Cell::as_str)
                };
                text("parenttype") == self.meta.name
                    && join
                        .parentfield
                        .as_ref()
                        .is_none_or(|field| text("parentfield") == field)
            })
            .collect();
        rows.sort_by_key(|row| {
            join.table
                .cell(row, "idx")
                .map_or(0, crate::value::Cell::as_int)
        });
        rows
    }
}

/// Functions that a list may not use.
fn check_functions(text: &str, newer: bool) -> Outcome<()> {
    const FORBIDDEN: [&str; 15] = [
        "concat",
        "concat_ws",
        "if",
        "ifnull",
        "nullif",
        "coalesce",
        "connection_id",
        "current_user",
        "database",
        "last_insert_id",
        "session_user",
        "system_user",
        "user",
        "version",
        "global",
    ];
    let lower = text.to_lowercase();
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let forbidden = FORBIDDEN.iter().any(|function| {
        let call = format!("{function}(");
        if newer {
            lower
                .match_indices(&call)
                .any(|(at, _)| !lower[..at].chars().next_back().is_some_and(is_word))
        } else {
            lower.starts_with(&call)
        }
    });
    let subquery = lower.contains("select ") && lower.contains('(');
    if forbidden || subquery {
        return Err(Failure::thrown(
            417,
            "DataError",
            "Use of sub-query or function is restricted",
        ));
    }
    Ok(())
}
