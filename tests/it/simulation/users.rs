//! What users do on the sites, and what of it must never be lost.
//!
//! Every value that a user enters is a number of its own, in a text, a number or a row. A
//! number is done with when a user replaces or removes it where it showed; until then it has
//! to be on a site or in a conflict's record.

use std::collections::{BTreeMap, BTreeSet};

use erpsync::model::Side;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::history::{Act, Kind, Random};
use super::in_process::Core;

/// The first number that is given out; all have six digits.
const FIRST: u32 = 100_000;

/// Everything that users have entered.
#[derive(Debug, Default)]
pub struct Ledger {
    given: u32,
    /// Where a number was entered, by number.
    pub live: BTreeMap<u32, String>,
    /// Numbers that a user replaced or removed.
    pub retired: BTreeMap<u32, String>,
    /// The names that users gave, by doctype.
    pub names: BTreeSet<(String, String)>,
    /// Documents that a user deleted or renamed, under both names.
    pub unusual: BTreeSet<(String, String)>,
    /// Where users deleted documents and did not make them again.
    pub deleted: BTreeSet<(Side, String, String)>,
}

impl Ledger {
    fn next(&mut self) -> u32 {
        self.given += 1;
        FIRST + self.given
    }

    fn note(&mut self, place: &str, before: Option<&Value>, after: Option<&Value>) {
        let before = before.map(numbers).unwrap_or_default();
        let after = after.map(numbers).unwrap_or_default();
        for number in before.difference(&after) {
            if self.live.remove(number).is_some() {
                self.retired.insert(*number, place.to_owned());
            }
        }
        for number in after.difference(&before) {
            if !self.retired.contains_key(number) {
                self.live.insert(*number, place.to_owned());
            }
        }
    }
}

/// Fields that hold no content of users.
const SYSTEM: &[&str] = &[
    "name",
    "modified",
    "creation",
    "owner",
    "modified_by",
    "parent",
    "parenttype",
    "parentfield",
    "idx",
    "doctype",
    "docstatus",
    "lft",
    "rgt",
];

/// The numbers of users in a document.
pub fn numbers(value: &Value) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<u32>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(field, _)| !SYSTEM.contains(&field.as_str()))
            .for_each(|(_, value)| collect(value, found)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::String(text) => found.extend(in_text(text)),
        Value::Number(number) => found.extend(in_text(&number.to_string())),
        _ => {}
    }
}

fn in_text(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() == 6)
        .filter_map(|digits| digits.parse().ok())
        .filter(|number| *number > FIRST)
        .collect()
}

/// The field that names documents of a doctype.
pub fn naming_field(doctype: &str) -> &'static str {
    match doctype {
        "Brand" => "brand",
        "Customer Group" => "customer_group_name",
        "Customer" => "customer_name",
        "Item" => "item_code",
        _ => "title",
    }
}

/// A table of a doctype, and its fields for a text and for a number.
pub fn table_of(doctype: &str) -> Option<(&'static str, &'static str, &'static str)> {
    match doctype {
        "Customer Group" => Some(("credit_limits", "", "credit_limit")),
        "Item" => Some(("uoms", "", "conversion_factor")),
        "Probe" => Some(("rows", "note", "qty")),
        _ => None,
    }
}

/// Fields for texts and for numbers.
fn fields_of(doctype: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match doctype {
        "Brand" => (&["description"], &[]),
        "Customer Group" => (&["payment_terms"], &[]),
        "Customer" => {
            (&["customer_details", "website", "market_segment"], &["default_commission_rate"])
        }
        "Item" => (&["description"], &["weight_per_unit", "valuation_rate"]),
        _ => (&["stxt", "txt", "ltxt", "phone"], &["i", "f", "cur"]),
    }
}

/// A field that links to another document, and to which doctype.
pub fn link_of(doctype: &str) -> Option<(&'static str, &'static str)> {
    match doctype {
        "Customer Group" => Some(("parent_customer_group", "Customer Group")),
        "Customer" => Some(("customer_group", "Customer Group")),
        "Item" => Some(("brand", "Brand")),
        "Probe" => Some(("cust", "Customer")),
        _ => None,
    }
}

impl Core {
    /// A user does something, as far as the site lets it.
    pub fn act(&mut self, act: &Act) {
        let Act { side, doctype, name, kind, .. } = act;
        let place = format!("{doctype}/{name} on {side}");
        let before = self.sites[*side].get_doc(doctype, name);
        let mut random = act.random.clone();
        let mut at = self.now;
        if *kind == Kind::OldStamp {
            at = at.checked_sub(SignedDuration::from_secs(4)).unwrap();
        }
        let user = *random.pick(&["maria@example.com", "tom@example.com"]);
        let at = self.sites[*side].own_time(at);
        let (outcome, new_name, values) = match kind {
            // A second customer of a name would get another one, which its site counts.
            Kind::Insert if before.is_some() => return,
            Kind::Insert => {
                let values = self.new_document(*side, doctype, name, &mut random);
                let outcome = self.sites[*side].insert_as(user, doctype, &values, at).map(drop);
                (outcome, name.clone(), values)
            }
            Kind::Delete => {
                let outcome = self.sites[*side].delete_as(user, doctype, name, at);
                (outcome, name.clone(), Value::Null)
            }
            Kind::Rename => {
                let new = format!("{name} new");
                let outcome = self.sites[*side].rename_as(user, doctype, name, &new, at);
                (outcome, new, Value::Null)
            }
            _ => {
                let Some(doc) = &before else { return };
                let Some(values) = self.edit(act, doc, &mut random) else { return };
                let outcome = self.sites[*side].edit_as(user, doctype, name, &values, at);
                (outcome, name.clone(), values)
            }
        };
        let shown = if values.is_null() { String::new() } else { format!(" {values}") };
        let said = match &outcome {
            Ok(()) => String::new(),
            Err(failure) => format!(" -> refused: {}", failure.exc_type),
        };
        self.tell(&format!("a user: {kind:?} {place}{shown}{said}"));
        if outcome.is_err() {
            return;
        }
        self.count(match kind {
            Kind::Insert => "user insert",
            Kind::Edit => "user edit",
            Kind::OldStamp => "edit saved with an older stamp",
            Kind::Rows => "user rows",
            Kind::Touch => "user touch",
            Kind::Link => "user link",
            Kind::Delete => "user delete",
            Kind::Rename => "user rename",
        });
        let document = |name: &str| ((*doctype).to_owned(), name.to_owned());
        match kind {
            Kind::Delete | Kind::Rename => {
                self.ledger.unusual.insert(document(name));
                self.ledger.unusual.insert(document(&new_name));
                self.ledger.names.insert(document(&new_name));
                if *kind == Kind::Delete {
                    self.ledger.deleted.insert((*side, (*doctype).to_owned(), name.clone()));
                }
            }
            Kind::Insert => {
                self.ledger.names.insert(document(name));
                self.ledger.deleted.remove(&(*side, (*doctype).to_owned(), name.clone()));
            }
            _ => {}
        }
        let after = self.sites[*side].get_doc(doctype, &new_name);
        self.ledger.note(&place, before.as_ref(), after.as_ref());
    }

    fn text(&mut self) -> Value {
        json!(format!("t{}", self.ledger.next()))
    }

    fn number(&mut self) -> Value {
        json!(self.ledger.next())
    }

    fn existing(&mut self, side: Side, doctype: &str, random: &mut Random) -> Option<String> {
        let names = self.sites[side].names(doctype);
        if names.is_empty() { None } else { Some(random.pick(&names).clone()) }
    }

    fn new_document(
        &mut self,
        side: Side,
        doctype: &str,
        name: &str,
        random: &mut Random,
    ) -> Value {
        let mut values = Map::new();
        values.insert(naming_field(doctype).to_owned(), json!(name));
        let fixed = match doctype {
            "Customer Group" => {
                json!({"is_group": 1, "parent_customer_group": "All Customer Groups"})
            }
            "Customer" => json!({"customer_type": "Company", "customer_group": "Commercial",
                "territory": "All Territories"}),
            "Item" => json!({"item_group": "Products", "stock_uom": "Nos"}),
            _ => json!({}),
        };
        values.extend(fixed.as_object().unwrap().clone());
        let (texts, counts) = fields_of(doctype);
        for field in texts {
            if random.chance(60) {
                let text = self.text();
                values.insert((*field).to_owned(), text);
            }
        }
        for field in counts {
            if random.chance(40) {
                let number = self.number();
                values.insert((*field).to_owned(), number);
            }
        }
        if doctype == "Item" && random.chance(20) {
            let number = self.number();
            values.insert("standard_rate".to_owned(), number);
        }
        if let Some((field, linked)) = link_of(doctype)
            && random.chance(60)
            && let Some(to) = self.existing(side, linked, random)
        {
            values.insert(field.to_owned(), json!(to));
        }
        if let Some((table, ..)) = table_of(doctype)
            && random.chance(70)
        {
            let rows: Vec<Value> =
                (0..1 + random.below(3)).map(|_| self.row(doctype, random)).collect();
            values.insert(table.to_owned(), json!(rows));
        }
        Value::Object(values)
    }

    fn row(&mut self, doctype: &str, random: &mut Random) -> Value {
        let number = self.number();
        match doctype {
            "Customer Group" => json!({"company": "Bench Co", "credit_limit": number}),
            "Item" => {
                let uom = *random.pick(&["Nos", "Box", "Kg", "Hour"]);
                json!({"uom": uom, "conversion_factor": number})
            }
            _ => {
                let note = self.text();
                // Some rows are equal but for what is entered later.
                json!({"item": random.pick(&["A", "B"]), "qty": number, "note": note})
            }
        }
    }

    /// What an edit sends; nothing where it does not fit the document.
    fn edit(&mut self, act: &Act, doc: &Value, random: &mut Random) -> Option<Value> {
        let mut values = Map::new();
        match act.kind {
            Kind::Touch => {
                let (texts, _) = fields_of(act.doctype);
                values.insert(texts[0].to_owned(), doc[texts[0]].clone());
            }
            Kind::Link => {
                let (field, linked) = link_of(act.doctype)?;
                let to = self.existing(act.side, linked, random)?;
                values.insert(field.to_owned(), json!(to));
            }
            Kind::Rows => {
                let (table, text, number) = table_of(act.doctype)?;
                let rows = self.changed_rows(act.doctype, &doc[table], (text, number), random);
                values.insert(table.to_owned(), json!(rows));
            }
            _ => {
                let (texts, counts) = fields_of(act.doctype);
                for _ in 0..1 + random.below(2) {
                    let at = random.below(texts.len() + counts.len());
                    let (field, value) = match texts.get(at) {
                        Some(field) => (*field, self.text()),
                        None => (counts[at - texts.len()], self.number()),
                    };
                    let value = if random.chance(12) { Value::Null } else { value };
                    values.insert(field.to_owned(), value);
                }
            }
        }
        Some(Value::Object(values))
    }

    fn changed_rows(
        &mut self,
        doctype: &str,
        rows: &Value,
        (text, number): (&str, &str),
        random: &mut Random,
    ) -> Vec<Value> {
        let kept = |field: &str| field == "name" || !SYSTEM.contains(&field);
        let mut rows: Vec<Value> = rows
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .map(|row| row.iter().filter(|(field, _)| kept(field)))
            .map(|row| Value::Object(row.map(|(k, v)| (k.clone(), v.clone())).collect()))
            .collect();
        let at = if rows.is_empty() { 0 } else { random.below(rows.len()) };
        match random.below(5) {
            _ if rows.is_empty() => rows.push(self.row(doctype, random)),
            0 | 1 if !text.is_empty() && random.chance(50) => rows[at][text] = self.text(),
            0 | 1 => rows[at][number] = self.number(),
            2 => {
                let row = self.row(doctype, random);
                rows.insert(at, row);
            }
            3 => drop(rows.remove(at)),
            _ => rows.reverse(),
        }
        rows
    }
}
