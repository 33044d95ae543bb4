//! Renaming and merging documents.
//!
//! What lives here: the rename itself, its trace, and the links that follow. What may not: the
//! naming rules.

use serde_json::Value;

use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::site::{Context, Site};
use crate::value::Cell;

impl Site {
    /// Renames a document, or merges it into another one.
    pub(crate) fn rename(
        &mut self,
        ctx: &mut Context,
        doctype: &str,
        old: &str,
        new: &str,
        merge: bool,
    ) -> Outcome<String> {
        let meta = self.known(doctype)?;
        let doc = self
            .load(doctype, old)
            .ok_or_else(|| Failure::not_found(doctype, old))?;
        self.check_permission(ctx, &meta, &doc, "write", true)?;
        if !meta.allow_rename && !ctx.ignore_permissions {
            return Err(Failure::validation(&format!(
                "{doctype} not allowed to be renamed"
            )));
        }
        let old = doc.name();
        let new = new.trim().to_owned();
        let taken = self.exists(doctype, &new) && !crate::collate::same(&old, &new);
        if merge && !taken {
            return Err(Failure::validation(&format!(
                "{doctype} {new} does not exist, select a new target to merge"
            )));
        }
        if taken && !merge {
            return Err(Failure::validation(&format!(
                "Another {doctype} with name {new} exists, select another name"
            )));
        }
        if merge {
            self.rewrite_links(doctype, &old, &new);
            self.archive(ctx, &doc)?;
            self.erase(&doc);
        } else {
            self.rewrite_links(doctype, &old, &new);
            self.move_row(&doc, &new)?;
        }
        self.leave_trace(ctx, doctype, &old, &new)?;
        self.after_rename(ctx, doctype, &new)?;
        let mut message = Message::note(format!(
            "Document renamed from <strong>{old}</strong> to <strong>{new}</strong>"
        ))
        .coloured("green");
        message.alert = true;
        ctx.messages.push(message);
        Ok(new)
    }

    fn move_row(&mut self, doc: &Doc, new: &str) -> Outcome<()> {
        self.erase(doc);
        let mut moved = doc.clone();
        moved.set("name", new);
        let meta = self.known(&doc.doctype)?;
        if let Some(named_by) = meta.named_by() {
            moved.set(named_by, new);
        }
        self.write_row(&moved)?;
        for row in moved.all_rows_mut() {
            row.set("parent", new);
        }
        for row in moved.all_rows() {
            self.write_row(row)?;
        }
        Ok(())
    }

    /// Rewrites every link to a document; nobody's `modified` moves.
    fn rewrite_links(&mut self, doctype: &str, old: &str, new: &str) {
        for referrer in self.referrers(doctype, old) {
            let Some(table) = self.store.table(&referrer.doctype) else {
                continue;
            };
            let key = table.key(&referrer.name);
            self.store
                .set_cell(&referrer.doctype, &key, &referrer.field, Cell::text(new));
        }
    }

    fn leave_trace(&mut self, ctx: &Context, doctype: &str, old: &str, new: &str) -> Outcome<()> {
        let stamp = self.stamp(ctx.started);
        let mut comment = Doc::new("Comment");
        let name = self.free_hash("Comment");
        comment.set("name", name);
        for (field, text) in [
            ("comment_type", "Edit"),
            ("reference_doctype", doctype),
            ("reference_name", new),
            ("comment_email", &ctx.user),
            ("owner", &ctx.user),
            ("modified_by", &ctx.user),
            ("creation", &stamp),
            ("modified", &stamp),
        ] {
            comment.set(field, text);
        }
        comment.set(
            "content",
            format!("renamed from <strong>{old}</strong> to <strong>{new}</strong>"),
        );
        self.write_row(&comment)
    }

    /// Some doctypes carry their name in a field and save themselves after a rename.
    fn after_rename(&mut self, ctx: &Context, doctype: &str, new: &str) -> Outcome<()> {
        let field = match doctype {
            "Customer" => "customer_name",
            "Supplier" => "supplier_name",
            "Item" => "item_code",
            _ => return Ok(()),
        };
        let Some(mut doc) = self.load(doctype, new) else {
            return Ok(());
        };
        let stamp = self.stamp(ctx.started);
        doc.set(field, new);
        doc.set("modified", Value::String(stamp));
        doc.set("modified_by", ctx.user.as_str());
        self.write_row(&doc)
    }
}
