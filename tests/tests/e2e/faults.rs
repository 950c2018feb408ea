//! A provider that delivers wrong bits.

use tessera_sdk::Event;

use crate::{
    network::{LEASES, Ledger, Network, settlements},
    pictures,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_not_paid_and_the_job_completes() {
    let network = Network::start(4, Ledger::InMemory);
    (1..=4).for_each(|n| network.register(n));
    let mut bad = network.run_faulty_worker(4, "flip-bit");
    let _good: Vec<_> = (1..=3).map(|n| network.run_worker(n)).collect();
    let (job, stem) = network.render("picture", &pictures::scene(), 2).wait();
    bad.assert_running();

    let tessera = network.connect().await;
    let history = tessera.history(&job).await.unwrap();
    let settled = settlements(&history);
    assert_eq!(settled.len(), 2 * LEASES);
    let liar = network.provider(4);
    assert!(settled.iter().all(|(_, provider, ..)| *provider != liar), "the wrong bits were paid for");
    let took_part =
        history.iter().any(|recorded| matches!(&recorded.event, Event::ResultRevealed(e) if e.provider == liar));
    let disagreed = history.iter().filter(|recorded| matches!(recorded.event, Event::LeaseDisagreed(_))).count();
    assert!(took_part && disagreed > 0, "the faulty worker never got to deliver anything");
    assert_eq!(tessera.provider(&liar).await.unwrap().unwrap().total_earned, 0);
    assert!(tessera.ledger(&job).await.unwrap().balances());
    pictures::assert_as_computed_here(&stem);
}
