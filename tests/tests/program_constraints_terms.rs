//! Parameters of markets outside their bounds, one at a time, with the exact error.

use tessera::TesseraError;
use tessera_protocol::{capability, constants};
use tessera_tests::{
    program,
    terms::MarketTerms,
    world::{MARKET_ID, World},
};

/// Every parameter just outside its bounds.
fn bad_terms() -> Vec<(MarketTerms, TesseraError)> {
    let good = MarketTerms::default();
    let (unstake, reveal, grace) = (constants::UNSTAKE_SECONDS, constants::REVEAL_SECONDS, constants::GRACE_SECONDS);
    let (returns, step, proof) = (constants::RETURNS_SECONDS, constants::STEP_SECONDS, capability::PROOF_SECONDS);
    vec![
        (MarketTerms { fee_bps: constants::MAX_FEE_BPS + 1, ..good }, TesseraError::FeeTooHigh),
        (MarketTerms { fee_bps: u16::MAX, ..good }, TesseraError::FeeTooHigh),
        (MarketTerms { treasury_bps: 10_001, ..good }, TesseraError::TreasuryShareTooHigh),
        (MarketTerms { max_open_leases: 0, ..good }, TesseraError::OpenLeaseLimitOutOfBounds),
        (
            MarketTerms { max_open_leases: constants::MAX_OPEN_LEASES + 1, ..good },
            TesseraError::OpenLeaseLimitOutOfBounds,
        ),
        (MarketTerms { unstake_seconds: unstake.0 - 1, ..good }, TesseraError::UnstakeSecondsOutOfBounds),
        (MarketTerms { unstake_seconds: unstake.1 + 1, ..good }, TesseraError::UnstakeSecondsOutOfBounds),
        (MarketTerms { reveal_seconds: reveal.0 - 1, ..good }, TesseraError::RevealSecondsOutOfBounds),
        (MarketTerms { reveal_seconds: reveal.1 + 1, ..good }, TesseraError::RevealSecondsOutOfBounds),
        (MarketTerms { grace_seconds: grace.0 - 1, ..good }, TesseraError::GraceSecondsOutOfBounds),
        (MarketTerms { grace_seconds: grace.1 + 1, ..good }, TesseraError::GraceSecondsOutOfBounds),
        (MarketTerms { returns_seconds: returns.0 - 1, ..good }, TesseraError::ReturnsSecondsOutOfBounds),
        (MarketTerms { returns_seconds: returns.1 + 1, ..good }, TesseraError::ReturnsSecondsOutOfBounds),
        (MarketTerms { proof_seconds: proof.0 - 1, ..good }, TesseraError::ProofSecondsOutOfBounds),
        (MarketTerms { proof_seconds: proof.1 + 1, ..good }, TesseraError::ProofSecondsOutOfBounds),
        (MarketTerms { step_seconds: step.0 - 1, ..good }, TesseraError::StepSecondsOutOfBounds),
        (MarketTerms { step_seconds: step.1 + 1, ..good }, TesseraError::StepSecondsOutOfBounds),
        (MarketTerms { stake_cap: 0, ..good }, TesseraError::ZeroStakeCap),
        (MarketTerms { demand_bond: 0, ..good }, TesseraError::ZeroDemandBond),
    ]
}

/// Every audit parameter just outside its bounds.
fn bad_audits() -> Vec<(MarketTerms, TesseraError)> {
    let good = MarketTerms::default();
    vec![
        (MarketTerms { p_min_bps: 0, ..good }, TesseraError::LeastChanceOutOfBounds),
        (MarketTerms { p_min_bps: 10_001, ..good }, TesseraError::LeastChanceOutOfBounds),
        (MarketTerms { saving_bps: 0, ..good }, TesseraError::SavingOutOfBounds),
        (MarketTerms { saving_bps: 10_001, ..good }, TesseraError::SavingOutOfBounds),
        (MarketTerms { collusion_bps: 4_501, ..good }, TesseraError::CollusionOutOfBounds),
        (MarketTerms { lead: 0, ..good }, TesseraError::LeadOutOfBounds),
        (MarketTerms { lead: 33, seat_limit: 96, lock_multiple: 100, ..good }, TesseraError::LeadOutOfBounds),
        (MarketTerms { lock_multiple: 7, ..good }, TesseraError::LockMultipleOutOfBounds),
        (MarketTerms { lock_multiple: 10_001, ..good }, TesseraError::LockMultipleOutOfBounds),
        // A loser could not pay what it owes to those who decide.
        (MarketTerms { lead: 8, seat_limit: 96, lock_multiple: 9, ..good }, TesseraError::LockMultipleOutOfBounds),
        (MarketTerms { lead: 1, seat_limit: 2, ..good }, TesseraError::SeatLimitOutOfBounds),
        (MarketTerms { seat_limit: 97, ..good }, TesseraError::SeatLimitOutOfBounds),
        (MarketTerms { lead: 3, seat_limit: 5, ..good }, TesseraError::SeatLimitOutOfBounds),
        (MarketTerms { reserve_bps: 0, ..good }, TesseraError::ReserveOutOfBounds),
        (MarketTerms { reserve_bps: 5_001, ..good }, TesseraError::ReserveOutOfBounds),
        (MarketTerms { p_min_bps: 2, reserve_bps: 1, ..good }, TesseraError::ReserveOutOfBounds),
        (MarketTerms { expiry_bond_bps: 0, ..good }, TesseraError::ExpiryBondOutOfBounds),
        (MarketTerms { expiry_bond_bps: 10_001, ..good }, TesseraError::ExpiryBondOutOfBounds),
        (MarketTerms { probation: 1_001, ..good }, TesseraError::ProbationOutOfBounds),
        // All of the pay saved, and nothing lost beyond it but the award: no chance is high enough.
        (MarketTerms { saving_bps: 10_000, collusion_bps: 4_500, lead: 6, ..good }, TesseraError::LockDoesNotDeter),
        // What deters must be what the reserve pays: 2 × 0.7 / 6 is more than 23 %.
        (MarketTerms { saving_bps: 7_000, reserve_bps: 2_333, ..good }, TesseraError::LockDoesNotDeter),
    ]
}

#[test]
fn parameters_out_of_bounds_are_refused() {
    for (terms, refusal) in bad_terms().into_iter().chain(bad_audits()) {
        let mut world = World::bare(program::elf(), 8, true);
        world.create_market(MARKET_ID, terms).expect_err(refusal);
    }
    let mut world = World::with(|_| {});
    // Just enough.
    world.update_market(MarketTerms { saving_bps: 7_000, reserve_bps: 2_334, ..MarketTerms::default() }).ok();
    for (terms, refusal) in bad_terms().into_iter().chain(bad_audits()) {
        world.update_market(terms).expect_err(refusal);
    }
}
