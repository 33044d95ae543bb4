//! What is done about a document, and why two versions may not go together.

use super::words::words;

/// What is done about a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Nothing.
    Noop,
    /// It is made on the side where it is missing.
    Create,
    /// One side's edit is written to the other.
    Update,
    /// It is deleted on the side that still has it.
    Delete,
    /// Both sides' edits are written to both.
    Merge,
    /// It is submitted on the other side.
    Submit,
    /// It is cancelled on the other side.
    Cancel,
    /// It is renamed on the other side.
    Rename,
    /// Both sides are equal already: only the base is written.
    Adopt,
    /// It is gone on both sides: only the state changes.
    Forget,
    /// A person must decide; both versions are kept.
    Conflict,
    /// A person decided.
    Resolve,
    /// It was looked at: a line of the log about what else a pass did.
    Sync,
}

words!(
    Action,
    13,
    Noop = "noop",
    Create = "create",
    Update = "update",
    Delete = "delete",
    Merge = "merge",
    Submit = "submit",
    Cancel = "cancel",
    Rename = "rename",
    Adopt = "adopt",
    Forget = "forget",
    Conflict = "conflict",
    Resolve = "resolve",
    Sync = "sync"
);

/// Why two versions do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictKind {
    /// Both sides were edited.
    EditEdit,
    /// One side was edited, the other deleted.
    EditDelete,
    /// Two versions of one document without a common base.
    FirstMeeting,
    /// Two documents of one name.
    Collision,
    /// A second copy of a document that is known already.
    Duplicate,
    /// A request whose outcome nobody knows.
    UnknownOutcome,
    /// A field that newly counts and on which the sides differ.
    NewField,
    /// A change that the other site's rules do not let through.
    CannotMirror,
    /// The sites keep changing each other's copies.
    PingPong,
}

words!(
    ConflictKind,
    9,
    EditEdit = "edit_edit",
    EditDelete = "edit_delete",
    FirstMeeting = "first_meeting",
    Collision = "collision",
    Duplicate = "duplicate",
    UnknownOutcome = "unknown_outcome",
    NewField = "new_field",
    CannotMirror = "cannot_mirror",
    PingPong = "ping_pong"
);
