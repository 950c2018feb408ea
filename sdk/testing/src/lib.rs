//! A whole Tessera network in one process, for tests of what is built on it: a node in memory, the program, a token, a market,
//! a store, and a wallet that can pay.
//!
//! Nothing of it is a stand-in: the node runs the program as it is built for the chain, transactions are signed and paid for, and
//! the store checks who puts what. Only workers are missing, so nobody computes the jobs that are posted; a `tessera-worker` that is
//! given [`Network::rpc_url`], [`Network::ws_url`] and [`Network::market`] does.
//!
//! ```
//! use tessera_sdk::JobFilter;
//! use tessera_testing::{Network, sample};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = Network::start().await?;
//! let (tessera, wallet, market) = (network.tessera(), network.wallet(), network.market());
//!
//! // What you test stands here; this posts a job of eight units.
//! let (spec, blobs) = sample::job(8);
//! let terms = sample::terms(network.store_url());
//! let posted = tessera.post_job(wallet, market, &spec, blobs, terms).await?;
//!
//! let jobs = tessera.jobs(market, JobFilter::Open).await?;
//! assert_eq!((jobs[0].address, jobs[0].units), (posted.job, 8));
//! # Ok(())
//! # }
//! ```
//!
//! The program must have been built: `scripts/build-program` puts it where [`Options::default`] looks for it. Who takes this crate
//! from elsewhere than a checkout gives the path of a built program, [`Options::program`].
//!
//! Give each test a network of its own: all ports are free ones, and it is there in a second or two. What is asked of it must run on
//! the runtime that has started it, since the store does too.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod error;
mod network;
pub mod sample;

pub use error::Error;
pub use network::{DECIMALS, Network, Options, SOL, TOKEN};
