//! Keeps two Frappe sites in step.
