//! The checks a document passes before it is stored.
//!
//! What lives here: mandatory fields, choices, lengths, links, constants, uniqueness, what may
//! change after submission. What may not: anything that stores.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::collate;
use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::field::Field;
use crate::meta::DocType;
use crate::save::cast;
use crate::site::Site;
use crate::value::{self, Kind};

impl Site {
    /// All checks of the content; casts the values on the way.
    pub(crate) fn validate(
        &self,
        meta: &DocType,
        doc: &mut Doc,
        stored: Option<&Doc>,
    ) -> Outcome<()> {
        self.check_mandatory(meta, doc)?;
        self.each(meta, doc, &check_choices)?;
        cast(meta, doc);
        for row in doc.all_rows_mut() {
            if let Some(meta) = self.meta(&row.doctype) {
                cast(&meta, row);
            }
        }
        self.each(meta, doc, &check_lengths)?;
        if let Some(named_by) = meta.named_by() {
            let name = doc.get("name").clone();
            doc.set(named_by, name);
        }
        clean(meta, doc);
        for row in doc.all_rows_mut() {
            if let Some(meta) = self.meta(&row.doctype) {
                clean(&meta, row);
            }
        }
        if let Some(stored) = stored {
            Self::check_constants(meta, doc, stored)?;
        }
        Ok(())
    }

    fn each(
        &self,
        meta: &DocType,
        doc: &Doc,
        check: &dyn Fn(&DocType, &Doc, &Doc) -> Outcome<()>,
    ) -> Outcome<()> {
        check(meta, doc, doc)?;
        for row in doc.all_rows() {
            if let Some(meta) = self.meta(&row.doctype) {
                check(&meta, row, doc)?;
            }
        }
        Ok(())
    }

    fn check_mandatory(&self, meta: &DocType, doc: &Doc) -> Outcome<()> {
        let mut missing = Vec::new();
        let mut messages = Vec::new();
        let mut look = |meta: &DocType, part: &Doc| {
            for field in meta.fields.iter().filter(|field| field.has("reqd")) {
                let is_empty = match field.table() {
                    Some(_) => part.rows(&field.fieldname).is_empty(),
                    None => {
                        field.kind().is_none_or(|kind| !kind.is_numeric())
                            && part.text(&field.fieldname).trim().is_empty()
                    }
                };
                if !is_empty {
                    continue;
                }
                missing.push(field.fieldname.clone());
                let label = &field.label;
                let text = if meta.istable {
                    let idx = part.text("idx");
                    format!("Error: Value missing for {}: {label}, Row #{idx}", doc.doctype)
                } else if field.table().is_some() {
                    format!("Error: Data missing in table: {label}")
                } else {
                    format!("Error: Value missing for {}: {label}", doc.doctype)
                };
                messages.push(Message::note(text));
            }
        };
        look(meta, doc);
        for row in doc.all_rows() {
            if let Some(meta) = self.meta(&row.doctype) {
                look(&meta, row);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let text = format!("[{}, {}]: {}", doc.doctype, doc.name(), missing.join(", "));
        let mut failure = Failure::silent(417, "MandatoryError", &text);
        failure.messages = messages;
        Err(failure)
    }

    /// Checks every link and puts the stored spelling of the name in; fetches what follows it.
    pub(crate) fn check_links(&self, meta: &DocType, doc: &mut Doc) -> Outcome<()> {
        let mut missing = Vec::new();
        let mut cancelled = Vec::new();
        let submittable = meta.is_submittable;
        self.links_of(meta, doc, submittable, "", &mut missing, &mut cancelled);
        for row in doc.tables.values_mut().flatten() {
            if let Some(meta) = self.meta(&row.doctype) {
                let prefix = format!("Row #{}: ", row.text("idx"));
                self.links_of(&meta, row, submittable, &prefix, &mut missing, &mut cancelled);
            }
        }
        if !missing.is_empty() {
            let text = format!("Could not find {}", missing.join(", "));
            return Err(Failure::thrown(417, "LinkValidationError", &text));
        }
        if !cancelled.is_empty() {
            let text = format!("Cannot link cancelled document: {}", cancelled.join(", "));
            return Err(Failure::thrown(417, "CancelledLinkError", &text));
        }
        Ok(())
    }

    fn links_of(
        &self,
        meta: &DocType,
        doc: &mut Doc,
        submittable: bool,
        prefix: &str,
        missing: &mut Vec<String>,
        cancelled: &mut Vec<String>,
    ) {
        for field in &meta.fields {
            let Some(target) = link_target(field, doc) else {
                continue;
            };
            let value = doc.text(&field.fieldname);
            if value.is_empty() {
                continue;
            }
            // A doctype that the site does not model is taken to have what is linked.
            let Some(target_meta) = self.meta(&target) else {
                continue;
            };
            if target_meta.issingle || target_meta.is_virtual {
                continue;
            }
            let shown = format!("{prefix}{}: {value}", field.label);
            let Some(name) = self.stored_name(&target, &value) else {
                // Where values are to be fetched through the link, Frappe does not notice that
                // nothing is there.
                if !fetches_through(meta, doc, &field.fieldname) {
                    missing.push(shown);
                }
                continue;
            };
            let docstatus = value::to_int(&self.value_of(&target, &value, "docstatus"));
            if submittable
                && target_meta.is_submittable
                && docstatus == 2
                && field.fieldname != "amended_from"
            {
                cancelled.push(shown);
            }
            if name.is_string() {
                doc.set(&field.fieldname, name);
            }
            self.fetch(meta, doc, &field.fieldname, &target, &value);
        }
    }

    fn fetch(&self, meta: &DocType, doc: &mut Doc, link: &str, target: &str, name: &str) {
        for field in &meta.fields {
            let Some((from, source)) =
                field.fetch_from.as_deref().and_then(|from| from.split_once('.'))
            else {
                continue;
            };
            if from != link || (field.has("fetch_if_empty") && doc.is_set(&field.fieldname)) {
                continue;
            }
            if doc.docstatus() == 1 && !doc.is_new && !field.has("allow_on_submit") {
                continue;
            }
            let value = self.value_of(target, name, source);
            doc.set(&field.fieldname, value);
        }
    }

    fn check_constants(meta: &DocType, doc: &Doc, stored: &Doc) -> Outcome<()> {
        let refuse = |label: &str| {
            Err(Failure::thrown(
                417,
                "CannotChangeConstantError",
                &format!("Value cannot be changed for <strong>{label}</strong>"),
            ))
        };
        if !meta.issingle
            && Kind::Datetime.store(doc.get("creation"))
                != Kind::Datetime.store(stored.get("creation"))
        {
            return refuse("Created On");
        }
        for field in meta.fields.iter().filter(|field| field.has("set_only_once")) {
            if let Some(kind) = field.kind()
                && stored.is_set(&field.fieldname)
                && kind.store(doc.get(&field.fieldname)) != kind.store(stored.get(&field.fieldname))
            {
                return refuse(&field.label);
            }
        }
        Ok(())
    }

    /// What a submitted document may change: only fields that allow it.
    pub(crate) fn check_update_after_submit(
        &self,
        meta: &DocType,
        doc: &Doc,
        stored: &Doc,
    ) -> Outcome<()> {
        unchanged_after_submit(meta, doc, stored, "")?;
        for (field, child) in meta.tables() {
            for row in doc.rows(&field.fieldname) {
                if row.is_new && field.has("allow_on_submit") {
                    continue;
                }
                let Some(before) = self.load(child, &row.name()).filter(|_| !row.is_new) else {
                    if self.is_newer() {
                        let text = format!(
                            "Please specify a valid parent DocType for <strong>{child}</strong>"
                        );
                        let mut failure = Failure::forbidden().with_message(Message::note(text));
                        failure.exception = None;
                        failure.error_message = Some(format!("No permission for {child}"));
                        return Err(failure);
                    }
                    return Err(Failure::not_found(child, &row.name()));
                };
                if let Some(meta) = self.meta(child) {
                    let prefix = format!("Row #{}:", row.text("idx"));
                    unchanged_after_submit(&meta, row, &before, &prefix)?;
                }
            }
        }
        Ok(())
    }

    /// No other document may hold the value of a unique field.
    pub(crate) fn check_unique(&self, meta: &DocType, doc: &Doc) -> Outcome<()> {
        let Some(table) = self.store.table(&meta.name) else {
            return Ok(());
        };
        let own = table.key(&doc.name());
        for field in meta.fields.iter().filter(|field| field.has("unique")) {
            // The field a document is named by is unique because its name is.
            if meta.named_by() == Some(field.fieldname.as_str()) {
                continue;
            }
            let value = doc.text(&field.fieldname);
            if value.is_empty() {
                continue;
            }
            let taken = table.rows().any(|(key, row)| {
                *key != own
                    && table
                        .cell(row, &field.fieldname)
                        .is_some_and(|cell| collate::same(cell.as_str(), &value))
            });
            if taken {
                return Err(Failure::not_unique(
                    &meta.name,
                    &doc.name(),
                    &field.fieldname,
                    &field.label,
                    &value,
                ));
            }
        }
        Ok(())
    }
}

/// The doctype a link field of this document points to.
pub(crate) fn link_target(field: &Field, doc: &Doc) -> Option<String> {
    match field.fieldtype.as_str() {
        "Link" => field.options.clone(),
        "Dynamic Link" => Some(doc.text(field.options.as_deref()?)).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// True when a save copies values of the linked document into this one.
fn fetches_through(meta: &DocType, doc: &Doc, link: &str) -> bool {
    meta.fields.iter().any(|field| {
        let from = field.fetch_from.as_deref().and_then(|from| from.split_once('.'));
        from.is_some_and(|(from, _)| from == link)
            && !(field.has("fetch_if_empty") && doc.is_set(&field.fieldname))
    })
}

fn unchanged_after_submit(meta: &DocType, doc: &Doc, stored: &Doc, prefix: &str) -> Outcome<()> {
    for field in &meta.fields {
        let Some(kind) = field.kind() else {
            continue;
        };
        if field.has("allow_on_submit") || field.fieldtype == "Password" {
            continue;
        }
        let (new, old) = (doc.get(&field.fieldname), stored.get(&field.fieldname));
        let is_same = match (kind.store(new), kind.store(old)) {
            (Ok(new), Ok(old)) => new == old || (new.as_str().is_empty() && old.is_null()),
            _ => false,
        };
        if is_same {
            continue;
        }
        let text = format!(
            "{prefix} Not allowed to change <strong>{}</strong> after submission from <strong>{}</strong> to <strong>{}</strong>",
            field.label,
            value::to_text(old),
            value::to_text(new)
        );
        return Err(Failure::silent(417, "UpdateAfterSubmitError", &text)
            .with_message(Message::thrown(text).titled("Cannot Update After Submit")));
    }
    Ok(())
}

fn check_choices(meta: &DocType, doc: &Doc, _parent: &Doc) -> Outcome<()> {
    for field in &meta.fields {
        if field.fieldtype != "Select" || field.fieldname == "naming_series" {
            continue;
        }
        let (Some(options), value) = (&field.options, doc.text(&field.fieldname)) else {
            continue;
        };
        if value.is_empty() || options.split('\n').any(|option| option == value) {
            continue;
        }
        let choices: Vec<String> =
            options.split('\n').map(|option| format!("\"{option}\"")).collect();
        let prefix =
            if meta.istable { format!("Row #{}:", doc.text("idx")) } else { String::new() };
        return Err(Failure::validation(&format!(
            "{prefix} {} cannot be \"{value}\". It should be one of {}",
            field.label,
            choices.join(", ")
        )));
    }
    Ok(())
}

fn check_lengths(meta: &DocType, doc: &Doc, parent: &Doc) -> Outcome<()> {
    for field in &meta.fields {
        let value = doc.get(&field.fieldname);
        let (too_big, limit) = match field.fieldtype.as_str() {
            "Data" | "Link" | "Dynamic Link" | "Select" | "Password" | "Read Only" | "Phone"
            | "Autocomplete" | "Color" => (value::to_text(value).chars().count() > 140, 140),
            _ if field.kind() == Some(Kind::Int) => {
                (value::to_int(value).abs() > 2_147_483_647, 2_147_483_647)
            }
            _ => continue,
        };
        if !too_big {
            continue;
        }
        let mut place = format!("{} {}", parent.doctype, parent.name());
        if meta.istable {
            place = format!("{place}, Row {}", doc.text("idx"));
        }
        let text = format!(
            "{place}: '<strong>{}</strong>' ({}) will get truncated, as max characters allowed is {limit}",
            field.label,
            value::to_text(value)
        );
        return Err(Failure::silent(417, "CharacterLengthExceededError", &text)
            .with_message(Message::thrown(text).titled("Value too big")));
    }
    Ok(())
}

/// Masks passwords and takes the sting out of HTML.
fn clean(meta: &DocType, doc: &mut Doc) {
    for field in &meta.fields {
        let Value::String(text) = doc.get(&field.fieldname) else {
            continue;
        };
        let cleaned = match field.fieldtype.as_str() {
            "Password" => "*".repeat(text.chars().count()),
            "Text Editor" | "HTML Editor" | "Data" | "Small Text" | "Text" | "Long Text"
                if text.contains('<') =>
            {
                sanitize(text)
            }
            _ => continue,
        };
        doc.set(&field.fieldname, json!(cleaned));
    }
}

/// A small stand-in for Frappe's sanitiser: scripts are escaped, event attributes removed.
fn sanitize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('<') {
        out.push_str(before);
        let Some((tag, after)) = tail.split_once('>') else {
            out.push_str("&lt;");
            rest = tail;
            continue;
        };
        let name = tag.trim_start_matches('/').to_lowercase();
        if name.starts_with("script") || name.starts_with("iframe") {
            write!(out, "&lt;{tag}&gt;").ok();
        } else {
            out.push('<');
            out.push_str(&without_events(tag));
            out.push('>');
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn without_events(tag: &str) -> String {
    let mut out = tag.to_owned();
    while let Some(at) = out.to_lowercase().find(" on") {
        let tail = &out[at + 1..];
        let Some(equals) = tail.find('=') else {
            break;
        };
        let quoted = &tail[equals + 1..];
        let end = match quoted.chars().next() {
            Some(quote @ ('\'' | '"')) => quoted[1..].find(quote).map(|end| end + 2),
            _ => quoted.find(' '),
        };
        let end = end.unwrap_or(quoted.len());
        let cut_to = at + 1 + equals + 1 + end;
        out.replace_range(at..cut_to, "");
    }
    out
}
