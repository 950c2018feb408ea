//! Where every history begins.

use crate::{model::Model, terms::MarketTerms, world::World};

/// Tokens of everybody.
const TOKENS: u64 = 100_000;
/// Stake of every provider.
const STAKE: u64 = 5_000;

/// The beginning of all histories, on the chain and in the model.
#[must_use]
pub fn beginning() -> (World, Model) {
    let terms = MarketTerms {
        fee_bps: 250,
        treasury_bps: 3_333,
        min_stake: 1_000,
        max_open_leases: 5,
        unstake_seconds: 10,
        reveal_seconds: 10,
        grace_seconds: 10,
        free_returns: 1,
        returns_seconds: 60,
        step_seconds: 1,
        stake_cap: STAKE,
        credit_fee: 1,
        demand_bond: 3,
        max_memory_mib: 8_192,
        proof_seconds: 0,
        p_min_bps: 1,
        saving_bps: 7_000,
        collusion_bps: 3_000,
        lock_multiple: 8,
        reserve_bps: 5_000,
        expiry_bond_bps: 1_000,
        probation: 0,
        lead: 2,
        seat_limit: 8,
    };
    let world = World::with(|b| {
        (b.terms, b.providers, b.clients, b.tokens, b.stake) = (terms, 8, 2, TOKENS, STAKE);
        b.verify_signatures = false;
    });
    let model = Model::of(&world, TOKENS, STAKE);
    (world, model)
}
