//! Following jobs and markets: notifications for speed, polling for certainty.
//!
//! A notification may be lost, repeated or late; so each only says that something may have happened, or carries
//! what polling would find as well. What was delivered is remembered, so that every event arrives once. A lost
//! connection is made again for as long as the stream lives.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream::BoxStream};
use solana_pubkey::Pubkey;
use solana_pubsub_client::nonblocking::pubsub_client::PubsubClient;
use solana_rpc_client_api::{
    config::{RpcTransactionLogsConfig, RpcTransactionLogsFilter},
    response::{Response, RpcKeyedAccount, RpcLogsResponse},
};
use solana_signature::Signature;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    Decode, Error, ID, Job, JobFilter, Tessera, events, events::Recorded, history::Mention,
    read::program_accounts_config,
};

/// First and longest pause between two tries after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// Longest wait for a connection and for a subscription.
const CONNECT: Duration = Duration::from_secs(10);
/// Polls between two tries to get notifications.
const POLLS_ALONE: u32 = 3;
/// Slots that are read again, since endpoints may be behind each other.
const OVERLAP: u64 = 150;
/// Updates that wait for a slow reader.
const QUEUE: usize = 64;

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
    pub fn watch_job(&self, job: &Pubkey) -> impl Stream<Item = JobUpdate> + Send + Unpin + use<> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let watcher =
            JobWatcher { tessera: self.clone(), address: *job, seen: HashMap::new(), from: 0, last: None, sender };
        tokio::spawn(follow(self.clone(), watcher));
        ReceiverStream::new(receiver)
    }

    /// Follows the jobs of a market. Never fails, as [`Self::watch_job`].
    pub fn watch_market(&self, market: &Pubkey) -> impl Stream<Item = MarketUpdate> + Send + Unpin + use<> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let watcher = MarketWatcher { tessera: self.clone(), market: *market, known: HashMap::new(), sender };
        tokio::spawn(follow(self.clone(), watcher));
        ReceiverStream::new(receiver)
    }
}

/// Why following stops or stumbles.
enum Stop {
    /// The last update was delivered.
    Ended,
    /// The receiver of the stream was dropped.
    Dropped,
    /// An endpoint does not answer.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl<T> From<mpsc::error::SendError<T>> for Stop {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self::Dropped
    }
}

/// What differs between following a job and following a market.
trait Watch: Send {
    type Notice: Send;

    /// Asks for notifications.
    fn subscribe<'a>(
        &self,
        client: &'a PubsubClient,
    ) -> impl Future<Output = Option<BoxStream<'a, Self::Notice>>> + Send;
    /// Delivers what a notification carries. Returns whether to poll at once.
    fn notice(&mut self, notice: Self::Notice) -> impl Future<Output = Result<bool, Stop>> + Send;
    /// Delivers everything that has not been delivered.
    fn poll(&mut self) -> impl Future<Output = Result<(), Stop>> + Send;
    /// Resolves when nobody listens any more.
    fn dropped(&self) -> impl Future<Output = ()> + Send;
}

async fn follow<W: Watch>(tessera: Tessera, mut watch: W) {
    let mut pause = PAUSE.0;
    loop {
        let client = connect(&tessera).await;
        let mut notices = match &client {
            Some(client) => timeout(CONNECT, watch.subscribe(client)).await.ok().flatten(),
            None => None,
        };
        let mut polls = 0;
        while notices.is_some() || polls < POLLS_ALONE {
            polls += 1;
            let next = match watch.poll().await {
                Ok(()) => {
                    pause = PAUSE.0;
                    Instant::now() + tessera.config().poll
                }
                Err(Stop::Ended | Stop::Dropped) => return,
                Err(Stop::Failed(error)) => {
                    tracing::debug!(%error, "cannot read, trying again");
                    pause = (pause * 2).min(PAUSE.1);
                    Instant::now() + pause
                }
            };
            match wait(&mut watch, &mut notices, next).await {
                Ok(()) => {}
                Err(Stop::Ended | Stop::Dropped) => return,
                Err(Stop::Failed(error)) => tracing::debug!(%error, "cannot read, trying again"),
            }
        }
        sleep(pause).await;
    }
}

/// Delivers notifications until it is time to poll. Without a subscription, or when it is lost, just waits.
async fn wait<'a, W: Watch>(
    watch: &mut W,
    notices: &mut Option<BoxStream<'a, W::Notice>>,
    next: Instant,
) -> Result<(), Stop> {
    loop {
        let notice = async {
            match notices {
                Some(stream) => stream.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep_until(next) => return Ok(()),
            () = watch.dropped() => return Err(Stop::Dropped),
            notice = notice => match notice {
                Some(notice) => {
                    if watch.notice(notice).await? {
                        return Ok(());
                    }
                }
                None => {
                    *notices = None;
                    return Ok(());
                }
            },
        }
    }
}

async fn connect(tessera: &Tessera) -> Option<PubsubClient> {
    let url = tessera.config().websocket_url().ok()?;
    match timeout(CONNECT, PubsubClient::new(url.as_str())).await {
        Ok(Ok(client)) => Some(client),
        Ok(Err(error)) => {
            tracing::debug!(url, %error, "no WebSocket, polling");
            None
        }
        Err(_) => None,
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
    sender: mpsc::Sender<JobUpdate>,
}

impl JobWatcher {
    async fn deliver(&mut self, mention: Mention, log: &[String]) -> Result<(), Stop> {
        let Mention { signature, slot } = mention;
        if self.seen.insert(signature, slot).is_none() {
            for event in events::from_logs(log).into_iter().filter(|event| event.job() == Some(self.address)) {
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
        mentions.retain(|mention| !self.seen.contains_key(&mention.signature));
        for chunk in mentions.chunks(QUEUE) {
            let logs = self.tessera.logs_of(chunk).await?;
            for (mention, log) in chunk.iter().zip(&logs) {
                self.deliver(*mention, log).await?;
            }
        }
        self.from = self.from.max(newest.saturating_sub(OVERLAP));
        let from = self.from;
        // An endpoint that is behind may not know the job yet: it is closed only if it is known to have been there.
        let closed = gone && (self.last.is_some() || !self.seen.is_empty());
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
    /// The jobs as last delivered.
    known: HashMap<Pubkey, Vec<u8>>,
    sender: mpsc::Sender<MarketUpdate>,
}

impl MarketWatcher {
    async fn offer(&mut self, address: Pubkey, bytes: Vec<u8>) -> Result<(), Stop> {
        if self.known.get(&address) == Some(&bytes) {
            return Ok(());
        }
        match Job::decode(address, &bytes) {
            Ok(job) => {
                self.known.insert(address, bytes);
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
        let account = notice.value;
        let (Ok(address), Some(bytes)) = (account.pubkey.parse(), account.account.data.decode()) else {
            return Ok(true);
        };
        self.offer(address, bytes).await?;
        Ok(false)
    }

    async fn poll(&mut self) -> Result<(), Stop> {
        let found = self.tessera.program_accounts(JobFilter::All.filters(&self.market)).await?;
        let there: HashSet<Pubkey> = found.iter().map(|(address, _)| *address).collect();
        let gone: Vec<Pubkey> = self.known.keys().filter(|address| !there.contains(address)).copied().collect();
        for (address, bytes) in found {
            self.offer(address, bytes).await?;
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
