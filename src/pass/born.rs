//! Born: what a site made by itself while it carried out a request of ours.
//!
//! The rule kept here: a document is taken for that only where it was made within the time of a
//! request that makes documents, under our user, and links to what that request made; everything
//! else is a person's (invariant 5).

use std::time::Duration;

use jiff::civil::DateTime;

use crate::model::{Doc, Meeting, Side, Sides};
use crate::state::Made;

use super::{Doctype, Pass};

impl Pass<'_> {
    /// Whether one of two different documents of one name is what a site made by itself while
    /// it carried out a request of ours, as it makes a Contact with a Lead. Then it holds no
    /// word of a person, whatever its name proves.
    pub(super) fn born_of_ours(
        &mut self,
        doctype: &Doctype,
        docs: Sides<&Doc>,
    ) -> anyhow::Result<Option<Meeting>> {
        let ours = docs.map(|side, doc| doc.text("owner") == Some(self.users[side].as_str()));
        for side in Side::BOTH {
            if !ours[side] || ours[side.opposite()] {
                continue;
            }
            let links = doctype.shape.links(docs[side]);
            let longest = self.config.sides[side].timeout;
            let is_cause = |made: &Made| {
                let is_linked = |(doctype, name): &(String, String)| {
                    *doctype == made.doctype && *name == made.name
                };
                is_during(docs[side].creation(), &made.stamp, longest)
                    && links.iter().any(is_linked)
            };
            if self.made()?[side].iter().any(is_cause) {
                return Ok(Some(Meeting::BornOn(side)));
            }
        }
        Ok(None)
    }

    /// What our requests have made, read once until the next ones go out.
    fn made(&mut self) -> anyhow::Result<&Sides<Vec<Made>>> {
        let made = match self.made.take() {
            Some(made) => made,
            None => Sides::new(self.state.made(Side::Cloud)?, self.state.made(Side::Local)?),
        };
        Ok(self.made.insert(made))
    }
}

/// Whether a document was made while a request was carried out that took no longer than
/// `longest`, by the stamp of its answer. Stamps of one site.
fn is_during(creation: &str, answer: &str, longest: Duration) -> bool {
    let (Ok(creation), Ok(answer)) = (creation.parse::<DateTime>(), answer.parse::<DateTime>())
    else {
        return false;
    };
    creation.duration_since(answer).unsigned_abs() <= longest
}
