//! Claiming: the next lease worth having, and nothing that cannot be finished.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use solana_pubkey::Pubkey;
use tessera_sdk::{Error, Event, ix};
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

/// Work in hand, as far as it decides about more.
#[derive(Clone, Debug, Default)]
pub struct InHand {
    /// Leases in the journal.
    pub entries: HashMap<LeaseId, Entry>,
    /// Seconds that those without a result will take.
    pub ahead: f64,
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
    /// A claim that has landed, or may have.
    Claim(Box<Entry>),
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

    /// Looks for a lease and claims it.
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
            let worth = terms.check(&offer(job)).is_ok()
                && claims::can_lock(&offer(job), job.lock_multiple, self.context.standing().stake)
                && chain::job_view(job).takes_claims(now);
            if !worth || !claims::has_time(estimate, in_hand.ahead, job.lease_seconds) {
                continue;
            }
            if let Some((index, expire)) = self.look(&ready, in_hand, now).await? {
                return self.take(&job.address, index, &expire, in_hand, now).await;
            }
        }
        Ok(Found::Nothing)
    }

    /// The lease of a job to claim: one that others have begun before a fresh one, so that pay is not far for anybody.
    async fn look(&self, ready: &Ready, in_hand: &InHand, now: i64) -> Result<Option<(u32, Stale)>, Error> {
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
            let mut best = None;
            for (index, lease) in chunk.iter().zip(leases) {
                let lease = lease.map(|lease| chain::lease_view(&lease));
                let verdict = claims::assess(&job.address, &view, *index, lease.as_ref(), &me, now);
                if let Verdict::Free { expire, others } = verdict
                    && best.as_ref().is_none_or(|(most, ..): &(usize, u32, _)| others > *most)
                {
                    best = Some((others, *index, expire));
                }
            }
            if let Some((_, index, expire)) = best {
                return Ok(Some((index, expire)));
            }
        }
        Ok(None)
    }

    /// Claims a lease, after removing seats whose windows have passed, in one transaction.
    async fn take(
        &self,
        job: &Pubkey,
        index: u32,
        expire: &[(Pubkey, Pubkey)],
        in_hand: &InHand,
        now: i64,
    ) -> Result<Found, ClaimError> {
        let (context, me) = (&self.context, self.context.me);
        let id = LeaseId::new(job, index);
        let mut entry = Entry::claiming(id, &me.provider, now);
        self.journal(&entry)?;
        let mint = context.standing().mint;
        let remove = expire
            .iter()
            .map(|(provider, payer)| ix::expire_lease(&context.market, &mint, job, index, provider, payer));
        let claim = ix::claim_lease(&me.operator, &me.provider, &context.market, job, index);
        let instructions: Vec<_> = remove.chain([claim]).collect();
        match context.tessera.send(&instructions, &context.operator, &[]).await {
            Ok(receipt) => {
                let claimed = receipt.events.iter().find_map(|event| match event {
                    Event::LeaseClaimed(claimed) if claimed.provider == me.provider => Some(claimed),
                    _ => None,
                });
                // Without the event (a truncated log) the lifecycle reads the seat from the chain.
                if let Some(claimed) = claimed {
                    (entry.attempt, entry.pay, entry.phase) = (Some(claimed.attempt), claimed.pay, Phase::Leased);
                    self.journal(&entry)?;
                }
                tracing::info!(lease = %id, attempt = ?entry.attempt, pay = entry.pay, "claimed");
                fault::reached("leased", &context.config.data.directory);
                Ok(Found::Claim(Box::new(entry)))
            }
            // These say that nothing has happened.
            Err(
                e @ (Error::Program { .. } | Error::Transaction { .. } | Error::Expired { .. } | Error::Invalid(_)),
            ) => {
                tracing::debug!(lease = %id, error = %e, "not claimed");
                self.cool(id);
                self.undo(&entry, in_hand, now)?;
                if matches!(e, Error::Program { .. }) { Ok(Found::Missed) } else { Err(e.into()) }
            }
            // The claim may have landed: keep it in mind until that is known.
            Err(e) => {
                tracing::warn!(lease = %id, error = %e, "it is not known whether the claim landed");
                Ok(Found::Claim(Box::new(entry)))
            }
        }
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
    /// The journal: nothing may go on without it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
