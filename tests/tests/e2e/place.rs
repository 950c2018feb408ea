//! How many networks run at the same time.

use std::sync::{Condvar, Mutex, PoisonError};

/// Three networks at a time, which wait more than they compute: the tests measure nothing, but the machine is small.
static PLACES: (Mutex<u8>, Condvar) = (Mutex::new(3), Condvar::new());

/// A place on the machine, until it is dropped.
pub struct Place;

impl Place {
    /// Waits for one.
    pub fn take() -> Self {
        let free = PLACES.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = PLACES.1.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *PLACES.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        PLACES.1.notify_one();
    }
}
