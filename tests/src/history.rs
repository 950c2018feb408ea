//! Random histories of a market.

mod beginning;
mod choose;
mod finish;
mod op;
mod run;

pub use beginning::beginning;
pub use op::Op;
pub use run::{Tally, leave_off, run};
