//! Several RPC endpoints as one: a request goes to the best-listed one that is well, moves on when that fails or hangs, and is tried
//! again for a while when all do.

mod endpoint;
mod fault;
mod probe;
mod sender;

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use solana_commitment_config::CommitmentConfig;
use solana_message::Hash;
use solana_rpc_client::{nonblocking::rpc_client::RpcClient, rpc_client::RpcClientConfig};
use solana_rpc_client_api::client_error;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    Config, Error,
    endpoints::{self, EndpointHealth, EndpointKind},
};
use endpoint::Endpoint;
pub(crate) use endpoint::{Health, backoff};
use fault::Fault;
pub(crate) use fault::Verdict;
use sender::{Floor, Sender};

/// First and longest pause between two rounds over all endpoints.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// An answer that takes so many times as long as usual is asked for elsewhere too, but not before the second of these.
const HEDGE: (u32, Duration) = (8, Duration::from_secs(1));

/// The endpoints. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    endpoints: Vec<Endpoint>,
    floor: Arc<Floor>,
    /// The genesis hash of the cluster, from the first answer that was used.
    cluster: Mutex<Option<Hash>>,
    commitment: CommitmentConfig,
    timeout: Duration,
    patience: Duration,
    max_lag: u64,
}

type Failure = (usize, client_error::Error, Verdict);

/// What a round over the endpoints that may be asked came to without an answer.
#[derive(Default)]
struct Round {
    last: Option<Failure>,
    /// Whether the same round may have another outcome later.
    later: bool,
    /// The newest slot of an answer that was too old, if nothing but the age of answers was wrong.
    stale: Option<u64>,
    other: bool,
}

impl Round {
    fn add(&mut self, failure: Failure) {
        self.later |= failure.2.is_passing();
        match failure.1.kind() {
            client_error::ErrorKind::Middleware(cause) => match cause.downcast_ref() {
                Some(Fault::Behind { slot, .. }) => self.stale = self.stale.max(Some(*slot)),
                _ => self.other = true,
            },
            _ => self.other = true,
        }
        self.last = Some(failure);
    }
}

impl Pool {
    pub fn new(config: &Config) -> Result<Self, Error> {
        if config.rpc_urls.is_empty() {
            return Err(Error::Config("no RPC endpoint is configured; give --url".into()));
        }
        let floor = Arc::<Floor>::default();
        let mut endpoints: Vec<Endpoint> = Vec::with_capacity(config.rpc_urls.len());
        for url in &config.rpc_urls {
            let parsed = url::Url::parse(url).ok().filter(|parsed| matches!(parsed.scheme(), "http" | "https"));
            let parsed = parsed.ok_or_else(|| {
                Error::Config(format!("RPC endpoint {url:?}, expected http://host:port or https://host"))
            })?;
            let health = Arc::new(Health::new(endpoints::name(&parsed), EndpointKind::Rpc));
            let sender = Sender::new(url, config.timeout, Arc::clone(&health), Arc::clone(&floor))?;
            let client = RpcClient::new_sender(sender, RpcClientConfig::with_commitment(config.commitment));
            endpoints.push(Endpoint { health, client: Arc::new(client) });
        }
        Ok(Self(Arc::new(Inner {
            endpoints,
            floor,
            cluster: Mutex::default(),
            commitment: config.commitment,
            timeout: config.timeout,
            patience: config.patience,
            max_lag: config.max_lag,
        })))
    }

    /// The newest slot that has been seen; 0 before the first.
    pub fn floor(&self) -> u64 {
        self.0.floor.get()
    }

    /// Something is known to have happened in a slot: answers of earlier ones are not taken any more.
    pub fn saw(&self, slot: u64) {
        self.0.floor.raise(slot);
    }

    /// How the endpoints have been doing.
    pub fn health(&self) -> Vec<EndpointHealth> {
        let best = self.best_slot();
        self.0.endpoints.iter().map(|endpoint| endpoint.health.report(best)).collect()
    }

    fn best_slot(&self) -> u64 {
        let known = self.0.endpoints.iter().filter(|endpoint| !endpoint.health.is_foreign());
        known.filter_map(|endpoint| endpoint.health.slot()).map(|(slot, _)| slot).max().unwrap_or(0)
    }

    fn is_alone(&self) -> bool {
        self.0.endpoints.len() == 1
    }

    /// Whom to ask, best first.
    fn candidates(&self) -> Vec<usize> {
        self.look_after();
        let now = Instant::now();
        let of = |may: &dyn Fn(&Health) -> bool| -> Vec<usize> {
            (0..self.0.endpoints.len()).filter(|i| may(&self.0.endpoints[*i].health)).collect()
        };
        let ready = of(&|health| health.is_ready(now));
        // Where none is well, one that was not is better than none.
        if ready.is_empty() { of(&|health| health.may_be_tried(now)) } else { ready }
    }

    /// Asks one endpoint after the other until one answers, and a second one beside the first if that takes long.
    pub async fn call<T, F, Fut>(&self, ask: F) -> Result<T, Error>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, client_error::Error>>,
    {
        self.ask(&ask, true).await
    }

    /// The same for what should not be asked for twice: an endpoint that hangs is waited for.
    pub async fn call_one<T, F, Fut>(&self, ask: F) -> Result<T, Error>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, client_error::Error>>,
    {
        self.ask(&ask, false).await
    }

    async fn ask<T, F, Fut>(&self, ask: &F, hedge: bool) -> Result<T, Error>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, client_error::Error>>,
    {
        let Inner { patience, timeout, floor, .. } = &*self.0;
        let started = Instant::now();
        let mut pauses = backoff(PAUSE);
        let (mut stale, mut other) = (None, false);
        loop {
            let candidates = self.candidates();
            let mut round = Round::default();
            if candidates.is_empty() {
                let (first, until) = self.first_free();
                let wait = until.saturating_duration_since(Instant::now());
                round.add((first, Fault::Limited(Some(wait)).into(), Verdict::Limited(Some(wait))));
            } else {
                let limit = started + (*patience).max(*timeout);
                match self.race(&candidates, ask, hedge, limit).await {
                    Ok(answer) => return Ok(answer),
                    Err(failed) => round = failed,
                }
            }
            (stale, other) = (stale.max(round.stale), other || round.other);
            let Some((index, error, verdict)) = round.last else {
                return Err(Error::Config("no RPC endpoint is configured; give --url".into()));
            };
            let (url, source) = (self.name(index), Box::new(error));
            if verdict == Verdict::Request || !round.later {
                return Err(Error::Rpc { url, source });
            }
            let mut pause = pauses.next().unwrap_or(PAUSE.1);
            if let Verdict::Limited(Some(wait)) = verdict
                && self.candidates().is_empty()
            {
                pause = pause.max(wait);
            }
            if Instant::now() + pause > started + *patience {
                if let Some(slot) = stale.filter(|_| !other) {
                    // Nobody knows any more what was seen: the cluster has begun anew, or a node made it up.
                    tracing::warn!(
                        slot,
                        seen = floor.get(),
                        "no endpoint is as far as what has been seen; going on from there"
                    );
                    floor.lower(slot);
                }
                return Err(Error::Unreachable {
                    url,
                    seconds: patience.as_secs(),
                    source,
                    others: self.others(index),
                });
            }
            sleep(pause).await;
        }
    }

    /// Asks candidates in turn, the next one when one fails or lets wait.
    async fn race<T, F, Fut>(&self, candidates: &[usize], ask: &F, hedge: bool, limit: Instant) -> Result<T, Round>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, client_error::Error>>,
    {
        let begin = |index: usize, began: Instant| async move {
            let answer = match self.admit(index).await {
                Ok(()) => ask(Arc::clone(&self.0.endpoints[index].client)).await,
                Err(error) => Err(error),
            };
            (index, began, answer)
        };
        let (mut round, mut waiting) = (Round::default(), candidates.iter().copied());
        let (mut running, mut flying) = (FuturesUnordered::new(), vec![]);
        let mut next = waiting.next();
        let mut may_hedge = hedge;
        loop {
            if let Some(index) = next.take() {
                let now = Instant::now();
                flying.push((index, now));
                running.push(begin(index, now));
            }
            let Some((latest, began)) = flying.last().copied() else { return Err(round) };
            // One that hangs and is alone may answer on another connection.
            let hedge_at = began + if waiting.len() > 0 { self.hedge(latest) } else { self.0.timeout / 3 };
            tokio::select! {
                Some((index, began, answer)) = running.next() => {
                    flying.retain(|entry| *entry != (index, began));
                    let error = match answer {
                        Ok(answer) => {
                            self.succeeded(index);
                            self.outrun(&flying, index);
                            return Ok(answer);
                        }
                        Err(error) => error,
                    };
                    let verdict = self.failed(index, &error);
                    round.add((index, error, verdict));
                    if verdict == Verdict::Request {
                        return Err(round);
                    }
                    next = waiting.next();
                }
                () = sleep_until(hedge_at), if may_hedge => {
                    may_hedge = false;
                    next = waiting.next().or(Some(latest));
                }
                () = sleep_until(limit) => {
                    for (index, began) in flying {
                        let silent = client_error::Error::from(Fault::Silent(began.elapsed()));
                        let verdict = self.failed(index, &silent);
                        round.add((index, silent, verdict));
                    }
                    return Err(round);
                }
            }
        }
    }

    /// How long an endpoint may take before another one is asked too.
    fn hedge(&self, index: usize) -> Duration {
        let usual = self.0.endpoints[index].health.latency().unwrap_or_default();
        (usual * HEDGE.0).clamp(HEDGE.1.min(self.0.timeout), (self.0.timeout / 3).max(HEDGE.1))
    }

    /// Takes note of those that let wait for so long that another answered first.
    fn outrun(&self, flying: &[(usize, Instant)], by: usize) {
        for (index, began) in flying.iter().filter(|(index, _)| *index != by) {
            if began.elapsed() >= self.hedge(*index) {
                self.failed(*index, &Fault::Silent(began.elapsed()).into());
            }
        }
    }

    /// What one endpoint has or another; `None` if no endpoint has it.
    pub async fn find<T, F, Fut>(&self, ask: F) -> Result<Option<T>, Error>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<Option<T>, client_error::Error>> + Send + 'static,
        T: Send + 'static,
    {
        let found = self.call(&ask).await?;
        if found.is_some() || self.is_alone() {
            return Ok(found);
        }
        let mut answers = self.everywhere(ask);
        while let Some((_, answer)) = answers.recv().await {
            if let Ok(found @ Some(_)) = answer {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Asks every endpoint that may be asked, all at once and each once; answers come as they arrive.
    pub fn everywhere<T, F, Fut>(&self, ask: F) -> mpsc::UnboundedReceiver<(usize, Result<T, Failed>)>
    where
        F: Fn(Arc<RpcClient>) -> Fut,
        Fut: Future<Output = Result<T, client_error::Error>> + Send + 'static,
        T: Send + 'static,
    {
        // Bounded by the number of endpoints: each answers once.
        let (answers, inbox) = mpsc::unbounded_channel();
        for index in self.candidates() {
            let (pool, answers) = (self.clone(), answers.clone());
            let asked = ask(Arc::clone(&self.0.endpoints[index].client));
            tokio::spawn(async move {
                let answer = async {
                    pool.admit(index).await?;
                    asked.await
                };
                let silent = |_| Err(Fault::Silent(pool.0.timeout).into());
                let answer = match timeout(pool.0.timeout, answer).await.unwrap_or_else(silent) {
                    Ok(answer) => {
                        pool.succeeded(index);
                        Ok(answer)
                    }
                    Err(error) => {
                        let is_unclear = fault::is_unclear(&error, pool.failed(index, &error));
                        Err(Failed { url: pool.name(index), is_unclear, error })
                    }
                };
                // Whoever asked may have heard enough.
                let _ = answers.send((index, answer));
            });
        }
        inbox
    }

    fn name(&self, index: usize) -> String {
        self.0.endpoints[index].health.name().to_owned()
    }

    fn succeeded(&self, index: usize) {
        let health = &self.0.endpoints[index].health;
        health.succeeded();
        self.settle_cluster(index);
    }

    fn failed(&self, index: usize, error: &client_error::Error) -> Verdict {
        let verdict = Verdict::of(error);
        self.0.endpoints[index].health.failed(verdict, error.to_string(), self.0.max_lag);
        verdict
    }

    /// Which endpoint may be asked first, when none may now, and when that is.
    fn first_free(&self) -> (usize, Instant) {
        let now = Instant::now();
        let free = self.0.endpoints.iter().enumerate().filter(|(_, endpoint)| !endpoint.health.is_foreign());
        free.map(|(i, endpoint)| (i, endpoint.health.until().unwrap_or(now)))
            .min_by_key(|(_, at)| *at)
            .unwrap_or((0, now))
    }

    /// What is wrong with the endpoints besides one.
    fn others(&self, index: usize) -> String {
        let others = self.health().into_iter().enumerate().filter(|(i, _)| *i != index);
        others
            .map(|(_, health)| {
                let error = health.last_error.unwrap_or_else(|| health.standing.to_string());
                format!("; {}: {error}", health.url)
            })
            .collect()
    }
}

/// Why one of several endpoints did not take a request.
#[derive(Debug)]
pub(crate) struct Failed {
    pub url: String,
    /// Whether the endpoint may have taken it all the same, or may take it later.
    pub is_unclear: bool,
    pub error: client_error::Error,
}

impl From<Failed> for Error {
    fn from(Failed { url, error, .. }: Failed) -> Self {
        Self::Rpc { url, source: Box::new(error) }
    }
}

#[cfg(test)]
mod tests;
