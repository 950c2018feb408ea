//! What markets and jobs are made with. The defaults are valid, so a test names only what matters to it.

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
    /// Stake that a seat locks, in multiples of its pay.
    pub lock_multiple: u16,
    /// Bond of a seat, in basis points of its pay.
    pub expiry_bond_bps: u16,
    /// Seats that may be returned for nothing in `returns_seconds`.
    pub free_returns: u32,
    /// Time in which free returns come back.
    pub returns_seconds: u32,
}

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
            lock_multiple: 8,
            expiry_bond_bps: 2_500,
            free_returns: 3,
            returns_seconds: 3_600,
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
        }
    }
}
