//! Transfers: each moves what it should once, whatever happens to requests and answers.

use std::time::Duration;

use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_sdk::{ComputeUnits, Error, Standing, Tessera};
use tessera_tests::proxy::{Fault, Rule};
use tokio::time::{Instant, sleep};

use crate::network::Network;

/// Lamports of the smallest transfer; less than that keeps no account.
const LEAST: u64 = 1_000_000;

/// Sends transfers of different amounts at the same time; returns what was certainly moved, and what may have been.
async fn transfer(tessera: &Tessera, from: &Keypair, to: &Pubkey, count: u64) -> (u64, u64, Vec<Error>) {
    let send = |amount: u64| async move {
        let transfer = solana_system_interface::instruction::transfer(&from.pubkey(), to, amount);
        (amount, tessera.send(&[transfer], from, &[]).await)
    };
    let sent = futures_util::future::join_all((0..count).map(|n| send(LEAST << n))).await;
    let mut moved = (0, 0, vec![]);
    for (amount, result) in sent {
        match result {
            Ok(_) => moved.0 += amount,
            Err(error) => {
                moved.1 += if matches!(error, Error::Unknown { .. }) { amount } else { 0 };
                moved.2.push(error);
            }
        }
    }
    moved
}

fn faults() -> Vec<(&'static str, Vec<Rule>)> {
    let one = |fault: Fault| vec![Rule::from(fault)];
    let seldom = |fault: Fault| vec![Rule::from(fault).percent(40)];
    vec![
        ("refused", one(Fault::Refuse)),
        ("cut off", one(Fault::Cut { within: 300 })),
        ("late", one(Fault::Delay { ms: 300, jitter_ms: 300 })),
        ("stalled", one(Fault::Stall)),
        ("lossy", one(Fault::Lossy { percent: 30 })),
        ("slow", one(Fault::Throttle { bytes_per_second: 4_000 })),
        ("too many requests", one(Fault::Limit { retry_after: Some(1), date: false })),
        ("too many requests until a date", one(Fault::Limit { retry_after: Some(2), date: true })),
        ("too many requests, now and then", seldom(Fault::Limit { retry_after: None, date: false })),
        ("unavailable, now and then", seldom(Fault::Status { code: 503 })),
        ("stale", one(Fault::Stale)),
        ("nonsense", one(Fault::Garble)),
        ("nonsense, now and then", seldom(Fault::Garble)),
        ("silent", one(Fault::Silent)),
        ("answers lost, now and then", seldom(Fault::LoseAnswer)),
    ]
}

/// What was moved is what the receiver has more than before.
async fn check(
    network: &Network,
    to: &Pubkey,
    before: u64,
    (certain, perhaps, errors): (u64, u64, Vec<Error>),
    fault: &str,
) {
    let more = network.direct.balance(to).await.unwrap() - before;
    assert!(
        more >= certain && (more - certain) & !perhaps == 0,
        "{fault}: {more} lamports arrived, {certain} were reported and {perhaps} may have; {errors:?}"
    );
}

/// One way is bad, the other good: everything succeeds.
#[tokio::test(flavor = "multi_thread")]
async fn one_good_way_is_enough() {
    let network = Network::start(1).await;
    let (from, to) = (network.wallet().await, Keypair::new().pubkey());
    for (bad, (fault, rules)) in faults().into_iter().enumerate() {
        let client = network.client();
        transfer(&client, &from, &to, 1).await;
        let before = network.direct.balance(&to).await.unwrap();
        network.ways[bad % 2].set(&rules);
        let moved = transfer(&client, &from, &to, 3).await;
        assert!(moved.2.is_empty(), "{fault}: {:?}", moved.2);
        check(&network, &to, before, moved, fault).await;
        network.ways[bad % 2].clear();
    }
    network.stop();
}

/// Both ways are bad for a while: everything succeeds in the end, and once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_bad_for_a_while_is_waited_for() {
    let network = Network::start(2).await;
    let (from, to) = (network.wallet().await, Keypair::new().pubkey());
    for (fault, rules) in faults() {
        let client = network.client();
        transfer(&client, &from, &to, 1).await;
        let before = network.direct.balance(&to).await.unwrap();
        network.ways.iter().for_each(|way| way.set(&rules));
        let heal = network.heal(3);
        let (moved, ()) = tokio::join!(transfer(&client, &from, &to, 3), heal);
        assert!(moved.2.is_empty(), "{fault}: {:?}", moved.2);
        check(&network, &to, before, moved, fault).await;
    }
    network.stop();
}

/// Transactions vanish until their blockhash has passed: they are signed anew, and those that were only believed to have vanished
/// are found.
#[tokio::test(flavor = "multi_thread")]
async fn what_expires_is_sent_again_and_what_landed_is_not() {
    let network = Network::start(3).await;
    let (from, to) = (network.wallet().await, Keypair::new().pubkey());
    transfer(&network.client(), &from, &to, 1).await;
    // Those that no node gets, and those that it gets and nobody hears of until it is too late.
    let vanishing = Rule::from(Fault::Status { code: 502 }).of(&["sendTransaction"]);
    let unheard = [
        Rule::from(Fault::LoseAnswer).of(&["sendTransaction"]),
        Rule::from(Fault::Status { code: 502 }).of(&["getSignatureStatuses"]),
    ];
    for (what, rules, fixed) in [("vanish", vec![vanishing], true), ("are unheard of", unheard.to_vec(), false)] {
        let mut config = network.config();
        config.patience = Duration::from_secs(60);
        if fixed {
            config.compute_units = ComputeUnits::Fixed(1_000);
        }
        let client = Tessera::new(config).unwrap();
        let before = network.direct.balance(&to).await.unwrap();
        network.ways.iter().for_each(|way| way.set(&rules));
        let heal = network.heal(25);
        let (moved, ()) = tokio::join!(transfer(&client, &from, &to, 2), heal);
        assert!(moved.2.is_empty(), "those that {what}: {:?}", moved.2);
        check(&network, &to, before, moved, what).await;
    }
    network.stop();
}

/// A node whose time stands still is left alone, and asked again when it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn the_better_listed_way_is_taken_again() {
    let network = Network::start(4).await;
    let (from, to) = (network.wallet().await, Keypair::new().pubkey());
    let client = network.client();
    transfer(&client, &from, &to, 1).await;
    network.ways[0].fail(Fault::Stale);
    let leave = Instant::now() + Duration::from_secs(60);
    while client.endpoints()[0].standing != Standing::Behind {
        assert!(Instant::now() < leave, "a stale endpoint is not noticed: {:?}", client.endpoints());
        client.clock().await.unwrap();
        sleep(Duration::from_millis(300)).await;
    }
    network.ways[0].clear();
    let leave = Instant::now() + Duration::from_secs(60);
    loop {
        client.clock().await.unwrap();
        let before = network.ways[0].rpc.counts().requests;
        client.clock().await.unwrap();
        if client.endpoints()[0].is_ready() && network.ways[0].rpc.counts().requests > before {
            break;
        }
        assert!(Instant::now() < leave, "the first endpoint is not asked again: {:?}", client.endpoints());
        sleep(Duration::from_millis(300)).await;
    }
    network.stop();
}
