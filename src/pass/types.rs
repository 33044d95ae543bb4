//! The four words of a pass: candidate, pair, operation, outcome.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::model::{Action, ConflictKind, DOCSTATUS, Doc, Form, OpenLink, Side, Sides};
use crate::recon::{Body, Decision, Observed, field_of, unshared};
use crate::site::SiteError;
use crate::state::{Record, Resolution};

/// A document that is to be looked at: the number of its record.
pub type Candidate = i64;

/// A document as both sides show it now, beside what the state knows of it.
#[derive(Debug, Clone)]
pub struct Pair {
    /// What the state knows.
    pub record: Record,
    /// What the sides show.
    pub now: Sides<Observed<Doc>>,
}

impl Pair {
    /// The document of a side, where there is one.
    #[must_use]
    pub fn doc(&self, side: Side) -> Option<&Doc> {
        match &self.now[side] {
            Observed::Present(doc) => Some(doc),
            Observed::Absent | Observed::Unknown(_) => None,
        }
    }

    /// What the document is called in messages.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} {}", self.record.doctype, self.record.docname)
    }
}

/// A pair's sync forms.
#[derive(Debug, Clone, Default)]
pub struct Forms {
    /// What the sides show now; empty where there is no document.
    pub now: Sides<Form>,
    /// What they last agreed on, in today's form.
    pub base: Option<Sides<Form>>,
    /// Both with what can no longer be edited, where a document is submitted.
    pub whole: Option<WholeForms>,
}

/// A pair's forms as if everything could still be edited.
#[derive(Debug, Clone, Default)]
pub struct WholeForms {
    /// What the sides show now.
    pub now: Sides<Form>,
    /// What they last agreed on.
    pub base: Option<Sides<Form>>,
}

impl Forms {
    /// The fields in which the sides differ now, also those that can no longer be edited.
    #[must_use]
    pub fn differing(&self) -> Vec<String> {
        let now = self.whole.as_ref().map_or(&self.now, |whole| &whole.now);
        now.cloud.differing(&now.local)
    }

    /// The fields to name with a conflict. A field that counts from now on nobody need have
    /// changed.
    #[must_use]
    pub fn named_for(&self, kind: ConflictKind) -> Vec<String> {
        let Some(whole) = self.whole.as_ref().filter(|_| kind == ConflictKind::NewField) else {
            return self.colliding();
        };
        let mut named: BTreeSet<String> = self.colliding().into_iter().collect();
        named.extend(whole.now.cloud.differing(&whole.now.local));
        named.into_iter().collect()
    }

    /// The fields that a conflict is about: those of [`Forms::differing`], but of a submitted
    /// document, of which each site keeps some to itself, only those that somebody changed.
    #[must_use]
    pub fn colliding(&self) -> Vec<String> {
        match &self.whole {
            Some(WholeForms { now, base: Some(base) }) => {
                let places = Side::BOTH.map(|side| unshared(base.as_ref(), now.as_ref(), side));
                let fields: BTreeSet<String> =
                    places.iter().flatten().map(|place| field_of(place).to_owned()).collect();
                fields.into_iter().collect()
            }
            _ => self.differing(),
        }
    }
}

/// What is to be done about a document.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The document.
    pub pair: Pair,
    /// Its forms.
    pub forms: Forms,
    /// Why it is done.
    pub decision: Decision,
    /// What is done.
    pub step: Step,
}

/// The kinds of operation.
#[derive(Debug, Clone)]
pub enum Step {
    /// Nothing is sent: both sides are in step, only the state is written.
    Agree,
    /// The conflict is recorded for a person.
    Record,
    /// The two documents are told apart; each is then created on the other side.
    Part,
    /// The document is left alone.
    Skip,
    /// It waits for another document.
    Wait(OpenLink),
    /// Its turn comes when everything else is done.
    Last,
    /// Its name is still another document's on the other side.
    NameTaken,
    /// This side has refused to cancel or delete it because of a document that still waits for
    /// a person: it is not asked again before that one is settled.
    Held(Side),
    /// It is gone on both sides: only the state is written.
    Forget,
    /// It is gone on both sides, and the only version of it that there is waits in a conflict.
    Keep,
    /// It cannot be done, for this reason.
    Fail(String),
    /// A request goes out.
    Send(Write),
}

/// A request that changes a site.
#[derive(Debug, Clone)]
pub struct Write {
    /// The side that is written to.
    pub side: Side,
    /// What is sent.
    pub body: Body,
    /// The source less what the body leaves out: it becomes the source's base, so that what
    /// was left out still counts as a change (invariant 1).
    pub carried: Doc,
    /// What is asked of the site.
    pub request: Request,
    /// How the conflict is settled by it, once it is closed.
    pub resolution: Option<Resolution>,
    /// What the log calls it.
    pub log_as: Action,
    /// Fields of the target that are still to be carried back to the source, with the values
    /// that its base gets in place of what is there (a conflict settled field by field).
    pub owed: Map<String, Value>,
}

impl Write {
    /// Whether it settles a conflict by half: the rest, or its submission or cancellation,
    /// follows in a request of its own.
    #[must_use]
    pub fn is_half(&self) -> bool {
        !self.owed.is_empty() || self.body.omitted.contains(DOCSTATUS)
    }
}

/// What is asked of the site.
#[derive(Debug, Clone)]
pub enum Request {
    /// A new document.
    Insert {
        /// The name that it must have afterwards; `None`: whatever name the site gives it.
        name: Option<String>,
    },
    /// Fields of an existing document.
    Update {
        /// Its name.
        name: String,
        /// The lock: `modified` as read.
        modified: String,
    },
    /// An existing document is to go.
    Delete {
        /// The document as read: there is no lock, so it is read once more just before.
        doc: Doc,
    },
    /// An existing document gets another name.
    Rename {
        /// The document as read, under its name until now.
        doc: Doc,
        /// Its name from now on.
        new: String,
    },
}

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The site's answer.
    Written(Doc),
    /// Somebody edited one of the two documents since they were read: nothing was written.
    Moved,
    /// The site says that such a document is there already: nothing was written.
    Taken(String),
    /// The site does not let the document have this name.
    NotRenamed(String),
    /// The site refused, or did not answer.
    Failed(SiteError),
}

/// A document that is looked at again in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// The document.
    pub candidate: Candidate,
    /// Why.
    pub reason: AsideReason,
}

/// Why a document is looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsideReason {
    /// It links to a document that is still to be written, by its name on this side, where one
    /// is written to.
    Waits(OpenLink, Option<Side>),
    /// It changed while it was looked at.
    Moved,
    /// The site says that it is there already.
    Taken(String),
    /// This side does not cancel or delete it while another document holds it.
    Held(Side, String),
    /// Its name is still another document's on the other side.
    NameTaken,
    /// It was written without some fields, which follow.
    Rest,
    /// It has a new name; what else there is to do follows.
    Renamed,
    /// Its turn comes when everything else is done.
    Last,
}

/// The parts of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everything that adds or changes.
    Main,
    /// What takes something away, in reverse order.
    Last,
    /// What may have settled itself by the rest.
    End,
}

/// What to do with links whose targets are still to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenLinks {
    /// The document waits.
    Wait,
    /// New documents are written without them; they follow.
    Cut,
    /// Nothing is written anyway.
    Ignore,
}
