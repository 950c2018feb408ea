//! Two providers of one owner, who makes them tell the same lie.

use tessera_protocol::bonds;
use tessera_sdk::{Event, Kind};

use crate::{
    attacker::Attacker,
    faults::NO_CHANCE,
    history::{Settlement, count, settlements},
    jobs::{LEASES, PAY},
    network::{Ledger, Network, STAKED},
    pictures,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_that_providers_of_one_owner_agree_on_is_found_by_an_audit() {
    let network = Network::start(4, Ledger::InMemory);
    // Nobody has a history, so all results are audited.
    network.update_market(&[&NO_CHANCE[..], &["--probation", "10"]].concat());
    (1..=3).for_each(|n| network.register(n));
    network.register_with(4, 3);
    let mut workers: Vec<_> = [1, 2].map(|n| network.run_worker(n)).into();
    let tessera = network.connect().await;
    let friends = [3, 4].map(|n| network.provider(n));

    // One provider does not get both seats of a lease: neither one after the other nor in one transaction.
    let mut rendering = network.render_by("colluding", &pictures::scene(), 2, &[3, 4]);
    let job = rendering.posted(&network, &tessera, |job| job.replicas == 2).await;
    let one = Attacker::new(&network, &tessera, 3);
    let [first, second] = [0, 1].map(|lease| one.claiming(&job.address, lease));
    one.seed(&job.address).await;
    one.send(std::slice::from_ref(&first)).await;
    one.refused(&[first], "AlreadySeated").await;
    one.refused(&[second.clone(), second], "AlreadySeated").await;
    assert!(tessera.lease(&job.address, 1).await.unwrap().is_none());
    one.send(&[one.returning(&job.address, 0)]).await;

    // So its owner has a second one.
    workers.extend([3, 4].map(|n| network.run_faulty_worker(n, "flip-bit")));
    let (address, stem) = rendering.wait();
    workers.iter_mut().for_each(|worker| worker.assert_running());
    let (history, ledger) = (tessera.job_history(&address).await.unwrap(), tessera.ledger(&address).await.unwrap());
    assert!(ledger.closed && ledger.balances(), "{ledger:?}");
    pictures::assert_as_computed_here(&stem);

    // Somebody else audits each lease, and nobody else is paid: by the client, as a replica would have been.
    let judges =
        |event: &Event| matches!(event, Event::LeaseClaimed(e) if e.kind != 0 && friends.contains(&e.provider));
    assert_eq!(count(&history, judges), 0, "an owner has judged itself");
    let paid = settlements(&history);
    let audits = |seat: &Settlement| seat.kind == Kind::Audit && seat.pay == PAY && !friends.contains(&seat.provider);
    assert!(paid.len() == LEASES && paid.iter().all(audits), "{paid:?}");
    assert_eq!((ledger.paid_by_client(), ledger.paid_by_losers), (PAY * LEASES as u64, 0));
    let drawn = |event: &Event| matches!(event, Event::ResultDrawn(e) if e.draw > 1);
    assert!(count(&history, drawn) >= LEASES);
    // Both lose what their seats locked, and none of it is for anybody.
    let lock = bonds::lock(job.lock_multiple, job.expiry_bond_bps, PAY).unwrap() * LEASES as u64;
    assert_eq!((ledger.awarded_sum(), ledger.slashed), (0, 2 * lock));
    let mut operators = vec![];
    for friend in friends {
        let friend = tessera.provider(&friend).await.unwrap().unwrap();
        operators.push(friend.operator);
        assert_eq!((friend.earned, friend.locked, friend.faults as usize), (0, 0, LEASES));
        assert_eq!((friend.slashed, friend.to_burn, friend.stake), (lock, lock, STAKED - lock));
    }
    assert_eq!(operators[0], operators[1], "they are of one owner");
    for n in [1, 2] {
        let honest = tessera.provider(&network.provider(n)).await.unwrap().unwrap();
        let paid = ledger.paid.get(&honest.address).copied().unwrap_or(0);
        assert_eq!((honest.earned, honest.stake, honest.locked, honest.faults), (paid, STAKED, 0, 0));
    }
}
