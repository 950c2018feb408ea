//! Random histories of a market.

mod choose;
mod finish;
mod op;
mod run;

pub use op::Op;
pub use run::{Tally, run};
