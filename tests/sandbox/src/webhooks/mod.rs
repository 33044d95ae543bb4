//! Webhooks: what a site's background worker sends after a commit.
//!
//! What lives here: which webhooks an event of a document calls, the calls that wait, their
//! retries, and the Webhook Request Log. What may not: sockets; the owner of the site takes the
//! calls that are due and says what became of them (recording 08).

mod body;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::doc::{Doc, archive_text};
use crate::failure::{Failure, Outcome};
use crate::save::Step;
use crate::site::{Context, Site};
use crate::value;

/// Seconds from one try to the next; after the last there is none.
const PAUSES: [i64; 2] = [1, 4];

/// Events that only a doctype that can be submitted has.
const OF_SUBMITTED: [&str; 3] = ["on_submit", "on_cancel", "on_update_after_submit"];

/// The header with the signature.
pub const SIGNATURE: &str = "X-Frappe-Webhook-Signature";

/// A request that the site wants to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookCall {
    /// The Webhook document.
    pub webhook: String,
    /// The document it tells of.
    pub document: String,
    /// The verb.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Header names and values, without those that any client adds.
    pub headers: Vec<(String, String)>,
    /// The body, and over these bytes the signature.
    pub body: Vec<u8>,
    /// When it is to be sent, by the site's clock.
    pub due: Timestamp,
    /// Who caused it.
    user: String,
    /// How often it was tried already.
    tries: usize,
}

/// A webhook and the document that it will tell of.
#[derive(Debug, Clone)]
struct Job {
    webhook: String,
    doc: Doc,
    user: String,
    due: Timestamp,
}

/// What waits to be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outbox {
    /// Of the request under way; a rolled back one has none.
    uncommitted: Vec<Job>,
    /// Of the same request, from before a commit in the middle of it.
    committed: Vec<Job>,
    jobs: Vec<Job>,
    again: Vec<WebhookCall>,
    /// By webhook; the documents show asterisks.
    secrets: BTreeMap<String, String>,
}

impl Step {
    /// The events that a save runs. `on_update_after_submit` can be chosen and is never run.
    pub(crate) fn events(self) -> &'static [&'static str] {
        match self {
            Self::Save => &["on_update", "on_change"],
            Self::Submit => &["on_update", "on_submit", "on_change"],
            Self::UpdateAfterSubmit => &["on_change"],
            Self::Cancel => &["on_cancel", "on_change"],
        }
    }
}

impl Site {
    /// A document was created, and what its creation makes on the side is done: what waits to tell
    /// of it tells of it as it is now. `on_change` is not run for it.
    pub(crate) fn announce_saved_insert(&mut self, ctx: &Context, doc: &Doc) {
        let is_told =
            |job: &&mut Job| job.doc.doctype == doc.doctype && job.doc.name() == doc.name();
        for job in self.webhooks.uncommitted.iter_mut().filter(is_told) {
            job.doc = doc.clone();
        }
        self.announce(ctx, doc, &["on_update"]);
        if doc.docstatus() == 1 {
            self.announce(ctx, doc, &["on_submit"]);
        }
    }

    /// Something happened to a document: the webhooks that wait for it will tell, if the request
    /// is committed.
    pub(crate) fn announce(&mut self, ctx: &Context, doc: &Doc, events: &[&str]) {
        if self.count_of("Webhook") == 0 {
            return;
        }
        let webhooks: Vec<Doc> = self.documents("Webhook");
        for event in events {
            let waiting = webhooks.iter().filter(|webhook| {
                webhook.is_set("enabled")
                    && webhook.text("webhook_doctype") == doc.doctype
                    && webhook.text("webhook_docevent") == *event
            });
            for webhook in waiting {
                let job = Job {
                    webhook: webhook.name(),
                    doc: doc.clone(),
                    user: ctx.user.clone(),
                    due: ctx.started,
                };
                self.webhooks.uncommitted.push(job);
            }
        }
    }

    /// The request is committed: its webhooks are queued, each once a document, with the last
    /// content.
    pub(crate) fn queue_webhooks(&mut self, at: Timestamp) {
        self.settle_webhooks();
        let settled = std::mem::take(&mut self.webhooks.committed);
        self.webhooks.jobs.extend(settled.into_iter().map(|job| Job { due: at, ..job }));
    }

    fn settle_webhooks(&mut self) {
        let mut seen = BTreeSet::new();
        let mut kept: Vec<Job> = std::mem::take(&mut self.webhooks.uncommitted)
            .into_iter()
            .rev()
            .filter(|job| seen.insert((job.webhook.clone(), job.doc.name())))
            .collect();
        kept.reverse();
        self.webhooks.committed.append(&mut kept);
    }

    /// `ERPNext` commits in the middle of a request, as it does for a contact with a telephone
    /// number: what was done until now stays though the request is refused, and its webhooks tell
    /// of it as it is now.
    pub(crate) fn commit_midway(&mut self) {
        self.store.commit();
        self.settle_webhooks();
    }

    /// The request is rolled back.
    pub(crate) fn drop_webhooks(&mut self) {
        self.webhooks.uncommitted.clear();
    }

    /// Takes the calls that are due, in order. Whoever sends one says afterwards what came of it
    /// ([`Site::webhook_answered`]).
    pub fn due_webhooks(&mut self, now: Timestamp) -> Vec<WebhookCall> {
        let now = self.own_time(now);
        let (due, later): (Vec<Job>, Vec<Job>) =
            std::mem::take(&mut self.webhooks.jobs).into_iter().partition(|job| job.due <= now);
        self.webhooks.jobs = later;
        let mut calls: Vec<WebhookCall> =
            due.into_iter().filter_map(|job| self.call_of(job)).collect();
        let again = self.webhooks.again.extract_if(.., |call| call.due <= now);
        calls.extend(again);
        calls.sort_by_key(|call| call.due);
        calls
    }

    /// A call was sent: `status` is that of the answer, none if there was none. What is no 2xx is
    /// tried again, three times in all.
    pub fn webhook_answered(
        &mut self,
        mut call: WebhookCall,
        status: Option<u16>,
        text: &str,
        now: Timestamp,
    ) {
        let now = self.own_time(now);
        let is_done = status.is_some_and(|status| (200..300).contains(&status));
        let error = match status {
            _ if is_done => None,
            Some(status) => Some(format!("HTTPError: {status} for url: {}", call.url)),
            None => Some(format!("ConnectionError: {}", call.url)),
        };
        self.log_call(&call, status.map(|_| text), error.as_deref(), now);
        if let (false, Some(pause)) = (is_done, PAUSES.get(call.tries)) {
            call.due = now.checked_add(SignedDuration::from_secs(*pause)).unwrap_or(now);
            call.tries += 1;
            self.webhooks.again.push(call);
        }
    }

    /// The call of a job; a template that cannot be rendered is logged and nothing is sent. The
    /// webhook is read when its turn comes: one that was deleted meanwhile sends nothing.
    fn call_of(&mut self, job: Job) -> Option<WebhookCall> {
        let webhook = self.load("Webhook", &job.webhook)?;
        let mut call = WebhookCall {
            webhook: webhook.name(),
            document: job.doc.name(),
            method: webhook.text("request_method"),
            url: webhook.text("request_url"),
            headers: vec![("User-Agent".to_owned(), "python-requests/2.32.5".to_owned())],
            body: Vec::new(),
            due: job.due,
            user: job.user,
            tries: 0,
        };
        match body::render(&webhook, &job.doc) {
            Ok(body) => call.body = body.into_bytes(),
            Err(error) => {
                self.log_call(&call, None, Some(&error), job.due);
                return None;
            }
        }
        if webhook.is_set("enable_security") {
            let secret = self.webhooks.secrets.get(&call.webhook).cloned().unwrap_or_default();
            call.headers.push((SIGNATURE.to_owned(), signature(&secret, &call.body)));
        }
        let given = webhook.rows("webhook_headers").iter();
        let given = given.filter(|row| row.is_set("key") && row.is_set("value"));
        call.headers.extend(given.map(|row| (row.text("key"), row.text("value"))));
        Some(call)
    }

    fn log_call(
        &mut self,
        call: &WebhookCall,
        response: Option<&str>,
        error: Option<&str>,
        at: Timestamp,
    ) {
        let headers: Value =
            call.headers.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let data: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let mut log = Doc::new("Webhook Request Log");
        for (field, text) in [
            ("webhook", call.webhook.as_str()),
            ("reference_document", call.document.as_str()),
            ("user", call.user.as_str()),
            ("url", call.url.as_str()),
            ("headers", &archive_text(&headers)),
        ] {
            log.set(field, text);
        }
        if !call.body.is_empty() {
            log.set("data", archive_text(&data));
        }
        log.set("response", response);
        log.set("error", error);
        self.record(&call.user, log, at).ok();
        self.store.commit();
    }

    /// Before a webhook is stored.
    pub(crate) fn check_webhook(&mut self, webhook: &mut Doc) -> Outcome<()> {
        let meta = self.meta(&webhook.text("webhook_doctype"));
        let event = webhook.text("webhook_docevent");
        if OF_SUBMITTED.contains(&event.as_str()) && !meta.is_some_and(|meta| meta.is_submittable) {
            let text = "DocType must be Submittable for the selected Doc Event";
            return Err(Failure::validation(text));
        }
        if webhook.is_set("condition") {
            return Err(Failure::validation("Invalid Condition: the sandbox evaluates none"));
        }
        match webhook.text("request_structure").as_str() {
            "JSON" => drop(webhook.tables.insert("webhook_data".to_owned(), Vec::new())),
            "Form URL-Encoded" => webhook.set("webhook_json", Value::Null),
            _ => {}
        }
        // What is stored is a mask; the secret itself is kept when the save went well.
        let secret = webhook.text("webhook_secret");
        if secret.chars().any(|letter| letter != '*') {
            webhook.extra.insert("webhook_secret".to_owned(), json!(secret));
        }
        Ok(())
    }

    /// After a webhook was stored.
    pub(crate) fn keep_secret(&mut self, webhook: &Doc) {
        if let Some(secret) = webhook.extra.get("webhook_secret") {
            self.webhooks.secrets.insert(webhook.name(), value::to_text(secret));
        }
    }
}

/// Base64 of the HMAC-SHA256 over a body.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(body);
            STANDARD.encode(mac.finalize().into_bytes())
        },
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_signature_is_what_a_real_site_sent() {
        let body = "{\"name\": \"f24nkb75qq\", \"modified\": \"2026-11-22 15:11:54.537485\", \"status\": \"Open\"}";
        let sent = "44fNGJ4JnlgpuLNkwUb+176f85SWaVdNOybutDYmVfY=";
        assert_eq!(super::signature("s3cr3t", body.as_bytes()), sent);
    }
}
