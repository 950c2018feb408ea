//! Listening and polling: what following a job and following a market have in common.

use std::{future::Future, time::Duration};

use futures_util::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use solana_pubsub_client::nonblocking::pubsub_client::PubsubClient;
use solana_rpc_client_api::response::SlotInfo;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use crate::{Error, Tessera, rpc::backoff, sockets::Link};

/// First and longest pause between two polls after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// Longest wait for a subscription.
const SUBSCRIBE: Duration = Duration::from_secs(10);
/// A connection over which no slot is announced for so long is dead, whatever it looks like: slots take less than half a second.
const SILENCE: Duration = Duration::from_secs(12);

/// Why following stops or stumbles.
pub(super) enum Stop {
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
pub(super) trait Watch: Send {
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

/// What comes over a connection.
struct Feed<'a, N> {
    /// Number of its endpoint.
    index: usize,
    notices: BoxStream<'a, N>,
    /// Slots as they begin: they show that the connection lives. Endless and silent where the endpoint announces none.
    slots: BoxStream<'a, SlotInfo>,
    /// When something came last; `None` where silence means nothing.
    heard: Option<Instant>,
}

impl<'a, N> Feed<'a, N> {
    async fn subscribe<W: Watch<Notice = N>>(tessera: &Tessera, watch: &W, link: &'a Link) -> Option<Self> {
        let Some(notices) = timeout(SUBSCRIBE, watch.subscribe(&link.client)).await.ok().flatten() else {
            tessera.sockets().lost(link.index, "it took no subscription");
            return None;
        };
        let (slots, heard) = match timeout(SUBSCRIBE, link.client.slot_subscribe()).await {
            Ok(Ok((slots, _))) => (slots, Some(Instant::now())),
            _ => {
                tessera.sockets().heard(link.index, None);
                (stream::pending().boxed(), None)
            }
        };
        Some(Self { index: link.index, notices, slots, heard })
    }
}

/// Follows until the last update was delivered or nobody listens any more.
pub(super) async fn follow<W: Watch>(tessera: Tessera, mut watch: W) {
    let mut link = tessera.sockets().connect(tessera.sockets().len()).await;
    loop {
        match attend(&tessera, &mut watch, link.as_ref()).await {
            Ok(better) => link = Some(better),
            Err(_) => return,
        }
    }
}

/// Polls and listens to a connection, until there is a better one: one at all after it was lost, or to an endpoint that is
/// listed before its own.
async fn attend<W: Watch>(tessera: &Tessera, watch: &mut W, link: Option<&Link>) -> Result<Link, Stop> {
    let sockets = tessera.sockets();
    let mut feed = match link {
        Some(link) => Feed::subscribe(tessera, watch, link).await,
        None => None,
    };
    let mut pauses = backoff(PAUSE);
    loop {
        // The first one finds what happened before the subscription began.
        let next = match watch.poll().await {
            Ok(()) => {
                pauses = backoff(PAUSE);
                Instant::now() + tessera.config().poll
            }
            Err(Stop::Failed(error)) => {
                tracing::debug!(%error, "cannot read, trying again");
                Instant::now() + pauses.next().unwrap_or(PAUSE.1)
            }
            Err(stop) => return Err(stop),
        };
        let before = feed.as_ref().map_or(sockets.len(), |feed| feed.index);
        let until = sockets.due(before).map_or(next, |due| due.clamp(Instant::now(), next.max(Instant::now())));
        match listen(tessera, watch, &mut feed, until).await {
            Err(Stop::Failed(error)) => tracing::debug!(%error, "cannot read, trying again"),
            Err(stop) => return Err(stop),
            Ok(()) => {}
        }
        let before = feed.as_ref().map_or(sockets.len(), |feed| feed.index);
        if let Some(better) = sockets.connect(before).await {
            return Ok(better);
        }
    }
}

/// Delivers notifications until it is time to poll. Without a subscription, just waits; one that is lost is taken away.
async fn listen<W: Watch>(
    tessera: &Tessera,
    watch: &mut W,
    feed: &mut Option<Feed<'_, W::Notice>>,
    until: Instant,
) -> Result<(), Stop> {
    let Some(Feed { index, notices, slots, heard }) = feed else {
        tokio::select! {
            () = sleep_until(until) => return Ok(()),
            () = watch.dropped() => return Err(Stop::Dropped),
        }
    };
    let lost = loop {
        let silent = heard.map(|heard| heard + SILENCE);
        tokio::select! {
            // In this order: silence counts only if nothing has come.
            biased;
            () = watch.dropped() => return Err(Stop::Dropped),
            slot = slots.next() => match slot {
                Some(SlotInfo { slot, .. }) => {
                    // After a poll that took long several wait, and only the newest says where it is now.
                    let waiting = std::iter::from_fn(|| slots.next().now_or_never().flatten());
                    let slot = waiting.fold(slot, |newest, SlotInfo { slot, .. }| newest.max(slot));
                    *heard = Some(Instant::now());
                    tessera.sockets().heard(*index, Some(slot));
                    if slot + tessera.config().max_lag < tessera.rpc().floor() {
                        break "it is behind";
                    }
                }
                None => break "the connection ended",
            },
            () = sleep_until(until) => return Ok(()),
            notice = notices.next() => match notice {
                Some(notice) => {
                    *heard = heard.map(|_| Instant::now());
                    if watch.notice(notice).await? {
                        return Ok(());
                    }
                }
                None => break "the connection ended",
            },
            () = sleep_until(silent.unwrap_or(until)), if silent.is_some() => break "it is silent",
        }
    };
    tessera.sockets().lost(*index, lost);
    *feed = None;
    Ok(())
}
