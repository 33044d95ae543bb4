//! Which fields of a doctype count, and for what.
//!
//! The rule kept here: everything that shapes a canonical form is in the [`Shape`], and its
//! digest stands beside every stored hash. A change of configuration, of metadata or of this
//! program therefore never looks like an edit (invariant 6): a hash of another shape is not
//! compared, the stored content is put through today's shape first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::doc::{DOCSTATUS, SYSTEM_FIELDS};
use super::form::md5_hex;
use super::schema::{Field, FieldKind, Schema};
use super::side::Sides;
use super::side_effects;

/// Raised whenever the same document would get another canonical form.
const FORM_VERSION: u32 = 2;

/// The fields in which a doctype's documents are compared and copied: those that both sites
/// have, less what the configuration keeps private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The doctype.
    pub doctype: String,
    /// The document's own fields.
    pub columns: Columns,
    /// Fields that only one side has and that would count otherwise. They are left alone,
    /// never cleared.
    pub one_sided: Sides<Vec<String>>,
    digest: String,
}

/// The fields of a document or of a child row.
pub type Columns = BTreeMap<String, Column>;

/// One field that both sites have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// How its values are compared.
    pub kind: FieldKind,
    /// What the field takes part in.
    pub role: Role,
    /// Whether it may be edited after the document was submitted; a table with any of its
    /// fields. Where it is the table itself, rows come and go as wholes.
    pub on_submit: bool,
    /// When the site sets it by itself, whatever was entered.
    pub stamped: Option<Stamped>,
    /// The fields of its rows, where it is a table.
    pub rows: Columns,
}

/// When a site sets a field by itself. It is no content then: in no form, never fought over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stamped {
    /// While this link of the same document or row is filled: fetched from its target at
    /// every save (`fetch_from`).
    WhileLinked(String),
    /// While this check is not set.
    WhileUnset(String),
    /// While this check is not set and the document is a draft.
    WhileDraft(String),
}

/// What a field takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Entered by people and kept in step: in both forms, sent with creates and updates.
    Content,
    /// Fixed at the first save: tells documents apart, is sent with a create and never after.
    Fixed,
    /// Worked out by each site for itself: in no form, sent with a create only.
    Derived,
}

impl Shape {
    /// Puts both sides' metadata and the configuration together. `exclude` and `include` name
    /// fields as `field` or `table.field`.
    #[must_use]
    pub fn new(schemas: Sides<&Schema>, exclude: &[String], include: &[String]) -> Self {
        let mut one_sided = Sides::default();
        let choice = Choice { exclude, include, table: "" };
        let columns = columns_of(schemas, &choice, &mut one_sided);
        let mut description = format!("form {FORM_VERSION}\n");
        describe(&mut description, "", &columns);
        Self {
            doctype: schemas.cloud.doctype.clone(),
            columns,
            one_sided,
            digest: md5_hex(description.as_bytes()),
        }
    }

    /// The fields that count for change, as `field` or `table.field`.
    #[must_use]
    pub fn content_fields(&self) -> Vec<String> {
        let mut fields = Vec::new();
        content_of("", &self.columns, &mut fields);
        fields
    }

    /// Stands for everything that shapes this doctype's forms.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

struct Choice<'a> {
    exclude: &'a [String],
    include: &'a [String],
    /// The table whose rows are meant, or "" for the document itself.
    table: &'a str,
}

impl Choice<'_> {
    fn names(&self, list: &[String], field: &str) -> bool {
        list.iter().any(|entry| match entry.split_once('.') {
            Some((table, inner)) => table == self.table && inner == field,
            None => self.table.is_empty() && entry == field,
        })
    }
}

fn columns_of(
    schemas: Sides<&Schema>,
    choice: &Choice<'_>,
    one_sided: &mut Sides<Vec<String>>,
) -> Columns {
    for (side, schema) in schemas.iter() {
        let other = schemas[side.opposite()];
        let only = schema.fields.iter().filter(|(name, field)| {
            let counts = !field.is_virtual && !is_private(name, schema.is_tree);
            counts && !other.fields.contains_key(*name) && !choice.names(choice.exclude, name)
        });
        one_sided[side].extend(only.map(|(name, _)| qualified(choice.table, name)));
    }
    let mut columns = Columns::new();
    for (name, cloud) in &schemas.cloud.fields {
        let Some(local) = schemas.local.fields.get(name) else { continue };
        let is_tree = schemas.iter().any(|(_, schema)| schema.is_tree);
        if is_private(name, is_tree) || choice.names(choice.exclude, name) {
            continue;
        }
        let Some(mut column) = column_of(name, cloud, local, schemas, choice) else { continue };
        if matches!(column.kind, FieldKind::Table(_)) {
            let (Some(cloud), Some(local)) =
                (schemas.cloud.tables.get(name), schemas.local.tables.get(name))
            else {
                continue;
            };
            let inner = Choice { table: name, ..*choice };
            column.rows = columns_of(Sides::new(cloud, local), &inner, one_sided);
            if column.on_submit {
                column.rows.values_mut().for_each(|inner| inner.on_submit = true);
            }
            // A site lets such fields of its rows be edited, whatever the table's own flag.
            column.on_submit |= column.rows.values().any(|inner| inner.on_submit);
        }
        columns.insert(name.clone(), column);
    }
    columns
}

/// Fields that each site keeps for itself whatever the metadata says.
fn is_private(name: &str, is_tree: bool) -> bool {
    SYSTEM_FIELDS.contains(&name)
        || name.starts_with('_')
        || name == DOCSTATUS
        || ["parent", "parenttype", "parentfield"].contains(&name)
        || (is_tree && ["lft", "rgt", "old_parent"].contains(&name))
}

fn column_of(
    name: &str,
    cloud: &Field,
    local: &Field,
    schemas: Sides<&Schema>,
    choice: &Choice<'_>,
) -> Option<Column> {
    if cloud.is_virtual || local.is_virtual {
        return None;
    }
    let kind = match (&cloud.kind, &local.kind) {
        (FieldKind::Password, _) | (_, FieldKind::Password) => return None,
        (a, b) if a == b => a.clone(),
        (FieldKind::Table(_), _) | (_, FieldKind::Table(_)) => return None,
        (FieldKind::Int | FieldKind::Float, FieldKind::Int | FieldKind::Float) => FieldKind::Float,
        (FieldKind::Date | FieldKind::Datetime, FieldKind::Date | FieldKind::Datetime) => {
            FieldKind::Date
        }
        (FieldKind::Json, _) | (_, FieldKind::Json) => FieldKind::Json,
        _ => FieldKind::Text,
    };
    let included = choice.names(choice.include, name);
    let worked_out = cloud.read_only
        || local.read_only
        || side_effects::worked_out(&schemas.cloud.doctype).contains(&name);
    let derived = worked_out && !included;
    // A series is each site's own way of counting: sent with a create, no content.
    let role = if derived || name == "naming_series" {
        Role::Derived
    } else if cloud.set_only_once || local.set_only_once || names_the_document(name, schemas) {
        Role::Fixed
    } else {
        Role::Content
    };
    let on_submit = cloud.allow_on_submit && local.allow_on_submit;
    let stamped = stamped(name, cloud, local, schemas);
    Some(Column { kind, role, on_submit, stamped, rows: Columns::new() })
}

/// When both sites set a field by themselves, as their metadata or the table of side effects
/// says.
fn stamped(name: &str, cloud: &Field, local: &Field, schemas: Sides<&Schema>) -> Option<Stamped> {
    let has = |field: &str| schemas.iter().all(|(_, schema)| schema.fields.contains_key(field));
    if let Some((flag, drafts_only)) = side_effects::unless(&schemas.cloud.doctype, name)
        && has(flag)
    {
        let flag = flag.to_owned();
        return Some(if drafts_only {
            Stamped::WhileDraft(flag)
        } else {
            Stamped::WhileUnset(flag)
        });
    }
    let link = cloud.fetched_by.clone().filter(|_| cloud.fetched_by == local.fetched_by)?;
    has(&link).then_some(Stamped::WhileLinked(link))
}

/// Under `field:title` the title is the name: a change of it is silently ignored
/// (BEHAVIOUR.md 4).
fn names_the_document(name: &str, schemas: Sides<&Schema>) -> bool {
    schemas.iter().any(|(_, schema)| schema.autoname.strip_prefix("field:") == Some(name))
}

fn qualified(table: &str, field: &str) -> String {
    if table.is_empty() { field.to_owned() } else { format!("{table}.{field}") }
}

fn content_of(table: &str, columns: &Columns, fields: &mut Vec<String>) {
    for (name, column) in columns.iter().filter(|(_, column)| column.role == Role::Content) {
        fields.push(qualified(table, name));
        content_of(name, &column.rows, fields);
    }
}

fn describe(out: &mut String, table: &str, columns: &Columns) {
    for (name, column) in columns {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{table}.{name} {:?} {:?} {} {:?}",
            column.kind, column.role, column.on_submit, column.stamped
        );
        describe(out, name, &column.rows);
    }
}
