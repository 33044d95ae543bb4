//! Method calls a client of the data needs: `frappe.client` and its neighbours.
//!
//! What lives here: those methods and the dispatch of all methods. What may not: the desk's own
//! methods (`desk`).

use serde_json::{Map, Value, json};

use crate::failure::{Failure, Message, Outcome};
use crate::meta::DocType;
use crate::query::ListQuery;
use crate::request::{Parameters, parse_if_text};
use crate::route::{Reply, list_query, number};
use crate::save::InsertOptions;
use crate::site::{Context, Site};
use crate::value;

impl Site {
    /// Calls a method by name.
    pub(crate) fn call_method(
        &mut self,
        ctx: &mut Context,
        method: &str,
        verb: &str,
        parameters: &Parameters,
    ) -> Outcome<Reply> {
        let is_open = matches!(method, "ping" | "frappe.ping" | "frappe.client.get_time_zone");
        if ctx.user == "Guest" && !is_open {
            return Err(not_whitelisted(method, self.is_newer()));
        }
        let short = method.strip_prefix("frappe.client.");
        let writes = matches!(
            short,
            Some(
                "insert"
                    | "insert_many"
                    | "save"
                    | "set_value"
                    | "delete"
                    | "rename_doc"
                    | "submit"
                    | "cancel"
                    | "bulk_update"
            )
        );
        if writes && verb == "GET" {
            return Err(Failure::forbidden().with_message(Message::thrown("Not permitted")));
        }
        match short {
            Some(short) => self.call_client(ctx, short, parameters),
            None if method.starts_with("erpnext.") => self.call_erpnext(ctx, method, parameters),
            None => self.call_desk(ctx, method, parameters),
        }
    }

    fn call_client(
        &mut self,
        ctx: &mut Context,
        method: &str,
        parameters: &Parameters,
    ) -> Outcome<Reply> {
        let text = |key: &str| parameters.text(key).unwrap_or_default();
        match method {
            "get_list" => {
                let query = list_query(&text("doctype"), parameters);
                Ok(Reply::Value(self.list(ctx, &query)?.to_objects()))
            }
            "get_count" => {
                let query = list_query(&text("doctype"), parameters);
                let mut counting = ctx.clone();
                // The older version counts what the user may not see, too.
                let meta = self.meta(&query.doctype);
                let may = meta.is_some_and(|meta| self.reach(&ctx.user, &meta, "read").is_some());
                counting.ignore_permissions = may && !self.is_newer();
                Ok(Reply::Value(json!(self.count(&counting, &query)?)))
            }
            "get" => {
                let name = self.name_asked(ctx, parameters)?;
                let doc = self.readable(ctx, &text("doctype"), &name)?;
                Ok(Reply::Value(self.shown(&doc, true)))
            }
            "get_value" => self.get_value(ctx, parameters),
            "get_single_value" => {
                let value = self.value_of(&text("doctype"), &text("doctype"), &text("field"));
                Ok(Reply::Value(value))
            }
            "get_time_zone" => Ok(Reply::Value(json!({ "time_zone": self.zone_told(&ctx.user) }))),
            "validate_link" => self.validate_link(ctx, parameters),
            "has_permission" => {
                let right = parameters.text("perm_type").unwrap_or_else(|| "read".into());
                let meta = self.known(&text("doctype"))?;
                if text("docname").is_empty() {
                    return Ok(Reply::Value(self.has_right(ctx, &meta, &right)));
                }
                let doc = self.found(&text("doctype"), &text("docname"))?;
                let has = self.hidden(ctx, &meta, &doc, &right).is_none();
                Ok(Reply::Value(json!({ "has_permission": has })))
            }
            "get_doc_permissions" => {
                let doc = self.found(&text("doctype"), &text("docname"))?;
                Ok(Reply::Value(json!({ "permissions": self.rights(ctx, &doc) })))
            }
            other => self.call_client_write(ctx, other, parameters),
        }
    }

    /// Whether a user has a right on a doctype, on some of its documents at least.
    fn has_right(&self, ctx: &Context, meta: &DocType, right: &str) -> Value {
        let is_none = right == "submit" && !meta.is_submittable;
        let shared = right == "read" && !self.shared(&ctx.user, &meta.name).is_empty();
        let held = self.reach(&ctx.user, meta, right).is_some() || shared;
        json!({ "has_permission": held && !is_none })
    }

    fn call_client_write(
        &mut self,
        ctx: &mut Context,
        method: &str,
        parameters: &Parameters,
    ) -> Outcome<Reply> {
        let text = |key: &str| parameters.text(key).unwrap_or_default();
        match method {
            "insert" => {
                let doc = self.insert_body(ctx, &parameters.parsed("doc").unwrap_or_default())?;
                Ok(Reply::Value(doc))
            }
            "insert_many" => self.insert_many(ctx, parameters),
            "save" | "submit" => {
                let body = parameters.parsed("doc").unwrap_or_default();
                let docstatus = (method == "submit").then_some(1);
                self.save_body(ctx, &body, docstatus)
            }
            "cancel" => {
                let mut doc = self.found(&text("doctype"), &text("name"))?;
                doc.set("docstatus", 2);
                let doc = self.save(ctx, doc)?;
                Ok(Reply::Value(doc.to_json(true)))
            }
            "set_value" => {
                let values = match parameters.parsed("fieldname") {
                    Some(Value::Object(values)) => values,
                    fieldname => {
                        let field = fieldname.map(|field| value::to_text(&field));
                        let value = parameters.get("value").cloned().unwrap_or_default();
                        Map::from_iter([(field.unwrap_or_default(), value)])
                    }
                };
                let doc = self.update(ctx, &text("doctype"), &text("name"), &values)?;
                Ok(Reply::Value(doc.to_json(true)))
            }
            "delete" => {
                self.delete(ctx, &text("doctype"), &text("name"))?;
                Ok(Reply::Nothing)
            }
            "rename_doc" => {
                let merge =
                    parameters.get("merge").is_some_and(value::is_truthy) && text("merge") != "0";
                let (doctype, old, new) = (text("doctype"), text("old_name"), text("new_name"));
                let name = self.rename(ctx, &doctype, &old, &new, merge)?;
                Ok(Reply::Value(json!(name)))
            }
            "bulk_update" => Ok(self.bulk_update(ctx, parameters)),
            other => Err(no_such_method(&format!("frappe.client.{other}"))),
        }
    }

    /// The name a call asks for: given, or the first that fits the filters.
    fn name_asked(&self, ctx: &Context, parameters: &Parameters) -> Outcome<String> {
        let doctype = parameters.text("doctype").unwrap_or_default();
        if let Some(name) = parameters.text("name") {
            return Ok(name);
        }
        let Some(filters) = parameters.parsed("filters") else {
            return Ok(doctype);
        };
        if let Value::String(name) = &filters {
            return Ok(name.clone());
        }
        let query =
            ListQuery { doctype: doctype.clone(), filters, limit: Some(1), ..ListQuery::default() };
        let listing = self.list(ctx, &query)?;
        let first = listing.rows.first().and_then(|row| row.first());
        first
            .map(|name| value::to_text(&name.to_json()))
            .ok_or_else(|| Failure::not_found(&doctype, "None"))
    }

    fn get_value(&self, ctx: &Context, parameters: &Parameters) -> Outcome<Reply> {
        let doctype = parameters.text("doctype").unwrap_or_default();
        let meta = self.meta(&doctype).ok_or_else(|| Failure::not_found("DocType", &doctype))?;
        if self.reach(&ctx.user, &meta, "read").is_none() {
            let text = format!("No permission for {doctype}");
            return Err(Failure::thrown(403, "PermissionError", &text));
        }
        let fields = match parameters.parsed("fieldname") {
            Some(Value::Array(fields)) => fields,
            Some(field) => vec![field],
            None => vec![json!("name")],
        };
        if meta.issingle {
            let values = fields.iter().map(|field| {
                let field = value::to_text(field);
                let value = self.value_of(&doctype, &doctype, &field);
                (field, value)
            });
            return Ok(Reply::Value(Value::Object(values.collect())));
        }
        let filters = parameters.parsed("filters").unwrap_or_default();
        let query = ListQuery {
            doctype,
            fields: Value::Array(fields),
            filters,
            limit: Some(1),
            parent: parameters.text("parent").unwrap_or_default(),
            ..ListQuery::default()
        };
        let rows = self.list(ctx, &query)?.to_objects();
        let first = rows.as_array().and_then(|rows| rows.first().cloned());
        Ok(Reply::Value(first.unwrap_or_else(|| json!({}))))
    }

    fn insert_body(&mut self, ctx: &mut Context, body: &Value) -> Outcome<Value> {
        let Value::Object(values) = parse_if_text(body) else {
            return Err(Failure::validation("Document is missing"));
        };
        let doctype = values.get("doctype").map(value::to_text).unwrap_or_default();
        let meta = self.known(&doctype)?;
        let doc = self.doc_from_body(&meta, &values);
        let doc = self.insert(ctx, doc, &InsertOptions::default())?;
        Ok(doc.to_json(true))
    }

    fn insert_many(&mut self, ctx: &mut Context, parameters: &Parameters) -> Outcome<Reply> {
        let docs = parameters.parsed("docs").unwrap_or_default();
        let docs = docs.as_array().cloned().unwrap_or_default();
        if docs.len() > 200 {
            return Err(Failure::validation("Only 200 inserts allowed in one request"));
        }
        let mut names = Vec::new();
        for doc in &docs {
            let doc = self.insert_body(ctx, doc)?;
            names.push(doc.get("name").cloned().unwrap_or_default());
        }
        Ok(Reply::Value(Value::Array(names)))
    }

    /// Saves a whole document as given: what is left out becomes empty.
    pub(crate) fn save_body(
        &mut self,
        ctx: &mut Context,
        body: &Value,
        docstatus: Option<i64>,
    ) -> Outcome<Reply> {
        let Value::Object(values) = parse_if_text(body) else {
            return Err(Failure::validation("Document is missing"));
        };
        let doctype = values.get("doctype").map(value::to_text).unwrap_or_default();
        let meta = self.known(&doctype)?;
        let mut doc = self.doc_from_body(&meta, &values);
        let is_local = doc.extra.get("__islocal").is_some_and(value::is_truthy);
        if docstatus == Some(1) && Self::is_queued(&doc) && self.exists(&doctype, &doc.name()) {
            self.queue_submission(ctx, &doc)?;
            return Ok(Reply::Value(doc.to_json(true)));
        }
        if let Some(docstatus) = docstatus {
            doc.set("docstatus", docstatus);
        }
        if is_local || !doc.is_set("name") {
            let doc = self.insert(ctx, doc, &InsertOptions::default())?;
            return Ok(Reply::Value(doc.to_json(true)));
        }
        if !doc.is_set("creation") {
            let creation = self.value_of(&doctype, &doc.name(), "creation");
            doc.set("creation", creation);
        }
        let doc = self.save(ctx, doc)?;
        Ok(Reply::Value(doc.to_json(true)))
    }

    /// Updates documents one by one; a failed one does not stop the others, and what it did is not
    /// taken back.
    fn bulk_update(&mut self, ctx: &mut Context, parameters: &Parameters) -> Reply {
        let docs = parameters.parsed("docs").unwrap_or_default();
        let mut failed = Vec::new();
        for doc in docs.as_array().into_iter().flatten() {
            let Value::Object(values) = doc else {
                continue;
            };
            let mut values = values.clone();
            let mut take = |key: &str| values.remove(key).map(|value| value::to_text(&value));
            let doctype = take("doctype").unwrap_or_default();
            let name = take("docname").unwrap_or_default();
            if let Err(failure) = self.update(ctx, &doctype, &name, &values) {
                failed.push(json!({ "doc": doc, "exc": failure.text() }));
                ctx.messages.extend(failure.messages);
            }
        }
        Reply::Value(json!({ "failed_docs": failed }))
    }

    fn validate_link(&self, ctx: &Context, parameters: &Parameters) -> Outcome<Reply> {
        let doctype = parameters.text("doctype").unwrap_or_default();
        let name = parameters.text("docname").unwrap_or_default();
        let meta = self.known(&doctype)?;
        if self.reach(&ctx.user, &meta, "read").is_none() {
            return Err(Failure::thrown(
                403,
                "PermissionError",
                &format!("You do not have Read or Select Permissions for {doctype}"),
            ));
        }
        let mut out = Map::new();
        let stored = self.stored_name(&doctype, &name);
        out.insert("name".into(), stored.clone().unwrap_or_default());
        let fields = parameters.parsed("fields").unwrap_or_default();
        if stored.is_some() {
            for field in fields.as_array().into_iter().flatten() {
                let field = value::to_text(field);
                let value = self.value_of(&doctype, &name, &field);
                out.insert(field, value);
            }
        }
        Ok(Reply::Value(Value::Object(out)))
    }

    /// A page of `frappe.desk.reportview`.
    pub(crate) fn report_query(parameters: &Parameters) -> ListQuery {
        let doctype = parameters.text("doctype").unwrap_or_default();
        let mut query = list_query(&doctype, parameters);
        query.start = number(parameters.get("start"));
        query.limit = crate::route::limit_of(parameters.get("page_length"), 20);
        if query.order_by.is_empty() {
            query.order_by = "modified desc".into();
        }
        query
    }
}

/// A method that nobody has.
pub(crate) fn no_such_method(method: &str) -> Failure {
    let (module, name) = method.rsplit_once('.').unwrap_or(("frappe", method));
    Failure::validation(&format!(
        "Failed to get method for command {method} with module '{module}' has no attribute '{name}'"
    ))
}

/// A method that may not be called from outside.
pub(crate) fn not_whitelisted(method: &str, newer: bool) -> Failure {
    let method = match method.strip_prefix("frappe.utils.") {
        Some(name) if !name.contains('.') => format!("frappe.utils.data.{name}"),
        _ => method.to_owned(),
    };
    let hint = if newer { " Login to access" } else { "" };
    let text = format!(
        "<details><summary>You are not permitted to access this resource.{hint}</summary>Function <strong>{method}</strong> is not whitelisted.</details>"
    );
    Failure::silent(403, "PermissionError", &text)
        .with_message(Message::thrown(text).titled("Method Not Allowed"))
}
