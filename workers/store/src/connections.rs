//! Connections: how many there are, how long they may say nothing, and how they end.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

/// What connections may do.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// How many there may be at once.
    pub(crate) most: usize,
    /// How long the head of a request may take to come.
    pub(crate) head: Duration,
    /// How long the other side may take nothing of what is sent.
    pub(crate) silence: Duration,
}

/// The other side of a connection. Every request has it as an extension.
#[derive(Clone)]
pub(crate) struct Peer {
    /// Its address; of IPv6 the network, for whoever has one address has all of the network's.
    pub(crate) address: IpAddr,
    cut: CancellationToken,
}

impl Peer {
    fn new(address: IpAddr) -> Self {
        let address = match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        };
        Self { address, cut: CancellationToken::new() }
    }

    /// Ends the connection at once, whatever is still to be sent.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }
}

/// Those connections that have not sent the head of a request yet, oldest first.
#[derive(Clone, Default)]
struct Silent(Arc<Mutex<BTreeMap<u64, Peer>>>);

impl Silent {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<u64, Peer>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How long to wait when the system has no more handles.
const BREATH: Duration = Duration::from_millis(200);

/// Serves `app` until `stop`, and then until all requests under way are done.
pub(crate) async fn serve(listener: TcpListener, app: Router, limits: Limits, stop: CancellationToken) {
    let app = TowerToHyperService::new(app);
    let silent = Silent::default();
    let mut open = JoinSet::new();
    for number in 0u64.. {
        while open.len() >= limits.most {
            if let Some((_, peer)) = silent.with(BTreeMap::pop_first) {
                peer.cut();
            }
            tokio::select! {
                _ = open.join_next() => {}
                () = stop.cancelled() => break,
            }
        }
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            // Those that have ended are let go of.
            Some(_) = open.join_next() => continue,
            () = stop.cancelled() => break,
        };
        match stream {
            Ok((stream, address)) => {
                let peer = Peer::new(address.ip());
                silent.with(|silent| silent.insert(number, peer.clone()));
                let (app, silent, stop) = (app.clone(), silent.clone(), stop.clone());
                open.spawn(async move {
                    let speaks = || drop(silent.with(|silent| silent.remove(&number)));
                    converse(stream, peer, speaks, app, limits, stop).await;
                    speaks();
                });
            }
            Err(error) => {
                // A connection that broke while it waited, or no handles left: neither ends the service.
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

/// Serves one connection to its end. `speaks` is called with every request.
async fn converse(
    stream: TcpStream,
    peer: Peer,
    speaks: impl Fn() + Send + Sync,
    app: TowerToHyperService<Router>,
    limits: Limits,
    stop: CancellationToken,
) {
    // Answers are written whole: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.silence));
    let cut = peer.cut.clone();
    let service = service_fn(|mut request: Request<Incoming>| {
        speaks();
        request.extensions_mut().insert(peer.clone());
        app.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let mut connection = pin!(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = cut.cancelled() => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
