//! A network of real processes: `tessera localnet` (node, program, token, market, store) and workers.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use solana_keypair::{Keypair, read_keypair_file};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tempfile::TempDir;
use tessera_sdk::{Config, Tessera, pda};

use crate::{
    place::Place,
    process::{PATIENCE, Process, binary, run, wait_for},
};

/// Base units of a token.
pub const TOKEN: u64 = 100_000_000;
/// What each provider stakes, in tokens and in base units.
const STAKE: u64 = 1000;
pub const STAKED: u64 = STAKE * TOKEN;

/// A running network. Dropping it stops everything and removes its files.
pub struct Network {
    dir: TempDir,
    ledger: Ledger,
    localnet: Option<Process>,
    ports: [u16; 3],
    env: HashMap<String, String>,
    _place: Option<Place>,
}

/// Where the node keeps its ledger.
pub enum Ledger {
    /// Gone when it stops, and faster.
    InMemory,
    /// The same, with slots of 50 ms.
    FastSlots,
    /// There again when it starts.
    OnDisk,
    /// Where whoever started the node wants it: its URLs for JSON-RPC and WebSocket, with a comma between them.
    Elsewhere(String),
}

impl Network {
    /// Starts a network, with `providers` funded keys.
    pub fn start(providers: u16, ledger: Ledger) -> Self {
        let place = Place::take();
        Self::begin(folder(), providers, ledger, Some(place))
    }

    /// Sets up a network in `dir` on a `node` that runs already. Its store does not run: that is up to the caller, as is how many
    /// of these there are.
    pub fn set_up(dir: TempDir, providers: u16, node: String) -> Self {
        let mut network = Self::begin(dir, providers, Ledger::Elsewhere(node), None);
        network.localnet.take().expect("it was started").stop();
        network
    }

    fn begin(dir: TempDir, providers: u16, ledger: Ledger, place: Option<Place>) -> Self {
        let ports = [free_port(), free_port(), free_port()];
        let mut network = Self { dir, ledger, localnet: None, ports, env: HashMap::new(), _place: place };
        network.start_localnet(providers);
        // Auditors and jurors are drawn by stake, and most of a small market waits half a minute for its turn. With a weight of a
        // little more than half the market there is one provider by the count of the routing, and everybody may come at once.
        network.update_market(&["--stake-cap", &(u64::from(providers) * STAKE / 2 + 1).to_string()]);
        network
    }

    fn start_localnet(&mut self, providers: u16) {
        let [rpc, ws, store] = self.ports.map(|port| port.to_string());
        let dir = self.dir.path().join("net");
        let env = dir.join("env");
        let _ = fs::remove_file(&env);
        let mut command = Command::new(binary("tessera"));
        command.arg("localnet").arg("--dir").arg(&dir).args([
            "--rpc-port",
            &rpc,
            "--ws-port",
            &ws,
            "--store-port",
            &store,
        ]);
        command.args(["--providers", &providers.to_string()]).arg("--program").arg(program());
        match (std::env::var("TESSERA_TEST_NODE"), &self.ledger) {
            (_, Ledger::Elsewhere(node)) => command.args(["--node", node]),
            (Ok(node), _) => command.args(["--node", &node]),
            (Err(_), Ledger::InMemory) => command.arg("--in-memory"),
            (Err(_), Ledger::FastSlots) => command.args(["--in-memory", "--slot-time", "50"]),
            (Err(_), Ledger::OnDisk) => &mut command,
        };
        let mut localnet = Process::start("localnet", command, &self.dir.path().join("localnet.log"));
        wait_for("the network", PATIENCE, || {
            localnet.assert_running();
            env.exists()
        });
        // `export NAME=value` lines.
        let text = fs::read_to_string(&env).unwrap();
        let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        self.env = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.localnet = Some(localnet);
    }

    /// Stops node and store and starts them again on the same ports with the same ledger.
    pub fn restart(&mut self, providers: u16) {
        if let Some(localnet) = self.localnet.take() {
            localnet.stop();
        }
        self.start_localnet(providers);
    }

    /// The process of `tessera localnet`, which is also the store and has started the node.
    pub fn localnet_id(&self) -> u32 {
        self.localnet.as_ref().expect("the network runs").id()
    }

    /// A value that `tessera localnet` printed.
    pub fn env(&self, name: &str) -> &str {
        self.env.get(name).unwrap_or_else(|| panic!("tessera localnet gave no {name}"))
    }

    /// What points commands at this network.
    pub const fn environment(&self) -> &HashMap<String, String> {
        &self.env
    }

    /// From now on this is the value for everybody who is started.
    pub fn set_env(&mut self, name: &str, value: String) {
        self.env.insert(name.to_owned(), value);
    }

    /// A file in the folder of this network.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `tessera` with the arguments that point it at this network.
    pub fn tessera(&self) -> Command {
        let mut command = Command::new(binary("tessera"));
        command.envs(&self.env).current_dir(self.dir.path());
        command
    }

    /// The market.
    pub fn market(&self) -> Pubkey {
        self.env("TESSERA_MARKET").parse().unwrap()
    }

    /// The mint that is paid with.
    pub async fn mint(&self, tessera: &Tessera) -> Pubkey {
        tessera.market(&self.market()).await.unwrap().unwrap().mint
    }

    /// The wallet of the client.
    pub fn client(&self) -> Keypair {
        read_keypair_file(self.env("TESSERA_KEYPAIR")).unwrap()
    }

    /// The key of whoever set the network up.
    pub fn admin(&self) -> Keypair {
        read_keypair_file(self.path("net/keys/admin.json")).unwrap()
    }

    /// The key file of the wallet of provider `n`, from 1.
    pub fn authority_file(&self, n: u16) -> PathBuf {
        self.path("net/keys").join(format!("provider-{n}.json"))
    }

    /// The key of the owner of provider `n`.
    pub fn authority(&self, n: u16) -> Keypair {
        read_keypair_file(self.authority_file(n)).unwrap()
    }

    /// The key file with which provider `n` works.
    fn operator_file(&self, n: u16) -> PathBuf {
        self.path(&format!("operator-{n}.json"))
    }

    /// The key that provider `n`, once registered, works with.
    pub fn operator(&self, n: u16) -> Keypair {
        read_keypair_file(self.operator_file(n)).unwrap()
    }

    /// The account of provider `n`.
    pub fn provider(&self, n: u16) -> Pubkey {
        pda::provider(&self.market(), &self.authority(n).pubkey())
    }

    /// Configures, registers and stakes provider `n`.
    pub fn register(&self, n: u16) {
        self.register_with(n, n);
    }

    /// The same, for work with the operator key of provider `owner`, which may be another one of the same owner.
    pub fn register_with(&self, n: u16, owner: u16) {
        let authority = self.authority_file(n);
        let wallet = self.authority(n).pubkey().to_string();
        let (operator, data) = (self.operator_file(owner), self.path(&format!("worker-{n}")));
        let mut init = self.worker("tessera-worker", n);
        init.args(["init", "--force", "--url", self.env("TESSERA_URL"), "--market", self.env("TESSERA_MARKET")]);
        init.args(["--authority", &wallet]).arg("--operator-keypair").arg(operator).arg("--data-dir").arg(data);
        run(init);
        let config = self.config(n);
        let mut settings: toml::Table = fs::read_to_string(&config).unwrap().parse().unwrap();
        let cluster = settings["cluster"].as_table_mut().unwrap();
        cluster.insert("websocket".into(), self.env("TESSERA_WS").into());
        cluster.insert("poll_seconds".into(), 0.5.into());
        settings
            .entry("executor")
            .or_insert_with(|| toml::Table::new().into())
            .as_table_mut()
            .unwrap()
            .insert("backend".into(), "cpu".into());
        fs::write(&config, settings.to_string()).unwrap();
        let mut register = self.worker("tessera-worker", n);
        register.args(["register", "--fund", "5", "--keypair"]).arg(&authority);
        run(register);
        let mut stake = self.worker("tessera-worker", n);
        stake.args(["stake", &STAKE.to_string(), "--keypair"]).arg(&authority);
        run(stake);
    }

    /// The configuration of worker `n`.
    pub fn config(&self, n: u16) -> PathBuf {
        self.path(&format!("worker-{n}.toml"))
    }

    /// A command of worker `n`; `name` is the program.
    pub fn worker(&self, name: &str, n: u16) -> Command {
        let mut command = Command::new(binary(name));
        command.arg("--config").arg(self.config(n));
        command
    }

    /// Starts the worker of provider `n`.
    pub fn run_worker(&self, n: u16) -> Process {
        let mut command = self.worker("tessera-worker", n);
        command.arg("run");
        Process::start(&format!("worker {n}"), command, &self.path(&format!("worker-{n}.log")))
    }

    /// Starts a worker of provider `n` that misbehaves, see `tests/src/bin/faulty-worker.rs`.
    pub fn run_faulty_worker(&self, n: u16, fault: &str) -> Process {
        let mut command = self.worker("faulty-worker", n);
        command.arg("run").env("TESSERA_FAULT", fault);
        Process::start(&format!("faulty worker {n}"), command, &self.path(&format!("worker-{n}-faulty.log")))
    }

    /// Changes parameters of the market, given as options of `tessera market update`.
    pub fn update_market(&self, options: &[&str]) {
        let mut command = self.tessera();
        command.args(["market", "update", "--keypair"]).arg(self.path("net/keys/admin.json")).args(options);
        run(command);
    }

    /// Asks for stake of provider `n` back; returns whether that was possible, and what the worker said.
    pub fn request_unstake(&self, n: u16, tokens: &str) -> (bool, String) {
        let mut command = self.worker("tessera-worker", n);
        command.args(["withdraw", "--stake", tokens, "--keypair"]).arg(self.authority_file(n)).stdin(Stdio::null());
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A connection for looking at the chain.
    pub async fn connect(&self) -> Tessera {
        let mut config = Config::new(self.env("TESSERA_URL"));
        config.ws_urls = vec![self.env("TESSERA_WS").to_owned()];
        Tessera::connect(config).await.unwrap()
    }
}

/// A new folder for a network.
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("tessera-e2e-").tempdir().unwrap()
}

/// The program as built for the chain.
pub fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/deploy/tessera.so");
    assert!(path.is_file(), "{} is missing; run scripts/build-program first", path.display());
    path
}

/// A port that nobody uses now, nor soon: it lies below those that the system gives to whoever asks for any, and other processes of
/// these tests look for theirs elsewhere.
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(37);
    for _ in 0..COUNT {
        let number = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + number).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port from {FIRST} on is free");
}
