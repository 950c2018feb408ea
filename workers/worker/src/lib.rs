//! The worker of a Tessera provider, as a library for the binary `tessera-worker` and for tests.
//!
//! It discovers jobs, leases units, runs them in a child process, publishes the sealed outputs, proves them on chain and
//! collects the pay. What it must not forget is in a journal, so it may be killed at any instant.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod backoff;
pub mod cache;
pub mod claims;
pub mod cli;
pub mod commands;
pub mod config;
pub mod device;
pub mod execution;
pub mod fault;
pub mod gpu;
pub mod health;
mod hint;
pub mod journal;
pub mod lifecycle;
pub mod machine;
pub mod private;
pub mod proof;
pub mod run;
pub mod self_test;
