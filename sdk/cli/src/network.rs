//! A network of one's own on this machine: node, program, token, market and store.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use solana_keypair::{Keypair, read_keypair_file, write_keypair_file};
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tessera_migrate::{Cluster, CreateMint, MarketSettings, Migration, MintSettings, ProgramSettings, Settings};
use tessera_sdk::{Account, Config, Tessera, accounts, token};
use tessera_store::server::{Running, ServeConfig, serve};
use tokio::time::{Instant, sleep};

use crate::children::{Child, sibling};

/// The key of the program's address on local networks, which every checkout has.
const PROGRAM_KEY: &str = include_str!("../../../programs/tessera/localnet-keypair.json");
/// The folder of a network's keys.
const KEYS: &str = "keys";
/// Digits after the point of the token that is made here.
pub const DECIMALS: u8 = 8;
/// One token in base units.
pub const TOKEN: u64 = 10u64.pow(DECIMALS as u32);
/// One SOL in lamports.
pub const SOL: u64 = 1_000_000_000;
/// Milliseconds from slot to slot on public clusters.
pub const SLOT_TIME: u64 = 400;
/// How long the node may take to answer; it replays its ledger first.
const NODE_START: Duration = Duration::from_secs(150);

/// What a network is made of.
pub struct Plan {
    /// Where keys, logs, blobs and the ledger lie.
    pub dir: PathBuf,
    /// The program as built for the chain.
    pub program: PathBuf,
    /// The node.
    pub node: Node,
    /// Milliseconds from slot to slot, unless somebody else started the node.
    pub slot_time: u64,
    /// Where the store listens.
    pub store: SocketAddr,
    /// Whether to forget what was there.
    pub reset: bool,
}

/// The node of a network. Ports are those of JSON-RPC and WebSocket; 0 picks free ones.
pub enum Node {
    /// One that forgets.
    InMemory { ports: (u16, u16) },
    /// One whose ledger survives a restart.
    OnDisk { ports: (u16, u16) },
    /// One that somebody else started.
    Running { rpc_url: String, ws_url: String },
}

/// How to reach a network, and who may do what in it.
pub struct Network {
    /// Pays for what was set up; mints the token.
    pub admin: Keypair,
    /// The node's addresses.
    pub rpc_url: String,
    pub ws_url: String,
    pub store_url: String,
    /// A connection to the node.
    pub tessera: Tessera,
    /// The market.
    pub market: Account<accounts::Market>,
}

/// What runs. [`Services::stop`] ends it in order; dropping it ends it too.
pub struct Services {
    /// Unless somebody else started it.
    node: Option<Child>,
    store: Running,
}

/// What the node writes when it answers.
#[derive(Deserialize)]
struct Ready {
    rpc_url: String,
    ws_url: String,
}

impl Network {
    /// Starts a network; `say` is told what happens.
    pub async fn start(plan: &Plan, say: &mut (dyn FnMut(String) + Send)) -> Result<(Self, Services)> {
        for dir in [plan.keys(), plan.logs()] {
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        if plan.reset {
            plan.forget()?;
        }
        say("starting the node".into());
        let (node, ready) = start_node(plan).await?;
        let mut config = Config::new(ready.rpc_url.clone());
        config.ws_urls = vec![ready.ws_url.clone()];
        let migration =
            Migration::prepare(&settings(plan, &ready.rpc_url)?).await.context("cannot set up the network")?;
        let mut fifths = 0;
        let mut tell = |progress| match progress {
            tessera_migrate::Progress::Step { what, .. } => say(what),
            tessera_migrate::Progress::Upload(written, of) if written * 5 / of.max(1) > fifths => {
                fifths = written * 5 / of.max(1);
                say(format!("{} % of the program is uploaded", fifths * 20));
            }
            tessera_migrate::Progress::Upload(..) => {}
        };
        let market = migration.apply(&mut tell).await.context("cannot set up the network")?.market;
        let tessera = Tessera::connect(config).await?;
        let market = tessera.market(&market).await?.context("the market was created, but the node does not show it")?;
        let admin = key(&plan.admin())?;
        if tessera.balance(&admin.pubkey()).await? < SOL {
            tessera.airdrop(&admin.pubkey(), 10 * SOL).await.context("cannot fund who mints the token")?;
        }
        say("starting the store".into());
        let mut serving = ServeConfig::new(plan.dir.join("store").display().to_string(), market.address);
        serving.listen = plan.store;
        let store = serve(serving, tessera.clone()).await.context("cannot start the store")?;
        let store_url = format!("http://{}", store.address());
        let network = Self { admin, rpc_url: ready.rpc_url, ws_url: ready.ws_url, store_url, tessera, market };
        Ok((network, Services { node, store }))
    }

    /// Gives a wallet SOL and tokens up to these amounts.
    pub async fn fund(&self, to: &Pubkey, lamports: u64, tokens: u64) -> Result<()> {
        let missing = lamports.saturating_sub(self.tessera.balance(to).await?);
        if missing > 0 {
            self.tessera.airdrop(to, missing).await.with_context(|| format!("cannot fund {to}"))?;
        }
        let mint = &self.market.mint;
        let held = self.tessera.token_balance(&token::ata(to, mint)).await?.unwrap_or(0);
        if held < tokens {
            let minted = token::mint_to(&self.tessera, &self.admin, mint, to, tokens - held).await;
            minted.with_context(|| format!("cannot mint tokens to {to}"))?;
        }
        Ok(())
    }
}

impl Services {
    /// Waits until something ends by itself, which nothing should.
    pub async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            error = ended(self.node.as_mut()) => error,
            ended = self.store.wait() => match ended {
                Ok(()) => anyhow!("the store ended"),
                Err(error) => anyhow!("the store failed: {error}"),
            },
        }
    }

    /// Stops the store, then the node.
    pub async fn stop(mut self) -> Result<()> {
        let stopped = self.store.shutdown(Duration::from_secs(5)).await;
        if let Some(node) = &mut self.node {
            node.stop().await;
        }
        stopped.context("the store failed")
    }
}

impl Plan {
    /// Where keys lie.
    pub fn keys(&self) -> PathBuf {
        self.dir.join(KEYS)
    }

    /// Where logs lie.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    fn admin(&self) -> PathBuf {
        admin_of(&self.dir)
    }

    /// Removes what belongs to a ledger that is to be forgotten; keys stay.
    fn forget(&self) -> Result<()> {
        for part in ["ledger", "store", "migration"] {
            let path = self.dir.join(part);
            match fs::remove_dir_all(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => bail!("cannot remove {}: {e}", path.display()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Waits until a node ends; forever if it is not ours.
async fn ended(node: Option<&mut Child>) -> anyhow::Error {
    match node {
        Some(node) => node.ended().await,
        None => std::future::pending().await,
    }
}

async fn start_node(plan: &Plan) -> Result<(Option<Child>, Ready)> {
    let (ports, durable) = match &plan.node {
        Node::InMemory { ports } => (ports, false),
        Node::OnDisk { ports } => (ports, true),
        Node::Running { rpc_url, ws_url } => {
            return Ok((None, Ready { rpc_url: rpc_url.clone(), ws_url: ws_url.clone() }));
        }
    };
    let ready_file = plan.dir.join("node.json");
    // One left behind by a node that was killed would be taken for the new one's.
    let _ = fs::remove_file(&ready_file);
    let mut args: Vec<OsString> =
        ["--rpc-port", &ports.0.to_string(), "--ws-port", &ports.1.to_string()].map(OsString::from).into();
    args.extend(["--ready-file".into(), ready_file.clone().into_os_string()]);
    args.extend(["--slot-time".into(), plan.slot_time.to_string().into()]);
    if durable {
        args.extend(["--ledger".into(), plan.dir.join("ledger").into_os_string()]);
    } else {
        args.push("--in-memory".into());
    }
    // As many transactions as it takes to upload it would be most of the ledger.
    args.extend([
        "--upgradeable-program".into(),
        tessera_sdk::ID.to_string().into(),
        plan.program.clone().into_os_string(),
    ]);
    args.push(key(&plan.admin())?.pubkey().to_string().into());
    let mut node =
        Child::start("tessera-localnet", &sibling("tessera-localnet")?, args, &plan.logs().join("node.log"))?;
    let give_up = Instant::now() + NODE_START;
    loop {
        node.check()?;
        if let Ok(text) = fs::read_to_string(&ready_file) {
            let ready = serde_json::from_str(&text).with_context(|| format!("{} is broken", ready_file.display()))?;
            return Ok((Some(node), ready));
        }
        if Instant::now() > give_up {
            bail!(
                "the node did not answer within {} s; see {}",
                NODE_START.as_secs(),
                plan.logs().join("node.log").display()
            );
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn settings(plan: &Plan, rpc_url: &str) -> Result<Settings> {
    let program_key = plan.keys().join("program.json");
    fs::write(&program_key, PROGRAM_KEY).with_context(|| format!("cannot write {}", program_key.display()))?;
    Ok(Settings {
        cluster: Cluster::Localnet,
        url: rpc_url.to_owned(),
        payer: plan.admin(),
        upgrade_authority: None,
        market_authority: None,
        priority_fee: 0,
        state_dir: Some(plan.dir.join("migration")),
        program: ProgramSettings { keypair: program_key, binary: plan.program.clone() },
        mint: MintSettings::Create(CreateMint { decimals: DECIMALS, supply: "0".into() }),
        market: MarketSettings { id: 0, ..MarketSettings::localnet()? },
    })
}

/// Where the key lies that mints the token of a network in `dir`.
pub fn admin_of(dir: &Path) -> PathBuf {
    dir.join(KEYS).join("admin.json")
}

/// Reads a key file.
pub fn key_at(path: &Path) -> Result<Keypair> {
    read_keypair_file(path).map_err(|e| anyhow!("{} is no key file: {e}", path.display()))
}

/// Reads a key file, or makes one.
pub fn key(path: &Path) -> Result<Keypair> {
    if path.exists() {
        return key_at(path);
    }
    let key = Keypair::new();
    write_keypair_file(&key, path).map_err(|e| anyhow!("cannot write {}: {e}", path.display()))?;
    Ok(key)
}

/// Where `scripts/build-program` puts the program, as seen from this binary in `target/debug` or `target/release`.
pub fn default_program() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    let beside = this.with_file_name("tessera.so");
    let built = this.parent()?.parent()?.join("deploy").join("tessera.so");
    [beside, built].into_iter().find(|path| path.is_file())
}

/// The program to deploy: the one given, or that of this checkout.
pub fn program(given: Option<PathBuf>) -> Result<PathBuf> {
    let path = given.or_else(default_program);
    path.context("there is no built program beside this binary; run scripts/build-program, or give --program FILE")
}
