//! The log of requests that a site has answered.
//!
//! What lives here: the entries and questions about them. What may not: judgement of answers.

use jiff::Timestamp;

use crate::request::{Request, Response};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The verb.
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// The status of the answer; 0 when there was none.
    pub status: u16,
    /// The doctype, as far as path or body tell.
    pub doctype: String,
    /// The document's name, as far as path or body tell.
    pub name: String,
    /// Who asked.
    pub user: String,
    /// When it arrived.
    pub started: Timestamp,
    /// When it was answered.
    pub ended: Option<Timestamp>,
    /// How many requests were under way when it arrived, itself included.
    pub in_flight: usize,
    /// It was meant to change something.
    pub is_write: bool,
    /// The bytes of its path and body.
    pub sent: usize,
    /// The bytes of the body of its answer.
    pub answered: usize,
}

/// A request as it was sent, to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The request with its body.
    pub request: Request,
    /// It was meant to change something.
    pub is_write: bool,
}

/// All requests since the last `clear`.
#[derive(Debug, Default)]
pub struct RequestLog {
    /// Where set, every request is kept whole from now on, in the order of arrival.
    pub recorded: Option<Vec<Recorded>>,
    entries: Vec<Entry>,
    first: usize,
    in_flight: usize,
}

impl RequestLog {
    pub(crate) fn open(&mut self, mut entry: Entry) -> usize {
        self.in_flight += 1;
        entry.in_flight = self.in_flight;
        self.entries.push(entry);
        self.first + self.entries.len() - 1
    }

    pub(crate) fn record(&mut self, request: &Request, is_write: bool) {
        if let Some(recorded) = &mut self.recorded {
            recorded.push(Recorded { request: request.clone(), is_write });
        }
    }

    pub(crate) fn entry_mut(&mut self, id: usize) -> Option<&mut Entry> {
        self.entries.get_mut(id.checked_sub(self.first)?)
    }

    /// The answer leaves; `None` where there is none.
    pub(crate) fn close(&mut self, id: usize, answer: Option<&Response>, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(entry) = self.entry_mut(id) {
            entry.status = answer.map_or(0, |answer| answer.status);
            entry.answered = answer.map_or(0, |answer| answer.body.len());
            entry.ended = Some(now);
        }
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The requests that were meant to change something.
    pub fn writes(&self) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.is_write).collect()
    }

    /// The requests of a method whose path contains a text; "" matches everything.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.entries
            .iter()
            .filter(|entry| method.is_empty() || entry.method.eq_ignore_ascii_case(method))
            .filter(|entry| entry.path.contains(path))
            .count()
    }

    /// The most requests that were under way at once.
    pub fn max_in_flight(&self) -> usize {
        let counts = self.entries.iter().map(|entry| entry.in_flight);
        counts.max().unwrap_or(0)
    }

    /// Forgets all entries; requests under way stay counted.
    pub fn clear(&mut self) {
        self.first += self.entries.len();
        self.entries.clear();
    }
}
