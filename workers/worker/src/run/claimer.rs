//! Claiming: the next seat worth having, and nothing that cannot be finished. Audits and disputes come first: a lease waits
//! for them, and with it everybody's pay.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tessera_protocol::verdict::Kind;
use tessera_sdk::{Error, Event, Job, Moment, Receipt, ix};
use tokio::time::Instant;

mod room;

pub use room::{AHEAD, InHand, Room};

use super::{
    chain,
    context::Context,
    jobs::{Jobs, Ready, offer},
    seeding::{Along, Seeded, Seeds},
};
use crate::{
    claims::{self, Claimant, Verdict},
    fault,
    journal::{Entry, JournalError, LeaseId, Phase},
};

/// Leases looked at in one request, and requests for one job in a row.
const LOOK: (usize, usize) = (32, 8);
/// A lease that somebody else was quicker to claim is left alone for so long.
const COOL: Duration = Duration::from_secs(4);

/// Refusals that speak of the provider or of time, not of a lease that is taken.
const NOT_NOW: [&str; 8] = [
    "StakeLocked",
    "StakeTooLow",
    "TooManyOpenLeases",
    "NotYourTurn",
    "AlreadySeeded",
    "JobNotSeeded",
    "LeaseNotSeeded",
    "SlotTooEarly",
];

/// Claims seats, some at a time.
pub struct Claimer {
    context: Arc<Context>,
    jobs: Jobs,
    /// Leases that others were quicker to claim.
    cooling: Mutex<HashMap<LeaseId, Instant>>,
}

/// A seat to claim.
struct Seat {
    index: u32,
    kind: Kind,
    /// What has to be sent before: seeds, and the removal of seats whose windows have passed.
    before: Vec<Instruction>,
    /// Active seats of others in the lease.
    others: usize,
}

/// Seats of one kind and pay, as many as there is room for.
struct Seats {
    kind: Kind,
    pay: u64,
    /// Whether their lease has to be looked at closely.
    closely: bool,
}

/// What came of looking for a lease.
pub enum Found {
    /// Claims that have landed, or may have.
    Claims(Vec<Entry>),
    /// There was nothing to claim.
    Nothing,
    /// There will be when a seed is there, so long from now.
    Soon(Duration),
    /// Somebody was quicker, or the chain refused.
    Missed,
}

impl Claimer {
    /// Claims from `jobs`.
    #[must_use]
    pub fn new(context: Arc<Context>, jobs: Jobs) -> Self {
        Self { context, jobs, cooling: Mutex::default() }
    }

    /// Looks for seats in leases of one job, as many as there is room for, and claims them.
    ///
    /// # Errors
    /// If the chain cannot be read, or the journal fails.
    pub async fn claim(&self, in_hand: &InHand) -> Result<Found, ClaimError> {
        let now = self.context.tessera.clock().await?;
        self.context.pace.saw(now.slot);
        self.jobs.prepare_new(now.time);
        let ready = self.jobs.ready();
        if ready.is_empty() {
            return Ok(Found::Nothing);
        }
        // Weights and locks are those of this moment, or the chain would refuse.
        self.context.refresh().await.map_err(|e| Error::Invalid(format!("{e:#}")))?;
        let me = self.context.claimant(now.time);
        let seeds = Seeds::new(Arc::clone(&self.context), now);
        let places = in_hand.places;
        for ready in ready.iter().filter(|ready| places.called > 0 && ready.job.contested > 0) {
            let found = self.look_for_calls(ready, in_hand, &me, &seeds).await?;
            if !found.is_empty() {
                return self.take(&ready.job, found, in_hand, now).await;
            }
        }
        for ready in ready.iter().filter(|_| places.base > 0 && me.takes_base) {
            let found = self.look(ready, in_hand, &me, &seeds).await?;
            if !found.is_empty() {
                return self.take(&ready.job, found, in_hand, now).await;
            }
        }
        Ok(seeds.wait().map_or(Found::Nothing, Found::Soon))
    }

    /// How many seats of a job can be taken that pay as its leases do: as long as stake and time suffice.
    fn most(&self, ready: &Ready, in_hand: &InHand, me: &Claimant, seats: &Seats) -> usize {
        let Seats { kind, pay, closely } = *seats;
        let of = |room: Room| if kind == Kind::Base { room.base } else { room.called };
        let job = &ready.job;
        let unit_seconds = if closely { ready.checked_seconds } else { ready.unit_seconds };
        let estimate = unit_seconds.map(|unit| unit * f64::from(job.units_per_lease));
        let possible = |more: &usize| {
            // While nobody knows how long a lease takes, one is enough to find out.
            let own = if *more == 0 { 0.0 } else { estimate.unwrap_or(f64::MAX) * *more as f64 };
            let in_time = |estimate: f64| in_hand.ahead + estimate * *more as f64;
            (*more < of(in_hand.room) || estimate.is_some_and(|estimate| in_time(estimate) < AHEAD))
                && me.can_lock(&job.audit_params(), pay, kind, *more)
                && claims::has_time(estimate, in_hand.ahead + own, job.lease_seconds)
        };
        (0..of(in_hand.places)).take_while(possible).count()
    }

    /// Seats of a job's audits and disputes.
    async fn look_for_calls(
        &self,
        ready: &Ready,
        in_hand: &InHand,
        me: &Claimant,
        seeds: &Seeds,
    ) -> Result<Vec<Seat>, Error> {
        let job = &ready.job;
        if self.context.terms().check_call(&offer(job)).is_err() {
            return Ok(vec![]);
        }
        let view = chain::job_view(job, &me.provider);
        let mut found = Vec::new();
        for lease in self.context.tessera.contested_leases(Some(&job.address)).await? {
            let id = LeaseId::new(&job.address, lease.index);
            if !lease.group.votes() || !self.is_free(&id, in_hand) {
                continue;
            }
            let mut lease_view = chain::lease_view(&lease);
            let (kind, closely) = (lease.group, lease_view.is_called_void());
            let seats = Seats { kind, pay: lease.pay, closely };
            if found.len() >= self.most(ready, in_hand, me, &seats) {
                continue;
            }
            let along = match seeds.of_lease(&job.address, lease.index, &mut lease_view).await? {
                Seeded::There => None,
                Seeded::With(along) => Some(along),
                Seeded::NotYet => continue,
            };
            match (claims::assess(&view, lease.index, Some(&lease_view), me, seeds.now()), along) {
                (Verdict::Free { expire, others }, along) => found.push(Seat {
                    index: lease.index,
                    kind: lease.group,
                    before: before(along.as_ref(), job, lease.index, &expire),
                    others,
                }),
                (Verdict::Later(_) | Verdict::Taken, Some(along)) => seeds.offer(along).await,
                (Verdict::Later(turn), None) => seeds.await_turn(turn),
                (Verdict::Taken, None) => {}
            }
        }
        Ok(found)
    }

    /// Seats that a job's client asked for: those of leases that others have begun before fresh ones, so that pay is not far
    /// for anybody.
    async fn look(&self, ready: &Ready, in_hand: &InHand, me: &Claimant, seeds: &Seeds) -> Result<Vec<Seat>, Error> {
        let pay = u64::from(ready.job.units_per_lease).saturating_mul(ready.job.price_per_unit);
        let seats = Seats { kind: Kind::Base, pay, closely: false };
        let mut most = self.most(ready, in_hand, me, &seats);
        if most == 0 || self.context.terms().check(&offer(&ready.job)).is_err() {
            return Ok(vec![]);
        }
        let mut view = chain::job_view(&ready.job, &me.provider);
        if !me.qualifies(&view) {
            return Ok(vec![]);
        }
        let mut along = None;
        if !ready.job.is_seeded() {
            // Whoever was quicker has been seen here before others were told.
            let Some(job) = self.context.tessera.job(&ready.job.address).await? else { return Ok(vec![]) };
            self.jobs.update(&job);
            view = chain::job_view(&job, &me.provider);
            match seeds.of_job(&job, &mut view).await? {
                Seeded::There => {}
                // Only one of them can bring the seed along.
                Seeded::With(seed) => (along, most) = (Some(seed), 1),
                Seeded::NotYet => return Ok(vec![]),
            }
        }
        let job = &ready.job;
        if !view.takes_claims(seeds.now().time) {
            return Ok(vec![]);
        }
        let free = |index: &u32| self.is_free(&LeaseId::new(&job.address, *index), in_hand);
        let (order, next) = claims::order(&view, job.unsettled(), me, seeds.now().time);
        // What has no seed yet opens later than it seems.
        next.filter(|_| along.is_none()).into_iter().for_each(|turn| seeds.await_turn(turn));
        let order: Vec<u32> = order.into_iter().filter(free).collect();
        for chunk in order.chunks(LOOK.0).take(LOOK.1) {
            let leases = self.context.tessera.leases(&job.address, chunk).await?;
            let mut free = Vec::new();
            for (index, lease) in chunk.iter().zip(leases) {
                // Audits and disputes come by another way.
                let lease = lease.map(|lease| chain::lease_view(&lease));
                if lease.as_ref().is_some_and(|lease| lease.group.votes()) {
                    continue;
                }
                let verdict = claims::assess(&view, *index, lease.as_ref(), me, seeds.now());
                if let Verdict::Free { expire, others } = verdict {
                    let before = before(along.as_ref(), job, *index, &expire);
                    free.push(Seat { index: *index, kind: Kind::Base, before, others });
                }
            }
            if !free.is_empty() {
                // Stable: among equals the order stays.
                free.sort_by_key(|seat| std::cmp::Reverse(seat.others));
                free.truncate(most);
                return Ok(free);
            }
        }
        if let Some(along) = along {
            seeds.offer(along).await;
        }
        Ok(vec![])
    }

    /// Claims seats, each after what has to come before, as many in one transaction as fit.
    async fn take(&self, job: &Job, found: Vec<Seat>, in_hand: &InHand, now: Moment) -> Result<Found, ClaimError> {
        let (context, me) = (&self.context, self.context.me);
        let mut entries = Vec::new();
        let mut groups = Vec::new();
        for seat in found {
            let id = LeaseId::new(&job.address, seat.index);
            tracing::debug!(lease = %id, kind = ?seat.kind, "claiming");
            entries.push(self.claiming(id, now.time)?);
            let claim = ix::claim_lease(&me.operator, &me.provider, &context.market, &job.address, seat.index);
            groups.push(seat.before.into_iter().chain([claim]).collect());
        }
        let started = Instant::now();
        let outcomes = context.tessera.send_all(&groups, &context.operator).await;
        let later = now.time.saturating_add_unsigned(started.elapsed().as_secs());
        let mut claims = Vec::new();
        let mut failed = None;
        for (entry, outcome) in entries.into_iter().zip(outcomes) {
            match outcome {
                Ok(receipt) => claims.push(self.landed(entry.id, &receipt, later)?),
                // The claim may have landed: keep it in mind until that is known.
                Err(e) if matches!(*e, Error::Unknown { .. }) => {
                    tracing::warn!(lease = %entry.id, error = %e, "it is not known whether the claim landed");
                    claims.push(self.claiming(entry.id, later)?);
                }
                // All others say that nothing has happened.
                Err(e) => {
                    tracing::debug!(lease = %entry.id, error = %e, "not claimed");
                    if !is_not_now(&e) {
                        self.cool(entry.id);
                    }
                    self.undo(&entry, in_hand, now.time)?;
                    failed = Some(e);
                }
            }
        }
        match failed {
            _ if !claims.is_empty() => Ok(Found::Claims(claims)),
            // What the chain says is not what this worker believes: look again first.
            Some(e) if is_not_now(&e) => Ok(Found::Nothing),
            Some(e) if !matches!(*e, Error::Program { .. }) => Err(ClaimError::Sending(e)),
            _ => Ok(Found::Missed),
        }
    }

    /// Notes that a claim is under way.
    fn claiming(&self, id: LeaseId, now: i64) -> Result<Entry, JournalError> {
        let entry = Entry::claiming(id, &self.context.me.provider, now);
        self.journal(&entry)?;
        Ok(entry)
    }

    /// A claim has landed.
    fn landed(&self, id: LeaseId, receipt: &Receipt, now: i64) -> Result<Entry, JournalError> {
        let mut entry = Entry::claiming(id, &self.context.me.provider, now);
        let job = id.job();
        let claimed = receipt.events.iter().find_map(|event| match event {
            Event::LeaseClaimed(claimed)
                if claimed.provider == self.context.me.provider
                    && (claimed.job, claimed.index) == (job, entry.id.index) =>
            {
                Some(claimed)
            }
            _ => None,
        });
        // Without the event (a truncated log) the lifecycle reads the seat from the chain.
        if let Some((claimed, kind)) = claimed.and_then(|claimed| Some((claimed, Kind::try_from(claimed.kind).ok()?))) {
            (entry.attempt, entry.kind) = (Some(claimed.attempt), kind);
            (entry.pay, entry.phase) = (claimed.pay, Phase::Leased);
        }
        self.journal(&entry)?;
        tracing::info!(lease = %entry.id, kind = ?entry.kind, attempt = ?entry.attempt, pay = entry.pay, "claimed");
        fault::reached("leased", &self.context.config.data.directory);
        Ok(entry)
    }

    /// A lease that was left before may still owe us rent, so its old entry comes back.
    fn undo(&self, entry: &Entry, in_hand: &InHand, now: i64) -> Result<(), JournalError> {
        match in_hand.entries.get(&entry.id) {
            Some(before) => self.journal(before),
            None => tokio::task::block_in_place(|| self.context.journal.finish(entry, now)),
        }
    }

    fn journal(&self, entry: &Entry) -> Result<(), JournalError> {
        tokio::task::block_in_place(|| self.context.journal.put(entry))
    }

    /// Whether nothing of ours is in a lease, and nobody was quicker just now.
    fn is_free(&self, id: &LeaseId, in_hand: &InHand) -> bool {
        let ours = in_hand.entries.get(id).is_some_and(|entry| entry.phase != Phase::Leaving);
        !ours && !self.is_cooling(id)
    }

    fn cool(&self, id: LeaseId) {
        let now = Instant::now();
        let mut cooling = self.cooling.lock().unwrap_or_else(PoisonError::into_inner);
        cooling.retain(|_, until| now < *until);
        cooling.insert(id, now + COOL);
    }

    fn is_cooling(&self, id: &LeaseId) -> bool {
        let cooling = self.cooling.lock().unwrap_or_else(PoisonError::into_inner);
        cooling.get(id).is_some_and(|until| Instant::now() < *until)
    }
}

/// What has to be sent before a claim: the seed, and the removal of seats whose windows have passed.
fn before(along: Option<&Along>, job: &Job, index: u32, expire: &[(Pubkey, Pubkey)]) -> Vec<Instruction> {
    let remove = expire.iter().map(|(provider, payer)| ix::expire_lease(&job.address, index, provider, payer));
    along.map(|along| along.instruction.clone()).into_iter().chain(remove).collect()
}

fn is_not_now(error: &Error) -> bool {
    error.program_error().is_some_and(|name| NOT_NOW.contains(&name))
}

/// Why no lease could be looked for.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The chain, or the way to it.
    #[error(transparent)]
    Chain(#[from] Error),
    /// A claim could not be sent.
    #[error(transparent)]
    Sending(Arc<Error>),
    /// The journal: nothing may go on without it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
