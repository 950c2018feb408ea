//! The protocol as `docs/protocol.md` tells it, written a second time: whole numbers, no accounts, no byte layouts.
//! Random histories run on this model and on the built program side by side and must agree after every instruction.
//!
//! Nothing here calls the money or window arithmetic of `tessera_protocol`; an error there must show as a difference.

use std::collections::{BTreeMap, BTreeSet};

use crate::terms::{JobTerms, MarketTerms};

mod job;
mod lease;
mod party;

/// Why the model refuses an operation. Only for reading a failed test: which of several reasons the program names first
/// is the business of the constraint tests.
pub type Refused = &'static str;

/// State of a seat. Later states come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeatState {
    /// Claimed, nothing committed yet.
    Leased,
    /// A result is committed.
    Committed,
    /// The roots are known.
    Revealed,
    /// The key is known.
    Opened,
    /// The roots did not agree.
    Rejected,
}

/// State of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Seats may be claimed.
    Open,
    /// All replicas revealed the same root.
    Agreed,
    /// At least one seat was paid.
    Settled,
}

/// A provider's place in a lease.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Index of the provider.
    pub provider: usize,
    /// Where it stands.
    pub state: SeatState,
    /// Number of its claim in the lease.
    pub attempt: u32,
    /// What it will be paid.
    pub pay: u64,
    /// Last second for its commit.
    pub commit_by: i64,
    /// Stake that it locks.
    pub lock: u64,
    /// Part of it that burns when it is late.
    pub bond: u64,
    /// Unix time of its commit.
    pub committed_at: i64,
    /// Which result it committed: equal numbers are equal roots.
    pub result: u8,
}

/// A lease that has been claimed at least once and is not closed yet.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Where it stands.
    pub state: LeaseState,
    /// Index of the provider whose operator opened the account.
    pub opener: usize,
    /// Units in it.
    pub units: u64,
    /// Claims so far.
    pub claims: u32,
    /// Disagreements so far.
    pub rounds: u32,
    /// End of the reveal window, 0 while there is none.
    pub reveal_by: i64,
    /// End of the open window, 0 while there is none.
    pub open_by: i64,
    /// Its seats in the order of their claims.
    pub seats: Vec<Seat>,
}

/// A job, also after its account was closed, as long as leases of it may be left.
#[derive(Clone, Debug)]
pub struct Job {
    /// Index of the client.
    pub client: usize,
    /// What was asked for.
    pub terms: JobTerms,
    /// The market's terms when it was posted.
    pub market: MarketTerms,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Whether its account is closed.
    pub gone: bool,
    /// When it was posted.
    pub posted_at: i64,
    /// Deadline as it stands now.
    pub deadline: i64,
    /// Price as it stands now.
    pub price: u64,
    /// Put into escrow by the client.
    pub deposited: u64,
    /// Paid to providers.
    pub paid: u64,
    /// Due to seats of settled leases.
    pub owed: u64,
    /// Tokens in the escrow account, gifts included.
    pub escrow: u64,
    /// Settled leases.
    pub settled: BTreeSet<u32>,
    /// Units in settled leases.
    pub settled_units: u64,
    /// Lease accounts that exist.
    pub leases: BTreeMap<u32, Lease>,
}

/// A provider.
#[derive(Clone, Debug, Default)]
pub struct Provider {
    /// Tokens in its authority's wallet.
    pub wallet: u64,
    /// Working stake.
    pub stake: u64,
    /// Stake on its way out.
    pub unstaking: u64,
    /// When it may leave.
    pub unstake_at: i64,
    /// Not withdrawn yet.
    pub earned: u64,
    /// Ever earned.
    pub total_earned: u64,
    /// Seats it holds.
    pub open_leases: u32,
    /// Seats paid.
    pub leases_settled: u64,
    /// Units paid.
    pub units_settled: u64,
    /// Seats that were not committed in time.
    pub expired: u64,
    /// Seats that were not revealed or opened in time.
    pub faults: u64,
    /// Seats whose roots did not agree.
    pub disagreed: u64,
    /// Stake that its seats lock.
    pub locked: u64,
    /// Bonds lost.
    pub lost: u64,
    /// Part of them that nobody has burned yet.
    pub to_burn: u64,
    /// Times at which free returns that it used come back, one behind the other.
    pub returns_full_at: i64,
    /// Tokens in the stake vault, gifts included.
    pub vault: u64,
}

/// A whole market.
#[derive(Clone, Debug)]
pub struct Model {
    /// Unix time.
    pub now: i64,
    /// Terms of the market now.
    pub market: MarketTerms,
    /// Whether it is paused.
    pub paused: bool,
    /// Tokens in the treasury.
    pub treasury: u64,
    /// Tokens taken out of the treasury.
    pub treasury_withdrawn: u64,
    /// Tokens burned.
    pub burned: u64,
    /// The providers.
    pub providers: Vec<Provider>,
    /// Tokens in the wallet of each client.
    pub clients: Vec<u64>,
    /// All jobs ever posted.
    pub jobs: Vec<Job>,
}

/// `amount × bps / 10⁴` rounded down.
fn share(amount: u128, bps: u16) -> u128 {
    amount * u128::from(bps) / 10_000
}

impl Job {
    /// Whether nothing but cleaning up may happen any more.
    #[must_use]
    pub fn over(&self, now: i64) -> bool {
        self.gone || now > self.deadline + i64::from(self.market.grace_seconds)
    }

    /// Number of leases.
    #[must_use]
    pub fn lease_count(&self) -> u32 {
        self.terms.units.div_ceil(u64::from(self.terms.units_per_lease)) as u32
    }

    /// Units of lease `index`.
    #[must_use]
    pub fn units_of(&self, index: u32) -> u64 {
        let per = u64::from(self.terms.units_per_lease);
        per.min(self.terms.units - u64::from(index) * per)
    }

    /// Longest course of one claim.
    fn longest(&self) -> i64 {
        i64::from(self.terms.lease_seconds) + 2 * i64::from(self.market.reveal_seconds)
    }
}

impl Lease {
    /// Seats that still take part.
    pub fn active(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.state != SeatState::Rejected)
    }

    /// Seats of rounds that disagreed.
    fn rejected(&self) -> usize {
        self.seats.len() - self.active().count()
    }

    fn seat(&self, provider: usize) -> Option<usize> {
        self.seats.iter().position(|seat| seat.provider == provider)
    }
}
