//! When device memory is shown to the market: while nothing is computed, and before what was shown last is forgotten.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    super::{
        compute::Computer,
        context::Context,
        proving::{Outcome, Prover, ProvingError},
    },
    Engine, News, unix_now,
};
use crate::{backoff, journal::JournalError, lifecycle::Mood};

/// After so many failures in a row it is tried only now and then.
const TRIES: u32 = 5;
/// Which is so often.
const RARELY: Duration = Duration::from_secs(3_600);
/// The clocks of this machine and of the chain may not agree on whether it is time; so long it is not asked again.
const AGAIN: Duration = Duration::from_secs(10);
/// Longest wait for another worker of the provider.
const SIBLING: Duration = Duration::from_secs(600);

/// What is known about proving.
pub(super) struct Proving {
    prover: Arc<Prover>,
    /// Whether it was looked since the start what this machine can show.
    looked: bool,
    running: bool,
    after: Instant,
    failures: u32,
    /// Memory was not there, or took too long to fill.
    less: bool,
    /// Nothing more is claimed until what is in hand is computed, and memory is shown.
    waits: bool,
}

impl Proving {
    pub fn new(context: &Arc<Context>, computer: &Arc<Computer>) -> Self {
        Self {
            prover: Arc::new(Prover::new(Arc::clone(context), Arc::clone(computer))),
            looked: false,
            running: false,
            after: Instant::now(),
            failures: 0,
            less: false,
            waits: false,
        }
    }

    /// Whether something may be claimed.
    pub fn lets_claim(&self) -> bool {
        !self.running && !self.waits
    }
}

impl Engine {
    /// Has memory shown if it is time and nothing is computed.
    pub(super) fn prove(&mut self, now: Instant) {
        let proof = self.context.standing().proof;
        let due = proof.seconds > 0 && (!self.proving.looked || proof.is_due(unix_now()));
        let may = self.mood == Mood::Working && self.care.lets_claim() && now >= self.proving.after;
        // A worker that is never idle would never show anything: in the last quarter of the time it makes room.
        self.proving.waits = due && may && proof.is_urgent(unix_now());
        let computing = self.slots.values().any(|slot| slot.computing);
        if self.proving.running || self.claiming || computing || !due || !may {
            return;
        }
        self.proving.running = true;
        let (prover, less, news) = (Arc::clone(&self.proving.prover), self.proving.less, self.news.clone());
        tokio::spawn(async move {
            let _ = news.send(News::Proved(prover.prove(less).await));
        });
    }

    pub(super) fn proved(&mut self, result: Result<Outcome, ProvingError>) -> Result<(), JournalError> {
        let now = Instant::now();
        let proving = &mut self.proving;
        proving.running = false;
        match result {
            Ok(outcome @ (Outcome::Shown | Outcome::Needless)) => {
                if outcome == Outcome::Needless && !proving.looked {
                    tracing::info!("what this provider has shown counts, and is what this machine has");
                }
                (proving.looked, proving.failures, proving.after) = (true, 0, now + AGAIN);
            }
            Ok(Outcome::Later(wait)) => {
                tracing::debug!(?wait, "another worker of this provider is about to show what it has");
                proving.after = now + wait.min(SIBLING);
            }
            Err(error) => {
                proving.failures = proving.failures.saturating_add(1);
                proving.less |= error.asks_for_less();
                let wait = if proving.failures < TRIES {
                    backoff::after(proving.failures)
                } else {
                    RARELY.mul_f64(backoff::jitter())
                };
                // What passes by itself is worth a warning only where it does not.
                if proving.failures < TRIES && error.passes() {
                    tracing::debug!(%error, ?wait, "what the devices can do is shown later");
                } else {
                    tracing::warn!(%error, ?wait, "cannot show what the devices can do");
                }
                proving.after = now + wait;
                if error.accuses() {
                    self.context.health.doubt();
                    self.distrust()?;
                }
            }
        }
        self.claim_after = self.claim_after.min(now);
        Ok(())
    }
}
