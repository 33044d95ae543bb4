//! Trees: nodes numbered as a nested set.
//!
//! What lives here: where a node comes to stand, and what a tree refuses. What may not: which doctypes are
//! trees (`meta`).

use std::collections::BTreeMap;

use crate::collate;
use crate::doc::Doc;
use crate::failure::{Failure, Outcome};
use crate::meta::DocType;
use crate::site::Site;
use crate::value::{self, Cell};

/// The trees in which a node without a parent comes under the root.
const UNDER_THE_ROOT: [&str; 3] = ["Customer Group", "Item Group", "Territory"];

impl Site {
    /// Before a new node is stored: a node without a parent comes under the root.
    pub(crate) fn find_parent_node(&self, meta: &DocType, doc: &mut Doc) {
        let Some(field) = meta.parent_field.as_deref() else {
            return;
        };
        if doc.is_set(field) || !UNDER_THE_ROOT.contains(&meta.name.as_str()) {
            return;
        }
        let root = self.documents(&meta.name).into_iter().find(|node| !node.is_set(field));
        if let Some(root) = root.filter(|root| root.name() != doc.name()) {
            doc.set(field, root.name());
        }
    }

    /// After a node was stored: it is placed when it has no place yet, or another parent than
    /// `old_parent`. Who sends `lft`, `rgt` and `old_parent` is believed.
    pub(crate) fn place_node(&mut self, meta: &DocType, doc: &mut Doc) -> Outcome<()> {
        let Some(field) = meta.parent_field.as_deref() else {
            return Ok(());
        };
        let (parent, name) = (doc.text(field), doc.name());
        let is_placed = doc.is_set("lft") || doc.is_set("rgt");
        if !is_placed || doc.text("old_parent") != parent {
            self.check_not_below_itself(meta, field, &name, &parent)?;
            self.set_number(meta, &name, "lft", 0);
            self.rebuild_tree(meta);
            for field in ["lft", "rgt"] {
                let value = self.value_of(&meta.name, &name, field);
                doc.set(field, value);
            }
        }
        doc.set("old_parent", doc.get(field).clone());
        if parent.is_empty() {
            self.set_cell_of(meta, &name, "old_parent", Cell::Null);
        } else {
            self.set_hidden(&meta.name, &name, "old_parent", &parent);
        }
        self.check_leaf(meta, doc)
    }

    fn check_leaf(&self, meta: &DocType, doc: &Doc) -> Outcome<()> {
        if meta.field("is_group").is_none() || doc.is_set("is_group") || !self.has_child_nodes(doc)
        {
            return Ok(());
        }
        Err(Failure::validation(&format!(
            "{} {} cannot be a leaf node as it has children",
            meta.name,
            doc.name()
        )))
    }

    fn check_not_below_itself(
        &self,
        meta: &DocType,
        field: &str,
        name: &str,
        parent: &str,
    ) -> Outcome<()> {
        let mut above = parent.to_owned();
        for _ in 0..self.documents(&meta.name).len() {
            if above.is_empty() {
                break;
            }
            if collate::same(&above, name) {
                let text = "Item cannot be added to its own descendants";
                return Err(Failure::thrown(417, "NestedSetRecursionError", text));
            }
            above = value::to_text(&self.value_of(&meta.name, &above, field));
        }
        Ok(())
    }

    /// A node with children cannot be deleted.
    pub(crate) fn check_no_child_nodes(&self, doc: &Doc) -> Outcome<()> {
        if !self.has_child_nodes(doc) {
            return Ok(());
        }
        let text = format!("Cannot delete {} as it has child nodes", doc.name());
        Err(Failure::thrown(417, "NestedSetChildExistsError", &text))
    }

    fn has_child_nodes(&self, doc: &Doc) -> bool {
        let field = self.meta(&doc.doctype).and_then(|meta| meta.parent_field.clone());
        field.is_some_and(|field| {
            let nodes = self.documents(&doc.doctype);
            nodes.iter().any(|node| collate::same(&node.text(&field), &doc.name()))
        })
    }

    fn set_number(&mut self, meta: &DocType, name: &str, column: &str, number: i64) {
        self.set_cell_of(meta, name, column, Cell::Int(number));
    }

    fn set_cell_of(&mut self, meta: &DocType, name: &str, column: &str, cell: Cell) {
        if let Some(key) = self.store.table(&meta.name).map(|table| table.key(name)) {
            self.store.set_cell(&meta.name, &key, column, cell);
        }
    }

    /// Numbers the nodes of a tree anew; no `modified` moves.
    pub(crate) fn rebuild_tree(&mut self, meta: &DocType) {
        let Some(parent_field) = meta.parent_field.as_deref() else {
            return;
        };
        let mut children: BTreeMap<collate::SortKey, Vec<(i64, String)>> = BTreeMap::new();
        for doc in self.documents(&meta.name) {
            let order = match value::to_int(doc.get("lft")) {
                0 => i64::MAX,
                lft => lft,
            };
            let parent = collate::key(&doc.text(parent_field));
            children.entry(parent).or_default().push((order, doc.name()));
        }
        for nodes in children.values_mut() {
            nodes.sort();
        }
        let mut at = 0;
        let mut numbers = Vec::new();
        number_nodes(&children, &collate::key(""), &mut at, &mut numbers);
        for (name, lft, rgt) in numbers {
            let Some(key) = self.store.table(&meta.name).map(|table| table.key(&name)) else {
                continue;
            };
            for (column, number) in [("lft", lft), ("rgt", rgt)] {
                let old = self.store.table(&meta.name).and_then(|table| {
                    let row = table.get(&key)?;
                    table.cell(row, column).map(Cell::as_int)
                });
                if old != Some(number) {
                    self.store.set_cell(&meta.name, &key, column, Cell::Int(number));
                }
            }
        }
    }
}

fn number_nodes(
    children: &BTreeMap<collate::SortKey, Vec<(i64, String)>>,
    parent: &collate::SortKey,
    at: &mut i64,
    numbers: &mut Vec<(String, i64, i64)>,
) {
    for (_, name) in children.get(parent).into_iter().flatten() {
        *at += 1;
        let lft = *at;
        let slot = numbers.len();
        numbers.push((name.clone(), lft, 0));
        number_nodes(children, &collate::key(name), at, numbers);
        *at += 1;
        numbers[slot].2 = *at;
    }
}
