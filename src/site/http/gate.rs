//! The bound on requests in flight to one site.
//!
//! The rule kept here: never more than `concurrency` requests at once, however many threads
//! ask. A pause between two attempts holds no place.

use std::sync::{Condvar, Mutex, PoisonError};

/// A counter of free places that threads wait on.
pub struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One place, given back when dropped.
pub struct Place<'a>(&'a Gate);

impl Gate {
    /// A gate with so many places; 0 counts as 1.
    pub fn new(places: usize) -> Self {
        Self { free: Mutex::new(places.max(1)), freed: Condvar::new() }
    }

    /// Waits for a place and takes it.
    pub fn enter(&self) -> Place<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
