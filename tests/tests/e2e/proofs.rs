//! Proofs of capability: device memory is shown before jobs are taken that ask for it.

use std::fs;

use tessera_sdk::{Event, Recorded, accounts};

use crate::{
    faults::NO_CHANCE,
    history::{claims, settlements},
    jobs::LEASES,
    network::{Ledger, Network},
    operations::{command, configure, log},
    pictures,
    process::{PATIENCE, until, wait_for},
};

/// What a worker says that has shown something.
const SHOWN: &str = "shown what a device can do";

/// Slot of the first claim.
fn first_claim(history: &[Recorded]) -> u64 {
    let claimed = history.iter().filter(|recorded| matches!(recorded.event, Event::LeaseClaimed(_)));
    claimed.map(|recorded| recorded.slot).min().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_shown_before_a_job_that_asks_for_it_is_taken() {
    let network = Network::start(1, Ledger::InMemory);
    network.update_market(&[&NO_CHANCE[..], &["--proof-seconds", "86400"]].concat());
    network.register(1);
    let show = |mib: u32| configure(&network, 1, &[("executor", &format!("proof_mib = {mib}"))]);
    show(32);
    let tessera = network.connect().await;
    let provider = async || -> accounts::Provider { *tessera.provider(&network.provider(1)).await.unwrap().unwrap() };
    for (arguments, says) in [(["status"], "none yet"), (["doctor"], "warning  proof")] {
        let said = command(&network, 1, &arguments, true);
        assert!(said.contains(says), "{said}");
    }

    // The jobs are there before the worker; the second asks for more than it is set to show.
    let asks = |name: &str, mib: &str| network.render_with(name, &pictures::scene(), 1, &[1], &["--memory-mib", mib]);
    let mut second = asks("second", "37");
    let second_job = second.posted(&network, &tessera, |job| job.memory_mib == 37).await;
    let first = asks("first", "32");
    let worker = network.run_worker(1);
    let (job, stem) = first.wait();
    pictures::assert_as_computed_here(&stem);
    let history = tessera.job_history(&job).await.unwrap();
    assert_eq!(settlements(&history).len(), LEASES);
    let shown = provider().await;
    assert_eq!((shown.proven_mib, shown.proof_slot), (32, 0));
    assert!(shown.speed > 0 && shown.proven_at > 0);
    let said = command(&network, 1, &["status"], true);
    assert!(said.contains("32 MiB filled with") && said.contains("counts until"), "{said}");
    assert!(command(&network, 1, &["doctor"], true).contains("ok       proof"));
    assert!(claims(&tessera.job_history(&second_job.address).await.unwrap()).is_empty());
    wait_for("the refusal", PATIENCE, || log(&network, 1).contains("asks for Requirements { memory_mib: 37"));
    assert_eq!(log(&network, 1).matches(SHOWN).count(), 1);

    // Another worker of the same provider has nothing to do: worker 3, with a folder of its own.
    let data = network.path("worker-1").display().to_string();
    let twin = fs::read_to_string(network.config(1)).unwrap();
    fs::write(network.config(3), twin.replace(&data, &network.path("worker-3").display().to_string())).unwrap();
    let other = network.run_worker(3);
    wait_for("the other worker", PATIENCE, || log(&network, 3).contains("what this provider has shown counts"));
    assert_eq!(provider().await.proven_at, shown.proven_at);
    other.stop();
    worker.stop();

    // A worker that can show more does so when it starts, although what was shown still counts.
    show(37);
    let _worker = network.run_worker(1);
    let (job, stem) = second.wait();
    assert_eq!(job, second_job.address);
    pictures::assert_as_computed_here(&stem);
    assert!(first_claim(&tessera.job_history(&job).await.unwrap()) > first_claim(&history));
    let shown = provider().await;
    assert_eq!((shown.proven_mib, log(&network, 1).matches(SHOWN).count()), (37, 2));

    // What is forgotten sooner is shown sooner again, without being asked.
    network.update_market(&["--proof-seconds", "60"]);
    until("the next proof", PATIENCE, async || Some(()).filter(|()| log(&network, 1).matches(SHOWN).count() >= 4))
        .await;
    let renewed = provider().await;
    assert!(renewed.proven_at > shown.proven_at && renewed.proven_mib == 37);
    // One seed in two hundred has too few hits, and is given up for another one.
    let log = log(&network, 1);
    let problem =
        |line: &&str| line.contains("cannot show what the devices can do") && !line.contains("lie under the target");
    assert_eq!(log.lines().filter(problem).count(), 0, "{log}");
}
