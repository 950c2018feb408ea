//! Whose turn a seat is.

use tessera_protocol::routing::rank;

use super::{
    Job, Kind, Lease, Model, Refused,
    chance::{ONE, bps},
};
use crate::world::CAPABILITIES;

/// Doublings after which an audit or dispute seat is open to whoever comes.
const LATE: u32 = 32;

impl Model {
    /// How far a group of seats of the job has opened, in units of 2⁻³².
    fn opening(&self, job: &Job, lease: &Lease) -> u128 {
        let wider = if lease.group == Kind::Base { 2 } else { 1 };
        let wanted = u128::from(lease.wanted.max(1)) * wider;
        let ratio = (u128::from(job.market.stake_cap) << 32).checked_div(self.total_stake.into());
        let first = (ratio.unwrap_or(u128::MAX).min(u64::MAX.into()) * wanted).clamp(1, u64::MAX.into());
        let steps = ((self.now - lease.opened_at) / i64::from(job.market.step_seconds)).min(64) as u32;
        let open = first.saturating_mul(1 << steps).min(u64::MAX.into());
        let early = (u128::from(ONE) / 4).max(4 * first);
        if lease.group == Kind::Base || steps >= LATE { open } else { open.min(early) }
    }

    /// Whether `provider` may take a seat of the lease now, as far as routing is concerned.
    pub(super) fn admit(&self, job: &Job, lease: &Lease, index: u32, provider: usize) -> Result<(), Refused> {
        let p = &self.providers[provider];
        let (asks, base) = (job.terms.requirements, lease.group == Kind::Base);
        let here = asks.regions == 0 || asks.regions >> CAPABILITIES.region & 1 == 1;
        if asks.memory_mib > CAPABILITIES.memory_mib || base && (asks.class > CAPABILITIES.class || !here) {
            return Err("capabilities");
        }
        let score = p.reputation.score(self.now);
        if base && (p.stake < job.terms.min_stake || score < bps(job.terms.min_score_bps)) {
            return Err("below what the job asks for");
        }
        if job.terms.private {
            // All who may take it are named, and nobody has a turn.
            return Ok(());
        }
        let fresh = p.staked_slot >= lease.seed_slot;
        if fresh && !base {
            return Err("fresh stake");
        }
        let cap = job.market.stake_cap;
        let stake = if base { p.stake - p.locked } else { p.stake };
        let weight = u128::from(stake.min(cap)) * u128::from(ONE) / u128::from(cap);
        let factor = if base { (u128::from(ONE) + u128::from(score)) / 2 } else { ONE.into() };
        let rank = if fresh { u64::MAX } else { rank(&lease.seed, index, lease.call, &p.key) };
        let open = ((weight * factor) >> 32) * self.opening(job, lease);
        if u128::from(rank) < open { Ok(()) } else { Err("not its turn") }
    }
}
