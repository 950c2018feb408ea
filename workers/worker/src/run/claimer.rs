//! Claiming: the next lease worth having, and nothing that cannot be finished.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use solana_pubkey::Pubkey;
use tessera_sdk::{Error, Event, Receipt, ix};
use tokio::time::Instant;

use super::{
    chain,
    context::Context,
    jobs::{Jobs, Ready, offer},
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

/// Refusals that speak of the provider, not of a lease.
const STANDING: [&str; 3] = ["StakeLocked", "StakeTooLow", "TooManyOpenLeases"];

/// Work in hand, as far as it decides about more.
#[derive(Clone, Debug, Default)]
pub struct InHand {
    /// Leases in the journal.
    pub entries: HashMap<LeaseId, Entry>,
    /// Seconds that those without a result will take.
    pub ahead: f64,
    /// How many leases more may be taken.
    pub room: usize,
}

/// Claims leases one at a time.
pub struct Claimer {
    context: Arc<Context>,
    jobs: Jobs,
    /// Leases that others were quicker to claim.
    cooling: Mutex<HashMap<LeaseId, Instant>>,
}

/// Provider and rent payer of each seat that has to be removed before a claim.
type Stale = Vec<(Pubkey, Pubkey)>;

/// What came of looking for a lease.
pub enum Found {
    /// Claims that have landed, or may have.
    Claims(Vec<Entry>),
    /// There was nothing to claim.
    Nothing,
    /// Somebody was quicker, or the chain refused.
    Missed,
}

impl Claimer {
    /// Claims from `jobs`.
    #[must_use]
    pub fn new(context: Arc<Context>, jobs: Jobs) -> Self {
        Self { context, jobs, cooling: Mutex::default() }
    }

    /// Looks for leases of a job, as many as there is room for, and claims them.
    ///
    /// # Errors
    /// If the chain cannot be read, or the journal fails.
    pub async fn claim(&self, in_hand: &InHand) -> Result<Found, ClaimError> {
        let now = self.context.tessera.clock().await?;
        self.jobs.prepare_new(now);
        let terms = self.context.terms();
        for ready in self.jobs.ready() {
            let job = &ready.job;
            let estimate = ready.unit_seconds.map(|unit| unit * f64::from(job.units_per_lease));
            if terms.check(&offer(job)).is_err() || !chain::job_view(job).takes_claims(now) {
                continue;
            }
            let stake = self.context.standing().stake;
            let possible = |more: &usize| {
                // While nobody knows how long a lease takes, one is enough to find out.
                let own = if *more == 0 { 0.0 } else { estimate.unwrap_or(f64::MAX) * *more as f64 };
                let ahead = in_hand.ahead + own;
                claims::can_lock(&offer(job), job.lock_multiple, *more, stake)
                    && claims::has_time(estimate, ahead, job.lease_seconds)
            };
            let most = (0..in_hand.room).take_while(possible).count();
            let found = self.look(&ready, in_hand, most, now).await?;
            if !found.is_empty() {
                return self.take(&job.address, found, in_hand, now).await;
            }
        }
        Ok(Found::Nothing)
    }

    /// Leases of a job to claim, at most so many: those that others have begun before fresh ones, so that pay is not far for
    /// anybody.
    async fn look(&self, ready: &Ready, in_hand: &InHand, most: usize, now: i64) -> Result<Vec<(u32, Stale)>, Error> {
        if most == 0 {
            return Ok(vec![]);
        }
        let (job, view) = (&ready.job, chain::job_view(&ready.job));
        let me = Claimant {
            provider: self.context.me.provider,
            has: self.context.standing().has,
            asks: chain::requirements(job),
            posted_at: job.posted_at,
        };
        let free = |index: &u32| {
            let id = LeaseId::new(&job.address, *index);
            let ours = in_hand.entries.get(&id).is_some_and(|entry| entry.phase != Phase::Leaving);
            !ours && !self.is_cooling(&id)
        };
        let order: Vec<u32> =
            claims::order(&job.address, job.unsettled(), &me.provider).into_iter().filter(free).collect();
        for chunk in order.chunks(LOOK.0).take(LOOK.1) {
            let leases = self.context.tessera.leases(&job.address, chunk).await?;
            let mut free = Vec::new();
            for (index, lease) in chunk.iter().zip(leases) {
                let lease = lease.map(|lease| chain::lease_view(&lease));
                let verdict = claims::assess(&job.address, &view, *index, lease.as_ref(), &me, now);
                if let Verdict::Free { expire, others } = verdict {
                    free.push((others, *index, expire));
                }
            }
            if !free.is_empty() {
                // Stable: among equals the order stays.
                free.sort_by_key(|(others, ..)| std::cmp::Reverse(*others));
                return Ok(free.into_iter().take(most).map(|(_, index, expire)| (index, expire)).collect());
            }
        }
        Ok(vec![])
    }

    /// Claims leases, each after removing seats whose windows have passed, as many in one transaction as fit.
    async fn take(
        &self,
        job: &Pubkey,
        found: Vec<(u32, Stale)>,
        in_hand: &InHand,
        now: i64,
    ) -> Result<Found, ClaimError> {
        let (context, me) = (&self.context, self.context.me);
        let mut entries = Vec::new();
        let mut groups = Vec::new();
        for (index, expire) in found {
            entries.push(self.claiming(LeaseId::new(job, index), now)?);
            let remove = expire.iter().map(|(provider, payer)| ix::expire_lease(job, index, provider, payer));
            let claim = ix::claim_lease(&me.operator, &me.provider, &context.market, job, index);
            groups.push(remove.chain([claim]).collect());
        }
        let started = Instant::now();
        let outcomes = context.tessera.send_all(&groups, &context.operator).await;
        let later = now.saturating_add_unsigned(started.elapsed().as_secs());
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
                    self.cool(entry.id);
                    self.undo(&entry, in_hand, now)?;
                    failed = Some(e);
                }
            }
        }
        match failed {
            _ if !claims.is_empty() => Ok(Found::Claims(claims)),
            // What the chain says of the provider is not what this worker believes: look again first.
            Some(e) if e.program_error().is_some_and(|name| STANDING.contains(&name)) => Ok(Found::Nothing),
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
        if let Some(claimed) = claimed {
            (entry.attempt, entry.pay, entry.phase) = (Some(claimed.attempt), claimed.pay, Phase::Leased);
        }
        self.journal(&entry)?;
        tracing::info!(lease = %entry.id, attempt = ?entry.attempt, pay = entry.pay, "claimed");
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

/// Why no lease could be looked for.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The chain, or the way to it.
    #[error(transparent)]
    Chain(#[from] Error),
    /// The claims could not be sent.
    #[error(transparent)]
    Sending(Arc<Error>),
    /// The journal: nothing may go on without it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
