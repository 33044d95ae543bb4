//! Lets a test end a run at any commit: just before it, or just after.
//!
//! Tests only. A watcher belongs to its thread, so tests that run side by side do not meet.

use std::cell::RefCell;

/// On which side of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Nothing of the transaction is stored yet.
    Before,
    /// All of it is.
    After,
}

type Watcher = Box<dyn Fn(Moment)>;

thread_local! {
    static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
}

/// Has every commit of this thread told to `watcher` until it is called with `None`.
pub(crate) fn watch(watcher: Option<Watcher>) {
    WATCHER.with_borrow_mut(|current| *current = watcher);
}

pub(super) fn tell(moment: Moment) {
    WATCHER.with_borrow(|watcher| {
        if let Some(watcher) = watcher {
            watcher(moment);
        }
    });
}
