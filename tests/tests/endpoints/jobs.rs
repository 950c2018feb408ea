//! Jobs that are posted, followed, cancelled and closed over bad ways: each exists once, its money is all there, and who follows it
//! sees every event once.

use std::time::Duration;

use futures_util::StreamExt;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_protocol::{cid::Cid, routing::Requirements};
use tessera_sdk::{Error, JobUpdate, MarketUpdate, Tessera, ix, pda, token};
use tessera_tests::proxy::{Fault, Rule};
use tokio::time::{Instant, sleep, timeout};

use crate::network::{Market, Network, Way};

/// What a unit pays, in base units.
const PRICE: u64 = 1_000;
pub const TOKENS: u64 = 1_000_000;
/// Longest that a job may take.
const LONGEST: Duration = Duration::from_secs(120);

pub fn post(deadline: i64) -> ix::PostJob {
    ix::PostJob {
        spec: Cid::of(b"a job that nobody computes"),
        units: 4,
        units_per_lease: 2,
        replicas: 1,
        price_per_unit: PRICE,
        max_deposit: TOKENS,
        lease_seconds: 60,
        deadline,
        requirements: Requirements::default(),
        challenge_seconds: 0,
        min_stake: 0,
        min_score_bps: 0,
        allowed: vec![],
        denied: vec![],
        private: false,
        store_url: "http://127.0.0.1:1".into(),
    }
}

/// Tries again for as long as a client would that read the error.
async fn persist<T, Fut: Future<Output = Result<T, Error>>>(what: &str, again: impl Fn() -> Fut) -> T {
    for _ in 0..3 {
        match again().await {
            Ok(done) => return done,
            Err(error) if error.is_transient() => eprintln!("{what}: {error}"),
            Err(error) => panic!("{what}: {error}"),
        }
    }
    panic!("{what}: no success in three tries");
}

/// Sends unless what it should bring about is there already.
async fn bring_about(
    client: &Tessera,
    wallet: &Keypair,
    instruction: impl AsyncFn() -> Result<Option<solana_instruction::Instruction>, Error>,
) -> Result<(), Error> {
    match instruction().await? {
        Some(instruction) => client.send(&[instruction], wallet, &[]).await.map(drop),
        None => Ok(()),
    }
}

/// A job from post to close; what its follower saw is returned.
async fn life(client: &Tessera, market: &Market, wallet: &Keypair, number: u64) -> (Pubkey, Vec<JobUpdate>) {
    let (key, market) = (wallet.pubkey(), &market.address);
    let account = pda::client(market, &key);
    let job = pda::job(&account, number);
    let follower = tokio::spawn({
        let client = client.clone();
        async move { timeout(LONGEST, client.watch_job(&job).collect::<Vec<_>>()).await }
    });
    let mint = client.market(market).await.unwrap().unwrap().mint;
    persist("post", || {
        bring_about(client, wallet, async || {
            let there = client.job(&job).await?.is_some();
            let deadline = client.clock().await?.time + 3_600;
            Ok((!there).then(|| ix::post_job(&key, market, &mint, number, &post(deadline))))
        })
    })
    .await;
    persist("cancel", || {
        bring_about(client, wallet, async || {
            let open = client.job(&job).await?.is_some_and(|job| job.is_open());
            Ok(open.then(|| ix::cancel_job(&key, &job)))
        })
    })
    .await;
    persist("close", || {
        bring_about(client, wallet, async || {
            let there = client.job(&job).await?;
            Ok(there.map(|job| ix::close_job(&job, &mint, &[0, 1])))
        })
    })
    .await;
    let updates = follower.await.unwrap().expect("the stream ends with the job");
    (job, updates)
}

fn check(fault: &str, updates: &[JobUpdate]) {
    let name = |update: &JobUpdate| match update {
        JobUpdate::Event(recorded) => Some(recorded.event.name()),
        _ => None,
    };
    let events: Vec<_> = updates.iter().filter_map(name).collect();
    assert_eq!(events, ["JobPosted", "JobCancelled", "JobClosed"], "{fault}");
    assert!(matches!(updates.last(), Some(JobUpdate::Closed)), "{fault}: {:?}", updates.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_live_once_and_are_seen_in_full() {
    let network = Network::start(7).await;
    let market = network.market().await;
    let wallet = network.wallet().await;
    market.fund(&network, &wallet.pubkey(), TOKENS).await;
    network.direct.register_client(&wallet, &market.address).await.unwrap();
    let mut watched = network.client().watch_market(&market.address);

    let one = |fault: Fault| vec![Rule::from(fault)];
    let faults = [
        ("none", vec![]),
        ("refused", one(Fault::Refuse)),
        ("cut off", one(Fault::Cut { within: 2_000 })),
        ("stalled", one(Fault::Stall)),
        ("late and lossy", vec![Fault::Lossy { percent: 20 }.into(), Fault::Delay { ms: 50, jitter_ms: 200 }.into()]),
        ("too many requests", vec![Rule::from(Fault::Limit { retry_after: Some(1), date: false }).percent(30)]),
        ("stale", one(Fault::Stale)),
        ("nonsense", vec![Rule::from(Fault::Garble).percent(30)]),
        ("silent", one(Fault::Silent)),
        ("answers lost", vec![Rule::from(Fault::LoseAnswer).percent(30)]),
    ];
    for (number, (fault, rules)) in faults.iter().enumerate() {
        let client = network.client();
        let before = network.direct.token_balance(&token::ata(&wallet.pubkey(), &market.mint)).await.unwrap().unwrap();
        client.clock().await.unwrap();
        // The first way is bad all the time, the second for a while.
        let worsen = async {
            network.ways[0].set(rules);
            sleep(Duration::from_secs(1)).await;
            network.ways[1].set(rules);
            sleep(Duration::from_secs(3)).await;
            network.ways[1].clear();
        };
        let ((job, updates), ()) = tokio::join!(life(&client, &market, &wallet, number as u64), worsen);
        network.ways.iter().for_each(Way::clear);
        check(fault, &updates);
        let ledger = network.direct.ledger(&job).await.unwrap();
        assert!(ledger.closed && ledger.balances(), "{fault}: {ledger:?}");
        assert_eq!((ledger.refunded, ledger.paid_sum()), (ledger.deposited, 0), "{fault}");
        let after = network.direct.token_balance(&token::ata(&wallet.pubkey(), &market.mint)).await.unwrap().unwrap();
        assert_eq!(after, before, "{fault}: tokens are missing");
        let account = pda::client(&market.address, &wallet.pubkey());
        let next = network.direct.client(&account).await.unwrap().unwrap().next_job;
        assert_eq!(next, number as u64 + 1, "{fault}");
    }

    // Who followed the market over the same ways saw each job come and go; those that lived between two looks it may have missed.
    let mut open = std::collections::HashSet::new();
    let mut seen = 0;
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        match timeout(Duration::from_secs(10), watched.next()).await {
            Ok(Some(MarketUpdate::Job(job))) => seen += usize::from(open.insert(job.address)),
            Ok(Some(MarketUpdate::Gone(job))) => assert!(open.remove(&job), "{job} has gone and never came"),
            Ok(None) => break,
            // After failures it looks rarely.
            Err(_) if open.is_empty() || Instant::now() > end => break,
            Err(_) => {}
        }
    }
    assert!(open.is_empty() && seen > 0, "{open:?} of {seen} never went");
    network.stop();
}
