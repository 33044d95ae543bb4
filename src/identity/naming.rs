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

    /// What the names mean on two sites together: where their rules differ, the weaker counts.
    #[must_use]
    pub fn weaker(one: Self, other: Self) -> Self {
        let strength = |naming: &Self| (naming.is_natural(), naming.is_unique());
        let title_field = one.title_field.clone().filter(|_| one.title_field == other.title_field);
        let weaker = if strength(&other) < strength(&one) { other } else { one };
        Self { title_field, ..weaker }
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

/// Whether an amendment has the name that a site makes of its original's: `X-1` of `X`, `X-2` of
/// `X-1`. A site has no second one of that name.
#[must_use]
pub fn is_named_after_its_original(doc: &Doc) -> bool {
    let (name, original) = (doc.name(), doc.text("amended_from").unwrap_or_default());
    let Some((stem, number)) = name.rsplit_once('-').filter(|_| !original.is_empty()) else {
        return false;
    };
    let next = |(before, last): (&str, &str)| {
        let last = last.parse::<u32>().ok()?;
        (before == stem).then(|| (last + 1).to_string())
    };
    stem == original && number == "1"
        || original.rsplit_once('-').and_then(next).is_some_and(|next| next == number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn naming(autoname: &str, title: &str) -> Naming {
        Naming {
            doctype: "Customer".to_owned(),
            autoname: autoname.to_owned(),
            title_field: Some(title.to_owned()),
        }
    }

    #[test]
    fn of_two_rules_the_weaker_counts() {
        for (one, other, weaker) in [
            ("field:code", "naming_series:", "naming_series:"),
            ("hash", "prompt", "hash"),
            ("prompt", "field:code", "prompt"),
        ] {
            let both = Naming::weaker(naming(one, "title"), naming(other, "title"));
            assert_eq!(both, naming(weaker, "title"));
        }
        let both = Naming::weaker(naming("hash", "title"), naming("hash", "subject"));
        assert_eq!(both.title_field, None, "a title is one only where both sites show it");
    }

    #[test]
    fn a_name_is_natural_where_it_is_the_title_of_every_document() {
        let series = naming("naming_series:", "customer_name");
        let doc = |name: &str| -> Doc {
            serde_json::from_value(json!({"name": name, "customer_name": "ACME"})).unwrap()
        };
        let (acme, counted) = (doc("ACME"), doc("CUST-0001"));
        assert!(has_natural_name(NamesRule::Auto, &series, &[&acme]));
        assert!(!has_natural_name(NamesRule::Auto, &series, &[&acme, &counted]));
        assert!(!has_natural_name(NamesRule::Auto, &series, &[]));
        assert!(!has_natural_name(NamesRule::Server, &series, &[&acme]));
        assert!(has_natural_name(NamesRule::Natural, &series, &[&counted]));
    }

    #[test]
    fn an_amendment_is_named_after_its_original_by_the_site_alone() {
        let is = |name: &str, original: &str| {
            let doc = json!({"name": name, "amended_from": original});
            is_named_after_its_original(&serde_json::from_value(doc).unwrap())
        };
        assert!(is("SO-2026-00001-1", "SO-2026-00001") && is("SO-00001-2", "SO-00001-1"));
        // A series that goes on.
        assert!(!is("SO-2026-00002", "SO-2026-00001") && !is("SO-2026-00001-1", ""));
    }
}
