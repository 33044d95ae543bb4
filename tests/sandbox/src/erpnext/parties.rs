//! Customers, leads, and the contacts and addresses that hang on them.
//!
//! What lives here: their names, what they derive from each other, what they make on the side and
//! take with them. What may not: documents that are bought or sold.

use crate::collate;
use crate::doc::Doc;
use crate::failure::{Failure, Message, Outcome};
use crate::meta::DocType;
use crate::save::InsertOptions;
use crate::site::{Context, Site};
use crate::value::Cell;

/// Where a contact that was made for a lead waits until the lead has its name.
const CONTACT_OF_LEAD: &str = "__contact";

impl Site {
    /// The name of a customer: its own, or one with a number where that is taken.
    pub(crate) fn customer_name(&mut self, ctx: &mut Context, doc: &mut Doc) -> String {
        let mut asked = doc.text("customer_name");
        if self.is_newer() {
            asked = asked.trim().to_owned();
            doc.set("customer_name", asked.as_str());
        }
        if !self.exists("Customer", &asked) {
            return asked;
        }
        let prefix = collate::key(&format!("{asked} - "));
        let prefix = &prefix[..prefix.len().saturating_sub(2)];
        let used = self.documents("Customer");
        let highest = used
            .iter()
            .map(Doc::name)
            .filter(|name| collate::key(name).starts_with(prefix))
            .filter_map(|name| name.rsplit_once(" - ")?.1.parse::<u32>().ok())
            .max()
            .unwrap_or(0);
        let name = format!("{asked} - {}", highest + 1);
        ctx.messages.push(
            Message::note(format!(
                "Changed customer name to '{name}' as '{asked}' already exists."
            ))
            .titled("Note")
            .coloured("yellow"),
        );
        name
    }

    /// The name of an address: its title and its type.
    pub(crate) fn address_name(&self, doc: &Doc) -> String {
        let name = format!("{}-{}", doc.text("address_title"), doc.text("address_type"));
        self.numbered("Address", &name)
    }

    /// The name of a contact: the person's, and whose contact it is.
    pub(crate) fn contact_name(&self, doc: &Doc) -> String {
        let mut name = full_name(doc);
        if let Some(link) = doc.rows("links").first() {
            name = format!("{name}-{}", link.text("link_name").trim());
        }
        self.numbered("Contact", &name)
    }

    /// The name itself, or the first of `name-1`, `name-2` ... that is free.
    fn numbered(&self, doctype: &str, name: &str) -> String {
        if !self.exists(doctype, name) {
            return name.to_owned();
        }
        let mut count = 1;
        while self.exists(doctype, &format!("{name}-{count}")) {
            count += 1;
        }
        format!("{name}-{count}")
    }

    /// Whom a voucher is for must exist: its customer or supplier is not seen to by the check of links,
    /// because values are fetched through it.
    pub(crate) fn check_party(&self, meta: &DocType, doc: &Doc) -> Outcome<()> {
        for (field, doctype) in [("customer", "Customer"), ("supplier", "Supplier")] {
            let party = doc.text(field);
            if meta.is_submittable && !party.is_empty() && !self.exists(doctype, &party) {
                return Err(Failure::validation(&format!("{doctype}: {party} does not exists")));
            }
        }
        Ok(())
    }

    /// What a contact derives from its rows.
    pub(crate) fn complete_contact(&self, doc: &mut Doc) {
        doc.set("full_name", full_name(doc));
        if let Some([only]) = doc.tables.get_mut("email_ids").map(Vec::as_mut_slice) {
            only.set("is_primary", 1);
        }
        for (field, table, mark, source) in [
            ("email_id", "email_ids", "is_primary", "email_id"),
            ("mobile_no", "phone_nos", "is_primary_mobile_no", "phone"),
            ("phone", "phone_nos", "is_primary_phone", "phone"),
        ] {
            let primary = doc.rows(table).iter().find(|row| row.is_set(mark));
            let text = primary.map(|row| row.text(source)).unwrap_or_default();
            doc.set(field, text);
        }
        self.title_links(doc);
    }

    /// Writes the titles of what a contact or an address belongs to beside the links.
    pub(crate) fn title_links(&self, doc: &mut Doc) {
        for link in doc.tables.get_mut("links").into_iter().flatten() {
            if !link.is_set("link_title") {
                let title = self.title_of(&link.text("link_doctype"), &link.text("link_name"));
                link.set("link_title", title);
            }
        }
    }

    fn title_of(&self, doctype: &str, name: &str) -> String {
        let field = self.meta(doctype).and_then(|meta| meta.title_field.clone());
        let title = field.map(|field| self.value_of(doctype, name, &field));
        title
            .map(|title| crate::value::to_text(&title))
            .filter(|title| !title.is_empty())
            .unwrap_or_else(|| name.to_owned())
    }

    /// A lead's own names; its email address may belong to no other lead.
    pub(crate) fn complete_lead(&self, ctx: &Context, doc: &mut Doc) -> Outcome<()> {
        name_lead(doc);
        let name = doc.text("company_name");
        let title = if name.is_empty() { doc.text("lead_name") } else { name };
        doc.set("title", title);
        let email = doc.text("email_id");
        let other = self.documents("Lead").into_iter().find(|other| {
            !email.is_empty()
                && other.name() != doc.name()
                && collate::same(&other.text("email_id"), &email)
        });
        let Some(other) = other else {
            return Ok(());
        };
        let text = format!(
            "Email Address must be unique, it is already used in <strong>{}</strong>",
            self.anchor(ctx, "Lead", &other.name())
        );
        Err(Failure::thrown(409, "DuplicateEntryError", &text))
    }

    /// A new lead makes a contact, before it has a name of its own.
    pub(crate) fn make_contact_of_lead(&mut self, ctx: &mut Context, doc: &mut Doc) -> Outcome<()> {
        name_lead(doc);
        let mut contact = Doc::new("Contact");
        let first = if doc.is_set("first_name") { "first_name" } else { "lead_name" };
        for (field, source) in [
            ("first_name", first),
            ("last_name", "last_name"),
            ("company_name", "company_name"),
            ("salutation", "salutation"),
            ("designation", "job_title"),
        ] {
            contact.set(field, doc.get(source).clone());
        }
        add_ways(&mut contact, doc, &EMAIL);
        add_ways(&mut contact, doc, &PHONE);
        add_ways(&mut contact, doc, &MOBILE);
        let contact = self.insert(ctx, contact, &InsertOptions::default())?;
        doc.extra.insert(CONTACT_OF_LEAD.into(), contact.get("name").clone());
        Ok(())
    }

    /// Once the lead is stored, its contact is linked to it; saving the contact writes the
    /// telephone numbers back into the lead, after the answer was made.
    pub(crate) fn link_contact_of_lead(&mut self, ctx: &mut Context, doc: &Doc) -> Outcome<()> {
        let Some(contact) = doc.extra.get(CONTACT_OF_LEAD).map(crate::value::to_text) else {
            return Ok(());
        };
        let Some(mut contact) = self.load("Contact", &contact) else {
            return Ok(());
        };
        let mut link = link_to(doc, "lead_name");
        link.is_new = true;
        contact.tables.insert("links".into(), vec![link]);
        self.save(ctx, contact).map(|_| ())
    }

    /// A contact of a lead keeps the lead's telephone numbers.
    pub(crate) fn tell_lead(&mut self, ctx: &Context, contact: &Doc) {
        let of_lead = |link: &&Doc| link.text("link_doctype") == "Lead";
        let lead = contact.rows("links").iter().find(of_lead).map(|link| link.text("link_name"));
        let (Some(lead), Some(first)) = (lead, contact.rows("phone_nos").first()) else {
            return;
        };
        let number = |mark: &str| {
            let rows = contact.rows("phone_nos");
            let marked = rows.iter().find(|row| rows.len() > 1 && row.is_set(mark));
            marked.unwrap_or(first).text("phone")
        };
        let (phone, mobile) = (number("is_primary_phone"), number("is_primary_mobile_no"));
        self.set_values(ctx, "Lead", &lead, &[("phone", &phone), ("mobile_no", &mobile)]);
    }

    /// Sets columns of a stored document without saving it; its `modified` moves.
    pub(crate) fn set_values(
        &mut self,
        ctx: &Context,
        doctype: &str,
        name: &str,
        values: &[(&str, &str)],
    ) {
        let stamp = self.stamp(ctx.started);
        let own = [("modified", stamp.as_str()), ("modified_by", ctx.user.as_str())];
        for (column, text) in values.iter().chain(&own) {
            self.set_hidden(doctype, name, column, text);
        }
    }

    /// A customer made with the lines of an address gets an address.
    pub(crate) fn make_address(&mut self, ctx: &mut Context, doc: &mut Doc) -> Outcome<()> {
        let given = |field: &str| doc.extra.get(field).map(crate::value::to_text);
        let Some(line) = given("address_line1").filter(|line| !line.is_empty()) else {
            return Ok(());
        };
        let (city, country) = (given("city"), given("country"));
        let mut address = Doc::new("Address");
        address.set("address_title", doc.get("customer_name").clone());
        address.set("address_type", "Billing");
        address.set("address_line1", line.as_str());
        address.set("city", city.clone().unwrap_or_default());
        address.set("country", country.unwrap_or_default());
        address.set("is_primary_address", 1);
        address.set("is_shipping_address", 1);
        address.tables.insert("links".into(), vec![link_to(doc, "customer_name")]);
        let address = self.insert(ctx, address, &InsertOptions::default())?;
        let stamp = self.stamp(ctx.started);
        doc.set("customer_primary_address", address.name());
        let end = if self.is_newer() { "<br>\n" } else { "" };
        let shown = format!("{line}<br>\n{}, {end}", city.unwrap_or_default());
        doc.set("primary_address", shown);
        doc.set("modified", stamp);
        self.write_row(doc)
    }

    /// A customer that has a telephone number or an email address and no contact gets one.
    pub(crate) fn make_contact(&mut self, ctx: &mut Context, doc: &mut Doc) -> Outcome<()> {
        let reachable = doc.is_set("email_id") || doc.is_set("mobile_no");
        if !reachable || doc.is_set("customer_primary_contact") || doc.is_set("lead_name") {
            return Ok(());
        }
        let mut contact = Doc::new("Contact");
        contact.set("is_primary_contact", 1);
        let name = doc.text("customer_name");
        if doc.text("customer_type") == "Individual" {
            let (first, middle, last) = split_name(&name);
            contact.set("first_name", first);
            contact.set("middle_name", middle);
            contact.set("last_name", last);
        } else {
            contact.set("company_name", name);
        }
        contact.tables.insert("links".into(), vec![link_to(doc, "customer_name")]);
        add_ways(&mut contact, doc, &EMAIL);
        add_ways(&mut contact, doc, &MOBILE);
        let contact = self.insert(ctx, contact, &InsertOptions::default())?;
        let stamp = self.stamp(ctx.started);
        doc.set("customer_primary_contact", contact.name());
        doc.set("modified", stamp);
        self.write_row(doc)
    }

    /// A party that is deleted takes the contacts and addresses along that are its alone.
    pub(crate) fn delete_contacts(&mut self, ctx: &mut Context, party: &Doc) -> Outcome<()> {
        let name = party.name();
        for doctype in ["Contact", "Address"] {
            for other in self.documents(doctype) {
                let links = self.load_rows("Dynamic Link", doctype, &other.name(), "links");
                let only = links.len() == 1
                    && links[0].text("link_doctype") == party.doctype
                    && collate::same(&links[0].text("link_name"), &name);
                if only {
                    self.forget_primary(party, &other.name());
                    self.delete(ctx, doctype, &other.name())?;
                }
            }
        }
        Ok(())
    }

    fn forget_primary(&mut self, party: &Doc, other: &str) {
        for field in ["customer_primary_contact", "customer_primary_address"] {
            let key = self.store.table(&party.doctype).map(|table| table.key(&party.name()));
            if let Some(key) = key.filter(|_| party.text(field) == other) {
                self.store.set_cell(&party.doctype, &key, field, Cell::Null);
            }
        }
    }
}

/// How a party can be reached: the field of the party, the table of the contact with its child
/// doctype, the child's field and its mark.
type Way = (&'static str, &'static str, &'static str, &'static str, &'static str);

const EMAIL: Way = ("email_id", "email_ids", "Contact Email", "email_id", "is_primary");
const PHONE: Way = ("phone", "phone_nos", "Contact Phone", "phone", "is_primary_phone");
const MOBILE: Way = ("mobile_no", "phone_nos", "Contact Phone", "phone", "is_primary_mobile_no");

fn add_ways(contact: &mut Doc, party: &Doc, way: &Way) {
    let (field, table, child, source, mark) = *way;
    if !party.is_set(field) {
        return;
    }
    let rows = contact.tables.entry(table.into()).or_default();
    let mut row = Doc::new(child);
    row.set(source, party.get(field).clone());
    row.set(mark, 1);
    row.set("idx", rows.len() + 1);
    rows.push(row);
}

/// The row that links a contact or an address to a party.
fn link_to(party: &Doc, title: &str) -> Doc {
    let mut link = Doc::new("Dynamic Link");
    for (field, value) in [
        ("link_doctype", party.doctype.clone()),
        ("link_name", party.name()),
        ("link_title", party.text(title)),
    ] {
        link.set(field, value);
    }
    link.set("idx", 1);
    link
}

fn joined(doc: &Doc, fields: &[&str]) -> String {
    let parts = fields.iter().map(|field| doc.text(field).trim().to_owned());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn full_name(contact: &Doc) -> String {
    match joined(contact, &["first_name", "middle_name", "last_name"]) {
        name if name.is_empty() => contact.text("company_name"),
        name => name,
    }
}

fn name_lead(lead: &mut Doc) {
    if lead.is_set("first_name") {
        let parts = ["salutation", "first_name", "middle_name", "last_name"];
        lead.set("lead_name", joined(lead, &parts));
    } else if !lead.is_set("lead_name") {
        let company = lead.text("company_name");
        let email = lead.text("email_id");
        let account = email.split('@').next().unwrap_or_default().to_owned();
        lead.set("lead_name", if company.is_empty() { account } else { company });
    }
}

/// First, middle and last name; what is one word has no last name.
fn split_name(name: &str) -> (String, String, String) {
    let words: Vec<&str> = name.split_whitespace().collect();
    match words.as_slice() {
        [] => <(String, String, String)>::default(),
        [only] => ((*only).to_owned(), String::new(), String::new()),
        [first, middle @ .., last] => ((*first).to_owned(), middle.join(" "), (*last).to_owned()),
    }
}
