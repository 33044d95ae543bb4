//! A faithful model of a Frappe 15 site, for tests and demonstrations.
//!
//! The model is a plain library: no socket, no thread, no clock of its own. Time is passed in with
//! every request, randomness comes from a seed, so that a simulation can be replayed. The HTTP
//! layer ([`http`]) is thin and the only place that opens sockets.
//!
//! Map of the crate:
//!
//! * [`site`] the site and its state; [`sites`] furnished sites; [`seed`] many documents;
//!   [`trade`] documents made from each other
//! * [`request`] requests and answers; `exchange` the life of a request; `route` paths and the two
//!   REST interfaces; `methods`, `desk` method calls
//! * `load`, `save`, `validate`, `naming`, `remove`, `rename`, `tree` what documents obey; `controllers`,
//!   `effects`, `core` what some doctypes do by themselves, `erpnext` `ERPNext`'s documents
//! * `query` lists; `access` permissions; [`failure`] refusals and their bodies
//! * [`meta`] doctypes and [`field`] their fields; [`doc`] documents; [`table`] rows; [`value`] cells; [`collate`] text order
//! * `clock` zones and stamps; `webhooks` what the background worker would send; `postman` sends it
//! * [`faults`] misbehaviour on order; [`log`] the request log; [`rate`] the rate limit
//! * `direct` looking and editing without requests

// Nearly everything here gives a value; saying so a hundred times helps nobody.
#![allow(clippy::must_use_candidate)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod access;
mod clock;
pub mod collate;
mod controllers;
mod core;
mod desk;
mod direct;
pub mod doc;
mod effects;
mod erpnext;
mod exchange;
pub mod failure;
pub mod faults;
pub mod field;
pub mod http;
mod load;
pub mod log;
pub mod meta;
mod methods;
mod naming;
mod postman;
mod query;
pub mod rate;
mod remove;
mod rename;
pub mod request;
mod route;
mod save;
pub mod seed;
pub mod site;
pub mod sites;
pub mod table;
pub mod trade;
mod tree;
mod validate;
pub mod value;
mod webhooks;

#[cfg(test)]
mod tests;

pub use direct::Backup;
pub use exchange::{Delivery, Pending};
pub use request::{Request, Response};
pub use site::{Flavour, Site, User};
pub use webhooks::WebhookCall;
