//! The examples of the SDK, run as they stand. Their `main` reads the environment and calls what is called here.

#[allow(dead_code, reason = "its own main is another")]
#[path = "../../../sdk/client/examples/events_to_database.rs"]
mod events_to_database;
#[allow(dead_code, reason = "its own main is another")]
#[path = "../../../sdk/client/examples/post_and_await.rs"]
pub mod post_and_await;
#[allow(dead_code, reason = "its own main is another")]
#[path = "../../../sdk/client/examples/private_market.rs"]
mod private_market;
#[allow(dead_code, reason = "its own main is another")]
#[path = "../../../sdk/client/examples/stream_results.rs"]
mod stream_results;

use std::{collections::BTreeMap, path::Path};

use redb::{Database, ReadableTable, ReadableTableMetadata};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_sdk::{JobFilter, LeaseOutput, Recorded, Tessera, token};
use tokio::sync::Notify;

use crate::{
    faults::network,
    process::{PATIENCE, until},
};

/// Units of the job, two in a lease.
const UNITS: u64 = 8;

/// Follows the market into a database until an event of this name is there.
async fn record(tessera: &Tessera, market: &Pubkey, file: &Path, last: &str) {
    let seen = Notify::new();
    let told = |recorded: &Recorded| {
        if recorded.event.name() == last {
            seen.notify_one();
        }
    };
    events_to_database::run(tessera, market, file, told, seen.notified()).await.unwrap();
}

/// How often each event stands in the database.
fn events(file: &Path) -> BTreeMap<String, usize> {
    let database = Database::open(file).unwrap();
    let table = database.begin_read().unwrap().open_table(events_to_database::EVENTS).unwrap();
    let mut events = BTreeMap::new();
    for entry in table.iter().unwrap() {
        *events.entry(entry.unwrap().1.value().to_owned()).or_default() += 1;
    }
    assert_eq!(events.values().sum::<usize>() as u64, table.len().unwrap());
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_of_the_sdk_do_what_they_say() {
    let (network, _workers) = network(1, [1], &[]);
    let tessera = network.connect().await;
    let market = network.market();

    // Stopped as soon as there is a job, and started again.
    let file = network.path("events.redb");
    let recorded = async {
        record(&tessera, &market, &file, "JobPosted").await;
        record(&tessera, &market, &file, "JobClosed").await;
        events(&file)
    };
    let streamed = async {
        let look = async || tessera.jobs(&market, JobFilter::All).await.unwrap().pop();
        let job = until("the job", PATIENCE, look).await;
        let mut units = vec![];
        let take = |lease: LeaseOutput| units.extend(lease.units().map(|(unit, _)| unit));
        let collected = stream_results::run(&tessera, &job.address, take).await.unwrap();
        units.sort_unstable();
        (collected.units, units)
    };
    let (wallet, store) = (network.client(), network.env("TESSERA_STORE"));
    let posted = post_and_await::run(&tessera, &wallet, &market, store, UNITS);
    let (events, streamed, posted) = tokio::join!(recorded, streamed, posted);
    let (outputs, ledger) = posted.unwrap();
    for (unit, output) in (0u32..).zip(&outputs) {
        assert_eq!(output[..], [unit.to_le_bytes(); 64].concat(), "unit {unit}");
    }
    assert!(outputs.len() as u64 == UNITS && ledger.closed && ledger.balances(), "{ledger:?}");
    assert_eq!(ledger.paid_sum(), UNITS * 1_000_000);
    assert_eq!(streamed, (UNITS, (0..UNITS).collect()));
    let counts = ["JobPosted", "LeaseClaimed", "LeaseSettled", "JobClosed"].map(|name| events.get(name).copied());
    assert_eq!(counts, [Some(1), Some(4), Some(4), Some(1)], "{events:?}");

    let (member, operator) = (Keypair::new(), Keypair::new().pubkey());
    let owned = private_market::run(&tessera, &network.client(), 7, &member, &operator).await.unwrap();
    let providers = tessera.providers(&owned).await.unwrap();
    assert_eq!((providers.len(), providers[0].operator), (1, operator));
    let mint = tessera.market(&owned).await.unwrap().unwrap().mint;
    let left = tessera.token_balance(&token::ata(&member.pubkey(), &mint)).await.unwrap();
    assert_eq!(left.map(|left| left + providers[0].stake), Some(private_market::GIFT));
}
