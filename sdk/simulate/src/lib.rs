//! An agent simulation of the trust rules: a market of honest and cheating providers in which audits, verdicts, bonds,
//! reputation and routing are the functions of `tessera-protocol` that also bind everybody else.
//!
//! Time is discrete events in milliseconds, with slots of 400 ms. Nothing else of a chain is simulated: what is assumed
//! is that whoever may send a transaction can. Runs with the same seed are the same. What comes of it can be checked: a
//! [`sample`](sample()) of its leases is told as stories, which the tests play again on the built program.
#![deny(missing_docs)]

mod course;
mod lease;
pub mod matrix;
pub mod plots;
pub mod provider;
pub mod report;
pub mod sample;
pub mod scenario;
mod settle;
pub mod stats;
pub mod story;
pub mod tally;
pub mod world;

pub use matrix::{Matrix, Size, matrix};
pub use sample::sample;
pub use scenario::{Scenario, Strategy};
pub use story::Story;
