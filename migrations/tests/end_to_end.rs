//! Against a real node: an empty cluster gets everything, a second run nothing, an interrupted upload goes on, another
//! program is an upgrade, changed parameters are an update.
//!
//! Needs target/deploy/tessera.so (scripts/build-program). The node runs in this process; with `TESSERA_TEST_URL` set,
//! the one at that address is used, which must be empty.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use solana_keypair::Keypair;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_signer::Signer;
use tessera_localnet::{Config, Running, start};
use tessera_migrate::{Migration, Progress, Settings, Step};
use tessera_sdk::Tessera;
use tokio::sync::Notify;

struct World {
    dir: tempfile::TempDir,
    settings: Settings,
    _node: Option<Running>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = match std::env::var("TESSERA_TEST_URL") {
            Ok(_) => None,
            Err(_) => {
                // In memory: a ledger on disk takes the whole buffer again with every write to it.
                let config =
                    Config { rpc_port: 0, ws_port: 0, slot_time: Duration::from_millis(100), ..Config::default() };
                Some(start(&config).unwrap())
            }
        };
        let mut settings = Settings::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("localnet.toml")).unwrap();
        settings.url = node
            .as_ref()
            .map_or_else(|| std::env::var("TESSERA_TEST_URL").unwrap(), |node| node.endpoints().rpc_url.clone());
        settings.payer = dir.path().join("payer.json");
        settings.state_dir = Some(dir.path().join("state"));
        Self { dir, settings, _node: node }
    }

    async fn prepare(&self) -> Migration {
        Migration::prepare(&self.settings).await.unwrap()
    }

    /// Runs what is to be done; returns the steps, and how many chunks were written when the upload began.
    async fn apply(&self) -> (Vec<Step>, Option<usize>) {
        let migration = self.prepare().await;
        let mut first = None;
        let mut watch = |progress| {
            if let Progress::Upload(written, _) = progress {
                first.get_or_insert(written);
            }
        };
        migration.apply(&mut watch).await.unwrap();
        (migration.plan().steps.clone(), first)
    }

    async fn assert_done(&self) {
        let plan = self.prepare().await;
        assert!(plan.plan().is_empty(), "{}", plan.plan());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_through_its_life() {
    let mut world = World::new();
    let market = world.prepare().await.deployment().market;

    // Interrupted in the middle of the upload, as by Ctrl-C.
    {
        let (migration, written) = (world.prepare().await, Arc::new(Notify::new()));
        assert!(matches!(migration.plan().steps[0], Step::Airdrop(_)), "{}", migration.plan());
        let signal = Arc::clone(&written);
        let mut watch = move |progress| {
            if matches!(progress, Progress::Upload(done, _) if done > 0) {
                signal.notify_one();
            }
        };
        tokio::select! {
            result = migration.apply(&mut watch) => panic!("not interrupted: {result:?}"),
            () = written.notified() => {}
        }
    }
    let (steps, first) = world.apply().await;
    assert!(matches!(steps[..], [Step::Upload { .. }, Step::Deploy, Step::CreateMarket]), "{steps:?}");
    assert!(first.unwrap() > 0, "what was written was written again");
    world.assert_done().await;
    let tessera = Tessera::connect(tessera_sdk::Config::new(world.settings.url.clone())).await.unwrap();
    let found = tessera.market(&market).await.unwrap().unwrap();
    assert_eq!((found.params.fee_bps, found.params.min_stake), (500, 100 * 100_000_000));

    // Other parameters.
    world.settings.market.fee_bps = 250;
    world.settings.market.min_stake = "0.5".into();
    let (steps, _) = world.apply().await;
    assert_eq!(steps, [Step::UpdateMarket(vec![("fee_bps", 500, 250), ("min_stake", 10_000_000_000, 50_000_000)])]);
    world.assert_done().await;
    let found = tessera.market(&market).await.unwrap().unwrap();
    assert_eq!((found.params.fee_bps, found.params.min_stake), (250, 50_000_000));

    // A program that is larger than the deployed one: the loader ignores what follows the last section.
    let mut elf = fs::read(&world.settings.program.binary).unwrap();
    elf.extend_from_slice(&[7; 100]);
    world.settings.program.binary = world.path("larger.so");
    fs::write(&world.settings.program.binary, &elf).unwrap();
    let (steps, _) = world.apply().await;
    assert!(
        matches!(steps[..], [Step::CreateBuffer, Step::Upload { .. }, Step::Extend { by: 10_240 }, Step::Upgrade]),
        "{steps:?}"
    );
    world.assert_done().await;

    // A second market, of a creator without any SOL; the upgraded program runs.
    let creator = Keypair::new();
    let file = world.path("creator.json");
    fs::write(&file, format!("{:?}", creator.to_bytes())).unwrap();
    world.settings.market_authority = Some(file);
    world.settings.market.id = 7;
    let (steps, _) = world.apply().await;
    assert_eq!(steps, [Step::CreateMarket]);
    world.assert_done().await;
    let deployment = world.prepare().await.deployment();
    let found = tessera.market(&deployment.market).await.unwrap().unwrap();
    assert_eq!((found.authority, found.mint, found.id), (creator.pubkey(), deployment.mint, 7));

    // A buffer that a killed run left behind is closed, and its rent returned.
    let rpc = RpcClient::new(world.settings.url.clone());
    let payer = world.prepare().await.plan().desired.payer;
    let smaller = fs::read(world.path("larger.so")).unwrap();
    fs::write(&world.settings.program.binary, &smaller[..smaller.len() - 50]).unwrap();
    {
        let migration = world.prepare().await;
        let signal = Arc::new(Notify::new());
        let created = Arc::clone(&signal);
        let mut watch = move |progress| {
            if matches!(progress, Progress::Upload(..)) {
                created.notify_one();
            }
        };
        tokio::select! {
            result = migration.apply(&mut watch) => panic!("not interrupted: {result:?}"),
            () = signal.notified() => {}
        }
    }
    fs::write(&world.settings.program.binary, &elf).unwrap();
    let before = rpc.get_balance(&payer).await.unwrap();
    let (steps, _) = world.apply().await;
    assert!(matches!(steps[..], [Step::CloseBuffer { .. }]), "{steps:?}");
    assert!(rpc.get_balance(&payer).await.unwrap() > before);
    world.assert_done().await;
}
