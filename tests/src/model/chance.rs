//! Chances in units of 2⁻³², rounded up, and how often a job is audited.

use crate::terms::MarketTerms;

/// What always happens.
pub(super) const ONE: u64 = 1 << 32;

/// `n / d`, at most one.
pub(super) fn ratio(n: u128, d: u128) -> u64 {
    if n >= d { ONE } else { ((n << 32).div_ceil(d)) as u64 }
}

/// Basis points as a chance.
pub(crate) fn bps(bps: u16) -> u64 {
    ratio(bps.into(), 10_000)
}

/// Whether a sample of 64 bits falls under a chance.
pub(super) fn falls_under(sample: u64, chance: u64) -> bool {
    u128::from(sample) < u128::from(chance) << 32
}

/// The chance that makes cheating a loss. What is saved and what is lost are both multiples of the pay, which cancels: twice
/// the saving, over the pay and what burns of the lock when `lead + 1` pays of it go to others, times those who do not collude.
pub(crate) fn deterring(market: &MarketTerms) -> u64 {
    let lost = 1 + u128::from(market.lock_multiple) - (u128::from(market.lead) + 1);
    let trusted = 10_000 - u128::from(market.collusion_bps);
    ratio(2 * u128::from(market.saving_bps), trusted * lost).max(bps(market.p_min_bps))
}

/// The chance because of a history of `consecutive` confirmed results.
pub(super) fn history(market: &MarketTerms, consecutive: u32) -> u64 {
    match market.probation {
        0 => 0,
        probation if consecutive < u32::from(probation) => ONE,
        _ => ratio(1, consecutive.into()),
    }
}

/// How many audits the reserve of a job pays: the mean, where each audit may be audited in turn, four standard deviations and
/// one more, but never more than two for each seat.
pub(super) fn reserved_audits(market: &MarketTerms, leases: u64, replicas: u8) -> u128 {
    let seats = u128::from(leases) * u128::from(replicas);
    let q = u128::from(market.reserve_bps);
    let mean = (seats * q).div_ceil(10_000 - q);
    let deviations = (0u128..).find(|n| n * n >= 16 * mean).expect("a root");
    (mean + deviations + 1).min(2 * seats)
}
