//! The progress bar of a pass, on a terminal only.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::escape;
use crate::pass::Watcher;

/// Shows how far a pass is; or nothing, where nobody watches.
pub struct Progress {
    bar: Option<RefCell<ProgressBar>>,
}

impl Progress {
    /// A bar on standard error, if `shown`.
    #[must_use]
    pub fn new(shown: bool) -> Self {
        Self { bar: shown.then(|| RefCell::new(ProgressBar::hidden())) }
    }

    fn start(&self, bar: ProgressBar, style: &str, message: String) {
        let Some(cell) = &self.bar else { return };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_message(message);
        bar.enable_steady_tick(Duration::from_millis(120));
        cell.replace(bar).finish_and_clear();
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.borrow().finish_and_clear();
        }
    }
}

impl Watcher for Progress {
    fn listing(&self, doctype: &str) {
        if self.bar.is_some() {
            let message = format!("{}: listing both sides", escape(doctype));
            self.start(ProgressBar::new_spinner(), "{spinner} {msg}", message);
        }
    }

    fn working(&self, doctype: &str, documents: usize) {
        if self.bar.is_some() {
            let bar = ProgressBar::new(documents as u64);
            self.start(bar, "{msg} [{bar:30}] {pos}/{len} {eta}", escape(doctype));
        }
    }

    fn advance(&self, documents: usize) {
        if let Some(bar) = &self.bar {
            bar.borrow().inc(documents as u64);
        }
    }
}
