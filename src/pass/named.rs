//! What a new document was called, and what becomes of one that got another name than it was
//! to get.
//!
//! The rule kept here: of one document no second copy stays behind (invariant 3).

use crate::model::{Doc, Side};
use crate::recon::Decision;
use crate::site::ErrorKind;

use super::requests::sent_fields;
use super::reread::Done;
use super::{Doctype, Operation, Pass, Request, Write};

impl Pass<'_> {
    /// A new document must have got the name that it was to get. One that did not is a second
    /// copy: it is taken back.
    pub(super) fn named_right(
        &mut self,
        doctype: &Doctype,
        operation: &Operation,
        write: &Write,
        intent: i64,
        answer: Doc,
    ) -> anyhow::Result<Option<Done>> {
        if let Request::Insert { name } = &write.request
            && answer.name() != *name
        {
            self.take_back(doctype, operation.pair.record.id, write.side, name, &answer, intent)?;
            return Ok(None);
        }
        let Operation { pair, decision, .. } = operation;
        Ok(Some(Done {
            record: pair.record.id,
            intent,
            side: write.side,
            action: decision.action,
            reason: decision.reason.clone(),
            source: write.carried.clone(),
            answer,
            sent: sent_fields(write),
            has_more: !write.body.omitted.is_empty(),
            resolution: write.resolution,
            log_as: write.log_as,
            owed: write.owed.clone(),
        }))
    }

    /// Deletes the copy that a site has just made for us under another name than asked for.
    pub(super) fn take_back(
        &mut self,
        doctype: &Doctype,
        record: i64,
        side: Side,
        name: &str,
        answer: &Doc,
        intent: i64,
    ) -> anyhow::Result<()> {
        let copy = answer.name();
        let now = self.now();
        let site = self.sites[side];
        let deleted = site.delete(&doctype.config.doctype, &copy).or_else(|error| {
            // An earlier try may have done it without an answer.
            let is_gone = error.kind == ErrorKind::NoSuchPath
                && site
                    .get(&doctype.config.doctype, &copy)
                    .is_err_and(|error| error.kind == ErrorKind::NotFound);
            if is_gone { Ok(()) } else { Err(error) }
        });
        let outcome = match deleted {
            Ok(()) => {
                self.state.void_intent(intent, "the copy was taken back", now)?;
                "the copy was taken back".to_owned()
            }
            Err(error) => format!("taking the copy back failed and is tried again: {error}"),
        };
        let message = format!(
            "{side} named the copy {copy:?} because a document {name:?} is there that our user does \
             not see; {outcome}"
        );
        let records = self.state.load_records(&[record])?;
        let decision = Decision::skip(format!("new on {}", side.opposite()));
        for record in &records {
            self.fail_record(record, &decision, &message)?;
        }
        Ok(())
    }
}
