//! The section `[sync]` and `[sync.retry]`: how much at a time, how often, how patiently.
//!
//! The rule kept: every number is within bounds in which a pass comes to an end; what a
//! doctype's own section can override is read in `doctype`.

use std::time::Duration;

use super::doctype::{self, DoctypeConfig};
use super::section::Section;

const DEFAULT_BATCH_SIZE: u32 = 50;
const DEFAULT_PAGE_SIZE: u32 = 5_000;
const DEFAULT_MAX_ATTEMPTS: u32 = 3;
const MINUTES: u64 = 60;
const HOURS: u64 = 60 * MINUTES;
const DAYS: u64 = 24 * HOURS;
const DEFAULT_SETTLE_AFTER: Duration = Duration::from_secs(10 * MINUTES);
const DEFAULT_LIST_EVERY: Duration = Duration::from_secs(24 * HOURS);
const DEFAULT_FULL_EVERY: Duration = Duration::from_secs(7 * DAYS);
const DEFAULT_BACKOFF: Duration = Duration::from_secs(5);

/// How often and how fast what failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryConfig {
    /// Attempts per request, the first included, at least 1; also the number of failed runs
    /// after which a document counts as failed.
    pub max_attempts: u32,
    /// The pause before the second attempt, doubled before each further one.
    pub backoff: Duration,
}

/// What `[sync]` says, with the doctypes.
pub(super) struct Sync {
    pub(super) doctypes: Vec<DoctypeConfig>,
    pub(super) defaults: DoctypeConfig,
    pub(super) batch_size: usize,
    pub(super) batch_pause: Duration,
    pub(super) page_size: usize,
    pub(super) list_every: Duration,
    pub(super) full_every: Duration,
    pub(super) settle_after: Duration,
    pub(super) retry: RetryConfig,
}

/// Reads `[sync]` and the doctypes' own sections.
pub(super) fn read(root: &Section<'_>) -> Option<Sync> {
    let hint = "add a section [sync] with doctypes = [\"Customer\", ...]";
    let section = Section::at(root.required("sync", hint)?, root.report())?;
    let defaults = doctype::read_shared(&section, &DoctypeConfig::default());
    let names = doctype::read_names(&section);
    let doctypes = doctype::read(root, &names, &defaults);
    let batch_size = section.whole("batch_size", 1..=10_000).unwrap_or(DEFAULT_BATCH_SIZE);
    let page_size = section.whole("page_size", 1..=1_000_000).unwrap_or(DEFAULT_PAGE_SIZE);
    let sync = Sync {
        doctypes,
        defaults,
        batch_size: batch_size as usize,
        batch_pause: section.seconds("batch_pause_seconds", true).unwrap_or_default(),
        page_size: page_size as usize,
        list_every: section.interval("list_every").unwrap_or(DEFAULT_LIST_EVERY),
        full_every: section.interval("full_every").unwrap_or(DEFAULT_FULL_EVERY),
        settle_after: section.interval("settle_after").unwrap_or(DEFAULT_SETTLE_AFTER),
        retry: read_retry(&section),
    };
    section.finish();
    Some(sync)
}

fn read_retry(sync: &Section<'_>) -> RetryConfig {
    let mut retry = RetryConfig { max_attempts: DEFAULT_MAX_ATTEMPTS, backoff: DEFAULT_BACKOFF };
    let Some(section) = sync.section("retry") else { return retry };
    retry.max_attempts = section.whole("max_attempts", 1..=100).unwrap_or(retry.max_attempts);
    retry.backoff = section.seconds("backoff_seconds", false).unwrap_or(retry.backoff);
    section.finish();
    retry
}
