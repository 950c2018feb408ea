//! The protocol as `docs/protocol.md` tells it, written a second time: whole numbers, no accounts, no byte layouts.
//! Random histories run on this model and on the built program side by side and must agree after every instruction.
//!
//! Nothing here calls the arithmetic of `tessera_protocol` for money, windows, chances, weights, verdicts or reputation; an
//! error there must show as a difference. Only hashes are the same on both sides: addresses, ranks and samples.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    terms::{JobTerms, MarketTerms},
    world::{START, START_SLOT, SlotHashes},
};

pub(crate) mod chance;
mod demand;
mod draw;
mod job;
mod judge;
mod lease;
mod party;
mod reputation;
mod routing;
mod seat;
mod state;

pub use reputation::Reputation;
pub use state::{Draw, Kind, Lease, LeaseState, Seat, SeatState};

/// Why the model refuses an operation. Only for reading a failed test: which of several reasons the program names first
/// is the business of the constraint tests.
pub type Refused = &'static str;

/// A job, also after its account was closed, as long as leases of it may be left.
#[derive(Clone, Debug)]
pub struct Job {
    /// Index of the client.
    pub client: usize,
    /// Its address.
    pub key: [u8; 32],
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
    /// What ranks providers for its base seats, and since when.
    pub seed: Option<([u8; 32], i64)>,
    /// Slot of the seed; before there is one, that from which on it may be read.
    pub seed_slot: u64,
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
    /// Seats of settled leases that are not paid yet.
    pub owed_seats: u32,
    /// Put into escrow for audits.
    pub audit_reserve: u64,
    /// What of that is left.
    pub reserve: u64,
    /// What of it was paid.
    pub audits_paid: u64,
    /// Leases that are contested.
    pub contested: u32,
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
    /// Its address.
    pub key: [u8; 32],
    /// Tokens in its authority's wallet.
    pub wallet: u64,
    /// Working stake.
    pub stake: u64,
    /// Slot in which it added stake last.
    pub staked_slot: u64,
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
    /// What is remembered of it.
    pub reputation: Reputation,
    /// Stake that its seats lock.
    pub locked: u64,
    /// Bonds lost.
    pub lost: u64,
    /// Locks lost.
    pub slashed: u64,
    /// Part of both that nobody has burned yet.
    pub to_burn: u64,
    /// Times at which free returns that it used come back, one behind the other.
    pub returns_full_at: i64,
    /// Tokens in the stake vault, gifts included.
    pub vault: u64,
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its account in the market.
    pub key: [u8; 32],
    /// Tokens in its wallet.
    pub tokens: u64,
    /// Jobs that it has posted.
    pub jobs: u64,
}

/// A whole market.
#[derive(Clone, Debug)]
pub struct Model {
    /// Unix time.
    pub now: i64,
    /// Seconds by which the clock has leapt.
    pub halted: i64,
    /// Hashes of all slots.
    pub hashes: SlotHashes,
    /// Terms of the market now.
    pub market: MarketTerms,
    /// Whether it is paused.
    pub paused: bool,
    /// Stake of all providers, and what they have lost and nobody has burned.
    pub total_stake: u64,
    /// Tokens in the treasury.
    pub treasury: u64,
    /// Tokens taken out of the treasury.
    pub treasury_withdrawn: u64,
    /// Tokens burned.
    pub burned: u64,
    /// Parts of lost locks that went to escrows, and that burn.
    pub slashed: (u64, u64),
    /// The providers.
    pub providers: Vec<Provider>,
    /// The clients.
    pub clients: Vec<Client>,
    /// All jobs ever posted.
    pub jobs: Vec<Job>,
}

/// `amount × bps / 10⁴` rounded down.
fn share(amount: u128, bps: u16) -> u128 {
    amount * u128::from(bps) / 10_000
}

impl Job {
    /// Whether nothing but cleaning up may happen any more, but for contested leases.
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
        let windows = i64::from(self.terms.lease_seconds) + 2 * i64::from(self.market.reveal_seconds);
        windows + i64::from(self.terms.challenge_seconds)
    }
}

/// When something happens.
#[derive(Clone, Copy, Debug)]
struct At {
    now: i64,
    slot: u64,
}

impl At {
    /// Whether a window that ends at `by`, and began in slot `since`, has passed: it had a slot for each of its seconds too.
    fn passed(self, by: i64, since: u64, seconds: u32) -> bool {
        by != 0 && self.now > by && self.slot >= since + u64::from(seconds)
    }
}

impl Model {
    fn at(&self) -> At {
        At { now: self.now, slot: self.slot() }
    }

    /// The slot: one for each 400 ms, but for those of the time in which the cluster stood still.
    #[must_use]
    pub fn slot(&self) -> u64 {
        START_SLOT + ((self.now - START - self.halted) * 5 / 2) as u64
    }
}
