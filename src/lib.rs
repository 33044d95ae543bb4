//! Keeps two Frappe/ERPNext sites in step.
//!
//! A map of the crate. Pure: `model` (documents, metadata, the canonical form), `identity`
//! (what a name means), `recon` (what is to be done). Edges: `site` (the network), `state`
//! (the database), `config` (files and environment), `webhook` (signed deliveries), `report`
//! (what is printed). `pass` puts them together: scan -> fetch -> plan -> execute; `doctor`
//! looks at everything before the first write; `cli` is the command line.

#![cfg_attr(any(test, fuzzing), allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod cli;
pub mod config;
#[cfg(test)]
mod core_tests;
pub mod doctor;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod identity;
pub mod model;
pub mod pass;
pub mod recon;
pub mod report;
pub mod secret;
pub mod site;
pub mod state;
pub mod webhook;
