//! End to end: real processes, a real node, real blobs over HTTP, real money.
//!
//! With `TESSERA_TEST_NODE=RPC_URL,WS_URL` the same tests run against a node that is already there.

mod animation;
mod attacker;
mod attacks;
mod chaos;
mod client;
mod collusion;
mod copying;
mod crashes;
mod demands;
mod examples;
mod faults;
mod front_running;
mod history;
mod hoarding;
mod inspection;
mod jobs;
mod kernels;
mod measure;
mod models;
mod network;
mod operations;
mod pictures;
mod place;
mod private;
mod process;
mod proofs;
mod rendering;
mod training;
mod training_cheats;
mod training_private;
mod void;
