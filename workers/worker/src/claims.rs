//! Which job and which lease to claim: pure rules, asked before anything is spent.

use solana_pubkey::Pubkey;
use tessera_protocol::{
    bonds, payout,
    routing::{self, Capabilities, Requirements},
    spec::JobSpec,
    verdict::Kind,
};

use crate::lifecycle::{JobView, LeaseView, SeatState};

/// What a worker takes.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Lowest price of a unit.
    pub min_price_per_unit: u64,
    /// Most bytes of one lease's outputs.
    pub max_output: u64,
    /// Most bytes of one job's module and inputs.
    pub max_input: u64,
    /// What this provider announced.
    pub has: Capabilities,
}

/// What a job offers and asks.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// What one unit pays.
    pub price_per_unit: u64,
    /// Units of all leases but the last.
    pub units_per_lease: u32,
    /// All units.
    pub units: u64,
    /// What it asks of providers.
    pub asks: Requirements,
}

impl Terms {
    /// Checks an offer.
    ///
    /// # Errors
    /// With the reason why this worker leaves it to others.
    pub fn check(&self, offer: &Offer) -> Result<(), String> {
        if offer.price_per_unit < self.min_price_per_unit {
            return Err(format!(
                "pays {} for a unit, work.min_price_per_unit is {}",
                offer.price_per_unit, self.min_price_per_unit
            ));
        }
        if !offer.asks.met_by(&self.has) {
            return Err(format!("asks for {:?}, this provider announced {:?}", offer.asks, self.has));
        }
        if payout::lease_pay(offer.price_per_unit, offer.units_per_lease).is_none() {
            return Err("pays more than a number can hold".into());
        }
        Ok(())
    }

    /// Checks a specification against its offer.
    ///
    /// # Errors
    /// With the reason why this worker leaves it to others.
    pub fn check_spec(&self, spec: &JobSpec, offer: &Offer) -> Result<(), String> {
        if spec.units != offer.units {
            return Err(format!("the job has {} units, its specification {}", offer.units, spec.units));
        }
        let output = spec.output_len().saturating_mul(u64::from(offer.units_per_lease).min(offer.units));
        if output > self.max_output {
            return Err(format!(
                "a lease has {output} bytes of outputs, work.max_output_mib allows {}",
                self.max_output
            ));
        }
        let input = spec.inputs.iter().fold(0u64, |sum, input| sum.saturating_add(input.len));
        if input > self.max_input {
            return Err(format!("the job has {input} bytes of inputs, work.max_input_mib allows {}", self.max_input));
        }
        let memory = spec.device_memory();
        if memory > u64::from(self.has.memory_mib) << 20 {
            return Err(format!(
                "a unit needs {memory} bytes of device memory, this provider announced {} MiB",
                self.has.memory_mib
            ));
        }
        Ok(())
    }
}

/// Whether a provider with this stake, and this part of it locked, can lock what a seat of the job locks, after so many
/// others of the same job.
#[must_use]
pub fn can_lock(offer: &Offer, lock_multiple: u16, others: usize, (stake, locked): (u64, u64)) -> bool {
    let pay = payout::lease_pay(offer.price_per_unit, offer.units_per_lease);
    let lock = pay.and_then(|pay| bonds::lock(lock_multiple, pay));
    let together = |lock: u64| lock.checked_mul(u64::try_from(others).ok()?)?.checked_add(locked);
    lock.and_then(|lock| Some((together(lock)?, lock)))
        .is_some_and(|(locked, lock)| bonds::may_lock(stake, locked, lock, Kind::Base))
}

/// Whether a lease can be claimed, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can, once these seats, whose windows have passed, are removed; `others`: seats of others that stay.
    Free {
        /// Provider and rent payer of each seat to remove.
        expire: Vec<(Pubkey, Pubkey)>,
        /// Active seats of others.
        others: usize,
    },
    /// It cannot now.
    Taken,
}

/// Whether provider `me` can claim lease `index` of `job` now.
#[must_use]
pub fn assess(job: &Pubkey, view: &JobView, index: u32, lease: Option<&LeaseView>, me: &Claimant, now: i64) -> Verdict {
    if !view.takes_claims(now) {
        return Verdict::Taken;
    }
    let turn = |replica: usize, opened_at| {
        let replica = u8::try_from(replica).unwrap_or(u8::MAX);
        let rank = routing::rank(&job.to_bytes(), index, replica, &me.provider.to_bytes());
        routing::may_claim(&me.asks, &me.has, rank, opened_at, now)
    };
    let Some(lease) = lease else {
        let free = !view.cancelled && turn(0, me.posted_at);
        return if free { Verdict::Free { expire: vec![], others: 0 } } else { Verdict::Taken };
    };
    let mut left = lease.clone();
    let mut expire = Vec::new();
    if !lease.has_room() {
        // Only seats without a result: the rest is for those who take part.
        let stale = |lease: &LeaseView, seat| lease.expirable(seat, Some(view), now);
        let gone: Vec<_> = lease.seats.iter().filter(|s| s.state == SeatState::Leased && stale(lease, s)).collect();
        expire.extend(gone.iter().map(|seat| (seat.provider, seat.payer)));
        left.seats.retain(|seat| !expire.iter().any(|(provider, _)| *provider == seat.provider));
    }
    let others = left.active().count();
    let begun = !view.cancelled || others > 0;
    if left.has_room() && left.seat(&me.provider).is_none() && begun && turn(others, lease.opened_at) {
        return Verdict::Free { expire, others };
    }
    Verdict::Taken
}

/// Who claims, for which job.
#[derive(Clone, Copy, Debug)]
pub struct Claimant {
    /// The provider account.
    pub provider: Pubkey,
    /// What it announced.
    pub has: Capabilities,
    /// What the job asks.
    pub asks: Requirements,
    /// When the job was posted.
    pub posted_at: i64,
}

/// The leases of a job in the order in which `provider` tries them: everybody has another one, so that providers spread.
#[must_use]
pub fn order(job: &Pubkey, unsettled: impl Iterator<Item = u32>, provider: &Pubkey) -> Vec<u32> {
    let mut leases: Vec<(u64, u32)> =
        unsettled.map(|i| (routing::rank(&job.to_bytes(), i, 0, &provider.to_bytes()), i)).collect();
    leases.sort_unstable();
    leases.into_iter().map(|(_, index)| index).collect()
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
mod tests {
    use super::*;
    use crate::lifecycle::Seat;

    const NOW: i64 = 1_000;
    const JOB: Pubkey = Pubkey::new_from_array([1; 32]);
    const PEER: Pubkey = Pubkey::new_from_array([5; 32]);

    fn me() -> Claimant {
        let has = Capabilities { memory_mib: 1024, class: 80, region: 0 };
        Claimant { provider: Pubkey::new_from_array([7; 32]), has, asks: Requirements::default(), posted_at: 0 }
    }

    fn job() -> JobView {
        JobView { cancelled: false, deadline: NOW + 500, grace_seconds: 100, lease_seconds: 60, reveal_seconds: 30 }
    }

    fn seat(provider: Pubkey, state: SeatState, commit_by: i64) -> Seat {
        Seat { provider, payer: provider, state, attempt: 0, pay: 1, commit_by, commitment: [0; 32] }
    }

    fn lease(replicas: u8, seats: Vec<Seat>) -> LeaseView {
        LeaseView {
            agreed: false,
            settled: false,
            replicas,
            payer: PEER,
            opened_at: 0,
            reveal_by: 0,
            open_by: 0,
            seats,
        }
    }

    fn verdict(job: &JobView, lease: Option<&LeaseView>) -> Verdict {
        assess(&JOB, job, 0, lease, &me(), NOW)
    }

    fn free(expire: &[Pubkey], others: usize) -> Verdict {
        Verdict::Free { expire: expire.iter().map(|key| (*key, *key)).collect(), others }
    }

    #[test]
    fn a_fresh_lease_is_free_while_its_windows_fit() {
        assert_eq!(verdict(&job(), None), free(&[], 0));
        assert_eq!(verdict(&JobView { deadline: NOW + 119, ..job() }, None), Verdict::Taken);
        assert_eq!(verdict(&JobView { cancelled: true, ..job() }, None), Verdict::Taken);
        let asks = Requirements { class: 90, ..Requirements::default() };
        assert_eq!(assess(&JOB, &job(), 0, None, &Claimant { asks, ..me() }, NOW), Verdict::Taken);
    }

    #[test]
    fn a_full_lease_is_free_once_a_seat_can_be_expired() {
        let with = |state, by| lease(1, vec![seat(PEER, state, by)]);
        assert_eq!(verdict(&job(), Some(&with(SeatState::Leased, NOW + 5))), Verdict::Taken);
        assert_eq!(verdict(&job(), Some(&with(SeatState::Leased, NOW - 5))), free(&[PEER], 0));
        assert_eq!(verdict(&job(), Some(&with(SeatState::Committed, NOW - 5))), Verdict::Taken);
        assert_eq!(verdict(&job(), Some(&with(SeatState::Rejected, NOW - 5))), free(&[], 0));
    }

    #[test]
    fn replicas_are_joined_unless_we_are_in_or_roots_are_being_revealed() {
        let other = seat(PEER, SeatState::Committed, NOW);
        let two = lease(2, vec![other.clone()]);
        assert_eq!(verdict(&job(), Some(&two)), free(&[], 1));
        assert_eq!(verdict(&JobView { cancelled: true, ..job() }, Some(&two)), free(&[], 1));
        assert_eq!(verdict(&job(), Some(&LeaseView { reveal_by: NOW + 9, ..two.clone() })), Verdict::Taken);
        assert_eq!(verdict(&job(), Some(&LeaseView { agreed: true, ..two.clone() })), Verdict::Taken);
        let mine = |state| lease(3, vec![other.clone(), seat(me().provider, state, NOW - 9)]);
        assert_eq!(verdict(&job(), Some(&mine(SeatState::Leased))), Verdict::Taken);
        assert_eq!(verdict(&job(), Some(&mine(SeatState::Rejected))), Verdict::Taken);
    }

    #[test]
    fn orders_are_complete_and_differ_between_providers() {
        let mine = order(&JOB, 0..50, &me().provider);
        let theirs = order(&JOB, 0..50, &PEER);
        assert_ne!(mine, theirs);
        let mut sorted = mine.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn time_is_kept_in_hand() {
        assert!(has_time(None, 0.0, 60) && !has_time(None, 0.1, 60));
        assert!(has_time(Some(20.0), 25.0, 60) && !has_time(Some(20.0), 26.0, 60));
    }

    #[test]
    fn terms_are_checked() {
        let terms = Terms { min_price_per_unit: 5, max_output: 100, max_input: 10, has: me().has };
        let offer = Offer { price_per_unit: 5, units_per_lease: 4, units: 40, asks: Requirements::default() };
        terms.check(&offer).unwrap();
        assert!(terms.check(&Offer { price_per_unit: 4, ..offer }).unwrap_err().contains("min_price"));
        assert!(terms.check(&Offer { price_per_unit: u64::MAX, ..offer }).unwrap_err().contains("more than"));
        let asks = Requirements { memory_mib: 4096, ..Requirements::default() };
        assert!(terms.check(&Offer { asks, ..offer }).unwrap_err().contains("4096"));
    }

    #[test]
    fn specifications_are_checked() {
        use tessera_protocol::{
            cid::Cid,
            spec::{Buffer, BufferInit, FrontEnd, Input, JobSpec, LaunchPlan, SPEC_VERSION, Visibility},
        };
        let buffer = |len| Buffer { len, init: BufferInit::Zero };
        let spec = JobSpec {
            version: SPEC_VERSION,
            module: Cid::of(b"m"),
            inputs: vec![Input { name: "a".into(), cid: Cid::of(b"a"), len: 10 }],
            plan: LaunchPlan { buffers: vec![buffer(25)], launches: vec![], output: 0 },
            units: 40,
            unit_gas: 0,
            visibility: Visibility::Public,
            front_end: FrontEnd::default(),
        };
        let terms = Terms { min_price_per_unit: 0, max_output: 100, max_input: 10, has: me().has };
        let offer = Offer { price_per_unit: 5, units_per_lease: 4, units: 40, asks: Requirements::default() };
        terms.check_spec(&spec, &offer).unwrap();
        assert!(terms.check_spec(&spec, &Offer { units: 41, ..offer }).unwrap_err().contains("41"));
        assert!(terms.check_spec(&spec, &Offer { units_per_lease: 5, ..offer }).unwrap_err().contains("125"));
        let mut other = spec.clone();
        other.inputs[0].len = 11;
        assert!(terms.check_spec(&other, &offer).unwrap_err().contains("11"));
        other = spec;
        other.plan.buffers.push(buffer(1 << 30));
        assert!(terms.check_spec(&other, &offer).unwrap_err().contains("device memory"));
    }
}
