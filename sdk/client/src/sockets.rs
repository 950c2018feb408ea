//! Several WebSocket endpoints as one: the best-listed one that is well is connected to.

use std::time::Duration;

use solana_pubsub_client::nonblocking::pubsub_client::{PubsubClient, PubsubClientError};
use tokio::time::{Instant, timeout};
use url::Url;

use crate::{
    Config, Error,
    endpoints::{self, EndpointHealth, EndpointKind},
    rpc::{Health, Verdict},
};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

pub(crate) struct Sockets(Vec<Socket>);

struct Socket {
    url: String,
    health: Health,
}

/// A connection.
pub(crate) struct Link {
    /// Number of its endpoint.
    pub index: usize,
    pub client: PubsubClient,
}

impl Sockets {
    pub fn new(config: &Config) -> Result<Self, Error> {
        let socket = |url: String| {
            let expected =
                || Error::Config(format!("WebSocket endpoint {url:?}, expected ws://host:port or wss://host"));
            let parsed = Url::parse(&url).ok().filter(|parsed| matches!(parsed.scheme(), "ws" | "wss"));
            let health = Health::new(endpoints::name(&parsed.ok_or_else(expected)?), EndpointKind::WebSocket);
            Ok(Socket { url, health })
        };
        config.websocket_urls()?.into_iter().map(socket).collect::<Result<_, Error>>().map(Self)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// How they have been doing.
    pub fn health(&self) -> Vec<EndpointHealth> {
        let best = self.0.iter().filter_map(|socket| socket.health.slot()).map(|(slot, _)| slot).max();
        self.0.iter().map(|socket| socket.health.report(best.unwrap_or(0))).collect()
    }

    /// When one of those listed before number `before` may be tried; none need be.
    pub fn due(&self, before: usize) -> Option<Instant> {
        let now = Instant::now();
        self.0[..before].iter().map(|socket| socket.health.until().unwrap_or(now)).min()
    }

    /// Connects to the first that answers of those before number `before` that need not rest.
    pub async fn connect(&self, before: usize) -> Option<Link> {
        for (index, socket) in self.0[..before].iter().enumerate() {
            if socket.health.until().is_none_or(|until| until <= Instant::now())
                && let Some(client) = socket.connect().await
            {
                return Some(Link { index, client });
            }
        }
        None
    }

    /// A connection showed to be alive, and its endpoint to know a slot if it told one.
    pub fn heard(&self, index: usize, slot: Option<u64>) {
        let health = &self.0[index].health;
        health.succeeded();
        if let Some(slot) = slot {
            health.saw(slot);
        }
    }

    /// A connection is of no use any more.
    pub fn lost(&self, index: usize, why: &str) {
        self.0[index].health.failed(Verdict::Failed, why.to_owned(), 0);
    }

    /// Connects to each once.
    pub async fn survey(&self) {
        let looks = self.0.iter().map(|socket| async move {
            if let Some(client) = socket.connect().await {
                socket.health.succeeded();
                // It says goodbye; whether that arrives matters to nobody.
                let _ = timeout(CONNECT, client.shutdown()).await;
            }
        });
        futures_util::future::join_all(looks).await;
    }
}

impl Socket {
    async fn connect(&self) -> Option<PubsubClient> {
        self.health.asked();
        let started = Instant::now();
        let why = match timeout(CONNECT, PubsubClient::new(self.url.as_str())).await {
            Ok(Ok(client)) => {
                self.health.answered(started.elapsed());
                return Some(client);
            }
            Ok(Err(PubsubClientError::ConnectionError(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", CONNECT.as_secs()),
        };
        self.health.failed(Verdict::Failed, why, 0);
        None
    }
}
