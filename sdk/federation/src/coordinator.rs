//! The coordinator: a service that participants ask for letters, and rounds that are gathered through it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tessera_protocol::hash::Digest;
use tessera_secure_sum::{Key, Round};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Gathering, Times, connections,
    desk::Desks,
    routes::{self, Service},
};

/// How a coordinator behaves.
#[derive(Clone, Debug)]
pub struct CoordinatorConfig {
    /// Address to listen on; port 0 picks a free one. Participants need to reach it, nobody needs to reach them.
    pub listen: SocketAddr,
    /// Whose training it is.
    pub training: Digest,
    /// The keys of all participants. Nobody else is listened to.
    pub participants: Vec<Key>,
    /// How long a request for a letter waits for one.
    pub poll: Duration,
    /// How long a connection may take to send the head of a request, and be silent between two; and how long a body may take.
    pub silence: Duration,
    /// Most connections at once.
    pub max_connections: usize,
}

impl CoordinatorConfig {
    /// For a training among `participants`: polls of 25 s, 15 s of silence, four connections for each participant and 64 more.
    #[must_use]
    pub fn new(listen: SocketAddr, training: Digest, participants: Vec<Key>) -> Self {
        let max_connections = 64 + 4 * participants.len();
        let (poll, silence) = (Duration::from_secs(25), Duration::from_secs(15));
        Self { listen, training, participants, poll, silence, max_connections }
    }
}

/// A running coordinator. Dropping it stops it, and no round that is under way can go on.
pub struct Coordinator {
    address: SocketAddr,
    training: Digest,
    desks: Arc<Desks>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Coordinator {
    /// Begins to listen.
    ///
    /// # Errors
    /// If a setting is 0, the address cannot be listened on, or the system gives no random bytes.
    pub async fn start(config: CoordinatorConfig) -> Result<Self, Error> {
        let CoordinatorConfig { listen, training, participants, poll, silence, max_connections } = config;
        if poll.is_zero() || silence.is_zero() || max_connections == 0 {
            return Err(Error::Config("poll, silence and max_connections must be more than 0".into()));
        }
        let epoch = getrandom::u64().map_err(|e| tessera_secure_sum::Error::Random(e.to_string()))?;
        let unbound = |source| Error::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        let desks = Arc::new(Desks::new(participants, epoch));
        let service = Service { training: hex::encode(training), desks: Arc::clone(&desks), poll, body: silence };
        let stop = CancellationToken::new();
        let app = routes::router(Arc::new(service));
        let task = tokio::spawn(connections::serve(listener, app, max_connections, silence, stop.clone()));
        Ok(Self { address, training, desks, stop, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Invites the members of `round`, and gathers their keys and shares. Several groups may be gathered at once.
    ///
    /// # Errors
    /// If the numbers of the round do not fit, it is of another training, a member is no participant or in another round; or if too few
    /// answer: then the round is void.
    pub async fn gather(&self, round: Round, times: Times) -> Result<Gathering, Error> {
        if round.training != self.training {
            let (asked, own) = (hex::encode(round.training), hex::encode(self.training));
            return Err(Error::Config(format!("a round of training {asked}, this coordinator is of {own}")));
        }
        Gathering::begin(Arc::clone(&self.desks), round, times).await
    }

    /// Stops at once.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        // Ends by the token; if the task has crashed there is nothing more to stop.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
