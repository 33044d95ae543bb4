//! Doctypes that must not be synced, and why.
//!
//! Known by name here, so that nothing has to be contacted; singles, child tables and virtual
//! doctypes that are not in this list are found by their metadata. The rule kept: what a site
//! writes for itself, or what decides how a site works, is never copied from another site.

const LEDGER: &str = "each site writes its own ledger when a document is submitted; \
                      sync the documents that post to it";
const STOCK: &str = "each site counts its own stock from its stock documents";
const ACCESS: &str = "users, roles and permissions are each site's own";
const SCHEMA: &str = "it decides how a site works; carry it over as a fixture or with an app";
const HISTORY: &str = "each site keeps its own history";
const QUEUE: &str = "it belongs to a site's own background work";
const SINGLE: &str = "it is a site's own settings (a single), not a list of documents";
const FILE: &str = "a file's content is not part of its document";
const NAMING: &str = "each site counts its own names";

/// The names, by reason.
const REFUSED: [(&str, &[&str]); 9] = [
    (
        LEDGER,
        &[
            "GL Entry",
            "Stock Ledger Entry",
            "Payment Ledger Entry",
            "Advance Payment Ledger Entry",
            "Account Closing Balance",
            "Loyalty Point Entry",
        ],
    ),
    (STOCK, &["Bin", "Stock Closing Balance", "Repost Item Valuation"]),
    (
        ACCESS,
        &[
            "User",
            "Role",
            "Role Profile",
            "User Permission",
            "User Type",
            "DocPerm",
            "Custom DocPerm",
            "DocShare",
            "Has Role",
            "OAuth Client",
            "OAuth Bearer Token",
            "OAuth Authorization Code",
            "Token Cache",
            "User Social Login",
            "Social Login Key",
            "Notification Settings",
        ],
    ),
    (
        SCHEMA,
        &[
            "DocType",
            "DocField",
            "DocType Action",
            "DocType Link",
            "DocType State",
            "Custom Field",
            "Property Setter",
            "Module Def",
            "Client Script",
            "Server Script",
            "Patch Log",
            "Package",
            "Webhook",
            "Scheduled Job Type",
            "Installed Application",
            "Installed Applications",
        ],
    ),
    (
        HISTORY,
        &[
            "Deleted Document",
            "Version",
            "Comment",
            "Activity Log",
            "Access Log",
            "Route History",
            "View Log",
            "Notification Log",
            "Error Log",
            "Scheduled Job Log",
            "Webhook Request Log",
            "Integration Request",
            "Data Import Log",
            "Transaction Log",
            "Document Follow",
        ],
    ),
    (
        QUEUE,
        &[
            "RQ Job",
            "RQ Worker",
            "Email Queue",
            "Email Queue Recipient",
            "Unhandled Email",
            "Prepared Report",
            "Submission Queue",
            "Data Import",
            "Bulk Update",
        ],
    ),
    (
        SINGLE,
        &[
            "System Settings",
            "Global Defaults",
            "Website Settings",
            "Print Settings",
            "Accounts Settings",
            "Stock Settings",
            "Selling Settings",
            "Buying Settings",
            "Manufacturing Settings",
            "Projects Settings",
            "Support Settings",
            "CRM Settings",
            "HR Settings",
            "Payroll Settings",
            "POS Settings",
            "Item Variant Settings",
            "Delivery Settings",
            "Currency Exchange Settings",
            "Domain Settings",
            "Navbar Settings",
            "Log Settings",
            "Portal Settings",
        ],
    ),
    (FILE, &["File"]),
    (NAMING, &["Document Naming Settings", "Document Naming Rule"]),
];

/// Why a doctype must not be synced; `None` where nothing is known against it. Case and
/// blanks around the name do not count, as they do not for the sites' databases.
#[must_use]
pub fn refusal(doctype: &str) -> Option<&'static str> {
    let doctype = doctype.trim();
    REFUSED
        .iter()
        .find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(doctype)))
        .map(|(reason, _)| *reason)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{REFUSED, refusal};

    #[test]
    fn every_name_stands_there_once_and_case_does_not_count() {
        let mut seen = BTreeSet::new();
        for name in REFUSED.iter().flat_map(|(_, names)| *names) {
            assert!(seen.insert(name.to_lowercase()), "{name} stands there twice");
        }
        assert!(refusal("gl entry").unwrap().contains("ledger"));
        assert!(refusal(" DocType ").is_some());
        assert_eq!(refusal("Customer"), None);
    }
}
