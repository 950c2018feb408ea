//! Accounts as `--json` prints them. Amounts are in base units, times in Unix seconds, keys in base 58.

use std::collections::BTreeMap;

use serde::Serialize;
use tessera_migrate::params::fields;
use tessera_protocol::chance::Chance;
use tessera_sdk::{Account, Draw, Job, Kind, Lease, LeaseState, Seat, SeatState, accounts};

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
    /// Its parameters by name.
    #[serde(flatten)]
    pub params: BTreeMap<&'static str, u64>,
    pub total_stake: u64,
    pub treasury: u64,
}

impl MarketView {
    pub fn new(market: &Account<accounts::Market>, decimals: u8, treasury: u64) -> Self {
        Self {
            address: market.address.to_string(),
            id: market.id,
            creator: market.creator.to_string(),
            authority: market.authority.to_string(),
            mint: market.mint.to_string(),
            decimals,
            paused: market.paused,
            params: fields(&market.params).into_iter().collect(),
            total_stake: market.total_stake,
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
    /// Memory that it has shown, in MiB; 0: none.
    pub proven_mib: u32,
    /// Thousands of digests a second of that proof.
    pub speed: u32,
    /// Unix time of the proof.
    pub proven_at: i64,
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
    /// Results since the last fault that others confirmed.
    pub consecutive: u32,
    /// Convicted seats, ever.
    pub faults: u32,
    /// Late seats, ever.
    pub expiries: u32,
    /// From 0 to 1.
    pub score: f64,
    pub locked: u64,
    pub lost: u64,
    pub slashed: u64,
    pub to_burn: u64,
    pub registered_at: i64,
}

impl ProviderView {
    /// A provider at `now`, in Unix seconds.
    pub fn new(provider: &Account<accounts::Provider>, now: i64) -> Self {
        Self {
            address: provider.address.to_string(),
            authority: provider.authority.to_string(),
            operator: provider.operator.to_string(),
            memory_mib: provider.memory_mib,
            proven_mib: provider.proven_mib,
            speed: provider.speed,
            proven_at: provider.proven_at,
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
            consecutive: provider.consecutive,
            faults: provider.faults,
            expiries: provider.expiries,
            score: provider.reputation().score(now).units() as f64 / Chance::ONE.units() as f64,
            locked: provider.locked,
            lost: provider.lost,
            slashed: provider.slashed,
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
    pub owed_seats: u32,
    /// Seconds in which chunks of opened outputs may be demanded, and what that costs, without the fee.
    pub challenge_seconds: u32,
    pub demand_bond: u64,
    pub settled_leases: u32,
    pub settled_units: u64,
    /// Leases that are being audited or disputed.
    pub contested: u32,
    /// Escrowed for audits; left of that; paid out of it.
    pub audit_reserve: u64,
    pub reserve: u64,
    pub audits_paid: u64,
    pub min_stake: u64,
    /// From 0 to 1.
    pub min_score: f64,
    pub allowed: Vec<String>,
    pub denied: Vec<String>,
    /// Whether only those allowed have its inputs, and nobody audits it.
    pub private: bool,
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
            owed_seats: job.owed_seats,
            challenge_seconds: job.challenge_seconds,
            demand_bond: job.demand_bond,
            settled_leases: job.settled_leases,
            settled_units: job.settled_units,
            contested: job.contested,
            audit_reserve: job.audit_reserve,
            reserve: job.reserve,
            audits_paid: job.audits_paid,
            min_stake: job.min_stake,
            min_score: Chance::from_units(job.min_score).units() as f64 / Chance::ONE.units() as f64,
            allowed: job.allowed.iter().map(ToString::to_string).collect(),
            denied: job.denied.iter().map(ToString::to_string).collect(),
            private: job.is_private(),
            store: job.store_url(),
        }
    }
}

/// Where a job stands, in a word.
pub fn state(job: &Job) -> &'static str {
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
    /// What the group is for whose seats are or were open last.
    pub group: &'static str,
    /// Seats of it that nobody has taken.
    pub missing: u8,
    /// Whether it is being audited or disputed.
    pub contested: bool,
    pub seats: Vec<SeatView>,
}

/// A seat in a lease.
#[derive(Serialize)]
pub struct SeatView {
    pub provider: String,
    pub kind: &'static str,
    pub draw: &'static str,
    pub state: &'static str,
    pub attempt: u32,
    pub pay: u64,
    pub commit_by: i64,
    /// When it may be paid; 0 until it is opened.
    pub payable_at: i64,
    /// The chunk that is demanded of its outputs, modulo their number, and by when.
    pub demand: Option<Demand>,
    /// What it gets besides its pay for what was demanded before.
    pub bonds: u64,
}

/// A chunk that is demanded.
#[derive(Serialize)]
pub struct Demand {
    pub chunk: u64,
    pub answer_by: i64,
}

impl LeaseView {
    pub fn new(lease: &Lease) -> Self {
        Self {
            index: lease.index,
            state: match lease.state {
                LeaseState::Open => "open",
                LeaseState::Agreed => "agreed",
                LeaseState::Settled => "settled",
                LeaseState::Void => "void",
            },
            group: kind(lease.group),
            missing: lease.missing,
            contested: lease.is_contested(),
            seats: lease.seats.iter().map(SeatView::new).collect(),
        }
    }
}

/// How a seat came to its lease, in a word.
pub const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Base => "base",
        Kind::Audit => "audit",
        Kind::Dispute => "dispute",
    }
}

/// What a draw has said, in a word.
pub const fn draw(draw: Draw) -> &'static str {
    match draw {
        Draw::Waiting => "waiting",
        Draw::Passed => "passed",
        Draw::Reserve => "audited, paid by the reserve",
        Draw::Seat => "audited, paid by the seat",
    }
}

impl SeatView {
    fn new(seat: &Seat) -> Self {
        Self {
            provider: seat.provider.to_string(),
            kind: kind(seat.kind),
            draw: draw(seat.draw),
            state: match seat.state {
                SeatState::Leased => "leased",
                SeatState::Committed => "committed",
                SeatState::Revealed => "revealed",
                SeatState::Opened => "opened",
                SeatState::Convicted => "convicted",
                SeatState::Late => "late",
                SeatState::Released => "released",
            },
            attempt: seat.attempt,
            pay: seat.pay,
            commit_by: seat.commit_by,
            payable_at: seat.payable_at,
            demand: (seat.answer_by != 0).then(|| Demand { chunk: seat.demand, answer_by: seat.answer_by }),
            bonds: seat.bonds,
        }
    }
}
