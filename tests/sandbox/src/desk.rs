//! Methods of the desk that a client may meet: reports, forms, comments, tags, likes.
//!
//! What lives here: those methods, as far as they are cheap. What may not: `frappe.client`.

use serde_json::{Map, Value, json};

use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::methods::{no_such_method, not_whitelisted};
use crate::request::Parameters;
use crate::route::Reply;
use crate::save::InsertOptions;
use crate::site::{Context, Site};
use crate::value;

impl Site {
    pub(crate) fn call_desk(
        &mut self,
        ctx: &mut Context,
        method: &str,
        parameters: &Parameters,
    ) -> Outcome<Reply> {
        let text = |key: &str| parameters.text(key).unwrap_or_default();
        match method {
            "ping" | "frappe.ping" => Ok(Reply::Value(json!("pong"))),
            "frappe.auth.get_logged_user" => Ok(Reply::Value(json!(ctx.user))),
            "frappe.utils.change_log.get_versions" => Ok(Reply::Value(self.versions())),
            "frappe.desk.reportview.get" => {
                let query = Self::report_query(parameters);
                let listing = self.list(ctx, &query)?;
                Ok(Reply::Value(json!({
                    "keys": listing.columns,
                    "values": listing.to_lists(),
                    "user_info": {},
                })))
            }
            "frappe.desk.reportview.get_count" => {
                let query = Self::report_query(parameters);
                Ok(Reply::Value(json!(self.count(ctx, &query)?)))
            }
            "frappe.desk.reportview.delete_items" => {
                let items = parameters.parsed("items").unwrap_or_default();
                for name in items.as_array().into_iter().flatten() {
                    self.delete(ctx, &text("doctype"), &value::to_text(name))?;
                }
                Ok(Reply::Nothing)
            }
            "frappe.desk.form.load.getdoc" => {
                let doc = self.readable(ctx, &text("doctype"), &text("name"))?;
                Ok(Reply::Whole(Map::from_iter([
                    ("docs".to_owned(), json!([self.shown(&doc, false)])),
                    ("docinfo".to_owned(), self.docinfo(ctx, &doc)),
                    ("_link_titles".to_owned(), json!({})),
                ])))
            }
            "frappe.desk.form.load.getdoctype" => {
                let doctype = text("doctype");
                let meta = self.known(&doctype)?;
                let mut docs = vec![self.meta_document(&doctype)];
                docs.extend(meta.tables().map(|(_, child)| self.meta_document(child)));
                let docs: Vec<Value> = docs.into_iter().flatten().collect();
                Ok(Reply::Whole(Map::from_iter([
                    ("docs".to_owned(), json!(docs)),
                    ("user_settings".to_owned(), json!("{}")),
                ])))
            }
            "frappe.desk.form.save.savedocs" => self.savedocs(ctx, parameters),
            other => self.call_desk_write(ctx, other, parameters),
        }
    }

    fn call_desk_write(
        &mut self,
        ctx: &mut Context,
        method: &str,
        parameters: &Parameters,
    ) -> Outcome<Reply> {
        let text = |key: &str| parameters.text(key).unwrap_or_default();
        match method {
            "frappe.desk.form.utils.add_comment" => {
                let mut comment = Doc::new("Comment");
                comment.set("comment_type", "Comment");
                for field in [
                    "reference_doctype",
                    "reference_name",
                    "content",
                    "comment_email",
                    "comment_by",
                ] {
                    comment.set(field, text(field));
                }
                let comment = self.insert(ctx, comment, &InsertOptions::default())?;
                Ok(Reply::Value(comment.to_json(false)))
            }
            "frappe.desk.doctype.tag.tag.add_tag" => {
                let (doctype, name) = (text("dt"), text("dn"));
                let old = value::to_text(&self.value_of(&doctype, &name, "_user_tags"));
                let tags = format!("{old},{}", text("tag"));
                self.set_hidden(&doctype, &name, "_user_tags", &tags);
                Ok(Reply::Value(json!(text("tag"))))
            }
            "frappe.desk.like.toggle_like" => {
                let liked = if text("add") == "Yes" { json!([ctx.user]) } else { json!([]) };
                let (doctype, name) = (text("doctype"), text("name"));
                self.set_hidden(&doctype, &name, "_liked_by", &liked.to_string());
                Ok(Reply::Nothing)
            }
            "frappe.desk.form.assign_to.add" => self.assign(ctx, parameters),
            "frappe.core.doctype.deleted_document.deleted_document.restore" => {
                self.restore(ctx, &text("name"))
            }
            other if other.starts_with("frappe.utils.") => {
                Err(not_whitelisted(other, self.is_newer()))
            }
            other => Err(no_such_method(other)),
        }
    }

    fn versions(&self) -> Value {
        let (frappe, erpnext) =
            if self.is_newer() { ("15.105.0", "15.104.3") } else { ("15.55.1", "15.53.4") };
        json!({
            "frappe": {
                "title": "Frappe Framework",
                "description": "Full stack web framework with Python, Javascript, MariaDB, Redis, Node",
                "branch": "",
                "version": frappe,
            },
            "erpnext": {
                "title": "ERPNext",
                "description": "ERP made simple",
                "branch": "",
                "version": erpnext,
            },
        })
    }

    fn docinfo(&self, ctx: &Context, doc: &Doc) -> Value {
        json!({
            "user_info": {},
            "comments": [],
            "shared": [],
            "attachments": [],
            "communications": [],
            "versions": [],
            "assignments": [],
            "permissions": self.rights(ctx, doc),
            "doctype": doc.doctype,
            "name": doc.get("name"),
            "tags": doc.text("_user_tags"),
        })
    }

    fn savedocs(&mut self, ctx: &mut Context, parameters: &Parameters) -> Outcome<Reply> {
        let body = parameters.parsed("doc").unwrap_or_default();
        let docstatus = match parameters.text("action").as_deref() {
            Some("Submit") => Some(1),
            Some("Cancel") => Some(2),
            _ => None,
        };
        let local = body.get("name").cloned().unwrap_or_default();
        let is_local = body.get("__islocal").is_some_and(value::is_truthy);
        let Reply::Value(mut saved) = self.save_body(ctx, &body, docstatus)? else {
            return Ok(Reply::Nothing);
        };
        if let Value::Object(values) = &mut saved {
            values.retain(|_, value| !value.is_null());
            if is_local {
                values.insert("localname".into(), local);
            }
        }
        Ok(Reply::Whole(Map::from_iter([
            ("docs".to_owned(), json!([saved])),
            ("docinfo".to_owned(), json!({ "user_info": {} })),
        ])))
    }

    fn assign(&mut self, ctx: &mut Context, parameters: &Parameters) -> Outcome<Reply> {
        let text = |key: &str| parameters.text(key).unwrap_or_default();
        let users = parameters.parsed("assign_to").unwrap_or_default();
        let mut out = Vec::new();
        for user in users.as_array().into_iter().flatten() {
            let mut todo = Doc::new("ToDo");
            todo.set("allocated_to", user.clone());
            todo.set("assigned_by", ctx.user.as_str());
            todo.set("description", text("description"));
            todo.set("reference_type", text("doctype"));
            todo.set("reference_name", text("name"));
            let todo = self.insert(ctx, todo, &InsertOptions::default())?;
            out.push(json!({ "owner": user, "name": todo.name() }));
        }
        self.set_hidden(&text("doctype"), &text("name"), "_assign", &users.to_string());
        self.share(ctx, &text("doctype"), &text("name"), &users)?;
        Ok(Reply::Value(json!(out)))
    }

    /// Shares a document with those who could not see it before, and says so.
    fn share(
        &mut self,
        ctx: &mut Context,
        doctype: &str,
        name: &str,
        users: &Value,
    ) -> Outcome<()> {
        let (Some(meta), Some(doc)) = (self.meta(doctype), self.load(doctype, name)) else {
            return Ok(());
        };
        let hidden_from = |user: &str| {
            let mut theirs = ctx.clone();
            user.clone_into(&mut theirs.user);
            self.hidden(&theirs, &meta, &doc, "read").is_some()
        };
        let users = users.as_array().into_iter().flatten().map(value::to_text);
        let shared: Vec<String> = users.filter(|user| hidden_from(user)).collect();
        for user in &shared {
            let mut share = Doc::new("DocShare");
            share.set("user", user.as_str());
            share.set("share_doctype", doctype);
            share.set("share_name", name);
            share.set("read", 1);
            let options = InsertOptions::default();
            self.insert(ctx, share, &options)?;
        }
        if !shared.is_empty() {
            let text = "Shared with the following Users with Read access:<br><br>";
            ctx.messages.push(Message::note(format!("{text}{}", shared.join("<br>"))));
        }
        Ok(())
    }

    /// The rights of a user on a document, as a form is told.
    pub(crate) fn rights(&self, ctx: &Context, doc: &Doc) -> Value {
        let mut out = Map::from_iter([
            ("if_owner".to_owned(), json!({})),
            ("has_if_owner_enabled".to_owned(), json!(false)),
            ("select".to_owned(), json!(0)),
        ]);
        let Some(meta) = self.meta(&doc.doctype) else {
            return Value::Object(out);
        };
        for (right, follows) in [
            ("read", "read"),
            ("write", "write"),
            ("create", "create"),
            ("delete", "delete"),
            ("submit", "submit"),
            ("cancel", "cancel"),
            ("amend", "cancel"),
            ("print", "read"),
            ("email", "read"),
            ("report", "read"),
            ("import", "create"),
            ("export", "read"),
            ("share", "read"),
        ] {
            let submits = ["submit", "cancel", "amend"].contains(&right);
            let held = (meta.is_submittable || !submits)
                && self.hidden(ctx, &meta, doc, follows).is_none();
            out.insert(right.to_owned(), json!(u8::from(held)));
        }
        Value::Object(out)
    }

    /// Makes a deleted document anew from its copy.
    fn restore(&mut self, ctx: &mut Context, name: &str) -> Outcome<Reply> {
        let copy = self.found("Deleted Document", name)?;
        let data: Value = serde_json::from_str(&copy.text("data")).unwrap_or_default();
        let Value::Object(values) = data else {
            return Err(Failure::validation("Nothing to restore"));
        };
        let meta = self.known(&copy.text("deleted_doctype"))?;
        let mut doc = self.doc_from_body(&meta, &values);
        doc.set("docstatus", 0);
        let doc = self.insert(ctx, doc, &InsertOptions::default())?;
        let mut copy = copy;
        copy.set("restored", 1);
        copy.set("new_name", doc.name());
        self.write_row(&copy)?;
        ctx.messages.push(Message::note("Document Restored"));
        Ok(Reply::Nothing)
    }
}
