//! The store under load, as a process of its own: five hundred transfers at once, while others do it all the harm they can.

mod bad;
mod good;
mod store;

use std::{sync::Arc, time::Duration};

use good::{Blob, TRANSFERS};
use store::{Store, eventually};
use tessera_sdk::store::StoreClient;

/// Memory that the store may take: 256 MiB for puts (see [`Store::start`]), and buffers of a thousand connections.
const MEMORY: u64 = 384 << 20;
/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn good_clients_do_not_notice_bad_ones() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let store = Arc::new(Store::start());
    let handles = store.handles();
    let client = StoreClient::new(&store.url()).unwrap();
    let there: Vec<Blob> = good::blobs(0, good::SIZES.len());
    for blob in &there {
        client.put(&store.member, blob.bytes.clone()).await.unwrap();
    }
    drop(client);

    let mut harm = bad::begin(&store, &there);
    let mut put = good::all_at_once(&store, &there).await;
    put.extend(good::as_they_come(&store, &there).await);
    assert!(put.len() >= TRANSFERS, "half of both rounds are puts");
    // Whoever waits to be cut has been, and every other has failed at least once, in the way it should.
    let attempts = tokio::time::timeout(PATIENCE, harm.end()).await.expect("bad clients come to their end");
    println!("attempts to do harm: {attempts:?}");

    // The store has cut those who still hold on to their connections: it has as many handles as before.
    eventually("as many handles as before", async || store.handles() <= handles).await;
    drop(harm);
    let expected = there.iter().chain(&put).map(|blob| blob.cid.to_string());
    store.assert_holds(expected.collect()).await;
    let memory = store.peak_memory();
    println!("the store took {} MiB at most", memory >> 20);
    assert!(memory < MEMORY, "{memory} bytes");

    // And serves on, and ends in order.
    let client = StoreClient::new(&store.url()).unwrap();
    assert_eq!(client.get(&put[0].cid, u64::MAX).await.unwrap(), put[0].bytes);
    drop(client);
    Arc::into_inner(store).expect("nobody uses it any more").stop();
}
