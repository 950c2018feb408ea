//! Rust SDK of the Tessera compute marketplace: read the chain, post jobs, collect results, follow both.
//!
//! Everything starts with [`Tessera::connect`]. Addresses are in [`pda`], instructions in [`ix`]; the account types of
//! the program are in [`accounts`] and its events in [`program_events`]. What the program, the workers and this crate
//! must agree on is in `tessera_protocol`.
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
pub use endpoints::{EndpointHealth, EndpointKind, Standing};
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
