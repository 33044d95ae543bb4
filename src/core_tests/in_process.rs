//! A model site behind the trait `Site`, without a socket.
//!
//! Here are the requests that the client over HTTP sends and what it reads of their answers.
//! How a request reaches its model and what happens on the way is a [`Wire`]'s business.

use frappe_sandbox::{Request, Response};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::model::{Doc, Side};
use crate::site::http::read_plain;
use crate::site::{ErrorKind, ListQuery, ServerClock, Site, SiteError, SiteResult};

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Anything about the site itself: metadata, our user, its zone.
    Ask,
    /// Names and stamps of many documents.
    List,
    /// Whole documents or rows in bulk.
    Read,
    /// One document: a last look, or evidence.
    Look,
    Create,
    Update,
    Submit,
    Cancel,
    Delete,
    Rename,
}

impl Kind {
    pub fn is_write(self) -> bool {
        self >= Self::Create
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::List => "list",
            Self::Read => "read",
            Self::Look => "look",
            Self::Create => "create",
            Self::Update => "update",
            Self::Submit => "submit",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
            Self::Rename => "rename",
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    pub kind: Kind,
    pub doctype: &'a str,
    /// The document, where it is about one that has a name.
    pub name: &'a str,
    /// The fields sent, of a create or an update.
    pub fields: Option<&'a Map<String, Value>>,
    pub request: Request,
    /// Where the value stands in the answer.
    pub key: &'static str,
}

impl Call<'_> {
    /// Reads the model's answer as the client over HTTP does.
    pub fn read(&self, response: &Response) -> SiteResult<Value> {
        let document = (self.kind >= Kind::Look).then_some((self.doctype, self.name));
        read_plain(response.status, &response.headers, &response.body, (self.key, document))
    }
}

/// How requests reach the models.
pub trait Wire: Send + Sync {
    fn send(&self, side: Side, call: &Call<'_>) -> SiteResult<Value>;
    /// The time now, and what the site's clock shows.
    fn clock(&self, side: Side) -> (Timestamp, Timestamp);
    fn requests(&self, side: Side) -> u64;
}

/// One of the sites as the pass sees it.
pub struct InProcess<W> {
    pub side: Side,
    pub wire: W,
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn malformed(value: &Value) -> SiteError {
    SiteError::new(ErrorKind::Malformed, format!("not what was asked for: {value}"))
}

fn document(value: Value) -> SiteResult<Doc> {
    match value {
        Value::Object(fields) => Ok(Doc(fields)),
        other => Err(malformed(&other)),
    }
}

fn documents(value: Value) -> SiteResult<Vec<Doc>> {
    match value {
        Value::Array(rows) => rows.into_iter().map(document).collect(),
        other => Err(malformed(&other)),
    }
}

fn text(value: Value) -> SiteResult<String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(malformed(&other)),
    }
}

impl<W: Wire> InProcess<W> {
    fn send(&self, kind: Kind, doctype: &str, method: &str, path: &str) -> SiteResult<Value> {
        let request = self.request(method, path);
        let key = if path.starts_with("/api/method") { "message" } else { "data" };
        let call = Call { kind, doctype, name: "", fields: None, request, key };
        self.wire.send(self.side, &call)
    }

    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path)
            .token(&format!("{}fullkey", self.side), &format!("{}fullsecret", self.side))
    }
}

impl<W: Wire> Site for InProcess<W> {
    fn list(&self, query: &ListQuery) -> SiteResult<Vec<Doc>> {
        let mut body = json!({
            "doctype": query.doctype,
            "fields": query.fields,
            "filters": query.filters,
            "order_by": query.order_by,
            "limit_page_length": query.limit,
        });
        for (key, value) in [("parent", &query.parent), ("group_by", &query.group_by)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        let is_whole = query.parent.is_some() || query.fields.iter().any(|field| field == "*");
        let is_about_the_site = query.doctype.starts_with("Doc")
            || ["Custom Field", "Property Setter"].contains(&query.doctype.as_str());
        let kind = match is_about_the_site {
            true => Kind::Ask,
            false if is_whole => Kind::Read,
            false => Kind::List,
        };
        let request = self.request("POST", "/api/method/frappe.client.get_list").json(&body);
        let doctype = &query.doctype;
        let call = Call { kind, doctype, name: "", fields: None, request, key: "message" };
        documents(self.wire.send(self.side, &call)?)
    }

    fn get(&self, doctype: &str, name: &str) -> SiteResult<Doc> {
        let (escaped, asked) = (encode(doctype), encode(name));
        let path = format!("/api/method/frappe.client.get?doctype={escaped}&name={asked}");
        let request = self.request("GET", &path);
        let call = Call { kind: Kind::Look, doctype, name, fields: None, request, key: "message" };
        document(self.wire.send(self.side, &call)?)
    }

    fn insert(&self, doctype: &str, body: &Map<String, Value>) -> SiteResult<Doc> {
        let path = format!("/api/resource/{}", encode(doctype));
        let request = self.request("POST", &path).json(&json!(body));
        let fields = Some(body);
        let call = Call { kind: Kind::Create, doctype, name: "", fields, request, key: "data" };
        document(self.wire.send(self.side, &call)?)
    }

    fn update(&self, doctype: &str, name: &str, body: &Map<String, Value>) -> SiteResult<Doc> {
        let path = format!("/api/resource/{}/{}", encode(doctype), encode(name));
        let request = self.request("PUT", &path).json(&json!(body));
        let kind = match body.get("docstatus").and_then(Value::as_i64) {
            Some(1) => Kind::Submit,
            Some(2) => Kind::Cancel,
            _ => Kind::Update,
        };
        let call = Call { kind, doctype, name, fields: Some(body), request, key: "data" };
        document(self.wire.send(self.side, &call)?)
    }

    fn delete(&self, doctype: &str, name: &str) -> SiteResult<()> {
        let path = format!("/api/resource/{}/{}", encode(doctype), encode(name));
        let request = self.request("DELETE", &path);
        let call = Call { kind: Kind::Delete, doctype, name, fields: None, request, key: "data" };
        self.wire.send(self.side, &call).map(drop)
    }

    fn rename(&self, doctype: &str, old: &str, new: &str) -> SiteResult<String> {
        let body = json!({"doctype": doctype, "old_name": old, "new_name": new});
        let request = self.request("POST", "/api/method/frappe.client.rename_doc").json(&body);
        let kind = Kind::Rename;
        let call = Call { kind, doctype, name: old, fields: None, request, key: "message" };
        text(self.wire.send(self.side, &call)?)
    }

    fn meta(&self, doctype: &str) -> SiteResult<Map<String, Value>> {
        let path = format!("/api/v2/doctype/{}/meta", encode(doctype));
        document(self.send(Kind::Ask, "", "GET", &path)?).map(|doc| doc.0)
    }

    fn form_meta(&self, doctype: &str) -> SiteResult<Vec<Map<String, Value>>> {
        let doctype = encode(doctype);
        let path = format!("/api/method/frappe.desk.form.load.getdoctype?doctype={doctype}");
        let call = Call {
            kind: Kind::Ask,
            doctype: "",
            name: "",
            fields: None,
            request: self.request("GET", &path),
            key: "docs",
        };
        let docs = documents(self.wire.send(self.side, &call)?)?;
        Ok(docs.into_iter().map(|doc| doc.0).collect())
    }

    fn user(&self) -> SiteResult<String> {
        text(self.send(Kind::Ask, "", "GET", "/api/method/frappe.auth.get_logged_user")?)
    }

    fn time_zone(&self) -> SiteResult<String> {
        let path =
            "/api/method/frappe.client.get_value?doctype=System%20Settings&fieldname=time_zone";
        let settings = self.send(Kind::Ask, "", "GET", path)?;
        text(settings["time_zone"].clone())
    }

    /// From a `Date` header, which has whole seconds.
    fn clock(&self) -> Option<ServerClock> {
        let (received, shown) = self.wire.clock(self.side);
        let date = Timestamp::from_second(shown.as_second()).ok()?;
        Some(ServerClock { date, received })
    }

    fn requests(&self) -> u64 {
        self.wire.requests(self.side)
    }
}
