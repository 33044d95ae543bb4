//! What a new document was called, and what becomes of one that got another name than it was
//! to get.
//!
//! The rule kept here: of one document no second copy stays behind (invariant 3).

use crate::identity::{fold_name, has_natural_name};
use crate::model::{Action, Doc, NamesRule, Side};
use crate::recon::{Decision, removed_rows};
use crate::site::ErrorKind;

use super::requests::sent_fields;
use super::reread::Done;
use super::{Doctype, Operation, Pass, Request, Write, at};

impl Pass<'_> {
    /// A new document must have got the name that it was to get. One that did not is a second
    /// copy: it is taken back.
    pub(super) fn named_right(
        &mut self,
        doctype: &Doctype,
        operation: Operation,
        write: Write,
        intent: i64,
        answer: Doc,
    ) -> anyhow::Result<Option<Done>> {
        if let Request::Insert { name: Some(name) } = &write.request
            && is_second_copy(doctype, name, &answer.name())
        {
            self.take_back(doctype, operation.pair.record.id, write.side, name, &answer, intent)?;
            return Ok(None);
        }
        let Operation { pair, decision, .. } = operation;
        let sent = sent_fields(&write);
        let target = pair.doc(write.side);
        Ok(Some(Done {
            record: pair.record.id,
            intent,
            side: write.side,
            action: decision.action,
            reason: decision.reason,
            source: write.carried,
            answer,
            removed: target.map(|target| removed_rows(&sent, target)).unwrap_or_default(),
            sent,
            form_digest: doctype.shape.digest().to_owned(),
            has_more: decision.action != Action::Resolve && !write.body.omitted.is_empty(),
            resolution: write.resolution,
            log_as: write.log_as,
            owed: write.owed,
            was_named: None,
        }))
    }

    /// Whether a copy that was taken back is still as the site answered it, or gone. One that
    /// somebody has edited since is not ours to delete.
    pub(super) fn is_as_answered(
        &self,
        doctype: &Doctype,
        side: Side,
        answer: &Doc,
    ) -> anyhow::Result<bool> {
        match self.sites[side].get(&doctype.config.doctype, &answer.name()) {
            Ok(now) => {
                Ok(now.creation() == answer.creation() && now.modified() == answer.modified())
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(at(side)(error)),
        }
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
        self.opening.forget();
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

/// The name that the copy of a document must have; `None` where the other site gives it one
/// of its own. An amendment is always called after what it amends.
pub(super) fn wanted_name(doctype: &Doctype, source: &Doc) -> Option<String> {
    let natural = has_natural_name(doctype.config.names, &doctype.naming, &[source]);
    let is_amendment = source.text("amended_from").is_some_and(|name| !name.is_empty());
    (natural && !is_amendment).then(|| source.name())
}

/// Why the other site cannot give the copy of a document its name: the configuration calls
/// names natural that the sites count.
pub(super) fn cannot_be_named(doctype: &Doctype, source: &Doc) -> Option<String> {
    let by_rule = doctype.config.names == NamesRule::Natural;
    let by_itself = has_natural_name(NamesRule::Auto, &doctype.naming, &[source]);
    (by_rule && !by_itself).then(|| {
        format!(
            "names = \"natural\", but the sites give a new {} names of their own; use names = \
             \"auto\"",
            doctype.config.doctype
        )
    })
}

/// Whether the name that a site gave means a second document beside one of the wanted name. A
/// site that counts, although the other names such documents by their title, gives a name of
/// quite another kind: that one is kept.
pub(super) fn is_second_copy(doctype: &Doctype, wanted: &str, given: &str) -> bool {
    let by_title = doctype.config.names == NamesRule::Auto && !doctype.naming.is_natural();
    given != wanted && (!by_title || is_numbered(wanted, given))
}

/// Whether a name is another with the number behind it that a site gives to a namesake: "ACME"
/// becomes "ACME - 1" or "ACME-1". A series that happens to begin alike fills its numbers up
/// with zeros, or has more in it ("ACME-00001", "ACME-2026-1").
fn is_numbered(wanted: &str, given: &str) -> bool {
    let (wanted, given) = (fold_name(wanted), fold_name(given));
    let rest = given.strip_prefix(&wanted);
    let number = rest.and_then(|rest| rest.strip_prefix(" - ").or_else(|| rest.strip_prefix('-')));
    number.is_some_and(|number| {
        !number.is_empty()
            && !number.starts_with('0')
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::is_numbered;

    #[test]
    fn a_second_copy_has_a_number_behind_its_name_and_a_counted_name_does_not() {
        for given in ["ACME - 1", "ACME-2", "acme - 12"] {
            assert!(is_numbered("ACME", given), "{given}");
        }
        for given in ["ACME-2026-00001", "ACME-00001", "ACME Ltd", "ACME-", "ACME1", "C-1"] {
            assert!(!is_numbered("ACME", given), "{given}");
        }
    }
}
