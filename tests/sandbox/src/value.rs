//! Cells of a table: how a value is stored, read back and printed.
//!
//! What lives here: the column kinds, the stored form of a value, and the form a later read gives
//! it. What may not: anything that knows about documents or requests.

use serde_json::{Number, Value};

/// One stored value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// An integer column.
    Int(i64),
    /// A decimal column, already rounded to the column's scale.
    Float(f64),
    /// Text, or a date or time in its canonical text form.
    Text(Box<str>),
}

impl Cell {
    /// A text cell.
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// The text, or an empty string for anything else.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// True for NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value as a whole number, 0 for anything that is not one.
    pub fn as_int(&self) -> i64 {
        match self {
            Self::Int(number) => *number,
            #[allow(clippy::cast_possible_truncation)]
            Self::Float(number) => *number as i64,
            Self::Text(text) => text.trim().parse().unwrap_or(0),
            Self::Null => 0,
        }
    }
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit integer (Check, Int, docstatus, idx).
    Int,
    /// 64-bit integer (Long Int, an autoincrement name).
    BigInt,
    /// Decimal with nine places (Float, Currency, Percent), never NULL.
    Decimal,
    /// Decimal with nine places that may be NULL (Duration).
    Duration,
    /// Decimal with two places, never NULL.
    Rating,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD HH:MM:SS.ffffff`, naive.
    Datetime,
    /// `HH:MM:SS.ffffff`.
    Time,
    /// Any text.
    Text,
}

impl Kind {
    /// The column kind of a field type; `None` for fields without a column.
    pub fn of_fieldtype(fieldtype: &str) -> Option<Self> {
        Some(match fieldtype {
            "Check" | "Int" => Self::Int,
            "Long Int" => Self::BigInt,
            "Float" | "Currency" | "Percent" => Self::Decimal,
            "Duration" => Self::Duration,
            "Rating" => Self::Rating,
            "Date" => Self::Date,
            "Datetime" => Self::Datetime,
            "Time" => Self::Time,
            "Section Break" | "Column Break" | "Tab Break" | "HTML" | "Button" | "Image"
            | "Heading" | "Fold" | "Table" | "Table MultiSelect" => return None,
            _ => Self::Text,
        })
    }

    /// True for columns whose empty value is 0 and not NULL.
    pub fn is_zero_when_empty(self) -> bool {
        matches!(
            self,
            Self::Int | Self::BigInt | Self::Decimal | Self::Rating
        )
    }

    /// True for numeric columns.
    pub fn is_numeric(self) -> bool {
        self.is_zero_when_empty() || self == Self::Duration
    }

    /// Turns a value of a document into its stored form. The error is the word the database uses
    /// for the column type it could not fill.
    pub fn store(self, value: &Value) -> Result<Cell, &'static str> {
        if value.is_null() {
            return Ok(if self.is_zero_when_empty() {
                self.zero()
            } else {
                Cell::Null
            });
        }
        match self {
            Self::Int | Self::BigInt => Ok(Cell::Int(to_int(value))),
            Self::Decimal | Self::Duration => Ok(Cell::Float(round_to(to_float(value), 9))),
            Self::Rating => Ok(Cell::Float(round_to(to_float(value), 2))),
            Self::Text => Ok(Cell::Text(to_text(value).into())),
            Self::Date | Self::Datetime | Self::Time => {
                let text = to_text(value);
                if text.is_empty() {
                    return Ok(Cell::Null);
                }
                let (parsed, word) = match self {
                    Self::Date => (parse_date(&text), "date"),
                    Self::Datetime => (parse_datetime(&text), "datetime"),
                    _ => (parse_time(&text), "time"),
                };
                parsed.map(|text| Cell::Text(text.into())).ok_or(word)
            }
        }
    }

    /// The empty value of a numeric column.
    pub fn zero(self) -> Cell {
        match self {
            Self::Int | Self::BigInt => Cell::Int(0),
            _ => Cell::Float(0.0),
        }
    }

    /// What a read gives for a stored value.
    pub fn show(self, cell: &Cell) -> Value {
        match cell {
            Cell::Null => Value::Null,
            Cell::Int(number) => Value::from(*number),
            Cell::Float(number) => float(*number),
            Cell::Text(text) => Value::String(match self {
                Self::Datetime => show_datetime(text).to_owned(),
                Self::Time => show_time(text),
                _ => text.to_string(),
            }),
        }
    }
}

/// A JSON number as Python prints a float: always with a fraction or an exponent.
pub fn float(number: f64) -> Value {
    python_float(number)
        .parse::<Number>()
        .map_or(Value::Null, Value::Number)
}

/// The text of a float as Python prints it.
pub fn python_float(number: f64) -> String {
    if number == 0.0 {
        return "0.0".into();
    }
    let size = number.abs();
    if (1e-4..1e16).contains(&size) {
        let text = format!("{number}");
        return if text.contains('.') {
            text
        } else {
            format!("{text}.0")
        };
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |power| ('-', power));
    format!("{digits}e{sign}{power:0>2}")
}

fn round_to(number: f64, places: usize) -> f64 {
    format!("{number:.places$}").parse().unwrap_or(number)
}

/// Frappe's `cint`: anything that is no number counts as 0.
pub fn to_int(value: &Value) -> i64 {
    match value {
        Value::Bool(flag) => i64::from(*flag),
        Value::Number(number) => number.as_i64().unwrap_or_else(|| truncate(to_float(value))),
        Value::String(text) => {
            let text = text.trim();
            text.parse()
                .unwrap_or_else(|_| text.parse::<f64>().map_or(0, truncate))
        }
        _ => 0,
    }
}

#[allow(clippy::cast_possible_truncation)]
fn truncate(number: f64) -> i64 {
    number as i64
}

/// Frappe's `flt`: commas are dropped, anything that is no number counts as 0.
pub fn to_float(value: &Value) -> f64 {
    match value {
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Number(number) => number.to_string().parse().unwrap_or(0.0),
        Value::String(text) => text.replace(',', "").trim().parse().unwrap_or(0.0),
        _ => 0.0,
    }
}

/// The text a database column gets for a value.
pub fn to_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(flag) => i32::from(*flag).to_string(),
        other => other.to_string(),
    }
}

/// Python's truth of a value.
pub fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(_) => to_float(value) != 0.0,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
    }
}

fn digits(text: &str, low: u32, high: u32) -> Option<u32> {
    if text.is_empty() || text.len() > 4 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse()
        .ok()
        .filter(|number| (low..=high).contains(number))
}

/// `YYYY-MM-DD` of a date or a date with a time.
pub fn parse_date(text: &str) -> Option<String> {
    let text = text.trim();
    let day = text.split([' ', 'T']).next()?;
    let mut parts = day.split('-');
    let year = digits(parts.next()?, 0, 9999)?;
    let month = digits(parts.next()?, 1, 12)?;
    let day = digits(parts.next()?, 1, 31)?;
    if parts.next().is_some() {
        return None;
    }
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// The canonical 26 characters of a date and time; a missing time is midnight.
pub fn parse_datetime(text: &str) -> Option<String> {
    let text = text.trim();
    let day = parse_date(text)?;
    match text.split_once([' ', 'T']) {
        None => Some(format!("{day} 00:00:00.000000")),
        Some((_, time)) => Some(format!("{day} {}", parse_time(time)?)),
    }
}

/// The canonical 15 characters of a time.
pub fn parse_time(text: &str) -> Option<String> {
    let text = text.trim();
    // A date and time gives its time.
    let text = text.split_once(' ').map_or(text, |(_, time)| time);
    let mut parts = text.split(':');
    let hours = digits(parts.next()?, 0, 838)?;
    let minutes = digits(parts.next()?, 0, 59)?;
    let (seconds, micros) = match parts.next() {
        None => (0, "0".to_owned()),
        Some(seconds) => match seconds.split_once('.') {
            None => (digits(seconds, 0, 59)?, "0".to_owned()),
            Some((seconds, fraction)) => {
                if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                (
                    digits(seconds, 0, 59)?,
                    fraction.chars().take(6).collect::<String>(),
                )
            }
        },
    };
    if parts.next().is_some() {
        return None;
    }
    Some(format!("{hours:02}:{minutes:02}:{seconds:02}.{micros:0<6}"))
}

/// A stored date and time as a read gives it: no fraction when it is zero.
pub fn show_datetime(text: &str) -> &str {
    text.strip_suffix(".000000").unwrap_or(text)
}

/// A stored time as a read gives it: hours without padding, and seconds without padding and
/// trailing zeros when there is a fraction.
pub fn show_time(text: &str) -> String {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes, seconds) = (
        parts.next().unwrap_or("0"),
        parts.next().unwrap_or("00"),
        parts.next().unwrap_or("00"),
    );
    let hours = hours.parse::<u32>().unwrap_or(0);
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        return format!("{hours}:{minutes}:{whole}");
    }
    let whole = whole.parse::<u32>().unwrap_or(0);
    format!("{hours}:{minutes}:{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn floats_print_as_python_does() {
        for (number, text) in [
            (10.0, "10.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (9.599_380_792_221_322e17, "9.599380792221322e+17"),
            (1e-5, "1e-05"),
            (-2.5, "-2.5"),
            (267_508_522_336.665_6, "267508522336.6656"),
        ] {
            assert_eq!(python_float(number), text);
        }
        assert_eq!(float(10.0).to_string(), "10.0");
    }

    #[test]
    fn times_lose_their_zeros() {
        for (stored, shown) in [
            ("04:05:06.000000", "4:05:06"),
            ("15:02:58.588810", "15:02:58.58881"),
            ("15:04:01.878655", "15:04:1.878655"),
            ("01:02:03.000000", "1:02:03"),
        ] {
            assert_eq!(show_time(stored), shown);
        }
    }

    #[test]
    fn bad_stamps_are_refused() {
        assert_eq!(parse_datetime("2026-02-03T04:05:06.123456Z"), None);
        assert_eq!(parse_date("not a date"), None);
        assert_eq!(
            parse_datetime("2026-02-03").as_deref(),
            Some("2026-02-03 00:00:00.000000")
        );
        assert_eq!(
            Kind::Date.store(&json!("2026-02-03 11:22:33")),
            Ok(Cell::text("2026-02-03"))
        );
    }

    #[test]
    fn numbers_are_forced() {
        assert_eq!(to_int(&json!("abc")), 0);
        assert!((to_float(&json!("1,234.5")) - 1234.5).abs() < f64::EPSILON);
        assert_eq!(
            Kind::Decimal.store(&json!(1_234_567.123_456_789_2)),
            Ok(Cell::Float(1_234_567.123_456_789))
        );
    }
}
