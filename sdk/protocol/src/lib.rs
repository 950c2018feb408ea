//! What the Tessera program, its workers and its clients must agree on, and nothing else.
//!
//! The on-chain program, the worker and the client all link this crate; none of them repeats a rule that stands here.
//! It is `no_std` (with `alloc` for the job specification) and knows no chain library: keys are plain 32-byte arrays.
#![no_std]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod audit;
pub mod bonds;
pub mod capability;
pub mod chance;
pub mod cid;
pub mod commitment;
pub mod constants;
pub mod hash;
pub mod lease;
pub mod merkle;
pub mod outputs;
pub mod payout;
pub mod reputation;
pub mod routing;
pub mod seal;
pub mod seeds;
pub mod slot_hashes;
pub mod spec;
pub mod state;
pub mod verdict;

/// The 32 bytes of a Solana public key.
pub type Key = [u8; 32];
