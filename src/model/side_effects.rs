//! What documents of some doctypes bring about by themselves, as far as the metadata does not
//! say it: one table.
//!
//! Every entry was seen on a real site; docs/frappe.md, "Side effects", names the recordings.
//! What metadata can tell has no place here: read-only fields, `fetch_from`, virtual fields and
//! set-only-once fields are rules of `shape`. The rule kept here: pure data and its look-ups.

use serde_json::{Map, Value};

/// One doctype's entry.
struct SideEffects {
    doctype: &'static str,
    /// Left out of a create and sent right after it: with the create they would make other
    /// documents, or need documents that need this one.
    follow: &'static [&'static str],
    /// No content: the site works them out at its saves, or moves them when other documents
    /// are submitted.
    worked_out: &'static [&'static str],
    /// The documents that a create makes besides.
    makes: &'static [Product],
}

/// A document that a site makes by itself beside one that is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Its doctype.
    pub doctype: &'static str,
    /// What brings it about where any of them is filled; none: every create does.
    pub fields: &'static [&'static str],
}

/// All that is known.
const TABLE: [SideEffects; 7] = [
    SideEffects {
        // With an email address or a number a site makes a Contact of its own, and the copied
        // one becomes "...-1"; the primary contact and address link back to the customer.
        doctype: "Customer",
        follow: &[
            "customer_primary_address",
            "customer_primary_contact",
            "email_id",
            "first_name",
            "last_name",
            "mobile_no",
            "primary_address",
        ],
        worked_out: &[],
        makes: &[
            Product {
                doctype: "Contact",
                fields: &["customer_primary_contact", "email_id", "mobile_no"],
            },
            Product { doctype: "Address", fields: &["customer_primary_address"] },
        ],
    },
    SideEffects {
        // With the create, an opening stock is posted and a rate makes an Item Price; an
        // update right after it stores both and does neither.
        doctype: "Item",
        follow: &["opening_stock", "standard_rate"],
        worked_out: &[],
        makes: &[
            Product { doctype: "Item Price", fields: &["standard_rate"] },
            Product { doctype: "Stock Entry", fields: &["opening_stock"] },
        ],
    },
    SideEffects {
        // Whatever is in it.
        doctype: "Lead",
        follow: &[],
        worked_out: &[],
        makes: &[Product { doctype: "Contact", fields: &[] }],
    },
    SideEffects {
        // What of the payment is not set against invoices: it moves when one is cancelled.
        doctype: "Payment Entry",
        follow: &[],
        worked_out: &["unallocated_amount"],
        makes: &[],
    },
    SideEffects {
        // They follow from the totals at every save.
        doctype: "Payment Schedule",
        follow: &[],
        worked_out: &["base_payment_amount", "payment_amount"],
        makes: &[],
    },
    SideEffects {
        // Unlike those of other documents it is not read-only. A nightly job sets "Overdue" as
        // each site's own day ends, without saving.
        doctype: "Purchase Invoice",
        follow: &[],
        worked_out: &[STATUS],
        makes: &[],
    },
    SideEffects {
        // Hidden from users; moved by deliveries and invoices.
        doctype: "Sales Order",
        follow: &[],
        worked_out: &["billing_status", "delivery_status"],
        makes: &[],
    },
];

/// A field that a site sets by itself while a check is not set.
struct Unless {
    /// The doctype, or "" for any that has both fields.
    doctype: &'static str,
    field: &'static str,
    flag: &'static str,
    /// Whether it stays as it is once the document is submitted.
    drafts_only: bool,
}

const UNLESS: [Unless; 3] = [
    // Replaced by now at every save of a draft, even one that changes nothing. Once it is
    // submitted the date stands; the time is what two sites never have alike.
    Unless { doctype: "", field: "posting_date", flag: POSTING_FLAG, drafts_only: true },
    Unless { doctype: "", field: "posting_time", flag: POSTING_FLAG, drafts_only: false },
    // A text with the names of the paid invoices, which are others on the other site.
    Unless {
        doctype: "Payment Entry",
        field: "remarks",
        flag: "custom_remarks",
        drafts_only: false,
    },
];

const POSTING_FLAG: &str = "set_posting_time";

/// What a site says of a submitted document: it follows from the others made from it.
pub const STATUS: &str = "status";

/// What users say of it by a button, and no update takes.
const SET_BY_PEOPLE: [&str; 2] = ["Closed", "On Hold"];

/// Whether a status is one that users give and that nothing else brings about.
#[must_use]
pub fn is_set_by_people(status: &str) -> bool {
    SET_BY_PEOPLE.contains(&status)
}

/// Fields that a site takes for filled when a create, or a new row of these doctypes, spells them
/// out as empty: an empty assignee becomes one of the document that the task is about, and an
/// empty batch brings back the price list's rate where a row has `use_serial_batch_fields`.
const FILLED_IF_SENT: [(&str, &str); 2] = [("ToDo", "allocated_to"), (ANY, "batch_no")];
const ANY: &str = "";

/// Whether an empty field must be left out of a new document or row.
#[must_use]
pub fn is_filled_if_sent(doctype: &str, field: &str) -> bool {
    FILLED_IF_SENT.contains(&(doctype, field)) || FILLED_IF_SENT.contains(&(ANY, field))
}

/// What a site stores for good in the middle of a create that holds one of these fields: what
/// comes after it may still be refused, and the document stays.
const COMMITTED_MIDWAY: [(&str, &[&str]); 2] =
    [("Contact", &["phone_nos"]), ("Lead", &["mobile_no", "phone"])];

/// Whether a create may leave its document behind although it is refused.
#[must_use]
pub fn is_committed_midway(doctype: &str, body: &Map<String, Value>) -> bool {
    let is_filled = |field: &&str| match body.get(*field) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(rows)) => !rows.is_empty(),
        _ => false,
    };
    let fields = COMMITTED_MIDWAY.iter().find(|(of, _)| *of == doctype).map(|(_, fields)| *fields);
    fields.is_some_and(|fields| fields.iter().any(is_filled))
}

/// The fields of a doctype that are left out of a create and follow in an update.
#[must_use]
pub fn follow(doctype: &str) -> &'static [&'static str] {
    entry(doctype).map_or(&[], |entry| entry.follow)
}

/// What a site makes by itself beside a document of a doctype.
#[must_use]
pub fn makes(doctype: &str) -> &'static [Product] {
    entry(doctype).map_or(&[], |entry| entry.makes)
}

/// The fields of a doctype that are no content although its metadata does not say so.
pub(super) fn worked_out(doctype: &str) -> &'static [&'static str] {
    entry(doctype).map_or(&[], |entry| entry.worked_out)
}

/// The check without which a site sets this field by itself, and whether it does so to
/// drafts only.
pub(super) fn unless(doctype: &str, field: &str) -> Option<(&'static str, bool)> {
    let found = UNLESS
        .iter()
        .find(|entry| entry.field == field && ["", doctype].contains(&entry.doctype))?;
    Some((found.flag, found.drafts_only))
}

fn entry(doctype: &str) -> Option<&'static SideEffects> {
    TABLE.iter().find(|entry| entry.doctype == doctype)
}
