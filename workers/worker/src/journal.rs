//! What the worker must not forget: written before every step on chain, kept in an embedded database.
//!
//! The chain is the truth about seats; the journal holds what the chain does not know yet: that a claim is under way,
//! and the roots, nonce and key of results. A power cut at any instant loses neither.

mod database;
mod earnings;
mod entry;

pub use database::{Journal, JournalError};
pub use earnings::Day;
pub use entry::{Entry, LeaseId, Phase, Sealed};
