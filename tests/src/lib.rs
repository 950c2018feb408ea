//! What tests of the built program need: a [`world::World`] with a mint, a market, staked providers and clients in one
//! line, a [`call::Call`] for each instruction whose accounts a test can change by name, and a [`model::Model`] of the
//! protocol, written from `docs/protocol.md` alone, with which random histories are compared. A [`sample`] of what
//! `tessera simulate` plays is played again on the program. A [`proxy`] stands in the way to a node and makes it a bad one.

pub mod call;
pub mod compare;
pub mod constraints;
pub mod dispute;
pub mod history;
pub mod invariants;
pub mod model;
pub mod program;
pub mod proxy;
pub mod rng;
pub mod sample;
pub mod stage;
pub mod terms;
pub mod world;
