//! The HTTP service: configuration, start and stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use solana_pubkey::Pubkey;
use tessera_sdk::Tessera;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    Blobs, StoreError,
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
    /// Most puts, and most gets, at once.
    pub max_puts: usize,
    /// See `max_puts`.
    pub max_gets: usize,
    /// Longest pause in a body, in either direction.
    pub idle: Duration,
    /// Slowest body accepted, in bytes a second; a put may take `idle` plus its length divided by this.
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
            max_puts: 64,
            max_gets: 512,
            idle: Duration::from_secs(30),
            min_bytes_per_second: 64 << 10,
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        let positive = [
            ("max_puts", self.max_puts as u64),
            ("max_gets", self.max_gets as u64),
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
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<std::io::Result<()>>>,
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
        self.stop.send_replace(true);
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

fn flatten(ended: Result<std::io::Result<()>, tokio::task::JoinError>) -> Result<(), StoreError> {
    match ended {
        Ok(result) => Ok(result?),
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

/// Starts the service for `members`.
///
/// # Errors
/// As [`serve`].
pub async fn serve_members(config: ServeConfig, members: Arc<dyn Membership>) -> Result<Running, StoreError> {
    config.check()?;
    let blobs = Blobs::open(&config.location)?;
    let failed = |e: std::io::Error| StoreError::Listen { address: config.listen.to_string(), reason: e.to_string() };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let host = if config.public_host.is_empty() { address.to_string() } else { config.public_host.clone() };
    let app = http::router(Service::new(config, host, blobs, members));

    let (stop, mut stopped) = watch::channel(false);
    let task = tokio::spawn(async move {
        axum::serve(listener, app)
            .with_graceful_shutdown(async move {
                // An error means that the handle is gone, which stops the service too.
                let _ = stopped.wait_for(|stop| *stop).await;
            })
            .await
    });
    tracing::info!(%address, "store is listening");
    Ok(Running { address, stop, task: Some(task) })
}
