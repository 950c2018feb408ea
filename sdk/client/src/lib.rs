//! Rust SDK of the Tessera compute marketplace: read the chain, post jobs, collect results, follow both.
//!
//! ```
//! use tessera_sdk::{Config, JobFilter, Tessera};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let network = tessera_testing::Network::start().await?;
//! # let (url, market) = (network.rpc_url(), network.market());
//! let tessera = Tessera::connect(Config::new(url)).await?;
//! let found = tessera.market(market).await?.ok_or("there is no such market")?;
//! println!("{} base units are staked, the fee is {} basis points", found.total_stake, found.params.fee_bps);
//! for job in tessera.jobs(market, JobFilter::Open).await? {
//!     println!("{}: {} of {} leases settled", job.address, job.settled_leases, job.leases);
//! }
//! # assert_eq!(found.mint, *network.mint());
//! # Ok(())
//! # }
//! ```
//!
//! # Where to begin
//!
//! | to | see |
//! | --- | --- |
//! | connect, and choose endpoints and fees | [`Tessera::connect`], [`Config`] |
//! | read accounts | [`Tessera::market`], [`Tessera::providers`], [`Tessera::jobs`], [`Tessera::job_leases`]; their addresses are in [`pda`], their fields in [`accounts`] |
//! | post a job, give it more, cancel and close it | [`Tessera::post_job`], [`Tessera::raise_job`], [`Tessera::cancel_job`], [`Tessera::close_job`] |
//! | get outputs, and prove that they were paid for | [`Tessera::collect`], [`verify`] |
//! | see outputs that a store does not give | [`Tessera::missing_outputs`], [`Tessera::demand`] |
//! | follow what happens | [`Tessera::watch_job`], [`Tessera::watch_market`]; what has happened is in [`Tessera::history`] |
//! | know where the money of a job went | [`Tessera::ledger`] |
//! | get back what is due to a wallet | [`Tessera::holdings`], [`Holdings::due`] |
//! | send any instruction of the program | [`ix`], [`Tessera::send`], [`Tessera::send_each`] |
//! | put and get blobs | [`StoreClient`] |
//!
//! What the program, the workers and this crate must agree on is in `tessera_protocol`: specifications of jobs, content ids, and
//! the rules by which anybody can compute what the program will decide.
//!
//! # Errors, retries and time
//!
//! Methods of [`Tessera`] fail with [`Error`]. Endpoints that do not answer are asked again, and others instead of them, for as long as
//! [`Config::patience`] says; transactions are sent again until they have landed or can no longer, so each has its effect once.
//! [`Error::is_transient`] says whether the same call may succeed later, [`Error::program_error`] what the program refused.
//!
//! Futures need a Tokio runtime with time and network. They may be dropped at any moment; what was sent may land all the same.
//!
//! # Tests of your own
//!
//! The examples in this documentation run against a network in their own process, which the crate `tessera-testing` starts: the
//! program as it is built for the chain, a market, a store and a wallet that can pay. It serves tests of what you build as well.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod batch;
mod cluster;
pub mod collect;
pub mod config;
pub mod decode;
mod demand;
pub mod due;
pub mod endpoints;
mod error;
pub mod events;
mod failure;
mod format;
mod history;
mod holdings;
pub mod ix;
pub mod jobs;
pub mod ledger;
pub mod logs;
pub mod pda;
mod program;
pub mod read;
mod rpc;
pub mod send;
mod signing;
mod sockets;
pub mod store;
pub mod token;
mod trust;
pub mod verify;
pub mod watch;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

pub use cluster::{Moment, SlotHashes};
pub use collect::{Collected, LeaseOutput};
pub use config::{ComputeUnits, Config, PriorityFee};
pub use decode::{Account, Decode, Job, Lease, Seat};
pub use demand::Missing;
pub use due::{Action, Ending, Step};
pub use endpoints::{EndpointHealth, EndpointKind, Standing, endpoint_name};
pub use error::Error;
pub use events::{Event, Recorded};
pub use format::Format;
pub use holdings::{Claim, Holdings, JobHolding, Pending, What};
pub use jobs::{JobTerms, Posted};
pub use ledger::Ledger;
pub use program::tessera::{accounts, events as program_events, types};
pub use read::JobFilter;
pub use send::Receipt;
pub use signing::AnySigner;
pub use store::{StoreClient, StoreError};
pub use tessera_protocol::{
    slot_hashes::Lookup,
    state::{Draw, JobState, LeaseState, SeatState},
    verdict::Kind,
};
pub use verify::{Difference, SettledLease, UnitProof, first_difference};
pub use watch::{JobUpdate, MarketUpdate};

/// The program's address.
pub const ID: solana_pubkey::Pubkey = program::tessera::ID_CONST;

/// How long endpoints that let wait are waited for in the beginning, while others have answered.
const OTHERS: Duration = Duration::from_secs(1);

/// A connection to a cluster. Cheap to clone and safe to share.
#[derive(Clone)]
pub struct Tessera(Arc<Inner>);

struct Inner {
    config: Config,
    rpc: rpc::Pool,
    sockets: sockets::Sockets,
    recent: Mutex<signing::Recent>,
    format: Mutex<Option<(Format, Instant)>>,
    grants: store::Grants,
}

impl Tessera {
    /// Connects to a cluster and checks that the program is there.
    ///
    /// # Errors
    /// If the configuration cannot work, no endpoint answers, or the cluster does not have the program.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let tessera = Self::new(config)?;
        let commitment = tessera.config().commitment;
        if tessera.config().rpc_urls.len() > 1 {
            tessera.rpc().survey(OTHERS).await;
        }
        // Not the request for one account, whose client hides a dead connection behind "account not found".
        let found =
            tessera.rpc().call(|rpc| async move { rpc.get_multiple_accounts_with_commitment(&[ID], commitment).await });
        match found.await?.value.pop().flatten() {
            Some(account) if account.executable => Ok(tessera),
            _ => Err(Error::NotFound { what: "Tessera program", address: ID }),
        }
    }

    /// As [`Self::connect`], without asking the cluster anything: for those who bring the program there.
    ///
    /// # Errors
    /// If the configuration cannot work.
    pub fn new(config: Config) -> Result<Self, Error> {
        config.validate()?;
        let rpc = rpc::Pool::new(&config)?;
        let sockets = sockets::Sockets::new(&config)?;
        let (recent, format, grants) = (Mutex::default(), Mutex::default(), store::Grants::default());
        Ok(Self(Arc::new(Inner { config, rpc, sockets, recent, format, grants })))
    }

    /// How this connection was configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn rpc(&self) -> &rpc::Pool {
        &self.0.rpc
    }

    pub(crate) fn sockets(&self) -> &sockets::Sockets {
        &self.0.sockets
    }

    pub(crate) fn known_format(&self) -> &Mutex<Option<(Format, Instant)>> {
        &self.0.format
    }

    pub(crate) fn recent(&self) -> &Mutex<signing::Recent> {
        &self.0.recent
    }

    pub(crate) fn grants(&self) -> &store::Grants {
        &self.0.grants
    }
}
