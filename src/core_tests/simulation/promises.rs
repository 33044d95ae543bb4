//! What is promised of every history, and what is said where a promise was broken.

/// A promise that every history is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// What users entered is on a site, or whole in what erpsync keeps.
    NothingLost,
    /// No side has more documents alike than users have made.
    NothingTwice,
    /// Two documents that users made are not taken for one, however alike they are.
    NothingJoined,
    /// What a user replaced or removed on a side comes back there only where both versions are
    /// kept as a conflict.
    NothingReturns,
    /// A document goes from a side only where somebody meant it.
    NothingDeleted,
    /// What is said to be in step is on both sides, and equal.
    InStep,
    /// A person's word overwrites only what that person was shown.
    OnlyWhatWasShown,
    /// What is not in step has a reason, no request is left open, and every document is known.
    Explained,
    /// Once everything was looked at nothing more is written.
    Quiet,
    /// A run in which nothing goes wrong comes to its end.
    Runs,
}

/// A promise that was broken, and how.
#[derive(Debug, Clone)]
pub struct Breach {
    pub promise: Promise,
    pub what: String,
}

impl Promise {
    pub fn broken(self, what: impl Into<String>) -> Breach {
        Breach { promise: self, what: what.into() }
    }
}
