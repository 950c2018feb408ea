//! A network whose every process, and every way between two of them, can fail.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use solana_keypair::{Keypair, write_keypair_file};
use solana_signer::Signer as _;
use tessera_sdk::{Config, Tessera};
use tessera_tests::proxy::{Protocol, Proxy, Rule};
use tokio::task::block_in_place;

use super::{
    actor::Actor,
    incident::{Incident, Link, WAYS, WORKERS, What, Whom},
};
use crate::{
    network::{Network, folder, free_port, program},
    process::{PATIENCE, binary, wait_for},
};

/// A way to the node: requests and notifications.
struct Way {
    rpc: Wire,
    ws: Wire,
}

/// A proxy, and what is wrong with it at present, by the incident that brought it.
struct Wire {
    proxy: Proxy,
    wrong: Mutex<Vec<(u64, Rule)>>,
}

/// A network.
pub struct World {
    pub network: Network,
    pub node: Mutex<Actor>,
    pub store: Mutex<Actor>,
    pub workers: Vec<Mutex<Actor>>,
    to_store: Wire,
    store_way: Way,
    client_way: Way,
    worker_ways: Vec<[Way; WAYS]>,
    /// The node itself, with nothing that fails between.
    node_url: (String, String),
    incidents: AtomicU64,
    /// By how much the node's clock is ahead by now.
    leapt: AtomicU64,
}

impl Wire {
    async fn new(upstream: &str, protocol: Protocol, seed: u64) -> Self {
        let proxy = Proxy::start("127.0.0.1:0", upstream, protocol, seed).await.unwrap();
        Self { proxy, wrong: Mutex::default() }
    }

    fn change(&self, change: impl FnOnce(&mut Vec<(u64, Rule)>)) {
        let mut wrong = locked(&self.wrong);
        change(&mut wrong);
        self.proxy.set(wrong.iter().map(|(_, rule)| rule.clone()).collect());
    }
}

impl Way {
    async fn new(rpc: &str, ws: &str, seed: u64) -> Self {
        Self { rpc: Wire::new(rpc, Protocol::Http, seed).await, ws: Wire::new(ws, Protocol::Tcp, seed).await }
    }

    fn urls(&self) -> (String, String) {
        (format!("http://{}", self.rpc.proxy.address()), format!("ws://{}", self.ws.proxy.address()))
    }
}

/// What a mutex holds, whoever panicked while it was locked.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// Starts everything but the client.
    pub async fn start(seed: u64) -> Self {
        let dir = folder();
        let [rpc, ws, store_at] = [(); 3].map(|()| format!("127.0.0.1:{}", free_port()));
        let node_url = (format!("http://{rpc}"), format!("ws://{ws}"));
        let mut node = node(dir.path(), &rpc, &ws);
        let ready = dir.path().join("node.json");
        node.start();
        block_in_place(|| {
            wait_for("the node", PATIENCE, || {
                node.tend();
                ready.exists()
            });
        });
        let urls = format!("{},{}", node_url.0, node_url.1);
        let mut network = block_in_place(|| Network::set_up(dir, WORKERS as u16, urls));
        let way = |n: u64| Way::new(&rpc, &ws, seed.wrapping_add(n));
        let (store_way, client_way) = (way(0).await, way(1).await);
        let mut worker_ways = vec![];
        for n in 1..=WORKERS as u64 {
            worker_ways.push([way(2 * n).await, way(2 * n + 1).await]);
        }
        let to_store = Wire::new(&store_at, Protocol::Http, seed).await;
        let public = to_store.proxy.address().to_string();
        let mut store = store(&network, &store_way, &store_at, &public);
        store.start();
        network.set_env("TESSERA_STORE", format!("http://{public}"));
        let workers = block_in_place(|| {
            let workers = worker_ways.iter().zip(1..).map(|(ways, n)| {
                network.register(n);
                let mut worker = worker(&network, n, ways);
                worker.start();
                Mutex::new(worker)
            });
            workers.collect()
        });
        Self {
            network,
            node: Mutex::new(node),
            store: Mutex::new(store),
            workers,
            to_store,
            store_way,
            client_way,
            worker_ways,
            node_url,
            incidents: AtomicU64::new(0),
            leapt: AtomicU64::new(0),
        }
    }

    /// The client of a run, whose way to the node can fail; `arguments` are those of the command when it is started.
    pub fn client(&self, seed: u64, arguments: Arc<Mutex<Vec<String>>>) -> Actor {
        let (rpc, ws) = self.client_way.urls();
        let mut env = self.network.environment().clone();
        env.extend([("TESSERA_URL".to_owned(), rpc), ("TESSERA_WS".to_owned(), ws)]);
        let dir = self.network.path("");
        Actor::new(&format!("client-{seed}"), &dir.clone(), move || {
            let mut command = Command::new(binary("tessera"));
            command.envs(&env).current_dir(&dir).arg("--json").args(locked(&arguments).iter());
            command
        })
    }

    /// A connection for looking at the chain, which waits for a node that is away.
    pub fn connect(&self) -> Tessera {
        self.look(Duration::from_secs(180))
    }

    /// The same for one that rather knows nothing than waits.
    pub fn eye(&self) -> Tessera {
        self.look(Duration::from_secs(2))
    }

    fn look(&self, patience: Duration) -> Tessera {
        let mut config = Config::new(&self.node_url.0);
        config.ws_urls = vec![self.node_url.1.clone()];
        config.patience = patience;
        Tessera::new(config).unwrap()
    }

    /// All that run here but the client.
    pub fn actors(&self) -> impl Iterator<Item = &Mutex<Actor>> {
        [&self.node, &self.store].into_iter().chain(&self.workers)
    }

    /// Starts what has ended.
    pub fn tend(&self) {
        self.actors().for_each(|actor| locked(actor).tend());
    }

    /// Makes something happen, for as long as it lasts.
    pub async fn suffer(&self, incident: &Incident, client: &Mutex<Actor>) {
        let actor = |whom: &Whom| match whom {
            Whom::Node => &self.node,
            Whom::Store => &self.store,
            Whom::Client => client,
            Whom::Worker(n) => &self.workers[*n],
        };
        let over = || tokio::time::sleep(incident.lasts);
        match &incident.what {
            What::Kill(whom) => locked(actor(whom)).kill(incident.lasts),
            What::Pause(whom) => {
                locked(actor(whom)).signal("STOP");
                over().await;
                locked(actor(whom)).signal("CONT");
            }
            What::DiskFull(whom) => {
                locked(actor(whom)).machine().set_full(true);
                over().await;
                locked(actor(whom)).machine().set_full(false);
            }
            What::Clock(Whom::Node, seconds) => {
                let leap = seconds.cast_unsigned();
                let ahead = self.leapt.fetch_add(leap, Ordering::Relaxed) + leap;
                locked(&self.node).machine().set_clock(ahead.cast_signed());
            }
            What::Clock(whom, seconds) => {
                locked(actor(whom)).machine().set_clock(*seconds);
                over().await;
                locked(actor(whom)).machine().set_clock(0);
            }
            What::Bad(link, rule) => {
                let id = self.incidents.fetch_add(1, Ordering::Relaxed);
                let wires = self.wires(*link);
                wires.iter().for_each(|wire| wire.change(|wrong| wrong.push((id, rule.clone()))));
                over().await;
                wires.iter().for_each(|wire| wire.change(|wrong| wrong.retain(|(other, _)| *other != id)));
            }
        }
    }

    fn wires(&self, link: Link) -> Vec<&Wire> {
        let ways: Vec<&Way> = match link {
            Link::Store => return vec![&self.to_store],
            Link::StoreToNode => vec![&self.store_way],
            Link::ClientToNode => vec![&self.client_way],
            Link::WorkerToNode(n, Some(way)) => vec![&self.worker_ways[n][way]],
            Link::WorkerToNode(n, None) => self.worker_ways[n].iter().collect(),
            Link::Node => {
                [&self.store_way, &self.client_way].into_iter().chain(self.worker_ways.iter().flatten()).collect()
            }
        };
        ways.into_iter().flat_map(|way| [&way.rpc, &way.ws]).collect()
    }
}

fn node(dir: &Path, rpc: &str, ws: &str) -> Actor {
    let port = |at: &str| at.rsplit(':').next().unwrap().to_owned();
    let (dir, rpc, ws) = (dir.to_owned(), port(rpc), port(ws));
    let admin = Keypair::new();
    fs::create_dir_all(dir.join("net/keys")).unwrap();
    write_keypair_file(&admin, dir.join("net/keys/admin.json")).unwrap();
    let authority = admin.pubkey().to_string();
    Actor::new("node", &dir.clone(), move || {
        let mut command = Command::new(binary("tessera-localnet"));
        command.args(["--upgradeable-program", &tessera_sdk::ID.to_string()]).arg(program()).arg(&authority);
        command.arg("--ledger").arg(dir.join("chain")).args(["--rpc-port", &rpc, "--ws-port", &ws]);
        command.arg("--ready-file").arg(dir.join("node.json"));
        command
    })
}

fn store(network: &Network, way: &Way, at: &str, public: &str) -> Actor {
    let dir = network.path("");
    let (url, market) = (way.urls().0, network.market().to_string());
    let (at, public) = (at.to_owned(), public.to_owned());
    Actor::new("store", &dir.clone(), move || {
        let mut command = Command::new(binary("tessera-store"));
        command.args(["--url", &url, "--market", &market, "--listen", &at, "--public-host", &public]);
        command.arg("--location").arg(dir.join("blobs"));
        command
    })
}

/// The worker of provider `n`, which is registered; it knows two ways to the node.
fn worker(network: &Network, n: u16, ways: &[Way; WAYS]) -> Actor {
    let config = network.config(n);
    let mut settings: toml::Table = fs::read_to_string(&config).unwrap().parse().unwrap();
    let (rpc, ws): (Vec<_>, Vec<_>) = ways.iter().map(Way::urls).unzip();
    let cluster = settings["cluster"].as_table_mut().unwrap();
    cluster.insert("rpc".into(), rpc.into());
    cluster.insert("websocket".into(), ws.into());
    fs::write(&config, settings.to_string()).unwrap();
    Actor::new(&format!("worker-{n}"), &network.path(""), move || {
        let mut command = Command::new(binary("tessera-worker"));
        command.arg("--config").arg(&config).arg("run");
        command
    })
}
