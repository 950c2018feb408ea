//! The HTTP service: configuration, start and stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use solana_pubkey::Pubkey;
use tessera_sdk::Tessera;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Blobs, StoreError,
    connections::{self, Limits},
    http::{self, Service},
    membership::{CacheTimes, Cached, Membership, OnChain},
};

/// How the service behaves.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where the blobs lie: see [`Blobs::open`].
    pub location: String,
    /// Host (and port, unless it is the scheme's own) of the URL that the public uses, which signatures name. Empty: the listening address.
    pub public_host: String,
    /// Whose clients and operators may put blobs.
    pub market: Pubkey,
    /// Largest blob taken, in bytes.
    pub max_blob_len: u64,
    /// Bytes that a key may put in a day (UTC).
    pub quota_per_key_per_day: u64,
    /// Bytes that puts may hold in memory at once, all together. A key gets at most half of them; who finds none free waits.
    pub put_memory: u64,
    /// Most gets at once. An address gets at most half of them; who finds none free waits.
    pub max_gets: u32,
    /// Most connections at once. When there are more, the oldest of those that have not sent a request yet goes.
    pub max_connections: usize,
    /// How long a connection may take to send the head of a request, and be silent between requests.
    pub head: Duration,
    /// Longest pause in a body, in either direction, and longest wait for a place.
    pub idle: Duration,
    /// Slowest body accepted, in either direction, in bytes a second; one may take `idle` plus its length divided by this.
    pub min_bytes_per_second: u64,
}

impl ServeConfig {
    /// The defaults: local address and port 8910, blobs up to 4 GiB, 256 GiB a day for each key.
    #[must_use]
    pub fn new(location: impl Into<String>, market: Pubkey) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8910)),
            location: location.into(),
            public_host: String::new(),
            market,
            max_blob_len: 4 << 30,
            quota_per_key_per_day: 256 << 30,
            put_memory: 512 << 20,
            max_gets: 1024,
            max_connections: 4096,
            head: Duration::from_secs(15),
            idle: Duration::from_secs(30),
            min_bytes_per_second: 64 << 10,
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        let positive = [
            ("put_memory", self.put_memory),
            ("max_gets", self.max_gets.into()),
            ("max_connections", self.max_connections as u64),
            ("head", self.head.as_millis() as u64),
            ("min_bytes_per_second", self.min_bytes_per_second),
            ("idle", self.idle.as_millis() as u64),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(StoreError::Config(format!("{name} is 0, expected at least 1"))),
            None => Ok(()),
        }
    }
}

/// A running service. Dropping it stops the service at once; [`Running::shutdown`] lets requests finish.
pub struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Running {
    /// Where the service listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections and waits up to `grace` for requests under way.
    ///
    /// # Errors
    /// If the service had failed.
    pub async fn shutdown(mut self, grace: Duration) -> Result<(), StoreError> {
        self.stop.cancel();
        let Some(mut task) = self.task.take() else { return Ok(()) };
        match tokio::time::timeout(grace, &mut task).await {
            Ok(ended) => flatten(ended),
            Err(_) => {
                task.abort();
                Ok(())
            }
        }
    }

    /// Waits until the service ends by itself, which only a failure makes it do.
    ///
    /// # Errors
    /// That failure.
    pub async fn wait(&mut self) -> Result<(), StoreError> {
        match &mut self.task {
            Some(task) => flatten(task.await),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn flatten(ended: Result<(), tokio::task::JoinError>) -> Result<(), StoreError> {
    match ended {
        Ok(()) => Ok(()),
        Err(e) if e.is_cancelled() => Ok(()),
        Err(e) => Err(StoreError::Config(format!("the service crashed: {e}"))),
    }
}

/// Starts the service for members of `config.market`, looked up through `tessera`.
///
/// # Errors
/// If a setting is wrong, the store cannot be opened or the address is taken.
pub async fn serve(config: ServeConfig, tessera: Tessera) -> Result<Running, StoreError> {
    let members = OnChain::new(tessera, config.market);
    serve_members(config, Arc::new(Cached::new(Arc::new(members), CacheTimes::default()))).await
}

/// Connections that may wait to be taken: when many come at once, none is to be lost.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A store that is started again must not wait for connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Starts the service for `members`.
///
/// # Errors
/// As [`serve`].
pub async fn serve_members(config: ServeConfig, members: Arc<dyn Membership>) -> Result<Running, StoreError> {
    config.check()?;
    let blobs = Blobs::open(&config.location)?;
    let failed = |e: std::io::Error| StoreError::Listen { address: config.listen.to_string(), reason: e.to_string() };
    let listener = listen(config.listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let host = if config.public_host.is_empty() { address.to_string() } else { config.public_host.clone() };
    let limits = Limits { most: config.max_connections, head: config.head, silence: config.idle };
    let app = http::router(Service::new(config, host, blobs, members));
    let stop = CancellationToken::new();
    let task = tokio::spawn(connections::serve(listener, app, limits, stop.clone()));
    tracing::info!(%address, "store is listening");
    Ok(Running { address, stop, task: Some(task) })
}
