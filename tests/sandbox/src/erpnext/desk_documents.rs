//! Tasks, notes, appointments and the people who have them.
//!
//! What lives here: what `ToDo`, `Note`, `Event`, `Opportunity` and `Employee` derive, and the comments and
//! communications that they leave. What may not: who may see them (`access`).

use serde_json::{Value, json};

use crate::collate;
use crate::doc::Doc;
use crate::failure::Outcome;
use crate::save::InsertOptions;
use crate::site::{Context, Site};

/// The doctypes whose documents show appointments in their timeline.
const WITH_TIMELINE: [&str; 6] =
    ["Contact", "Customer", "Employee", "Lead", "Opportunity", "Supplier"];

impl Site {
    /// What a note, an appointment, an opportunity or an employee fills in by itself.
    pub(crate) fn complete_desk_document(&self, doc: &mut Doc) {
        match doc.doctype.as_str() {
            "Note" if !doc.is_set("content") => doc.set("content", "<span></span>"),
            "Event" => {
                if doc.get("starts_on") == doc.get("ends_on") {
                    doc.set("ends_on", Value::Null);
                }
                self.fill_participants(doc);
            }
            "Opportunity" => {
                let (doctype, name) = (doc.text("opportunity_from"), doc.text("party_name"));
                let field = if doctype == "Lead" { "lead_name" } else { "customer_name" };
                doc.set("customer_name", self.value_of(&doctype, &name, field));
                if !doc.is_set("title") {
                    doc.set("title", doc.get("customer_name").clone());
                }
            }
            "Employee" => {
                doc.set("employee", doc.get("name").clone());
                let parts = ["first_name", "middle_name", "last_name"].map(|part| doc.text(part));
                let parts: Vec<String> =
                    parts.into_iter().filter(|part| !part.is_empty()).collect();
                doc.set("employee_name", parts.join(" "));
            }
            _ => {}
        }
    }

    fn fill_participants(&self, event: &mut Doc) {
        for row in event.tables.get_mut("event_participants").into_iter().flatten() {
            if row.is_set("email") {
                continue;
            }
            let (doctype, name) = (row.text("reference_doctype"), row.text("reference_docname"));
            let contact = match doctype.as_str() {
                "Contact" => Some(name),
                _ => self.contact_of(&doctype, &name),
            };
            let email = contact.map(|contact| self.value_of("Contact", &contact, "email_id"));
            row.set("email", email.unwrap_or(Value::Null));
        }
    }

    /// The contact of a party: the one marked as primary before the others.
    fn contact_of(&self, doctype: &str, name: &str) -> Option<String> {
        let mut contacts = self.documents("Contact");
        contacts.retain(|contact| {
            let links = self.load_rows("Dynamic Link", "Contact", &contact.name(), "links");
            links.iter().any(|link| {
                link.text("link_doctype") == doctype && collate::same(&link.text("link_name"), name)
            })
        });
        contacts.sort_by_key(|contact| !contact.is_set("is_primary_contact"));
        contacts.first().map(Doc::name)
    }

    /// A task leaves a comment on what it refers to, when it is made and when its status changes, and
    /// keeps the list of those to whom that is assigned; no `modified` moves.
    pub(crate) fn note_assignment(
        &mut self,
        ctx: &mut Context,
        doc: &Doc,
        stored: Option<&Doc>,
    ) -> Outcome<()> {
        let (doctype, name) = (doc.text("reference_type"), doc.text("reference_name"));
        if doctype.is_empty() || !self.exists(&doctype, &name) {
            return Ok(());
        }
        let kind = match stored {
            None => Some("Assigned"),
            Some(stored) if stored.text("status") != doc.text("status") => {
                Some("Assignment Completed")
            }
            Some(_) => None,
        };
        if let Some(kind) = kind {
            let mut comment = Doc::new("Comment");
            comment.set("comment_type", kind);
            comment.set("reference_doctype", doctype.as_str());
            comment.set("reference_name", name.as_str());
            let text = format!("{}: {}", doc.text("allocated_to"), doc.text("description"));
            comment.set("content", text);
            self.insert(ctx, comment, &InsertOptions::default())?;
        }
        self.list_assignees(&doctype, &name);
        Ok(())
    }

    /// Writes the users to whom a document is assigned into its hidden column.
    pub(crate) fn list_assignees(&mut self, doctype: &str, name: &str) {
        let mut tasks = self.documents("ToDo");
        tasks.retain(|task| {
            task.text("status") == "Open"
                && task.is_set("allocated_to")
                && task.text("reference_type") == doctype
                && collate::same(&task.text("reference_name"), name)
        });
        let users: Vec<String> = tasks.iter().map(|task| task.text("allocated_to")).collect();
        let text = if users.is_empty() { String::new() } else { json!(users).to_string() };
        self.set_hidden(doctype, name, "_assign", &text);
    }

    /// An appointment keeps one communication for each participant whose doctype has a timeline.
    pub(crate) fn keep_communications(&mut self, ctx: &mut Context, event: &Doc) -> Outcome<()> {
        for row in event.rows("event_participants") {
            let (doctype, name) = (row.text("reference_doctype"), row.text("reference_docname"));
            let known = self.communications_of(event).into_iter().find(|known| {
                known.rows("timeline_links").iter().any(|link| {
                    link.text("link_doctype") == doctype
                        && collate::same(&link.text("link_name"), &name)
                })
            });
            if known.is_none() && !WITH_TIMELINE.contains(&doctype.as_str()) {
                continue;
            }
            let is_new = known.is_none();
            let mut communication = known.unwrap_or_else(|| Doc::new("Communication"));
            describe(&mut communication, event);
            if is_new {
                let mut link = Doc::new("Communication Link");
                link.set("link_doctype", doctype);
                link.set("link_name", name);
                link.set("idx", 1);
                communication.tables.insert("timeline_links".into(), vec![link]);
                self.insert(ctx, communication, &InsertOptions::default())?;
            } else {
                self.save(ctx, communication)?;
            }
        }
        Ok(())
    }

    /// The communications of an appointment go with it.
    pub(crate) fn delete_communications(&mut self, ctx: &mut Context, event: &Doc) -> Outcome<()> {
        for communication in self.communications_of(event) {
            self.delete(ctx, "Communication", &communication.name())?;
        }
        Ok(())
    }

    fn communications_of(&self, event: &Doc) -> Vec<Doc> {
        let all = self.documents("Communication").into_iter();
        let own = all.filter(|known| {
            known.text("reference_doctype") == event.doctype
                && known.text("reference_name") == event.name()
        });
        own.filter_map(|known| self.load("Communication", &known.name())).collect()
    }
}

fn describe(communication: &mut Doc, event: &Doc) {
    let content = if event.is_set("description") { "description" } else { "subject" };
    for (field, source) in [
        ("subject", "subject"),
        ("content", content),
        ("communication_date", "starts_on"),
        ("sender", "owner"),
        ("reference_name", "name"),
    ] {
        communication.set(field, event.get(source).clone());
    }
    communication.set("communication_medium", "Event");
    communication.set("status", "Linked");
    communication.set("reference_doctype", event.doctype.as_str());
}
