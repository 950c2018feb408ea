//! A network is whole, and ends; and its job computes what it says.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use solana_keypair::Keypair;
use solana_signer::Signer;
use tessera_protocol::cid::Cid;
use tessera_ptx::{Access, Launch, Limits, Machine, Memory, Module};
use tessera_sdk::{StoreClient, token};
use tessera_testing::{Network, Options, SOL, TOKEN, sample};
use tokio::time::sleep;

/// Longest that a listener may take to go.
const PATIENCE: Duration = Duration::from_secs(30);

async fn ends(url: &str) {
    let (_, address) = url.split_once("://").unwrap();
    let start = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(start.elapsed() < PATIENCE, "somebody still listens on {address}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_network_is_whole_and_ends() {
    let network = Network::start().await.unwrap();
    let (tessera, wallet) = (network.tessera(), network.wallet());
    let market = tessera.market(network.market()).await.unwrap().unwrap();
    assert_eq!((market.authority, market.mint), (network.admin().pubkey(), *network.mint()));
    let tokens = async |key: &Keypair| tessera.token_balance(&token::ata(&key.pubkey(), network.mint())).await.unwrap();
    assert_eq!(tessera.balance(&wallet.pubkey()).await.unwrap(), 100 * SOL);
    assert_eq!(tokens(wallet).await, Some(10_000 * TOKEN));

    let other = Keypair::new();
    network.fund(&other.pubkey(), SOL, 5 * TOKEN).await.unwrap();
    assert_eq!((tessera.balance(&other.pubkey()).await.unwrap(), tokens(&other).await), (SOL, Some(5 * TOKEN)));

    let (spec, blobs) = sample::job(8);
    let terms = sample::terms(network.store_url());
    let posted = tessera.post_job(&other, network.market(), &spec, blobs, terms).await.unwrap();
    assert_eq!((posted.uploaded, tokens(&other).await), (2, Some(5 * TOKEN - posted.deposited)));
    let store = StoreClient::new(network.store_url()).unwrap();
    let module = store.get(&Cid::of(sample::MODULE.as_bytes()), 1 << 20).await.unwrap();
    assert_eq!(module, sample::MODULE);

    let urls = [network.rpc_url(), network.ws_url(), network.store_url()].map(str::to_owned);
    network.stop().await.unwrap();
    for url in urls {
        ends(&url).await;
    }
}

#[tokio::test]
async fn a_network_that_is_dropped_ends() {
    let network = Network::start().await.unwrap();
    let urls = [network.rpc_url(), network.ws_url(), network.store_url()].map(str::to_owned);
    drop(network);
    for url in urls {
        ends(&url).await;
    }
}

#[tokio::test]
async fn a_program_that_was_not_built_is_asked_for() {
    let options = Options { program: "nowhere/tessera.so".into(), ..Options::default() };
    let error = Network::start_with(options).await.err().expect("there is no program").to_string();
    assert!(error.contains("nowhere/tessera.so") && error.contains("scripts/build-program"), "{error}");
}

#[test]
fn units_of_the_sample_are_their_numbers() {
    let module = Module::parse(sample::MODULE).unwrap();
    assert!(module.check().is_empty());
    let kernel = module.kernel("number").unwrap();
    let mut memory = Memory::new(&module);
    let out = memory.alloc(8, Access::ReadWrite).unwrap();
    let params = kernel.pack(&[&out.to_le_bytes(), &7u64.to_le_bytes()]).unwrap();
    let launch = Launch { grid: [1; 3], block: [1; 3], shared_len: 0, params: &params };
    Machine.launch(&mut memory, kernel, &launch, Limits::default()).unwrap();
    let mut bytes = [0; 8];
    memory.read(out, &mut bytes).unwrap();
    assert_eq!(u64::from_le_bytes(bytes), 7);
}
