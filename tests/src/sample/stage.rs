//! Where stories are played: a market with the terms of the simulated ones, and a job with room for one.

use tessera_simulate::{
    Scenario, Story,
    scenario::{FEE_BURNED, LOCKS, PAY, WINDOW},
};

use crate::{
    terms::{JobTerms, MarketTerms},
    world::{Builder, World},
};

/// The lease that is played; an odd one, whose outputs are small.
pub(super) const LEASE: u32 = 1;
/// Leases of the job. The reserve of so many holds more audits than one lease calls, as that of the simulated jobs does.
pub(super) const LEASES: u64 = 16;
/// Seconds in which even the longest story ends.
const SECONDS: i64 = 10 * 86_400;
/// Fee in basis points, and the treasury's share of it: the rest of the fee on a seat is what the simulation says is burned.
pub(super) const FEE: (u16, u16) = (500, 5_000);

/// A market whose terms are those of the simulation, with a client and nobody else.
#[must_use]
pub fn stage() -> World {
    let scenario = Scenario::default();
    let audit = scenario.audit;
    let terms = MarketTerms {
        fee_bps: FEE.0,
        treasury_bps: FEE.1,
        stake_cap: scenario.lock() * LOCKS,
        credit_fee: FEE_BURNED,
        p_min_bps: audit.p_min_bps,
        saving_bps: audit.saving_bps,
        collusion_bps: audit.collusion_bps,
        lock_multiple: audit.lock_multiple,
        reserve_bps: audit.reserve_bps,
        expiry_bond_bps: audit.expiry_bond_bps,
        probation: audit.probation,
        lead: audit.lead,
        seat_limit: audit.seat_limit,
        ..MarketTerms::default()
    };
    let tokens = 100 * LEASES * PAY;
    Builder { terms, providers: 0, tokens, verify_signatures: false, ..Builder::default() }.build()
}

/// The job of a story.
pub(super) fn job_terms(story: &Story) -> JobTerms {
    JobTerms {
        units: LEASES,
        units_per_lease: 1,
        replicas: story.replicas,
        price_per_unit: PAY,
        lease_seconds: (WINDOW / 1_000) as u32,
        seconds: SECONDS,
        ..JobTerms::default()
    }
}
