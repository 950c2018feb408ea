//! The main job: a scene is rendered by strangers, checked, merged and paid for.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    history::{Settlement, claims, replicas, settlements},
    jobs::LEASES,
    network::{Ledger, Network},
    pictures,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_agree_and_everybody_is_paid() {
    let network = Network::start(3, Ledger::InMemory);
    let _workers: Vec<_> = (1..=3)
        .map(|n| {
            network.register(n);
            network.run_worker(n)
        })
        .collect();
    let (job, stem) = network.render("picture", &pictures::scene(), 2).wait();

    let tessera = network.connect().await;
    let history = tessera.job_history(&job).await.unwrap();
    let mut roots = BTreeMap::<u32, BTreeSet<[u8; 32]>>::new();
    let mut providers = BTreeMap::<u32, BTreeSet<_>>::new();
    for Settlement { lease, provider, root, .. } in settlements(&history) {
        roots.entry(lease).or_default().insert(root);
        assert!(providers.entry(lease).or_default().insert(provider), "lease {lease} paid {provider} twice");
    }
    assert_eq!(roots.len(), LEASES);
    assert!(roots.values().all(|roots| roots.len() == 1), "replicas settled with different roots");
    assert_eq!(replicas(&history).len(), 2 * LEASES, "{providers:?}");
    assert!(claims(&history).values().all(|count| *count == 1), "a lease was claimed twice by one provider");

    let ledger = tessera.ledger(&job).await.unwrap();
    assert!(ledger.balances(), "{ledger:?}");
    assert!(tessera.job(&job).await.unwrap().is_none(), "the job is closed and its rent returned");
    for n in 1..=3 {
        let provider = network.provider(n);
        let earned = tessera.provider(&provider).await.unwrap().unwrap().earned;
        let paid: u64 =
            settlements(&history).iter().filter(|seat| seat.provider == provider).map(|seat| seat.pay).sum();
        assert_eq!(earned, paid);
    }
    pictures::assert_as_computed_here(&stem);
}
