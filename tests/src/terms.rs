//! What markets and jobs are made with. The defaults are valid, so a test names only what matters to it.

use anchor_lang::prelude::Pubkey;
use tessera_protocol::routing::Requirements;

/// Parameters of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketTerms {
    /// Fee on what providers earn, in basis points.
    pub fee_bps: u16,
    /// The treasury's share of the fee, in basis points.
    pub treasury_bps: u16,
    /// Stake below which nothing may be claimed.
    pub min_stake: u64,
    /// Most seats a provider may hold.
    pub max_open_leases: u32,
    /// Wait before stake may leave.
    pub unstake_seconds: u32,
    /// Windows for revealing and for opening.
    pub reveal_seconds: u32,
    /// Time after the deadline for settlement alone.
    pub grace_seconds: u32,
    /// Seats that may be returned for nothing in `returns_seconds`.
    pub free_returns: u32,
    /// Time in which free returns come back.
    pub returns_seconds: u32,
    /// Time after which a group of seats is open to twice as many.
    pub step_seconds: u32,
    /// Stake of full weight in the routing of seats.
    pub stake_cap: u64,
    /// Burned fee that earns one whole event of reputation.
    pub credit_fee: u64,
    /// What a client puts down to demand a chunk.
    pub demand_bond: u64,
    /// Most memory that a job may ask for.
    pub max_memory_mib: u32,
    /// How long a proof of capability counts; 0: none is wanted.
    pub proof_seconds: u32,
    /// Least chance of an audit, in basis points.
    pub p_min_bps: u16,
    /// What cheating saves, in basis points of the pay.
    pub saving_bps: u16,
    /// Share of the stake that is assumed to collude, in basis points.
    pub collusion_bps: u16,
    /// Stake that a seat locks, in multiples of its pay.
    pub lock_multiple: u16,
    /// Chance up to which the reserve pays an audit, in basis points.
    pub reserve_bps: u16,
    /// Bond of a seat, in basis points of its pay.
    pub expiry_bond_bps: u16,
    /// Confirmed results before the chance of an audit falls below one; 0: the history does not count.
    pub probation: u16,
    /// Votes by which a root must lead.
    pub lead: u8,
    /// Most seats that count in a dispute.
    pub seat_limit: u8,
}

/// Nobody is drawn in a market of these terms unless the test chooses the hash of a slot (the chance is 1 in 10⁴), and
/// everybody may take a base seat a few seconds after the seed.
impl Default for MarketTerms {
    fn default() -> Self {
        Self {
            fee_bps: 500,
            treasury_bps: 4_000,
            min_stake: 1_000,
            max_open_leases: 16,
            unstake_seconds: 3_600,
            reveal_seconds: 60,
            grace_seconds: 300,
            free_returns: 3,
            returns_seconds: 3_600,
            step_seconds: 1,
            stake_cap: 5_000,
            credit_fee: 1,
            demand_bond: 10,
            max_memory_mib: 16_384,
            proof_seconds: 0,
            p_min_bps: 1,
            saving_bps: 1,
            collusion_bps: 0,
            lock_multiple: 8,
            reserve_bps: 1,
            expiry_bond_bps: 2_500,
            probation: 0,
            lead: 2,
            seat_limit: 12,
        }
    }
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobTerms {
    /// Units of work.
    pub units: u64,
    /// Units in a lease.
    pub units_per_lease: u32,
    /// Seats in a lease.
    pub replicas: u8,
    /// Tokens for one replica of one unit.
    pub price_per_unit: u64,
    /// From claim to commit.
    pub lease_seconds: u32,
    /// From posting to deadline.
    pub seconds: i64,
    /// Who may claim.
    pub requirements: Requirements,
    /// Where inputs and outputs are.
    pub store: String,
    /// Time for demands, before which opened outputs are not paid.
    pub challenge_seconds: u32,
    /// Least stake of who takes a base seat.
    pub min_stake: u64,
    /// Least score of who takes a base seat, in basis points.
    pub min_score_bps: u16,
    /// Who alone may take base seats, if anybody is named.
    pub allowed: Vec<Pubkey>,
    /// Who may take no base seat.
    pub denied: Vec<Pubkey>,
    /// Whether nobody else has what it takes to compute it.
    pub private: bool,
}

impl Default for JobTerms {
    fn default() -> Self {
        Self {
            units: 10,
            units_per_lease: 4,
            replicas: 1,
            price_per_unit: 7,
            lease_seconds: 120,
            seconds: 3_600,
            requirements: Requirements::default(),
            store: "http://127.0.0.1:8080".into(),
            challenge_seconds: 0,
            min_stake: 0,
            min_score_bps: 0,
            allowed: Vec::new(),
            denied: Vec::new(),
            private: false,
        }
    }
}
