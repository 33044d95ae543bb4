//! What a doctype's naming rule says about its names.

use crate::model::{Doc, NamesRule, Schema};

/// Doctypes whose own code makes the name from what the document is, although the metadata
/// does not say so: a second one of the same name is refused (docs/frappe.md, "Creates and
/// names").
const NAMED_BY_CONTENT: [&str; 4] = ["Account", "Cost Center", "User", "Warehouse"];

/// The part of a doctype's metadata that tells what its names mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Naming {
    /// The doctype.
    pub doctype: String,
    /// The rule as Frappe writes it, e.g. `field:item_code`, `naming_series:`, `hash`.
    pub autoname: String,
    /// The field shown as the title.
    pub title_field: Option<String>,
}

impl Naming {
    /// The naming part of a doctype's metadata.
    #[must_use]
    pub fn of(schema: &Schema) -> Self {
        Self {
            doctype: schema.doctype.clone(),
            autoname: schema.autoname.clone(),
            title_field: schema.title_field.clone(),
        }
    }

    /// Whether the rule alone makes the same name the same document: the name is a field of
    /// the document or was entered by a person.
    #[must_use]
    pub fn is_natural(&self) -> bool {
        self.is_unique() || NAMED_BY_CONTENT.contains(&self.doctype.as_str())
    }

    /// Whether a second document of a name is refused by the site, so that a create may be
    /// sent again without making a second one.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.autoname.starts_with("field:") || self.is_prompted()
    }

    /// Whether the name is sent with a create.
    #[must_use]
    pub fn is_prompted(&self) -> bool {
        self.autoname.eq_ignore_ascii_case("prompt")
    }
}

/// Whether the name of these documents is their own: always under `natural`, never under
/// `server`. Under `auto` the naming rule tells; where it says that the site counts, a name
/// that equals the title in every one of them is natural all the same (Customer says
/// `naming_series:` while its settings may take the customer's name).
#[must_use]
pub fn has_natural_name(rule: NamesRule, naming: &Naming, docs: &[&Doc]) -> bool {
    match rule {
        NamesRule::Natural => true,
        NamesRule::Server => false,
        NamesRule::Auto if naming.is_natural() => true,
        NamesRule::Auto => naming.title_field.as_deref().is_some_and(|title| {
            !docs.is_empty() && docs.iter().all(|doc| doc.text(title) == Some(&doc.name()))
        }),
    }
}
