//! What a link is called on the other side.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::naming::Naming;
use crate::model::{NamesRule, OpenLink, ROWS, Side, Translation};

/// What the state knows of a linked document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The document's own id in the state: the name where it was first seen.
    pub docname: String,
    /// Its name on the other side, where it has one.
    pub other_name: Option<String>,
    /// Whether both sides have agreed on it once.
    pub in_step: bool,
}

/// Everything that is known about the links of some documents.
#[derive(Debug, Default)]
pub struct LinkTable {
    known: BTreeMap<(Side, String, String), Known>,
    naming: BTreeMap<String, Naming>,
    rules: BTreeMap<String, NamesRule>,
    waiting: BTreeSet<String>,
    cloned: BTreeSet<(String, String)>,
    former: BTreeMap<(Side, String, String), Vec<(String, Timestamp)>>,
    rows: BTreeMap<(Side, String), RowPair>,
    rows_to_come: BTreeMap<(Side, String), OpenLink>,
    hints: BTreeMap<String, String>,
}

/// A child row of some document, which a field of another row may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPair {
    /// What stands for the row in the canonical form of both sides.
    pub id: String,
    /// Its name on the other side.
    pub other_name: String,
}

impl LinkTable {
    /// Adds a document that the state knows by this name on this side.
    pub fn add_known(&mut self, side: Side, doctype: &str, name: &str, known: Known) {
        self.known.insert((side, doctype.to_owned(), name.to_owned()), known);
    }

    /// Adds the documents that had this name before, each by its id and until when, in this
    /// order.
    pub fn add_former(
        &mut self,
        side: Side,
        doctype: &str,
        name: &str,
        former: Vec<(String, Timestamp)>,
    ) {
        self.former.insert((side, doctype.to_owned(), name.to_owned()), former);
    }

    /// Adds a doctype's naming rule and what the configuration says about its names.
    pub fn add_naming(&mut self, naming: Naming, rule: NamesRule) {
        self.rules.insert(naming.doctype.clone(), rule);
        self.naming.insert(naming.doctype.clone(), naming);
    }

    /// What helps with links to documents of a doctype that are not known, where it is not to
    /// add the doctype.
    pub fn add_hint(&mut self, doctype: &str, hint: String) {
        self.hints.insert(doctype.to_owned(), hint);
    }

    /// Says that a doctype's documents are still to be looked at in this run.
    pub fn add_waiting(&mut self, doctype: &str) {
        self.waiting.insert(doctype.to_owned());
    }

    /// Says that both sides' documents of this name are one, although the doctype's names say
    /// nothing.
    pub fn add_cloned(&mut self, doctype: &str, name: &str) {
        self.cloned.insert((doctype.to_owned(), name.to_owned()));
    }

    /// Adds a child row that the state knows by this name on this side.
    pub fn add_row(&mut self, side: Side, name: &str, row: RowPair) {
        self.rows.insert((side, name.to_owned()), row);
    }

    /// Says that this may be the name of a row that the other side does not have yet, and what
    /// is waited for.
    pub fn add_row_to_come(&mut self, side: Side, name: &str, owner: OpenLink) {
        self.rows_to_come.insert((side, name.to_owned()), owner);
    }

    /// The linked document's own id, which stands in the canonical form so that a rename
    /// elsewhere changes no hash.
    #[must_use]
    pub fn id(&self, side: Side, doctype: &str, name: &str) -> Option<String> {
        if doctype == ROWS {
            return self.row(side, name).map(|row| row.id.clone());
        }
        self.find(side, doctype, name).map(|known| known.docname.clone())
    }

    /// The same for a document as it was at some time: a name that has been taken away since
    /// means the document that had it then.
    #[must_use]
    pub fn id_at(
        &self,
        side: Side,
        doctype: &str,
        name: &str,
        time: Option<Timestamp>,
    ) -> Option<String> {
        let former = self.former.get(&(side, doctype.to_owned(), name.to_owned()));
        let then = former.into_iter().flatten().find(|(_, until)| Some(*until) >= time);
        then.map(|(id, _)| id.clone()).or_else(|| self.id(side, doctype, name))
    }

    /// What the link is called on the other side. A name is sent as it stands only where the
    /// doctype's names are natural or both sites are known to have the same document.
    #[must_use]
    pub fn translate(&self, from: Side, doctype: &str, name: &str) -> Translation {
        if doctype == ROWS {
            if let Some(owner) = self.rows_to_come.get(&(from, name.to_owned())) {
                return Translation::Open(owner.clone());
            }
            // A text that is no known row's name is just a text.
            let other = self.row(from, name).map_or(name, |row| &row.other_name);
            return Translation::Name(other.to_owned());
        }
        let open =
            || Translation::Open(OpenLink { doctype: doctype.to_owned(), name: name.to_owned() });
        match self.find(from, doctype, name) {
            Some(Known { other_name: Some(other), in_step: true, .. }) => {
                return Translation::Name(other.clone());
            }
            Some(Known { other_name: Some(other), .. }) if self.is_natural(doctype) => {
                return Translation::Name(other.clone());
            }
            Some(_) => return open(),
            None if self.waiting.contains(doctype) => return open(),
            None => {}
        }
        let cloned = self.cloned.contains(&(doctype.to_owned(), name.to_owned()));
        if self.is_natural(doctype) || cloned {
            return Translation::Name(name.to_owned());
        }
        let hint = self.hints.get(doctype).cloned().unwrap_or_else(|| {
            format!(
                "add {doctype:?} to the doctypes that are synced, or the field to exclude_fields"
            )
        });
        Translation::Unmapped(format!(
            "links to {doctype} {name}, of which it is not known what it is called on {}; {hint}",
            from.opposite()
        ))
    }

    fn row(&self, side: Side, name: &str) -> Option<&RowPair> {
        self.rows.get(&(side, name.to_owned()))
    }

    fn find(&self, side: Side, doctype: &str, name: &str) -> Option<&Known> {
        self.known.get(&(side, doctype.to_owned(), name.to_owned()))
    }

    /// Whether the doctype's names are its documents' own, as far as it is known.
    #[must_use]
    pub fn is_natural(&self, doctype: &str) -> bool {
        match self.rules.get(doctype) {
            Some(NamesRule::Natural) => true,
            Some(NamesRule::Server) => false,
            _ => self.naming.get(doctype).is_some_and(Naming::is_natural),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(doctype: &str, autoname: &str) -> Naming {
        Naming { doctype: doctype.to_owned(), autoname: autoname.to_owned(), title_field: None }
    }

    fn table() -> LinkTable {
        let mut table = LinkTable::default();
        table.add_naming(naming("Item", "field:item_code"), NamesRule::Auto);
        table.add_naming(naming("Sales Order", "naming_series:"), NamesRule::Auto);
        table
    }

    #[test]
    fn a_natural_name_goes_as_it_stands() {
        assert_eq!(
            table().translate(Side::Cloud, "Item", "BOLT"),
            Translation::Name("BOLT".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_carried_over_says_what_helps() {
        let mut table = table();
        let told = |table: &LinkTable| match table.translate(Side::Cloud, "Sales Order", "SO-1") {
            Translation::Unmapped(told) => told,
            other => panic!("{other:?}"),
        };
        assert!(told(&table).ends_with(
            "called on local; add \"Sales Order\" to the doctypes that are synced, or the field \
             to exclude_fields"
        ));
        table.add_hint("Sales Order", "sync it first".to_owned());
        assert!(told(&table).ends_with("called on local; sync it first"));
    }

    #[test]
    fn a_counted_name_goes_only_under_the_name_that_the_map_gives() {
        let mut table = table();
        let unmapped = table.translate(Side::Cloud, "Sales Order", "SO-1");
        assert!(matches!(unmapped, Translation::Unmapped(_)), "{unmapped:?}");
        let known = Known {
            docname: "SO-1".to_owned(),
            other_name: Some("SO-7".to_owned()),
            in_step: true,
        };
        table.add_known(Side::Cloud, "Sales Order", "SO-1", known);
        assert_eq!(
            table.translate(Side::Cloud, "Sales Order", "SO-1"),
            Translation::Name("SO-7".to_owned())
        );
        assert_eq!(table.id(Side::Cloud, "Sales Order", "SO-1").as_deref(), Some("SO-1"));
    }

    /// ACME was renamed, and another document has the name since.
    #[test]
    fn an_old_link_means_the_document_that_had_the_name_then() {
        let mut table = table();
        let known = |id: &str| Known {
            docname: id.to_owned(),
            other_name: Some(id.to_owned()),
            in_step: true,
        };
        table.add_known(Side::Cloud, "Customer", "ACME", known("ACME#9"));
        table.add_known(Side::Cloud, "Customer", "ACME Ltd", known("ACME"));
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let until = at("2026-02-01T00:00:00Z").unwrap();
        table.add_former(Side::Cloud, "Customer", "ACME", vec![("ACME".to_owned(), until)]);
        let id_at = |name, time| table.id_at(Side::Cloud, "Customer", name, time);
        assert_eq!(id_at("ACME", at("2026-01-01T00:00:00Z")).as_deref(), Some("ACME"));
        assert_eq!(id_at("ACME", at("2026-03-01T00:00:00Z")).as_deref(), Some("ACME#9"));
        assert_eq!(id_at("ACME Ltd", at("2026-01-01T00:00:00Z")).as_deref(), Some("ACME"));
        assert_eq!(table.id(Side::Cloud, "Customer", "ACME").as_deref(), Some("ACME#9"));
        assert_eq!(table.id_at(Side::Local, "Customer", "ACME", None), None);
    }

    #[test]
    fn a_document_still_to_be_written_is_waited_for() {
        let mut table = table();
        let known = Known { docname: "BOLT".to_owned(), other_name: None, in_step: false };
        table.add_known(Side::Local, "Item", "BOLT", known);
        assert!(matches!(table.translate(Side::Local, "Item", "BOLT"), Translation::Open(_)));
        table.add_waiting("Brand");
        assert!(matches!(table.translate(Side::Local, "Brand", "X"), Translation::Open(_)));
    }

    #[test]
    fn a_row_stands_as_one_id_and_goes_under_its_own_name() {
        let mut table = table();
        for (side, name, other) in [(Side::Cloud, "c7", "l9"), (Side::Local, "l9", "c7")] {
            let row = RowPair { id: "c7".to_owned(), other_name: other.to_owned() };
            table.add_row(side, name, row);
        }
        assert_eq!(table.id(Side::Cloud, ROWS, "c7"), table.id(Side::Local, ROWS, "l9"));
        assert_eq!(table.translate(Side::Local, ROWS, "l9"), Translation::Name("c7".to_owned()));
        // The same text on the other side is another row's, or none's.
        assert_eq!(table.id(Side::Cloud, ROWS, "l9"), None);
        assert_eq!(table.translate(Side::Cloud, ROWS, "l9"), Translation::Name("l9".to_owned()));
    }

    #[test]
    fn a_row_to_come_is_waited_for_as_its_document_is() {
        let mut table = table();
        let owner = OpenLink { doctype: "Sales Order".to_owned(), name: "SO-1".to_owned() };
        table.add_row_to_come(Side::Cloud, "c7", owner.clone());
        assert_eq!(table.translate(Side::Cloud, ROWS, "c7"), Translation::Open(owner));
        assert_eq!(table.translate(Side::Local, ROWS, "c7"), Translation::Name("c7".to_owned()));
    }

    #[test]
    fn the_same_creation_on_both_sides_proves_a_counted_name() {
        let mut table = table();
        table.add_cloned("Sales Order", "SO-1");
        assert_eq!(
            table.translate(Side::Cloud, "Sales Order", "SO-1"),
            Translation::Name("SO-1".to_owned())
        );
    }
}
