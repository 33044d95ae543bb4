//! Names: the naming rules and what a name may look like.
//!
//! What lives here: finding the name of a new document. What may not: storing it.

use serde_json::Value;

use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::meta::DocType;
use crate::site::{Context, Site};
use crate::value;

impl Site {
    /// Gives a new document its name. `given` is a name that wins over every rule.
    pub(crate) fn set_new_name(
        &mut self,
        ctx: &mut Context,
        meta: &DocType,
        doc: &mut Doc,
        given: Option<Value>,
    ) -> Outcome<()> {
        if meta.issingle {
            doc.set("name", meta.name.as_str());
            return Ok(());
        }
        if let Some(given) = given {
            doc.set("name", given);
            return Ok(());
        }
        if doc.is_set("amended_from") {
            let name = self.amended_name(ctx, meta, &doc.text("amended_from"))?;
            doc.set("name", name);
            return Ok(());
        }
        if let Some(name) = self.controlled_name(ctx, doc)? {
            doc.set("name", name);
            return check_name(meta, doc);
        }
        let rule = meta.autoname.clone().unwrap_or_default();
        if rule == "autoincrement" {
            let next = self.next_number(&meta.name);
            doc.set("name", next);
            return Ok(());
        }
        if matches!(rule.as_str(), "hash" | "") {
            let name = self.free_hash(&meta.name);
            doc.set("name", name);
            return Ok(());
        }
        let name = if let Some(field) = rule.strip_prefix("field:") {
            let text = doc.text(field);
            if text.trim().is_empty() {
                let label = meta.field(field).map_or(field, |field| field.label.as_str());
                return Err(Failure::validation(&format!("{label} is required")));
            }
            text
        } else if rule == "prompt" {
            let asked = doc.extra.get("__newname").filter(|name| value::is_truthy(name));
            let name = asked.map_or_else(|| doc.name(), value::to_text);
            if name.trim().is_empty() {
                return Err(Failure::validation("Please set the document name"));
            }
            name
        } else if rule == "naming_series:" {
            let series = doc.text("naming_series");
            if series.is_empty() {
                return Err(Failure::validation("Naming Series is mandatory"));
            }
            self.name_of_series(&series, doc, ctx)
        } else if let Some(format) = rule.strip_prefix("format:") {
            self.name_of_format(format, doc, ctx)
        } else {
            self.name_of_series(&rule, doc, ctx)
        };
        doc.set("name", name.trim());
        check_name(meta, doc)
    }

    /// A name of ten random characters that is free.
    pub(crate) fn free_hash(&mut self, doctype: &str) -> String {
        loop {
            let name = self.hash();
            if !self.exists(doctype, &name) {
                return name;
            }
        }
    }

    fn next_number(&mut self, doctype: &str) -> u64 {
        loop {
            let next = self.store.next_in_series(&format!("#{doctype}"));
            if !self.exists(doctype, &next.to_string()) {
                return next;
            }
        }
    }

    fn amended_name(&self, ctx: &Context, meta: &DocType, original: &str) -> Outcome<String> {
        let docstatus = value::to_int(&self.value_of(&meta.name, original, "docstatus"));
        if self.exists(&meta.name, original) && docstatus != 2 {
            let slug = meta.name.to_lowercase().replace(' ', "-");
            let text = format!(
                "<a href=\"http://{}/app/{slug}/{original}\">{original}</a> cannot be amended because it is not cancelled. Please cancel the document before creating an amendment.",
                ctx.host
            );
            return Err(Failure::silent(417, "ValidationError", &text)
                .with_message(Message::thrown(text).titled("Amendment Not Allowed")));
        }
        let is_amended = value::is_truthy(&self.value_of(&meta.name, original, "amended_from"));
        if is_amended
            && let Some((stem, count)) = original.rsplit_once('-')
            && let Ok(count) = count.parse::<u32>()
        {
            return Ok(format!("{stem}-{}", count + 1));
        }
        Ok(format!("{original}-1"))
    }

    /// The name that an expression like `PRE-.YYYY.-.####` gives; without `#` it counts in five
    /// digits.
    pub(crate) fn name_of_series(&mut self, series: &str, doc: &Doc, ctx: &Context) -> String {
        let series =
            if series.contains('#') { series.to_owned() } else { format!("{series}.#####") };
        let mut name = String::new();
        for part in series.split('.') {
            let part = self.series_part(part, &name, doc, ctx);
            name.push_str(&part);
        }
        name
    }

    fn name_of_format(&mut self, format: &str, doc: &Doc, ctx: &Context) -> String {
        let mut name = String::new();
        let mut rest = format;
        while let Some((literal, tail)) = rest.split_once('{') {
            name.push_str(literal);
            let (part, tail) = tail.split_once('}').unwrap_or((tail, ""));
            // The newer version counts per format, the older one per name so far.
            let counted = if self.is_newer() {
                &format[..format.len() - tail.len() - part.len() - 2]
            } else {
                &name
            };
            let part = self.series_part(part, counted, doc, ctx);
            name.push_str(&part);
            rest = tail;
        }
        name.push_str(rest);
        name
    }

    fn series_part(&mut self, part: &str, prefix: &str, doc: &Doc, ctx: &Context) -> String {
        if !part.is_empty() && part.bytes().all(|byte| byte == b'#') {
            let next = self.store.next_in_series(prefix);
            return format!("{next:0>width$}", width = part.len());
        }
        let now = self.local(ctx.started);
        match part {
            "YYYY" => now[..4].to_owned(),
            "YY" => now[2..4].to_owned(),
            "MM" => now[5..7].to_owned(),
            "DD" => now[8..10].to_owned(),
            "timestamp" => now,
            part => {
                let field = part.trim_matches(['{', '}']);
                if doc.fields.contains_key(field) && !doc.get(field).is_null() {
                    doc.text(field)
                } else {
                    part.to_owned()
                }
            }
        }
    }
}

/// Refuses names that Frappe refuses.
pub(crate) fn check_name(meta: &DocType, doc: &Doc) -> Outcome<()> {
    let name = doc.name();
    if name.is_empty() {
        return Err(Failure::validation(&format!("No Name Specified for {}", meta.name)));
    }
    if name.starts_with(&format!("New {}", meta.name)) {
        return Err(Failure::bad_name(
            "There were some errors setting the name, please contact the administrator",
        ));
    }
    if name == meta.name && meta.name != "DocType" {
        return Err(Failure::bad_name(&format!("Name of {name} cannot be {name}")));
    }
    if name.contains(['<', '>']) {
        return Err(Failure::bad_name("Name cannot contain special characters like '<', '>'"));
    }
    Ok(())
}
