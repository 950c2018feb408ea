//! One endpoint, and how it has been doing lately.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use solana_message::Hash;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use tokio::time::Instant;

use super::fault::Verdict;
use crate::endpoints::{EndpointHealth, EndpointKind, Standing};

/// Shortest and longest rest of one that fails.
const FAILING: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// Shortest and longest rest of one that asks for a pause and does not say for how long.
const LIMITED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Longest pause that an endpoint may ask for: after that it is asked how it feels about it.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Rest of one that lags by more than is allowed, and of one that lags by less.
const BEHIND: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(200));
/// Rest of one that does not serve us or answers nonsense again and again, or is of another cluster.
const QUARANTINE: Duration = Duration::from_secs(60);
/// Answers without sense, one after the other, before an endpoint is put into quarantine.
const NONSENSE: u32 = 3;
/// Weight of the newest in the average of how long answers take.
const NEWEST: f64 = 0.2;

/// How an endpoint has been doing.
pub(crate) struct Health {
    name: String,
    kind: EndpointKind,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    standing: Standing,
    /// When it may be asked again.
    until: Option<Instant>,
    looked_at: bool,
    failures_in_a_row: u32,
    nonsense_in_a_row: u32,
    last_error: Option<String>,
    latency: Option<Duration>,
    /// The newest slot, and when an answer last told its slot.
    slot: Option<(u64, Instant)>,
    asked_at: Option<Instant>,
    genesis: Option<Hash>,
    requests: u64,
    failures: u64,
    limited: u64,
}

/// An endpoint.
pub(super) struct Endpoint {
    pub health: Arc<Health>,
    pub client: Arc<RpcClient>,
}

pub(crate) fn backoff((shortest, longest): (Duration, Duration)) -> impl Iterator<Item = Duration> {
    let builder = ExponentialBuilder::default().with_min_delay(shortest).with_max_delay(longest);
    builder.without_max_times().with_jitter().build()
}

fn rest(bounds: (Duration, Duration), in_a_row: u32) -> Duration {
    backoff(bounds).nth(in_a_row.saturating_sub(1).min(16) as usize).unwrap_or(bounds.1)
}

impl Health {
    pub fn new(name: String, kind: EndpointKind) -> Self {
        Self { name, kind, state: Mutex::default() }
    }

    /// Its address, without what may be secret.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn asked(&self) {
        let mut state = self.state();
        state.requests += 1;
        state.asked_at = Some(Instant::now());
    }

    pub fn answered(&self, took: Duration) {
        let mut state = self.state();
        state.latency = Some(match state.latency {
            Some(average) => average.mul_f64(1.0 - NEWEST) + took.mul_f64(NEWEST),
            None => took,
        });
    }

    pub fn saw(&self, slot: u64) {
        let mut state = self.state();
        let newest = state.slot.map_or(slot, |(newest, _)| newest.max(slot));
        state.slot = Some((newest, Instant::now()));
    }

    /// The newest slot, and when an answer last told one.
    pub fn slot(&self) -> Option<(u64, Instant)> {
        self.state().slot
    }

    pub fn latency(&self) -> Option<Duration> {
        self.state().latency
    }

    pub fn genesis(&self) -> Option<Hash> {
        let state = self.state();
        state.genesis.filter(|_| state.standing != Standing::OtherCluster)
    }

    /// It belongs to the cluster that counts, which has this genesis hash. Nothing else readmits one that was found to belong to
    /// another.
    pub fn set_genesis(&self, genesis: Hash) {
        let mut state = self.state();
        state.genesis = Some(genesis);
        if state.standing == Standing::OtherCluster {
            tracing::info!(endpoint = self.name, "endpoint belongs to the cluster again");
            (state.standing, state.until) = (Standing::Untried, None);
        }
    }

    pub fn is_foreign(&self) -> bool {
        self.state().standing == Standing::OtherCluster
    }

    /// Whether it may be asked like any other.
    pub fn is_ready(&self, now: Instant) -> bool {
        let state = self.state();
        matches!(state.standing, Standing::Untried | Standing::Ready) && state.until.is_none_or(|until| until <= now)
    }

    /// Whether it may be asked where no other is ready.
    pub fn may_be_tried(&self, now: Instant) -> bool {
        let state = self.state();
        match state.standing {
            Standing::OtherCluster => false,
            Standing::Limited => state.until.is_none_or(|until| until <= now),
            _ => true,
        }
    }

    /// When it may be asked again.
    pub fn until(&self) -> Option<Instant> {
        self.state().until
    }

    /// Whether somebody should look how it is doing; who is told so must do it, and say that it is done.
    pub fn begin_look(&self, now: Instant, idle: Duration) -> bool {
        let mut state = self.state();
        let rested = state.until.is_some_and(|until| until <= now);
        let well = matches!(state.standing, Standing::Untried | Standing::Ready);
        let due = if well { state.asked_at.is_none_or(|at| now - at > idle) } else { rested };
        let begin = due && !state.looked_at;
        state.looked_at |= begin;
        begin
    }

    pub fn end_look(&self) {
        self.state().looked_at = false;
    }

    /// Somebody looked, and it is well again. What it failed at before makes its next rest no shorter.
    pub fn recovered(&self) {
        let mut state = self.state();
        // Asked before it was known.
        if state.standing == Standing::OtherCluster {
            return;
        }
        if !matches!(state.standing, Standing::Untried | Standing::Ready) {
            tracing::info!(endpoint = self.name, was = %state.standing, "endpoint is well again");
        }
        (state.standing, state.until) = (Standing::Ready, None);
    }

    /// It has answered. That does not end the rest of one that was just found behind: the answer may be as old as the others.
    pub fn succeeded(&self) {
        let rests = {
            let state = self.state();
            state.standing == Standing::Behind && state.until.is_some_and(|until| until > Instant::now())
        };
        if !rests {
            self.recovered();
        }
        let mut state = self.state();
        (state.failures_in_a_row, state.nonsense_in_a_row) = (0, 0);
    }

    /// Takes note of a failure. Lags up to `allowed` slots are nothing that should worry anybody.
    pub fn failed(&self, verdict: Verdict, error: String, allowed: u64) {
        let mut state = self.state();
        let now = Instant::now();
        let was = state.standing;
        if !matches!(verdict, Verdict::Request) {
            state.failures += 1;
        }
        let (standing, pause) = match verdict {
            // It answered.
            Verdict::Request | Verdict::Elsewhere => return,
            Verdict::Behind(Some(lag)) if lag <= allowed => {
                // Not one that is at rest for a better reason.
                if matches!(was, Standing::Untried | Standing::Ready) {
                    state.until = Some(now + BEHIND.1);
                }
                return;
            }
            Verdict::Behind(_) => (Standing::Behind, BEHIND.0),
            Verdict::Limited(wait) => {
                state.limited += 1;
                state.failures_in_a_row += 1;
                let wait = wait.unwrap_or_else(|| rest(LIMITED, state.failures_in_a_row));
                (Standing::Limited, wait.min(LONGEST_PAUSE))
            }
            Verdict::Refused => (Standing::Refusing, QUARANTINE),
            Verdict::OtherCluster => (Standing::OtherCluster, QUARANTINE),
            Verdict::Nonsense => {
                state.failures_in_a_row += 1;
                state.nonsense_in_a_row += 1;
                match state.nonsense_in_a_row {
                    NONSENSE.. => (Standing::Nonsense, QUARANTINE),
                    _ => (Standing::Failing, rest(FAILING, state.failures_in_a_row)),
                }
            }
            Verdict::Failed => {
                state.failures_in_a_row += 1;
                (Standing::Failing, rest(FAILING, state.failures_in_a_row))
            }
        };
        // Whatever else is wrong with it.
        let standing = if was == Standing::OtherCluster { was } else { standing };
        if standing != was {
            match standing {
                Standing::Failing => tracing::debug!(endpoint = self.name, error, "endpoint fails"),
                _ => tracing::warn!(endpoint = self.name, error, "endpoint is not used for now: {standing}"),
            }
        }
        (state.standing, state.until, state.last_error) = (standing, Some(now + pause), Some(error));
    }

    pub fn report(&self, best: u64) -> EndpointHealth {
        let state = self.state();
        let now = Instant::now();
        let slot = state.slot.map(|(slot, _)| slot);
        EndpointHealth {
            url: self.name.clone(),
            kind: self.kind,
            standing: state.standing,
            slot,
            behind: slot.map(|slot| best.saturating_sub(slot)),
            latency: state.latency,
            requests: state.requests,
            failures: state.failures,
            limited: state.limited,
            retry_in: state.until.map(|until| until.saturating_duration_since(now)).filter(|wait| !wait.is_zero()),
            last_error: state.last_error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new("http://a".into(), EndpointKind::Rpc)
    }

    fn fail(health: &Health, verdict: Verdict) -> Duration {
        health.failed(verdict, "it failed".into(), 10);
        health.until().map_or(Duration::ZERO, |until| until - Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn who_fails_rests_longer_each_time() {
        let health = health();
        let first = fail(&health, Verdict::Failed);
        assert!(!health.is_ready(Instant::now()) && health.may_be_tried(Instant::now()));
        assert!(first >= FAILING.0 && first <= FAILING.0 * 2);
        for _ in 0..9 {
            fail(&health, Verdict::Failed);
        }
        assert!(fail(&health, Verdict::Failed) >= FAILING.1);
        health.recovered();
        assert!(health.is_ready(Instant::now()) && fail(&health, Verdict::Failed) >= FAILING.1);
        health.succeeded();
        assert!(fail(&health, Verdict::Failed) <= FAILING.0 * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_a_pause_gets_it() {
        let health = health();
        assert_eq!(fail(&health, Verdict::Limited(Some(Duration::from_secs(20)))), Duration::from_secs(20));
        assert!(!health.may_be_tried(Instant::now()));
        tokio::time::advance(Duration::from_secs(21)).await;
        assert!(health.may_be_tried(Instant::now()));
        assert_eq!(fail(&health, Verdict::Limited(Some(Duration::from_secs(90_000)))), LONGEST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn another_cluster_is_another_whatever_comes_late() {
        let (health, genesis) = (health(), Hash::new_from_array([1; 32]));
        health.set_genesis(genesis);
        assert_eq!(fail(&health, Verdict::OtherCluster), QUARANTINE);
        // Answers to what was asked before.
        health.succeeded();
        health.recovered();
        fail(&health, Verdict::Failed);
        fail(&health, Verdict::Behind(None));
        assert!(health.is_foreign() && health.genesis().is_none());
        assert!(!health.is_ready(Instant::now()) && !health.may_be_tried(Instant::now()));
        health.set_genesis(genesis);
        assert!(health.is_ready(Instant::now()) && health.genesis() == Some(genesis));
    }

    #[tokio::test(start_paused = true)]
    async fn lags_and_nonsense_are_weighed() {
        let health = health();
        assert_eq!(fail(&health, Verdict::Behind(Some(10))), BEHIND.1);
        assert_eq!(health.report(0).standing, Standing::Untried);
        assert_eq!(fail(&health, Verdict::Behind(Some(11))), BEHIND.0);
        assert_eq!(health.report(0).standing, Standing::Behind);
        health.succeeded();
        assert_eq!(health.report(0).standing, Standing::Behind);
        for _ in 0..2 {
            fail(&health, Verdict::Nonsense);
        }
        assert_eq!(health.report(0).standing, Standing::Failing);
        assert_eq!(fail(&health, Verdict::Nonsense), QUARANTINE);
        assert_eq!(health.report(0).standing, Standing::Nonsense);
        fail(&health, Verdict::Request);
        assert_eq!(health.report(0).standing, Standing::Nonsense);
    }
}
