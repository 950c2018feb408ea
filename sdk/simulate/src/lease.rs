//! A lease on its way: its seats, and who may take the next one.

use std::{cmp::Reverse, collections::BinaryHeap};

use tessera_protocol::{
    audit::Funding,
    hash::Digest,
    routing::{self, Call, Opening},
    verdict::{self, Kind},
};

use crate::{
    provider::{Answer, Provider},
    scenario::{SECOND, STEP_SECONDS},
    story::{Outcome, Step},
};

/// Steps after which every rank and weight is admitted.
const STEPS: i64 = 64;
/// Weight of a provider with the stake that gives most.
const FULL_WEIGHT: u64 = 1 << 32;

/// Where a seat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Claimed.
    Claimed,
    /// Committed, at this slot.
    Committed(u64),
    /// Not committed in time.
    Expired,
    /// It was silent with all others, and the lease has opened again without it.
    Gone,
}

/// One seat.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// Who holds it.
    pub provider: usize,
    /// What it is for.
    pub kind: Kind,
    /// What it says.
    pub answer: Answer,
    /// Stake that it locks.
    pub lock: u64,
    /// Time until which it must commit.
    pub commit_by: u64,
    /// Where it stands.
    pub state: State,
    /// Whether its root came in time.
    pub revealed: bool,
    /// Whether it was silent when others were judged, and may not speak any more.
    pub silent: bool,
    /// Who pays the audit that it was drawn for.
    pub drawn: Option<Funding>,
    /// What it has got and lost.
    pub outcome: Outcome,
}

/// Seats of one kind that are open together.
#[derive(Debug)]
pub struct Group {
    /// How far it has opened.
    pub opening: Opening,
    /// Stake of full weight.
    pub cap: u64,
    /// Hash that ranks the providers.
    pub seed: Digest,
    /// Its slot.
    pub seed_slot: u64,
    /// Seats that nobody has taken.
    pub missing: u8,
    /// Seats that are taken and not committed and drawn.
    pub pending: u8,
    /// Number that ranks are taken for.
    pub seat: u8,
    /// Providers by the time at which they will try.
    pub candidates: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Group {
    /// The call as the protocol sees it.
    #[must_use]
    pub fn call(&self, lease: u32) -> Call<'_> {
        Call {
            seed: &self.seed,
            seed_slot: self.seed_slot,
            lease,
            seat: self.seat,
            opening: self.opening,
            weight_cap: self.cap,
        }
    }

    /// Lists who may try when at the earliest: at the step that would admit them if they had full weight. What a provider's
    /// weight makes of it is looked at when its time has come, as most never try.
    pub fn list(
        &mut self,
        lease: u32,
        seats: &[Seat],
        providers: &[Provider],
        mut delay: impl FnMut(&Provider) -> u64,
    ) {
        let opened = self.opening.opened_at;
        let at = |step| self.opening.at(self.cap, opened + step * i64::from(STEP_SECONDS));
        let steps: Vec<u64> = (0..STEPS).map(at).collect();
        let mut candidates = Vec::with_capacity(providers.len());
        for (i, provider) in providers.iter().enumerate() {
            if seats.iter().any(|seat| seat.provider == i) {
                continue;
            }
            let rank = routing::rank(&self.seed, lease, self.seat, &provider.key);
            let step = steps.partition_point(|open| !routing::admits(rank, FULL_WEIGHT, *open)) as u64;
            // A clock that is ahead makes its owner try early, be refused and try again.
            let seen = self.step_at(step).saturating_add_signed(provider.behind);
            candidates.push(Reverse((seen + delay(provider), i)));
        }
        self.candidates = BinaryHeap::from(candidates);
    }

    /// When a step begins, in milliseconds.
    #[must_use]
    pub fn step_at(&self, step: u64) -> u64 {
        self.opening.opened_at as u64 * SECOND + step * u64::from(STEP_SECONDS) * SECOND
    }
}

/// A lease.
#[derive(Debug)]
pub struct Lease {
    /// Its number.
    pub index: u32,
    /// Its seats, expired ones included.
    pub seats: Vec<Seat>,
    /// Seats that are being filled.
    pub group: Group,
    /// A friend has lied on it.
    pub lie: bool,
    /// A seat of the group was drawn, so an audit follows.
    pub audit_due: bool,
    /// Whether any seat was drawn since it opened.
    pub drawn: bool,
    /// What the reserve pays for its audits.
    pub reserve_paid: u64,
    /// What has happened so far.
    pub steps: Vec<Step>,
}

impl Lease {
    /// A lease that nobody has taken a seat of.
    #[must_use]
    pub fn new(index: u32, group: Group) -> Self {
        let (seats, steps) = (Vec::new(), Vec::new());
        Self { index, seats, group, lie: false, audit_due: false, drawn: false, reserve_paid: 0, steps }
    }

    /// Whether nobody is asked again who has not come: it is being audited or disputed.
    #[must_use]
    pub fn is_contested(&self) -> bool {
        self.drawn || self.group.opening.kind != Kind::Base
    }

    /// Whether an audit was called that nobody has committed to.
    #[must_use]
    pub fn audit_lapsed(&self) -> bool {
        let committed = || self.seats.iter().filter(|seat| matches!(seat.state, State::Committed(_)));
        let calls = committed().filter(|seat| seat.drawn.is_some()).count();
        calls > committed().filter(|seat| seat.kind == Kind::Audit).count()
    }

    /// The seats as the protocol judges them, with their places in [`Lease::seats`].
    #[must_use]
    pub fn judged(&self) -> Vec<(usize, verdict::Seat)> {
        let committed = |seat: &&Seat| matches!(seat.state, State::Committed(_));
        let seats = self.seats.iter().enumerate().filter(|(_, seat)| committed(seat));
        seats
            .map(|(i, seat)| (i, verdict::Seat { kind: seat.kind, root: seat.answer.root.filter(|_| seat.revealed) }))
            .collect()
    }
}
