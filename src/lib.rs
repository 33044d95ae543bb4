//! Keeps two Frappe/ERPNext sites in step.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod config;
#[cfg(test)]
mod core_tests;
pub mod identity;
pub mod model;
pub mod pass;
pub mod recon;
pub mod secret;
pub mod site;
pub mod state;
