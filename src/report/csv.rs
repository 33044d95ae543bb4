//! The rows that a reading command gives, as JSON objects and as CSV.
//!
//! The rules kept here: CSV has the columns that JSON has as keys; it is UTF-8 with CRLF line
//! ends; and no cell can be taken for a formula by a spreadsheet. A file is written whole
//! under another name and then given its own, and nobody else may read it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use csv::{Terminator, WriterBuilder};
use serde_json::{Map, Value};

use super::text::{escape, escape_json};

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text, a number, true or false, a list of names, or nothing.
    Plain(Value),
    /// In CSV the value's JSON text, `null` too.
    Json(Value),
}

impl Cell {
    /// A cell of anything that JSON has.
    pub fn of(value: impl Into<Value>) -> Self {
        Self::Plain(value.into())
    }

    /// The value in JSON.
    #[must_use]
    pub const fn value(&self) -> &Value {
        match self {
            Self::Plain(value) | Self::Json(value) => value,
        }
    }

    /// The text in CSV, before it is made harmless.
    fn text(&self) -> String {
        match self {
            Self::Plain(Value::Null) => String::new(),
            Self::Plain(Value::String(text)) => text.clone(),
            Self::Plain(Value::Array(names)) => {
                let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                names.join(",")
            }
            Self::Plain(value) | Self::Json(value) => escape_json(value),
        }
    }
}

/// Rows under named columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The names of the columns.
    pub columns: Vec<&'static str>,
    /// The cells, as many a row as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

impl Rows {
    /// Each row as a JSON object.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let object = |row: &Vec<Cell>| {
            let pairs = self.columns.iter().zip(row);
            let keys: Map<String, Value> =
                pairs.map(|(key, cell)| ((*key).to_owned(), cell.value().clone())).collect();
            Value::Object(keys)
        };
        self.rows.iter().map(object).collect()
    }
}

/// The rows as CSV with a header.
///
/// # Errors
/// None that can happen while writing to memory.
pub fn render_csv(rows: &Rows) -> anyhow::Result<String> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(&rows.columns)?;
    for row in &rows.rows {
        writer.write_record(row.iter().map(|cell| harmless(cell.text())))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// CSV as a terminal may have it: nothing in it is obeyed but the ends of lines.
pub(crate) fn as_shown(csv: &str) -> String {
    csv.split("\r\n").map(escape).collect::<Vec<_>>().join("\r\n")
}

/// A cell that begins as a formula does gets an apostrophe before it. Blanks before the first
/// sign are looked through, since some programs drop them, and the full-width signs count.
fn harmless(text: String) -> String {
    let begins = text.chars().next();
    let is_blank = |c: char| c.is_whitespace() || c.is_control() || is_invisible(c);
    let sign = text.trim_start_matches(is_blank).chars().next();
    let is_risky = matches!(begins, Some('\t' | '\r'))
        || matches!(sign, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'));
    if is_risky { format!("'{text}") } else { text }
}

/// Marks without a width: byte order mark, joiners, marks of direction.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

/// Writes a file that only its owner may read: all of it or, on an error, none. What is no
/// ordinary file (a pipe, `/dev/stdout`) is written to as it is.
///
/// # Errors
/// The file cannot be written.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let target = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => anyhow::bail!("{}: it is a directory", failed()),
        Ok(metadata) if !metadata.is_file() => {
            let mut stream = OpenOptions::new().write(true).open(path).with_context(failed)?;
            return match stream.write_all(text.as_bytes()) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                written => written.with_context(failed),
            };
        }
        // A link stays a link.
        Ok(_) => fs::canonicalize(path).with_context(failed)?,
        Err(_) => path.to_owned(),
    };
    let directory = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // 0600 on Unix.
    let mut draft = tempfile::Builder::new()
        .prefix(".erpsync-")
        .suffix(".new")
        .tempfile_in(directory)
        .with_context(failed)?;
    draft.write_all(text.as_bytes()).with_context(failed)?;
    draft.as_file().sync_all().with_context(failed)?;
    draft.persist(&target).with_context(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::are_kept;

    fn csv_of(texts: &[&str]) -> String {
        let rows = texts.iter().map(|text| vec![Cell::of(*text), Cell::of(1)]).collect();
        render_csv(&Rows { columns: vec!["text", "n"], rows }).unwrap()
    }

    #[test]
    fn cells_of_every_kind() {
        let row = vec![
            Cell::of(7),
            Cell::of(Value::Null),
            Cell::of(true),
            Cell::of(vec!["phone", "rows"]),
            Cell::Json(serde_json::json!({"a": "x,\"y\"\n"})),
            Cell::Json(Value::Null),
        ];
        let rows =
            Rows { columns: vec!["id", "none", "yes", "fields", "data", "gone"], rows: vec![row] };
        assert_eq!(
            render_csv(&rows).unwrap(),
            "id,none,yes,fields,data,gone\r\n\
             7,,true,\"phone,rows\",\"{\"\"a\"\":\"\"x,\\\"\"y\\\"\"\\n\"\"}\",null\r\n"
        );
        assert_eq!(rows.objects()[0]["fields"], serde_json::json!(["phone", "rows"]));
        assert_eq!(rows.objects()[0]["gone"], Value::Null);
    }

    #[test]
    fn no_cell_begins_as_a_formula() {
        let risky = [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            " =1",
            "\n=1",
            "\r\n =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "\u{200b}@x",
            "＝1",
            "\u{0}=1",
            "=a,\"b\"\nc",
        ];
        let safe = ["plain", "a=b", "1-1", "'quoted", "", " x", "漢字", "a\n=b", "{}"];
        let text = csv_of(&[&risky[..], &safe[..]].concat());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let cells: Vec<String> =
            reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
        let expected: Vec<String> = risky
            .iter()
            .map(|text| format!("'{text}"))
            .chain(safe.iter().map(|&text| text.to_owned()))
            .collect();
        assert_eq!(cells, expected);
    }

    #[test]
    fn a_file_is_private_whole_and_replaces_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        fs::write(&path, "old and longer than what comes").unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let link = dir.path().join("link.csv");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            write_private(&link, "through").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "through");
            write_private(Path::new("/dev/null"), "x").unwrap();
        }
        assert!(write_private(dir.path(), "x").is_err());
        let error = write_private(&dir.path().join("no/such.csv"), "x").unwrap_err();
        assert!(format!("{error:#}").contains("such.csv"), "{error:#}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "a draft was left behind");
    }

    fn is_kept(text: &str) {
        let row = vec![Cell::of(text), Cell::Json(text.into())];
        are_kept(&Rows { columns: vec!["text", "json"], rows: vec![row.clone(), row] });
    }

    #[test]
    fn hostile_cells() {
        for text in crate::core_tests::hostile("texts") {
            is_kept(&text);
        }
    }

    proptest! {
        #[test]
        fn any_cell(text in "[=+@\"', \t\r\n;|a-]{0,8}\\PC{0,8}") {
            is_kept(&text);
        }

        #[test]
        fn any_text(text in any::<String>()) {
            is_kept(&text);
        }
    }
}
