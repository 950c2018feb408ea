//! A network of real processes: `tessera localnet` (node, program, token, market, store) and workers.

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use solana_keypair::read_keypair_file;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tempfile::TempDir;
use tessera_sdk::{Config, Event, Kind, Recorded, Tessera, pda};

use crate::place::Place;

/// How long anything may take that starts or stops; a node that keeps its ledger on disk takes minutes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(420);
/// How long a small picture may take on a machine that is busy with other things.
const PICTURE: Duration = Duration::from_secs(420);
/// What each provider stakes, in tokens.
const STAKE: &str = "1000";
/// Sides of the small picture: 64 × 48 pixels in tiles of 16 are 12 units.
pub const PICTURE_ARGS: &[&str] =
    &["--size", "64x48", "--tile", "16", "--samples", "2", "--units-per-lease", "3", "--price", "0.01", "--try", "0"];
/// Leases of the small picture.
pub const LEASES: usize = 4;

/// A running network. Dropping it stops everything and removes its files.
pub struct Network {
    dir: TempDir,
    ledger: Ledger,
    localnet: Option<Process>,
    ports: [u16; 3],
    env: HashMap<String, String>,
    _place: Place,
}

/// Where the node keeps its ledger.
#[derive(Clone, Copy)]
pub enum Ledger {
    /// Gone when it stops, and faster.
    InMemory,
    /// There again when it starts.
    OnDisk,
}

/// A process that does not outlive its owner.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Network {
    /// Starts a network, with `providers` funded keys.
    pub fn start(providers: u16, ledger: Ledger) -> Self {
        let place = Place::take();
        let dir = tempfile::Builder::new().prefix("tessera-e2e-").tempdir().unwrap();
        let ports = [free_port(), free_port(), free_port()];
        let mut network = Self { dir, ledger, localnet: None, ports, env: HashMap::new(), _place: place };
        network.start_localnet(providers);
        // Auditors and jurors are drawn by stake, and most of a small market waits half a minute for its turn. With a weight of a
        // little more than half the market there is one provider by the count of the routing, and everybody may come at once.
        let staked: u32 = STAKE.parse().unwrap();
        network.update_market(&["--stake-cap", &(u32::from(providers) * staked / 2 + 1).to_string()]);
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
        match (std::env::var("TESSERA_TEST_NODE"), self.ledger) {
            (Ok(node), _) => command.args(["--node", &node]),
            (Err(_), Ledger::InMemory) => command.arg("--in-memory"),
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

    /// A value that `tessera localnet` printed.
    pub fn env(&self, name: &str) -> &str {
        self.env.get(name).unwrap_or_else(|| panic!("tessera localnet gave no {name}"))
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

    /// The key of provider `n`, from 1.
    fn authority(&self, n: u16) -> PathBuf {
        self.path("net/keys").join(format!("provider-{n}.json"))
    }

    /// The account of provider `n`, from 1.
    pub fn provider(&self, n: u16) -> Pubkey {
        let authority = read_keypair_file(self.authority(n)).unwrap().pubkey();
        pda::provider(&self.env("TESSERA_MARKET").parse().unwrap(), &authority)
    }

    /// Configures, registers and stakes provider `n`.
    pub fn register(&self, n: u16) {
        let authority = self.authority(n);
        let owner = read_keypair_file(&authority).unwrap().pubkey().to_string();
        let (operator, data) = (self.path(&format!("operator-{n}.json")), self.path(&format!("worker-{n}")));
        let mut init = self.worker("tessera-worker", n);
        init.args(["init", "--force", "--url", self.env("TESSERA_URL"), "--market", self.env("TESSERA_MARKET")]);
        init.args(["--authority", &owner]).arg("--operator-keypair").arg(operator).arg("--data-dir").arg(data);
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
        stake.args(["stake", STAKE, "--keypair"]).arg(&authority);
        run(stake);
    }

    fn config(&self, n: u16) -> PathBuf {
        self.path(&format!("worker-{n}.toml"))
    }

    fn worker(&self, name: &str, n: u16) -> Command {
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
        command.args(["withdraw", "--stake", tokens, "--keypair"]).arg(self.authority(n)).stdin(Stdio::null());
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Renders `scene` small with `replicas`.
    pub fn render(&self, name: &str, scene: &Path, replicas: u8) -> Rendering {
        self.render_by(name, scene, replicas, &[])
    }

    /// The same by providers `by` alone; others audit and decide.
    pub fn render_by(&self, name: &str, scene: &Path, replicas: u8, by: &[u16]) -> Rendering {
        self.render_with(name, scene, replicas, by, &[])
    }

    /// The same with further options.
    pub fn render_with(&self, name: &str, scene: &Path, replicas: u8, by: &[u16], options: &[&str]) -> Rendering {
        let stem = self.path(name);
        let mut command = self.tessera();
        command.args(["--json", "render"]).arg(scene).args(PICTURE_ARGS);
        for extension in ["png", "exr"] {
            command.arg("--out").arg(stem.with_extension(extension));
        }
        command.args(["--replicas", &replicas.to_string(), "--lease-seconds", "60"]).args(options);
        if !by.is_empty() {
            let addresses: Vec<String> = by.iter().map(|n| self.provider(*n).to_string()).collect();
            command.args(["--allow", &addresses.join(",")]);
        }
        let log = self.path(&format!("{name}.log"));
        let out = self.path(&format!("{name}.json"));
        command.stdout(File::create(&out).unwrap());
        Rendering { process: Process::start_with_output(name, command, &log), out, stem }
    }

    /// A connection for looking at the chain.
    pub async fn connect(&self) -> Tessera {
        let mut config = Config::new(self.env("TESSERA_URL"));
        config.ws_url = Some(self.env("TESSERA_WS").to_owned());
        Tessera::connect(config).await.unwrap()
    }
}

/// A rendering under way.
pub struct Rendering {
    process: Process,
    out: PathBuf,
    stem: PathBuf,
}

impl Rendering {
    /// The last lines that its command wrote.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits for the picture; returns the job.
    pub fn wait(mut self) -> (Pubkey, PathBuf) {
        let status = self.process.wait(PICTURE);
        assert!(status.success(), "rendering failed: {}", self.process.log());
        let text = fs::read_to_string(&self.out).unwrap();
        let result: serde_json::Value = serde_json::from_str(&text).unwrap();
        (result["jobs"][0].as_str().unwrap().parse().unwrap(), self.stem.clone())
    }
}

impl Process {
    /// Starts a process that writes what it says to a file.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Self {
        let log_file = File::options().create(true).append(true).open(log).unwrap();
        command.stdout(log_file.try_clone().unwrap());
        Self::start_with_output(name, command, log)
    }

    fn start_with_output(name: &str, mut command: Command, log: &Path) -> Self {
        let log_file = File::options().create(true).append(true).open(log).unwrap();
        command.stderr(log_file).stdin(Stdio::null());
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        Self { name: name.to_owned(), log: log.to_owned(), child }
    }

    /// The last lines it wrote.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Fails the test if it has ended.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended ({status}):\n{}", self.name, self.log());
        }
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, patience: Duration) -> std::process::ExitStatus {
        let mut status = None;
        let end = Instant::now() + patience;
        while status.is_none() {
            assert!(Instant::now() < end, "{} did not end within {patience:?}:\n{}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(100));
            status = self.child.try_wait().unwrap();
        }
        status.unwrap()
    }

    /// Asks it to stop and waits.
    pub fn stop(mut self) {
        self.signal("TERM");
        self.wait(PATIENCE);
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", name, &pid]).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
            let end = Instant::now() + Duration::from_secs(20);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits until `done` or fails.
pub fn wait_for(what: &str, patience: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !done() {
        assert!(Instant::now() < end, "{what} did not come within {patience:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs a command that ends by itself and must succeed.
fn run(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
}

/// A binary of the workspace, beside this test's own directory.
pub fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this.parent().unwrap().parent().unwrap().join(name);
    assert!(path.is_file(), "{} is missing; run `cargo build --workspace --bins` first", path.display());
    path
}

fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/deploy/tessera.so");
    assert!(path.is_file(), "{} is missing; run scripts/build-program first", path.display());
    path
}

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A seat that was paid.
#[derive(Clone, Copy, Debug)]
pub struct Settlement {
    pub lease: u32,
    pub provider: Pubkey,
    pub kind: Kind,
    pub pay: u64,
    pub root: [u8; 32],
}

/// The seats of a job that were paid.
pub fn settlements(history: &[Recorded]) -> Vec<Settlement> {
    let settled = history.iter().filter_map(|recorded| match &recorded.event {
        Event::LeaseSettled(e) => Some(Settlement {
            lease: e.index,
            provider: e.provider,
            kind: Kind::try_from(e.kind).unwrap(),
            pay: e.pay,
            root: e.result_root,
        }),
        _ => None,
    });
    settled.collect()
}

/// Those of them that the client asked for; audits come by chance.
pub fn replicas(history: &[Recorded]) -> Vec<Settlement> {
    settlements(history).into_iter().filter(|settled| settled.kind == Kind::Base).collect()
}

/// How often each provider claimed each lease.
pub fn claims(history: &[Recorded]) -> HashMap<(u32, Pubkey), u32> {
    let mut claims = HashMap::new();
    for recorded in history {
        if let Event::LeaseClaimed(e) = &recorded.event {
            *claims.entry((e.index, e.provider)).or_default() += 1;
        }
    }
    claims
}
