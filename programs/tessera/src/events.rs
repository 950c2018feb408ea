//! One event for every change of state, in the transaction log.

use anchor_lang::prelude::*;

use crate::state::{Capabilities, Departure, MarketParams};

/// A market was created.
#[event]
pub struct MarketCreated {
    /// The market.
    pub market: Pubkey,
    /// Its mint.
    pub mint: Pubkey,
    /// Its authority.
    pub authority: Pubkey,
    /// Its parameters.
    pub params: MarketParams,
}

/// The parameters of a market were replaced.
#[event]
pub struct MarketUpdated {
    /// The market.
    pub market: Pubkey,
    /// The new parameters.
    pub params: MarketParams,
}

/// A market was paused or goes on.
#[event]
pub struct MarketPaused {
    /// The market.
    pub market: Pubkey,
    /// Whether it is paused now.
    pub paused: bool,
}

/// Fees left the treasury of a market.
#[event]
pub struct TreasuryWithdrawn {
    /// The market.
    pub market: Pubkey,
    /// The token account that got them.
    pub to: Pubkey,
    /// How much.
    pub amount: u64,
}

/// A provider registered.
#[event]
pub struct ProviderRegistered {
    /// The market.
    pub market: Pubkey,
    /// The provider account.
    pub provider: Pubkey,
    /// Owner of stake and earnings.
    pub authority: Pubkey,
    /// Hot key of its workers.
    pub operator: Pubkey,
    /// What it says of itself.
    pub capabilities: Capabilities,
}

/// A provider changed its operator or what it says of itself.
#[event]
pub struct ProviderUpdated {
    /// The provider.
    pub provider: Pubkey,
    /// The operator now.
    pub operator: Pubkey,
    /// The capabilities now.
    pub capabilities: Capabilities,
}

/// A provider added stake.
#[event]
pub struct StakeAdded {
    /// The provider.
    pub provider: Pubkey,
    /// How much.
    pub amount: u64,
    /// Its stake now.
    pub stake: u64,
}

/// A provider asked for stake back.
#[event]
pub struct UnstakeRequested {
    /// The provider.
    pub provider: Pubkey,
    /// How much.
    pub amount: u64,
    /// Unix time from which all that was asked back may leave.
    pub unstake_at: i64,
}

/// Stake left.
#[event]
pub struct StakeWithdrawn {
    /// The provider.
    pub provider: Pubkey,
    /// How much.
    pub amount: u64,
}

/// Lost bonds were burned.
#[event]
pub struct BondsBurned {
    /// The provider.
    pub provider: Pubkey,
    /// How much.
    pub amount: u64,
}

/// Earnings left.
#[event]
pub struct EarningsWithdrawn {
    /// The provider.
    pub provider: Pubkey,
    /// How much.
    pub amount: u64,
}

/// A client registered.
#[event]
pub struct ClientRegistered {
    /// The market.
    pub market: Pubkey,
    /// The client account.
    pub client: Pubkey,
    /// Its wallet.
    pub wallet: Pubkey,
}

/// A job was posted and paid for.
#[event]
pub struct JobPosted {
    /// The market.
    pub market: Pubkey,
    /// The job.
    pub job: Pubkey,
    /// The wallet that pays.
    pub wallet: Pubkey,
    /// Number of the job among those of its client.
    pub number: u64,
    /// Content id of the job specification.
    pub spec: [u8; 32],
    /// Number of units.
    pub units: u64,
    /// Units in a lease.
    pub units_per_lease: u32,
    /// Providers that must agree on each lease.
    pub replicas: u8,
    /// What one replica of one unit pays.
    pub price_per_unit: u64,
    /// Put into the escrow.
    pub deposited: u64,
    /// Unix time by which all windows end.
    pub deadline: i64,
}

/// A job got more time or a higher price.
#[event]
pub struct JobToppedUp {
    /// The job.
    pub job: Pubkey,
    /// The price now.
    pub price_per_unit: u64,
    /// Added to the escrow.
    pub added: u64,
    /// The deadline now.
    pub deadline: i64,
}

/// A client cancelled its job.
#[event]
pub struct JobCancelled {
    /// The job.
    pub job: Pubkey,
    /// The deadline now.
    pub deadline: i64,
}

/// The escrow of a job was divided and the job closed.
#[event]
pub struct JobClosed {
    /// The job.
    pub job: Pubkey,
    /// Put into the escrow by the client: equals `paid + treasury + burned + refunded`.
    pub deposited: u64,
    /// Paid to providers.
    pub paid: u64,
    /// The market's share of the fee.
    pub treasury: u64,
    /// The part of the fee that was burned.
    pub burned: u64,
    /// Returned to the client.
    pub refunded: u64,
    /// Sent to the escrow by strangers; went to the client with the refund.
    pub surplus: u64,
}

/// A provider took a seat.
#[event]
pub struct LeaseClaimed {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// Number of the claim in the lease.
    pub attempt: u32,
    /// What the seat will be paid.
    pub pay: u64,
    /// Unix time by which it must be committed.
    pub commit_by: i64,
}

/// A provider fixed its result.
#[event]
pub struct ResultCommitted {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// The commitment.
    pub commitment: [u8; 32],
    /// Content id of the sealed outputs.
    pub sealed: [u8; 32],
    /// Unix time by which all must reveal; zero while replicas are missing.
    pub reveal_by: i64,
}

/// The roots of a seat are known.
#[event]
pub struct ResultRevealed {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// Its result root.
    pub result_root: [u8; 32],
    /// Its work root.
    pub work_root: [u8; 32],
}

/// All replicas of a lease have revealed the same root.
#[event]
pub struct LeaseAgreed {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The agreed root.
    pub result_root: [u8; 32],
    /// Unix time by which all must open.
    pub open_by: i64,
}

/// The replicas of a lease have revealed different roots; it is open again.
#[event]
pub struct LeaseDisagreed {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// Disagreements so far.
    pub rounds: u32,
}

/// The key to the sealed outputs of a seat is known.
#[event]
pub struct ResultOpened {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// The key.
    pub key: [u8; 32],
}

/// A seat was paid. With these events alone the outputs of a job can be found, opened and proved.
#[event]
pub struct LeaseSettled {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// What it was paid.
    pub pay: u64,
    /// First unit of the lease.
    pub first_unit: u64,
    /// Units in the lease.
    pub units: u32,
    /// The agreed root over the unit hashes.
    pub result_root: [u8; 32],
    /// Content id of the sealed outputs.
    pub sealed: [u8; 32],
    /// The key that opens them.
    pub key: [u8; 32],
}

/// A provider gave up its seat.
#[event]
pub struct LeaseReturned {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// Bond that is lost, because no return was free any more.
    pub lost: u64,
}

/// A seat whose window has passed was removed.
#[event]
pub struct LeaseExpired {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// What it counts as.
    pub departure: Departure,
    /// Bond that is lost.
    pub lost: u64,
}

/// A lease account was closed.
#[event]
pub struct LeaseClosed {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
}
