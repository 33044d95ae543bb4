//! What `ERPNext`'s documents do by themselves.
//!
//! What lives here: a file for each family of doctypes, called by `controllers` (before a document is
//! stored) and `effects` (after it). What may not: rules that hold for every doctype.

mod desk_documents;
mod items;
mod parties;
