//! Who may do what: tokens, roles, documents that are hidden from a user.
//!
//! What lives here: authentication and every permission check. What may not: anything that
//! changes data.

use std::collections::BTreeSet;

use base64::Engine as _;

use crate::collate::{self, SortKey};
use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::meta::DocType;
use crate::request::Request;
use crate::site::{Context, Site};
use crate::table::{Row, Table};
use crate::value;

/// How far a right goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    All,
    Own,
}

/// The rows of a doctype that a user may see.
pub(crate) struct Visibility {
    user: String,
    own_only: bool,
    pub(crate) allowed: Vec<(String, BTreeSet<SortKey>)>,
    rule: Option<&'static str>,
}

impl Visibility {
    /// True when every row may be seen.
    pub fn is_everything(&self) -> bool {
        !self.own_only && self.allowed.is_empty() && self.rule.is_none()
    }

    /// True when the user may see the row.
    pub fn shows(&self, table: &Table, row: &Row) -> bool {
        let text = |column: &str| table.cell(row, column).map_or("", crate::value::Cell::as_str);
        if self.own_only && text("owner") != self.user {
            return false;
        }
        let links_fit = self.allowed.iter().all(|(column, names)| {
            let value = text(column);
            value.is_empty() || names.contains(&collate::key(value))
        });
        links_fit
            && match self.rule {
                Some("ToDo") => {
                    text("allocated_to") == self.user || text("assigned_by") == self.user
                }
                Some("Note") => {
                    text("owner") == self.user
                        || table.cell(row, "public").is_some_and(|cell| cell.as_int() == 1)
                }
                Some("Event") => text("owner") == self.user || text("event_type") == "Public",
                _ => true,
            }
    }
}

impl Site {
    /// The user a request comes from: by token, by basic authentication, or a guest.
    pub(crate) fn authenticate(&self, request: &Request) -> Outcome<String> {
        let Some(header) = request.get_header("authorization") else {
            return Ok("Guest".into());
        };
        let (scheme, credentials) = header.trim().split_once(' ').unwrap_or((header, ""));
        let pair = match scheme.to_lowercase().as_str() {
            "token" => credentials.trim().to_owned(),
            "basic" => base64::engine::general_purpose::STANDARD
                .decode(credentials.trim())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .unwrap_or_default(),
            _ => String::new(),
        };
        let (key, secret) = pair.split_once(':').unwrap_or((&pair, ""));
        self.users
            .iter()
            .find(|user| user.api_key == key && user.api_secret == secret)
            .map(|user| user.email.clone())
            .ok_or_else(Failure::authentication)
    }

    /// The roles of a user.
    pub fn roles(&self, user: &str) -> Vec<String> {
        let mut roles = vec!["Guest".to_owned()];
        if user != "Guest" {
            roles.push("All".into());
            let rows = self.load_rows("Has Role", "User", user, "roles");
            roles.extend(rows.iter().map(|row| row.text("role")));
        }
        roles
    }

    /// How far a right of a user goes on a doctype.
    pub(crate) fn reach(&self, user: &str, meta: &DocType, right: &str) -> Option<Reach> {
        if user == "Administrator" {
            return Some(Reach::All);
        }
        let roles = self.roles(user);
        let mut reach = None;
        for rule in &meta.permissions {
            if roles.contains(&rule.role) && rule.rights.iter().any(|held| held == right) {
                if !rule.if_owner {
                    return Some(Reach::All);
                }
                reach = Some(Reach::Own);
            }
        }
        reach
    }

    /// The documents of a doctype that are shared with a user, to read.
    pub(crate) fn shared(&self, user: &str, doctype: &str) -> BTreeSet<SortKey> {
        let shares = self.documents("DocShare").into_iter().filter(|share| {
            share.text("user") == user
                && share.text("share_doctype") == doctype
                && value::is_truthy(share.get("read"))
        });
        shares.map(|share| collate::key(&share.text("share_name"))).collect()
    }

    /// The newer version looks at the right on the doctype before anything else.
    pub(crate) fn check_doctype_access(
        &self,
        ctx: &Context,
        meta: &DocType,
        right: &str,
    ) -> Outcome<()> {
        if ctx.ignore_permissions || meta.istable {
            return Ok(());
        }
        if self.reach(&ctx.user, meta, right).is_some()
            || right == "read" && !self.shared(&ctx.user, &meta.name).is_empty()
        {
            return Ok(());
        }
        let mut failure = Self::list_refusal(ctx, &meta.name);
        failure.exception = None;
        Err(failure)
    }

    /// The refusal of a list.
    pub(crate) fn list_refusal(ctx: &Context, doctype: &str) -> Failure {
        let mut failure =
            Failure::forbidden().with_message(Message::note(no_role(&ctx.user, doctype)));
        failure.error_message = Some(format!("No permission for {doctype}"));
        failure
    }

    /// Checks a right on a document.
    pub(crate) fn check_permission(
        &self,
        ctx: &Context,
        meta: &DocType,
        doc: &Doc,
        right: &str,
        explain: bool,
    ) -> Outcome<()> {
        if ctx.ignore_permissions {
            return Ok(());
        }
        let Some(reason) = self.hidden(ctx, meta, doc, right) else {
            return Ok(());
        };
        let mut failure = Failure::forbidden().with_message(Message::note(reason));
        if explain {
            failure.error_message = Some(format!(
                "You need the '{right}' permission on <strong>{}</strong> {} to perform this action.",
                meta.name,
                doc.name()
            ));
        }
        Err(failure)
    }

    /// Why a user may not do something with a document; `None` when he may.
    pub(crate) fn hidden(
        &self,
        ctx: &Context,
        meta: &DocType,
        doc: &Doc,
        right: &str,
    ) -> Option<String> {
        let user = &ctx.user;
        if meta.istable {
            let parenttype = doc.text("parenttype");
            let parent = self.meta(&parenttype)?;
            return match self.reach(user, &parent, right) {
                Some(_) => None,
                None => Some(no_access(user, &parenttype, "")),
            };
        }
        if right == "read"
            && doc.is_set("name")
            && self.shared(user, &meta.name).contains(&collate::key(&doc.name()))
        {
            return None;
        }
        let Some(reach) = self.reach(user, meta, right) else {
            let first = no_role(user, &meta.name);
            return Some(format!(
                "{first}<br>User <strong>{user}</strong> does not have access to this document"
            ));
        };
        if reach == Reach::Own && right != "create" && doc.text("owner") != *user {
            return Some(no_access(user, &meta.name, &doc.name()));
        }
        let visibility = self.visibility(user, meta, Some(reach));
        for (column, names) in &visibility.allowed {
            let value = doc.text(column);
            if value.is_empty() || names.contains(&collate::key(&value)) {
                continue;
            }
            let Some(field) = meta.field(column) else {
                // The permission is on the documents themselves; a new one has no name yet.
                if right == "create" {
                    continue;
                }
                let (doctype, name) = (&meta.name, doc.name());
                let hidden = no_access(user, doctype, &name);
                return Some(format!("Not allowed for {doctype}: {name}<br>{hidden}"));
            };
            let record = if self.is_newer() { meta.name.as_str() } else { "DocType" };
            return Some(format!(
                "You are not allowed to access this {record} record because it is linked to {} '{value}' in field {}<br>{}",
                field.options.as_deref().unwrap_or_default(),
                field.label,
                no_access(user, &meta.name, &doc.name())
            ));
        }
        let refused = match visibility.rule {
            Some("ToDo") if right != "create" => {
                doc.text("allocated_to") != *user && doc.text("assigned_by") != *user
            }
            Some("Note") if right != "create" => {
                doc.text("owner") != *user && value::to_int(doc.get("public")) != 1
            }
            Some("Event") if right != "create" => {
                doc.text("owner") != *user && doc.text("event_type") != "Public"
            }
            _ => false,
        };
        refused.then(|| {
            format!(
                "Not allowed via controller permission check<br>{}",
                no_access(user, &meta.name, &doc.name())
            )
        })
    }

    /// The rows of a doctype that a user may list.
    pub(crate) fn visibility(
        &self,
        user: &str,
        meta: &DocType,
        reach: Option<Reach>,
    ) -> Visibility {
        let mut visibility = Visibility {
            user: user.to_owned(),
            own_only: reach == Some(Reach::Own),
            allowed: Vec::new(),
            rule: None,
        };
        if user == "Administrator" {
            return visibility;
        }
        let mut by_doctype: Vec<(String, BTreeSet<SortKey>)> = Vec::new();
        for rule in self.documents("User Permission") {
            if rule.text("user") != user {
                continue;
            }
            let (allow, key) = (rule.text("allow"), collate::key(&rule.text("for_value")));
            match by_doctype.iter_mut().find(|(doctype, _)| *doctype == allow) {
                Some((_, names)) => {
                    names.insert(key);
                }
                None => by_doctype.push((allow, BTreeSet::from([key]))),
            }
        }
        for (doctype, names) in by_doctype {
            if doctype == meta.name {
                visibility.allowed.push(("name".into(), names.clone()));
            }
            for field in &meta.fields {
                if field.fieldtype == "Link" && field.options.as_ref() == Some(&doctype) {
                    let rule = (field.fieldname.clone(), names.clone());
                    visibility.allowed.push(rule);
                }
            }
        }
        visibility.rule = match meta.name.as_str() {
            "ToDo" if !self.roles(user).iter().any(|role| role == "System Manager") => Some("ToDo"),
            "Note" => Some("Note"),
            "Event" => Some("Event"),
            _ => None,
        };
        visibility
    }
}

fn no_role(user: &str, doctype: &str) -> String {
    format!(
        "User <strong>{user}</strong> does not have doctype access via role permission for document <strong>{doctype}</strong>"
    )
}

fn no_access(user: &str, doctype: &str, name: &str) -> String {
    format!(
        "User <strong>{user}</strong> does not have access to this document: {doctype} - {name}"
    )
}
