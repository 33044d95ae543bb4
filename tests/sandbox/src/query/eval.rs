//! Computing expressions over rows and groups of rows.
//!
//! What lives here: values of expressions, functions and aggregates, as the database gives them.
//! What may not: reading the text of expressions, permissions.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::expr::Expr;
use crate::collate::{self, SortKey};
use crate::table::Row;
use crate::value::{self, Cell, Kind};

/// A row of the result before its fields are picked: the document's row and what is joined to it.
#[derive(Clone)]
pub(crate) struct Tuple<'a> {
    pub key: &'a SortKey,
    pub main: &'a Row,
    pub joins: Vec<Option<&'a Row>>,
}

/// Where a column is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// 0 is the document itself, the others are joins.
    pub source: usize,
    pub column: usize,
    pub kind: Kind,
    pub is_name: bool,
}

/// An expression whose columns have been found.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Column(Place),
    Call {
        name: String,
        distinct: bool,
        args: Vec<Bound>,
    },
    Star,
    Constant(Computed),
    Binary(char, Box<Bound>, Box<Bound>),
}

/// A computed value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Computed {
    Null,
    Int(i128),
    /// Millionths.
    Decimal(i128),
    Float(f64),
    Text(String, Kind),
}

const MILLION: i128 = 1_000_000;

impl Computed {
    fn of_cell(cell: &Cell, kind: Kind) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Int(number) => Self::Int(i128::from(*number)),
            Cell::Float(number) => Self::Float(*number),
            Cell::Text(text) => Self::Text(text.to_string(), kind),
        }
    }

    /// The value in JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => i64::try_from(*number).map_or(Value::Null, Value::from),
            Self::Decimal(_) | Self::Float(_) => value::float(self.number()),
            Self::Text(text, kind) => kind.show(&Cell::text(text)),
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn number(&self) -> f64 {
        match self {
            Self::Null => 0.0,
            Self::Int(number) => *number as f64,
            Self::Decimal(number) => {
                let sign = if *number < 0 { "-" } else { "" };
                let size = number.abs();
                let text = format!("{sign}{}.{:06}", size / MILLION, size % MILLION);
                text.parse().unwrap_or(0.0)
            }
            Self::Float(number) => *number,
            Self::Text(text, _) => text.trim().parse().unwrap_or(0.0),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text, _) => text.clone(),
            other => value::to_text(&other.to_json()),
        }
    }

    /// The order of two values; null comes first.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            (_, Self::Null) => Ordering::Greater,
            (Self::Text(left, Kind::Text), Self::Text(right, Kind::Text)) => {
                collate::key(left).cmp(&collate::key(right))
            }
            (Self::Text(left, _), Self::Text(right, _)) => left.cmp(right),
            (left, right) => left
                .number()
                .partial_cmp(&right.number())
                .unwrap_or(Ordering::Equal),
        }
    }
}

/// Computes an expression over one row.
pub(crate) fn of_row(bound: &Bound, tuple: &Tuple<'_>) -> Computed {
    match bound {
        Bound::Column(place) => cell_of(*place, tuple)
            .map_or(Computed::Null, |cell| Computed::of_cell(cell, place.kind)),
        Bound::Constant(value) => value.clone(),
        Bound::Star => Computed::Int(1),
        Bound::Call { name, args, .. } => {
            let args: Vec<_> = args.iter().map(|arg| of_row(arg, tuple)).collect();
            call(name, &args)
        }
        Bound::Binary(sign, left, right) => {
            arithmetic(*sign, &of_row(left, tuple), &of_row(right, tuple))
        }
    }
}

/// The cell of a column in a row.
pub(crate) fn cell_of<'a>(place: Place, tuple: &Tuple<'a>) -> Option<&'a Cell> {
    if place.source == 0 {
        return tuple.main.get(place.column);
    }
    tuple
        .joins
        .get(place.source - 1)
        .copied()??
        .get(place.column)
}

/// Computes an expression over a group of rows.
pub(crate) fn of_group(bound: &Bound, group: &[Tuple<'_>]) -> Computed {
    match bound {
        Bound::Call {
            name,
            distinct,
            args,
        } => match name.as_str() {
            "count" | "sum" | "min" | "max" | "avg" | "bit_xor" | "group_concat" => {
                let values = group
                    .iter()
                    .map(|tuple| {
                        args.first()
                            .map_or(Computed::Null, |arg| of_row(arg, tuple))
                    })
                    .filter(|value| *value != Computed::Null);
                if *distinct {
                    let mut values: Vec<_> = values.collect();
                    values.sort_by(Computed::order);
                    values.dedup_by(|left, right| left.order(right) == Ordering::Equal);
                    aggregate(name, values.into_iter())
                } else {
                    aggregate(name, values)
                }
            }
            _ => {
                let args: Vec<_> = args.iter().map(|arg| of_group(arg, group)).collect();
                call(name, &args)
            }
        },
        Bound::Binary(sign, left, right) => {
            arithmetic(*sign, &of_group(left, group), &of_group(right, group))
        }
        other => group
            .first()
            .map_or(Computed::Null, |tuple| of_row(other, tuple)),
    }
}

fn aggregate(name: &str, values: impl Iterator<Item = Computed>) -> Computed {
    match name {
        "count" => Computed::Int(i128::try_from(values.count()).unwrap_or(0)),
        "min" => values.min_by(Computed::order).unwrap_or(Computed::Null),
        "max" => values.max_by(Computed::order).unwrap_or(Computed::Null),
        "bit_xor" => Computed::Int(values.fold(0, |sum, value| match value {
            Computed::Int(number) => sum ^ number,
            _ => sum,
        })),
        "group_concat" => {
            let texts: Vec<_> = values.map(|value| value.text()).collect();
            if texts.is_empty() {
                Computed::Null
            } else {
                Computed::Text(texts.join(","), Kind::Text)
            }
        }
        _ => total(name == "avg", values),
    }
}

#[allow(clippy::cast_precision_loss)]
fn total(average: bool, values: impl Iterator<Item = Computed>) -> Computed {
    let (mut millionths, mut float, mut count, mut is_exact) = (0_i128, 0.0, 0_u32, true);
    for value in values {
        count += 1;
        match value {
            Computed::Int(number) => millionths += number * MILLION,
            Computed::Decimal(number) => millionths += number,
            other => {
                is_exact = false;
                float += other.number();
            }
        }
    }
    if count == 0 {
        return Computed::Null;
    }
    let sum = Computed::Decimal(millionths).number() + if is_exact { 0.0 } else { float };
    if !average {
        return if is_exact {
            Computed::Decimal(millionths)
        } else {
            Computed::Float(format!("{sum:.9}").parse().unwrap_or(sum))
        };
    }
    let places = if is_exact { 4 } else { 13 };
    let average = sum / f64::from(count);
    Computed::Float(format!("{average:.places$}").parse().unwrap_or(average))
}

fn arithmetic(sign: char, left: &Computed, right: &Computed) -> Computed {
    match (sign, left, right) {
        (_, Computed::Null, _) | (_, _, Computed::Null) => Computed::Null,
        ('+', Computed::Int(left), Computed::Int(right)) => Computed::Int(left + right),
        ('-', Computed::Int(left), Computed::Int(right)) => Computed::Int(left - right),
        ('*', Computed::Int(left), Computed::Int(right)) => Computed::Int(left * right),
        ('+', left, right) => Computed::Float(left.number() + right.number()),
        ('-', left, right) => Computed::Float(left.number() - right.number()),
        ('*', left, right) => Computed::Float(left.number() * right.number()),
        (_, left, right) if right.number() != 0.0 => {
            Computed::Float(left.number() / right.number())
        }
        _ => Computed::Null,
    }
}

fn call(name: &str, args: &[Computed]) -> Computed {
    if args.contains(&Computed::Null) {
        return Computed::Null;
    }
    let Some(first) = args.first() else {
        return Computed::Null;
    };
    let text = first.text();
    match name {
        "crc32" => Computed::Int(i128::from(crc32fast::hash(text.as_bytes()))),
        "length" => Computed::Int(i128::try_from(text.len()).unwrap_or(0)),
        "md5" => Computed::Text(super::md5::hex(text.as_bytes()), Kind::Text),
        "lower" => Computed::Text(text.to_lowercase(), Kind::Text),
        "upper" => Computed::Text(text.to_uppercase(), Kind::Text),
        "concat" => {
            let texts: Vec<_> = args.iter().map(Computed::text).collect();
            Computed::Text(texts.concat(), Kind::Text)
        }
        "date" => {
            value::parse_date(&text).map_or(Computed::Null, |day| Computed::Text(day, Kind::Date))
        }
        "year" | "month" | "day" | "hour" | "minute" | "second" | "microsecond" => {
            let Some(stamp) = stamp_of(&text) else {
                return Computed::Null;
            };
            let part = match name {
                "year" => &stamp[..4],
                "month" => &stamp[5..7],
                "day" => &stamp[8..10],
                "hour" => &stamp[11..13],
                "minute" => &stamp[14..16],
                "second" => &stamp[17..19],
                _ => &stamp[20..26],
            };
            part.parse().map_or(Computed::Null, Computed::Int)
        }
        "unix_timestamp" | "time_to_sec" | "to_seconds" => {
            stamp_of(&text).map_or(Computed::Null, |stamp| seconds(name, &stamp))
        }
        _ => Computed::Null,
    }
}

fn stamp_of(text: &str) -> Option<String> {
    value::parse_datetime(text).or_else(|| {
        let time = value::parse_time(text)?;
        Some(format!("1970-01-01 {time}"))
    })
}

fn seconds(name: &str, stamp: &str) -> Computed {
    let Ok(civil) = stamp.replace(' ', "T").parse::<jiff::civil::DateTime>() else {
        return Computed::Null;
    };
    // The database's own zone is taken to be UTC.
    let Ok(zoned) = civil.to_zoned(jiff::tz::TimeZone::UTC) else {
        return Computed::Null;
    };
    let micros = i128::from(zoned.timestamp().as_microsecond());
    match name {
        "unix_timestamp" => Computed::Decimal(micros),
        "time_to_sec" => Computed::Decimal(micros.rem_euclid(86_400 * MILLION)),
        _ => Computed::Int(micros.div_euclid(MILLION) + 62_167_219_200),
    }
}

/// An expression's own value when it needs no row.
pub(crate) fn constant(expr: &Expr) -> Option<Computed> {
    match expr {
        Expr::Number(number) => Some(Computed::Float(*number)),
        Expr::Text(text) => Some(Computed::Text(text.clone(), Kind::Text)),
        _ => None,
    }
}

/// The functions that can be computed.
pub(crate) fn is_known_function(name: &str) -> bool {
    const KNOWN: [&str; 24] = [
        "count",
        "sum",
        "min",
        "max",
        "avg",
        "bit_xor",
        "group_concat",
        "crc32",
        "length",
        "md5",
        "lower",
        "upper",
        "concat",
        "date",
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "microsecond",
        "unix_timestamp",
        "time_to_sec",
        "to_seconds",
    ];
    KNOWN.contains(&name)
}

/// A value as a JSON text, for `as_dict=False`.
pub(crate) fn row_json(values: &[Computed]) -> Value {
    json!(values.iter().map(Computed::to_json).collect::<Vec<_>>())
}
