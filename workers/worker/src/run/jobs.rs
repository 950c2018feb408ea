//! The jobs of the market: which there are, and which this worker can take.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use solana_pubkey::Pubkey;
use tessera_protocol::{
    cid::Cid,
    lease,
    spec::{JobSpec, MAX_MODULE_LEN, MAX_SPEC_LEN},
};
use tessera_sdk::{Job, MarketUpdate, StoreClient};
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};

use super::{chain, context::Context};
use crate::{
    backoff,
    cache::{CacheError, Pinned},
    claims::Offer,
    execution::{By, ExecutionError, Work},
    fault,
    journal::LeaseId,
    private::Inputs,
};

mod own;

/// Jobs prepared at the same time.
const AT_ONCE: usize = 2;
/// Longest time for preparing a job.
const PREPARING: Duration = Duration::from_secs(1800);
/// Weight of the newest measurement in the estimate of a unit's time.
const NEWEST: f64 = 0.3;

/// A job with everything that computing it needs on disk.
pub struct Prepared {
    /// The job as the execution process takes it.
    pub work: Work,
    /// Where outputs go.
    pub store: StoreClient,
    /// Those of its inputs that are private files.
    pub own: Inputs,
    /// Keeps the files in the cache.
    _files: Vec<Pinned>,
}

/// Why a job is not prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It will not be taken, however often it is tried.
    #[error("{0}")]
    Refused(String),
    /// It may be had later.
    #[error("{0}")]
    Later(String),
}

impl From<CacheError> for PrepareError {
    fn from(e: CacheError) -> Self {
        Self::Later(e.to_string())
    }
}

impl From<tessera_sdk::StoreError> for PrepareError {
    fn from(e: tessera_sdk::StoreError) -> Self {
        match e {
            tessera_sdk::StoreError::Url { .. } | tessera_sdk::StoreError::TooLong { .. } => {
                Self::Refused(e.to_string())
            }
            e => Self::Later(e.to_string()),
        }
    }
}

enum Standing {
    /// Not looked at, or to be looked at again at this time, after so many failures.
    Unknown {
        since_failures: u32,
        not_before: Instant,
    },
    Preparing,
    Ready(Arc<Prepared>),
    Refused,
}

struct Known {
    job: Job,
    standing: Standing,
    /// Measured seconds for a unit.
    unit_seconds: Option<f64>,
    /// The same where it is looked at closely.
    checked_seconds: Option<f64>,
    /// Whether it was said why it is left to others.
    told: bool,
}

/// What is known about the market's jobs.
#[derive(Clone)]
pub struct Jobs {
    context: Arc<Context>,
    known: Arc<Mutex<HashMap<Pubkey, Known>>>,
    places: Arc<Semaphore>,
    /// Tells the engine that there may be something to claim.
    news: Arc<Notify>,
}

/// A job that can be claimed from.
pub struct Ready {
    /// The account as it was seen last.
    pub job: Job,
    /// Measured seconds for a unit.
    pub unit_seconds: Option<f64>,
    /// The same where it is looked at closely, with the checks of the interpreter.
    pub checked_seconds: Option<f64>,
}

impl Jobs {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(context: Arc<Context>, news: Arc<Notify>) -> Self {
        Self { context, known: Arc::default(), places: Arc::new(Semaphore::new(AT_ONCE)), news }
    }

    /// Follows the market for ever.
    pub async fn follow(self) {
        loop {
            let mut updates = self.context.tessera.watch_market(&self.context.market);
            while let Some(update) = updates.next().await {
                match update {
                    MarketUpdate::Job(job) => self.see(job),
                    MarketUpdate::Gone(address) => drop(self.known().remove(&address)),
                }
            }
            // The stream is meant never to end; if it does, follow anew.
            tokio::time::sleep(backoff::after(2)).await;
        }
    }

    fn see(&self, job: Job) {
        let mut known = self.known();
        match known.get_mut(&job.address) {
            // What changes in a job (settlements, more time, a better price) is seen by the next look for a lease.
            Some(seen) => seen.job = job,
            None => {
                let standing = Standing::Unknown { since_failures: 0, not_before: Instant::now() };
                let (unit_seconds, checked_seconds) = (None, None);
                known.insert(job.address, Known { job, standing, unit_seconds, checked_seconds, told: false });
                self.news.notify_one();
            }
        }
    }

    /// Starts preparing those jobs that are worth it and not looked at yet.
    pub fn prepare_new(&self, now: i64) {
        let terms = self.context.terms();
        let me = self.context.claimant(now);
        let config = self.context.live.get();
        for known in self.known().values_mut() {
            let Standing::Unknown { since_failures, not_before } = known.standing else { continue };
            let (job, offer) = (&known.job, offer(&known.job));
            let takes_claims =
                lease::fits(now, job.deadline, job.lease_seconds, job.reveal_seconds, job.challenge_seconds);
            let qualified = me.qualifies(&chain::job_view(job, &me.provider));
            let unqualified =
                || "is for other providers: by its lists, or by the stake or score that it asks for".to_owned();
            let refused = terms.check(&offer).err().or_else(|| (!qualified).then(unqualified));
            let forbidden = || job.is_private().then(|| config.private.knows(&job.wallet).err()).flatten();
            let refused = refused.or_else(forbidden);
            let wanted = job.is_open() && takes_claims && !job.is_complete();
            let base = wanted && refused.is_none();
            let called = job.contested > 0 && !job.is_private() && terms.check_call(&offer).is_ok();
            if let Some(reason) = refused.filter(|_| wanted && !known.told) {
                known.told = true;
                tracing::info!(job = %job.address, reason, "job is left to others");
            }
            if Instant::now() < not_before || !(base || called) {
                continue;
            }
            known.standing = Standing::Preparing;
            let (jobs, job) = (self.clone(), known.job.clone());
            tokio::spawn(async move { jobs.look_at(job, since_failures).await });
        }
    }

    async fn look_at(&self, job: Job, failures: u32) {
        let address = job.address;
        let result = {
            let _place = self.places.acquire().await;
            tokio::time::timeout(PREPARING, self.check(&job)).await
        };
        let late = || PrepareError::Later(format!("took longer than {} s", PREPARING.as_secs()));
        let standing = match result.unwrap_or_else(|_| Err(late())) {
            Ok(prepared) => {
                tracing::info!(job = %address, units = job.units, price = job.price_per_unit, "job is ready to be claimed from");
                Standing::Ready(prepared)
            }
            Err(PrepareError::Refused(reason)) => {
                tracing::warn!(job = %address, reason, "job is left to others");
                Standing::Refused
            }
            Err(PrepareError::Later(reason)) => {
                let wait = backoff::after(failures + 1);
                tracing::warn!(job = %address, reason, ?wait, "job cannot be prepared now");
                Standing::Unknown { since_failures: failures + 1, not_before: Instant::now() + wait }
            }
        };
        if let Some(known) = self.known().get_mut(&address) {
            known.standing = standing;
        }
        self.news.notify_one();
    }

    /// Prepares a job and has its module checked by the executor.
    async fn check(&self, job: &Job) -> Result<Arc<Prepared>, PrepareError> {
        self.check_wishes(job).await?;
        let prepared = self.fetch(job, false).await?;
        let by = Instant::now() + self.context.limits.start;
        match self.context.new_runner(By::Backend, &prepared.own).check(&prepared.work, by).await {
            Ok(()) => Ok(prepared),
            Err(ExecutionError::Job(reason)) => Err(PrepareError::Refused(reason)),
            Err(e) => Err(PrepareError::Later(e.to_string())),
        }
    }

    /// Whether a job is of a store and a kind that this worker takes.
    async fn check_wishes(&self, job: &Job) -> Result<(), PrepareError> {
        let config = self.context.live.get();
        let (stores, kinds) = (&config.work.stores, &config.work.kinds);
        let store = StoreClient::new(&job.store_url())?;
        let host = store.url().host_str().unwrap_or_default();
        if !stores.is_empty() && !stores.iter().any(|allowed| allowed == host) {
            return Err(PrepareError::Refused(format!("its store {host} is not in work.stores")));
        }
        if !kinds.is_empty() {
            let (_, _, spec) = self.spec(job, &store).await?;
            let kind = spec.front_end.name;
            if !kinds.contains(&kind) {
                return Err(PrepareError::Refused(format!("its kind {kind:?} is not in work.kinds")));
            }
        }
        Ok(())
    }

    /// How long the output of a unit of a job is, and where its outputs go: for a job that need not be computed any more.
    ///
    /// # Errors
    /// If its specification is not to be had.
    pub async fn outputs(&self, address: &Pubkey) -> Result<(u64, StoreClient), PrepareError> {
        if let Some(Known { standing: Standing::Ready(prepared), .. }) = self.known().get(address) {
            return Ok((prepared.work.output_len as u64, prepared.store.clone()));
        }
        let job = self.account(address).await?;
        let store = StoreClient::new(&job.store_url())?;
        let (_, _, spec) = self.spec(&job, &store).await?;
        Ok((spec.output_len(), store))
    }

    /// The account of a job.
    async fn account(&self, address: &Pubkey) -> Result<Job, PrepareError> {
        let job = self.context.tessera.job(address).await.map_err(|e| PrepareError::Later(e.to_string()))?;
        job.ok_or_else(|| PrepareError::Refused("its account is gone".into()))
    }

    /// The specification of a job, as a file and as bytes too.
    async fn spec(&self, job: &Job, store: &StoreClient) -> Result<(Pinned, Vec<u8>, JobSpec), PrepareError> {
        let file = self.context.cache.fetch(store, &Cid(job.spec), MAX_SPEC_LEN as u64).await?;
        let bytes = tokio::fs::read(file.path()).await.map_err(|e| PrepareError::Later(e.to_string()))?;
        let spec = JobSpec::decode(&bytes).map_err(|e| PrepareError::Refused(e.to_string()))?;
        Ok((file, bytes, spec))
    }

    /// Brings specification, module and inputs of a job here, of which a unit may be `leased` already.
    async fn fetch(&self, job: &Job, leased: bool) -> Result<Arc<Prepared>, PrepareError> {
        let context = &self.context;
        let store = StoreClient::new(&job.store_url())?;
        let (file, bytes, spec) = self.spec(job, &store).await?;
        context.terms().check_spec(&spec, &offer(job)).map_err(PrepareError::Refused)?;
        let output_len = usize::try_from(spec.output_len())
            .map_err(|_| PrepareError::Refused(format!("outputs of {} bytes", spec.output_len())))?;

        let own = self.own(job, &spec, leased).await?;
        let module = context.cache.fetch(&store, &spec.module, MAX_MODULE_LEN).await?;
        let bytes = fault::instead_of(bytes, &spec);
        let mut work =
            Work { spec_cid: Cid(job.spec), spec: bytes, module: module.path(), inputs: Vec::new(), output_len };
        let mut files = vec![file, module];
        for (number, input) in spec.inputs.iter().enumerate() {
            if let Some(file) = own.file(number) {
                work.inputs.push(file.to_owned());
                continue;
            }
            let file = context.cache.fetch(&store, &input.cid, input.len).await?;
            work.inputs.push(file.path());
            files.push(file);
        }
        Ok(Arc::new(Prepared { work, store, own, _files: files }))
    }

    /// A job's files: as prepared before, or fetched now (a restarted worker goes on with what it had leased). Private files are
    /// their owner's to change, and are looked for anew.
    ///
    /// # Errors
    /// If they are not to be had.
    pub async fn prepared(&self, address: &Pubkey) -> Result<Arc<Prepared>, PrepareError> {
        if let Some(Known { job, standing: Standing::Ready(prepared), .. }) = self.known().get(address)
            && !job.is_private()
        {
            return Ok(Arc::clone(prepared));
        }
        let job = self.account(address).await?;
        let fetched = self.fetch(&job, true).await;
        if fetched.is_err() && job.is_private() {
            // Nothing more is claimed of it until its files are there again.
            self.doubt(address);
        }
        fetched
    }

    /// The jobs that can be claimed from, those that pay most first.
    #[must_use]
    pub fn ready(&self) -> Vec<Ready> {
        let known = self.known();
        let ready = known.values().filter(|known| matches!(known.standing, Standing::Ready(_)) && is_alive(&known.job));
        let ready = ready.map(|known| {
            let Known { job, unit_seconds, checked_seconds, .. } = known;
            Ready { job: job.clone(), unit_seconds: *unit_seconds, checked_seconds: *checked_seconds }
        });
        let mut jobs: Vec<Ready> = ready.collect();
        jobs.sort_by_key(|ready| (std::cmp::Reverse(ready.job.price_per_unit), ready.job.deadline, ready.job.address));
        jobs
    }

    /// Notes what was read of a job.
    pub fn update(&self, job: &Job) {
        if let Some(known) = self.known().get_mut(&job.address) {
            known.job = job.clone();
        }
    }

    /// Takes no more leases of a job.
    pub fn refuse(&self, address: &Pubkey) {
        if let Some(known) = self.known().get_mut(address) {
            known.standing = Standing::Refused;
        }
    }

    /// Looks at a job anew after a while.
    fn doubt(&self, address: &Pubkey) {
        if let Some(known) = self.known().get_mut(address) {
            known.standing = Standing::Unknown { since_failures: 1, not_before: Instant::now() + backoff::after(1) };
        }
    }

    /// Looks at all jobs anew, since settings have changed. Leases in hand go on.
    pub fn reconsider(&self) {
        for known in self.known().values_mut() {
            if matches!(known.standing, Standing::Ready(_) | Standing::Refused) {
                known.standing = Standing::Unknown { since_failures: 0, not_before: Instant::now() };
            }
            known.told = false;
        }
        self.news.notify_one();
    }

    /// Notes how long `units` of a job took.
    pub fn measured(&self, address: &Pubkey, by: By, units: u32, took: Duration) {
        if let Some(known) = self.known().get_mut(address) {
            let new = took.as_secs_f64() / f64::from(units.max(1));
            let seconds = if by == By::Checks { &mut known.checked_seconds } else { &mut known.unit_seconds };
            *seconds = Some(seconds.map_or(new, |old| old + NEWEST * (new - old)));
        }
    }

    /// How many seconds a lease takes, if any of its job was computed before.
    #[must_use]
    pub fn lease_estimate(&self, id: &LeaseId) -> Option<f64> {
        let known = self.known();
        let job = known.get(&id.job())?;
        Some(job.unit_seconds? * f64::from(job.job.units_per_lease))
    }

    /// Seen, and ready: how many.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let known = self.known();
        (known.len(), known.values().filter(|known| matches!(known.standing, Standing::Ready(_))).count())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Pubkey, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there are or may be seats in a job to claim.
fn is_alive(job: &Job) -> bool {
    !job.is_complete() || job.contested > 0
}

/// What a job offers and asks.
#[must_use]
pub fn offer(job: &Job) -> Offer {
    Offer {
        price_per_unit: job.price_per_unit,
        units_per_lease: job.units_per_lease,
        units: job.units,
        asks: job.requirements(),
        lock_multiple: job.lock_multiple,
        lead: job.lead,
        challenge_seconds: job.challenge_seconds,
    }
}
