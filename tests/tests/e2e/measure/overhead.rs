//! What a worker takes besides its executor.

use std::{collections::HashSet, time::Duration};

use tessera_kernels::PreparedJob;
use tessera_sdk::{StoreClient, Tessera};
use tokio::{
    task::block_in_place,
    time::{Instant, sleep},
};

use super::{report, run_worker_as_set_up, spin, terms};
use crate::{
    faults::network_on,
    network::{Ledger, Network},
};

/// Seconds that a unit takes.
const UNIT: f64 = 0.2;
/// Units of the long job, and of a lease of it.
const UNITS: u64 = 600;
const UNITS_PER_LEASE: u32 = 10;
/// Jobs of one unit each.
const SHORT: u32 = 7;
/// How long the network settles before anything is measured.
const SETTLE: Duration = Duration::from_secs(10);

/// When the outputs of a job were there, checked, from the moment at which its post was confirmed.
struct Course {
    posting: Duration,
    first: Duration,
    last: Duration,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of minutes, which scripts/bench overhead runs"]
async fn a_worker_adds_little_to_its_executor() {
    let mut rows = vec![];
    for (ledger, slots) in [(Ledger::InMemory, "slots of 400 ms"), (Ledger::FastSlots, "slots of 50 ms")] {
        rows.extend(measure(ledger).await.into_iter().map(|(what, value)| (format!("{slots}: {what}"), value)));
    }
    report(["one worker, one replica, a local node", "measured"], &rows);
}

async fn measure(ledger: Ledger) -> Vec<(String, String)> {
    // The stake of full weight as a local network has it: other tests have another.
    let (network, _) = network_on(ledger, 1, [], &["--stake-cap", "1000"]);
    let mut worker = run_worker_as_set_up(&network, 1);
    let tessera = network.connect().await;
    let dir = network.path("");
    // What starts takes processor time, and would make units short.
    sleep(SETTLE).await;
    let rounds = block_in_place(|| spin::rounds(&dir, UNIT));

    let (mut first, mut posting) = (vec![], vec![]);
    for n in 0..SHORT {
        // Another number of rounds is another job, which the worker has to get ready first.
        let job = spin::job(&dir, 1, rounds + n);
        let bare = block_in_place(|| spin::bare(&job, 0..1));
        let course = run(&network, &tessera, &job, 1).await;
        first.push(course.first.saturating_sub(bare).as_secs_f64());
        posting.push(course.posting.as_secs_f64());
    }
    [&mut first, &mut posting].into_iter().for_each(|times| times.sort_by(f64::total_cmp));

    // Half of it before and half of it after, for the machine may not stay the same.
    let job = spin::job(&dir, UNITS, rounds - 1);
    let before = block_in_place(|| spin::bare(&job, 0..UNITS / 2));
    let course = run(&network, &tessera, &job, UNITS_PER_LEASE).await;
    let bare = (before + block_in_place(|| spin::bare(&job, UNITS / 2..UNITS))).as_secs_f64();
    worker.assert_running();

    let whole = course.last.as_secs_f64();
    // From the first lease to the last one, in which all but one are computed.
    let flow = (course.last - course.first).as_secs_f64();
    let share = (UNITS - u64::from(UNITS_PER_LEASE)) as f64 / UNITS as f64;
    let unit = 1e3 * bare / UNITS as f64;
    vec![
        (format!("{UNITS} units of {unit:.0} ms, by the executor alone"), format!("{bare:.2} s")),
        (format!("the same in leases of {UNITS_PER_LEASE}, from post to the last output"), format!("{whole:.2} s")),
        ("ratio".into(), format!("{:.3}", whole / bare)),
        ("ratio, from the first output to the last".into(), format!("{:.3}", flow / (bare * share))),
        (
            format!("from post to the output of a job of one unit, less that unit: median of {SHORT}"),
            format!("{:.2} s", first[first.len() / 2]),
        ),
        ("the longest of them".into(), format!("{:.2} s", first[first.len() - 1])),
        ("putting blobs and posting, before that: median".into(), format!("{:.2} s", posting[posting.len() / 2])),
    ]
}

/// Posts a job and collects its outputs.
async fn run(network: &Network, tessera: &Tessera, job: &PreparedJob, units_per_lease: u32) -> Course {
    let store = StoreClient::new(network.env("TESSERA_STORE")).unwrap();
    let began = Instant::now();
    let terms = terms(network, units_per_lease);
    let posted = tessera.post_job(&network.client(), &network.market(), &job.spec, job.blobs(), terms).await.unwrap();
    let (posting, began) = (began.elapsed(), Instant::now());
    let (mut first, none) = (None, HashSet::new());
    let collecting = tessera.collect(&posted.job, &job.spec, &store, &none, |_| {
        first.get_or_insert_with(|| began.elapsed());
        Ok(())
    });
    collecting.await.unwrap();
    Course { posting, first: first.unwrap(), last: began.elapsed() }
}
