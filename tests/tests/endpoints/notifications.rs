//! Who follows a job hears of what happens at once, although connections break and fall silent: polls are too seldom here to help.

use std::time::Duration;

use futures_util::StreamExt;
use solana_keypair::Keypair;
use solana_signer::Signer;
use tessera_sdk::{JobUpdate, MarketUpdate, Tessera, ix, pda};
use tessera_tests::proxy::Fault;
use tokio::time::timeout;

use crate::{
    jobs::{TOKENS, post},
    network::{Market, Network},
};

/// A connection that is silent for 12 seconds is taken for dead, and another one made.
const SOON: Duration = Duration::from_secs(60);

/// A client of a market with tokens in its wallet, and somebody who follows and hardly ever polls.
struct Stage {
    network: Network,
    market: Market,
    wallet: Keypair,
    client: Tessera,
}

async fn stage(seed: u64) -> Stage {
    let network = Network::start(seed).await;
    let market = network.market().await;
    let wallet = network.wallet().await;
    market.fund(&network, &wallet.pubkey(), TOKENS).await;
    network.direct.register_client(&wallet, &market.address).await.unwrap();
    let mut config = network.config();
    config.poll = Duration::from_secs(3_600);
    let client = Tessera::new(config).unwrap();
    Stage { network, market, wallet, client }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_lost_leave_no_gap() {
    let Stage { network, market, wallet, client } = stage(8).await;
    let key = wallet.pubkey();
    let job = pda::job(&pda::client(&market.address, &key), 0);
    let mut updates = client.watch_job(&job);
    let mut wait_for = async |name: &str| {
        let next = async {
            while let Some(update) = updates.next().await {
                let found = match &update {
                    JobUpdate::Event(recorded) => recorded.event.name() == name,
                    JobUpdate::Closed => name == "the end",
                    JobUpdate::Job(_) => false,
                };
                if found {
                    return true;
                }
            }
            false
        };
        assert!(timeout(SOON, next).await.unwrap_or(false), "{name} did not come; {:?}", client.endpoints());
    };
    let send = async |instruction| drop(network.direct.send(&[instruction], &wallet, &[]).await.unwrap());

    let deadline = network.direct.clock().await.unwrap().time + 3_600;
    send(ix::post_job(&key, &market.address, &market.mint, 0, &post(deadline))).await;
    wait_for("JobPosted").await;
    // Broken, and no new one: the next endpoint takes over.
    network.ways[0].ws.set(vec![Fault::Cut { within: 0 }.into(), Fault::Refuse.into()]);
    send(ix::top_up_job(&key, &job, &market.mint, 60, 0)).await;
    wait_for("JobToppedUp").await;
    // Open, and nothing comes: the first one is well again.
    network.ways[0].ws.clear();
    network.ways[1].ws.fail(Fault::Stall);
    send(ix::cancel_job(&key, &job)).await;
    wait_for("JobCancelled").await;
    network.ways[1].ws.clear();
    let found = network.direct.job(&job).await.unwrap().unwrap();
    send(ix::close_job(&found, &market.mint, &[0, 1])).await;
    wait_for("JobClosed").await;
    wait_for("the end").await;
    network.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_jobs_are_heard_of_at_once() {
    let Stage { network, market, wallet, client } = stage(9).await;
    let key = wallet.pubkey();
    let mut updates = client.watch_market(&market.address);
    let account = pda::client(&market.address, &key);
    for number in 0..3 {
        let job = pda::job(&account, number);
        let deadline = network.direct.clock().await.unwrap().time + 3_600;
        let post = ix::post_job(&key, &market.address, &market.mint, number, &post(deadline));
        network.direct.send(&[post], &wallet, &[]).await.unwrap();
        let heard = async {
            while let Some(update) = updates.next().await {
                if matches!(update, MarketUpdate::Job(found) if found.address == job) {
                    return true;
                }
            }
            false
        };
        assert!(timeout(SOON, heard).await.unwrap_or(false), "job {number} was not heard of");
    }
    network.stop();
}
