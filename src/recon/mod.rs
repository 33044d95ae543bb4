//! Reconciliation: classify, decide, and work out what is sent.
//!
//! Pure: documents, forms and instants in, decisions and request bodies out. Nothing here
//! reads a clock, a database or a network.

mod absence;
mod changes;
mod clock;
mod decide;
mod differences;
mod docstatus;
mod entered;
mod filled;
mod guard;
mod patch;
mod ping_pong;
mod rename;
mod restored;
mod rows;

pub use absence::{Asked, Fate, Lookalike, Single, fate};
pub use changes::{Place, agree, differ_beyond, field_of, replaced, unshared};
pub use clock::{Moment, Newest, SiteClock, Skew, earliest_stamp, newest};
pub use decide::{Change, Decision, Observed, Rules, Situation, Version, classify, decide};
pub use differences::{
    Content, Difference, Differences, Recorded, RowChange, RowDifference, Values, differences,
};
pub use docstatus::{way, what_stays};
pub use entered::check_entered;
pub use filled::with_what_forms_fill;
pub use guard::{deletes_left, went_back};
pub use patch::{
    Body, Translate, before_cancelling, cancel_body, changed_fields, create_body, submit_body,
    update_body,
};
pub use ping_pong::{RUNS, Turn, is_ping_pong, ping_pong};
pub use rename::{Names, Renaming, renaming};
pub use restored::{Standing, brought_back, standing};
pub use rows::{RowNames, match_rows, removed_rows, row_name};
