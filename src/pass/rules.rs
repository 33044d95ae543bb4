//! The rules that a pass keeps to, by name, so that a test can leave one out.
//!
//! Each is asked for at the one place that keeps it. The program keeps them all: outside of tests
//! no other value of [`Rules`] can be made, so nothing that is typed, configured or answered leaves
//! one out. `core_tests::simulation::rules` shows that random histories find what goes wrong
//! without each of them.

/// A rule that a pass keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// What came of the requests of a run that was cut off is found out first. Without it they
    /// are forgotten: what such a run made is made again.
    Journal,
    /// An update carries the `modified` that was read. Without it an edit that came in between
    /// is overwritten, and nothing of it is left.
    Lock,
    /// A document is gone only where the site says so of this very document. Without it one that
    /// is hidden from our user counts as deleted, and is deleted on the other side.
    Evidence,
    /// A document that does not have its name any more is looked for by its `creation`. Without
    /// it one that was renamed counts as deleted.
    Creation,
    /// What is read after a write becomes the base only where it is what the site answered.
    /// Without it an edit made meanwhile counts as carried over, and never is.
    Reread,
    /// A request that may still arrive is waited for. Without it the same is sent again, and
    /// both arrive.
    Patience,
    /// A conflict is settled only while both documents are what it shows. Without it a person's
    /// word overwrites what that person has not seen.
    SecondLook,
    /// Two documents are one where all that a person can enter is equal. Without it the fields
    /// that are kept in step decide, which are few once a document is submitted: two documents
    /// are taken for one.
    IdentityForm,
    /// A second copy of a document that is known is carried nowhere. Without it two states
    /// multiply documents.
    DuplicateBrake,
    /// A base is compared in the form of today, and what counts only since then is no edit.
    /// Without it a field in which the sides have long differed counts as in step.
    FormDigest,
}

/// Which rules are kept to: all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    left_out: Option<Rule>,
}

impl Rules {
    /// Whether a rule is kept to.
    #[must_use]
    pub fn keeps(self, rule: Rule) -> bool {
        self.left_out != Some(rule)
    }

    /// All but one.
    #[cfg(test)]
    pub fn without(rule: Rule) -> Self {
        Self { left_out: Some(rule) }
    }
}
