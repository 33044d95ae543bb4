//! What the tests of the pure core share: the doctypes of `tests/cases/doctypes.json` and the
//! reading of case files.

mod crash;
mod decisions;
mod forms;
mod in_process;
mod patches;
mod purity;
pub(crate) mod random;
mod simulation;
mod site;
mod writes;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::model::{Doc, Schema, Shape, Sides};

static DOCTYPES: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../tests/cases/doctypes.json")).unwrap()
});

/// The hostile texts of a kind, from `tests/cases/hostile.json`.
pub fn hostile(kind: &str) -> Vec<String> {
    let all: Value = serde_json::from_str(include_str!("../../tests/cases/hostile.json")).unwrap();
    serde_json::from_value(all[kind].clone()).unwrap()
}

/// One case of a case file.
pub type Case = Map<String, Value>;

/// The cases of a file.
pub fn cases(text: &str) -> Vec<Case> {
    serde_json::from_str(text).unwrap()
}

/// A key of a case, or its default.
pub fn read<T: DeserializeOwned + Default>(case: &Case, key: &str) -> T {
    case.get(key).map_or_else(T::default, |value| serde_json::from_value(value.clone()).unwrap())
}

/// A document from its JSON.
pub fn doc(value: &Value) -> Doc {
    serde_json::from_value(value.clone()).unwrap()
}

/// A doctype of `tests/cases/doctypes.json` as a site describes it.
pub fn meta(doctype: &str) -> Map<String, Value> {
    let mut meta = DOCTYPES[doctype].as_object().unwrap().clone();
    let fields: Vec<Value> = meta["fields"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, words)| field(name, words.as_str().unwrap()))
        .collect();
    meta.insert("name".to_owned(), doctype.into());
    meta.insert("fields".to_owned(), fields.into());
    meta
}

/// The same, as the program reads it, with its child doctypes.
pub fn schema(doctype: &str) -> Schema {
    let mut schema = Schema::from_meta(&meta(doctype));
    let children: Vec<(String, String)> = schema
        .child_doctypes()
        .map(|(table, child)| (table.to_owned(), child.to_owned()))
        .collect();
    for (table, child) in children {
        schema.tables.insert(table, self::schema(&child));
    }
    schema
}

/// `Link to Customer, read only` as Frappe's metadata has it.
fn field(name: &str, words: &str) -> Value {
    let mut words = words.split(", ");
    let kind = words.next().unwrap();
    let (fieldtype, options) = ["Table MultiSelect", "Table", "Dynamic Link", "Link"]
        .into_iter()
        .find_map(|fieldtype| {
            let rest = kind.strip_prefix(fieldtype)?;
            let options =
                ["of ", "to ", "by "].iter().find_map(|word| rest.trim_start().strip_prefix(word));
            Some((fieldtype, options?))
        })
        .unwrap_or((kind, ""));
    let mut meta = json!({"fieldname": name, "fieldtype": fieldtype, "options": options});
    for flag in words {
        let (key, value) = match (flag.strip_prefix("default "), flag.strip_prefix("fetched from "))
        {
            (Some(default), _) => ("default".to_owned(), json!(default)),
            (_, Some(source)) => ("fetch_from".to_owned(), json!(source)),
            _ => (flag.replace(' ', "_"), json!(1)),
        };
        let known = [
            "default",
            "read_only",
            "set_only_once",
            "allow_on_submit",
            "is_virtual",
            "reqd",
            "fetch_from",
            "fetch_if_empty",
        ];
        assert!(known.contains(&key.as_str()), "{name} has {flag:?}");
        meta[key] = value;
    }
    meta
}

/// The fields of a doctype: what kind of field each is, in the file's words, and its default.
pub fn fields_of(doctype: &str) -> BTreeMap<String, (String, Option<String>)> {
    let fields = DOCTYPES[doctype]["fields"].as_object().unwrap();
    fields
        .iter()
        .map(|(name, words)| {
            let words: Vec<&str> = words.as_str().unwrap().split(", ").collect();
            let default = words.iter().find_map(|word| word.strip_prefix("default "));
            (name.clone(), (words[0].to_owned(), default.map(str::to_owned)))
        })
        .collect()
}

/// The shape of a doctype that both sites have alike.
pub fn shape(doctype: &str, exclude: &[String], include: &[String]) -> Shape {
    let schema = schema(doctype);
    Shape::new(Sides::new(&schema, &schema), exclude, include)
}

/// What linked documents are called: for each doctype the name on the source's side to the
/// name on the target's.
#[derive(Debug, Clone, Default)]
pub struct Names(pub BTreeMap<String, BTreeMap<String, String>>);

impl Names {
    /// The document's own id for its name on a side: here its name on the source's side.
    pub fn id(&self, is_source: bool, doctype: &str, name: &str) -> Option<String> {
        let names = self.0.get(doctype)?;
        if is_source {
            return names.contains_key(name).then(|| name.to_owned());
        }
        names.iter().find(|(_, there)| *there == name).map(|(here, _)| here.clone())
    }
}
