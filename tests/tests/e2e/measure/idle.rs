//! What a worker takes that has nothing to do in a market that is full of work for others.

use std::time::Duration;

use solana_signer::Signer as _;
use tessera_protocol::routing::Requirements;
use tessera_sdk::{JobFilter, JobTerms};
use tokio::time::{Instant, sleep};

use super::{report, run_worker_as_set_up, spin, terms, usage::Usage};
use crate::{attacker::Attacker, faults::network, network::STAKED, process::Process};

/// Jobs of each kind, and leases of each.
const JOBS: u32 = 8;
const LEASES: u32 = 160;
/// Claims in one transaction.
const CLAIMS: usize = 10;
/// How long it settles after the last job was posted, and for how long it is watched then.
const SETTLE: Duration = Duration::from_secs(15);
const WATCH: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of minutes, which scripts/bench idle runs"]
async fn an_idle_worker_among_thousands_of_leases() {
    const SELF: u16 = 1;
    const OTHER: u16 = 2;
    let (network, _) = network(2, [], &["--max-open-leases", "4096"]);
    let tessera = network.connect().await;
    let (market, client, dir) = (network.market(), network.client(), network.path(""));
    let mut posted = 0;
    let mut post = async |terms: &JobTerms| {
        posted += 1;
        let job = spin::job(&dir, LEASES.into(), 1_000 + posted);
        tessera.post_job(&client, &market, &job.spec, job.blobs(), terms.clone()).await.unwrap().job
    };
    let plain = || terms(&network, 1);

    // What another provider is at work on, for longer than this takes.
    let other = Attacker::new(&network, &tessera, OTHER);
    // Each lease keeps rent until it is over.
    tessera.airdrop(&other.operator.pubkey(), 20_000_000_000).await.unwrap();
    for _ in 0..JOBS {
        let job = post(&JobTerms { lease_seconds: 7_200, ..plain() }).await;
        other.seed(&job).await;
        let claims: Vec<_> = (0..LEASES).map(|lease| other.claiming(&job, lease)).collect();
        for claims in claims.chunks(CLAIMS) {
            other.send(claims).await;
        }
    }
    let mut worker = run_worker_as_set_up(&network, SELF);
    let mut rows = vec![];
    let mut watched = async |worker: &mut Process, what: &str| {
        let share = watch(worker).await;
        worker.assert_running();
        let jobs = tessera.jobs(&market, JobFilter::Open).await.unwrap();
        let open: u32 = jobs.iter().map(|job| job.leases - job.settled_leases).sum();
        rows.push((format!("{open} open leases: {what}"), format!("{:.1} %", 100.0 * share)));
    };
    watched(&mut worker, "another provider is at work on them").await;
    let machine = Requirements { memory_mib: 0, class: 80, regions: 0 };
    let kinds = [
        ("and as many that need a GPU", JobTerms { requirements: machine, ..plain() }),
        ("and as many that need more stake", JobTerms { min_stake: STAKED + 1, ..plain() }),
        ("and as many for the other provider alone", JobTerms { allowed: vec![network.provider(OTHER)], ..plain() }),
    ];
    for (what, terms) in kinds {
        for _ in 0..JOBS {
            post(&terms).await;
        }
        watched(&mut worker, what).await;
    }
    report(["a worker that can take none of them", "processor time, of a core"], &rows);
}

/// The processor time that a worker takes, as a part of a core.
async fn watch(worker: &Process) -> f64 {
    sleep(SETTLE).await;
    let (began, before) = (Instant::now(), Usage::of(worker.id(), false));
    sleep(WATCH).await;
    let after = Usage::of(worker.id(), false);
    (after.cpu - before.cpu) / began.elapsed().as_secs_f64()
}
