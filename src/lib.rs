//! Keeps two Frappe/ERPNext sites in step.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod model;
pub mod secret;
pub mod site;
