//! Renaming and merging documents.
//!
//! What lives here: what may be renamed, the rename itself, its trace, and the links that follow.
//! What may not: the rules of new names (`naming`).

use serde_json::Value;

use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::meta::DocType;
use crate::naming::check_name;
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
        let doc = self.found(doctype, old)?;
        self.check_rename(ctx, &meta, &doc, old, new, merge)?;
        let new = new.trim();
        if !merge {
            self.move_row(&meta, &doc, new)?;
        }
        self.rewrite_links(doctype, old, new);
        self.after_rename(ctx, &doc, new)?;
        let trace = if merge {
            format!("merged <strong>{old}</strong> into <strong>{new}</strong>")
        } else {
            format!("renamed from <strong>{old}</strong> to <strong>{new}</strong>")
        };
        self.leave_trace(ctx, doctype, new, &trace)?;
        if merge {
            self.delete(ctx, doctype, old)?;
            self.rebuild_tree(&meta);
        }
        let mut message = Message::note(format!(
            "Document renamed from <strong>{old}</strong> to <strong>{new}</strong>"
        ))
        .coloured("green");
        message.alert = true;
        ctx.messages.push(message);
        Ok(new.to_owned())
    }

    /// The refusals, in Frappe's order.
    fn check_rename(
        &self,
        ctx: &Context,
        meta: &DocType,
        doc: &Doc,
        old: &str,
        new: &str,
        merge: bool,
    ) -> Outcome<()> {
        let doctype = &meta.name;
        let refuse = |text: String| Err(Failure::validation(&text));
        if old == new {
            return refuse("No changes made because old and new name are the same.".into());
        }
        // A name in another spelling is taken for none, so that a spelling can be mended.
        let taken = self.stored_name(doctype, new).is_some_and(|stored| stored == new);
        if merge && !taken {
            return refuse(format!("{doctype} {new} does not exist, select a new target to merge"));
        }
        if taken && !merge {
            return refuse(format!(
                "Another {doctype} with name {new} exists, select another name"
            ));
        }
        if !ctx.ignore_permissions && self.hidden(ctx, meta, doc, "write").is_some() {
            return refuse(format!("You need write permission on {doctype} {old} to rename"));
        }
        if !meta.allow_rename && !ctx.ignore_permissions {
            return refuse(format!("{doctype} not allowed to be renamed"));
        }
        let mut renamed = Doc::new(doctype);
        renamed.set("name", new.trim());
        check_name(meta, &renamed)
    }

    /// Gives the document's row its new name; what another document has under another spelling is
    /// refused by the database.
    fn move_row(&mut self, meta: &DocType, doc: &Doc, new: &str) -> Outcome<()> {
        self.erase(doc);
        if self.exists(&meta.name, new) {
            let text = format!("(1062, \"Duplicate entry '{new}' for key 'PRIMARY'\")");
            return Err(Failure::internal("pymysql.err", "IntegrityError", &text));
        }
        let mut moved = doc.clone();
        moved.set("name", new);
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
        for referrer in self.links_to(doctype, old) {
            let Some(table) = self.store.table(&referrer.doctype) else {
                continue;
            };
            let key = table.key(&referrer.name);
            self.store.set_cell(&referrer.doctype, &key, &referrer.field, Cell::text(new));
        }
    }

    fn leave_trace(&mut self, ctx: &Context, doctype: &str, name: &str, text: &str) -> Outcome<()> {
        let mut comment = Doc::new("Comment");
        for (field, text) in [
            ("comment_type", "Edit"),
            ("reference_doctype", doctype),
            ("reference_name", name),
            ("comment_email", &ctx.user),
            ("content", text),
        ] {
            comment.set(field, text);
        }
        self.record(&ctx.user, comment, ctx.started)
    }

    /// Some doctypes carry their name in a field, and write it there after a rename: that moves
    /// `modified`. Customer and Supplier tell their webhooks of it.
    fn after_rename(&mut self, ctx: &Context, old: &Doc, new: &str) -> Outcome<()> {
        let (field, is_told) = match old.doctype.as_str() {
            "Customer" => ("customer_name", true),
            "Supplier" => ("supplier_name", true),
            "Item" => ("item_code", false),
            _ => return Ok(()),
        };
        let Some(mut doc) = self.load(&old.doctype, new) else {
            return Ok(());
        };
        let stamp = self.stamp(ctx.started);
        doc.set(field, new);
        if old.doctype == "Item" && doc.text("item_name") == old.name() {
            doc.set("item_name", new);
        }
        doc.set("modified", Value::String(stamp));
        doc.set("modified_by", ctx.user.as_str());
        self.write_row(&doc)?;
        if is_told {
            self.announce(ctx, &doc, &["on_change"]);
        }
        Ok(())
    }
}
