//! Which job and which seat to claim: pure rules, asked before anything is spent.

mod offer;

use solana_pubkey::Pubkey;
use tessera_protocol::{
    audit::AuditParams,
    bonds,
    constants::MAX_SEATS,
    routing::{self, Call, Capabilities, Opening, Standing},
    verdict::Kind,
};
use tessera_sdk::Moment;

pub use offer::{Offer, Terms};

use crate::lifecycle::{JobView, LeaseState, LeaseView, SeatState};

/// Who claims, and in what market.
#[derive(Clone, Copy, Debug)]
pub struct Claimant {
    /// The provider account.
    pub provider: Pubkey,
    /// What it announced.
    pub has: Capabilities,
    /// What routing has to know of it.
    pub standing: Standing,
    /// Whether it may hold more seats that a client asked for: the market is not paused, and they are not too many.
    pub takes_base: bool,
    /// Stake of all providers of the market.
    pub total_stake: u64,
    /// An odd number that every worker draws for itself: workers of one provider look at leases in different orders, or they would
    /// all try to claim the same ones. With 1 the order is that in which leases open to the provider.
    pub salt: u64,
}

impl Claimant {
    /// Whether it can lock what a seat of this kind and pay locks, after `others` of the same.
    #[must_use]
    pub fn can_lock(&self, audit: &AuditParams, pay: u64, kind: Kind, others: usize) -> bool {
        let Some(lock) = bonds::lock(audit.lock_multiple, audit.expiry_bond_bps, pay) else { return false };
        let before = u64::try_from(others).ok().and_then(|others| lock.checked_mul(others));
        let locked = before.and_then(|before| self.standing.locked.checked_add(before));
        locked.is_some_and(|locked| bonds::may_lock(self.standing.stake, locked, lock, kind))
    }

    /// Whether it may ever take base seats of a job, as it stands: the job's lists let it, and it has the stake and the score.
    #[must_use]
    pub fn qualifies(&self, job: &JobView) -> bool {
        let Self { standing, .. } = self;
        job.listed && standing.stake >= job.threshold.stake && standing.score >= job.threshold.score
    }

    /// The Unix time from which it may take a seat of the open group of a lease, if it ever may as it stands.
    #[must_use]
    pub fn turn(&self, job: &JobView, index: u32, lease: &LeaseView) -> Option<i64> {
        if job.private {
            // Its client has named all who may take it, and they have no turns.
            let qualified = routing::qualified(&self.has, &self.standing, &job.asks, &job.threshold);
            return qualified.is_ok().then_some(lease.opened_at);
        }
        let opening = Opening {
            kind: lease.group,
            wanted: lease.wanted,
            stake: self.total_stake,
            opened_at: lease.opened_at,
            step_seconds: job.step_seconds,
        };
        let (seed, seed_slot) = (&lease.seed.0, lease.seed.1);
        let call = Call { seed, seed_slot, lease: index, seat: lease.call, opening, weight_cap: job.stake_cap };
        let (key, asks, threshold) = (self.provider.to_bytes(), &job.asks, &job.threshold);
        routing::turn(&call, &key, &self.has, &self.standing, asks, threshold).ok()
    }
}

/// Whether a seat can be claimed, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can, once these seats, whose windows have passed, are removed; `others`: seats of others that stay.
    Free {
        /// Provider and rent payer of each seat to remove.
        expire: Vec<(Pubkey, Pubkey)>,
        /// Active seats of others.
        others: usize,
    },
    /// It can from this Unix time on, if nobody is quicker.
    Later(i64),
    /// It cannot.
    Taken,
}

/// Whether `me` can take a seat of lease `index` of a job now; `None` is a lease that nobody has claimed yet. Job and lease
/// have their seeds.
#[must_use]
pub fn assess(job: &JobView, index: u32, lease: Option<&LeaseView>, me: &Claimant, now: Moment) -> Verdict {
    let fresh = LeaseView::fresh(job);
    let mut left = lease.unwrap_or(&fresh).clone();
    let mut expire = Vec::new();
    if !left.gathers() || left.seat(&me.provider).is_some() {
        return Verdict::Taken;
    }
    if left.missing == 0 && !left.contested {
        // Seats of the open group without a result: the rest is for those who take part. Where a lease is contested, nobody takes
        // the place of who has left.
        let late: Vec<_> = left
            .seats
            .iter()
            .filter(|seat| seat.state == SeatState::Leased && seat.kind == left.group)
            .filter(|seat| left.expirable(seat, Some(job), now))
            .map(|seat| (seat.provider, seat.payer))
            .collect();
        left.missing = u8::try_from(late.len()).unwrap_or(u8::MAX);
        left.seats.retain(|seat| !late.iter().any(|(provider, _)| *provider == seat.provider));
        expire = late;
    }
    let others = left.seats.iter().filter(|seat| seat.is_active()).count();
    let room = left.missing > 0 && left.opened_at != 0 && left.seats.len() < MAX_SEATS;
    let open = left.group.votes() || takes_base(job, &left, others, me, now.time);
    match me.turn(job, index, &left).filter(|_| room && open) {
        Some(turn) if turn <= now.time => Verdict::Free { expire, others },
        Some(turn) => Verdict::Later(turn),
        None => Verdict::Taken,
    }
}

/// What counts for those replicas alone that the client asks for.
fn takes_base(job: &JobView, lease: &LeaseView, others: usize, me: &Claimant, now: i64) -> bool {
    debug_assert_eq!(lease.state, LeaseState::Open);
    let begun = !job.cancelled || others > 0;
    me.takes_base && begun && job.listed && job.takes_claims(now)
}

/// Those leases of a job that can be open to `me`, in an order of its own: everybody has another one, so workers spread. Which
/// are open is told by the first group; a lease that is open for another reason opened later, when its first group had opened to
/// all. Also returns the Unix time at which the next of the others opens.
#[must_use]
pub fn order(job: &JobView, unsettled: impl Iterator<Item = u32>, me: &Claimant, now: i64) -> (Vec<u32>, Option<i64>) {
    let fresh = LeaseView::fresh(job);
    let key = me.provider.to_bytes();
    let (mut leases, mut next) = (Vec::new(), None::<i64>);
    for index in unsettled {
        match me.turn(job, index, &fresh) {
            Some(turn) if turn <= now => {
                leases.push((routing::rank(&job.seed.0, index, 0, &key).wrapping_mul(me.salt), index));
            }
            Some(turn) => next = Some(next.map_or(turn, |next| next.min(turn))),
            None => {}
        }
    }
    leases.sort_unstable();
    (leases.into_iter().map(|(_, index)| index).collect(), next)
}

/// Whether a lease that is claimed now can be computed in time, `ahead` seconds of other work coming first.
/// `estimate`: seconds for this lease, if others of the job were computed before; without it only an idle worker claims.
#[must_use]
pub fn has_time(estimate: Option<f64>, ahead: f64, lease_seconds: u32) -> bool {
    match estimate {
        // A quarter of the time is left for fetching, sealing, putting and committing, and for being wrong.
        Some(estimate) => ahead + estimate <= f64::from(lease_seconds) * 0.75,
        None => ahead <= 0.0,
    }
}

#[cfg(test)]
mod tests;
