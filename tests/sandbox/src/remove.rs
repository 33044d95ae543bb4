//! Deleting documents and what refers to them.
//!
//! What lives here: deletion, the archive of deleted documents, finding and rewriting links. What
//! may not: names of new documents.

use jiff::Timestamp;

use crate::collate;
use crate::doc::{self, Doc};
use crate::erpnext::LEDGERS;
use crate::failure::{Failure, Message, Outcome};
use crate::site::{Context, Site};
use crate::validate::link_target;
use crate::value;

/// Doctypes whose links keep nobody from being deleted.
const WEAK_REFERRERS: [&str; 10] = [
    "Comment",
    "Version",
    "DocShare",
    "ToDo",
    "Deleted Document",
    "Custom Field",
    "Property Setter",
    "User Permission",
    "Webhook Request Log",
    "DocField",
];

/// A field that links to a document.
#[derive(Debug, Clone)]
pub(crate) struct Referrer {
    pub doctype: String,
    pub name: String,
    pub field: String,
    pub parenttype: Option<String>,
    pub docstatus: i64,
    pub is_own: bool,
}

impl Site {
    /// Deletes a document.
    pub(crate) fn delete(&mut self, ctx: &mut Context, doctype: &str, name: &str) -> Outcome<()> {
        let meta = self.known(doctype)?;
        let doc = self.load(doctype, name).ok_or_else(Failure::nowhere)?;
        let name = doc.name();
        if !ctx.ignore_permissions
            && let Some(reason) = self.hidden(ctx, &meta, &doc, "delete")
        {
            let text = format!("User not allowed to delete {doctype}: {name}");
            return Err(Failure::silent(403, "PermissionError", &text)
                .with_message(Message::note(reason))
                .with_message(Message::thrown(text)));
        }
        if doc.docstatus() == 1 {
            let page = if self.is_newer() {
                "https://docs.frappe.io/erpnext/user/manual/en/delete-submitted-document"
            } else {
                "https://docs.erpnext.com//docs/user/manual/en/setting-up/articles/delete-submitted-document"
            };
            return Err(Failure::validation(&format!(
                "{doctype} {name}: Submitted Record cannot be deleted. You must <a href='{page}' target='_blank'> Cancel </a> it first."
            )));
        }
        self.on_trash(ctx, &doc)?;
        if let Some(referrer) = self
            .referrers(doctype, &name)
            .into_iter()
            .find(|found| !WEAK_REFERRERS.contains(&found.doctype.as_str()))
        {
            return Err(self.link_failure(ctx, &doc, &referrer));
        }
        self.archive(ctx, &doc)?;
        self.erase(&doc);
        self.after_delete(&doc);
        self.announce(ctx, &doc, &["on_trash", "on_change"]);
        Ok(())
    }

    /// Takes a document and its rows out of the tables.
    pub(crate) fn erase(&mut self, doc: &Doc) {
        for row in doc.all_rows() {
            if let Some(key) = self.store.table(&row.doctype).map(|table| table.key(&row.name())) {
                self.store.remove(&row.doctype, &key);
            }
        }
        if let Some(key) = self.store.table(&doc.doctype).map(|table| table.key(&doc.name())) {
            self.store.remove(&doc.doctype, &key);
        }
    }

    /// Keeps a copy of a document that is deleted.
    pub(crate) fn archive(&mut self, ctx: &Context, doc: &Doc) -> Outcome<()> {
        let mut copy = Doc::new("Deleted Document");
        copy.set("deleted_doctype", doc.doctype.as_str());
        copy.set("deleted_name", doc.name());
        copy.set("data", doc::archive_text(&doc.to_json(true)));
        self.record(&ctx.user, copy, ctx.started)
    }

    /// Writes a document that the site makes by itself, under a random name and without any rule.
    pub(crate) fn record(&mut self, user: &str, mut doc: Doc, at: Timestamp) -> Outcome<()> {
        let stamp = self.stamp(at);
        let name = self.free_hash(&doc.doctype);
        for (field, text) in [
            ("name", name.as_str()),
            ("owner", user),
            ("modified_by", user),
            ("creation", stamp.as_str()),
            ("modified", stamp.as_str()),
        ] {
            doc.set(field, text);
        }
        self.write_row(&doc)
    }

    /// The links that keep a document from being deleted: all but those of its own fields to
    /// itself. Fields of documents come before fields of rows.
    pub(crate) fn referrers(&self, doctype: &str, name: &str) -> Vec<Referrer> {
        let mut found = self.links_to(doctype, name);
        found.retain(|referrer| !referrer.is_own);
        found
    }

    /// Every link to a document.
    pub(crate) fn links_to(&self, doctype: &str, name: &str) -> Vec<Referrer> {
        let wanted = collate::key(name);
        let mut found = Vec::new();
        for meta in self.doctypes().map(|doctype| doctype.name.clone()) {
            let (Some(meta), Some(table)) = (self.meta(&meta), self.store.table(&meta)) else {
                continue;
            };
            let fields: Vec<_> = meta
                .fields
                .iter()
                .filter(|field| match field.fieldtype.as_str() {
                    "Link" => field.options.as_deref() == Some(doctype),
                    "Dynamic Link" => field.options.is_some(),
                    _ => false,
                })
                .filter_map(|field| Some((field, table.position(&field.fieldname)?)))
                .collect();
            if fields.is_empty() {
                continue;
            }
            for (_, row) in table.rows() {
                for (field, at) in &fields {
                    let value = row[*at].as_str();
                    if value.is_empty() || collate::key(value) != wanted {
                        continue;
                    }
                    let doc = Self::doc_of_row(&meta.name, table, row);
                    if link_target(field, &doc).as_deref() != Some(doctype) {
                        continue;
                    }
                    let (owner, parenttype) = if meta.istable {
                        (doc.text("parent"), Some(doc.text("parenttype")))
                    } else {
                        (doc.name(), None)
                    };
                    let own = parenttype.as_deref().unwrap_or(&meta.name) == doctype
                        && collate::key(&owner) == wanted;
                    found.push(Referrer {
                        doctype: meta.name.clone(),
                        name: doc.name(),
                        field: field.fieldname.clone(),
                        parenttype,
                        docstatus: doc.docstatus(),
                        // A dynamic link counts also where a document links to itself.
                        is_own: own && field.fieldtype != "Dynamic Link",
                    });
                }
            }
        }
        // The newer version looks into rows first.
        let newer = self.is_newer();
        found.sort_by_key(|referrer| referrer.parenttype.is_some() != newer);
        found
    }

    /// A cancelled document may not be linked by a submitted one.
    pub(crate) fn check_no_back_links(&self, ctx: &Context, doc: &Doc) -> Outcome<()> {
        let referrer = self.referrers(&doc.doctype, &doc.name()).into_iter().find(|found| {
            let doctype = found.doctype.as_str();
            found.docstatus == 1
                && !WEAK_REFERRERS.contains(&doctype)
                && !LEDGERS.contains(&doctype)
        });
        match referrer {
            Some(referrer) => Err(self.link_failure(ctx, doc, &referrer)),
            None => Ok(()),
        }
    }

    fn link_failure(&self, ctx: &Context, doc: &Doc, referrer: &Referrer) -> Failure {
        let (doctype, name) = match &referrer.parenttype {
            Some(parenttype) => {
                let parent = self.value_of(&referrer.doctype, &referrer.name, "parent");
                (parenttype.clone(), value::to_text(&parent))
            }
            None => (referrer.doctype.clone(), referrer.name.clone()),
        };
        let text = format!(
            "Cannot delete or cancel because {} {} is linked with {doctype} {} ",
            doc.doctype,
            self.anchor(ctx, &doc.doctype, &doc.name()),
            self.anchor(ctx, &doctype, &name)
        );
        let mut failure = Failure::thrown(417, "LinkExistsError", &text);
        if matches!(doc.doctype.as_str(), "Customer" | "Supplier" | "Item") {
            let text = format!("You can disable this {} instead of deleting it.", doc.doctype);
            failure.exception = Some(format!("frappe.exceptions.LinkExistsError: {text}"));
            failure.messages.push(Message::thrown(text));
        }
        failure
    }

    pub(crate) fn anchor(&self, ctx: &Context, doctype: &str, name: &str) -> String {
        if self.is_newer() {
            let slug = doctype.to_lowercase().replace(' ', "-");
            format!("<a href=\"http://{}/app/{slug}/{name}\">{name}</a>", ctx.host)
        } else {
            format!("<a href=\"/app/Form/{doctype}/{name}\">{name}</a>")
        }
    }
}
