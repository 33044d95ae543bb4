//! A model of a Frappe site.
