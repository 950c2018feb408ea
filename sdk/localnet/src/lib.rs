//! A real Solana node on this machine, for trying and testing Tessera: JSON-RPC and WebSocket on LiteSVM, embedded from
//! `surfpool-core`, never connected to any cluster.
//!
//! It is only the node. Mints, programs, markets and funded keys are made through its RPC, as on any other cluster.
//!
//! ```no_run
//! let node = tessera_localnet::start(&tessera_localnet::Config::default())?;
//! println!("{}", node.endpoints().rpc_url);
//! node.stop()?;
//! # Ok::<(), tessera_localnet::Error>(())
//! ```

mod error;
mod events;
mod ledger;
mod node;

pub use error::Error;
pub use node::{Config, Endpoints, Genesis, Running, start};
