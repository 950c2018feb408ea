//! End to end: real processes, a real node, real blobs over HTTP, real money.
//!
//! With `TESSERA_TEST_NODE=RPC_URL,WS_URL` the same tests run against a node that is already there.

mod animation;
mod crashes;
mod demands;
mod faults;
mod kernels;
mod network;
mod pictures;
mod place;
mod rendering;
