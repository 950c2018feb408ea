//! A proxy with faults, for tests of what happens when the way to a node or a store is bad: before anything that speaks TCP, with
//! more to offer where that is HTTP. Faults are switched while it runs, from within the process by a [`Proxy`], from others by its
//! [`control`] port. What chance decides follows from a seed, the number of the connection and that of the request.
//!
//! ```no_run
//! # async fn run() -> std::io::Result<()> {
//! use tessera_tests::proxy::{Fault, Protocol, Proxy};
//!
//! let proxy = Proxy::start("127.0.0.1:0", "127.0.0.1:8899", Protocol::Http, 1).await?;
//! println!("http://{}", proxy.address());
//! proxy.set(vec![Fault::Limit { retry_after: Some(2), date: false }.into()]);
//! proxy.clear();
//! # Ok(())
//! # }
//! ```

pub mod control;
mod fault;
mod http;
mod pump;
mod stale;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::DuplexStream,
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::{mpsc, watch},
    task::AbortHandle,
    time::sleep,
};

pub use fault::{Fault, Rule};

use crate::rng::Rng;

/// How much may be under way between the two sides of a connection.
const BUFFER: usize = 64 << 10;
/// How long accepting rests when the system has no more to give.
const REST: Duration = Duration::from_millis(50);

/// What is spoken behind a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Anything: only connections and bytes can have faults.
    Tcp,
    /// HTTP: requests and answers can have faults too.
    Http,
}

/// What has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// HTTP requests.
    pub requests: u64,
    /// Requests that met a fault.
    pub faulty: u64,
}

/// A running proxy. Dropping it breaks all its connections.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Vec<AbortHandle>,
}

/// What all connections share.
struct Shared {
    upstream: String,
    protocol: Protocol,
    seed: u64,
    rules: watch::Sender<Arc<Vec<Rule>>>,
    connections: AtomicU64,
    requests: AtomicU64,
    faulty: AtomicU64,
}

impl Proxy {
    /// Listens at `listen` and passes everything on to `upstream`, which is `host:port`.
    ///
    /// # Errors
    /// If the address cannot be listened at.
    pub async fn start(listen: impl ToSocketAddrs, upstream: &str, protocol: Protocol, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            protocol,
            seed,
            rules: watch::Sender::new(Arc::default()),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            faulty: AtomicU64::new(0),
        });
        // One waits while the other is handed over; more is not known to be needed.
        let (streams, inbox) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), streams)).abort_handle();
        let mut tasks = vec![accepting];
        if protocol == Protocol::Http {
            tasks.push(tokio::spawn(http::serve(Arc::clone(&shared), inbox)).abort_handle());
        }
        Ok(Self { shared, address, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on these faults, and no others.
    pub fn set(&self, rules: Vec<Rule>) {
        self.shared.rules.send_replace(Arc::new(rules));
    }

    /// From now on this fault alone.
    pub fn fail(&self, fault: Fault) {
        self.set(vec![fault.into()]);
    }

    /// From now on no faults.
    pub fn clear(&self) {
        self.set(vec![]);
    }

    /// The faults that there are.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        self.shared.rules.borrow().to_vec()
    }

    /// What has passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Shared { connections, requests, faulty, .. } = &*self.shared;
        Counts { connections: get(connections), requests: get(requests), faulty: get(faulty) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.fail(Fault::Cut { within: 0 });
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Shared {
    /// Chance for number `n` of something that is counted.
    fn chance(&self, n: u64) -> Rng {
        let mut rng = Rng::new(self.seed);
        Rng::new(rng.bits() ^ n.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn has(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.rules.borrow().iter().any(|rule| is(&rule.fault))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, streams: mpsc::Sender<DuplexStream>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            sleep(REST).await;
            continue;
        };
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        if shared.has(|fault| matches!(fault, Fault::Refuse)) {
            pump::reset(&client);
            continue;
        }
        let (shared, streams) = (Arc::clone(&shared), streams.clone());
        tokio::spawn(async move {
            // What breaks here breaks on both sides, and both sides see it.
            let _ = connect(client, &shared, number, &streams).await;
        });
    }
}

async fn connect(
    client: TcpStream,
    shared: &Shared,
    number: u64,
    streams: &mpsc::Sender<DuplexStream>,
) -> io::Result<()> {
    match shared.protocol {
        Protocol::Tcp => {
            let upstream = TcpStream::connect(&shared.upstream).await?;
            pump::join(client, upstream, shared, number).await
        }
        Protocol::Http => {
            let (near, far) = tokio::io::duplex(BUFFER);
            streams.send(far).await.map_err(io::Error::other)?;
            pump::join(client, near, shared, number).await
        }
    }
}
