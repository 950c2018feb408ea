//! Wallets that ask somebody for each signature: how often they do, and what is left where somebody refuses.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::{Signer, SignerError};
use tessera_sdk::{Error, JobFilter, Posted, Tessera, token};
use tessera_store::server::{Running, ServeConfig, serve_members};

use crate::network::{Market, Network};

#[allow(dead_code, reason = "of the example only its job is posted")]
#[path = "../../../sdk/client/examples/post_and_await.rs"]
mod example;

/// What a job puts into its escrow at most, and what a wallet holds in the beginning.
const TOKENS: u64 = 1_000_000;
/// Somebody who confirms everything.
const ALWAYS: u32 = u32::MAX;

/// A wallet that asks somebody, who refuses the request with a certain number.
struct Hand {
    key: Keypair,
    refuses: AtomicU32,
    asked: AtomicU32,
}

impl Hand {
    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Signer for Hand {
    fn try_pubkey(&self) -> Result<Pubkey, SignerError> {
        self.key.try_pubkey()
    }

    fn try_sign_message(&self, message: &[u8]) -> Result<Signature, SignerError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == self.refuses.load(Ordering::SeqCst) {
            return Err(SignerError::UserCancel("refused".into()));
        }
        // As devices do it: they sign transactions, and off-chain messages that name the signer.
        let text = message.strip_prefix(b"\xffsolana offchain\0");
        assert!(text.map_or(message[0] < 0x80, |text| text[34..66] == self.key.pubkey().to_bytes()), "{message:?}");
        self.key.try_sign_message(message)
    }

    fn is_interactive(&self) -> bool {
        true
    }
}

/// A store whose members are these wallets.
async fn store(dir: &tempfile::TempDir, market: &Market, wallets: &[Hand]) -> Running {
    let mut config = ServeConfig::new(dir.path().to_str().unwrap(), market.address);
    config.listen = "127.0.0.1:0".parse().unwrap();
    let members: HashSet<Pubkey> = wallets.iter().map(Signer::pubkey).collect();
    serve_members(config, Arc::new(members)).await.unwrap()
}

/// Posts a job of so many units.
async fn post(client: &Tessera, market: &Market, wallet: &Hand, store: &str, units: u64) -> Result<Posted, Error> {
    let (spec, blobs) = (example::spec(units), vec![Bytes::from(example::MODULE)]);
    client.post_job(wallet, &market.address, &spec, blobs, example::terms(1_000, store)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_refuses_has_posted_nothing_and_is_not_asked_twice() {
    let network = Network::start(17).await;
    let market = network.market().await;
    let mut wallets = vec![];
    for refuses in 0..3 {
        let key = network.wallet().await;
        market.fund(&network, &key.pubkey(), TOKENS).await;
        wallets.push(Hand { key, refuses: AtomicU32::new(refuses), asked: AtomicU32::new(0) });
    }
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, &market, &wallets).await;
    let url = format!("http://{}", store.address());
    let steps = ["to register", "to allow uploads", "to post"];
    for ((wallet, step), units) in wallets.iter().zip(steps).zip(4..) {
        let client = network.client();
        let held = token::ata(&wallet.pubkey(), &market.mint);
        let jobs = async || network.direct.jobs(&market.address, JobFilter::Wallet(wallet.pubkey())).await.unwrap();

        let error = post(&client, &market, wallet, &url, units).await.unwrap_err();
        assert!(matches!(error, Error::Signer { .. }), "{step}: {error}");
        assert!(jobs().await.is_empty(), "{step}: a job without consent");
        assert_eq!(network.direct.token_balance(&held).await.unwrap(), Some(TOKENS), "{step}");

        // What was confirmed before need not be confirmed again.
        wallet.refuses.store(ALWAYS, Ordering::SeqCst);
        let posted = post(&client, &market, wallet, &url, units).await.unwrap();
        assert_eq!(wallet.asked(), 4, "{step}: register, uploads, post, and the one that was refused");
        let found: Vec<Pubkey> = jobs().await.iter().map(|job| job.address).collect();
        assert_eq!(found, [posted.job], "{step}");
        assert_eq!(network.direct.token_balance(&held).await.unwrap(), Some(TOKENS - posted.deposited), "{step}");
    }
    // A client that goes on asks for one thing a job, whatever it uploads.
    let (client, wallet) = (network.client(), &wallets[0]);
    for (units, asked) in [(11, 6), (12, 7)] {
        let posted = post(&client, &market, wallet, &url, units).await.unwrap();
        assert_eq!((posted.uploaded, wallet.asked()), (1, asked));
    }
    network.stop();
}
