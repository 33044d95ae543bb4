//! From a request to its answer: paths, versions of the API, lists and single documents.
//!
//! What lives here: routing and the two REST interfaces. What may not: method calls (`methods`,
//! `desk`) and the rules of saving.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::doc::Doc;
use crate::failure::{Failure, Outcome, server_messages};
use crate::query::ListQuery;
use crate::request::{Parameters, Request, Response};
use crate::save::InsertOptions;
use crate::site::{Context, Site};
use crate::value;

/// The longest request line the server takes.
const LINE_LIMIT: usize = 4094;

/// What a handler gives back.
pub(crate) enum Reply {
    /// Under `data` or, for method calls of version 1, `message`.
    Value(Value),
    /// Under `data` with a status of its own.
    Status(u16, Value),
    /// An empty object.
    Nothing,
    /// The whole body.
    Whole(Map<String, Value>),
}

impl Site {
    /// Answers a request.
    pub(crate) fn respond(&mut self, request: &Request, now: Timestamp) -> Response {
        if request.line_length() > LINE_LIMIT {
            return line_too_long(request.line_length(), now);
        }
        if request.method == "OPTIONS" {
            return Response::text(200, "text/plain; charset=utf-8", "")
                .with_site_headers(now, false);
        }
        let mut extra = Vec::new();
        if let Some(rate) = &mut self.rate {
            match rate.book(now) {
                Ok(headers) => extra = headers,
                Err(headers) => {
                    let failure = Failure::too_many();
                    let mut response = Response::json(failure.status, &failure.body_v1(&[]))
                        .with_site_headers(now, true);
                    response.headers.extend(headers);
                    return response;
                }
            }
        }
        let path = request.decoded_path();
        let version = if path.starts_with("/api/v2/") { 2 } else { 1 };
        let mut response = if path.starts_with("/api/") || path == "/api" {
            self.answer(request, &path, version, now)
        } else {
            let page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>Not Found</title></head>\n<body>The page you are looking for is missing.</body>\n</html>\n";
            Response::text(404, "text/html; charset=utf-8", page)
        };
        if request.method == "HEAD" {
            response.body.clear();
        }
        let mut response = response.with_site_headers(now, true);
        response.headers.extend(extra);
        response
    }

    fn answer(&mut self, request: &Request, path: &str, version: u8, now: Timestamp) -> Response {
        let mut ctx = Context {
            user: String::new(),
            started: now,
            host: request.get_header("host").unwrap_or("127.0.0.1").to_owned(),
            messages: Vec::new(),
            ignore_permissions: false,
        };
        let mark = self.store.mark();
        let result = self.dispatch(&mut ctx, request, path);
        match result {
            Ok(reply) => {
                self.store.commit();
                let key = if version == 1 && path.starts_with("/api/method/") {
                    "message"
                } else {
                    "data"
                };
                let (status, mut body) = match reply {
                    Reply::Value(value) => (200, Map::from_iter([(key.to_owned(), value)])),
                    Reply::Status(status, value) => {
                        (status, Map::from_iter([(key.to_owned(), value)]))
                    }
                    Reply::Nothing => (200, Map::new()),
                    Reply::Whole(body) => (200, body),
                };
                if version == 1 && !ctx.messages.is_empty() {
                    body.insert("_server_messages".into(), server_messages(&ctx.messages));
                }
                Response::json(status, &Value::Object(body))
            }
            Err(failure) => {
                self.store.rollback(mark);
                self.store.commit();
                self.drop_webhooks();
                let body =
                    if version == 2 { failure.body_v2() } else { failure.body_v1(&ctx.messages) };
                Response::json(failure.status, &body)
            }
        }
    }

    fn dispatch(&mut self, ctx: &mut Context, request: &Request, path: &str) -> Outcome<Reply> {
        ctx.user = self.authenticate(request)?;
        let parameters = request.parameters()?;
        if let Some(rest) = path.strip_prefix("/api/resource/") {
            return self.resource(ctx, request, rest, &parameters);
        }
        if let Some(rest) = path.strip_prefix("/api/v2/document/") {
            return self.document(ctx, request, rest, &parameters);
        }
        if let Some(rest) = path.strip_prefix("/api/v2/doctype/") {
            return self.doctype_info(ctx, rest, &parameters);
        }
        for prefix in ["/api/method/", "/api/v2/method/", "/api/v1/method/"] {
            if let Some(method) = path.strip_prefix(prefix) {
                let method = method.trim_end_matches('/');
                return self.call_method(ctx, method, &request.method, &parameters);
            }
        }
        if let Some(rest) = path.strip_prefix("/api/v1/resource/") {
            return self.resource(ctx, request, rest, &parameters);
        }
        Err(Failure::nowhere())
    }

    fn resource(
        &mut self,
        ctx: &mut Context,
        request: &Request,
        rest: &str,
        parameters: &Parameters,
    ) -> Outcome<Reply> {
        let (doctype, name) = split_name(rest)?;
        let Some(name) = name else {
            return match request.method.as_str() {
                "GET" | "HEAD" => self.resource_list(ctx, &doctype, request, parameters),
                "POST" => {
                    let values = body_values(parameters);
                    let doc = self.create(ctx, &doctype, &values)?;
                    Ok(Reply::Value(doc.to_json(false)))
                }
                _ => Err(Failure::nowhere()),
            };
        };
        match request.method.as_str() {
            "GET" | "HEAD" => self.read(ctx, &doctype, &name),
            "PUT" => {
                let doc = self.update(ctx, &doctype, &name, &body_values(parameters))?;
                Ok(Reply::Value(doc.to_json(false)))
            }
            "DELETE" => {
                self.delete(ctx, &doctype, &name)?;
                Ok(Reply::Status(202, json!("ok")))
            }
            "POST" => {
                let method = parameters
                    .text("run_method")
                    .ok_or_else(|| Failure::internal("", "KeyError", "'run_method'"))?;
                self.run_method(ctx, &doctype, &name, &method)
            }
            _ => Err(Failure::nowhere()),
        }
    }

    fn document(
        &mut self,
        ctx: &mut Context,
        request: &Request,
        rest: &str,
        parameters: &Parameters,
    ) -> Outcome<Reply> {
        let (doctype, name) = split_name(rest)?;
        let Some(name) = name else {
            return match request.method.as_str() {
                "GET" | "HEAD" => {
                    let mut query = list_query(&doctype, parameters);
                    query.limit = limit_of(parameters.get("limit"), 20);
                    query.start = if self.is_newer() { number(parameters.get("start")) } else { 0 };
                    Ok(Reply::Value(self.list(ctx, &query)?.to_objects()))
                }
                "POST" => self.create_v2(ctx, &doctype, &body_values(parameters)),
                _ => Err(Failure::nowhere()),
            };
        };
        match request.method.as_str() {
            "GET" | "HEAD" => self.read(ctx, &doctype, &name),
            "PUT" | "PATCH" => {
                let doc = self.update(ctx, &doctype, &name, &body_values(parameters))?;
                Ok(Reply::Value(doc.to_json(false)))
            }
            "DELETE" => {
                self.delete(ctx, &doctype, &name)?;
                Ok(Reply::Status(202, json!("ok")))
            }
            _ => Err(Failure::nowhere()),
        }
    }

    /// The newer version keeps a name that is given here, whatever the naming rule.
    fn create_v2(
        &mut self,
        ctx: &mut Context,
        doctype: &str,
        values: &Map<String, Value>,
    ) -> Outcome<Reply> {
        let meta = self.known(doctype)?;
        let doc = self.doc_from_body(&meta, values);
        let name =
            values.get("name").filter(|name| self.is_newer() && value::is_truthy(name)).cloned();
        let doc = self.insert(ctx, doc, &InsertOptions { name })?;
        Ok(Reply::Value(doc.to_json(false)))
    }

    fn resource_list(
        &mut self,
        ctx: &Context,
        doctype: &str,
        request: &Request,
        parameters: &Parameters,
    ) -> Outcome<Reply> {
        let has_list = |key: &str| parameters.get(key).is_some_and(Value::is_array);
        if request.method == "GET" && parameters.from_json && has_list("fields") {
            return Err(Failure::internal(
                "",
                "TypeError",
                "the JSON object must be str, bytes or bytearray, not list",
            ));
        }
        let query = list_query(doctype, parameters);
        let listing = self.list(ctx, &query)?;
        let as_lists = parameters
            .text("as_dict")
            .is_some_and(|text| matches!(text.to_lowercase().as_str(), "false" | "0"));
        Ok(Reply::Value(if as_lists { listing.to_lists() } else { listing.to_objects() }))
    }

    fn read(&mut self, ctx: &Context, doctype: &str, name: &str) -> Outcome<Reply> {
        let doc = self.readable(ctx, doctype, name)?;
        Ok(Reply::Value(self.shown(&doc, false)))
    }

    /// A document that the user may read.
    pub(crate) fn readable(&self, ctx: &Context, doctype: &str, name: &str) -> Outcome<Doc> {
        let meta = self.known(doctype)?;
        let Some(mut doc) = self.load(doctype, name) else {
            if self.is_newer() {
                self.check_doctype_access(ctx, &meta, "read")?;
            }
            return Err(Failure::not_found(doctype, name));
        };
        self.check_permission(ctx, &meta, &doc, "read", false)?;
        if meta.issingle && !doc.is_set("owner") {
            doc.set("owner", ctx.user.as_str());
        }
        Ok(doc)
    }

    /// A document as a read shows it; the newer version shows virtual fields too.
    pub(crate) fn shown(&self, doc: &Doc, with_nulls: bool) -> Value {
        let mut shown = doc.to_json(with_nulls);
        if self.is_newer()
            && let (Some(meta), Value::Object(values)) = (self.meta(&doc.doctype), &mut shown)
        {
            for field in meta.fields.iter().filter(|field| field.has("is_virtual")) {
                values.insert(field.fieldname.clone(), Value::Null);
            }
        }
        shown
    }

    fn run_method(
        &mut self,
        ctx: &mut Context,
        doctype: &str,
        name: &str,
        method: &str,
    ) -> Outcome<Reply> {
        let mut doc = self.found(doctype, name)?;
        match method {
            "submit" => doc.set("docstatus", 1),
            "cancel" => doc.set("docstatus", 2),
            "save" => {}
            other => {
                return Err(Failure::internal(
                    "",
                    "AttributeError",
                    &format!("'{doctype}' object has no attribute '{other}'"),
                ));
            }
        }
        let doc = self.save(ctx, doc)?;
        Ok(Reply::Value(doc.to_json(false)))
    }

    fn doctype_info(
        &mut self,
        ctx: &Context,
        rest: &str,
        parameters: &Parameters,
    ) -> Outcome<Reply> {
        let rest = rest.trim_end_matches('/');
        let (doctype, what) = rest.rsplit_once('/').ok_or_else(Failure::nowhere)?;
        match what {
            "meta" => {
                if ctx.user == "Guest" {
                    return Err(Failure::forbidden());
                }
                let meta = self
                    .meta_document(doctype)
                    .ok_or_else(|| Failure::not_found("DocType", doctype))?;
                Ok(Reply::Value(meta))
            }
            "count" => {
                let query = list_query(doctype, parameters);
                Ok(Reply::Value(json!(self.count(ctx, &query)?)))
            }
            _ => Err(Failure::nowhere()),
        }
    }

    /// The effective definition of a doctype as a document.
    pub(crate) fn meta_document(&self, doctype: &str) -> Option<Value> {
        let meta = self.meta(doctype)?;
        let mut out = meta.header(self.is_newer());
        let stamp = |field: &str| self.value_of("DocType", doctype, field);
        let stamps: Vec<(&str, Value)> = ["creation", "modified", "owner", "modified_by"]
            .into_iter()
            .map(|field| (field, stamp(field)))
            .collect();
        let fill = |out: &mut Map<String, Value>, kind: &str| {
            out.insert("doctype".into(), json!(kind));
            out.insert("docstatus".into(), json!(0));
            for (field, value) in &stamps {
                out.insert((*field).into(), value.clone());
            }
        };
        let row = |kind: &str, table: &str, idx: usize, mut values: Map<String, Value>| {
            fill(&mut values, kind);
            values.insert("idx".into(), json!(idx + 1));
            values.insert("parent".into(), json!(doctype));
            values.insert("parenttype".into(), json!("DocType"));
            values.insert("parentfield".into(), json!(table));
            Value::Object(values)
        };
        let fields: Vec<Value> = meta
            .fields
            .iter()
            .enumerate()
            .map(|(idx, field)| {
                let mut values = field.to_document();
                if field.is_custom {
                    values.insert("is_custom_field".into(), json!(1));
                }
                row("DocField", "fields", idx, values)
            })
            .collect();
        let permissions: Vec<Value> = meta
            .permissions
            .iter()
            .enumerate()
            .map(|(idx, rule)| row("DocPerm", "permissions", idx, rule.to_document()))
            .collect();
        fill(&mut out, "DocType");
        out.insert("idx".into(), json!(0));
        let tables = |field: &&Value| {
            let kind = field.get("fieldtype").and_then(Value::as_str);
            kind.is_some_and(|kind| kind.starts_with("Table"))
        };
        let tables: Vec<Value> = fields.iter().filter(tables).cloned().collect();
        out.insert("_table_fields".into(), Value::Array(tables));
        out.insert("fields".into(), Value::Array(fields));
        out.insert("permissions".into(), Value::Array(permissions));
        for empty in ["actions", "links", "states"] {
            out.insert(empty.into(), json!([]));
        }
        Some(Value::Object(out))
    }
}

/// Splits the path below an interface into doctype and name. A name may hold slashes, but not at
/// its ends.
fn split_name(rest: &str) -> Outcome<(String, Option<String>)> {
    let (doctype, name) = match rest.split_once('/') {
        None => (rest, None),
        Some((doctype, name)) => (doctype, Some(name)),
    };
    if doctype.is_empty() || name.is_some_and(|name| name.starts_with('/')) {
        return Err(Failure::nowhere());
    }
    let name = name
        .map(|name| name.strip_suffix('/').unwrap_or(name))
        .filter(|name| !name.is_empty())
        .map(str::to_owned);
    Ok((doctype.to_owned(), name))
}

/// The document in a body: the parameter `data`, or everything.
fn body_values(parameters: &Parameters) -> Map<String, Value> {
    if let Some(Value::Object(values)) = parameters.parsed("data") {
        return values;
    }
    parameters.values.clone()
}

/// A list as its parameters ask for it.
pub(crate) fn list_query(doctype: &str, parameters: &Parameters) -> ListQuery {
    let value = |key: &str| parameters.get(key).cloned().unwrap_or(Value::Null);
    let text = |key: &str| parameters.text(key).unwrap_or_default();
    let limit = parameters.get("limit_page_length").or_else(|| parameters.get("limit"));
    let mut order_by = text("order_by");
    if matches!(order_by.as_str(), "None" | "null") {
        order_by.clear();
    }
    ListQuery {
        doctype: doctype.to_owned(),
        fields: value("fields"),
        filters: value("filters"),
        or_filters: value("or_filters"),
        order_by,
        group_by: text("group_by"),
        start: number(parameters.get("limit_start")),
        limit: limit_of(limit, 20),
        parent: text("parent"),
    }
}

/// A limit: none given is the default, 0 is everything.
pub(crate) fn limit_of(value: Option<&Value>, default: usize) -> Option<usize> {
    match value {
        None => Some(default),
        Some(value) if value::to_text(value) == "None" => None,
        value => Some(number(value)).filter(|limit| *limit > 0),
    }
}

pub(crate) fn number(value: Option<&Value>) -> usize {
    value.map_or(0, |value| usize::try_from(value::to_int(value)).unwrap_or(0))
}

fn line_too_long(length: usize, now: Timestamp) -> Response {
    let body = format!(
        "<html>\n  <head>\n    <title>Bad Request</title>\n  </head>\n  <body>\n    <h1><p>Bad Request</p></h1>\n    Request Line is too large ({} &gt; {LINE_LIMIT})\n  </body>\n</html>\n",
        length.min(8192)
    );
    let mut response = Response::text(400, "text/html", &body).with_site_headers(now, false);
    response.headers.push(("Connection".into(), "close".into()));
    response
}
