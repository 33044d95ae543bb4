//! The site's database: tables of rows, singles and series counters, with an undo list so that a
//! failed request leaves nothing behind.
//!
//! What lives here: rows, keys, indexes, undo. What may not: rules about documents.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use crate::collate::{self, SortKey};
use crate::value::{Cell, Kind};

/// One row of a table, cells in the order of the columns.
pub type Row = Vec<Cell>;

/// A column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    /// The field's name.
    pub name: String,
    /// How the value is stored.
    pub kind: Kind,
    /// What rows get that were there before the column.
    pub default: Cell,
    /// False for the columns that `*` leaves out.
    pub listed: bool,
}

/// Counts the changes of all tables, so that no two states of a table have one number, whatever
/// backup it was brought back from.
static CHANGES: AtomicU64 = AtomicU64::new(1);

/// A table of one doctype.
#[derive(Debug, Clone, Default)]
pub struct Table {
    columns: Vec<Column>,
    positions: HashMap<String, usize>,
    rows: BTreeMap<SortKey, Row>,
    by_parent: HashMap<SortKey, BTreeSet<SortKey>>,
    parent_at: Option<usize>,
    version: u64,
    /// Names are integers.
    pub autoincrement: bool,
}

/// Columns kept for desk features; a list gives them only when they are named.
pub const HIDDEN_COLUMNS: [&str; 4] = ["_user_tags", "_comments", "_assign", "_liked_by"];

impl Table {
    /// An empty table with the columns every doctype has.
    pub fn new(is_child: bool, autoincrement: bool) -> Self {
        let mut table = Self { autoincrement, ..Self::default() };
        let name_kind = if autoincrement { Kind::BigInt } else { Kind::Text };
        for (name, kind) in [
            ("name", name_kind),
            ("owner", Kind::Text),
            ("creation", Kind::Datetime),
            ("modified", Kind::Datetime),
            ("modified_by", Kind::Text),
            ("docstatus", Kind::Int),
            ("idx", Kind::Int),
        ] {
            table.add_column(name, kind, Cell::Null);
        }
        if is_child {
            for name in ["parent", "parentfield", "parenttype"] {
                table.add_column(name, Kind::Text, Cell::Null);
            }
            table.parent_at = table.positions.get("parent").copied();
        }
        table
    }

    /// Adds a column, or changes the kind of an existing one; old rows get the default.
    pub fn add_column(&mut self, name: &str, kind: Kind, default: Cell) {
        self.changed();
        if let Some(&at) = self.positions.get(name) {
            self.columns[at].kind = kind;
            return;
        }
        let default =
            if default.is_null() && kind.is_zero_when_empty() { kind.zero() } else { default };
        for row in self.rows.values_mut() {
            row.push(default.clone());
        }
        self.positions.insert(name.to_owned(), self.columns.len());
        self.columns.push(Column {
            name: name.to_owned(),
            kind,
            default,
            listed: !HIDDEN_COLUMNS.contains(&name),
        });
    }

    fn changed(&mut self) {
        self.version = CHANGES.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that stands for what the table holds: another one after every change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All columns in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The position of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// The key of a name in this table.
    pub fn key(&self, name: &str) -> SortKey {
        if self.autoincrement {
            let number = name.trim().parse::<i64>().unwrap_or(0);
            return int_key(number);
        }
        collate::key(name)
    }

    /// The key of a stored name.
    pub fn key_of(&self, name: &Cell) -> SortKey {
        match name {
            Cell::Int(number) => int_key(*number),
            other => self.key(other.as_str()),
        }
    }

    /// A row by key.
    pub fn get(&self, key: &[u8]) -> Option<&Row> {
        self.rows.get(key)
    }

    /// One cell of a row.
    pub fn cell<'a>(&self, row: &'a Row, column: &str) -> Option<&'a Cell> {
        row.get(self.position(column)?)
    }

    /// One value of a row as a read gives it.
    pub fn show(&self, row: &Row, column: &str) -> Value {
        self.position(column)
            .and_then(|at| Some(self.columns[at].kind.show(row.get(at)?)))
            .unwrap_or(Value::Null)
    }

    /// The rows in the order of their keys.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (&SortKey, &Row)> {
        self.rows.iter()
    }

    /// The rows after a key (or from it), in order.
    pub fn rows_from<'a>(
        &'a self,
        key: &SortKey,
        inclusive: bool,
    ) -> impl Iterator<Item = (&'a SortKey, &'a Row)> + use<'a> {
        use std::ops::Bound;
        let low =
            if inclusive { Bound::Included(key.clone()) } else { Bound::Excluded(key.clone()) };
        self.rows.range((low, Bound::Unbounded))
    }

    /// Keys of the rows that belong to a parent.
    pub fn children_of(&self, parent: &str) -> Vec<SortKey> {
        self.by_parent
            .get(&collate::key(parent))
            .map(|keys| keys.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Keys of the rows that belong to a parent given by its key.
    pub fn children_of_key(&self, parent: &SortKey) -> Vec<SortKey> {
        self.by_parent.get(parent).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    /// A row with its key.
    pub fn entry(&self, key: &SortKey) -> Option<(&SortKey, &Row)> {
        self.rows.get_key_value(key)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn parent_key(&self, row: &Row) -> Option<SortKey> {
        let parent = row.get(self.parent_at?)?;
        Some(collate::key(parent.as_str()))
    }

    fn put(&mut self, key: SortKey, row: Row) -> Option<Row> {
        self.changed();
        let parent = self.parent_key(&row);
        let old = self.rows.insert(key.clone(), row);
        if let Some(old_parent) = old.as_ref().and_then(|old| self.parent_key(old))
            && let Some(keys) = self.by_parent.get_mut(&old_parent)
        {
            keys.remove(&key);
        }
        if let Some(parent) = parent {
            self.by_parent.entry(parent).or_default().insert(key);
        }
        old
    }

    fn take(&mut self, key: &SortKey) -> Option<Row> {
        let old = self.rows.remove(key)?;
        self.changed();
        if let Some(parent) = self.parent_key(&old)
            && let Some(keys) = self.by_parent.get_mut(&parent)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_parent.remove(&parent);
            }
        }
        Some(old)
    }
}

fn int_key(number: i64) -> SortKey {
    // Flipping the sign bit makes the byte order the order of the numbers.
    (number.cast_unsigned() ^ (1 << 63)).to_be_bytes().into()
}

#[derive(Clone)]
enum Undo {
    Row { doctype: String, key: SortKey, before: Option<Row> },
    Series(String, Option<u64>),
    Single(String, Option<Map<String, Value>>),
}

/// All tables of a site.
#[derive(Clone, Default)]
pub struct Store {
    tables: HashMap<String, Table>,
    singles: HashMap<String, Map<String, Value>>,
    series: HashMap<String, u64>,
    undo: Vec<Undo>,
}

impl Store {
    /// The table of a doctype.
    pub fn table(&self, doctype: &str) -> Option<&Table> {
        self.tables.get(doctype)
    }

    /// The table of a doctype, to change its columns. Column changes are not undone.
    pub fn table_mut(&mut self, doctype: &str) -> Option<&mut Table> {
        self.tables.get_mut(doctype)
    }

    /// Makes a table where there is none.
    pub fn create_table(&mut self, doctype: &str, table: Table) {
        self.tables.entry(doctype.to_owned()).or_insert(table);
    }

    /// Names of all tables, sorted.
    pub fn table_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.tables.keys().cloned().collect();
        names.sort();
        names
    }

    /// Writes a row.
    pub fn put(&mut self, doctype: &str, key: &SortKey, row: Row) {
        if let Some(table) = self.tables.get_mut(doctype) {
            let before = table.put(key.clone(), row);
            self.undo.push(Undo::Row { doctype: doctype.to_owned(), key: key.clone(), before });
        }
    }

    /// Removes a row.
    pub fn remove(&mut self, doctype: &str, key: &SortKey) -> Option<Row> {
        let row = self.tables.get_mut(doctype)?.take(key)?;
        self.undo.push(Undo::Row {
            doctype: doctype.to_owned(),
            key: key.clone(),
            before: Some(row.clone()),
        });
        Some(row)
    }

    /// Sets one cell of a row without touching anything else.
    pub fn set_cell(&mut self, doctype: &str, key: &SortKey, column: &str, cell: Cell) {
        let Some(table) = self.tables.get(doctype) else {
            return;
        };
        let (Some(at), Some(row)) = (table.position(column), table.get(key)) else {
            return;
        };
        let mut row = row.clone();
        row[at] = cell;
        self.put(doctype, key, row);
    }

    /// The values of a single.
    pub fn single(&self, doctype: &str) -> Option<&Map<String, Value>> {
        self.singles.get(doctype)
    }

    /// Writes a single.
    pub fn put_single(&mut self, doctype: &str, values: Map<String, Value>) {
        let before = self.singles.insert(doctype.to_owned(), values);
        self.undo.push(Undo::Single(doctype.to_owned(), before));
    }

    /// Takes the next number of a series.
    pub fn next_in_series(&mut self, prefix: &str) -> u64 {
        let before = self.series.get(prefix).copied();
        let next = before.unwrap_or(0) + 1;
        self.series.insert(prefix.to_owned(), next);
        self.undo.push(Undo::Series(prefix.to_owned(), before));
        next
    }

    /// Sets the last number given out by a series.
    pub fn set_series(&mut self, prefix: &str, last: u64) {
        let before = self.series.insert(prefix.to_owned(), last);
        self.undo.push(Undo::Series(prefix.to_owned(), before));
    }

    /// A mark to roll back to.
    pub fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Undoes everything since a mark.
    pub fn rollback(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Row { doctype, key, before }) => {
                    if let Some(table) = self.tables.get_mut(&doctype) {
                        match before {
                            Some(row) => drop(table.put(key, row)),
                            None => drop(table.take(&key)),
                        }
                    }
                }
                Some(Undo::Series(prefix, before)) => {
                    match before {
                        Some(last) => self.series.insert(prefix, last),
                        None => self.series.remove(&prefix),
                    };
                }
                Some(Undo::Single(doctype, before)) => {
                    match before {
                        Some(values) => self.singles.insert(doctype, values),
                        None => self.singles.remove(&doctype),
                    };
                }
                None => break,
            }
        }
    }

    /// Forgets what could be undone.
    pub fn commit(&mut self) {
        self.undo.clear();
    }
}
