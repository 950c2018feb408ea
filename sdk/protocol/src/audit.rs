//! Audits: which results are computed once more, and who pays for it.
//!
//! After a commit, a slot hash that did not exist yet decides whether somebody else computes the same range. The chance
//! is such that cheating once loses twice what it saves:
//!
//! ```text
//! p = max( p_min, h, 2·C / ((1 − ρ)·(R + S)) )
//! ```
//!
//! A cheater saves at most C and, when audited by one of the 1 − ρ who do not collude with it, loses its pay R and the
//! part S of its locked stake that is burned: C − p·(1 − ρ)·(R + S) ≤ −C. The term h (1 for a beginner, then
//! 1 / confirmed results) is BOINC's adaptive replication (`sched_send.cpp`, D. Anderson, "BOINC: a platform for
//! volunteer computing", J. Grid Computing 18, 2020); it finds broken machines, the last term deters.
//!
//! Audit seats are drawn like base seats, by the last term alone. Without that an auditor that takes over a root, from a
//! provider that offers it, would save C and risk nothing.

mod sources;

pub use sources::*;

use crate::{
    Key,
    chance::Chance,
    constants::{AUDIT_SLOTS, BPS},
    hash::{Digest, sha256},
};

/// Audit parameters of a market. [`AuditParams::check`] says which bound is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditParams {
    /// Least chance of an audit.
    pub p_min_bps: u16,
    /// C: what cheating saves, as a share of the pay.
    pub saving_bps: u16,
    /// ρ: share of the market's stake that is assumed to collude.
    pub collusion_bps: u16,
    /// Stake that a seat locks, in multiples of its pay.
    pub lock_multiple: u16,
    /// Votes by which a root must lead in a dispute, see [`crate::verdict`].
    pub lead: u8,
    /// Most seats of a lease that may count in a dispute.
    pub seat_limit: u8,
    /// Chance up to which the job's reserve pays an audit; likelier ones the audited seat pays itself.
    pub reserve_bps: u16,
    /// Bond that an expired seat burns, as a share of its pay.
    pub expiry_bond_bps: u16,
    /// Results to be confirmed before the chance falls below one; 0: the history does not count.
    pub probation: u16,
}

impl Default for AuditParams {
    fn default() -> Self {
        Self {
            p_min_bps: 100,
            saving_bps: 7_000,
            collusion_bps: 3_000,
            lock_multiple: 117,
            lead: 16,
            seat_limit: 96,
            reserve_bps: 500,
            expiry_bond_bps: 1_000,
            probation: 10,
        }
    }
}

/// Which bound a set of [`AuditParams`] breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `p_min_bps` must lie in 1..=10⁴.
    LeastChance,
    /// `saving_bps` must lie in 1..=10⁴.
    Saving,
    /// `collusion_bps` must lie in 0..=4500: near one half no vote decides anything.
    Collusion,
    /// `lock_multiple` must lie in 8..=10⁴ and above `lead + 1`, so that a loser can pay its share of a dispute.
    LockMultiple,
    /// `lead` must lie in 1..=32.
    Lead,
    /// `seat_limit` must lie in 3..=96 and hold at least twice the lead.
    SeatLimit,
    /// `reserve_bps` must lie in 1..=5000 and not below `p_min_bps`.
    Reserve,
    /// `expiry_bond_bps` must lie in 1..=10⁴.
    ExpiryBond,
    /// `probation` must lie in 0..=1000.
    Probation,
    /// With this lock the deterring chance is above `reserve_bps`.
    Deterrence,
}

impl AuditParams {
    /// Those of a *private* job, whose inputs only the providers have that its client allows: nobody else could compute it, so
    /// nobody audits it or is called to judge it, nothing is reserved for that, and a seat locks its expiry bond alone. No market
    /// can have them.
    #[must_use]
    pub const fn unaudited(expiry_bond_bps: u16) -> Self {
        Self {
            p_min_bps: 0,
            saving_bps: 0,
            collusion_bps: 0,
            lock_multiple: 0,
            lead: 0,
            seat_limit: 0,
            reserve_bps: 0,
            expiry_bond_bps,
            probation: 0,
        }
    }

    /// Checks every parameter against its bounds.
    pub fn check(&self) -> Result<(), Bound> {
        let ensure = |holds: bool, bound: Bound| if holds { Ok(()) } else { Err(bound) };
        ensure((1..=10_000).contains(&self.p_min_bps), Bound::LeastChance)?;
        ensure((1..=10_000).contains(&self.saving_bps), Bound::Saving)?;
        ensure(self.collusion_bps <= 4_500, Bound::Collusion)?;
        ensure((1..=32).contains(&self.lead), Bound::Lead)?;
        ensure(
            (8..=10_000).contains(&self.lock_multiple) && self.lock_multiple > u16::from(self.lead) + 1,
            Bound::LockMultiple,
        )?;
        let seats = u16::from(self.seat_limit);
        ensure((3..=96).contains(&seats) && seats >= 2 * u16::from(self.lead), Bound::SeatLimit)?;
        ensure((1..=5_000).contains(&self.reserve_bps) && self.reserve_bps >= self.p_min_bps, Bound::Reserve)?;
        ensure((1..=10_000).contains(&self.expiry_bond_bps), Bound::ExpiryBond)?;
        ensure(self.probation <= 1_000, Bound::Probation)?;
        // What deters must be what the reserve pays: else honest seats would pay for all audits, and one audit would call the
        // next without end.
        let payable = self.deterring().is_some_and(|chance| chance <= Chance::from_bps(self.reserve_bps));
        ensure(payable, Bound::Deterrence)
    }

    /// [`deterring`] for every seat that locks `lock_multiple` times its pay: it depends on lock / pay only, so any pay shows it.
    #[must_use]
    pub fn deterring(&self) -> Option<Chance> {
        let pay = BPS;
        deterring(self, pay, pay * u64::from(self.lock_multiple))
    }
}

/// S: what a caught seat loses for good. A loser pays at most `lead + 1` awards, which friends of it may collect, so only
/// the rest of its lock counts.
#[must_use]
pub fn burned_if_caught(pay: u64, lock: u64, lead: u8) -> u64 {
    lock.saturating_sub(pay.saturating_mul(u64::from(lead) + 1))
}

/// The chance that makes cheating a loss: `max(p_min, 2·C / ((1 − ρ)·(R + S)))`, rounded up. `None` if it would be above
/// one: such a seat must not be claimed (stake more, or take smaller leases). Audit and dispute seats use it alone.
#[must_use]
pub fn deterring(params: &AuditParams, pay: u64, lock: u64) -> Option<Chance> {
    let least = Chance::from_bps(params.p_min_bps);
    if pay == 0 {
        return Some(least);
    }
    // C is `saving` / 10⁴ of R and (1 − ρ) is `trusted` / 10⁴; the two denominators cancel.
    let trusted = BPS.checked_sub(u64::from(params.collusion_bps))?;
    let saved = 2 * u128::from(params.saving_bps) * u128::from(pay);
    let lost = u128::from(pay) + u128::from(burned_if_caught(pay, lock, params.lead));
    Some(Chance::ratio_up(saved, u128::from(trusted) * lost)?.max(least))
}

/// The chance that a base seat is audited. `consecutive` counts results since the last fault that were confirmed by seats
/// drawn from the whole market. `None` as for [`deterring`].
#[must_use]
pub fn chance(params: &AuditParams, pay: u64, lock: u64, consecutive: u32) -> Option<Chance> {
    Some(deterring(params, pay, lock)?.max(history(params.probation, consecutive)))
}

/// h: the chance that a base seat is audited because of its provider's history.
#[must_use]
pub fn history(probation: u16, consecutive: u32) -> Chance {
    match probation {
        0 => Chance::ZERO,
        _ if consecutive < u32::from(probation) => Chance::ONE,
        _ => Chance::one_in(consecutive),
    }
}

/// The slot that decides about a commit, or ranks the providers for what opened in `slot`: its hash, or the first after it
/// if the slot was skipped.
#[must_use]
pub const fn draw_slot(slot: u64) -> u64 {
    slot.saturating_add(AUDIT_SLOTS)
}

/// The uniform sample that a slot hash gives a commit; compare with [`Chance::draws`].
#[must_use]
pub fn sample(slot_hash: &Digest, job: &Key, lease: u32, attempt: u32, provider: &Key) -> u64 {
    let digest = sha256(&[b"tessera-draw-1", slot_hash, job, &lease.to_le_bytes(), &attempt.to_le_bytes(), provider]);
    u64::from_le_bytes(core::array::from_fn(|i| digest[i]))
}

/// Whether a seat is audited: by its sample, or for certain where nobody read the hash while it could be read (`None`).
#[must_use]
pub fn drawn(chance: Chance, sample: Option<u64>) -> bool {
    sample.is_none_or(|sample| chance.draws(sample))
}

/// Whether a seat whose draw has passed must be audited all the same: its provider was found at fault after the commit.
#[must_use]
pub const fn reopened(committed_slot: u64, fault_slot: u64) -> bool {
    fault_slot >= committed_slot && fault_slot != 0
}

/// Who pays the auditor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Funding {
    /// The job's audit reserve; the drawn seat is paid as well.
    Reserve,
    /// The drawn seat: what it would have earned goes to the auditor.
    Seat,
}

/// Who pays for an audit drawn with `chance`, when `reserve` is left in the job.
///
/// The reserve pays what its size was made for. Beginners pay themselves, or they would drain it; so does a seat whose
/// draw was `missed`, or cheaters would let draws lapse until the reserve is gone; and so does whoever meets an empty
/// reserve, because a draw that opens no audit would be an invitation.
#[must_use]
pub fn funding(params: &AuditParams, chance: Chance, missed: bool, reserve: u64, pay: u64) -> Funding {
    let foreseen = !missed && chance <= Chance::from_bps(params.reserve_bps);
    if foreseen && reserve >= pay { Funding::Reserve } else { Funding::Seat }
}

/// How many audits a job of `leases` should be able to pay: the mean at the highest chance the reserve pays for, four
/// standard deviations, and one more. `None` on overflow.
///
/// With k replicas a lease is drawn with k times the chance, and a drawn seat is drawn again: q / (1 − q) for k·q. Four
/// deviations of the Poisson law bound those of the binomial one; the reserve is too small once in 10⁴ jobs at most, and
/// then [`funding`] falls back to the seats. A reserve that pays no audits at all ([`AuditParams::unaudited`]) is empty.
#[must_use]
pub fn reserved_audits(params: &AuditParams, leases: u32, replicas: u8) -> Option<u64> {
    if params.reserve_bps == 0 {
        return Some(0);
    }
    let bps = u64::from(params.reserve_bps);
    let draws = u64::from(leases).checked_mul(u64::from(replicas))?;
    let rest = BPS.checked_sub(bps).filter(|rest| *rest > 0)?;
    let mean = draws.checked_mul(bps)?.div_ceil(rest);
    // ⌈4·√mean⌉ = ⌈√(16·mean)⌉
    let wide = mean.checked_mul(16)?;
    let root = wide.isqrt();
    let deviations = root + u64::from(root * root < wide);
    mean.checked_add(deviations)?.checked_add(1).map(|audits| audits.min(draws.saturating_mul(2)))
}

/// The audit reserve that a job escrows beside its work; what is not spent returns to the client. `None` on overflow.
#[must_use]
pub fn reserve(params: &AuditParams, pay_per_lease: u64, leases: u32, replicas: u8) -> Option<u64> {
    reserved_audits(params, leases, replicas)?.checked_mul(pay_per_lease)
}

#[cfg(test)]
mod tests;
