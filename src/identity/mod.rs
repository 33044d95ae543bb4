//! Which document is which: what a name means, what two documents are to each other, and
//! what a link is called on the other side.
//!
//! Pure. The rule kept here: identity is the document, not its name (invariant 4). A name
//! counts only where the doctype's naming makes it the document's own.

mod links;
mod meet;
mod naming;
mod pairing;

pub use links::{Known, LinkTable, RowPair};
pub use meet::{fold_name, meeting, row_creations};
pub use naming::{Naming, has_natural_name, is_named_after_its_original};
pub use pairing::{Claim, Proof, settle_claims, telling_fields, told_by};
