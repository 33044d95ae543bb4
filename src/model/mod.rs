//! The vocabulary of the program: sides, documents, metadata and the canonical form.
//!
//! Everything here is pure: no input or output, no clock, no environment. The rule kept here
//! is that a document has one canonical form, whichever way it was read and whichever site
//! it stands on, so that "changed" never means "read differently".

mod action;
mod day_digests;
mod doc;
mod fingerprint;
mod form;
mod policy;
mod pyjson;
mod relation;
mod schema;
mod shape;
mod side;
pub mod side_effects;
mod stamp;
pub(crate) mod words;

pub use action::{Action, ConflictKind};
pub use day_digests::DayDigests;
pub use doc::{DOCSTATUS, Doc, DocKey, SYSTEM_FIELDS, name_text};
pub use fingerprint::{DaySums, Fingerprint, Stretch};
pub use form::{Form, LinkIds, canonical_scalar, md5_hex};
pub use policy::{Collisions, Deletes, FirstMeeting, MaxDeletes, NamesRule, Policy, Submitted};
pub use pyjson::dumps;
pub use relation::{Meeting, OpenLink, ROWS, Translation, is_counted_name, may_be_row_name};
pub use schema::{Field, FieldKind, Schema, reduced, reduction};
pub use shape::{Column, Columns, Role, Shape, Stamped};
pub use side::{Direction, Side, Sides, named_on};
pub use stamp::{Day, Stamp};
