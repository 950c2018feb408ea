//! The accounts of the program. Field order is the layout on chain: see `docs/protocol.md`.

pub mod answer;
pub mod client;
pub mod job;
pub mod lease;
pub mod market;
pub mod provider;
pub mod seed;

pub use answer::*;
pub use client::*;
pub use job::*;
pub use lease::*;
pub use market::*;
pub use provider::*;
pub use seed::*;
pub use tessera_protocol::state::{Draw, JobState, LeaseState, SeatState};

#[cfg(test)]
mod layout_tests;
