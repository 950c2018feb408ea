//! Following jobs and markets: notifications for speed, polling for certainty.
//!
//! A notification may be lost, repeated or late; so each only says that something may have happened, or carries
//! what polling would find as well. What was delivered is remembered, so that every event arrives once, and of which slot
//! it was, so that nothing goes back in time. A lost connection is made again for as long as the stream lives; what
//! happened in between is found by the poll that follows.

mod follow;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::{Stream, stream::BoxStream};
use solana_pubkey::Pubkey;
use solana_pubsub_client::nonblocking::pubsub_client::PubsubClient;
use solana_rpc_client_api::{
    config::{RpcTransactionLogsConfig, RpcTransactionLogsFilter},
    response::{Response, RpcKeyedAccount, RpcLogsResponse},
};
use solana_signature::Signature;
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    Decode, Event, ID, Job, JobFilter, Tessera, events, events::Recorded, history::Mention,
    read::program_accounts_config,
};
use follow::{Stop, Watch, follow};

/// Slots that are read again, since endpoints may be behind each other.
const OVERLAP: u64 = 150;
/// Updates that wait for a slow reader.
const QUEUE: usize = 64;
/// An account that has been gone for so long is believed to be closed, even if no endpoint tells how.
const GONE: Duration = Duration::from_secs(60);

/// What happened to a job.
#[derive(Clone, Debug)]
pub enum JobUpdate {
    /// The job account: first as it is, then after every change.
    Job(Job),
    /// A state change; each comes once, those of the past first.
    Event(Recorded),
    /// The job account is gone: the last item.
    Closed,
}

/// What happened in a market.
#[derive(Clone, Debug)]
pub enum MarketUpdate {
    /// A job: first all that are there, then each that is new or has changed.
    Job(Job),
    /// A job account is gone.
    Gone(Pubkey),
}

impl Tessera {
    /// Follows a job from its first event to its closing. Never fails: endpoints that do not answer are asked again for
    /// as long as the stream lives.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use tessera_sdk::JobUpdate;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let network = tessera_testing::Network::start().await?;
    /// # let (tessera, market, wallet) = (network.tessera(), network.market(), network.wallet());
    /// # let (spec, blobs) = tessera_testing::sample::job(8);
    /// # let terms = tessera_testing::sample::terms(network.store_url());
    /// # let posted = tessera.post_job(wallet, market, &spec, blobs, terms).await?;
    /// let mut updates = tessera.watch_job(&posted.job);
    /// tessera.cancel_job(wallet, &posted.job).await?;
    /// tessera.close_job(wallet, &posted.job).await?;
    /// let mut events = vec![];
    /// # let follow = async {
    /// while let Some(update) = updates.next().await {
    ///     match update {
    ///         JobUpdate::Job(job) => println!("{} of {} leases settled", job.settled_leases, job.leases),
    ///         JobUpdate::Event(recorded) => events.push(recorded.event.name()),
    ///         JobUpdate::Closed => println!("the job is closed"),
    ///     }
    /// }
    /// # };
    /// # tokio::time::timeout(std::time::Duration::from_secs(60), follow).await?;
    /// assert_eq!(events, ["JobPosted", "JobCancelled", "JobClosed"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch_job(&self, job: &Pubkey) -> impl Stream<Item = JobUpdate> + Send + Unpin + use<> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let watcher = JobWatcher {
            tessera: self.clone(),
            address: *job,
            seen: HashMap::new(),
            from: 0,
            last: None,
            told: false,
            gone_since: None,
            sender,
        };
        tokio::spawn(follow(self.clone(), watcher));
        ReceiverStream::new(receiver)
    }

    /// Follows the jobs of a market. Never fails, as [`Self::watch_job`].
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use futures_util::StreamExt;
    /// use tessera_sdk::MarketUpdate;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let network = tessera_testing::Network::start().await?;
    /// # let (tessera, market, wallet) = (network.tessera(), network.market(), network.wallet());
    /// # let (spec, blobs) = tessera_testing::sample::job(8);
    /// # let terms = tessera_testing::sample::terms(network.store_url());
    /// let mut updates = tessera.watch_market(market);
    /// let posted = tessera.post_job(wallet, market, &spec, blobs, terms).await?;
    /// let mut units = HashMap::new();
    /// # let follow = async {
    /// while let Some(update) = updates.next().await {
    ///     match update {
    ///         MarketUpdate::Job(job) => units.insert(job.address, job.units),
    ///         MarketUpdate::Gone(job) => units.remove(&job),
    ///     };
    ///     if units.contains_key(&posted.job) {
    ///         break;
    ///     }
    /// }
    /// # };
    /// # tokio::time::timeout(std::time::Duration::from_secs(60), follow).await?;
    /// assert_eq!(units.get(&posted.job), Some(&spec.units));
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch_market(&self, market: &Pubkey) -> impl Stream<Item = MarketUpdate> + Send + Unpin + use<> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let watcher =
            MarketWatcher { tessera: self.clone(), market: *market, known: HashMap::new(), polled: 0, sender };
        tokio::spawn(follow(self.clone(), watcher));
        ReceiverStream::new(receiver)
    }
}

struct JobWatcher {
    tessera: Tessera,
    address: Pubkey,
    /// Signatures delivered, with their slots; those before `from` are forgotten.
    seen: HashMap<Signature, u64>,
    /// Everything before this slot was delivered.
    from: u64,
    /// The account as last delivered.
    last: Option<Vec<u8>>,
    /// Whether the event of its closing was delivered.
    told: bool,
    /// Since when the account is not to be seen any more.
    gone_since: Option<Instant>,
    sender: mpsc::Sender<JobUpdate>,
}

impl JobWatcher {
    async fn deliver(&mut self, mention: Mention, log: &[String]) -> Result<(), Stop> {
        let Mention { signature, slot } = mention;
        if self.seen.insert(signature, slot).is_none() {
            for event in events::from_logs(log).into_iter().filter(|event| event.job() == Some(self.address)) {
                self.told |= matches!(event, Event::JobClosed(_));
                self.sender.send(JobUpdate::Event(Recorded { signature, slot, event })).await?;
            }
        }
        Ok(())
    }

    /// Delivers the account if it changed. Returns whether it is gone.
    async fn account(&mut self) -> Result<bool, Stop> {
        let Some(bytes) = self.tessera.raw(&ID, &[self.address]).await?.pop().flatten() else { return Ok(true) };
        if self.last.as_ref() != Some(&bytes) {
            let job = Job::decode(self.address, &bytes)?;
            self.sender.send(JobUpdate::Job(job)).await?;
            self.last = Some(bytes);
        }
        Ok(false)
    }
}

impl Watch for JobWatcher {
    type Notice = Response<RpcLogsResponse>;

    async fn subscribe<'a>(&self, client: &'a PubsubClient) -> Option<BoxStream<'a, Self::Notice>> {
        let filter = RpcTransactionLogsFilter::Mentions(vec![self.address.to_string()]);
        let config = RpcTransactionLogsConfig { commitment: Some(self.tessera.config().commitment) };
        client.logs_subscribe(filter, config).await.ok().map(|(stream, _)| stream)
    }

    async fn notice(&mut self, notice: Self::Notice) -> Result<bool, Stop> {
        let (slot, notice) = (notice.context.slot, notice.value);
        if notice.err.is_some() {
            return Ok(false);
        }
        let Ok(signature) = notice.signature.parse() else { return Ok(true) };
        // The events that made the change come before the account that shows it.
        self.deliver(Mention { signature, slot }, &notice.logs).await?;
        self.account().await
    }

    async fn poll(&mut self) -> Result<(), Stop> {
        // First the account, then the events: so the events up to the closing are there when the account is not.
        let gone = self.account().await?;
        let mut mentions = self.tessera.mentions(&self.address, self.from).await?;
        let newest = mentions.iter().map(|mention| mention.slot).max().unwrap_or(self.from);
        // The slot that a notification named need not be the right one.
        mentions.retain(|mention| match self.seen.get_mut(&mention.signature) {
            Some(slot) => {
                *slot = mention.slot;
                false
            }
            None => true,
        });
        for chunk in mentions.chunks(QUEUE) {
            let logs = self.tessera.logs_of(chunk).await?;
            for (mention, log) in chunk.iter().zip(&logs) {
                self.deliver(*mention, log).await?;
            }
        }
        self.from = self.from.max(newest.saturating_sub(OVERLAP));
        let from = self.from;
        // An endpoint that is behind may not know the job yet: it is closed only if it is known to have been there. And one may
        // know less of what happened than of what is: the account may be gone for it before the event that tells why is there.
        let gone = gone && (self.last.is_some() || !self.seen.is_empty());
        self.gone_since = self.gone_since.or(Some(Instant::now())).filter(|_| gone);
        let closed = gone && (self.told || self.gone_since.is_some_and(|since| since.elapsed() > GONE));
        self.seen.retain(|_, slot| *slot >= from);
        if closed {
            self.sender.send(JobUpdate::Closed).await?;
            return Err(Stop::Ended);
        }
        Ok(())
    }

    async fn dropped(&self) {
        self.sender.closed().await;
    }
}

struct MarketWatcher {
    tessera: Tessera,
    market: Pubkey,
    /// The jobs as last delivered, and as of which slot.
    known: HashMap<Pubkey, (u64, Vec<u8>)>,
    /// Slot of the last poll: what is not known was not there then.
    polled: u64,
    sender: mpsc::Sender<MarketUpdate>,
}

impl MarketWatcher {
    /// Delivers a job as it is at the end of `slot`, unless that or something newer was delivered.
    async fn offer(&mut self, slot: u64, address: Pubkey, bytes: Vec<u8>) -> Result<(), Stop> {
        if let Some((known, old)) = self.known.get_mut(&address) {
            if slot < *known {
                return Ok(());
            }
            *known = slot;
            if *old == bytes {
                return Ok(());
            }
        }
        match Job::decode(address, &bytes) {
            Ok(job) => {
                self.known.insert(address, (slot, bytes));
                self.sender.send(MarketUpdate::Job(job)).await?;
            }
            // It belongs to a later version of the program.
            Err(error) => tracing::debug!(%error, "job left out"),
        }
        Ok(())
    }
}

impl Watch for MarketWatcher {
    type Notice = Response<RpcKeyedAccount>;

    async fn subscribe<'a>(&self, client: &'a PubsubClient) -> Option<BoxStream<'a, Self::Notice>> {
        let config = program_accounts_config(&self.tessera, JobFilter::All.filters(&self.market));
        client.program_subscribe(&ID, Some(config)).await.ok().map(|(stream, _)| stream)
    }

    async fn notice(&mut self, notice: Self::Notice) -> Result<bool, Stop> {
        let (slot, account) = (notice.context.slot, notice.value);
        let (Ok(address), Some(bytes)) = (account.pubkey.parse(), account.account.data.decode()) else {
            return Ok(true);
        };
        // A late one may be of a job that is gone; and there are nodes that name the slot of the subscription for ever.
        let is_new = slot > self.polled;
        if is_new || self.known.contains_key(&address) {
            self.offer(slot, address, bytes).await?;
            return Ok(false);
        }
        Ok(true)
    }

    async fn poll(&mut self) -> Result<(), Stop> {
        let (slot, found) = self.tessera.program_accounts(JobFilter::All.filters(&self.market)).await?;
        self.polled = slot;
        let there: HashSet<Pubkey> = found.iter().map(|(address, _)| *address).collect();
        let gone = |(address, (known, _)): (&Pubkey, &(u64, Vec<u8>))| {
            (*known <= slot && !there.contains(address)).then_some(*address)
        };
        let gone: Vec<Pubkey> = self.known.iter().filter_map(gone).collect();
        for (address, bytes) in found {
            self.offer(slot, address, bytes).await?;
        }
        for address in gone {
            self.known.remove(&address);
            self.sender.send(MarketUpdate::Gone(address)).await?;
        }
        Ok(())
    }

    async fn dropped(&self) {
        self.sender.closed().await;
    }
}
