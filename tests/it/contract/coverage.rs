//! The table of docs/frappe.md against the case files: what is covered is counted, not claimed.

use std::collections::BTreeMap;

use super::case::{self, Title};

/// What the table says of one recorded exchange, or of a series of like ones.
#[derive(Debug)]
pub struct Line {
    pub title: String,
    pub count: usize,
    pub state: String,
}

fn unescaped(cell: &str) -> String {
    cell.trim()
        .replace("&#124;", "|")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("\\*", "*")
        .replace("\\`", "`")
}

/// The tables of docs/frappe.md by recorded file.
pub fn table() -> BTreeMap<String, Vec<Line>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/frappe.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut tables: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let mut file = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            heading.trim().clone_into(&mut file);
        } else if let Some(row) = parse(line) {
            tables.entry(file.clone()).or_default().push(row);
        }
    }
    tables
}

fn parse(line: &str) -> Option<Line> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
    let [title, count, state] = cells[..] else {
        return None;
    };
    Some(Line {
        title: unescaped(title),
        count: count.trim().parse().ok()?,
        state: unescaped(state),
    })
}

impl Line {
    pub fn is_covered(&self) -> bool {
        self.state.split(',').next() == Some("covered")
    }

    fn is(&self, title: &Title) -> bool {
        match self.title.strip_suffix('…') {
            Some(start) => title.text.trim().starts_with(start.trim_end()),
            None => self.title == title.text.trim(),
        }
    }
}

/// Covered and recorded exchanges of a file, and every disagreement between table and cases.
pub fn compare(file: &str, lines: &[Line], titles: &[Title]) -> (usize, usize, Vec<String>) {
    let mut wrong = Vec::new();
    for line in lines {
        let state = line.state.as_str();
        if !(line.is_covered()
            || state.starts_with("not used: ")
            || state == "later"
            || state.starts_with("later: "))
        {
            wrong.push(format!(
                "{file}: {:?} is neither covered, nor not used with a reason, nor later",
                line.title
            ));
        }
        let found = titles.iter().filter(|t| line.is(t) && t.state == line.state).count();
        if line.is_covered() && found != line.count {
            wrong.push(format!(
                "{file}: {:?} is said to be {} {} times, the cases have that {found} times",
                line.title, line.state, line.count
            ));
        }
    }
    for title in titles {
        if !lines.iter().any(|line| line.state == title.state && line.is(title)) {
            wrong.push(format!(
                "{file}: the case {:?} is not in the table of docs/frappe.md as {}",
                title.text, title.state
            ));
        }
    }
    let covered = lines.iter().filter(|l| l.is_covered()).map(|l| l.count).sum();
    (covered, lines.iter().map(|l| l.count).sum(), wrong)
}

/// The whole count, printed, and every disagreement.
pub fn count() -> (String, Vec<String>) {
    let tables = table();
    let mut titles: BTreeMap<String, Vec<Title>> = BTreeMap::new();
    for file in case::all_files().iter().map(|name| case::read(name)) {
        titles.entry(file.recording().to_owned()).or_default().extend(file.titles());
    }
    let mut text = vec!["recorded exchanges covered by cases".to_owned()];
    let mut wrong: Vec<String> = titles
        .keys()
        .filter(|f| !tables.contains_key(*f))
        .map(|f| format!("{f} has no table in docs/frappe.md"))
        .collect();
    let (mut covered, mut total) = (0, 0);
    for (file, lines) in &tables {
        let titles = titles.get(file).map_or(&[] as &[Title], Vec::as_slice);
        let (c, t, w) = compare(file, lines, titles);
        text.push(format!("  {file:44} {c:4} of {t:4}"));
        covered += c;
        total += t;
        wrong.extend(w);
    }
    text.push(format!("  {:44} {covered:4} of {total:4}", "together"));
    (text.join("\n"), wrong)
}
