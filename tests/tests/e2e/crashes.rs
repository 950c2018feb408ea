//! Workers that are killed at the worst moments, and a node that goes away.

use crate::{
    history::{claims, replicas, settlements},
    jobs::LEASES,
    network::{Ledger, Network},
    pictures,
    process::{PATIENCE, wait_for},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_any_phase_goes_on() {
    let network = Network::start(3, Ledger::InMemory);
    (1..=3).for_each(|n| network.register(n));
    // The third only audits: without it a lease that is drawn would wait for nobody.
    let _others = [1, 3].map(|n| network.run_worker(n));
    let tessera = network.connect().await;
    // Both providers are needed for every lease, so nothing completes without the one that is killed.
    for phase in ["leased", "executed", "committed", "revealed"] {
        let mut victim = network.run_faulty_worker(2, &format!("stop-after:{phase}"));
        // Time enough to begin anew.
        let options = ["--lease-seconds", "300"];
        let rendering = network.render_with(phase, &pictures::scene(), 2, &[1, 2], &options);
        assert!(!victim.wait(PATIENCE).success(), "the worker was to be killed when {phase}");
        let restarted = network.run_worker(2);
        let (job, stem) = rendering.wait();

        let history = tessera.job_history(&job).await.unwrap();
        let settled = settlements(&history);
        assert_eq!(replicas(&history).len(), 2 * LEASES, "killed when {phase}");
        let seats: std::collections::HashSet<_> = settled.iter().map(|seat| (seat.lease, seat.provider)).collect();
        assert_eq!(seats.len(), settled.len(), "killed when {phase}: something was paid twice");
        assert!(claims(&history).values().all(|count| *count == 1), "killed when {phase}: rent was paid twice");
        assert!(tessera.ledger(&job).await.unwrap().balances());
        pictures::assert_as_computed_here(&stem);
        restarted.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reconnects_after_the_node_was_away() {
    let mut network = Network::start(3, Ledger::OnDisk);
    (1..=3).for_each(|n| network.register(n));
    let mut workers: Vec<_> = (1..=3).map(|n| network.run_worker(n)).collect();
    let rendering = network.render("picture", &pictures::scene(), 2);
    let (tessera, market) = (network.connect().await, network.market());
    // In mid-job: something is leased, not all is settled.
    let handle = tokio::runtime::Handle::current();
    wait_for("the first claim", PATIENCE, || {
        tokio::task::block_in_place(|| {
            handle.block_on(async {
                for job in tessera.jobs(&market, tessera_sdk::JobFilter::Open).await.unwrap() {
                    if !tessera.job_leases(&job.address).await.unwrap().is_empty() {
                        return true;
                    }
                }
                false
            })
        })
    });
    network.restart(3);
    let (job, stem) = rendering.wait();
    workers.iter_mut().for_each(|worker| worker.assert_running());
    let history = network.connect().await.job_history(&job).await.unwrap();
    assert_eq!(replicas(&history).len(), 2 * LEASES);
    assert!(network.connect().await.ledger(&job).await.unwrap().balances());
    pictures::assert_as_computed_here(&stem);
}
