//! Accounts as `--json` prints them. Amounts are in base units, times in Unix seconds, keys in base 58.

use serde::Serialize;
use tessera_sdk::{Account, Job, Lease, LeaseState, Seat, SeatState, accounts};

/// A market.
#[derive(Serialize)]
pub struct MarketView {
    pub address: String,
    pub id: u16,
    pub creator: String,
    pub authority: String,
    pub mint: String,
    pub decimals: u8,
    pub paused: bool,
    pub fee_bps: u16,
    pub treasury_bps: u16,
    pub min_stake: u64,
    pub max_open_leases: u32,
    pub lock_multiple: u16,
    pub expiry_bond_bps: u16,
    pub free_returns: u32,
    pub returns_seconds: u32,
    pub unstake_seconds: u32,
    pub reveal_seconds: u32,
    pub grace_seconds: u32,
    pub treasury: u64,
}

impl MarketView {
    pub fn new(market: &Account<accounts::Market>, decimals: u8, treasury: u64) -> Self {
        let params = &market.params;
        Self {
            address: market.address.to_string(),
            id: market.id,
            creator: market.creator.to_string(),
            authority: market.authority.to_string(),
            mint: market.mint.to_string(),
            decimals,
            paused: market.paused,
            fee_bps: params.fee_bps,
            treasury_bps: params.treasury_bps,
            min_stake: params.min_stake,
            max_open_leases: params.max_open_leases,
            lock_multiple: params.lock_multiple,
            expiry_bond_bps: params.expiry_bond_bps,
            free_returns: params.free_returns,
            returns_seconds: params.returns_seconds,
            unstake_seconds: params.unstake_seconds,
            reveal_seconds: params.reveal_seconds,
            grace_seconds: params.grace_seconds,
            treasury,
        }
    }
}

/// A provider.
#[derive(Serialize)]
pub struct ProviderView {
    pub address: String,
    pub authority: String,
    pub operator: String,
    pub memory_mib: u32,
    pub class: u8,
    pub region: u8,
    pub stake: u64,
    pub unstaking: u64,
    pub unstake_at: i64,
    pub earned: u64,
    pub total_earned: u64,
    pub open_leases: u32,
    pub leases_settled: u64,
    pub units_settled: u64,
    pub expired: u64,
    pub faults: u64,
    pub disagreed: u64,
    pub locked: u64,
    pub lost: u64,
    pub to_burn: u64,
    pub registered_at: i64,
}

impl ProviderView {
    pub fn new(provider: &Account<accounts::Provider>) -> Self {
        Self {
            address: provider.address.to_string(),
            authority: provider.authority.to_string(),
            operator: provider.operator.to_string(),
            memory_mib: provider.memory_mib,
            class: provider.class,
            region: provider.region,
            stake: provider.stake,
            unstaking: provider.unstaking,
            unstake_at: provider.unstake_at,
            earned: provider.earned,
            total_earned: provider.total_earned,
            open_leases: provider.open_leases,
            leases_settled: provider.leases_settled,
            units_settled: provider.units_settled,
            expired: provider.expired,
            faults: provider.faults,
            disagreed: provider.disagreed,
            locked: provider.locked,
            lost: provider.lost,
            to_burn: provider.to_burn,
            registered_at: provider.registered_at,
        }
    }
}

/// A job.
#[derive(Serialize)]
pub struct JobView {
    pub address: String,
    pub wallet: String,
    pub number: u64,
    pub state: &'static str,
    pub spec: String,
    pub units: u64,
    pub units_per_lease: u32,
    pub leases: u32,
    pub replicas: u8,
    pub price_per_unit: u64,
    pub fee_bps: u16,
    pub posted_at: i64,
    pub deadline: i64,
    pub over_at: i64,
    pub deposited: u64,
    pub paid: u64,
    pub owed: u64,
    pub settled_leases: u32,
    pub settled_units: u64,
    pub store: String,
}

impl JobView {
    pub fn new(job: &Job) -> Self {
        Self {
            address: job.address.to_string(),
            wallet: job.wallet.to_string(),
            number: job.number,
            state: state(job),
            spec: tessera_protocol::cid::Cid(job.spec).to_string(),
            units: job.units,
            units_per_lease: job.units_per_lease,
            leases: job.leases,
            replicas: job.replicas,
            price_per_unit: job.price_per_unit,
            fee_bps: job.fee_bps,
            posted_at: job.posted_at,
            deadline: job.deadline,
            over_at: job.over_at(),
            deposited: job.deposited,
            paid: job.paid,
            owed: job.owed,
            settled_leases: job.settled_leases,
            settled_units: job.settled_units,
            store: job.store_url(),
        }
    }
}

/// Where a job stands, in a word.
fn state(job: &Job) -> &'static str {
    if job.is_complete() {
        "complete"
    } else if job.is_open() {
        "open"
    } else {
        "cancelled"
    }
}

/// A lease that has an account.
#[derive(Serialize)]
pub struct LeaseView {
    pub index: u32,
    pub state: &'static str,
    pub seats: Vec<SeatView>,
}

/// A seat in a lease.
#[derive(Serialize)]
pub struct SeatView {
    pub provider: String,
    pub state: &'static str,
    pub attempt: u32,
    pub pay: u64,
    pub commit_by: i64,
}

impl LeaseView {
    pub fn new(lease: &Lease) -> Self {
        let state = match lease.state {
            LeaseState::Open => "open",
            LeaseState::Agreed => "agreed",
            LeaseState::Settled => "settled",
        };
        Self { index: lease.index, state, seats: lease.seats.iter().map(SeatView::new).collect() }
    }
}

impl SeatView {
    fn new(seat: &Seat) -> Self {
        let state = match seat.state {
            SeatState::Leased => "leased",
            SeatState::Committed => "committed",
            SeatState::Revealed => "revealed",
            SeatState::Opened => "opened",
            SeatState::Rejected => "rejected",
        };
        Self {
            provider: seat.provider.to_string(),
            state,
            attempt: seat.attempt,
            pay: seat.pay,
            commit_by: seat.commit_by,
        }
    }
}
