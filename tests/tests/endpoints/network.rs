//! A node in this process, and two ways to it, each with a proxy for requests and one for notifications.

use std::{path::Path, time::Duration};

use solana_keypair::{Keypair, read_keypair_file};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tempfile::TempDir;
use tessera_localnet::Running;
use tessera_migrate::{Cluster, CreateMint, MarketSettings, Migration, MintSettings, ProgramSettings, Settings};
use tessera_sdk::{Config, Tessera, token};
use tessera_tests::proxy::{Fault, Protocol, Proxy, Rule};
use tokio::time::sleep;

/// Slots are short, so that blockhashes expire within seconds.
const SLOT: Duration = Duration::from_millis(100);
const SOL: u64 = 1_000_000_000;

/// One way to the node.
pub struct Way {
    pub rpc: Proxy,
    pub ws: Proxy,
}

/// The node and the ways to it.
pub struct Network {
    node: Running,
    pub ways: [Way; 2],
    /// The node itself, without anything between.
    pub direct: Tessera,
}

impl Way {
    async fn start(node: &Running, seed: u64) -> Self {
        let to = |url: &str| url.split_once("://").unwrap().1.to_owned();
        let start = async |url: &str, protocol| Proxy::start("127.0.0.1:0", &to(url), protocol, seed).await.unwrap();
        let endpoints = node.endpoints();
        Self { rpc: start(&endpoints.rpc_url, Protocol::Http).await, ws: start(&endpoints.ws_url, Protocol::Tcp).await }
    }

    /// From now on these faults, those of bytes for notifications too.
    pub fn set(&self, rules: &[Rule]) {
        self.rpc.set(rules.to_vec());
        self.ws.set(rules.to_vec());
    }

    pub fn fail(&self, fault: Fault) {
        self.set(&[fault.into()]);
    }

    pub fn clear(&self) {
        self.set(&[]);
    }
}

impl Network {
    /// Ends all faults in so many seconds.
    pub async fn heal(&self, seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
        self.ways.iter().for_each(Way::clear);
    }

    pub async fn start(seed: u64) -> Self {
        let config = tessera_localnet::Config { rpc_port: 0, ws_port: 0, slot_time: SLOT, ..Default::default() };
        // Starting waits for the node, which has threads of its own.
        let node = tokio::task::spawn_blocking(move || tessera_localnet::start(&config)).await.unwrap().unwrap();
        let ways = [Way::start(&node, seed).await, Way::start(&node, seed + 1).await];
        let mut config = Config::new(&node.endpoints().rpc_url);
        config.ws_urls = vec![node.endpoints().ws_url.clone()];
        let direct = Tessera::new(config).unwrap();
        Self { node, ways, direct }
    }

    /// A client that knows both ways, and is in a hurry.
    pub fn client(&self) -> Tessera {
        Tessera::new(self.config()).unwrap()
    }

    pub fn config(&self) -> Config {
        let mut config = Config::localnet();
        config.rpc_urls = self.ways.iter().map(|way| format!("http://{}", way.rpc.address())).collect();
        config.ws_urls = self.ways.iter().map(|way| format!("ws://{}", way.ws.address())).collect();
        config.timeout = Duration::from_secs(4);
        config.patience = Duration::from_secs(20);
        config.poll = Duration::from_secs(1);
        config
    }

    /// A key with SOL.
    pub async fn wallet(&self) -> Keypair {
        let wallet = Keypair::new();
        self.direct.airdrop(&wallet.pubkey(), 10 * SOL).await.unwrap();
        wallet
    }

    /// Brings program, token and market to the node.
    pub async fn market(&self) -> Market {
        let dir = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let payer = dir.path().join("admin.json");
        let settings = Settings {
            cluster: Cluster::Localnet,
            url: self.node.endpoints().rpc_url.clone(),
            payer: payer.clone(),
            upgrade_authority: None,
            market_authority: None,
            priority_fee: 0,
            state_dir: Some(dir.path().join("migration")),
            program: ProgramSettings {
                keypair: root.join("programs/tessera/localnet-keypair.json"),
                binary: root.join("target/deploy/tessera.so"),
            },
            mint: MintSettings::Create(CreateMint { decimals: 8, supply: "0".into() }),
            market: MarketSettings { id: 0, ..MarketSettings::localnet().unwrap() },
        };
        let migration = Migration::prepare(&settings).await.unwrap();
        let address = migration.apply(&mut |_| {}).await.unwrap().market;
        let mint = self.direct.market(&address).await.unwrap().unwrap().mint;
        Market { address, mint, admin: read_keypair_file(payer).unwrap(), _dir: dir }
    }

    pub fn stop(self) {
        self.node.stop().unwrap();
    }
}

/// A market.
pub struct Market {
    pub address: Pubkey,
    pub mint: Pubkey,
    admin: Keypair,
    _dir: TempDir,
}

impl Market {
    /// Gives tokens to a wallet.
    pub async fn fund(&self, network: &Network, wallet: &Pubkey, amount: u64) {
        token::mint_to(&network.direct, &self.admin, &self.mint, wallet, amount).await.unwrap();
    }
}
