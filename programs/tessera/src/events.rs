//! One event for every change of state, in the transaction log.

mod job;
mod lease;
mod market;
mod trust;

pub use job::*;
pub use lease::*;
pub use market::*;
pub use trust::*;
